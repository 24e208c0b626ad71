"""The arithmetic of reading curves: means with intervals, and how a loss fell."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from redstart.metrics.metric import Interval

__all__ = ["Course", "Mean", "course_of", "gap_of", "mean_of", "none", "way_of"]

_BINS = 8
_PER_BIN = 2
_TIMES = 24
_SURE = 1e-3


@final
@dataclass(frozen=True, slots=True)
class Mean:
    """A mean, or a difference of two.

    Attributes:
        value: The mean.
        error: Its standard error.
        n: How many values there are; of the smaller sample, for a difference.
        freedom: Degrees of freedom of the error.
        higher: How likely so many values above those of the other sample are by chance
            (one-sided Mann-Whitney test); for differences of two samples.
    """

    value: float
    error: float
    n: int
    freedom: float
    higher: float = 1.0

    def half(self) -> float:
        """Half of the 95% interval (Student's)."""
        from scipy.stats import t

        return float(t.ppf(0.975, max(self.freedom, 1.0))) * self.error

    def interval(self) -> Interval:
        """95% interval."""
        half = self.half()
        return self.value - half, self.value + half

    def low(self, errors: float = 0.0) -> float:
        """Lower end of the 95% interval, or so many standard errors below."""
        return self.value - (errors * self.error or self.half())

    def high(self) -> float:
        """Upper end of the 95% interval."""
        return self.value + self.half()

    @property
    def surely_above_0(self) -> bool:
        """Whether it is above 0 beyond chance, by its interval or, of two samples, by ranks.

        A few rows with huge losses widen the interval of a mean without end; ranks do not
        mind them.
        """
        return self.value > 0 and (self.low(2.6) > 0 or self.higher < _SURE)


@final
@dataclass(frozen=True, slots=True)
class Course:
    """How a training loss went, along the learning rate summed up from batch to batch.

    Attributes:
        first: Loss of the first batch, before any step.
        spike: Highest mean of three batches.
        fall: From the first batch to the last eighth of the way.
        late: What of it fell in the last quarter of the way, by a straight line through the
            last half.
        rise: The largest rise of a few batches above earlier ones.
        lowest_before: What it rose from.
        flat_since: Share of all batches after which the loss did not move any more.
    """

    first: float
    spike: float
    fall: Mean
    late: Mean
    rise: Mean
    lowest_before: float
    flat_since: float

    def falling(self, share: float) -> bool:
        """Whether more than ``share`` of the fall, and more than chance, came in the last part."""
        late = self.late.low(3.0) > 0
        return late and self.late.value > share * max(self.fall.value, 0.0)


def none() -> NDArray[np.floating]:
    """No values."""
    return np.empty(0)


def mean_of(values: NDArray[np.floating]) -> Mean | None:
    """Mean of values ``(N,)`` that are finite; ``None`` of fewer than two."""
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    n = len(values)
    if n < 2:
        return None
    return Mean(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n), n, n - 1)


def gap_of(a: NDArray[np.floating], b: NDArray[np.floating]) -> Mean | None:
    """Mean of ``a`` less mean of ``b``, of two samples (Welch, 1947); ``None`` if one is empty."""
    mean_a, mean_b = mean_of(a), mean_of(b)
    if mean_a is None or mean_b is None:
        return None
    from scipy.stats import mannwhitneyu

    higher = mannwhitneyu(a[np.isfinite(a)], b[np.isfinite(b)], alternative="greater").pvalue
    return _difference(mean_a, mean_b, float(higher))


