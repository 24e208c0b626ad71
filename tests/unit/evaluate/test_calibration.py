"""Calibration: what its figures are, and that their intervals cover."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from redstart.errors import DataError
from redstart.evaluate.calibration import Calibration, calibration
from redstart.evaluate.gaps import Grouped, gap_interval, loss_interval

Floats = NDArray[np.float64]
Case = Callable[[np.random.Generator, int], tuple[Floats, Floats]]


def logit(p: Floats) -> Floats:
    inner = np.clip(p, 1e-9, 1 - 1e-9)
    return np.log(inner) - np.log1p(-inner)


def said_evenly(rng: np.random.Generator, n: int) -> Floats:
    return rng.uniform(0.5, 1, n)


def said_surely(rng: np.random.Generator, n: int) -> Floats:
    return np.clip(1 - rng.beta(0.4, 6, n) * 0.5, 0, 1 - 1e-9)


def off_by(said: Callable[[np.random.Generator, int], Floats], factor: float) -> Case:
    """Confidence, and the chance to be right when scores are ``factor`` times too large."""

    def drawn(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
        confidence = said(rng, n)
        return confidence, 1 / (1 + np.exp(-logit(confidence) / factor))

    return drawn


CASES = {
    "calibrated": off_by(said_evenly, 1),
    "a little over": off_by(said_evenly, 1.1),
    "over": off_by(said_evenly, 1.5),
    "far over": off_by(said_evenly, 3),
    "under": off_by(said_evenly, 0.7),
    "sure and calibrated": off_by(said_surely, 1),
    "sure and over": off_by(said_surely, 1.5),
    "sure and far over": off_by(said_surely, 3),
}


def of_two(said: Floats, right: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Probabilities of two labels, of which the first is always the answer."""
    return np.stack([said, 1 - said], 1), 1 - right.astype(np.int64)


def measure(case: Case, n: int, seed: int = 0) -> Calibration:
    rng = np.random.default_rng(seed)
    said, chance = case(rng, n)
    return calibration(*of_two(said, rng.random(n) < chance))


# ---- what the figures are


def test_figures_are_those_of_their_definitions() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(4), 300)
    y = rng.integers(0, 4, 300)
    found = calibration(p, y)
    assert found.log_loss == pytest.approx(-np.log(p[np.arange(300), y]).mean())
    assert found.brier == pytest.approx(((p - np.eye(4)[y]) ** 2).sum(1).mean())
    assert found.n_rows == sum(b.n for b in found.bins) == 300
    sizes = [b.n for b in found.bins]
    assert len(sizes) == 7 and max(sizes) - min(sizes) <= 1
    for before, after in zip(found.bins[:-1], found.bins[1:], strict=True):
        assert before.low <= before.said <= before.high <= after.low
    right = (p.argmax(1) == y).mean()
    assert sum(b.right * b.n for b in found.bins) / 300 == pytest.approx(right)


def test_several_labels_are_answers_of_their_own() -> None:
    rng = np.random.default_rng(1)
    p = rng.random((200, 3))
    y = (rng.random((200, 3)) < p).astype(np.int64)
    found = calibration(p, y)
    assert found.brier == pytest.approx(((p - y) ** 2).mean())
    assert found.log_loss == pytest.approx(-np.log(np.where(y == 1, p, 1 - p)).mean())
    assert sum(b.n for b in found.bins) == 600
    assert "labels given with" in str(found.band)


def test_a_model_that_is_calibrated_is_said_to_be_and_one_that_is_not_is_not() -> None:
    good, over = measure(CASES["calibrated"], 2000), measure(CASES["far over"], 2000)
    under = measure(CASES["under"], 2000)
    assert good.ece_interval[0] == 0 and over.ece_interval[0] > 0.1
    assert good.ece < 0.03 < 0.12 < over.ece < 0.2
    assert "no sign of over- or underconfidence" in str(good)
    assert over.band.verdict == "overconfident" and under.band.verdict == "underconfident"
    assert str(over).startswith("Of the ") and "90% or more" in str(over)


