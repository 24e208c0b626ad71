"""An exponential moving average of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import ClassVar, final

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from redstart.errors import ConfigError, problem
from redstart.train.callback import Callback
from redstart.train.callbacks.hooks import uncompiled
from redstart.train.run import Run

__all__ = ["EMA", "averaged", "swap_weights"]


@final
@dataclass(eq=False)
class EMA(Callback):
    """Averages the weights over the last steps (Polyak and Juditsky 1992).

    Validation runs on the averaged weights, and after the fit the model has them. In
    between, training goes on from its own.

    Attributes:
        decay: Share of the old average kept at each step, in [0, 1): 0.999 averages over
            about 1,000 steps.
        warm_up: Whether step ``n`` keeps no more than ``(1 + n) / (10 + n)``, so that a
            short fit is not dominated by the weights it started from.
    """

    order: ClassVar[int] = -30
    decay: float = 0.999
    warm_up: bool = True
    _average: AveragedModel | None = field(default=None, init=False, repr=False)
    _stepped: bool = field(default=False, init=False, repr=False)
    _swapped: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise ConfigError(
                problem(
                    "Expected a decay of at least 0 and less than 1",
                    f"decay={self.decay!r}",
                    "Values from 0.99 to 0.9999 are usual.",
                )
            )

    def before_fit(self, run: Run) -> None:
        """Start from the weights that the model has."""
        self._average = averaged(uncompiled(run.model), self.decay, warm_up=self.warm_up)
        self._stepped = self._swapped = False

    def before_step(self, run: Run) -> None:
        """Remember that there is a step: batches that only gather gradients have none."""
        self._stepped = True

    def after_batch(self, run: Run) -> None:
        """Add the weights after a step."""
        if self._stepped and self._average is not None:
            self._stepped = False
            self._average.update_parameters(uncompiled(run.model))

    def before_validate(self, run: Run) -> None:
        """Validate with the average."""
        self._swap(run.model, True)

    def after_epoch(self, run: Run) -> None:
        """Go on training from its own weights.

        Not before the epoch's end: what is kept of an epoch are the weights it was
        validated with.
        """
        self._swap(run.model, False)

    def after_fit(self, run: Run) -> None:
        """Leave the average in the model."""
        self._swap(run.model, True)
        self._average = None

    def _swap(self, model: nn.Module, to_average: bool) -> None:
        if self._average is not None and self._swapped is not to_average:
            swap_weights(model, self._average.module)
            self._swapped = to_average


def averaged(model: nn.Module, decay: float, *, warm_up: bool = True) -> AveragedModel:
    """A copy of ``model`` whose ``update_parameters(model)`` moves it towards the model.

    Floating-point buffers, such as batch norm statistics, are averaged with the weights
    that they belong to; whole numbers are copied.

    Args:
        model: The weights to start from.
        decay: As for ``EMA``.
        warm_up: As for ``EMA``.
    """

    @torch.no_grad()
    def average(old: Sequence[Tensor], new: Sequence[Tensor], n: Tensor | int) -> None:
        if not old[0].is_floating_point():
            for a, b in zip(old, new, strict=True):
                a.copy_(b)
            return
        # Not `n` itself, which may be on the device: reading it would wait for that.
        done = int(made.n_averaged)
        keep = min(decay, (1 + done) / (10 + done)) if warm_up else decay
        get_ema_multi_avg_fn(keep)(tuple(old), tuple(new), n)  # type: ignore[no-untyped-call]

    made = AveragedModel(model, multi_avg_fn=average, use_buffers=True)
    made.requires_grad_(False)
    # The first update of an AveragedModel copies; this one holds the weights already.
    made.n_averaged += 1
    return made


@torch.no_grad()
def swap_weights(a: nn.Module, b: nn.Module) -> None:
    """Exchange parameters and buffers of two models of one kind, in place."""
    for one, other in zip(_tensors(a), _tensors(b), strict=True):
        kept = one.clone()
        one.copy_(other)
        other.copy_(kept)


def _tensors(model: nn.Module) -> chain[Tensor]:
    return chain(model.parameters(), model.buffers())
