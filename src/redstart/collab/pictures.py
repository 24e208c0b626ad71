"""Pictures of what a model learnt about items: who likes them, and how they are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redstart.errors import ConfigError, problem
from redstart.show.drawing import BLUE, DARK, GREY, ORANGE, Drawing, heading, new_figure, style
from redstart.show.lettering import one_line, shorten, text_width

__all__ = ["pca", "plot_bias", "plot_factors"]

_SIZE: Final = 8.5  # of the labels, in points
_LINE: Final = 0.2  # inch, of one bar
_NAMES: Final = 2.9  # inch, of the names of bars
_COUNTS: Final = 1.45  # inch, of what is written beside them
_TOP: Final = 0.75  # inch, of the heading
_LONGEST: Final = 150.0  # points, of a label in the map


def pca(x: Tensor, k: int = 2) -> Tensor:
    """Coordinates of rows along the directions in which they differ most.

    Args:
        x: ``(N, d)``.
        k: How many directions, from 1 to ``d``.

    Returns:
        ``(N, k)``, with the mean of the rows at 0. The first direction varies most. Each
        points to where its largest entry is positive, so that the same rows give the same.

    Raises:
        ConfigError: If there are not that many directions.
    """
    if x.ndim != 2 or not 1 <= k <= min(x.shape):
        raise ConfigError(
            problem(
                "Expected a matrix, and at most as many directions as it has rows and columns",
                f"shape={tuple(x.shape)}, k={k}",
                "Choose a smaller `k`.",
            )
        )
    centred = x.detach() - x.detach().mean(0)
    directions = torch.linalg.svd(centred, full_matrices=False).Vh[:k].T
    largest = directions.abs().argmax(0)
    signs = directions[largest, torch.arange(k, device=x.device)].sign()
    return torch.mm(centred, directions * signs)


def plot_bias(
    names: Sequence[str],
    biases: NDArray[Any],
    counts: NDArray[Any],
    n: int = 10,
    *,
    figsize: tuple[float, float] | None = None,
) -> Drawing:
    """Draw the items that are liked most and least, whoever rates them.

    Args:
        names: Of the items.
        biases: Of the items, ``(N,)``.
        counts: Their ratings in training, ``(N,)``.
        n: How many of each kind.
        figsize: Width and height, in inches.
    """
    order = np.argsort(biases, kind="stable")
    n = min(n, len(order) // 2) or 1
    parts = [(order[::-1][:n], BLUE, "liked most"), (order[:n], ORANGE, "liked least")]
    with style():
        width, height = figsize or (8.4, _TOP + 2 * (n * _LINE + 0.5))
        fig = new_figure(width, height)
        heading(fig, "Bias of items", "how much above or below what its raters would give others")
        limit = 1.03 * float(np.abs(biases[np.concatenate([p[0] for p in parts])]).max() or 1.0)
        each = (height - _TOP) / 2
        for place, (rows, color, label) in enumerate(parts):
            bottom = height - _TOP - (place + 1) * each + 0.22
            box = (_NAMES / width, bottom / height, (width - _NAMES - _COUNTS) / width)
            ax = fig.add_axes((*box, (each - 0.5) / height))
            _bars(ax, [one_line(names[r]) for r in rows], biases[rows], counts[rows], color)
            ax.set_title(label, loc="left")
            ax.set_xlim(-limit, limit)
    return Drawing(fig, f"biases of {2 * n} items")


def _bars(
    ax: Any, names: Sequence[str], biases: NDArray[Any], counts: NDArray[Any], color: str
) -> None:
    at = np.arange(len(names))
    ax.barh(at, biases, color=color, height=0.72)
    ax.invert_yaxis()
    ax.axvline(0, color="#999999", linewidth=0.8)
    room = (_NAMES - 0.3) * 72
    labels = [shorten(name, room, 9) for name in names]
    ax.set_yticks(at, labels, fontsize=9, color=DARK, parse_math=False)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    for y, (bias, count) in enumerate(zip(biases, counts, strict=True)):
        text = f"{bias:+.2f}  ({int(count):,} ratings)"
        look = {"size": 8, "color": GREY, "va": "center", "annotation_clip": False}
        # Beside the bar, or on the other side of 0: never over a name.
        ax.annotate(text, (max(bias, 0), y), (4, 0), textcoords="offset points", **look)


def plot_factors(
    names: Sequence[str],
    points: NDArray[Any],
    counts: NDArray[Any],
    n_labels: int = 40,
    *,
    figsize: tuple[float, float] | None = None,
) -> Drawing:
    """Draw items as points, near each other where the same people like them.

    Args:
        names: Of the items.
        points: Coordinates ``(N, 2)``: the first two principal components.
        counts: Their ratings in training, ``(N,)``: the dots' sizes.
        n_labels: How many to name at most. A name that would lie over another is left out.
        figsize: Width and height, in inches.
    """
    with style():
        width, height = figsize or (9.0, 6.8)
        fig = new_figure(width, height)
        note = "items near each other are liked by the same people; the axes have no name"
        heading(fig, "Items by their factors", note)
        box = (0.3 / width, 0.3 / height, (width - 0.6) / width, (height - _TOP - 0.3) / height)
        ax = fig.add_axes(box)
        area = 8 + 60 * counts / max(float(counts.max()), 1.0)
        ax.scatter(*points.T, s=area, color=BLUE, alpha=0.55, linewidths=0)
        ax.set(xticks=[], yticks=[])
        ax.margins(0.1)
        ax.spines[:].set_visible(False)
        ax.axhline(0, color="#cccccc", linewidth=0.8, zorder=0)
        ax.axvline(0, color="#cccccc", linewidth=0.8, zorder=0)
        shown = _label(fig, ax, names, points, n_labels)
    return Drawing(fig, f"factors of {len(names)} items, {shown} named")


def _label(fig: Any, ax: Any, names: Sequence[str], points: NDArray[Any], most: int) -> int:
    """Name points, those far from the middle first, each where nothing is yet."""
    scale = 72 / fig.dpi
    where = ax.transData.transform(points) * scale
    frame = ax.get_window_extent()
    left, low, right, high = (v * scale for v in (frame.x0, frame.y0, frame.x1, frame.y1))
    # Dots are in the way as names are.
    taken = np.hstack([where - 3, where + 3])
    shown = 0
    for row in np.argsort(-np.abs(points / points.std(0).clip(1e-12)).max(1), kind="stable"):
        if shown == most:
            break
        text = shorten(one_line(names[row]), _LONGEST, _SIZE)
        w, h = text_width(text, _SIZE), _SIZE * 1.25
        for dx, dy in ((6, -h / 2), (-6 - w, -h / 2), (-w / 2, 6), (-w / 2, -6 - h)):
            x, y = where[row] + (dx, dy)
            inside = left <= x and x + w <= right and low <= y and y + h <= high
            if inside and not _over(taken, (x, y, x + w, y + h)):
                look = {"size": _SIZE, "color": DARK, "parse_math": False, "va": "center"}
                at = {"xytext": (dx, dy + h / 2), "textcoords": "offset points"}
                ax.annotate(text, points[row], **at, **look)
                taken = np.vstack([taken, (x, y, x + w, y + h)])
                shown += 1
                break
    return shown


def _over(taken: NDArray[Any], box: tuple[float, float, float, float]) -> bool:
    """Whether a box lies over one that is taken."""
    x0, y0, x1, y1 = box
    across = (taken[:, 0] < x1 + 2) & (x0 < taken[:, 2] + 2)
    return bool((across & (taken[:, 1] < y1 + 1) & (y0 < taken[:, 3] + 1)).any())