def test_chance_alone_adds_nothing_to_the_error_on_average() -> None:
    squares = []
    for seed in range(300):
        found = measure(CASES["far over"], 150, seed)
        plain = np.average(
            [(b.said - b.right) ** 2 for b in found.bins], weights=[b.n for b in found.bins]
        )
        squares.append((found.ece**2, plain))
    estimate, plain = np.mean(squares, 0)
    truth = 0.156**2  # over many rows
    assert plain > 1.2 * truth
    assert abs(estimate - truth) < 0.08 * truth


def test_answers_of_one_confidence_share_a_bin() -> None:
    said = np.concatenate([np.ones(1000), np.linspace(0.5, 0.99, 60)])
    found = calibration(*of_two(said, np.ones(1060)))
    assert found.bins[-1].n == 1000 and found.bins[-1].low == found.bins[-1].high == 1
    assert len({b.said for b in found.bins}) == len(found.bins)


@pytest.mark.parametrize("n", [1, 2, 3, 30])
def test_few_rows_say_little(n: int) -> None:
    found = calibration(np.tile([0.7, 0.3], (n, 1)), (np.arange(n) % 10 > 6).astype(np.int64))
    assert found.ece_interval[0] == 0 and found.ece_interval[1] > 0.1
    assert found.log_loss_interval[0] <= found.log_loss <= found.log_loss_interval[1]
    assert found.brier_interval[0] >= 0 and found.brier_interval[1] <= 2
    assert found.plot().size[0] > 100


def test_a_model_that_is_sure_and_always_right_may_still_err() -> None:
    found = calibration(np.eye(3)[np.arange(300) % 3], np.arange(300) % 3)
    assert found.ece == 0 and 0.005 < found.ece_interval[1] < 0.02


# ---- what is refused


@pytest.mark.parametrize(
    ("probs", "y", "message"),
    [
        (np.ones((3, 2)) / 2, np.zeros(2, dtype=np.int64), r"of the same rows.*\(3, 2\), y=\(2,\)"),
        (np.ones((0, 2)), np.zeros(0, dtype=np.int64), "of the same rows"),
        (np.ones(3), np.zeros(3, dtype=np.int64), "of the same rows"),
        (np.ones((2, 2)), np.zeros((2, 3), dtype=np.int64), "of the same rows"),
        (np.full((2, 2), 1.5), np.zeros(2, dtype=np.int64), r"probabilities, in \[0, 1\].*1.5"),
        (np.full((2, 2), np.nan), np.zeros(2, dtype=np.int64), r"probabilities, in \[0, 1\]"),
        (np.ones((2, 2)) / 2, np.array([0, 2]), "labels from 0 to 1. Got: from 0 to 2"),
        (np.ones((2, 2)) / 2, np.array([[0, 2], [0, 0]]), "labels from 0 to 1"),
    ],
)
def test_what_does_not_fit_is_refused(probs: Floats, y: NDArray[np.int64], message: str) -> None:
    with pytest.raises(DataError, match=message):
        calibration(probs, y)


# ---- coverage


def covered(case: Case, n: int, draws: int) -> dict[str, float]:
    """How often each interval holds the truth."""
    rng = np.random.default_rng(7)
    said, chance = case(rng, 400_000)
    true = {
        "log loss": -(chance * np.log(said) + (1 - chance) * np.log1p(-said)).mean(),
        "brier": 2 * (chance * (1 - said) ** 2 + (1 - chance) * said**2).mean(),
    }
    hits = dict.fromkeys(["ece", "log loss", "brier"], 0)
    for _ in range(draws):
        said, chance = case(rng, n)
        right = (rng.random(n) < chance).astype(np.float64)
        found = calibration(*of_two(said, right))
        # What these bins would show with endless rows.
        answers = Grouped(np.sort(said), chance[np.argsort(said)], None)
        gaps = np.subtract(*answers.binned()[:2])
        truth = float(np.sqrt(np.average(gaps**2, weights=answers.binned()[2])))
        for name, value, ends in (
            ("ece", truth, found.ece_interval),
            ("log loss", true["log loss"], found.log_loss_interval),
            ("brier", true["brier"], found.brier_interval),
        ):
            hits[name] += ends[0] - 1e-12 <= value <= ends[1] + 1e-12
    return {name: n_hits / draws for name, n_hits in hits.items()}


