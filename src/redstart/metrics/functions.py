"""Metrics as functions of one set of outputs and targets: ``accuracy(out, y)``.

Given to ``metrics=`` each is replaced by the streaming metric of the same name, which is
exact over all batches and has an interval. Called on one batch, they are about that batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from redstart.errors import ConfigError, DataError, problem

__all__ = [
    "absolute_errors",
    "accuracy",
    "accuracy_multi",
    "check_classes",
    "error_rate",
    "hits",
    "label_hits",
    "mae",
    "mse",
    "r2",
    "rmse",
    "squared_errors",
    "top_k_accuracy",
    "two_columns",
    "wide",
]


def wide(device: torch.device) -> torch.dtype:
    """Return the widest float type of a device, for sums: float64 but on Apple's GPUs."""
    return torch.float32 if device.type == "mps" else torch.float64


def accuracy(out: Tensor, y: Tensor) -> Tensor:
    """Share of rows whose largest output is the true class.

    Args:
        out: Logits or probabilities, ``(B, C)``.
        y: Class numbers, ``(B,)`` int64 in ``[0, C)``.

    Returns:
        A scalar in ``[0, 1]``.

    Raises:
        DataError: If the shapes do not fit.
    """
    return hits(out, y).mean()


def error_rate(out: Tensor, y: Tensor) -> Tensor:
    """Share of rows whose largest output is not the true class: ``1 - accuracy``.

    Args:
        out: Logits or probabilities, ``(B, C)``.
        y: Class numbers, ``(B,)`` int64 in ``[0, C)``.

    Returns:
        A scalar in ``[0, 1]``.

    Raises:
        DataError: If the shapes do not fit.
    """
    return 1 - accuracy(out, y)


def top_k_accuracy(out: Tensor, y: Tensor, k: int = 5) -> Tensor:
    """Share of rows whose true class is among those with the ``k`` largest outputs.

    Args:
        out: Logits or probabilities, ``(B, C)``.
        y: Class numbers, ``(B,)`` int64 in ``[0, C)``.
        k: How many classes to allow, in ``[1, C]``.

    Returns:
        A scalar in ``[0, 1]``.

    Raises:
        DataError: If the shapes do not fit.
        ConfigError: If there are fewer than ``k`` classes.
    """
    return hits(out, y, k).mean()


def accuracy_multi(out: Tensor, y: Tensor, thresh: float = 0.5, sigmoid: bool = True) -> Tensor:
    """Share of the row-and-label pairs that are right, when a row can have many labels.

    Args:
        out: Logits, ``(B, C)``.
        y: Zero or one for every label, ``(B, C)``.
        thresh: Probability above which a label is predicted, in ``[0, 1]``.
        sigmoid: Turn ``out`` into probabilities first; ``False`` if it is some already.

    Returns:
        A scalar in ``[0, 1]``.

    Raises:
        DataError: If the shapes do not fit.
    """
    return label_hits(out, y, thresh, sigmoid).mean()


def mse(out: Tensor, y: Tensor) -> Tensor:
    """Mean of the squared errors.

    Args:
        out: Predicted numbers, ``(B,)`` or ``(B, k)``.
        y: True numbers, of the same shape; ``(B, 1)`` and ``(B,)`` go together.

    Returns:
        A scalar, in the square of the target's unit.

    Raises:
        DataError: If the shapes do not fit.
    """
    return squared_errors(out, y).mean()


def rmse(out: Tensor, y: Tensor) -> Tensor:
    """Square root of ``mse``, over all ``k`` numbers of all rows together.

    Args:
        out: Predicted numbers, ``(B,)`` or ``(B, k)``.
        y: True numbers, of the same shape; ``(B, 1)`` and ``(B,)`` go together.

    Returns:
        A scalar, in the target's unit.

    Raises:
        DataError: If the shapes do not fit.
    """
    return mse(out, y).sqrt()


