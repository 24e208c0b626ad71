"""Metrics: exact over the whole set, each with an interval."""

from __future__ import annotations

from redstart.metrics.counts import (
    BalancedAccuracy,
    ClassRow,
    CohenKappa,
    ConfusionMetric,
    F1Score,
    MatthewsCorrCoef,
    Precision,
    Recall,
    per_class,
)
from redstart.metrics.functions import (
    accuracy,
    accuracy_multi,
    error_rate,
    mae,
    mse,
    r2,
    rmse,
    top_k_accuracy,
)
from redstart.metrics.interval import wilson
from redstart.metrics.make import as_metric, by_name, known_names
from redstart.metrics.metric import Interval, Metric
from redstart.metrics.rows import RocAuc

__all__ = [
    "BalancedAccuracy",
    "ClassRow",
    "CohenKappa",
    "ConfusionMetric",
    "F1Score",
    "Interval",
    "MatthewsCorrCoef",
    "Metric",
    "Precision",
    "Recall",
    "RocAuc",
    "accuracy",
    "accuracy_multi",
    "as_metric",
    "by_name",
    "error_rate",
    "known_names",
    "mae",
    "mse",
    "per_class",
    "r2",
    "rmse",
    "top_k_accuracy",
    "wilson",
]
