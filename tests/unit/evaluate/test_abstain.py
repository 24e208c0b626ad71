"""Abstaining: the share of wrong answers among those given stays below what was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from redstart.errors import ConfigError
from redstart.evaluate.abstain import Choice, Selection

Floats = NDArray[np.float64]


def sure(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    confidence = 1 - 0.5 * rng.beta(0.5, 3, n)
    return confidence, confidence


def overconfident(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    confidence, _ = sure(rng, n)
    return confidence, 1 / (1 + ((1 - confidence) / confidence) ** 0.6)


def just_too_bad(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    """No threshold keeps 5%: confidence says nothing, and 5.1% are wrong."""
    return rng.random(n), np.full(n, 0.949)


def worst_at_the_top(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    confidence, _ = sure(rng, n)
    return confidence, confidence - 0.12 * (confidence > 0.99)


def coarse(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    """Confidence of one digit, as of a model that counts votes."""
    confidence = np.round(sure(rng, n)[0], 1)
    return confidence, confidence * 0.97


def try_to_choose(selection: Selection, error: float) -> Choice | None:
    try:
        return selection.choose(error)
    except ConfigError:
        return None


def broken(
    case: Callable[..., tuple[Floats, Floats]], n: int, error: float, draws: int
) -> tuple[float, float]:
    """How often the true share of wrong answers is above ``error``, and the share answered."""
    rng = np.random.default_rng(11)
    confidence, chance = case(rng, 200_000)
    order = np.argsort(-confidence, kind="stable")
    ordered, wrong = -confidence[order], np.cumsum(1 - chance[order])
    failed, answered = 0, []
    for _ in range(draws):
        confidence, chance = case(rng, n)
        choice = try_to_choose(Selection.of(confidence, rng.random(n) > chance), error)
        if choice is None:
            answered.append(0.0)
            continue
        given = int(np.searchsorted(ordered, -choice.threshold, side="right"))
        failed += wrong[given - 1] / given > error
        answered.append(given / len(ordered))
    return failed / draws, float(np.mean(answered))


CASES = [sure, overconfident, just_too_bad, worst_at_the_top, coarse]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("n", "error"), [(150, 0.05), (1000, 0.05), (1000, 0.1)])
def test_the_promise_is_broken_at_most_one_time_in_twenty(
    case: Callable[..., tuple[Floats, Floats]], n: int, error: float
) -> None:
    # Two standard errors of 400 draws above 5%.
    assert broken(case, n, error, draws=400)[0] <= 0.072


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("n", [100, 400, 2000])
@pytest.mark.parametrize("error", [0.02, 0.05, 0.1])
def test_the_promise_is_broken_at_most_one_time_in_twenty_closely(
    case: Callable[..., tuple[Floats, Floats]], n: int, error: float
) -> None:
    assert broken(case, n, error, draws=2000)[0] <= 0.055


def test_it_answers_most_of_what_it_could() -> None:
    # Of these rows 90% could be answered with 5% wrong if one knew everything.
    answered = broken(sure, 2000, 0.05, draws=50)[1]
    assert 0.8 < answered < 0.9
    assert broken(sure, 500, 0.05, draws=50)[1] > 0.5


def test_a_good_model_answers_everything() -> None:
    confidence = np.linspace(0.6, 1, 400)
    choice = Selection.of(confidence, np.arange(400) % 100 == 0).choose(0.05)
    assert choice == Choice(threshold=0.0, answered=1.0, wrong=0.01)


def test_the_threshold_is_between_the_good_and_the_bad() -> None:
    confidence = np.linspace(0, 1, 1000)
    wrong = confidence < 0.4
    choice = Selection.of(confidence, wrong).choose(0.05)
    assert 0.35 < choice.threshold < 0.41
    assert choice.wrong < 0.05 and choice.answered == pytest.approx(0.62, abs=0.03)


def test_answers_of_the_same_confidence_are_given_or_kept_together() -> None:
    confidence = np.repeat([1.0, 0.5], [500, 500])
    wrong = np.concatenate([np.zeros(500), np.arange(500) % 2])
    choice = Selection.of(confidence, wrong).choose(0.05)
    assert (choice.threshold, choice.answered, choice.wrong) == (1.0, 0.5, 0.0)


def test_what_cannot_be_promised_is_refused_with_what_can() -> None:
    confidence = np.linspace(0.5, 1, 300)
    good = Selection.of(confidence, np.arange(300) % 30 == 0)
    with pytest.raises(
        ConfigError, match=r"300 validation rows can promise.*abstain=0\.01\b.*\(abstain=0.07, whi"
    ):
        good.choose(0.01)
    with pytest.raises(ConfigError, match=r"no figure up to 0\.5"):
        Selection.of(confidence, np.ones(300)).choose(0.05)
    with pytest.raises(ConfigError, match="hold out more rows"):
        Selection.of(confidence[:20], np.zeros(20)).choose(0.05)


@pytest.mark.parametrize("error", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_out_of_range_is_refused(error: float) -> None:
    with pytest.raises(ConfigError, match=r"may be wrong, in \(0, 1\). Got: abstain="):
        Selection.of(np.ones(9), np.zeros(9)).choose(error)


@pytest.mark.parametrize("n", [1, 2, 700, 50_000])
def test_it_comes_back_from_json_and_stays_small(n: int) -> None:
    rng = np.random.default_rng(0)
    confidence, chance = sure(rng, n)
    selection = Selection.of(confidence, rng.random(n) > chance)
    written = json.dumps(selection.to_json())
    assert Selection.of_json(json.loads(written)) == selection
    assert selection.given[-1] == n and len(written) < 20_000


def test_rows_that_go_together_promise_less() -> None:
    rng = np.random.default_rng(1)
    failed = np.zeros(2)
    for _ in range(300):
        # Seven in a hundred groups of twenty rows are wrong throughout: 5% cannot be had.
        wrong = (rng.random(60) < 0.07).repeat(20)
        confidence = rng.random(1200)
        alone = Selection.of(confidence, wrong)
        grouped = Selection.of(confidence, wrong, np.arange(60).repeat(20))
        failed += [try_to_choose(s, 0.05) is not None for s in (alone, grouped)]
    assert failed[0] / 300 > 0.15 and failed[1] / 300 < 0.05
