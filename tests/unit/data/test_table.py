from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from data_kit import counted
from hypothesis import given, settings
from hypothesis import strategies as st
from table_kit import Cells, makers, numbered, table_loaders

from redstart.data.check import check
from redstart.data.frame import Row
from redstart.data.table import Table, in_row, missing, nearest, read_table
from redstart.errors import DataError
from redstart.show.view import RowView

CELLS = {"id": [7, 8, 9], "name": ["a", "b", "c"], "x": [0.5, 1.5, 2.5], "ok": [True, False, True]}
GAPS = {"n": [1.0, None, 3.0], "name": ["a", None, "nan"]}

every_kind = pytest.mark.parametrize(("kind", "frame"), list(makers()))


# ---- a frame as rows


@every_kind
def test_cells_of_a_row_are_of_pythons_own_types_however_the_row_is_reached(
    kind: str, frame: Any
) -> None:
    table = Table(frame(CELLS))
    wanted = [dict(zip(CELLS, values, strict=True)) for values in zip(*CELLS.values(), strict=True)]
    for rows in (list(table), [table[k] for k in range(3)], [table[k] for k in (-3, -2, -1)]):
        assert [dict(row) for row in rows] == wanted
        assert all([type(v) for v in row.values()] == [int, str, float, bool] for row in rows)
    assert table[0].name == "a"


@every_kind
def test_a_slice_is_a_table_and_a_row_beyond_the_end_is_an_error(kind: str, frame: Any) -> None:
    table = Table(frame(CELLS))
    assert [row.id for row in table[1:]] == [8, 9]
    assert [row.id for row in table[::-1]] == [9, 8, 7]
    assert len(table[:0]) == 0 and table[:0].names == table.names
    assert [row.id for row in table.take([2, 0, 2])] == [9, 7, 9]
    assert [row.id for row in table.take(np.array([1]))] == [8]
    assert len(table.take([])) == 0
    for row in (3, -4):
        with pytest.raises(IndexError, match=f"row {row} of a table of 3 rows"):
            table[row]


@every_kind
def test_a_column_comes_whole_and_a_wrong_name_suggests_the_right_one(
    kind: str, frame: Any
) -> None:
    table = Table(frame(CELLS))
    assert table.names == list(CELLS)
    assert table.column("x").to_list() == CELLS["x"]
    assert repr(table) == "Table(3 rows, columns: id, name, x, ok)"
    with pytest.raises(
        DataError, match=r"a column 'nam'\. Got: columns: id, name, x, ok\. Did you mean 'name'\?"
    ):
        table.column("nam")


def test_cells_that_numpy_has_no_type_for_keep_their_meaning() -> None:
    frame = pd.DataFrame(
        {
            "int": pd.array([1, None], dtype="Int64"),
            "bool": pd.array([True, None], dtype="boolean"),
            "text": pd.array(["a", None], dtype="string"),
            "kind": pd.Categorical(["x", None]),
            "time": pd.to_datetime(["2020-02-03", None]),
            "any": [1, None],
        },
        index=[5, 5],
    )
    first, second = Table(frame)
    assert dict(first) == dict(Table(frame)[0])
    time = pd.Timestamp("2020-02-03")
    assert dict(first) == {"int": 1, "bool": True, "text": "a", "kind": "x", "time": time, "any": 1}
    assert [type(first[name]) for name in ("int", "bool")] == [int, bool]
    for row in (second, Table(frame)[1]):
        assert missing(np.array(list(row.values()), dtype=object)).all()


@pytest.mark.parametrize("frame", [{"a": [1]}, [1, 2], "table.csv", None])
def test_what_is_no_frame_is_refused(frame: Any) -> None:
    with pytest.raises(DataError, match=r"Expected a table.*Got: frame=.*read_table"):
        Table(frame)


def test_columns_of_one_name_are_refused() -> None:
    with pytest.raises(DataError, match=r"different names. Got: twice or more: a\."):
        Table(pd.DataFrame([[1, 2]], columns=["a", "a"]))


# ---- what rows come as


def test_a_table_is_made_of_whatever_rows_come_as(tmp_path: Path) -> None:
    frame = pd.DataFrame(CELLS)
    file = tmp_path / "table.csv"
    frame.to_csv(file, index=False)
    table = Table(frame)
    assert Table.of(table) is table
    rows = [dict(row) for row in table]
    for same in (
        frame,
        [frame],
        file,
        str(file),
        rows,
        list(table),
        [frame[:1], rows[1], table[2]],
    ):
        assert [dict(row) for row in Table.of(same)] == rows
    first = rows[0]
    for one in (first, table[0], frame.iloc[0], [frame.iloc[0]], frame[:1], [frame[:1]]):
        assert [dict(row) for row in Table.of(one)] == [first]
    assert [dict(row) for row in Table.of(dict(row) for row in table)] == rows
    assert len(Table.of([])) == 0


