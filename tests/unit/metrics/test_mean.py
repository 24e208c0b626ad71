from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from redstart.errors import ConfigError, DataError
from redstart.metrics import (
    accuracy,
    accuracy_multi,
    as_metric,
    by_name,
    error_rate,
    mae,
    mse,
    r2,
    rmse,
    top_k_accuracy,
    wilson,
)
from redstart.metrics.interval import mean_interval

FUNCTIONS = {"mse": mse, "rmse": rmse, "mae": mae, "r2": r2}
SKLEARN = {
    "mse": sk.mean_squared_error,
    "rmse": lambda y, p: np.sqrt(sk.mean_squared_error(y, p)),
    "mae": sk.mean_absolute_error,
    "r2": sk.r2_score,
}


def batches(n: int, seed: int) -> list[slice]:
    """A random partition of ``n`` rows."""
    cuts = np.random.default_rng(seed).integers(0, n + 1, 4)
    edges = [0, *sorted(cuts.tolist()), n]
    return [slice(a, b) for a, b in pairwise(edges)]


def rows(n: int, k: int, seed: int, offset: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    y = rng.normal(offset, 3, (n, k))
    return torch.tensor(y + rng.normal(0, 1, (n, k))), torch.tensor(y)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 60), st.integers(1, 3), st.integers(0, 1000), st.sampled_from([0.0, 1e6]))
def test_regression_figures_are_sklearns_for_any_batches(
    n: int, k: int, seed: int, offset: float
) -> None:
    out, y = rows(n, k, seed, offset)
    for name, theirs in SKLEARN.items():
        metric = by_name(name)
        for part in batches(n, seed):
            metric.update(out[part], y[part])
        expected = theirs(y.numpy(), out.numpy())
        assert metric.compute() == pytest.approx(expected, rel=1e-9), name
        assert FUNCTIONS[name](out, y).item() == pytest.approx(expected, rel=1e-9)


def test_a_column_of_one_goes_with_no_column() -> None:
    out, y = rows(30, 1, 0)
    for name, function in FUNCTIONS.items():
        expected = function(out, y).item()
        assert function(out[:, 0], y).item() == function(out, y[:, 0]).item() == expected
        metric = by_name(name)
        metric.update(out, y[:, 0])
        assert metric.compute() == pytest.approx(expected)


def test_r2_of_equal_targets_is_as_in_sklearn() -> None:
    y = torch.full((4,), 2.0)
    for out in (y, y + 1):
        assert r2(out, y).item() == sk.r2_score(y, out)
    assert r2(torch.ones(1), torch.ones(1)).isnan()


def test_intervals_of_distances_reach_further_up_than_down_and_are_not_negative() -> None:
    metric = by_name("mse")
    out = torch.tensor([0.0, 0.5, 0.2, 0.1, 3.0])
    metric.update(out, torch.zeros(5))
    low, high = metric.interval()
    values = out.double().square()
    plain = mean_interval(values.sum().item(), values.square().sum().item(), 5)
    assert plain[0] < 0 <= low
    assert high > plain[1]
    root = by_name("rmse")
    root.update(out, torch.zeros(5))
    assert root.interval() == pytest.approx((low**0.5, high**0.5))


def test_distances_far_from_zero_have_students_interval_all_the_same() -> None:
    """Powers of large values would be equal in all their digits."""
    values = 1e6 + torch.linspace(-1, 1, 101).double()
    metric = by_name("mae")
    for some in values.split(10):
        metric.update(some, torch.zeros(len(some)).double())
    around = mean_interval(0.0, (values - 1e6).square().sum().item(), 101)
    assert metric.interval() == pytest.approx((1e6 + around[0], 1e6 + around[1]), abs=1e-6)


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_regression_shapes_that_do_not_fit_are_told(name: str) -> None:
    out, y = torch.zeros(4, 2), torch.zeros(4)
    with pytest.raises(DataError, match=r"one shape.*out=\(4, 2\).*y=\(4,\)"):
        FUNCTIONS[name](out, y)
    metric = by_name(name)
    with pytest.raises(DataError, match=r"one shape.*out=\(4, 2\).*y=\(4,\)"):
        metric.update(out, y)
        metric.compute()


