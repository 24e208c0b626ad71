"""The one thing that travels from the loader to the loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Batch", "Encoded", "stack"]

Encoded = tuple[Tensor, ...]
"""Always a tuple, even of one, so that nothing downstream has to ask."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Encoded rows, stacked.

    Attributes:
        index: Row numbers in the loaders' ``items``, ``(B,)`` int64, always on the CPU.
        x: Inputs; every tensor is ``(B, ...)``. The model is called ``model(*x)``.
        y: Targets; every tensor is ``(B, ...)``. ``None`` for new items.
    """

    index: Tensor
    x: Encoded
    y: Encoded | None

    def __len__(self) -> int:
        return self.index.numel()

    def __iter__(self) -> Iterator[Tensor]:
        """Unpack as ``x, y = batch``: the inputs, then the targets."""
        return iter((*self.x, *(self.y or ())))

    def to(self, device: torch.device) -> Batch:
        """Return this batch on ``device``; the row numbers stay on the CPU."""
        if all(t.device == device for t in (*self.x, *(self.y or ()))):
            return self
        y = None if self.y is None else _to(self.y, device)
        return Batch(self.index, _to(self.x, device), y)


def stack(rows: Sequence[Encoded]) -> Encoded:
    """Stack rows slot by slot: ``B`` tuples of ``(...)`` to one tuple of ``(B, ...)``."""
    return tuple(torch.stack(slot) for slot in zip(*rows, strict=True))


def _to(encoded: Encoded, device: torch.device) -> Encoded:
    return tuple(t.to(device, non_blocking=True) for t in encoded)
