"""Reads training curves the way a person with experience does, and says what they say.

Training and validation loss are compared in evaluation mode, row by row, with intervals: the
loss that a training loop prints has dropout and augmentation in it and is an epoch old. How
far training got is told by what the model gained over the best constant answer, and how the
loss fell by its course over the summed learning rate: a rate that falls to nothing flattens
every curve over batches, but not that one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from redstart.evaluate.facts import KINDS, Curves, Facts, Kind, Reading, facts_of
from redstart.evaluate.generalising import fine, memorising, noise, overfitting, underfitting
from redstart.evaluate.pace import diverged, plateau, rate_too_high, rate_too_low, still_learning

__all__ = ["KINDS", "Curves", "Kind", "Reading", "read_curves"]


def read_curves(curves: Curves) -> list[Reading]:
    """Say in words what training curves say; see ``KINDS``.

    Args:
        curves: What a fit left behind.

    Returns:
        One reading or several, the most important first; nothing where nothing is known.
    """
    facts = facts_of(curves)
    if (reading := diverged(facts)) is not None:
        return [reading]
    checks: tuple[Callable[[Facts], Reading | None], ...] = (
        rate_too_high,
        overfitting,
        memorising,
        underfitting,
        rate_too_low,
        still_learning,
        plateau,
        noise,
    )
    found: dict[Kind, Reading] = {}
    for check in checks:
        reading = check(facts)
        if reading is not None and not (_EXPLAINED_BY[reading.kind] & found.keys()):
            found[reading.kind] = reading
    if not found and (good := fine(facts)) is not None:
        return [good]
    return list(found.values())


_STUCK: frozenset[Kind] = frozenset({"rate too high", "underfitting", "rate too low"})
_EXPLAINED_BY: Mapping[Kind, frozenset[Kind]] = {
    "rate too high": frozenset(),
    "memorising": frozenset(),
    "overfitting": frozenset(),
    "underfitting": frozenset({"rate too high"}),
    "rate too low": frozenset({"rate too high", "underfitting"}),
    "still learning": _STUCK | {"memorising", "overfitting"},
    "plateau": _STUCK | {"memorising", "overfitting", "still learning"},
    "noise": _STUCK | {"memorising", "overfitting"},
    "fine": frozenset(KINDS),
}
"""A reading is left out where another one says why it is so."""
