from __future__ import annotations

from datetime import date, datetime
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redstart.errors import DataError
from redstart.tabular.dates import DateColumn, add_datepart, date_part, moments, says_dates

DAYS = ["2011-11-30", "2012-02-29", None, "2010-12-31"]
NAMES = [
    *["saleYear", "saleMonth", "saleWeek", "saleDay", "saleDayofweek", "saleDayofyear"],
    *["saleIs_month_end", "saleIs_month_start", "saleIs_quarter_end", "saleIs_quarter_start"],
    *["saleIs_year_end", "saleIs_year_start", "saleElapsed"],
]


def column(values: Any, name: str = "saledate") -> nw.Series[Any]:
    return nw.from_native(pd.DataFrame({name: values}), eager_only=True).get_column(name)


def read(values: Any, day_first: bool | None = None) -> list[Any]:
    return moments(column(values), day_first).tolist()


# ---- add_datepart


def test_a_date_column_is_replaced_by_its_parts_in_place() -> None:
    df = pd.DataFrame({"saledate": pd.to_datetime(DAYS), "x": 1}, index=[7, 5, 3, 1])
    found = add_datepart(df, "saledate")
    assert found is df
    assert list(df) == ["x", *NAMES]
    first = df.iloc[0]
    assert (first.saleYear, first.saleMonth, first.saleWeek, first.saleDay) == (2011, 11, 48, 30)
    assert (first.saleDayofweek, first.saleDayofyear) == (2, 334)
    assert first.saleIs_month_end and not first.saleIs_month_start
    assert df.saleElapsed.iloc[0] == (date(2011, 11, 30) - date(1970, 1, 1)).days * 86400
    assert df.saleIs_year_end.tolist() == [False, False, False, True]
    assert df.iloc[2].isna().sum() == 7, "parts of a missing date are missing"


def test_parts_of_text_are_those_of_dates() -> None:
    texts = pd.DataFrame({"saledate": DAYS}, index=[7, 5, 3, 1])
    dates = pd.DataFrame({"saledate": pd.to_datetime(DAYS)}, index=[7, 5, 3, 1])
    pd.testing.assert_frame_equal(
        add_datepart(texts, "saledate"), add_datepart(dates, "saledate"), check_dtype=False
    )


def test_the_hour_and_another_prefix_on_request_and_the_column_kept() -> None:
    df = pd.DataFrame({"when": pd.to_datetime(["2011-11-30 17:05:09"])})
    add_datepart(df, "when", prefix="t_", drop=False, time=True)
    assert "when" in df
    assert df[["t_Hour", "t_Minute", "t_Second"]].iloc[0].tolist() == [17, 5, 9]


@pytest.mark.parametrize("make", [pl.from_pandas, pa.Table.from_pandas])
def test_other_frames_get_the_same_parts_and_are_not_changed(make: Any) -> None:
    df = pd.DataFrame({"saledate": pd.to_datetime(DAYS), "x": range(4)})
    other = make(df)
    found = add_datepart(other, "saledate")
    assert len(nw.from_native(other).columns) == 2
    pd.testing.assert_frame_equal(
        nw.from_native(found, eager_only=True).to_pandas(),
        add_datepart(df, "saledate"),
        check_dtype=False,
    )


def test_parts_are_those_of_the_place_and_seconds_those_of_the_world() -> None:
    late = pd.Series(["2011-06-30 23:30"]).astype("datetime64[ns]").dt.tz_localize("US/Pacific")
    for df in (pd.DataFrame({"date": late}), pl.from_pandas(pd.DataFrame({"date": late}))):
        found = nw.from_native(add_datepart(df, "date", "")).to_pandas()
        assert (found.Month[0], found.Is_month_end[0]) == (6, True)
        assert found.Elapsed[0] == pd.Timestamp("2011-07-01 06:30").timestamp()


def test_a_column_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(DataError, match=r"a column 'saledat'.*Did you mean 'saledate'\?"):
        add_datepart(pd.DataFrame({"saledate": DAYS}), "saledat")
    with pytest.raises(DataError, match="Expected a table"):
        add_datepart([1], "saledate")


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_a_value_that_is_no_date_is_named_with_its_row(make: Any) -> None:
    with pytest.raises(DataError, match=r"dates in column 'd'\. Got: 'soon' in row 2\. Make"):
        add_datepart(make({"d": ["2011-11-30", None, "soon"]}), "d")
    with pytest.raises(DataError, match=r"dates in column 'd'\. Got: 20111130\. Make"):
        add_datepart(make({"d": [20111130]}), "d")


# ---- how dates are written


