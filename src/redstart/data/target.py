"""What is being predicted: how it is encoded, scored, decoded and shown."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redstart.audit.evidence import TruthKind
from redstart.config import Configured
from redstart.data.batch import Encoded, stack
from redstart.metrics.metric import Metric
from redstart.show.view import Mark

__all__ = ["Labels", "Prediction", "Reduction", "Target", "labels_at"]

Raw = TypeVar("Raw")
Out = TypeVar("Out")
Reduction = Literal["mean", "none"]
Labels = Sequence[Any] | NDArray[Any]
"""Raw targets: one per row, or an array whose first axis is the rows."""


@dataclass(frozen=True, slots=True)
class Prediction(Generic[Raw]):
    """What ``predict`` returns for one row; unpacks as ``name, index, probs``.

    Attributes:
        decoded: In the user's terms: a label, a number, a mask; ``None`` where the model was
            asked to abstain if it is not sure, and is not.
        encoded: As the target encodes it, without the batch dimension; where the model
            abstains, what it would have answered.
        probs: The activations it was decoded from, on the CPU.
        abstained: Why there is no answer; empty where there is one.
        set: Labels, the likeliest first, that hold the truth as often as was asked for by
            ``coverage``, or by ``1 - abstain`` where the model abstains; else ``None``.
        interval: Lower and upper end, likewise, of a number; a pair for each of several.
    """

    decoded: Raw
    encoded: Encoded
    probs: Tensor
    abstained: str = ""
    set: tuple[Any, ...] | None = None
    interval: tuple[Any, ...] | None = None

    def __iter__(self) -> Iterator[Any]:
        encoded = self.encoded[0] if len(self.encoded) == 1 else self.encoded
        return iter((self.decoded, encoded, self.probs))


class Target(Configured, ABC, Generic[Raw, Out]):
    """One kind of target. Subclasses are frozen dataclasses and final.

    ``Out`` is what the model returns for a batch: a tensor ``(B, n_out)`` for most.
    """

    eager: ClassVar[bool] = True
    """Encode every row once, in advance. ``False`` where a row is large (a mask)."""

    truth_kind: ClassVar[TruthKind] = "other"
    """What the first encoded tensor holds, for the audit: see ``redstart.audit.evidence``."""

    @property
    @abstractmethod
    def n_out(self) -> int:
        """How many numbers per row (per pixel, for masks) the model must output."""

    @abstractmethod
    def fit(self, train: Labels, rest: Labels = ()) -> Self:
        """Return a copy that has learnt its vocabulary or scale.

        Args:
            train: Raw targets of the training rows.
            rest: Those of the other rows. They may widen a list of names, and
                nothing else: no statistic is ever learnt from them.
        """

    @abstractmethod
    def encode(self, raw: Raw) -> Encoded:
        """Turn a raw target into tensors, without the batch dimension."""

    def encode_table(self, raws: Labels) -> Encoded | None:
        """Encode all rows at once into ``(N, ...)`` tensors, or ``None`` to go row by row.

        Args:
            raws: Raw targets of the rows.

        Raises:
            DataError: If one cannot be encoded; names its position.
        """
        return None

    def encode_train(self, raw: Raw, rng: torch.Generator) -> Encoded:
        """Encode a training row whose codec draws; ``rng`` equals the codec's own."""
        return self.encode(raw)

    def collate(self, rows: Sequence[Encoded]) -> Encoded:
        """Stack; override to pad."""
        return stack(rows)

    @abstractmethod
    def loss(self, out: Out, y: Encoded, *, reduction: Reduction = "mean") -> Tensor:
        """Score raw model outputs against encoded targets, for the optimizer.

        Returns:
            A scalar, or one loss per row ``(B,)`` with ``reduction="none"``, whose
            mean is that scalar.
        """

    @abstractmethod
    def activate(self, out: Out) -> Tensor:
        """Turn raw model outputs into what people read: probabilities, values ``(B, ...)``."""

    @abstractmethod
    def decode(self, acts: Tensor) -> list[Prediction[Raw]]:
        """Turn activations ``(B, ...)``, on the CPU, into one prediction per row."""

    def predict(self, out: Out) -> list[Prediction[Raw]]:
        """Turn raw model outputs into one prediction per row."""
        return self.decode(self.activate(out).float().cpu())

    @abstractmethod
    def mark(self, y: Encoded) -> Mark:
        """Turn one encoded target into something to draw."""

    def metrics(self) -> tuple[Metric, ...]:
        """What to report when the user names no metric."""
        return ()

    def vocabulary(self) -> tuple[Any, ...]:
        """Names of the outputs, where they have names."""
        return ()


def labels_at(raws: Labels, rows: Sequence[int] | NDArray[np.intp]) -> Labels:
    """Raw targets of some rows, in the order given."""
    if isinstance(raws, np.ndarray):
        found: NDArray[Any] = raws[np.asarray(rows, dtype=np.intp)]
        return found
    return [raws[int(row)] for row in rows]
