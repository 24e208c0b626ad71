"""Loss functions of the user's own, made to give one loss per row too."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from redstart.data.target import Target
from redstart.train.run import LossFunction

__all__ = ["loss_of"]


def loss_of(target: Target[Any, Any], loss_func: Any = None) -> LossFunction:
    """Return ``loss(out, *y, reduction="mean")``: the target's own, or the user's.

    Args:
        target: Brings the loss that fits it.
        loss_func: A function ``(out, y)``, an ``nn.Module`` or a class of one that replaces it.
    """
    if loss_func is None:
        return lambda out, *y, reduction="mean": target.loss(out, y, reduction=reduction)
    if isinstance(loss_func, type):
        loss_func = loss_func()
    if isinstance(loss_func, nn.Module) and hasattr(loss_func, "reduction"):
        return _of_module(loss_func)
    if "reduction" in inspect.signature(loss_func).parameters:
        chosen: LossFunction = loss_func
        return chosen
    return _row_by_row(loss_func)


def _of_module(module: nn.Module) -> LossFunction:
    per_row = copy.copy(module)
    per_row.reduction = "none"  # type: ignore[assignment]

    def loss(out: Any, *y: Tensor, reduction: str = "mean") -> Tensor:
        if reduction == "mean":
            mean: Tensor = module(out, *y)
            return mean
        return _per_row(per_row(out, *y))

    return loss


def _row_by_row(function: Callable[..., Tensor]) -> LossFunction:
    def loss(out: Any, *y: Tensor, reduction: str = "mean") -> Tensor:
        if reduction == "mean":
            return function(out, *y)
        rows = range(len(out))
        return torch.stack([function(out[i : i + 1], *(t[i : i + 1] for t in y)) for i in rows])

    return loss


def _per_row(losses: Tensor) -> Tensor:
    """One loss per row, of losses that may be one per element."""
    return losses.flatten(1).mean(1) if losses.ndim > 1 else losses
