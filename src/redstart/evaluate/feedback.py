"""What a model would do to the data it is trained on next, where its decisions select them.

A bank learns only from those who got a loan, a shop only from what it recommended. Such data
confirm the model that selected them (Lum and Isaac, 2016, Significance 13:14; Chaney et al.,
2018, RecSys). What helps is to leave a small random part of the decisions to chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from redstart.config import JSON
from redstart.errors import DataError, problem
from redstart.evaluate.differences import newcombe, same_share
from redstart.show.lettering import one_line

__all__ = ["Feedback", "recommendation_feedback", "selection_feedback"]

Floats = NDArray[np.float64]

_MATTERS = 0.05  # shift of a group's share of the data
_LEVEL = 0.05
_ENOUGH = 97  # rows that give a share to within 10 points: 0.25 (1.96 / 0.1)^2
_LIFT = 1.5
_TENTH = 0.1
_REACH = 0.5


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What the next training data would be, if the model's decisions selected them.

    Attributes:
        severity: ``"warning"`` if they would differ from today's in what matters, else
            ``"note"``.
        said: What would happen, with figures.
        mend: What to do about it.
        figures: What the sentence rests on.
    """

    severity: Literal["warning", "note"]
    said: str
    mend: str
    figures: Mapping[str, JSON]

    def __str__(self) -> str:
        return f"{self.severity}: {self.said} {self.mend}"

    def _repr_html_(self) -> str:
        return f"<p><b>{self.severity}</b>: {escape(self.said)}</p><p>{escape(self.mend)}</p>"


def selection_feedback(
    selected: Any, groups: Any, *, positive: str, by: str, actual: Any = None
) -> Feedback:
    """Say what training data would look like if only rows that the model selects got an outcome.

    Args:
        selected: Whether the model selects each row, ``(N,)``.
        groups: The group of each row, ``(N,)``.
        positive: Name of the class that selects.
        by: What the groups are.
        actual: Whether each row is positive, ``(N,)``, where that is known.

    Raises:
        DataError: If the arrays differ in length, or are empty.
    """
    chosen = np.asarray(selected, dtype=bool)
    names = np.array([one_line(str(g)) for g in np.asarray(groups, dtype=object)], dtype=object)
    truth = None if actual is None else np.asarray(actual, dtype=bool)
    if not len(chosen) or {len(names), len(chosen if truth is None else truth)} != {len(chosen)}:
        raise DataError(
            problem(
                "Expected a group and a decision for each row",
                f"{len(chosen)} decisions, {len(names)} groups",
                "Give arrays of the same rows, in the same order.",
            )
        )
    n, taken = len(chosen), int(chosen.sum())
    shares = {
        str(g): (float((names == g).mean()), float((names[chosen] == g).mean()) if taken else 0.0)
        for g in sorted(set(names.tolist()))
    }
    group = min(shares, key=lambda g: shares[g][1] - shares[g][0])
    now, then = shares[group]
    inside = names == group
    counts = (
        int(chosen[inside].sum()),
        int(inside.sum()),
        int(chosen[~inside].sum()),
        int((~inside).sum()),
    )
    chance = min(1.0, same_share(*counts) * len(shares))
    moved = taken > 0 and now - then >= _MATTERS and chance < _LEVEL
    said = (
        f"If only rows that the model calls {positive!r} got an outcome, the next training data "
        f"would be {taken:,} of {n:,} rows."
    )
    if len(shares) > 1 and taken:
        sure = newcombe(*counts)
        ends = "" if sure is None else f" [{100 * sure[0]:+.1f}, {100 * sure[1]:+.1f}]"
        gap = 100 * (chosen[inside].mean() - chosen[~inside].mean())
        said += (
            f" {by} = {group} would be {100 * then:.1f}% of them, and is {100 * now:.1f}% now "
            f"(its selection rate is {gap:+.1f}{ends} points from that of the rest)."
        )
    missed = _missed(truth, chosen)
    if missed is not None:
        said += f" {100 * missed:.0f}% of the rows that are {positive!r} would never be seen."
    keep = _kept(names, chosen)
    return Feedback(
        severity="warning" if moved else "note",
        said=said,
        mend=_keep_random(keep, by),
        figures={
            "rows": n,
            "selected": taken,
            "shares": {g: {"now": a, "next": b} for g, (a, b) in shares.items()},
            "group": group,
            "p": chance,
            "missed": missed,
            "keep": keep,
        },
    )


