"""Tables that stay in columns, seen as a sequence of rows; and how they are encoded."""

from __future__ import annotations

import difflib
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, final, overload

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from redstart.data.batch import Encoded
from redstart.data.codec import Codec
from redstart.data.frame import Row, check_names, is_frame, read_csv
from redstart.errors import DataError, problem

__all__ = ["Table", "TableCodec", "in_row", "missing", "nearest", "read_table"]


_MANY = 50_000  # names that a wrong one is compared with at most


@final
class Table(Sequence[Row]):
    """A frame as a sequence of rows; nothing is copied, and rows are made when asked for.

    Args:
        frame: Of pandas, polars or pyarrow.

    Raises:
        DataError: If it is no frame, or two columns have one name.
    """

    __slots__ = ("_digest", "_places", "frame")

    def __init__(self, frame: Any) -> None:
        if not is_frame(frame):
            raise DataError(
                problem(
                    "Expected a table: pandas, polars or pyarrow",
                    f"frame={type(frame).__name__}",
                    "Make one with pandas.DataFrame(...), or read a file with read_table.",
                )
            )
        names = list(getattr(frame, "column_names", None) or frame.columns)
        check_names(names, "the table")
        self.frame: nw.DataFrame[Any] = nw.from_native(frame, eager_only=True)
        self._places = {name: place for place, name in enumerate(names)}
        self._digest = ""

    @classmethod
    def of(cls, items: Any) -> Table:
        """Make a table of whatever rows come as.

        Args:
            items: A frame; a path of a CSV or Parquet file; one row (a mapping, a pandas
                ``Series``), or a list of them.

        Raises:
            DataError: If it is none of these, or rows differ in their columns.
        """
        if isinstance(items, Table):
            return items
        if is_frame(items):
            return cls(items)
        if isinstance(items, str | PathLike):
            return cls(read_table(items))
        import pandas as pd

        alone = isinstance(items, Mapping | pd.Series) or not isinstance(items, Iterable)
        rows = [items] if alone else list(items)
        if len(rows) == 1 and is_frame(rows[0]):
            return cls(rows[0])
        mappings = [_as_mapping(row) for row in rows]
        _check_columns(mappings)
        return cls(pd.DataFrame(mappings))

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self._places)

    def column(self, name: str) -> nw.Series[Any]:
        """One column.

        Raises:
            DataError: If there is none of that name; suggests the nearest.
        """
        if name not in self._places:
            raise DataError(
                problem(
                    f"Expected a column {name!r}",
                    f"columns: {', '.join(map(str, self.names))}",
                    f"{nearest(name, self.names)}Add it, or check its name.",
                )
            )
        return self.frame.get_column(name)

    def take(self, rows: Sequence[int] | NDArray[np.intp]) -> Table:
        """Some of the rows, in the order given."""
        return Table(self.frame[np.asarray(rows, dtype=np.intp)].to_native())

    def digest(self) -> str:
        """SHA-256 of names and cells; the same for numbers and texts in any kind of frame."""
        if not self._digest:
            found = hashlib.sha256(repr(self.names).encode())
            for name in self.names:
                found.update(_bytes_of(self.column(name)))
            self._digest = found.hexdigest()
        return self._digest

    @overload
    def __getitem__(self, row: int) -> Row: ...
    @overload
    def __getitem__(self, row: slice) -> Table: ...
    def __getitem__(self, row: int | slice) -> Row | Table:
        if isinstance(row, slice):
            return self.take(range(*row.indices(len(self))))
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of a table of {len(self)} rows")
        row %= len(self)
        return Row(self._places, tuple(_plain(self.column(n)[row]) for n in self._places))

    def __len__(self) -> int:
        return len(self.frame)

    def __iter__(self) -> Iterator[Row]:
        for values in self.frame.iter_rows():
            yield Row(self._places, tuple(map(_plain, values)))

    def __repr__(self) -> str:
        return f"Table({len(self)} rows, columns: {', '.join(map(str, self.names))})"


class TableCodec(Codec[Row], ABC):
    """A codec of rows of a table, which encodes whole columns at a time."""

    @abstractmethod
    def encode_table(self, items: Sequence[Any]) -> Encoded:
        """Encode all rows at once into ``(N, ...)`` tensors.

        Args:
            items: A ``Table``, or what ``Table.of`` takes.
        """

    def load(self, item: Any) -> Row:
        """Take a row: a mapping, a pandas ``Series``, or a frame of one row.

        Raises:
            DataError: If it is not one row.
        """
        return item if isinstance(item, Row) else _one(Table.of([item]))

    def listed(self, items: Any) -> Sequence[Any]:
        """List rows: of a frame, a CSV or Parquet file, or a list of mappings."""
        return Table.of(items)

    def encode(self, raw: Row) -> Encoded:
        """Encode one row."""
        return tuple(t[0] for t in self.encode_table(Table.of([raw])))

    def identity(self, item: Any) -> str | None:
        """Nothing: rows are in memory."""
        return None


