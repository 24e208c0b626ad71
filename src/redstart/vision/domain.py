"""The vision domain, as the rest of Redstart sees it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from redstart.data.dataset import Source
from redstart.data.items import get_image_files, parent_label
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


def _reload(data: Mapping[str, Any]) -> DataLoaders:
    from redstart.vision.cli import reload

    return reload(data)


def _labelled(data: Mapping[str, Any], path: Path) -> Source:
    """Pictures below a folder, labelled by the folder that each is in."""
    files = get_image_files(path)
    return Source(items=files, inputs=files, raws=[parent_label(file) for file in files])


DOMAIN = Domain(
    name="vision",
    kinds={cls.kind: cls for cls in (ImageCodec, CategoryTarget, Resize, RandomResizedCrop)},
    builders={"classifier": build_classifier},
    example=_example,
    reload=_reload,
    labelled=_labelled,
)
