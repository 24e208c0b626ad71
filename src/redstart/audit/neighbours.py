"""Rows that follow each other: frames of one film, photos of one burst."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from redstart.audit.evidence import Evidence
from redstart.audit.finding import Finding, Severity
from redstart.audit.names import Names, moments_in_names, numbered
from redstart.audit.straddle import Straddle
from redstart.audit.tied import classes_of, codes_of, sketches, succession

__all__ = ["bursts", "frames"]

_ALIKE: Final = 0.25  # of the differences between rows that those in sequence lack
_FEW: Final = 0.05
_HARDLY: Final = 0.005  # where films are cut once, a row or two lie at the cut
_STRETCHES: Final = 30  # into which films are cut, if they are few
_SECONDS: Final = 10  # between photos of one burst
_SAME_SECOND: Final = 20  # more photos in one second show a clock that was never set


def frames(evidence: Evidence, names: Names, skip: Callable[[NDArray[Any]], bool]) -> list[Finding]:
    """Find numbered files of which neighbours are in different parts and look alike.

    Numbers alone tell nothing: those of photos that were collected follow each other too.

    Args:
        evidence: Of the data set.
        names: Of its files.
        skip: Says whether a level of folders, ``(N,)``, is the label or the part.
    """
    series, numbers = numbered(names, skip)
    part = evidence.part_of()
    inside = np.flatnonzero(np.isfinite(numbers) & (part >= 0))
    if len(inside) < 20 or len(inside) < 0.5 * sum(map(len, evidence.parts.values())):
        return []
    films = codes_of(np.array(series, dtype=object))
    order = inside[np.lexsort((numbers[inside], films[inside]))]
    before, after = order[:-1], order[1:]
    step = numbers[after] - numbers[before]
    follows = (films[before] == films[after]) & (step > 0)
    if follows.sum() < 20:
        return []
    # The usual step of each film, not of all: one may have every frame, one each thirtieth.
    usual = _by_film(films[before][follows], step[follows])
    near = follows & (step <= 3 * usual[films[before]])
    classes = classes_of(evidence)
    seen = (part[before] < 2) & (part[after] < 2)  # nothing is measured on test rows
    same = near & seen & (classes[before] == classes[after])
    measured = succession(sketches(evidence), before[same], after[same], classes, evidence.seed)
    if not measured.convincing(_ALIKE):
        return []
    split = near & ((part[before] == 0) != (part[after] == 0))
    if not split.any():
        return []
    return [_of_frames(evidence, series, numbers, (order, near, split), measured.share)]


def _by_film(films: NDArray[np.int64], step: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median step of each film, by its number; 0 for films without one."""
    found = np.zeros(int(films.max()) + 1)
    starts = np.flatnonzero(np.diff(films, prepend=-1))
    for film, steps in zip(films[starts], np.split(step, starts[1:]), strict=True):
        found[film] = np.median(steps)
    return np.append(found, 0.0)


def _of_frames(
    evidence: Evidence,
    series: list[str],
    numbers: NDArray[np.float64],
    found: tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]],
    share: float,
) -> Finding:
    order, near, split = found
    straddle = Straddle.of(evidence, _stretches(order, near, series, numbers, evidence.n_rows))
    part = evidence.part_of()
    before, after = order[:-1][split], order[1:][split]
    train = np.where(part[before] == 0, before, after)
    held = np.where(part[before] == 0, after, before)
    rows, first = np.unique(held, return_index=True)
    share_tied = len(rows) / max(straddle.held, 1)
    severity: Severity = (
        "serious" if share_tied >= _FEW else "warning" if share_tied >= _HARDLY else "note"
    )
    one = held[first[0]]
    films = codes_of(np.array(series, dtype=object))
    known = np.isin(films, films[part == 0]) & (part > 0)
    made = straddle.finding(
        "frames",
        severity,
        f"{len(rows):,} of {straddle.held:,} rows held out come just before or after a training "
        f"row in a numbered series, such as {evidence.files[one].name!r} beside "
        f"{evidence.files[train[first[0]]].name!r}. Neighbours are alike, as frames of one film "
        f"are: they lack {share:.0%} of the differences between rows of one class. In all, "
        f"{known.sum():,} of the rows held out are of series that training rows are of.",
        'Hold out whole stretches: `dls.resplit("frames")`; better still whole films.',
        "stretches of numbered files",
        share_explained=round(share, 3),
        rows_of_series_in_training=int(known.sum()),
    )
    # Those side by side are the clearest, not all of the stretch.
    pairs = tuple(zip(train[first].tolist(), rows.tolist(), strict=True))[:1000]
    return Finding(
        check=made.check,
        severity=made.severity,
        said=made.said,
        mend=made.mend,
        rows=tuple(rows[:1000].tolist()),
        pairs=pairs,
        evidence={**made.evidence, "tied_rows": len(rows)},
        groups=made.groups,
    )


