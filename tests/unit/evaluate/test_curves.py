"""What curves say, where they are drawn by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redstart.evaluate.course import course_of, gap_of, mean_of, way_of
from redstart.evaluate.curves import KINDS, Curves, read_curves

RNG = np.random.default_rng(0)
N, EPOCHS, PER = 300, 10, 20
GOOD = (1.0, 0.7, 0.5, 0.45, 0.4, 0.38, 0.36, 0.35, 0.35, 0.35)


def rows(mean: float, n: int = N, seed: int = 0) -> Any:
    """Losses of rows: positive, some much larger than others."""
    found = np.random.default_rng(seed).gamma(2.0, 1.0, n)
    return found / found.mean() * mean


def curves(
    train: float = 0.30,
    valid: tuple[float, ...] = GOOD,
    **changes: Any,
) -> Curves:
    """A good fit of ten epochs, of which something is changed."""
    falls = np.interp(np.arange(EPOCHS * PER), np.arange(10) * PER, GOOD) - 0.05
    losses = falls + 0.05 * np.random.default_rng(1).normal(size=len(falls))
    settings: dict[str, Any] = {
        "losses": losses.tolist(),
        "lrs": np.linspace(1e-3, 1e-5, len(losses)).tolist(),
        "ends": [PER * (i + 1) for i in range(EPOCHS)],
        "valid": valid,
        "train_rows": rows(train),
        "valid_rows": rows(valid[-1], seed=1),
        "constant_train": rows(1.1, seed=2),
        "constant_valid": rows(1.1, seed=3),
    }
    return Curves(**(settings | changes))


def kinds(given: Curves) -> list[str]:
    return [reading.kind for reading in read_curves(given)]


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert read_curves(Curves()) == []
    assert read_curves(Curves(losses=[1.0, 0.5], valid=[0.7])) == []


def test_a_good_fit_is_fine_and_said_with_its_figures() -> None:
    (reading,) = read_curves(curves())
    assert reading.kind == "fine"
    assert "0.35, 68% below that of a constant answer" in reading.said
    assert reading.evidence["gap"]["rows"] == N  # type: ignore[index, call-overload]


def test_a_gap_that_is_wide_only_beside_a_tiny_loss_is_still_fine() -> None:
    valid = (*GOOD[:-1], 0.06)
    few = {"valid_rows": rows(0.06, 8, seed=1), "constant_valid": rows(1.1, 8, seed=3)}
    said = [str(r) for r in read_curves(curves(0.01, valid, **few))]
    assert said and not any("too few rows" in one for one in said)


def test_two_rows_say_nothing_and_that_is_said() -> None:
    two = {"valid_rows": np.array([0.05, 1.4]), "constant_valid": np.array([1.2, 1.6])}
    (reading,) = read_curves(curves(0.30, (*GOOD[:-1], 0.7), **two))
    assert reading.kind == "noise" and "2 validation rows" in reading.said


def test_hardly_any_gain_is_not_called_fine() -> None:
    found = kinds(curves(1.05, (1.1, 1.09, 1.085, 1.08, 1.08, 1.08, 1.08, 1.08, 1.08, 1.08)))
    assert found and "fine" not in found


def test_a_loss_that_is_no_number_is_all_there_is_to_say() -> None:
    bad = [1.0, 2.0, float("nan"), 3.0]
    (reading,) = read_curves(curves(losses=bad, lrs=[0.5] * 4))
    assert reading.kind == "rate too high"
    assert "batch 3 is not a number" in reading.said
    assert "highest rate was 0.5" in reading.mend
    assert "try 0.05" in reading.mend
    (reading,) = read_curves(curves(valid=(*[0.5] * 9, float("inf"))))
    assert "epoch 10 is not a number" in reading.said


def test_a_loss_that_rises_after_its_best_epoch_is_overfitting() -> None:
    worse = (1.0, 0.6, 0.45, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
    reading = read_curves(curves(0.1, worse))[0]
    assert reading.kind == "overfitting"
    assert "lowest after epoch 4 (0.4) and rose since" in reading.said
    assert reading.mend.startswith("Stop at 4 epochs (`EarlyStopping`")
    figures = tuple(np.linspace(0.5, 0.9, 10))
    said = read_curves(curves(0.1, worse, metric="accuracy", figures=figures))[0].said
    assert "though accuracy did not suffer: the model grows too sure of itself" in said
    said = read_curves(curves(0.1, worse, metric="accuracy", figures=figures[::-1]))[0].said
    assert "did not suffer" not in said


def test_a_loss_that_rises_on_training_rows_as_well_is_no_overfitting() -> None:
    worse = (1.0, 0.6, 0.45, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
    assert "overfitting" not in kinds(curves(0.68, worse))
    assert "overfitting" not in kinds(curves(0.58, worse))  # the rows are not quite alike
    assert "overfitting" in kinds(curves(0.48, worse))


def test_a_rise_or_a_gap_within_the_noise_of_few_rows_is_not_called_one() -> None:
    few = {"valid_rows": rows(0.5, 12, seed=5), "constant_valid": rows(1.1, 12, seed=6)}
    wobbly = (1.0, 0.7, 0.5, 0.45, 0.4, 0.38, 0.4, 0.45, 0.5, 0.5)
    assert kinds(curves(0.35, wobbly, **few)) == ["noise"]


def test_huge_losses_of_a_few_rows_do_not_hide_a_gap() -> None:
    heavy = rows(0.6, seed=4)
    heavy[0] = 300.0
    found = gap_of(heavy, rows(0.1))
    assert found is not None
    assert found.low() < 0 < found.value
    assert found.surely_above_0


def test_noise_asks_for_rows_by_the_metric() -> None:
    figures = (0.5, 0.7, 0.8, 0.85, 0.88, 0.9, 0.9, 0.92, 0.88, 0.9)
    given = curves(metric="accuracy", figures=figures, interval=(0.8, 0.96))
    (reading,) = read_curves(given)
    assert reading.kind == "noise"
    assert "accuracy is known to 8 points" in reading.said
    assert "about 4,800 would do" in reading.mend


def test_the_same_rate_all_along_after_the_loss_has_stopped_is_a_plateau() -> None:
    flat = (0.5, 0.36, *[0.35] * 8)
    (reading,) = read_curves(curves(valid=flat, lrs=[1e-3] * EPOCHS * PER))
    assert reading.kind == "plateau"
    assert "since about epoch" in reading.said
    assert kinds(curves(valid=flat)) == ["fine"]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_what_is_said_does_not_depend_on_the_units_of_the_loss(scale: float) -> None:
    for one in (curves(), curves(0.05), curves(0.02, valid=(*[0.5] * 5, *[1.3] * 5))):
        names = ("losses", "valid", "train_rows", "valid_rows", "constant_train", "constant_valid")
        other = {name: np.asarray(getattr(one, name)) * scale for name in names}
        other |= {name: other[name].tolist() for name in ("losses", "valid")}
        assert kinds(Curves(lrs=one.lrs, ends=one.ends, **other)) == kinds(one)


@settings(max_examples=60, deadline=None)
@given(
    losses=st.lists(st.floats(0, 1e6), max_size=60),
    valid=st.lists(st.floats(0, 1e6), max_size=8),
    n=st.integers(0, 5),
)
def test_whatever_the_figures_something_sensible_is_said(
    losses: list[float], valid: list[float], n: int
) -> None:
    some = np.arange(float(n))
    given = Curves(
        losses=losses,
        valid=valid,
        ends=[len(losses)],
        train_rows=some,
        valid_rows=some,
        constant_train=some,
        constant_valid=some,
    )
    found = [KINDS.index(reading.kind) for reading in read_curves(given)]
    assert found == sorted(set(found))


def test_means_and_their_intervals() -> None:
    assert mean_of(np.array([1.0])) is None
    found = mean_of(np.array([1.0, 2.0, 3.0, np.inf]))
    assert found is not None
    assert (found.value, found.n) == (2.0, 3)
    assert found.half() == pytest.approx(4.3027 / np.sqrt(3), rel=1e-4)


def test_a_gap_has_welchs_interval() -> None:
    from scipy.stats import ttest_ind

    a, b = RNG.normal(1, 1, 30), RNG.normal(0, 3, 50)
    found = gap_of(a, b)
    assert found is not None
    want = ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert found.interval() == pytest.approx((want.low, want.high))


def test_a_rate_that_falls_does_not_make_a_straight_fall_look_flat() -> None:
    lrs = np.geomspace(1.0, 1e-4, 400)
    way = way_of(lrs.tolist(), 400)
    losses = (3 - way + 0.01 * RNG.normal(size=400)).tolist()
    by_way, by_batch = course_of(losses, lrs.tolist()), course_of(losses, [])
    assert by_way is not None
    assert by_batch is not None
    assert by_way.falling(0.1)
    assert by_way.late.value == pytest.approx(0.25, abs=0.02)
    assert not by_batch.falling(0.1)
    assert course_of(losses[:15], []) is None
