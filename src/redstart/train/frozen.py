"""While a body is frozen, its outputs are computed once and the rest trains on them."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from redstart.data.batch import Batch
from redstart.data.cache import default_cache_bytes
from redstart.data.dataset import ItemDataset
from redstart.data.loader import Loader
from redstart.data.loaders import DataLoaders
from redstart.data.stream import TensorCodec
from redstart.data.table_dataset import TableDataset
from redstart.train.engine import Engine
from redstart.train.predict import in_order, run_through

__all__ = ["feature_loaders", "kept", "split_frozen"]

CPU_BS = 8
"""Rows of a forward pass on a CPU: the activations of more leave its caches, and memory that
large is given back and fetched anew each time. 64 took 1.6 times as long per photo."""

KEPT_BYTES = 256 << 20
"""Features of more are not kept once the head is trained."""

_RANDOM = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._NormBase)


def split_frozen(model: nn.Module) -> tuple[nn.Sequential, nn.Sequential] | None:
    """Cut a sequential model behind the part whose output for a row can no longer change.

    That part is the longest run of first modules in which every parameter is frozen;
    modules without parameters (pooling, flatten) belong to it too, unless they draw or
    keep statistics. Both parts share their modules with ``model``.

    Returns:
        The frozen part and the rest, or ``None`` where nothing is frozen, nothing is left
        to train, or the model is not an ``nn.Sequential``.
    """
    modules = list(_flat(model))
    cut = 0
    for module in modules:
        parameters = list(module.parameters())
        if any(p.requires_grad for p in parameters):
            break
        if not parameters and any(isinstance(m, _RANDOM) for m in module.modules()):
            break
        cut += 1
    frozen, rest = modules[:cut], modules[cut:]
    if not rest or not any(True for m in frozen for _ in m.parameters()):
        return None
    return nn.Sequential(*frozen), nn.Sequential(*rest)


def feature_loaders(
    dls: DataLoaders, body: nn.Module, engine: Engine, *, bs: int, steps: int
) -> DataLoaders:
    """Run ``body`` once over the training and the validation rows and load what it made.

    The rows are read as for validation: what is kept is one version of each, without
    augmentation. Outputs that do not fit a quarter of the free memory are kept on disk,
    in a temporary file.

    Args:
        dls: Loaders of items.
        body: The part of the model that does not change.
        engine: Precision of the forward pass.
        bs: Rows per training batch.
        steps: Training batches per epoch at least; an epoch passes over the rows several
            times where there are few.
    """

    def loader(of: Loader, *, train: bool) -> Loader:
        table = _features(of, body, engine)
        per_pass = -(-len(table) // bs)
        return Loader(
            dataset=table,
            bs=bs if train else max(1, len(table)),
            shuffle=train,
            device=of.device,
            seed=of.seed,
            passes=max(1, -(-steps // per_pass)) if train else 1,
        )

    valid = dls.valid and loader(dls.valid, train=False)
    return DataLoaders(train=loader(dls.train, train=True), valid=valid, path=dls.path)


def kept(features: DataLoaders) -> DataLoaders | None:
    """The same features in the memory of the CPU; ``None`` if they take too much of it."""
    loaders = [loader for loader in (features.train, features.valid) if loader is not None]
    tables = [loader.dataset for loader in loaders]
    if sum(t.nbytes for table in tables for t in table.columns) > KEPT_BYTES:
        return None
    cpu = torch.device("cpu")

    def moved(loader: Loader) -> Loader:
        data = loader.dataset
        assert isinstance(data, TableDataset)  # noqa: S101 - features are tables
        columns = tuple(t.cpu() for t in data.columns)
        labels = data.labels and tuple(t.cpu() for t in data.labels)
        return loader.replace(dataset=replace(data, columns=columns, labels=labels), device=cpu)

    valid = features.valid and moved(features.valid)
    return DataLoaders(train=moved(features.train), valid=valid, path=features.path)


def _features(loader: Loader, body: nn.Module, engine: Engine) -> TableDataset:
    rows = in_order(loader)
    if rows.device.type == "cpu":
        rows = rows.replace(bs=min(rows.bs, CPU_BS))
    kept: list[Tensor] = []
    labels: list[tuple[Tensor, ...]] = []
    done = 0

    def take(batch: Batch, out: Any) -> None:
        nonlocal done
        if not kept:
            kept.append(_room((len(rows.dataset), *out.shape[1:]), rows.device))
        kept[0][done : done + len(batch)] = out
        done += len(batch)
        labels.append(batch.y or ())

    run_through(body, rows, take, engine=engine, what="Features of the frozen body")
    data = loader.dataset
    assert isinstance(data, ItemDataset | TableDataset)  # noqa: S101 - rows have features
    y = tuple(torch.cat(slot) for slot in zip(*labels, strict=True)) or None
    return TableDataset(data.source, data.index, (kept[0],), y, TensorCodec(), data.target)


def _room(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """An empty float32 tensor, in memory if it fits there."""
    size = torch.Size(shape).numel()
    if device.type != "cpu" or size * 4 <= default_cache_bytes():
        return torch.empty(shape, device=device)
    with tempfile.NamedTemporaryFile(suffix=".features") as file:  # unlinked, the map keeps it
        return torch.from_file(file.name, shared=True, size=size).view(shape)


def _flat(module: nn.Module) -> list[nn.Module]:
    if type(module) is not nn.Sequential:
        return [module]
    return [leaf for child in module for leaf in _flat(child)]
