"""The picture of a confusion matrix, for two classes and for thousands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from redstart.errors import ConfigError, problem
from redstart.show.drawing import BLUE, DARK, GREY, ORANGE, Drawing, heading, new_figure, style
from redstart.show.figure import percent
from redstart.show.lettering import one_line, shorten, text_width

__all__ = ["plot_confusion_matrix"]

_WHOLE: Final = 60  # classes up to which the whole matrix is drawn with its names
_DETAIL: Final = 25  # most confused classes drawn of a larger one
_SMALLEST: Final = 5.5  # points; smaller letters cannot be read
_OVERVIEW: Final = 3.6  # inches
_EDGE: Final = 0.12  # inches
_AXIS: Final = 0.28  # inches for an axis title

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Sizes of a matrix with its names: inches, and points for the letters."""

    cell: float
    font: float
    step: int  # every how many-th class is named
    rows: list[str]
    cols: list[str]
    upright: bool  # whether the names of the columns stand upright
    left: float
    below: float

    @property
    def side(self) -> float:
        return self.cell * len(self.rows)


def plot_confusion_matrix(
    matrix: Any,
    labels: Sequence[str],
    *,
    normalize: bool = False,
    figsize: tuple[float, float] | None = None,
    title: str | None = "Confusion matrix",
) -> Drawing:
    """Draw which classes are taken for which.

    Right answers are blue, wrong ones orange; the darker, the larger their share of the
    class's rows, whether counts or percentages are written in, so that a rare class shows
    as clearly as a frequent one. The depth grows with the root of the share: one error in
    a hundred can be seen. Numbers are written where they fit.

    Above 60 classes no name could be read. Then the 25 classes that take part in the most
    frequent confusions are drawn with their names and numbers, beside a small overview of
    the whole matrix on which they are marked (left out below 10 by 6 inches); the line
    below the title says how many of all errors are in the detail.

    Args:
        matrix: Counts, shape ``(C, C)``: rows are the actual classes, columns the predicted.
        labels: The C names.
        normalize: Write percentages of each actual class in place of counts.
        figsize: Width and height in inches; chosen by the number of classes if ``None``.
        title: The heading.

    Returns:
        The drawing; its first ``Axes`` is the matrix with names.

    Raises:
        ConfigError: If the matrix is not square, not made of counts, or does not fit the
            labels.
    """
    counts = _checked(matrix, labels)
    names = [one_line(str(label)) for label in labels]
    n = len(names)
    chosen = np.arange(n) if n <= _WHOLE else _most_confused(counts)
    overview = n > len(chosen) and (figsize is None or (figsize[0] >= 10 and figsize[1] >= 6))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    part = np.ix_(chosen, chosen)
    with style():
        aside = _OVERVIEW + 0.5 if overview else 0.0
        room = (figsize[0] - aside, figsize[1]) if figsize else None
        layout = _layout([names[i] for i in chosen], room)
        top = 0.62 if title else 0.36
        width = _EDGE + _AXIS + layout.left + layout.side + _EDGE + aside
        height = top + layout.side + layout.below + _AXIS + _EDGE
        width, height = figsize or (max(width, 3.6), height)
        fig = new_figure(width, height)
        x, y = _EDGE + _AXIS + layout.left, height - top - layout.side
        box = (x / width, y / height, layout.side / width, layout.side / height)
        ax = fig.add_axes(box)
        _cells(ax, shares[part])
        _numbers(ax, counts[part], shares[part] if normalize else None, layout)
        _names(ax, layout)
        if overview:
            side = min(_OVERVIEW, layout.side)
            left = width - side - _EDGE
            low = height - top - side
            small = fig.add_axes((left / width, low / height, side / width, side / height))
            _whole(small, shares, chosen)
        heading(fig, title, _summary(counts, chosen, normalize))
    return Drawing(fig, f"confusion matrix of {n} classes")