def read_table(
    path: str | PathLike[str], delimiter: str | None = None, encoding: str | None = None
) -> Any:
    """Read a CSV or Parquet file, told apart by what is in it, as a pandas frame.

    Args:
        path: The file. Parquet needs pyarrow.
        delimiter: Of a CSV file; see ``read_csv``.
        encoding: Likewise.

    Raises:
        DataError: If it cannot be read, naming file and line.
    """
    file = Path(path)
    if not _is_parquet(file):
        return read_csv(file, delimiter=delimiter, encoding=encoding)
    import pandas as pd

    try:
        return pd.read_parquet(file)
    except (ImportError, OSError, ValueError) as error:
        fix = "Run `pip install pyarrow`." if isinstance(error, ImportError) else "Write it again."
        raise DataError(
            problem(f"Expected to read the Parquet file {file}", f"{error}", fix)
        ) from error


def missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which cells are empty: ``None``, ``NaN``, ``NaT`` and the like."""
    import pandas as pd

    return np.asarray(pd.isna(values))


def in_row(bad: NDArray[np.bool_]) -> str:
    """Say in which row something is first, and in how many; nothing where there is one row.

    Args:
        bad: Whether it is in each row, ``(N,)``.
    """
    if len(bad) < 2:
        return ""
    more = f"; {n} such rows" if (n := int(bad.sum())) > 1 else ""
    return f" in row {int(bad.argmax())}{more}"


def nearest(name: Any, names: Iterable[Any]) -> str:
    """Suggest the name that was meant: a sentence and a space, or nothing."""
    wanted = str(name).casefold()
    folded = {text.casefold(): text for text in map(str, names)}
    likely = list(folded)
    if len(likely) > _MANY:
        # The comparison takes seconds for a million names.
        near = [n for n in likely if n[:1] == wanted[:1] and abs(len(n) - len(wanted)) < 3]
        likely = near[:_MANY]
    close = [wanted] if wanted in folded else difflib.get_close_matches(wanted, likely, n=1)
    return f"Did you mean {folded[close[0]]!r}? " if close else ""


def _plain(cell: Any) -> Any:
    """A number of NumPy's, which some frames hand out, as one of Python's."""
    return cell.item() if isinstance(cell, np.generic) else cell


def _as_mapping(row: Any) -> Mapping[Any, Any]:
    if isinstance(row, Mapping):
        return row
    if is_frame(row):
        return _one(Table(row))
    if hasattr(row, "to_dict"):
        found: Mapping[Any, Any] = row.to_dict()
        return found
    raise DataError(
        problem(
            "Expected a row: a mapping of column names to values, such as a dictionary",
            f"{type(row).__name__}: {row!r:.80}",
            "Write for example predict({'age': 42, 'job': 'admin'}), or pass `df.iloc[0]`.",
        )
    )


def _check_columns(rows: Sequence[Mapping[Any, Any]]) -> None:
    """Refuse rows that differ in their columns: what one lacks would be taken for missing."""
    names = dict.fromkeys(name for row in rows for name in row)
    for number, row in enumerate(rows):
        if len(row) < len(names):
            lacking = [str(name) for name in names if name not in row]
            raise DataError(
                problem(
                    "Expected rows with the same columns",
                    f"row {number} lacks {', '.join(lacking)}",
                    "Check the names; give None where a value is not known.",
                )
            )


def _one(table: Table) -> Row:
    if len(table) != 1:
        raise DataError(
            problem("Expected one row", f"{len(table)} rows", "Use `get_preds` for several.")
        )
    return table[0]


def _is_parquet(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(4) == b"PAR1"
    except OSError:
        return False  # `read_csv` says what is wrong


def _bytes_of(column: nw.Series[Any]) -> bytes:
    values = column.to_numpy()
    if values.dtype.kind in "biufmM":
        return str(values.dtype).encode() + np.ascontiguousarray(values).tobytes()
    import pandas as pd

    # Frames differ in what stands for a missing cell: None, NaN, NA.
    empty = missing(values)
    text = np.array([str(v) for v in np.where(empty, "", values)], dtype=object)
    return empty.tobytes() + pd.util.hash_array(text).tobytes()
