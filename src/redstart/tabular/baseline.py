"""Gradient boosted trees on the same rows: what a network for tables has to be measured by."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redstart.data.batch import Batch
from redstart.data.target import Target
from redstart.errors import ConfigError, problem
from redstart.evaluate import baseline as evaluate
from redstart.metrics.metric import Interval
from redstart.metrics.paired import measured
from redstart.show.page import table
from redstart.tabular.rows import Scored, training_rows, validation_rows
from redstart.tabular.trees import TREES, Task, Trees
from redstart.targets.category import CategoryTarget
from redstart.targets.multicategory import MultiCategoryTarget
from redstart.targets.regression import RegressionTarget
from redstart.train.measure import metrics_of

if TYPE_CHECKING:
    from redstart.tabular.learner import TabularLearner

__all__ = ["Baseline", "fit_baseline", "kind_of_trees"]

Floats = NDArray[np.float64]

_LEAST = 1e-7  # of a probability, before its logarithm


@final
@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """Boosted trees, trained and scored.

    Attributes:
        kind: ``"lightgbm"`` or ``"hist"``.
        scored: Its raw outputs for the validation rows, as the learner's metrics take
            them, and the truth.
        metrics: Value and 95% interval of each of the learner's metrics, by name.
        seconds: How long training took.
        n_train: Training rows.
        n_trees: Rounds of boosting, of each model.
    """

    kind: str
    scored: Scored
    metrics: dict[str, tuple[float, Interval | None]]
    seconds: float
    n_train: int
    n_trees: tuple[int, ...]

    @property
    def name(self) -> str:
        """What people call it."""
        return TREES[self.kind].name

    def said(self) -> str:
        """How it was made, in a few words."""
        trees = " + ".join(map(str, self.n_trees[:5])) + (" ..." if len(self.n_trees) > 5 else "")
        return f"{self.name}, {trees} rounds on {self.n_train} rows in {self.seconds:.1f} s"

    def record(self) -> evaluate.Baseline:
        """The same as a record that baselines of all kinds of data share."""
        return evaluate.Baseline(
            name=self.name,
            said=self.said(),
            out=self.scored.out,
            metrics=self.metrics,
            seconds=self.seconds,
            n_train=self.n_train,
        )

    def _repr_html_(self) -> str:
        rows = [[k, v, *(("", "") if i is None else i)] for k, (v, i) in self.metrics.items()]
        return f"<p>{escape(self.said())}</p>" + table(["metric", "value", "from", "to"], rows)

    def __repr__(self) -> str:
        figures = ", ".join(f"{name} {value:.4g}" for name, (value, _) in self.metrics.items())
        return f"Baseline({self.said()}; {figures})"


def fit_baseline(learn: TabularLearner, kind: str = "auto") -> Baseline:
    """Train boosted trees on a learner's training rows, and score them on its validation rows.

    They see what the model sees, codes of categories and numbers, and weigh rows alike. How
    many rounds they take is found on a tenth of the training rows; then all of these train.

    Args:
        learn: Its loaders are read, and its metrics are worked out.
        kind: See ``TabularLearner.baseline``.

    Raises:
        NoValidationSetError: If there are no validation rows.
        ConfigError: If there is no such kind, or it is not installed, or there are no such
            trees for the target.
    """
    kind = kind_of_trees(kind)
    valid = validation_rows(learn.dls)
    began = time.perf_counter()
    train = training_rows(learn.dls)
    out, n_trees = _boost(train, valid, learn.dls.target, TREES[kind], learn.dls.seed)
    seconds = time.perf_counter() - began
    scored = Scored(out, (valid.y or ())[0].cpu())
    metrics = {}
    for metric in metrics_of(learn.dls.target, learn.metrics):
        value = measured(metric, scored.out, scored.y)
        metrics[metric.name] = (value, metric.interval())
    return Baseline(kind, scored, metrics, seconds, len(train), n_trees)


def kind_of_trees(kind: str) -> str:
    """Look up a kind of trees: ``"auto"`` is LightGBM where it is installed.

    Raises:
        ConfigError: If there is no such kind, or it is not installed.
    """
    if kind == "auto":
        return "lightgbm" if find_spec("lightgbm") else "hist"
    if kind not in TREES:
        raise ConfigError(
            problem(
                f"Expected `kind` to be one of auto, {', '.join(TREES)}",
                f"kind={kind!r}",
                "Use auto.",
            )
        )
    if not find_spec(TREES[kind].package):
        raise ConfigError(
            problem(
                f"Expected {kind} to be installed",
                "it is not",
                "Run `pip install redstart[tabular]`, or use 'hist'.",
            )
        )
    return kind


def _boost(
    train: Batch, valid: Batch, target: Target[Any, Any], trees: Trees, seed: int
) -> tuple[Tensor, tuple[int, ...]]:
    """Outputs for the validation rows, in the form in which the target's models give them."""
    y = [t.cpu() for t in train.y or ()]
    weights = y[1].numpy().astype(np.float64) if len(y) > 1 else np.ones(len(train))
    rounds: list[int] = []

    def column(task: Task, truth: Floats, weights: Floats) -> Floats:
        fitted, n = trees.fit_best(_features(train), truth, weights, task, seed)
        rounds.append(n)
        return fitted(_features(valid))

    if isinstance(target, CategoryTarget):
        found = _classes(column, y[0].numpy(), weights, target, len(valid))
    elif isinstance(target, MultiCategoryTarget):
        found = _labels(column, y[0].numpy(), weights, len(valid))
    elif isinstance(target, RegressionTarget):
        found = _numbers(column, y[0].double().numpy(), weights, target)
    else:
        raise ConfigError(
            problem(
                "Expected a target that trees can learn: categories, labels or numbers",
                f"target={target.kind!r}",
                "There is no baseline for others.",
            )
        )
    return torch.from_numpy(found.astype(np.float32)), tuple(rounds)


