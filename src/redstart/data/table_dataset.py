"""Rows of a table, encoded whole and held as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from redstart.data.batch import Batch, Encoded
from redstart.data.codec import Codec
from redstart.data.dataset import ItemDataset, Source, encode_labels, shown
from redstart.data.target import Target
from redstart.errors import ConfigError, problem

__all__ = ["TableDataset", "dataset_of", "narrow"]


@dataclass(frozen=True, slots=True, eq=False)
class TableDataset:
    """Rows that are tensors already: whole batches are slices, nothing runs per row.

    Attributes:
        source: Where the rows came from.
        index: Row numbers in ``source``, ``(N,)`` int64.
        columns: Encoded inputs, ``(M, ...)`` each, on the device they are wanted on; whole
            numbers may be narrower than the int64 that batches have: see ``narrow``.
        labels: Encoded targets of the rows of ``index``, ``(N, ...)`` each, on the same
            device; ``None`` for new items.
        codec: Draws a row.
        target: Decodes and draws a target.
        places: Where in ``columns`` the rows of ``index`` are, ``(N,)`` int64, if the parts
            of a split share them; ``None`` if ``columns`` holds just these rows, in order.
        weights: How much each row counts in the loss, ``(N,)`` floats; batches carry it
            behind the labels. ``None`` if all count alike.
    """

    source: Source
    index: Tensor
    columns: Encoded
    labels: Encoded | None
    codec: Codec[Any]
    target: Target[Any, Any]
    places: Tensor | None = None
    weights: Tensor | None = None

    @classmethod
    def of(
        cls,
        source: Source,
        rows: tuple[int, ...],
        codec: Codec[Any],
        target: Target[Any, Any],
        *,
        columns: Encoded,
    ) -> Self:
        """Make a data set of some rows of a source that was encoded as a whole.

        Args:
            source: All rows.
            rows: Row numbers of this part.
            codec: What encoded the columns.
            target: Encodes the labels of this part.
            columns: What ``codec.encode_table`` made of all inputs, on the device wanted.

        Raises:
            DataError: If a target cannot be encoded; names the item.
        """
        index = torch.tensor(rows, dtype=torch.int64)
        labels = _on(columns[0].device, encode_labels(source, rows, target))
        return cls(source, index, columns, labels, codec, target, index)

    @property
    def rows(self) -> tuple[int, ...]:
        """Row numbers of this part."""
        return tuple(self.index.tolist())

    def with_codec(self, codec: Codec[Any]) -> TableDataset:
        """The same rows with a codec that encodes alike: what was encoded stays.

        Raises:
            ConfigError: If it encodes otherwise.
        """
        if codec.encoding_id != self.codec.encoding_id:
            raise ConfigError(
                problem(
                    "Expected a codec that encodes as the one before, for columns made in advance",
                    f"codec={codec}",
                    "Make new loaders with it.",
                )
            )
        return replace(self, codec=codec)

    def with_target(self, target: Target[Any, Any]) -> TableDataset:
        """The same rows with another target."""
        labels = encode_labels(self.source, self.rows, target)
        return replace(self, target=target, labels=_on(self.columns[0].device, labels))

    def __len__(self) -> int:
        return self.index.numel()

    def __repr__(self) -> str:
        return shown(self)

    def x(self, position: int) -> Encoded:
        """One row: what ``codec.view`` takes."""
        place = position if self.places is None else int(self.places[position])
        return tuple(_wide(t[place].cpu()) for t in self.columns)

    def y(self, position: int) -> Encoded | None:
        """One row's target; ``None`` if there is none."""
        return None if self.labels is None else tuple(t[position].cpu() for t in self.labels)

    def rows_at(self, positions: Sequence[int]) -> TableDataset:
        """Some of the rows, in the order given."""
        where = torch.tensor(positions, dtype=torch.int64)
        there = where.to(self.columns[0].device)
        return replace(
            self,
            index=self.index[where],
            columns=tuple(t[there] for t in self.columns) if self.places is None else self.columns,
            labels=self.labels and tuple(t[there] for t in self.labels),
            places=None if self.places is None else self.places[where],
            weights=None if self.weights is None else self.weights[there],
        )

    def encoded(self) -> Encoded:
        """Inputs of all rows, ``(N, ...)`` each."""
        places = slice(None) if self.places is None else self.places.to(self.columns[0].device)
        return tuple(_wide(t[places]) for t in self.columns)

    def inputs(self, positions: Sequence[int], *, seed: int, epoch: int) -> None:
        """Nothing: ``collate`` slices whole batches."""

    def collate(
        self, positions: Sequence[int], parts: Sequence[None], seed: int, epoch: int
    ) -> Batch:
        """Slice one batch."""
        return self.at(torch.as_tensor(positions, dtype=torch.int64))

    def at(self, where: Tensor) -> Batch:
        """The rows at positions ``(B,)`` int64 as one batch."""
        device = self.columns[0].device
        there = where.to(device)
        places = there if self.places is None else self.places[where].to(device)
        y = None if self.labels is None else tuple(t[there] for t in self.labels)
        if y is not None and self.weights is not None:
            y = (*y, self.weights[there])
        x = tuple(_wide(t[places]) for t in self.columns)
        return Batch(index=self.index[where], x=x, y=y)


def dataset_of(
    source: Source,
    rows: Sequence[int],
    codec: Codec[Any],
    target: Target[Any, Any],
    device: torch.device,
) -> ItemDataset | TableDataset:
    """Make a data set that is read as validation rows are: of tensors where the codec makes them.

    Args:
        source: All rows.
        rows: Row numbers of the data set.
        codec: Reads the inputs.
        target: Encodes the labels, if there are any.
        device: Where the columns of a table go.
    """
    columns = codec.encode_table(source.inputs)
    if columns is None:
        return ItemDataset.of(source, tuple(rows), codec, target)
    moved = tuple(t.to(device) for t in columns)
    return TableDataset.of(source, tuple(rows), codec, target, columns=moved)


def narrow(column: Tensor) -> Tensor:
    """Store int64 codes in the narrowest type that holds them: a quarter of the memory."""
    if column.dtype != torch.int64 or not column.numel():
        return column
    low, high = (int(end) for end in column.aminmax())
    for dtype in (torch.int16, torch.int32):
        if torch.iinfo(dtype).min <= low and high <= torch.iinfo(dtype).max:
            return column.to(dtype)
    return column


def _wide(codes: Tensor) -> Tensor:
    return codes.long() if codes.dtype in (torch.int16, torch.int32) else codes


def _on(device: torch.device, labels: Encoded | None) -> Encoded | None:
    return labels and tuple(t.to(device) for t in labels)
