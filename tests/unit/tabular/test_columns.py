from __future__ import annotations

import json
import logging
import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redstart.config import from_config
from redstart.data.spelling import factorized
from redstart.errors import DataError
from redstart.tabular.cells import number_of, numbers
from redstart.tabular.columns import CategoryColumn, NumberColumn
from redstart.tabular.procs import FillMissing, Procs, as_procs

ALL = as_procs(None)
VALUES = st.none() | st.text(max_size=3) | st.integers(-5, 5) | st.booleans() | st.floats()


def column(values: Any, name: str = "c") -> nw.Series[Any]:
    return nw.from_native(pd.DataFrame({name: values}), eager_only=True).get_column(name)


def mixed(*values: Any) -> nw.Series[Any]:
    return column(pd.Series(values, dtype=object))


def categories(values: Any, train: Any = None) -> CategoryColumn:
    rows = np.arange(len(values)) if train is None else np.array(train, dtype=np.intp)
    return CategoryColumn.learn("c", factorized(column(values)), rows, None)


def codes(known: CategoryColumn, *values: Any) -> list[int]:
    return known.encode(factorized(mixed(*values))).tolist()


def measured(values: Any, train: Any = None, procs: Procs = ALL) -> NumberColumn:
    rows = np.arange(len(values)) if train is None else np.array(train, dtype=np.intp)
    return NumberColumn.learn("x", np.array(values, dtype=float), rows, procs)


# ---- categories


def test_categories_are_sorted_and_numbered_from_1() -> None:
    known = categories(["b", "a", None, "b"])
    assert known.vocab == ("a", "b")
    assert list(known.classes) == ["#na#", "a", "b"]
    assert known.encode(factorized(column(["b", "a", None, "z"]))).tolist() == [2, 1, 0, 0]


def test_only_training_rows_make_categories() -> None:
    known = categories(["b", "a", "z", "b"], train=[0, 1])
    assert known.vocab == ("a", "b")
    assert codes(known, "z", "b") == [0, 2]


def test_an_order_that_the_type_gives_is_kept_for_what_training_has() -> None:
    sizes = pd.Categorical(["Small", "Large"], ["Large", "Medium", "Small"], ordered=True)
    factors = factorized(column(sizes))
    known = CategoryColumn.learn("c", factors, np.arange(2), ["Large", "Medium", "Small"])
    assert known.vocab == ("Large", "Small")
    assert known.encode(factors).tolist() == [2, 1]


@pytest.mark.parametrize(
    ("learnt", "written", "code"),
    [
        ([3, 4], "3", 1),
        ([3, 4], 3.0, 1),
        ([3, 4], "3.0", 1),
        ([3, 4], " 3 ", 1),
        ([3, 4], Decimal("4.00"), 2),
        ([3, 4], np.int8(4), 2),
        ([3, 4], 3.5, 0),
        ([3.0, 4.5, None], 3, 1),
        ([3.0, 4.5, None], "4.5", 2),
        (["3", "4"], 3, 1),
        (["3", "4"], 4.0, 2),
        (["03", "04"], 3, 0),
        (["1", "1.0"], "1.0", 2),
        ([True, False], True, 2),
        ([True, False], "True", 2),
        ([True, False], "true", 2),
        ([True, False], 1, 2),
        ([True, False], 0.0, 1),
        ([True, False], "0", 1),
        ([True, False], np.bool_(True), 2),
        ([True, False], 2, 0),
        ([0, 1], True, 2),
        ([0, 1], "maybe", 0),
        (["a", "b"], " a", 1),
        (["a", "b"], "A", 0),
        (["a", "b"], "#na#", 0),
        ([datetime(2011, 11, 30)], "2011-11-30", 1),
        ([datetime(2011, 11, 30)], date(2011, 11, 30), 1),
        (["2011-11-30"], pd.Timestamp("2011-11-30"), 1),
        (["inf"], math.inf, 1),
        (["a"], "", 0),
        (["a"], math.nan, 0),
        (["a"], pd.NA, 0),
    ],
)
def test_a_category_is_known_however_it_is_written(learnt: Any, written: Any, code: int) -> None:
    known = categories(learnt)
    assert codes(known, written) == [code]
    again = from_config(json.loads(json.dumps(known.to_config())), {known.kind: CategoryColumn})
    assert again == known and codes(again, written) == [code]


def test_the_word_for_missing_is_no_category_of_its_own() -> None:
    assert categories(["a", "#na#"]).vocab == ("a",)


