"""TabM: members that share weights, bins of numbers, and what becomes of their answers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from redstart.errors import ConfigError
from redstart.nn.init import norm_or_bias
from redstart.tabular.outputs import mixed
from redstart.tabular.piecewise import PiecewiseLinearEmbeddings, bins_of
from redstart.tabular.tabm import TabM, build_tabm, category_widths

BINS = [[-1.0, 0.0, 2.0], [0.0, 1.0]]


def model(**options: Any) -> TabM:
    return TabM([4, 7], BINS, 3, [16, 8], **options)


def rows(n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    codes = torch.stack([torch.randint(0, size, (n,)) for size in (4, 7)], 1)
    return codes, torch.randn(n, 2)


def test_members_answer_one_by_one_in_training_and_together_otherwise() -> None:
    tabm = model(k=5)
    assert tabm(*rows()).shape == (6, 5, 3)
    assert tabm.eval()(*rows()).shape == (6, 3)


@pytest.mark.parametrize("mix", ["softmax", "sigmoid", "mean"])
def test_answers_are_averaged_as_probabilities_or_numbers(mix: Any) -> None:
    tabm, x = model(mix=mix), rows()
    each, whole = tabm(*x), tabm.eval()(*x)
    if mix == "softmax":
        torch.testing.assert_close(whole.exp(), each.softmax(-1).mean(1))
    elif mix == "sigmoid":
        torch.testing.assert_close(whole.sigmoid(), each.sigmoid().mean(1))
    else:
        torch.testing.assert_close(whole, each.mean(1))


def test_certain_members_do_not_overflow() -> None:
    out = torch.tensor([[[200.0, -200.0], [150.0, -150.0]]])
    assert mixed(out, "softmax").isfinite().all()
    assert mixed(out, "sigmoid").isfinite().all()


def test_an_unknown_mix_is_refused() -> None:
    with pytest.raises(ConfigError, match="mix='median'"):
        mixed(torch.zeros(1, 2, 3), "median")  # type: ignore[arg-type]


def test_members_differ_from_the_start() -> None:
    assert model()(*rows()).std(1).min() > 0


def test_the_first_layer_equals_a_product_with_one_hot_vectors() -> None:
    tabm, (codes, numbers) = model(), rows()
    first = tabm.first
    assert first.numbers is not None
    assert first.weight is not None
    assert first.table is not None
    hot = torch.cat([F.one_hot(codes[:, 0], 4), F.one_hot(codes[:, 1], 7)], 1).float()
    shared = torch.cat([first.numbers(numbers), hot], 1) @ torch.cat([first.weight, first.table])
    expected = shared[None] * first.s[:, None] + first.bias[:, None]
    torch.testing.assert_close(first(codes, numbers), expected)


def test_columns_of_many_categories_get_vectors() -> None:
    assert category_widths([3, 64, 65, 10_000]) == [(3, 0), (64, 0), (65, 16), (10_000, 16)]
    tabm = TabM([4, 500], BINS, 1, [8], emb_szs=[(4, 0), (500, 6)])
    codes = torch.tensor([[3, 499], [0, 0]])
    assert tabm(codes, torch.zeros(2, 2)).shape == (2, 8, 1)
    assert tabm.first.categories is not None
    assert tabm.first.weight is not None
    assert tabm.first.weight.shape == (2 * 16 + 6, 8)


def test_categories_alone_and_numbers_alone_will_do() -> None:
    codes, numbers = rows()
    assert TabM([4, 7], [], 2, [8])(codes, numbers[:, :0]).shape == (6, 8, 2)
    assert TabM([], BINS, 2, [8])(codes[:, :0], numbers).shape == (6, 8, 2)


def test_numbers_come_out_in_units_of_the_target() -> None:
    scale = {"mean": [7.0] * 3, "std": [0.1] * 3, "log": True}
    tabm, x = build_tabm(cardinalities=[4, 7], bins=BINS, n_out=3, layers=[8], scale=scale), rows()
    each = tabm(*x)
    # Members are averaged as the loss compares them: logarithms.
    torch.testing.assert_close(tabm.eval()(*x).log1p(), each.log1p().mean(1))
    assert 300 < each.median() < 5000


def test_outputs_stay_within_y_range() -> None:
    tabm = model(y_range=[0, 5], scale={"mean": [9.0], "std": [1.0], "log": False})
    assert 0 < tabm(*rows()).min() < tabm(*rows()).max() < 5


def test_scales_and_biases_do_not_decay() -> None:
    tabm = model()
    still = norm_or_bias(tabm)
    free = {name for name, p in tabm.named_parameters() if id(p) in still}
    assert {name.rsplit(".", 1)[1] for name in free} == {"r", "s", "bias"}
    assert len(free) == 7


def test_dropout_is_only_for_training() -> None:
    tabm, x = model(dropout=0.5), rows()
    assert not torch.equal(tabm(*x), tabm(*x))
    assert torch.equal(tabm.eval()(*x), tabm(*x))


@pytest.mark.parametrize("wrong", [{"layers": []}, {"k": 0}])
def test_no_layers_or_no_members_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="Expected columns, hidden layers and members"):
        build_tabm(**{"cardinalities": [3], "bins": [], "n_out": 1, "layers": [4], **wrong})


def test_a_number_is_encoded_by_how_far_it_is_through_each_bin() -> None:
    numbers = PiecewiseLinearEmbeddings(BINS, 4)
    x = torch.tensor([[-0.5, 0.5], [1.0, 2.0], [-3.0, -1.0], [4.0, 0.0]])
    expected = torch.tensor([[0.5, 0.0], [1.0, 0.5], [-4 / 3, 0.0], [1.0, 2.0]])
    assert torch.allclose(numbers.encode(x)[:, 0], expected)
    assert numbers.encode(x)[:, 1].tolist() == [[0.5, 0], [2, 0], [-1, 0], [0, 0]]
    assert numbers(x).shape == (4, 8)


@given(
    arrays(np.float32, st.tuples(st.integers(1, 60), st.just(2)), elements=st.integers(-9, 9)),
    st.integers(1, 12),
)
def test_bins_rise_and_hold_all_rows(columns: Any, n_bins: int) -> None:
    for edges, column in zip(bins_of(columns, n_bins), columns.T, strict=True):
        assert 2 <= len(edges) <= n_bins + 3
        assert all(a < b for a, b in pairwise(edges))
        assert edges[0] <= column.min()
        assert edges[-1] >= column.max()


def test_beyond_a_narrow_bin_numbers_do_not_run_away() -> None:
    edges = [0.0, 0.25, 0.5, 0.75, 1.0, 1.0001]
    encode = PiecewiseLinearEmbeddings([edges], 2).encode
    x = torch.tensor([[0.3], [1.0001], [1.2001], [-1.0]])
    found = encode(x)[:, 0]
    assert found[1].tolist() == pytest.approx([1, 1, 1, 1, 1], abs=1e-3)
    assert found[2].tolist() == pytest.approx([1, 1, 1, 1, 2], abs=1e-2)  # a mean bin further
    assert found[3].tolist() == pytest.approx([-4, 0, 0, 0, 0], abs=1e-2)


def test_a_frequent_value_does_not_take_the_bins_of_the_others() -> None:
    column = np.concatenate([np.zeros(900), np.arange(1, 101)]).astype(np.float32)[:, None]
    edges = bins_of(column, 10)[0]
    assert edges[0] == 0
    assert len(edges) >= 10


def test_one_value_makes_one_bin() -> None:
    assert bins_of(np.full((5, 1), 3.0)) == [[3.0, 4.0]]


def test_a_number_of_bins_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ConfigError, match="n_bins=0"):
        bins_of(np.zeros((3, 1)), 0)


def test_the_sizes_are_printed() -> None:
    said = str(model(k=5))
    assert "2 columns of 11 categories, width=16, k=5" in said
    assert "16, 8, k=5" in said
