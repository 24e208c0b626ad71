"""Metrics of the confusion matrix, which is counted batch by batch on the device."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, final, get_args

import torch
from torch import Tensor

from redstart.errors import ConfigError, DataError, problem
from redstart.metrics.functions import check_classes
from redstart.metrics.influence import Influence
from redstart.metrics.interval import count_interval, count_slopes, effective_size, wilson
from redstart.metrics.metric import Interval

__all__ = [
    "Average",
    "BalancedAccuracy",
    "ClassRow",
    "CohenKappa",
    "ConfusionMetric",
    "F1Score",
    "MatthewsCorrCoef",
    "Precision",
    "Recall",
    "confusion",
    "per_class",
]

_LEAST = 1e-12

Average = Literal["auto", "binary", "macro", "micro", "weighted"]
"""How classes are put together, in scikit-learn's words.

``auto`` is ``binary`` for two classes, the second being the positive one, and ``macro``
(the plain mean over the classes that occur) for more.
"""


class ConfusionMetric(ABC):
    """A figure that depends on the rows only through their confusion matrix.

    ``out`` is ``(B, C)``, ``y[0]`` class numbers ``(B,)``. Memory is ``C * C`` integers.
    """

    name: str
    larger_is_better: bool = True
    bounds: ClassVar[Interval] = (0.0, 1.0)
    _cells: Tensor | None = None
    _classes: int = 0

    @abstractmethod
    def statistic(self, matrix: Tensor) -> Tensor:
        """Compute the figure of matrices ``(..., C, C)``, float64; rows are true classes.

        Must be differentiable, and the same for counts as for shares of the rows.
        """

    def reset(self) -> None:
        """Forget every row."""
        self._cells: Tensor | None = None
        self._classes = 0

    @torch.no_grad()
    def update(self, out: Tensor, *y: Tensor) -> None:
        """Add the rows of one batch; does not wait for the device.

        Raises:
            DataError: If the shapes of ``out`` and ``y[0]`` do not fit each other, or
                the number of classes is not that of the batch before.
        """
        true = y[0]
        check_classes(out, true)
        classes = out.shape[1]
        if self._cells is None:
            # A plain tensor even under inference mode: it is changed in place later.
            with torch.inference_mode(False):
                self._cells = torch.zeros(
                    classes * classes + 1, dtype=torch.int64, device=out.device
                )
            self._classes = classes
        if classes != self._classes:
            raise DataError(
                problem(
                    f"Expected outputs for {self._classes} classes, as in the batches before",
                    f"out={tuple(out.shape)}",
                    "Call `reset()` before measuring another model.",
                )
            )
        # What is no class goes to one more cell, looked at only in `matrix`.
        valid = (true >= 0) & (true < classes)
        cell = torch.where(valid, true * classes + out.argmax(1), classes * classes)
        self._cells.index_add_(0, cell.to(self._cells.device), torch.ones_like(cell))

    @property
    def matrix(self) -> Tensor:
        """Counts ``(C, C)`` int64 on the CPU, true classes by predicted ones.

        Raises:
            DataError: If a target was not a class number.
        """
        if self._cells is None:
            return torch.zeros(0, 0, dtype=torch.int64)
        cells = self._cells.cpu()
        if wrong := int(cells[-1]):
            raise _no_class(self._classes, wrong)
        return cells[:-1].view(self._classes, self._classes)

    def compute(self) -> float:
        """Return the figure over all rows; not a number if there are none."""
        matrix = self.matrix
        return self.statistic(matrix.double()).item() if matrix.sum() else math.nan

    def interval(self) -> Interval | None:
        """Return its 95% interval; ``None`` where the figure itself is not a number."""
        if math.isnan(self.compute()):
            return None
        return count_interval(self.matrix, self.statistic, self.bounds)

    def influence(self, out: Tensor, *y: Tensor) -> Influence | None:
        """See ``Linear.influence``: what the cell of a row moves the figure by.

        Raises:
            DataError: As for ``update``, and if a target is not a class number.
        """
        true = y[0].cpu()
        check_classes(out, y[0])
        matrix = confusion(out, true)
        n = len(true)
        value, size = effective_size(matrix, self.statistic, self.bounds) if n else (None, None)
        if value is None or size is None or value.isnan():
            return None
        shares, _, slopes = count_slopes(matrix, self.statistic)
        rows = slopes[true, out.argmax(1).cpu()] / n
        # One error more, in a class drawn as rows are, and with the other classes as common.
        frequency = shares.sum(-1)
        right = slopes.diagonal()
        others = (1 - frequency).clamp_min(_LEAST)
        wrong = (slopes @ frequency - right * frequency) / others
        doubt = (frequency * (right - wrong).square()).sum().item() / n**2
        return Influence(value.item(), rows - rows.mean(), self.bounds, size.item(), doubt)


def confusion(out: Tensor, true: Tensor) -> Tensor:
    """Count rows by true and predicted class.

    Args:
        out: ``(N, C)``; the largest is predicted.
        true: Class numbers ``(N,)``, on the CPU.

    Returns:
        Counts ``(C, C)`` float64 on the CPU; rows are true classes.

    Raises:
        DataError: If a target is not a class number.
    """
    classes = out.shape[1]
    if wrong := int(((true < 0) | (true >= classes)).sum()):
        raise _no_class(classes, wrong)
    cells = true * classes + out.argmax(1).cpu()
    return torch.bincount(cells, minlength=classes * classes).view(classes, classes).double()


@final
class F1Score(ConfusionMetric):
    """Harmonic mean of precision and recall; 0 for a class where it is undefined.

    Args:
        average: How classes are put together.
    """

    def __init__(self, average: Average = "auto") -> None:
        self._average = _checked(average)
        self.name = _name("f1", average)

    def statistic(self, matrix: Tensor) -> Tensor:
        """See ``ConfusionMetric.statistic``."""
        hit, true, predicted = _sums(matrix)
        return _averaged(_ratio(2 * hit, true + predicted), matrix, self._average)


@final
class Precision(ConfusionMetric):
    """Share of the rows predicted as a class that are of it; 0 for one never predicted.

    Args:
        average: How classes are put together.
    """

    def __init__(self, average: Average = "auto") -> None:
        self._average = _checked(average)
        self.name = _name("precision", average)

    def statistic(self, matrix: Tensor) -> Tensor:
        """See ``ConfusionMetric.statistic``."""
        hit, _, predicted = _sums(matrix)
        return _averaged(_ratio(hit, predicted), matrix, self._average)


@final
class Recall(ConfusionMetric):
    """Share of the rows of a class that are predicted as it; 0 for one without rows.

    Args:
        average: How classes are put together.
    """

    def __init__(self, average: Average = "auto") -> None:
        self._average = _checked(average)
        self.name = _name("recall", average)

    def statistic(self, matrix: Tensor) -> Tensor:
        """See ``ConfusionMetric.statistic``."""
        hit, true, _ = _sums(matrix)
        return _averaged(_ratio(hit, true), matrix, self._average)


@final
class BalancedAccuracy(ConfusionMetric):
    """Mean of the recall of all classes that have rows: each class counts the same."""

    name = "balanced_accuracy"

    def statistic(self, matrix: Tensor) -> Tensor:
        """See ``ConfusionMetric.statistic``."""
        hit, true, _ = _sums(matrix)
        return _ratio(hit, true).sum(-1) / (true > 0).sum(-1)


@final
class CohenKappa(ConfusionMetric):
    """Agreement beyond chance (Cohen, 1960): 1 is perfect, 0 is chance.

    Not a number where all rows are of one class and predicted as it.
    """

    bounds = (-1.0, 1.0)

    name = "cohen_kappa"

    def statistic(self, matrix: Tensor) -> Tensor:
        """See ``ConfusionMetric.statistic``."""
        hit, true, predicted = _sums(matrix)
        n = true.sum(-1)
        chance = (true * predicted).sum(-1)
        return (hit.sum(-1) * n - chance) / (n * n - chance)


@final
class MatthewsCorrCoef(ConfusionMetric):
    """Correlation of true and predicted classes (Gorodkin, 2004); 0 where undefined."""

    bounds = (-1.0, 1.0)

    name = "matthews_corrcoef"

    def statistic(self, matrix: Tensor) -> Tensor:
        """See ``ConfusionMetric.statistic``."""
        hit, true, predicted = _sums(matrix)
        n = true.sum(-1)
        joint = hit.sum(-1) * n - (true * predicted).sum(-1)
        spread = (n * n - (true * true).sum(-1)) * (n * n - (predicted * predicted).sum(-1))
        # sqrt has no slope at 0, so where there is no spread it is kept away from there.
        some = spread > 0
        return torch.where(some, joint / torch.where(some, spread, 1.0).sqrt(), 0.0)


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One line of a per-class report.

    Attributes:
        index: The class number.
        precision: In ``[0, 1]``; 0 if the class was never predicted.
        precision_interval: Wilson's 95% interval; ``(0, 1)`` without rows.
        recall: In ``[0, 1]``; 0 if the class has no rows.
        recall_interval: Wilson's 95% interval; ``(0, 1)`` without rows.
        f1: Harmonic mean of the two; 0 where undefined.
        support: How many rows are of this class.
        predicted: How many rows were predicted as this class.
    """

    index: int
    precision: float
    precision_interval: Interval
    recall: float
    recall_interval: Interval
    f1: float
    support: int
    predicted: int


