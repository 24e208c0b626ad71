"""The weights of the best epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, final

from torch import Tensor

from redstart.errors import ConfigError, problem
from redstart.train import weights
from redstart.train.callback import Callback
from redstart.train.callbacks.hooks import uncompiled
from redstart.train.callbacks.monitor import Monitor
from redstart.train.run import Run

__all__ = ["SaveBest", "SaveModelCallback"]


@final
@dataclass(eq=False)
class SaveBest(Callback):
    """Keeps the weights of the best epoch and gives them back to the model after the fit.

    Attributes:
        monitor: Name of the figure that decides, as in the table.
        fname: A safetensors file to write them to as well, each time; in memory alone if
            left out.
        min_delta: Improvements must be larger than this; at least 0.
        larger_is_better: If left out, the metric knows; losses are better smaller.
        best: The best value; ``None`` before the first.
        best_epoch: Its epoch, from 0.
    """

    order: ClassVar[int] = 48
    monitor: str = "valid_loss"
    fname: str | Path | None = None
    min_delta: float = 0.0
    larger_is_better: bool | None = None
    best: float | None = field(default=None, init=False)
    best_epoch: int | None = field(default=None, init=False)
    _watch: Monitor = field(init=False, repr=False)
    _state: dict[str, Tensor] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.min_delta >= 0:
            raise ConfigError(
                problem(
                    "Expected a min_delta of at least 0",
                    f"min_delta={self.min_delta!r}",
                    "Use 0 to keep every improvement.",
                )
            )
        self._watch = Monitor(self.monitor)

    def before_fit(self, run: Run) -> None:
        """Forget earlier fits."""
        self._watch = Monitor(self.monitor, self.min_delta, self.larger_is_better)
        self.best = self.best_epoch = self._state = None

    def before_validate(self, run: Run) -> None:
        """Begin to watch."""
        self._watch.begin()

    def after_validate(self, run: Run) -> None:
        """Keep the weights if they are the best so far."""
        if not self._watch.improved(run):
            return
        self.best, self.best_epoch = self._watch.best, run.epoch
        self._state = {name: t.detach().clone() for name, t in run.model.state_dict().items()}
        if self.fname is not None:
            weights.save(uncompiled(run.model), Path(self.fname).with_suffix(".safetensors"))

    def after_fit(self, run: Run) -> None:
        """Give the best weights back."""
        if self._state is not None:
            run.model.load_state_dict(self._state)
            self._state = None


SaveModelCallback = SaveBest
"""The course's name."""
