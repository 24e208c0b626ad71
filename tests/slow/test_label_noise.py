"""Wrong labels planted among real photos are found, corrected, and worth it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from redstart.data.items import get_image_files
from redstart.data.split import IndexSplitter
from redstart.train.label_issues import label_issues
from redstart.vision import ImageDataLoaders, Resize, vision_learner

WEIGHTS = "weights/mobilenetv2_100.timm.in1k.safetensors"


@pytest.mark.slow
def test_of_labels_planted_among_photos_most_are_in_the_first_tenth(
    shared: Path, tmp_path: Path
) -> None:
    root = shared / "data/hymenoptera"
    files = sorted(get_image_files(root))
    labels = [file.parent.name for file in files]
    some = np.random.default_rng(0).choice(len(files), round(0.05 * len(files)), replace=False)
    given = list(labels)
    for row in some:
        given[row] = {"ants": "bees", "bees": "ants"}[labels[row]]
    valid = [i for i, file in enumerate(files) if file.parent.parent.name == "val"]

    def load(**options: Any) -> Any:
        return ImageDataLoaders.from_lists(
            root,
            files,
            given,
            splitter=IndexSplitter(valid),
            item_tfms=Resize(224),
            device="cpu",
            **options,
        )

    learn = vision_learner(load(), "mobilenetv2_100", pretrained=shared / WEIGHTS, path=tmp_path)
    issues = label_issues(learn)
    first = [issue.row for issue in issues.rows(len(files) // 10)]
    assert np.isin(some, first).mean() >= 0.7
    estimate = issues.suspects.estimate
    assert estimate.low <= len(some) <= estimate.high

    wrong = [row for row in first if row in some]
    file = issues.correct({row: labels[row] for row in wrong}).save(tmp_path / "labels.json")
    mended = load(corrections=file)
    assert [mended.source.raws[row] for row in wrong] == [labels[row] for row in wrong]
    assert mended.parts() == learn.dls.parts()
    again = vision_learner(mended, "mobilenetv2_100", pretrained=shared / WEIGHTS, path=tmp_path)
    assert label_issues(again).suspects.estimate.count < len(some) / 2


@pytest.mark.slow
def test_clean_photos_are_not_accused(shared: Path, tmp_path: Path) -> None:
    dls = ImageDataLoaders.from_folder(
        shared / "data/hymenoptera", valid="val", item_tfms=Resize(224), device="cpu"
    )
    learn = vision_learner(dls, "mobilenetv2_100", pretrained=shared / WEIGHTS, path=tmp_path)
    issues = label_issues(learn)
    assert issues.suspects.estimate.count < 4
    assert issues.to_review == 0
