"""Which labels are likely to be wrong, by predictions of models that never saw them.

Three kinds of labels: one class per row, any number of labels per row, numbers. All come back
as ``Suspects``: every row in the order in which a person should look at it, what the label
probably is, and an estimate of how many are wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal, final, get_args

import numpy as np
from numpy.typing import NDArray

from redstart.errors import ConfigError, DataError, problem
from redstart.evaluate.noise import Estimate, fit_noise

__all__ = ["METHODS", "Method", "Suspects", "rank_classes", "rank_labels", "rank_numbers"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Method = Literal["noise", "margin", "self_confidence", "thresholds", "cleanlab"]
"""``noise``: the probability that the label is wrong, by a model of how often which class is
written for which (``evaluate.noise``). ``margin``: the given label's probability less the
largest other one. ``self_confidence``: the given label's probability. ``thresholds``: confident
learning, rows whose likely class is above its own mean probability first (Northcutt, Jiang and
Chuang 2021, J. Artif. Intell. Res. 70:1373). ``cleanlab``: the package's own order."""

METHODS: tuple[Method, ...] = get_args(Method)

_FREEDOMS: Final = (2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
_NEIGHBOURS: Final = 101  # rows that tell how far off numbers usually are
_LEAST_SPREAD: Final = 0.1  # of the spread of all rows


@final
@dataclass(frozen=True, slots=True, eq=False)
class Suspects:
    """All rows, and how suspicious the label of each is.

    Attributes:
        order: Positions of the rows, the most suspicious first, ``(N,)``.
        wrong: Probability that the label is wrong, in [0, 1], ``(N,)``.
        likely: What it probably is: class numbers ``(N,)`` (the likeliest other class, where
            the given one is likeliest), zeros and ones ``(N, C)``, or numbers ``(N, K)``.
        probability: Of what is likely, by the predictions alone, ``(N,)``; NaN for numbers.
        estimate: How many of the labels are wrong. Mistakes between classes that the model
            itself confuses look like hard rows: where there are many of these, it is too low.
    """

    order: Ints
    wrong: Floats
    likely: NDArray[Any]
    probability: Floats
    estimate: Estimate

    def __len__(self) -> int:
        return len(self.order)

    def to_find(self, share: float = 0.8) -> int:
        """How many rows to review, in this order, to find a share of the wrong labels.

        By the rows' own probabilities.

        Args:
            share: In (0, 1].
        """
        found = self.wrong[self.order].cumsum()
        if not len(found) or found[-1] < 0.5:
            return 0
        return int(np.searchsorted(found, share * found[-1] - 1e-12)) + 1


def rank_classes(probs: Floats, given: Ints, method: Method = "noise", seed: int = 0) -> Suspects:
    """Rank rows of one class each.

    Args:
        probs: Probabilities out of fold, ``(N, C)``; rows add up to 1.
        given: Numbers of the classes that were given, ``(N,)``.
        method: How to rank; the estimate is the noise model's for all of them.
        seed: For the rows that the noise model is fitted on, where there are very many.

    Raises:
        ConfigError: If there is no such method, or cleanlab is not installed.
        DataError: If probabilities do not fit the classes.
    """
    check_method(method)
    _check_probs(probs, given)
    n = np.arange(len(given))
    model = fit_noise(probs, given, seed)
    true = model.posterior(probs, given)
    wrong = 1 - true[n, given]
    others = probs.copy()
    others[n, given] = -1
    # Another class than the given one: what a reviewer who finds that wrong would choose.
    rest = true.copy()
    rest[n, given] = -1
    likely = rest.argmax(1)
    scores = {"noise": -wrong, "margin": probs[n, given] - others.max(1)}
    if method == "cleanlab":
        order = _by_cleanlab(probs, given)
    elif method == "thresholds":
        order = _by_thresholds(probs, given)
    else:
        # Where the noise model is sure of many, the plain probability still tells them apart.
        order = np.lexsort((probs[n, given], scores.get(method, probs[n, given])))
    return Suspects(
        order.astype(np.int64), wrong, likely, probs[n, likely], model.count(probs, given)
    )


def rank_labels(probs: Floats, given: Floats, method: Method = "noise", seed: int = 0) -> Suspects:
    """Rank rows of any number of labels each; a row is as suspicious as its worst label.

    Every label is a question of its own with two answers, and has its own noise model.

    Args:
        probs: Probability of each label, out of fold, ``(N, C)``.
        given: Zeros and ones, ``(N, C)``.
        method: As for ``rank_classes``; not ``cleanlab``.
        seed: Likewise.

    Raises:
        ConfigError: If there is no such method for several labels.
        DataError: If shapes differ.
    """
    check_method(method, without=("cleanlab", "thresholds"))
    if probs.shape != given.shape:
        raise _unlike(probs, given)
    known = given > 0.5
    each = np.where(known, probs, 1 - probs)  # probability of what was given
    wrong = np.zeros_like(probs)
    for label in range(probs.shape[1]):
        if len(np.unique(known[:, label])) == 2:
            two = np.stack([1 - probs[:, label], probs[:, label]], axis=1)
            said = known[:, label].astype(np.int64)
            wrong[:, label] = (
                1 - fit_noise(two, said, seed).posterior(two, said)[np.arange(len(said)), said]
            )
    score = -wrong.max(1) if method == "noise" else each.min(1)
    order = np.lexsort((each.min(1), score)).astype(np.int64)
    worst = each.argmin(1) if method != "noise" else wrong.argmax(1)
    likely = np.where(wrong > 0.5, ~known, known)
    rows = np.arange(len(known))
    likely[rows, worst] = ~known[rows, worst]
    any_wrong = 1 - (1 - wrong).prod(1)
    return Suspects(
        order,
        any_wrong,
        likely.astype(np.float64),
        1 - each[rows, worst],
        _sum_of(any_wrong),
    )


def rank_numbers(predicted: Floats, given: Floats) -> Suspects:
    """Rank rows of numbers by how far they are off, in units of how far off rows like it are.

    The spread is that of the rows with the nearest predictions, by its median. How many are
    wrong: errors are a Student's t of that spread, and a wrong number is that of another row
    or lies anywhere in their range; their shares are those under which the given numbers are
    most likely.

    Args:
        predicted: Out of fold, ``(N, K)``.
        given: ``(N, K)``.

    Raises:
        DataError: If shapes differ.
    """
    if predicted.shape != given.shape or given.ndim != 2:
        raise _unlike(predicted, given)
    wrong, far = np.zeros_like(given), np.zeros_like(given)
    for k in range(given.shape[1]):
        spread = _local_spread(predicted[:, k], given[:, k] - predicted[:, k])
        far[:, k] = np.abs(given[:, k] - predicted[:, k]) / spread
        wrong[:, k] = _strays(predicted[:, k], given[:, k], spread)
    any_wrong = 1 - (1 - wrong).prod(1)
    order = np.argsort(-far.max(1), kind="stable").astype(np.int64)
    nothing = np.full(len(given), np.nan)
    return Suspects(order, any_wrong, predicted, nothing, _sum_of(any_wrong))


def check_method(method: str, without: tuple[str, ...] = ()) -> None:
    """Refuse a method that there is not.

    Raises:
        ConfigError: If it is not in ``METHODS``, or in ``without``.
    """
    there = [name for name in METHODS if name not in without]
    if method not in there:
        raise ConfigError(
            problem(
                f"Expected one of {', '.join(there)}{' for several labels' if without else ''}",
                f"method={method!r}",
                "Leave it out for the one that found most in our measurements.",
            )
        )


def _check_probs(probs: Floats, given: Ints) -> None:
    if probs.ndim != 2 or given.shape != probs.shape[:1]:
        raise _unlike(probs, given)
    if len(given) and not (given.min() >= 0 and given.max() < probs.shape[1]):
        raise DataError(
            problem(
                f"Expected classes from 0 to {probs.shape[1] - 1}",
                f"given={int(given.max())}",
                "Number the classes as the columns of the probabilities.",
            )
        )


def _unlike(predicted: NDArray[Any], given: NDArray[Any]) -> DataError:
    return DataError(
        problem(
            "Expected predictions and labels of the same rows",
            f"predictions {predicted.shape}, labels {given.shape}",
            "Make both from the same rows, in the same order.",
        )
    )


def _by_thresholds(probs: Floats, given: Ints) -> Ints:
    """Confident learning: rows off the diagonal of the confident joint, then the others."""
    n = np.arange(len(given))
    own = probs[n, given]
    counts = np.bincount(given, minlength=probs.shape[1])
    means = np.bincount(given, own, minlength=probs.shape[1]) / np.maximum(counts, 1)
    means = np.where(counts > 0, means, 1.1)  # no row is confidently of a class without rows
    above = np.where(probs >= means, probs, -1.0)
    off = (above.max(1) >= 0) & (above.argmax(1) != given)
    others = probs.copy()
    others[n, given] = -1
    order: Ints = np.lexsort((own - others.max(1), ~off))
    return order


def _by_cleanlab(probs: Floats, given: Ints) -> Ints:
    try:
        from cleanlab.filter import find_label_issues
        from cleanlab.rank import get_label_quality_scores
    except ImportError as error:
        raise ConfigError(
            problem(
                "Expected the package cleanlab for method='cleanlab'",
                f"{error}",
                "Run `pip install redstart[clean]`, or leave `method` out.",
            )
        ) from error
    probs = probs.clip(1e-9)
    probs = probs / probs.sum(1, keepdims=True)
    issues = find_label_issues(given, probs, n_jobs=1)
    order: Ints = np.lexsort((get_label_quality_scores(given, probs), ~issues))
    return order


def _local_spread(predicted: Floats, error: Floats) -> Floats:
    """Spread of the errors of rows with near predictions: 1.48 times the median, ``(N,)``."""
    from scipy.ndimage import median_filter

    order = np.argsort(predicted, kind="stable")
    size = min(_NEIGHBOURS, len(error) | 1)
    near = median_filter(np.abs(error[order]), size=size, mode="nearest")
    whole = float(np.median(np.abs(error)))
    found = np.empty_like(error)
    found[order] = near
    least = max(_LEAST_SPREAD * whole, 1e-12 * float(np.abs(predicted).max(initial=0)), 1e-300)
    spread: Floats = 1.4826 * np.maximum(found, least)
    return spread


def _strays(predicted: Floats, given: Floats, spread: Floats) -> Floats:
    """Probability of each row that its number has nothing to do with the prediction, ``(N,)``."""
    from scipy.stats import t

    anywhere = _density(given)
    z = (given - predicted) / spread
    best, wrong = -math.inf, np.zeros(len(z))
    for freedom in _FREEDOMS:
        scale, share = 1.0, 0.02
        found, total = wrong, -math.inf
        for _ in range(50):
            right = (1 - share) * t.pdf(z, freedom, scale=scale) / spread
            both = right + share * anywhere + 1e-300
            found, before, total = share * anywhere / both, total, float(np.log(both).sum())
            if total - before < 1e-4:
                break
            share = float(found.mean())
            pull = (1 - found) * (freedom + 1) / (freedom + (z / scale) ** 2)
            scale = math.sqrt(float((pull * z**2).sum() / max((1 - found).sum(), 1e-9))) or 1e-9
        if total > best:
            best, wrong = total, found
    return wrong


def _density(values: Floats) -> Floats:
    """Half as the numbers are spread, half even over their range, ``(N,)``."""
    low, high = float(values.min()), float(values.max())
    reach = (high - low) or 1.0
    bins = int(np.clip(math.sqrt(len(values)), 5, 100))
    counts, edges = np.histogram(values, bins=bins)
    at = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, bins - 1)
    found: Floats = 0.5 * counts[at] / len(values) * bins / reach + 0.5 / reach
    return found


def _sum_of(wrong: Floats) -> Estimate:
    """How many rows are wrong, by independent probabilities; the share itself is unsure too."""
    count, n = float(wrong.sum()), len(wrong)
    # The probabilities rest on a rate that was learnt from about `count` rows.
    half = 1.96 * math.sqrt(float((wrong * (1 - wrong)).sum()) + count)
    return Estimate(count, max(0.0, count - half), min(float(n), count + half), n)
