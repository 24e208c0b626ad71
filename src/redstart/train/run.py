"""The state of one fit, in one place, with a type for each part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from redstart.data.batch import Batch
from redstart.data.loaders import DataLoaders
from redstart.metrics.metric import Metric
from redstart.train.engine import Engine

__all__ = ["LossFunction", "Run"]

LossFunction = Callable[..., Tensor]
"""``loss_func(out, *batch.y) -> scalar``; a ``reduction="none"`` keyword gives one per row."""


@dataclass(slots=True, kw_only=True)
class Run:
    """Everything a callback may read or replace. Only the learner creates one.

    Attributes:
        model: What is being trained.
        dls: The loaders.
        opt: The optimizer.
        engine: Precision and device.
        loss_func: For the optimizer.
        metrics: For people; computed on the validation rows.
        n_epoch: Epochs in all.
        epoch: Number of the current epoch, from 0.
        step: Training batches done in all epochs.
        training: Whether the current batch trains.
        accumulate: Rows to gather gradients of before a step; 0 steps on every batch.
        batch: The current batch.
        out: The model's output for it.
        loss: Its loss, a scalar.
        row: This epoch's figures by name, in the order of the table.
    """

    model: nn.Module
    dls: DataLoaders
    opt: Optimizer
    engine: Engine
    loss_func: LossFunction
    metrics: list[Metric] = field(default_factory=list)
    n_epoch: int
    epoch: int = 0
    step: int = 0
    training: bool = True
    accumulate: int = 0
    batch: Batch | None = None
    out: Any = None
    loss: Tensor | None = None
    row: dict[str, float] = field(default_factory=dict)

    @property
    def total_steps(self) -> int:
        """Training batches of the whole fit."""
        return max(1, self.n_epoch * len(self.dls.train))

    @property
    def progress(self) -> float:
        """Share of the training batches done, in [0, 1]; what schedules take."""
        return self.step / self.total_steps
