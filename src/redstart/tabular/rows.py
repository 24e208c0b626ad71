"""The rows of a table as tensors, and what a model says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from redstart.data.batch import Batch, Encoded
from redstart.data.loaders import DataLoaders
from redstart.data.table_dataset import TableDataset
from redstart.errors import ConfigError, problem
from redstart.rng import generator

if TYPE_CHECKING:
    from redstart.train.learner import Learner

__all__ = ["Scored", "outputs", "some_valid_rows", "training_rows", "validation_rows"]

_BS = 1024


@dataclass(frozen=True, slots=True)
class Scored:
    """Outputs of a model next to the truth.

    Attributes:
        out: Raw outputs, ``(N, n_out)``, on the CPU, as metrics take them.
        y: Encoded targets, ``(N, ...)``.
    """

    out: Tensor
    y: Tensor


def training_rows(dls: DataLoaders) -> Batch:
    """All training rows, in the order of the table's split."""
    return _all(dls.train)


def validation_rows(dls: DataLoaders) -> Batch:
    """All validation rows.

    Raises:
        NoValidationSetError: If there are none.
    """
    dls.require_valid()
    return _all(dls.valid)


def some_valid_rows(dls: DataLoaders, most: int) -> Batch:
    """Validation rows, drawn by the loaders' seed if there are more than ``most``.

    Raises:
        NoValidationSetError: If there are none.
        ConfigError: If ``most`` is not positive.
    """
    if most < 1:
        raise ConfigError(problem("Expected a positive `max_rows`", f"max_rows={most}", "Try 500."))
    rows = validation_rows(dls)
    if len(rows) <= most:
        return rows
    some = torch.randperm(len(rows), generator=generator(dls.seed))[:most].sort().values
    there = some.to(rows.x[0].device)
    y = None if rows.y is None else tuple(t[there] for t in rows.y)
    return Batch(rows.index[some], tuple(t[there] for t in rows.x), y)


def outputs(learn: Learner, x: Encoded) -> Tensor:
    """Run a learner's model over encoded rows; its raw outputs, ``(N, n_out)``, on the CPU."""
    model = learn.engine.place(learn.model, learn.dls.device).eval()
    found = []
    with torch.no_grad():
        for part in zip(*(torch.split(t, _BS) for t in x), strict=True):
            with learn.engine.autocast():
                found.append(model(*part))
    return torch.cat(found).float().cpu()


def _all(loader: object) -> Batch:
    data = getattr(loader, "dataset", None)
    if not isinstance(data, TableDataset):
        raise ConfigError(
            problem(
                "Expected loaders of a table",
                type(loader).__name__,
                "Make them with TabularDataLoaders.",
            )
        )
    return data.at(torch.arange(len(data)))
