"""What a metric is: sums over rows, never means of batch means."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

__all__ = ["Interval", "Metric"]

Interval = tuple[float, float]
"""Lower and upper end of a 95% confidence interval."""


@runtime_checkable
class Metric(Protocol):
    """A figure for people, exact over all rows it has seen.

    ``out`` is the model's raw output for a batch and ``y`` the encoded target's
    tensors, as the loss gets them.
    """

    name: str
    larger_is_better: bool

    def reset(self) -> None:
        """Forget every row."""
        ...

    def update(self, out: Any, *y: Any) -> None:
        """Add the rows of one batch."""
        ...

    def compute(self) -> float:
        """Return the figure over all rows added since ``reset``."""
        ...

    def interval(self) -> Interval | None:
        """Return the 95% interval of ``compute()``, or ``None`` if there is none to give."""
        ...
