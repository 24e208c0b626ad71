"""The coefficient of determination, whose interval is a jackknife."""

from __future__ import annotations

import math
from typing import final

from torch import Tensor

from redstart.metrics.functions import r2, two_columns
from redstart.metrics.influence import Influence, group_interval
from redstart.metrics.metric import Interval
from redstart.metrics.rows import KeptRows

__all__ = ["R2"]


@final
class R2:
    """Coefficient of determination; see ``r2``. Outputs and targets are kept on the CPU.

    Its interval is that of the jackknife (Tukey, 1958; Efron & Tibshirani, 1993, chapter 11):
    the figure is worked out without each row, and Student's distribution used. A model that
    says the mean for every row is the one place where it is much too wide.
    """

    name: str = "r2"
    larger_is_better: bool = True

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget every row."""
        self._rows = KeptRows(self.name)

    def update(self, out: Tensor, *y: Tensor) -> None:
        """Add the rows of one batch.

        Raises:
            DataError: If the shapes of ``out`` and ``y[0]`` do not fit each other.
        """
        two_columns(out, y[0])
        self._rows.add(out, y[0])

    def compute(self) -> float:
        """Return the figure over all rows; not a number for fewer than two."""
        tensors = self._rows.tensors()
        return r2(*tensors).item() if tensors else math.nan

    def interval(self) -> Interval | None:
        """Return its 95% interval; ``None`` where leaving out a row leaves nothing."""
        tensors = self._rows.tensors()
        found = self.influence(*tensors) if tensors else None
        return None if found is None else group_interval(found)

    def influence(self, out: Tensor, *y: Tensor) -> Influence | None:
        """See ``Linear.influence``: what the figure falls by without each row."""
        guess, true = (t.cpu() for t in two_columns(out, y[0]))
        n = len(true)
        if n < 3:
            return None
        value = r2(guess, true).item()
        errors, away = (true - guess).square(), (true - true.mean(0)).square()
        total = away.sum(0) - away * (n / (n - 1))
        varies = away.sum(0) > 0
        without = (errors.sum(0) - errors) / total
        without = (1 - without)[:, varies].sum(1) / len(varies)
        if not without.isfinite().all():
            return None
        rows = (without.mean() - without) * ((n - 1) / n)
        return Influence(value, rows, bounds=(-math.inf, 1.0))
