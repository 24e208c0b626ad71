"""From rows, a split, a codec and a target to loaders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from typing_extensions import Unpack

from redstart.data.batch import Encoded
from redstart.data.cache import RowCache, default_cache_bytes
from redstart.data.codec import Codec
from redstart.data.dataset import Dataset, ItemDataset, Source
from redstart.data.device import as_device
from redstart.data.loader import (
    BatchTransform,
    Loader,
    LoaderOptions,
    check_options,
    default_workers,
)
from redstart.data.loaders import DataLoaders
from redstart.data.split import Split
from redstart.data.table_dataset import TableDataset, narrow
from redstart.data.target import Target
from redstart.errors import ConfigError, problem

__all__ = ["make_loaders"]


def make_loaders(
    source: Source,
    split: Split,
    codec: Codec[Any],
    target: Target[Any, Any],
    *,
    path: str | Path = ".",
    tfms: Sequence[BatchTransform] = (),
    columns: Encoded | None = None,
    weights: Tensor | None = None,
    **options: Unpack[LoaderOptions],
) -> DataLoaders:
    """Make loaders of rows that are listed, split and labelled.

    Args:
        source: All rows.
        split: Which row goes where.
        codec: Fitted.
        target: Fitted.
        path: Where the data lies.
        tfms: Augmentation of training batches.
        columns: What ``codec.encode_table`` makes of all inputs, where it is at hand already.
        weights: How much each row of a table counts in the training loss, ``(M,)`` floats
            for the rows of ``source``. Figures for people count every row alike.
        **options: See ``LoaderOptions``.

    Raises:
        ConfigError: If weights do not fit the rows.
        DataError: If an input or a label cannot be encoded.
    """
    check_options(options, LoaderOptions)
    bs = options.get("bs", 64)
    device = as_device(options.get("device"))
    cache = RowCache(options.get("cache_bytes", default_cache_bytes()))
    table = codec.encode_table(source.inputs) if columns is None else columns
    columns = table and tuple(narrow(t).to(device) for t in table)
    if weights is not None and (columns is None or weights.shape != (len(source.items),)):
        raise ConfigError(
            problem(
                f"Expected weights ({len(source.items)},), one for each row of a table",
                f"weights={tuple(weights.shape)}, inputs={codec.kind!r}",
                "Give every row its weight, or leave them out.",
            )
        )

    def dataset(rows: tuple[int, ...], *, train: bool) -> Dataset:
        if columns is None:
            return ItemDataset.of(source, rows, codec, target, training=train, cache=cache)
        data = TableDataset.of(source, rows, codec, target, columns=columns)
        if weights is None or not train or data.labels is None:
            return data
        return replace(data, weights=weights[data.index].to(device))

    def loader(rows: tuple[int, ...], *, train: bool) -> Loader:
        return Loader(
            dataset=dataset(rows, train=train),
            bs=bs if train else options.get("val_bs", bs),
            shuffle=train,
            num_workers=options.get("num_workers", default_workers()),
            device=device,
            seed=options.get("seed", 42),
            tfms=tuple(tfms) if train else (),
        )

    return DataLoaders(
        train=loader(split.train, train=True),
        valid=loader(split.valid, train=False),
        sealed=loader(split.test, train=False) if split.test else None,
        path=Path(path),
        split_by=split.by,
        groups=None if split.groups is None else torch.from_numpy(split.groups),
    )
