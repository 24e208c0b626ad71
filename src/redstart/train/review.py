"""Rows to review as a CSV file, and back with a person's verdicts."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from redstart.data.table import nearest
from redstart.errors import DataError, problem

__all__ = ["COLUMNS", "item_name", "parsed", "read", "write", "written"]

COLUMNS = ("row", "item", "given", "likely", "probability", "verdict", "label")

_RIGHT = ("ok", "right", "keep")
_WRONG = ("wrong",)
_DROP = ("drop", "remove", "leave out")
_SEVERAL = "; "


def write(path: Path, lines: Iterable[Sequence[Any]]) -> Path:
    """Write rows under ``COLUMNS``; what a person is to fill in stays empty.

    Args:
        path: Of the file; its folder is made where there is none.
        lines: Row number, item, given and likely label, probability.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # With a mark, without which Excel takes UTF-8 for something else.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        out = csv.writer(file)
        out.writerow(COLUMNS)
        out.writerows([*line, "", ""] for line in lines)
    return path


def read(
    path: Path, names: Mapping[int, str], parse: Callable[[str], Any], *, guess: bool = True
) -> dict[int, Any]:
    """Read verdicts.

    Args:
        path: The file, as a spreadsheet saved it: with commas, semicolons or tabs.
        names: What the items are called, by row number.
        parse: Makes a label of its text; a ``DataError`` says what is wrong with it.
        guess: Whether the likely label stands where a person wrote none.

    Returns:
        The new label of each row that a person found wrong, by row number; ``None`` for rows
        to be left out.

    Raises:
        DataError: If the file cannot be read, or something in it is not understood; names the
            line.
    """
    decided: dict[int, Any] = {}
    for line, cells in _lines(path):
        row = _row(path, line, cells, names)
        verdict, label = cells["verdict"].strip().lower(), cells["label"].strip()
        if verdict in _RIGHT or not (verdict or label):
            continue
        if verdict in _DROP:
            decided[row] = None
        elif verdict in _WRONG or not verdict:
            try:
                decided[row] = parse(label or (cells["likely"] if guess else ""))
            except DataError as error:
                raise DataError(f"{error} It is in line {line} of {str(path)!r}.") from error
        else:
            raise _wrong(
                path,
                line,
                f"verdict={cells['verdict']!r}",
                "Write ok, wrong or drop, or nothing.",
            )
    return decided


def written(label: Any) -> str:
    """A plain label as a cell."""
    if isinstance(label, list):
        return _SEVERAL.join(map(written, label))
    return f"{label:.8g}" if isinstance(label, float) else str(label)


def parsed(text: str, names: Sequence[Any], *, several: bool) -> Any:
    """A plain label of what a cell holds.

    Args:
        text: The cell.
        names: Labels that there are; empty for numbers.
        several: Whether a label is a list, with semicolons between.

    Raises:
        DataError: If it is none of the names, or no number.
    """
    if several:
        parts = [part.strip() for part in text.split(_SEVERAL.strip())]
        return [parsed(part, names, several=False) for part in parts if part]
    if names:
        known = {str(name): name for name in names}
        if text in known:
            return known[text]
        fix = f"{nearest(text, known)}Known labels: {', '.join(list(known)[:20])}."
        raise DataError(problem("Expected one of the labels known", f"label={text!r}", fix))
    try:
        value = float(text)
    except ValueError:
        fix = "Write it with a point and without signs of thousands."
        raise DataError(problem("Expected a number", f"label={text!r}", fix)) from None
    return int(value) if value.is_integer() and "." not in text else value


def item_name(name: str, read_from: Any, path: Path) -> str:
    """What a row is called in the file: its path below the folder of the data, if it has one."""
    if isinstance(read_from, str | os.PathLike) and Path(name).is_relative_to(path):
        return Path(name).relative_to(path).as_posix()
    return " ".join(name.split())[:200]


def _lines(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        fix = "Save it as CSV in UTF-8."
        raise DataError(
            problem(f"Expected a reviewed file {str(path)!r}", str(error), fix)
        ) from error
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
        raise DataError(
            problem(
                f"Expected the columns {', '.join(COLUMNS)} in {str(path)!r}",
                f"no {', '.join(missing)}",
                "Fill in the file that `to_csv` wrote.",
            )
        )
    found = []
    for cells in reader:
        if any(cells.get(name) is None for name in COLUMNS):
            raise _wrong(path, reader.line_num, "fewer cells than columns", "Repair the line.")
        found.append((reader.line_num, {name: cells[name] or "" for name in COLUMNS}))
    return found


def _row(path: Path, line: int, cells: Mapping[str, str], names: Mapping[int, str]) -> int:
    text = cells["row"].strip()
    row = int(text) if text.isdecimal() else -1
    if names.get(row) != cells["item"]:
        there = f"; row {row} is {names[row]!r}" if row in names else ""
        raise _wrong(
            path,
            line,
            f"row={text!r}, item={cells['item']!r}{there}",
            "Review the file that `to_csv` wrote for these loaders.",
        )
    return row


def _wrong(path: Path, line: int, got: str, fix: str) -> DataError:
    return DataError(problem(f"Expected a reviewed row in line {line} of {str(path)!r}", got, fix))