def test_accuracy_of_equal_and_unequal_batches() -> None:
    # A mean of batch means would be 0.75.
    metric = by_name("accuracy")
    metric.update(torch.eye(2), torch.tensor([0, 1]))
    metric.update(torch.eye(2)[[0, 0, 0, 0, 0, 0]], torch.tensor([0, 0, 0, 1, 1, 1]))
    assert metric.compute() == 5 / 8
    assert metric.interval() == pytest.approx(wilson(5, 8))


def test_perfect_accuracy_and_error_rate_have_wilsons_interval() -> None:
    for name, k in (("accuracy", 50), ("error_rate", 0)):
        metric = by_name(name)
        metric.update(torch.eye(50), torch.arange(50))
        assert metric.interval() == pytest.approx(wilson(k, 50))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 5), st.integers(0, 1000))
def test_top_k_is_sklearns(k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    out, y = torch.tensor(rng.normal(size=(40, 6))), torch.tensor(rng.integers(0, 6, 40))
    expected = sk.top_k_accuracy_score(y, out, k=k, labels=range(6))
    assert top_k_accuracy(out, y, k).item() == pytest.approx(expected)
    metric = by_name(f"top_{k}_accuracy")
    for part in batches(40, seed):
        metric.update(out[part], y[part])
    assert metric.compute() == pytest.approx(expected)
    assert metric.interval() == pytest.approx(wilson(round(expected * 40), 40))


@pytest.mark.parametrize("k", [0, 4])
def test_k_out_of_range_is_told(k: int) -> None:
    with pytest.raises(ConfigError, match=f"number of classes, 3.*k={k}"):
        top_k_accuracy(torch.eye(3), torch.arange(3), k=k)


def test_functions_on_one_batch_are_scalars() -> None:
    out, y = torch.eye(4), torch.tensor([0, 1, 2, 0])
    assert accuracy(out, y).shape == ()
    assert accuracy(out, y).item() == 0.75
    assert error_rate(out, y).item() == 0.25


def test_accuracy_multi_heeds_thresh_and_sigmoid() -> None:
    probs = torch.tensor([[0.1, 0.3], [0.6, 0.9]])
    y = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    assert accuracy_multi(probs.logit(), y).item() == 0.5
    assert accuracy_multi(probs.logit(), y, thresh=0.2).item() == 0.75
    assert accuracy_multi(probs, y, thresh=0.7, sigmoid=False).item() == 0.75
    # As logits all of them are above a half.
    assert accuracy_multi(probs, y).item() == 0.5
    with pytest.raises(DataError, match=r"labels of one shape"):
        accuracy_multi(probs, y[:, 0])


def test_interval_of_accuracy_multi_counts_rows_not_labels() -> None:
    # All labels of a row right or wrong together: no more is known than from the rows.
    right = torch.tensor([1.0] * 80 + [0.0] * 20)[:, None].expand(100, 10)
    metric = as_metric(accuracy_multi)
    metric.update(torch.full((100, 10), 5.0), right)
    assert metric.compute() == pytest.approx(0.8)
    assert metric.interval() == pytest.approx(wilson(80, 100))


def test_half_precision_outputs_and_gradients_are_welcome() -> None:
    metric = by_name("mse")
    metric.update(torch.full((3,), 1.5, dtype=torch.bfloat16, requires_grad=True), torch.zeros(3))
    assert metric.compute() == 2.25
    with torch.inference_mode():
        metric.update(torch.zeros(3), torch.zeros(3))
    metric.update(torch.zeros(3), torch.zeros(3))
    assert metric.compute() == 0.75
