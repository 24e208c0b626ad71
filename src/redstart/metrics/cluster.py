"""Intervals where rows come in groups: those of one patient, user or scene are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from redstart.errors import DataError, problem
from redstart.metrics.influence import Linear, group_interval
from redstart.metrics.interval import bootstrap_rows
from redstart.metrics.metric import Interval, Metric

__all__ = ["FEW_GROUPS", "cluster_interval", "group_numbers", "measured"]

FEW_GROUPS = 10
"""Fewer groups than this leave an interval that is itself a rough guess."""


def measured(metric: Metric, out: Any, *y: Any) -> float:
    """Work a metric out over rows; what it had seen before is forgotten."""
    metric.reset()
    metric.update(out, *y)
    return metric.compute()


def group_numbers(groups: Tensor | Sequence[Any], n: int) -> Tensor:
    """Number groups from 0 without gaps; rows of no known group are one each.

    Args:
        groups: A number or name for each row; ``-1`` and ``None`` where it is not known.
        n: How many rows there must be.

    Returns:
        Numbers ``(n,)`` int64, on the CPU.

    Raises:
        DataError: If there are not as many groups as rows.
    """
    if len(groups) != n:
        raise DataError(
            problem(
                "Expected one group for each row",
                f"{len(groups)} groups, {n} rows",
                "Take both from the same rows.",
            )
        )
    if isinstance(groups, Tensor):
        codes = groups.cpu().long()
    else:
        names: dict[Any, int] = {}
        known = [-1 if g is None or g == -1 else names.setdefault(g, len(names)) for g in groups]
        codes = torch.tensor(known, dtype=torch.int64)
    if n:
        free = int(codes.max().clamp_min(-1)) + 1 + torch.arange(n)
        codes = torch.where(codes < 0, free, codes)
    found: Tensor = torch.unique(codes, return_inverse=True)[1]
    return found


def cluster_interval(
    metric: Metric, out: Any, *y: Any, groups: Tensor | Sequence[Any], seed: int = 0
) -> Interval | None:
    """95% interval of a metric whose rows come in groups, drawn as wholes.

    Our own metrics know how far each row moves them, so their variance by groups is worked
    out (see ``group_interval``). For any other, whole groups are drawn again and again (see
    ``bootstrap_rows``). With fewer than ``FEW_GROUPS`` groups both are rough.

    Args:
        metric: What was measured. Its state is lost.
        out: Raw outputs, ``(N, ...)``.
        *y: Encoded targets, ``(N, ...)`` each.
        groups: The group of each row: ``(N,)`` numbers, or names; ``-1`` or ``None`` for
            a row that is tied to no other.
        seed: For the draws.

    Returns:
        Both ends; ``None`` where there is none to give: fewer than two groups, a figure
        that is not defined, or the same figure however groups are drawn.

    Raises:
        DataError: If there are not as many groups as rows.
    """
    codes = group_numbers(groups, len(out))
    if isinstance(metric, Linear):
        found = metric.influence(out, *y)
        return None if found is None else group_interval(found, codes)
    value = measured(metric, out, *y)

    def drawn(rows: Tensor) -> float:
        return measured(metric, out[rows], *(t[rows] for t in y))

    return bootstrap_rows(len(codes), drawn, value, seed=seed, groups=codes)
