"""Items from a folder, and labels from items."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

from redstart.data.frame import is_missing
from redstart.errors import ConfigError, DataError, problem

__all__ = [
    "IMAGE_EXTENSIONS",
    "ColReader",
    "RegexLabeller",
    "get_files",
    "get_image_files",
    "parent_label",
    "using_attr",
]

PathLike = str | os.PathLike[str]

IMAGE_EXTENSIONS = frozenset(
    f".{ending}"
    for ending in (
        *("jpg", "jpeg", "jpe", "jfif", "pjpeg", "pjp", "png", "apng", "webp", "avif", "gif"),
        *("tif", "tiff", "bmp", "dib", "jp2", "j2k", "jpx", "tga", "ico", "ppm", "pgm", "pbm"),
        "pnm",
    )
)
"""File name endings of pictures that Pillow opens."""


def get_files(
    path: PathLike,
    extensions: Iterable[str] | None = None,
    *,
    recurse: bool = True,
    folders: Sequence[str] | None = None,
) -> list[Path]:
    """List the files of a folder, sorted, without hidden ones (``.name``).

    Linked folders are followed, but none is listed twice. A link to a file that is gone
    is listed, so that opening it reports it; pipes and devices are not.

    Args:
        path: The folder.
        extensions: Endings to keep, such as ``".jpg"``, in any case; ``None`` keeps all.
        recurse: Whether to go into subfolders.
        folders: Look only into these subfolders of ``path``; at least one must exist.

    Returns:
        Paths that begin with ``path``, as it was given.

    Raises:
        DataError: If ``path`` is missing, not a folder or not readable, or has none of
            ``folders``.
    """
    root = Path(path)
    if not root.is_dir():
        raise DataError(
            problem(
                "Expected a folder",
                f"path={str(root)!r}, {'a file' if root.exists() else 'which does not exist'}",
                f"Check the path; the current folder is {os.getcwd()!r}.",
            )
        )
    kept = None if extensions is None else _endings(extensions)
    roots = [root] if folders is None else _subfolders(root, folders)
    seen: set[str] = set()
    files = (file for folder in roots for file in _walk(folder, recurse=recurse, seen=seen))
    return sorted(
        (file for file in files if kept is None or file.suffix.lower() in kept),
        key=lambda file: file.as_posix(),
    )


def get_image_files(
    path: PathLike, recurse: bool = True, folders: Sequence[str] | None = None
) -> list[Path]:
    """List the pictures of a folder, by ``IMAGE_EXTENSIONS``.

    Args:
        path: The folder.
        recurse: Whether to go into subfolders.
        folders: Look only into these subfolders of ``path``; at least one must exist.

    Returns:
        Sorted paths; see ``get_files``.
    """
    return get_files(path, IMAGE_EXTENSIONS, recurse=recurse, folders=folders)


def _endings(extensions: Iterable[str]) -> set[str]:
    names = [extensions] if isinstance(extensions, str) else extensions
    return {"." + name.lower().removeprefix(".") for name in names}


def _subfolders(root: Path, folders: Sequence[str]) -> list[Path]:
    found = [root / name for name in folders if (root / name).is_dir()]
    if not found:
        there = sorted(p.name for p in root.iterdir() if p.is_dir() and p.name[0] != ".")
        raise DataError(
            problem(
                f"Expected one of the folders {', '.join(folders)} in {str(root)!r}",
                f"folders there: {', '.join(there[:10]) or 'none'}",
                "Name those that hold the files, or leave `folders` out.",
            )
        )
    return found


def _walk(folder: Path, *, recurse: bool, seen: set[str]) -> Iterator[Path]:
    """Yield files depth first; ``seen`` holds the real paths of folders already listed."""
    pending = [folder]
    while pending:
        current = pending.pop()
        real = os.path.realpath(current)
        if real in seen:
            continue
        seen.add(real)
        try:
            names = sorted(os.listdir(current), reverse=True)
        except OSError as error:
            raise DataError(
                problem(
                    "Expected a readable folder",
                    f"path={str(current)!r}, {error.strerror}",
                    "Change its permissions, or move it elsewhere.",
                )
            ) from error
        for name in names:
            file = current / name
            if name.startswith("."):
                continue
            if file.is_dir():
                if recurse:
                    pending.append(file)
            elif file.is_file() or not file.exists():
                yield file


def parent_label(item: PathLike) -> str:
    """Return the name of the folder that holds the file.

    Raises:
        DataError: If the path names no folder.
    """
    label = Path(item).parent.name
    if not label:
        raise DataError(
            problem(
                "Expected a file in a folder named after its label",
                f"item={str(item)!r}",
                "Use paths such as 'photos/cat/1.jpg', or another label function.",
            )
        )
    return label


@final
@dataclass(frozen=True)
class RegexLabeller:
    """Take the label from a path with a regular expression: its first group.

    Attributes:
        pattern: The expression, with at least one group in parentheses. Folders are
            separated by ``/`` on every system.
        match: Whether it must match from the start, rather than anywhere.
    """

    pattern: str | re.Pattern[str]
    match: bool = False

    def __post_init__(self) -> None:
        try:
            groups = re.compile(self.pattern).groups
        except re.error as error:
            raise ConfigError(
                problem(
                    "Expected a regular expression",
                    f"pattern={self.pattern!r}, {error}",
                    "Repair it; write it as r'...'.",
                )
            ) from error
        if not groups:
            raise ConfigError(
                problem(
                    "Expected a pattern with a group for the label",
                    f"pattern={self.pattern!r}",
                    "Put the label's part in parentheses: r'(.+)_\\d+.jpg$'.",
                )
            )

    def __call__(self, item: Any) -> str:
        """Return the label of a path, or of a string.

        Raises:
            DataError: If the pattern does not match, naming the item.
        """
        text = str(item).replace(os.sep, "/")
        expression = re.compile(self.pattern)
        found = expression.match(text) if self.match else expression.search(text)
        label: str | None = found.group(1) if found else None
        if label is None:
            raise DataError(
                problem(
                    f"Expected the pattern {expression.pattern!r} to find a label",
                    f"item={text!r}",
                    "Change the pattern, or leave that file out.",
                )
            )
        return label


def using_attr(f: Callable[[Any], Any], attr: str) -> Callable[[Any], Any]:
    """Make ``f`` work on an attribute: ``using_attr(f, "name")(path)`` is ``f(path.name)``."""
    return partial(_on_attribute, f, attr)  # not a closure: loader workers copy it


def _on_attribute(f: Callable[[Any], Any], attr: str, item: Any) -> Any:
    return f(getattr(item, attr))


@final
@dataclass(frozen=True)
class ColReader:
    """Read one cell or several of a table row.

    Rows are mappings (``Row``, ``dict``), namedtuples or pandas Series.

    Attributes:
        cols: A column name, or its position, or a list of these (then lists come back).
        pref: Put before the cell; a folder given as a ``Path`` is joined with ``/``.
        suff: Put after the cell.
        label_delim: Split the cell at this into a list of labels; a missing or empty
            cell is an empty list.
    """

    cols: str | int | Sequence[str | int]
    pref: PathLike = ""
    suff: str = ""
    label_delim: str | None = None

    def __call__(self, row: Any) -> Any:
        """Return the cell, or a list of cells where ``cols`` is a list.

        Raises:
            DataError: If there is no such column, or a cell to be put between ``pref``
                and ``suff`` is missing.
        """
        if isinstance(self.cols, str | int):
            return self._read(row, self.cols)
        return [self._read(row, col) for col in self.cols]

    def _read(self, row: Any, col: str | int) -> Any:
        value = _cell(row, col)
        missing = is_missing(value)
        if self.label_delim is not None:
            text = "" if missing else str(value)
            return text.split(self.label_delim) if text else []
        if not self.pref and not self.suff:
            return value
        if missing:
            raise DataError(
                problem(
                    f"Expected a value in column {col!r}",
                    f"row={row!r}",
                    "Fill it in, or drop the row.",
                )
            )
        pref = self.pref if isinstance(self.pref, str) else f"{os.fspath(self.pref)}{os.sep}"
        return f"{pref}{value}{self.suff}"


def _cell(row: Any, col: str | int) -> Any:
    if isinstance(row, Mapping) and col in row:
        return row[col]
    names = _columns(row)
    if col in names:
        return getattr(row, str(col)) if hasattr(row, "_fields") else row[col]
    if isinstance(col, int) and -len(names) <= col < len(names):
        return tuple(row.values() if isinstance(row, Mapping) else row)[col]
    raise DataError(
        problem(
            f"Expected a column {col!r}",
            f"columns={', '.join(map(str, names))}",
            "Name one of these, or give its position.",
        )
    )


def _columns(row: Any) -> list[Any]:
    if isinstance(row, Mapping):
        return list(row)
    if hasattr(row, "_fields"):
        return list(row._fields)
    if hasattr(row, "iloc"):  # a pandas Series, without importing pandas
        return list(row.index)
    raise DataError(
        problem(
            "Expected a row of a table: a mapping, a namedtuple or a pandas Series",
            f"row={row!r} ({type(row).__name__})",
            "Pass the table itself, or list its rows with rows_of(table).",
        )
    )
