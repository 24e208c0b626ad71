"""Rows of a table that are other rows again, whole or with a small change.

Three ways to be alike: equal in every column; equal in all but one; equal in every category
and, in every number, within a hundredth of its standard deviation. All three are equality of
something that can be hashed (the row, the row less a column, the row with its numbers put on
a grid), so that sorting finds them.

In a table of few and coarse columns rows are equal by chance. How many would be is read off
the table itself: of the rows that agree with this one in everything but some telling column,
how many could be expected to agree in that one too (see ``redstart.audit.row_chance``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from redstart.audit.evidence import Likeness, Pairs, Prints
from redstart.audit.row_chance import Hashed, beyond_chance, mixed

__all__ = ["TableLikeness"]

_NEAR = 0.01
"""Numbers that differ by less than this share of their standard deviation may be one."""
_GRID = 0.03
_SHIFTS = (0.0, 1 / 3, 2 / 3)
"""Three grids: what the lines of one part, those of another leave together."""
_MANY_NUMBERS = 6
"""With more columns of numbers the grid is wider, so that a row seldom lies on a line of it."""
_LEAST_LUCK = 0.1
"""Coarse numbers are as near as can be by chance, too."""
_MOST_NEAR = 200_000
"""Rows among which changed copies are looked for; equal rows are found among all."""
_LOOKED_AT = 4

Rows = NDArray[np.int64]


@final
class TableLikeness(Likeness):
    """Equal rows, and rows that differ in one column or by very little, beyond chance.

    Takes what tables are encoded as, ``(codes, numbers)``: int64 ``(N, n_cat)`` and float
    ``(N, n_cont)``. A single tensor of codes is one of names (a user and an item), which
    should occur together once: there all equal rows count, but those with a name that is
    not known (0).
    """

    name = "table rows 1"

    def prints(self, x: tuple[Tensor, ...]) -> Prints:
        """Take the columns themselves: codes as int32, numbers as float32."""
        return tuple(_columns(tensor) for tensor in x)

    def pairs(self, prints: Prints, left: Rows, right: Rows) -> Pairs:
        """Find the rows of ``right`` that are, or nearly are, rows of ``left``.

        Of a row of ``right`` one pair is listed. Of more than 200,000 rows, changed copies
        are looked for among that many.
        """
        search = _Search(left, right, np.array_equal(left, right))
        columns = [column for array in prints for column in array.T]
        if not len(left) or not len(right) or not columns:
            return _listed([])
        if len(prints) == 1 and prints[0].dtype.kind == "i":
            known = search.within(np.asarray((prints[0] > 0).all(axis=1)))
            return _listed([known.equal(known.hashed(columns), chance=False)])
        near = search.limited(_MOST_NEAR)
        table = near.hashed(columns)
        whole = table if near is search else search.hashed(columns, table)
        found = [search.equal(whole, chance=True)]
        if len(columns) > 2:
            found.append(near.but_one(table))
        if any(column.dtype.kind == "f" for column in columns):
            found.append(near.moved(table, columns))
        return _listed(found)


@final
@dataclass(frozen=True, slots=True)
class _Found:
    left: Rows
    right: Rows
    exact: bool
    likeness: NDArray[np.float32]


@final
@dataclass(frozen=True, slots=True)
class _Search:
    """The rows looked at: ``left``, ``right``, and whether the two are the same."""

    left: Rows
    right: Rows
    same: bool

    @property
    def rows(self) -> Rows:
        return self.left if self.same else np.concatenate([self.left, self.right])

    def within(self, good: NDArray[np.bool_]) -> _Search:
        return _Search(self.left[good[self.left]], self.right[good[self.right]], self.same)

    def limited(self, most: int) -> _Search:
        """Some rows: half of them at most from ``right``, which is mostly the smaller."""
        if len(self.rows) <= most:
            return self
        rng = np.random.default_rng(0)

        def some(rows: Rows, n: int) -> Rows:
            return rows if len(rows) <= n else np.sort(rng.choice(rows, n, replace=False))

        if self.same:
            rows = some(self.left, most)
            return _Search(rows, rows, same=True)
        right = some(self.right, max(most // 2, most - len(self.left)))
        return _Search(some(self.left, most - len(right)), right, same=False)

    def hashed(self, columns: list[NDArray[Any]], model: Hashed | None = None) -> Hashed:
        rows = self.rows
        n_left = len(self.left)
        hashes = [mixed(column[rows], number) for number, column in enumerate(columns)]
        return Hashed(hashes, n_left, 0 if self.same else n_left, model)

    def equal(self, table: Hashed, *, chance: bool) -> _Found:
        left, right = _first(*_partners(table, table.whole(), 1))
        keep = beyond_chance(table, right) if chance else np.ones(len(right), dtype=bool)
        left, right = self.rows[left[keep]], self.rows[right[keep]]
        return _Found(left, right, True, np.ones(len(left), dtype=np.float32))

    def but_one(self, table: Hashed) -> _Found:
        """Rows that agree in all columns but one."""
        lefts, rights = [], []
        for number, hashed in enumerate(table.hashes):
            left, right = _partners(table, table.less(number), _LOOKED_AT)
            differs = hashed[left] != hashed[right]
            left, right = _first(left[differs], right[differs])
            keep = beyond_chance(table, right, (number,))
            lefts.append(left[keep])
            rights.append(right[keep])
        left, right = (self.rows[np.concatenate(side)] for side in (lefts, rights))
        alike = np.full(len(left), 1 - 1 / len(table.hashes), dtype=np.float32)
        return _Found(left, right, False, alike)

    def moved(self, exact: Hashed, columns: list[NDArray[Any]]) -> _Found:
        """Rows with the same categories whose numbers differ by very little."""
        numbers = [n for n, column in enumerate(columns) if column.dtype.kind == "f"]
        values = np.stack([_standard(columns[n][self.rows]) for n in numbers], axis=1)
        width = _GRID * max(1.0, len(numbers) / _MANY_NUMBERS)
        whole, found = exact.whole(), []
        model: Hashed | None = None
        for shift in _SHIFTS:
            hashes = list(exact.hashes)
            for place, number in enumerate(numbers):
                cell = np.floor(values[:, place] / width + shift).astype(np.int64)
                hashes[number] = mixed(cell, number)
            table = Hashed(hashes, exact.n_left, exact.first_right, model)
            model = model or table
            left, right = _partners(table, table.whole(), _LOOKED_AT)
            gaps = np.abs(values[left] - values[right])
            apart = gaps.max(axis=1, initial=0.0)
            # Where one number alone differs, that is for `but_one` to judge.
            several = (gaps > 0).sum(axis=1) >= min(2, len(numbers))
            close = (apart <= _NEAR) & several & (whole[left] != whole[right])
            left, right, apart = left[close], right[close], apart[close]
            luck = np.clip(apart / (width / 2), _LEAST_LUCK, 1.0)
            keep = beyond_chance(table, right, luck=luck)
            found.append((left[keep], right[keep], apart[keep]))
        left, right, apart = (np.concatenate(side) for side in zip(*found, strict=True))
        alike = (1 - apart).astype(np.float32)
        return _Found(self.rows[left], self.rows[right], False, alike)


def _columns(tensor: Tensor) -> NDArray[Any]:
    flat = tensor.detach().flatten(1).numpy() if tensor.ndim > 1 else tensor.numpy()[:, None]
    if flat.dtype.kind == "f":
        return np.ascontiguousarray(flat, dtype=np.float32)
    return np.ascontiguousarray(flat, dtype=np.int32)


def _standard(column: NDArray[Any]) -> NDArray[np.float64]:
    """In units of the standard deviation; what is not known, far away from all else."""
    values = column.astype(np.float64)
    finite = np.isfinite(values)
    spread = float(values[finite].std()) if finite.any() else 0.0
    return np.where(finite, values / (spread or 1.0), -1e9)


def _partners(table: Hashed, keys: NDArray[np.uint64], most: int) -> tuple[Rows, Rows]:
    """Places of rows with equal keys; up to ``most`` of the left for each of the right."""
    left_keys = keys[: table.n_left]
    order = np.argsort(left_keys, kind="stable")
    ordered = left_keys[order]
    right_keys = keys[table.first_right :]
    first = np.searchsorted(ordered, right_keys)
    lefts, rights = [], []
    everyone = np.arange(len(right_keys))
    for step in range(most + (table.first_right == 0)):
        place = np.minimum(first + step, len(ordered) - 1)
        there = (first + step < len(ordered)) & (ordered[place] == right_keys)
        left, right = order[place[there]], everyone[there] + table.first_right
        if table.first_right == 0:  # the same rows: no row with itself, no pair twice
            left, right = left[left < right], right[left < right]
        lefts.append(left)
        rights.append(right)
    return np.concatenate(lefts).astype(np.int64), np.concatenate(rights).astype(np.int64)


def _first(left: Rows, right: Rows) -> tuple[Rows, Rows]:
    """One pair for each row of ``right``."""
    _, place = np.unique(right, return_index=True)
    return left[place], right[place]


def _listed(found: list[_Found]) -> Pairs:
    """All pairs, the most alike first, one for each row of ``right``."""
    if not found:
        none = np.zeros(0, dtype=np.int64)
        return Pairs(none, none, none.astype(bool), none.astype(np.float32))
    left, right = (np.concatenate([getattr(f, side) for f in found]) for side in ("left", "right"))
    exact = np.concatenate([np.full(len(f.left), f.exact) for f in found])
    alike = np.concatenate([f.likeness for f in found])
    order = np.lexsort((right, -alike, ~exact))
    left, right, exact, alike = left[order], right[order], exact[order], alike[order]
    _, place = np.unique(right, return_index=True)
    place = np.sort(place)
    return Pairs(left[place], right[place], exact[place], alike[place])
