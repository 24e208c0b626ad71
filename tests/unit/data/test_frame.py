from __future__ import annotations

import copy
import csv
import gzip
import lzma
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from redstart.data.frame import Row, is_frame, is_missing, read_csv, rows_of
from redstart.errors import DataError

CELLS = {"file name": ["a", "b"], "n": [1, 2], "ok": [True, False], "x": [0.5, float("nan")]}


def frames() -> list[Any]:
    made: list[Any] = [pd.DataFrame(CELLS, index=[7, 3])]
    try:
        import polars

        made.append(polars.DataFrame(CELLS))
    except ImportError:
        pass
    try:
        import pyarrow

        made.append(pyarrow.table(CELLS))
    except ImportError:
        pass
    return made


@pytest.mark.parametrize("frame", frames(), ids=lambda frame: type(frame).__module__)
def test_rows_of_any_table_are_alike(frame: Any) -> None:
    assert is_frame(frame)
    one, two = rows_of(frame)
    assert dict(one) == {"file name": "a", "n": 1, "ok": True, "x": 0.5}
    assert [type(value) for value in one.values()] == [str, int, bool, float]
    assert two["file name"] == "b"
    assert two.n == 2
    assert is_missing(two.x)
    assert list(one) == list(CELLS)


def test_a_row_reads_like_a_mapping_and_copies() -> None:
    row = Row({"a": 0, "b": 1}, (1, "x"))
    assert repr(row) == "Row(a=1, b='x')"
    assert row == {"a": 1, "b": "x"}
    assert (len(row), "b" in row, row.get("c")) == (2, True, None)
    assert copy.copy(row) == copy.deepcopy(row) == row  # as loader workers need
    with pytest.raises(AttributeError, match="no column 'c'"):
        _ = row.c
    with pytest.raises(KeyError):
        row["c"]


@pytest.mark.parametrize("source", [[1], (1,), "a.csv", Path("a"), {"a": [1]}, None])
def test_what_is_not_a_table(source: Any) -> None:
    assert not is_frame(source)
    with pytest.raises(DataError, match=rf"Expected a table.*frame={type(source).__name__}\b"):
        rows_of(source)


def test_a_series_is_not_a_table() -> None:
    assert not is_frame(pd.Series([1]))


def test_columns_of_one_name_are_refused() -> None:
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"])
    with pytest.raises(DataError, match=r"columns of the table.*twice or more: a\."):
        rows_of(frame)


@pytest.mark.parametrize("value", [None, float("nan"), pd.NA, pd.NaT, pd.Timestamp("NaT")])
def test_missing(value: Any) -> None:
    assert is_missing(value)


@pytest.mark.parametrize("value", [0, "", "nan", False, [], pd.Timestamp("2024"), math.inf])
def test_not_missing(value: Any) -> None:
    assert not is_missing(value)


# ---- read_csv


