"""What splitters compute with: keys of items, fractions, sums of groups."""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redstart.data.frame import is_frame, is_missing, rows_of
from redstart.data.items import ColReader
from redstart.errors import ConfigError, DataError, problem

__all__ = [
    "answers_of",
    "check_fractions",
    "grouped",
    "keys_of",
    "nearest_cut",
    "nearest_sum",
    "numbered",
    "part_number",
    "row_numbers",
    "shares",
    "some",
]


def answers_of(items: Any, by: Callable[[Any], Any] | str) -> list[Any]:
    """Apply a function, or read a column, for every item or every row of a table."""
    read = ColReader(by) if isinstance(by, str) else by
    return [read(item) for item in (rows_of(items) if is_frame(items) else items)]


def check_fractions(valid_pct: float, test_pct: float) -> None:
    """Refuse fractions that leave a part without rows.

    Raises:
        ConfigError: Unless ``valid_pct`` > 0, ``test_pct`` >= 0 and their sum is < 1.
    """
    if not (valid_pct > 0 and test_pct >= 0 and valid_pct + test_pct < 1):
        raise ConfigError(
            problem(
                "Expected `valid_pct` above 0, `test_pct` from 0, and their sum below 1",
                f"valid_pct={valid_pct}, test_pct={test_pct}",
                "They are fractions: write 0.2 for 20%.",
            )
        )


def part_number(answer: Any) -> int | None:
    """Number of the part that an answer names: 0 train, 1 valid, 2 test; ``None`` if it does not.

    Args:
        answer: The name of a part, or whether to validate on the row.
    """
    if isinstance(answer, str):
        names = ("train", "valid", "test")
        return names.index(answer) if answer in names else None
    if isinstance(answer, Real | np.bool_) and answer in (0, 1):
        return 1 if answer else 0
    return None


def numbered(keys: Sequence[Hashable]) -> NDArray[np.int64]:
    """Number equal keys alike, in the order in which they come, int64 ``(N,)``."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def some(rows: Sequence[Any]) -> str:
    """List the first five, and how many more there are."""
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return ", ".join(str(row) for row in rows[:5]) + more


def keys_of(
    items: Any, by: Callable[[Any], Any] | str, name: str, *, missing: bool
) -> list[Hashable]:
    """Return the class or group of every item; ``None`` where it is missing, if allowed."""
    keys = [None if is_missing(key) else key for key in answers_of(items, by)]
    bad = [row for row, key in enumerate(keys) if not _hashable(key)]
    if not missing:
        bad += [row for row, key in enumerate(keys) if key is None]
    if bad:
        raise DataError(
            problem(
                f"Expected one name or number per item from `{name}`",
                f"{keys[bad[0]]!r} in row {bad[0]}; all such rows: {some(bad)}",
                "Return a single value for each, or drop these rows.",
            )
        )
    return keys


def _hashable(key: Any) -> bool:
    try:
        hash(key)
    except TypeError:
        return False
    return True


def grouped(rows: Iterable[int], keys: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    """Gather the rows of each key, both in the order in which they come."""
    groups: dict[Hashable, list[int]] = {}
    for row in rows:
        groups.setdefault(keys[row], []).append(row)
    return groups


def row_numbers(name: str, rows: Any) -> tuple[int, ...]:
    """Read integers from 0 from any sequence; not booleans, which would be a mask.

    Raises:
        DataError: If there is anything else in ``rows``, called ``name`` in the message.
    """
    try:
        values = rows.tolist() if hasattr(rows, "tolist") else list(rows)
        kinds = set(map(type, values))
        if not kinds & {bool, np.bool_}:
            numbers = tuple(values) if kinds <= {int} else tuple(map(operator.index, values))
            if min(numbers, default=0) >= 0:
                return numbers
    except TypeError:
        pass  # not a sequence, or not of integers
    raise DataError(
        problem(
            f"Expected row numbers, integers from 0, as {name}",
            f"{name}={rows!r:.80}",
            "Make them of a mask with numpy.flatnonzero(mask); count negative ones from 0.",
        )
    )


def shares(sizes: Sequence[int], valid_pct: float, test_pct: float) -> list[tuple[int, int]]:
    """Say how many rows of each class to validate on and to test on.

    Each count is the fraction rounded down or up so that the totals fit too (largest
    remainders first, then first classes). Before that, every class keeps one row to
    train on, then has one to validate on, then, if asked for, one to test on.

    Args:
        sizes: Rows of each class, at least 1.
        valid_pct: Fraction to validate on.
        test_pct: Fraction to test on.

    Returns:
        ``(n_valid, n_test)`` of each class.
    """
    rows = np.asarray(sizes, dtype=np.int64)
    testing = np.full_like(rows, int(test_pct > 0))
    low_valid = np.minimum(_down(rows * valid_pct, 1), rows - 1 - testing * (rows >= 3))
    low_test = np.minimum(_down(rows * test_pct, testing), rows - 1 - low_valid)
    valid = _fill(low_valid, rows * valid_pct, rows - 1 - low_test)
    test = _fill(low_test, rows * test_pct, rows - 1 - valid)
    return list(zip(valid.tolist(), test.tolist(), strict=True))


def _down(quota: NDArray[Any], least: Any) -> NDArray[np.int64]:
    down: NDArray[np.int64] = np.floor(quota).astype(np.int64)
    return np.maximum(down, np.asarray(least, dtype=np.int64))


def _fill(low: NDArray[Any], quota: NDArray[Any], room: NDArray[Any]) -> NDArray[np.int64]:
    """Raise ``low`` by one where ``quota`` is furthest above it, until the totals agree."""
    counts = low.copy()
    wanted = round(float(quota.sum())) - int(low.sum())
    raisable = low < np.minimum(np.ceil(quota), room)
    order = np.argsort(low - quota, kind="stable")
    counts[order[raisable[order]][: max(0, wanted)]] += 1
    return counts


def nearest_cut(cuts: NDArray[np.intp], wanted: float) -> int:
    """Of places where to cut, the nearest to where one is wanted; the first of two."""
    return int(cuts[np.abs(cuts - wanted).argmin()])


def nearest_sum(sizes: Sequence[int], target: int, keep: int) -> set[int]:
    """Choose groups whose sizes add up as near to ``target`` as they can (subset sum).

    Args:
        sizes: Rows of each group, at least 1; earlier groups are preferred.
        target: Rows wanted. Nearer than a thousandth of all rows ends the search.
        keep: How many groups must be left over, fewer than there are.

    Returns:
        Places of the chosen groups in ``sizes``, at least one.
    """
    total, target = sum(sizes), max(1, target)
    top = min(total - 1, max(2 * target, min(sizes)))
    reached = np.zeros(top + 1, dtype=bool)
    reached[0] = True
    last = np.full(top + 1, -1)  # the group that first made each sum
    for place, size in enumerate(sizes):
        if size <= top:
            new = size + np.flatnonzero(reached[: top + 1 - size] & ~reached[size:])
            reached[new] = True
            last[new] = place
        if reached[max(1, target - total // 1000) : target + total // 1000 + 1].any():
            break
    sums = np.flatnonzero(reached)[1:]
    rest = int(sums[np.abs(sums - target).argmin()])
    chosen: set[int] = set()
    while rest:
        chosen.add(int(last[rest]))
        rest -= sizes[int(last[rest])]
    for place in sorted(chosen, key=sizes.__getitem__):
        if len(sizes) - len(chosen) >= keep:
            break
        chosen.remove(place)
    return chosen
