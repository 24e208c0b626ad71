"""A module that is quick to write, and the pieces that models by hand are made of."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn

from redstart.errors import ConfigError, problem

__all__ = ["BareModule", "Embedding", "Module", "sigmoid_range"]


class BareModule(nn.Module):
    """An ``nn.Module`` whose ``__init__`` need not call that of the class above.

    ``class DotProduct(Module): ...`` is how models are written by hand in a lesson.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the module ready for layers."""
        made = super().__new__(cls)
        nn.Module.__init__(made)
        return made

    def __init__(self) -> None:
        pass  # done before, so that a subclass may call it or not


Module = BareModule
"""The name that lessons use."""


def Embedding(n: int, size: int, std: float = 0.01) -> nn.Embedding:  # noqa: N802
    """A table of ``n`` vectors, drawn from a normal distribution cut at two deviations.

    Args:
        n: Number of vectors.
        size: Numbers in each.
        std: Standard deviation.
    """
    made = nn.Embedding(n, size)
    with torch.no_grad():
        nn.init.trunc_normal_(made.weight, std=std, a=-2 * std, b=2 * std)
    return made


def sigmoid_range(x: Tensor, low: float, high: float) -> Tensor:
    """Squash numbers into the open interval from ``low`` to ``high``; same shape.

    Raises:
        ConfigError: If the interval is empty.
    """
    if not low < high:
        raise ConfigError(
            problem("Expected low < high", f"low={low}, high={high}", "Write y_range=(0.5, 5.5).")
        )
    return torch.sigmoid(x) * (high - low) + low