def _checked(matrix: Any, labels: Sequence[str]) -> Matrix:
    counts: Matrix = np.asarray(matrix, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not len(labels):
        raise ConfigError(
            problem(
                "Expected a square confusion matrix",
                f"matrix.shape={counts.shape}",
                "Give one row and one column per class.",
            )
        )
    if len(labels) != len(counts):
        raise ConfigError(
            problem(
                f"Expected one label for each of the {len(counts)} classes",
                f"len(labels)={len(labels)}",
                "Give the vocabulary the matrix was counted with.",
            )
        )
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise ConfigError(
            problem(
                "Expected counts, which are finite and not negative",
                f"matrix.min()={counts.min()}",
                "Give the matrix of counts; `normalize=True` makes the percentages.",
            )
        )
    return counts


def _most_confused(counts: Matrix) -> npt.NDArray[np.intp]:
    """Choose the classes of the most frequent confusions, in the order of the vocabulary."""
    both = np.triu(counts + counts.T, k=1)
    chosen: dict[int, None] = {}
    for flat in np.argsort(-both, axis=None, kind="stable"):
        pair = divmod(int(flat), len(counts))
        if both[pair] == 0 or len(chosen | dict.fromkeys(pair)) > _DETAIL:
            break
        chosen |= dict.fromkeys(pair)
    for index in np.argsort(-counts.sum(axis=1), kind="stable"):  # too few confusions: the largest
        if len(chosen) >= _DETAIL - 1:
            break
        chosen[int(index)] = None
    return np.array(sorted(chosen), dtype=np.intp)


def _layout(names: list[str], room: tuple[float, float] | None) -> _Layout:
    n = len(names)
    limit = 2.2 if room is None else min(2.2, 0.35 * min(room))
    cell = min(1.1, max(0.17, 7.2 / n))
    for _ in range(2):  # the letters depend on the cells, and in a given room the reverse too
        font = max(_SMALLEST, min(9.5, cell * 72 * 0.72))
        step = max(1, int(np.ceil(font * 1.15 / (cell * 72))))
        rows = [shorten(name, limit * 72, font) for name in names]
        widest = max(text_width(name, font) for name in rows[::step])
        upright = widest + 4 > cell * step * 72
        left = widest / 72 + 0.12
        below = (widest if upright else font * 1.3) / 72 + 0.12
        if room is not None:
            across = room[0] - left - _AXIS - 2 * _EDGE
            down = room[1] - below - _AXIS - _EDGE - 0.62
            cell = max(0.02, min(across, down) / n)
    return _Layout(cell, font, step, rows, rows, upright, left, below)


def _cells(ax: Any, shares: Matrix) -> None:
    """Paint white to blue on the diagonal, white to orange beside it."""
    depth = np.where(shares > 0, 0.1 + 0.9 * np.sqrt(shares), 0.0)[..., None]
    right, wrong = (
        np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]) for color in (BLUE, ORANGE)
    )
    full = np.where(np.eye(len(shares), dtype=bool)[..., None], right, wrong)
    ax.imshow(1 - depth * (1 - full), interpolation="nearest", aspect="auto")
    ax.grid(False)
    ax.spines[:].set(visible=True, color="#bbbbbb")


def _numbers(ax: Any, counts: Matrix, shares: Matrix | None, layout: _Layout) -> None:
    n = len(counts)

    def word(i: int, j: int) -> str:
        if counts[i, j] == 0:
            return "0" if n <= 5 else ""  # in a larger matrix the errors stand out without them
        if shares is not None:
            return percent(shares[i, j]).removesuffix("%" if n > 10 else "")
        return f"{counts[i, j]:.10g}"

    words = {(i, j): word(i, j) for i in range(n) for j in range(n)}
    room = layout.cell * 72 * 0.86
    widest = max(text_width(text, 10) for text in words.values()) / 10  # per point of size
    size = min(11.0, room * 0.8, room / max(widest, 0.1))
    if size < _SMALLEST:
        return
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for (i, j), text in words.items():
        if text:
            color = "white" if share[i, j] > (0.35 if i == j else 0.6) else DARK
            look = {"size": size, "color": color, "parse_math": False}
            ax.text(j, i, text, ha="center", va="center", **look)


def _names(ax: Any, layout: _Layout) -> None:
    ticks = range(0, len(layout.rows), layout.step)
    look = {"fontsize": layout.font, "parse_math": False, "color": DARK}
    ax.set_yticks(ticks, [layout.rows[i] for i in ticks], **look)
    turn = {"rotation": 90} if layout.upright else {}
    ax.set_xticks(ticks, [layout.cols[i] for i in ticks], **look, **turn)
    ax.tick_params(length=2, pad=3)
    figure = ax.get_figure()
    width, height = figure.get_size_inches()
    box = ax.get_position()
    look = {"size": 10, "color": DARK, "ha": "center", "va": "center"}
    x, y = box.x0 - (layout.left + _AXIS / 2) / width, (box.y0 + box.y1) / 2
    figure.text(x, y, "actual", rotation=90, **look)
    x, y = (box.x0 + box.x1) / 2, box.y0 - (layout.below + _AXIS / 2) / height
    figure.text(x, y, "predicted", **look)


def _whole(ax: Any, shares: Matrix, chosen: npt.NDArray[np.intp]) -> None:
    """Draw a large matrix small: no names, the classes of the detail marked at its edges."""
    n = len(shares)
    if n > 400:  # more cells than pixels: keep each block's worst, or single errors would vanish
        edges = np.linspace(0, n, 401).astype(int)[:-1]
        shares = np.maximum.reduceat(np.maximum.reduceat(shares, edges, axis=0), edges, axis=1)
    _cells(ax, shares)
    at = (chosen + 0.5) * len(shares) / n - 0.5
    ax.set(xticks=at, yticks=at, xticklabels=[], yticklabels=[])
    ax.tick_params(length=4, color=DARK)
    ax.set_xlabel(f"all {n} classes; ticks: those named", size=9, color=GREY)


def _summary(counts: Matrix, chosen: npt.NDArray[np.intp], normalize: bool) -> str:
    total, right = counts.sum(), np.trace(counts)
    words = [f"{right:.10g} of {total:.10g} right"]
    if len(chosen) < len(counts):
        part = counts[np.ix_(chosen, chosen)]
        inside = part.sum() - np.trace(part)
        words.append(f"{len(chosen)} most confused of {len(counts)} classes")
        words.append(f"{inside:.10g} of {total - right:.10g} errors shown")
    if normalize:
        words.append("% of each actual class")
    return " · ".join(words)
