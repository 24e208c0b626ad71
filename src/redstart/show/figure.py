"""Cards as one picture: a grid of what came in, what it is and what the model said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

from redstart.errors import ConfigError, problem
from redstart.show.card import Card
from redstart.show.drawing import DARK, GREY, ORANGE, RIGHT, WRONG, Drawing, new_figure, style
from redstart.show.lettering import one_line, shorten, wrap
from redstart.show.view import ImageView, RowView

__all__ = ["figure", "percent"]

_MOST: Final = 100
_GAP: Final = 0.14  # inches between cells
_LEADING: Final = 1.3  # line height in units of the font size
_LEAST: Final = 0.4  # inches; no picture is drawn lower than this


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    size: float
    color: str
    bold: bool = False

    @property
    def height(self) -> float:
        return self.size * _LEADING / 72


def figure(
    cards: Sequence[Card],
    *,
    nrows: int | None = None,
    ncols: int | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Drawing:
    """Draw cards on a grid, each with its caption below it.

    A card with a prediction says it in green with a check mark if it is right, in red with
    a cross and followed by the truth if not. Captions wrap and shorten to their cell.

    Args:
        cards: 1 to 100 of them.
        nrows: Rows of the grid; chosen to hold all cards if ``None``.
        ncols: Columns of the grid; chosen to hold all cards if ``None``. Where both are
            given and hold fewer, the first cards are drawn.
        figsize: Width and greatest height in inches; chosen if ``None``. Height that the
            pictures do not need is left off; none gets lower than 0.4 inch.
        title: A heading over the whole.

    Returns:
        The drawing, with one ``Axes`` per card.

    Raises:
        ConfigError: If there is no card, or more than 100 would be drawn, or a size of the
            grid is below 1.
    """
    rows, cols = _grid(len(cards), nrows, ncols)
    cards = cards[: rows * cols]
    rows = math.ceil(len(cards) / cols)
    width = figsize[0] if figsize else _width(len(cards), cols)
    cell = (width - _GAP) / cols - _GAP
    captions = [_caption(card, cell * 72) for card in cards]
    below = [
        max(sum(line.height for line in caption) for caption in captions[i : i + cols])
        for i in range(0, len(cards), cols)
    ]
    with style():
        head = wrap(title or "", (width - 2 * _GAP) * 72, 12, lines=2, bold=True)
        top = _GAP + len(head) * 12 * _LEADING / 72 + (0.05 if head else 0)
        fixed = top + sum(below) + rows * (_GAP + 0.04)
        sides = [cell * _ratio(cards[i : i + cols], cell) for i in range(0, len(cards), cols)]
        if figsize is not None:
            scale = min(1.0, (figsize[1] - fixed) / sum(sides))
            sides = [max(side * scale, _LEAST) for side in sides]
        height = fixed + sum(sides)
        fig = new_figure(width, height)
        heading = [_Line(text, 12, DARK, bold=True) for text in head]
        _write(fig, heading, width / 2, height - _GAP / 2)
        up = height - top
        for row, (side, space) in enumerate(zip(sides, below, strict=True)):
            for col, index in enumerate(range(row * cols, min((row + 1) * cols, len(cards)))):
                left = _GAP + col * (cell + _GAP)
                box = (left / width, (up - side) / height, cell / width, side / height)
                _picture(fig, box, cards[index])
                _write(fig, captions[index], left + cell / 2, up - side - 0.04)
            up -= side + 0.04 + space + _GAP
    noun = "card" if len(cards) == 1 else "cards"
    return Drawing(fig, f"{rows}x{min(cols, len(cards))} {noun}")


def percent(share: float) -> str:
    """Write a share in [0, 1] as a percentage that rounds nothing to 0% or 100%."""
    if 0 < share < 0.01:
        return "<1%"
    if 0.99 < share < 1:
        return ">99%"
    return f"{share:.0%}"


def _grid(n: int, nrows: int | None, ncols: int | None) -> tuple[int, int]:
    if n == 0:
        raise ConfigError(
            problem("Expected at least one card to draw", "cards=[]", "Choose some rows first.")
        )
    for name, value in (("nrows", nrows), ("ncols", ncols)):
        if value is not None and value < 1:
            raise ConfigError(
                problem(f"Expected `{name}` of 1 or more", f"{name}={value}", "Or leave it out.")
            )
    if ncols is None:
        ncols = math.ceil(n / nrows) if nrows else (n if n <= 3 else min(math.ceil(n**0.5), 8))
    if nrows is None:
        nrows = math.ceil(n / ncols)
    if min(n, nrows * ncols) > _MOST:
        raise ConfigError(
            problem(
                f"Expected at most {_MOST} cards in one picture",
                f"len(cards)={n}",
                "Draw fewer (`max_n` where there is one), or several pictures.",
            )
        )
    return nrows, ncols


def _width(n: int, cols: int) -> float:
    cell = 3.2 if n == 1 else min(2.6, max(1.5, 9.6 / cols))
    return cell * cols + _GAP


def _ratio(cards: Sequence[Card], cell: float) -> float:
    """Height over width of the places in one row: that of its tallest picture, within reason."""
    tables = [card.view.height for card in cards if isinstance(card.view, RowView)]
    if len(tables) == len(cards):
        return min(1.4, max(0.2, max(tables) / cell))
    shapes = [card.view.pixels.shape for card in cards if isinstance(card.view, ImageView)]
    if len(shapes) < len(cards):
        return 0.75
    return min(1.4, max(0.4, *(float(shape[0] / max(shape[1], 1)) for shape in shapes)))


def _caption(card: Card, width: float) -> list[_Line]:
    lines = _answer(card, width) if card.pred is not None else _said(card, width)
    facts = []
    if card.confidence is not None:
        facts.append(f"{percent(card.confidence)} sure")
    if card.loss is not None:
        facts.append(f"loss {card.loss + 0.0:.3g}")  # not -0
    if facts:
        lines.append(_Line(shorten(" · ".join(facts), width, 8), 8, GREY))
    if card.item:
        name = one_line(PurePath(card.item.replace("\\", "/")).name)
        lines.append(_Line(shorten(name, width, 7), 7, GREY))
    return lines


def _said(card: Card, width: float) -> list[_Line]:
    words = card.truth.text if card.truth is not None else ""
    return [_Line(text, 10, DARK) for text in wrap(words, width, 10, lines=2)]


def _answer(card: Card, width: float) -> list[_Line]:
    pred = card.pred.text if card.pred is not None else ""
    truth = card.truth.text if card.truth is not None else ""
    if not pred:  # the picture tells
        return []
    # Marks that are said in words are compared; numbers and what is drawn are neither
    # right nor wrong.
    correct = card.correct if truth else None
    sign, color = {True: ("✓ ", RIGHT), False: ("✗ ", WRONG), None: ("", DARK)}[correct]
    said = wrap(sign + pred, width, 10, lines=2, bold=True)
    lines = [_Line(text, 10, color, bold=True) for text in said]
    if truth and not correct:
        lines += [_Line(text, 9, DARK) for text in wrap(f"is {truth}", width, 9, lines=2)]
    return lines


def _picture(fig: Any, box: tuple[float, float, float, float], card: Card) -> None:
    ax = fig.add_axes(box)
    card.view.draw(ax)
    if card.truth is not None:
        card.truth.draw(ax, RIGHT)
    if card.pred is not None:
        card.pred.draw(ax, ORANGE)
    ax.set_anchor("S")  # next to the caption


def _write(fig: Any, lines: Sequence[_Line], x: float, top: float) -> None:
    """Write lines centred at ``x`` downwards from ``top``, both in inches."""
    width, height = fig.get_size_inches()
    for line in lines:
        room = line.height
        fig.text(
            x / width,
            (top - room / 2) / height,
            line.text,
            size=line.size,
            color=line.color,
            weight="bold" if line.bold else "normal",
            ha="center",
            va="center",
            parse_math=False,
        )
        top -= room
