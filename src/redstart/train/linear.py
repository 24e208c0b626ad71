"""Linear models on fixed features: what simple baselines are made of."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redstart.data.target import Target
from redstart.targets.category import CategoryTarget
from redstart.targets.multicategory import MultiCategoryTarget
from redstart.targets.regression import RegressionTarget

__all__ = ["LEAST", "fit_linear", "rows_worth"]

Floats = NDArray[np.float32]
Fitted = Callable[[Floats], NDArray[Any]]

LEAST = 1e-7
"""Of a probability, before its logarithm."""
_WORK = 100_000_000
"""Rows x features x classes of a logistic regression that takes seconds on two cores."""
_FEWEST = 2000
"""Rows that are worth waiting for whatever there is to do."""
_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Of regularisation, for standardised features: scikit-learn's ``C``."""
_FOLDS = 3
_CV_ROWS = 2000
"""With more rows one held-out third says enough."""


def rows_worth(n: int, n_features: int, n_out: int) -> int:
    """How many of ``n`` rows a linear model learns from, so that it takes seconds."""
    return min(n, max(_FEWEST, _WORK // max(n_features * n_out, 1)))


def fit_linear(
    train: Tensor, truth: Tensor, valid: Tensor, target: Target[Any, Any], seed: int
) -> Tensor:
    """Fit a linear model on standardised features, and predict other rows.

    Logistic regression for classes and labels, ridge regression for numbers; how strongly it
    is regularised is found by cross-validation within the training rows.

    Args:
        train: Features, ``(n, D)`` floats.
        truth: Encoded targets of these rows, ``(n, ...)``.
        valid: Features of the rows to predict, ``(N, D)``.
        target: What the targets are.
        seed: Deals the rows to the folds.

    Returns:
        Raw outputs as models for this target give them, ``(N, n_out)`` float32:
        logarithms of probabilities, logits, or numbers in their own units.
    """
    x, held = _prepared(train, valid)
    y = truth.numpy()
    if isinstance(target, CategoryTarget):
        found = _classes(x, y, held, target, seed)
    elif isinstance(target, MultiCategoryTarget):
        found = _labels(x, y, held, seed)
    else:
        log = isinstance(target, RegressionTarget) and target.log
        found = _numbers(x, y.astype(np.float64), held, log=log)
    return torch.from_numpy(np.ascontiguousarray(found, dtype=np.float32))


def _prepared(train: Tensor, valid: Tensor) -> tuple[Floats, Floats]:
    """Standardise; turn into the space that the rows span where that is smaller.

    A penalty on the sum of squares does not mind the turn: the answers stay the same.
    """
    train, valid = train.float(), valid.float()
    mean, std = train.mean(0), train.std(0, correction=0)
    std = torch.where(std > 1e-6, std, torch.ones_like(std))
    train, valid = (train - mean) / std, (valid - mean) / std
    n, width = train.shape
    if n < width:
        gram = train.double() @ train.double().T
        values, vectors = torch.linalg.eigh(gram)
        good = values > 1e-9 * values[-1]
        turn = train.double().T @ (vectors[:, good] / values[good].sqrt())
        train, valid = (train.double() @ turn).float(), (valid.double() @ turn).float()
    return train.numpy(), valid.numpy()


def _classes(
    x: Floats, y: NDArray[np.int64], held: Floats, target: CategoryTarget, seed: int
) -> NDArray[np.float64]:
    """Logarithms of probabilities, ``(N, n_out)``."""
    weights = np.ones(len(y))
    if target.class_weights and not isinstance(target.class_weights, str):
        weights = np.asarray(target.class_weights)[y]
    found = np.full((len(held), target.n_out), LEAST)
    there = np.unique(y)  # some classes may have no training row
    found[:, there] = 1.0
    if len(there) > 1:
        large = x.shape[1] * len(there) * min(len(y), _FEWEST) > 2 * _WORK
        fit = _discriminant if large else _best_logistic(x, y, weights, seed)
        found[:, there] = fit(x, y, weights)(held)
    logs: NDArray[np.float64] = np.log(found.clip(LEAST, 1.0))
    return logs


def _labels(x: Floats, y: NDArray[Any], held: Floats, seed: int) -> NDArray[np.float64]:
    """Logits, ``(N, n_out)``: one model per label."""
    found = np.empty((len(held), y.shape[1]))
    weights = np.ones(len(y))
    for i, truth in enumerate((y > 0.5).astype(np.int64).T):
        if truth.min() == truth.max():
            probs = np.full(len(held), float(truth[0]))
        else:
            probs = _best_logistic(x, truth, weights, seed)(x, truth, weights)(held)[:, 1]
        probs = probs.clip(LEAST, 1 - LEAST)
        found[:, i] = np.log(probs) - np.log1p(-probs)
    return found


def _numbers(x: Floats, y: NDArray[np.float64], held: Floats, *, log: bool) -> NDArray[np.float64]:
    """Numbers in their own units, ``(N, n_out)``."""
    from sklearn.linear_model import RidgeCV

    scaled = np.log1p(y) if log else y
    mean, std = scaled.mean(0), scaled.std(0)
    std = np.where(std > 0, std, 1.0)
    model = RidgeCV(alphas=np.logspace(-1, 5, 13)).fit(x.astype(np.float64), (scaled - mean) / std)
    found = model.predict(held.astype(np.float64)).reshape(len(held), -1) * std + mean
    units: NDArray[np.float64] = np.expm1(found) if log else found
    return units


Fit = Callable[[Floats, NDArray[np.int64], NDArray[np.float64]], Fitted]


def _best_logistic(x: Floats, y: NDArray[np.int64], weights: NDArray[np.float64], seed: int) -> Fit:
    """Logistic regression, regularised as does best on held-out training rows."""
    losses = np.zeros(len(_STRENGTHS))
    for inside, outside in _folds(y, seed):
        at = np.searchsorted(np.unique(y[inside]), y[outside])
        worst = np.inf
        for i, model in enumerate(_path(x[inside], y[inside], weights[inside])):
            probs = model(x[outside])[np.arange(len(outside)), at]
            loss = float(-(np.log(probs.clip(LEAST)) * weights[outside]).sum())
            losses[i] += loss
            if loss > 1.2 * worst:  # it only gets worse, and takes longest
                losses[i:] += np.arange(len(losses) - i) * loss + loss
                break
            worst = min(worst, loss)
    strength = _STRENGTHS[int(losses.argmin())]

    def fit(x: Floats, y: NDArray[np.int64], weights: NDArray[np.float64]) -> Fitted:
        return next(_path(x, y, weights, (strength,)))

    return fit


def _path(
    x: Floats,
    y: NDArray[np.int64],
    weights: NDArray[np.float64],
    strengths: tuple[float, ...] = _STRENGTHS,
) -> Iterator[Fitted]:
    """Models from the most regularised on, each starting where the one before ended."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=100, tol=1e-3, warm_start=True)
    for strength in strengths:
        model.set_params(C=strength)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # near enough for a baseline
            model.fit(x, y, weights)
        yield model.predict_proba


def _folds(
    y: NDArray[np.int64], seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Deal rows to thirds, class by class; rows of classes that the rest lacks are left out."""
    order = np.random.default_rng(seed).permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    fold = np.empty(len(y), dtype=np.int64)
    fold[order] = np.arange(len(y)) % _FOLDS
    for number in range(_FOLDS if len(y) <= _CV_ROWS else 1):
        inside = np.flatnonzero(fold != number)
        outside = np.flatnonzero((fold == number) & np.isin(y, y[inside]))
        if len(outside) and len(np.unique(y[inside])) > 1:
            yield inside, outside


def _discriminant(x: Floats, y: NDArray[np.int64], weights: NDArray[np.float64]) -> Fitted:
    """Linear discriminant analysis with a shrunk covariance (Ledoit and Wolf, 2004)."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    fitted: Fitted = model.fit(x, y).predict_proba
    return fitted
