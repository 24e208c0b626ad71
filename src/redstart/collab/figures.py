"""Figures with intervals, what lies between two of them, and tables of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from redstart.metrics.interval import proportion_interval
from redstart.metrics.metric import Interval
from redstart.show.digits import aligned as text_table

__all__ = ["Difference", "Figure", "mean_figure", "text_table"]


@final
@dataclass(frozen=True, slots=True)
class Figure:
    """A figure in [0, 1] with its 95% interval; ``None`` where there is none to give."""

    value: float
    interval: Interval | None

    def __str__(self) -> str:
        if self.interval is None:
            return f"{self.value:.4f}"
        return f"{self.value:.4f} [{self.interval[0]:.4f}, {self.interval[1]:.4f}]"


@final
@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of one model less that of another, on the same users or rows.

    Attributes:
        value: The difference.
        interval: Its 95% interval (Student's, paired); ``None`` where there is none to give.
        sentence: In words.
    """

    value: float
    interval: Interval | None
    sentence: str

    @classmethod
    def of(
        cls, figure: str, names: tuple[str, str], value: float, interval: Interval | None, n: str
    ) -> Difference:
        """Put a difference into words.

        Args:
            figure: What was measured.
            names: Of the two.
            value: The figure of the first less that of the second.
            interval: Its 95% interval.
            n: How many of what it was measured on.
        """
        said = (
            f"The {figure} of {names[0]} is {abs(value):.4f} {'lower' if value < 0 else 'higher'}"
        )
        said += f" than that of {names[1]}"
        if interval is None:
            return cls(value, None, f"{said} ({n}; too few to tell chance from more).")
        low, high = interval
        end = "more than chance" if low > 0 or high < 0 else "this may be chance"
        return cls(value, interval, f"{said} (95% interval {low:+.4f} to {high:+.4f}, {n}): {end}.")

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)

    def __str__(self) -> str:
        return self.sentence


def mean_figure(values: NDArray[np.float64]) -> Figure:
    """Mean of values in [0, 1] with its interval (Wilson's, with an effective size)."""
    n = len(values)
    if not n:
        return Figure(math.nan, None)
    value = float(values.mean())
    if n < 2:
        return Figure(value, None)
    return Figure(value, proportion_interval(value, float(values.var(ddof=1)) / n, n))
