from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redstart.data.last_out import LastOutSplitter
from redstart.data.split import Split
from redstart.data.table import Table
from redstart.errors import ConfigError, DataError

FRAME = pd.DataFrame(
    {
        "who": ["a", "b", "a", "a", "b", "c", "a", "b"],
        "when": [30, 10, 10, 40, 20, 5, 20, 15],
    }
)


@pytest.mark.parametrize("make", [lambda f: f, Table, pl.from_pandas], ids=["pd", "Table", "pl"])
def test_the_last_row_of_each_user_is_held_out(make: Any) -> None:
    split = LastOutSplitter("who", "when")(make(FRAME))
    assert split == Split((0, 1, 2, 5, 6, 7), (3, 4))


def test_without_times_the_last_row_is_the_last_in_the_table() -> None:
    assert LastOutSplitter("who")(FRAME).valid == (6, 7)


def test_equal_times_keep_the_order_of_the_rows() -> None:
    assert LastOutSplitter("who", "when")(FRAME.assign(when=1)).valid == (6, 7)


def test_test_rows_come_after_validation_rows() -> None:
    split = LastOutSplitter("who", "when", 1, 1)(FRAME)
    assert split == Split((1, 2, 5, 6), (0, 7), (3, 4))
    two = LastOutSplitter("who", "when", 2, 1)(FRAME)
    # b has three rows, no more than are to be held out: they train.
    assert two == Split((1, 2, 4, 5, 7), (0, 6), (3,))


def test_functions_name_user_and_time_of_any_item() -> None:
    items = list(zip(FRAME["who"], FRAME["when"], strict=True))
    split = LastOutSplitter(lambda item: item[0], lambda item: item[1])(items)
    assert split == LastOutSplitter("who", "when")(FRAME)


@pytest.mark.parametrize("kind", ["text", "stamp", "python", "zone", "float"])
def test_times_come_in_many_forms(kind: str) -> None:
    days = pd.to_datetime("2024-01-01") + pd.to_timedelta(FRAME["when"], unit="D")
    when: Any = {
        "text": days.dt.strftime("%Y-%m-%d"),
        "stamp": days,
        "python": pd.Series([datetime(2024, 1, 1 + n // 2) for n in FRAME["when"]], dtype=object),
        "zone": days.dt.tz_localize("Europe/Paris"),
        "float": FRAME["when"] / 7,
    }[kind]
    assert LastOutSplitter("who", "when")(FRAME.assign(when=when)).valid == (3, 4)


def test_rows_without_a_user_only_train() -> None:
    frame = FRAME.assign(who=["a", None, "a", "a", "b", None, "a", "b"])
    frame["when"] = frame["when"].astype(float)
    frame.loc[1, "when"] = np.nan
    assert LastOutSplitter("who", "when")(frame) == Split((0, 1, 2, 5, 6, 7), (3, 4))


def test_a_row_without_a_time_is_named() -> None:
    frame = FRAME.assign(when=[30.0, 10, np.nan, 40, 20, 5, 20, np.nan])
    with pytest.raises(DataError, match=r"time in column 'when'\. Got: nan in row 2; .*: 2, 7"):
        LastOutSplitter("who", "when")(frame)


def test_rows_are_numbered_as_in_the_table_though_some_need_no_time() -> None:
    frame = FRAME.assign(who=["a", None, "a", "a", "b", None, "a", "b"], when="2024-01-01")
    frame.loc[1, "when"] = "whenever"
    frame.loc[4, "when"] = "soon"
    with pytest.raises(DataError, match=r"Got: 'soon' in row 4; all such rows: 4"):
        LastOutSplitter("who", "when")(frame)


def test_what_cannot_be_held_out_is_refused() -> None:
    with pytest.raises(DataError, match=r"a user with at least 6 rows.*3 users, of at most 4 rows"):
        LastOutSplitter("who", n=5)(FRAME)
    with pytest.raises(DataError, match=r"at least 2 rows. Got: 0 users"):
        LastOutSplitter("who")(FRAME.iloc[:0])
    with pytest.raises(DataError, match=r"column 'whom'.*Did you mean 'who'"):
        LastOutSplitter("whom")(FRAME)
    with pytest.raises(ConfigError, match=r"`n` of 1 or more.*n=0, test_n=0"):
        LastOutSplitter("who", n=0)
    with pytest.raises(ConfigError, match=r"`test_n` of 0 or more"):
        LastOutSplitter("who", test_n=-1)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=12, max_size=40),
    st.integers(1, 2),
    st.integers(0, 2),
)
def test_every_user_keeps_his_past_for_training(
    rows: list[tuple[int, int]], n: int, test_n: int
) -> None:
    frame = pd.DataFrame(rows, columns=["who", "when"])
    counts = frame["who"].value_counts()
    if counts.max() <= n + test_n:
        return
    split = LastOutSplitter("who", "when", n, test_n)(frame)
    assert sorted((*split.train, *split.valid, *split.test)) == list(range(len(rows)))
    for user, count in counts.items():
        parts = [
            sorted((rows[r][1], r) for r in part if rows[r][0] == user)
            for part in (split.train, split.valid, split.test)
        ]
        long = count > n + test_n
        assert [len(part) for part in parts[1:]] == ([n, test_n] if long else [0, 0])
        joined = [moment for part in parts for moment in part]
        assert joined == sorted(joined)
