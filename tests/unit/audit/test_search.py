"""Neighbours in blocks are the neighbours; what is nearer than by chance is found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import redstart.audit.search as search
from redstart.audit.search import (
    above,
    as_pairs,
    embedding_pairs,
    equal_pairs,
    expected_nearer,
    first_of_each,
    growth,
    nearest,
    units,
)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_ROWS", 7)
    monkeypatch.setattr(search, "_COLUMNS", 11)


def vectors(n: int, seed: int = 0, size: int = 6) -> np.ndarray:
    return units(np.random.default_rng(seed).normal(size=(n, size)))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("k", [1, 5, 16, 40])
def test_neighbours_in_blocks_are_those_of_one_large_product(k):
    left, right = vectors(33), vectors(20, 1)
    rows, cosines = nearest(left, right, k)
    full = right @ left.T
    order = np.argsort(-full, axis=1)[:, :k]
    assert np.array_equal(rows, order)
    assert np.allclose(cosines, np.take_along_axis(full, order, 1), atol=1e-6)


@pytest.mark.usefixtures("small_blocks")
def test_no_vector_is_its_own_neighbour():
    both = vectors(30)
    rows, _ = nearest(both, both, 29, same=True)
    assert rows.shape == (30, 29)
    assert not np.any(rows == np.arange(30)[:, None])


def test_few_or_no_vectors_have_few_or_no_neighbours():
    assert nearest(vectors(3), vectors(2), 8)[0].shape == (2, 3)
    assert nearest(vectors(1), vectors(1), 8, same=True)[0].shape == (1, 0)
    assert nearest(vectors(0), vectors(2), 8)[0].shape == (2, 0)
    assert nearest(vectors(4), vectors(0), 8)[0].shape == (0, 4)


@pytest.mark.usefixtures("small_blocks")
def test_all_pairs_above_a_cosine_are_found_once():
    left, right = vectors(33), vectors(20, 1)
    lefts, rights, cosines = above(left, right, 0.5)
    assert set(zip(lefts, rights, strict=True)) == {
        (i, j) for j, i in np.argwhere(right @ left.T >= 0.5)
    }
    assert np.allclose(cosines, (left[lefts] * right[rights]).sum(1), atol=1e-6)
    lefts, rights, _ = above(left, left, 0.5, same=True)
    expected = np.argwhere(np.triu(left @ left.T, 1) >= 0.5)
    assert {tuple(p) for p in zip(lefts, rights, strict=True)} == {tuple(p) for p in expected}


def test_pairs_above_a_cosine_stop_where_told():
    both = vectors(40)
    assert len(above(both, both, -1.0, same=True, most=25)[0]) == 25
    assert len(above(both[:0], both, 0.5)[0]) == 0


def test_zero_vectors_stay_zero():
    assert np.array_equal(units(np.zeros((2, 3))), np.zeros((2, 3)))


@pytest.mark.parametrize("size", [2, 5, 10])
def test_growth_is_the_dimension_of_what_is_spread_evenly(size):
    rng = np.random.default_rng(size)
    points = rng.uniform(size=(4000, size))
    distances = np.linalg.norm(points[:100, None] - points[None], axis=2)
    ladder = np.sort(distances, axis=1)[:, 1:65]
    found = growth(ladder[:, 16:], np.arange(17, 65))
    assert found == pytest.approx(size, rel=0.25)


def test_unrelated_neighbours_are_as_near_as_expected():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(3000, 6))
    distances = np.sort(np.linalg.norm(points[:1000, None] - points[None], axis=2), axis=1)[:, 1:65]
    ranks = np.arange(17, 65)
    exponent = growth(distances[:, 16:], ranks)
    expected = expected_nearer(distances[:, 0], distances[:, -1], 64.0, exponent)
    # Of one row in ten the nearest is so near that a tenth of a row was expected there.
    assert 0.05 < (expected <= 0.1).mean() < 0.2
    assert (expected <= 1e-5).sum() == 0


def test_near_duplicates_among_embeddings_are_found_and_clusters_are_not():
    rng = np.random.default_rng(1)
    classes = rng.normal(size=(4, 32)) * 3
    clean = classes[rng.integers(0, 4, 800)] + rng.normal(size=(800, 32))
    copies = clean[:20] + rng.normal(size=(20, 32)) * 0.02
    found = np.concatenate([clean, copies, clean[:1]])
    pairs = embedding_pairs(found, np.arange(600), np.arange(600, 821))
    assert set(pairs.right) == set(range(800, 821))
    assert np.array_equal(pairs.left[pairs.right < 820], pairs.right[pairs.right < 820] - 800)
    assert list(pairs.right[pairs.exact]) == [820]
    assert pairs.right[0] == 820 and pairs.likeness[0] == 1


def test_embeddings_of_one_part_are_paired_once():
    rng = np.random.default_rng(1)
    found = rng.normal(size=(200, 16))
    found[7] = found[3]
    rows = np.arange(200)
    pairs = embedding_pairs(found, rows, rows)
    assert list(zip(pairs.left, pairs.right, strict=True)) == [(3, 7)]
    assert len(embedding_pairs(found, rows[:1], rows[:1])) == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=0, max_size=30), st.integers(0, 30))
def test_equal_rows_are_paired_with_the_first(values, cut):
    digests = np.array(values, dtype=np.uint8).reshape(-1, 1).repeat(3, 1)
    rows = np.arange(len(values))
    left, right = rows[:cut], rows[cut:]
    if len(left) or len(right):
        found = set(zip(*(r.tolist() for r in equal_pairs(digests, left, right)), strict=True))
        head = values[:cut]
        assert found == {
            (head.index(values[r]), r) for r in right.tolist() if values[r] in head
        } or np.array_equal(left, right)
    firsts = first_of_each(digests, rows)
    assert firsts.tolist() == [r for r in rows.tolist() if values[r] not in values[:r]]
    pairs = equal_pairs(digests, rows, rows)
    assert len(pairs[0]) == len(values) - len(set(values))
    assert all(a < b and values[a] == values[b] for a, b in zip(*pairs, strict=True))


def test_pairs_are_put_in_order_and_listed_once():
    found = as_pairs(
        np.array([5, 1, 2, 2]),
        np.array([1, 5, 3, 9]),
        np.array([0.6, 0.6, 0.2, 0.9]),
        np.array([False, False, True, False]),
        same=True,
    )
    assert list(zip(found.left, found.right, strict=True)) == [(2, 3), (2, 9), (1, 5)]
    assert found.likeness.tolist() == pytest.approx([1.0, 0.9, 0.6])
    assert found.exact.tolist() == [True, False, False]
