"""Importance of columns as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redstart.errors import ConfigError, problem
from redstart.show.digits import digits
from redstart.show.drawing import BLUE, DARK, GREY, Drawing, heading, new_figure, style
from redstart.show.lettering import one_line, shorten, text_width

__all__ = ["plot_importance"]

Bar = tuple[str, float, tuple[float, float] | None]


def plot_importance(
    bars: Sequence[Bar],
    *,
    note: str = "",
    most: int = 25,
    figsize: tuple[float, float] | None = None,
    title: str | None = "Importance of the columns",
) -> Drawing:
    """Draw how important each column is, with 95% intervals; in grey those that may not matter.

    Args:
        bars: Name, value and interval of each column, in the order wanted.
        note: A line below the heading.
        most: How many to draw at most, the first ones.
        figsize: Width and height in inches; chosen by the number of columns if ``None``.
        title: The heading.

    Raises:
        ConfigError: If there is nothing to draw.
    """
    chosen = list(bars)[: max(most, 0)]
    if not chosen:
        raise ConfigError(
            problem("Expected a column to draw", f"{len(bars)} columns, most={most}", "Draw one.")
        )
    names = [shorten(one_line(name), 170, 9) for name, _, _ in chosen]
    if len(chosen) < len(bars):
        note = f"the first {len(chosen)} of {len(bars)} columns; {note}"
    with style():
        left = max(text_width(name, 9) for name in names) / 72 + 0.3
        width, height = figsize or (left + 5.4, 1.2 + 0.26 * len(chosen))
        fig = new_figure(width, height)
        box = (left / width, 0.4 / height, (width - left - 0.8) / width, (height - 1.05) / height)
        ax = fig.add_axes(box)
        _draw(ax, chosen)
        ax.set_yticks(range(len(names)), names, parse_math=False)
        heading(fig, title, note)
    return Drawing(fig, f"importance of {len(chosen)} columns")


def _draw(ax: Any, chosen: Sequence[Bar]) -> None:
    ends = [end for _, value, interval in chosen for end in (value, *(interval or ()))]
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = (high - low) * 0.02 or 0.02
    for y, (_, value, interval) in enumerate(chosen):
        sure = interval is not None and interval[0] > 0
        ax.barh(y, value, height=0.66, color=BLUE if sure else GREY, alpha=0.55 if sure else 0.4)
        right = max(value, 0.0)
        if interval is not None:
            ax.plot(interval, [y, y], color=DARK, linewidth=1.4, solid_capstyle="butt")
            right = max(right, interval[1])
        ax.text(right + room, y, digits(value), size=9, va="center", color=DARK)
    ax.axvline(0, color="#999999", linewidth=0.8)
    ax.set(xlim=(low - room * (low < 0), high + room), ylim=(len(chosen) - 0.4, -0.6))
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0, labelcolor=DARK)
