"""The reliability diagram: what a model said of its answers beside what came true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redstart.errors import ConfigError, problem
from redstart.show.drawing import BLUE, DARK, GREY, ORANGE, Drawing, heading, new_figure, style
from redstart.show.lettering import one_line, shorten

__all__ = ["ReliabilityBin", "plot_reliability"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Answers given with about the same confidence, for ``plot_reliability``.

    Attributes:
        low: Least confidence among them, in [0, 1].
        high: Greatest.
        n: How many answers.
        said: Mean confidence, in [0, 1].
        right: Share of them that were right, in [0, 1].
        interval: Lower and upper end of the 95% interval of ``right``.
    """

    low: float
    high: float
    n: int
    said: float
    right: float
    interval: tuple[float, float]

    @property
    def off(self) -> bool:
        """Whether what was said lies outside the interval of what came true."""
        return not self.interval[0] <= self.said <= self.interval[1]


def plot_reliability(
    bins: Sequence[ReliabilityBin],
    *,
    note: str = "",
    answers: str = "answers",
    figsize: tuple[float, float] | None = None,
    title: str | None = "Does the confidence hold?",
) -> Drawing:
    """Draw the share of right answers over the confidence, and how the confidence is spread.

    On the diagonal, answers given with 80% are right 80 times in 100 (Murphy and Winkler,
    1977, Applied Statistics 26:41). Bins whose interval misses their mean confidence are
    drawn in another colour.

    Args:
        bins: From the least confidence to the greatest.
        note: Lines below the heading, apart by line breaks.
        answers: What is counted, in the plural.
        figsize: Width and height in inches.
        title: The heading.

    Returns:
        The drawing: two ``Axes``, the diagram and the answers in each bin.

    Raises:
        ConfigError: If there is no bin to draw.
    """
    if not bins:
        raise ConfigError(
            problem("Expected a bin to draw", "bins=[]", "Measure the calibration of some rows.")
        )
    lines = [line for line in note.split("\n") if line]
    with style():
        width, height = figsize or (5.6, 5.9 + 0.2 * len(lines))
        fig = new_figure(width, height)
        left, right, below, above = 0.8, 0.25, 0.6, 0.55 + 0.2 * len(lines)
        across, down = width - left - right, height - below - above - 0.15
        low = 0.0 if min(min(b.said, b.right) for b in bins) < 0.45 else 0.4
        share = below + 0.17 * down
        top = fig.add_axes(
            (left / width, (share + 0.3) / height, across / width, (0.83 * down - 0.15) / height)
        )
        under = fig.add_axes((left / width, below / height, across / width, 0.17 * down / height))
        _diagram(top, bins, low)
        _spread(under, bins, low, answers)
        heading(fig, title, "")
        for i, line in enumerate(lines):
            words = shorten(one_line(line), (width - 0.3) * 72, 9)
            y = 1 - (0.5 + 0.2 * i) / height
            fig.text(0.12 / width, y, words, size=9, color=GREY, va="center", parse_math=False)
    return Drawing(fig, f"reliability in {len(bins)} bins" if len(bins) > 1 else "reliability")


def _diagram(ax: Any, bins: Sequence[ReliabilityBin], low: float) -> None:
    ax.plot([low, 1], [low, 1], color=GREY, linewidth=1, linestyle="--", zorder=1)
    for b in bins:
        color = ORANGE if b.off else BLUE
        ax.plot([b.said] * 2, b.interval, color=color, linewidth=1.4, alpha=0.8, zorder=2)
        ax.plot([b.said], [b.right], marker="o", ms=6, color=color, linestyle="none", zorder=3)
    room = 0.02 * (1 - low)
    ends = [b.interval[0] for b in bins]
    ax.set(xlim=(low - room, 1 + room), ylim=(min(low, *ends) - room, 1 + room))
    ax.set(ylabel="share that was right", xticklabels=[])
    words = (
        ("underconfident", 0.03, 0.95, "left", "top"),
        ("overconfident", 0.97, 0.05, "right", "bottom"),
    )
    for text, x, y, across, down in words:
        ax.text(x, y, text, size=9, color=GREY, ha=across, va=down, transform=ax.transAxes)


def _spread(ax: Any, bins: Sequence[ReliabilityBin], low: float, answers: str) -> None:
    """Answers by confidence: twenty bars of equal width, filled from the bins."""
    n_bars, total = 20, sum(b.n for b in bins)
    step = (1 - low) / n_bars
    counts = [0.0] * n_bars
    for b in bins:
        for i, share in enumerate(_shares(b, low, step, n_bars)):
            counts[i] += share * b.n
    for i, count in enumerate(counts):
        ax.bar(low + (i + 0.5) * step, count / total, width=0.9 * step, color=DARK, alpha=0.35)
    room = 0.02 * (1 - low)
    ax.set(xlim=(low - room, 1 + room), xlabel=f"confidence of {total:,} {answers}", ylabel="share")


def _shares(b: ReliabilityBin, low: float, step: float, n_bars: int) -> list[float]:
    """How much of a bin falls to each bar, as if its answers were spread evenly over it."""
    if b.high - b.low < 1e-9:
        at = min(n_bars - 1, max(0, int((b.said - low) / step)))
        return [float(i == at) for i in range(n_bars)]
    found = []
    for i in range(n_bars):
        begin = low + i * step if i else min(low, b.low)
        end = low + (i + 1) * step
        found.append(max(0.0, min(b.high, end) - max(b.low, begin)) / (b.high - b.low))
    return found
