"""What holds for every test: annotations are executed, and no test leaves a trace."""

from __future__ import annotations

import ast
import contextlib
import inspect
import os
import pkgutil
import re
import threading
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

# Before torch: tests are many and small, and machines that run them are shared.
os.environ.setdefault("OMP_NUM_THREADS", "2")

from beartype import BeartypeConf
from beartype.claw import beartype_packages


class WrongType(UserWarning):
    """A value does not fit its annotation. Every warning is an error in this suite."""


if os.environ.get("REDSTART_BEARTYPE", "1") != "0":  # off: shorter tracebacks
    conf = BeartypeConf(violation_type=WrongType, is_pep484_tower=True)
    beartype_packages(("redstart",), conf=conf)

import numpy as np
import pytest
import torch

import redstart


def _import_for_annotations() -> None:
    """Run the imports that are only for annotations, so that beartype can look them up."""
    for found in pkgutil.walk_packages(redstart.__path__, "redstart."):
        if found.ispkg or found.name == "redstart.__main__":
            continue
        with contextlib.suppress(ImportError):  # the module's own tests say so better
            module = import_module(found.name)
            for node in ast.parse(Path(str(module.__file__)).read_text("utf-8")).body:
                if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                    exec(ast.unparse(node.body), vars(module))


_import_for_annotations()

_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data beside the repository; skips the test where there is none.

    ``REDSTART_SHARED`` names another place.
    """
    folder = Path(os.environ.get("REDSTART_SHARED", _SHARED))
    if not folder.is_dir():
        pytest.skip(f"no data folder at {folder}")
    return folder


@pytest.fixture(autouse=True)
def _executes_annotations(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test of errors hands over wrong values on purpose, and wants our answer to them."""
    with warnings.catch_warnings():
        if "raises(" in inspect.getsource(request.function):
            warnings.simplefilter("ignore", WrongType)
        yield


@pytest.fixture(autouse=True)
def _leaves_no_trace(request: pytest.FixtureRequest) -> Iterator[None]:
    """The user's generators, environment and threads are as they were found.

    Python's own ``random`` is left out: beartype draws from it to sample containers. So are
    tests that draw themselves, as ``nn.Linear(2, 2)`` does; what they drew is put back.
    """
    torch.manual_seed(0)  # weights that a test draws do not depend on the tests before it
    states, environment = _generators(), _environment()
    threads = set(threading.enumerate())
    yield
    left = [t for t in set(threading.enumerate()) - threads if not t.daemon]
    for thread in left:
        thread.join(timeout=5)
    drawn = not _equal(_generators(), states)
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    assert not [t for t in left if t.is_alive()], "threads outlive the test"
    assert _environment() == environment, "the environment was changed"
    if not re.search(r"\bnn\.|torch\.(rand|manual_seed)", inspect.getsource(request.module)):
        assert not drawn, "a global random generator was used"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(
    _leaves_no_trace: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths and what is remembered between runs stay inside the test."""
    here = tmp_path / "cwd"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("REDSTART_HOME", str(tmp_path / "home"))


def _generators() -> tuple[torch.Tensor, tuple[Any, ...]]:
    return torch.get_rng_state(), np.random.get_state()


def _equal(a: tuple[torch.Tensor, Any], b: tuple[torch.Tensor, Any]) -> bool:
    return torch.equal(a[0], b[0]) and repr(a[1]) == repr(b[1])


def _environment() -> dict[str, str]:
    """Without what pytest, torch's compiler and scikit-learn's OpenMP set for themselves."""
    others = ("PYTEST_CURRENT_TEST", "TORCHINDUCTOR_", "TRITON_", "KMP_")
    return {k: v for k, v in os.environ.items() if not k.startswith(others)}
