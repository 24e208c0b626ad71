from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from redstart.errors import ConfigError
from redstart.nn.init import body_and_head, init_layers, norm_or_bias
from redstart.rng import forked


class Embedding(nn.Module):
    """Excludes its own position embedding, as the models of timm do."""

    def __init__(self) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, 4, 8))
        self.proj = nn.Linear(8, 8)

    def no_weight_decay(self) -> set[str]:
        return {"pos_embed"}

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x + self.pos_embed)


@pytest.fixture
def model() -> nn.Sequential:
    with forked(0):
        body = nn.Sequential(
            nn.Conv2d(3, 4, 3),
            nn.BatchNorm2d(4),
            nn.Sequential(nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)),
            Embedding(),
        )
        return nn.Sequential(body, nn.Sequential(nn.Linear(8, 2)))


def test_weights_have_the_variance_of_their_place() -> None:
    layers = nn.Sequential(nn.Linear(400, 500), nn.ReLU(), nn.Linear(500, 400))
    out = init_layers(layers, torch.Generator().manual_seed(0))
    assert out is layers
    assert layers[0].weight.std().item() == pytest.approx(math.sqrt(2 / 400), rel=0.03)
    assert layers[2].weight.std().item() == pytest.approx(math.sqrt(1 / 500), rel=0.03)
    assert not layers[0].bias.any()


def test_norms_biases_and_what_a_module_excludes(model: nn.Sequential) -> None:
    found = norm_or_bias(model)
    decayed = [k for k, p in model.named_parameters() if id(p) not in found]
    assert decayed == [
        "0.0.weight", "0.2.0.weight", "0.2.1.weight", "0.3.proj.weight", "1.0.weight",
    ]  # fmt: skip


def test_a_norm_over_several_dimensions_is_not_decayed() -> None:
    norm = nn.LayerNorm((3, 4))
    assert norm_or_bias(norm) == {id(norm.weight), id(norm.bias)}


def test_three_groups_hold_every_parameter_once(model: nn.Sequential) -> None:
    groups = body_and_head(model)
    assert len(groups) == 3
    ids = [id(p) for group in groups for p in group]
    assert sorted(ids) == sorted(id(p) for p in model.parameters())
    assert groups[2] == list(model[1].parameters())
    early = {id(p) for p in groups[0]}
    assert id(model[0][0].weight) in early
    assert id(model[0][3].proj.weight) not in early


def test_shared_parameters_occur_once() -> None:
    shared = nn.Linear(2, 2)
    model = nn.Sequential(nn.Sequential(shared, nn.ReLU(), shared), nn.Sequential(shared))
    assert [p for group in body_and_head(model) for p in group] == list(shared.parameters())


def test_a_body_without_parameters_leaves_the_head() -> None:
    head = nn.Linear(2, 2)
    assert body_and_head(nn.Sequential(nn.Flatten(), head)) == [list(head.parameters())]


def test_another_model_needs_a_splitter() -> None:
    with pytest.raises(ConfigError, match=r"Sequential\(body, head\).*model=Linear.*splitter="):
        body_and_head(nn.Linear(2, 2))
