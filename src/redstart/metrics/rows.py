"""Metrics that need all rows at once: any function of them, and ROC AUC."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from redstart.errors import ConfigError, DataError, problem
from redstart.metrics.influence import Influence
from redstart.metrics.interval import bootstrap_rows, proportion_interval
from redstart.metrics.metric import Interval

__all__ = ["KeptRows", "RocAuc", "WholeSetMetric"]

_PSEUDO_ROWS = 0.1


@final
class WholeSetMetric:
    """A function of the outputs and targets of all rows, which are kept on the CPU.

    Its interval is a bootstrap over at most 20,000 rows, 199 times (see ``bootstrap_rows``);
    there is none if the function fails on such a sample, or gives the same for all.

    Args:
        name: What tables call it.
        function: Called once as ``function(out, *y)`` with the tensors of all rows
            (half-precision outputs as float32); returns one number.
        larger_is_better: Which way is good.
    """

    def __init__(
        self, name: str, function: Callable[..., Any], *, larger_is_better: bool = True
    ) -> None:
        self.name = name
        self.larger_is_better = larger_is_better
        self._function = function
        self._rows = KeptRows(name)

    def reset(self) -> None:
        """Forget every row."""
        self._rows = KeptRows(self.name)

    def update(self, out: Tensor, *y: Tensor) -> None:
        """Add the rows of one batch.

        Raises:
            DataError: If ``out`` is not a tensor, or has another number of rows than a target.
        """
        self._rows.add(out, *y)

    def compute(self) -> float:
        """Return the figure over all rows; not a number if there are none.

        Raises:
            ConfigError: If the function did not return one number.
            DataError: If batches differ in shape, so that they cannot be put together.
        """
        tensors = self._rows.tensors()
        return self._call(tensors) if tensors else math.nan

    def interval(self) -> Interval | None:
        """Return its 95% interval; ``None`` where the function allows none."""
        tensors = self._rows.tensors()
        if not tensors:
            return None
        value = self._call(tensors)
        try:
            with warnings.catch_warnings():
                # Samples may miss a class or so; that is what ``None`` is for.
                warnings.simplefilter("ignore")
                return bootstrap_rows(
                    tensors[0].shape[0],
                    lambda rows: self._call(tuple(t[rows] for t in tensors)),
                    value,
                )
        except Exception:  # the function is the user's, and can fail in any way
            return None

    def _call(self, tensors: tuple[Tensor, ...]) -> float:
        with torch.no_grad():
            result = self._function(*tensors)
        try:
            return float(result)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ConfigError(
                problem(
                    f"Expected the metric {self.name!r} to return one number",
                    f"result={type(result).__name__}"
                    + (f" of shape {tuple(result.shape)}" if hasattr(result, "shape") else ""),
                    "Reduce it, for example with `.mean()`.",
                )
            ) from error


@final
class RocAuc:
    """Area under the ROC curve: how often a row of a class outranks one that is not of it.

    ``out`` is ``(B, C)`` and is kept on the CPU, ``y[0]`` class numbers ``(B,)`` or, where
    rows can have many labels, zeros and ones ``(B, C)``. For two classes it is that of
    the second; else the plain mean of every class against the rest (``ovr``, ``macro``),
    over the classes that some rows are of and some are not.
    """

    name: str = "roc_auc"
    larger_is_better: bool = True

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget every row."""
        self._rows = KeptRows(self.name)
        self._found: _Area | None = None

    def update(self, out: Tensor, *y: Tensor) -> None:
        """Add the rows of one batch.

        Raises:
            DataError: If the shapes of ``out`` and ``y[0]`` do not fit each other.
        """
        true = y[0]
        if out.ndim != 2 or true.ndim not in (1, 2) or (true.ndim == 2 and true.shape != out.shape):
            raise DataError(
                problem(
                    "Expected outputs (B, C), and class numbers (B,) or labels (B, C)",
                    f"out={tuple(out.shape)}, y={tuple(true.shape)}",
                    "Choose a metric for this kind of target.",
                )
            )
        self._rows.add(out, true)
        self._found = None

    def compute(self) -> float:
        """Return the area; not a number if no class has rows both of it and not of it."""
        area = self._area()
        return area.value if area else math.nan

    def interval(self) -> Interval | None:
        """Return its 95% interval; ``None`` where there is no area.

        The variance is DeLong's (1988, Biometrics 44:837), with a tenth of a row of either
        kind added that is ranked at random, so that it is not zero for a perfect ranking.
        """
        area = self._area()
        if area is None:
            return None
        # The smoothed figure and variance are one pair: only their size is taken over.
        size = area.smoothed * (1 - area.smoothed) / area.variance if area.variance > 0 else 1.0
        return proportion_interval(area.value, area.value * (1 - area.value) / size, size)

    def influence(self, out: Tensor, *y: Tensor) -> Influence | None:
        """See ``Linear.influence``: DeLong's structural components."""
        rows = KeptRows(self.name)
        rows.add(out, y[0])
        tensors = rows.tensors()
        area = _area(*_one_against_rest(*tensors)) if tensors and not out.isnan().any() else None
        if area is None:
            return None
        size = area.smoothed * (1 - area.smoothed) / area.variance if area.variance > 0 else 1.0
        return Influence(area.value, area.rows, (0.0, 1.0), size, area.doubt)

    def _area(self) -> _Area | None:
        if self._found is None:
            tensors = self._rows.tensors()
            if tensors and not tensors[0].isnan().any():
                self._found = _area(*_one_against_rest(*tensors))
        return self._found


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Area:
    """The mean area; its value and variance, too, with pseudo-rows; each row's part."""

    value: float
    smoothed: float
    variance: float
    rows: Tensor
    doubt: float


