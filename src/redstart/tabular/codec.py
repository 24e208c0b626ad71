"""Rows of a table as two tensors: codes of categories, and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray

from redstart.audit.table_rows import TableLikeness
from redstart.data.batch import Encoded
from redstart.data.table import Table, TableCodec, nearest
from redstart.data.vocab import Vocab
from redstart.errors import ConfigError, DataError, problem
from redstart.show.view import RowView
from redstart.tabular.cells import Cells
from redstart.tabular.columns import NA, CategoryColumn, NumberColumn
from redstart.tabular.dates import DateColumn
from redstart.tabular.procs import Procs
from redstart.tabular.roles import Roles

__all__ = ["TabularCodec", "learn_codec"]

_FLAG = (False, True)


@final
@dataclass(frozen=True, slots=True)
class TabularCodec(TableCodec):
    """Rows of a table: ``(x_cat, x_cont)``, int64 ``(N, n_cat)`` and float32 ``(N, n_cont)``.

    Categories are numbered from 1; 0, ``#na#``, is a missing value and one that no training
    row had. Everything here was learnt from training rows.

    Attributes:
        categories: Columns of categories, parts of dates included.
        numbers: Columns of numbers, likewise.
        dates: Columns that are read for their parts.
    """

    kind: ClassVar[str] = "table"
    categories: tuple[CategoryColumn, ...] = ()
    numbers: tuple[NumberColumn, ...] = ()
    dates: tuple[DateColumn, ...] = ()
    _needed: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        derived = {name for column in self.dates for name in column.parts()}
        plain = [*(c.name for c in self.categories), *(c.name for c in self.numbers)]
        needed = [name for name in plain if name not in derived]
        object.__setattr__(self, "_needed", (*needed, *(d.name for d in self.dates)))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns that a table must have."""
        return self._needed

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns that describe a row: all that are looked at."""
        return self._needed

    @property
    def likeness(self) -> TableLikeness:
        """Rows are alike if they agree in nearly all columns."""
        return TableLikeness()

    @property
    def cat_names(self) -> tuple[str, ...]:
        """Names of the categories, in the order of the columns of ``x_cat``."""
        return (*(column.name for column in self.categories), *map(_flag_name, self.flagged))

    @property
    def cont_names(self) -> tuple[str, ...]:
        """Names of the numbers, in the order of the columns of ``x_cont``."""
        return tuple(column.name for column in self.numbers)

    @property
    def flagged(self) -> list[NumberColumn]:
        """Columns of numbers with a category ``NAME_na``, in the order of these."""
        return [column for column in self.numbers if column.flag]

    @property
    def n_cont(self) -> int:
        """How many columns of numbers there are."""
        return len(self.numbers)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of codes of each category, ``#na#`` included."""
        return tuple(len(vocab) for vocab in self.classes.values())

    @property
    def classes(self) -> Mapping[str, Vocab]:
        """Names of the codes of each category; ``#na#`` is the first."""
        flags = {_flag_name(column): Vocab((NA, *_FLAG)) for column in self.flagged}
        return {column.name: column.classes for column in self.categories} | flags

    def encode_table(self, items: Any) -> Encoded:
        """Encode all rows at once.

        Args:
            items: A ``Table``, or what ``Table.of`` takes. Columns may be in any order, and
                there may be others.

        Returns:
            ``x_cat``, int64 ``(N, n_cat)``, and ``x_cont``, float32 ``(N, n_cont)``.

        Raises:
            DataError: If a column is not there, or a value is not legal; names column, row
                and value.
        """
        return self.encode_cells(self.cells(Table.of(items)))

    def encode_cells(self, cells: Cells) -> Encoded:
        """Encode columns that were read already: what ``encode_table`` makes of their table."""
        codes = np.empty((cells.n, len(self.categories) + len(self.flagged)), dtype=np.int64)
        found = np.empty((cells.n, len(self.numbers)), dtype=np.float32)
        for place, category in enumerate(self.categories):
            codes[:, place] = category.encode(cells.factors(category.name))
        place = len(self.categories)
        for slot, column in enumerate(self.numbers):
            values = cells.numbers(column.name)
            empty = np.isnan(values)
            found[:, slot] = column.scaled(values, empty)
            if column.flag:
                codes[:, place] = empty + np.int64(1)
                place += 1
        return torch.from_numpy(codes), torch.from_numpy(found)

    def cells(self, table: Table) -> Cells:
        """The columns of a table, and those derived from them.

        Raises:
            DataError: If one is not there; suggests the nearest.
        """
        there = table.names
        if not there and not len(table):
            return Cells(Table(_empty(self.inputs))).with_dates(self.dates)
        have = set(there)
        if absent := [name for name in self.inputs if name not in have]:
            extra = [name for name in there if name not in self.inputs]
            raise DataError(
                problem(
                    f"Expected the columns the model was trained on; {len(absent)} not there: "
                    f"{', '.join(absent[:20])}",
                    f"columns: {', '.join(map(str, there[:50]))}",
                    f"{nearest(absent[0], extra)}Add them; write NaN where a value is not known.",
                )
            )
        return Cells(table).with_dates(self.dates)

    def view(self, x: Encoded) -> RowView:
        """Name categories and numbers again; a number that was filled in says so."""
        x_cat, x_cont = x[0].tolist(), x[1].tolist()
        codes = dict(zip(self.cat_names, x_cat, strict=True))
        parts = {name for column in self.dates for name in column.parts()}
        cells = [
            (column.name, str(column.classes[codes[column.name]]))
            for column in self.categories
            if column.name not in parts
        ]
        values = {c.name: c.unscaled(v) for c, v in zip(self.numbers, x_cont, strict=True)}
        cells += [(c.name, _day(c, codes, values)) for c in self.dates]
        for column in self.numbers:
            if column.name not in parts:
                filled = column.flag and codes[_flag_name(column)] == 2
                said = _short(values[column.name])
                cells.append((column.name, f"{NA} (filled: {said})" if filled else said))
        return RowView(tuple(cells))


