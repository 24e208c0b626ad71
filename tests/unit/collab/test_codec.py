from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redstart.collab.codec import NEW, CollabCodec, Keys
from redstart.config import from_config
from redstart.data.spelling import plain, spelled
from redstart.data.table import Table
from redstart.errors import ConfigError, DataError

CODEC = CollabCodec("user", "film", (NEW, 7, 196), (NEW, "a", "b"), ("", "Alien", ""))


@pytest.mark.parametrize("user", [196, 196.0, "196", np.int32(196), np.float64(196)])
def test_a_number_is_found_however_it_is_written(user: Any) -> None:
    (x,) = CODEC.encode_table([{"user": user, "film": "b"}])
    assert x.tolist() == [[2, 2]]


def test_names_that_training_did_not_see_are_position_0() -> None:
    frame = pd.DataFrame({"user": ["7", None, "8"], "film": ["b", "z", "Alien"]})
    (x,) = CODEC.encode_table(Table(frame))
    assert x.tolist() == [[1, 2], [0, 0], [0, 1]]


def test_pandas_and_polars_are_encoded_alike() -> None:
    data = {"film": ["a", "b", "a"], "user": [196, 7, 1], "other": [1, 2, 3]}
    (a,), (b,) = (CODEC.encode_table(Table(f(data))) for f in (pd.DataFrame, pl.DataFrame))
    assert a.tolist() == b.tolist() == [[2, 1], [1, 2], [0, 1]]


def test_a_missing_column_is_named_with_the_nearest() -> None:
    with pytest.raises(DataError, match=r"column 'film'.*Did you mean 'films'"):
        CODEC.encode_table([{"user": 7, "films": "a"}])


def test_classes_are_lists_that_know_their_positions() -> None:
    assert CODEC.classes["user"].o2i[196] == 2
    assert CODEC.classes["film"][[1, 2]] == ["a", "b"]
    assert (CODEC.n_users, CODEC.n_items) == (3, 3)


def test_items_are_found_by_title_too_and_errors_suggest_the_nearest() -> None:
    assert CODEC.position("Alien", is_item=True) == CODEC.position("a", is_item=True) == 1
    with pytest.raises(DataError, match=r"'film'.*2 seen in training.*Did you mean 'Alien'"):
        CODEC.position("Alen", is_item=True)
    with pytest.raises(DataError, match=r"film=''\. They are listed"):
        CODEC.position("", is_item=True)
    with pytest.raises(DataError, match=r"'user'.*user=5"):
        CODEC.position(5, is_item=False)
    assert [CODEC.label(i) for i in (1, 2)] == ["Alien", "b"]


def test_a_row_is_shown_by_names() -> None:
    (x,) = CODEC.encode(CODEC.load({"user": 196, "film": "a"}))
    assert CODEC.view((x,)).cells == (("user", "196"), ("film", "a"), ("title", "Alien"))
    untitled = CollabCodec("user", "film", (NEW, 7), (NEW, "a"))
    (x,) = untitled.encode_table([{"user": 7, "film": "q"}])
    assert untitled.view((x[0],)).cells == (("user", "7"), ("film", NEW))


def test_it_survives_json_and_its_repr_is_short() -> None:
    again = from_config(json.loads(json.dumps(CODEC.to_config())), {"collab": CollabCodec})
    assert again == CODEC and again.position("Alien", is_item=True) == 1
    assert repr(CODEC) == "CollabCodec(2 of 'user', 2 of 'film')"


def test_titles_fit_the_items() -> None:
    with pytest.raises(ConfigError, match="a title for each of the 2 items"):
        CollabCodec("u", "i", (NEW,), (NEW, 1), ("", "x", "y"))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.one_of(st.integers(), st.text(max_size=4)), unique_by=spelled, min_size=1))
def test_every_name_is_found_at_its_place(names: list[Any]) -> None:
    keys = Keys([NEW, *names])
    assert [keys.find(name) for name in names] == list(range(1, len(names) + 1))
    column = np.array([*names, None], dtype=object)
    assert keys.of(column).tolist() == [*range(1, len(names) + 1), 0]


def test_names_become_what_json_holds() -> None:
    found = [plain(v) for v in (np.int64(3), 3.0, 3.5, "3", True, np.str_("x"))]
    assert found == [3, 3, 3.5, "3", True, "x"]
    assert [type(v) for v in found] == [int, int, float, str, bool, str]
