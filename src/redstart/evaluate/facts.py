"""What is known about a fit, and what can be said of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, final, get_args

import numpy as np
from numpy.typing import NDArray

from redstart.config import JSON
from redstart.evaluate.course import Course, Mean, course_of, gap_of, mean_of, none, way_of
from redstart.metrics.metric import Interval

__all__ = [
    "KINDS",
    "LEARNT",
    "SMALL",
    "Curves",
    "Facts",
    "Kind",
    "Reading",
    "against_constant",
    "evidence",
    "facts_of",
]

Kind = Literal[
    "rate too high",
    "overfitting",
    "memorising",
    "underfitting",
    "rate too low",
    "still learning",
    "plateau",
    "noise",
    "fine",
]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""What curves can say, the most important first."""

LEARNT = 0.05
"""A gain over the constant of less than this share of its loss is none to speak of."""
SMALL = 0.05
"""Changes of a loss by less than this share of the gain are not worth a word."""
_FALLING = 0.1
"""Share of all fall in the last quarter of the way; 0.25 is a straight line."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One thing that curves say.

    Attributes:
        kind: One of ``KINDS``.
        said: In words, with figures.
        mend: What to do, as an instruction; empty where nothing needs doing.
        evidence: The figures that ``said`` rests on; JSON values.
    """

    kind: Kind
    said: str
    mend: str = ""
    evidence: Mapping[str, JSON] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.said} {self.mend}".strip()


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curves:
    """What a fit left behind. What is not known is left out; then less can be said.

    Attributes:
        losses: Training loss of each batch, in order.
        lrs: Learning rate of each batch.
        ends: Number of batches done at the end of each epoch.
        valid: Validation loss after each epoch; the last ones belong to ``ends``.
        train_rows: Loss of each of some training rows, ``(N,)``: of the model as it is now,
            in evaluation mode, without augmentation.
        valid_rows: Loss of each validation row, ``(M,)``, likewise.
        constant_train: Loss of the best constant answer on the same training rows, ``(N,)``:
            of class frequencies, of the mean.
        constant_valid: On the same validation rows, ``(M,)``.
        metric: Name of the metric that people read.
        figures: Its value after each epoch.
        larger_is_better: Which way is good for it.
        interval: 95% interval of its last value.
    """

    losses: Sequence[float] = ()
    lrs: Sequence[float] = ()
    ends: Sequence[int] = ()
    valid: Sequence[float] = ()
    train_rows: NDArray[np.floating] = field(default_factory=none)
    valid_rows: NDArray[np.floating] = field(default_factory=none)
    constant_train: NDArray[np.floating] = field(default_factory=none)
    constant_valid: NDArray[np.floating] = field(default_factory=none)
    metric: str = ""
    figures: Sequence[float] = ()
    larger_is_better: bool = True
    interval: Interval | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the checks look at, worked out once.

    ``gain`` is what the model is better than the constant, on training and on other rows;
    ``scale`` the constant's loss: all that there was to gain.
    """

    curves: Curves
    course: Course | None
    train: Mean | None
    valid: Mean | None
    gap: Mean | None
    gain_train: Mean | None
    gain_valid: Mean | None
    scale: float

    def share(self, gain: Mean | None) -> float:
        """A gain as a share of all that there was to gain; not a number if not known."""
        return math.nan if gain is None or not self.scale else gain.value / self.scale

    @property
    def falling(self) -> bool:
        """Whether the loss still fell in the last quarter of the way, by either curve.

        That of the batches says so only where the last epoch was the best.
        """
        course = self.course is not None and self.course.falling(_FALLING)
        last = not len(self.curves.valid) or self.best == len(self.curves.valid) - 1
        return (course and last) or self._valid_falling

    @property
    def _valid_falling(self) -> bool:
        """Whether the validation loss fell in every epoch, and no slower towards the end.

        It is of the same rows each time, so it shows small steps that batches hide.
        """
        n = min(len(self.curves.ends), len(self.curves.valid))
        if n < 4:
            return False
        valid = np.asarray(self.curves.valid[-n:], dtype=np.float64)
        ends = np.asarray(self.curves.ends[-n:]) - 1
        way = way_of(self.curves.lrs, len(self.curves.losses))[ends]
        since = min(int(np.searchsorted(way, 0.75)), n - 2)
        late = (valid[since] - valid[-1]) / (1 - way[since]) / 4
        return bool((np.diff(valid) < 0).all() and late > _FALLING * (valid[0] - valid[-1]))

    @property
    def never_moved(self) -> bool:
        """Whether the model is at its first, random answers still: worse than a constant one."""
        valid = np.asarray(self.curves.valid, dtype=np.float64)
        if len(valid) < 2 or self.gain_train is None or self.gain_train.high() >= 0:
            return False
        return float(np.ptp(valid)) < 1e-3 * self.scale

    @property
    def once_better(self) -> bool:
        """Whether the model was better than the constant on validation rows in some epoch."""
        if self.valid is None or self.gain_valid is None or not len(self.curves.valid):
            return False
        constant = self.valid.value + self.gain_valid.value
        return constant - self.curves.valid[self.best] > LEARNT * constant

    @property
    def best(self) -> int:
        """The epoch with the lowest validation loss, from 0."""
        return int(np.nanargmin(self.curves.valid))

    @property
    def rate(self) -> float:
        """The highest rate used; 0 if not known."""
        return max(self.curves.lrs, default=0.0)


def facts_of(curves: Curves) -> Facts:
    """Work out what the checks look at."""
    train, valid = mean_of(curves.train_rows), mean_of(curves.valid_rows)
    constant = mean_of(curves.constant_train) or mean_of(curves.constant_valid)

    def gain(of_constant: NDArray[np.floating], rows: NDArray[np.floating]) -> Mean | None:
        return mean_of(of_constant - rows) if len(of_constant) == len(rows) else None

    return Facts(
        curves=curves,
        course=course_of(curves.losses, curves.lrs),
        train=train,
        valid=valid,
        gap=gap_of(curves.valid_rows, curves.train_rows),
        gain_train=gain(curves.constant_train, curves.train_rows),
        gain_valid=gain(curves.constant_valid, curves.valid_rows),
        scale=constant.value if constant else 0.0,
    )


def against_constant(f: Facts) -> str:
    """How the model compares with a constant answer on training rows, in words."""
    share = f.share(f.gain_train)
    if not share >= LEARNT:
        return "no better than a constant answer"
    return f"no more than {share:.0%} better than a constant answer"


def evidence(f: Facts) -> dict[str, JSON]:
    """The means that readings rest on, with their intervals, as JSON."""
    named = {
        "train_loss": f.train,
        "valid_loss": f.valid,
        "gap": f.gap,
        "gain_train": f.gain_train,
        "gain_valid": f.gain_valid,
    }
    return {
        name: {"value": mean.value, "interval": list(mean.interval()), "rows": mean.n}
        for name, mean in named.items()
        if mean is not None
    }
