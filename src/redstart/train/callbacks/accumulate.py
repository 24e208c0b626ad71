"""Steps on more rows than fit into one batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

from redstart.errors import ConfigError, problem
from redstart.train.callback import Callback
from redstart.train.run import Run

__all__ = ["GradientAccumulation"]


@final
@dataclass(eq=False)
class GradientAccumulation(Callback):
    """Gathers gradients over several batches before each step.

    The step then equals that of one batch with all these rows, also where batches are of
    unequal size and at the end of an epoch, when fewer rows are left. Batch norm still
    sees single batches.

    Attributes:
        n_acc: Rows to gather at least, above 0.
    """

    order: ClassVar[int] = 20
    n_acc: int = 32
    _rows: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.n_acc < 1:
            raise ConfigError(
                problem(
                    "Expected a positive number of rows to gather",
                    f"n_acc={self.n_acc!r}",
                    "Leave the callback out to step on every batch.",
                )
            )

    def before_fit(self, run: Run) -> None:
        """Ask the loop to gather."""
        run.accumulate = self.n_acc
        self._rows = 0

    def after_loss(self, run: Run) -> None:
        """Count the rows."""
        if run.training and run.batch is not None:
            self._rows += len(run.batch)

    def before_step(self, run: Run) -> None:
        """Turn the sum over ``n_acc`` rows into a mean over the rows that there were."""
        rows, self._rows = self._rows, 0
        if rows != self.n_acc:
            for group in run.opt.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.grad.mul_(self.n_acc / rows)
