from __future__ import annotations

import json
import math
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from redstart.config import from_config
from redstart.data.table import Table
from redstart.errors import ConfigError, DataError
from redstart.tabular.cells import Cells
from redstart.tabular.codec import TabularCodec, learn_codec
from redstart.tabular.columns import CategoryColumn, NumberColumn
from redstart.tabular.dates import DateColumn
from redstart.tabular.procs import as_procs
from redstart.tabular.roles import Roles

KINDS = {k.kind: k for k in (TabularCodec, CategoryColumn, NumberColumn, DateColumn)}

FRAME = pd.DataFrame(
    {
        "city": ["Rome", "Oslo", None, "Rome", "Lima"],
        "size": [3, 1, 3, 2, 2],
        "member": [True, False, True, True, False],
        "age": [20.0, math.nan, 40.0, 60.0, 30.0],
        "pay": [1, 2, 3, 4, 5],
        "sold": ["2011-11-30", "2012-02-29", "2011-01-01", None, "2011-12-31"],
    }
)
ROLES = Roles(["city", "size", "member"], ["age", "pay"], ["sold"])
PLAIN = Roles(["city", "size", "member"], ["age", "pay"])
TRAIN = np.arange(4)


def codec(frame: Any = FRAME, roles: Roles = ROLES, procs: Any = None) -> TabularCodec:
    return learn_codec(Cells(Table(frame)), roles, as_procs(procs), TRAIN)[0]


