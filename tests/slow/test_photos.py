"""Real photos: accuracy floors, and broken files in their midst."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from redstart.vision import (
    ClassificationInterpretation,
    ImageDataLoaders,
    Resize,
    aug_transforms,
    load_learner,
    vision_learner,
)

WEIGHTS = "weights/mobilenetv2_100.timm.in1k.safetensors"


@pytest.mark.slow
def test_ants_and_bees(shared: Path, tmp_path: Path) -> None:
    dls = ImageDataLoaders.from_folder(
        shared / "data/hymenoptera",
        valid="val",
        item_tfms=Resize(224),
        batch_tfms=aug_transforms(),
        device="cpu",
    )
    learn = vision_learner(
        dls, "mobilenetv2_100", pretrained=shared / WEIGHTS, metrics=["accuracy"], path=tmp_path
    )
    first = learn.fine_tune(0).rows[-1]["accuracy"]
    assert first >= 0.9
    assert learn.fine_tune(1).rows[-1]["accuracy"] >= 0.9
    found = ClassificationInterpretation.from_learner(learn)
    assert found.confusion_matrix().sum() == 153
    bundle = load_learner(learn.export("ants.redstart"), device="cpu")
    photo = dls.items[0]
    assert bundle.predict(photo).probs.equal(learn.predict(photo).probs)


@pytest.mark.slow
def test_broken_files_among_photos_do_not_stop_training(
    shared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    photos = sorted((shared / "data/hymenoptera/train").rglob("*.jpg"))
    for photo in photos[:20] + photos[-20:]:
        place = tmp_path / "photos" / photo.parent.name / photo.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, place)
    (tmp_path / "photos/ants/empty.jpg").touch()
    whole = photos[0].read_bytes()
    (tmp_path / "photos/bees/cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "photos/bees/words.png").write_text("not a picture")
    dls = ImageDataLoaders.from_folder(
        tmp_path / "photos", valid_pct=0.25, stratify=True, item_tfms=Resize(64), device="cpu"
    )
    learn = vision_learner(dls, "resnet10t", pretrained=False, path=tmp_path)
    learn.fit(1)
    for name in ("empty.jpg", "cut.jpg", "words.png"):
        assert name in caplog.text
    assert learn.dls.train.n_rows + learn.dls.valid.n_rows == 40
    assert len(list((tmp_path / "photos").rglob("*.*"))) == 43
