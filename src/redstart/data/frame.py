"""Tables of any make as rows, and CSV files without surprises."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from redstart.errors import DataError, problem

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Row", "check_names", "is_frame", "is_missing", "read_csv", "rows_of"]

_COMPRESSED = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ\x00": lzma.decompress,
}
_NOT_TEXT = {
    b"PK\x03\x04": "a zip archive or a spreadsheet (.xlsx, .ods)",
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls)",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"%PDF": "a PDF",
}
_BOMS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_MARKUP = ("<!doctype", "<html", "<table", "<?xml")
_DELIMITERS = (",", ";", "\t", "|")


@final
class Row(Mapping[str, Any]):
    """One row of a table: ``row["fname"]``, or ``row.fname`` where the name allows it.

    Args:
        places: Position of each column, in order; shared by all rows of a table.
        values: The cells, in the same order.
    """

    __slots__ = ("_places", "_values")

    def __init__(self, places: Mapping[str, int], values: tuple[Any, ...]) -> None:
        self._places = places
        self._values = values

    def __getitem__(self, name: str) -> Any:
        return self._values[self._places[name]]

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __getattr__(self, name: str) -> Any:
        # Private names are never columns here: copying asks for them before they exist.
        if not name.startswith("_") and name in self._places:
            return self[name]
        raise AttributeError(f"Row has no column {name!r}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        return f"Row({', '.join(f'{name}={value!r}' for name, value in self.items())})"


def is_frame(source: Any) -> bool:
    """Tell whether ``source`` is a table that ``rows_of`` reads."""
    if isinstance(source, list | tuple | str | PathLike):
        return False
    from narwhals import dependencies

    return bool(dependencies.is_into_dataframe(source))


def is_missing(value: Any) -> bool:
    """Tell whether a cell is empty: ``None``, ``NaN``, or pandas' ``NaT`` or ``NA``."""
    if value is None or type(value).__name__ == "NAType":
        return True
    return isinstance(value, Real | datetime) and bool(value != value)


def rows_of(frame: Any) -> list[Row]:
    """List the rows of a pandas, polars or pyarrow table.

    Args:
        frame: The table; its index, where it has one, is not part of the rows.

    Returns:
        One ``Row`` per row, in order. Cells are Python values; a missing one is what
        the table has for it (``None`` or ``NaN``).

    Raises:
        DataError: If ``frame`` is not a table, or two columns have the same name.
    """
    import narwhals as nw

    if not is_frame(frame):
        raise DataError(
            problem(
                "Expected a table: pandas, polars or pyarrow",
                f"frame={type(frame).__name__}",
                "Make one with pandas.DataFrame(...), or read a file with read_csv.",
            )
        )
    names = list(getattr(frame, "column_names", None) or frame.columns)
    check_names(names, "the table")
    places = {name: place for place, name in enumerate(names)}
    table = nw.from_native(frame, eager_only=True)
    return [Row(places, tuple(values)) for values in table.iter_rows()]


def read_csv(
    path: str | PathLike[str], delimiter: str | None = None, encoding: str | None = None
) -> DataFrame:
    """Read a table with a header line from a text file; nothing is guessed silently wrong.

    Every line must have as many fields as the header; blank lines are skipped, and so
    are spaces after a delimiter. Cells that pandas takes for missing (empty, ``NA``,
    ``null``, ...) are ``NaN``. Files may be compressed with gzip, bzip2 or xz.

    Args:
        path: The file.
        delimiter: One character. ``None`` takes the one of comma, semicolon, tab and bar
            that is most frequent in the header line.
        encoding: Of the text. ``None`` takes the byte order mark's, and UTF-8 where there
            is no mark; text that is not UTF-8 is an error, since any other choice
            could turn letters into others without notice.

    Raises:
        DataError: If the file is missing, empty, not text, in another encoding, or not
            a table, naming the file and the line.
    """
    import pandas as pd

    file = Path(path)
    text = _decode(file, _read_bytes(file), encoding)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    delimiter = _delimiter(file, text) if delimiter is None else delimiter
    _check_table(file, text, delimiter)
    try:
        return pd.read_csv(
            io.StringIO(text),
            sep=delimiter,
            skipinitialspace=True,
            low_memory=False,
        )
    except ValueError as error:  # pandas' own; none is known that passes the checks above
        raise _broken(file, str(error), "Open it in a text editor and repair it.") from error


