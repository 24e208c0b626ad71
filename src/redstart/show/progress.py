"""A progress bar where somebody is looking, nothing where nobody is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

__all__ = ["quietly", "track", "wants_progress"]

T = TypeVar("T")

_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


@contextmanager
def quietly() -> Iterator[None]:
    """Show no bar and no table inside the block."""
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


def wants_progress() -> bool:
    """Whether to show bars and tables: in a terminal or a notebook, unless told otherwise.

    ``REDSTART_PROGRESS=0`` turns them off everywhere and ``=1`` on everywhere.
    """
    if _quiet.get():
        return False
    told = os.environ.get("REDSTART_PROGRESS")
    if told is not None:
        return told.lower() not in {"0", "off", "false", "no", ""}
    return "ipykernel" in sys.modules or sys.stdout.isatty()


def track(rows: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Go through ``rows`` under a bar that goes away when done.

    Args:
        rows: What to go through.
        total: How many there are.
        what: What is being done, in the user's words.
    """
    if not wants_progress():
        yield from rows
        return
    from rich.progress import track as rich_track

    yield from rich_track(rows, description=what, total=total, transient=True)
