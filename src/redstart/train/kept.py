"""Outputs of all validation rows, kept where rows come in groups: intervals need them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor

from redstart.data.batch import Batch
from redstart.metrics.cluster import cluster_interval, group_numbers
from redstart.metrics.metric import Interval, Metric

__all__ = ["KeptOutputs", "groups_of", "intervals"]


@final
@dataclass(eq=False)
class KeptOutputs:
    """Row numbers, raw outputs and targets of batches, on the CPU."""

    _batches: list[tuple[Tensor, ...]] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(len(batch[0]) for batch in self._batches)

    def add(self, batch: Batch, out: Any) -> None:
        """Keep one batch; of outputs that are no tensor of rows nothing is kept."""
        if batch.y is None or not isinstance(out, Tensor) or len(out) != len(batch):
            return
        self._batches.append(tuple(_copied(t) for t in (batch.index, out, *batch.y)))

    def tensors(self) -> tuple[Tensor, ...]:
        """Row numbers, outputs and targets of all rows; empty if there are none."""
        return tuple(torch.cat(slot) for slot in zip(*self._batches, strict=True))


def intervals(
    metrics: Sequence[Metric], kept: KeptOutputs, groups: Tensor | None
) -> tuple[dict[str, Interval | None], int]:
    """95% interval of each metric that has seen all rows: by groups where there are some.

    Args:
        metrics: Their states are lost if there are groups.
        kept: The same rows; looked at only if there are groups.
        groups: Number of every row's group, by row number; -1 where there is none.

    Returns:
        The intervals by name, and how many groups they count; 0 if they count rows.
    """
    if groups is None or not len(kept):
        return {metric.name: metric.interval() for metric in metrics}, 0
    index, out, *y = kept.tensors()
    codes = groups_of(index, groups)
    found = {m.name: cluster_interval(m, out, *y, groups=codes) for m in metrics}
    return found, int(codes.max()) + 1


def groups_of(index: Tensor, groups: Tensor) -> Tensor:
    """Number the groups of some rows from 0; a row of none is one of its own.

    Args:
        index: Row numbers, ``(N,)``.
        groups: Number of every row's group, by row number; -1 where there is none.

    Returns:
        ``(N,)`` int64, on the CPU.
    """
    return group_numbers(groups.cpu()[index.cpu()], len(index))


def _copied(tensor: Tensor) -> Tensor:
    # A copy even on the CPU: a compiled model may write its next output over this one.
    half = tensor.dtype in (torch.float16, torch.bfloat16)
    dtype = torch.float32 if half else tensor.dtype
    return tensor.detach().to("cpu", dtype, copy=True)
