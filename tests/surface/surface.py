"""What the surface is, as text. ``python tests/surface/surface.py`` writes the files."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path

import redstart
from redstart.domain import domain_names

HERE = Path(__file__).parent


def public_api() -> str:
    """Every module with its ``__all__``."""
    lines = []
    for found in pkgutil.walk_packages(redstart.__path__, "redstart."):
        if found.name == "redstart.__main__":
            continue
        names = getattr(import_module(found.name), "__all__", [])
        if names:
            lines.append(f"{found.name}: {' '.join(sorted(names))}")
    return "\n".join(sorted(lines)) + "\n"


def star_import() -> str:
    """What ``from redstart.DOMAIN.all import *`` gives, by domain."""
    lines = []
    for domain in domain_names():
        names = import_module(f"redstart.{domain}.all").__all__
        lines += [f"{domain}: {name}" for name in sorted(names)]
    return "\n".join(lines) + "\n"


def cli_options() -> str:
    """Every command with its arguments and options."""
    import typer

    from redstart.cli.main import domain_verbs, make_app

    lines: list[str] = []

    def walk(command: object, path: str) -> None:
        for sub, inner in sorted(getattr(command, "commands", {}).items()):
            walk(inner, f"{path} {sub}")
        if not hasattr(command, "commands"):
            said = []
            for param in command.params:  # type: ignore[attr-defined]
                flags = "/".join([*param.opts, *param.secondary_opts])
                said.append(flags if flags.startswith("-") else f"<{flags}>")
            lines.append(" ".join([path, *said]))

    walk(typer.main.get_command(make_app(domain_verbs())), "redstart")
    return "\n".join(lines) + "\n"


FILES = {
    "public_api.txt": public_api,
    "star_import.txt": star_import,
    "cli_options.txt": cli_options,
}

if __name__ == "__main__":
    for name, text in FILES.items():
        (HERE / name).write_text(text())
