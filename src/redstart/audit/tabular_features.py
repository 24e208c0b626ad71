"""What a single column says about a target: columns as codes, and figures of merit.

A column becomes at most 256 codes (quantiles of numbers, the most frequent texts), learnt on
some rows. What it says alone is the mean of the target for each code, drawn towards the mean
of all, and scored on other rows. That needs no more than counting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from redstart.audit.evidence import Truth
from redstart.metrics.interval import wilson
from redstart.metrics.metric import Interval

__all__ = [
    "Floats",
    "Sample",
    "Signal",
    "Tasks",
    "auc",
    "auc_interval",
    "coded",
    "figure",
    "numeric",
    "ranks",
    "signal_of",
    "tasks_of",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CODES = 256
_ROWS_PER_BIN = 20
_LEAST_BINS = 8
_PULL = 4.0
"""Rows of the usual mix that each code is credited with."""
_MOST_TASKS = 20
_LEAST_ROWS = 10


@final
@dataclass(frozen=True, slots=True)
class Sample:
    """Rows that something is learnt on, and rows that it is scored on; int64 ``(n,)``."""

    fit: Ints
    score: Ints

    @property
    def rows(self) -> Ints:
        """Both, those to learn on first."""
        return np.concatenate([self.fit, self.score])


@final
@dataclass(frozen=True, slots=True)
class Tasks:
    """The target as one or more columns of numbers.

    Attributes:
        kind: ``"auc"``: zeros and ones, one column for each class or label (one alone for
            two classes); ``"r2"``: ranks of numbers, in [0, 1].
        values: ``(N, T)`` float64 by row number.
        names: Of the classes, labels or numbers, ``T`` of them.
        one: Whether the columns are classes of which a row has one: then a column is judged
            by its mean over them, else by the best.
    """

    kind: Literal["auc", "r2"]
    values: Floats
    names: tuple[str, ...]
    one: bool = False


@final
@dataclass(frozen=True, slots=True)
class Signal:
    """How well a single column predicts the target on rows that it was not learnt on.

    Attributes:
        name: Of the column.
        value: AUC, or the share of the variance of the target's ranks.
        interval: Its 95% interval.
        best: The task that it tells best.
        best_value: The figure of that one.
        best_interval: Its interval.
    """

    name: str
    value: float
    interval: Interval
    best: int
    best_value: float
    best_interval: Interval


def numeric(values: NDArray[Any]) -> Floats | None:
    """Numbers and dates as float64, NaN where missing; ``None`` for texts.

    Args:
        values: ``(N,)`` of any type that ``Evidence`` knows.
    """
    if values.dtype.kind in "mM":
        days = values.astype(f"{values.dtype.kind}8[s]").astype(np.float64)
        days[np.isnat(values)] = np.nan
        return days
    return values.astype(np.float64) if values.dtype.kind in "biuf" else None


def coded(values: NDArray[Any], fit: Ints) -> Ints:
    """Codes of a column, learnt on some rows; 0 is for missing cells and unknown texts.

    Args:
        values: ``(N,)``.
        fit: Rows to learn on.

    Returns:
        ``(N,)``, below 256 or so.
    """
    bins = min(_CODES - 1, max(_LEAST_BINS, len(fit) // _ROWS_PER_BIN))
    numbers = numeric(values)
    if numbers is None:
        return _coded_texts(values, fit, bins)
    known = numbers[fit]
    known = known[np.isfinite(known)]
    if not len(known):
        return np.zeros(len(values), dtype=np.int64)
    distinct, counts = np.unique(known, return_counts=True)
    if len(distinct) > bins:
        # The edges of quantiles, each the first value of its bin.
        places = np.searchsorted(np.cumsum(counts), np.linspace(0, len(known), bins + 1)[1:-1])
        distinct = np.unique(distinct[np.minimum(places, len(distinct) - 1)])
        codes = np.searchsorted(distinct, numbers, side="right") + 1
    else:
        middles = (distinct[1:] + distinct[:-1]) / 2
        codes = np.searchsorted(middles, numbers, side="right") + 1
    return np.where(np.isfinite(numbers), codes, 0).astype(np.int64)


def _coded_texts(values: NDArray[Any], fit: Ints, most: int) -> Ints:
    import pandas as pd

    codes, distinct = pd.factorize(values)
    counts = np.bincount(codes[fit][codes[fit] >= 0], minlength=len(distinct))
    order = np.argsort(-counts, kind="stable")[:most]
    places = np.zeros(len(distinct) + 1, dtype=np.int64)
    places[order] = np.where(counts[order] > 0, np.arange(1, len(order) + 1), 0)
    return places[codes]  # a missing cell is -1: the last place, which is 0


def tasks_of(truth: Truth, rows: Ints) -> Tasks | None:
    """The target as numbers to be told; ``None`` if there is nothing to tell.

    Of many classes or labels, the 20 most frequent are told.

    Args:
        truth: The target.
        rows: Those that are looked at.
    """
    if truth.kind == "other" or not len(truth.values):
        return None
    values = truth.values
    if truth.kind == "numbers":
        flat = values.reshape(len(values), -1)[:, :_MOST_TASKS]
        whole = np.full(flat.shape, np.nan)
        whole[rows] = np.stack([ranks(column) for column in flat[rows].T], axis=1)
        names = truth.names or tuple(f"target {n}" for n in range(flat.shape[1]))
        return Tasks("r2", whole, tuple(names[: flat.shape[1]]))
    if truth.kind == "labels":
        counts = values[rows].sum(axis=0)
        kept = np.argsort(-counts, kind="stable")[:_MOST_TASKS]
        named = [truth.names[c] if c < len(truth.names) else f"label {c}" for c in kept]
        return Tasks("auc", values[:, kept].astype(np.float64), tuple(named))
    counts = np.bincount(values[rows][values[rows] >= 0], minlength=2)
    kept = np.argsort(-counts, kind="stable")
    kept = kept[counts[kept] > 0][:_MOST_TASKS]
    if len(kept) < 2:
        return None
    kept = kept[1:] if len(kept) == 2 else kept
    named = [truth.names[c] if c < len(truth.names) else f"class {c}" for c in kept]
    return Tasks("auc", (values[:, None] == kept).astype(np.float64), tuple(named), one=True)


def ranks(values: NDArray[Any]) -> Floats:
    """Ranks in [0, 1], ties at their middle, NaN where there is no number."""
    found = np.full(len(values), np.nan)
    known = np.isfinite(values)
    _, place, counts = np.unique(values[known], return_inverse=True, return_counts=True)
    found[known] = (np.cumsum(counts) - (counts - 1) / 2 - 0.5)[place] / max(known.sum(), 1)
    return found


def signal_of(name: str, values: NDArray[Any], tasks: Tasks, sample: Sample) -> Signal | None:
    """How well a column alone predicts the target.

    Args:
        name: Of the column.
        values: ``(N,)``.
        tasks: The target.
        sample: Rows to learn on and to score on.

    Returns:
        Its figures; ``None`` where no task has ten rows of both kinds to score on.
    """
    codes = coded(values, sample.fit)
    found = []
    for number in range(tasks.values.shape[1]):
        y = tasks.values[:, number]
        scores = _means(codes, y, sample)
        told = figure(tasks.kind, scores, y[sample.score])
        if told is not None and tasks.kind == "r2":
            told = max(told, _monotone(values, y, sample))
        if told is not None:
            found.append((number, *told, float(np.nanmean(y[sample.score]))))
    if not found:
        return None
    best = max(found, key=lambda f: (f[2][0], f[1]))
    if not tasks.one or len(found) == 1:
        return Signal(name, best[1], best[2], best[0], best[1], best[2])
    weights = np.array([f[3] for f in found])
    weights = weights / weights.sum()
    mean, low, high = (
        float(weights @ np.array(part))
        for part in ([f[1] for f in found], [f[2][0] for f in found], [f[2][1] for f in found])
    )
    return Signal(name, mean, (low, high), best[0], best[1], best[2])


def _means(codes: Ints, y: Floats, sample: Sample) -> Floats:
    """The mean of the target for the code of each row to score."""
    known = sample.fit[np.isfinite(y[sample.fit])]
    here, n = codes[known], int(codes.max(initial=0)) + 1
    usual = float(y[known].mean()) if len(known) else 0.0
    sums = np.bincount(here, weights=y[known], minlength=n)
    counts = np.bincount(here, minlength=n)
    means: Floats = (sums + _PULL * usual) / (counts + _PULL)
    return means[codes[sample.score]]


def figure(kind: Literal["auc", "r2"], scores: Floats, y: Floats) -> tuple[float, Interval] | None:
    """How well scores predict a target, and the 95% interval of that.

    Args:
        kind: AUC, or the share of the variance.
        scores: ``(M,)``.
        y: ``(M,)``; what is NaN is left out.

    Returns:
        Both; ``None`` for fewer than ten rows of either kind.
    """
    known = np.isfinite(y)
    scores, y = scores[known], y[known]
    if kind == "auc":
        positive = y > 0.5
        n, m = int(positive.sum()), int((~positive).sum())
        if min(n, m) < _LEAST_ROWS:
            return None
        value = auc(scores, positive)
        return value, auc_interval(value, n, m)
    if len(y) < 2 * _LEAST_ROWS or y.std() == 0:
        return None
    return _share(max(1 - float(((y - scores) ** 2).mean() / y.var()), 0.0), len(y))


def _monotone(values: NDArray[Any], y: Floats, sample: Sample) -> tuple[float, Interval]:
    """Spearman's correlation, squared: finer than codes where few rows are learnt on."""
    numbers = numeric(values)
    if numbers is None:
        return 0.0, (0.0, 0.0)
    x, y = numbers[sample.score], y[sample.score]
    known = np.isfinite(x) & np.isfinite(y)
    x, y = ranks(x[known]), ranks(y[known])
    if len(x) < 2 * _LEAST_ROWS or x.std() == 0 or y.std() == 0 or known.mean() < 0.5:
        return 0.0, (0.0, 0.0)
    return _share(float(np.corrcoef(x, y)[0, 1] ** 2), len(x))


