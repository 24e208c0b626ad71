"""Small layers that torch does not have."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["AdaptiveConcatPool2d", "LinBnDrop", "SigmoidRange"]


@final
class SigmoidRange(nn.Module):
    """Squash any number into the open interval from ``low`` to ``high``.

    Args:
        low: Lower end.
        high: Upper end.
    """

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` squashed, in its own shape."""
        return torch.sigmoid(x) * (self.high - self.low) + self.low

    def extra_repr(self) -> str:
        """Show the interval in ``print(model)``."""
        return f"{self.low}, {self.high}"


@final
class AdaptiveConcatPool2d(nn.Module):
    """Maximum and average over the feature map, one after the other: ``(B, 2C, size, size)``.

    Args:
        size: Height and width that are left.
    """

    def __init__(self, size: int = 1) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Pool a map of shape ``(B, C, H, W)``; the first C channels are the maxima."""
        return torch.cat(
            [F.adaptive_max_pool2d(x, self.size), F.adaptive_avg_pool2d(x, self.size)], dim=1
        )


@final
class LinBnDrop(nn.Sequential):
    """Batch norm, dropout, linear and activation, in that order; what is not wanted is left out.

    Args:
        n_in: Width of the input.
        n_out: Width of the output.
        bn: Whether there is a batch norm.
        p: Probability of dropout.
        act: Activation after the linear layer.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        bn: bool = True,
        p: float = 0.0,
        act: nn.Module | None = None,
    ) -> None:
        layers: list[nn.Module] = [nn.BatchNorm1d(n_in)] if bn else []
        if p > 0:
            layers.append(nn.Dropout(p))
        layers.append(nn.Linear(n_in, n_out))
        if act is not None:
            layers.append(act)
        super().__init__(*layers)
