from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from redstart.errors import ConfigError, DataError
from redstart.metrics import RocAuc
from redstart.metrics.rows import WholeSetMetric


def auc(out: object, y: object, parts: int = 1) -> RocAuc:
    metric = RocAuc()
    for o, t in zip(torch.tensor(out).chunk(parts), torch.tensor(y).chunk(parts), strict=True):
        metric.update(o, t)
    return metric


@settings(deadline=None, max_examples=15)
@given(st.integers(2, 5), st.integers(10, 80), st.integers(0, 10_000), st.booleans())
def test_roc_auc_is_sklearns_for_any_batches(classes: int, n: int, seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    y = np.r_[np.arange(classes), rng.integers(0, classes, n - classes)]
    out = rng.normal(size=(n, classes)) + 1.5 * np.eye(classes)[y]
    out = np.round(out) if ties else out
    probs = torch.tensor(out).softmax(1).numpy()
    expected = roc_auc_score(y, probs[:, 1] if classes == 2 else probs, multi_class="ovr")
    assert auc(out, y, parts=3).compute() == pytest.approx(expected, abs=1e-12)


def test_labels_that_go_together_are_sklearns_too() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (50, 3))
    out = rng.normal(size=(50, 3)) + y
    assert auc(out, y.astype(float)).compute() == pytest.approx(roc_auc_score(y, out))


def test_classes_without_rows_are_left_out() -> None:
    out = np.random.default_rng(0).normal(size=(30, 3))
    y = np.arange(30) % 2
    probs = softmax(out, 1)
    expected = (roc_auc_score(y == 0, probs[:, 0]) + roc_auc_score(y == 1, probs[:, 1])) / 2
    assert auc(out, y).compute() == pytest.approx(expected)
    lonely = auc(out, np.zeros(30, dtype=int))
    assert math.isnan(lonely.compute())
    assert lonely.interval() is None


def test_rows_added_after_a_look_count() -> None:
    metric = auc([[0.0, 1.0], [0.0, 2.0]], [0, 1])
    assert metric.compute() == 1.0
    metric.update(torch.tensor([[0.0, 3.0]]), torch.tensor([0]))
    assert metric.compute() == 0.5
    metric.reset()
    assert math.isnan(metric.compute())


def test_confident_rows_keep_their_order() -> None:
    # In float32 all but the first are probabilities of exactly 1.
    out = np.stack([np.zeros(4), [1.0, 20.0, 24.0, 28.0]], 1).astype(np.float32)
    assert auc(out, [0, 0, 1, 1]).compute() == 1.0


def test_outputs_that_are_not_numbers_have_no_area() -> None:
    assert math.isnan(auc([[0.0, math.nan], [0.0, 1.0]], [0, 1]).compute())


@pytest.mark.parametrize(
    ("true_auc", "n_pos", "n_neg"), [(0.8, 60, 60), (0.97, 100, 100), (0.97, 15, 150)]
)
def test_intervals_of_roc_auc_cover(true_auc: float, n_pos: int, n_neg: int) -> None:
    rng = np.random.default_rng(1)
    shift = norm.ppf(true_auc) * math.sqrt(2)
    y = np.r_[np.ones(n_pos, int), np.zeros(n_neg, int)]
    covered = []
    for _ in range(300):
        score = rng.normal(size=n_pos + n_neg) + shift * y
        low, high = auc(np.stack([np.zeros_like(score), score], 1), y).interval()
        covered.append(low <= true_auc <= high)
    assert 0.925 <= np.mean(covered) <= 0.985


def test_interval_of_many_classes_is_near_the_bootstrap() -> None:
    rng = np.random.default_rng(2)
    y = rng.integers(0, 4, 800)
    out = rng.normal(size=(800, 4)) + 1.2 * np.eye(4)[y]
    low, high = auc(out, y).interval()
    figures = []
    for _ in range(80):
        i = rng.integers(0, 800, 800)
        figures.append(roc_auc_score(y[i], softmax(out[i], 1), multi_class="ovr"))
    assert high - low == pytest.approx(2 * 1.96 * np.std(figures), rel=0.25)


