"""Which columns a model needs: how much worse it is when one of them is shuffled."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

from redstart.data.batch import Batch
from redstart.errors import ConfigError, problem
from redstart.metrics.interval import mean_interval
from redstart.metrics.make import as_metric
from redstart.metrics.mean import MeanMetric
from redstart.metrics.metric import Interval, Metric
from redstart.metrics.paired import paired_difference
from redstart.rng import generator
from redstart.show.digits import digits
from redstart.show.drawing import Drawing
from redstart.show.importance import plot_importance
from redstart.show.page import table
from redstart.show.progress import track
from redstart.tabular.codec import TabularCodec
from redstart.tabular.groups import Group, groups_of, shuffled
from redstart.tabular.rows import outputs, some_valid_rows
from redstart.train.losses import loss_of

if TYPE_CHECKING:
    from redstart.tabular.learner import TabularLearner

__all__ = ["ColumnImportance", "PermutationImportance", "permutation_importance"]


@dataclass(frozen=True, slots=True)
class ColumnImportance:
    """One column.

    Attributes:
        column: Its name in the user's table.
        value: How much worse the model is without it; below 0 if it is better.
        interval: At 95%, over rows; ``None`` where there is none to give.
    """

    column: str
    value: float
    interval: Interval | None

    @property
    def matters(self) -> bool:
        """Whether the interval lies above 0."""
        return self.interval is not None and self.interval[0] > 0


@final
@dataclass(frozen=True, slots=True, eq=False)
class PermutationImportance:
    """Columns from the most to the least important; in a notebook, a picture.

    Attributes:
        rows: One per column.
        measure: What got worse: ``"loss"`` or a metric.
        n_rows: Validation rows it was measured on.
        n_repeats: How often each column was shuffled.
    """

    rows: tuple[ColumnImportance, ...]
    measure: str
    n_rows: int
    n_repeats: int

    def __iter__(self) -> Iterator[ColumnImportance]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> ColumnImportance:
        """The row of a column."""
        return {row.column: row for row in self.rows}[column]

    def plot(self, most: int = 25, *, figsize: tuple[float, float] | None = None) -> Drawing:
        """Draw the most important columns as bars with their intervals.

        Args:
            most: How many at most.
            figsize: Width and height, in inches.
        """
        return plot_importance(
            [(row.column, row.value, row.interval) for row in self.rows],
            note=self._said(),
            most=most,
            figsize=figsize,
        )

    def _said(self) -> str:
        return (
            f"how much worse {self.measure} gets when a column is shuffled, "
            f"on {self.n_rows:,} validation rows"
        )

    def _repr_html_(self) -> str:
        return self.plot().html()

    def text(self, most: int | None = None) -> str:
        """Write the columns as a table.

        Args:
            most: How many at most; all if ``None``.
        """
        width = max((len(row.column) for row in self.rows), default=0)
        lines = [
            f"{row.column.ljust(width)}  {digits(row.value, sign=True)}{_ends(row.interval)}"
            for row in self.rows[:most]
        ]
        return "\n".join([self._said(), "", *lines])

    def html(self) -> str:
        """Write the columns as an HTML table."""
        rows = [[r.column, r.value, *(r.interval or (math.nan, math.nan))] for r in self.rows]
        return table(["column", f"worse in {self.measure}", "from", "to"], rows)

    def __repr__(self) -> str:
        return self.text(25)


def permutation_importance(
    learn: TabularLearner, metric: Any = None, *, n_repeats: int = 5, max_rows: int = 5000
) -> PermutationImportance:
    """Shuffle each column of the validation rows and see how much worse the model is.

    Breiman's permutation importance (2001, Machine Learning 45:5). What a column became
    (parts of a date, ``NAME_na``) is shuffled together. Of two columns that say the same
    each may look unimportant, since the other still tells.

    Args:
        learn: Its model predicts.
        metric: What it is measured by, as for ``metrics=``; the loss if left out.
        n_repeats: How often each column is shuffled.
        max_rows: Rows to measure on at most, drawn by the loaders' seed.

    Raises:
        NoValidationSetError: If there are no validation rows.
        ConfigError: If ``n_repeats`` or ``max_rows`` is not positive.
    """
    if n_repeats < 1:
        raise ConfigError(
            problem("Expected a positive `n_repeats`", f"n_repeats={n_repeats}", "Try 5.")
        )
    rows = some_valid_rows(learn.dls, max_rows)
    codec = learn.dls.codec
    assert isinstance(codec, TabularCodec)  # noqa: S101 - a tabular learner has no other
    judge = None if metric is None else as_metric(metric)
    base = outputs(learn, rows.x)
    score = _by_loss(learn, rows, base) if judge is None else _by_metric(judge, rows, base)
    found = []
    for number, group in enumerate(track(groups_of(codec), len(codec.inputs), "Shuffling")):
        outs = _shuffles(learn, rows, group, n_repeats, number)
        value, interval = score(outs)
        found.append(ColumnImportance(group.name, value, interval))
    found.sort(key=lambda row: -row.value)
    name = "loss" if judge is None else judge.name
    return PermutationImportance(tuple(found), name, len(rows), n_repeats)


def _shuffles(
    learn: TabularLearner, rows: Batch, group: Group, n_repeats: int, number: int
) -> list[Tensor]:
    """Outputs with one column shuffled, once per repeat."""
    orders = [
        torch.randperm(len(rows), generator=generator(learn.dls.seed, number, repeat))
        for repeat in range(n_repeats)
    ]
    return [outputs(learn, shuffled(rows.x, group, order)) for order in orders]


def _by_loss(learn: TabularLearner, rows: Batch, base: Tensor) -> Any:
    """Scores the mean rise of the loss; its interval is over rows."""
    loss = loss_of(learn.dls.target, learn.loss_func)
    truth = tuple(t.cpu() for t in rows.y or ())

    def losses(out: Tensor) -> Tensor:
        return loss(out, *truth, reduction="none").reshape(len(out), -1).mean(1).double()

    plain = losses(base)

    def score(outs: list[Tensor]) -> tuple[float, Interval | None]:
        rise = torch.stack([losses(out) for out in outs]).mean(0) - plain
        return _mean(rise)

    return score


def _by_metric(metric: Metric, rows: Batch, base: Tensor) -> Any:
    """Scores by how much the metric gets worse."""
    truth = (rows.y or ())[0].cpu()
    sign = 1 if metric.larger_is_better else -1

    def score(outs: list[Tensor]) -> tuple[float, Interval | None]:
        # A bootstrap takes long: it is done for one of the repeats.
        exact = isinstance(metric, MeanMetric)
        found = [
            paired_difference(metric, base, out, truth, resamples=200 if i == 0 else 1)
            for i, out in enumerate(outs)
        ]
        value = sign * sum(v for v, _ in found) / len(found)
        intervals = [i for _, i in (found if exact else found[:1]) if i is not None]
        if not intervals:
            return value, None
        ends = sorted(sign * sum(i[end] for i in intervals) / len(intervals) for end in (0, 1))
        return value, (ends[0], ends[1])

    return score


def _mean(values: Tensor) -> tuple[float, Interval | None]:
    total, squares = values.sum().item(), values.square().sum().item()
    return total / len(values), mean_interval(total, squares, len(values))


def _ends(interval: Interval | None) -> str:
    if interval is None:
        return ""
    low, high = (digits(end, sign=True) for end in interval)
    return f"  [{low}, {high}]"
