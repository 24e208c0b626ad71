"""How often labels are wrong, and which, told apart from rows that are merely hard.

A model that never saw a row's label gives it probabilities. Where these are spread over several
classes the row is hard, and a label that disagrees says little. Where they are sure and the
label disagrees, somebody erred. Both are one model: the true class of a row follows the
probabilities, sharpened by a temperature, and what was written down follows the true class
through a matrix of rates. Temperature and rates are those under which the given labels are most
likely, by expectation maximisation (Copas 1988, J. R. Stat. Soc. B 50:225, for two classes;
Patrini et al. 2017, CVPR, for a matrix of rates).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Estimate", "NoiseModel", "count_of", "fit_noise"]

Floats = NDArray[np.float64]

_LEAST: Final = 1e-9  # of a probability
_FIRST_RATE: Final = 0.05
_TRUST: Final = 5.0
"""Rates of pairs of classes are drawn towards one rate for all, as if so many times the rows of
a class had been seen with that one rate. Where classes are alike, a weak model makes the same
error again and again, and only this keeps it from passing for a habit of those who labelled."""
_ROUNDS: Final = 100
_MOST_ROWS: Final = 20_000  # to fit temperature and rates on
_TEMPERATURES: Final = (math.log(0.1), math.log(4.0))
_DROP: Final = 1.92  # of the logarithm of the likelihood, at the ends of a 95% interval
_Z: Final = 1.96
_STEPS: Final = (0.0, -0.3, -0.2, -0.1, -0.05, 0.05, 0.1, 0.2, 0.3)  # of log(temperature)
_MOST: Final = 0.999
_TINY: Final = 1e-300


@final
@dataclass(frozen=True, slots=True)
class Estimate:
    """How many of some rows have a wrong label.

    Attributes:
        count: Of rows; need not be whole.
        low: Lower end of the 95% interval.
        high: Upper end.
        n: Rows looked at.
    """

    count: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"about {self.count:,.0f} [{self.low:,.0f}, {self.high:,.0f}] of {self.n:,}"


@final
@dataclass(frozen=True, slots=True, eq=False)
class NoiseModel:
    """How probabilities and given labels hang together.

    Attributes:
        temperature: Probabilities are raised to the power of 1 over this.
        rates: How often a row of a true class (first axis) is given a class, ``(C, C)``.
    """

    temperature: float
    rates: Floats

    def posterior(self, probs: Floats, given: NDArray[np.int64]) -> Floats:
        """Probability of each true class once the given one is known, ``(N, C)``."""
        joint = _sharpened(np.log(np.clip(probs, _LEAST, 1)), self.temperature)
        joint *= self.rates[:, given].T
        found: Floats = joint / joint.sum(1, keepdims=True)
        return found

    def count(self, probs: Floats, given: NDArray[np.int64]) -> Estimate:
        """Estimate how many labels are wrong; that the temperature is unsure is part of it."""
        logs = np.log(np.clip(probs, _LEAST, 1))
        c = len(self.rates)
        apart = (1 - np.eye(c)) / max(c - 1, 1)
        # A class that is never wrong here could still be wrong in any way.
        wrong = self.rates * (1 - np.eye(c)) + 0.01 * _FIRST_RATE * apart
        shape = wrong / wrong.sum() * c
        rows = np.arange(len(given))
        likelihoods = []
        for step in _STEPS:
            true = _sharpened(logs, self.temperature * math.exp(step))
            likelihoods.append((true[rows, given], (true * shape[:, given].T).sum(1)))
        return count_of(*likelihoods)


def fit_noise(probs: Floats, given: NDArray[np.int64], seed: int = 0) -> NoiseModel:
    """Fit temperature and rates.

    Args:
        probs: Out of fold, ``(N, C)``.
        given: Class numbers, ``(N,)``.
        seed: Draws the rows to fit on, where there are very many.
    """
    from scipy.optimize import minimize_scalar

    if len(given) > _MOST_ROWS:
        some = np.random.default_rng(seed).choice(len(given), _MOST_ROWS, replace=False)
        probs, given = probs[some], given[some]
    logs = np.log(np.clip(probs, _LEAST, 1))
    at: Callable[[float], float] = lambda t: -_rates(logs, given, math.exp(t))[1]  # noqa: E731
    best = minimize_scalar(at, bounds=_TEMPERATURES, method="bounded", options={"xatol": 0.03})
    temperature = math.exp(float(best.x))
    return NoiseModel(temperature, _rates(logs, given, temperature)[0])


def count_of(*likelihoods: tuple[Floats, Floats]) -> Estimate:
    """Estimate how many of some rows come from the second of two likelihoods.

    The interval adds up, in squares, how unsure their share is (by the likelihood ratio,
    whatever of several models holds) and how unsure it then is which rows they are.

    Args:
        *likelihoods: Of each row if it is right and if it is wrong, ``(N,)`` both; by the
            model that fits best, then by others that may hold.
    """
    right, wrong = likelihoods[0]
    top = _best_share(right, wrong)
    floor = _fit(top, right, wrong) - _DROP
    w = _wrong(top, right, wrong)
    count, unsure = float(w.sum()), _Z**2 * float((w * (1 - w)).sum())
    low, high = count, count
    for pair in likelihoods:
        for share in _ends(floor, *pair):
            there = float(_wrong(share, *pair).sum())
            low, high = min(low, there), max(high, there)
    below, above = math.hypot(count - low, unsure**0.5), math.hypot(high - count, unsure**0.5)
    return Estimate(count, max(count - below, 0.0), min(count + above, len(w)), len(w))


def _fit(share: float, right: Floats, wrong: Floats) -> float:
    """Logarithm of the likelihood of a share of wrong rows."""
    return float(np.log((1 - share) * right + share * wrong + _TINY).sum())


def _wrong(share: float, right: Floats, wrong: Floats) -> Floats:
    """Probability of each row that it is wrong."""
    found: Floats = share * wrong / ((1 - share) * right + share * wrong + _TINY)
    return found


def _best_share(right: Floats, wrong: Floats) -> float:
    from scipy.optimize import minimize_scalar

    best = minimize_scalar(lambda s: -_fit(s, right, wrong), bounds=(0, _MOST), method="bounded")
    top = float(best.x)
    return 0.0 if _fit(0.0, right, wrong) >= _fit(top, right, wrong) else top


def _ends(floor: float, right: Floats, wrong: Floats) -> tuple[float, ...]:
    """Least and greatest share whose likelihood is above a floor; none if none is."""
    from scipy.optimize import brentq

    def above(share: float) -> float:
        return _fit(share, right, wrong) - floor

    top = _best_share(right, wrong)
    if above(top) <= 0:
        return ()
    low = 0.0 if above(0.0) > 0 else float(brentq(above, 0.0, top))
    high = _MOST if above(_MOST) > 0 else float(brentq(above, top, _MOST))
    return low, high


def _sharpened(logs: Floats, temperature: float) -> Floats:
    scores = logs / temperature
    scores -= scores.max(1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(1, keepdims=True)
    return scores


def _rates(logs: Floats, given: NDArray[np.int64], temperature: float) -> tuple[Floats, float]:
    """The likeliest rates at a temperature, and the mean logarithm of the likelihood."""
    n, c = logs.shape
    true = _sharpened(logs, temperature)
    apart = 1 - np.eye(c)
    written = np.zeros((n, c))
    written[np.arange(n), given] = 1
    rates = np.where(apart == 1, _FIRST_RATE / max(c - 1, 1), 1 - _FIRST_RATE)
    before = after = -math.inf
    for _ in range(_ROUNDS):
        joint = true * rates[:, given].T
        likelihood = joint.sum(1)
        after = float(np.log(likelihood + _TINY).mean())
        if after - before < 1e-7:
            break
        before = after
        joint /= likelihood[:, None] + _TINY
        counts = joint.T @ written
        rate = float((counts * apart).sum()) / n
        seen = _TRUST * n / c
        counts += seen * np.where(apart == 1, rate / max(c - 1, 1), 1 - rate)
        rates = counts / counts.sum(1, keepdims=True)
    return rates, after
