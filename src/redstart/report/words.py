"""What all forms of a report share: words, paragraphs, cells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from numbers import Real
from typing import Any, Final

from redstart.audit.finding import Severity
from redstart.report.blocks import Table

__all__ = ["SEVERITY_WORDS", "cell_text", "numeric", "paragraphs", "spans"]

SEVERITY_WORDS: Final[dict[Severity, str]] = {
    "serious": "Serious",
    "warning": "Look at this",
    "note": "Note",
}

_CODE: Final = re.compile(r"`([^`]+)`")


def paragraphs(text: str) -> list[str]:
    """Part a text at its empty lines."""
    return [part for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]


def spans(text: str) -> Iterator[tuple[str, bool]]:
    """Part a line into plain text and code, which stands between backticks."""
    start = 0
    for found in _CODE.finditer(text):
        if found.start() > start:
            yield text[start : found.start()], False
        yield found[1], True
        start = found.end()
    if start < len(text):
        yield text[start:], False


def cell_text(value: Any) -> str:
    """A cell as text: four digits of what is not whole, nothing for ``None``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def numeric(table: Table) -> list[bool]:
    """Which columns hold numbers alone, and are aligned to the right."""
    return [
        any(_number(row[i]) for row in table.rows)
        and all(row[i] is None or _number(row[i]) for row in table.rows)
        for i in range(len(table.headers))
    ]


def _number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
