"""Rows that are in two parts: copies, near copies, and many rows of one scene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from redstart.audit.evidence import PARTS, Evidence, Likeness, Pairs
from redstart.audit.finding import Finding, Severity

__all__ = ["COPY", "duplicates"]

COPY = 0.5
"""The least likeness of a copy; pairs below are of one scene, or otherwise tied."""

_MOST = 1000  # rows and pairs that a finding lists
_INSIDE = 40_000  # rows of a part in which copies are looked for; it takes the square of it
_SCENES = 0.1  # of the held-out rows; fewer than that look alike by chance in some data
_AGREE = 0.95  # share of equal rows of a table with equal answers, if they are copies
_FEW = 0.001  # share of held-out rows; no figure is read as closely
_CALLED = {"train": "training", "valid": "validation", "test": "test"}
_Groups = tuple[str, tuple[str | None, ...]]


@final
@dataclass(frozen=True, slots=True)
class _Found:
    """Pairs between two parts, or inside one."""

    left: str
    right: str
    pairs: Pairs

    def some(self, chosen: NDArray[np.bool_]) -> _Found:
        p = self.pairs
        picked = (p.left[chosen], p.right[chosen], p.exact[chosen], p.likeness[chosen])
        return _Found(self.left, self.right, Pairs(*picked))

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows of the right part, each once, the clearest first."""
        _, first = np.unique(self.pairs.right, return_index=True)
        return self.pairs.right[np.sort(first)]

    def listed(self) -> tuple[tuple[int, int], ...]:
        both = zip(self.pairs.left[:_MOST], self.pairs.right[:_MOST], strict=True)
        return tuple((int(a), int(b)) for a, b in both)


def duplicates(evidence: Evidence) -> list[Finding]:
    """Find copies across the split, of which some may disagree on the label.

    Args:
        evidence: Nothing is found without ``likeness``.

    Returns:
        For each two parts: equal rows, copies that were changed, copies with other labels,
        and rows of one scene if there are many; then copies inside the training rows.
    """
    if evidence.likeness is None:
        return []
    found = list(_search(evidence, evidence.likeness))
    copies = [f.some(f.pairs.likeness >= COPY) for f in found]
    tied = "copies", _components(evidence.n_rows, copies)
    findings: list[Finding] = []
    for every, copy in zip(found, copies, strict=True):
        if every.left == every.right:
            continue
        findings += _equal(evidence, copy.some(copy.pairs.exact), tied)
        findings += _near(evidence, copy, tied)
        findings += _disagreeing(evidence, copy)
        findings += _scenes(evidence, every, found)
    for copy in copies:
        if copy.left == copy.right == "train":
            findings += _inside(evidence, copy) + _disagreeing(evidence, copy)
    return findings


def _search(evidence: Evidence, likeness: Likeness) -> Iterator[_Found]:
    parts = {name: evidence.parts[name] for name in PARTS if len(evidence.parts.get(name, ()))}
    for left, right in combinations(parts, 2):
        yield _Found(left, right, likeness.pairs(evidence.prints, parts[left], parts[right]))
    for name, rows in parts.items():
        if len(rows) <= _INSIDE:
            yield _Found(name, name, likeness.pairs(evidence.prints, rows, rows))