def per_class(matrix: Tensor) -> list[ClassRow]:
    """Report on each class of a confusion matrix.

    Args:
        matrix: Counts ``(C, C)``; rows are true classes, columns predicted ones.

    Returns:
        ``C`` rows, by class number.

    Raises:
        DataError: If the matrix is not square.
    """
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise DataError(
            problem(
                "Expected a confusion matrix (C, C)",
                f"matrix={tuple(matrix.shape)}",
                "Pass counts, true classes by predicted ones.",
            )
        )
    columns = (t.tolist() for t in _sums(matrix.cpu().to(torch.int64)))
    return [
        ClassRow(
            index=index,
            precision=hit / max(predicted, 1),
            precision_interval=wilson(hit, predicted),
            recall=hit / max(true, 1),
            recall_interval=wilson(hit, true),
            f1=2 * hit / max(true + predicted, 1),
            support=true,
            predicted=predicted,
        )
        for index, (hit, true, predicted) in enumerate(zip(*columns, strict=True))
    ]


def _no_class(classes: int, wrong: int) -> DataError:
    return DataError(
        problem(
            f"Expected class numbers from 0 to {classes - 1}",
            f"rows_outside={wrong}",
            "Give the model an output for every class.",
        )
    )


def _sums(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rows hit, true rows and predicted rows of each class, ``(..., C)``."""
    return matrix.diagonal(dim1=-2, dim2=-1), matrix.sum(-1), matrix.sum(-2)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """``part / whole``, and 0 where there is no whole."""
    some = whole > 0
    return torch.where(some, part / torch.where(some, whole, 1.0), 0.0)


def _averaged(scores: Tensor, matrix: Tensor, average: Average) -> Tensor:
    hit, true, predicted = _sums(matrix)
    if average == "auto":
        average = "binary" if scores.shape[-1] == 2 else "macro"
    if average == "binary":
        if scores.shape[-1] != 2:
            raise ConfigError(
                problem(
                    "Expected two classes for average='binary'",
                    f"classes={scores.shape[-1]}",
                    "Use average='macro', 'micro' or 'weighted'.",
                )
            )
        return scores[..., 1]
    if average == "micro":
        # Every row has one class and one prediction, so all three are the accuracy.
        return hit.sum(-1) / true.sum(-1)
    if average == "weighted":
        return (scores * true).sum(-1) / true.sum(-1)
    return scores.sum(-1) / (true + predicted > 0).sum(-1)


def _checked(average: Average) -> Average:
    if average not in get_args(Average):
        raise ConfigError(
            problem(
                f"Expected `average` to be one of {', '.join(get_args(Average))}",
                f"average={average!r}",
                "See scikit-learn's `f1_score` for what they mean.",
            )
        )
    return average


def _name(name: str, average: Average) -> str:
    return name if average == "auto" else f"{name}_{average}"
