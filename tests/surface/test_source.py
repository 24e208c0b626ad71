"""Rules of the house that can be read off the source (architecture.md, section 13)."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "redstart").rglob("*.py"))
HERE = Path(__file__).parent

# Of our own classes, others derive from abstract ones only; these have no abstract method.
OPEN = {
    "Callback": "every event has a method that does nothing",
    "Configured": "to and from JSON",
    "Learner": "a domain adds verbs (`recommend`), and changes none",
    "Bundle": "likewise",
}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def where(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def test_no_module_is_longer_than_400_lines() -> None:
    # Rule 2; functions and signatures are ruff's C901 and PLR0913.
    lengths = {module_name(p): len(p.read_text("utf-8").splitlines()) for p in SOURCES}
    assert {name: n for name, n in lengths.items() if n > 400} == {}


def test_no_function_is_longer_than_60_lines_of_code() -> None:
    long = {}
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef) and not _is_an_interface(node):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                n = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
                if n > 60:
                    long[where(path, node)] = n
    assert long == {}


def _is_an_interface(node: ast.FunctionDef) -> bool:
    return any(ast.unparse(d) == "overload" for d in node.decorator_list)


def test_backward_is_called_by_the_engine_and_the_engine_by_the_loop() -> None:
    # Rule 10. The optimizer's gradients come from one place.
    calls = [
        where(path, node).split(":")[0]
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "backward"
    ]
    loop = [c for c in calls if c == "src/redstart/train/loop.py"]
    others = set(calls) - {"src/redstart/train/loop.py", "src/redstart/train/engine.py"}
    # `precision` times a step before a fit begins, to choose between 16 and 32 bits.
    assert len(loop) == 1
    assert others <= {"src/redstart/train/precision.py"}


def test_classes_are_abstract_or_final() -> None:
    # Rule 3.
    classes = {
        node.name: set(map(_base_name, node.bases))
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
    }
    derived = {base for bases in classes.values() for base in bases if base in classes}
    abstract = {name for name in derived if classes[name] & {"ABC", "Protocol", "TypedDict"}}
    errors = {name for name in derived if name.endswith("Error")}
    assert derived - abstract - errors == set(OPEN)


def test_super_is_only_called_for_classes_of_others() -> None:
    # Rule 3: `nn.Module.__init__` has to be called; between our own classes nothing does.
    ours = _our_classes()
    found = []
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef) and set(map(_base_name, node.bases)) & ours:
                found += [where(path, c) for c in ast.walk(node) if _is_super(c)]
    assert found == []


def _our_classes() -> set[str]:
    nodes = [node for path in SOURCES for node in ast.walk(tree(path))]
    return {node.name for node in nodes if isinstance(node, ast.ClassDef)}


def _base_name(base: ast.expr) -> str:
    text = ast.unparse(base).split("[")[0]
    return text.rsplit(".", 1)[-1]


def _is_super(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "super"


def test_nothing_is_set_on_foreign_objects_by_name() -> None:
    # Rule 8: no patching. `object.__setattr__` on oneself is how frozen dataclasses begin.
    found = []
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"setattr", "delattr"}:
                if module_name(path) == "redstart.vision.models":
                    continue  # puts layers into the model that it is making
                found.append(where(path, node))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "object.__setattr__":
                target = ast.unparse(node.args[0])
                if target not in {"self", "made", "new"}:
                    found.append(where(path, node))
    assert found == []


def test_nothing_is_assigned_to_modules_or_classes_that_were_imported() -> None:
    # Rule 8: `torch.x = ...`, `nn.Module.forward = ...`, `Learner.verb = ...`.
    found = []
    for path in SOURCES:
        names = _imported(tree(path))
        for node in ast.walk(tree(path)):
            targets = node.targets if isinstance(node, ast.Assign) else []
            for target in targets:
                if isinstance(target, ast.Attribute):
                    root = ast.unparse(target).split(".")[0]
                    if root in names:
                        found.append(where(path, node))
    assert found == []


def _imported(module: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return names


def test_every_module_says_what_is_public() -> None:
    # Rule 5.
    silent = [
        module_name(p)
        for p in SOURCES
        if p.name != "__init__.py"
        and p.name != "__main__.py"
        and not re.search(r"^__all__\b", p.read_text("utf-8"), re.M)
    ]
    assert silent == []


def test_public_names_are_those_of_the_file() -> None:
    # Rule 5. After a change that is meant: `python tests/surface/surface.py`.
    from surface import public_api

    assert public_api() == (HERE / "public_api.txt").read_text("utf-8")


@pytest.mark.parametrize("call", ["torch.load", "torch.save", "pickle", "pyplot"])
def test_words_that_do_not_occur_in_code(call: str) -> None:
    # Rule 9; ruff's TID251 and import-linter say so too, of imports.
    found = [
        where(path, node)
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute | ast.Name)
        and ast.unparse(node) == call
        # Weights of others come as .pth: read there, and only there, with `weights_only=True`.
        and not (call == "torch.load" and module_name(path) == "redstart.vision.weights")
    ]
    assert found == []


def test_every_domain_has_a_command_or_says_nothing() -> None:
    names = {e.name for e in entry_points(group="redstart.domains")}
    assert {e.name for e in entry_points(group="redstart.cli")} <= names


def test_the_constraints_pin_what_is_declared() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and line[0] != "#")
    pinned = {_plain(name) for name in pins}
    names = {_plain(re.split(r"[<>=\[; ]", d)[0]) for d in declared}
    assert names - pinned == set()
    assert not any("torch" in d and "<" in d for d in declared), "torch has no upper cap"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
