"""Corrected labels: a small file beside the data that is applied whenever the data is loaded.

The data itself is never changed. The file is JSON that a person can read::

    {"redstart": "corrections", "format": 1, "entries": [
      {"item": "train/ants/5650366_e22b7e1065.jpg", "was": "ants", "to": "bees"},
      {"item": "train/bees/586041248_3032e277a9.jpg", "was": "bees", "drop": true},
      {"row": 17, "content": "9c1185a5c5e9fc54", "was": "<=50K", "to": ">50K"}]}

A row that is a file goes by its path below the folder of the data. Any other row goes by its
number and by a hash of what it holds without what is predicted; should rows before it come or
go, it is found by the hash alone.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Self, final

import numpy as np

from redstart.config import JSON
from redstart.errors import DataError, problem

__all__ = ["FORMAT", "Correction", "Corrections", "plain_label", "same_label"]

FORMAT = 1

_FIELDS = ("item", "row", "content", "was", "to", "drop", "why", "who", "when")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """One row whose label is wrong.

    Attributes:
        item: Path of the file below the folder of the data; empty for rows that are no files.
        row: Row number, for these.
        content: Hash of what such a row holds.
        was: The label as the data has it.
        to: The label as it should be; ``None`` with ``drop``.
        drop: Whether the row is to be left out instead.
        why: In a person's words.
        who: Decided it.
        when: Likewise, as a date.
    """

    item: str = ""
    row: int = -1
    content: str = ""
    was: JSON
    to: JSON = None
    drop: bool = False
    why: str = ""
    who: str = ""
    when: str = ""

    @property
    def key(self) -> str:
        """What it is about: two corrections of one row have the same."""
        return self.item or f"row {self.row} ({self.content})"

    def __str__(self) -> str:
        return f"{self.key}: {self.was!r} -> {'left out' if self.drop else repr(self.to)}"


@final
@dataclass(frozen=True, slots=True)
class Corrections:
    """Rows whose labels are wrong, at most one entry for each.

    Attributes:
        entries: In the order in which they were accepted.
    """

    entries: tuple[Correction, ...] = ()

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Correction]:
        return iter(self.entries)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file that ``save`` wrote, or that a person wrote like it.

        Raises:
            DataError: If it cannot be read, was written by a newer version, or contradicts
                itself.
        """
        path = Path(path)
        try:
            found = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise _unreadable(path, str(error), "Check the path, and that it is JSON.") from error
        if not isinstance(found, dict) or found.get("redstart") != "corrections":
            fix = 'It starts with {"redstart": "corrections", "format": 1, "entries": [...]}.'
            raise _unreadable(path, "another kind of JSON", fix)
        if not isinstance(found.get("format"), int) or found["format"] > FORMAT:
            fix = "Upgrade redstart; a newer version wrote it."
            raise _unreadable(path, f"format {found.get('format')!r}", fix)
        return cls().add(_entry(path, i, e) for i, e in enumerate(found.get("entries", ())))

    def save(self, path: str | Path) -> Path:
        """Write all entries, in place of what the file held.

        Args:
            path: Of a JSON file; its folder is made where there is none.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = ",\n".join(f"  {json.dumps(_written(e), ensure_ascii=False)}" for e in self.entries)
        head = f'"redstart": "corrections",\n "format": {FORMAT},\n "entries": ['
        scratch = path.with_name(f"{path.name}.{os.getpid()}.part")
        scratch.write_text(f"{{{head}\n{lines}\n ]}}\n" if lines else f"{{{head}]}}\n", "utf-8")
        scratch.replace(path)
        return path

    def add(self, new: Iterable[Correction]) -> Self:
        """Return these and others; what is there already is not added twice.

        A second correction of a row whose label was corrected before follows upon the first:
        of "a to b" and "b to c" becomes "a to c".

        Raises:
            DataError: If two entries say different things of one row.
        """
        entries = {e.key: e for e in self.entries}
        for entry in new:
            old = entries.get(entry.key)
            if old is None or (same_label(old.was, entry.was) and _same_end(old, entry)):
                entries.setdefault(entry.key, entry)
            elif not old.drop and same_label(old.to, entry.was):
                entries[entry.key] = replace(entry, was=old.was)
                if not entry.drop and same_label(old.was, entry.to):
                    del entries[entry.key]
            else:
                raise DataError(
                    problem(
                        f"Expected one correction of {entry.key}",
                        f"{old.was!r} to {_end(old)}, and {entry.was!r} to {_end(entry)}",
                        "Decide, and take the other out.",
                    )
                )
        return type(self)(tuple(entries.values()))

    def merge(self, other: Corrections) -> Self:
        """Return these and those of ``other``; see ``add``."""
        return self.add(other.entries)

    def without(self, keys: Iterable[str]) -> Self:
        """Return these less some, by their ``key``: the path of a file, say."""
        gone = frozenset(keys)
        return type(self)(tuple(e for e in self.entries if e.key not in gone))

    @property
    def digest(self) -> str:
        """SHA-256 of what is changed, whatever the order; empty where nothing is."""
        lines = sorted(f"{e.key}\0{_end(e)}" for e in self.entries)
        return sha256("\n".join(lines).encode()).hexdigest() if lines else ""


def plain_label(label: Any) -> JSON:
    """A label as JSON has it: text, a number, or a list of them."""
    if isinstance(label, np.ndarray):
        return [plain_label(v) for v in label.tolist()]
    if isinstance(label, set | frozenset):
        return sorted((plain_label(v) for v in label), key=str)
    if isinstance(label, list | tuple):
        return [plain_label(v) for v in label]
    value = label.item() if hasattr(label, "item") else label
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def same_label(a: JSON, b: JSON) -> bool:
    """Whether two plain labels are the same; lists of names in any order."""
    if isinstance(a, list) and isinstance(b, list):
        if any(isinstance(v, str) for v in (*a, *b)):
            return sorted(map(str, a)) == sorted(map(str, b))
        return len(a) == len(b) and all(map(same_label, a, b))
    if isinstance(a, float) or isinstance(b, float):
        numbers = isinstance(a, int | float) and isinstance(b, int | float)
        return numbers and math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12)
    return bool(a == b) and isinstance(a, str) == isinstance(b, str)


def _same_end(a: Correction, b: Correction) -> bool:
    return a.drop == b.drop and (a.drop or same_label(a.to, b.to))


def _end(entry: Correction) -> str:
    return "left out" if entry.drop else repr(entry.to)


def _written(entry: Correction) -> dict[str, JSON]:
    """An entry without what says nothing."""
    where = {"item": entry.item} if entry.item else {"row": entry.row, "content": entry.content}
    end: dict[str, JSON] = {"drop": True} if entry.drop else {"to": entry.to}
    said = {name: value for name in ("why", "who", "when") if (value := getattr(entry, name))}
    return {**where, "was": entry.was, **end, **said}


def _entry(path: Path, number: int, found: Any) -> Correction:
    def wrong(got: str) -> DataError:
        fix = "An entry has `item` (or `row` and `content`), `was`, and `to` or `drop`."
        return _unreadable(path, f"{got} in entry {number}", fix)

    if not isinstance(found, Mapping):
        raise wrong(f"{found!r:.60}")
    if unknown := [name for name in found if name not in _FIELDS]:
        raise wrong(f"the field {unknown[0]!r}")
    placed = isinstance(found.get("item"), str) and found["item"]
    numbered = isinstance(found.get("row"), int) and isinstance(found.get("content"), str)
    if not (placed or numbered):
        raise wrong("no `item`, and no `row` with `content`")
    if "was" not in found or ("to" in found) == (found.get("drop") is True):
        raise wrong("no `was`, or not one of `to` and `drop`")
    return Correction(**found)


def _unreadable(path: Path, got: str, fix: str) -> DataError:
    return DataError(problem(f"Expected corrections of labels in {str(path)!r}", got, fix))
