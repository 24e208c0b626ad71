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

__all__ = ["content", "contents_of"]


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
        import pandas as pd

        frame = inputs.take(rows).frame.to_pandas()
        frame = frame.astype(object).where(frame.notna(), "").astype(str)
        if raws is not None and source.corrected:  # the table has the labels as they were
            frame = frame.assign(**{"\0corrected": [str(raws[row]) for row in rows]})
        each = sorted(pd.util.hash_pandas_object(frame, index=False).tolist())
        return hashlib.sha256(repr((sorted(inputs.names), each)).encode()).hexdigest()
    said = (f"{content(inputs[row])}\0{'' if raws is None else raws[row]}" for row in rows)
    found = hashlib.sha256()
    for line in sorted(said):
        found.update(f"{line}\n".encode())
    return found.hexdigest()


def content(item: Any) -> str:
    """What an item holds: the hash of a file, an array or a picture, or its text."""
    if isinstance(item, str | os.PathLike) and Path(item).is_file():
        return hashlib.sha256(Path(item).read_bytes()).hexdigest()
    if hasattr(item, "__array__") or hasattr(item, "__array_interface__"):
        array = np.ascontiguousarray(np.asarray(item))
        return f"{array.dtype}{array.shape}{hashlib.sha256(array.tobytes()).hexdigest()}"
    return str(item)