def _share(value: float, n: int) -> tuple[float, Interval]:
    """A share of variance with Fisher's interval of the correlation (Fisher, 1921)."""
    r = min(math.sqrt(value), 1 - 1e-9)
    half = 1.96 / math.sqrt(max(n - 3, 1))
    low, high = math.tanh(max(math.atanh(r) - half, 0)), math.tanh(math.atanh(r) + half)
    return value, (low**2, high**2)


def auc(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """The area under the ROC curve, ties counted half.

    Args:
        scores: ``(N,)``, higher for positive rows.
        positive: Which rows are, ``(N,)``; some are and some are not.
    """
    n, m = int(positive.sum()), int((~positive).sum())
    total = float(ranks(scores)[positive].sum()) * len(scores)
    return min(max((total - n * n / 2) / (n * m), 0.0), 1.0)


def auc_interval(value: float, n: int, m: int, level: float = 0.95) -> Interval:
    """Interval of an AUC (variance after Hanley and McNeil, 1982, Radiology 143:29).

    Wilson's, for as many rows as have that variance; at most twice those of the rarer kind.

    Args:
        value: The AUC.
        n: Positive rows.
        m: Negative rows.
        level: Confidence, in (0, 1).
    """
    # Half a row ranked wrongly is allowed for: an AUC of 1 in ten rows is not certain.
    a = min(max(value, 0.5 / (n + m)), 1 - 0.5 / (n + m))
    both, other = a / (2 - a), 2 * a * a / (1 + a)
    variance = (a * (1 - a) + (n - 1) * (both - a * a) + (m - 1) * (other - a * a)) / (n * m)
    size = min(a * (1 - a) / variance, 2 * min(n, m))
    return wilson(value * size, size, level)
