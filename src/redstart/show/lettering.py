"""How wide a text is, and how to make it fit. Sizes in points (1/72 inch)."""

from __future__ import annotations

import re
import warnings
from functools import cache, lru_cache
from typing import Any, Final

__all__ = ["families", "one_line", "shorten", "text_width", "wrap"]

_OVERSAMPLE: Final = 4
_SAFETY: Final = 1.03  # hinting at the final resolution may widen a text a little
_LONGEST: Final = 2000  # characters looked at; more never fit a picture
_FALLBACKS: Final = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Hiragino Sans",
    "Apple SD Gothic Neo",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Nirmala UI",
    "Arial Unicode MS",
)


@cache
def families() -> tuple[str, ...]:
    """The font families to draw with: matplotlib's own, then installed ones for other scripts."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return tuple(name for name in _FALLBACKS if name in installed)


@cache
def _renderer() -> Any:
    from matplotlib.backends.backend_agg import RendererAgg

    return RendererAgg(8, 8, 72 * _OVERSAMPLE)


@lru_cache(maxsize=20_000)
def text_width(text: str, size: float, bold: bool = False) -> float:
    """Width in points of one line of ``text`` at font size ``size``."""
    from matplotlib.font_manager import FontProperties

    font = FontProperties(family=list(families()), size=size, weight="bold" if bold else "normal")
    with warnings.catch_warnings():
        # A script that no installed font has is measured, as it is drawn, in boxes.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from")
        width = _renderer().get_text_width_height_descent(text, font, ismath=False)[0]
    return float(width) / _OVERSAMPLE * _SAFETY


def one_line(text: str) -> str:
    """Make every run of white space one blank, and leave out what cannot be printed."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def shorten(text: str, width: float, size: float, *, bold: bool = False, tail: float = 0.4) -> str:
    """Cut ``text`` to ``width`` with an ellipsis.

    Args:
        text: One line.
        width: In points.
        size: Font size in points.
        bold: Whether it will be drawn bold.
        tail: Part of what is kept that comes from the end, in [0, 1). Names often differ
            in their last letters, so that by default the middle goes.

    Returns:
        ``text`` itself where it fits; a lone ellipsis where nothing does.
    """
    if len(text) <= _LONGEST and text_width(text, size, bold) <= width:
        return text

    def cut(kept: int) -> str:
        end = int(kept * tail)
        return text[: kept - end].rstrip() + "…" + (text[-end:].lstrip() if end else "")

    low, high = 0, min(len(text) - 1, _LONGEST)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(cut(middle), size, bold) <= width:
            low = middle
        else:
            high = middle - 1
    return cut(low)


def wrap(
    text: str, width: float, size: float, *, lines: int, bold: bool = False, tail: float = 0.4
) -> list[str]:
    """Break ``text`` into at most ``lines`` lines of at most ``width`` points.

    Lines break at blanks and after ``_``, ``-`` and ``/``, within a word only if it is wider
    than a line. What does not fit the last line is shortened as by ``shorten``.
    """
    rest = one_line(text)
    found: list[str] = []
    while rest and len(found) < lines - 1:
        line = _first_line(rest, width, size, bold)
        found.append(line.rstrip())
        rest = rest[len(line) :].lstrip()
    if rest:
        found.append(shorten(rest, width, size, bold=bold, tail=tail))
    return found


def _first_line(text: str, width: float, size: float, bold: bool) -> str:
    line = ""
    for piece in re.findall(r"\s*[^\s_\-/]*[_\-/]*", text[:_LONGEST]):
        if text_width((line + piece).rstrip(), size, bold) > width:
            break
        line += piece
    if line.strip():
        return line
    count = 1
    while count < len(text) and text_width(text[: count + 1], size, bold) <= width:
        count += 1
    return text[:count]
