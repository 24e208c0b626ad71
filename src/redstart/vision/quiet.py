"""Pillow's warnings, kept from the caller of a decoder that runs in many threads."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

__all__ = ["quiet_pillow"]

_PILLOW = r"PIL\.(?#redstart)"  # the comment: adding a filter drops the caller's equal one
_lock = threading.Lock()
_inside = 0
_put: tuple[list[Any], Any] | None = None


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Ignore warnings that Pillow's modules give during the block, in every thread.

    ``warnings.catch_warnings`` saves and restores the whole list of filters, which two
    threads cannot do at once. This adds one filter, for Pillow's modules only, when the
    first thread enters, and takes that one out again when the last leaves.
    """
    if getattr(sys.flags, "context_aware_warnings", False):  # Python 3.14, free-threaded
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=_PILLOW)
            yield
        return
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _inside, _put
    with _lock:
        _inside += 1
        filters = cast("list[Any]", warnings.filters)
        if _put is not None and _put[0] is filters:
            return
        _take_out()  # somebody else replaced the list while threads were inside
        warnings.filterwarnings("ignore", module=_PILLOW)
        filters = cast("list[Any]", warnings.filters)
        _put = (filters, filters[0])


def _leave() -> None:
    global _inside
    with _lock:
        _inside -= 1
        if not _inside:
            _take_out()


def _take_out() -> None:
    """Remove our filter, by identity, from the list it went to and from any copy of it."""
    global _put
    if _put is None:
        return
    for filters in (_put[0], cast("list[Any]", warnings.filters)):
        for at, entry in enumerate(filters):
            if entry is _put[1]:
                del filters[at]
                break
    _put = None
