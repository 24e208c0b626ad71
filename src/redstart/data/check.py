"""The preflight: read every row before training does, and say what is wrong with it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redstart.data.dataset import ItemDataset
from redstart.data.loaders import DataLoaders
from redstart.data.table import Table
from redstart.data.table_dataset import TableDataset
from redstart.data.target import labels_at
from redstart.errors import DataError, problem
from redstart.home import home
from redstart.show.progress import track

__all__ = ["BadItem", "CheckReport", "check"]


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
        findings: What else a person should know, in sentences.
    """

    rows: int
    remembered: int
    bad: tuple[BadItem, ...]
    findings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether there is nothing to say."""
        return not self.bad and not self.findings

    def lines(self, most: int = 20) -> list[str]:
        """The report in lines of text, the first ``most`` unreadable rows among them."""
        said = [f"{self.rows} rows read, {len(self.bad)} unreadable."]
        said += [f"  set aside ({b.part}): {b.item}: {b.reason}" for b in self.bad[:most]]
        if len(self.bad) > most:
            said.append(f"  ... and {len(self.bad) - most} more.")
        return said + list(self.findings)

    def __str__(self) -> str:
        return "\n".join(self.lines())


def check(dls: DataLoaders) -> tuple[DataLoaders, CheckReport]:
    """Read every row once; what can be read stays in the loaders' cache.

    Files that were read before and have not changed since (path, size, time of change)
    are not read again: their identities are remembered on disk.

    Args:
        dls: Loaders made by a ``DataBlock``.

    Returns:
        The loaders without the unreadable rows, and what was found.

    Raises:
        DataError: If nothing readable is left in the training or the validation part.
    """
    known = _Known(dls)
    bad: list[BadItem] = []
    tables = isinstance(dls.source.inputs, Table)  # read as a whole when they were encoded
    for part, rows in {} if tables else dls.parts().items():
        loader = {"train": dls.train, "valid": dls.valid, "test": dls.sealed}[part]
        todo = [i for i, row in enumerate(rows) if not known.has(row)]
        for position, reason in track(_read(loader, todo), len(todo), f"Reading {part} rows"):
            if reason is None:
                known.add(rows[position])
            else:
                row = rows[position]
                bad.append(BadItem(row, part, dls.source.name(row), reason))
    known.save()
    clean = dls.without(b.index for b in bad) if bad else dls
    _refuse_empty(dls, clean, bad)
    findings = tuple(_findings(clean))
    total = sum(dls.sizes().values())
    return clean, CheckReport(total, known.found, tuple(bad), findings)


def _read(loader: Any, positions: Sequence[int]) -> Iterator[tuple[int, str | None]]:
    """Try to encode rows; yield each position with the reason it failed, if it did."""
    data: ItemDataset | TableDataset = loader.dataset

    def reason(position: int) -> tuple[int, str | None]:
        try:
            data.inputs([position], seed=0, epoch=0)
            if data.labels is None:
                data.y(position)
        except (DataError, OSError) as error:
            return position, str(error)
        return position, None

    with ThreadPoolExecutor(max(1, loader.num_workers)) as pool:
        yield from pool.map(reason, positions)


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


def _findings(dls: DataLoaders) -> list[str]:
    raws, parts = dls.source.raws, dls.parts()
    if raws is None:
        return []
    train, valid = (labels_at(raws, parts.get(name, ())) for name in ("train", "valid"))
    return dls.target.findings(train, valid)


class _Known:
    """Identities of inputs that were read before by a codec that encodes alike.

    Where they cannot be kept on disk, rows are read again each time.
    """

    def __init__(self, dls: DataLoaders) -> None:
        self._codec, self._inputs = dls.codec, dls.source.inputs
        self._name = hashlib.sha256(f"{dls.codec.encoding_id}|{dls.path}".encode()).hexdigest()[:24]
        self._seen = self._load()
        self.found = 0
        self._new: set[str] = set()

    def has(self, row: int) -> bool:
        key = self._key(row)
        self.found += (found := key is not None and key in self._seen)
        return found

    def add(self, row: int) -> None:
        if (key := self._key(row)) is not None:
            self._new.add(key)

    def save(self) -> None:
        if not self._new:
            return
        with suppress(OSError):
            file = self._file()
            scratch = file.with_suffix(f".{os.getpid()}.part")
            scratch.write_text(json.dumps(sorted(self._seen | self._new)))
            scratch.replace(file)

    def _key(self, row: int) -> str | None:
        identity = self._codec.identity(self._inputs[row])
        return identity and hashlib.sha256(identity.encode()).hexdigest()[:20]

    def _file(self) -> Path:
        return home("checked") / f"{self._name}.json"

    def _load(self) -> set[str]:
        try:
            return set(json.loads(self._file().read_text()))
        except (OSError, ValueError, TypeError):  # none yet, or cut short: read the rows again
            return set()
