"""Temperature: it mends what it can, and never makes things worse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from redstart.evaluate.calibration import calibration
from redstart.evaluate.temperature import (
    TEMPERATURES,
    cross_fitted,
    fit_temperature,
    helps,
    tempered,
)

Floats = NDArray[np.float64]


def drawn(
    n: int, factor: float, *, several: bool = False, seed: int = 0
) -> tuple[Floats, NDArray[np.int64]]:
    """Probabilities whose scores are ``factor`` times those that labels are drawn from."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 2, (n, 4))
    if several:
        chance = 1 / (1 + np.exp(-scores))
        return 1 / (1 + np.exp(-factor * scores)), (rng.random((n, 4)) < chance).astype(np.int64)
    true = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    said = np.exp(factor * scores) / np.exp(factor * scores).sum(1, keepdims=True)
    return said, (true.cumsum(1) < rng.random((n, 1))).sum(1).clip(max=3)


def log_loss(p: Floats, y: NDArray[np.int64]) -> float:
    return calibration(p, y).log_loss


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_factor_that_scores_are_too_large_by_is_found(factor: float, several: bool) -> None:
    p, y = drawn(4000, factor, several=several)
    assert fit_temperature(p, y) == pytest.approx(factor, rel=0.07)


@pytest.mark.parametrize("several", [False, True])
def test_an_overconfident_model_is_mended_on_rows_that_had_no_part_in_it(several: bool) -> None:
    p, y = drawn(2000, 3.0, several=several)
    before, after = calibration(p, y), calibration(cross_fitted(p, y), y)
    assert before.ece_interval[0] > 0.1 and after.ece_interval[0] < 0.02
    assert after.log_loss < before.log_loss_interval[0]
    assert after.band.verdict != "overconfident"


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 60), st.floats(0.2, 5), st.booleans(), st.integers(0, 1000))
def test_it_is_never_worse_on_its_own_rows(n: int, factor: float, several: bool, seed: int) -> None:
    p, y = drawn(n, factor, several=several, seed=seed)
    found = fit_temperature(p, y)
    assert TEMPERATURES[0] <= found <= TEMPERATURES[1]
    assert log_loss(tempered(p, found, several=several), y) <= log_loss(p, y) + 1e-9


@pytest.mark.parametrize("several", [False, True])
def test_the_order_of_labels_stays_and_one_changes_nothing(several: bool) -> None:
    p, _ = drawn(50, 1.0, several=several)
    assert tempered(p, 1.0, several=several) == pytest.approx(p)
    for temperature in (0.3, 4.0):
        found = tempered(p, temperature, several=several)
        assert (found.argsort(1) == p.argsort(1)).all()
        assert ((found > 0.5) == (p > 0.5)).all() or not several
    once = tempered(tempered(p, 2.0, several=several), 1.5, several=several)
    assert once == pytest.approx(tempered(p, 3.0, several=several))


def test_rows_without_an_error_do_not_make_a_model_infinitely_sure() -> None:
    p = np.tile([0.8, 0.2], (30, 1))
    found = fit_temperature(p, np.zeros(30, dtype=np.int64))
    assert 2 * TEMPERATURES[0] < found < 0.6


def test_where_no_temperature_is_better_it_is_one() -> None:
    assert fit_temperature(np.full((50, 2), 0.5), np.arange(50) % 2) == 1.0


def test_certainty_that_was_wrong_is_taken_back_and_stays_finite() -> None:
    p, y = np.eye(3)[np.arange(90) % 3], np.arange(90) % 3
    y[:9] = (y[:9] + 1) % 3
    found = fit_temperature(p, y)
    assert found > 10
    assert np.isfinite(tempered(p, found, several=False)).all()
    assert log_loss(tempered(p, found, several=False), y) < 0.2 * log_loss(p, y)


@pytest.mark.parametrize("n", [1, 2, 4, 7])
def test_cross_fitting_takes_any_number_of_rows(n: int) -> None:
    p, y = drawn(n, 2.0)
    found = cross_fitted(p, y)
    assert found.shape == p.shape and found.sum(1) == pytest.approx(1)
    assert (found == cross_fitted(p, y)).all()


@pytest.mark.parametrize("several", [False, True])
def test_a_calibrated_model_is_mostly_left_alone_and_others_are_not(several: bool) -> None:
    def share(factor: float) -> float:
        drawings = [drawn(200, factor, several=several, seed=seed) for seed in range(60)]
        return float(np.mean([helps(p, cross_fitted(p, y), y) for p, y in drawings]))

    assert share(1.0) < 0.2
    assert share(2.0) > 0.95


def test_one_row_tells_nothing() -> None:
    assert not helps(np.array([[0.6, 0.4]]), np.array([[0.9, 0.1]]), np.array([0]))
