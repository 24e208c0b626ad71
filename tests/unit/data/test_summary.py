from __future__ import annotations

from operator import itemgetter
from pathlib import Path

import pytest
from data_kit import Numbers, pairs, pictures

from redstart.data.block import DataBlock
from redstart.data.items import get_image_files, parent_label
from redstart.data.split import IndexSplitter
from redstart.targets.category import CategoryBlock
from redstart.vision.augment import aug_transforms
from redstart.vision.codec import ImageBlock
from redstart.vision.resize import Resize


def test_the_summary_steps_one_row_through_every_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = pictures(tmp_path / "p")
    block = DataBlock(
        (ImageBlock, CategoryBlock),
        get_image_files,
        get_y=parent_label,
        splitter=IndexSplitter([0, 4], [1]),
        item_tfms=Resize(6),
        batch_tfms=aug_transforms(),
    )
    block.summary(root, device="cpu", bs=3)
    said = capsys.readouterr().out
    order = [
        f"Items      8 from {root}",
        "Split      train 5, valid 2, test 1",
        "Input      ImageCodec(",
        "Target     category, 2 outputs: blue, red",
        "One row, number 2:",
        f"get_items  {root / 'blue' / '2.png'}",
        f"get_x      {root / 'blue' / '2.png'}",
        "get_y      'blue'",
        "load       <PIL.PngImagePlugin.PngImageFile image mode=RGB size=8x8>\n",
        "encode     x = uint8 (3, 6, 6)",
        "y = 0",
        "One batch of 3 rows, on cpu:",
        "collate    x = uint8 (3, 3, 6, 6)",
        "batch_tfms Augment(do_flip=True",
        "x = float32 (3, 3, 6, 6)",
        "prepare    x = float32 (3, 3, 6, 6), values ",
        "y = int64 (3,)",
    ]
    places = [said.find(part) for part in order]
    assert -1 not in places, said
    assert places == sorted(places), said


def test_a_summary_of_other_things_than_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    block = DataBlock(
        (Numbers, CategoryBlock(vocab=("even", "odd", *map(str, range(20))))),
        get_x=itemgetter(0),
        get_y=itemgetter(1),
        splitter=IndexSplitter([0]),
    )
    block.summary(pairs(8), device="cpu")
    said = capsys.readouterr().out
    assert "batch_tfms" not in said
    assert "22 outputs: even, odd, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ... (22 in all)" in said
    assert "get_x      1.0" in said and "encode     x = float32 (2,)" in said
