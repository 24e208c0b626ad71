"""Slices of rows as points with intervals, beside the mean of all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redstart.errors import ConfigError, problem
from redstart.show.digits import digits
from redstart.show.drawing import DARK, GREY, ORANGE, Drawing, heading, new_figure, style
from redstart.show.lettering import one_line, shorten, text_width

__all__ = ["SliceBar", "plot_slices"]


@dataclass(frozen=True, slots=True)
class SliceBar:
    """What is known of one slice, for ``plot_slices``.

    Attributes:
        words: What its rows have in common.
        n: How many rows.
        value: Mean score.
        interval: Its 95% interval.
        expected: Mean score to expect on new rows.
        weak: Whether it is weaker than the rest beyond chance.
    """

    words: str
    n: int
    value: float
    interval: tuple[float, float] | None
    expected: float
    weak: bool


def plot_slices(
    bars: Sequence[SliceBar],
    overall: float,
    *,
    figure: str = "score",
    note: str = "",
    share: bool = False,
    figsize: tuple[float, float] | None = None,
    title: str | None = "Slices",
) -> Drawing:
    """Draw the mean score of slices with 95% intervals; weak ones in orange, others in grey.

    A dot is what was seen, a ring what to expect on new rows, the line the mean of all rows.

    Args:
        bars: In the order wanted.
        overall: Mean score of all rows.
        figure: What the score is called.
        note: A line below the heading.
        share: Whether scores are shares, in [0, 1].
        figsize: Width and height in inches; chosen by the number of slices if ``None``.
        title: The heading.

    Raises:
        ConfigError: If there is nothing to draw.
    """
    if not bars:
        raise ConfigError(
            problem("Expected a slice to draw", "0 slices", "Look at more rows, or other columns.")
        )
    names = [_with_count(bar) for bar in bars]
    with style():
        left = max(text_width(name, 9) for name in names) / 72 + 0.3
        width, height = figsize or (left + 5.0, 1.45 + 0.26 * len(bars))
        fig = new_figure(width, height)
        box = (left / width, 0.62 / height, (width - left - 0.75) / width, (height - 1.3) / height)
        ax = fig.add_axes(box)
        _draw(ax, bars, overall, share)
        ax.set_yticks(range(len(names)), names, parse_math=False)
        under = f"{figure}; dot: seen, with 95% interval; ring: expected on new rows"
        ax.set_xlabel(shorten(one_line(under), 340, 9), size=9, parse_math=False)
        heading(fig, title, note)
    return Drawing(fig, f"{figure} of {len(bars)} slices of the rows")


def _draw(ax: Any, bars: Sequence[SliceBar], overall: float, share: bool) -> None:
    ax.axvline(overall, color=DARK, linewidth=1.0, linestyle="--")
    ends = [overall]
    for y, bar in enumerate(bars):
        color = ORANGE if bar.weak else GREY
        if bar.interval is not None:
            ax.plot(bar.interval, [y, y], color=color, linewidth=1.8, solid_capstyle="butt")
        ax.plot([bar.value], [y], "o", color=color, markersize=5)
        look = {"markerfacecolor": "white", "markeredgecolor": color, "markersize": 5.5}
        ax.plot([bar.expected], [y], "o", zorder=1.9, **look)
        ends += [bar.value, *(bar.interval or ())]
    low, high = min(ends), max(ends)
    room = (high - low) * 0.04 or 0.02
    limits = (low - room, high + room)
    ax.set(xlim=limits, ylim=(len(bars) - 0.4, -0.6))
    for y, bar in enumerate(bars):
        words = f"{bar.value:.2f}" if share else digits(bar.value)
        ax.text(1.015, y, words, size=9, va="center", color=DARK, transform=_beside(ax))
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0, labelcolor=DARK)


def _beside(ax: Any) -> Any:
    """Across in parts of the axes, down in rows."""
    return ax.get_yaxis_transform()


def _with_count(bar: SliceBar) -> str:
    count = f"  ({bar.n:,})"
    return shorten(one_line(bar.words), 250 - text_width(count, 9), 9) + count
