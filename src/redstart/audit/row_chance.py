"""Whether rows of a table are equal by chance, judged by the table itself.

Of the rows that agree with a row in all columns but ``k``, some would agree in ``k`` as well
by chance: as many as the share of rows that agree in ``k`` among those that agree in
everything but ``k`` and some other column. So a row's number of chance copies is foretold
from rows that are no copies, and what the columns have to do with each other is accounted for.
Pairs are accepted, the least likely by chance first, as long as no more than a tenth of them
is foretold to be there by chance (as in Benjamini and Hochberg, 1995, JRSS B 57:289).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Hashed", "beyond_chance", "mixed"]

_TELLING = 3
_OTHERS = 5
_BY_CHANCE = 0.2
_USUAL = 0.1
_ENOUGH = 0.1
"""Pairs of rows, for each row, below which they may be copies rather than chance."""

Hash = NDArray[np.uint64]


@final
@dataclass(slots=True)
class Hashed:
    """A table whose columns are hashed so that their sum stands for the row.

    Attributes:
        hashes: One ``(N,)`` uint64 for each column; the rows of the left part first.
        n_left: Rows of the left part.
        first_right: Where those of the right part begin; 0 if the two are the same.
        model: A table of rows like these, by which chance is judged; itself if there is none.
    """

    hashes: list[Hash]
    n_left: int
    first_right: int
    model: Hashed | None = None
    _whole: Hash | None = field(default=None, init=False)
    _pairs: dict[tuple[int, ...], float] = field(default_factory=dict, init=False)
    _alone: dict[int, float] = field(default_factory=dict, init=False)
    _agreements: dict[int, float] = field(default_factory=dict, init=False)
    _counted: dict[tuple[int, ...], NDArray[np.int64]] = field(default_factory=dict, init=False)

    def whole(self) -> Hash:
        """What stands for each row."""
        if self._whole is None:
            self._whole = np.zeros(len(self.hashes[0]), dtype=np.uint64)
            for hashed in self.hashes:
                self._whole = self._whole + hashed
        return self._whole

    def less(self, *columns: int) -> Hash:
        """What stands for each row without some columns."""
        found = self.whole()
        for number in columns:
            found = found - self.hashes[number]
        return found

    def pairs(self, *without: int) -> float:
        """How many pairs of rows agree in all columns but some."""
        key = tuple(sorted(without))
        if key not in self._pairs:
            self._pairs[key] = _pairs(self.less(*key))
        return self._pairs[key]

    def alone(self, column: int) -> float:
        """The share of all pairs of rows that agree in a column."""
        n = len(self.hashes[column])
        if column not in self._alone:
            self._alone[column] = _pairs(self.hashes[column]) / max(n * (n - 1) / 2, 1.0)
        return self._alone[column]

    def telling(self) -> list[int]:
        """The columns in which two rows agree the least."""
        if self.model is not None:
            return self.model.telling()
        agree = [self.alone(column) for column in range(len(self.hashes))]
        return [int(n) for n in np.argsort(agree, kind="stable")[: _TELLING + 1]]

    def left_like(self, *without: int) -> NDArray[np.int64]:
        """How many left rows agree with each right row in all columns but some, ``(M,)``."""
        key = tuple(sorted(without))
        if key not in self._counted:
            keys = self.less(*key)
            ordered = np.sort(keys[: self.n_left])
            wanted = keys[self.first_right :]
            high, low = (np.searchsorted(ordered, wanted, side) for side in ("right", "left"))
            self._counted[key] = high - low
        return self._counted[key]

    def agreement(self, column: int) -> float:
        """How often rows agree in a column that agree in all others but one.

        The median over which one that is: a column in which many copies were changed says
        nothing of chance.
        """
        if self.model is not None:
            return self.model.agreement(column)
        if column not in self._agreements:
            others = [other for other in range(len(self.hashes)) if other != column]
            exact, shares = self.pairs(), [0.0]
            for other in others[:: max(1, len(others) // _OTHERS)]:
                either = self.pairs(other, column) - exact
                if either > _ENOUGH * len(self.whole()):
                    shares.append((self.pairs(other) - exact) / either)
            usual = float(np.median(shares[1:] or shares))
            self._agreements[column] = max(self.alone(column), usual)
        return self._agreements[column]


def mixed(values: NDArray[Any], salt: int) -> Hash:
    """Hash a column: equal values alike, and differently in each column (splitmix64).

    Args:
        values: ``(N,)``; numbers by their bits, but for zeros, which are all one.
        salt: Number of the column.
    """
    if values.dtype.kind == "f":
        values = (values.astype(np.float32) + np.float32(0)).view(np.int32)
    with np.errstate(over="ignore"):
        state = values.astype(np.int64).view(np.uint64)
        state = (state + np.uint64(salt + 1)) * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state ^= np.uint64((salt + 1) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        found: Hash = state ^ (state >> np.uint64(31))
    return found


def beyond_chance(
    table: Hashed,
    right: NDArray[np.int64],
    without: tuple[int, ...] = (),
    luck: NDArray[np.float64] | None = None,
) -> NDArray[np.bool_]:
    """Tell which rows have more copies than chance gives them.

    Args:
        table: All rows.
        right: Places of right rows of which a copy was found, ``(M,)``.
        without: Columns in which the copy differs.
        luck: Of a row that chance did give a copy, the probability that it is so near,
            ``(M,)``.

    Returns:
        Which of them to keep, ``(M,)``.
    """
    if not len(right):
        return np.zeros(0, dtype=bool)
    telling = [n for n in table.telling() if n not in without][:_TELLING]
    alike = table.left_like(*without)
    foretold = np.zeros(len(alike))
    for number in telling:
        almost = table.left_like(*without, number) - alike
        # That a row has no such neighbour does not say that it could not have had one.
        usual = min(1.0, float(almost.mean()))
        usual = usual if usual > _USUAL else 0.0
        share = min(table.agreement(number), 0.99)
        np.maximum(foretold, (almost + usual) * (share / (1 - share)), out=foretold)
    mine = foretold[right - table.first_right]
    mine = mine if luck is None else mine * luck
    order = np.argsort(mine, kind="stable")
    everyone = np.sort(foretold)
    below = np.searchsorted(everyone, mine[order], side="right")
    expected = np.concatenate([[0.0], np.cumsum(everyone)])[below]
    if luck is not None:
        expected += (len(everyone) - below) * mine[order]
    good = np.flatnonzero(expected <= _BY_CHANCE * np.arange(1, len(right) + 1))
    keep = np.zeros(len(right), dtype=bool)
    if len(good):
        keep[order[: good[-1] + 1]] = True
    return keep


def _pairs(keys: Hash) -> float:
    """How many pairs of rows have one key."""
    ordered = np.sort(keys)
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    counts = np.diff(np.append(starts, len(ordered))).astype(np.float64)
    return float((counts * (counts - 1)).sum() / 2)
