"""Dates as columns that a model can use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, final

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from redstart.config import Configured
from redstart.data.table import Table, in_row
from redstart.errors import DataError, problem

__all__ = ["DateColumn", "add_datepart", "date_part", "moments", "says_dates"]

_ISO: Final = re.compile(
    r"\s*\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?\s*(Z|[+-]\d\d:?\d\d)?)?\s*"
)
_NUMERIC: Final = re.compile(
    r"\s*(\d\d?)([/.-])(\d\d?)\2(\d{4})(?:[T ]+(\d\d?):(\d\d)(?::(\d\d))?)?\s*"
)

_PARTS: Final = [
    "Year",
    "Month",
    "Week",
    "Day",
    "Dayofweek",
    "Dayofyear",
    "Is_month_end",
    "Is_month_start",
    "Is_quarter_end",
    "Is_quarter_start",
    "Is_year_end",
    "Is_year_start",
]
_TIMES: Final = ["Hour", "Minute", "Second"]
_CATEGORIES: Final = {"Month", "Dayofweek", *(p for p in _PARTS if p.startswith("Is_"))}
_Moments = NDArray[Any]  # datetime64[s]


@final
@dataclass(frozen=True, slots=True)
class DateColumn(Configured):
    """A column of dates, and which of its parts stand for it.

    Attributes:
        name: Of the column.
        time: Whether the hour is one of the parts.
        day_first: Whether ``01/02/2011`` is the first of February; ``None`` where no date
            was written so, and then such dates are refused.
    """

    kind: ClassVar[str] = "date_column"
    name: str
    time: bool = False
    day_first: bool | None = None

    @classmethod
    def learn(
        cls, series: nw.Series[Any], train: NDArray[np.intp] | slice = slice(None)
    ) -> tuple[DateColumn, _Moments]:
        """Learn of some rows how dates are written; also returns the dates of all rows.

        Args:
            series: The column.
            train: Row numbers of the training rows; all if left out.

        Raises:
            DataError: If a value is no date, or may be read in two ways.
        """
        order = None if _is_date(series) else _day_first(series)
        found = moments(series, order)
        days = found[train].astype("datetime64[D]")
        time = bool((found[train] != days)[~np.isnat(days)].any())
        return cls(series.name, time, order), found

    def parts(self) -> dict[str, str]:
        """By the name of each derived column (``saleYear``), its part (``Year``)."""
        parts = [*_PARTS, *(["Hour"] if self.time else []), "Elapsed"]
        return {_prefix(self.name) + part: part for part in parts}

    def categories(self) -> list[str]:
        """Derived columns that are categories; the others are numbers."""
        return [name for name, part in self.parts().items() if part in _CATEGORIES]

    def numbers(self) -> list[str]:
        """Derived columns that are numbers."""
        return [name for name, part in self.parts().items() if part not in _CATEGORIES]


def add_datepart(
    df: Any,
    field_name: str,
    prefix: str | None = None,
    drop: bool = True,
    time: bool = False,
) -> Any:
    """Replace a column of dates by columns of its parts: ``saledate`` by ``saleYear``, ...

    The parts are ``Year``, ``Month``, ``Week`` (ISO 8601), ``Day``, ``Dayofweek`` (Monday
    is 0), ``Dayofyear``, ``Is_month_end``, ``Is_month_start``, ``Is_quarter_end``,
    ``Is_quarter_start``, ``Is_year_end``, ``Is_year_start`` and ``Elapsed``, the seconds
    since 1970. A missing date has missing parts, and is no end or start of anything.

    Args:
        df: A frame: pandas is changed in place, polars and pyarrow are not.
        field_name: The column: dates, or text as ``moments`` reads it. Where all of its
            numeric dates are like ``01/02/2011``, which may be read in two ways, it is refused.
        prefix: Of the new names; ``field_name`` without its final ``date`` if left out.
        drop: Whether to take the column itself out.
        time: Whether to add ``Hour``, ``Minute`` and ``Second``.

    Returns:
        The frame with the new columns at its end: ``df`` itself if that is of pandas.

    Raises:
        DataError: If there is no such column, or a value is no date; names its row.
    """
    import pandas as pd

    table = Table(df)
    frame = table.frame
    field = _as_field(table.column(field_name))
    prefix = _prefix(field_name) if prefix is None else prefix
    added = {prefix + name: _pandas_part(field, name) for name in (*_PARTS, *_TIMES * time)}
    added[prefix + "Elapsed"] = _elapsed(_to_seconds(field))
    if isinstance(df, pd.DataFrame):
        return _added_in_place(df, field, field_name, added, drop=drop)
    space = nw.get_native_namespace(frame)
    kept = frame.drop(field_name) if drop else frame
    new = [_series(name, np.asarray(values), space) for name, values in added.items()]
    return kept.with_columns(*new).to_native()


def says_dates(values: Iterable[Any]) -> bool:
    """Tell whether all of some texts are dates that can be read in one way, and there is one.

    They are as ISO 8601 has them; or numeric (``30.11.2011``), and one of them at least says
    whether the day comes first.
    """
    n, orders = 0, set[str]()
    for value in values:
        text = _text(value).strip()
        if found := _NUMERIC.fullmatch(text):
            orders.add(_first(found))
        elif not _ISO.fullmatch(text) and text:
            return False
        n += bool(text)
    return n > 0 and (not orders or len(orders - {"either"}) == 1)


def moments(series: nw.Series[Any], day_first: bool | None = None) -> _Moments:
    """Read a column of dates as seconds.

    Args:
        series: Dates; or text or objects that say dates as ISO 8601 does
            (``2011-11-30 17:05``) or as numbers (``30.11.2011``, ``11/30/2011 17:05``);
            blank text is missing.
        day_first: Whether numeric dates begin with the day; they are refused if ``None``.

    Returns:
        ``datetime64[s]`` of shape ``(N,)``, ``NaT`` where missing. With a time zone, in UTC.

    Raises:
        DataError: If a value is no date; names column, row and value.
    """
    if _is_date(series):
        return series.to_numpy().astype("datetime64[s]")
    import pandas as pd

    codes, values = _factors(series)
    texts = [_text(value) for value in values]
    good = [_as_iso(text, day_first) for text in texts]
    read = pd.to_datetime(
        pd.Series(good, dtype=object), format="ISO8601", errors="coerce", utc=True
    )
    blank = np.array([not text.strip() for text in texts], dtype=bool)
    if (bad := np.flatnonzero(read.isna() & ~blank)).size:
        rows = np.isin(codes, bad)
        raise _no_date(series.name, rows, values[int(codes[rows.argmax()])])
    known = read.dt.tz_localize(None).to_numpy().astype("datetime64[s]")
    return np.append(known, np.datetime64("NaT"))[codes]


def date_part(dates: _Moments, part: str) -> NDArray[np.float64]:
    """Compute one part of dates as numbers, ``(N,)``; ``NaN`` where the date is missing.

    Args:
        dates: What ``moments`` returned.
        part: ``Year``, ``Is_month_end``, ``Elapsed`` and so on, as ``add_datepart`` has.
    """
    import pandas as pd

    if part == "Elapsed":
        return _elapsed(dates)
    values = np.asarray(_pandas_part(pd.Series(dates), part), dtype=np.float64)
    return np.where(np.isnat(dates), np.nan, values)


def _prefix(name: str) -> str:
    return re.sub("[Dd]ate$", "", name)


def _is_date(series: nw.Series[Any]) -> bool:
    return isinstance(series.dtype, nw.Date | nw.Datetime)


def _factors(series: nw.Series[Any]) -> tuple[NDArray[np.intp], Sequence[Any]]:
    """Which of the different values each row has, -1 where missing, and these."""
    import pandas as pd

    empty = not len(series) or series.is_null().all()
    if not empty and (series.dtype.is_numeric() or isinstance(series.dtype, nw.Boolean)):
        known = ~np.asarray(series.is_null().to_numpy(), dtype=bool)
        raise _no_date(series.name, known, series[int(known.argmax())])
    codes, values = pd.factorize(pd.Series(series.to_numpy(), dtype=object))
    return codes, values.tolist()


def _day_first(series: nw.Series[Any]) -> bool | None:
    """Whether numeric dates begin with the day; one date at least must tell."""
    codes, values = _factors(series)
    seen: dict[str, int] = {}
    for position, value in enumerate(values):
        if found := _NUMERIC.fullmatch(_text(value)):
            seen.setdefault(_first(found), position)
    if "day" in seen or "month" in seen:
        return "day" in seen  # if both occur, `moments` names one that does not fit
    if not seen:
        return None
    value = values[seen["either"]]
    row = int((codes == seen["either"]).argmax())
    raise DataError(
        problem(
            f"Expected dates in column {series.name!r} that can be read in one way",
            f"{value!r} in row {row}: day or month may come first, and no other row tells",
            "Make dates of it: pandas.to_datetime(column, format='%d/%m/%Y') or '%m/%d/%Y'.",
        )
    )


def _first(found: re.Match[str]) -> str:
    """What a numeric date begins with: ``"day"``, ``"month"``, or ``"either"``."""
    first, second = int(found[1]) > 12, int(found[3]) > 12
    return "either" if first == second else "day" if first else "month"


def _as_iso(text: str, day_first: bool | None) -> str | None:
    """The date as ISO 8601 has it, or ``None`` if it is none."""
    if _ISO.fullmatch(text):
        return text
    found = _NUMERIC.fullmatch(text)
    if found is None or day_first is None:
        return None
    day, month = (found[1], found[3]) if day_first else (found[3], found[1])
    hour, minute, second = (found[5] or "0").zfill(2), found[6] or "00", found[7] or "00"
    return f"{found[4]}-{month.zfill(2)}-{day.zfill(2)} {hour}:{minute}:{second}"


def _as_field(series: nw.Series[Any]) -> Any:
    """A pandas series of dates, with the time zone that the column has."""
    import pandas as pd

    native = series.to_native()
    if not _is_date(series):
        dates = pd.Series(moments(series, _day_first(series)))
        return dates.set_axis(native.index) if isinstance(native, pd.Series) else dates
    if isinstance(native, pd.Series):
        return native
    zone, values = getattr(series.dtype, "time_zone", None), series.to_numpy()
    if zone:
        return pd.Series(pd.DatetimeIndex(values).tz_localize("UTC").tz_convert(zone))
    return pd.Series(pd.DatetimeIndex(values))


def _no_date(name: str, rows: NDArray[np.bool_], value: Any) -> DataError:
    value = value.item() if isinstance(value, np.generic) else value
    return DataError(
        problem(
            f"Expected dates in column {name!r}",
            f"{value!r:.80}{in_row(rows)}",
            "Make dates of it, for example with pandas.to_datetime(column, format='%d.%m.%Y').",
        )
    )


def _pandas_part(field: Any, name: str) -> Any:
    if name != "Week":
        return getattr(field.dt, name.lower().replace("dayof", "day_of_"))
    return field.dt.isocalendar().week.astype(field.dt.day.dtype)


def _to_seconds(field: Any) -> _Moments:
    zone = getattr(field.dtype, "tz", None)
    naive = field if zone is None else field.dt.tz_convert("UTC").dt.tz_localize(None)
    return np.asarray(naive.to_numpy()).astype("datetime64[s]")


def _elapsed(dates: _Moments) -> NDArray[np.float64]:
    return np.where(np.isnat(dates), np.nan, dates.astype(np.int64))


def _added_in_place(
    df: Any, field: Any, field_name: str, added: dict[str, Any], *, drop: bool
) -> Any:
    df[field_name] = field
    for name, values in added.items():
        df[name] = values
    if drop:
        del df[field_name]
    return df


def _series(name: str, values: NDArray[Any], space: Any) -> nw.Series[Any]:
    """A new column; a missing number is null, as polars and pyarrow have it."""
    if values.dtype.kind != "f":
        return nw.new_series(name, values, backend=space)
    listed = values.astype(object)
    listed[np.isnan(values)] = None
    return nw.new_series(name, listed.tolist(), nw.Float64, backend=space)


def _text(value: Any) -> str:
    return str(value.isoformat() if hasattr(value, "isoformat") else value)
