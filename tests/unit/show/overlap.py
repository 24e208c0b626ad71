"""Measure the letters of a drawing with the renderer that draws them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from redstart.show.drawing import Drawing, style

SLACK = 1.0  # pixels: boxes are wider than the ink


def texts(drawing: Drawing) -> dict[Text, Bbox]:
    """Return every text that is seen, with its box in pixels."""
    with style():
        drawing.figure.draw_without_rendering()
        renderer = drawing.figure.canvas.get_renderer()
        seen = [*drawing.figure.texts, *(text for ax in drawing.axes for text in _of(ax))]
        shown = [text for text in seen if text.get_visible() and text.get_text().strip()]
        return {text: text.get_window_extent(renderer) for text in shown}


def _of(ax: Any) -> Iterator[Text]:
    yield from ax.texts
    if ax.get_legend() is not None:
        yield from ax.get_legend().get_texts()
    if not ax.axison:
        return
    yield from (ax._left_title, ax.title, ax._right_title)
    for axis in (ax.xaxis, ax.yaxis):
        yield axis.label
        low, high = sorted(axis.get_view_interval())
        slack = 1e-6 * (high - low)
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            # Ticks beyond the ends exist and are not drawn.
            if low - slack <= tick.get_loc() <= high + slack:
                yield tick.label1


def clashes(drawing: Drawing) -> list[str]:
    """Return which texts overlap one another or leave the picture; empty if none."""
    found = texts(drawing)
    width, height = drawing.size
    words = [text.get_text() for text in found]
    boxes = np.array([box.extents for box in found.values()]).reshape(-1, 4)
    low, high = boxes[:, :2], boxes[:, 2:]
    out = (low < -SLACK).any(axis=1) | (high > np.array([width, height]) + SLACK).any(axis=1)
    wrong = [f"{words[i]!r} leaves the picture" for i in np.flatnonzero(out)]
    shared = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    for i, j in np.argwhere(np.triu((shared > SLACK).all(axis=2), k=1)):
        wrong.append(f"{words[i]!r} overlaps {words[j]!r}")
    return wrong
