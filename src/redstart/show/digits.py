"""Numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

__all__ = ["aligned", "digits", "places", "told_apart"]


def digits(value: float, *, sign: bool = False) -> str:
    """Write three digits that matter; thousands in full and set apart.

    Args:
        value: The number.
        sign: Whether to write a plus.
    """
    plus = "+" if sign else ""
    if math.isfinite(value) and abs(value) >= 999.5:
        return f"{value:{plus},.0f}"
    return f"{value:{plus}.3g}"


def told_apart(values: Sequence[float]) -> list[str]:
    """Write numbers with as many digits, three or more, as tell them from each other."""
    if len(set(map(digits, values))) == len(set(values)):
        return [digits(value) for value in values]
    for places in range(4, 12):
        found = [f"{value:,.{places}g}" for value in values]
        if len(set(found)) == len(set(values)):
            break
    return found


def places(values: Sequence[float], *, sign: bool = False) -> list[str]:
    """Write a figure and what goes with it, such as its interval, to one decimal place.

    Four decimals; none of thousands, which are set apart; more of what is below 0.001.

    Args:
        values: The numbers.
        sign: Whether to write a plus.
    """
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    n = 0 if largest >= 1000 else 4
    if 0 < largest < 1e-3:
        n = 2 - math.floor(math.log10(largest))
    return [f"{v:{'+' if sign else ''},.{n}f}" for v in values]


def aligned(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Align cells in columns, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    for first, *rest in (headers, *rows):
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *cells]).rstrip()
