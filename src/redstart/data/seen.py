"""What reading every row once told of it, remembered by the identity of its file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from redstart.audit.evidence import Prints
from redstart.home import home

if TYPE_CHECKING:
    from redstart.data.loaders import DataLoaders

__all__ = ["Seen"]

_KEY = 20  # hex digits of a file's identity
_MOST = 100_000  # rows that are remembered on disk


@final
class Seen:
    """Prints and properties of rows that could be read.

    Files that have not changed since (path, size, time of change) need not be read again.
    Where nothing can be kept on disk, rows are read again each time.

    Args:
        dls: Whose rows they are.
    """

    def __init__(self, dls: DataLoaders) -> None:
        self._codec, self._inputs = dls.codec, dls.source.inputs
        likeness = dls.codec.likeness
        how = "" if likeness is None else likeness.name
        name = f"{dls.codec.encoding_id}|{how}|{dls.path}"
        self._name = hashlib.sha256(name.encode()).hexdigest()[:24]
        self._rows: dict[int, tuple[Prints, Mapping[str, float]]] = {}
        self._kept = self._load()
        self._keys: dict[int, str | None] = {}
        self.found = 0

    def has(self, row: int) -> bool:
        """Whether a row was read before, and has not changed."""
        if row in self._rows:
            return True
        key = self._key(row)
        known = key is not None and key in self._kept
        if known:
            assert key is not None  # noqa: S101 - it is known
            self._rows[row] = self._kept[key]
            self.found += 1
        return known

    def put(self, row: int, prints: Prints, properties: Mapping[str, float]) -> None:
        """Keep what reading a row told."""
        self._rows[row] = (prints, properties)

    def prints(self, n_rows: int) -> Prints:
        """Prints of all rows, ``(n_rows, ...)`` each; zeros where there are none."""
        some = next((prints for prints, _ in self._rows.values() if prints), ())
        found = tuple(np.zeros((n_rows, *one.shape), one.dtype) for one in some)
        for row, (prints, _) in self._rows.items():
            for whole, one in zip(found, prints, strict=False):
                whole[row] = one
        return found

    def properties(self, n_rows: int) -> dict[str, NDArray[Any]]:
        """Properties of all rows by name, float64 ``(n_rows,)``; NaN where not known."""
        found: dict[str, NDArray[Any]] = {}
        for row, (_, properties) in self._rows.items():
            for name, value in properties.items():
                if name not in found:
                    found[name] = np.full(n_rows, np.nan)
                found[name][row] = value
        return found

    def save(self) -> None:
        """Write everything that can be known again to disk."""
        keyed = [(key, row) for row in self._rows if (key := self._key(row)) is not None]
        if not keyed or all(key in self._kept for key, _ in keyed):
            return
        kept = {**self._kept, **{key: self._rows[row] for key, row in keyed}}
        if len(kept) > _MOST:
            return
        names = sorted({name for _, properties in kept.values() for name in properties})
        values = list(kept.values())
        arrays = {
            "keys": np.array(list(kept), dtype=f"U{_KEY}"),
            "names": np.array(names, dtype=str),
            "properties": np.array([[p.get(n, np.nan) for n in names] for _, p in values]),
            **{f"print{i}": np.stack(slot) for i, slot in enumerate(_slots(values))},
        }
        with suppress(OSError):
            file = self._file()
            scratch = file.with_suffix(f".{os.getpid()}.part")
            with scratch.open("wb") as opened:
                np.savez(opened, **arrays)  # type: ignore[arg-type]
            scratch.replace(file)

    def _key(self, row: int) -> str | None:
        if row not in self._keys:
            identity = self._codec.identity(self._inputs[row])
            self._keys[row] = identity and hashlib.sha256(identity.encode()).hexdigest()[:_KEY]
        return self._keys[row]

    def _file(self) -> Path:
        return home("seen") / f"{self._name}.npz"

    def _load(self) -> dict[str, tuple[Prints, Mapping[str, float]]]:
        try:
            with np.load(self._file(), allow_pickle=False) as file:
                found = {name: file[name] for name in file.files}
            names = found["names"].tolist()
            slots = [found[f"print{i}"] for i in range(len(found) - 3)]
            return {
                key: (
                    tuple(np.asarray(slot[i]) for slot in slots),
                    {n: v for n, v in zip(names, values, strict=True) if v == v},  # not NaN,
                )
                for i, (key, values) in enumerate(
                    zip(found["keys"].tolist(), found["properties"].tolist(), strict=True)
                )
            }
        # None yet, or cut short: read the rows again.
        except (OSError, ValueError, KeyError, EOFError, TypeError):
            return {}


def _slots(values: list[tuple[Prints, Mapping[str, float]]]) -> list[tuple[NDArray[Any], ...]]:
    return list(zip(*(prints for prints, _ in values), strict=True))