def written(folder: Path, data: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize(
    "data",
    [
        "name,n\na,1\nb,2\n",
        "name,n\r\na,1\r\n\r\nb,2",
        "name,n\ra,1\rb,2\r",
        "\n\nname, n\na, 1\nb, 2\n\n",
        "name;n\na;1\nb;2\n",
        "name\tn\na\t1\nb\t2\n",
        "name|n\na|1\nb|2\n",
        '"name","n"\n"a","1"\n"b","2"\n',
        "name,n,,\na,1,,\nb,2,,\n",
        b"\xef\xbb\xbfname,n\na,1\nb,2\n",
        "name,n\na,1\nb,2\n".encode("utf-16"),
        "name,n\na,1\nb,2\n".encode("utf-32"),
        gzip.compress(b"name,n\na,1\nb,2\n"),
        lzma.compress(b"name,n\na,1\nb,2\n"),
    ],
)
def test_one_table_written_in_many_ways(tmp_path: Path, data: str | bytes) -> None:
    frame = read_csv(written(tmp_path, data))
    assert frame.dropna(axis=1).to_dict("list") == {"name": ["a", "b"], "n": [1, 2]}


def test_quotes_hold_delimiters_and_lines(tmp_path: Path) -> None:
    path = written(tmp_path, 'a;b, c\n"1;2"; "x\ny, z"\n')
    assert read_csv(path, ";").to_dict("list") == {"a": ["1;2"], "b, c": ["x\ny, z"]}


def test_delimiters_within_quotes_of_the_header_do_not_count(tmp_path: Path) -> None:
    frame = read_csv(written(tmp_path, '"last; first; title";n\n"a";1\n'))
    assert list(frame) == ["last; first; title", "n"]
    assert list(read_csv(written(tmp_path, '"a;b;c",n\nx,1\n'))) == ["a;b;c", "n"]


def test_an_index_column_without_a_name_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    pd.DataFrame({"a": ["x", "y"]}).to_csv(path)
    assert list(read_csv(path).columns) == ["Unnamed: 0", "a"]


def test_the_encoding_is_asked_for_and_obeyed(tmp_path: Path) -> None:
    path = written(tmp_path, "name\nZoë\nJosé\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"0xeb in line 2, which is not utf-8.*cp1252.*Zoë"):
        read_csv(path)
    assert list(read_csv(path, encoding="cp1252").name) == ["Zoë", "José"]
    assert list(read_csv(written(tmp_path, "name\nZoë\n")).name) == ["Zoë"]
    with pytest.raises(DataError, match="encoding='utf-99'"):
        read_csv(path, encoding="utf-99")


def test_long_cells(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    frame = read_csv(written(tmp_path, f"text,label\n{'x' * 200_000},a\n"))
    assert len(frame.text[0]) == 200_000
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"an empty file \(0 bytes\)"),
        (b" \n\n", "an empty file"),
        ("a,b\n", r"a header \(a, b\) and no rows"),
        ("a,b\n1,2\n3,4,5\n", "fields in line 3: 3, in the header: 2, delimiter=','"),
        ("a,b\n1,2\n\n3\n", "fields in line 4: 1, in the header: 2"),
        ('a,b\n"1\n1",2\n3,4,5\n', "fields in line 4: 3"),
        ('a,b\n1,2\n3,"4\n', "unexpected end of data, after line 2. Repair the quotes"),
        ('"a,b\n1,2\n', "unexpected end of data, after line 0"),
        ('a,b\n1,2\n"5\\" wide",4\n', "expected after '\"', after line 2"),
        ("a,b,a\n1,2,3\n", r"t\.csv' with different names.*twice or more: a"),
        (b"a,b\n1,\x00\n", "a NUL character in line 2"),
        ("a,b\n1,2\n".encode("utf-16-le"), 'encoding="utf-16-le"'),
        (b"PK\x03\x04rest", "a spreadsheet"),
        (b"\xd0\xcf\x11\xe0rest", "an old Excel file"),
        (b"PAR1rest", "a Parquet file"),
        ("<!DOCTYPE html><table>", "HTML or XML"),
        (gzip.compress(b"a,b\n1,2\n")[:-9], "that it is whole"),
        (b"\x1f\x8bjunk", "that it is whole"),
    ],
)
def test_broken_files_are_named_with_what_is_wrong(
    tmp_path: Path, data: str | bytes, message: str
) -> None:
    path = written(tmp_path, data)
    with pytest.raises(DataError, match=message) as caught:
        read_csv(path)
    assert str(path) in str(caught.value)


def test_paths_that_are_not_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no.csv'\. Got: no such file\."):
        read_csv(tmp_path / "no.csv")
    with pytest.raises(DataError, match="Got: a folder"):
        read_csv(tmp_path)


@pytest.mark.parametrize("delimiter", ["", "::", '"', "\n", "é"])
def test_delimiters_that_are_none(tmp_path: Path, delimiter: str) -> None:
    with pytest.raises(DataError, match=r"delimiter=.*Pass one character"):
        read_csv(written(tmp_path, "a::b\n1::2\n"), delimiter)


def test_what_pandas_refuses_is_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise pd.errors.ParserError("no idea")

    monkeypatch.setattr(pd, "read_csv", refuse)
    with pytest.raises(DataError, match=r"t\.csv'\. Got: no idea"):
        read_csv(written(tmp_path, "a,b\n1,2\n"))


def test_real_horrors_give_a_table_or_one_clear_error(shared: Path) -> None:
    folder = shared / "data" / "trouble" / "csv"
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        pytest.skip(f"no broken CSV files at {folder}")
    read = 0
    for path in files:
        try:
            frame = read_csv(path)
        except DataError as error:
            assert str(path) in str(error)
        else:
            assert len(frame)
            assert rows_of(frame)
            read += 1
    assert read >= 10
