from __future__ import annotations

import datetime
import logging
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from redstart.data.table import Table
from redstart.errors import ConfigError, DataError
from redstart.tabular.cells import Cells
from redstart.tabular.labels import labels_of, target_of
from redstart.tabular.roles import Roles, cont_cat_split, find_roles
from redstart.targets.category import CategoryBlock, CategoryTarget
from redstart.targets.multicategory import MultiCategoryTarget
from redstart.targets.regression import RegressionBlock, RegressionTarget

N = 60
EVERY = [str(i) for i in range(N)]


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


def cells_of(df: pd.DataFrame) -> Cells:
    return Cells(Table(df))


def chosen(values: Any, **options: Any) -> str:
    """What becomes of a column beside another."""
    df = pd.DataFrame({"c": values})
    df["other"] = 1.5
    roles = find_roles(cells_of(df), (None, None, None), [], **options)
    lists = {"cat": roles.cat_names, "cont": roles.cont_names, "date": roles.date_names}
    return next((role for role, names in lists.items() if "c" in names), "left out")


# ---- columns


@pytest.mark.parametrize(
    ("values", "role"),
    [
        (["a", "b", None] * 20, "cat"),
        ([True, False] * 30, "cat"),
        (pd.array([True, None] * 30, dtype="boolean"), "cat"),
        (pd.Categorical([f"{i}th" for i in range(N)]), "cat"),
        ([1.5, 2.5] * 30, "cont"),
        ([1.0, np.nan] * 30, "cont"),
        ([1, 2, 3] * 20, "cat"),
        (pd.array([1, None, 3] * 20, dtype="Int64"), "cat"),
        ([i * 7 for i in range(N)], "cont"),
        (["1", "2"] * 30, "cat"),
        ([f"{i}.5" for i in range(N)], "cont"),
        (pd.Series([1.5, 2] * 30, dtype=object), "cont"),
        (["1", "inf"] * 30, "cat"),
        (pd.Series([True, None] * 30, dtype=object), "cat"),
        (pd.date_range("2011-01-01", periods=N), "date"),
        ([datetime.date(2011, 1, 1)] * N, "date"),
        (["2011-01-01", None] * 30, "date"),
        (["2011-01-01", "soon"] * 30, "cat"),
        (["12/31/2011", "01/02/2011"] * 30, "date"),
        (["01/02/2011", "02/03/2011"] * 30, "cat"),
        (range(1970, 1970 + N), "cont"),
    ],
)
def test_a_column_is_taken_for_what_its_type_and_values_say(values: Any, role: str) -> None:
    assert chosen(values) == role


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([f"name {i}" for i in range(N)], "nearly every row has a text of its own"),
        (range(1, N + 1), "it counts the rows"),
        ([None] * N, "it has no value"),
        ([np.nan] * N, "it has no value"),
        (pd.to_datetime([None] * N), "it has no value"),
        ([[1, 2]] * N, "its cells are lists"),
        (pd.to_timedelta(range(N), unit="h"), "it is of type Duration"),
    ],
)
def test_a_column_that_says_nothing_is_left_out_in_words(
    values: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "redstart"):
        assert chosen(values) == "left out"
    (record,) = caplog.records
    assert record.getMessage().startswith(f"Left out: c ({why}") and "`cat_names`" in caplog.text


def test_few_rows_are_not_enough_to_call_texts_names() -> None:
    assert chosen([f"name {i}" for i in range(20)]) == "cat"


def test_how_many_whole_numbers_are_categories_is_an_option() -> None:
    assert chosen([1, 2, 3] * 20, max_card=2) == "cont"


def test_columns_that_are_named_are_taken_and_no_others() -> None:
    table = frame(a=[1, 2], b=[1, 2], c=[1, 2])
    assert find_roles(cells_of(table), (["a"], None, None), []) == Roles(["a"], [], [])
    assert find_roles(cells_of(table), (None, "b", None), []) == Roles([], ["b"], [])
    assert find_roles(cells_of(table), ([], [], ["c"]), []) == Roles([], [], ["c"])


def test_dates_that_are_named_do_not_end_the_choice() -> None:
    table = frame(a=["x", "y"], d=["01/31/2011", "02/01/2011"], t=[0, 1])
    assert find_roles(cells_of(table), (None, None, "d"), ["t"]) == Roles(["a"], [], ["d"])


def test_the_rest_is_chosen_on_request(caplog: pytest.LogCaptureFixture) -> None:
    table = frame(a=[1, 2], b=[1, 2], c=[1.5, 2], d=[None, None])
    with caplog.at_level(logging.WARNING, "redstart"):
        found = find_roles(cells_of(table), (None, "b", None), ["a"], rest=True)
    assert found == Roles([], ["b", "c"], [])
    assert "d (it has no value). To use one of them, name it: --category" in caplog.text


def test_names_that_do_not_fit_are_refused() -> None:
    table = frame(age=[1, 2], job=["a", "b"])
    with pytest.raises(DataError, match=r"a column 'aeg'.*Did you mean 'age'\?"):
        find_roles(cells_of(table), (["job"], ["aeg"], None), [])
    with pytest.raises(ConfigError, match=r"every column once\. Got: 'age' twice\. Take one out"):
        find_roles(cells_of(table), (["age", "age"], None, None), [])
    with pytest.raises(ConfigError, match=r"Got: 'age' is there twice\. Take it out"):
        find_roles(cells_of(table), (["age"], ["age"], None), [])
    with pytest.raises(ConfigError, match="'age' is no input"):
        find_roles(cells_of(table), (None, ["age"], None), ["age"])
    with pytest.raises(ConfigError, match=r"one column to predict from\. Got: columns: age, job"):
        find_roles(cells_of(table), ([], [], None), [])
    with pytest.raises(ConfigError, match=r"names of columns, as text\. Got: 0\. Name them"):
        find_roles(cells_of(pd.DataFrame([[1, 2.0]])), (None, None, None), [])


