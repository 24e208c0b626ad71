from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from redstart.errors import ConfigError
from redstart.nn.heads import create_head


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(("pool", "width"), [("avg", 6), ("max", 6), ("concat", 12)])
def test_a_map_becomes_one_row_of_outputs(pool: str, width: int) -> None:
    head = create_head(6, 4, pool=pool, generator=rng())
    assert isinstance(head[-1], nn.Linear)
    assert head[-1].weight.shape == (4, width)
    assert head(torch.rand(3, 6, 5, 7, generator=rng())).shape == (3, 4)


def test_hidden_layers_each_have_norm_dropout_and_relu() -> None:
    head = create_head(6, 2, lin_ftrs=[8], ps=0.5, pool=None, bn=True, generator=rng())
    names = [type(m).__name__ for m in head]
    assert names == [
        "Flatten", "BatchNorm1d", "Dropout", "Linear", "ReLU", "BatchNorm1d", "Dropout", "Linear",
    ]  # fmt: skip
    assert [m.p for m in head if isinstance(m, nn.Dropout)] == [0.25, 0.5]
    assert not [m for m in create_head(6, 2, bn=False, ps=0, generator=rng()) if "Norm" in repr(m)]


def test_the_default_is_a_linear_model_on_pooled_features() -> None:
    names = [type(m).__name__ for m in create_head(6, 2, generator=rng())]
    assert names == ["AdaptiveAvgPool2d", "Flatten", "Dropout", "Linear"]


def test_weights_come_from_the_generator() -> None:
    a, b = (create_head(6, 2, generator=rng())[-1].weight for _ in range(2))
    assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"nf": 6, "n_out": 0}, r"widths of at least 1.*n_out=0"),
        ({"nf": 6, "n_out": 2, "lin_ftrs": [0]}, r"lin_ftrs=\[0\]"),
        ({"nf": 6, "n_out": 2, "ps": 1.0}, r"probability.*ps=1.0"),
        ({"nf": 6, "n_out": 2, "pool": "mean"}, r"kind of pooling.*'mean'.*'avg'"),
    ],
)
def test_arguments_out_of_range(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        create_head(**arguments)
