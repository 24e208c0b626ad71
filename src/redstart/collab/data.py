"""Loaders of ratings: who, what, and how good or how often."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict, cast, final

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import Unpack

from redstart.collab.codec import NEW, CollabCodec
from redstart.collab.preference import PreferenceTarget
from redstart.collab.rows import Rows
from redstart.data.assemble import make_loaders
from redstart.data.dataset import Source
from redstart.data.frame import is_missing
from redstart.data.loader import LoaderOptions, check_options
from redstart.data.loaders import DataLoaders
from redstart.data.spelling import factorized, spelled
from redstart.data.split import ColSplitter, RandomSplitter, Split, Splitter, as_split
from redstart.data.table import Table, missing, read_table
from redstart.data.target import Target
from redstart.errors import ConfigError, DataError, problem
from redstart.targets.regression import RegressionTarget

__all__ = ["CollabDataLoaders", "CollabOptions"]

log = logging.getLogger("redstart")

_VAL_BS = 2048  # figures are exact whatever it is, and rows are small


class CollabOptions(TypedDict, total=False):
    """Keyword arguments that every factory of ``CollabDataLoaders`` accepts.

    Attributes:
        splitter: Says which rows train, validate and test, instead of ``valid_pct``. It is
            given the rows that are left once every pair of user and item is there only once.
        valid_col: Column that says so.
        test_pct: Share of the rows sealed for ``learn.test()``, in [0, 1).
        timestamp_name: Column of times: of two ratings of a pair the later one counts, and
            recommendations may heed what a user did last.
        titles: What people call the items: a mapping from item to title, or a table of both.
        title_name: Column of titles, in ``titles`` if that is a table, else in the ratings.
        implicit: Whether a row says that a user took an item, and how often; then a
            column of ratings may be missing.
        bs: Rows per training batch.
        val_bs: Rows per validation batch; 2,048 or more if left out.
        device: Where batches go.
    """

    splitter: Splitter
    valid_col: str
    test_pct: float
    timestamp_name: str
    titles: Any
    title_name: str
    implicit: bool
    bs: int
    val_bs: int
    device: str | torch.device


@final
class CollabDataLoaders:
    """Factories only; every one returns a ``DataLoaders``."""

    @staticmethod
    def from_df(
        ratings: Any,
        valid_pct: float = 0.2,
        user_name: str | None = None,
        item_name: str | None = None,
        rating_name: str | None = None,
        seed: int | None = None,
        path: str | Path = ".",
        **options: Unpack[CollabOptions],
    ) -> DataLoaders:
        """Take users, items and ratings from the columns of a table.

        Positions are given to the users and items of the training rows. Validation rows of
        others are kept and get position 0; how many there are is logged. Of several ratings
        of one pair the last counts; events are added up. Rows are numbered after that.

        Args:
            ratings: A frame of pandas, polars or pyarrow.
            valid_pct: Share of the rows held out for validation, in (0, 1).
            user_name: Column of users; the first if left out.
            item_name: Column of items; the second if left out.
            rating_name: Column of ratings; the third if left out. With ``implicit``, of
                how often or how much, and each row counts 1 if left out.
            seed: Seeds split, order, initialisation and dropout; 42 if left out.
            path: Where the learner writes.
            **options: See ``CollabOptions``.

        Raises:
            DataError: If a column is not there, or a user, item or rating is missing; names
                the column and the row.
        """
        check_options(options, CollabOptions)
        table = Table.of(ratings)
        names = _names(table, (user_name, item_name, rating_name), options)
        rows = Rows.of(table, names.user, names.item, names.rating, names.time)
        rows = rows.once(implicit=options.get("implicit", False))
        split = as_split(_splitter(valid_pct, seed, options)(rows.table), len(rows.table))
        codec = _codec(rows, split, names, options)
        target = _target(options, rows, split)
        source = Source(items=rows.table, inputs=rows.table, raws=rows.values)
        loaders = _loader_options(options, seed)
        dls = make_loaders(source, split, codec, target, path=path, **loaders)
        _say_what_is_cold(dls)

        def again(splitter: Splitter) -> DataLoaders:
            kept: Any = {k: v for k, v in options.items() if k not in ("valid_col", "test_pct")}
            kept["splitter"] = splitter
            columns = (user_name, item_name, rating_name)
            return CollabDataLoaders.from_df(ratings, valid_pct, *columns, seed, path, **kept)

        implicit = options.get("implicit", False)
        columns = [names.user, names.item, names.rating, names.time]
        return replace(dls, remake=again, made={"names": columns, "implicit": implicit})

    @staticmethod
    def from_csv(
        csv: str | Path,
        valid_pct: float = 0.2,
        *,
        delimiter: str | None = None,
        encoding: str | None = None,
        **options: Any,
    ) -> DataLoaders:
        """Read a file of ratings; otherwise ``from_df``.

        Args:
            csv: A CSV file with a header line (of commas, semicolons, tabs or bars), or a
                Parquet file.
            valid_pct: Share of the rows held out for validation, in (0, 1).
            delimiter: Of a CSV file; found out if left out.
            encoding: Likewise; UTF-8 if left out.
            **options: As for ``from_df``.

        Raises:
            DataError: If the file cannot be read.
        """
        frame = read_table(csv, delimiter=delimiter, encoding=encoding)
        options.setdefault("path", Path(csv).parent)
        return CollabDataLoaders.from_df(frame, valid_pct, **options)


@dataclass(frozen=True, slots=True, eq=False)
class _Names:
    """Columns of user, item and rating."""

    user: str
    item: str
    rating: str | None
    time: str


def _names(
    table: Table, given: tuple[str | None, str | None, str | None], options: CollabOptions
) -> _Names:
    implicit = options.get("implicit", False)
    most = 2 if implicit else 3
    found = list(given)
    for place in range(most):
        if found[place] is None:
            if place >= len(table.names):
                raise DataError(
                    problem(
                        f"Expected a table of {'user and item' if implicit else ''}"
                        f"{'' if implicit else 'user, item and rating'}",
                        f"columns: {', '.join(map(str, table.names))}",
                        "Name them: `user_name=..., item_name=...`; where rows are events "
                        "without ratings, pass `implicit=True`.",
                    )
                )
            found[place] = table.names[place]
    user, item, rating = found
    assert user is not None and item is not None  # noqa: S101 - filled in above
    _refuse_data_as_names(given, found[:most])
    if len({user, item, rating}) < 3:
        raise ConfigError(
            problem(
                "Expected different columns of users, items and ratings",
                f"user_name={user!r}, item_name={item!r}, rating_name={rating!r}",
                "Name all three.",
            )
        )
    return _Names(user, item, rating, options.get("timestamp_name", ""))


def _refuse_data_as_names(given: Sequence[str | None], found: Sequence[Any]) -> None:
    """Refuse columns, taken by their place, whose names look like the first row of a file."""
    for place, name in enumerate(found):
        digits = isinstance(name, str) and name.replace(".", "", 1).lstrip("-").isdecimal()
        # A frame without names gets 0, 1, 2 when it is written.
        if given[place] is None and digits and name != str(place):
            raise DataError(
                problem(
                    "Expected names of columns in the first line, such as user,item,rating",
                    f"{name!r} as the name of column {place + 1}, which looks like data",
                    "Put a line of names above the data, or read it with pandas.read_csv(..., "
                    "names=[...]) and use from_df. If it is a name after all, pass it.",
                )
            )


def _loader_options(options: CollabOptions, seed: int | None) -> LoaderOptions:
    found: dict[str, Any] = {k: v for k, v in options.items() if k in ("bs", "val_bs", "device")}
    found.setdefault("val_bs", max(_VAL_BS, found.get("bs", 0)))
    if seed is not None:
        found["seed"] = seed
    return cast(LoaderOptions, found)


def _splitter(valid_pct: float, seed: int | None, options: CollabOptions) -> Splitter:
    named = [k for k in ("splitter", "valid_col", "test_pct") if options.get(k)]
    if len(named) > 1:
        raise ConfigError(
            problem(
                f"Expected one way to split: `{named[0]}` or `{named[1]}`",
                "both",
                "Leave one of them out, or ask the splitter itself for test rows.",
            )
        )
    if "splitter" in options:
        return options["splitter"]
    if "valid_col" in options:
        return ColSplitter(options["valid_col"])
    return RandomSplitter(valid_pct, seed, test_pct=options.get("test_pct", 0.0))


def _codec(rows: Rows, split: Split, names: _Names, options: CollabOptions) -> CollabCodec:
    """Give positions to the users and items of the training rows."""
    train = np.asarray(split.train, dtype=np.int64)
    users = _vocabulary(rows.user_names, rows.users[train])
    items = _vocabulary(rows.item_names, rows.items[train])
    titles = _titles(items, rows.table, names.item, options)
    return CollabCodec(names.user, names.item, users, items, titles, names.time)


def _vocabulary(names: list[Any], codes: NDArray[np.int32]) -> tuple[Any, ...]:
    seen = [names[place] for place in np.flatnonzero(np.bincount(codes))]
    return (NEW, *sorted(seen, key=lambda name: (isinstance(name, str), name)))


def _titles(
    items: tuple[Any, ...], table: Table, item_name: str, options: CollabOptions
) -> tuple[str, ...]:
    given, title_name = options.get("titles"), options.get("title_name")
    if given is None and title_name is None:
        return ()
    if isinstance(given, Mapping):
        known = {spelled(item): str(t) for item, t in given.items() if not is_missing(t)}
    else:
        source = table if given is None else Table.of(given)
        column = title_name or next((n for n in source.names if n != item_name), item_name)
        known = _first_titles(source, item_name, column)
    found = ("", *(known.get(spelled(item), "") for item in items[1:]))
    if lacking := found[1:].count(""):
        log.warning(
            "%d of %d items have no title, such as %s=%r; they go by that name.",
            lacking,
            len(items) - 1,
            item_name,
            items[found.index("", 1)],
        )
    return found


def _first_titles(source: Table, item_name: str, column: str) -> dict[str, str]:
    """The first title of each item, by the item's spelling."""
    codes, items = factorized(source.column(item_name))
    titles = source.column(column).to_numpy()
    known = np.flatnonzero((codes >= 0) & ~missing(titles))
    places, firsts = np.unique(codes[known], return_index=True)
    rows = known[firsts]
    pairs = zip(places.tolist(), titles[rows], strict=True)
    return {spelled(items[place]): str(title) for place, title in pairs}


def _target(options: CollabOptions, rows: Rows, split: Split) -> Target[Any, Any]:
    if options.get("implicit", False):
        return PreferenceTarget()
    values = rows.values[np.asarray(split.train, dtype=np.int64)]
    if len(values) > 1 and (values == values[0]).all():
        log.warning(
            "All training ratings are %g. If rows only say that a user took an item, pass "
            "`implicit=True` (--implicit).",
            values[0],
        )
    return RegressionTarget(standardize=False).fit(values)


def _say_what_is_cold(dls: DataLoaders) -> None:
    """Log how many validation rows have a user or an item that training did not see."""
    for name, loader in (("validation", dls.valid), ("test", dls.sealed)):
        if loader is None or not len(loader):
            continue
        data = loader.dataset
        x = data.encoded()[0]
        users, items = (x == 0).sum(0).tolist()
        if users or items:
            log.warning(
                "Of %d %s rows, %d have a user and %d an item that no training row has: they are "
                "predicted from the means. `learn.by_warmth()` measures them apart.",
                len(x),
                name,
                users,
                items,
            )
