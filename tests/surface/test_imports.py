"""Importing costs nothing and changes nothing (rule 8; architecture.md 0.9)."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from redstart.domain import domain_names

HEAVY = {
    "IPython",
    "huggingface_hub",
    "matplotlib",
    "narwhals",
    "numpy",
    "pandas",
    "rich",
    "safetensors",
    "scipy",
    "sklearn",
    "timm",
    "torch",
    "torchvision",
}


def loaded(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after running ``code``."""
    tail = "import sys, json; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{tail}"], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


DOORS = ["redstart", "redstart.cli.main", *(f"redstart.{name}" for name in domain_names())]


@pytest.mark.parametrize("module", DOORS)
def test_doors_load_nothing_heavy(module: str) -> None:
    assert loaded(f"import {module}") & HEAVY == set()


@pytest.mark.parametrize(
    "args", [["--help"], ["train", "--help"], ["train", "vision", "--help"], ["domains"]]
)
def test_help_loads_nothing_heavy(args: list[str]) -> None:
    code = (
        "from redstart.cli.main import main\n"
        f"try: main({args!r})\n"
        "except SystemExit as end: assert not end.code, end.code"
    )
    assert loaded(code) & HEAVY == set()


def test_loaders_need_no_model_library() -> None:
    code = "from redstart.vision import DataBlock, ImageDataLoaders, Resize, aug_transforms"
    assert loaded(code) & {"timm", "torchvision", "matplotlib", "sklearn"} == set()


def test_prediction_needs_no_training_code() -> None:
    code = "from redstart import load_learner\nimport sys\n"
    code += "assert not [m for m in sys.modules if m.startswith('redstart.train')]"
    assert loaded(code) & {"matplotlib", "pandas", "sklearn"} == set()


def test_importing_everything_changes_nothing() -> None:
    code = """
import logging, os, random, sys, warnings
import numpy, torch  # what they do is theirs

def state():
    return (
        dict(os.environ),
        list(logging.root.handlers),
        logging.root.level,
        random.getstate(),
        repr(numpy.random.get_state()),
        torch.get_rng_state().tolist(),
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        sys.excepthook,
        list(warnings.filters),
    )

before = state()
import redstart.vision.all, redstart.vision.domain, redstart.cli.main
assert state() == before
assert "matplotlib.pyplot" not in sys.modules
"""
    loaded(code)
