"""Hyper-parameters as functions of progress, from 0.0 to 1.0."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = [
    "Combined",
    "Constant",
    "Cosine",
    "Exponential",
    "FlatCos",
    "Linear",
    "OneCycle",
    "Schedule",
]


@runtime_checkable
class Schedule(Protocol):
    """Maps progress through the fit, in [0, 1], to a value."""

    def __call__(self, progress: float) -> float:
        """Return the value at ``progress``."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """The same value throughout."""

    value: float

    def __call__(self, progress: float) -> float:
        """Return ``value``."""
        return self.value


@dataclass(frozen=True, slots=True)
class Linear:
    """From ``start`` to ``end`` in a straight line."""

    start: float
    end: float

    def __call__(self, progress: float) -> float:
        """Return the value at ``progress``."""
        return self.start + (self.end - self.start) * progress


@dataclass(frozen=True, slots=True)
class Cosine:
    """From ``start`` to ``end`` along half a cosine."""

    start: float
    end: float

    def __call__(self, progress: float) -> float:
        """Return the value at ``progress``."""
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True, slots=True)
class Exponential:
    """From ``start`` to ``end`` by equal factors; both are positive."""

    start: float
    end: float

    def __call__(self, progress: float) -> float:
        """Return the value at ``progress``."""
        return float(self.start * (self.end / self.start) ** progress)


@dataclass(frozen=True, slots=True)
class Combined:
    """``first`` up to progress ``at``, in (0, 1), then ``second``."""

    first: Schedule
    second: Schedule
    at: float

    def __call__(self, progress: float) -> float:
        """Return the value at ``progress``."""
        if progress < self.at:
            return self.first(progress / self.at)
        return self.second((progress - self.at) / (1 - self.at))


@dataclass(frozen=True, slots=True)
class OneCycle:
    """Warm up along a cosine to ``top``, then anneal to almost nothing (Smith 2018).

    Attributes:
        top: The largest value.
        pct_start: Share of the fit that warms up, in (0, 1).
        div: ``top / div`` is where it starts.
        div_final: ``top / div_final`` is where it ends.
    """

    top: float
    pct_start: float = 0.25
    div: float = 25.0
    div_final: float = 1e5

    def __call__(self, progress: float) -> float:
        """Return the value at ``progress``."""
        if progress < self.pct_start:
            return Cosine(self.top / self.div, self.top)(progress / self.pct_start)
        after = (progress - self.pct_start) / (1 - self.pct_start)
        return Cosine(self.top, self.top / self.div_final)(after)


@dataclass(frozen=True, slots=True)
class FlatCos:
    """``top`` for a while, then along a cosine to almost nothing.

    Attributes:
        top: The value at first.
        pct_start: Share of the fit that stays flat, in [0, 1).
        div_final: ``top / div_final`` is where it ends.
    """

    top: float
    pct_start: float = 0.75
    div_final: float = 1e5

    def __call__(self, progress: float) -> float:
        """Return the value at ``progress``."""
        if progress < self.pct_start:
            return self.top
        after = (progress - self.pct_start) / (1 - self.pct_start)
        return Cosine(self.top, self.top / self.div_final)(after)
