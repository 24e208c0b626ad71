"""The vision domain, as the rest of Redstart sees it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from redstart.data.loaders import DataLoaders
from redstart.domain import Domain, ModelRecipe
from redstart.targets.category import CategoryTarget
from redstart.vision.codec import ImageCodec
from redstart.vision.data import ImageDataLoaders
from redstart.vision.models import build_classifier
from redstart.vision.resize import RandomResizedCrop, Resize

__all__ = ["DOMAIN"]


def _example(folder: Path) -> tuple[DataLoaders, ModelRecipe]:
    """Dark squares against light ones."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for part, n in (("train", 16), ("valid", 8)):
        for label, low in (("dark", 0), ("light", 128)):
            (folder / part / label).mkdir(parents=True)
            for i in range(n):
                pixels = rng.integers(low, low + 127, (32, 32, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(folder / part / label / f"{i}.png")
    dls = ImageDataLoaders.from_folder(folder, bs=8, item_tfms=Resize(32), device="cpu")
    arguments = {"arch": "resnet10t", "n_out": dls.c}
    return dls, ModelRecipe(domain="vision", builder="classifier", arguments=arguments)


DOMAIN = Domain(
    name="vision",
    kinds={cls.kind: cls for cls in (ImageCodec, CategoryTarget, Resize, RandomResizedCrop)},
    builders={"classifier": build_classifier},
    example=_example,
)
