from __future__ import annotations

import os
import re
from collections import namedtuple
from pathlib import Path, PurePosixPath

import pandas as pd
import pytest

from redstart.data.frame import rows_of
from redstart.data.items import (
    IMAGE_EXTENSIONS,
    ColReader,
    RegexLabeller,
    get_files,
    get_image_files,
    parent_label,
    using_attr,
)
from redstart.errors import ConfigError, DataError


def fill(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def names(root: Path, files: list[Path]) -> list[str]:
    return [file.relative_to(root).as_posix() for file in files]


# ---- get_files


def test_files_are_sorted_and_hidden_ones_left_out(tmp_path: Path) -> None:
    fill(tmp_path, "b/2.jpg", "b/1.JPG", "a/x/3.txt", "0.jpg", "none")
    fill(tmp_path, ".hidden.jpg", ".git/4.jpg", "b/._1.jpg")
    assert names(tmp_path, get_files(tmp_path)) == [
        "0.jpg", "a/x/3.txt", "b/1.JPG", "b/2.jpg", "none",
    ]  # fmt: skip
    assert names(tmp_path, get_files(str(tmp_path), [".jpg"])) == ["0.jpg", "b/1.JPG", "b/2.jpg"]
    assert names(tmp_path, get_files(tmp_path, "TXT")) == ["a/x/3.txt"]
    assert names(tmp_path, get_files(tmp_path, recurse=False)) == ["0.jpg", "none"]
    assert get_files(tmp_path, [".png"]) == []


def test_paths_begin_as_they_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "data/a/1.jpg")
    monkeypatch.chdir(tmp_path)
    assert get_files("data") == [Path("data/a/1.jpg")]


def test_only_some_folders(tmp_path: Path) -> None:
    tmp_path = tmp_path / "data"
    fill(tmp_path, "train/a/1.jpg", "valid/a/2.jpg", "raw/3.jpg", "4.jpg", ".cache/5.jpg")
    found = get_image_files(tmp_path, True, ["valid", "train", "test"])
    assert names(tmp_path, found) == ["train/a/1.jpg", "valid/a/2.jpg"]
    assert get_image_files(tmp_path, False, ["train"]) == []
    with pytest.raises(DataError, match=r"folders training, val in .*there: raw, train, valid\. "):
        get_files(tmp_path, folders=["training", "val"])


