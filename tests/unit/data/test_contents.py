"""The hash of what rows hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from redstart.data.contents import contents_of
from redstart.data.dataset import Source
from redstart.data.table import Table


def write(folder: Path, texts: list[str]) -> list[Path]:
    folder.mkdir()
    files = []
    for i, text in enumerate(texts):
        (folder / f"{i}").write_text(text)
        files.append(folder / f"{i}")
    return files


def test_neither_order_nor_place_matters_but_contents_and_labels_do(tmp_path: Path) -> None:
    here, there = (write(tmp_path / name, ["a", "b", "c"]) for name in ("here", "there"))
    one = contents_of(Source(here, here, list("xyz")), [0, 1, 2])
    assert one == contents_of(Source(there, there, list("xyz")), [2, 0, 1])
    assert one != contents_of(Source(there, there, list("xyx")), [0, 1, 2])
    assert one != contents_of(Source(there, there, list("xyz")), [0, 1])
    there[1].write_text("B")
    assert one != contents_of(Source(there, there, list("xyz")), [0, 1, 2])


def test_rows_of_a_table_are_known_by_their_cells() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})
    one = contents_of(Source(Table(frame), Table(frame), None), [0, 1])
    other = Table(frame.iloc[::-1].reset_index(drop=True))
    assert one == contents_of(Source(other, other, None), [1, 2])
    assert one != contents_of(Source(other, other, None), [0, 1])
    assert one != contents_of(Source(Table(frame), Table(frame.assign(a=4)), None), [0, 1])


def test_arrays_in_memory_are_known_by_their_numbers() -> None:
    items = [np.arange(4), np.arange(4.0)]
    whole = [contents_of(Source(items, items, None), [row]) for row in (0, 1)]
    assert whole[0] != whole[1]


def test_corrected_labels_of_a_table_are_part_of_what_it_holds() -> None:
    frame = Table(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}))
    as_it_was = contents_of(Source(frame, frame, np.array(["x", "y"])), [0, 1])
    corrected = Source(frame, frame, np.array(["x", "x"]), corrected="a patch")
    assert contents_of(corrected, [0, 1]) != as_it_was


def test_rows_have_short_hashes_of_their_own(tmp_path: Path) -> None:
    from redstart.data.contents import row_hashes

    files = write(tmp_path / "here", ["a", "b", "a"])
    one, two, three = row_hashes(Source(files, files, list("xyz")), [0, 1, 2])
    assert one == three != two
    frame = Table(pd.DataFrame({"a": [1, 2, 1]}))
    one, two, three = row_hashes(Source(frame, frame, None), [0, 1, 2])
    assert one == three != two
