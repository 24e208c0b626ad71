"""Are rows of two parts of one person, scene, patient, film or burst?

Then a figure on rows held out says how well the model knows these, and not how it will do
with new ones (Kapoor and Narayanan, 2023, Patterns 4:100804, leakage of type L3.2). In a
random split nearly every group has rows in both parts, so that alone tells nothing. A tie is
reported where rows of one group are much more alike than other rows of their class, or where
a name says what the group is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from redstart.audit.dates import dates_of
from redstart.audit.evidence import Evidence
from redstart.audit.file_names import namesakes
from redstart.audit.finding import Finding, Severity
from redstart.audit.names import Names, Tie, column_says, ties_in_names
from redstart.audit.neighbours import bursts, frames
from redstart.audit.straddle import Straddle
from redstart.audit.tied import (
    Strength,
    classes_of,
    codes_of,
    constant_columns,
    sketches,
    strength,
)

__all__ = ["crossed", "groups"]

_SHARE: Final = 0.1  # of the differences between rows that a tie explains
_TARGET: Final = 0.05  # the same, of the target
_FEW: Final = 0.05  # of the rows held out: fewer that are tied move no figure much
_Figures = Mapping[str, NDArray[np.float32]]


def groups(evidence: Evidence) -> list[Finding]:
    """Look for ties in the names of files and folders, in columns, and in when photos were taken.

    Args:
        evidence: Of the data set.

    Returns:
        Findings of the checks ``groups``, ``frames`` and ``bursts``; the strongest of each
        first. ``groups`` of each is for ``dls.resplit``.
    """
    if not len(evidence.parts.get("train", ())) or len(evidence.parts) < 2:
        return []
    if evidence.every_column():
        return _of_columns(evidence)
    if len(evidence.files) != evidence.n_rows:
        return bursts(evidence)
    names = Names.of(evidence.files, evidence.root, _labels(evidence))
    found = _of_names(evidence, names)
    # Whole films apart also keeps their frames apart, if there are enough films to split.
    enough = any(len(set(f.groups[1])) >= 8 for f in found if f.groups)
    in_order = frames(evidence, names, lambda level: _says_nothing(evidence, level))
    if enough:
        in_order = []
    elif any(f.severity == "serious" for f in in_order):
        found = []
    return [*in_order, *found, *bursts(evidence, names)]


def crossed(evidence: Evidence) -> bool:
    """Whether rows are pairs of two kinds of things that recur: users and what they rate."""
    told = [
        codes_of(values)
        for name, values in evidence.every_column().items()
        if values.dtype.kind in "Oiu" and column_says(name) in ("people", "scenes", "places")
    ]
    recurring = [codes for codes in told if 10 <= codes.max(initial=-1) + 1 <= len(codes) / 3]
    return any(
        len(np.unique(a * (b.max() + 1) + b)) > 0.99 * len(a)
        for i, a in enumerate(recurring)
        for b in recurring[i + 1 :]
    )


def _labels(evidence: Evidence) -> list[str | None]:
    truth = evidence.truth
    if truth.kind != "category" or not truth.names:
        return []
    sealed = evidence.part_of() == 2
    return [
        truth.names[v] if 0 <= v < len(truth.names) and not hidden else None
        for v, hidden in zip(truth.values.tolist(), sealed.tolist(), strict=True)
    ]


def _says_nothing(evidence: Evidence, values: NDArray[Any]) -> bool:
    """Whether groups are one, or another name of the class or of the part."""
    part = evidence.part_of()
    codes = codes_of(values)
    if len(set(codes[part >= 0].tolist()) - {-1}) < 2:
        return True
    seen = (part >= 0) & (part < 2)  # classes of test rows are sealed
    return (
        namesakes(evidence, values)
        or _follows(codes[part >= 0], part[part >= 0])
        or _follows(codes[seen], classes_of(evidence)[seen])
    )


def _follows(codes: NDArray[np.int64], given: NDArray[np.integer]) -> bool:
    """Whether ``codes`` can be told from ``given``, which has several values."""
    _, place = np.unique(given, return_inverse=True)
    if place.max(initial=0) < 1:
        return False
    pairs, counts = np.unique(place * (codes.max() + 2) + codes + 1, return_counts=True)
    largest = np.zeros(place.max() + 1, dtype=np.int64)
    np.maximum.at(largest, pairs // (codes.max() + 2), counts)
    return bool(largest.sum() >= 0.99 * len(codes))


# Names of files and folders


def _of_names(evidence: Evidence, names: Names) -> list[Finding]:
    ties = ties_in_names(names, lambda values: _says_nothing(evidence, values))
    candidates = [(tie, Straddle.of(evidence, tie.groups)) for tie in ties]
    candidates = [(tie, found) for tie, found in candidates if _recurs(found)]
    if not candidates:
        return []
    figures, classes = sketches(evidence), classes_of(evidence)
    chosen = _best(candidates, (figures, classes, evidence.seed))
    if chosen is None:
        return _by_name_alone(candidates, known=bool(figures))
    tie, found, measured = chosen
    if not len(found.tied):  # kept apart, as they should be
        return []
    severity: Severity = "serious" if found.share >= _FEW else "warning"
    return [
        found.finding(
            "groups",
            severity,
            f"{found.held_out()} have {tie.what} in common with training rows: "
            f"{found.example()}. "
            f"{_alike(measured)} A figure on them is about groups that the model has seen.",
            _mend(tie),
            tie.what,
            share_explained=round(measured.share, 3),
            beyond_chance=round(measured.beyond, 1),
        )
    ]


def _recurs(found: Straddle, least: float = 0.3) -> bool:
    sizes = found.sizes()
    n = sizes.sum()
    return bool(
        len(sizes) >= 2
        and sizes.max() <= 0.9 * n
        and sizes[sizes > 1].sum() >= least * (found.part >= 0).sum()
    )


def _best(
    candidates: Sequence[tuple[Tie, Straddle]],
    known: tuple[_Figures, NDArray[np.int64], int],
) -> tuple[Tie, Straddle, Strength] | None:
    """The coarsest tie that is one: a person rather than each film of that person.

    Groups are joined to larger ones only if those are more alike than chance would have it,
    so that Ada Smith and Ada Jones stay two people.
    """
    figures, classes, seed = known
    best: tuple[Tie, Straddle, Strength] | None = None
    for tie, found in sorted(candidates, key=lambda c: -len(c[1].sizes())):
        rows = found.rows_in_groups()
        if tie.told == "nothing" and len(found.sizes()) < 10:
            continue
        measured = strength(figures, found.codes, classes, rows, seed)
        least = 2 * _SHARE if tie.told == "nothing" else _SHARE
        if not measured.convincing(least):
            continue
        if best is None or not _inside(best[1].codes, found.codes):
            if best is None or measured.share > best[2].share:
                best = tie, found, measured
        elif _joins(best[1], found.codes, known):
            best = tie, found, measured
    return best


def _inside(fine: NDArray[np.int64], coarse: NDArray[np.int64]) -> bool:
    known = fine >= 0
    return len(np.unique(fine[known])) == len(
        np.unique(np.stack([fine, coarse])[:, known], axis=1).T
    )


def _joins(
    inner: Straddle, outer: NDArray[np.int64], known: tuple[_Figures, NDArray[np.int64], int]
) -> bool:
    """Whether inner groups in one outer group are more alike than those in two."""
    figures, classes, seed = known
    rows = inner.rows_in_groups()
    fine = inner.codes
    n = int(fine.max()) + 1
    counts = np.bincount(fine[rows], minlength=n)
    means: dict[str, NDArray[np.float32]] = {}
    for name, block in figures.items():
        sums = np.zeros((n, block.shape[1]))
        np.add.at(sums, fine[rows], block[rows])
        means[name] = (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
    of_outer, of_class = np.full(n, -1, dtype=np.int64), np.zeros(n, dtype=np.int64)
    of_outer[fine[rows]], of_class[fine[rows]] = outer[rows], classes[rows]
    there = np.flatnonzero((counts > 0) & (of_outer >= 0))
    return strength(means, of_outer, of_class, there, seed).convincing(_SHARE)


def _by_name_alone(candidates: Sequence[tuple[Tie, Straddle]], *, known: bool) -> list[Finding]:
    """Where nothing can be compared, or it shows no tie, but a word says that there is one."""
    for tie, found in candidates:
        if not len(found.tied):
            continue
        sizes = found.sizes()
        letters = tie.told == "letters" and not known and len(sizes) >= 3 and sizes.max() > 2
        if tie.told == "word" or letters:
            why = "they look no more alike than others, but" if known else "by the names alone,"
            said = (
                f"{found.held_out()} have {tie.what} in common with training rows: "
                f"{found.example()}; {why} this may be one person, scene or film."
            )
            return [found.finding("groups", "warning", said, _mend(tie), tie.what)]
    return []


def _alike(measured: Strength) -> str:
    return (
        f"Rows of one group are more alike than others of their class: the groups explain "
        f"{measured.share:.0%} of the differences beyond chance (by {measured.by})."
    )


def _mend(tie: Tie) -> str:
    same = f", which is `splitter=GroupSplitter(lambda f: {tie.code})`" if tie.code else ""
    return f'Hold out whole groups: `dls.resplit("groups")`{same}.'


# Columns of tables


def _of_columns(evidence: Evidence) -> list[Finding]:
    pairs = crossed(evidence)
    found: list[tuple[float, Finding]] = []
    for name, values in evidence.every_column().items():
        if values.dtype.kind in "Oiuf" and (made := _of_column(evidence, name, pairs)) is not None:
            found.append(made)
    order: dict[Severity, int] = {"serious": 0, "warning": 1, "note": 2}
    found.sort(key=lambda f: (order[f[1].severity], -f[0]))
    return [finding for _, finding in found]


def _of_column(evidence: Evidence, name: str, pairs: bool) -> tuple[float, Finding] | None:
    values, says = evidence.every_column()[name], column_says(name)
    if says == "quantity" or (says == "nothing" and values.dtype.kind == "f"):
        return None
    groups = _as_groups(values)
    if groups is None:
        return None
    least = {"people": 5, "nothing": max(20, evidence.n_rows // 100)}.get(says, 10)
    if codes_of(groups).max(initial=-1) + 1 < least:
        return None
    straddle = Straddle.of(evidence, groups)
    if not len(straddle.tied) or not _recurs(straddle, 0.2) or _says_nothing(evidence, groups):
        return None
    rows = straddle.rows_in_groups()
    constant = constant_columns(evidence.every_column(), name, straddle.codes, rows, evidence.seed)
    if says == "nothing" and len(constant) < 2:
        return None
    alike = strength(
        sketches(evidence, name), straddle.codes, classes_of(evidence), rows, evidence.seed
    )
    target = strength(
        _target(evidence), straddle.codes, np.zeros(evidence.n_rows, np.int64), rows, evidence.seed
    )
    shown = alike.convincing(_SHARE) or target.convincing(_TARGET)
    if not shown and says != "people":
        return None
    severity: Severity = "warning"
    if shown and says in ("people", "scenes") and straddle.share >= _FEW:
        severity = "serious"
    said = (
        f"{straddle.held_out()} have {name!r} in common with training rows: "
        f"{straddle.example()}. "
        f"{_column_shows(alike, target, constant)} If the model is to meet new values of "
        f"{name!r}, a figure on these rows is too good."
    )
    if pairs:
        severity = "note"
    finding = straddle.finding(
        "groups",
        severity,
        said,
        f'Hold out whole groups: `dls.resplit(GroupSplitter("{name}"))`.',
        name,
        share_explained=round(alike.share, 3),
        share_of_target=round(target.share, 3),
        constant_columns=list(constant),
    )
    return straddle.share * max(alike.share, target.share), finding


def _column_shows(alike: Strength, target: Strength, constant: Sequence[str]) -> str:
    told = []
    if target.convincing(_TARGET):
        told.append(f"explain {target.share:.0%} of the differences in the target beyond chance")
    if alike.convincing(_SHARE):
        told.append(f"{alike.share:.0%} of those in the other columns")
    if told and not told[0].startswith("explain"):
        told[0] = f"explain {told[0]}"
    if constant:
        named = ", ".join(repr(name) for name in constant[:3])
        told.append(f"never change in {named}")
    return f"Its groups {' and '.join(told)}." if told else "Its name says whom rows are of."


def _as_groups(values: NDArray[Any]) -> NDArray[Any] | None:
    """Values that may name groups; ``None`` for measures, dates and long texts."""
    if values.dtype.kind == "f":
        known = np.isfinite(values)
        if not np.array_equal(values[known], np.round(values[known])):
            return None
        found = np.empty(len(values), dtype=object)
        found[known] = values[known].astype(np.int64)
        return found
    texts = [v for v in values[:200].tolist() if isinstance(v, str)]
    if texts and (sum(map(len, texts)) > 60 * len(texts) or dates_of(values) is not None):
        return None
    return values


def _target(evidence: Evidence) -> dict[str, NDArray[np.float32]]:
    truth, n = evidence.truth, evidence.n_rows
    if truth.kind == "other" or len(truth.values) != n:
        return {}
    values = np.asarray(truth.values)
    if truth.kind == "category":
        wide = values[:, None] == np.arange(min(int(values.max(initial=0)) + 1, 50))
        return {"the target": wide.astype(np.float32)}
    return {"the target": np.nan_to_num(values.reshape(n, -1).astype(np.float32))}
