"""Precision, recall and F1 of every class, with intervals, as a table that can be read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, final

import torch
from torch import Tensor

from redstart.errors import ConfigError, problem
from redstart.metrics.counts import Average, ClassRow, F1Score, Precision, Recall, per_class
from redstart.metrics.interval import count_interval, effective_size, wilson
from redstart.metrics.metric import Interval
from redstart.show.drawing import Drawing
from redstart.show.lettering import one_line
from redstart.show.page import table

__all__ = ["ClassificationReport", "Figure", "ReportRow"]

_WHOLE = 40  # classes up to which every one is listed
_WORST = 20  # of more classes, how many are
_LABEL = 26  # columns of text for a name
_HEADERS = ["class", "precision", "recall", "f1", "support"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A share with its interval.

    Attributes:
        value: In [0, 1]; NaN where it is undefined.
        interval: Both ends of the 95% interval; ``(0, 1)`` where ``value`` is undefined.
    """

    value: float
    interval: Interval

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "-"
        low, high = self.interval
        return f"{self.value:.2f} [{low:.2f}, {high:.2f}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One class, or a mean over classes.

    Attributes:
        label: The class.
        precision: Share of the rows predicted as the class that are of it; undefined if
            there are none.
        recall: Share of the rows of the class that are predicted as it; undefined without
            rows, as is ``f1``.
        f1: Harmonic mean of the two.
        support: Rows of the class.
        predicted: Rows predicted as the class.
    """

    label: str
    precision: Figure
    recall: Figure
    f1: Figure
    support: int
    predicted: int

    def cells(self) -> list[str]:
        """The row as text, in the order of the table."""
        return [self.label, *map(str, (self.precision, self.recall, self.f1)), f"{self.support}"]


@final
@dataclass(frozen=True, slots=True)
class ClassificationReport:
    """How well each class is told from the others.

    Printed, it lists every class of up to 40; of more, the 20 with the lowest F1. The
    intervals are Wilson's, those of F1 and of means with an effective number of rows (see
    ``redstart.metrics.interval``).

    Attributes:
        rows: One per class, in the order of the vocabulary.
        accuracy: Share of all rows predicted right.
        macro: Plain means over the classes that occur as truth or as prediction.
        weighted: Means weighted by support. In both, what is undefined for a class counts as 0.
    """

    rows: tuple[ReportRow, ...]
    accuracy: Figure
    macro: ReportRow
    weighted: ReportRow

    @classmethod
    def of(cls, matrix: Tensor, labels: Sequence[Any]) -> ClassificationReport:
        """Report on a confusion matrix.

        Args:
            matrix: Counts ``(C, C)``; rows are true classes, columns predicted ones.
            labels: The C names.

        Raises:
            ConfigError: If the matrix counts no row, or does not fit the labels.
        """
        if len(labels) != len(matrix) or not int(matrix.sum()):
            raise ConfigError(
                problem(
                    "Expected a confusion matrix of at least one row, and a label for each class",
                    f"{int(matrix.sum())} rows, {len(matrix)} classes, {len(labels)} labels",
                    "Give the matrix and the vocabulary that it was counted with.",
                )
            )
        rows = [
            _row(str(label), row, f1)
            for label, row, f1 in zip(labels, per_class(matrix), _f1_intervals(matrix), strict=True)
        ]
        total, right = int(matrix.sum()), int(matrix.trace())
        return cls(
            rows=tuple(rows),
            accuracy=Figure(right / total, wilson(right, total)),
            macro=_mean("macro avg", matrix, "macro"),
            weighted=_mean("weighted avg", matrix, "weighted"),
        )

    def worst(self, n: int | None = None) -> list[ReportRow]:
        """The classes from the lowest F1 on; those that do not occur come last.

        Args:
            n: How many at most; all if ``None``.
        """
        return sorted(self.rows, key=lambda r: math.inf if math.isnan(r.f1.value) else r.f1.value)[
            :n
        ]

    def text(self, worst: int | None = None) -> str:
        """Write the table as plain text.

        Args:
            worst: List so many classes, from the lowest F1 on; all, in the order of the
                vocabulary, if ``None``.
        """
        chosen = self.rows if worst is None else self.worst(worst)
        cells = [row.cells() for row in (*chosen, self.macro, self.weighted)]
        lines = _lines([_HEADERS, *([_fit(label), *rest] for label, *rest in cells)])
        notes = [self._said(), *self._left_out(len(chosen)), ""]
        return "\n".join([*notes, *lines[:-2], "", *lines[-2:]])

    def plot(self, *, worst: int = 30, figsize: tuple[float, float] | None = None) -> Drawing:
        """Draw recall and precision of each class, from the lowest recall on.

        Args:
            worst: How many classes to draw at most.
            figsize: Width and height, in inches.
        """
        from redstart.show.per_class import ClassScores, plot_per_class

        scores = [
            ClassScores(
                label=row.label,
                n=row.support,
                recall=row.recall.value,
                recall_interval=row.recall.interval,
                precision=row.precision.value,
                precision_interval=row.precision.interval,
            )
            for row in self.rows
        ]
        return plot_per_class(scores, worst=worst, figsize=figsize)

    def _limit(self) -> int | None:
        return None if len(self.rows) <= _WHOLE else _WORST

    def _said(self) -> str:
        n = sum(row.support for row in self.rows)
        rows = f"{n} row{'s' if n != 1 else ''}"
        return f"{rows}, {len(self.rows)} classes, accuracy {self.accuracy} (95% intervals)"

    def _left_out(self, listed: int) -> list[str]:
        if listed == len(self.rows):
            return []
        return [f"The {listed} classes with the lowest F1; `report.text()` lists all."]

    def _repr_html_(self) -> str:
        limit = self._limit()
        chosen = self.rows if limit is None else self.worst(limit)
        shown = [[*row.cells()[:-1], row.support] for row in (*chosen, self.macro, self.weighted)]
        notes = [self._said(), *self._left_out(len(chosen))]
        return "".join(f"<p>{escape(note)}</p>" for note in notes) + table(_HEADERS, shown)

    def __str__(self) -> str:
        return self.text(self._limit())

    def __repr__(self) -> str:
        return f"ClassificationReport({self._said()})"


def _row(label: str, row: ClassRow, f1_interval: Interval) -> ReportRow:
    unknown = math.nan
    return ReportRow(
        label=label,
        precision=Figure(row.precision if row.predicted else unknown, row.precision_interval),
        recall=Figure(row.recall if row.support else unknown, row.recall_interval),
        f1=Figure(row.f1 if row.support else unknown, f1_interval),
        support=row.support,
        predicted=row.predicted,
    )


def _f1_intervals(matrix: Tensor) -> list[Interval]:
    """Intervals of every class's F1, which depends on that class against all others alone."""
    hit, true, predicted = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
    false, missed = predicted - hit, true - hit
    cells = torch.stack([matrix.sum() - true - false, false, missed, hit], dim=1)
    values, sizes = effective_size(cells.double().view(-1, 2, 2), F1Score("binary").statistic)
    return [
        wilson(value * size, size) if rows else (0.0, 1.0)
        for value, size, rows in zip(values.tolist(), sizes.tolist(), true.tolist(), strict=True)
    ]


def _mean(label: str, matrix: Tensor, average: Average) -> ReportRow:
    total = int(matrix.sum())
    precision, recall, f1 = (
        Figure(metric.statistic(matrix.double()).item(), count_interval(matrix, metric.statistic))
        for metric in (Precision(average), Recall(average), F1Score(average))
    )
    return ReportRow(
        label=label, precision=precision, recall=recall, f1=f1, support=total, predicted=total
    )


def _lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align cells by their width on a terminal; the last column to the right."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for *cells, last in rows:
        pads = [" " * (w - cell_len(c)) for c, w in zip((*cells, last), widths, strict=True)]
        left = [cell + pad for cell, pad in zip(cells, pads, strict=False)]
        lines.append("  ".join([*left, pads[-1] + last]))
    return lines


def _fit(label: str) -> str:
    """A name on one line; the middle of a long one goes, since ends tell names apart."""
    from rich.cells import cell_len

    name = one_line(label)
    if cell_len(name) <= _LABEL:
        return name
    kept = min(len(name), _LABEL) - 1
    while kept:
        short = name[: kept - kept // 3] + "…" + name[len(name) - kept // 3 :]
        if cell_len(short) <= _LABEL:
            return short
        kept -= 1
    return "…"