def test_american_and_other_dates_are_told_apart_by_the_column() -> None:
    american = pd.DataFrame({"d": ["01/02/2011 0:00", "11/16/2006 17:05"]})
    assert add_datepart(american, "d").dMonth.tolist() == [1, 11]
    german = pd.DataFrame({"d": ["01.02.2011", "16.11.2006"]})
    assert add_datepart(german, "d").dMonth.tolist() == [2, 11]


def test_dates_that_may_be_read_in_two_ways_are_refused() -> None:
    with pytest.raises(DataError, match=r"in one way\. Got: '03/04/2011' in row 1: day or month"):
        add_datepart(pd.DataFrame({"d": [None, "03/04/2011", "05/06/2011"]}), "d")
    with pytest.raises(DataError, match=r"Got: '03/04/2011'\. Make"):
        read(["03/04/2011"])


def test_both_orders_in_one_column_are_refused() -> None:
    with pytest.raises(DataError, match=r"dates in column 'd'\. Got: '12/31/2011' in row 1"):
        add_datepart(pd.DataFrame({"d": ["31/12/2011", "12/31/2011"]}), "d")


def test_what_was_learnt_about_the_order_reads_a_single_row() -> None:
    known, _ = DateColumn.learn(column(["01/02/2011", "11/16/2006"]), np.arange(2))
    assert known.day_first is False
    assert read(["03/04/2011"], known.day_first) == [datetime(2011, 3, 4)]
    assert read(["2011-03-04"], known.day_first) == [datetime(2011, 3, 4)]


@pytest.mark.parametrize(
    "value",
    [
        "2011-11-30",
        " 2011-11-30 00:00 ",
        "2011-11-30T00:00:00Z",
        "2011-11-30 01:00+01:00",
        date(2011, 11, 30),
        datetime(2011, 11, 30),
        pd.Timestamp("2011-11-30"),
        np.datetime64("2011-11-30"),
    ],
)
def test_one_day_in_many_ways(value: Any) -> None:
    assert read([value, None]) == [datetime(2011, 11, 30), None]
    assert moments(column(pd.Series([value, None], dtype=object))).tolist()[0].day == 30


@pytest.mark.parametrize("value", ["2011", "2011-11", "Nov 2011", "11-12-13", "31/31/2011", 3])
def test_what_is_no_full_date_is_refused(value: Any) -> None:
    with pytest.raises(DataError, match=r"dates in column 'saledate'.*in row 1"):
        read(pd.Series(["2011-11-30", value], dtype=object), True)


def test_a_day_that_no_calendar_has_is_refused() -> None:
    with pytest.raises(DataError, match=r"Got: '2011-02-30'\. Make"):
        read(["2011-02-30"])


def test_no_rows_and_nothing_but_missing_ones_are_legal() -> None:
    assert read(pd.Series([], dtype=object)) == []
    assert read([None, None]) == [None, None]
    assert read([float("nan")]) == [None]
    assert read(["", " ", "2011-11-30"])[:2] == [None, None]


def test_texts_are_dates_only_if_all_of_them_are() -> None:
    assert says_dates(["2011-11-30", datetime(2011, 1, 1)])
    assert says_dates(["01/02/2011", "01/31/2011", "2011-11-30", ""])
    assert not says_dates([""])
    assert not says_dates(["2011-11-30", "soon"])
    assert not says_dates(["01/02/2011", "03/04/2011"])  # in two ways
    assert not says_dates(["31/01/2011", "01/31/2011"])  # in none
    assert not says_dates([])


# ---- parts


@settings(deadline=None, max_examples=50)
@given(st.lists(st.none() | st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1)), max_size=8))
def test_parts_agree_with_those_of_the_calendar(days: list[datetime | None]) -> None:
    dates = np.array(days, dtype="datetime64[s]")
    for part, own in {
        "Year": lambda d: d.year,
        "Month": lambda d: d.month,
        "Week": lambda d: d.isocalendar().week,
        "Dayofweek": lambda d: d.weekday(),
        "Dayofyear": lambda d: d.timetuple().tm_yday,
        "Is_year_end": lambda d: float((d.month, d.day) == (12, 31)),
        "Hour": lambda d: d.hour,
    }.items():
        wanted = [np.nan if d is None else own(d) for d in days]
        np.testing.assert_array_equal(date_part(dates, part), wanted)


def test_the_hour_is_a_part_only_where_training_rows_have_one() -> None:
    times = column(["2011-11-30", "2011-11-30 17:05"])
    assert DateColumn.learn(times, np.arange(2))[0].time
    whole, _ = DateColumn.learn(times, np.arange(1))
    assert not whole.time
    assert [*whole.categories(), *whole.numbers()] != []
    assert sorted([*whole.categories(), *whole.numbers()]) == sorted(NAMES)
    assert "saleHour" in DateColumn("saledate", time=True).numbers()
