from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from redstart.errors import ConfigError
from redstart.nn.losses import CrossEntropyLossFlat, MSELossFlat
from redstart.nn.module import Embedding, Module, sigmoid_range
from redstart.train.losses import loss_of


class Half(Module):
    def __init__(self, n: int) -> None:
        self.layer = nn.Linear(n, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


class Polite(Module):
    def __init__(self) -> None:
        self.first = nn.Linear(2, 2)
        super().__init__()
        self.second = nn.Linear(2, 2)


def test_a_module_needs_no_call_of_init_and_may_have_one() -> None:
    model = Half(3)
    assert [name for name, _ in model.named_parameters()] == ["layer.weight", "layer.bias"]
    assert model(torch.ones(4, 3)).shape == (4, 1)
    assert len(list(Polite().parameters())) == 4
    twin = copy.deepcopy(model)
    assert torch.equal(twin.layer.weight, model.layer.weight)


def test_embeddings_are_small_and_cut_at_two_deviations() -> None:
    table = Embedding(2000, 10)
    assert isinstance(table, nn.Embedding)
    assert 0.005 < float(table.weight.detach().std()) < 0.01
    assert float(table.weight.detach().abs().max()) <= 0.02
    assert float(Embedding(50, 2, std=1.0).weight.detach().abs().max()) > 0.1


def test_sigmoid_range_stays_inside() -> None:
    x = torch.linspace(-6, 6, 50)
    y = sigmoid_range(x, 0.5, 5.5)
    assert y.shape == x.shape and bool((y > 0.5).all()) and bool((y < 5.5).all())
    assert float(sigmoid_range(torch.zeros(1), 1.0, 5.0)) == 3.0
    with pytest.raises(ConfigError, match="low < high"):
        sigmoid_range(x, 5.0, 1.0)


def test_flat_losses_do_not_broadcast_a_column_against_a_row() -> None:
    out, y = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([[1.0], [2.0], [3.0]])
    assert float(MSELossFlat()(out, y)) == pytest.approx(1 / 3)
    per_row = loss_of(None, MSELossFlat())  # type: ignore[arg-type]
    assert per_row(out, y, reduction="none").tolist() == [0.0, 0.0, 1.0]
    with pytest.raises(ConfigError, match="as many outputs as targets"):
        MSELossFlat()(torch.ones(3, 2), y)


def test_cross_entropy_is_over_one_axis() -> None:
    scores = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[0, 1, 2], [3, 4, 0]])
    want = nn.functional.cross_entropy(scores.reshape(6, 5), labels.flatten())
    assert torch.equal(CrossEntropyLossFlat()(scores, labels), want)
    assert torch.allclose(CrossEntropyLossFlat(axis=1)(scores.movedim(-1, 1), labels), want)
