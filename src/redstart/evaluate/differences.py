"""Means and differences of two groups of rows, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from redstart.metrics.interval import mean_interval, wilson
from redstart.metrics.metric import Interval

__all__ = ["holm", "mean_with_interval", "newcombe", "same_share", "welch"]

Floats = NDArray[np.float64]


def mean_with_interval(values: Floats, *, share: bool) -> tuple[float, Interval | None]:
    """A mean and its 95% interval: Wilson's for hits and misses, else Student's.

    Args:
        values: ``(n,)``.
        share: Whether they are all 0 or 1.
    """
    n = len(values)
    if not n:
        return math.nan, None
    total = float(values.sum())
    if share:
        return total / n, wilson(total, n)
    return total / n, mean_interval(total, float((values**2).sum()), n)


def newcombe(hits_a: float, n_a: int, hits_b: float, n_b: int) -> Interval | None:
    """95% interval of the difference of two shares of different rows, ``a`` less ``b``.

    Newcombe's hybrid of two Wilson intervals (1998, Statistics in Medicine 17:873, method 10).

    Args:
        hits_a: Rows of ``a`` that have the property.
        n_a: Rows of ``a``.
        hits_b: Likewise of ``b``.
        n_b: Rows of ``b``.

    Returns:
        Both ends; ``None`` if one of the two has no rows.
    """
    if not n_a or not n_b:
        return None
    a, b = hits_a / n_a, hits_b / n_b
    (low_a, high_a), (low_b, high_b) = wilson(hits_a, n_a), wilson(hits_b, n_b)
    low = a - b - math.hypot(a - low_a, high_b - b)
    high = a - b + math.hypot(high_a - a, b - low_b)
    return float(low), float(high)


def welch(a: Floats, b: Floats) -> Interval | None:
    """95% interval of the difference of two means, ``a`` less ``b`` (Welch, 1947).

    Args:
        a: Values, ``(n,)``.
        b: Values of other rows, ``(m,)``.

    Returns:
        Both ends; ``None`` if one of the two has fewer than two rows, or nothing varies.
    """
    if min(len(a), len(b)) < 2:
        return None
    from scipy.stats import t

    parts = [float(v.var(ddof=1)) / len(v) for v in (a, b)]
    total = sum(parts)
    if total == 0:
        return None
    freedom = total**2 / sum(p**2 / (len(v) - 1) for p, v in zip(parts, (a, b), strict=True))
    half = float(t.ppf(0.975, freedom)) * math.sqrt(total)
    middle = float(a.mean() - b.mean())
    return middle - half, middle + half


def same_share(hits_a: int, n_a: int, hits_b: int, n_b: int) -> float:
    """How likely two shares are to differ as much if they are the same (Fisher's exact test).

    Args:
        hits_a: Rows of ``a`` that have the property.
        n_a: Rows of ``a``.
        hits_b: Likewise of ``b``.
        n_b: Rows of ``b``.
    """
    from scipy.stats import fisher_exact

    if not n_a or not n_b:
        return 1.0
    return float(fisher_exact([[hits_a, n_a - hits_a], [hits_b, n_b - hits_b]])[1])


def holm(p: Sequence[float]) -> list[float]:
    """Correct for having compared so often (Holm, 1979, Scandinavian J. of Statistics 6:65).

    Those below 0.05 are all true with 95% certainty, whatever ties the comparisons have.

    Args:
        p: One per comparison, in [0, 1].
    """
    order = sorted(range(len(p)), key=p.__getitem__)
    found, largest = [1.0] * len(p), 0.0
    for place, i in enumerate(order):
        largest = max(largest, min(1.0, p[i] * (len(p) - place)))
        found[i] = largest
    return found
