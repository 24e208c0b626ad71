"""Batch transforms that must know what they transform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from redstart.data.codec import Codec
from redstart.data.loader import BatchTransform
from redstart.data.target import Target

__all__ = ["BatchSpec", "bind_all"]


@runtime_checkable
class BatchSpec(Protocol):
    """The description of a batch transform, as ``aug_transforms`` returns.

    It becomes a ``BatchTransform`` once codec and target are known: a warp must move
    masks and points along with the image. It may also change the codec instead, as
    ``Normalize`` does, whose statistics prediction needs too.
    """

    def bind(
        self, codec: Codec[Any], target: Target[Any, Any]
    ) -> tuple[Codec[Any], BatchTransform | None]:
        """Return the codec to use and what to do to training batches, if anything."""
        ...


def bind_all(
    specs: Sequence[BatchSpec | BatchTransform], codec: Codec[Any], target: Target[Any, Any]
) -> tuple[Codec[Any], tuple[BatchTransform, ...]]:
    """Bind every spec in turn; functions ``(batch, rng) -> batch`` are taken as they are."""
    bound: list[BatchTransform] = []
    for spec in specs:
        if isinstance(spec, BatchSpec):
            codec, transform = spec.bind(codec, target)
            if transform is not None:
                bound.append(transform)
        else:
            bound.append(spec)
    return codec, tuple(bound)
