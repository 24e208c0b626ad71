"""What was found about slices of rows: how weak they are, in figures, words and a picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from redstart.metrics.metric import Interval
from redstart.show.card import Card
from redstart.show.digits import digits
from redstart.show.page import table

if TYPE_CHECKING:
    from redstart.show.drawing import Drawing

__all__ = ["Slice", "Slices"]

_LISTED = 5  # in text; the table has more
_IN_TABLE = 12
_FINE = 1000  # rows from which a share has three decimals


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slice:
    """Some of the rows, and how well the model does on them.

    Attributes:
        words: What they have in common, such as ``brightness below 0.2``.
        columns: The column, or two.
        rows: Positions among the scores, ``(n,)``, the worst first.
        value: Mean score.
        interval: Its 95% interval; ``None`` where there is none to give.
        rest: Mean score of all other rows.
        rest_interval: Its 95% interval.
        difference: ``value - rest``.
        difference_interval: Its 95% interval.
        expected: Mean score to expect on new rows of this kind. It is nearer to the mean of
            all: the worst of many is partly bad luck.
        p: How likely rows drawn at random are to look as weak, in [0, 1].
        corrected: How likely the weakest of all slices that were looked at is to look as
            weak, if none is, in [0, 1].
        also: Other slices which are weak by the same rows.
    """

    words: str
    columns: tuple[str, ...]
    rows: NDArray[np.intp]
    value: float
    interval: Interval | None
    rest: float
    rest_interval: Interval | None
    difference: float
    difference_interval: Interval | None
    expected: float
    p: float
    corrected: float
    also: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"Slice({self.words}: {len(self)} rows, {self.value:.4g} against {self.rest:.4g})"


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slices:
    """What was looked at, and what is weaker than the rest beyond chance.

    Attributes:
        figure: Name of the score, such as ``accuracy``.
        worse: Whether ``low`` or ``high`` scores are worse.
        share: Whether scores are hits and misses.
        n_rows: Rows that were looked at.
        overall: Mean score of all rows.
        overall_interval: Its 95% interval.
        slices: All slices, the least likely by chance first.
        weak: Those which are weaker than the rest, the worst first; each of which says
            something that those before it do not.
        visible: The difference that would have been seen, four times in five, in a slice of
            typical size; NaN if there are no slices.
        shuffles: How often scores were shuffled to tell what chance does.
        index: Row number of each position, ``(N,)``; positions themselves if ``None``.
        draw: Makes cards of positions; ``None`` where rows cannot be looked at.
    """

    figure: str
    worse: Literal["low", "high"]
    share: bool
    n_rows: int
    overall: float
    overall_interval: Interval | None
    slices: tuple[Slice, ...]
    weak: tuple[Slice, ...]
    visible: float
    shuffles: int
    index: NDArray[np.int64] | None = None
    draw: Callable[[Sequence[int]], list[Card]] | None = None

    def rows_of(self, found: Slice) -> list[int]:
        """Row numbers of a slice, the worst first."""
        rows = found.rows if self.index is None else self.index[found.rows]
        return [int(row) for row in rows]

    def cards(self, found: Slice, most: int = 8) -> list[Card]:
        """The worst rows of a slice, to be looked at; none where rows cannot be.

        Args:
            found: One of ``slices``.
            most: Cards at most.
        """
        return [] if self.draw is None else self.draw(found.rows[:most].tolist())

    def sentence(self, found: Slice) -> str:
        """Say how weak a slice is."""
        write = self._writer(len(found))
        rows = f"{len(found):,} rows"
        chance = f"p = {max(found.corrected, 1e-4):.2g} after correction"
        return (
            f"{found.words} ({rows}): {self.figure} {_with(found.value, found.interval, write)} "
            f"against {write(found.rest)} for the rest; expect about {write(found.expected)} on "
            f"new rows ({chance})"
        )

    def said(self) -> str:
        """Say in one sentence, or two, what was found."""
        looked = f"Of {len(self.slices)} slices looked at"
        if not self.slices:
            return f"No slice of these {self.n_rows} rows is large enough to be looked at."
        if not self.weak:
            seen = ""
            if math.isfinite(self.visible):
                size = int(np.median([len(s) for s in self.slices]))
                seen = (
                    f" In a slice of {size:,} rows, a difference of about "
                    f"{self._writer(size)(self.visible)} would most likely have been seen."
                )
            return f"{looked}, none is weaker than the rest beyond chance.{seen}"
        verb = "is" if len(self.weak) == 1 else "are"
        same = sum(len(found.also) for found in self.weak)
        more = f" ({same} more by the same rows)" if same else ""
        return f"{looked}, {len(self.weak)} {verb} weaker than the rest beyond chance{more}."

    def table(self, most: int = _IN_TABLE) -> tuple[list[str], list[list[str]]]:
        """Headers and rows of a table: the weak slices, then the weakest of the others.

        Args:
            most: Slices at most.
        """
        headers = ["slice", "rows", self.figure, "rest", "difference", "expected", "p, corrected"]
        listed = {w for s in self.weak for w in (s.words, *s.also)}
        others = [s for s in self.slices if s.words not in listed and self._weaker(s)]
        return headers, [self._cells(s) for s in (*self.weak, *others)[:most]]

    def plot(self, *, most: int = 20, figsize: tuple[float, float] | None = None) -> Drawing:
        """Draw the weak slices and the weakest of the others, with 95% intervals.

        Args:
            most: Slices at most.
            figsize: Width and height, in inches.

        Raises:
            ConfigError: If there is no slice to draw.
        """
        from redstart.show.slices import SliceBar, plot_slices

        listed = {w for s in self.weak for w in (s.words, *s.also)}
        others = [s for s in self.slices if s.words not in listed]
        return plot_slices(
            [
                SliceBar(s.words, len(s), s.value, s.interval, s.expected, s.words in listed)
                for s in (*self.weak, *others)[:most]
            ],
            self.overall,
            figure=self.figure,
            note=self.said(),
            share=self.share,
            figsize=figsize,
        )

    def _weaker(self, found: Slice) -> bool:
        return found.difference < 0 if self.worse == "low" else found.difference > 0

    def _writer(self, n: int) -> Any:
        if not self.share:
            return digits
        return lambda value: f"{value:.{3 if n >= _FINE else 2}f}"

    def _cells(self, found: Slice) -> list[str]:
        write = self._writer(len(found))
        return [
            found.words,
            f"{len(found):,}",
            _with(found.value, found.interval, write),
            write(found.rest),
            _with(found.difference, found.difference_interval, write),
            write(found.expected),
            f"{max(found.corrected, 1e-4):.2g}",
        ]

    def _repr_html_(self) -> str:
        headers, rows = self.table()
        return f"<p>{escape(self.said())}</p>" + (table(headers, rows) if rows else "")

    def __str__(self) -> str:
        lines = [self.said(), *(f"  {self.sentence(s)}" for s in self.weak[:_LISTED])]
        if len(self.weak) > _LISTED:
            lines.append(f"  and {len(self.weak) - _LISTED} more")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Slices({self.said()})"


def _with(value: float, interval: Interval | None, write: Any) -> str:
    if interval is None:
        return str(write(value))
    return f"{write(value)} [{write(interval[0])}, {write(interval[1])}]"
