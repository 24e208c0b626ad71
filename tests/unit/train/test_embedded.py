"""The audit by what a pretrained body makes of rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import nn

from redstart.data.loaders import DataLoaders
from redstart.errors import ConfigError
from redstart.train.learner import Learner
from redstart.vision import ImageDataLoaders, Resize

CHECK = "near duplicates to the body"


def learner(root: Path, *, copies: int) -> Learner:
    """Noise in train and valid; so many validation pictures are training ones, much noisier."""
    from PIL import Image

    rng = np.random.default_rng(0)
    made: list[np.ndarray] = []
    for part, n in (("train", 240), ("valid", 20)):
        for i in range(n):
            pixels = np.kron(rng.integers(30, 220, (8, 8)), np.ones((4, 4)))
            if part == "valid" and i < copies:
                pixels = made[i]
            made.append(pixels)
            noisy = (pixels + rng.normal(0, 12, pixels.shape)).clip(0, 255).astype(np.uint8)
            folder = root / part / "ab"[i % 2]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noisy).convert("RGB").save(folder / f"{part}{i}.png")
    dls = ImageDataLoaders.from_folder(root, item_tfms=Resize(32), device="cpu", num_workers=0)
    body = nn.Sequential(nn.AvgPool2d(4), nn.Flatten())
    model = nn.Sequential(body, nn.Linear(192, 2))
    return Learner(dls, model, pretrained_body=body, path=root)


def test_rows_that_the_body_takes_for_the_same_are_found(tmp_path: Path) -> None:
    learn = learner(tmp_path, copies=5)
    found = learn.audit().finding(CHECK)
    assert found.severity == "warning" and "5 of 20" in found.said
    names = {tuple(Path(learn.dls.items[row]).stem for row in pair) for pair in found.pairs}
    assert names == {(f"train{i}", f"valid{i}") for i in range(5)}


def test_rows_that_differ_are_left_in_peace_and_no_body_adds_nothing(tmp_path: Path) -> None:
    learn = learner(tmp_path, copies=0)
    assert CHECK not in {f.check for f in learn.audit()}
    learn.pretrained_body = None
    assert learn.audit().findings == learn.dls.audit().findings


def test_plain_batches_have_no_rows_to_audit() -> None:
    learn = Learner(DataLoaders([], []), nn.Linear(2, 2))
    with pytest.raises(ConfigError, match="made by a `DataBlock`"):
        learn.audit()