@every_kind
def test_frames_of_one_row_are_rows(kind: str, frame: Any) -> None:
    one, two = frame({"a": [1], "b": ["x"]}), frame({"a": [2], "b": ["y"]})
    assert [dict(row) for row in Table.of([one, two])] == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert dict(Cells().load(one)) == {"a": 1, "b": "x"}


@pytest.mark.parametrize("items", [5, None, [1, 2], [[1, 2]], np.zeros((2, 2)), [None]])
def test_what_is_no_row_is_refused(items: Any) -> None:
    with pytest.raises(DataError, match=r"Expected a row: a mapping.*predict\(\{'age': 42"):
        Table.of(items)


def test_rows_that_differ_in_their_columns_are_refused() -> None:
    with pytest.raises(DataError, match=r"same columns. Got: row 1 lacks job\. .*give None"):
        Table.of([{"age": 1, "job": "a"}, {"age": 2}])
    with pytest.raises(DataError, match=r"row 0 lacks jobb"):
        Table.of([{"age": 1, "job": "a"}, {"age": 2, "jobb": "a"}])
    assert missing(Table.of([{"a": 1}, {"a": None}]).column("a").to_numpy()).tolist() == [
        False,
        True,
    ]


# ---- files


def test_a_parquet_file_is_told_by_what_is_in_it(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({**CELLS, "day": pd.to_datetime(["2020", "2021", "2022"])})
    file = tmp_path / "table.csv"
    frame.to_parquet(file)
    pd.testing.assert_frame_equal(read_table(file), frame)
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(DataError, match=r"read the Parquet file .*table\.csv.*Write it again"):
        read_table(file)


def test_a_csv_file_is_read_as_read_csv_does(tmp_path: Path) -> None:
    file = tmp_path / "table.txt"
    file.write_bytes("größe;x\n1;a\n".encode("cp1252"))
    table = Table(read_table(file, delimiter=";", encoding="cp1252"))
    assert dict(table[0]) == {"größe": 1, "x": "a"}
    with pytest.raises(DataError, match=r"no such file.*Check the path"):
        Table.of(tmp_path / "no.csv")


# ---- the digest


def test_the_digest_is_the_same_in_any_kind_of_frame() -> None:
    for cells in (CELLS, GAPS, {"time": [dt.datetime(2020, 1, 1), None]}):
        assert len({Table(frame(cells)).digest() for _, frame in makers()}) == 1


@every_kind
def test_the_digest_changes_with_any_cell_name_or_order(kind: str, frame: Any) -> None:
    tables = [
        CELLS,
        {**CELLS, "id": [7, 8, 10]},
        {**CELLS, "x": [0.5, 1.5, float("nan")]},
        {**CELLS, "ok": [True, False, False]},
        {**CELLS, "name": ["a", "b", "d"]},
        {**CELLS, "name": ["a", "b", None]},
        {**CELLS, "name": ["a", "b", "None"]},
        {**CELLS, "name": ["a", "b", "nan"]},
        {**CELLS, "name": ["a", "b", ""]},
        {("key" if name == "id" else name): cells for name, cells in CELLS.items()},
        dict(reversed(CELLS.items())),
        {name: cells[::-1] for name, cells in CELLS.items()},
        {name: cells[:2] for name, cells in CELLS.items()},
    ]
    assert len({Table(frame(cells)).digest() for cells in tables}) == len(tables)
    assert Table(frame(CELLS)).digest() == Table(frame(CELLS)).digest()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(-9, 9), st.text("abc", max_size=2)), min_size=1, max_size=8))
def test_equal_tables_and_only_they_have_equal_digests(cells: list[tuple[int, str]]) -> None:
    def digest(rows: list[tuple[int, str]]) -> str:
        return Table(pd.DataFrame(rows, columns=["n", "s"]).astype({"s": object})).digest()

    assert digest(cells) == digest(list(cells))
    assert (digest(cells) == digest(cells[::-1])) == (cells == cells[::-1])


# ---- the codec


def test_one_row_is_encoded_as_it_is_in_a_table() -> None:
    table, codec = numbered(5), Cells()
    (whole,) = codec.encode_table(table)
    for k, row in enumerate(table):
        (one,) = codec.encode(codec.load(row))
        assert torch.equal(one, whole[k])
        assert torch.equal(codec.encode(codec.load({"b": 2 * k, "a": k}))[0], whole[k])
    assert codec.identity(table[0]) is None
    assert isinstance(codec.listed([{"a": 1, "b": 2}]), Table)