def _one_against_rest(out: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Scores and membership, ``(classes, rows)``, of the classes that have an area."""
    if true.ndim == 2:
        scores, member = out.double(), true == 1
        if not (member | (true == 0)).all():
            raise DataError(
                problem(
                    "Expected classes or labels, zeros and ones, for `roc_auc`",
                    f"targets from {float(true.min()):g} to {float(true.max()):g}",
                    "Choose a metric for numbers, such as 'r2'.",
                )
            )
    else:
        # In float64, where far fewer confident rows become ties at exactly 1.
        scores = out.double().softmax(1)
        member = true.unsqueeze(1) == torch.arange(out.shape[1])
        if out.shape[1] == 2:
            scores, member = scores[:, 1:], member[:, 1:]
    usable = member.any(0) & ~member.all(0)
    return scores.T[usable].contiguous(), member.T[usable].contiguous()


def _area(scores: Tensor, member: Tensor) -> _Area | None:
    classes, n = scores.shape
    if not classes:
        return None
    value = smoothed = pseudo = doubt = 0.0
    more = _PSEUDO_ROWS / classes  # that many in all, whatever class they are of
    influence = torch.zeros(n, dtype=torch.float64)
    for score, of_it in zip(scores, member, strict=True):
        positive, negative = score[of_it], score[~of_it]
        above = _below(positive, negative)
        under = 1 - _below(negative, positive)
        n_pos, n_neg = len(positive), len(negative)
        area = above.mean().item()
        influence[of_it] += (above - area) * (_unbiased(n_pos) / n_pos)
        influence[~of_it] += (under - area) * (_unbiased(n_neg) / n_neg)
        away = 0.5 - area
        value += area
        smooth = area + away / 2 * sum(more / (m + more) for m in (n_pos, n_neg))
        smoothed += smooth
        few = 1 / n_pos**2 + 1 / n_neg**2
        pseudo += more * away**2 * few
        # Of a row that two models rank differently; by less where all is nearly in order.
        doubt += more * few * math.sqrt(max(smooth * (1 - smooth), 0.0)) / 2
    variance = (influence.square().sum().item() + pseudo) / classes**2
    rows = influence / classes
    return _Area(value / classes, smoothed / classes, variance, rows, doubt / classes**2)


def _below(scores: Tensor, others: Tensor) -> Tensor:
    """Share of the others that are below each score, ties counting half."""
    ordered = others.sort().values
    less = torch.searchsorted(ordered, scores)
    at_most = torch.searchsorted(ordered, scores, right=True)
    return (less + at_most).double() / (2 * len(others))


def _unbiased(n: int) -> float:
    return math.sqrt(n / (n - 1)) if n > 1 else 1.0


@final
class KeptRows:
    """Outputs and targets of all batches, on the CPU."""

    def __init__(self, metric: str) -> None:
        self._metric = metric
        self._batches: list[tuple[Tensor, ...]] = []

    def add(self, out: Any, *y: Any) -> None:
        """Add the rows of one batch, or raise ``DataError`` where they are no tensors of rows."""
        tensors = (out, *y)
        fits = all(isinstance(t, Tensor) and t.ndim > 0 for t in tensors)
        if not fits or len({t.shape[0] for t in tensors}) != 1:
            shown = [tuple(t.shape) if isinstance(t, Tensor) else type(t).__name__ for t in tensors]
            raise DataError(
                problem(
                    f"Expected tensors of equally many rows for the metric {self._metric!r}",
                    f"out={shown[0]}, y={shown[1:]}",
                    "Use an object with `update`, `compute` and `reset` for other outputs.",
                )
            )
        self._batches.append(tuple(_kept(t) for t in tensors))

    def tensors(self) -> tuple[Tensor, ...]:
        """``(out, *y)`` of all rows; empty if there are none."""
        if sum(len(batch[0]) for batch in self._batches) == 0:
            return ()
        if len(self._batches) > 1:
            try:
                whole = tuple(torch.cat(slot) for slot in zip(*self._batches, strict=True))
            except (RuntimeError, ValueError) as error:
                raise DataError(
                    problem(
                        f"Expected batches that can be put together for {self._metric!r}",
                        f"shapes={sorted({tuple(b[0].shape[1:]) for b in self._batches})}",
                        "Use an object with `update`, `compute` and `reset` instead.",
                    )
                ) from error
            self._batches = [whole]
        return self._batches[0]


def _kept(tensor: Tensor) -> Tensor:
    tensor = tensor.detach()
    half = tensor.dtype in (torch.float16, torch.bfloat16)
    # A copy, even of a CPU tensor: the caller may fill his buffer with the next batch.
    return torch.empty_like(
        tensor, dtype=torch.float32 if half else tensor.dtype, device="cpu"
    ).copy_(tensor)
