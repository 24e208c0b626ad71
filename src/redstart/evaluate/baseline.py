"""What a model has to beat: simple ways to do the same, on the same rows and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import final

from torch import Tensor

from redstart.metrics.metric import Interval
from redstart.show.page import table

__all__ = ["Baseline"]


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baseline:
    """A simple model of whatever kind, made and measured.

    Attributes:
        name: What people call it, short enough for a table: ``"most frequent class"``.
        said: How it was made, in a few words.
        out: Its raw outputs for the validation rows, in their order, as the learner's
            metrics take them: ``(N, ...)`` float32, on the CPU.
        metrics: Value and 95% interval of each of the learner's metrics, by name.
        seconds: How long it took, its features included.
        n_train: Training rows that it learnt from.
    """

    name: str
    said: str
    out: Tensor
    metrics: Mapping[str, tuple[float, Interval | None]]
    seconds: float
    n_train: int

    def _repr_html_(self) -> str:
        rows = [[k, v, *(("", "") if i is None else i)] for k, (v, i) in self.metrics.items()]
        return f"<p>{escape(self.said)}</p>" + table(["metric", "value", "from", "to"], rows)

    def __repr__(self) -> str:
        figures = ", ".join(f"{name} {value:.4g}" for name, (value, _) in self.metrics.items())
        return f"Baseline({self.name}: {self.said}; {figures})"
