"""Learners that train in milliseconds: points around two or three centres."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import torch
from torch import nn

from redstart.data.block import DataBlock
from redstart.data.loaders import DataLoaders
from redstart.data.split import IndexSplitter, Split
from redstart.data.stream import TensorCodec
from redstart.rng import forked, generator
from redstart.targets.category import CategoryBlock


def points(n: int = 60, classes: int = 2, *, seed: int = 0) -> list[tuple[torch.Tensor, str]]:
    """``n`` points in four dimensions around the corners of a cube, with their labels."""
    rng = generator(seed)
    noise = torch.randn(n, 4, generator=rng)
    rows = []
    for i in range(n):
        centre = torch.zeros(4)
        centre[i % classes] = 3.0
        rows.append((centre + 0.5 * noise[i], "abc"[i % classes]))
    return rows


def loaders(n: int = 60, classes: int = 2, *, test: int = 0, **options: Any) -> DataLoaders:
    """Three quarters train, the rest validates."""
    cut = n - n // 4 - test
    sealed = range(n - test, n)
    block = DataBlock(
        blocks=(TensorCodec(), CategoryBlock()),
        get_x=itemgetter(0),
        get_y=itemgetter(1),
        splitter=IndexSplitter(range(cut, n - test), sealed),
    )
    options = {"bs": 16, "device": "cpu", "num_workers": 0, **options}
    return block.dataloaders(points(n, classes), **options)


def without_valid(n: int = 20) -> DataLoaders:
    block = DataBlock(
        blocks=(TensorCodec(), CategoryBlock()),
        get_x=itemgetter(0),
        get_y=itemgetter(1),
        splitter=lambda items: Split.without_valid(tuple(range(len(items)))),
    )
    return block.dataloaders(points(n), device="cpu", num_workers=0)


def body_and_head(model: nn.Module) -> list[list[nn.Parameter]]:
    return [list(part.parameters()) for part in model.children()]


def net(classes: int = 2) -> nn.Sequential:
    """A body with batch norm and dropout, and a head."""
    with forked(1):
        body = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1))
        return nn.Sequential(body, nn.Sequential(nn.Flatten(), nn.Linear(8, classes)))
