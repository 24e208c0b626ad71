"""By how much one model is better than another on the same rows, and how sure that is.

Two models that are measured on the same rows mostly fail on the same ones. The interval of
their difference is then far narrower than those of the two figures suggest.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from redstart.errors import DataError, problem
from redstart.metrics.interval import bootstrap_rows, mean_interval
from redstart.metrics.mean import MeanMetric
from redstart.metrics.metric import Interval, Metric

__all__ = ["measured", "paired_difference"]


def measured(metric: Metric, out: Tensor, *y: Tensor) -> float:
    """Work a metric out over rows; what it had seen before is forgotten."""
    metric.reset()
    metric.update(out, *y)
    return metric.compute()


def paired_difference(
    metric: Metric, out_a: Tensor, out_b: Tensor, *y: Tensor, resamples: int = 200, seed: int = 0
) -> tuple[float, Interval | None]:
    """Compare two models on the same rows: the figure of ``a`` less that of ``b``.

    For metrics that are means over rows, Student's interval of the rows' differences (of a
    root, by the delta method). Where these are of hits and misses, two rows are added on
    which one model is right and the other wrong, half a time each way, so that models that
    agree on all of a few rows are not said to be equal (Agresti and Min, 2005, Statistics
    in Medicine 24:729). For all other metrics, a bootstrap over rows (see
    ``bootstrap_rows``) that draws the same rows for both.

    Args:
        metric: What is compared. Its state is lost.
        out_a: Raw outputs of a model, ``(N, ...)``.
        out_b: Those of the other.
        *y: Encoded targets, ``(N, ...)`` each.
        resamples: How often to draw rows, for the bootstrap.
        seed: For the draws.

    Returns:
        The difference, and its 95% interval; ``None`` where there is none to give: one row,
        a figure that is not defined, or the same difference however rows are drawn.

    Raises:
        DataError: If the numbers of rows differ.
    """
    n = len(out_a)
    if len(out_b) != n or any(len(t) != n for t in y):
        raise DataError(
            problem(
                "Expected two outputs and targets for the same rows",
                f"{n} rows, {len(out_b)} rows, targets of {[len(t) for t in y]} rows",
                "Predict the same rows with both models.",
            )
        )
    if isinstance(metric, MeanMetric):
        a, b = (metric.values(out, y[0]).double() for out in (out_a, out_b))
        return _of_means(a, b, share=metric.share, root=metric.root)

    def difference(rows: Any = slice(None)) -> float:
        true = tuple(t[rows] for t in y)
        return measured(metric, out_a[rows], *true) - measured(metric, out_b[rows], *true)

    value = difference()
    return value, bootstrap_rows(n, difference, value, resamples=resamples, seed=seed)


def _of_means(a: Tensor, b: Tensor, *, share: bool, root: bool) -> tuple[float, Interval | None]:
    n = len(a)
    if not n:
        return math.nan, None
    mean_a, mean_b = a.mean().item(), b.mean().item()
    if root:
        root_a, root_b = math.sqrt(mean_a), math.sqrt(mean_b)
        value = root_a - root_b
        # How the roots move with the rows; nothing moves a root that is 0.
        slopes = [v / (2 * r) if r else torch.zeros_like(v) for v, r in ((a, root_a), (b, root_b))]
        moves = slopes[0] - slopes[1]
        moves = moves - moves.mean() + value
    else:
        value, moves = mean_a - mean_b, a - b
    total, squares = moves.sum().item(), moves.square().sum().item()
    if share:
        return value, mean_interval(total, squares + 1, n + 2)
    found = mean_interval(total, squares, n)
    return value, None if found is None or found[0] == found[1] else found
