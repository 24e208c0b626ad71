"""The columns of a table, each read once: as different values, as numbers, as parts of dates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from numbers import Real
from typing import Any, final

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from redstart.data.spelling import Factors, factorized
from redstart.data.table import Table, in_row
from redstart.errors import DataError, problem
from redstart.tabular.dates import DateColumn, date_part, moments

__all__ = ["Cells", "number_of", "numbers"]

Floats = NDArray[np.float64]


@final
class Cells:
    """The columns of a table, and the parts of its dates, read as they are asked for.

    What was found out about a column of categories or of dates is kept, so that learning
    from a table and encoding it read it once.

    Args:
        table: All rows.
    """

    __slots__ = ("_factors", "_moments", "_parts", "n", "table")

    def __init__(self, table: Table) -> None:
        self.n = len(table)
        self.table = table
        self._parts: dict[str, tuple[DateColumn, str]] = {}
        self._factors: dict[str, Factors] = {}
        self._moments: dict[str, NDArray[Any]] = {}

    def with_dates(
        self, dates: Sequence[DateColumn], read: Mapping[str, NDArray[Any]] | None = None
    ) -> Cells:
        """The same columns and parts of dates.

        Args:
            dates: Columns with parts.
            read: Dates that were read already, by the name of their column.
        """
        made = Cells(self.table)
        made._factors = self._factors
        made._parts = {name: (c, part) for c in dates for name, part in c.parts().items()}
        made._moments = dict(read or {})
        return made

    def factors(self, name: str) -> Factors:
        """The different values of a column of categories, and which of them each row has."""
        if name in self._parts:
            codes, values = factorized(self._part(name))
            as_made = bool if "Is_" in self._parts[name][1] else int
            return codes, [as_made(value) for value in values]
        if name not in self._factors:
            self._factors[name] = factorized(self.table.column(name))
        return self._factors[name]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column of numbers, float64 ``(N,)``, ``NaN`` where missing."""
        return self._part(name) if name in self._parts else numbers(self.table.column(name))

    def order(self, name: str) -> Sequence[Any] | None:
        """Categories in the order that the type of a column gives them, if it does."""
        if name in self._parts:
            return None
        series = self.table.column(name)
        if isinstance(series.dtype, nw.Enum):
            return list(series.dtype.categories)
        native = series.to_native()
        declared = getattr(getattr(native, "cat", None), "categories", None)
        return None if declared is None else list(declared)

    def is_part(self, name: str) -> bool:
        """Whether a column is the part of a date."""
        return name in self._parts

    def is_whole(self, name: str) -> bool:
        """Whether a column holds whole numbers by its type."""
        return name in self._parts or self.table.column(name).dtype.is_integer()

    def _part(self, name: str) -> NDArray[np.float64]:
        column, part = self._parts[name]
        if column.name not in self._moments:
            series = self.table.column(column.name)
            self._moments[column.name] = moments(series, column.day_first)
        return date_part(self._moments[column.name], part)


def numbers(series: nw.Series[Any]) -> Floats:
    """Read a column of numbers, float64 ``(N,)``, ``NaN`` where missing.

    Args:
        series: Numbers, booleans, or texts that say numbers; blank text is missing.

    Raises:
        DataError: If a value is no number, or infinite; names column, row and value.
    """
    values = series.to_numpy()
    if values.dtype.kind in "mM":
        known = ~np.isnat(values)
        if known.any():
            value = series[int(known.argmax())]
            raise _no_number(series.name, known, value, "dates", "`date_names`")
        return np.full(len(values), np.nan)
    if values.dtype.kind not in "biuf":
        values = _parsed(series)
    found: Floats = values.astype(np.float64, copy=False)
    # The sum is finite, or tells nothing; and it costs less than looking at each.
    with np.errstate(over="ignore", invalid="ignore"):
        suspect = not math.isfinite(float(found.sum()))
    if suspect and (endless := np.isinf(found)).any():
        row = int(endless.argmax())
        raise DataError(
            problem(
                f"Expected finite numbers in column {series.name!r}",
                f"{found[row]}{in_row(endless)}",
                "Write NaN instead: df.replace([numpy.inf, -numpy.inf], numpy.nan).",
            )
        )
    return found


def number_of(value: Any) -> float | None:
    """Read one value as a number: ``NaN`` for blank text, ``None`` if it is no number."""
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return math.nan
        if "_" in text:  # Python's float takes it for a thousands separator
            return None
        value = text
    elif not isinstance(value, Real | Decimal | np.bool_):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _parsed(series: nw.Series[Any]) -> Floats:
    codes, values = factorized(series)
    read = [number_of(value) for value in values]
    if (bad := np.flatnonzero([v is None for v in read])).size:
        rows = np.isin(codes, bad)
        value = values[int(codes[rows.argmax()])]
        raise _no_number(series.name, rows, value, "names", "`cat_names`")
    return np.array([*read, math.nan], dtype=np.float64)[codes]


def _no_number(
    name: str, rows: NDArray[np.bool_], value: Any, what: str, instead: str
) -> DataError:
    return DataError(
        problem(
            f"Expected numbers in column {name!r}",
            f"{value!r:.80}{in_row(rows)}",
            f"Correct the value. A column that is all {what} goes into {instead}.",
        )
    )
