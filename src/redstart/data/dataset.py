"""Rows, encoded on demand or held as tensors."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from redstart.data.batch import Batch, Encoded
from redstart.data.cache import RowCache
from redstart.data.codec import Codec
from redstart.data.frame import Row
from redstart.data.target import Labels, Target, labels_at
from redstart.errors import DataError, problem
from redstart.rng import generator

__all__ = ["Dataset", "ItemDataset", "Source", "collate_inputs", "encode_labels", "shown"]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """All rows of a data set, before they are split.

    Attributes:
        items: What ``get_items`` listed; ``batch.index`` points into it.
        inputs: ``get_x`` of each item.
        raws: ``get_y`` of each item; ``None`` for new items.
        corrected: Hash of the corrections that ``raws`` went through; empty if none.
    """

    items: Sequence[Any]
    inputs: Sequence[Any]
    raws: Labels | None
    corrected: str = ""

    def name(self, row: int) -> str:
        """What a person calls the row: its file if it has one, else the item itself."""
        read = self.inputs[row]
        if isinstance(read, Row):
            return f"row {row}"
        return str(read if isinstance(read, str | os.PathLike) else self.items[row])

    def __repr__(self) -> str:
        return f"Source({len(self.items)} items)"


@runtime_checkable
class Dataset(Protocol):
    """Rows that a ``Loader`` can ask for by position."""

    @property
    def codec(self) -> Codec[Any]:
        """The codec of the inputs."""
        ...

    @property
    def target(self) -> Target[Any, Any]:
        """The fitted target."""
        ...

    @property
    def source(self) -> Source:
        """Where the rows came from."""
        ...

    @property
    def labels(self) -> Encoded | None:
        """Encoded targets of the rows, ``(N, ...)`` each, if they are held as a whole."""
        ...

    @property
    def index(self) -> Tensor:
        """Row numbers in ``source``, ``(N,)`` int64."""
        ...

    @property
    def rows(self) -> tuple[int, ...]:
        """The same, as plain numbers."""
        ...

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def inputs(self, positions: Sequence[int], *, seed: int, epoch: int) -> Any:
        """Read some rows; may run in a worker thread."""
        ...

    def collate(self, positions: Sequence[int], parts: Sequence[Any], seed: int, epoch: int) -> Any:
        """Make one ``Batch`` of what ``inputs`` returned for consecutive parts of ``positions``."""
        ...

    def x(self, position: int) -> Encoded:
        """Encode one row as for validation: what ``codec.view`` takes."""
        ...

    def y(self, position: int) -> Encoded | None:
        """Encode one row's target; ``None`` if there is none."""
        ...

    def rows_at(self, positions: Sequence[int]) -> Dataset:
        """Some of the rows, in the order given."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ItemDataset:
    """Items read one by one through a codec and a target.

    Attributes:
        source: All rows.
        rows: Row numbers of this part.
        codec: Reads the inputs.
        target: Encodes the labels.
        training: Whether rows are drawn anew each epoch (``codec.encode_train``).
        labels: Encoded targets of ``rows``, ``(N, ...)`` each, if the target is eager.
        cache: Shared between the parts of one data set.
        stage: What cached rows of this codec go by.
    """

    source: Source
    rows: tuple[int, ...]
    codec: Codec[Any]
    target: Target[Any, Any]
    training: bool = False
    labels: Encoded | None = None
    cache: RowCache | None = None
    stage: str = ""

    @classmethod
    def of(
        cls,
        source: Source,
        rows: tuple[int, ...],
        codec: Codec[Any],
        target: Target[Any, Any],
        *,
        training: bool = False,
        cache: RowCache | None = None,
    ) -> Self:
        """Make a data set of some rows of ``source``, encoding eager targets now.

        Raises:
            DataError: If a target cannot be encoded; names the item.
        """
        labels = encode_labels(source, rows, target) if target.eager else None
        return cls(source, rows, codec, target, training, labels, cache, codec.encoding_id)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return shown(self)

    @property
    def index(self) -> Tensor:
        """Row numbers in ``source``, ``(N,)`` int64."""
        return torch.tensor(self.rows, dtype=torch.int64)

    def with_target(self, target: Target[Any, Any]) -> ItemDataset:
        """The same rows with another target."""
        return ItemDataset.of(
            self.source, self.rows, self.codec, target, training=self.training, cache=self.cache
        )

    def rows_at(self, positions: Sequence[int]) -> ItemDataset:
        """Some of the rows, in the order given."""
        where = torch.tensor(positions, dtype=torch.int64)
        labels = self.labels and tuple(t[where] for t in self.labels)
        return replace(self, rows=tuple(self.rows[p] for p in positions), labels=labels)

    def with_codec(self, codec: Codec[Any]) -> ItemDataset:
        """The same rows read by another codec."""
        return replace(self, codec=codec, stage=codec.encoding_id)

    def x(self, position: int) -> Encoded:
        """Encode one row as for validation: what ``codec.view`` takes."""
        row = self.rows[position]
        if self.cache is not None and (kept := self.cache.get(self.stage, row)) is not None:
            found: Encoded = kept
            return found
        encoded = self.codec.encode(self._load(row))
        if self.cache is not None:
            self.cache.put(self.stage, row, encoded, sum(t.nbytes for t in encoded))
        return encoded

    def y(self, position: int) -> Encoded | None:
        """Encode one row's target; ``None`` if there is none."""
        if self.labels is not None:
            return tuple(t[position] for t in self.labels)
        if self.source.raws is None:
            return None
        return self.target.encode(self.source.raws[self.rows[position]])

    def inputs(self, positions: Sequence[int], *, seed: int, epoch: int) -> list[Encoded]:
        """Encode some rows; runs in a worker thread."""
        if self.training and self.codec.random:
            return [self._drawn(self.rows[p], seed, epoch) for p in positions]
        return [self.x(p) for p in positions]

    def collate(
        self, positions: Sequence[int], parts: Sequence[list[Encoded]], seed: int, epoch: int
    ) -> Batch:
        """Make one batch of what ``inputs`` returned for consecutive parts of ``positions``."""
        encoded = [x for part in parts for x in part]
        x = collate_inputs(self.codec, encoded, lambda i: self.source.name(self.rows[positions[i]]))
        index = torch.tensor([self.rows[p] for p in positions])
        return Batch(index=index, x=x, y=self._targets(positions, seed, epoch))

    def _targets(self, positions: Sequence[int], seed: int, epoch: int) -> Encoded | None:
        if self.labels is not None:
            where = torch.as_tensor(positions)
            return tuple(t[where] for t in self.labels)
        if self.source.raws is None:
            return None
        rows = [self.rows[p] for p in positions]
        raws = self.source.raws
        if self.training and self.codec.random:
            drawn = [self.target.encode_train(raws[r], generator(seed, epoch, r)) for r in rows]
            return self.target.collate(drawn)
        return self.target.collate([self.target.encode(raws[r]) for r in rows])

    def _load(self, row: int) -> Any:
        return self.codec.load(self.source.inputs[row])

    def _drawn(self, row: int, seed: int, epoch: int) -> Encoded:
        """Encode anew from the loaded row, which is what can be kept."""
        stage = f"raw {self.stage}"  # what `load` reads may depend on the size wanted
        raw = self.cache.get(stage, row) if self.cache is not None else None
        if raw is None:
            raw = self._load(row)
            size = self.codec.nbytes(raw)
            if self.cache is not None and size is not None:
                self.cache.put(stage, row, raw, size)
        return self.codec.encode_train(raw, generator(seed, epoch, row))


