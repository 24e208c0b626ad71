"""Sets and intervals hold the truth as often as they promise, on rows of their own."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from redstart.errors import ConfigError, DataError
from redstart.evaluate.conformal import (
    NumberScores,
    Scores,
    label_scores,
    label_set,
    promise,
    value_scores,
)

Floats = NDArray[np.float64]


# ---- the limit


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 3000), st.floats(0.01, 0.995), st.integers(0, 10**6))
def test_the_limit_is_the_score_of_its_rank_or_a_greater_one(
    n: int, coverage: float, seed: int
) -> None:
    scores = np.random.default_rng(seed).normal(size=n)
    found = Scores.of(scores)
    rank = math.ceil((n + 1) * coverage - 1e-9)
    if rank > n:
        return
    exact = np.sort(scores)[rank - 1]
    again = Scores.of_json(json.loads(json.dumps(found.to_json())))
    for limit in (found.limit(coverage), again.limit(coverage)):
        assert limit >= exact
        # Of many scores not all are kept: the next that is kept is one rank in 250 away.
        assert (scores < limit).sum() <= rank - 1 + n / 240 + 1


def test_few_scores_are_all_kept_and_of_many_some() -> None:
    assert len(Scores.of(np.arange(500.0)).values) == 500
    many = Scores.of(np.arange(1_000_000.0))
    assert len(many.values) <= 500 and many.ranks[-250:] == tuple(range(999_751, 1_000_001))
    assert len(json.dumps(many.to_json())) < 12_000


@pytest.mark.parametrize("coverage", [0.0, 1.0, -0.1, 1.5, 0.95])
def test_what_rows_cannot_promise_is_refused(coverage: float) -> None:
    with pytest.raises(ConfigError, match=r"9 validation rows can promise: at most 0.9\. Got: cov"):
        Scores.of(np.arange(9.0)).limit(coverage)
    assert Scores.of(np.arange(9.0)).limit(0.9) == 8


# ---- labels


def labelled(
    rng: np.random.Generator, n: int, *, several: bool
) -> tuple[Floats, NDArray[np.int64]]:
    """Overconfident probabilities of four labels, and the truth."""
    scores = rng.normal(0, 1.5, (n, 4))
    if several:
        y = (rng.random((n, 4)) < 1 / (1 + np.exp(-scores))).astype(np.int64)
        return 1 / (1 + np.exp(-2 * scores)), y
    true = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    said = np.exp(2 * scores) / np.exp(2 * scores).sum(1, keepdims=True)
    return said, (true.cumsum(1) < rng.random((n, 1))).sum(1).clip(max=3)


def answer(p: Floats, *, several: bool) -> list[int]:
    return np.flatnonzero(p > 0.5).tolist() if several else [int(p.argmax())]


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(("n", "coverage"), [(40, 0.9), (300, 0.9), (300, 0.5), (1500, 0.97)])
def test_sets_hold_the_truth_as_often_as_promised(n: int, coverage: float, several: bool) -> None:
    rng = np.random.default_rng(1)
    hits, sizes = [], []
    for _ in range(60):
        limit = label_scores(*labelled(rng, n, several=several)).limit(coverage)
        for p, y in zip(*labelled(rng, 40, several=several), strict=True):
            found = label_set(p, limit, answer(p, several=several))
            hits.append(set(np.flatnonzero(y) if several else [y]) <= set(found))
            sizes.append(len(found))
    assert coverage - 0.02 <= np.mean(hits)
    # Only the answer itself, which is always in it, can make it more by much.
    assert np.mean(hits) <= max(coverage + 0.03, 0.85)
    assert np.mean(sizes) < 4


def test_a_set_is_never_empty_and_begins_with_the_likeliest() -> None:
    p = np.array([0.2, 0.5, 0.3])
    assert label_set(p, -0.25, [1]) == [1, 2]
    assert label_set(p, -0.9, [1]) == [1]
    assert label_set(p, 0.0, [1]) == [1, 2, 0]


def test_a_row_without_labels_is_held_by_any_set() -> None:
    scores = label_scores(np.full((3, 2), 0.4), np.array([[0, 0], [1, 0], [1, 1]]))
    assert scores.values == (-1.0, -0.4, -0.4)


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="labels of the same rows"):
        label_scores(np.ones((3, 2)) / 2, np.zeros(2, dtype=np.int64))


# ---- numbers


def numbers(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    """Predictions, and truths that are further off where the prediction is large."""
    said = rng.uniform(0, 10, n)
    return said, said + rng.normal(0, 0.2 + 0.3 * said)


@pytest.mark.parametrize(("n", "coverage"), [(50, 0.9), (500, 0.9), (3000, 0.9), (3000, 0.99)])
def test_intervals_hold_the_truth_as_often_as_promised(n: int, coverage: float) -> None:
    rng = np.random.default_rng(2)
    hits = []
    for _ in range(60):
        scores = value_scores(*numbers(rng, n))
        said, true = numbers(rng, 200)
        hits.append((abs(true - said) <= scores.reach(said, coverage)).mean())
    assert coverage - 0.012 <= np.mean(hits) <= coverage + 0.02


def test_with_enough_rows_small_and_large_predictions_are_covered_alike() -> None:
    rng = np.random.default_rng(3)
    parted = value_scores(*numbers(rng, 5000))
    whole = value_scores(*numbers(rng, 5000), parted=False)
    assert len(parted.bins) == 5 and not whole.bins
    said, true = numbers(rng, 20_000)
    off = abs(true - said)
    for low in (0, 2, 4, 6, 8):
        some = (said >= low) & (said < low + 2)
        assert (off <= parted.reach(said, 0.9))[some].mean() == pytest.approx(0.9, abs=0.03)
    assert (off <= whole.reach(said, 0.9))[said < 2].mean() > 0.99
    assert parted.reach(said, 0.9).mean() < whole.reach(said, 0.9).mean()


def test_where_a_bin_has_too_few_rows_all_are_taken() -> None:
    rng = np.random.default_rng(4)
    scores = value_scores(*numbers(rng, 1000))
    assert len(set(scores.reach(np.array([0.5, 9.5]), 0.9))) == 2
    assert len(set(scores.reach(np.array([0.5, 9.5]), 0.99))) == 1
    assert not value_scores(*numbers(rng, 300)).bins


def test_predictions_that_are_all_the_same_are_not_parted() -> None:
    rng = np.random.default_rng(5)
    for said in (np.zeros(2000), np.repeat([0.0, 1.0], [1950, 50])):
        scores = value_scores(said, rng.normal(size=2000))
        assert not scores.bins
        assert scores.reach(np.zeros(1), 0.95)[0] == pytest.approx(1.96, abs=0.15)


def test_numbers_come_back_from_json_and_a_bundle_stays_small() -> None:
    scores = value_scores(*numbers(np.random.default_rng(6), 100_000))
    written = json.dumps(scores.to_json())
    again = NumberScores.of_json(json.loads(written))
    said = np.linspace(-1, 11, 50)
    for coverage in (0.5, 0.9, 0.99):
        near = again.reach(said, coverage)
        assert near == pytest.approx(scores.reach(said, coverage)) and len(set(near)) > 1
    assert len(written) < 70_000


# ---- words


def test_the_promise_is_said_with_what_it_rests_on() -> None:
    said = promise(0.9, 400)
    assert "set holds the true label for 0.9 of new rows or more" in said
    assert "with these 400, give or take 0.029" in said