def _features(rows: Batch) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    return rows.x[0].cpu().numpy(), rows.x[1].cpu().numpy()


Column = Callable[[Task, Floats, Floats], Floats]
"""Trains one model and predicts the validation rows."""


def _classes(
    column: Column, y: NDArray[np.int64], weights: Floats, target: CategoryTarget, n_valid: int
) -> Floats:
    """Logarithms of probabilities, ``(N, n_out)``."""
    if not isinstance(target.class_weights, str) and target.class_weights:
        weights = weights * np.asarray(target.class_weights)[y]
    # Trees want classes without gaps, and some may have no training row.
    there, codes = np.unique(y, return_inverse=True)
    found = np.full((n_valid, target.n_out), _LEAST)
    found[:, there] = 1.0
    if len(there) > 1:
        found[:, there] = column(Task("classes", len(there)), codes.astype(np.float64), weights)
    logs: Floats = np.log(found.clip(_LEAST, 1.0))
    return logs


def _labels(column: Column, y: NDArray[Any], weights: Floats, n_valid: int) -> Floats:
    """Logits, ``(N, n_out)``: one model per label."""
    found = np.empty((n_valid, y.shape[1]))
    for i, truth in enumerate((y > 0.5).astype(np.float64).T):
        same = len(np.unique(truth)) < 2
        probs = truth[0] if same else column(Task("classes", 2), truth, weights)[:, 1]
        probs = np.clip(probs, _LEAST, 1 - _LEAST)
        found[:, i] = np.log(probs) - np.log1p(-probs)
    return found


def _numbers(column: Column, y: Floats, weights: Floats, target: RegressionTarget) -> Floats:
    """Numbers in their own units, ``(N, n_out)``: one model for each."""
    scaled = np.log1p(y) if target.log else y
    columns = [column(Task("number", 1), truth, weights) for truth in scaled.T]
    found = np.stack(columns, axis=1)
    units: Floats = np.expm1(found) if target.log else found
    return units