def recommendation_feedback(recommended: Any, popularity: Any) -> Feedback:
    """Say what training data would look like if people saw only what is recommended.

    Args:
        recommended: Positions of the items recommended to each user, ``(U, K)``; negative
            where a list is shorter.
        popularity: How often each item of the catalogue is in the training data, ``(I,)``.

    Raises:
        DataError: If nothing is recommended, or an item is not in the catalogue.
    """
    lists = np.asarray(recommended, dtype=np.int64)
    before = np.asarray(popularity, dtype=np.float64)
    items = lists[lists >= 0]
    if not len(items) or items.max() >= len(before) or before.sum() <= 0:
        raise DataError(
            problem(
                "Expected recommended items of a catalogue that was rated",
                f"{len(items)} recommendations, {len(before)} items",
                "Give positions in the list of popularities.",
            )
        )
    after = np.bincount(items, minlength=len(before)).astype(np.float64)
    top = np.argsort(-before, kind="stable")[: max(1, math.ceil(_TENTH * len(before)))]
    reach = float((after > 0).mean())
    known = float((before > 0).mean())
    head = (float(before[top].sum() / before.sum()), float(after[top].sum() / after.sum()))
    seen = (float((before**2).sum() / before.sum()), float((before * after).sum() / after.sum()))
    lift = seen[1] / seen[0]
    gini = (_gini(before), _gini(after))
    narrow = reach < _REACH * known or lift > _LIFT or head[1] > head[0] + 2 * _MATTERS
    said = (
        f"If people rated only what is recommended to them, the next training data would hold "
        f"{100 * reach:.0f}% of the {len(before):,} items, and hold {100 * known:.0f}% now. The "
        f"most popular tenth would be {100 * head[1]:.0f}% of them instead of "
        f"{100 * head[0]:.0f}%; a recommended item is {lift:.1f} times as popular as a rated one "
        f"(Gini {gini[1]:.2f}, now {gini[0]:.2f})."
    )
    return Feedback(
        severity="warning" if narrow else "note",
        said=said,
        mend="Show something random in about one place of ten, note that it was, and measure on "
        "that: ratings of what a model chose flatter the model.",
        figures={
            "reach": reach,
            "known": known,
            "most popular tenth": {"now": head[0], "next": head[1]},
            "popularity lift": lift,
            "gini": {"now": gini[0], "next": gini[1]},
        },
    )


def _missed(truth: NDArray[np.bool_] | None, chosen: NDArray[np.bool_]) -> float | None:
    if truth is None or not truth.any():
        return None
    return float((~chosen)[truth].mean())


def _kept(names: NDArray[Any], chosen: NDArray[np.bool_]) -> float:
    """Share of the unselected to keep: enough of each group to give a share to 10 points."""
    left = [int((~chosen & (names == g)).sum()) for g in set(names.tolist())]
    enough = [n for n in left if n >= _ENOUGH]
    if not enough:
        return 1.0 if any(left) else 0.0
    return _ENOUGH / min(enough)


def _keep_random(keep: float, by: str) -> str:
    if not keep:
        return "Every row is selected: all of them get an outcome."
    share = "all" if keep >= 1 else f"a random {math.ceil(100 * keep)}%"
    return (
        f"Let {share} of the rows that are not selected through as well, to go on measuring each "
        f"{by} to within 10 points; mark these rows, and test on them."
    )


def _gini(counts: Floats) -> float:
    """How unequal counts are: 0 if all are the same, near 1 if one has all (Gini, 1912)."""
    ordered = np.sort(counts)
    n, total = len(ordered), ordered.sum()
    if total == 0:
        return 0.0
    return float(2 * (np.arange(1, n + 1) * ordered).sum() / (n * total) - (n + 1) / n)