def mae(out: Tensor, y: Tensor) -> Tensor:
    """Mean of the absolute errors.

    Args:
        out: Predicted numbers, ``(B,)`` or ``(B, k)``.
        y: True numbers, of the same shape; ``(B, 1)`` and ``(B,)`` go together.

    Returns:
        A scalar, in the target's unit.

    Raises:
        DataError: If the shapes do not fit.
    """
    return absolute_errors(out, y).mean()


def r2(out: Tensor, y: Tensor) -> Tensor:
    """Coefficient of determination: 1 is perfect, 0 is no better than the mean of ``y``.

    Args:
        out: Predicted numbers, ``(B,)`` or ``(B, k)``.
        y: True numbers, of the same shape; ``(B, 1)`` and ``(B,)`` go together.

    Returns:
        A scalar: the mean over the ``k`` columns, each as scikit-learn's ``r2_score``
        has it. A column of equal targets counts 1 if all are met, else 0. Not a number
        for fewer than two rows.

    Raises:
        DataError: If the shapes do not fit.
    """
    out, y = two_columns(out, y)
    if y.shape[0] < 2:
        return torch.full((), torch.nan, dtype=y.dtype, device=y.device)
    residual = (y - out).square().sum(0)
    total = (y - y.mean(0)).square().sum(0)
    constant = (residual > 0).to(y.dtype)
    return (1 - torch.where(total > 0, residual / total, constant)).mean()


def hits(out: Tensor, y: Tensor, k: int = 1) -> Tensor:
    """Whether the true class is among the ``k`` largest outputs, by row, ``(B,)``: 0 or 1."""
    check_classes(out, y)
    if not 1 <= k <= out.shape[1]:
        raise ConfigError(
            problem(
                f"Expected `k` to be between 1 and the number of classes, {out.shape[1]}",
                f"k={k}",
                "Choose a smaller `k`, or use `accuracy`.",
            )
        )
    best = out.argmax(1, keepdim=True) if k == 1 else out.topk(k, dim=1).indices
    return (best == y.unsqueeze(1)).any(1).to(wide(out.device))


def label_hits(out: Tensor, y: Tensor, thresh: float = 0.5, sigmoid: bool = True) -> Tensor:
    """Share of the labels that are right, by row, ``(B,)``."""
    _check(out.shape == y.shape and out.ndim == 2, "outputs and labels of one shape (B, C)", out, y)
    probs = out.float().sigmoid() if sigmoid else out
    return ((probs > thresh) == (y > 0.5)).to(wide(out.device)).mean(1)


def squared_errors(out: Tensor, y: Tensor) -> Tensor:
    """Mean squared error by row, ``(B,)``."""
    out, y = two_columns(out, y)
    return (out - y).square().mean(1)


def absolute_errors(out: Tensor, y: Tensor) -> Tensor:
    """Mean absolute error by row, ``(B,)``."""
    out, y = two_columns(out, y)
    return (out - y).abs().mean(1)


def check_classes(out: Tensor, y: Tensor) -> None:
    """Refuse anything but outputs ``(B, C)`` and class numbers ``(B,)``."""
    fits = out.ndim == 2 and y.ndim == 1 and out.shape[0] == y.shape[0]
    whole = not (y.is_floating_point() or y.is_complex())
    _check(fits and whole, "outputs (B, C) and whole class numbers (B,)", out, y)


def two_columns(out: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Both as ``(B, k)``, in a type wide enough to subtract and square."""
    columns = [t.unsqueeze(1) if t.ndim == 1 else t for t in (out, y)]
    fits = columns[0].shape == columns[1].shape and columns[0].ndim == 2
    _check(fits, "outputs and targets of one shape, (B,) or (B, k)", out, y)
    return columns[0].to(wide(out.device)), columns[1].to(wide(y.device))


def _check(fits: bool, expected: str, out: Tensor, y: Tensor) -> None:
    if not fits:
        raise DataError(
            problem(
                f"Expected {expected}",
                f"out={tuple(out.shape)} {out.dtype}, y={tuple(y.shape)} {y.dtype}",
                "Choose a metric for this kind of target, or give the model as many outputs"
                " as the target needs.",
            )
        )