def equal(one: Any, other: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_two_tensors_of_codes_and_numbers() -> None:
    known = codec(roles=PLAIN)
    x_cat, x_cont = known.encode_table(Table(FRAME))
    assert x_cat.dtype == torch.int64 and x_cont.dtype == torch.float32
    assert known.cat_names == ("city", "size", "member", "age_na")
    assert known.cont_names == ("age", "pay") and known.n_cont == 2
    assert known.cardinalities == (3, 4, 3, 3)
    assert list(known.classes["city"]) == ["#na#", "Oslo", "Rome"], "Lima is not in training"
    assert known.classes["age_na"].o2i == {"#na#": 0, False: 1, True: 2}
    assert x_cat[:, 0].tolist() == [2, 1, 0, 2, 0]
    assert x_cat[:, 3].tolist() == [1, 2, 1, 1, 1]
    np.testing.assert_allclose(x_cont[:4].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(x_cont[:4].std(0, correction=0), 1, atol=1e-6)
    assert x_cont[1, 0] == x_cont[2, 0], "the median, 40, was filled in"


def test_without_columns_of_a_kind_its_tensor_has_no_width() -> None:
    x_cat, x_cont = codec(roles=Roles(["city"])).encode_table(Table(FRAME))
    assert x_cat.shape == (5, 1) and x_cont.shape == (5, 0)
    x_cat, x_cont = codec(roles=Roles([], ["pay"])).encode_table(Table(FRAME))
    assert x_cat.shape == (5, 0) and x_cont.shape == (5, 1)


def test_dates_are_seen_in_parts() -> None:
    known = codec()
    assert known.inputs == ("city", "size", "member", "age", "pay", "sold")
    assert "soldMonth" in known.cat_names and "soldElapsed" in known.cont_names
    assert list(known.classes["soldMonth"]) == ["#na#", 1, 2, 11]
    assert list(known.classes["soldIs_year_start"]) == ["#na#", False, True]
    assert not any(name.endswith("_na") and name != "age_na" for name in known.cat_names)
    x_cat, x_cont = known.encode_table(Table(FRAME))
    month = known.cat_names.index("soldMonth")
    assert x_cat[:, month].tolist() == [3, 2, 1, 0, 0]
    for name, days in {"date": FRAME.sold.map(date.fromisoformat, na_action="ignore")}.items():
        assert equal(known.encode_table(FRAME.assign(sold=days)), (x_cat, x_cont)), name
    assert equal(known.encode_table(FRAME.assign(sold=pd.to_datetime(FRAME.sold))), (x_cat, x_cont))


def test_everything_learnt_goes_through_json() -> None:
    for roles in (ROLES, PLAIN, Roles(["city"]), Roles([], ["age"])):
        known = codec(roles=roles)
        again = from_config(json.loads(json.dumps(known.to_config())), KINDS)
        assert again == known
        assert equal(again.encode_table(FRAME), known.encode_table(FRAME))


def test_only_training_rows_teach() -> None:
    other = FRAME.copy()
    other.loc[4] = ["Cairo", 9, False, 1e9, 10**9, "1990-05-05 12:00"]
    assert codec(other) == codec(FRAME)


# ---- the real world


def test_columns_may_stand_in_any_order_among_others() -> None:
    known = codec()
    shuffled = FRAME.assign(extra="x")[["extra", "sold", "pay", "age", "member", "size", "city"]]
    assert equal(known.encode_table(shuffled), known.encode_table(FRAME))


@pytest.mark.parametrize("make", [pl.from_pandas, lambda df: pl.from_pandas(df).to_arrow()])
def test_frames_of_every_make_are_encoded_alike(make: Any) -> None:
    known = codec()
    assert equal(known.encode_table(make(FRAME)), known.encode_table(FRAME))
    assert codec(make(FRAME)) == known


def test_a_table_as_text_is_encoded_as_with_its_types() -> None:
    known = codec()
    text = FRAME.map(lambda v: None if v is None or v != v else str(v))
    assert equal(known.encode_table(text), known.encode_table(FRAME))
    floats = FRAME.astype({"size": float, "member": float, "pay": float})
    assert equal(known.encode_table(floats), known.encode_table(FRAME))
    assert equal(known.encode_table(FRAME.astype(object)), known.encode_table(FRAME))


def test_rows_alone_are_encoded_as_in_the_table() -> None:
    known = codec()
    whole = known.encode_table(FRAME)
    for row in range(len(FRAME)):
        wanted = tuple(t[row] for t in whole)
        for item in (
            FRAME.iloc[row],
            dict(FRAME.iloc[row]),
            FRAME[row : row + 1],
            Table(FRAME)[row],
        ):
            assert equal(known.encode(known.load(item)), wanted)
            (x_cat, x_cont) = known.encode_table(known.listed([item]))
            assert equal((x_cat[0], x_cont[0]), wanted)


def test_gaps_where_training_had_none_are_filled() -> None:
    known = codec(roles=PLAIN)
    x_cat, x_cont = known.encode_table(FRAME.assign(pay=None, size=np.nan, city=None))
    assert x_cat[:, 0].tolist() == x_cat[:, 1].tolist() == [0] * 5
    pay = known.numbers[1]
    assert x_cont[0, 1] == pytest.approx((2.5 - pay.mean) / pay.std)


def test_no_rows_are_legal() -> None:
    known = codec()
    for nothing in (FRAME[:0], [], pl.from_pandas(FRAME)[:0]):
        x_cat, x_cont = known.encode_table(known.listed(nothing))
        assert x_cat.shape == (0, len(known.cat_names)) and x_cont.shape == (0, known.n_cont)
        assert (x_cat.dtype, x_cont.dtype) == (torch.int64, torch.float32)


def test_columns_that_are_not_there_are_all_named_with_the_nearest() -> None:
    said = r"2 not there: city, age\. Got: columns: City.*Did you mean 'City'\? Add them"
    with pytest.raises(DataError, match=said):
        codec().encode_table(FRAME.rename(columns={"city": "City"}).drop(columns="age"))
    with pytest.raises(DataError, match=r"1 not there: age\. Got.* Add them; write NaN"):
        codec().encode_table([{k: v for k, v in FRAME.iloc[0].items() if k != "age"}])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("age", "old", r"numbers in column 'age'\. Got: 'old' in row 3"),
        ("age", math.inf, r"finite numbers in column 'age'\. Got: inf in row 3"),
        ("age", 1e60, r"ordinary size in column 'age'\. Got: 1e\+60 in row 3"),
        ("sold", "30/11/2011", r"dates in column 'sold'\. Got: '30/11/2011' in row 3"),
        ("sold", "soon", r"dates in column 'sold'\. Got: 'soon' in row 3"),
        ("city", ["Rome"], r"one value per cell in column 'city'\. Got: \['Rome'\] in row 3"),
    ],
)
def test_what_is_not_legal_is_named_by_column_row_and_value(
    name: str, value: Any, said: str
) -> None:
    frame = FRAME.astype(object)
    frame.at[3, name] = value
    with pytest.raises(DataError, match=said):
        codec().encode_table(frame)


