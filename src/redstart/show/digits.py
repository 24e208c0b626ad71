"""Numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["digits", "told_apart"]


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
