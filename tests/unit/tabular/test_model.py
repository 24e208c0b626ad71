"""The course's model: fastai's architecture, embeddings looked up in one go."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from redstart.errors import ConfigError
from redstart.tabular.embeddings import ColumnEmbeddings, get_emb_sz
from redstart.tabular.model import TabularModel, build_mlp, tabular_config

SIZES = [(4, 3), (7, 5)]


def rows(n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    codes = torch.stack([torch.randint(0, size, (n,)) for size, _ in SIZES], 1)
    return codes, torch.randn(n, 2)


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 6)), min_size=1, max_size=5),
    st.integers(0, 10**6),
)
def test_one_gather_looks_up_what_an_embedding_per_column_would(
    sizes: list[tuple[int, int]], seed: int
) -> None:
    rng = torch.Generator().manual_seed(seed)
    embeddings = ColumnEmbeddings(sizes, std=1.0)
    codes = torch.stack([torch.randint(0, n, (5,), generator=rng) for n, _ in sizes], 1)
    columns = embeddings.columns()
    expected = torch.cat([w[c] for w, c in zip(columns, codes.unbind(1), strict=True)], 1)
    assert torch.equal(embeddings(codes), expected)


def test_gradients_reach_the_vectors_that_were_looked_up_and_no_others() -> None:
    embeddings = ColumnEmbeddings(SIZES)
    embeddings(torch.tensor([[1, 2], [1, 6]])).sum().backward()
    grad = embeddings.weight.grad
    assert grad is not None
    first, second = grad[0, :12].view(4, 3), grad[0, 12:].view(7, 5)
    assert first[:, 0].tolist() == [0, 2, 0, 0]
    assert second[:, 0].tolist() == [0, 0, 1, 0, 0, 0, 1]


def test_the_layers_are_those_of_fastai() -> None:
    model = TabularModel(SIZES, 2, 3, [200, 100])
    kinds = [type(layer).__name__ for layer in model.layers]
    hidden = ["Linear", "ReLU", "BatchNorm1d"]
    assert kinds == [*hidden, *hidden, "Linear"]
    linear = [layer for layer in model.layers if isinstance(layer, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == [(10, 200), (200, 100), (100, 3)]
    assert [m.bias is None for m in linear] == [True, True, False]
    assert model.bn_cont is not None
    assert model.bn_cont.num_features == 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"use_bn": False, "ps": 0.5}, ["Linear", "ReLU", "Dropout", "Linear"]),
        ({"lin_first": False, "ps": [0.1]}, ["BatchNorm1d", "Dropout", "Linear", "ReLU", "Linear"]),
        ({"bn_final": True}, ["Linear", "ReLU", "BatchNorm1d", "Linear", "BatchNorm1d"]),
        ({"act_cls": nn.SiLU()}, ["Linear", "SiLU", "BatchNorm1d", "Linear"]),
        ({"act_cls": "gelu"}, ["Linear", "GELU", "BatchNorm1d", "Linear"]),
        ({"act_cls": nn.ELU}, ["Linear", "ELU", "BatchNorm1d", "Linear"]),
        ({"y_range": (0, 5)}, ["Linear", "ReLU", "BatchNorm1d", "Linear", "SigmoidRange"]),
    ],
)
def test_options_change_the_layers(options: dict[str, Any], expected: list[str]) -> None:
    model = TabularModel(SIZES, 2, 1, [8], **options)
    assert [type(layer).__name__ for layer in model.layers] == expected


def test_outputs_stay_within_y_range() -> None:
    model = TabularModel(SIZES, 2, 1, [8], y_range=(8, 12))
    model.layers[-2].weight.data *= 100  # type: ignore[union-attr, operator]
    out = model(*rows(50))
    assert out.min() >= 8
    assert out.max() <= 12


def test_outputs_are_in_units_of_the_target_from_the_start() -> None:
    scale = {"mean": [200_000.0], "std": [1000.0], "log": False}
    out = build_mlp(n_out=1, n_cont=2, cardinalities=[4, 7], scale=scale)(*rows(50))
    assert (out - 200_000).abs().max() < 20_000


def test_logarithms_of_a_target_are_undone_without_overflow() -> None:
    scale = {"mean": [100.0], "std": [50.0], "log": True}
    out = build_mlp(n_out=1, n_cont=2, cardinalities=[4, 7], scale=scale)(*rows(50))
    assert out.isfinite().all()


def test_categories_alone_and_numbers_alone_will_do() -> None:
    codes, numbers = rows()
    assert TabularModel(SIZES, 0, 2, [8])(codes).shape == (6, 2)
    assert TabularModel([], 2, 2, [8])(codes[:, :0], numbers).shape == (6, 2)


def test_the_course_subclasses_it() -> None:
    class EmbeddingNN(TabularModel):
        def __init__(self, emb_szs: Sequence[tuple[int, int]], layers: list[int], **kw: Any):
            super().__init__(emb_szs, layers=layers, n_cont=0, out_sz=1, **kw)

    model = EmbeddingNN([(944, 74), (1665, 102)], [100, 50], y_range=(0, 5.5))
    assert model(torch.tensor([[1, 2], [3, 4]])).shape == (2, 1)
    assert [tuple(v.shape) for v in model.embeds] == [(944, 74), (1665, 102)]


def test_embedding_sizes_follow_fastais_rule() -> None:
    codec = SimpleNamespace(cat_names=("a", "b", "c"), cardinalities=(3, 42, 100_000))
    assert get_emb_sz(SimpleNamespace(codec=codec)) == [(3, 3), (42, 13), (100_000, 600)]
    assert get_emb_sz(codec, {"b": 4})[1] == (42, 4)


def test_an_unknown_column_in_emb_szs_is_named() -> None:
    codec = SimpleNamespace(cat_names=("job", "city"), cardinalities=(3, 4))
    with pytest.raises(ConfigError, match=r"'jobs'.*Did you mean 'job'"):
        get_emb_sz(codec, {"jobs": 4})


def test_wrong_probabilities_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"2 probabilities.*ps=\[0.1\]"):
        TabularModel(SIZES, 2, 1, [8, 8], ps=[0.1])


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"act_cls='rely'.*relu"):
        TabularModel(SIZES, 2, 1, [8], act_cls="rely")


def test_a_model_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="Expected columns to learn from"):
        TabularModel([], 0, 1, [8])


def test_tabular_config_is_a_dictionary_of_options() -> None:
    assert tabular_config(ps=0.1, embed_p=0.2) == {"ps": 0.1, "embed_p": 0.2}
