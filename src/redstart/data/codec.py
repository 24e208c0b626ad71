"""How one kind of input is read, turned into tensors, and looked at."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

from redstart.audit.evidence import Likeness
from redstart.config import Configured
from redstart.data.batch import Encoded, stack
from redstart.errors import ConfigError, problem
from redstart.show.view import View

if TYPE_CHECKING:
    from redstart.data.vocab import Vocab

__all__ = ["Codec", "file_identity"]

Raw = TypeVar("Raw")


class Codec(Configured, ABC, Generic[Raw]):
    """One kind of input. Subclasses are frozen dataclasses and final.

    A row goes ``load`` -> ``encode`` (or ``encode_train``) -> ``collate`` -> device
    -> batch transforms -> ``prepare`` -> the model. What ``encode`` returns is small
    and is what is cached and drawn (an image is ``uint8`` there); ``prepare`` makes of
    a whole batch what the model takes (floats, normalised).
    """

    @abstractmethod
    def load(self, item: Any) -> Raw:
        """Read the item (a path, a row of a table) into its natural Python form.

        Raises:
            DataError: If the item cannot be read, naming it and the reason.
        """

    def fit(self, raws: Iterable[Raw]) -> Self:
        """Return a copy that has learnt its vocabulary or statistics.

        Args:
            raws: The training inputs, read only as they are asked for. The default
                learns nothing and reads nothing.
        """
        return self

    @abstractmethod
    def encode(self, raw: Raw) -> Encoded:
        """Turn a raw input into tensors, without the batch dimension. Draws nothing."""

    @property
    def encoding_id(self) -> str:
        """What ``encode`` depends on, as text: rows encoded under the same one are equal."""
        return json.dumps(self.to_config(), sort_keys=True)

    @property
    def random(self) -> bool:
        """Whether ``encode_train`` draws; then its result is not kept between epochs."""
        return False

    def encode_train(self, raw: Raw, rng: torch.Generator) -> Encoded:
        """Encode a training row. Override, with ``random``, to draw a new version each epoch.

        Args:
            raw: What ``load`` returned; not to be changed in place.
            rng: Seeded by ``(seed, epoch, row)``; a spatial target is given an equal one.
        """
        return self.encode(raw)

    def encode_table(self, items: Sequence[Any]) -> Encoded | None:
        """Encode all rows at once into ``(N, ...)`` tensors, or ``None`` to go row by row."""
        return None

    def listed(self, items: Any) -> Sequence[Any]:
        """List new items that a user hands over; a lone path is one item."""
        return [items] if isinstance(items, str | os.PathLike) else list(items)

    @property
    def classes(self) -> Mapping[str, Vocab]:
        """Names of the categories of each column that has some, by column."""
        return {}

    def collate(self, rows: Sequence[Encoded]) -> Encoded:
        """Stack; override to pad."""
        return stack(rows)

    def prepare(self, x: Encoded) -> Encoded:
        """Make of a batch, already on the device, what the model takes."""
        return x

    @abstractmethod
    def view(self, x: Encoded) -> View:
        """Undo ``encode`` far enough to look at. No batch dimension."""

    def with_item_tfms(self, tfms: Sequence[Any]) -> Self:
        """Return a copy that applies ``tfms`` in ``encode``; they travel in the bundle.

        Raises:
            ConfigError: If this kind of input has no use for one of them.
        """
        if tfms:
            raise ConfigError(
                problem(
                    f"Expected no item transforms for {self.kind!r} inputs",
                    f"item_tfms={list(tfms)!r}",
                    "Leave `item_tfms` out.",
                )
            )
        return self

    def identity(self, item: Any) -> str | None:
        """What ``load(item)`` would read, as a string that changes when it changes.

        Returns:
            ``None`` where that cannot be told; such rows are never cached on disk.
        """
        return file_identity(item)

    @property
    def likeness(self) -> Likeness | None:
        """How rows are recognised again, for the audit; ``None`` if there is no way."""
        return None

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns that describe a row of a table, for the audit."""
        return ()

    def properties(self, x: Encoded) -> Mapping[str, float]:
        """What a row looks like, in named numbers: for the audit and for weak slices.

        Args:
            x: One encoded row.
        """
        return {}

    def headers(self, items: Sequence[Any]) -> Mapping[str, NDArray[Any]]:
        """What files say of themselves, for the audit: ``(N,)`` each; empty if nothing.

        Args:
            items: What ``load`` takes, of all rows.
        """
        return {}

    def handmade(self, x: Encoded) -> Tensor | None:
        """Features of one encoded row made by hand, for baselines: ``(D,)`` float32.

        Args:
            x: One encoded row.

        Returns:
            ``None`` for inputs that have none.
        """
        return None

    def nbytes(self, raw: Raw) -> int | None:
        """Memory that a loaded row takes, in bytes; ``None`` if it is not to be cached."""
        return None


def file_identity(item: Any) -> str | None:
    """Path, size and time of change of a file; ``None`` if ``item`` is not one."""
    if not isinstance(item, str | os.PathLike):
        return None
    try:
        stat = os.stat(item)
    except OSError:
        return None
    return f"{os.path.abspath(item)}|{stat.st_size}|{stat.st_mtime_ns}"
