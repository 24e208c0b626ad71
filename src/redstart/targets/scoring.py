"""What the losses of all targets share: rows that weigh differently, members side by side."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from redstart.data.batch import Encoded
from redstart.data.target import Reduction
from redstart.errors import ConfigError, problem

__all__ = ["check_temperature", "per_member", "reduced"]


def per_member(
    out: Tensor, y: Tensor, losses: Callable[[Tensor, Tensor], Tensor], *, ndim: int = 2
) -> Tensor:
    """Score outputs row by row; of an ensemble whose members are trained side by side, each.

    Args:
        out: ``(B, n_out)``, or ``(B, k, n_out)`` from ``k`` members.
        y: Encoded targets ``(B, ...)``.
        losses: From outputs ``(B, n_out)`` and targets to one loss per row, ``(B,)``.
        ndim: Dimensions of ``out`` without members.

    Returns:
        One loss per row, ``(B,)``: the mean over members.
    """
    if out.ndim <= ndim:
        return losses(out, y)
    k = out.shape[1]
    return losses(out.flatten(0, 1), y.repeat_interleave(k, 0)).view(-1, k).mean(1)


def reduced(losses: Tensor, y: Encoded, reduction: Reduction) -> Tensor:
    """Weigh and average losses ``(B,)``; a second target tensor ``(B,)`` holds rows' weights."""
    if len(y) > 1:
        losses = losses * y[1]
    return losses.mean() if reduction == "mean" else losses


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that is no number above 0.

    Raises:
        ConfigError: If it is not.
    """
    if not 0 < temperature < math.inf:
        raise ConfigError(
            problem(
                "Expected a `temperature` above 0",
                f"temperature={temperature}",
                "Use 1, which leaves probabilities as they are.",
            )
        )
