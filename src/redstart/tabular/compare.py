"""A model beside its baseline: both figures, their difference, and whether it is one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, final

from torch import Tensor

from redstart.metrics.metric import Interval, Metric
from redstart.metrics.paired import measured, paired_difference
from redstart.show.digits import aligned, digits, places
from redstart.show.page import table
from redstart.tabular.baseline import Baseline
from redstart.tabular.rows import outputs, validation_rows
from redstart.train.measure import metrics_of

if TYPE_CHECKING:
    from redstart.tabular.learner import TabularLearner

__all__ = ["Compared", "Report", "compare"]

_HEADERS = ("metric", "model", "baseline", "difference")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One metric of two models on the same rows.

    Attributes:
        metric: Its name.
        larger_is_better: Which way is good.
        model: The model's figure and its 95% interval.
        baseline: The baseline's, likewise.
        difference: The model's less the baseline's, with the interval of that: a paired
            one, which is narrower than the two beside it suggest.
    """

    metric: str
    larger_is_better: bool
    model: tuple[float, Interval | None]
    baseline: tuple[float, Interval | None]
    difference: tuple[float, Interval | None]

    @property
    def verdict(self) -> str:
        """``"better"``, ``"worse"``, or ``"even"`` where the interval holds 0."""
        value, interval = self.difference
        if interval is None or interval[0] <= 0 <= interval[1] or math.isnan(value):
            return "even"
        return "better" if (value > 0) == self.larger_is_better else "worse"

    def said(self, n_rows: int, baseline: str) -> str:
        """The verdict as a sentence."""
        value, interval = self.difference
        if interval is None or self.verdict == "even":
            return f"{self.metric}: cannot be told apart from {baseline} on {n_rows:,} rows."
        low, high = (digits(end, sign=True) for end in interval)
        return (
            f"{self.metric}: {self.verdict} than {baseline} by {digits(abs(value))}; the "
            f"difference, between {low} and {high}, is more than chance on {n_rows:,} rows."
        )

    def cells(self) -> list[str]:
        """The row of the table."""
        figures = (_figure(self.model), _figure(self.baseline))
        return [self.metric, *figures, _figure(self.difference, sign=True)]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """The figures of a model beside those of boosted trees; printed, it is a table.

    Attributes:
        rows: One per metric.
        n_rows: Validation rows.
        n_train: Training rows.
        model: What the model is.
        trees: The baseline.
    """

    rows: tuple[Compared, ...]
    n_rows: int
    n_train: int
    model: str
    trees: Baseline

    def sentences(self) -> list[str]:
        """What the table says, in words."""
        return [row.said(self.n_rows, self.trees.name) for row in self.rows]

    def _notes(self) -> list[str]:
        both = f"{self.model} and {self.trees.name} on the same {self.n_rows:,} validation rows"
        return [f"{both} (95% intervals)", f"Baseline: {self.trees.said()}."]

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{escape(note)}</p>" for note in self._notes())
        words = "".join(f"<p>{escape(said)}</p>" for said in self.sentences())
        return notes + table(_HEADERS, [row.cells() for row in self.rows]) + words

    def __str__(self) -> str:
        lines = aligned(_HEADERS, [row.cells() for row in self.rows])
        return "\n".join([*self._notes(), "", *lines, "", *self.sentences()])

    __repr__ = __str__


def compare(learn: TabularLearner, baseline: Baseline) -> Report:
    """Compare a learner's model with a baseline on all validation rows.

    Args:
        learn: Its model predicts, and its metrics are worked out; the target's own if it
            has none.
        baseline: Scored on the same rows.

    Raises:
        NoValidationSetError: If there are no validation rows.
    """
    rows = validation_rows(learn.dls)
    out, truth = outputs(learn, rows.x), baseline.scored.y
    target = learn.dls.target
    metrics = metrics_of(target, learn.metrics) or list(target.metrics())
    return Report(
        rows=tuple(_compared(metric, out, baseline, truth) for metric in metrics),
        n_rows=len(rows),
        n_train=learn.dls.train.n_rows,
        model=type(learn.model).__name__,
        trees=baseline,
    )


def _compared(metric: Metric, out: Tensor, baseline: Baseline, truth: Tensor) -> Compared:
    theirs = baseline.scored.out
    mine = (measured(metric, out, truth), metric.interval())
    other = (measured(metric, theirs, truth), metric.interval())
    return Compared(
        metric=metric.name,
        larger_is_better=metric.larger_is_better,
        model=mine,
        baseline=other,
        difference=paired_difference(metric, out, theirs, truth),
    )


def _figure(found: tuple[float, Interval | None], *, sign: bool = False) -> str:
    value, interval = found
    said = places([value, *(interval or ())], sign=sign)
    return said[0] if interval is None else f"{said[0]} [{said[1]}, {said[2]}]"
