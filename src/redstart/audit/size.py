"""How much a validation set of this size can show."""

from __future__ import annotations

from redstart.audit.evidence import Evidence
from redstart.audit.finding import Finding, Severity
from redstart.metrics.size import (
    paired_std,
    rmse_half_width,
    rows_for_difference,
    share_half_width,
)

__all__ = ["size"]

_FEW = 100
_ASSUMED = 0.9
_DISAGREE = 0.08
_POINT = 0.01
_ALIKE = 0.9
"""Assumed correlation of the squared errors that two models make on one row."""


def size(evidence: Evidence) -> list[Finding]:
    """Say how wide intervals will be, and how many rows would show a small difference.

    A warning below 100 validation rows, else a note.

    Args:
        evidence: Of the truth only its kind is looked at.
    """
    n = len(evidence.parts.get("valid", ()))
    kind = evidence.truth.kind
    if not n or kind == "other":
        return []
    severity: Severity = "warning" if n < _FEW else "note"
    wide, needed, said = _numbers(n) if kind == "numbers" else _shares(n)
    if needed <= n:
        mend = "That is enough."
    elif n < _FEW:
        mend = (
            "Hold out more rows (`valid_pct=0.3`), collect more, or average over several "
            "splits; until then trust intervals, not the figures between them."
        )
    else:
        mend = "To choose between models that are close, hold out or collect more rows."
    facts = {"rows": n, "half_width": round(wide, 4), "rows_needed": needed}
    return [Finding(check="size", severity=severity, said=said, mend=mend, evidence=facts)]


def _shares(n: int) -> tuple[float, int, str]:
    wide = share_half_width(_ASSUMED, n)
    needed = rows_for_difference(paired_std(_DISAGREE, _POINT), _POINT)
    said = (
        f"With {n:,} validation rows an accuracy of 90% is known to about "
        f"±{100 * wide:.2g} points. Two models that are 1 point apart could be told apart "
        f"with about {rounded(needed):,} rows, if they disagree on "
        f"{100 * _DISAGREE:.0f} rows in 100."
    )
    return wide, needed, said


def _numbers(n: int) -> tuple[float, int, str]:
    wide = rmse_half_width(n)
    # In units of the variance: squared normal errors have the variance 2, and 1% of the
    # RMSE is 2% of the mean square.
    std = (2 * 2 * (1 - _ALIKE)) ** 0.5
    needed = rows_for_difference(std, 2 * _POINT)
    said = (
        f"With {n:,} validation rows the RMSE is known to about ±{100 * wide:.2g}% of itself, "
        f"if errors are roughly normal. Two models whose RMSE differ by 1% could be told apart "
        f"with about {rounded(needed):,} rows, if their squared errors correlate at {_ALIKE}."
    )
    return wide, needed, said


def rounded(rows: int) -> int:
    """To two digits: more would promise too much."""
    return round(rows, 2 - len(str(rows)))