def course_of(losses: Sequence[float], lrs: Sequence[float]) -> Course | None:
    """Work out how a loss went; ``None`` if there are too few batches, or one is not finite.

    Args:
        losses: Of the training batches.
        lrs: Their learning rates; without them, all batches go the same way.
    """
    values = np.asarray(losses, dtype=np.float64)
    if len(values) < _BINS * _PER_BIN or not np.isfinite(values).all():
        return None
    bins = _bins(values, lrs)
    parts = [mean for at in bins if (mean := mean_of(values[at])) is not None]
    first, last = float(values[0]), parts[-1]
    rise, before = _rise(values)
    triples = np.convolve(values, np.ones(3) / 3, mode="valid")
    return Course(
        first=first,
        spike=float(triples.max()),
        fall=Mean(first - last.value, math.hypot(last.error, parts[0].error), last.n, last.n),
        late=_late(values, way_of(lrs, len(values))),
        rise=rise,
        lowest_before=before,
        flat_since=_flat_since(values),
    )


def way_of(lrs: Sequence[float], n: int) -> NDArray[np.float64]:
    """How much of the way was gone after each of ``n`` batches, by summed rates; ends at 1."""
    rates = np.asarray(lrs, dtype=np.float64)
    if len(rates) != n or not (rates > 0).all():
        rates = np.ones(n)
    way: NDArray[np.float64] = np.cumsum(rates) / rates.sum()
    return way


def _late(values: NDArray[np.float64], way: NDArray[np.float64]) -> Mean:
    """The fall in the last quarter of the way, by a line through the last half."""
    late = np.arange(len(values)) >= min(int(np.searchsorted(way, 0.5)), len(values) - 4)
    x, y = way[late] - way[late].mean(), values[late]
    spread = max(float((x**2).sum()), 1e-12)
    slope = float((x * y).sum()) / spread
    left = y - y.mean() - slope * x
    freedom = len(y) - 2
    error = math.sqrt(float((left**2).sum()) / freedom / spread)
    return Mean(-slope / 4, error / 4, len(y), freedom)


def _bins(values: NDArray[np.float64], lrs: Sequence[float]) -> list[slice]:
    """Cut the batches into parts with equal sums of the learning rate, none too small."""
    way = way_of(lrs, len(values))
    ends = np.searchsorted(way, np.arange(1, _BINS) / _BINS, side="left") + 1
    ends = np.concatenate([[0], ends, [len(values)]])
    # High rates cover an eighth of the way in a batch or two.
    for i in range(1, _BINS):
        ends[i] = max(ends[i], ends[i - 1] + _PER_BIN)
    for i in range(_BINS - 1, 0, -1):
        ends[i] = min(ends[i], ends[i + 1] - _PER_BIN)
    return [slice(int(a), int(b)) for a, b in itertools.pairwise(ends)]


def _rise(values: NDArray[np.float64]) -> tuple[Mean, float]:
    """The largest rise of some batches above earlier ones, and what it rose from."""
    cuts = np.array_split(values, min(_TIMES, len(values) // 4))
    parts = [mean for cut in cuts if (mean := mean_of(cut)) is not None]
    lowest, found, before = parts[0], None, parts[0].value
    for part in parts[1:]:
        if found is None or part.value - lowest.value > found.value:
            found, before = _difference(part, lowest), lowest.value
        lowest = min(lowest, part, key=lambda mean: mean.value)
    assert found is not None  # noqa: S101 - there are four parts or more
    return found, before


def _flat_since(values: NDArray[np.float64]) -> float:
    """Share of the batches after which all that follows has no trend beyond chance."""
    for tenth in range(10):
        rest = values[tenth * len(values) // 10 :]
        half = len(rest) // 2
        first, second = mean_of(rest[:half]), mean_of(rest[half:])
        if first is None or second is None:
            break
        if abs(_difference(first, second).value) < 2 * _difference(first, second).error:
            return tenth / 10
    return 1.0


def _difference(a: Mean, b: Mean, higher: float = 1.0) -> Mean:
    error = math.hypot(a.error, b.error)
    sizes = ((a.error**2, a.freedom), (b.error**2, b.freedom))
    below = sum(square * square / max(freedom, 1.0) for square, freedom in sizes)
    freedom = error**4 / below if below > 0 else float(min(a.n, b.n))
    return Mean(a.value - b.value, error, min(a.n, b.n), freedom, higher)
