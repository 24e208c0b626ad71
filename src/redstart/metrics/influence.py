"""How far each row moves a figure: what variances of groups and of differences are made of.

A figure is, nearly, its true value plus one small term for each row (its influence; Hampel,
1974, JASA 69:383). The sum of their squares is the variance of the figure. Where rows come in
groups the terms are first summed within each; where two models are compared they are
subtracted first. So one method serves every metric.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final, runtime_checkable

import torch
from torch import Tensor

from redstart.metrics.interval import proportion_interval, skewed_interval, student
from redstart.metrics.metric import Interval

__all__ = [
    "Influence",
    "Linear",
    "Spread",
    "difference_interval",
    "group_interval",
    "mean_influence",
    "spread",
]

_NORMAL = 1.959963984540054
_ALL = (-math.inf, math.inf)
_NO_VARIANCE = 1e-24


@final
@dataclass(frozen=True, slots=True, eq=False)
class Influence:
    """A figure and its rows' parts in it.

    Attributes:
        value: The figure.
        rows: How far each row moves it, ``(N,)`` float64; their sum is 0.
        bounds: The least and the greatest value that the figure can take.
        size: For a figure between finite bounds: in how many independent rows a share
            would vary as much; 0 for one that has Student's interval.
        doubt: Variance that one row on which two models differ would bring. It is added to
            that of a difference: that they agreed on these rows does not make them equal.
        root: Whether the figure is the root of a mean, which then is what has an interval.
    """

    value: float
    rows: Tensor
    bounds: Interval = _ALL
    size: float = 0.0
    doubt: float = 0.0
    root: bool = False


@runtime_checkable
class Linear(Protocol):
    """A metric that knows how far each row moves it."""

    def influence(self, out: Any, *y: Any) -> Influence | None:
        """Measure all rows, and each row's part; ``None`` where the figure is not defined.

        The metric's state is left as it is.
        """
        ...


@final
@dataclass(frozen=True, slots=True)
class Spread:
    """How far a figure is moved by chance.

    Attributes:
        variance: Of the figure; its square root is the standard error.
        df: Degrees of freedom of that, for Student's distribution.
        units: How many equal groups (or rows) would be as good.
        skewness: Of the groups' parts.
    """

    variance: float
    df: float
    units: float
    skewness: float


def spread(rows: Tensor, groups: Tensor | None = None) -> Spread | None:
    """Variance of a figure from its rows' parts, robust to whatever ties rows of a group.

    The parts are summed within groups. Each sum is scaled up for the pull that its own group
    has on the figure (Bell & McCaffrey, 2002, Survey Methodology 28:169). A few large groups
    count as fewer: the degrees of freedom are Satterthwaite's for the groups' sizes.

    Args:
        rows: How far each row moves the figure, ``(N,)``.
        groups: Number of each row's group from 0, ``(N,)`` int64, none left out; each row is
            a group if left out.

    Returns:
        The spread; ``None`` for fewer than two groups.
    """
    n = len(rows)
    if groups is None:
        if n < 2:
            return None
        return Spread(
            rows.square().sum().item() * n / (n - 1), n - 1.0, float(n), _skewness(rows.double())
        )
    share = torch.bincount(groups).double() / n
    if len(share) < 2:
        return None
    sums = torch.zeros_like(share).index_add_(0, groups, rows.double())
    squares = share.square()
    df = (squares.sum().square() / squares.square().sum()).item() - 1
    variance = (sums.square() / (1 - share)).sum().item()
    return Spread(variance, max(df, 1.0), 1 / squares.sum().item(), _skewness(sums))


def group_interval(found: Influence, groups: Tensor | None = None) -> Interval | None:
    """95% interval of a figure of rows that come in groups.

    A figure between finite bounds gets Wilson's interval for its effective size, divided by
    the design effect: how much larger the variance by groups is than that by rows (Kish, 1965).
    Student's distribution widens it for few groups (Korn & Graubard, 1998, Survey Methodology
    24:193). If no row moves the figure, groups are counted as rows: how alike rows of a group
    are cannot be seen then. Distances get Student's interval without the skewness of the
    groups (see ``skewed_interval``), all other figures Student's.

    Args:
        found: The figure and its rows' parts.
        groups: Number of each row's group, as for ``spread``.

    Returns:
        Both ends; ``None`` for fewer than two groups, or a point.
    """
    alone, tied = spread(found.rows), spread(found.rows, groups)
    if alone is None or tied is None or math.isnan(found.value):
        return None
    reach = student(tied.df)
    if found.size:
        some = alone.variance > _NO_VARIANCE and tied.variance > _NO_VARIANCE
        size = found.size * alone.variance / tied.variance if some else tied.units
        size *= (_NORMAL / reach) ** 2
        low, high = found.bounds
        share = (found.value - low) / (high - low)
        variance = share * (1 - share) / size * (high - low) ** 2
        return proportion_interval(found.value, variance, size, found.bounds)
    least, most = found.bounds
    if least == 0.0:
        return _of_distance(found, tied)
    half = reach * math.sqrt(tied.variance)
    if not half > 0:
        return None
    return max(found.value - half, least), min(found.value + half, most)


def _of_distance(found: Influence, tied: Spread) -> Interval | None:
    # On the scale of the mean, of which the root moves by half its part over itself.
    scale = 2 * found.value if found.root else 1.0
    mean = found.value**2 if found.root else found.value
    n = round(tied.df) + 1
    # ``skewed_interval`` divides by the number of rows, and takes the rows' own variance.
    variance = tied.variance * scale**2 * (n - 1)
    ends = skewed_interval(mean, variance, tied.skewness, n) if variance > 0 else None
    if ends is None:
        return None
    low, high = max(ends[0], 0.0), ends[1]
    return (math.sqrt(low), math.sqrt(high)) if found.root else (low, high)


def difference_interval(
    a: Influence, b: Influence, groups: Tensor | None = None
) -> Interval | None:
    """95% interval of the figure of ``a`` less that of ``b``, measured on the same rows.

    Student's, of the differences of the rows' parts. For shares the variance of one row of
    doubt is added, and the difference is drawn towards 0 as by two such rows (Agresti & Min,
    2005, Statistics in Medicine 24:729); of rows in groups, as many as count for one. Where
    the models differ on fewer than about ten rows, such an interval is wider than it has to be.

    Args:
        a: One model's figure and its rows' parts.
        b: The other's, of the same metric and rows.
        groups: Number of each row's group, as for ``spread``.

    Returns:
        Both ends; ``None`` for fewer than two rows or groups, or a point.
    """
    tied = spread(a.rows - b.rows, groups)
    value = a.value - b.value
    if tied is None or math.isnan(value):
        return None
    variance, doubt = tied.variance, max(a.doubt, b.doubt)
    if doubt:
        alike = _design_effect(a.rows - b.rows, tied)
        rows = len(a.rows) / alike
        shrunk = rows / (rows + 2)
        value, variance = value * shrunk, (variance + doubt * alike**2) * shrunk**2
    half = student(tied.df) * math.sqrt(variance)
    return (value - half, value + half) if half > 0 else None


def _skewness(parts: Tensor) -> float:
    away = parts - parts.mean()
    variance = away.square().mean().item()
    return away.pow(3).mean().item() / variance**1.5 if variance > 0 else 0.0


def _design_effect(rows: Tensor, tied: Spread) -> float:
    """How many rows in groups count for one; as many as a group has if nothing varies."""
    alone = spread(rows)
    most = len(rows) / tied.units
    if alone is None or not min(alone.variance, tied.variance) > _NO_VARIANCE:
        return most
    return min(max(tied.variance / alone.variance, 1.0), most)


def mean_influence(found: Sequence[Influence]) -> Influence:
    """Of the mean of a figure over several models on the same rows."""
    n = len(found)
    return Influence(
        value=sum(one.value for one in found) / n,
        rows=torch.stack([one.rows for one in found]).mean(0),
        bounds=found[0].bounds,
        size=found[0].size,
        doubt=max(one.doubt for one in found),
        root=found[0].root,
    )
