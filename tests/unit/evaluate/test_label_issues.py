from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from redstart.errors import ConfigError, DataError
from redstart.evaluate.label_issues import (
    METHODS,
    rank_classes,
    rank_labels,
    rank_numbers,
)
from redstart.evaluate.noise import Estimate, count_of, fit_noise

OURS = [m for m in METHODS if m != "cleanlab"]


def world(n=600, c=4, rate=0.05, *, seed=0, sharp=6.0, pairs=False):
    """Rows whose true class follows their probabilities, and labels some of which are wrong."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, c)) * sharp
    probs = np.exp(logits - logits.max(1, keepdims=True))
    probs /= probs.sum(1, keepdims=True)
    true = (probs.cumsum(1) > rng.random((n, 1))).argmax(1)
    planted = rng.choice(n, round(rate * n), replace=False)
    labels = true.copy()
    labels[planted] = (true[planted] + (1 if pairs else rng.integers(1, c, len(planted)))) % c
    wrong = np.zeros(n, dtype=bool)
    wrong[planted] = True
    return probs, labels, true, wrong


@pytest.mark.parametrize("method", OURS)
def test_planted_labels_come_first(method: str) -> None:
    probs, labels, _, wrong = world()
    found = rank_classes(probs, labels, method)
    assert wrong[found.order[:60]].sum() >= 0.8 * wrong.sum()
    assert sorted(found.order.tolist()) == list(range(len(labels)))


def test_what_is_likely_is_the_true_class_and_never_the_given_one() -> None:
    probs, labels, true, wrong = world()
    found = rank_classes(probs, labels)
    assert (found.likely[wrong] == true[wrong]).mean() > 0.8
    assert (found.likely != labels).all()
    assert np.allclose(found.probability, probs[np.arange(len(labels)), found.likely])


@pytest.mark.parametrize("pairs", [False, True])
def test_the_estimate_is_near_what_was_planted(pairs: bool) -> None:
    probs, labels, _, wrong = world(2000, pairs=pairs)
    found = rank_classes(probs, labels).estimate
    assert found.low <= wrong.sum() <= found.high
    assert abs(found.count - wrong.sum()) < 0.25 * wrong.sum()
    assert found.n == 2000


def test_on_clean_labels_of_hard_rows_none_is_wrong() -> None:
    probs, labels, _, _ = world(2000, rate=0, sharp=1.5)
    assert (probs.argmax(1) != labels).mean() > 0.1  # hard indeed
    found = rank_classes(probs, labels)
    assert found.estimate.low == 0
    assert found.estimate.count < 10
    assert found.wrong.mean() < 0.005


def test_clean_labels_of_an_overconfident_model_are_not_called_wrong() -> None:
    probs, labels, _, _ = world(2000, rate=0, sharp=1.5)
    sharper = probs**3 / (probs**3).sum(1, keepdims=True)
    assert rank_classes(sharper, labels).estimate.count < 20


def test_probabilities_of_being_wrong_are_honest() -> None:
    probs, labels, _, wrong = world(4000)
    said = rank_classes(probs, labels).wrong
    sure = said > 0.9
    assert sure.sum() > 50
    assert wrong[sure].mean() > 0.85
    assert wrong[said < 0.05].mean() < 0.02


def test_a_habit_of_those_who_label_is_learnt() -> None:
    probs, labels, _, _ = world(4000, pairs=True)
    rates = fit_noise(probs, labels).rates
    assert np.allclose(rates.sum(1), 1)
    for c in range(4):
        others = [o for o in range(4) if o not in (c, (c + 1) % 4)]
        assert rates[c, (c + 1) % 4] > 1.2 * rates[c, others].max()


def test_how_many_to_review_follows_from_the_probabilities() -> None:
    probs, labels, _, wrong = world(2000)
    found = rank_classes(probs, labels)
    n = found.to_find(0.8)
    assert 0.7 * wrong.sum() <= wrong[found.order[:n]].sum() <= 0.95 * wrong.sum()
    assert found.to_find(0.5) < n < found.to_find(1.0)
    clean = rank_classes(*world(500, rate=0)[:2])
    assert clean.to_find() == 0


def test_large_data_is_fitted_on_a_sample_and_ranked_as_a_whole() -> None:
    probs, labels, _, wrong = world(25_000)
    found = rank_classes(probs, labels)
    assert len(found) == 25_000
    assert wrong[found.order[:2500]].mean() > 0.4


@pytest.mark.slow
def test_intervals_of_the_estimate_cover() -> None:
    inside = []
    for seed in range(200):
        probs, labels, _, wrong = world(800, seed=seed, sharp=4.0)
        found = rank_classes(probs, labels).estimate
        inside.append(found.low <= wrong.sum() <= found.high)
    assert np.mean(inside) >= 0.9


@settings(max_examples=30, deadline=None)
@drawn(st.integers(0, 10_000), st.integers(2, 6), st.integers(6, 60))
def test_any_probabilities_give_an_order_and_honest_numbers(seed: int, c: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(c, 0.3), size=n)
    labels = rng.integers(0, c, n)
    for method in OURS:
        found = rank_classes(probs, labels, method)
        assert sorted(found.order.tolist()) == list(range(n))
        assert ((found.wrong >= -1e-12) & (found.wrong <= 1 + 1e-12)).all()
        estimate = found.estimate
        assert 0 <= estimate.low <= estimate.count <= estimate.high <= n


def test_classes_without_rows_do_no_harm() -> None:
    probs, labels, _, _ = world(200, c=3)
    wider = np.concatenate([probs, np.zeros((200, 1))], axis=1)
    for method in OURS:
        a, b = rank_classes(probs, labels, method), rank_classes(wider, labels, method)
        # The first ones are the same, if rates are spread over one more class.
        assert len({*a.order[:10].tolist()} & {*b.order[:10].tolist()}) >= 8


def test_several_labels_are_ranked_by_the_worst_of_each_row() -> None:
    rng = np.random.default_rng(0)
    probs = 1 / (1 + np.exp(-5 * rng.normal(size=(500, 3))))
    true = (probs > rng.random(probs.shape)).astype(np.float64)
    said = true.copy()
    rows = rng.choice(500, 25, replace=False)
    cells = rng.integers(0, 3, 25)
    said[rows, cells] = 1 - said[rows, cells]
    found = rank_labels(probs, said)
    assert np.isin(found.order[:50], rows).sum() >= 18
    first = found.order[0]
    assert (found.likely[first] != said[first]).sum() >= 1
    assert found.estimate.low <= 25 <= found.estimate.high
    assert np.isin(rank_labels(probs, said, "margin").order[:50], rows).sum() >= 15


def test_a_label_that_every_row_has_is_no_reason_for_suspicion() -> None:
    rng = np.random.default_rng(0)
    probs = np.stack([np.full(60, 0.99), rng.random(60)], axis=1)
    said = np.stack([np.ones(60), (probs[:, 1] > 0.5).astype(float)], axis=1)
    assert rank_labels(probs, said).estimate.count < 3


def test_numbers_are_judged_by_the_spread_around_them() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 10, 1000)
    spread = 0.1 + 0.5 * x  # the larger, the more they scatter
    y = 10 * x + spread * rng.normal(size=1000)
    near = np.flatnonzero(x < 1)[:10]
    y[near] += 6  # as much as large ones are off by chance
    found = rank_numbers(10 * x[:, None], y[:, None])
    assert np.isin(found.order[:12], near).sum() >= 9
    assert np.isnan(found.probability).all()


def test_numbers_swapped_between_rows_are_counted() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 10, 1000)
    y = 10 * x + rng.normal(size=1000)
    rows = rng.choice(1000, 50, replace=False)
    y[rows] = y[np.roll(rows, 1)]
    found = rank_numbers(10 * x[:, None], y[:, None])
    assert np.isin(found.order[:100], rows).sum() >= 42
    assert found.estimate.low <= 50 <= found.estimate.high


def test_heavy_tails_alone_are_no_wrong_numbers() -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(0, 10, 1000)
    y = 10 * x + rng.standard_t(3, size=1000)
    assert rank_numbers(10 * x[:, None], y[:, None]).estimate.count < 10


def test_numbers_that_are_predicted_exactly_do_not_break_the_spread() -> None:
    y = np.repeat(np.arange(20.0), 5)
    found = rank_numbers(y[:, None], y[:, None])
    assert np.isfinite(found.wrong).all()
    assert found.estimate.count < 5


def test_an_interval_of_a_share_that_is_nought_starts_there() -> None:
    found = count_of((np.full(100, 0.9), np.full(100, 0.01)))
    assert found.count == found.low == 0
    assert 0 < found.high < 10
    assert str(Estimate(31.2, 22.4, 44.0, 1600)) == "about 31 [22, 44] of 1,600"


def test_a_method_that_there_is_not_is_refused() -> None:
    probs, labels, _, _ = world(50)
    with pytest.raises(ConfigError, match=r"Expected one of noise, margin.*Got: method='loss'"):
        rank_classes(probs, labels, "loss")
    with pytest.raises(ConfigError, match="for several labels"):
        rank_labels(probs, (probs > 0.5).astype(float), "cleanlab")


def test_cleanlab_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
    probs, labels, _, _ = world(50)
    with pytest.raises(ConfigError, match=r"pip install redstart\[clean\]"):
        rank_classes(probs, labels, "cleanlab")


def test_cleanlab_ranks_where_it_is_installed() -> None:
    pytest.importorskip("cleanlab")
    probs, labels, _, wrong = world()
    found = rank_classes(probs, labels, "cleanlab")
    assert wrong[found.order[:60]].sum() >= 0.8 * wrong.sum()


def test_shapes_that_differ_are_refused() -> None:
    probs, labels, _, _ = world(50)
    with pytest.raises(DataError, match="same rows"):
        rank_classes(probs, labels[:-1])
    with pytest.raises(DataError, match=r"classes from 0 to 3.*Got: given=4"):
        rank_classes(probs, np.full(50, 4))
    with pytest.raises(DataError, match="same rows"):
        rank_labels(probs, np.zeros((50, 2)))
    with pytest.raises(DataError, match="same rows"):
        rank_numbers(np.zeros((5, 1)), np.zeros(5))
