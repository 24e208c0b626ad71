"""Ratings as arrays: read from a table, checked, each pair of user and item once."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from redstart.data.moments import moments_of
from redstart.data.spelling import factorized, plain, spelled
from redstart.data.table import Table, in_row
from redstart.errors import DataError, problem

__all__ = ["Rows"]

log = logging.getLogger("redstart")

_FIX = "Fill them in, or leave these rows out."


@final
@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Ratings as arrays, one entry per row of the table.

    Attributes:
        table: The rows.
        users: Which of ``user_names``, ``(N,)``.
        items: Which of ``item_names``, ``(N,)``.
        values: Ratings, ``(N,)`` float32.
        times: Numbers that sort, ``(N,)``; ``None`` if there are none.
        user_names: Different users, as in the table.
        item_names: Different items.
    """

    table: Table
    users: NDArray[np.int32]
    items: NDArray[np.int32]
    values: NDArray[np.float32]
    times: NDArray[Any] | None
    user_names: list[Any]
    item_names: list[Any]

    @classmethod
    def of(cls, table: Table, user: str, item: str, rating: str | None, time: str) -> Self:
        """Read the columns.

        Args:
            table: The rows.
            user: Column of users.
            item: Column of items.
            rating: Column of ratings; every row counts 1 if there is none.
            time: Column of times; empty if there is none.

        Raises:
            DataError: If a cell is missing or no number; names column and row.
        """
        users, user_names = _distinct(table, user)
        items, item_names = _distinct(table, item)
        ones = np.ones(len(table), dtype=np.float32)
        values = ones if rating is None else _numbers(table, rating)
        times = moments_of(table, time) if time else None
        return cls(table, users, items, values, times, user_names, item_names)

    def once(self, *, implicit: bool) -> Rows:
        """Leave every pair of user and item once: the last rating, or the sum of events.

        Args:
            implicit: Whether rows are events.
        """
        pairs = self.users.astype(np.int64) * len(self.item_names) + self.items
        ordered = np.sort(pairs)
        repeats = int((ordered[1:] == ordered[:-1]).sum())
        if not repeats:
            return self
        del ordered
        keys = (pairs,) if self.times is None else (self.times, pairs)
        order = np.lexsort(keys)  # stable: equal ones stay in the order of the rows
        last = np.append(pairs[order][1:] != pairs[order][:-1], True)
        kept = np.sort(order[last])
        values = self.values[kept]
        if implicit:
            which = np.searchsorted(pairs[order][last], pairs[kept])
            sums = np.add.reduceat(self.values[order], np.flatnonzero(np.append(True, last[:-1])))
            values = sums[which].astype(np.float32)
        log.warning(
            "%d rows repeat a pair of user and item: %s. Row numbers are those of the %d left.",
            repeats,
            "they are added up" if implicit else "only the last rating of each pair counts",
            len(kept),
        )
        times = None if self.times is None else self.times[kept]
        return replace(
            self,
            table=self.table.take(kept),
            users=self.users[kept],
            items=self.items[kept],
            values=values,
            times=times,
        )


def _distinct(table: Table, column: str) -> tuple[NDArray[np.int32], list[Any]]:
    """Which of the different names each row has, and the names."""
    codes, values = factorized(table.column(column))
    _refuse(codes < 0, table, column, "a user and an item")
    names = [plain(value) for value in values]
    places: dict[str, int] = {}
    merged = np.array([places.setdefault(spelled(n), len(places)) for n in names], dtype=np.int32)
    firsts = dict(zip(reversed(merged.tolist()), reversed(names), strict=True))
    return merged[codes], [firsts[place] for place in range(len(places))]


def _numbers(table: Table, column: str) -> NDArray[np.float32]:
    import pandas as pd

    values = table.column(column).to_numpy()
    if values.dtype.kind not in "biuf":
        values = np.asarray(pd.to_numeric(pd.Series(values, dtype=object), errors="coerce"))
    found = values.astype(np.float32)
    fix = f"{_FIX} If ratings are in another column, name it."
    _refuse(~np.isfinite(found), table, column, "a number as rating", fix)
    return found


def _refuse(bad: NDArray[np.bool_], table: Table, column: str, what: str, fix: str = _FIX) -> None:
    if not bad.any():
        return
    value = table.column(column)[int(bad.argmax())]
    value = value.item() if isinstance(value, np.generic) else value
    raise DataError(
        problem(f"Expected {what} in every row", f"{column}={value!r:.80}{in_row(bad)}", fix)
    )
