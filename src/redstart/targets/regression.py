"""Numbers: one or several per row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redstart.audit.evidence import TruthKind
from redstart.data.batch import Encoded
from redstart.data.frame import is_missing
from redstart.data.target import Labels, Prediction, Reduction, Target
from redstart.errors import ConfigError, DataError, problem
from redstart.metrics.make import as_metric
from redstart.metrics.metric import Metric
from redstart.show.view import Number
from redstart.targets.scoring import per_member, reduced

__all__ = ["RegressionBlock", "RegressionTarget"]


_FILL_IN = "Fill them in, or leave these rows out."


@final
@dataclass(frozen=True, slots=True)
class RegressionTarget(Target[Any, Tensor]):
    """One number per row, or several.

    Models output numbers in the user's own units, ``(B, n_out)``. The loss is the mean
    squared error in units of the standard deviation among training rows, so that it is
    about 1 for a model that knows nothing, whatever the units; with ``log``, of the
    logarithms.

    Attributes:
        names: Of the numbers, where there are several.
        log: Whether the loss compares ``log(1 + y)``, for targets from 0 on whose size
            varies by factors, such as prices.
        standardize: Whether the loss is in units of the standard deviation; else it is
            the plain mean squared error.
        mean: Of each number (of its logarithm with ``log``) over training rows; learnt.
        std: Standard deviation, likewise.
        width: How many numbers, where that is given and they have no names; else 0.
    """

    kind: ClassVar[str] = "regression"
    truth_kind: ClassVar[TruthKind] = "numbers"
    names: tuple[str, ...] = ()
    log: bool = False
    standardize: bool = True
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    width: int = 0

    @property
    def n_out(self) -> int:
        """One output per number."""
        return len(self.mean) or len(self.names) or self.width or 1

    def fit(self, train: Labels, rest: Labels = ()) -> RegressionTarget:
        """Learn mean and standard deviation of the training rows.

        Raises:
            DataError: If a target is missing or no number, or all are the same.
        """
        if not len(train):
            raise DataError(
                problem("Expected training rows", "0 targets", "Check how the rows are split.")
            )
        values = self._read(train, width=len(self.names) or self.width or None)
        if len(rest):
            self._read(rest, width=values.shape[1])
        if not self.standardize:
            n = values.shape[1]
            return replace(self, mean=(0.0,) * n, std=(1.0,) * n)
        scaled = np.log1p(values) if self.log else values
        std = scaled.std(0)
        self._check_differ(values)
        return replace(self, mean=tuple(scaled.mean(0).tolist()), std=tuple(std.tolist()))

    def encode(self, raw: Any) -> Encoded:
        """Return the numbers as float32, ``(n_out,)``.

        Raises:
            DataError: If it is missing or no number.
        """
        values = raw if isinstance(raw, list | tuple | np.ndarray) else [raw]
        row = np.empty((1, len(values)), dtype=object)
        row[0] = values
        return (torch.from_numpy(self._read(row)[0].astype(np.float32)),)

    def encode_table(self, raws: Labels) -> Encoded:
        """Encode all rows at once: float32 ``(N, n_out)``."""
        return (torch.from_numpy(self._read(raws).astype(np.float32)),)

    def loss(self, out: Tensor, y: Encoded, *, reduction: Reduction = "mean") -> Tensor:
        """Squared error of ``out``, ``(B,)``, ``(B, n_out)`` or ``(B, k, n_out)``, standardised."""
        return reduced(per_member(out, y[0], self._errors), y, reduction)

    def activate(self, out: Tensor) -> Tensor:
        """The numbers themselves, ``(B, n_out)``."""
        return out.float().reshape(len(out), -1)

    def decode(self, acts: Tensor) -> list[Prediction[Any]]:
        """A number per row, or a tuple of them."""
        return [
            Prediction(values[0] if len(values) == 1 else tuple(values), (row,), row)
            for row, values in zip(acts, acts.tolist(), strict=True)
        ]

    def mark(self, y: Encoded) -> Number:
        """The numbers in words."""
        values = [_short(v) for v in y[0].flatten().tolist()]
        if len(self.names) != len(values) or len(values) == 1:
            return Number(", ".join(values))
        return Number(", ".join(f"{n} {v}" for n, v in zip(self.names, values, strict=True)))

    def metrics(self) -> tuple[Metric, ...]:
        """Root of the mean squared error, and mean absolute error."""
        return as_metric("rmse"), as_metric("mae")

    def _errors(self, out: Tensor, y: Tensor) -> Tensor:
        out = out.reshape(len(out), -1)
        if out.shape != y.shape:
            raise ConfigError(
                problem(
                    f"Expected a model with {self.n_out} outputs per row",
                    f"out={tuple(out.shape)}, y={tuple(y.shape)}",
                    "Give its last layer `dls.c` outputs.",
                )
            )
        if self.log:
            # A model may say less than 0 while it learns. The logarithm ends at -1; mirrored
            # at 0 it goes on, and with it the gradient.
            out, y = out.sign() * out.abs().log1p(), y.log1p()
        error = out - y
        if self.standardize and self.std:
            error = error / error.new_tensor(self.std)
        return error.square().mean(1)

    def _read(self, raws: Labels, width: int | None = None) -> NDArray[np.float64]:
        """Numbers ``(N, n)``; refuses what is missing or infinite, naming the row."""
        values = _numbers(raws)
        bad = ~(np.abs(values) <= np.finfo(np.float32).max).all(1)
        if self.log:
            bad |= (values < 0).any(1)
        if bad.any():
            row = int(bad.argmax())
            given = raws[row].tolist() if hasattr(raws[row], "tolist") else raws[row]
            where = f" in row {row} of these; {int(bad.sum())} such rows" if len(values) > 1 else ""
            below = self.log and np.isfinite(values[row]).all()
            fix = "Leave `log` out, or move them: add a constant." if below else _FILL_IN
            raise DataError(
                problem(
                    f"Expected a number{' from 0 on (log=True)' if self.log else ''} in every row",
                    f"{given!r:.80}{where}",
                    fix,
                )
            )
        if width is not None and values.shape[1] != width:
            named = f": {', '.join(self.names)}" if self.names else ""
            raise DataError(
                problem(
                    f"Expected {width} numbers in every row{named}",
                    f"{values.shape[1]} in row 0 of these",
                    "Give every row as many numbers.",
                )
            )
        return values

    def _check_differ(self, values: NDArray[np.float64]) -> None:
        """Refuse a column of one number, or of numbers that 32 bits cannot tell apart."""
        as_encoded = values.astype(np.float32)
        same = as_encoded.min(0) == as_encoded.max(0)
        if not same.any():
            return
        i = int(same.argmax())
        named = f" of {self.names[i]!r}" if self.names else ""
        fix = "Check the column; there is nothing to learn in it."
        if np.ptp(values[:, i]) > 0:
            fix = "They differ by too little for 32 bits: subtract the smallest from all first."
        raise DataError(
            problem(
                "Expected training targets that differ",
                f"{values[0, i]:g} in all {len(values)} rows{named}",
                fix,
            )
        )


def RegressionBlock(  # noqa: N802 - a block is named like a class in the course's vocabulary
    n_out: int | None = None,
    *,
    names: Sequence[str] = (),
    log: bool = False,
    standardize: bool = True,
) -> RegressionTarget:
    """One number per row, or several.

    Args:
        n_out: How many; learnt from the data if left out.
        names: Of the numbers, where there are several.
        log: Whether the loss compares ``log(1 + y)``.
        standardize: Whether the loss is in units of the standard deviation.

    Raises:
        ConfigError: If ``n_out`` and ``names`` disagree.
    """
    if n_out is not None and names and n_out != len(names):
        raise ConfigError(
            problem(
                "Expected as many names as numbers",
                f"n_out={n_out}, names={list(names)}",
                "Leave one of them out.",
            )
        )
    width = 0 if names else n_out or 0
    return RegressionTarget(tuple(map(str, names)), log, standardize, width=width)


def _numbers(raws: Labels) -> NDArray[np.float64]:
    """As ``(N, n)``; what is no number becomes NaN."""
    array = raws if isinstance(raws, np.ndarray) else _array(raws)
    if array.ndim == 1:
        array = array[:, None]
    if array.dtype.kind in "biuf":
        return array.astype(np.float64)
    flat = [math.nan if is_missing(v) else _number(v) for v in array.ravel()]
    return np.array(flat, dtype=np.float64).reshape(array.shape)


def _array(raws: Sequence[Any]) -> NDArray[Any]:
    rows = [r if isinstance(r, list | tuple | np.ndarray) else [r] for r in raws]
    if len({len(r) for r in rows}) > 1:
        lengths = [len(r) for r in rows]
        row = next(i for i, n in enumerate(lengths) if n != lengths[0])
        raise DataError(
            problem(
                "Expected as many numbers in every row",
                f"{lengths[0]} in row 0 of these, {lengths[row]} in row {row}",
                "Give every row as many numbers.",
            )
        )
    found = np.empty((len(rows), len(rows[0]) if rows else 1), dtype=object)
    for i, values in enumerate(rows):
        found[i] = values
    return found


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _short(value: float) -> str:
    """Four digits that matter, whole numbers in full, thousands set apart."""
    if math.isfinite(value) and abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"
