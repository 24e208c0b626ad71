"""The preflight: read every row before training does, and say what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from redstart.audit.evidence import Likeness, Prints
from redstart.data.batch import Encoded
from redstart.data.dataset import ItemDataset
from redstart.data.seen import Seen
from redstart.errors import DataError, problem
from redstart.show.progress import track

if TYPE_CHECKING:
    from redstart.data.loaders import DataLoaders

__all__ = ["BadItem", "CheckReport", "Reading", "check", "read_rows"]


@dataclass(frozen=True, slots=True)
class BadItem:
    """A row that cannot be read.

    Attributes:
        index: Row number.
        part: ``train``, ``valid`` or ``test``.
        item: The item, as text.
        reason: Why it cannot be read.
    """

    index: int
    part: str
    item: str
    reason: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the preflight found.

    Attributes:
        rows: Rows looked at.
        remembered: How many of them had been read before, unchanged since.
        bad: Rows that cannot be read. They are set aside; no file is changed or deleted.
    """

    rows: int
    remembered: int
    bad: tuple[BadItem, ...]

    @property
    def ok(self) -> bool:
        """Whether there is nothing to say."""
        return not self.bad

    def lines(self, most: int = 20) -> list[str]:
        """The report in lines of text, the first ``most`` unreadable rows among them."""
        said = [f"{self.rows} rows read, {len(self.bad)} unreadable."]
        said += [f"  set aside ({b.part}): {b.item}: {b.reason}" for b in self.bad[:most]]
        if len(self.bad) > most:
            said.append(f"  ... and {len(self.bad) - most} more.")
        return said

    def __str__(self) -> str:
        return "\n".join(self.lines())


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What reading every row once told.

    Attributes:
        seen: What is known of the rows that could be read; ``None`` for tables, which were
            read as a whole when they were encoded.
        bad: Those that could not.
    """

    seen: Seen | None
    bad: tuple[BadItem, ...] = ()


def read_rows(dls: DataLoaders) -> Reading:
    """Read every row once; what can be read stays in the loaders' cache.

    Files that were read before and have not changed since (path, size, time of change)
    are not read again: what they told is remembered on disk.

    Args:
        dls: Loaders made by a ``DataBlock``.
    """
    if not isinstance(dls.train.dataset, ItemDataset):
        return Reading(None)
    seen, bad = Seen(dls), list[BadItem]()
    for part, rows in dls.parts().items():
        loader = {"train": dls.train, "valid": dls.valid, "test": dls.sealed}[part]
        todo = [i for i, row in enumerate(rows) if not seen.has(row)]
        read = _read(loader, todo, dls.codec.likeness)
        for position, found in track(read, len(todo), f"Reading {part} rows"):
            row = rows[position]
            if isinstance(found, str):
                bad.append(BadItem(row, part, dls.source.name(row), found))
            else:
                seen.put(row, *found)
    seen.save()
    return Reading(seen, tuple(bad))


def check(dls: DataLoaders, reading: Reading | None = None) -> tuple[DataLoaders, CheckReport]:
    """Say which rows cannot be read, and leave them out.

    Args:
        dls: Loaders made by a ``DataBlock``.
        reading: What ``read_rows`` found, if it has been called.

    Returns:
        The loaders without the unreadable rows, and what was found.

    Raises:
        DataError: If nothing readable is left in the training or the validation part.
    """
    reading = reading or read_rows(dls)
    bad = reading.bad
    clean = dls.without(b.index for b in bad) if bad else dls
    _refuse_empty(dls, clean, bad)
    remembered = 0 if reading.seen is None else reading.seen.found
    return clean, CheckReport(sum(dls.sizes().values()), remembered, bad)


_Told = tuple[Prints, dict[str, float]]


def _read(
    loader: Any, positions: Sequence[int], likeness: Likeness | None
) -> Iterator[tuple[int, _Told | str]]:
    """Try to encode rows; yield each position with what it told, or why it failed."""
    data: ItemDataset = loader.dataset

    def read(position: int) -> tuple[int, _Told | str]:
        try:
            if data.training and data.codec.random:
                data.inputs([position], seed=0, epoch=0)
            x = data.x(position)
            if data.labels is None:
                data.y(position)
        except (DataError, OSError) as error:
            return position, str(error)
        return position, _told(data, x, likeness)

    with ThreadPoolExecutor(max(1, loader.num_workers)) as pool:
        yield from pool.map(read, positions)


def _told(data: ItemDataset, x: Encoded, likeness: Likeness | None) -> _Told:
    prints: Prints = ()
    if likeness is not None:
        prints = tuple(np.asarray(one[0]) for one in likeness.prints(tuple(t[None] for t in x)))
    return prints, dict(data.codec.properties(x))


def _refuse_empty(before: DataLoaders, after: DataLoaders, bad: Sequence[BadItem]) -> None:
    left = after.sizes()
    for part in ("train", "valid"):
        if part in before.sizes() and part not in left:
            here = [b for b in bad if b.part == part]
            raise DataError(
                problem(
                    f"Expected at least one readable row in the {part} part",
                    f"{len(here)} unreadable rows, the first {here[0].item}: {here[0].reason}",
                    "Replace the files, or point at the right folder.",
                )
            )
