"""Rows that were read once and need not be read again."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, final

__all__ = ["RowCache", "default_cache_bytes"]

_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


@final
class RowCache:
    """Loaded or encoded rows in memory, up to a number of bytes.

    It admits rows until it is full and never evicts: an epoch visits every row once in
    random order, so whatever were thrown out would be wanted again just as soon.
    """

    def __init__(self, limit: int) -> None:
        """Start empty.

        Args:
            limit: Bytes to hold at most.
        """
        self.limit = limit
        self.used = 0
        self._rows: dict[tuple[str, int], Any] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, stage: str, row: int) -> Any:
        """Return what was put for this stage and row number, or ``None``."""
        return self._rows.get((stage, row))

    def put(self, stage: str, row: int, value: Any, nbytes: int) -> None:
        """Keep ``value`` if it still fits."""
        with self._lock:
            if (stage, row) in self._rows or self.used + nbytes > self.limit:
                return
            self._rows[stage, row] = value
            self.used += nbytes


def default_cache_bytes() -> int:
    """A quarter of the memory that is free now, or of what a container may have if that is less.

    Returns:
        Bytes; 1 GiB where that cannot be told.
    """
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # Windows, some BSDs
        return 1 << 30
    with suppress(OSError, ValueError):  # no container, or one without a limit ("max")
        free = min(free, int(_CONTAINER_LIMIT.read_text()))
    return free // 4
