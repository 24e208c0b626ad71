"""What happens when a figure no longer gets better."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, final

from redstart.errors import ConfigError, problem
from redstart.train.callback import Callback
from redstart.train.callbacks.monitor import Monitor
from redstart.train.events import CancelFitException
from redstart.train.run import Run

__all__ = ["EarlyStopping", "EarlyStoppingCallback", "ReduceLROnPlateau"]


@final
@dataclass(eq=False)
class EarlyStopping(Callback):
    """Ends the fit after an epoch when a figure has not got better for a while.

    The weights stay those of the last epoch; add ``SaveBest`` to get the best back. The
    figure was used to choose, so what it says of the result is too kind by a little:
    measure on rows that chose nothing (``learn.test()``).

    Attributes:
        monitor: Name of the figure, as in the table.
        patience: Epochs in a row without improvement that end the fit, above 0.
        min_delta: Improvements must be larger than this; at least 0.
        larger_is_better: If left out, the metric knows; losses are better smaller.
    """

    order: ClassVar[int] = 50
    monitor: str = "valid_loss"
    patience: int = 1
    min_delta: float = 0.0
    larger_is_better: bool | None = None
    _watch: Monitor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check(self.patience, self.min_delta)
        self._watch = Monitor(self.monitor)

    def before_fit(self, run: Run) -> None:
        """Forget earlier fits."""
        self._watch = Monitor(self.monitor, self.min_delta, self.larger_is_better)

    def before_validate(self, run: Run) -> None:
        """Begin to watch."""
        self._watch.begin()

    def after_validate(self, run: Run) -> None:
        """Look at the figure."""
        self._watch.improved(run)

    def after_epoch(self, run: Run) -> None:
        """End the fit, last of all callbacks, so that the epoch is complete for the others."""
        if self._watch.epochs_since >= self.patience and not self._watch.interrupted():
            raise CancelFitException


EarlyStoppingCallback = EarlyStopping
"""The course's name."""


@final
@dataclass(eq=False)
class ReduceLROnPlateau(Callback):
    """Divides the learning rates when a figure has not got better for a while.

    What schedules say is divided as well.

    Attributes:
        monitor: Name of the figure, as in the table.
        patience: Epochs in a row without improvement before each division, above 0.
        min_delta: Improvements must be larger than this; at least 0.
        factor: The rates are divided by this, above 1.
        min_lr: No rate is brought below this by dividing.
        larger_is_better: If left out, the metric knows; losses are better smaller.
    """

    order: ClassVar[int] = -35
    monitor: str = "valid_loss"
    patience: int = 1
    min_delta: float = 0.0
    factor: float = 10.0
    min_lr: float = 0.0
    larger_is_better: bool | None = None
    _watch: Monitor = field(init=False, repr=False)
    _divisor: float = field(default=1.0, init=False, repr=False)
    _ours: list[float] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        _check(self.patience, self.min_delta)
        if not self.factor > 1:
            raise ConfigError(
                problem(
                    "Expected a factor above 1, which rates are divided by",
                    f"factor={self.factor!r}",
                    "Use 10.0 for a tenth.",
                )
            )
        self._watch = Monitor(self.monitor)

    def before_fit(self, run: Run) -> None:
        """Forget earlier fits."""
        self._watch = Monitor(self.monitor, self.min_delta, self.larger_is_better)
        self._divisor = 1.0
        self._ours = [group["lr"] for group in run.opt.param_groups]

    def before_batch(self, run: Run) -> None:
        """Divide the rates that a schedule has just set; others are divided already."""
        if not run.training or self._divisor == 1.0:
            return
        for i, group in enumerate(run.opt.param_groups):
            if group["lr"] != self._ours[i]:
                self._divide(group, i, self._divisor)

    def before_validate(self, run: Run) -> None:
        """Begin to watch."""
        self._watch.begin()

    def after_epoch(self, run: Run) -> None:
        """Look at the figure, and divide."""
        self._watch.improved(run)
        if self._watch.epochs_since >= self.patience:
            self._watch.epochs_since = 0
            self._divisor *= self.factor
            for i, group in enumerate(run.opt.param_groups):
                self._divide(group, i, self.factor)

    def _divide(self, group: dict[str, Any], i: int, by: float) -> None:
        group["lr"] = max(group["lr"] / by, min(self.min_lr, group["lr"]))
        self._ours[i] = group["lr"]


def _check(patience: int, min_delta: float) -> None:
    if patience < 1 or not min_delta >= 0:
        raise ConfigError(
            problem(
                "Expected a patience of at least 1 epoch and a min_delta of at least 0",
                f"patience={patience!r}, min_delta={min_delta!r}",
                "Leave the callback out to train through.",
            )
        )