def _components(n_rows: int, found: list[_Found]) -> tuple[str | None, ...]:
    """Name the group of every row that is tied to another, after its first row."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left = np.concatenate([f.pairs.left for f in found] or [np.zeros(0, dtype=np.int64)])
    right = np.concatenate([f.pairs.right for f in found] or [np.zeros(0, dtype=np.int64)])
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(n_rows, n_rows))
    _, which = connected_components(graph, directed=False)
    _, first, count = np.unique(which, return_index=True, return_counts=True)
    names: list[str | None] = [None] * n_rows
    for row in np.flatnonzero(count[which] > 1).tolist():
        names[row] = f"row {first[which[row]]}"
    return tuple(names)


def _equal(evidence: Evidence, found: _Found, tied: _Groups) -> list[Finding]:
    rows = found.rows
    if not len(rows):
        return []
    held = len(evidence.parts[found.right])
    share = len(rows) / held
    figures: dict[str, Any] = {"rows": len(rows), "of": held, "share": share}
    serious = share >= (0.01 if evidence.every_column() else 0.001)
    if evidence.every_column():
        # Two people may have the same job, age and town; they then differ in the answer.
        agree = 1 - float(_differ(evidence, found.pairs).mean())
        figures["agree on the target"] = agree
        serious = serious and agree >= _AGREE
    said = f"{_count(len(rows), found.right, held)} equal to {_rows(found.left)}{_means(found)}"
    return [
        Finding(
            check="duplicates",
            severity="serious" if serious else "warning",
            said=said,
            mend=_mend(evidence, "duplicates"),
            rows=tuple(rows[:_MOST].tolist()),
            pairs=found.listed(),
            evidence=_between(found, figures),
            groups=tied,
        )
    ]


def _near(evidence: Evidence, copies: _Found, tied: _Groups) -> list[Finding]:
    """Report rows that have a changed copy in the other part but no equal one."""
    equal = copies.pairs.right[copies.pairs.exact]
    found = copies.some(~np.isin(copies.pairs.right, equal))
    rows = found.rows
    if not len(rows):
        return []
    held = len(evidence.parts[found.right])
    share = len(rows) / held
    said = (
        f"{_count(len(rows), found.right, held)} nearly equal to {_rows(found.left)}{_means(found)}"
    )
    figures = {"rows": len(rows), "of": held, "share": share}
    return [
        Finding(
            check="near duplicates",
            severity=_moved(evidence, len(rows), share),
            said=said,
            mend="Look at the pairs. " + _mend(evidence, "near duplicates"),
            rows=tuple(rows[:_MOST].tolist()),
            pairs=found.listed(),
            evidence=_between(found, figures),
            groups=tied,
        )
    ]


def _moved(evidence: Evidence, rows: int, share: float) -> Severity:
    """How much near copies matter: some are chance, so a single one moves nothing."""
    if share < _FEW:
        return "note"
    # Rows of a table may be alike in all columns but one by what they are: two of one family.
    serious = rows >= 2 and share >= 0.005 and not evidence.every_column()
    return "serious" if serious else "warning"


def _disagreeing(evidence: Evidence, copies: _Found) -> list[Finding]:
    """Report copies whose answers differ, so that no model can be right about both."""
    found = copies.some(_differ(evidence, copies.pairs))
    rows = found.rows
    inside = copies.left == copies.right
    held = len(evidence.parts[copies.right])
    # Equal rows of a table may well have different answers: its columns do not say all.
    if not len(rows) or (evidence.every_column() and (inside or len(rows) < 0.01 * held)):
        return []
    exact = int(found.some(found.pairs.exact).rows.size)
    severity: Severity = "note" if evidence.every_column() else "warning"
    if not evidence.every_column() and not inside and exact >= max(1, _FEW * held):
        severity = "serious"
    what = evidence.target or "target"
    where = "one another" if inside else _rows(found.left)
    said = (
        f"{_count(len(rows), found.right, held)} copies of {where} that have another {what} "
        f"({exact} of them equal to the last bit): at least one of each two is wrong, and no "
        f"model can be right about both."
    )
    mend = "Look at the pairs and correct the labels, or leave the rows out."
    if evidence.every_column():
        said = (
            f"{_count(len(rows), found.right, held)} copies of {where} with another {what}: "
            f"the columns do not tell them apart, so no model can."
        )
        mend = "Add a column that tells them apart, if there is one."
    return [
        Finding(
            check="copies disagree",
            severity=severity,
            said=said,
            mend=mend,
            rows=tuple(rows[:_MOST].tolist()),
            pairs=found.listed(),
            evidence=_between(found, {"rows": len(rows), "exact": exact, "of": held}),
        )
    ]


def _scenes(evidence: Evidence, found: _Found, everything: list[_Found]) -> list[Finding]:
    """Report rows of one scene, such as neighbouring frames, if they are many."""
    scenes = found.some(found.pairs.likeness < COPY)
    held = len(evidence.parts[found.right])
    every = len(found.rows)
    if not len(scenes.pairs) or every < max(5, _SCENES * held):
        return []
    said = (
        f"{_count(every, found.right, held)} much more like {_rows(found.left)} than rows of "
        f"these data are by chance, as neighbouring frames of one film are: figures will be "
        f"better than on new scenes."
    )
    return [
        Finding(
            check="same scene",
            severity="warning",
            said=said,
            mend="Look at the pairs; if they belong together, split by scene: "
            '`dls = dls.resplit("same scene")`, or a `GroupSplitter` if the names tell it.',
            rows=tuple(scenes.rows[:_MOST].tolist()),
            pairs=scenes.listed(),
            evidence=_between(scenes, {"rows": every, "of": held, "share": every / held}),
            groups=("scene", _components(evidence.n_rows, everything)),
        )
    ]


def _inside(evidence: Evidence, found: _Found) -> list[Finding]:
    rows, of = found.rows, len(evidence.parts["train"])
    if not len(rows):
        return []
    exact = int(found.some(found.pairs.exact).rows.size)
    return [
        Finding(
            check="copies in training",
            severity="note",
            said=f"{_count(len(rows), 'train', of)} copies of other {_rows('train')} ({exact} "
            f"of them equal), and count so much more.",
            mend="Leave them out if that is not meant.",
            rows=tuple(rows[:_MOST].tolist()),
            pairs=found.listed(),
            evidence=_between(found, {"rows": len(rows), "exact": exact, "of": of}),
        )
    ]


def _differ(evidence: Evidence, pairs: Pairs) -> NDArray[np.bool_]:
    """Whether the answers of two copies differ, ``(P,)``; numbers of near ones by half a std."""
    truth = evidence.truth
    if truth.kind == "other" or not len(pairs):
        return np.zeros(len(pairs), dtype=np.bool_)
    values = np.asarray(truth.values)
    a, b = values[pairs.left], values[pairs.right]
    if truth.kind == "category":
        return np.asarray((a != b) & (a >= 0) & (b >= 0))
    if truth.kind == "labels":
        return np.asarray(np.any(a != b, axis=1))
    spread = np.nanstd(values, axis=0)
    allowed = np.where(pairs.exact[:, None], 1e-6, 0.5) * spread
    return np.asarray(np.any(np.abs(a - b) > allowed, axis=1))


def _count(n: int, part: str, of: int) -> str:
    return f"{n:,} of {of:,} {_CALLED[part]} rows ({n / of:.1%}) {'is' if n == 1 else 'are'}"


def _rows(part: str) -> str:
    return f"{_CALLED[part]} rows"


def _means(found: _Found) -> str:
    if found.left == "train":
        return ": on these, figures measure memory, not learning."
    return ": the test has been seen when choices were made on validation rows."


def _between(found: _Found, figures: dict[str, Any]) -> dict[str, Any]:
    return {"left": found.left, "right": found.right, **figures}


def _mend(evidence: Evidence, check: str) -> str:
    mend = f'Keep copies in one part: `dls = dls.resplit("{check}")`.'
    if evidence.chosen == "given":
        mend += " If the parts have to stay as they were given, leave these rows out of training."
    return mend
