"""A model beside others on the same rows: figures, their differences, and what they say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal, final

from torch import Tensor

from redstart.errors import DataError, problem
from redstart.evaluate.seeds import Runs, difference_of_runs, figure_of_runs
from redstart.metrics.cluster import FEW_GROUPS, group_numbers
from redstart.metrics.metric import Interval, Metric
from redstart.metrics.size import rows_for_difference
from redstart.show.digits import aligned, digits, places
from redstart.show.page import table

__all__ = ["Compared", "Comparison", "Figure", "Verdict", "compare_outputs", "shown"]

Figure = tuple[float, Interval | None]
"""A value and its 95% interval, where there is one."""
Verdict = Literal["better", "worse", "even"]

_NORMAL = 1.959963984540054
_SMALL = 0.2
"""A difference of fewer standard errors is as good as none: it says nothing of the true one."""
_POINT = 0.01


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One metric of two models on the same rows.

    Attributes:
        metric: Its name.
        larger_is_better: Which way is good.
        model: The model's figure and its 95% interval.
        other: The other's, likewise.
        difference: The model's less the other's, with the interval of that: a paired
            one, which is narrower than the two beside it suggest.
        names: What people call the two.
        n_rows: Rows they were measured on.
        n_groups: Groups that these come in; 0 if each row stands for itself.
        seeds: Figures of single runs of the two, where several were trained.
    """

    metric: str
    larger_is_better: bool
    model: Figure
    other: Figure
    difference: Figure
    names: tuple[str, str] = ("model", "baseline")
    n_rows: int = 0
    n_groups: int = 0
    seeds: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    @property
    def verdict(self) -> Verdict:
        """``"better"``, ``"worse"``, or ``"even"`` where the interval holds 0."""
        value, interval = self.difference
        if interval is None or interval[0] <= 0 <= interval[1] or math.isnan(value):
            return "even"
        return "better" if (value > 0) == self.larger_is_better else "worse"

    @property
    def sought(self) -> float:
        """The difference that ``needed`` is about, without its sign.

        The one that was seen; where that is as good as none, one point of a share or one
        hundredth of any other figure.
        """
        value, interval = self.difference
        seen = abs(value)
        if interval is not None and seen < _SMALL * _error(interval):
            largest = max(abs(self.model[0]), abs(self.other[0]))
            return _POINT if largest <= 1 else _POINT * largest
        return seen

    @property
    def needed(self) -> int | None:
        """About how many such rows would tell the two apart; ``None`` if it cannot be said.

        In groups as they are here, where rows come in groups; with as many runs, where
        several were trained.
        """
        _, interval = self.difference
        if interval is None or self.n_rows < 2 or not self.sought > 0:
            return None
        std = _error(interval) * math.sqrt(self.n_rows)
        return _round(rows_for_difference(std, self.sought))

    def said(self) -> str:
        """The verdict as a sentence."""
        value, interval = self.difference
        on = self._rows()
        mine, other = self.names
        if math.isnan(value):
            return f"{self.metric}: is not defined for both on {on}."
        if interval is None:
            same = "are the same" if value == 0 else "cannot be told apart: too few to tell by"
            return f"{self.metric}: {mine} and {other} {same} on {on}."
        if max(map(abs, interval)) > 1 and max(abs(self.model[0]), abs(self.other[0])) <= 1:
            return f"{self.metric}: {mine} cannot be told apart from {other}: {on} are too few."
        low, high = (digits(end, sign=True) for end in interval)
        if self.verdict != "even":
            return (
                f"{self.metric}: {mine} is {self.verdict} than {other} by {digits(abs(value))}; "
                f"the difference, between {low} and {high}, is more than chance on {on}."
            )
        return (
            f"{self.metric}: {mine} cannot be told apart from {other} with {on} (the difference "
            f"is between {low} and {high}){self._wanted()}"
        )

    def cells(self) -> list[str]:
        """The row of a table of two: metric, both figures, their difference."""
        return [
            self.metric,
            shown(self.model),
            shown(self.other),
            shown(self.difference, sign=True),
        ]

    def _rows(self) -> str:
        on = f"{self.n_rows:,} row{'s' * (self.n_rows != 1)}"
        return f"{on} of {self.n_groups:,} groups" if self.n_groups else on

    def _wanted(self) -> str:
        if self.n_groups:
            return "; more groups would narrow it, more rows of the same ones hardly."
        if self.needed is None or self.needed <= self.n_rows:
            return "."
        seen = self.sought == abs(self.difference[0])
        what = f"the {digits(self.sought)} seen here" if seen else digits(self.sought)
        return f"; about {self.needed:,} would do to tell a difference of {what}."


