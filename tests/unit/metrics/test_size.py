"""How many rows it takes to see a difference, and how wide intervals will be."""

from __future__ import annotations

import math

import numpy as np
import pytest

from redstart.errors import ConfigError
from redstart.metrics.size import (
    paired_std,
    rmse_half_width,
    rows_for_difference,
    share_half_width,
)


def test_the_rows_asked_for_show_the_difference_as_often_as_promised() -> None:
    rng = np.random.default_rng(0)
    n = rows_for_difference(0.3, 0.02)
    assert n == math.ceil((2.8015852 * 15) ** 2)
    draws = rng.normal(0.02, 0.3, (2000, n))
    shown = draws.mean(1) - 1.96 * draws.std(1, ddof=1) / math.sqrt(n) > 0
    assert shown.mean() == pytest.approx(0.8, abs=0.03)


def test_the_sign_of_the_difference_does_not_matter_and_smaller_ones_take_more() -> None:
    assert rows_for_difference(0.3, -0.02) == rows_for_difference(0.3, 0.02)
    assert rows_for_difference(0.3, 0.01) > 3.9 * rows_for_difference(0.3, 0.02)
    assert rows_for_difference(0.3, 0.02, power=0.9) > rows_for_difference(0.3, 0.02)
    assert rows_for_difference(0.3, 0.02, level=0.99) > rows_for_difference(0.3, 0.02)
    assert rows_for_difference(0.0, 0.02) == 2


@pytest.mark.parametrize(("std", "difference"), [(1.0, 0.0), (-1.0, 0.1), (1.0, math.nan)])
def test_nothing_to_be_seen_is_refused(std: float, difference: float) -> None:
    with pytest.raises(ConfigError, match="a difference other than 0"):
        rows_for_difference(std, difference)


def test_a_share_outside_zero_and_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="`level` and `power`"):
        rows_for_difference(1.0, 0.1, level=1.0)


def test_hits_of_two_models_differ_as_the_formula_says() -> None:
    rng = np.random.default_rng(1)
    drawn = rng.choice([1.0, -1.0, 0.0], 200_000, p=[0.05, 0.03, 0.92])
    assert paired_std(0.08, 0.02) == pytest.approx(drawn.std(), rel=0.02)


def test_widths_are_those_of_draws() -> None:
    rng = np.random.default_rng(2)
    shares = rng.binomial(400, 0.9, 4000) / 400
    assert share_half_width(0.9, 400) == pytest.approx(1.96 * shares.std(), rel=0.05)
    roots = np.sqrt((rng.normal(size=(4000, 400)) ** 2).mean(1))
    assert rmse_half_width(400) == pytest.approx(1.96 * roots.std(), rel=0.05)