def test_a_column_without_values_has_one_code() -> None:
    known = categories([None, None])
    assert list(known.classes) == ["#na#"]
    assert codes(known, None, "a") == [0, 0]


@settings(deadline=None, max_examples=80)
@given(st.lists(VALUES, min_size=1, max_size=12))
def test_what_was_learnt_is_found_again_alike_in_json(values: list[Any]) -> None:
    series = mixed(*values)
    known = CategoryColumn.learn("c", factorized(series), np.arange(len(values)), None)
    again = from_config(json.loads(json.dumps(known.to_config())), {known.kind: CategoryColumn})
    assert again == known
    found = again.encode(factorized(series)).tolist()
    for value, code in zip(values, found, strict=True):
        empty = value is None or value != value
        assert (code == 0) == bool(empty)
    assert sorted({c for c in found if c}) == list(range(1, len(known.vocab) + 1))


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_frames_of_every_make_have_the_same_codes(make: Any) -> None:
    frame = make(
        {
            "text": ["b", None, "a"],
            "whole": [3, None, 4],
            "truth": [True, None, False],
            "day": [datetime(2011, 11, 30), None, datetime(2012, 1, 1)],
        }
    )
    for name in ("text", "whole", "truth", "day"):
        factors = factorized(nw.from_native(frame, eager_only=True).get_column(name))
        known = CategoryColumn.learn(name, factors, np.arange(3), None)
        assert sorted(known.encode(factors).tolist()) == [0, 1, 2], name
        assert json.loads(json.dumps(known.to_config()))["vocab"] == list(known.vocab)


def test_a_column_of_lists_is_refused_with_its_row() -> None:
    with pytest.raises(
        DataError, match=r"one value per cell in column 'c'\. Got: \[1, 2\] in row 1"
    ):
        factorized(mixed("a", [1, 2]))


def test_a_column_of_which_nothing_is_known_is_warned_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    known = categories(["03", "04"])
    with caplog.at_level(logging.WARNING, "redstart"):
        codes(known, *[3, 4] * 4)
        assert not caplog.records, "a few rows may well be new"
        codes(known, *[3, 4] * 5)
    assert "Column 'c': none of its 2 values, such as 3" in caplog.text


# ---- reading numbers


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("12.5", 12.5),
        (" 12 ", 12.0),
        ("1e3", 1000.0),
        (True, 1.0),
        (np.bool_(False), 0.0),
        (Decimal("2.5"), 2.5),
        (np.float32(1.5), 1.5),
        (7, 7.0),
        ("1,5", None),
        ("1_000", None),
        ("many", None),
        (10**400, None),
        (datetime(2011, 1, 1), None),
        ((1,), None),
        (1j, None),
    ],
)
def test_one_value_as_a_number(value: Any, number: float | None) -> None:
    assert number_of(value) == number


def test_blank_text_and_text_that_says_so_are_missing() -> None:
    assert np.isnan(numbers(mixed("", " ", "nan", None, pd.NA, math.nan))).all()


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_frames_of_every_make_have_the_same_numbers(make: Any) -> None:
    frame = nw.from_native(
        make(
            {
                "float": [1.5, None, 0.0],
                "whole": [1, None, 0],
                "truth": [True, None, False],
                "text": ["1.5", None, "0"],
                "exact": [Decimal("1.5"), None, Decimal(0)],
            }
        ),
        eager_only=True,
    )
    for name in frame.columns:
        first = 1.5 if name in ("float", "text", "exact") else 1.0
        np.testing.assert_array_equal(numbers(frame.get_column(name)), [first, np.nan, 0.0])


def test_types_of_pandas_that_know_missing_values_are_read() -> None:
    for dtype, values in {
        "Int64": [1, None],
        "Float32": [1.0, None],
        "boolean": [True, None],
    }.items():
        np.testing.assert_array_equal(numbers(column(pd.array(values, dtype=dtype))), [1, np.nan])


def test_text_that_is_no_number_is_named_with_its_row() -> None:
    with pytest.raises(DataError, match=r"numbers in column 'c'\. Got: 'many' in row 2\. Correct"):
        numbers(column(["1", "2", "many"]))


def test_dates_are_no_numbers_but_missing_ones_are_missing() -> None:
    days = pd.to_datetime([None, "2011-11-30"])
    with pytest.raises(DataError, match=r"numbers in column 'c'.*2011.*in row 1.*`date_names`"):
        numbers(column(days))
    assert np.isnan(numbers(column(days[:1]))).all()


