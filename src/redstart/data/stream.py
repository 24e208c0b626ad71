"""Batches that somebody else makes: any iterable of ``(x, y)`` pairs of tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor

from redstart.data.batch import Batch, Encoded
from redstart.data.codec import Codec
from redstart.data.loader import CPU
from redstart.data.target import Labels, Prediction, Reduction, Target
from redstart.errors import ConfigError, DataError, problem
from redstart.show.view import Caption, LineView

__all__ = ["StreamLoader", "TensorCodec", "TensorTarget"]


@final
@dataclass(frozen=True, slots=True)
class TensorCodec(Codec[Tensor]):
    """Inputs that are tensors already."""

    kind: ClassVar[str] = "tensor"

    def load(self, item: Any) -> Tensor:
        """Take the item as it is."""
        return torch.as_tensor(item)

    def encode(self, raw: Tensor) -> Encoded:
        """Wrap it."""
        return (raw,)

    def view(self, x: Encoded) -> LineView:
        """The numbers as a curve."""
        return LineView(np.asarray(x[0].detach().float().flatten()))


@final
@dataclass(frozen=True, slots=True)
class TensorTarget(Target[Tensor, Any]):
    """Targets whose meaning only the user's loss function knows."""

    kind: ClassVar[str] = "tensor"

    @property
    def n_out(self) -> int:
        """Unknown here.

        Raises:
            ConfigError: Always: the model is the user's own.
        """
        raise ConfigError(
            problem(
                "Expected loaders made by a `DataBlock`, which know how many outputs are needed",
                "plain batches of tensors",
                "Pass `n_out` to the model yourself.",
            )
        )

    def fit(self, train: Labels, rest: Labels = ()) -> TensorTarget:
        """Learn nothing."""
        return self

    def encode(self, raw: Tensor) -> Encoded:
        """Wrap it."""
        return (raw,)

    def loss(self, out: Any, y: Encoded, *, reduction: Reduction = "mean") -> Tensor:
        """Refuse: only the user knows.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(
            problem(
                "Expected a loss function for batches of plain tensors",
                "loss_func=None",
                "Pass one: `Learner(dls, model, loss_func=torch.nn.functional.cross_entropy)`.",
            )
        )

    def activate(self, out: Any) -> Tensor:
        """The output as it is."""
        return torch.as_tensor(out)

    def decode(self, acts: Tensor) -> list[Prediction[Tensor]]:
        """Each row as it is."""
        return [Prediction(row, (row,), row) for row in acts]

    def mark(self, y: Encoded) -> Caption:
        """The numbers, shortened."""
        values = y[0].flatten().tolist()
        return Caption(", ".join(f"{v:.4g}" for v in values[:4]) + (", ..." * (len(values) > 4)))


@dataclass(slots=True, eq=False)
class StreamLoader:
    """Makes batches of an iterable of ``(x, y)`` pairs: a torch ``DataLoader``, a list.

    Row numbers count up in the order that the rows come in.

    Attributes:
        pairs: Gone through anew for each epoch; ``len`` is its number of batches.
        device: Where batches go.
        seed: Seeds dropout.
    """

    pairs: Any
    device: torch.device = CPU
    seed: int = 0
    _n_rows: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        try:
            len(self.pairs)
        except TypeError as error:
            raise ConfigError(
                problem(
                    "Expected batches that can be counted and gone through again each epoch",
                    f"a {type(self.pairs).__name__}",
                    "Make a list of them, or a torch `DataLoader` over a data set with a length.",
                )
            ) from error

    @property
    def codec(self) -> TensorCodec:
        """Tensors as they are."""
        return TensorCodec()

    @property
    def target(self) -> TensorTarget:
        """Tensors as they are."""
        return TensorTarget()

    @property
    def n_rows(self) -> int:
        """Rows in one pass; counted on the first."""
        if not self._n_rows:
            self._n_rows = sum(len(_pair(p)[0][0]) for p in self.pairs)
        return self._n_rows

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[Batch]:
        return self.batches(epoch=0)

    def batches(self, *, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """One pass, without the first ``skip`` batches."""
        start = 0
        for number, pair in enumerate(self.pairs):
            x, y = _pair(pair)
            stop = start + len(x[0])
            if number >= skip:
                yield Batch(torch.arange(start, stop), x, y).to(self.device)
            start = stop


def _pair(pair: Any) -> tuple[Encoded, Encoded | None]:
    if isinstance(pair, Batch):
        return pair.x, pair.y
    if not isinstance(pair, list | tuple) or not pair or len(pair) > 2:
        raise DataError(
            problem(
                "Expected batches of the form `(x, y)`",
                f"a {type(pair).__name__}",
                "Collate rows to a pair of tensors, or tuples of them.",
            )
        )
    x, y = (*pair, None)[:2]
    return _encoded(x), None if y is None else _encoded(y)


def _encoded(value: Any) -> Encoded:
    return tuple(value) if isinstance(value, list | tuple) else (torch.as_tensor(value),)
