from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from redstart.collab.pictures import pca, plot_bias, plot_factors
from redstart.errors import ConfigError

RNG = np.random.default_rng(0)


@settings(deadline=None, max_examples=30)
@given(st.integers(3, 30), st.integers(2, 6), st.integers(0, 99))
def test_principal_components_keep_what_varies_most(n: int, d: int, seed: int) -> None:
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    k = min(n, d)
    found = pca(x, k)
    assert torch.allclose(found.mean(0), torch.zeros(k, dtype=x.dtype), atol=1e-9)
    spread = found.var(0)
    assert bool((spread[:-1] >= spread[1:] - 1e-9).all())
    assert float(spread.sum()) == pytest.approx(float((x - x.mean(0)).var(0).sum()), rel=1e-6)
    assert torch.equal(found[:, :1], pca(x, 1)) or torch.allclose(found[:, :1], pca(x, 1))


def test_more_directions_than_there_are_are_refused() -> None:
    for k in (0, 4):
        with pytest.raises(ConfigError, match="at most as many directions"):
            pca(torch.ones(5, 3), k)
    with pytest.raises(ConfigError, match="a matrix"):
        pca(torch.ones(5))


def test_most_and_least_liked_items_are_named_with_their_counts() -> None:
    names = [f"Film {i}" for i in range(30)]
    biases, counts = np.linspace(-1, 2, 30), np.arange(1000, 1030)
    drawn = plot_bias(names, biases, counts, n=3)
    best, worst = ([label.get_text() for label in ax.get_yticklabels()] for ax in drawn.axes)
    assert best == ["Film 29", "Film 28", "Film 27"] and worst == ["Film 0", "Film 1", "Film 2"]
    assert "+2.00  (1,029 ratings)" in [t.get_text() for t in drawn.axes[0].texts]
    assert len(plot_bias(names[:3], biases[:3], counts[:3]).axes[0].get_yticklabels()) == 1


def test_a_long_name_is_cut_and_a_dollar_is_no_formula() -> None:
    names = ["Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb", "A$2"]
    drawn = plot_bias(names, np.array([1.0, -1.0]), np.array([3, 4]))
    label = drawn.axes[0].get_yticklabels()[0].get_text()
    assert "…" in label and len(label) < 45
    assert drawn.html().startswith("<img")


def test_names_in_the_map_lie_neither_over_each_other_nor_over_dots() -> None:
    names = [f"A film of the year {i}" for i in range(120)]
    points = RNG.normal(size=(120, 2))
    drawn = plot_factors(names, points, RNG.integers(1, 500, 120), n_labels=30)
    (ax,) = drawn.axes
    boxes = [text.get_window_extent() for text in ax.texts]
    assert 10 < len(boxes) <= 30
    assert not [1 for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)]
    frame = ax.get_window_extent()
    dots = ax.transData.transform(points)
    for box in boxes:
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1
        assert not any(box.contains(x, y) for x, y in dots)


def test_two_equal_items_can_be_drawn() -> None:
    drawn = plot_factors(["a", "b"], np.zeros((2, 2)), np.array([1, 1]))
    assert "2 items" in repr(drawn)
