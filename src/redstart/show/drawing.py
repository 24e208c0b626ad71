"""A drawing: a matplotlib figure that shows itself in a notebook and saves itself to a file."""

from __future__ import annotations

import contextlib
import html
import io
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final
from urllib.parse import quote

from redstart.errors import ConfigError, problem
from redstart.show.lettering import families, one_line, shorten

__all__ = ["BLUE", "DARK", "GREY", "ORANGE", "RIGHT", "WRONG", "Drawing"]
__all__ += ["display", "heading", "in_notebook", "new_figure", "style"]

# Told apart by every kind of colour vision (Okabe and Ito, "Color universal design", 2008);
# the two used for text are darkened until they reach a contrast of 4.5 on white.
BLUE: Final = "#0072b2"
ORANGE: Final = "#d55e00"
RIGHT: Final = "#00734f"
WRONG: Final = "#b83a00"
DARK: Final = "#222222"
GREY: Final = "#6b6b6b"

_DPI: Final = 100
_SUFFIXES: Final = (".jpg", ".pdf", ".png", ".svg")
_RC: Final[dict[str, Any]] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.labelcolor": DARK,
    "axes.edgecolor": "#999999",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "axes.prop_cycle": "cycler('color', ['0072b2', 'd55e00', '009e73', 'cc79a7', 'e69f00'])",
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": True,
    "legend.framealpha": 0.9,
    "legend.edgecolor": "none",
    "lines.linewidth": 1.8,
    "svg.hashsalt": "redstart",
}


@final
@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A finished picture. As the last line of a notebook cell it shows itself.

    Attributes:
        figure: The matplotlib ``Figure``, to change or to add to. It is not known to
            ``pyplot``, so nothing pops up and nothing has to be closed.
        what: What it shows, in a few words.
    """

    figure: Any
    what: str

    @property
    def axes(self) -> list[Any]:
        """The matplotlib ``Axes``, in the order they were drawn."""
        return list(self.figure.axes)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = self.figure.get_size_inches() * self.figure.dpi
        return round(width), round(height)

    def save(self, path: str | os.PathLike[str], *, dpi: float | None = None) -> Path:
        """Write the picture to a file, making its folder where there is none.

        Args:
            path: Ends in ``.png``, ``.svg``, ``.pdf`` or ``.jpg``.
            dpi: Pixels per inch of a ``.png`` or ``.jpg``; ``None`` for the size on screen.

        Returns:
            The path.

        Raises:
            ConfigError: If the path ends in something else.
        """
        path = Path(path)
        if path.suffix.lower() not in _SUFFIXES:
            raise ConfigError(
                problem(
                    f"Expected a path that ends in one of {', '.join(_SUFFIXES)}",
                    f"path={str(path)!r}",
                    "Give the file one of these endings.",
                )
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self._render(path.suffix.lower()[1:], dpi))
        return path

    def savefig(self, path: str | os.PathLike[str], *, dpi: float | None = None) -> Path:
        """Do what ``save`` does, under matplotlib's name."""
        return self.save(path, dpi=dpi)

    def html(self) -> str:
        """Return an ``<img>`` that holds the picture as SVG, sharp at any zoom."""
        svg = self._render("svg").decode()
        width, height = self.size
        data = quote(svg[svg.index("<svg") :], safe=" /:=;,+'()!*@&")
        return (
            f'<img alt="{html.escape(self.what)}" width="{width}" height="{height}" '
            f'style="max-width:100%;height:auto" src=\'data:image/svg+xml,'
            f"{data.replace(chr(39), '%27').replace('&', '%26')}'>"
        )

    def _render(self, kind: str, dpi: float | None = None) -> bytes:
        # Without dates in the files, the same numbers give the same bytes.
        undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        buffer = io.BytesIO()
        with style():
            self.figure.savefig(buffer, format=kind, dpi=dpi or self.figure.dpi, metadata=undated)
        return buffer.getvalue()

    def _repr_html_(self) -> str:
        return self.html()

    def _repr_png_(self) -> bytes:
        """Serve readers of notebooks that show no HTML, such as a conversion to PDF."""
        return self._render("png")

    def __repr__(self) -> str:
        width, height = self.size
        return f"Drawing({self.what}, {width}x{height} px)"


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Draw in one style, whatever the user's matplotlib settings, and leave these alone."""
    import matplotlib.style

    rc = _RC | {"font.family": list(families())}
    with warnings.catch_warnings(), matplotlib.style.context(["default", rc]):
        # A label in a script that no installed font has: its boxes can be seen.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from")
        yield


def new_figure(width: float, height: float) -> Any:
    """Return an empty matplotlib ``Figure`` outside ``pyplot``; sizes in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def heading(figure: Any, title: str | None, note: str) -> None:
    """Write a title at the top left, 0.3 inch high, and a line in grey below it."""
    width, height = figure.get_size_inches()
    left, room, down = 0.12, (width - 0.24) * 72, 0.2
    if title:
        text = shorten(one_line(title), room, 12, bold=True)
        look = {"size": 12, "weight": "bold", "color": DARK, "parse_math": False}
        figure.text(left / width, 1 - down / height, text, va="center", **look)
        down += 0.24
    if note:
        text = shorten(one_line(note), room, 9, tail=0.0)
        look = {"size": 9, "color": GREY, "parse_math": False}
        figure.text(left / width, 1 - down / height, text, va="center", **look)


def in_notebook() -> bool:
    """Whether this code runs in a Jupyter kernel (Jupyter, VS Code, Colab, Kaggle)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return any(kind.__name__ == "ZMQInteractiveShell" for kind in type(shell).__mro__)


def display(drawing: Drawing) -> None:
    """Show a drawing from the middle of a notebook cell; elsewhere do nothing.

    A function that *returns* a drawing does not call this, or the last line of a cell
    would show it twice. It is for those that draw on the way to something else.
    """
    if in_notebook():
        from IPython.display import display as show

        show(drawing)
