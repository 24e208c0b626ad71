"""Which rows train, which validate, and which are kept for the final test."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, final

import numpy as np
from numpy.typing import NDArray

from redstart.data.apportion import (
    answers_of,
    check_fractions,
    grouped,
    keys_of,
    nearest_cut,
    nearest_sum,
    numbered,
    part_number,
    row_numbers,
    shares,
    some,
)
from redstart.data.items import ColReader
from redstart.data.moments import moments_of
from redstart.errors import ConfigError, DataError, problem

__all__ = [
    "ColSplitter",
    "FuncSplitter",
    "GrandparentSplitter",
    "GroupSplitter",
    "IndexSplitter",
    "RandomSplitter",
    "Split",
    "SplitBy",
    "Splitter",
    "TimeSplitter",
    "as_split",
]

_PARTS = ("train", "valid", "test")
_SEED = 42

SplitBy = Literal["random", "given", "group", "time"]


@final
@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers of each part, from 0; no row is in two parts or twice in one.

    Unpacks as ``train, valid = split``, or in three where there is a test part.

    Attributes:
        train: Never empty.
        valid: Empty only when made by ``without_valid``.
        test: Opened once, after all choices are made. May be empty.
        by: How it was made; ``"given"`` where the parts were made elsewhere.
        groups: Number of the group of every row, int64, where whole groups were held out.
    """

    train: tuple[int, ...]
    valid: tuple[int, ...]
    test: tuple[int, ...] = ()
    _no_valid: InitVar[bool] = False
    by: SplitBy = field(default="given", compare=False, repr=False)
    groups: NDArray[np.int64] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self, _no_valid: bool) -> None:
        for name in _PARTS:
            object.__setattr__(self, name, row_numbers(name, getattr(self, name)))
        sizes = ", ".join(f"{name}={len(getattr(self, name))} rows" for name in _PARTS)
        for name in ("train",) if _no_valid else ("train", "valid"):
            if not getattr(self, name):
                fix = "Check the splitter, or the column or folder names it looks for."
                if name == "valid":
                    fix += " To do without, say so: Split.without_valid(train)."
                raise DataError(problem(f"Expected at least one row in {name}", sizes, fix))
        # As an array: a set or a counter of ten million rows takes half a gigabyte.
        rows = np.concatenate([np.array(getattr(self, name), dtype=np.int64) for name in _PARTS])
        rows.sort()
        twice = rows[1:][rows[1:] == rows[:-1]]
        if len(twice):
            shared = list(dict.fromkeys(twice.tolist()))
            raise DataError(
                problem(
                    "Expected every row once: in train, in valid or in test",
                    f"rows in two places: {some(shared)}",
                    "A row used for training cannot also measure the model.",
                )
            )

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return iter((self.train, self.valid, self.test) if self.test else (self.train, self.valid))

    @classmethod
    def without_valid(cls, train: Iterable[int], test: Iterable[int] = ()) -> Self:
        """Make a split that has no validation rows; ``Learner.fit`` refuses it."""
        return cls(tuple(train), (), tuple(test), _no_valid=True)

    def without_rows(self, rows: Iterable[int]) -> Self:
        """Return this split less ``rows``; the numbers of the others stay.

        Raises:
            DataError: If that leaves no row to train on, or none of those to validate on.
        """
        gone = set(rows)
        train, valid, test = (
            tuple(row for row in getattr(self, part) if row not in gone) for part in _PARTS
        )
        return type(self)(train, valid, test, not self.valid, self.by, self.groups)

    def digest(self) -> str:
        """Return a SHA-256 (64 hex digits), equal for the same rows in the same parts."""
        parts = {name: sorted(getattr(self, name)) for name in _PARTS}
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


Splitter = Callable[[Any], Split]
"""Assigns the rows of a sequence, or of a table, to parts."""


def as_split(result: Any, n: int) -> Split:
    """Take what a splitter returned and check that it fits the items.

    Args:
        result: A ``Split``, or ``(train, valid)`` or ``(train, valid, test)``, each any
            sequence of integers: list, range, array, tensor.
        n: How many items there are.

    Raises:
        DataError: If it is neither, if a row is outside ``0 .. n - 1``, or if the parts
            do not make a ``Split``.
    """
    split = result
    if not isinstance(split, Split):
        parts = result if isinstance(result, list | tuple) else ()
        if len(parts) not in (2, 3):
            raise DataError(
                problem(
                    "Expected a splitter to return a Split, (train, valid) or (train, valid, test)",
                    f"result={type(result).__name__} {result!r:.60}",
                    "Return the row numbers of each part as lists.",
                )
            )
        train, valid, test = map(row_numbers, _PARTS, (*parts, ()))
        split = Split(train, valid, test)
    if outside := [row for part in _PARTS for row in getattr(split, part) if row >= n]:
        raise DataError(
            problem(
                f"Expected row numbers below {n}, the number of items",
                f"rows={some(outside)}",
                "Count rows from 0 in the items that the splitter was given.",
            )
        )
    return split