@final
@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """A model beside one or several others; printed, it is a table and what it says.

    Attributes:
        rows: Every metric of the first other, then of the next.
        notes: What was compared, on what.
    """

    rows: tuple[Compared, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def n_rows(self) -> int:
        """Rows that all were measured on."""
        return self.rows[0].n_rows if self.rows else 0

    def __getitem__(self, metric: str) -> Compared:
        """The first row of a metric, by its name."""
        for row in self.rows:
            if row.metric == metric:
                return row
        known = ", ".join(dict.fromkeys(row.metric for row in self.rows))
        raise KeyError(f"{metric!r}; there are {known}")

    def against(self, name: str) -> tuple[Compared, ...]:
        """The rows of one of the others."""
        return tuple(row for row in self.rows if row.names[1] == name)

    def sentences(self) -> list[str]:
        """What the table says, in words."""
        return [row.said() for row in self.rows]

    def cells(self) -> tuple[tuple[str, ...], list[list[str]]]:
        """Headers and cells: one other in a column of its own, several below each other."""
        names = list(dict.fromkeys(row.names for row in self.rows))
        if len(names) == 1:
            return ("metric", *names[0], "difference"), [row.cells() for row in self.rows]
        found = []
        for metric in dict.fromkeys(row.metric for row in self.rows):
            rows = [row for row in self.rows if row.metric == metric]
            found.append([metric, rows[0].names[0], shown(rows[0].model), ""])
            for row in rows:
                gap = shown(row.difference, sign=True)
                found.append(["", row.names[1], shown(row.other), gap])
        return ("metric", "", "figure", "less this"), found

    def markdown(self) -> str:
        """Notes, table and sentences as Markdown."""
        headers, rows = self.cells()
        lines = [_line(headers), _line(["---"] * len(headers)), *map(_line, rows)]
        listed = [f"- {said}" for said in self.sentences()]
        return "\n".join([*self.notes, "", *lines, "", *listed])

    def _repr_html_(self) -> str:
        headers, rows = self.cells()
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        words = "".join(f"<p>{escape(said)}</p>" for said in self.sentences())
        return notes + table(headers, rows) + words

    def __str__(self) -> str:
        headers, rows = self.cells()
        return "\n".join([*self.notes, "", *aligned(headers, rows), "", *self.sentences()])

    __repr__ = __str__


def compare_outputs(
    metrics: Sequence[Metric],
    outs: Mapping[str, Tensor | Sequence[Tensor]],
    *y: Tensor,
    groups: Tensor | Sequence[Any] | None = None,
    notes: Sequence[str] = (),
) -> Comparison:
    """Compare the outputs of a model with those of others for the same rows.

    Args:
        metrics: What is worked out. Their states are lost.
        outs: By name, the model first: raw outputs, ``(N, ...)``; a list of them where the
            model was trained several times. Then figures are means over the runs, and the
            intervals have in them how runs differ, too.
        *y: Encoded targets, ``(N, ...)`` each.
        groups: The group of each row, as for ``cluster_interval``, where rows come in some.
        notes: Lines above the table.

    Raises:
        DataError: If there are fewer than two models, or numbers of rows differ.
    """
    runs = {name: [out] if isinstance(out, Tensor) else list(out) for name, out in outs.items()}
    n = _check(runs, y)
    codes = None if groups is None else group_numbers(groups, n)
    n_groups = 0 if codes is None else int(codes.max()) + 1
    (mine, first), *others = runs.items()
    rows = []
    figures = {
        (name, metric.name): figure_of_runs(metric, one, y, codes)
        for name, one in runs.items()
        for metric in metrics
    }
    for name, other in others:
        for metric in metrics:
            model, rival = figures[mine, metric.name], figures[name, metric.name]
            difference = difference_of_runs(metric, first, other, y, codes)
            several = max(len(first), len(other)) > 1
            rows.append(
                Compared(
                    metric=metric.name,
                    larger_is_better=metric.larger_is_better,
                    model=(model.value, model.interval),
                    other=(rival.value, rival.interval),
                    difference=difference,
                    names=(mine, name),
                    n_rows=n,
                    n_groups=n_groups,
                    seeds=(model.each, rival.each) if several else None,
                )
            )
    said = [*notes, *_of_groups(n_groups), *_of_seeds(figures)]
    return Comparison(tuple(rows), tuple(said))


def shown(figure: Figure, *, sign: bool = False) -> str:
    """Write a figure with its interval.

    Args:
        figure: The value and both ends.
        sign: Whether to write a plus.
    """
    value, interval = figure
    said = places([value, *(interval or ())], sign=sign)
    return said[0] if interval is None else f"{said[0]} [{said[1]}, {said[2]}]"


def _check(runs: Mapping[str, Sequence[Tensor]], y: Sequence[Tensor]) -> int:
    sizes = {name: sorted({len(out) for out in one}) for name, one in runs.items()}
    wanted = [len(t) for t in y]
    if len(runs) < 2 or not wanted or any(found != [wanted[0]] for found in sizes.values()):
        raise DataError(
            problem(
                "Expected outputs of two models or more for the same rows",
                f"rows of each model={sizes}, of the targets={wanted}",
                "Predict the same rows with each.",
            )
        )
    return wanted[0]


def _of_groups(n: int) -> list[str]:
    if not n:
        return []
    said = f"Rows come in {n:,} groups, and intervals count groups."
    return [said + " So few leave rough intervals." if n < FEW_GROUPS else said]


def _of_seeds(figures: Mapping[tuple[str, str], Runs]) -> list[str]:
    return [
        f"{metric} of {name}: {one.said()}"
        for (name, metric), one in figures.items()
        if len(one.each) > 1
    ]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _error(interval: Interval) -> float:
    """The standard error that an interval was made of, nearly."""
    return (interval[1] - interval[0]) / (2 * _NORMAL)


def _round(n: int) -> int:
    """To two digits, upwards."""
    step: int = 10 ** max(len(str(n)) - 2, 0)
    return -(-n // step) * step
