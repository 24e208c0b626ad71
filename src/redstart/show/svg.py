"""Line charts as SVG text, without matplotlib: a run writes them at the end of every fit."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence

__all__ = ["line_chart"]

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_W, _H = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 40, 44


def line_chart(series: Mapping[str, Sequence[float]], *, x_label: str = "") -> str:
    """Draw series of numbers over 0, 1, 2, ...; gaps where a number is not finite.

    Args:
        series: Values by name; the names make the legend.
        x_label: Under the horizontal axis.

    Returns:
        A whole SVG document.
    """
    finite = [v for values in series.values() for v in values if math.isfinite(v)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    ticks = _ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    n = max((len(values) for values in series.values()), default=1)

    def x(i: float) -> float:
        return _LEFT + (_W - _LEFT - _RIGHT) * (i / max(1, n - 1) if n > 1 else 0.5)

    def y(v: float) -> float:
        return _H - _BOTTOM - (_H - _TOP - _BOTTOM) * (v - low) / ((high - low) or 1.0)

    parts = [_axes(ticks, y), _x_axis(n, x, x_label)]
    for number, (name, values) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [(x(i), y(v)) for i, v in enumerate(values) if math.isfinite(v)]
        line = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{line}"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points]
        left = _LEFT + number * 150
        parts.append(
            f'<rect x="{left}" y="14" width="14" height="4" fill="{colour}"/>'
            f'<text x="{left + 20}" y="20">{html.escape(name)}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_W} {_H}" width="{_W}" '
        f'height="{_H}" font-family="sans-serif" font-size="12">'
        f'<rect width="{_W}" height="{_H}" fill="white"/>{"".join(parts)}</svg>\n'
    )


def _axes(ticks: Sequence[float], y: Callable[[float], float]) -> str:
    return "".join(
        f'<line x1="{_LEFT}" x2="{_W - _RIGHT}" y1="{y(t):.1f}" y2="{y(t):.1f}" stroke="#ddd"/>'
        f'<text x="{_LEFT - 8}" y="{y(t) + 4:.1f}" text-anchor="end">{t:.4g}</text>'
        for t in ticks
    )


def _x_axis(n: int, x: Callable[[float], float], label: str) -> str:
    step = max(1, -(-n // 10))
    marks = "".join(
        f'<text x="{x(i):.1f}" y="{_H - _BOTTOM + 18}" text-anchor="middle">{i}</text>'
        for i in range(0, n, step)
    )
    middle = (_LEFT + _W - _RIGHT) / 2
    return marks + (
        f'<text x="{middle}" y="{_H - 8}" text-anchor="middle">{html.escape(label)}</text>'
    )


def _ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers that cover ``low`` to ``high``."""
    span = (high - low) or abs(high) or 1.0
    size = 10 ** math.floor(math.log10(span / about))
    step = next(size * m for m in (1, 2, 5, 10) if span / (size * m) <= about)
    first = math.floor(low / step)
    return [i * step for i in range(first, math.ceil(high / step) + 1)]
