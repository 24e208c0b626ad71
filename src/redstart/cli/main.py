"""The command ``redstart``: puts the verbs together and turns outcomes into exit codes.

Nothing here imports PyTorch: a verb imports what it needs when it runs.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from redstart import __version__
from redstart.cli.info import info
from redstart.cli.predict import predict
from redstart.cli.report import report
from redstart.cli.test import test
from redstart.errors import ConfigError, RedstartError, problem

__all__ = ["domain_demos", "domain_verbs", "main", "make_app"]

DomainVerbs = Mapping[str, Mapping[str, Callable[..., None]]]
"""By verb, then by domain: the function whose parameters are the options."""

_HELP = {
    "train": "Train a model and write it, pictures and curves to a folder.",
    "show": "Draw rows as the model sees them.",
    "check": "Read every row and audit the split; nothing is changed or deleted.",
    "lr-find": "Try rising learning rates on a few batches and suggest one.",
}


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code.

    0: done. 1: done, but some rows could not be read. 2: the user's error, said in one
    line on standard error. 130: interrupted. A mistake of ours shows its traceback.

    Args:
        argv: The arguments, without the program's name; those of the process if left out.
    """
    # A process of ours may choose: on a CPU, large pages halve what large batches cost.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    # Threads that spin while they wait made small models ten times slower beside other work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(format="redstart: %(message)s", level=logging.WARNING)
    verbs = domain_verbs()
    app = make_app(verbs)
    try:
        app(_with_domain(sys.argv[1:] if argv is None else argv, verbs), prog_name="redstart")
    except RedstartError as error:
        print("redstart:", " ".join(str(error).split()), file=sys.stderr)
        sys.exit(2)
    sys.exit(0)


def make_app(verbs: DomainVerbs) -> typer.Typer:
    """Build the command line.

    Args:
        verbs: What the installed domains can do.
    """
    about = "From raw files to a trained model that you can look at, trust and use."
    app = _group(about)
    app.callback(help=about)(_common)
    for verb, functions in verbs.items():
        group = _group(_HELP.get(verb, ""))
        for domain, function in functions.items():
            group.command(domain)(function)
        app.add_typer(group, name=verb)
    for function in (predict, report, test, info, demo, domains):
        app.command(function.__name__)(function)
    return app


def demo(
    kind: Annotated[str, typer.Option(help="Of data: vision, tabular or collab.")] = "vision",
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("demo"),
) -> None:
    """Train on data that needs no network, from files to predictions.

    vision: scikit-learn's handwritten digits. tabular: its table of breast tumours.
    collab: ratings made up with known tastes.
    """
    demos = domain_demos()
    if kind not in demos:
        raise ConfigError(
            problem("Expected a kind of data", f"--kind {kind}", f"Use {', '.join(demos)}.")
        )
    demos[kind]()(out)


def domains() -> None:
    """List the kinds of data that can be trained on."""
    for name in sorted(e.name for e in entry_points(group="redstart.domains")):
        print(name)


def _say_version(wanted: bool) -> bool:
    if wanted:
        print(__version__)
        raise typer.Exit
    return wanted


def _common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="Show the version and leave."
        ),
    ] = False,
) -> None:
    """Options before the verb."""


def _group(text: str) -> typer.Typer:
    # Plain text, plain tracebacks: the same in a terminal, in a pipe and under NO_COLOR.
    return typer.Typer(
        help=text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def domain_demos() -> dict[str, Callable[[], Callable[[Path], None]]]:
    """By domain, what fetches its demo: the entry points of the group ``redstart.demos``."""
    found = sorted(entry_points(group="redstart.demos"), key=lambda e: e.name)
    return {entry.name: entry.load for entry in found}


def domain_verbs() -> dict[str, dict[str, Callable[..., None]]]:
    """What the installed domains can do: by verb, then by domain."""
    found: dict[str, dict[str, Callable[..., None]]] = {}
    for entry in sorted(entry_points(group="redstart.cli"), key=lambda e: e.name):
        commands: Mapping[str, Any] = entry.load()
        for verb, function in commands.items():
            found.setdefault(verb, {})[entry.name] = function
    return found


def _with_domain(argv: Sequence[str], verbs: DomainVerbs) -> list[str]:
    """``recommend BUNDLE`` means ``recommend collab BUNDLE``: one domain alone can do it.

    Raises:
        ConfigError: If several can, and none is named.
    """
    verb, *rest = argv or [""]
    known = verbs.get(verb, {})
    if not known or not rest or rest[0] in known or rest[0] == "--help":
        return list(argv)
    if len(known) == 1:
        return [verb, *known, *rest]
    if rest[0].startswith("-"):
        return list(argv)
    kind = "vision" if Path(rest[0]).is_dir() else "tabular"
    raise ConfigError(
        problem(
            f"Expected a kind of data after `{verb}`: {', '.join(sorted(known))}",
            rest[0],
            f"Write for example `redstart {verb} {kind} {rest[0]}`.",
        )
    )
