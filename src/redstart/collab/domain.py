"""The domain of users and items, as the rest of Redstart sees it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from redstart.collab.bundle import CollabBundle
from redstart.collab.codec import CollabCodec
from redstart.collab.data import CollabDataLoaders
from redstart.collab.model import EmbeddingDotBias, EmbeddingNN
from redstart.collab.preference import PreferenceTarget
from redstart.collab.rows import Rows
from redstart.collab.svdpp import SVDPlusPlus
from redstart.data.dataset import Source
from redstart.data.loaders import DataLoaders
from redstart.data.table import Table, read_table
from redstart.domain import Domain, ModelRecipe
from redstart.targets.regression import RegressionTarget

__all__ = ["DOMAIN"]


def _example(folder: Path) -> tuple[DataLoaders, ModelRecipe]:
    """Two kinds of users, two kinds of items: each likes its own."""
    import pandas as pd

    rng = np.random.default_rng(0)
    user, item = (a.ravel() for a in np.meshgrid(np.arange(40), np.arange(20)))
    rating = np.where(user % 2 == item % 2, 5.0, 1.0) + 0.1 * rng.normal(size=user.size)
    frame = pd.DataFrame({"user": user, "item": item, "rating": rating})
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / "ratings.csv", index=False)
    dls = CollabDataLoaders.from_csv(folder / "ratings.csv", bs=8, device="cpu")
    arguments = {
        "n_factors": 4,
        "n_users": len(dls.classes["user"]),
        "n_items": len(dls.classes["item"]),
        "mean": 3.0,
    }
    return dls, ModelRecipe(domain="collab", builder="dot", arguments=arguments)


def _reload(data: Mapping[str, Any]) -> DataLoaders:
    from redstart.collab.cli import reload

    return reload(data)


def _labelled(data: Mapping[str, Any], path: Path) -> Source:
    """Ratings of a file, by the columns that the model was trained on."""
    table = Table(read_table(path, *(data.get("options", {}).get("reading") or ())))
    rows = Rows.of(table, *data["names"]).once(implicit=bool(data["implicit"]))
    return Source(items=rows.table, inputs=rows.table, raws=rows.values)


DOMAIN = Domain(
    name="collab",
    kinds={cls.kind: cls for cls in (CollabCodec, RegressionTarget, PreferenceTarget)},
    builders={"dot": EmbeddingDotBias, "svd++": SVDPlusPlus, "nn": EmbeddingNN},
    example=_example,
    reload=_reload,
    labelled=_labelled,
    bundle=CollabBundle,
)
