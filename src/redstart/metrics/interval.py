"""Confidence intervals: how far a figure would move on other rows of the same kind.

A figure in ``[low, high]`` is treated as a proportion seen in as many rows as would
give it the variance it has (its *effective sample size*), and gets Wilson's interval
for that proportion. So it never leaves its range, is wider towards the middle, and is
not a single point when no error was seen. In simulations (``tests/unit/metrics``) this
covers the true figure more evenly than percentile and BCa bootstraps, and draws nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

import torch
from torch import Tensor

from redstart.metrics.metric import Interval
from redstart.rng import generator

__all__ = [
    "Statistic",
    "bootstrap_rows",
    "count_interval",
    "count_slopes",
    "effective_size",
    "mean_interval",
    "proportion_interval",
    "skewed_interval",
    "student",
    "wilson",
]

Statistic = Callable[[Tensor], Tensor]
"""From confusion matrices ``(..., C, C)``, rows true and columns predicted, to ``(...)``.

Differentiable, and the same for counts as for shares of the rows.
"""

_NO_VARIANCE = 1e-15
_ROW_ERRORS = 0.5
_NO_SKEW = 1e-6
_MOST_BIAS = 0.5  # in standard errors; more is no bias but a figure that draws do not have


def wilson(successes: float, n: float, level: float = 0.95) -> Interval:
    """Score interval for a proportion (Wilson, 1927, JASA 22:209).

    Args:
        successes: How many rows had the property, in ``[0, n]``; need not be whole.
        n: How many rows there were. With none, the interval is ``(0, 1)``.
        level: Confidence, in ``(0, 1)``.

    Returns:
        Both ends, within ``[0, 1]``.
    """
    if n <= 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + level / 2)
    p = min(max(successes / n, 0.0), 1.0)
    scale = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # At the ends the formula gives p itself, up to rounding; say so exactly.
    low = 0.0 if p == 0 else max(0.0, centre - half)
    high = 1.0 if p == 1 else min(1.0, centre + half)
    return low, high


def proportion_interval(
    value: float,
    variance: float,
    n: float,
    bounds: Interval = (0.0, 1.0),
    level: float = 0.95,
) -> Interval:
    """Wilson's interval with an effective sample size (Kott & Carr, 1997, JOS 13:129).

    Args:
        value: The figure, within ``bounds``.
        variance: Its sampling variance; the square of its standard error.
        n: Rows to assume where the variance is zero.
        bounds: The least and the greatest value that the figure can take.
        level: Confidence, in ``(0, 1)``.

    Returns:
        Both ends, within ``bounds``; not a number where ``value`` is not.
    """
    if math.isnan(value):
        return math.nan, math.nan
    low, high = bounds
    width = high - low
    share = (value - low) / width
    spread = variance / width**2
    size = share * (1 - share) / spread if spread > _NO_VARIANCE else n
    # A figure at its very end has no variance of its own to speak of.
    size = size if size > 0 else n
    below, above = wilson(share * size, size, level)
    return low + width * below, low + width * above


def count_interval(
    matrix: Tensor, statistic: Statistic, bounds: Interval = (0.0, 1.0), level: float = 0.95
) -> Interval:
    """Interval of a statistic of a confusion matrix whose rows are independent draws.

    The delta method gives the effective sample size. It is taken at a matrix in which
    every class has half an error more than it was seen to have (as in Jeffreys' prior),
    spread over the classes by how frequent they are: a small class without errors would
    else count as one that cannot have any.

    Args:
        matrix: Counts ``(C, C)``; rows are true classes, columns predicted ones.
        statistic: What to compute of it.
        bounds: The least and the greatest value that the statistic can take.
        level: Confidence, in ``(0, 1)``.

    Returns:
        Both ends, within ``bounds``; not numbers where the statistic is not.
    """
    counts = matrix.detach().to("cpu", torch.float64)
    value, size = effective_size(counts, statistic, bounds)
    low, high = bounds
    share = ((value - low) / (high - low)).item()
    if math.isnan(share):
        return math.nan, math.nan
    below, above = wilson(share * size.item(), size.item(), level)
    return low + (high - low) * below, low + (high - low) * above


def effective_size(
    counts: Tensor, statistic: Statistic, bounds: Interval = (0.0, 1.0)
) -> tuple[Tensor, Tensor]:
    """Return the statistic of each matrix, and the rows its variance corresponds to.

    Args:
        counts: Matrices ``(..., C, C)``, float64.
        statistic: What to compute of them.
        bounds: The least and the greatest value that the statistic can take.

    Returns:
        The statistics and their effective sample sizes, each ``(...)``.
    """
    n = counts.sum((-2, -1))
    low, high = bounds
    shares, figure, slopes = count_slopes(counts, statistic)
    variance = (shares * slopes**2).sum((-2, -1)) / n / (high - low) ** 2
    part = (figure - low) / (high - low)
    size = part * (1 - part) / variance
    known = (variance > _NO_VARIANCE) & (size > 0)
    return statistic(counts), torch.where(known, size, n)


def count_slopes(counts: Tensor, statistic: Statistic) -> tuple[Tensor, Tensor, Tensor]:
    """How a statistic moves with each cell, where every class has half an error more.

    Args:
        counts: Matrices ``(..., C, C)``, float64.
        statistic: What to compute of them.

    Returns:
        The smoothed shares of the rows ``(..., C, C)``, the statistic there ``(...)``, and
        its slopes ``(..., C, C)``, less their mean over the rows.
    """
    with torch.inference_mode(False), torch.enable_grad():
        shares = _smoothed(counts.clone()).requires_grad_()
        figure = statistic(shares)
        (slope,) = torch.autograd.grad(figure.sum(), shares)
    shares = shares.detach()
    return shares, figure.detach(), slope - (shares * slope).sum((-2, -1), keepdim=True)


def _smoothed(counts: Tensor) -> Tensor:
    """Shares of the rows, each true class with half a row labelled at random added."""
    true, predicted = counts.sum(-1), counts.sum(-2)
    frequency = (true + predicted) / (true + predicted).sum(-1, keepdim=True)
    smooth = counts + _ROW_ERRORS * frequency.unsqueeze(-2)
    smooth = smooth / smooth.sum(-1, keepdim=True) * true.unsqueeze(-1)
    return smooth / true.sum(-1)[..., None, None]


@lru_cache(maxsize=1024)
def student(df: float, level: float = 0.95) -> float:
    """How many standard errors Student's interval reaches to either side.

    Args:
        df: Degrees of freedom, above 0.
        level: Confidence, in ``(0, 1)``.
    """
    from scipy.stats import t

    return float(t.ppf(0.5 + level / 2, df))


def mean_interval(total: float, squares: float, n: int, level: float = 0.95) -> Interval | None:
    """Student's interval for a mean.

    Args:
        total: Sum of the values.
        squares: Sum of their squares.
        n: How many there are.
        level: Confidence, in ``(0, 1)``.

    Returns:
        Both ends; ``None`` for fewer than two values.
    """
    if n < 2:
        return None
    mean = total / n
    variance = max(squares / n - mean * mean, 0.0) * n / (n - 1)
    half = student(n - 1, level) * math.sqrt(variance / n)
    return mean - half, mean + half


def skewed_interval(
    mean: float, variance: float, skewness: float, n: int, level: float = 0.95
) -> Interval | None:
    """Student's interval for the mean of skewed values, after Hall's transformation.

    A few rows have most of the error, so a sample without them looks good and sure of it.
    Hall's cubic takes the skewness out of Student's figure (1992, JRSS B 54:221).

    Args:
        mean: Of the values.
        variance: Their mean squared distance from it.
        skewness: Their mean cubed distance from it, in standard deviations.
        n: How many there are.
        level: Confidence, in ``(0, 1)``.

    Returns:
        Both ends; ``None`` for fewer than two values.
    """
    if n < 2:
        return None
    # No ``n`` values have more; rounding may say so.
    most = (n - 2) / math.sqrt(n - 1)
    skew = min(max(skewness, -most), most) if math.isfinite(skewness) else 0.0
    reach = student(n - 1, level) / math.sqrt(n)
    spread = math.sqrt(variance * n / (n - 1))
    return mean - spread * _unskewed(reach, skew, n), mean - spread * _unskewed(-reach, skew, n)


def _unskewed(reach: float, skew: float, n: int) -> float:
    """Invert Hall's cubic ``x + g x^2 / 3 + g^2 x^3 / 27 + g / 6n``."""
    x = reach - skew / (6 * n)
    # Close to no skewness the cubic is a straight line, and its root only rounding.
    return x if abs(skew) < _NO_SKEW else 3 / skew * (math.cbrt(1 + skew * x) - 1)


def bootstrap_rows(
    n: int,
    statistic: Callable[[Tensor], float],
    value: float,
    resamples: int = 199,
    most_rows: int = 20_000,
    level: float = 0.95,
    seed: int = 0,
    groups: Tensor | None = None,
) -> Interval | None:
    """Bias-corrected percentile bootstrap over rows, or over whole groups of them.

    See Efron (1981, Canadian Journal of Statistics 9:139) for the correction, and Davison &
    Hinkley (1997, section 3.8) for groups. The percentiles lie as much further out as
    Student's distribution is wider than the normal one (Hesterberg, 2015, The American
    Statistician 69:371); without that, few rows or groups give too narrow an interval.

    Of more than ``most_rows`` rows only that many are drawn each time, and the distances
    from ``value`` are shrunk to what they would be for all (Bickel, Gotze & van Zwet, 1997).

    Args:
        n: How many rows there are.
        statistic: From row numbers ``(m,)`` int64, some of them repeated, to the figure.
        value: The figure of all rows.
        resamples: How often to draw rows with replacement.
        most_rows: How many rows to draw at most.
        level: Confidence, in ``(0, 1)``.
        seed: For the draws; they leave every global generator alone.
        groups: Number of each row's group from 0, ``(n,)`` int64, none left out; each row
            is drawn by itself if left out.

    Returns:
        Both ends; ``None`` where they would say nothing: fewer than two rows or groups, a
        figure that is not finite for some draw, or the same figure for all of them.
    """
    units = n if groups is None else int(groups.max()) + 1 if len(groups) else 0
    if units < 2 or not math.isfinite(value):
        return None
    rng = generator(seed, n)
    m = max(2, min(units, units * most_rows // n))
    rows = _rows_of(groups)
    draws = [
        float(statistic(rows(torch.randint(units, (m,), generator=rng)))) for _ in range(resamples)
    ]
    figures = torch.tensor(draws, dtype=torch.float64)
    if not figures.isfinite().all() or (figures == figures[0]).all():
        return None
    tails = _tails(figures, value, units - 1, level)
    # The k-th of B sorted draws has k / (B + 1) of the distribution below it.
    places = (torch.tensor(tails, dtype=torch.float64) * (resamples + 1) - 1) / (resamples - 1)
    ends = torch.quantile(figures, places.clamp(0, 1))
    low, high = (value + (ends - value) * math.sqrt(m / units)).tolist()
    return low, high


def _rows_of(groups: Tensor | None) -> Callable[[Tensor], Tensor]:
    """From numbers of groups to those of their rows."""
    if groups is None:
        return lambda drawn: drawn
    order = groups.argsort(stable=True)
    sizes = torch.bincount(groups)
    starts = sizes.cumsum(0) - sizes

    def rows(drawn: Tensor) -> Tensor:
        many = sizes[drawn]
        within = torch.arange(int(many.sum())) - (many.cumsum(0) - many).repeat_interleave(many)
        return order[starts[drawn].repeat_interleave(many) + within]

    return rows


def _tails(figures: Tensor, value: float, df: int, level: float) -> tuple[float, float]:
    """Shares of the draws that lie below the lower and below the upper end."""
    normal = NormalDist()
    reach = math.sqrt((df + 1) / df) * student(df, level)
    below = ((figures < value).double() + (figures == value).double() / 2).mean().item()
    least = normal.cdf(-_MOST_BIAS)
    bias = normal.inv_cdf(min(max(below, least), 1 - least))
    return normal.cdf(2 * bias - reach), normal.cdf(2 * bias + reach)
