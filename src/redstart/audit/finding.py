"""What the audit finds: something about the data that a person can act on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, final

from redstart.config import JSON

__all__ = ["SEVERITIES", "Finding", "Severity"]

Severity = Literal["serious", "warning", "note"]
"""``serious``: figures on these rows would mislead. ``warning``: look at it before you
rely on them. ``note``: good to know."""

SEVERITIES: tuple[Severity, ...] = ("serious", "warning", "note")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about rows or split that a person should know, and what to do about it.

    Attributes:
        check: Which check found it, a short fixed name such as ``"near duplicates"``.
        severity: How much it matters.
        said: What was found, in one sentence or two, with figures and how sure they are.
        mend: What to do, as an instruction; names the line of code where there is one.
        rows: Row numbers in ``dls.items`` that it is about, the clearest first; may be cut
            at 1,000.
        pairs: Rows that belong side by side, the clearest first; may be cut at 1,000.
        evidence: Figures that the sentence rests on; JSON values.
        groups: Where rows are tied: what the tie is called, and the group of every row of
            the data set as text; ``None`` for rows without one. For ``dls.resplit``.
    """

    check: str
    severity: Severity
    said: str
    mend: str
    rows: tuple[int, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    evidence: Mapping[str, JSON] = field(default_factory=dict)
    groups: tuple[str, tuple[str | None, ...]] | None = None

    def __str__(self) -> str:
        return f"{self.severity}: {self.said} {self.mend}"
