"""The tabular domain, as the rest of Redstart sees it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from redstart.data.dataset import Source
from redstart.data.loaders import DataLoaders
from redstart.data.table import Table, read_table
from redstart.domain import Domain, ModelRecipe
from redstart.tabular.codec import TabularCodec
from redstart.tabular.columns import CategoryColumn, NumberColumn
from redstart.tabular.data import TabularDataLoaders
from redstart.tabular.dates import DateColumn
from redstart.tabular.labels import labels_of
from redstart.targets.category import CategoryTarget
from redstart.targets.multicategory import MultiCategoryTarget
from redstart.targets.regression import RegressionTarget

__all__ = ["DOMAIN"]

_KINDS = (
    TabularCodec,
    CategoryColumn,
    NumberColumn,
    DateColumn,
    CategoryTarget,
    MultiCategoryTarget,
    RegressionTarget,
)


def _mlp(**arguments: Any) -> nn.Module:
    from redstart.tabular.model import build_mlp

    return build_mlp(**arguments)


def _tabm(**arguments: Any) -> nn.Module:
    from redstart.tabular.tabm import build_tabm

    return build_tabm(**arguments)


def _example(folder: Path) -> tuple[DataLoaders, ModelRecipe]:
    """Whether somebody buys: by age, city, weekday, and a number that is often missing."""
    import pandas as pd

    rng = np.random.default_rng(0)
    n = 160
    age, income = rng.uniform(18, 80, n).round(1), rng.normal(0, 1, n)
    city = rng.choice(["Rome", "Oslo", "Lima"], n)
    buys = (age > 50) | (city == "Oslo")
    frame = pd.DataFrame(
        {
            "age": age,
            "city": city,
            "weekday": rng.integers(1, 8, n),
            "income": np.where(rng.random(n) < 0.2, np.nan, income),
            "buys": np.where(buys, "yes", "no"),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / "sales.csv", index=False)
    dls = TabularDataLoaders.from_csv(folder / "sales.csv", y_names="buys", bs=16, device="cpu")
    codec = dls.codec
    assert isinstance(codec, TabularCodec)  # noqa: S101 - the factory makes these
    arguments = {
        "cardinalities": list(codec.cardinalities),
        "n_cont": codec.n_cont,
        "n_out": dls.c,
        "layers": [32],
    }
    return dls, ModelRecipe(domain="tabular", builder="mlp", arguments=arguments)


def _reload(data: Mapping[str, Any]) -> DataLoaders:
    from redstart.tabular.loaders import reload

    return reload(data)


def _labelled(data: Mapping[str, Any], path: Path) -> Source:
    """Rows of a file, with the columns that were to be predicted."""
    table = Table(read_table(path, *(data.get("options", {}).get("reading") or ())))
    return Source(items=table, inputs=table, raws=labels_of(table, list(data["y_names"])))


DOMAIN = Domain(
    name="tabular",
    kinds={cls.kind: cls for cls in _KINDS},
    builders={"mlp": _mlp, "tabm": _tabm},
    example=_example,
    reload=_reload,
    labelled=_labelled,
)