def test_infinite_numbers_are_refused_with_their_row() -> None:
    said = r"finite numbers in column 'c'\. Got: -inf in row 1; 2 such rows\. Write NaN instead"
    with pytest.raises(DataError, match=said):
        numbers(column([1.0, -math.inf, math.nan, math.inf]))
    with pytest.raises(DataError, match="finite numbers"):
        numbers(column(["1", "inf"]))


def test_large_numbers_are_not_taken_for_infinite() -> None:
    assert numbers(column([1e308, 1e308])).tolist() == [1e308, 1e308]


# ---- numbers


def test_median_mean_and_spread_are_those_of_training_rows() -> None:
    known = measured([1.0, 2.0, math.nan, 9.0, 1e6], train=[0, 1, 2, 3])
    assert known.fill == 2.0 and known.flag
    assert known.mean == np.mean([1, 2, 2, 9]) and known.std == np.std([1, 2, 2, 9])


def test_a_column_without_gaps_has_no_flag_and_fills_gaps_all_the_same() -> None:
    known = measured([1.0, 2.0, 6.0])
    assert not known.flag
    values = np.array([math.nan, 2.0])
    found = known.scaled(values, np.isnan(values))
    assert found[0] == found[1] and found.dtype == np.float32
    assert np.isnan(values[0]), "what was given is not changed"


def test_the_most_frequent_number_or_one_given_is_filled_in() -> None:
    gaps = [5.0, 5.0, 1.0, 1.0, 9.0, math.nan]
    mode = as_procs([FillMissing("mode")])
    assert measured(gaps, procs=mode).fill == 1.0
    constant = FillMissing("constant", add_col=False, fill_vals={"x": 7})
    known = measured(gaps, procs=as_procs([constant]))
    assert known.fill == 7.0 and not known.flag
    assert measured(gaps, procs=as_procs([FillMissing("constant")])).fill == 0.0
    assert measured([math.nan], procs=as_procs([FillMissing("constant")])).fill == 0.0


def test_numbers_stay_as_they_are_without_normalize() -> None:
    known = measured([1.0, 5.0], procs=as_procs([FillMissing]))
    assert (known.mean, known.std) == (0.0, 1.0)
    assert known.scaled(np.array([5.0]), np.array([False])).tolist() == [5.0]


def test_a_missing_number_is_refused_where_nothing_stands_for_it() -> None:
    known = measured([1.0, 5.0], procs=as_procs([]))
    values = np.array([1.0, math.nan, math.nan])
    with pytest.raises(
        DataError, match=r"column 'x'\. Got: missing in row 1; 2 such rows\. Add Fill"
    ):
        known.scaled(values, np.isnan(values))


def test_a_column_of_one_number_is_zero() -> None:
    for value in (3.0, 1e9 + 0.1, 0.0):
        known = measured([value] * 7)
        assert known.std == 1.0
        assert known.scaled(np.array([value]), np.array([False]))[0] == pytest.approx(0, abs=1e-6)


def test_a_column_without_numbers_in_training_rows_is_refused() -> None:
    with pytest.raises(DataError, match=r"column 'x' in some training row\. Got: 2 training rows"):
        measured([math.nan, math.nan, 1.0], train=[0, 1])


def test_numbers_beyond_what_a_model_sees_are_refused() -> None:
    with pytest.raises(DataError, match=r"column 'x' whose squares can be added up\. Got: 1e\+200"):
        measured([1e200, -1e200])
    known = measured([1.0, 2.0])
    with pytest.raises(DataError, match=r"ordinary size in column 'x'\. Got: 1e\+300 in row 1"):
        known.scaled(np.array([1.0, 1e300]), np.array([False, False]))


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=20).filter(
        lambda v: any(x is not None for x in v)
    )
)
def test_training_numbers_have_mean_0_and_spread_1_and_come_back(
    values: list[float | None],
) -> None:
    array = np.array([math.nan if v is None else v for v in values])
    known = measured(array)
    found = known.scaled(array, np.isnan(array)).astype(float)
    assert abs(found.mean()) < 1e-3
    assert known.std == 1.0 or abs(found.std() - 1) < 1e-3
    for value, seen in zip(array, found, strict=True):
        wanted = known.fill if math.isnan(value) else value
        assert known.unscaled(seen) == pytest.approx(wanted, abs=1e-5 * known.std + 1e-6)
    again = from_config(json.loads(json.dumps(known.to_config())), {known.kind: NumberColumn})
    assert again == known
