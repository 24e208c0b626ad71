"""The picture of a per-class report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redstart.errors import ConfigError, problem
from redstart.show.drawing import BLUE, DARK, ORANGE, Drawing, heading, new_figure, style
from redstart.show.lettering import one_line, shorten, text_width

__all__ = ["ClassScores", "plot_per_class"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScores:
    """What is known of one class, for ``plot_per_class``.

    Attributes:
        label: Its name.
        n: How many rows are of this class.
        recall: Share of its rows that were found, in [0, 1]; NaN without rows.
        recall_interval: Lower and upper end of the 95% interval.
        precision: Share of the rows given its name that are of it; NaN if none was.
        precision_interval: Lower and upper end of the 95% interval.
    """

    label: str
    n: int
    recall: float
    recall_interval: tuple[float, float]
    precision: float
    precision_interval: tuple[float, float]


def plot_per_class(
    scores: Sequence[ClassScores],
    *,
    worst: int = 30,
    figsize: tuple[float, float] | None = None,
    title: str | None = "Per class",
) -> Drawing:
    """Draw recall and precision of each class as bars, with their 95% intervals.

    Args:
        scores: One per class, in any order; drawn from the lowest recall on.
        worst: How many classes to draw at most.
        figsize: Width and height in inches; chosen by the number of classes if ``None``.
        title: The heading.

    Returns:
        The drawing: two ``Axes``, recall and precision.

    Raises:
        ConfigError: If there is no class to draw.
    """
    if not scores or worst < 1:
        raise ConfigError(
            problem(
                "Expected at least one class to draw",
                f"len(scores)={len(scores)}, worst={worst}",
                "Give the rows of the per-class report.",
            )
        )
    # Without rows there is no recall: such classes come last, not first.
    ranked = sorted(scores, key=lambda s: math.inf if math.isnan(s.recall) else s.recall)
    chosen = ranked[:worst]
    names = [_with_count(score) for score in chosen]
    note = "bars: share, lines: 95% interval"
    if len(chosen) < len(scores):
        note = f"the {len(chosen)} lowest recalls of {len(scores)} classes · {note}"
    with style():
        left = max(text_width(name, 9) for name in names) / 72 + 0.25
        width, height = figsize or (left + 6.2, 1.25 + 0.24 * len(chosen))
        fig = new_figure(width, height)
        across = (width - left - 1.1) / 2
        for i, (name, color) in enumerate((("recall", BLUE), ("precision", ORANGE))):
            x = left + i * (across + 0.55)
            box = (x / width, 0.35 / height, across / width, (height - 1.15) / height)
            ax = fig.add_axes(box)
            _bars(ax, chosen, name, color)
            ax.set_yticks(range(len(names)), names if i == 0 else [], parse_math=False)
        heading(fig, title, note)
    return Drawing(fig, f"recall and precision of {len(chosen)} classes")


def _bars(ax: Any, chosen: Sequence[ClassScores], what: str, color: str) -> None:
    for y, score in enumerate(chosen):
        value = score.recall if what == "recall" else score.precision
        low, high = score.recall_interval if what == "recall" else score.precision_interval
        known = not math.isnan(value)
        if known:
            ax.barh(y, value, height=0.66, color=color, alpha=0.45)
            ax.plot([low, high], [y, y], color=DARK, linewidth=1.4, solid_capstyle="butt")
        words = f"{value:.2f}" if known else ("no rows" if what == "recall" else "never predicted")
        ax.text(1.03 if known else 0.03, y, words, size=9, va="center", color=DARK)
    ax.set(xlim=(0, 1), ylim=(len(chosen) - 0.4, -0.6), xticks=(0, 0.5, 1))
    ax.set_title(what, size=10, weight="normal")
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0, labelcolor=DARK)


def _with_count(score: ClassScores) -> str:
    count = f"  ({score.n})"
    return shorten(one_line(score.label), 190 - text_width(count, 9), 9) + count
