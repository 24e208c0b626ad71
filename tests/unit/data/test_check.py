from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from data_kit import Numbers, counted, numbers, picture, pictures

from redstart.data.block import DataBlock
from redstart.data.check import BadItem, CheckReport, check
from redstart.data.items import get_image_files, parent_label
from redstart.data.loaders import DataLoaders
from redstart.data.split import GrandparentSplitter
from redstart.errors import DataError
from redstart.home import home
from redstart.targets.category import CategoryBlock
from redstart.vision.codec import ImageBlock, ImageCodec
from redstart.vision.resize import RandomResizedCrop, Resize


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for part in ("train", "valid", "test"):
        pictures(tmp_path / "p" / part)
    return tmp_path / "p"


def load(root: Path, tfm: Any = None, **options: Any) -> DataLoaders:
    block = DataBlock(
        (ImageBlock, CategoryBlock),
        get_image_files,
        get_y=parent_label,
        splitter=GrandparentSplitter(),
        item_tfms=tfm or Resize(8),
    )
    return block.dataloaders(root, num_workers=2, device="cpu", **options)


def spoil(root: Path) -> dict[str, bytes]:
    """Three kinds of broken file, one in each part; the bytes they have then."""
    whole = (root / "train/red/0.png").read_bytes()
    broken = {
        "train/red/1.png": whole[: len(whole) // 2],
        "valid/blue/2.png": b"",
        "test/red/3.jpg": b"just some words, saved under another name",
    }
    for name, data in broken.items():
        (root / name).write_bytes(data)
    return broken


def test_a_good_folder_has_nothing_to_say(root: Path) -> None:
    dls = load(root)
    clean, report = check(dls)
    assert clean is dls
    assert report == CheckReport(24, 0, ())
    assert report.ok
    assert str(report).startswith("24 rows read, 0 unreadable")


@pytest.mark.parametrize("tfm", [Resize(8), RandomResizedCrop(8)])
def test_broken_files_are_listed_with_reason_and_part_and_set_aside(root: Path, tfm: Any) -> None:
    broken = spoil(root)
    dls = load(root, tfm)
    clean, report = check(dls)
    assert not report.ok
    assert (report.rows, report.remembered) == (25, 0)
    assert {(b.part, b.item) for b in report.bad} == {
        (name.split("/")[0], str(root / name)) for name in broken
    }
    for bad in report.bad:
        assert str(dls.items[bad.index]) == bad.item
        assert Path(bad.item).name in bad.reason and len(bad.reason) > 20
    said = {b.part: b.reason for b in report.bad}
    assert len(set(said.values())) == 3
    for part, reason in said.items():
        assert f"set aside ({part}): " in str(report) and reason in str(report)
    gone = {b.index for b in report.bad}
    before, after = dls.parts(), clean.parts()
    assert after == {p: tuple(r for r in rows if r not in gone) for p, rows in before.items()}
    for loader in (clean.train, clean.valid, clean.sealed):
        list(loader)
    assert {name: (root / name).read_bytes() for name in broken} == broken, "never touched"


def test_what_was_read_stays_in_memory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dls, _ = check(load(root))
    loads = counted(monkeypatch, ImageCodec, "load")
    list(dls.train), list(dls.valid)
    assert loads == []


def test_a_second_check_decodes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = counted(monkeypatch, ImageCodec, "load")
    check(load(root))
    assert len(loads) == 24
    loads.clear()
    _, report = check(load(root))
    assert loads == [] and report.remembered == report.rows == 24


def test_only_what_changed_or_cannot_be_read_is_read_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(root)
    check(load(root))
    os.utime(root / "train/blue/0.png", ns=(5, 5))
    picture(root / "valid/red/0.png", (1, 2, 3), 9)
    picture(root / "valid/red/new.png")
    (root / "train/blue/1.png").write_bytes(b"broken since")
    loads = counted(monkeypatch, ImageCodec, "load")
    _, report = check(load(root))
    names = {str(Path(file).relative_to(root)) for file in loads}
    assert names == {
        "train/blue/0.png",
        "valid/red/0.png",
        "valid/red/new.png",
        "train/blue/1.png",
        "train/red/1.png",
        "valid/blue/2.png",
        "test/red/3.jpg",
    }
    assert len(loads) == len(names)
    assert len(report.bad) == 4 and report.rows - report.remembered == 7


def test_rows_read_another_way_are_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(load(root))
    loads = counted(monkeypatch, ImageCodec, "load")
    check(load(root, Resize(6)))
    assert len(loads) == 24


@pytest.mark.parametrize("part", ["train", "valid"])
def test_a_part_without_one_readable_row_is_an_error(root: Path, part: str) -> None:
    for file in (root / part).glob("*/*.png"):
        file.write_bytes(b"")
    (root / "train/blue/0.png").write_bytes(b"")
    message = rf"readable row in the {part} part. Got: 8 unreadable rows, the first \S+{part}.blue"
    with pytest.raises(DataError, match=message):
        check(load(root))


def test_a_test_part_without_a_readable_row_is_only_set_aside(root: Path) -> None:
    for file in (root / "test").glob("*/*.png"):
        file.write_bytes(b"")
    clean, report = check(load(root))
    assert "test" not in clean.parts() and len(report.bad) == 8


def test_classes_without_a_row_in_train_or_valid_are_named(root: Path) -> None:
    for i in range(4):
        (root / f"valid/red/{i}.png").unlink()
        (root / f"train/blue/{i}.png").write_bytes(b"")
    picture(root / "train/green/0.png")
    clean, _ = check(load(root))
    said = "\n".join(f.said for f in clean.audit().findings)
    assert "blue" in said and "green" in said and "red" in said


def test_rows_that_are_no_files_are_read_each_time() -> None:
    codec = Numbers()
    items = [(-1.0 if k == 7 else float(k), "ab"[k % 2]) for k in range(20)]
    dls = numbers(codec=codec, items=items, cache_bytes=0, test=(4, 5))
    for reads in (20, 40):
        clean, report = check(dls)
        assert report.bad == (BadItem(7, "train", "(-1.0, 'b')", "cannot read -1.0"),)
        assert len(codec.log) == reads and report.remembered == 0
    assert 7 not in clean.parts()["train"]


def test_an_operating_systems_error_is_a_row_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(self: Numbers, item: float) -> float:
        if item == 9:
            raise OSError("the network is gone")
        return item

    monkeypatch.setattr(Numbers, "load", load)
    _, report = check(numbers())
    assert [(b.index, b.reason) for b in report.bad] == [(9, "the network is gone")]


def test_a_mistake_in_the_code_is_not_taken_for_a_broken_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(self: Numbers, item: float) -> float:
        raise AttributeError("a bug")

    monkeypatch.setattr(Numbers, "load", load)
    with pytest.raises(AttributeError, match="a bug"):
        check(numbers())


@pytest.mark.parametrize("kept", ["not json", "5", "[[1]]", ""])
def test_a_memory_that_does_not_read_is_no_memory(root: Path, kept: str) -> None:
    check(load(root))
    (file,) = home("seen").glob("*")
    file.write_text(kept)
    _, report = check(load(root))
    assert report.remembered == 0
    _, report = check(load(root))
    assert report.remembered == 24


def test_no_place_to_remember_is_no_reason_to_stop(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REDSTART_HOME", str(tmp_path / "file"))
    for _ in range(2):
        _, report = check(load(root))
        assert (report.rows, report.remembered) == (24, 0)


def test_a_long_list_is_cut_short_and_says_so() -> None:
    bad = tuple(BadItem(k, "train", f"{k}.png", "broken") for k in range(25))
    lines = CheckReport(100, 0, bad).lines(most=20)
    assert len(lines) == 1 + 20 + 1
    assert lines[-1] == "  ... and 5 more."
