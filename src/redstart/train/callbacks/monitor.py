"""One figure of the table, followed from epoch to epoch."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import final

from redstart.errors import ConfigError, problem
from redstart.train.run import Run

__all__ = ["Monitor", "larger_is_better"]


@final
@dataclass(eq=False)
class Monitor:
    """Says after each epoch whether a figure is the best so far.

    Attributes:
        name: As in the table: ``valid_loss``, ``train_loss``, or a metric's name.
        min_delta: By how much it must be better to count; at least 0.
        larger: Whether larger is better; the metric itself knows if left out.
        best: The best value so far; ``None`` before the first.
        epochs_since: Epochs since then.
    """

    name: str
    min_delta: float = 0.0
    larger: bool | None = None
    best: float | None = None
    epochs_since: int = 0
    _outer: BaseException | None = field(default=None, repr=False)

    def begin(self) -> None:
        """Call in ``before_validate``: remembers what error, if any, is handled already."""
        self._outer = sys.exc_info()[1]

    def interrupted(self) -> bool:
        """Whether an error is on its way up: ``AFTER_`` events fire then as well."""
        return sys.exc_info()[1] is not self._outer

    def improved(self, run: Run) -> bool | None:
        """Call in ``after_validate``, once the row is filled.

        Returns:
            Whether the figure is better than ever before (never where it is not a
            number); ``None`` if validation did not come to its end.

        Raises:
            ConfigError: If there is no such figure.
        """
        if self.interrupted() or "valid_loss" not in run.row:
            return None
        if self.name not in run.row:
            raise ConfigError(
                problem(
                    "Expected the name of a figure in the table",
                    f"monitor={self.name!r}",
                    f"There are: {', '.join(run.row)}.",
                )
            )
        value = run.row[self.name]
        sign = 1 if larger_is_better(run, self.name, self.larger) else -1
        if self.best is None:
            better = value == value  # not nan
        else:
            better = sign * (value - self.best) > self.min_delta
        if better:
            self.best = value
        self.epochs_since = 0 if better else self.epochs_since + 1
        return better


def larger_is_better(run: Run, name: str, told: bool | None = None) -> bool:
    """Which way is up for a figure of ``run.row``.

    Args:
        run: Its metrics know for themselves; losses are better smaller.
        name: The figure's name.
        told: Goes before all that.

    Raises:
        ConfigError: If the figure is neither a loss nor a metric and nobody told.
    """
    if told is not None:
        return told
    for metric in run.metrics:
        if metric.name == name:
            return metric.larger_is_better
    if name.endswith("loss"):
        return False
    raise ConfigError(
        problem(
            "Expected to know whether a larger value is better",
            f"monitor={name!r}, which is neither a loss nor a metric",
            "Pass larger_is_better=True or False.",
        )
    )
