"""Sets of labels and intervals of numbers that hold the truth as often as is promised.

Split conformal prediction (Vovk et al., 2005; Angelopoulos and Bates, 2023): how badly the
model did on rows that it was not trained on says how far to go around a new prediction. The
promise needs nothing but rows that come from where the new ones come from. It is for rows on
the whole: rare or hard ones may be held less often, easy ones more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, final

import numpy as np
from numpy.typing import NDArray

from redstart.config import JSON
from redstart.errors import ConfigError, problem
from redstart.evaluate.calibration import checked

__all__ = ["NumberScores", "Scores", "label_scores", "label_set", "promise", "value_scores"]

_KEPT: Final = 250  # scores kept evenly over all ranks, and as many of the greatest
_DIGITS: Final = 9  # as many as 32 bits hold
_BIN_ROWS: Final = 200
_MOST_BINS: Final = 5
_TAIL: Final = 10


@final
@dataclass(frozen=True, slots=True)
class Scores:
    """How badly a model did on rows it was not trained on, in order; some kept.

    Attributes:
        n: Rows.
        ranks: Of the scores that are kept, from 1, ascending.
        values: These scores.
    """

    n: int
    ranks: tuple[int, ...]
    values: tuple[float, ...]

    @classmethod
    def of(cls, scores: NDArray[np.floating[Any]], kept: int = _KEPT) -> Self:
        """Keep the greatest of the scores, and as many evenly over all of them.

        Args:
            scores: One per row, ``(N,)``.
            kept: How many of each; twice as many are kept without loss.
        """
        ordered, n = np.sort(np.asarray(scores, dtype=np.float64)), len(scores)
        ranks = np.arange(1, n + 1)
        if n > 2 * kept:
            ranks = np.union1d(np.ceil(np.linspace(1, n, kept)), ranks[-kept:]).astype(np.int64)
        return cls(n, tuple(ranks.tolist()), tuple(ordered[ranks - 1].tolist()))

    @property
    def most(self) -> float:
        """The greatest coverage that as many rows can promise."""
        return self.n / (self.n + 1)

    def limit(self, coverage: float) -> float:
        """The score that a new row stays within with a chance of at least ``coverage``.

        The score of rank ``ceil((n + 1) * coverage)``, or the next that was kept.

        Args:
            coverage: In (0, 1).

        Raises:
            ConfigError: If there are too few rows to promise that.
        """
        rank = math.ceil((self.n + 1) * coverage - 1e-9)
        if not 0 < coverage < 1 or rank > self.n:
            raise ConfigError(
                problem(
                    f"Expected a coverage above 0 that {self.n} validation rows can promise: "
                    f"at most {math.floor(self.most * 1000) / 1000:g}",
                    f"coverage={coverage}",
                    "Ask for less, or hold out more rows." if coverage < 1 else "Ask for less.",
                )
            )
        return self.values[int(np.searchsorted(self.ranks, rank))]

    def to_json(self) -> dict[str, JSON]:
        """As plain values; ``of_json`` is the inverse."""
        every = len(self.ranks) == self.n
        values = [_rounded_up(v) for v in self.values]
        return {"n": self.n, "ranks": None if every else list(self.ranks), "values": values}

    @classmethod
    def of_json(cls, found: Mapping[str, JSON]) -> Self:
        """Read what ``to_json`` wrote."""
        n, ranks = int(found["n"]), found["ranks"]
        return cls(n, tuple(ranks or range(1, n + 1)), tuple(map(float, found["values"])))


@final
@dataclass(frozen=True, slots=True)
class NumberScores:
    """Distances of predicted numbers from the truth, by how large the prediction was.

    Attributes:
        scores: Of all rows.
        edges: Predictions at which the bins part, ascending, ``(B - 1,)``.
        bins: Scores of each bin, ``B`` of them; none where there are too few rows to part.
    """

    scores: Scores
    edges: tuple[float, ...] = ()
    bins: tuple[Scores, ...] = ()

    def reach(self, predicted: NDArray[np.floating[Any]], coverage: float) -> NDArray[np.float64]:
        """How far to go to both sides of predictions ``(N,)``.

        The limit of each bin holds among predictions of about that size, too (Vovk et al.,
        2003). Where a bin has fewer than ten rows beyond it, that of all rows is taken.

        Args:
            predicted: Predicted numbers, ``(N,)``.
            coverage: In (0, 1).

        Raises:
            ConfigError: If there are too few rows to promise that.
        """
        whole = self.scores.limit(coverage)
        if not self.bins or min(b.n for b in self.bins) * (1 - coverage) < _TAIL:
            return np.full(len(predicted), whole)
        limits = np.array([b.limit(coverage) for b in self.bins])
        found: NDArray[np.float64] = limits[np.searchsorted(self.edges, predicted)]
        return found

    def to_json(self) -> dict[str, JSON]:
        """As plain values; ``of_json`` is the inverse."""
        bins = [b.to_json() for b in self.bins]
        return {"scores": self.scores.to_json(), "edges": list(self.edges), "bins": bins}

    @classmethod
    def of_json(cls, found: Mapping[str, JSON]) -> Self:
        """Read what ``to_json`` wrote."""
        bins = tuple(map(Scores.of_json, found["bins"]))
        return cls(Scores.of_json(found["scores"]), tuple(found["edges"]), bins)


def label_scores(probs: NDArray[np.floating[Any]], y: NDArray[Any]) -> Scores:
    """Score rows by the probability of the truth, for ``label_set`` (Sadinle et al., 2019, LAC).

    Of all ways to reach a coverage, this one gives the smallest sets.

    Args:
        probs: Probabilities of the labels, ``(N, C)``, on rows the model did not train on.
        y: Numbers of the true labels, ``(N,)``; or zeros and ones ``(N, C)``, where a row
            may have several. Then its least likely true label counts.

    Returns:
        Negative probabilities.

    Raises:
        DataError: If the two do not fit each other.
    """
    p, true, several = checked(probs, y)
    if several:
        return Scores.of(-np.where(true == 1, p, 1.0).min(1))
    return Scores.of(-p[np.arange(len(p)), true])


def label_set(probs: NDArray[np.floating[Any]], limit: float, given: Sequence[int]) -> list[int]:
    """The labels that are likely enough, with those of the answer: one row's set.

    Args:
        probs: Of the labels, ``(C,)``.
        limit: What ``Scores.limit`` says for a coverage.
        given: Numbers of the labels that the model answers with. They are in it whatever
            their probability, which can only add to the coverage: no set of one label is empty.

    Returns:
        Numbers of labels, the most likely first.
    """
    likely = np.flatnonzero(-np.asarray(probs, dtype=np.float64) <= limit).tolist()
    return sorted({*likely, *given}, key=lambda i: (-float(probs[i]), i))


def value_scores(
    predicted: NDArray[np.floating[Any]],
    true: NDArray[np.floating[Any]],
    *,
    parted: bool = True,
    kept: int = _KEPT,
) -> NumberScores:
    """Score rows by how far a number was off.

    Args:
        predicted: One number per row, ``(N,)``, on rows the model did not train on.
        true: The truth, ``(N,)``.
        parted: Whether to part rows by the size of the prediction, if there are enough.
        kept: How many scores to keep, as for ``Scores.of``.

    Returns:
        Distances; in bins where each gets 200 rows or more.
    """
    said = np.asarray(predicted, dtype=np.float64)
    off = np.abs(np.asarray(true, dtype=np.float64) - said)
    bins = min(_MOST_BINS, len(said) // _BIN_ROWS)
    edges = (
        np.unique(np.quantile(said, np.arange(1, bins) / bins))
        if parted and bins > 1
        else np.zeros(0)
    )
    where = np.searchsorted(edges, said)
    counts = np.bincount(where, minlength=len(edges) + 1)
    if not len(edges) or counts.min() < _BIN_ROWS // 2:  # many predictions are the same
        return NumberScores(Scores.of(off, kept))
    parts = tuple(Scores.of(off[where == i], kept) for i in range(len(counts)))
    return NumberScores(Scores.of(off, kept), tuple(edges.tolist()), parts)


def promise(coverage: float, n: int, *, what: str = "set holds the true label") -> str:
    """The promise of a coverage, and what it rests on, in words.

    Args:
        coverage: In (0, 1).
        n: Validation rows.
        what: What happens as often.
    """
    # The share among new rows, for the validation rows at hand, is a beta variable (Vovk, 2012).
    spread = 1.96 * math.sqrt(coverage * (1 - coverage) / (n + 2))
    return (
        f"The {what} for {coverage:.4g} of new rows or more, on average over validation rows; "
        f"with these {n:,}, give or take {spread:.2g}. New rows must be like them, and a model "
        "chosen by them is a little worse than it looks."
    )


def _rounded_up(value: float) -> float:
    """Nine digits of a score, never less than it: shorter to write, and still on the safe side."""
    if value == 0 or not math.isfinite(value):
        return value
    rounded = float(f"{value:.{_DIGITS}g}")
    if rounded >= value:
        return rounded
    step = 10.0 ** (math.floor(math.log10(abs(value))) - _DIGITS + 1)
    return float(f"{rounded + step:.{_DIGITS}g}")