def test_one_row_is_asked_for_and_several_are_refused() -> None:
    codec = Cells()
    row = Row({"a": 0}, (1,))
    assert codec.load(row) is row
    with pytest.raises(DataError, match=r"Expected one row. Got: 2 rows\. Use `get_preds`"):
        codec.load(pd.DataFrame({"a": [1, 2]}))
    with pytest.raises(DataError, match="Expected a row: a mapping"):
        codec.load([1, 2])
    with pytest.raises(DataError, match=r"a column 'b'.*columns: a, c"):
        codec.encode(codec.load({"a": 1, "c": 2}))


# ---- loaders of tables


@every_kind
def test_new_rows_are_loaded_from_any_frame_in_their_order(kind: str, frame: Any) -> None:
    dls = table_loaders()
    loader = dls.test_dl(frame({"b": [4, 5, 6], "a": [1, 2, 3]}), bs=2)
    batches = list(loader)
    assert torch.cat([batch.x[0] for batch in batches]).tolist() == [[1, 4], [2, 5], [3, 6]]
    assert [len(batch) for batch in batches] == [3], "a last row alone joins the others"
    assert all(batch.y is None for batch in batches)
    assert next(iter(dls.test_dl([{"a": 1, "b": 4}]))).x[0].tolist() == [[1, 4]]
    with pytest.raises(DataError, match=r"Expected at least one item. Got: 0 items"):
        dls.test_dl(frame({"a": [1], "b": [2]})[:0])
    with pytest.raises(DataError, match="Expected at least one item"):
        dls.test_dl([])


def test_the_digest_of_loaders_is_of_table_and_split() -> None:
    one, same = table_loaders().digests(), table_loaders(bs=2, seed=7).digests()
    assert one == same and set(one) == {"data", "split"}
    assert one["data"] == numbered(20).digest()
    other = table_loaders(valid=(4, 5)).digests()
    assert other["data"] == one["data"] and other["split"] != one["split"]
    assert table_loaders(21).digests()["data"] != one["data"]


def test_the_check_of_a_table_reads_no_row_and_still_looks_at_the_labels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dls = table_loaders(valid=(0, 2))
    loaded, read = (counted(monkeypatch, *at) for at in ((Cells, "load"), (Table, "__getitem__")))
    clean, report = check(dls)
    assert clean is dls and loaded == read == []
    assert (report.rows, report.bad) == (20, ())
    assert any("odd" in f.said for f in clean.audit().findings)


def test_a_card_of_a_row_shows_its_cells_and_its_number() -> None:
    dls = table_loaders()
    card = dls.cards(1)[0]
    k = card.index
    assert card.view == RowView((("a", f"{k}"), ("b", f"{2 * k}")))
    assert card.item == f"row {k}"
    assert card.truth is not None and card.truth.text == ("even", "odd")[k % 2]


# ---- small things


def test_every_kind_of_missing_cell_is_found() -> None:
    cells = np.array([1, None, np.nan, pd.NaT, pd.NA, "", "nan"], dtype=object)
    assert missing(cells).tolist() == [False, True, True, True, True, False, False]
    assert missing(np.array(["2020", "NaT"], dtype="datetime64[s]")).tolist() == [False, True]
    assert missing(np.array([1, 2])).tolist() == [False, False]


def test_a_row_is_numbered_where_there_are_several() -> None:
    assert in_row(np.array([True])) == ""
    assert in_row(np.array([False, True])) == " in row 1"
    assert in_row(np.array([False, True, True])) == " in row 1; 2 such rows"


def test_the_nearest_name_is_suggested_and_a_far_one_is_not() -> None:
    assert nearest("ag", ["age", "job"]) == "Did you mean 'age'? "
    assert nearest("zzz", ["age", "job"]) == ""
    assert nearest(1, [10, 200]) == "Did you mean '10'? "


def test_the_nearest_name_is_found_whatever_its_case_and_among_very_many() -> None:
    assert nearest("STAR wars", ["Alien", "Star Wars", "Stars"]) == "Did you mean 'Star Wars'? "
    assert nearest("stra", ["Alien", "Star"]) == "Did you mean 'Star'? "
    many = [f"film {n}" for n in range(60_000)]
    assert nearest("fil 777", many) == "Did you mean 'film 777'? "
    assert nearest("Q", many) == ""
