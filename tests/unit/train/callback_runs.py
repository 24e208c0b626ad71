"""Fits small enough for a test, driven through the loop itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redstart.data.loaders import DataLoaders
from redstart.rng import forked
from redstart.train import loop
from redstart.train.callback import Callback, Callbacks
from redstart.train.engine import PlainEngine
from redstart.train.recorder import Recorder
from redstart.train.run import Run


def pairs(n: int, bs: int, *, seed: int = 0, width: int = 3) -> list[tuple[Tensor, Tensor]]:
    """``n`` rows of a linear regression, in batches."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(n, width, generator=rng)
    y = x.sum(1, keepdim=True) + 0.1 * torch.randn(n, 1, generator=rng)
    return list(zip(x.split(bs), y.split(bs), strict=True))


@forked(0)
def linear(width: int = 3) -> nn.Linear:
    model = nn.Linear(width, 1)
    with torch.no_grad():
        model.weight.copy_(torch.linspace(-0.5, 0.5, width)[None])
        model.bias.zero_()
    return model


def make_run(model: nn.Module, train: Any, valid: Any = None, **given: Any) -> Run:
    options: dict[str, Any] = {
        "opt": torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1),
        "engine": PlainEngine(),
        "loss_func": F.mse_loss,
        "n_epoch": 1,
    }
    dls = DataLoaders(train, train if valid is None else valid)
    return Run(model=model, dls=dls, **{**options, **given})


def fit(run: Run, *callbacks: Callback) -> Recorder:
    recorder = Recorder()
    loop.fit(run, Callbacks([*callbacks, recorder]))
    return recorder


@dataclass(eq=False)
class Figures(Callback):
    """Writes given validation losses and scores into the table, epoch by epoch."""

    order = 41
    values: list[float]
    name: str = "valid_loss"

    def after_validate(self, run: Run) -> None:
        run.row[self.name] = self.values[run.epoch]


@dataclass
class Score:
    """A metric by name only."""

    name: str = "score"
    larger_is_better: bool = True

    def reset(self) -> None: ...

    def update(self, out: Any, *y: Any) -> None: ...

    def compute(self) -> float:
        return 0.0

    def interval(self) -> None:
        return None
