"""Rates per group: who is selected, who is found, who is selected wrongly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from redstart.errors import DataError, problem
from redstart.evaluate.differences import (
    holm,
    mean_with_interval,
    newcombe,
    same_share,
    welch,
)
from redstart.metrics.metric import Interval
from redstart.show.lettering import one_line
from redstart.show.page import table

__all__ = ["RATES", "Gap", "GroupRates", "Rate", "Rates", "rates_by_group"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_LEVEL = 0.05
_FOUR_FIFTHS = 0.8
_SMALL = 0.02  # as in the guidelines of the four-fifths rule (29 CFR 1607.4)
_FEWEST = 10  # rows of a group that are worth a line of their own
_LISTED = 6

RATES = {
    "base rate": "of all rows, those that are {positive}",
    "selection rate": "of all rows, those that the model calls {positive}",
    "true positive rate": "of the rows that are {positive}, those that the model finds",
    "false positive rate": "of the rows that are not {positive}, those it calls so",
    "precision": "of the rows it calls {positive}, those that are",
    "accuracy": "of all rows, those it gets right",
    "calibration gap": "mean probability of {positive}, less the share that is",
}
"""What each rate says, by name."""


@final
@dataclass(frozen=True, slots=True)
class Rate:
    """One rate of one group.

    Attributes:
        value: In [0, 1], the calibration gap in [-1, 1]; NaN where no row counts.
        interval: Its 95% interval; ``None`` where there is none to give.
        n: Rows that count.
    """

    value: float
    interval: Interval | None
    n: int

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "-"
        if self.interval is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.interval[0]:.3f}, {self.interval[1]:.3f}]"


@final
@dataclass(frozen=True, slots=True)
class GroupRates:
    """All rates of one group, by name."""

    group: str
    n: int
    rates: dict[str, Rate]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """By how much a rate of one group differs from that of all other rows.

    Attributes:
        group: The group.
        rate: Name of the rate.
        n: Rows of the group that count.
        value: The group's rate.
        rest: That of all others.
        difference: ``value - rest``.
        interval: Its 95% interval; ``None`` where there is none to give.
        corrected: How likely it is that chance alone makes some difference of all that were
            looked at as clear as this, in [0, 1] (Holm).
    """

    group: str
    rate: str
    n: int
    value: float
    rest: float
    difference: float
    interval: Interval | None
    corrected: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Rates of every group, and the differences between them.

    Attributes:
        by: What the groups are, such as ``sex``.
        positive: The class that selects.
        groups: The largest first.
        gaps: One per group and rate, the clearest first; of two groups, those of the smaller.
        left_out: Groups with too few rows.
    """

    by: str
    positive: str
    groups: tuple[GroupRates, ...]
    gaps: tuple[Gap, ...]
    left_out: tuple[str, ...]

    @property
    def clear(self) -> tuple[Gap, ...]:
        """Differences beyond chance."""
        return tuple(gap for gap in self.gaps if gap.corrected < _LEVEL)

    @property
    def ratio(self) -> float:
        """Lowest selection rate by the highest, of groups with 2% of the rows or more.

        Not a number where nobody is selected, or there are not two such groups.
        """
        least = _SMALL * sum(g.n for g in self.groups)
        found = [g.rates["selection rate"].value for g in self.groups if g.n >= least]
        return min(found) / max(found) if len(found) > 1 and max(found) > 0 else math.nan

    def said(self) -> list[str]:
        """What was found, in sentences."""
        if len(self.groups) < 2:
            return [f"There are not two groups of {self.by!r} with {_FEWEST} rows or more."]
        lines = [self._sentence(gap) for gap in self.clear if gap.rate != "base rate"][:_LISTED]
        if not lines:
            smallest = min(g.n for g in self.groups)
            lines.append(
                f"Between {len(self.groups)} groups of {self.by!r} no rate differs beyond chance; "
                f"the smallest has {smallest:,} rows."
            )
        unequal = any(gap.rate == "selection rate" for gap in self.clear)
        if unequal and self.ratio < _FOUR_FIFTHS:
            lines.append(
                f"The least selected group is selected {self.ratio:.2f} times as often as the "
                "most selected. Employers in the United States are asked about ratios below 0.8 "
                "(the four-fifths rule)."
            )
        if any(gap.rate == "base rate" for gap in self.clear):
            lines.append(
                f"The share that is {self.positive!r} itself differs between groups. Then "
                "precision, true and false positive rates cannot all be equal, whatever the "
                "model: decide which of them must be (Chouldechova, 2017)."
            )
        if self.left_out:
            names = ", ".join(self.left_out[:5]) + ("…" if len(self.left_out) > 5 else "")
            lines.append(f"Not looked at, for want of rows: {names}.")
        return lines

    def _sentence(self, gap: Gap) -> str:
        sure = ""
        if gap.interval is not None:
            low, high = (100 * end for end in gap.interval)
            sure = f" [{low:+.1f}, {high:+.1f}]"
        of = "" if gap.rate == "accuracy" else f" of {self.positive!r}"
        return (
            f"{self.by} = {gap.group} ({gap.n:,} rows): {gap.rate}{of} "
            f"{gap.value:.3f} against {gap.rest:.3f} for the rest, a difference of "
            f"{100 * gap.difference:+.1f}{sure} points."
        )

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headers and rows of a table of all rates with their intervals."""
        names = list(self.groups[0].rates) if self.groups else []
        return [self.by, "rows", *names], [
            [g.group, f"{g.n:,}", *(str(g.rates[name]) for name in names)] for g in self.groups
        ]

    def _repr_html_(self) -> str:
        headers, rows = self.table()
        lines = "".join(f"<p>{escape(line)}</p>" for line in self.said())
        return lines + (table(headers, rows) if rows else "")

    def __str__(self) -> str:
        return "\n".join(self.said())

    def __repr__(self) -> str:
        return f"Rates(by {self.by!r} of {self.positive!r}: {len(self.groups)} groups)"


def rates_by_group(
    groups: Any,
    actual: Any,
    selected: Any,
    *,
    positive: str,
    by: str,
    probability: Any = None,
    min_rows: int = _FEWEST,
) -> Rates:
    """Work out rates per group and hold each group against all other rows.

    Shares have Wilson's intervals, their differences Newcombe's and Fisher's exact test;
    calibration gaps have Student's and Welch's. Holm's correction covers all differences.

    Args:
        groups: Of each row, ``(N,)``; rows without one (``None``, NaN) are a group.
        actual: Whether each row is positive, ``(N,)``.
        selected: Whether the model calls it so, ``(N,)``.
        positive: Name of the positive class.
        by: What the groups are.
        probability: What the model gives the positive class, ``(N,)`` in [0, 1].
        min_rows: Smaller groups are left out, and named.

    Returns:
        The rates, and what differs beyond chance.

    Raises:
        DataError: If the arrays differ in length, or are empty.
    """
    codes, names = _groups(groups)
    truth, chosen = np.asarray(actual, dtype=bool), np.asarray(selected, dtype=bool)
    probs = None if probability is None else np.asarray(probability, dtype=np.float64)
    lengths = [len(codes), len(truth), len(chosen), *([] if probs is None else [len(probs)])]
    if len(set(lengths)) > 1 or not len(codes):
        raise DataError(
            problem(
                "Expected a group, a truth and a prediction for each row",
                f"arrays of lengths {lengths}",
                "Give arrays of the same rows, in the same order.",
            )
        )
    sizes = np.bincount(codes, minlength=len(names))
    order = [int(c) for c in np.argsort(-sizes, kind="stable")]
    large = [c for c in order if sizes[c] >= min_rows]
    counted = _counted(truth, chosen, probs)
    found = [
        GroupRates(
            names[c], int(sizes[c]), {k: _rate(k, of, codes == c) for k, of in counted.items()}
        )
        for c in large
    ]
    compared = large[1:] if len(large) == 2 else large
    pool = np.isin(codes, large)
    masks = {names[c]: codes == c for c in compared} if len(large) > 1 else {}
    return Rates(
        by=one_line(by),
        positive=positive,
        groups=tuple(found),
        gaps=_gaps(masks, pool, counted),
        left_out=tuple(names[c] for c in order if c not in large),
    )


Counted = tuple[Floats, Bools]
"""Values, and which rows of them count."""


def _counted(truth: Bools, chosen: Bools, probs: Floats | None) -> dict[str, Counted]:
    every = np.ones(len(truth), dtype=bool)
    found: dict[str, tuple[NDArray[Any], Bools]] = {
        "base rate": (truth, every),
        "selection rate": (chosen, every),
        "true positive rate": (chosen, truth),
        "false positive rate": (chosen, ~truth),
        "precision": (truth, chosen),
        "accuracy": (truth == chosen, every),
    }
    if probs is not None:
        found["calibration gap"] = (probs - truth, every)
    return {name: (values.astype(np.float64), rows) for name, (values, rows) in found.items()}


def _groups(groups: Any) -> tuple[NDArray[np.intp], list[str]]:
    import pandas as pd

    array = np.asarray(groups, dtype=object)
    gone = np.asarray(pd.isna(array))
    codes, names = pd.factorize(np.where(gone, "missing", array.astype(str)), sort=True)
    return np.asarray(codes, dtype=np.intp), [one_line(str(name)) for name in names]


def _rate(name: str, counted: Counted, inside: Bools) -> Rate:
    values, rows = counted
    some = values[rows & inside]
    value, interval = mean_with_interval(some, share=name != "calibration gap")
    return Rate(value, interval, len(some))


def _gaps(masks: dict[str, Bools], pool: Bools, counted: dict[str, Counted]) -> tuple[Gap, ...]:
    found: list[tuple[str, str, Floats, Floats]] = [
        (group, name, values[rows & inside], values[rows & pool & ~inside])
        for group, inside in masks.items()
        for name, (values, rows) in counted.items()
    ]
    found = [(g, k, a, b) for g, k, a, b in found if len(a) and len(b)]
    corrected = holm([_chance(k, a, b) for _, k, a, b in found])
    gaps = [
        Gap(
            group=group,
            rate=name,
            n=len(a),
            value=float(a.mean()),
            rest=float(b.mean()),
            difference=float(a.mean() - b.mean()),
            interval=_interval(name, a, b),
            corrected=p,
        )
        for (group, name, a, b), p in zip(found, corrected, strict=True)
    ]
    return tuple(sorted(gaps, key=lambda gap: (gap.corrected, -abs(gap.difference))))


def _interval(name: str, a: Floats, b: Floats) -> Interval | None:
    if name == "calibration gap":
        return welch(a, b)
    return newcombe(a.sum(), len(a), b.sum(), len(b))


def _chance(name: str, a: Floats, b: Floats) -> float:
    if name != "calibration gap":
        return same_share(int(a.sum()), len(a), int(b.sum()), len(b))
    if min(len(a), len(b)) < 2 or (a.std() == 0 and b.std() == 0):
        return 1.0
    from scipy.stats import ttest_ind

    return float(ttest_ind(a, b, equal_var=False).pvalue)
