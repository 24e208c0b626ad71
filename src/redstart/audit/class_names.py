"""Names of classes that may be meant to be one."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from redstart.audit.evidence import Evidence
from redstart.audit.finding import Finding, Severity

__all__ = ["alike_names"]

_LONG = 6
_RARE = 0.1
_MOST_NAMES = 2000
_TOLD = 5


def alike_names(evidence: Evidence) -> list[Finding]:
    """Find names that differ in case, spaces, plural, or by one letter.

    A name that differs by one letter is doubted only if it is long, has no digit, and has a
    tenth of the other's rows at most.

    Args:
        evidence: Its truth, of one class or of several labels.
    """
    names = evidence.truth.names[:_MOST_NAMES]
    counts = _counts(evidence, len(evidence.truth.names))
    spelt = defaultdict(list)
    for place, name in enumerate(names):
        spelt[_folded(name)].append(place)
    found = []
    same = [places for places in spelt.values() if len(places) > 1]
    if same:
        found.append(_finding("warning", "differ only in how they are spelt", same, names, counts))
    plurals = [[*spelt[one], *spelt[many]] for one, many in _plurals(set(spelt))]
    if plurals:
        found.append(
            _finding("warning", "are one word, once in the plural", plurals, names, counts)
        )
    typos = list(_typos(spelt, counts))
    if typos:
        found.append(_finding("note", "differ by one letter", typos, names, counts))
    return found


def _counts(evidence: Evidence, n: int) -> NDArray[np.int64]:
    parts = [evidence.parts[part] for part in ("train", "valid") if part in evidence.parts]
    if not parts:
        return np.zeros(n, dtype=np.int64)
    values = evidence.truth.values[np.concatenate(parts)]
    if values.ndim == 2:
        return np.asarray(values.sum(axis=0), dtype=np.int64)
    return np.bincount(values[values >= 0], minlength=n)


def _finding(
    severity: Severity,
    how: str,
    sets: list[list[int]],
    names: tuple[str, ...],
    counts: NDArray[np.int64],
) -> Finding:
    told = "; ".join(
        " and ".join(f"{names[p]!r} ({counts[p]:,} rows)" for p in places)
        for places in sets[:_TOLD]
    )
    more = f"; and {len(sets) - _TOLD} more" if len(sets) > _TOLD else ""
    renamed: dict[str, str] = {}
    for places in sets[:_TOLD]:
        best = max(places, key=lambda p: int(counts[p]))
        renamed |= {names[p]: names[best] for p in places if p != best}
    return Finding(
        check="labels",
        severity=severity,
        said=f"Names of classes {how}: {told}{more}.",
        mend=f"If they are one class, rename: `.replace({renamed!r})` on the column of "
        "labels, or move the files into one folder.",
        evidence={"names": [[names[p] for p in places] for places in sets[:_TOLD]]},
    )


def _folded(name: str) -> str:
    text = unicodedata.normalize("NFKD", name).casefold()
    text = "".join(c for c in text if not unicodedata.combining(c))
    text = re.sub(r"[\s_\-‐-―]+", " ", text).strip(" .,;:'\"")
    # "1" and "1.0" are one number.
    return re.sub(r"^([+-]?\d+)\.0+$", r"\1", text)


def _plurals(names: set[str]) -> Iterator[tuple[str, str]]:
    for name in sorted(names):
        if len(name) < 3 or not name[-1].isalpha():
            continue
        many = [f"{name}s", f"{name}es"]
        if name.endswith("y"):
            many.append(f"{name[:-1]}ies")
        yield from ((name, other) for other in many if other in names)


def _typos(spelt: dict[str, list[int]], counts: NDArray[np.int64]) -> Iterator[list[int]]:
    """Names one edit apart, found by what is left when a letter is taken out."""
    less = defaultdict(set)
    for name in spelt:
        if len(name) >= _LONG and not any(c.isdigit() for c in name):
            for cut in {name, *(name[:i] + name[i + 1 :] for i in range(len(name)))}:
                less[cut].add(name)
    seen = set()
    for near in less.values():
        for one in near:
            for other in near:
                if one < other and (one, other) not in seen and _one_edit(one, other):
                    seen.add((one, other))
                    few, many = sorted(int(counts[spelt[n]].sum()) for n in (one, other))
                    if few <= _RARE * many:
                        yield [*spelt[one], *spelt[other]]


def _one_edit(one: str, other: str) -> bool:
    """Whether one letter was changed, added or left out, or two neighbours swapped."""
    if other in {f"{one}s", f"{one}es"} or one in {f"{other}s", f"{other}es"}:
        return False  # told as a plural
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    a, b = one[start:], other[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])
