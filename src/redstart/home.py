"""Where Redstart keeps what it remembers between runs."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["home"]


def home(*parts: str) -> Path:
    """Return a folder for remembered facts, making it if needed.

    ``REDSTART_HOME`` overrides the place; otherwise ``XDG_CACHE_HOME`` is obeyed.

    Args:
        *parts: Names of sub-folders.
    """
    base = os.environ.get("REDSTART_HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = Path(base).expanduser() if base else Path(cache).expanduser() / "redstart"
    folder = folder.joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