# ---- names


def test_a_derived_column_may_not_have_the_name_of_another() -> None:
    taken = FRAME.assign(age_na=1)
    with pytest.raises(ConfigError, match=r"those that Redstart adds.*Got: twice: age_na\. Rename"):
        learn_codec(Cells(Table(taken)), Roles(["age_na"], ["age"]), as_procs(None), TRAIN)
    with pytest.raises(ConfigError, match="twice: soldMonth"):
        taken = FRAME.assign(soldMonth=1)
        learn_codec(Cells(Table(taken)), Roles(["soldMonth"], [], ["sold"]), as_procs(None), TRAIN)


def test_an_order_of_categories_is_kept() -> None:
    sizes = ["Large", "Medium", "Small"]
    frame = pd.DataFrame({"s": pd.Categorical(["Small", "Large", "Small", "Large"], sizes)})
    known = codec(frame, Roles(["s"]))
    assert list(known.classes["s"]) == ["#na#", "Large", "Small"]
    enum = pl.DataFrame({"s": pl.Series(frame.s.tolist(), dtype=pl.Enum(sizes))})
    assert codec(enum, Roles(["s"])) == known


# ---- looking at rows


def cells(known: TabularCodec, row: int) -> dict[str, str]:
    return dict(known.view(tuple(t[row] for t in known.encode_table(FRAME))).cells)


def test_a_row_is_shown_in_the_users_terms() -> None:
    known = codec()
    assert cells(known, 0) == {
        "city": "Rome",
        "size": "3",
        "member": "True",
        "sold": "2011-11-30",
        "age": "20",
        "pay": "1",
    }
    assert cells(known, 1)["age"] == "#na# (filled: 40)"
    assert cells(known, 1)["sold"] == "2012-02-29"
    assert cells(known, 2)["city"] == cells(known, 4)["city"] == "#na#"
    assert cells(known, 3)["sold"] == "#na#"


def test_the_hour_is_shown_where_there_is_one() -> None:
    frame = FRAME.assign(sold="2011-11-30 17:05")
    frame.loc[0, "sold"] = "2011-11-29 03:00"
    known = codec(frame)
    x = tuple(t[1] for t in known.encode_table(frame))
    assert dict(known.view(x).cells)["sold"] == "2011-11-30, 17 h"


def test_a_first_of_january_that_training_did_not_have_is_shown() -> None:
    frame = pd.DataFrame({"sold": [f"2011-{month:02}-15" for month in range(1, 13)]})
    known = codec(frame, Roles(date_names=["sold"]))
    (new,) = (known.encode_table({"sold": "2012-01-01"}),)
    assert dict(known.view(tuple(t[0] for t in new)).cells)["sold"] == "2012-01-01"


def test_one_row_is_not_numbered_in_errors() -> None:
    with pytest.raises(
        DataError, match=r"numbers in column 'age'\. Got: 'old'\. Correct the value"
    ):
        codec().encode_table({**FRAME.iloc[0], "age": "old"})


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.none() | st.sampled_from("abc"), st.none() | st.integers(-(10**6), 10**6)),
        min_size=1,
        max_size=12,
    ).filter(lambda rows: any(n is not None for _, n in rows))
)
def test_view_undoes_encode(rows: list[tuple[str | None, int | None]]) -> None:
    frame = pd.DataFrame({"c": [c for c, _ in rows], "n": [n for _, n in rows]})
    known = learn_codec(
        Cells(Table(frame)), Roles(["c"], ["n"]), as_procs(None), np.arange(len(frame))
    )[0]
    x_cat, x_cont = known.encode_table(frame)
    for row, (name, number) in enumerate(rows):
        shown = dict(known.view((x_cat[row], x_cont[row])).cells)
        assert shown["c"] == (name or "#na#")
        if number is None:
            assert shown["n"].startswith("#na# (filled: ")
        else:
            assert float(shown["n"]) == pytest.approx(number, abs=2e-6 * known.numbers[0].std + 0.5)
