"""Metrics that are the mean of one value per row: accuracy, errors, distances."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from redstart.metrics.functions import absolute_errors, hits, label_hits, squared_errors
from redstart.metrics.influence import Influence
from redstart.metrics.interval import proportion_interval, skewed_interval
from redstart.metrics.metric import Interval

__all__ = [
    "MeanMetric",
    "accuracy_metric",
    "accuracy_multi_metric",
    "error_rate_metric",
    "mae_metric",
    "mse_metric",
    "rmse_metric",
    "top_k_metric",
]


@final
class MeanMetric:
    """Mean over rows of a value per row, kept as sums of its powers.

    Of shares the interval is Wilson's with an effective size, of distances Student's without
    the skewness that a few large errors bring (see ``skewed_interval``). With 30 rows of
    heavy-tailed errors that of ``mse`` and ``rmse`` still holds the truth less often than it
    says; ``benchmarks/results/coverage.json`` has the figures.

    Args:
        name: What tables call it.
        values: From ``out`` and the first target tensor to one value per row, ``(B,)``.
        larger_is_better: Which way is good.
        share: Whether values lie in ``[0, 1]``; then so does the interval (Wilson's).
        root: Report the square root of the mean (and of the ends of its interval).
    """

    def __init__(
        self,
        name: str,
        values: Callable[[Tensor, Tensor], Tensor],
        *,
        larger_is_better: bool,
        share: bool = False,
        root: bool = False,
    ) -> None:
        self.name = name
        self.larger_is_better = larger_is_better
        self.values = values
        self.share = share
        self.root = root
        self.reset()

    def reset(self) -> None:
        """Forget every row."""
        self._rows = 0
        self._sums: Tensor | None = None
        self._around: Tensor | None = None

    @torch.no_grad()
    def update(self, out: Tensor, *y: Tensor) -> None:
        """Add the rows of one batch; does not wait for the device.

        Raises:
            DataError: If the shapes of ``out`` and ``y[0]`` do not fit each other.
        """
        values = self.values(out, y[0])
        if self._around is None:
            # Powers are taken around the first batch's mean: those of large values around 0
            # would be equal in all their digits.
            self._around = values.mean() if values.numel() else values.new_zeros(())
        away = values - self._around.to(values.device)
        sums = torch.stack((values.sum(), away.sum(), away.square().sum(), away.pow(3).sum()))
        self._sums = sums if self._sums is None else self._sums.to(sums.device) + sums
        self._rows += values.numel()

    def compute(self) -> float:
        """Return the mean over all rows; not a number if there are none."""
        return self._shown(self._moments()[0]) if self._rows else math.nan

    def interval(self) -> Interval | None:
        """Return its 95% interval; ``None`` where there are too few rows for one."""
        if not self._rows:
            return None
        mean, variance, skewness = self._moments()
        n = self._rows
        if self.share:
            return proportion_interval(mean, variance / n, n)
        ends = skewed_interval(mean, variance, skewness, n)
        # Every value without a range here is a distance, so its mean is not negative.
        return None if ends is None else (self._shown(max(ends[0], 0.0)), self._shown(ends[1]))

    @torch.no_grad()
    def influence(self, out: Tensor, *y: Tensor) -> Influence | None:
        """See ``Linear.influence``; of a root by the delta method."""
        values = self.values(out, y[0]).double().cpu()
        n = len(values)
        if not n:
            return None
        mean = values.mean().item()
        rows = (values - mean) / n
        if self.root:
            # Nothing moves a root that is 0.
            root = math.sqrt(mean)
            rows = rows / (2 * root) if root else torch.zeros_like(rows)
            return Influence(root, rows, bounds=(0.0, math.inf), root=True)
        if not self.share:
            return Influence(mean, rows, bounds=(0.0, math.inf))
        variance = rows.square().sum().item()
        size = mean * (1 - mean) / variance if variance > 0 else float(n)
        # Of a row with many labels one differs.
        labels = y[0].shape[1] if y[0].ndim == 2 else 1
        return Influence(mean, rows, (0.0, 1.0), size, doubt=1 / (n * n * labels))

    def _moments(self) -> tuple[float, float, float]:
        """Mean, variance (of the rows themselves) and skewness."""
        assert self._sums is not None  # noqa: S101 - there are rows
        total, *powers = self._sums.tolist()
        first, second, third = (power / self._rows for power in powers)
        variance = max(second - first * first, 0.0)
        cubed = third - 3 * first * second + 2 * first**3
        return total / self._rows, variance, cubed / variance**1.5 if variance > 0 else 0.0

    def _shown(self, mean: float) -> float:
        return math.sqrt(mean) if self.root else mean


def accuracy_metric() -> MeanMetric:
    """Share of rows whose largest output is the true class."""
    return MeanMetric("accuracy", hits, larger_is_better=True, share=True)


def error_rate_metric() -> MeanMetric:
    """Share of rows whose largest output is not the true class."""
    return MeanMetric(
        "error_rate", lambda out, y: 1 - hits(out, y), larger_is_better=False, share=True
    )


def top_k_metric(k: int = 5) -> MeanMetric:
    """Share of rows whose true class is among the ``k`` largest outputs."""
    return MeanMetric(
        f"top_{k}_accuracy", lambda out, y: hits(out, y, k), larger_is_better=True, share=True
    )


def accuracy_multi_metric(thresh: float = 0.5, sigmoid: bool = True) -> MeanMetric:
    """Share of labels that are right, where rows can have many; see ``accuracy_multi``."""
    return MeanMetric(
        "accuracy_multi",
        lambda out, y: label_hits(out, y, thresh, sigmoid),
        larger_is_better=True,
        share=True,
    )


def mse_metric() -> MeanMetric:
    """Mean of the squared errors."""
    return MeanMetric("mse", squared_errors, larger_is_better=False)


def rmse_metric() -> MeanMetric:
    """Square root of the mean of the squared errors."""
    return MeanMetric("rmse", squared_errors, larger_is_better=False, root=True)


def mae_metric() -> MeanMetric:
    """Mean of the absolute errors."""
    return MeanMetric("mae", absolute_errors, larger_is_better=False)