@pytest.mark.parametrize("n", [100, 400])
@pytest.mark.parametrize("case", CASES)
def test_intervals_hold_the_truth(case: str, n: int) -> None:
    # Few draws here; `test_intervals_hold_the_truth_closely` makes many. Without any gap only
    # the lower end can fail, and a sure model with a handful of errors gets wider intervals.
    for name, share in covered(CASES[case], n, draws=300).items():
        assert 0.915 <= share <= 1, name


@pytest.mark.slow
@pytest.mark.parametrize("n", [100, 400, 2000])
@pytest.mark.parametrize("case", CASES)
def test_intervals_hold_the_truth_closely(case: str, n: int) -> None:
    # A model that is less sure than it could be expects more of its loss than comes true.
    most = 1.0 if case == "under" else 0.99
    for name, share in covered(CASES[case], n, draws=2000).items():
        assert 0.935 <= share <= most, name


def test_labels_of_a_row_that_go_together_widen_the_interval() -> None:
    rng = np.random.default_rng(3)
    hits, effects = [], []
    for _ in range(300):
        chance = rng.uniform(0, 1, (150, 1)).repeat(8, 1)
        y = (rng.random((150, 1)) < chance).astype(np.int64)  # all eight, or none
        answers = Grouped.of(chance, y)
        effects.append(answers.design_effect())
        hits.append(calibration(chance, y).ece_interval[0] == 0)
    assert np.mean(effects) == pytest.approx(8, rel=0.05)
    assert np.mean(hits) > 0.95
    assert Grouped.of(rng.random((150, 8)), y).design_effect() < 8


def test_a_gap_of_nothing_is_found_in_no_bins_at_once() -> None:
    size, (low, high) = gap_interval(np.array([1.0]), np.array([1.0]), np.array([100.0]))
    assert (size, low) == (0.0, 0.0) and high == pytest.approx(0.037, abs=0.001)


def test_the_loss_of_rows_without_an_error_is_as_unsure_as_the_model_says() -> None:
    losses = np.full(100, 0.01)
    narrow = loss_interval(losses, (0.0, 0.0), seen=0)
    wide = loss_interval(losses, (0.25, 1.0), seen=0)
    assert narrow == pytest.approx((0.01, 0.01))
    assert wide[0] == 0 and wide[1] > 0.1


def test_rows_of_a_group_that_go_together_widen_every_interval() -> None:
    rng = np.random.default_rng(4)
    groups = np.arange(60).repeat(20)
    hits, wider = [], []
    for _ in range(200):
        said = rng.uniform(0.5, 1, 60).repeat(20)
        right = (rng.random(60).repeat(20) < said).astype(np.float64)  # all of a group, or none
        alone = calibration(*of_two(said, right))
        found = calibration(*of_two(said, right), groups)
        hits.append((alone.ece_interval[0] == 0, found.ece_interval[0] == 0))
        wider.append(np.ptp(found.log_loss_interval) / np.ptp(alone.log_loss_interval))
    assert np.mean(hits, 0)[0] < 0.2 and np.mean(hits, 0)[1] > 0.93
    assert np.mean(wider) == pytest.approx(20**0.5, rel=0.1)


def test_rows_that_are_in_no_group_are_rows_of_their_own() -> None:
    rng = np.random.default_rng(5)
    p, y = of_two(rng.uniform(0.5, 1, 300), (rng.random(300) < 0.7).astype(np.float64))
    alone, found = calibration(p, y), calibration(p, y, np.full(300, -1))
    assert found.ece_interval == pytest.approx(alone.ece_interval)
    assert found.log_loss_interval == pytest.approx(alone.log_loss_interval)
    with pytest.raises(DataError, match=r"a group for each of 300 rows, or none\. Got: 2"):
        calibration(p, y, np.zeros(2, dtype=np.int64))
