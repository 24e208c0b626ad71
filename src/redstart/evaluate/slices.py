"""Weak slices: kinds of rows on which a model does worse than on the rest, beyond chance."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from redstart.errors import ConfigError, DataError, problem
from redstart.evaluate.cuts import Cut, cuts_of, least_rows
from redstart.evaluate.differences import mean_with_interval, newcombe, welch
from redstart.evaluate.shuffles import by_chance, shrunk, tail
from redstart.evaluate.sliced import Slice, Slices

__all__ = ["Slice", "Slices", "weak_slices"]

Floats = NDArray[np.float64]

_LEVEL = 0.05
_PAIR_WEIGHT = 0.25
_PART = 0.5


def weak_slices(
    scores: Any,
    columns: Mapping[str, Any],
    *,
    figure: str = "accuracy",
    worse: Literal["low", "high"] = "low",
    pairs: Collection[str] | None = None,
    min_rows: int | None = None,
    shuffles: int = 500,
    seed: int = 0,
) -> Slices:
    """Find slices of rows on which a model does worse than on the rest, beyond chance.

    What is cut into slices is told by ``cuts_of``. A slice is weak if in fewer than 5% of
    the shufflings of the scores any slice looks as weak (Westfall and Young; see
    ``by_chance``); a pair of columns must look four times less likely than that.

    Args:
        scores: One number per row, ``(N,)``: 1 for a hit and 0 for a miss, a loss, or an
            absolute error.
        columns: What rows are cut by, ``(N,)`` each.
        figure: What the mean of the scores is called.
        worse: Which scores are worse.
        pairs: Columns of which pairs are looked at as well; the first ten if ``None``.
        min_rows: Size of the smallest slice; by the number of rows if ``None``.
        shuffles: How often to shuffle at most.
        seed: For the shuffling.

    Returns:
        All slices, and those which are weak.

    Raises:
        DataError: If scores are missing or not finite, or do not fit the columns.
        ConfigError: If ``min_rows`` or ``shuffles`` is too small.
    """
    values = _checked(scores)
    if (min_rows is not None and min_rows < 2) or shuffles < 100:
        raise ConfigError(
            problem(
                "Expected slices of 2 rows or more, and 100 shuffles or more",
                f"min_rows={min_rows}, shuffles={shuffles}",
                "Leave both out.",
            )
        )
    n = len(values)
    least = least_rows(n) if min_rows is None else min_rows
    cuts = cuts_of(columns, n, least, pairs=pairs)
    badness = -values if worse == "low" else values
    weights = np.array([1.0 if len(cut.columns) == 1 else _PAIR_WEIGHT for cut in cuts])
    chance = by_chance(badness, [cut.rows for cut in cuts], weights, shuffles=shuffles, seed=seed)
    share = bool(np.isin(values, (0.0, 1.0)).all())
    expected = _expected(values, cuts)
    slices = [
        _slice(values, badness, cut, share, expected[i], (chance.alone[i], chance.corrected[i]))
        for i, cut in enumerate(cuts)
    ]
    slices.sort(key=lambda s: (s.corrected, s.p / (1 if len(s.columns) == 1 else _PAIR_WEIGHT)))
    weak = _distinct([s for s in slices if s.corrected < _LEVEL], badness, least, chance.limit)
    weak.sort(key=lambda s: s.expected, reverse=worse == "high")
    overall, interval = mean_with_interval(values, share=share)
    return Slices(
        figure=figure,
        worse=worse,
        share=share,
        n_rows=n,
        overall=overall,
        overall_interval=interval,
        slices=tuple(slices),
        weak=tuple(weak),
        visible=_visible(values, cuts, chance.limit),
        shuffles=chance.shuffles,
    )


def _checked(scores: Any) -> Floats:
    values: Floats = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise DataError(
            problem(
                "Expected one score for each row",
                f"an array of shape {values.shape}",
                "Give hits, losses or absolute errors of the validation rows.",
            )
        )
    if bad := int((~np.isfinite(values)).sum()):
        row = int((~np.isfinite(values)).argmax())
        raise DataError(
            problem(
                "Expected scores that are finite",
                f"{values[row]} in row {row}; {bad} such rows",
                "Look at these rows first: the model does not give a number there.",
            )
        )
    return values


def _slice(
    values: Floats,
    badness: Floats,
    cut: Cut,
    share: bool,
    expected: float,
    chance: tuple[float, float],
) -> Slice:
    rows = cut.rows[np.argsort(-badness[cut.rows], kind="stable")]
    inside = np.zeros(len(values), dtype=bool)
    inside[rows] = True
    a, b = values[rows], values[~inside]
    value, interval = mean_with_interval(a, share=share)
    rest, rest_interval = mean_with_interval(b, share=share)
    difference = newcombe(a.sum(), len(a), b.sum(), len(b)) if share else welch(a, b)
    return Slice(
        words=cut.words,
        columns=cut.columns,
        rows=rows,
        value=value,
        interval=interval,
        rest=rest,
        rest_interval=rest_interval,
        difference=value - rest,
        difference_interval=difference,
        expected=expected,
        p=float(chance[0]),
        corrected=float(chance[1]),
    )


def _expected(values: Floats, cuts: Sequence[Cut]) -> list[float]:
    """Shrink single columns and pairs apart: they differ in how much they vary in truth."""
    n, mean, spread = len(values), float(values.mean()), float(values.std())
    found = np.full(len(cuts), mean)
    if spread == 0:
        return found.tolist()
    width = np.array([len(cut.columns) for cut in cuts])
    sizes = np.array([len(cut.rows) for cut in cuts])
    means = np.array([values[cut.rows].mean() for cut in cuts])
    for columns in (1, 2):
        some = width == columns
        errors = spread * np.sqrt(1 / sizes[some] - 1 / n)
        found[some] = mean + shrunk(means[some] - mean, errors)
    return found.tolist()


def _distinct(weak: Sequence[Slice], badness: Floats, least: int, limit: float) -> list[Slice]:
    """Leave out slices that are weak only by the rows of others, which look less like chance."""
    kept: list[Slice] = []
    also: list[list[str]] = []
    inside: list[NDArray[np.bool_]] = []
    for found in weak:
        # The smallest of those that share most rows: the nearest to being the same.
        shared = [(int(mask[found.rows].sum()), -int(mask.sum())) for mask in inside]
        nearest = max(range(len(kept)), key=shared.__getitem__) if kept else -1
        if kept and _chance_left(found, inside, nearest, badness, least) >= limit:
            also[nearest].append(found.words)
            continue
        kept.append(found)
        also.append([])
        inside.append(np.bincount(found.rows, minlength=len(badness)).astype(bool))
    return [replace(found, also=tuple(words)) for found, words in zip(kept, also, strict=True)]


def _chance_left(
    found: Slice,
    inside: Sequence[NDArray[np.bool_]],
    nearest: int,
    badness: Floats,
    least: int,
) -> float:
    """How likely a slice is to look weak, outside of those kept, or else within the nearest."""
    free = ~np.any(inside, axis=0)
    left = found.rows[free[found.rows]]
    if len(left) < max(least // 2, 2):
        free, left = inside[nearest], found.rows[inside[nearest][found.rows]]
        if len(left) > _PART * free.sum():
            return 1.0
    places = np.flatnonzero(free)
    return tail(badness[places], np.searchsorted(places, np.sort(left)))


def _visible(values: Floats, cuts: Sequence[Cut], limit: float) -> float:
    if not cuts or values.std() == 0:
        return math.nan
    n, size = len(values), float(np.median([len(cut.rows) for cut in cuts]))
    normal = NormalDist()
    z = normal.inv_cdf(1 - min(max(limit, 1e-12), 0.5)) + normal.inv_cdf(0.8)
    return z * float(values.std()) * math.sqrt(1 / size + 1 / (n - size))