def collate_inputs(
    codec: Codec[Any], rows: Sequence[Encoded], name: Callable[[int], str]
) -> Encoded:
    """Collate encoded inputs.

    Args:
        codec: Knows how.
        rows: What it encoded.
        name: Names the row of a position, for the error.

    Raises:
        DataError: If rows have different shapes and ``codec`` cannot do with that; names two.
    """
    try:
        return codec.collate(rows)
    except (RuntimeError, ValueError) as error:
        shapes = [", ".join(str(tuple(t.shape)) for t in x) for x in rows]
        other = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), None)
        if other is None:
            raise
        raise DataError(
            problem(
                "Expected rows of one shape to make a batch of",
                f"{name(0)} is {shapes[0]}, {name(other)} is {shapes[other]}",
                "Bring them to one size with an item transform, such as `item_tfms=Resize(224)`.",
            )
        ) from error


def shown(data: Dataset) -> str:
    """A data set in words."""
    name, n = type(data).__name__, len(data.source.items)
    return f"{name}({len(data)} of {n} items, {data.codec.kind} -> {data.target.kind})"


def encode_labels(source: Source, rows: Sequence[int], target: Target[Any, Any]) -> Encoded | None:
    """Encoded targets of some rows, ``(N, ...)`` each; ``None`` where there are none."""
    if source.raws is None or not rows:
        return None
    try:
        if (whole := target.encode_table(labels_at(source.raws, rows))) is not None:
            return whole
    except DataError:
        for row in rows:  # says which row of the source it is
            _encode_label(source, row, target)
        raise
    return target.collate([_encode_label(source, row, target) for row in rows])


def _encode_label(source: Source, row: int, target: Target[Any, Any]) -> Encoded:
    assert source.raws is not None  # noqa: S101 - the caller looked
    try:
        return target.encode(source.raws[row])
    except DataError as error:
        name = source.name(row)
        named = "" if name == f"row {row}" else f": {name}"
        raise DataError(f"{error} The row is number {row}{named}.") from error
