"""Figures of a model that was trained several times: what rows move, and what seeds move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import final

from torch import Tensor

from redstart.metrics.cluster import cluster_interval, measured
from redstart.metrics.influence import (
    Influence,
    Linear,
    difference_interval,
    group_interval,
    mean_influence,
)
from redstart.metrics.interval import bootstrap_rows, student
from redstart.metrics.metric import Interval, Metric
from redstart.metrics.paired import paired_difference
from redstart.show.digits import places

__all__ = ["Runs", "difference_of_runs", "figure_of_runs"]

_NORMAL = 1.959963984540054


@final
@dataclass(frozen=True, slots=True)
class Runs:
    """A figure of one or several runs of a model.

    Attributes:
        value: The mean over the runs.
        interval: Its 95% interval, over rows and runs.
        each: Of single runs.
        by_rows: Standard error that comes of the rows; not a number if it is not known.
    """

    value: float
    interval: Interval | None
    each: tuple[float, ...]
    by_rows: float

    def said(self) -> str:
        """How the runs differ, beside what the rows do."""
        low, high, seeds, rows = places(
            [min(self.each), max(self.each), self.by_seeds, self.by_rows]
        )
        return (
            f"{len(self.each)} runs from {low} to {high}; standard error of their mean {seeds} "
            f"by seeds, {rows} by rows."
        )

    @property
    def by_seeds(self) -> float:
        """Standard error that comes of the seeds."""
        return math.sqrt(_seed_variance(self.each))


def figure_of_runs(
    metric: Metric, outs: Sequence[Tensor], y: Sequence[Tensor], groups: Tensor | None = None
) -> Runs:
    """Measure all runs of a model on the same rows.

    Args:
        metric: What is worked out. Its state is lost.
        outs: Raw outputs of each run, ``(N, ...)``.
        y: Encoded targets, ``(N, ...)`` each.
        groups: Number of each row's group, ``(N,)``.
    """
    each = tuple(measured(metric, out, *y) for out in outs)
    if len(outs) == 1:
        alone = (
            metric.interval()
            if groups is None
            else cluster_interval(metric, outs[0], *y, groups=groups)
        )
        return Runs(each[0], alone, each, _error(alone))
    value = fmean(each)
    found = _mean(metric, outs, y)
    if isinstance(metric, Linear):
        by_rows = None if found is None else group_interval(found, groups)
    else:
        by_rows = _drawn(metric, [(1 / len(outs), out) for out in outs], y, groups)
    return Runs(value, _wider(by_rows, value, [each], _least(found)), each, _error(by_rows))


def difference_of_runs(
    metric: Metric,
    a: Sequence[Tensor],
    b: Sequence[Tensor],
    y: Sequence[Tensor],
    groups: Tensor | None = None,
) -> tuple[float, Interval | None]:
    """The mean figure of one model's runs less that of another's, on the same rows.

    The variances by rows (paired) and by seeds (of either) are added.

    Args:
        metric: What is compared. Its state is lost.
        a: Raw outputs of each run of a model, ``(N, ...)``.
        b: Those of the other; there may be more or fewer.
        y: Encoded targets, ``(N, ...)`` each.
        groups: Number of each row's group, ``(N,)``.

    Returns:
        The difference and its 95% interval; see ``paired_difference``.
    """
    if len(a) == len(b) == 1:
        return paired_difference(metric, a[0], b[0], *y, groups=groups)
    each = [[measured(metric, out, *y) for out in outs] for outs in (a, b)]
    value = fmean(each[0]) - fmean(each[1])
    if isinstance(metric, Linear):
        mine, other = _mean(metric, a, y), _mean(metric, b, y)
        both = None if mine is None or other is None else (mine, other)
        by_rows = None if both is None else difference_interval(*both, groups)
    else:
        parts = [(1 / len(a), out) for out in a] + [(-1 / len(b), out) for out in b]
        by_rows = _drawn(metric, parts, y, groups)
    return value, _wider(by_rows, value, each, (-math.inf, math.inf))


def _mean(metric: Metric, outs: Sequence[Tensor], y: Sequence[Tensor]) -> Influence | None:
    if not isinstance(metric, Linear):
        return None
    found = [metric.influence(out, *y) for out in outs]
    known = [one for one in found if one is not None]
    return mean_influence(known) if len(known) == len(found) else None


def _drawn(
    metric: Metric,
    parts: Sequence[tuple[float, Tensor]],
    y: Sequence[Tensor],
    groups: Tensor | None,
) -> Interval | None:
    """Bootstrap of a weighted sum of figures, the same rows drawn for all."""
    n = len(y[0])

    def total(rows: Tensor | slice) -> float:
        true = tuple(t[rows] for t in y)
        return sum(weight * measured(metric, out[rows], *true) for weight, out in parts)

    return bootstrap_rows(n, total, total(slice(None)), groups=groups)


def _wider(
    by_rows: Interval | None, value: float, each: Sequence[Sequence[float]], bounds: Interval
) -> Interval | None:
    """Add the variance by seeds to an interval by rows (Satterthwaite, 1946)."""
    if by_rows is None:
        return None
    seeds = [(_seed_variance(one), len(one) - 1) for one in each if len(one) > 1]
    rows, extra = _error(by_rows) ** 2, sum(variance for variance, _ in seeds)
    if not extra:
        return by_rows
    few = sum(variance**2 / df for variance, df in seeds)
    df = (rows + extra) ** 2 / few
    wide = student(df) * math.sqrt(rows + extra) / (_NORMAL * math.sqrt(rows)) if rows else 1.0
    low, high = (value + (end - value) * wide for end in by_rows)
    return max(low, bounds[0]), min(high, bounds[1])


def _seed_variance(each: Sequence[float]) -> float:
    return stdev(each) ** 2 / len(each) if len(each) > 1 else 0.0


def _least(found: Influence | None) -> Interval:
    return (-math.inf, math.inf) if found is None else found.bounds


def _error(interval: Interval | None) -> float:
    return math.nan if interval is None else (interval[1] - interval[0]) / (2 * _NORMAL)