def learn_codec(
    columns: Cells, roles: Roles, procs: Procs, train: NDArray[np.intp]
) -> tuple[TabularCodec, Cells]:
    """Learn vocabularies, medians and scales of the training rows.

    Args:
        columns: Those of all rows.
        roles: Which column is what.
        procs: What to do to numbers.
        train: Row numbers of the training rows.

    Returns:
        The codec, and the columns with those derived from them, for ``encode_cells``.

    Raises:
        ConfigError: If a derived column has the name of another.
        DataError: If a column cannot be read; names column, row and value.
    """
    learnt = [DateColumn.learn(columns.table.column(name), train) for name in roles.date_names]
    dates = tuple(column for column, _ in learnt)
    cells = columns.with_dates(dates, {column.name: read for column, read in learnt})
    cat_names = [*roles.cat_names, *(name for column in dates for name in column.categories())]
    cont_names = [*roles.cont_names, *(name for column in dates for name in column.numbers())]
    categories = tuple(
        CategoryColumn.learn(name, cells.factors(name), train, cells.order(name))
        for name in cat_names
    )
    # That a date is missing is said by its parts that are categories.
    measured = tuple(
        NumberColumn.learn(name, cells.numbers(name), train, procs, flag=not cells.is_part(name))
        for name in cont_names
    )
    flags = [_flag_name(column) for column in measured if column.flag]
    _check_names([*cat_names, *cont_names, *flags])
    return TabularCodec(categories, measured, dates), cells


def _check_names(names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigError(
                problem(
                    "Expected columns of different names, those that Redstart adds included "
                    "(parts of dates, and NAME_na where numbers are missing)",
                    f"twice: {name}",
                    "Rename the column, or leave it out of `cat_names` and `cont_names`.",
                )
            )
        seen.add(name)


def _empty(names: Sequence[str]) -> Any:
    import pandas as pd

    return pd.DataFrame({name: pd.Series(dtype=object) for name in names})


def _flag_name(column: NumberColumn) -> str:
    return f"{column.name}_na"


def _day(column: DateColumn, codes: Mapping[str, int], values: Mapping[str, float]) -> str:
    """The date that parts stand for."""
    by_part = {part: name for name, part in column.parts().items()}
    if not any(codes[name] for name in column.categories()):
        return NA
    year, day = round(values[by_part["Year"]]), round(values[by_part["Dayofyear"]])
    said = (date(year, 1, 1) + timedelta(day - 1)).isoformat()
    return f"{said}, {round(values[by_part['Hour']])} h" if column.time else said


def _short(value: float) -> str:
    """Six digits that matter; whole numbers in full."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
