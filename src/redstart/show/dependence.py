"""Partial dependence: what a model says over the values of one column or two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from redstart.show.digits import digits, told_apart
from redstart.show.drawing import BLUE, DARK, GREY, Drawing, heading, new_figure, style
from redstart.show.lettering import one_line, shorten, text_width

__all__ = ["Axis", "plot_dependence", "plot_dependence_of_two"]

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Axis:
    """One column.

    Attributes:
        name: Of the column.
        values: Numbers, rising, or names of categories.
        shares: Of the rows, of each category; empty for numbers.
    """

    name: str
    values: tuple[Any, ...]
    shares: tuple[float, ...] = ()

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers."""
        return not self.shares

    def labels(self, room: float) -> list[str]:
        """Names of the values, each at most ``room`` points wide."""
        if self.is_number:
            return told_apart(self.values)
        return [shorten(one_line(str(v)), room, 9) for v in self.values]


def plot_dependence(
    axis: Axis,
    mean: Values,
    rows: Values,
    what: str,
    *,
    figsize: tuple[float, float] | None = None,
) -> Drawing:
    """Draw a mean over the values of a column, and single rows in grey.

    Args:
        axis: The column, with G values.
        mean: ``(G,)``.
        rows: ``(N, G)``; may be of no row.
        what: What the numbers are.
        figsize: Width and height in inches.
    """
    with style():
        draw = _line if axis.is_number else _bars
        fig = draw(axis, mean, rows, what, figsize)
        few = " and, in grey, single rows" if len(rows) else ""
        note = f"mean over rows{few}; their other columns stay as they are"
        heading(fig, f"{what} by {axis.name}", note)
    return Drawing(fig, f"{what} by {axis.name}")


def plot_dependence_of_two(
    axes: Sequence[Axis],
    mean: Values,
    what: str,
    *,
    figsize: tuple[float, float] | None = None,
) -> Drawing:
    """Draw a mean over the values of two columns as a grid of coloured fields.

    Args:
        axes: The columns, with G1 and G2 values; the first goes up, the second across.
        mean: ``(G1, G2)``.
        what: What the numbers are.
        figsize: Width and height in inches.
    """
    up, across = axes
    with style():
        labels = up.labels(120)
        below = across.labels(90)
        tilted = max(text_width(label, 9) for label in below) > 30
        foot = 0.55 + (max(text_width(label, 9) for label in below) / 72 if tilted else 0.2)
        left = max(text_width(label, 9) for label in labels) / 72 + 0.6
        width, height = figsize or (
            left + 1.3 + 0.46 * len(below),
            foot + 0.85 + 0.36 * len(labels),
        )
        fig = new_figure(width, height)
        box = (left / width, foot / height)
        ax = fig.add_axes((*box, (width - left - 1.2) / width, (height - foot - 0.75) / height))
        shown = ax.imshow(mean, origin="lower", aspect="auto", cmap="viridis")
        ax.set_yticks(range(len(labels)), labels, parse_math=False)
        ax.set_xticks(range(len(below)), below, rotation=90 if tilted else 0, parse_math=False)
        ax.set_xlabel(one_line(across.name), parse_math=False)
        ax.set_ylabel(one_line(up.name), parse_math=False)
        ax.grid(False)
        bar = fig.add_axes(((width - 1.05) / width, box[1], 0.18 / width, ax.get_position().height))
        fig.colorbar(shown, cax=bar)
        _set_thousands_apart(bar.yaxis, mean)
        bar.grid(False)
        heading(fig, f"{what} by {up.name} and {across.name}", "mean over rows")
    return Drawing(fig, f"{what} by {up.name} and {across.name}")


def _line(
    axis: Axis, mean: Values, rows: Values, what: str, figsize: tuple[float, float] | None
) -> Any:
    width, height = figsize or (6.4, 4.2)
    fig = new_figure(width, height)
    ends = (float(mean.min()), float(mean.max()), *(rows.min(initial=0), rows.max(initial=0)))
    left = 0.5 + max(text_width(digits(end), 9) for end in ends) / 72
    box = (left / width, 0.6 / height, (width - left - 0.2) / width, (height - 1.25) / height)
    ax = fig.add_axes(box)
    at = np.asarray(axis.values, dtype=np.float64)
    for row in rows:
        ax.plot(at, row, color=GREY, alpha=0.25, linewidth=0.8)
    ax.plot(at, mean, color=BLUE, linewidth=2.4, marker="." if len(at) < 30 else "")
    # Where rows are: the grid has equally many between two of its values.
    ax.plot(at, np.zeros(len(at)), "|", color=DARK, ms=7, transform=ax.get_xaxis_transform())
    ax.set_xlabel(one_line(axis.name), parse_math=False)
    ax.set_ylabel(one_line(what), parse_math=False)
    _set_thousands_apart(ax.yaxis, mean)
    return fig


def _bars(
    axis: Axis, mean: Values, rows: Values, what: str, figsize: tuple[float, float] | None
) -> Any:
    names = axis.labels(150)
    names = [f"{name}  {_percent(share)}" for name, share in zip(names, axis.shares, strict=True)]
    left = max(text_width(name, 9) for name in names) / 72 + 0.3
    width, height = figsize or (left + 5.0, 1.5 + 0.3 * len(names))
    fig = new_figure(width, height)
    box = (left / width, 0.62 / height, (width - left - 0.75) / width, (height - 1.3) / height)
    ax = fig.add_axes(box)
    places = np.arange(len(names))
    for row in rows:
        ax.plot(row, places, ".", color=GREY, alpha=0.3, ms=4)
    ax.plot(mean, places, "o", color=BLUE, ms=8)
    for place, value in zip(places, mean, strict=True):
        said = digits(value)
        ax.annotate(
            said,
            (1, place),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            size=9,
            color=BLUE,
        )
    ax.set(ylim=(len(names) - 0.4, -0.6))
    ax.set_yticks(places, names, parse_math=False)
    ax.set_xlabel(one_line(what), parse_math=False)
    _set_thousands_apart(ax.xaxis, mean)
    ax.tick_params(axis="y", length=0, labelcolor=DARK)
    return fig


def _percent(share: float) -> str:
    return "<1%" if share < 0.005 else f"{share:.0%}"


def _set_thousands_apart(axis: Any, values: Values) -> None:
    if float(np.abs(values).max()) >= 1000:
        axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
