"""Intervals for the gap between what was said and what came true, and for mean losses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Self, final

import numpy as np
from numpy.typing import NDArray

from redstart.errors import DataError, problem
from redstart.metrics.interval import skewed_interval, wilson
from redstart.metrics.metric import Interval

__all__ = ["Grouped", "alone", "effect_of", "gap_interval", "loss_interval"]

Floats = NDArray[np.float64]
Groups = NDArray[np.int64] | None

_MOST_BINS: Final = 15
_STEPS: Final = 400
_AS_MANY: Final = 2


@final
@dataclass(frozen=True, slots=True)
class Grouped:
    """Answers in order of confidence, and which of them go together.

    Attributes:
        said: Confidence of each, ascending, ``(A,)``.
        right: Whether each was right, 0.0 or 1.0, ``(A,)``.
        rows: Number of the row or group of each, ``(A,)``; ``None`` where each stands alone.
    """

    said: Floats
    right: Floats
    rows: NDArray[np.int64] | None

    @classmethod
    def of(cls, p: Floats, true: NDArray[np.int64], groups: Groups = None) -> Self:
        """Each label of each row as an answer; both ``(N, C)``, and groups of rows ``(N,)``."""
        flat = p.ravel()
        order = np.argsort(flat, kind="stable")
        right = true.ravel().astype(np.float64)
        rows = order // p.shape[1]
        return cls(flat[order], right[order], rows if groups is None else groups[rows])

    @classmethod
    def of_best(cls, p: Floats, true: NDArray[np.int64], groups: Groups = None) -> Self:
        """The most likely label of each row as its answer; ``(N, C)``, and ``(N,)`` each."""
        said = p.max(1)
        order = np.argsort(said, kind="stable")
        right = (p.argmax(1) == true).astype(np.float64)
        return cls(said[order], right[order], None if groups is None else groups[order])

    def cuts(self) -> NDArray[np.int64]:
        """Where bins of equal mass begin: the cube root of the rows, answers that tie together.

        More bins than that see finer shapes and less of each (Futami and Fujisawa, 2024).
        """
        n = len(self.said)
        rows = n if self.rows is None else len(np.unique(self.rows))
        bins = min(_MOST_BINS, max(1, round(rows ** (1 / 3))))
        at = self.said[np.round(np.arange(bins) * n / bins).astype(np.int64)]
        return np.unique(np.searchsorted(self.said, at))

    def binned(self) -> tuple[Floats, Floats, Floats]:
        """Mean confidence, share of right answers and number of answers of each bin."""
        cuts = self.cuts()
        n = np.diff(np.append(cuts, len(self.said))).astype(np.float64)
        return np.add.reduceat(self.said, cuts) / n, np.add.reduceat(self.right, cuts) / n, n

    def design_effect(self) -> float:
        """How many answers say as much as one that stands alone; see ``effect_of``."""
        if self.rows is None:
            return 1.0
        cuts = self.cuts()
        n = np.diff(np.append(cuts, len(self.said)))
        said, right, _ = self.binned()
        left = self.right - self.said - np.repeat(right - said, n)
        return effect_of(left, self.rows * len(cuts) + np.repeat(np.arange(len(cuts)), n))


def effect_of(centred: Floats, groups: NDArray[np.int64]) -> float:
    """How many values say as much as one that stands alone, since those of a group go together.

    The ratio of the variance of sums by group to that of values on their own (Kish, 1965).

    Args:
        centred: Values less their mean, ``(N,)``.
        groups: Number of the group of each, ``(N,)``.

    Returns:
        From 1 on.
    """
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], weights=centred)
    alone = float((centred**2).sum())
    return max(1.0, float((sums**2).sum()) / alone) if alone > 0 else 1.0


def alone(groups: NDArray[np.integer[Any]], n: int) -> NDArray[np.int64]:
    """Groups of rows ``(N,)``, where those that had none, -1, are groups of their own.

    Raises:
        DataError: If there are not ``n`` of them.
    """
    if groups.shape != (n,):
        raise DataError(
            problem(
                f"Expected a group for each of {n} rows, or none",
                f"{len(groups)}",
                "Take those of the same rows: `dls.groups[found.index]`.",
            )
        )
    return np.where(groups < 0, -1 - np.arange(n), groups).astype(np.int64)


def gap_interval(said: Floats, right: Floats, n: Floats) -> tuple[float, Interval]:
    """Root mean square of the gaps between two columns of shares, without what chance adds.

    The estimate subtracts the variance of each bin from its square (Kumar et al., 2019). The
    interval holds every size of the gap that the rows do not speak against: for a size, the
    squares' sum is taken as a gamma variable with the mean and variance that binomial counts
    give it. Gaps are tried in the shape that was seen and as even overconfidence, and the
    wider answer is given. Where there is no gap at all, only the lower end can fail: the
    coverage is 97.5% then.

    Args:
        said: Mean confidence of each bin, ``(B,)``.
        right: Share of right answers, ``(B,)``.
        n: Number of independent answers, ``(B,)``; need not be whole.

    Returns:
        The size, in [0, 1], and its 95% interval.
    """
    from scipy.special import gammainc

    weight = n / n.sum()
    # One more answer, right as often as was said: a bin without an error may have had one.
    near = (right * n + said) / (n + 1)
    seen = float((weight * (right - said) ** 2).sum())
    noise = float((weight * near * (1 - near) / n).sum())
    size = math.sqrt(max(seen - noise, 0.0))
    shapes = [-np.ones_like(said)]
    if (length := math.sqrt(float((weight * (near - said) ** 2).sum()))) > 0:
        shapes.append((near - said) / length)
    far = min(1.0, math.sqrt(seen) + 5 * math.sqrt(noise) + 0.05 + 5 / float(n.sum()))
    steps = np.linspace(0, far, _STEPS + 1)[:, None]
    # What even overconfidence may come to: no bin can be without an error by chance alone.
    hits, total = float((right * n).sum()), float(n.sum())
    most = float((weight * said).sum()) - wilson(hits, total)[0]
    found = [size, max(size, min(most, 1.0))]
    for shape in shapes:
        p = np.clip(said + steps * shape, 0, 1)
        mean, variance = _moments(said, p, n)
        below = gammainc(mean**2 / variance, seen * mean / variance)
        inside = np.flatnonzero((below > 0.025) & (below < 0.975))
        if len(inside):
            # The ends lie between two steps: the wider one of each.
            ends = [max(inside[0] - 1, 0) if inside[0] > 1 else 0, min(inside[-1] + 1, _STEPS)]
            found += np.sqrt((weight * (p[ends] - said) ** 2).sum(1)).tolist()
    return size, (min(found), max(found))


def _moments(said: Floats, p: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of the weighted squares if shares ``p``, ``(S, B)``, were true."""
    weight, gap, one = n / n.sum(), p - said, p * (1 - p)
    v = one / n
    third = one * (1 - 2 * p) / n**2
    fourth = one * (1 - 6 * one) / n**3
    mean = (weight * (v + gap**2)).sum(1)
    of_square = 2 * v**2 + fourth + 4 * v * gap**2 + 4 * gap * third
    return np.maximum(mean, 1e-150), np.maximum((weight**2 * of_square).sum(1), 1e-250)


def loss_interval(
    values: Floats,
    expected: tuple[float, float],
    *,
    seen: int,
    most: float = math.inf,
    effect: float = 1.0,
) -> Interval:
    """95% interval of a mean loss, which a few wrong answers carry most of.

    Where few were seen, rows alone say little of how the loss is spread; what the model
    itself expects counts as much as two wrong answers.

    Args:
        values: Losses, one per row, ``(N,)``.
        expected: Second and third central moment of the loss of a row, if the model is right
            about itself.
        seen: How many rows have wrong answers.
        most: The greatest loss there can be.
        effect: How many rows say as much as one that stands alone.

    Returns:
        Both ends, within ``[0, most]``.
    """
    centred = values - values.mean()
    own = seen / (seen + _AS_MANY)
    second = own * float((centred**2).mean()) + (1 - own) * expected[0]
    third = own * float((centred**3).mean()) + (1 - own) * expected[1]
    mean, skewness = float(values.mean()), third / second**1.5 if second > 0 else 0.0
    ends = skewed_interval(mean, second, skewness, round(len(values) / effect))
    return (0.0, most) if ends is None else (max(ends[0], 0.0), min(ends[1], most))