def test_images_by_their_endings(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpeg", "b.WebP", "c.txt", "d.avif", "e.jpg.part", "f.tiff", "g.mp4", "h")
    assert names(tmp_path, get_image_files(tmp_path)) == ["a.jpeg", "b.WebP", "d.avif", "f.tiff"]


def test_endings_are_those_pillow_opens() -> None:
    from PIL import Image

    Image.init()
    opened = {end for end, kind in Image.EXTENSION.items() if kind in Image.OPEN}
    assert IMAGE_EXTENSIONS - opened == {".pjpeg", ".pjp"}  # browsers' other names of JPEG


def test_links_are_followed_once_and_loops_are_not(tmp_path: Path) -> None:
    fill(tmp_path, "store/cat/1.jpg", "data/dog/2.jpg")
    data = tmp_path / "data"
    (data / "cat").symlink_to(tmp_path / "store" / "cat")
    (data / "cat_again").symlink_to(tmp_path / "store" / "cat")
    (data / "dog" / "up").symlink_to(data)
    (data / "dog" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert names(data, get_files(data)) == ["cat/1.jpg", "dog/2.jpg", "dog/gone.jpg"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_pipes_are_left_alone(tmp_path: Path) -> None:
    fill(tmp_path, "1.jpg")
    os.mkfifo(tmp_path / "2.jpg")
    assert names(tmp_path, get_files(tmp_path)) == ["1.jpg"]


def test_folders_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "a.jpg")
    with pytest.raises(DataError, match=r"missing', which does not exist.*current folder"):
        get_files(tmp_path / "missing")
    with pytest.raises(DataError, match=r"Expected a folder.*a\.jpg', a file"):
        get_image_files(tmp_path / "a.jpg")

    def refuse(path: object) -> list[str]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(DataError, match=r"a readable folder.*Permission denied"):
        get_files(tmp_path)


# ---- labels


def test_parent_label() -> None:
    assert parent_label(Path("data/cat/1.jpg")) == "cat"
    assert parent_label("data/a dog/x/../1.jpg") == ".."
    with pytest.raises(DataError, match=r"folder named after its label.*item='1\.jpg'"):
        parent_label("1.jpg")


def test_regex_labeller_searches_the_path() -> None:
    label = RegexLabeller(r"/([^/]+)_\d+\.jpg$")
    assert label(Path("x/great_pyrenees_173.jpg")) == "great_pyrenees"
    assert label(PurePosixPath("x/y/pug_1.jpg")) == "pug"
    assert using_attr(RegexLabeller(r"(.+)_\d+.jpg$"), "name")(Path("x/pug_1.jpg")) == "pug"
    assert RegexLabeller(r"(\w)", match=True)("ab") == "a"
    assert RegexLabeller(re.compile("(B)", re.IGNORECASE))("ab") == "b"


def test_regex_labeller_names_the_file_and_the_pattern() -> None:
    with pytest.raises(DataError, match=r"'\(\\\\d\+\)' to find a label.*item='x/pug\.jpg'"):
        RegexLabeller(r"(\d+)")(Path("x/pug.jpg"))
    with pytest.raises(DataError, match="to find a label"):
        RegexLabeller(r"(b)", match=True)("ab")
    with pytest.raises(DataError, match="to find a label"):
        RegexLabeller(r"a(b)?")("ac")
    with pytest.raises(ConfigError, match=r"Expected a regular expression.*'\('"):
        RegexLabeller("(")
    with pytest.raises(ConfigError, match=r"a group for the label.*pattern='cat'"):
        RegexLabeller("cat")


# ---- ColReader

FRAME = pd.DataFrame({"fname": ["a", "b"], "tags": ["x y", None], "n": [1.5, float("nan")]})
Item = namedtuple("Item", ["fname", "tags", "n"])


@pytest.mark.parametrize(
    "row",
    [
        rows_of(FRAME)[0],
        FRAME.iloc[0],
        next(FRAME.itertuples(index=False)),
        {"fname": "a", "tags": "x y", "n": 1.5},
        Item("a", "x y", 1.5),
    ],
)
def test_cells_by_name_and_position(row: object) -> None:
    assert ColReader("fname")(row) == ColReader(0)(row) == ColReader(-3)(row) == "a"
    assert ColReader(2)(row) == 1.5
    assert ColReader(["n", "fname"])(row) == [1.5, "a"]
    assert ColReader("fname", "img/", ".jpg")(row) == "img/a.jpg"
    assert ColReader("fname", pref=Path("img"), suff=".jpg")(row) == f"img{os.sep}a.jpg"
    assert ColReader("tags", label_delim=" ")(row) == ["x", "y"]
    for col in ("label", 3, -4):
        with pytest.raises(DataError, match=rf"column {col!r}\. Got: columns=fname, tags, n\."):
            ColReader(col)(row)


def test_a_number_that_is_a_name_is_the_name() -> None:
    row = pd.DataFrame({1: ["a"], 0: ["b"]}).iloc[0]
    assert ColReader(1)(row) == "a"


def test_missing_cells() -> None:
    row = rows_of(FRAME)[1]
    assert ColReader("tags", label_delim=" ")(row) == []
    assert ColReader("t", label_delim=" ")({"t": ""}) == []
    assert ColReader("n")(row) != ColReader("n")(row)  # NaN, as it is
    with pytest.raises(DataError, match=r"a value in column 'tags'.*fname='b'"):
        ColReader("tags", pref="img/")(row)


def test_what_is_not_a_row() -> None:
    with pytest.raises(DataError, match=r"row of a table.*row='a\.jpg' \(str\)"):
        ColReader("fname")("a.jpg")
