"""By how much one model is better than another on the same rows, and how sure that is.

Two models that are measured on the same rows mostly fail on the same ones. The interval of
their difference is then far narrower than those of the two figures suggest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from redstart.errors import DataError, problem
from redstart.metrics.cluster import group_numbers, measured
from redstart.metrics.influence import Linear, difference_interval
from redstart.metrics.interval import bootstrap_rows
from redstart.metrics.metric import Interval, Metric

__all__ = ["measured", "paired_difference"]


def paired_difference(
    metric: Metric,
    out_a: Tensor,
    out_b: Tensor,
    *y: Tensor,
    groups: Tensor | Sequence[Any] | None = None,
    resamples: int = 199,
    seed: int = 0,
) -> tuple[float, Interval | None]:
    """Compare two models on the same rows: the figure of ``a`` less that of ``b``.

    Our own metrics know how far each row moves them: Student's interval of the differences of
    that (see ``difference_interval``), so that models which agree on all of a few rows are not
    said to be equal. For all other metrics, a bootstrap (see ``bootstrap_rows``) that draws
    the same rows for both.

    Args:
        metric: What is compared. Its state is lost.
        out_a: Raw outputs of a model, ``(N, ...)``.
        out_b: Those of the other.
        *y: Encoded targets, ``(N, ...)`` each.
        groups: The group of each row, as for ``cluster_interval``, where rows of a group
            are alike; then whole groups are what is drawn or summed.
        resamples: How often to draw rows, for the bootstrap.
        seed: For the draws.

    Returns:
        The difference, and its 95% interval; ``None`` where there is none to give: one row
        or group, a figure that is not defined, or the same difference however rows are drawn.

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
    codes = None if groups is None else group_numbers(groups, n)

    def difference(rows: Any = slice(None)) -> float:
        true = tuple(t[rows] for t in y)
        return measured(metric, out_a[rows], *true) - measured(metric, out_b[rows], *true)

    value = difference()
    if isinstance(metric, Linear):
        a, b = metric.influence(out_a, *y), metric.influence(out_b, *y)
        return value, None if a is None or b is None else difference_interval(a, b, codes)
    return value, bootstrap_rows(n, difference, value, resamples=resamples, seed=seed, groups=codes)