def _broken(file: Path, got: str, fix: str) -> DataError:
    return DataError(problem(f"Expected a table as text in {str(file)!r}", got, fix))


def _read_bytes(file: Path) -> bytes:
    """Return the file's contents, decompressed; refuse what is known not to be text."""
    try:
        data = file.read_bytes()
        for magic, decompress in _COMPRESSED.items():
            if data.startswith(magic):
                data = decompress(data)
                break
    except FileNotFoundError as error:
        raise _broken(file, "no such file", f"Check the path; looked in {file.parent}.") from error
    except IsADirectoryError as error:
        raise _broken(file, "a folder", "Name the file inside it.") from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        fix = "Check that you may read it and that it is whole."
        raise _broken(file, f"{error}", fix) from error
    for magic, kind in _NOT_TEXT.items():
        if data.startswith(magic):
            raise _broken(file, kind, "Save it as CSV, or read it with pandas and use from_df.")
    if not data.strip():
        raise _broken(file, f"an empty file ({len(data)} bytes)", "Write the table first.")
    return data


def _decode(file: Path, data: bytes, encoding: str | None) -> str:
    marked = next((name for bom, name in _BOMS.items() if data.startswith(bom)), "utf-8")
    codec = encoding or marked
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        raise _undecodable(file, data, error) from error
    except LookupError as error:
        raise _broken(file, f"encoding={codec!r}", "Name one that Python knows: utf-8.") from error
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise _broken(
            file,
            f"a NUL character in line {line}, read as {codec}",
            'It is binary, or UTF-16 without a mark: then pass encoding="utf-16-le".',
        )
    if text.lstrip()[:10].lower().startswith(_MARKUP):
        raise _broken(file, "HTML or XML", "Save the table in it as CSV.")
    return text


def _undecodable(file: Path, data: bytes, error: UnicodeDecodeError) -> DataError:
    """Name the line, and show how the text around it would look in the likeliest encoding."""
    line = data[: error.start].count(b"\n") + 1
    near = data[max(0, error.start - 20) : error.start + 20]
    shown = near.decode("cp1252", errors="replace").strip()
    return _broken(
        file,
        f"byte 0x{data[error.start]:02x} in line {line}, which is not {error.encoding}",
        f"Name the file's encoding. In encoding='cp1252' (Western Europe) it reads {shown!r}; "
        "if that is wrong, try 'latin-1', 'cp1250', 'cp1251', 'shift_jis', 'big5' or 'gb18030'.",
    )


def _delimiter(file: Path, text: str) -> str:
    """Return the delimiter most frequent in the header line, outside quotes."""
    header = next(line for line in text.split("\n") if line.strip())
    outside = "".join(header.split('"')[::2])
    return max(_DELIMITERS, key=outside.count)  # the first of equals: the comma


def _check_table(file: Path, text: str, delimiter: str) -> None:
    """Refuse lines of the wrong length: pandas would shift or fill them silently."""
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n':
        raise _broken(file, f"delimiter={delimiter!r}", "Pass one character, such as ';'.")
    limit = csv.field_size_limit(len(text) + 1)
    lines = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True, strict=True)
    records = ((lines.line_num, record) for record in lines if record)
    end = count = 0
    try:
        end, header = next(records)
        check_names([name for name in header if name], repr(str(file)))
        for count, (end, record) in enumerate(records, 1):  # noqa: B007
            if len(record) != len(header):
                raise _broken(
                    file,
                    f"fields in line {end}: {len(record)}, in the header: {len(header)}, "
                    f"delimiter={delimiter!r}",
                    "Repair the line: a delimiter or a quote is missing or too many, or lines "
                    "above the header have to go. Or pass another `delimiter`.",
                )
    except csv.Error as error:
        raise _broken(
            file, f"{error}, after line {end}", "Repair the quotes there; double those in a cell."
        ) from error
    finally:
        csv.field_size_limit(limit)
    if not count:
        raise _broken(file, f"a header ({', '.join(header)}) and no rows", "Add the rows.")


def check_names(names: list[Any], where: str) -> None:
    """Refuse columns of one name.

    Args:
        names: Of the columns.
        where: Said in the message.

    Raises:
        DataError: If a name occurs twice.
    """
    if twice := [str(name) for name, count in Counter(names).items() if count > 1]:
        raise DataError(
            problem(
                f"Expected columns of {where} with different names",
                f"twice or more: {', '.join(twice)}",
                "Rename them. If there is no header line, add one.",
            )
        )