def _stretches(
    order: NDArray[np.int64],
    near: NDArray[np.bool_],
    series: list[str],
    numbers: NDArray[np.float64],
    n_rows: int,
) -> NDArray[Any]:
    """Films cut where numbers jump, and where a stretch would be long, ``(n_rows,)``."""
    longest = max(10, len(order) // _STRETCHES)
    groups = np.empty(n_rows, dtype=object)
    start, length = 0, 0
    for place, row in enumerate(order):
        if place and (not near[place - 1] or length >= longest):
            start, length = place, 0
        first = order[start]
        groups[row] = f"{series[first].strip('_/')} from {int(numbers[first])}".strip()
        length += 1
    return groups


def bursts(evidence: Evidence, names: Names | None = None) -> list[Finding]:
    """Find photos that one camera took within ten seconds of each other, in different parts.

    Args:
        evidence: With ``taken`` among its properties, and ``camera`` perhaps.
        names: Of its files; read where photos themselves do not say when they were taken.
    """
    taken = evidence.properties.get("taken")
    if (taken is None or np.isnat(taken).all()) and names is not None:
        taken = moments_in_names(names)[0].copy()
        taken[taken == taken.astype("datetime64[D]")] = np.datetime64("NaT")  # days without a time
    if taken is None or taken.dtype.kind != "M":
        return []
    seconds = taken.astype("datetime64[s]").astype(np.int64)
    rows = np.flatnonzero(~np.isnat(taken) & (evidence.part_of() >= 0))
    camera = evidence.properties.get("camera", np.full(evidence.n_rows, None, dtype=object))
    maker = codes_of(camera)
    rows = rows[_plausible(maker[rows], seconds[rows])]
    if len(rows) < 2:
        return []
    order = rows[np.lexsort((rows, seconds[rows], maker[rows]))]
    apart = (np.diff(seconds[order]) > _SECONDS) | (np.diff(maker[order]) != 0)
    number = np.concatenate([[0], np.cumsum(apart)])
    many = np.bincount(number)[number] > 1
    groups = np.empty(evidence.n_rows, dtype=object)
    starts = order[np.searchsorted(number, number)]
    groups[order[many]] = [
        f"{camera[row] or 'camera'} {taken[row].astype('datetime64[s]')}" for row in starts[many]
    ]
    found = Straddle.of(evidence, groups)
    if not len(found.tied):
        return []
    severity: Severity = "serious" if found.share >= _FEW else "warning"
    return [
        found.finding(
            "bursts",
            severity,
            f"{found.held_out()} were taken within {_SECONDS} seconds of a training row by the "
            f"same camera: {found.example()}. They show the same scene.",
            'Hold out whole bursts: `dls.resplit("bursts")`.',
            "bursts of one camera",
        )
    ]


def _plausible(maker: NDArray[np.int64], seconds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Not times that very many photos share: those are of a clock, or a program, without one."""
    _, place, counts = np.unique(
        np.stack([maker, seconds]), axis=1, return_inverse=True, return_counts=True
    )
    return np.asarray(counts[place.reshape(-1)] <= _SAME_SECOND, dtype=np.bool_)
