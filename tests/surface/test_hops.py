"""How far it is from a verb to the work, in frames and calls of our own (rule 11)."""

from __future__ import annotations

import inspect
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from torch import nn

from redstart.vision import ImageDataLoaders, Learner, Resize
from redstart.vision.digits import write_digits

MARK = "/src/redstart/"
N_BATCHES = 20


def own(frame: FrameType | None) -> Iterator[str]:
    """Our functions on the stack, innermost first."""
    while frame is not None:
        if MARK in frame.f_code.co_filename and not frame.f_code.co_name.startswith("<"):
            yield f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}"
        frame = frame.f_back


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Count calls of our own Python functions in this thread."""
    calls: Counter[str] = Counter()
    seen: dict[int, FrameType] = {}  # a generator that goes on is not called again

    def profile(frame: FrameType, event: str, arg: Any) -> None:
        name = frame.f_code.co_name
        if event != "call" or MARK not in frame.f_code.co_filename or name.startswith("<"):
            return
        if frame.f_code.co_flags & inspect.CO_GENERATOR and id(frame) in seen:
            return
        seen[id(frame)] = frame
        calls[f"{Path(frame.f_code.co_filename).stem}.{name}"] += 1

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield calls
    finally:
        sys.setprofile(before)


class Probe(nn.Module):
    """A model that notes who called it."""

    def __init__(self) -> None:
        super().__init__()
        self.flat, self.linear = nn.Flatten(), nn.Linear(3 * 8 * 8, 10)
        self.stacks: list[list[str]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.stacks.append(list(own(sys._getframe())))
        out: torch.Tensor = self.linear(self.flat(x))
        return out


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_digits(tmp_path_factory.mktemp("digits"))


def learner(digits: Path, n_batches: int = N_BATCHES, **options: Any) -> Learner:
    files = sorted(digits.rglob("*.png"))[:: 1797 // (8 * n_batches + 16)]
    dls = ImageDataLoaders.from_path_func(
        digits,
        files,
        lambda f: f.parent.name,
        valid_pct=0.1,
        bs=8,
        device="cpu",
        item_tfms=Resize(8),
        **options,
    )
    return Learner(dls, Probe(), precision="float32")


def test_frames_from_fit_to_the_model(digits: Path) -> None:
    learn = learner(digits, 4)
    learn.fit(1)
    deepest = max(learn.model.stacks, key=len)
    assert len(deepest) <= 6, deepest


def test_frames_to_a_file(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # In the thread that reads; `num_workers=0` reads under the frames of `fit`.
    from PIL import Image

    learn = learner(digits, 4, num_workers=1, cache_bytes=0)
    learn.check()
    stacks: list[list[str]] = []
    opened = Image.open

    def spy(*args: Any, **options: Any) -> Any:
        stacks.append(list(own(sys._getframe())))
        return opened(*args, **options)

    monkeypatch.setattr(Image, "open", spy)
    learn.fit(1)
    assert len(stacks) >= learn.dls.train.n_rows
    deepest = max(stacks, key=len)
    assert len(deepest) <= 8, deepest


def test_own_calls_per_training_batch(digits: Path) -> None:
    counts = []
    for n_epoch in (1, 3):  # what happens once per fit cancels out
        learn = learner(digits, num_workers=1)  # rows are read in another thread
        learn.check()
        learn.engine  # noqa: B018 - chosen on first use
        with counting() as calls:
            learn.fit_one_cycle(n_epoch)
        counts.append((calls, n_epoch * len(learn.dls.train)))
    (a, n), (b, m) = counts
    more = {name: (b[name] - a[name]) / (m - n) for name in b}
    assert sum(more.values()) <= 60, sorted(more.items(), key=lambda kv: -kv[1])[:20]


def test_own_calls_per_dataset_row(digits: Path) -> None:
    learn = learner(digits, cache_bytes=0)
    data = learn.dls.train.dataset
    data.x(0), data.y(0)
    with counting() as calls:
        for position in range(10):
            data.x(position), data.y(position)
    assert sum(calls.values()) / 10 <= 25, calls  # docs/decisions/0013-calls-per-row.md


def test_own_calls_of_show_results(digits: Path) -> None:
    learn = learner(digits)
    learn.fit(1)
    learn.show_results()
    with counting() as calls:
        learn.show_results()
    assert sum(calls.values()) <= 400, calls.most_common(20)
