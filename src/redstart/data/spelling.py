"""One name, however it is written: 3, 3.0 and ``"3"``; and the different names of a column."""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from numbers import Real
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from redstart.data.table import in_row
from redstart.errors import DataError, problem

__all__ = ["Factors", "factorized", "plain", "spelled"]

Factors = tuple[NDArray[np.intp], list[Any]]
"""Which of its different values each row of a column has, -1 where missing; and these."""


def factorized(values: nw.Series[Any] | NDArray[Any]) -> Factors:
    """Find the different values of a column, and which of them each row has.

    Args:
        values: The column.

    Raises:
        DataError: If a cell is a list or the like; names column and row.
    """
    import pandas as pd

    native: Any = values
    if isinstance(values, nw.Series):
        native = values.to_native()
        if not isinstance(native, pd.Series):
            if isinstance(values.dtype, nw.String | nw.Categorical | nw.Enum):
                return _of_texts(values.cast(nw.String))
            cells = values.to_numpy()
            # Dates in NumPy become plain numbers when they are listed, those of pandas do not.
            native = pd.Series(cells) if cells.dtype.kind in "mM" else cells
    try:
        codes, found = pd.factorize(native)
    except TypeError as error:
        bad = np.array([not _hashable(value) for value in native])
        row, name = int(bad.argmax()), getattr(values, "name", "")
        raise DataError(
            problem(
                f"Expected one value per cell{f' in column {name!r}' if name else ''}",
                f"{native[row] if isinstance(native, np.ndarray) else native.iloc[row]!r:.80}"
                f"{in_row(bad)}",
                "Make several columns of it, or leave it out.",
            )
        ) from error
    return codes, found.tolist()


def spelled(value: Any) -> str:
    """A name as text; the same for 3, 3.0 and ``'3'``, and for a date and its ISO 8601 text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, datetime):
        text = value.isoformat()
        return text.removesuffix("T00:00:00")
    if isinstance(value, Real | Decimal):
        return repr(_shortest(value))
    return str(value.isoformat() if hasattr(value, "isoformat") else value)


def plain(value: Any) -> Any:
    """A name as JSON has it: text, a boolean, or a number; whole ones as integers."""
    if isinstance(value, str):
        return str(value)  # NumPy has one of its own
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Real | Decimal) and math.isfinite(number := _shortest(value)):
        return number
    return spelled(value)


def _shortest(value: Any) -> int | float:
    """A whole number as an integer, any other as a float."""
    if isinstance(value, int | np.integer):
        return int(value)
    number = float(value)
    return int(number) if number.is_integer() and abs(number) < 1e16 else number


def _of_texts(series: nw.Series[Any]) -> Factors:
    """The same for text of polars or pyarrow, of which NumPy would make an object per cell."""
    known = series.drop_nulls().unique(maintain_order=True).to_list()
    if not known:
        return np.full(len(series), -1, dtype=np.intp), []
    codes = series.replace_strict(known, list(range(len(known))), return_dtype=nw.Int64)
    return codes.fill_null(-1).to_numpy(), known


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
