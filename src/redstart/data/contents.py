"""What rows hold, as one hash: the same rows give the same, wherever they lie."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from redstart.data.dataset import Source
from redstart.data.table import Table

__all__ = ["content", "contents_of", "row_hashes"]

_DIGITS = 16  # of the hash of one row; of a million rows, two are the same once in 10^7


def contents_of(source: Source, rows: Sequence[int]) -> str:
    """SHA-256 of what some rows hold and of their labels; order and paths do not matter.

    Args:
        source: All rows.
        rows: Row numbers.

    Raises:
        OSError: If a file cannot be read.
    """
    inputs, raws = source.inputs, source.raws
    if isinstance(inputs, Table):
        each = sorted(_hashes_of(source, rows))
        return hashlib.sha256(repr((sorted(inputs.names), each)).encode()).hexdigest()
    said = (f"{content(inputs[row])}\0{'' if raws is None else raws[row]}" for row in rows)
    found = hashlib.sha256()
    for line in sorted(said):
        found.update(f"{line}\n".encode())
    return found.hexdigest()


def _hashes_of(source: Source, rows: Sequence[int]) -> list[int]:
    """One whole number below 2**64 for each row of a table, of its cells."""
    import pandas as pd

    frame = Table.of(source.inputs).take(rows).frame.to_pandas()
    frame = frame.astype(object).where(frame.notna(), "").astype(str)
    if source.raws is not None and source.corrected:  # the table has the labels as they were
        frame = frame.assign(**{"\0corrected": [str(source.raws[row]) for row in rows]})
    found: list[int] = pd.util.hash_pandas_object(frame, index=False).tolist()
    return found


def row_hashes(source: Source, rows: Sequence[int]) -> list[str]:
    """Rows as short hashes: of files what they hold, of tables all cells.

    Args:
        source: All rows.
        rows: Row numbers.

    Returns:
        Hex digits, in the order of the rows.
    """
    inputs = source.inputs
    if isinstance(inputs, Table):
        return [f"{value:016x}" for value in _hashes_of(source, rows)]
    found = []
    for row in rows:
        found.append(hashlib.sha256(content(inputs[row]).encode()).hexdigest()[:_DIGITS])
    return found


def content(item: Any) -> str:
    """What an item holds: the hash of a file, an array or a picture, or its text."""
    if isinstance(item, str | os.PathLike) and Path(item).is_file():
        return hashlib.sha256(Path(item).read_bytes()).hexdigest()
    if hasattr(item, "__array__") or hasattr(item, "__array_interface__"):
        array = np.ascontiguousarray(np.asarray(item))
        return f"{array.dtype}{array.shape}{hashlib.sha256(array.tobytes()).hexdigest()}"
    return str(item)
