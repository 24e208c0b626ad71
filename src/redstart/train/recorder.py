"""Losses per step, figures per epoch, and the schedules that set rates."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from redstart.data.loaders import DataLoaders
from redstart.metrics.metric import Interval
from redstart.show.drawing import Drawing
from redstart.train.callback import Callback
from redstart.train.kept import KeptOutputs, intervals
from redstart.train.run import Run
from redstart.train.schedule import Schedule

__all__ = ["ParamScheduler", "Recorder"]


@final
@dataclass(eq=False)
class Recorder(Callback):
    """Keeps what a fit did.

    Losses are means over rows, metrics are exact over all validation rows.

    Attributes:
        rows: One dictionary of figures per epoch.
        losses: Training loss of each batch.
        lrs: Learning rate of the last parameter group at each batch.
        momenta: Momentum (first beta) at each batch.
        ends: Number of batches done at the end of each epoch.
        intervals: 95% interval of each metric at the end of the last epoch.
        n_valid: Validation rows.
        n_groups: Groups of validation rows that the intervals count; 0 if they count rows.
        before: What the frozen phase did, where this is the second of ``fine_tune``.
        features: Training and validation rows as the frozen body gave them, where it ran
            once per row: inputs ``(N, ...)``, on the CPU, if they are not too many.
        rest: What was trained on ``features``, if that was so.
    """

    order: ClassVar[int] = 40
    rows: list[dict[str, float]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    lrs: list[float] = field(default_factory=list)
    momenta: list[float] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    intervals: dict[str, Interval | None] = field(default_factory=dict)
    n_valid: int = 0
    n_groups: int = 0
    before: Recorder | None = field(default=None, repr=False)
    features: DataLoaders | None = field(default=None, repr=False)
    rest: nn.Module | None = field(default=None, repr=False)
    _sums: list[tuple[Tensor, int]] = field(default_factory=list, repr=False)
    _kept: KeptOutputs = field(default_factory=KeptOutputs, repr=False)
    _start: float = 0.0

    @property
    def values(self) -> list[list[float]]:
        """Figures per epoch without their names: train loss, valid loss, metrics."""
        return [[v for k, v in row.items() if k != "time"] for row in self.rows]

    @property
    def names(self) -> list[str]:
        """Names of the figures."""
        return list(self.rows[-1]) if self.rows else []

    def before_epoch(self, run: Run) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def before_train(self, run: Run) -> None:
        """Start the sums."""
        self._sums = []

    def before_validate(self, run: Run) -> None:
        """Start the sums and the metrics."""
        self._sums, self._kept = [], KeptOutputs()
        for metric in run.metrics:
            metric.reset()

    def after_loss(self, run: Run) -> None:
        """Add this batch; nothing here waits for the device."""
        if run.loss is None or run.batch is None:
            return
        self._sums.append((run.loss.detach(), len(run.batch)))
        if run.training:
            group = run.opt.param_groups[-1]
            self.lrs.append(group["lr"])
            self.momenta.append(group.get("momentum") or group.get("betas", (0.0,))[0])
        elif run.batch.y is not None:
            for metric in run.metrics:
                metric.update(run.out, *run.batch.y)
            if run.dls.groups is not None and run.metrics:
                self._kept.add(run.batch, run.out)

    def after_train(self, run: Run) -> None:
        """Close the training figures of this epoch."""
        mean, losses = _mean(self._sums)
        self.losses += losses
        self.ends.append(len(self.losses))
        run.row["train_loss"] = mean

    def after_validate(self, run: Run) -> None:
        """Close the validation figures of this epoch."""
        run.row["valid_loss"] = _mean(self._sums)[0]
        self.n_valid = sum(n for _, n in self._sums)
        for metric in run.metrics:
            run.row[metric.name] = metric.compute()

    def after_epoch(self, run: Run) -> None:
        """Keep the row."""
        run.row["time"] = time.perf_counter() - self._start
        self.rows.append(dict(run.row))

    def after_fit(self, run: Run) -> None:
        """Work out the intervals of the last figures."""
        if self.rows:
            self.work_out_intervals(run)

    def work_out_intervals(self, run: Run) -> None:
        """Work out the intervals of the last figures: by groups where the loaders know some."""
        self.intervals, self.n_groups = intervals(run.metrics, self._kept, run.dls.groups)
        self._kept = KeptOutputs()

    def plot_loss(self, *, skip_start: int = 5) -> Drawing:
        """Draw training and validation loss.

        Args:
            skip_start: First batches to leave out, whose loss dwarfs the rest.
        """
        from redstart.show.plots import plot_losses

        skip = min(skip_start, max(0, len(self.losses) - 2))
        steps = range(skip, len(self.losses))
        # Where `fine_tune` kept its first phase, one more row says so: it is no epoch of these.
        rows = self.rows[: len(self.ends)]
        valid = [row["valid_loss"] for row in rows if "valid_loss" in row]
        return plot_losses(list(steps), self.losses[skip:], self.ends[: len(valid)], valid)

    def plot_metrics(self) -> Drawing:
        """Draw every metric over the epochs."""
        from redstart.show.plots import plot_metrics

        return plot_metrics([{k: v for k, v in r.items() if k != "time"} for r in self.rows])

    def plot_sched(self) -> Drawing:
        """Draw learning rate and momentum over the batches."""
        from redstart.show.plots import plot_schedule

        return plot_schedule({"lr": self.lrs, "momentum": self.momenta})

    def _repr_html_(self) -> str:
        from redstart.show.page import table

        return table(self.names, [[f"{v:.4f}" for v in row.values()] for row in self.rows])

    def __repr__(self) -> str:
        last = ", ".join(f"{k} {v:.4f}" for k, v in self.rows[-1].items()) if self.rows else ""
        return f"Recorder({len(self.rows)} epochs; {last})"


@final
@dataclass(eq=False)
class ParamScheduler(Callback):
    """Sets hyper-parameters of the optimizer before each training batch.

    Attributes:
        schedules: By hyper-parameter: ``lr``, ``momentum`` (the first beta of Adam), ``wd``.
    """

    order: ClassVar[int] = -40
    schedules: Mapping[str, Schedule]

    def before_batch(self, run: Run) -> None:
        """Apply the schedules at the current progress."""
        if not run.training:
            return
        progress = run.progress
        for name, schedule in self.schedules.items():
            _set(run.opt.param_groups, name, schedule(progress))


def _set(groups: Sequence[dict[str, Any]], name: str, value: float) -> None:
    for group in groups:
        if name == "lr":
            group["lr"] = value * group.get("lr_mult", 1.0)
        elif name == "momentum" and "betas" in group:
            group["betas"] = (value, *group["betas"][1:])
        elif name == "wd":
            if group["weight_decay"]:
                group["weight_decay"] = value
        elif name in group:
            group[name] = value


def _mean(sums: Sequence[tuple[Tensor, int]]) -> tuple[float, list[float]]:
    """Mean over rows of batch means, and the batch means."""
    if not sums:
        return float("nan"), []
    losses = torch.stack([loss.float() for loss, _ in sums]).cpu().double()
    sizes = torch.tensor([n for _, n in sums], dtype=torch.float64)
    return float((losses * sizes).sum() / sizes.sum()), losses.tolist()
