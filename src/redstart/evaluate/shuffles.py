"""How weak the weakest of many slices would look by chance alone, and what to make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Chance", "by_chance", "shrunk", "tail"]

Floats = NDArray[np.float64]

_WORK = 6e7  # additions; more shuffles of more rows take longer than they are worth
_FEWEST = 200
_LEVEL = 0.05
_NORMAL = 1e-3  # skewness below which the normal distribution serves


@final
@dataclass(frozen=True, slots=True, eq=False)
class Chance:
    """How likely slices are to look as weak as they do, if none of them is.

    Attributes:
        alone: For each slice by itself, ``(S,)`` in [0, 1].
        corrected: That some slice of all looks so weak, ``(S,)`` in [0, 1].
        limit: A slice by itself must be less likely than this to be called weak.
        shuffles: How often rows were shuffled.
    """

    alone: Floats
    corrected: Floats
    limit: float
    shuffles: int


def by_chance(
    badness: Floats,
    members: Sequence[NDArray[np.intp]],
    weights: Floats,
    *,
    shuffles: int,
    seed: int,
) -> Chance:
    """Hold slices against the same slices after shuffling the scores over the rows.

    The step-down procedure of Westfall and Young (1993, "Resampling-based multiple testing",
    algorithm 2.8): a slice is called weak if in fewer than 5% of the shufflings *any* slice
    looks as weak. So of all data sets on which no slice is weak, 5% get a false alarm, however
    many slices are looked at and however they overlap. Holm's correction promises the same,
    but counts slices that share rows as if they did not; that of Benjamini and Hochberg
    promises less: that of the slices which are listed, few are listed wrongly.

    Args:
        badness: One number per row, larger where the model is worse, ``(N,)``.
        members: The rows of each slice.
        weights: How easily each slice is believed, ``(S,)``, at most 1; that of pairs is
            smaller, so that looking at many of them costs the others little.
        shuffles: How often; fewer where there are very many rows and slices, 200 at least.
        seed: For the shuffling.
    """
    from scipy.sparse import csr_array

    n = len(badness)
    sizes = np.array([len(rows) for rows in members], dtype=np.float64)
    if not len(sizes) or badness.std() == 0:
        nothing = np.ones(len(sizes))
        return Chance(nothing, nothing, _LEVEL, 0)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    inside = csr_array(
        (np.ones(int(starts[-1])), np.concatenate(members), starts), shape=(len(sizes), n)
    )
    standard = (badness - badness.mean()) / badness.std()
    alone = _tails(inside @ standard, sizes, standard)
    times = int(min(shuffles, max(_FEWEST, _WORK / starts[-1])))
    rng = np.random.default_rng(seed)
    seen = np.empty((len(sizes), times))
    for start in range(0, times, 50):
        stop = min(start + 50, times)
        drawn = rng.permuted(np.tile(standard, (stop - start, 1)), axis=1).T
        seen[:, start:stop] = _tails((inside @ drawn).T, sizes, standard).T
    ranked = np.argsort(alone / weights, kind="stable")
    seen = (seen / weights[:, None])[ranked]
    # Of each shuffling, the weakest among this slice and all that look stronger than it.
    weakest = np.minimum.accumulate(seen[::-1])[::-1]
    alike = (weakest <= (alone / weights)[ranked, None] * (1 + 1e-9)).sum(axis=1)
    corrected = np.empty(len(sizes))
    corrected[ranked] = np.maximum.accumulate((alike + 1) / (times + 1))
    limit = float(np.quantile(weakest[0], _LEVEL))
    return Chance(alone, corrected, min(limit, _LEVEL), times)


def tail(badness: Floats, rows: NDArray[np.intp]) -> float:
    """How likely rows drawn at random are to be as bad as these on average, in [0, 1]."""
    if badness.std() == 0 or not 0 < len(rows) < len(badness):
        return 1.0
    standard = (badness - badness.mean()) / badness.std()
    return float(
        _tails(standard[rows].sum(keepdims=True), np.array([float(len(rows))]), standard)[0]
    )


def _tails(sums: Any, sizes: Floats, standard: Floats) -> Floats:
    """Chance of a sum as large, of so many rows drawn without putting back, ``(..., S)``.

    From the first three moments, by a shifted gamma distribution: losses are skewed, and so
    are the errors of a good model. (Pearson's type III; Mielke and Berry, 2007, "Permutation
    methods", section 2.3.)
    """
    from scipy.special import gammainc, gammaincc, ndtr

    n = len(standard)
    z = sums / np.sqrt(sizes * (n - sizes) / (n - 1))
    skew = np.mean(standard**3) * (n - 2 * sizes) / max(n - 2, 1)
    skew = skew * np.sqrt((n - 1) / (sizes * (n - sizes)))
    found: Floats = ndtr(-z)
    for bent, gamma in ((skew > _NORMAL, gammaincc), (skew < -_NORMAL, gammainc)):
        shape = 4 / skew[bent] ** 2
        at = np.maximum(shape + 2 * z[..., bent] / skew[bent], 0.0)
        found[..., bent] = gamma(shape, at)
    return found


def shrunk(differences: Floats, errors: Floats) -> Floats:
    """What to expect of differences on new rows, when the largest of many are looked at.

    Adaptive shrinkage (Stephens, 2017, Biostatistics 18:275): how far slices differ in truth
    is learnt from all of them, as a mixture of normal distributions around 0; then each is
    drawn towards 0 by as much as its own uncertainty asks for.

    Args:
        differences: Of each slice from all rows, ``(S,)``.
        errors: Their standard errors, ``(S,)``, above 0.

    Returns:
        The expected differences, ``(S,)``, nearer to 0.
    """
    if not len(differences):
        return differences
    widest = 2 * np.sqrt(max(float((differences**2 - errors**2).max()), 0.0))
    least = float(errors.min()) / 10
    if widest <= least:
        return np.zeros_like(differences)
    grid = np.concatenate([[0.0], np.geomspace(least, widest, 20)])
    variance = errors[:, None] ** 2 + grid**2
    fit = -0.5 * (differences[:, None] ** 2 / variance + np.log(variance))
    fit = np.exp(fit - fit.max(axis=1, keepdims=True))
    shares = np.full(len(grid), 1 / len(grid))
    prior = np.zeros(len(grid))
    prior[0] = 9.0  # as in the paper: where in doubt, no difference
    for _ in range(200):
        part = fit * shares
        part /= part.sum(axis=1, keepdims=True)
        shares = (part.sum(axis=0) + prior) / (len(differences) + prior.sum())
    part = fit * shares
    part /= part.sum(axis=1, keepdims=True)
    found: Floats = differences * (part * grid**2 / variance).sum(axis=1)
    return found
