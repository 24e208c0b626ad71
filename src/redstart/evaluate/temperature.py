"""Temperature scaling: one number that makes a model say less, or more, than it did."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from redstart.evaluate.calibration import checked

__all__ = ["TEMPERATURES", "cross_fitted", "fit_temperature", "helps", "tempered"]

Floats = NDArray[np.float64]

TEMPERATURES: Final = (0.05, 20.0)
"""The least and the greatest that is tried."""

_LEAST: Final = 1e-45  # the smallest that 32 bits hold
_NEAR_ONE: Final = 2.0**-25  # half the step below 1


def tempered(probs: NDArray[np.floating[Any]], temperature: float, *, several: bool) -> Floats:
    """Probabilities as if the scores behind them had been divided by ``temperature``.

    Args:
        probs: ``(N, C)``, in [0, 1].
        temperature: Above 1 says less, below 1 says more. The order of labels stays.
        several: Whether each label is decided on its own.

    Returns:
        Probabilities, ``(N, C)``.
    """
    return _activated(_scores(np.asarray(probs, dtype=np.float64), several), temperature, several)


def fit_temperature(probs: NDArray[np.floating[Any]], y: NDArray[Any]) -> float:
    """Find the temperature that makes the log loss least (Guo et al., 2017, ICML).

    Its logarithm is held towards 0 as if by a single row, so that rows without an error do
    not make a model infinitely sure.

    Args:
        probs: Probabilities of the labels, ``(N, C)``, on rows the model did not train on.
        y: Numbers of the true labels, ``(N,)``; or zeros and ones, ``(N, C)``.

    Returns:
        Within ``TEMPERATURES``; 1 where no other has a lower log loss on these rows.

    Raises:
        DataError: If the two do not fit each other.
    """
    from scipy.optimize import minimize_scalar

    p, true, several = checked(probs, y)
    scores = _scores(p, several)

    def lost(log_t: float) -> float:
        return _log_loss(scores, true, math.exp(log_t)) + log_t**2 / (2 * len(p))

    low, high = map(math.log, TEMPERATURES)
    found = minimize_scalar(lost, bounds=(low, high), method="bounded", options={"xatol": 1e-4})
    best = math.exp(float(found.x))
    return best if _log_loss(scores, true, best) < _log_loss(scores, true, 1.0) else 1.0


def cross_fitted(
    probs: NDArray[np.floating[Any]], y: NDArray[Any], *, folds: int = 5, seed: int = 0
) -> Floats:
    """Probabilities of each row at a temperature that was fitted on others.

    What is measured on these says how temperature scaling does on new rows: no row had a
    part in the number that was applied to it.

    Args:
        probs: Probabilities of the labels, ``(N, C)``.
        y: Numbers of the true labels, ``(N,)``; or zeros and ones, ``(N, C)``.
        folds: Into how many parts rows are divided.
        seed: For the division.

    Returns:
        Probabilities, ``(N, C)``.

    Raises:
        DataError: If the two do not fit each other.
    """
    p, true, several = checked(probs, y)
    part = np.random.default_rng(seed).permutation(len(p)) % folds
    found = p.copy()
    for k in range(folds):
        out = part == k
        if out.any() and not out.all():
            found[out] = tempered(p[out], fit_temperature(p[~out], true[~out]), several=several)
    return found


def helps(
    before: NDArray[np.floating[Any]], after: NDArray[np.floating[Any]], y: NDArray[Any]
) -> bool:
    """Whether the log loss falls by more than a standard error, row by row.

    A model that is calibrated is only disturbed by a temperature that chance has fitted.

    Args:
        before: Probabilities of the labels, ``(N, C)``.
        after: What ``cross_fitted`` made of them.
        y: Numbers of the true labels, ``(N,)``; or zeros and ones, ``(N, C)``.

    Raises:
        DataError: If they do not fit each other.
    """
    gain = _row_losses(before, y) - _row_losses(after, y)
    error = float(gain.std(ddof=1)) / math.sqrt(len(gain)) if len(gain) > 1 else math.inf
    return float(gain.mean()) > error


def _row_losses(probs: NDArray[np.floating[Any]], y: NDArray[Any]) -> Floats:
    p, true, several = checked(probs, y)
    scores = _scores(p, several)
    if several:
        found: Floats = np.logaddexp(0, np.where(true == 1, -scores, scores)).mean(1)
        return found
    return -scores[np.arange(len(true)), true]


def _scores(p: Floats, several: bool) -> Floats:
    """What probabilities were made of, but for a constant of each row."""
    if several:
        inner = np.clip(p, _LEAST, 1 - _NEAR_ONE)
        return np.log(inner) - np.log1p(-inner)
    return np.log(np.maximum(p, _LEAST))


def _activated(scores: Floats, temperature: float, several: bool) -> Floats:
    from scipy.special import expit, softmax

    found: Floats = expit(scores / temperature) if several else softmax(scores / temperature, 1)
    return found


def _log_loss(scores: Floats, true: NDArray[np.int64], temperature: float) -> float:
    """Mean over rows (and labels, where there may be several)."""
    from scipy.special import logsumexp

    scaled = scores / temperature
    if true.ndim == 2:
        return float(np.logaddexp(0, np.where(true == 1, -scaled, scaled)).mean())
    own = scaled[np.arange(len(true)), true]
    return float((logsumexp(scaled, axis=1) - own).mean())
