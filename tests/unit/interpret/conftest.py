from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from redstart.train.learner import Learner
from redstart.vision.data import ImageDataLoaders
from redstart.vision.learner import vision_learner

# What each picture looks like, red, green and blue, below the folder it is labelled by. The
# model answers with the strongest colour, so that every prediction is known beforehand.
PICTURES = {
    "train/blue/0.png": (0, 0, 255),
    "train/green/0.png": (0, 255, 0),
    "train/red/0.png": (255, 0, 0),
    "valid/red/a.png": (255, 0, 0),
    "valid/red/b.png": (200, 0, 0),
    "valid/red/c.png": (0, 250, 0),  # taken for green, the largest loss
    "valid/green/d.png": (0, 255, 0),
    "valid/green/e.png": (0, 230, 0),
    "valid/green/f.png": (0, 0, 130),  # taken for blue
    "valid/blue/g.png": (0, 0, 240),
    "valid/blue/h.png": (0, 200, 100),  # taken for green
    "test/blue/0.png": (0, 0, 255),
    "test/red/0.png": (255, 0, 0),
}


class Strongest(nn.Module):
    """Scores blue, green and red by the mean of that colour, and counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.rows = 0

    def forward(self, x: Tensor) -> Tensor:
        self.rows += len(x)
        return self.scale * x.mean((2, 3)).flip(1)


@dataclass
class Setup:
    path: Path
    model: Strongest
    learn: Learner


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("colours")
    for name, colour in PICTURES.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), colour).save(path / name)
    return path


@pytest.fixture
def setup(folder: Path) -> Setup:
    model = Strongest()
    dls = ImageDataLoaders.from_folder(folder, bs=2, val_bs=3, num_workers=0, device="cpu")
    learn = vision_learner(dls, model, precision="float32", path=folder)
    return Setup(folder, model, learn)
