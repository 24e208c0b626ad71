"""Which vectors are near each other, in bounded memory, and which are nearer than by chance.

What is "near" depends on the data: two photos that agree as well as two handwritten ones
do are copies. So a pair is judged by how many unrelated rows would be as near, which the
distances to a row's further neighbours tell: around a row, the number of rows within a
distance grows as a power of it (Levina and Bickel, "Maximum Likelihood Estimation of
Intrinsic Dimension", NIPS 2004). Copies of a row are few, so they hardly move the
distances to its 16th to 64th neighbour.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from redstart.audit.evidence import Pairs

__all__ = [
    "LADDER",
    "above",
    "as_pairs",
    "embedding_pairs",
    "equal_pairs",
    "expected_nearer",
    "first_of_each",
    "growth",
    "nearest",
    "units",
]

LADDER = (16, 64)
"""Ranks of the neighbours that say what is usual around a row: first and last."""

_LEAST_LADDER = 8
_ROWS, _COLUMNS = 1024, 16384  # a block of products is 64 MiB


def units(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Scale vectors to length 1; those that are zero stay so.

    Args:
        vectors: ``(N, D)``.
    """
    found = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def nearest(
    left: NDArray[np.float32], right: NDArray[np.float32], k: int, *, same: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the ``k`` vectors of ``left`` that are most like each of ``right``.

    Args:
        left: Unit vectors, ``(L, D)``.
        right: Unit vectors, ``(R, D)``.
        k: At least 1.
        same: Whether both are the same vectors; none is then its own neighbour.

    Returns:
        Positions in ``left`` and cosines, the largest first, both ``(R, K)`` with ``K`` the
        less of ``k`` and the vectors there are.
    """
    k = min(k, len(left) - same)
    rows: NDArray[np.int64] = np.zeros((len(right), max(k, 0)), dtype=np.int64)
    cosines: NDArray[np.float32] = np.zeros(rows.shape, dtype=np.float32)
    if k < 1:
        return rows, cosines
    for first in range(0, len(right), _ROWS):
        best: torch.Tensor | None = None
        where: torch.Tensor | None = None
        for start, block in _blocks(left, right, first, same=same):
            score, index = block.topk(min(k, block.shape[1]), dim=1)
            index += start
            if best is not None and where is not None:
                score, order = torch.cat([best, score], 1).topk(
                    min(k, best.shape[1] + score.shape[1]), dim=1
                )
                index = torch.cat([where, index], 1).gather(1, order)
            best, where = score, index
        if best is not None and where is not None:
            rows[first : first + _ROWS] = where.numpy()
            cosines[first : first + _ROWS] = best.numpy()
    return rows, cosines


def above(
    left: NDArray[np.float32],
    right: NDArray[np.float32],
    least: float,
    *,
    same: bool = False,
    most: int = 1_000_000,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Find all pairs whose cosine is at least ``least``.

    Args:
        left: Unit vectors, ``(L, D)``.
        right: Unit vectors, ``(R, D)``.
        least: In [-1, 1].
        same: Whether both are the same vectors; each pair is then listed once, the lower
            position on the left.
        most: Pairs to stop at; so many are returned at most, in the order of ``right``.

    Returns:
        Positions in ``left``, positions in ``right``, cosines; ``(P,)`` each.
    """
    found: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
    count = 0
    for first in range(0, len(right), _ROWS):
        for start, block in _blocks(left, right, first, same=same):
            at, of = torch.nonzero(block >= least, as_tuple=True)
            values = block[at, of].numpy()
            lefts, rights = of.numpy() + start, at.numpy() + first
            keep = lefts < rights if same else np.ones(len(lefts), dtype=bool)
            found.append((lefts[keep], rights[keep], values[keep]))
            count += int(keep.sum())
            if count >= most:
                break
        if count >= most:
            break
    lefts, rights, values = (
        np.concatenate([f[n] for f in found]) if found else np.zeros(0) for n in range(3)
    )
    return (
        lefts[:most].astype(np.int64),
        rights[:most].astype(np.int64),
        values[:most].astype(np.float32),
    )


def _blocks(
    left: NDArray[np.float32], right: NDArray[np.float32], first: int, *, same: bool
) -> Iterator[tuple[int, torch.Tensor]]:
    """Cosines of a block of ``right`` with one block of ``left`` after another.

    Yields:
        Where the block of ``left`` starts, and ``(rows of right, rows of left)``.
    """
    some = torch.from_numpy(np.ascontiguousarray(right[first : first + _ROWS]))
    for start in range(0, len(left), _COLUMNS):
        others = torch.from_numpy(np.ascontiguousarray(left[start : start + _COLUMNS]))
        block = some @ others.T
        if same:
            own = torch.arange(first, first + len(some)) - start
            inside = (own >= 0) & (own < len(others))
            block[torch.nonzero(inside)[:, 0], own[inside]] = -torch.inf
        yield start, block


def growth(ladder: NDArray[Any], ranks: NDArray[Any]) -> float:
    """Estimate the power of the distance by which the number of neighbours grows.

    Args:
        ladder: Distances of some rows to further neighbours, ``(R, K)``, ascending.
        ranks: Which neighbours those are, counted from 1, ``(K,)``, ascending.

    Returns:
        The median row's; positive.
    """
    steps = np.log(np.maximum(ladder[:, -1:], 1e-9) / np.maximum(ladder, 1e-9)).mean(axis=1)
    return float(np.log(ranks[-1] / ranks).mean() / max(float(np.median(steps)), 1e-3))


def expected_nearer(
    distance: NDArray[Any], usual: NDArray[Any], rank: float, exponent: float
) -> NDArray[np.float64]:
    """Say how many unrelated rows would be as near as ``distance``, row by row.

    Args:
        distance: Of the neighbour that is judged, ``(P,)``, not negative.
        usual: Of a further neighbour of the same row, ``(P,)``.
        rank: Which neighbour that is, counted from 1.
        exponent: What ``growth`` found.

    Returns:
        ``(P,)``, from 0 to ``rank``.
    """
    near = np.maximum(distance, 1e-9) / np.maximum(usual, 1e-9)
    return np.asarray(rank * np.minimum(near, 1.0) ** exponent, dtype=np.float64)


def embedding_pairs(
    vectors: NDArray[Any],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    *,
    least: float = 0.9,
    chance: float = 1e-6,
) -> Pairs:
    """Find near duplicates among what a network's body makes of the rows.

    Args:
        vectors: ``(N, D)``, by row number.
        left: Row numbers.
        right: Row numbers; none of them in ``left``, or the very same.
        least: Cosine that a pair must have.
        chance: Unrelated rows as near that are expected per row of ``right``, at most.

    Returns:
        The most alike row of ``left`` for each row of ``right`` that has a near duplicate;
        equal vectors are exact.
    """
    same = np.array_equal(left, right)
    centre = np.asarray(vectors[left], dtype=np.float32).mean(axis=0, keepdims=True)
    lefts = units(vectors[left] - centre)
    rights = lefts if same else units(vectors[right] - centre)
    where, cosines = nearest(lefts, rights, LADDER[1], same=same)
    if not where.size:
        return as_pairs(left[:0], right[:0], np.zeros(0), np.zeros(0, dtype=bool))
    distances = np.sqrt(np.maximum(2 - 2 * cosines, 0))
    ranks = np.arange(min(LADDER[0], len(left) // 4), where.shape[1]) + 1
    close = cosines[:, 0] >= least
    if len(ranks) >= _LEAST_LADDER:
        exponent = growth(distances[:, ranks - 1], ranks)
        nearer = expected_nearer(distances[:, 0], distances[:, -1], float(ranks[-1]), exponent)
        close &= nearer <= chance
    at = np.flatnonzero(close)
    found, of = left[where[at, 0]], right[at]
    exact = np.all(vectors[found] == vectors[of], axis=1)
    return as_pairs(found, of, np.clip(cosines[at, 0], 0, 1), exact, same=same)


def as_pairs(
    left: NDArray[Any],
    right: NDArray[Any],
    likeness: NDArray[Any],
    exact: NDArray[Any],
    *,
    same: bool = False,
) -> Pairs:
    """Put pairs in order, the most alike first, each of them once.

    Args:
        left: Row numbers, ``(P,)``.
        right: Row numbers, ``(P,)``.
        likeness: In [0, 1], ``(P,)``; what ``exact`` pairs have does not matter.
        exact: ``(P,)``.
        same: Whether ``(a, b)`` and ``(b, a)`` are one pair; the lower is put on the left.
    """
    if same:
        left, right = np.minimum(left, right), np.maximum(left, right)
    likeness = np.where(exact, 1.0, likeness).astype(np.float32)
    order = np.lexsort((left, right, -likeness, ~exact.astype(bool)))
    both = np.stack([left[order], right[order]])
    _, first = np.unique(both, axis=1, return_index=True)
    order = order[np.sort(first)]
    return Pairs(
        left[order].astype(np.int64),
        right[order].astype(np.int64),
        exact[order].astype(bool),
        likeness[order],
    )


def first_of_each(
    digests: NDArray[np.uint8], rows: NDArray[np.int64], *, all_rows: bool = False
) -> NDArray[np.int64]:
    """Find the first of those rows that are equal.

    Args:
        digests: Of all rows of the data set, ``(N, B)``.
        rows: Row numbers.
        all_rows: Whether to say it of each of ``rows`` rather than list every first once.

    Returns:
        Row numbers: of ``rows`` in their order, or the firsts, in the order of ``rows``.
    """
    if not len(rows):
        return rows
    _, first, which = np.unique(_keys(digests[rows]), return_index=True, return_inverse=True)
    return rows[first[which]] if all_rows else rows[np.sort(first)]


def equal_pairs(
    digests: NDArray[np.uint8], left: NDArray[np.int64], right: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair each row of ``right`` with the first row of ``left`` that is equal to it.

    Args:
        digests: Of all rows of the data set, ``(N, B)``.
        left: Row numbers.
        right: Row numbers; none of them in ``left``, or the very same rows, of which no
            first is paired with itself.

    Returns:
        Row numbers of both, ``(P,)`` each.
    """
    if np.array_equal(left, right):
        firsts = first_of_each(digests, right, all_rows=True)
        return firsts[firsts != right], right[firsts != right]
    if not len(left) or not len(right):
        return left[:0], right[:0]
    keys, first = np.unique(_keys(digests[left]), return_index=True)
    wanted = _keys(digests[right])
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    equal = keys[place] == wanted
    return left[first[place[equal]]], right[equal]


def _keys(digests: NDArray[np.uint8]) -> NDArray[Any]:
    """One sortable value per row."""
    return np.ascontiguousarray(digests).view(f"V{digests.shape[1]}")[:, 0]
