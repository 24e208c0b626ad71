"""Predicted against true numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from redstart.errors import ConfigError, problem
from redstart.show.drawing import BLUE, GREY, Drawing, heading, new_figure, style

__all__ = ["plot_predicted"]

_MOST = 3000  # dots; more are one blot, and a large file


def plot_predicted(
    true: NDArray[np.floating],
    predicted: NDArray[np.floating],
    *,
    name: str = "",
    figsize: tuple[float, float] = (5.2, 5.0),
) -> Drawing:
    """Draw predicted against true numbers, with the line on which both are the same.

    Of more than 3,000 rows every so many-th is drawn.

    Args:
        true: ``(N,)``.
        predicted: ``(N,)``.
        name: What the numbers are.
        figsize: Width and height, in inches.

    Raises:
        ConfigError: If there is nothing to draw, or lengths differ.
    """
    if len(true) != len(predicted) or not len(true):
        raise ConfigError(
            problem(
                "Expected as many true as predicted numbers, at least one",
                f"{len(true)} and {len(predicted)}",
                "Predict rows whose truth is known.",
            )
        )
    step = -(-len(true) // _MOST)
    x, y = (np.asarray(v, dtype=np.float64)[::step] for v in (true, predicted))
    with style():
        fig = new_figure(*figsize)
        ax = fig.add_axes((0.15, 0.12, 0.81, 0.74))
        both = np.concatenate([x, y])
        finite = both[np.isfinite(both)]
        ends = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
        room = 0.04 * ((ends[1] - ends[0]) or 1.0)
        ax.plot(ends, ends, color=GREY, linewidth=1, zorder=1)
        ax.scatter(x, y, s=9, alpha=0.35, color=BLUE, linewidths=0, zorder=2)
        ax.set(xlim=(ends[0] - room, ends[1] + room), ylim=(ends[0] - room, ends[1] + room))
        ax.set(xlabel="true", ylabel="predicted")
        shown = f"{len(x):,} of {len(true):,} rows" if step > 1 else f"{len(true):,} rows"
        heading(fig, f"Predicted and true {name}".strip(), shown)
    return Drawing(fig, "predicted and true")
