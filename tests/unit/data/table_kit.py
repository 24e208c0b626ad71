"""A tiny codec of tables, and frames of every kind that is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from redstart.data.assemble import make_loaders
from redstart.data.batch import Encoded
from redstart.data.dataset import Source
from redstart.data.loaders import DataLoaders
from redstart.data.split import Split
from redstart.data.table import Table, TableCodec
from redstart.data.table_dataset import TableDataset
from redstart.data.target import Labels
from redstart.show.view import RowView
from redstart.targets.category import CategoryTarget


@final
@dataclass(frozen=True)
class Cells(TableCodec):
    """Some columns of a table as floats, ``(N, len(names))``."""

    kind: ClassVar[str] = "cells"
    names: tuple[str, ...] = ("a", "b")

    def encode_table(self, items: Sequence[Any]) -> Encoded:
        table = Table.of(items)
        columns = [table.column(name).to_numpy().astype(np.float32) for name in self.names]
        return (torch.from_numpy(np.stack(columns, 1)),)

    def view(self, x: Encoded) -> RowView:
        values = [f"{value:g}" for value in x[0].tolist()]
        return RowView(tuple(zip(self.names, values, strict=True)))


def makers() -> Iterator[tuple[str, Callable[[Mapping[str, Any]], Any]]]:
    """Name and maker of frames of pandas, and of polars and pyarrow where they are."""
    for module, name in (("pandas", "DataFrame"), ("polars", "DataFrame"), ("pyarrow", "table")):
        try:
            yield module, getattr(import_module(module), name)
        except ImportError:
            continue


def numbered(n: int) -> Table:
    """Row ``k`` is ``a = k``, ``b = 2 k`` and whether ``k`` is even or odd."""
    k = np.arange(n)
    return Table(pd.DataFrame({"a": k, "b": 2 * k, "label": np.array(["even", "odd"])[k % 2]}))


def table_loaders(
    n: int = 20,
    *,
    valid: Sequence[int] = (0, 1, 2, 3),
    test: Sequence[int] = (),
    weights: Tensor | None = None,
    **options: Any,
) -> DataLoaders:
    table = numbered(n)
    raws: Labels = table.column("label").to_numpy()
    held = {*valid, *test}
    train = tuple(row for row in range(n) if row not in held)
    given: dict[str, Any] = {"bs": 4, "num_workers": 0, "device": "cpu", **options}
    split = Split(train, tuple(valid), tuple(test))
    target = CategoryTarget(("even", "odd"))
    return make_loaders(
        Source(table, table, raws), split, Cells(), target, weights=weights, **given
    )


def data_of(loader: Any) -> TableDataset:
    data = loader.dataset
    assert isinstance(data, TableDataset)
    return data
