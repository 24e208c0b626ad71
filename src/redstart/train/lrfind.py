"""The learning-rate range test (Smith 2015): raise the rate batch by batch, watch the loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from redstart.show.drawing import Drawing
from redstart.train.callback import Callback
from redstart.train.events import CancelFitException, CancelValidException
from redstart.train.run import Run

__all__ = ["LRSuggestions", "RangeTest", "minimum", "slide", "steep", "suggest", "valley"]

SuggestFunc = Callable[[Sequence[float], Sequence[float]], float]


@dataclass(frozen=True, slots=True, repr=False)
class LRSuggestions:
    """What a range test suggests; unpacks in the order the suggestions were asked for.

    ``suggestions.valley`` and the like read one by name.

    Attributes:
        named: Suggested rates by the name of the function that made them.
        lrs: The rates tried.
        losses: Smoothed loss at each.
    """

    named: dict[str, float]
    lrs: tuple[float, ...]
    losses: tuple[float, ...]

    def __iter__(self) -> Iterator[float]:
        return iter(self.named.values())

    def __getattr__(self, name: str) -> float:
        named: dict[str, float] = object.__getattribute__(self, "named")
        if name in named:
            return named[name]
        raise AttributeError(f"No suggestion {name!r}; there are {', '.join(named)}")

    def plot(self) -> Drawing:
        """Draw loss against rate with the suggestions."""
        from redstart.show.plots import plot_lr_find

        return plot_lr_find(self.lrs, self.losses, self.named)

    def __repr__(self) -> str:
        return f"LRSuggestions({', '.join(f'{k}={v:.3g}' for k, v in self.named.items())})"

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>{self.plot()._repr_html_()}"


@final
@dataclass(eq=False)
class RangeTest(Callback):
    """Raises the rate by equal factors and stops when the loss explodes.

    Attributes:
        start: First rate.
        end: Last rate.
        steps: Batches to try.
        stop_div: Whether to stop at a loss four times the best.
        lrs: Rates tried.
        losses: Loss at each, smoothed by an exponential mean with 0.98, bias corrected.
    """

    order: ClassVar[int] = 30
    start: float = 1e-7
    end: float = 10.0
    steps: int = 100
    stop_div: bool = True
    lrs: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    _mean: float = 0.0

    def before_batch(self, run: Run) -> None:
        """Set the next rate."""
        lr = self.start * (self.end / self.start) ** (len(self.lrs) / max(1, self.steps - 1))
        self.lrs.append(lr)
        for group in run.opt.param_groups:
            group["lr"] = lr * group.get("lr_mult", 1.0)

    def after_loss(self, run: Run) -> None:
        """Record the loss; end the test when it has seen enough."""
        loss = math.inf if run.loss is None else float(run.loss.detach())
        self._mean = 0.98 * self._mean + 0.02 * loss
        smoothed = self._mean / (1 - 0.98 ** (len(self.losses) + 1))
        if not math.isfinite(smoothed):
            self.lrs.pop()
            raise CancelFitException
        self.losses.append(smoothed)
        exploded = self.stop_div and smoothed > 4 * min(self.losses)
        if exploded or len(self.losses) >= self.steps:
            raise CancelFitException

    def before_validate(self, run: Run) -> None:
        """Leave validation out."""
        raise CancelValidException


def suggest(test: RangeTest, functions: Sequence[SuggestFunc]) -> LRSuggestions:
    """Apply suggestion functions to the curve, cut as fastai does: without the first tenth
    and the last five points.
    """  # noqa: D205
    n = len(test.losses)
    lrs, losses = test.lrs[n // 10 : max(2, n - 5)], test.losses[n // 10 : max(2, n - 5)]
    lrs, losses = (lrs, losses) if len(lrs) > 3 else (test.lrs[:n], test.losses)
    named = {getattr(f, "__name__", "suggestion"): f(lrs, losses) for f in functions}
    return LRSuggestions(named, tuple(test.lrs[:n]), tuple(test.losses))


def minimum(lrs: Sequence[float], losses: Sequence[float]) -> float:
    """A tenth of the rate at the smallest loss."""
    return lrs[int(np.argmin(losses))] / 10


def steep(lrs: Sequence[float], losses: Sequence[float]) -> float:
    """The rate where the loss falls fastest, over the logarithm of the rate."""
    return lrs[int(np.argmin(np.gradient(np.asarray(losses))))]


def valley(lrs: Sequence[float], losses: Sequence[float]) -> float:
    """A rate about halfway down the longest fall of the loss (fastai's default)."""
    n = len(losses)
    # The longest falling subsequence: its length up to each point, and where it starts.
    lengths, starts = [1] * n, list(range(n))
    for i in range(1, n):
        for j in range(i):
            if losses[i] < losses[j] and lengths[i] < lengths[j] + 1:
                lengths[i], starts[i] = lengths[j] + 1, starts[j]
    end = int(np.argmax(lengths))
    return lrs[starts[end] + (end - starts[end]) // 2]


def slide(lrs: Sequence[float], losses: Sequence[float]) -> float:
    """The last rate before the loss rises for good.

    A window of 15 points slides from the right until the slopes at its ends are alike
    (within 0.005): there the rise has not begun.
    """
    slopes = np.gradient(np.asarray(losses))
    width = min(15, len(lrs) - 1)
    right = len(lrs) - 1
    while right > width and abs(slopes[right] - slopes[right - width]) > 5e-3:
        right -= 1
    return lrs[right - width]
