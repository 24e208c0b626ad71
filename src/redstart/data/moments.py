"""Times as numbers that sort, whatever they come as."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redstart.data.apportion import answers_of, some
from redstart.data.frame import is_frame, is_missing
from redstart.data.table import Table, missing
from redstart.errors import DataError, problem

__all__ = ["moments_of", "values_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def values_of(items: Any, by: Callable[[Any], Any] | str) -> NDArray[Any]:
    """A column as an array ``(N,)``, or what a function says of each item."""
    if isinstance(by, str) and (isinstance(items, Table) or is_frame(items)):
        return np.asarray(Table.of(items).column(by).to_numpy())
    answers = answers_of(items, by)
    found = np.empty(len(answers), dtype=object)
    found[:] = answers
    return found


def moments_of(
    items: Any, by: Callable[[Any], Any] | str, needed: NDArray[np.bool_] | None = None
) -> NDArray[Any]:
    """Turn the times of items into numbers that sort the same way, ``(N,)``.

    Args:
        items: A table or a sequence.
        by: Time of an item, or the name of its column: numbers; dates and datetimes (also
            NumPy's and pandas'); or texts that are numbers or ISO 8601 dates. All of one
            kind: with a time zone or without.
        needed: Which items must have one, ``(N,)``; all if ``None``. Others may get any number.

    Raises:
        DataError: If one is none of these, or the kinds are mixed; names the rows.
    """
    values = values_of(items, by)
    where = f" in column {by!r}" if isinstance(by, str) else ""
    needed = np.ones(len(values), dtype=bool) if needed is None else needed
    if values.dtype.kind in "biufM":
        known = np.isfinite(values) if values.dtype.kind == "f" else ~missing(values)
        if len(bad := np.flatnonzero(needed & ~known)):
            raise _no_time(values[bad[0]], bad.tolist(), where)
        return values.astype(np.int64) if values.dtype.kind == "M" else values
    found = np.zeros(len(values))
    found[needed] = _times(values[needed].tolist(), np.flatnonzero(needed).tolist(), where)
    return found


def _times(values: Sequence[Any], rows: Sequence[int], where: str) -> list[float]:
    """Times one by one; ``rows`` are their numbers, for the errors."""
    moments = [_moment(value) for value in values]
    kinds = {kind: row for row, (kind, _) in zip(reversed(rows), reversed(moments), strict=True)}
    if "unknown" in kinds:
        bad = [place for place, (kind, _) in enumerate(moments) if kind == "unknown"]
        raise _no_time(values[bad[0]], [rows[place] for place in bad], where)
    if len(kinds) > 1:
        shown = ", ".join(f"{kind} in row {row}" for kind, row in sorted(kinds.items()))
        raise DataError(
            problem(
                f"Expected times of one kind{where}", shown, "Bring all to one form in a function."
            )
        )
    return [moment for _, moment in moments]


def _no_time(value: Any, rows: Sequence[int], where: str) -> DataError:
    value = value.item() if isinstance(value, np.number) else value
    return DataError(
        problem(
            "Expected a number, a date, or an ISO 8601 text such as '2024-05-31' as time" + where,
            f"{value!r:.80} in row {rows[0]}; all such rows: {some(rows)}",
            "Parse it: time=lambda row: datetime.strptime(row['when'], '%d/%m/%Y'). "
            "Drop rows without a time.",
        )
    )


def _moment(value: Any) -> tuple[str, float]:
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if isinstance(value, str):
        value = _parsed(value)
    if is_missing(value):
        return "unknown", 0.0
    if isinstance(value, Real):
        return ("number", float(value)) if math.isfinite(value) else ("unknown", 0.0)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        return "unknown", 0.0
    kind = "a date with no time zone" if value.tzinfo is None else "a date with a time zone"
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    return kind, (aware - _EPOCH) / timedelta(microseconds=1)


def _parsed(text: str) -> Any:
    """Read a number or a date; ``None`` if it is neither."""
    readers: tuple[Callable[[str], Any], ...] = (float, datetime.fromisoformat)
    # A text is never both; the likelier first, for a failure takes longer than a success.
    for read in readers[::-1] if "-" in text[1:] else readers:
        try:
            return read(text.strip())
        except ValueError:
            continue
    return None