def test_the_courses_split_goes_by_type() -> None:
    df = frame(
        whole=[1, 2, 3],
        real=[1.0, 2.0, 3.0],
        text=["a", "b", "c"],
        truth=[True, False, True],
        when=pd.date_range("2011-01-01", periods=3),
        y=[1.0, 2.0, 3.0],
    )
    cats = ["whole", "text", "truth", "when"]
    assert cont_cat_split(df, dep_var="y") == (["real"], cats)
    assert cont_cat_split(df, 2, dep_var="y") == (["whole", "real"], cats[1:])
    assert cont_cat_split(pl.from_pandas(df), 3, ["y", "text"]) == (["real"], ["whole", *cats[2:]])
    assert cont_cat_split(df)[0] == ["real", "y"]


# ---- targets


def target(values: Any, **options: Any) -> Any:
    table = Table(pd.DataFrame(values if isinstance(values, dict) else {"y": values}))
    names = table.names
    return target_of(
        labels_of(table, names),
        names,
        options.get("y_block"),
        log_target=options.get("log_target", False),
    )


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a", "b"], CategoryTarget),
        (EVERY[:15], CategoryTarget),
        ([True, False], CategoryTarget),
        (pd.Categorical(["a", "b"]), CategoryTarget),
        ([0, 1, 2], CategoryTarget),
        ([0.0, 1.0], CategoryTarget),
        (pd.array([0, 1], dtype="Int64"), CategoryTarget),
        ([1.0, 2.0], RegressionTarget),
        ([0.5, 1.0], RegressionTarget),
        (range(N), RegressionTarget),
        ({"a": [0, 1], "b": [1.0, 0.0]}, MultiCategoryTarget),
        ({"a": [True, False], "b": [1, 0]}, MultiCategoryTarget),
        ({"a": [0, 1], "b": [1.0, 2.0]}, RegressionTarget),
    ],
)
def test_a_target_is_taken_for_what_its_values_say(values: Any, kind: type) -> None:
    assert type(target(values)) is kind


def test_names_of_several_targets_are_kept() -> None:
    assert target({"a": [0, 1], "b": [1, 0]}).vocab == ("a", "b")
    assert target({"a": [0, 1], "b": [1, 5]}).names == ("a", "b")
    numbers = target({"a": [0, 1], "b": [1, 0]}, y_block=RegressionBlock)
    assert numbers.names == ("a", "b")


def test_zeros_and_ones_are_whole_numbers_as_labels() -> None:
    (labels,) = [labels_of(Table(frame(y=[0.0, 1.0])), ["y"])]
    assert labels.tolist() == [0, 1] and labels.dtype == np.int64


def test_the_users_block_is_used() -> None:
    assert target([1.0, 2.0], y_block=CategoryBlock) == CategoryTarget()
    assert target(["a", "b"], y_block=CategoryBlock(vocab=["b", "a"])).vocab == ("b", "a")
    assert isinstance(target([0, 1], y_block=RegressionBlock(n_out=1)), RegressionTarget)
    with pytest.raises(ConfigError, match=r"`y_block` to be CategoryBlock.*Got: y_block=3"):
        target([0, 1], y_block=3)


def test_logarithms_are_of_numbers() -> None:
    assert target([1.5, 2.5], log_target=True).log
    with pytest.raises(ConfigError, match=r"with `log_target`\. Got: a target of kind 'category'"):
        target(["a", "b"], log_target=True)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("values", [["a", None, "b", None], [1.5, None, 2.5, None]])
def test_a_missing_target_is_refused_with_its_rows(make: Any, values: Any) -> None:
    said = r"every row of column 'y'\. Got: missing in 2 rows: 1, 3\. Leave these rows out"
    with pytest.raises(DataError, match=said):
        labels_of(Table(make({"y": values})), ["y"])


def test_an_infinite_target_is_refused_with_its_row() -> None:
    with pytest.raises(DataError, match=r"to predict in column 'y'\. Got: inf in row 2; 1 such"):
        labels_of(Table(frame(y=[1.5, 2.5, np.inf])), ["y"])


def test_columns_that_cannot_be_predicted_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"to predict in column 'y'\. Got: Datetime"):
        target(pd.date_range("2011-01-01", periods=3))
    with pytest.raises(ConfigError, match=r"rows share, or numbers\. Got: 60 different labels"):
        target([f"name {i}" for i in range(N)])
    with pytest.raises(ConfigError, match=r"several that are numbers\. Got: y_names=\['a', 'b'\]"):
        target({"a": ["x", "y"], "b": [0, 1]})


def test_exact_numbers_are_numbers() -> None:
    exact = pl.DataFrame({"y": pl.Series(["1.5", "2.5"]).cast(pl.Decimal(5, 2))})
    labels = labels_of(Table(exact), ["y"])
    assert labels.tolist() == [1.5, 2.5]
    assert isinstance(target_of(labels, ["y"], None, log_target=False), RegressionTarget)
