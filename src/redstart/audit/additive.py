"""What columns say together: a linear model on their codes.

A few milliseconds, where importing and fitting boosted trees takes a second. It sees what
columns say one by one and in sum, not what they say only in pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redstart.audit.tabular_features import Floats, Sample, Tasks, coded, figure, numeric

__all__ = ["additive", "design", "together"]

_WIDE = 8
_PENALTY = 5.0


def design(columns: Sequence[NDArray[Any]], fit: NDArray[np.int64]) -> Floats:
    """Zeros and ones for the codes of columns: eight or fewer of numbers, sixteen of texts.

    Args:
        columns: ``(N,)`` each.
        fit: Rows that the codes are learnt on.

    Returns:
        ``(N, D)``.
    """
    n = len(columns[0]) if columns else 0
    blocks = [np.ones((n, 1))]
    for values in columns:
        codes = coded(values, fit)
        wide = int(codes.max(initial=0)) + 1
        if wide > _WIDE and numeric(values) is not None:
            codes = np.where(codes > 0, 1 + (codes - 1) * (_WIDE - 1) // (wide - 1), 0)
        wide = min(wide, 2 * _WIDE)
        blocks.append((np.minimum(codes, wide - 1)[:, None] == np.arange(wide)).astype(np.float64))
    return np.concatenate(blocks, axis=1)


def additive(x: Floats, y: Floats, sample: Sample) -> Floats:
    """Scores by least squares with a small penalty (ridge).

    Of zeros and ones it orders rows as a discriminant analysis does.

    Args:
        x: Inputs, ``(N, D)``.
        y: Targets, ``(N, T)``; finite for rows to learn on.
        sample: Rows to learn on and to score on.

    Returns:
        ``(M, T)`` for the rows to score on.
    """
    fit, target = x[sample.fit], y[sample.fit]
    centre, usual = fit.mean(axis=0), target.mean(axis=0)
    fit = fit - centre
    gram = fit.T @ fit + _PENALTY * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, fit.T @ (target - usual))
    scores: Floats = (x[sample.score] - centre) @ weights + usual
    return scores


def together(columns: Sequence[NDArray[Any]], tasks: Tasks, sample: Sample, task: int) -> float:
    """How well columns together predict what a signal of one column is measured by.

    Args:
        columns: ``(N,)`` each.
        tasks: The target.
        sample: Rows to learn on and to score on.
        task: The one that counts, unless classes are judged by their mean.

    Returns:
        AUC or share of the variance, as ``tasks.kind`` says; 0 if there is no column.
    """
    several = tasks.one and tasks.values.shape[1] > 1
    rows, n = sample.rows, len(sample.fit)
    y = tasks.values[rows] if several else tasks.values[rows][:, [task]]
    known = np.flatnonzero(np.isfinite(y).all(axis=1))
    y, n = y[known], int((known < n).sum())
    inside = Sample(np.arange(n), np.arange(n, len(y)))
    if not columns:
        return 0.0
    x = design([values[rows[known]] for values in columns], inside.fit)
    scores = additive(x, y, inside)
    found = [
        (told[0], float(true.mean()))
        for score, true in zip(scores.T, y[inside.score].T, strict=True)
        if (told := figure(tasks.kind, score, true)) is not None
    ]
    total = sum(weight for _, weight in found)
    return sum(value * weight for value, weight in found) / total if total else 0.0
