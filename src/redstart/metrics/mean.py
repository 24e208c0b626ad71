"""Metrics that are the mean of one value per row: accuracy, errors, distances."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from redstart.metrics.functions import absolute_errors, hits, label_hits, squared_errors
from redstart.metrics.interval import mean_interval, proportion_interval
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
    """Mean over rows of a value per row, kept as two sums.

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

    @torch.no_grad()
    def update(self, out: Tensor, *y: Tensor) -> None:
        """Add the rows of one batch; does not wait for the device.

        Raises:
            DataError: If the shapes of ``out`` and ``y[0]`` do not fit each other.
        """
        values = self.values(out, y[0])
        sums = torch.stack((values.sum(), values.square().sum()))
        self._sums = sums if self._sums is None else self._sums.to(sums.device) + sums
        self._rows += values.numel()

    def compute(self) -> float:
        """Return the mean over all rows; not a number if there are none."""
        return self._shown(self._total()[0] / self._rows) if self._rows else math.nan

    def interval(self) -> Interval | None:
        """Return its 95% interval; ``None`` where there are too few rows for one."""
        if not self._rows:
            return None
        total, squares = self._total()
        n = self._rows
        if self.share:
            variance = max(squares / n - (total / n) ** 2, 0.0) / n
            return proportion_interval(total / n, variance, n)
        ends = mean_interval(total, squares, n)
        # Every value without a range here is a distance, so its mean is not negative.
        return None if ends is None else (self._shown(max(ends[0], 0.0)), self._shown(ends[1]))

    def _total(self) -> tuple[float, float]:
        assert self._sums is not None  # noqa: S101 - there are rows
        total, squares = self._sums.tolist()
        return total, squares

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