def RandomSplitter(  # noqa: N802
    valid_pct: float = 0.2,
    seed: int | None = None,
    *,
    test_pct: float = 0.0,
    stratify: Callable[[Any], Hashable] | str | None = None,
) -> Splitter:
    """Hold out a random fraction of the rows; the same rows every time.

    Args:
        valid_pct: Fraction to validate on, between 0 and 1, both excluded.
        seed: Of this split alone. ``None`` is 42, not a new draw.
        test_pct: Fraction kept for the final test.
        stratify: Label of an item, or a column name: each label is then split on its
            own. Every label trains; those with two rows are validated, with three
            tested. Other than that, each is within one row of its fractions.
    """
    check_fractions(valid_pct, test_pct)
    if stratify is not None and not callable(stratify) and not isinstance(stratify, str):
        raise ConfigError(
            problem(
                "Expected a function from item to label, or a column name",
                f"stratify={stratify!r}",
                "Write stratify=parent_label, or your own label function.",
            )
        )

    def split(items: Any) -> Split:
        rng = np.random.default_rng(_SEED if seed is None else seed)
        rows = rng.permutation(len(items)).tolist()
        groups = [rows]
        if stratify is not None:
            labels = keys_of(items, stratify, "stratify", missing=True)
            groups = list(grouped(rows, labels).values())
        least = 3 if test_pct else 2
        if max(map(len, groups), default=0) < least:
            raise DataError(
                problem(
                    f"Expected at least {least} rows{' of one label' if stratify else ''} to split",
                    f"{len(rows)} rows, {len(groups)} labels" if stratify else f"{len(rows)} rows",
                    "Collect more, or split by hand with IndexSplitter.",
                )
            )
        part = [0] * len(rows)
        sizes = shares([len(group) for group in groups], valid_pct, test_pct)
        for group, (n_valid, n_test) in zip(groups, sizes, strict=True):
            for place, row in enumerate(group[: n_valid + n_test]):
                part[row] = 1 if place < n_valid else 2
        return _from_parts(part, rows, by="random")

    return split


def GrandparentSplitter(  # noqa: N802
    train_name: str = "train", valid_name: str = "valid", test_name: str = "test"
) -> Splitter:
    """Split on the folder above the label's: ``train/cat/1.jpg`` trains.

    Files in folders of other names are in no part. There may be no ``test_name`` folder.

    Args:
        train_name: Folder of the training rows.
        valid_name: Folder of the validation rows.
        test_name: Folder of the test rows.
    """
    wanted = {name: part for part, name in enumerate((train_name, valid_name, test_name))}

    def split(items: Any) -> Split:
        names = [Path(item).parent.parent.name for item in items]
        if not {train_name, valid_name} <= set(names):
            seen = Counter(names)
            others = [name for name in seen if name and name not in wanted]
            fix = "Split at random with RandomSplitter(valid_pct=0.2)."
            if train_name in seen and len(others) == 1:
                fix = f"Write GrandparentSplitter(valid_name={others[0]!r})."
            elif others:
                fix = "Write GrandparentSplitter(train_name=..., valid_name=...) with two of these."
            shown = ", ".join(f"{name!r} ({count})" for name, count in seen.most_common(10))
            raise DataError(
                problem(
                    f"Expected files in folders {train_name!r} and {valid_name!r}",
                    f"folders two above the files: {shown or 'none, there are no files'}",
                    fix,
                )
            )
        return _from_parts([wanted.get(name) for name in names])

    return split


def IndexSplitter(  # noqa: N802
    valid_idx: Iterable[int], test_idx: Iterable[int] = ()
) -> Splitter:
    """Validate on the rows given; the rest trains.

    Args:
        valid_idx: Row numbers, from 0.
        test_idx: Row numbers kept for the final test.
    """
    valid, test = row_numbers("valid", valid_idx), row_numbers("test", test_idx)

    def split(items: Any) -> Split:
        held = {*valid, *test}
        train = [row for row in range(len(items)) if row not in held]
        return as_split((train, valid, test), len(items))

    return split


