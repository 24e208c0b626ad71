"""Views (an input to look at) and marks (what is said about it)."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from redstart.show.lettering import one_line, shorten, text_width, wrap

__all__ = ["Caption", "ImageView", "LineView", "Mark", "Number", "RowView", "TextView", "View"]


_LETTERS: Final = 7.5  # points; of a row of a table
_LINE: Final = _LETTERS * 1.5


@runtime_checkable
class View(Protocol):
    """An input, decoded far enough for a person to look at."""

    def draw(self, ax: Any) -> None:
        """Draw on a matplotlib ``Axes``."""
        ...

    def html(self) -> str:
        """Return an HTML fragment."""
        ...


@runtime_checkable
class Mark(Protocol):
    """A target, true or predicted, laid over a view."""

    @property
    def text(self) -> str:
        """The mark in words, on one line; empty where only the picture tells."""
        ...

    def draw(self, ax: Any, color: str) -> None:
        """Draw over what the view drew on ``ax``. Captions draw nothing: the card writes them."""
        ...

    def html(self) -> str:
        """Return an HTML fragment."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ImageView:
    """Pixels, shape ``(H, W, 3)`` or ``(H, W)``, values 0..255."""

    pixels: npt.NDArray[np.uint8]

    def draw(self, ax: Any) -> None:
        """Draw the pixels and hide the axes."""
        ax.imshow(self.pixels, cmap=None if self.pixels.ndim == 3 else "gray", vmin=0, vmax=255)
        ax.set_axis_off()

    def html(self) -> str:
        """Return an ``<img>`` with the pixels inside as PNG."""
        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(self.pixels).save(buffer, format="PNG")
        data = base64.b64encode(buffer.getvalue()).decode()
        return f'<img alt="" src="data:image/png;base64,{data}">'


@dataclass(frozen=True, slots=True, eq=False)
class LineView:
    """A curve, shape ``(T,)``."""

    values: npt.NDArray[np.float32]

    def draw(self, ax: Any) -> None:
        """Draw one line, in a frame without numbers: there is no room for them on a card."""
        ax.plot(self.values)
        ax.set(xticks=[], yticks=[])

    def html(self) -> str:
        """Return an inline SVG polyline."""
        finite = np.nan_to_num(self.values.astype(np.float64))
        low, span = float(finite.min(initial=0.0)), float(np.ptp(finite)) if len(finite) else 0.0
        heights = 100 - 100 * (finite - low) / (span or 1.0)
        width = 200 / max(len(finite) - 1, 1)
        points = " ".join(f"{i * width:.1f},{y:.1f}" for i, y in enumerate(heights))
        line = f'<polyline fill="none" stroke="#0072b2" stroke-width="1.5" points="{points}"/>'
        return f'<svg viewBox="-2 -2 204 104" width="200" height="100">{line}</svg>'


@dataclass(frozen=True, slots=True)
class TextView:
    """A text, as people read it."""

    text: str

    def draw(self, ax: Any) -> None:
        """Write as much of the text as fits, wrapped, and hide the axes."""
        ax.set_axis_off()
        size, leading = 8.0, 1.3
        box, points = ax.get_window_extent(), 72 / ax.get_figure().dpi
        lines = max(1, int(box.height * points / (size * leading)))
        text = "\n".join(wrap(self.text, box.width * points, size, lines=lines, tail=0.0))
        look = {"size": size, "linespacing": leading / 1.2, "va": "top", "parse_math": False}
        ax.text(0.0, 1.0, text, transform=ax.transAxes, **look)

    def html(self) -> str:
        """Return the escaped text."""
        return f"<p>{html.escape(self.text)}</p>"


@dataclass(frozen=True, slots=True)
class Caption:
    """A target that is said in words."""

    text: str

    def draw(self, ax: Any, color: str) -> None:
        """Draw nothing: the words go to the card's caption."""

    def html(self) -> str:
        """Return the escaped text."""
        return html.escape(self.text)


@dataclass(frozen=True, slots=True)
class Number:
    """A target that is a number, which is near or far and not right or wrong."""

    text: str

    def draw(self, ax: Any, color: str) -> None:
        """Draw nothing: the words go to the card's caption."""

    def html(self) -> str:
        """Return the escaped text."""
        return html.escape(self.text)


@dataclass(frozen=True, slots=True)
class RowView:
    """A row of a table: what each column says, as text."""

    cells: tuple[tuple[str, str], ...]

    @property
    def height(self) -> float:
        """Height that all columns need when drawn, in inches."""
        return len(self.cells) * _LINE / 72

    def draw(self, ax: Any) -> None:
        """List name and value of as many columns as fit, and hide the axes."""
        ax.set_axis_off()
        box, points = ax.get_window_extent(), 72 / ax.get_figure().dpi
        width, height = box.width * points, box.height * points
        lines = max(1, int(height / _LINE + 0.01))
        shown = self.cells if len(self.cells) <= lines else self.cells[: lines - 1]
        look = {"size": _LETTERS, "va": "center", "transform": ax.transAxes, "parse_math": False}
        for i, (name, value) in enumerate(shown):
            left, right = _beside(one_line(name), one_line(value), width - 8)
            middle = 1 - (i + 0.5) * _LINE / height
            ax.text(0.0, middle, left, alpha=0.6, **look)
            ax.text(1.0, middle, right, ha="right", **look)
            under = 1 - (i + 1) * _LINE / height  # leads the eye from the name to its value
            ax.plot([0, 1], [under] * 2, color="#e6e6e6", lw=0.6, transform=ax.transAxes)
        if len(shown) < len(self.cells):
            more = f"and {len(self.cells) - len(shown)} more columns"
            ax.text(0.0, 1 - (len(shown) + 0.5) * _LINE / height, more, alpha=0.6, **look)

    def html(self) -> str:
        """Return a table of two columns."""
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>"
            for name, value in self.cells
        )
        return f"<table>{rows}</table>"


def _beside(left: str, right: str, width: float) -> tuple[str, str]:
    """Shorten two texts to share a line; each has half of it, and what the other leaves."""
    half = width / 2
    room = max(half, width - text_width(right, _LETTERS))
    left = shorten(left, room, _LETTERS)
    room = max(half, width - text_width(left, _LETTERS))
    return left, shorten(right, room, _LETTERS)
