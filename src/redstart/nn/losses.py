"""Losses that do not ask whether a column is ``(B,)`` or ``(B, 1)``."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor, nn

from redstart.errors import ConfigError, problem

__all__ = ["CrossEntropyLossFlat", "MSELossFlat"]


@final
class MSELossFlat(nn.MSELoss):
    """Mean squared error of all numbers, whatever their shapes: ``(B,)`` against ``(B, 1)``."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare ``input`` and ``target``, which hold as many numbers.

        Raises:
            ConfigError: If they do not.
        """
        if input.numel() != target.numel():
            raise ConfigError(
                problem(
                    "Expected as many outputs as targets",
                    f"out={tuple(input.shape)}, y={tuple(target.shape)}",
                    "Let the model return one number per row, or `dls.c` of them.",
                )
            )
        return super().forward(input.flatten(), target.flatten().to(input.dtype))


@final
class CrossEntropyLossFlat(nn.CrossEntropyLoss):
    """Cross-entropy over one axis; every other axis counts as rows.

    Args:
        *args: As for ``nn.CrossEntropyLoss``.
        axis: Where the classes are.
        **kwargs: Likewise.
    """

    def __init__(self, *args: Any, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.axis = axis

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare scores ``(..., n, ...)`` with labels ``(...)``."""
        scores = input.movedim(self.axis, -1)
        return super().forward(scores.reshape(-1, scores.shape[-1]), target.flatten().long())
