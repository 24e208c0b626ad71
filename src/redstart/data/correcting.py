"""Corrections of labels meet the rows they are about."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, final

import numpy as np

from redstart.data.apportion import some
from redstart.data.contents import content
from redstart.data.corrections import Correction, Corrections, plain_label, same_label
from redstart.data.dataset import Source
from redstart.data.frame import Row
from redstart.data.split import Split
from redstart.data.table import nearest
from redstart.data.target import Labels
from redstart.errors import DataError, problem

__all__ = ["Applied", "apply", "corrected", "identity"]

log = logging.getLogger("redstart")

_PARTS = ("train", "valid", "test")


@final
@dataclass(frozen=True, slots=True)
class Applied:
    """A source with corrected labels.

    Attributes:
        source: All rows; their numbers are as before.
        changed: Rows with another label.
        dropped: Rows that are to be left out of the split.
    """

    source: Source
    changed: tuple[int, ...]
    dropped: tuple[int, ...]

    def say(self, split: Split) -> None:
        """Log how many rows of each part it touches; sealed test rows may be among them."""
        touched = {*self.changed, *self.dropped}
        if not touched:
            return
        sizes = {name: len(touched.intersection(getattr(split, name))) for name in _PARTS}
        parts = ", ".join(f"{n} of {name}" for name, n in sizes.items() if n)
        log.info(
            "Labels corrected: %d; rows left out: %d (%s).",
            len(self.changed),
            len(self.dropped),
            parts or "none of them in use",
        )
        if n := sizes["test"]:
            log.warning(
                "%d sealed test row%s corrected: earlier figures of the test set are of other "
                "labels.",
                n,
                " is" if n == 1 else "s are",
            )


def corrected(
    source: Source,
    split: Split,
    corrections: str | Path | Corrections | None,
    *,
    path: str | Path,
    labels: Sequence[str] = (),
) -> tuple[Source, Split]:
    """Apply a file of corrections to rows that are labelled and split, and log what it did.

    The split is made before, so that rows stay in their parts whatever is corrected.

    Args:
        source: All rows.
        split: Of them.
        corrections: The file, relative to the working folder or to ``path``; ``None`` for none.
        path: The folder of the data.
        labels: Columns that are predicted, of rows of a table.

    Raises:
        DataError: If the file cannot be read, or does not fit the rows.
    """
    if corrections is None:
        return source, split
    if not isinstance(corrections, Corrections):
        here, beside = Path(corrections), Path(path) / corrections
        corrections = Corrections.load(beside if beside.exists() and not here.exists() else here)
    found = apply(corrections, source, path, labels)
    found.say(split)
    return found.source, split.without_rows(found.dropped) if found.dropped else split


def apply(
    corrections: Corrections, source: Source, path: str | Path, labels: Sequence[str] = ()
) -> Applied:
    """Correct labels; what is as it should be already stays.

    Args:
        corrections: Which, and how.
        source: All rows. It is not changed.
        path: The folder that files are named below.
        labels: Columns that are predicted, of rows of a table.

    Raises:
        DataError: If a row is not there, or its label is neither what it was nor what it
            should be.
    """
    rows = _rows(corrections, source, Path(path), labels)
    raws = _copied(source.raws)
    known = _names(source.raws)
    changed, dropped = list[int](), list[int]()
    for row, entry in zip(rows, corrections, strict=True):
        now = plain_label(raws[row])
        if same_label(now, entry.was) and entry.drop:
            dropped.append(row)
        elif same_label(now, entry.was):
            raws[row] = _like(raws, row, entry)
            changed.append(row)
            _say_new(entry, known)
        elif entry.drop or not same_label(now, entry.to):
            raise _other_label(source.name(row), entry, now)
    new = replace(source, raws=raws, corrected=corrections.digest)
    return Applied(new, tuple(changed), tuple(dropped))


def identity(
    source: Source, row: int, path: str | Path, labels: Sequence[str] = ()
) -> dict[str, Any]:
    """What a row goes by: ``item``, or ``row`` and ``content``, for a ``Correction``.

    Args:
        source: All rows.
        row: Row number.
        path: The folder that files are named below.
        labels: Columns that are predicted, of rows of a table.
    """
    read = source.inputs[row]
    if name := _file(read, Path(path)):
        return {"item": name}
    return {"row": row, "content": _hash(read, labels)}


def _rows(corrections: Corrections, source: Source, path: Path, labels: Sequence[str]) -> list[int]:
    """The row of every entry."""
    files = dict[str, int]()
    if any(entry.item for entry in corrections):
        files = {_file(read, path): row for row, read in enumerate(source.inputs)}
    hashes = dict[str, list[int]]()
    found = list[int]()
    for entry in corrections:
        row = files.get(entry.item, -1) if entry.item else entry.row
        if not entry.item and not _holds(source, row, entry.content, labels):
            if not hashes:
                for number, read in enumerate(source.inputs):
                    hashes.setdefault(_hash(read, labels), []).append(number)
            same = hashes.get(entry.content, ())
            row = same[0] if len(same) == 1 else -1
        found.append(row)
    lost = [entry.key for entry, row in zip(corrections, found, strict=True) if row < 0]
    if lost:
        raise DataError(
            problem(
                f"Expected every row that is corrected among the {len(source.items)} rows",
                f"not there, or changed: {some(lost)}",
                f"Check that the data lies in {str(path)!r} as it did when it was reviewed, or "
                "take them out: Corrections.load(file).without([...]).save(file).",
            )
        )
    return found


def _other_label(name: str, entry: Correction, now: Any) -> DataError:
    return DataError(
        problem(
            f"Expected the label {entry.was!r} of {name}, as it was when it was corrected",
            f"{now!r}",
            f"The data has changed since: review the row again, or take {entry.key!r} out of "
            "the corrections.",
        )
    )


def _file(read: Any, path: Path) -> str:
    """The path of a file below the folder; its whole path if it lies elsewhere, "" if none."""
    if not isinstance(read, str | os.PathLike):
        return ""
    file = Path(read)
    if file.is_relative_to(path):
        return file.relative_to(path).as_posix()
    whole, folder = os.path.abspath(file), os.path.abspath(path)
    inside = whole.startswith(folder.rstrip(os.sep) + os.sep)
    return Path(os.path.relpath(whole, folder) if inside else whole).as_posix()


def _hash(read: Any, labels: Sequence[str]) -> str:
    """A short hash of what a row holds, without what is predicted."""
    if isinstance(read, Row):
        kept = {str(name): str(value) for name, value in read.items() if name not in labels}
        return sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]
    return sha256(content(read).encode()).hexdigest()[:16]


def _holds(source: Source, row: int, said: str, labels: Sequence[str]) -> bool:
    return 0 <= row < len(source.items) and _hash(source.inputs[row], labels) == said


def _copied(raws: Labels | None) -> Any:
    if raws is None:
        raise DataError(
            problem("Expected rows with labels to correct", "none", "Leave `corrections` out.")
        )
    if not isinstance(raws, np.ndarray):
        return list(raws)
    # A fixed width of letters would cut a longer name short.
    return raws.astype(object) if raws.dtype.kind in "US" else raws.copy()


def _like(raws: Any, row: int, entry: Correction) -> Any:
    """The new label, of the kind that the others are."""
    old, label = raws[row], entry.to
    if isinstance(raws, np.ndarray) and raws.dtype.kind in "biuf":
        if not _numbers(label) or np.shape(label) != np.shape(old):
            raise DataError(
                problem(
                    f"Expected {np.size(old)} number(s) as the label of {entry.key}",
                    f"to={label!r}",
                    "Mend the file of corrections.",
                )
            )
        return label
    if isinstance(old, np.ndarray):
        return np.asarray(label, dtype=old.dtype)
    if isinstance(old, tuple | set | frozenset) and isinstance(label, list):
        return type(old)(label)
    return label


def _numbers(label: Any) -> bool:
    return all(isinstance(v, int | float) for v in (label if isinstance(label, list) else [label]))


def _names(raws: Labels | None) -> frozenset[str]:
    """Labels that the data has, where they are text."""
    return frozenset(raw for raw in (() if raws is None else raws) if isinstance(raw, str))


def _say_new(entry: Correction, known: frozenset[str]) -> None:
    if known and isinstance(entry.to, str) and entry.to not in known:
        hint = nearest(entry.to, known)
        log.warning(
            "The label of %s was corrected to %r, which no row had. %s", entry.key, entry.to, hint
        )