def test_a_perfect_ranking_leaves_room_below() -> None:
    low, high = auc([[0.0, float(i)] for i in range(20)], [0] * 10 + [1] * 10).interval()
    assert high == 1.0
    assert 0.5 < low < 0.95


def test_roc_auc_shapes_that_do_not_fit_are_told() -> None:
    with pytest.raises(DataError, match=r"out=\(3,\), y=\(3,\)"):
        RocAuc().update(torch.zeros(3), torch.zeros(3))
    with pytest.raises(DataError, match=r"out=\(3, 2\), y=\(3, 1\)"):
        RocAuc().update(torch.zeros(3, 2), torch.zeros(3, 1))
    with pytest.raises(DataError, match=r"equally many rows.*'roc_auc'"):
        RocAuc().update(torch.zeros(3, 2), torch.zeros(2))


def mean_gap(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (out - y).mean()


def test_numbers_have_no_roc_auc() -> None:
    metric = RocAuc()
    metric.update(torch.zeros(2, 1), torch.tensor([[0.5], [7.0]]))
    with pytest.raises(DataError, match=r"zeros and ones.*Got: targets from 0.5 to 7\. Choose"):
        metric.compute()


def test_a_function_is_called_once_with_all_rows() -> None:
    seen = []

    def median(out: torch.Tensor, y: torch.Tensor) -> float:
        seen.append((out.dtype, tuple(out.shape), y.tolist()))
        return (out - y).median().item()

    metric = WholeSetMetric("median", median)
    assert math.isnan(metric.compute())
    buffer = torch.tensor([5.0, 9.0], dtype=torch.bfloat16)
    metric.update(buffer, torch.tensor([0, 1]))
    buffer.zero_()
    metric.update(torch.tensor([1.0], dtype=torch.bfloat16), torch.tensor([2]))
    assert metric.compute() == 5.0
    assert seen == [(torch.float32, (3,), [0, 1, 2])]


def test_a_functions_interval_is_a_bootstrap() -> None:
    metric = WholeSetMetric("gap", mean_gap)
    assert metric.interval() is None
    out = torch.randn(300, generator=torch.Generator().manual_seed(0))
    metric.update(out[:100], torch.zeros(100))
    metric.update(out[100:], torch.zeros(200))
    low, high = metric.interval()
    assert low < metric.compute() < high
    assert high - low == pytest.approx(2 * 1.96 / math.sqrt(300), rel=0.25)


def test_a_function_that_fails_on_samples_has_no_interval() -> None:
    def picky(out: torch.Tensor, y: torch.Tensor) -> float:
        if len(y.unique()) < 3:
            raise ValueError("all three classes, please")
        return float(out.mean())

    metric = WholeSetMetric("picky", picky)
    metric.update(torch.randn(3), torch.arange(3))
    assert math.isfinite(metric.compute())
    assert metric.interval() is None


def test_a_function_that_returns_no_number_is_told() -> None:
    metric = WholeSetMetric("rows", lambda out, y: out - y)
    metric.update(torch.zeros(3), torch.zeros(3))
    with pytest.raises(ConfigError, match=r"'rows' to return one number.*shape \(3,\)"):
        metric.compute()


def test_batches_that_do_not_go_together_are_told() -> None:
    metric = WholeSetMetric("gap", mean_gap)
    metric.update(torch.zeros(2, 3), torch.zeros(2, 3))
    metric.update(torch.zeros(2, 4), torch.zeros(2, 4))
    with pytest.raises(DataError, match=r"put together for 'gap'.*\(3,\), \(4,\)"):
        metric.compute()


def test_outputs_that_are_not_a_tensor_are_told() -> None:
    with pytest.raises(DataError, match=r"'gap'.*out=tuple"):
        WholeSetMetric("gap", mean_gap).update((torch.zeros(2),), torch.zeros(2))