def FuncSplitter(func: Callable[[Any], Any]) -> Splitter:  # noqa: N802
    """Ask a function about each item.

    Args:
        func: Returns true for rows to validate on and false for rows to train on, or
            ``"train"``, ``"valid"`` or ``"test"``.
    """

    def split(items: Any) -> Split:
        answers = answers_of(items, func)
        parts = [part_number(answer) for answer in answers]
        if bad := [row for row, part in enumerate(parts) if part is None]:
            values = ", ".join(dict.fromkeys(repr(answers[row]) for row in bad[:20]))
            raise DataError(
                problem(
                    "Expected true (valid) or false (train), or 'train', 'valid' or 'test'",
                    f"{values} in rows {some(bad)}",
                    "Change these values, or map them in a FuncSplitter.",
                )
            )
        return _from_parts(parts)

    return split


def ColSplitter(col: str | int = "is_valid") -> Splitter:  # noqa: N802
    """Split on a column of the table.

    Args:
        col: Name or position of a column that holds true, 1 or ``"valid"`` for rows to
            validate on, false, 0 or ``"train"`` for rows to train on, or ``"test"``.
    """
    return FuncSplitter(ColReader(col))


def GroupSplitter(  # noqa: N802
    group: Callable[[Any], Hashable] | str,
    valid_pct: float = 0.2,
    seed: int | None = None,
    *,
    test_pct: float = 0.0,
) -> Splitter:
    """Hold out whole groups at random: no person, scene or site is in two parts.

    Sizes are as near to the fractions as the groups allow (above 1,000 rows: nearer
    than a thousandth of the rows counts as reached).

    Args:
        group: Group of an item, or the name of its column.
        valid_pct: Fraction of the rows to validate on, between 0 and 1, both excluded.
        seed: Of this split alone. ``None`` is 42, not a new draw.
        test_pct: Fraction kept for the final test.
    """
    check_fractions(valid_pct, test_pct)

    def split(items: Any) -> Split:
        keys = keys_of(items, group, "group", missing=False)
        groups = list(grouped(range(len(keys)), keys).values())
        least = 3 if test_pct else 2
        if len(groups) < least:
            raise DataError(
                problem(
                    f"Expected at least {least} groups to split",
                    f"{len(groups)} groups in {len(keys)} rows",
                    "Group by something finer, or split with RandomSplitter.",
                )
            )
        order = np.random.default_rng(_SEED if seed is None else seed).permutation(len(groups))
        left = [groups[place] for place in order]
        part = [0] * len(keys)
        for number, fraction in ((2, test_pct), (1, valid_pct)):
            if not fraction:
                continue
            taken = nearest_sum([len(rows) for rows in left], round(fraction * len(keys)), number)
            for place in taken:
                for row in left[place]:
                    part[row] = number
            left = [rows for place, rows in enumerate(left) if place not in taken]
        return _from_parts(part, by="group", groups=numbered(keys))

    return split


def TimeSplitter(  # noqa: N802
    time: Callable[[Any], Any] | str, valid_pct: float = 0.2, *, test_pct: float = 0.0
) -> Splitter:
    """Train on the past: validation rows are later than all others, test rows later still.

    Rows of one time stay together, so the sizes are those nearest to the fractions.

    Args:
        time: Time of an item, or the name of its column: a date, a number, or a text
            that is a number or an ISO 8601 date.
        valid_pct: Fraction of the rows to validate on, between 0 and 1, both excluded.
        test_pct: Fraction kept for the final test.
    """
    check_fractions(valid_pct, test_pct)

    def split(items: Any) -> Split:
        when = moments_of(items, time)
        order = np.argsort(when, kind="stable")
        cuts = np.flatnonzero(np.diff(when[order])) + 1  # where a later time begins
        if len(cuts) < (2 if test_pct else 1):
            raise DataError(
                problem(
                    f"Expected at least {3 if test_pct else 2} different times",
                    f"{len(cuts) + 1 if len(order) else 0} in {len(order)} rows",
                    "Use a finer time, or another splitter.",
                )
            )
        n, end = len(order), len(order)
        if test_pct:
            end = nearest_cut(cuts[1:], n * (1 - test_pct))
        start = nearest_cut(cuts[cuts < end], n * (1 - test_pct - valid_pct))
        train, valid, test = (tuple(p.tolist()) for p in np.split(order, [start, end]))
        return Split(train, valid, test, by="time")

    return split


def _from_parts(parts: Sequence[int | None], order: Any = None, **made: Any) -> Split:
    """Make a split from the number of each row's part; ``None`` is in no part."""
    part = np.array([-1 if number is None else number for number in parts], dtype=np.int8)
    rows = np.arange(len(part)) if order is None else np.asarray(order, dtype=np.intp)
    train, valid, test = (tuple(rows[part[rows] == number].tolist()) for number in range(3))
    return Split(train, valid, test, **made)
