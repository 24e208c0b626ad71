from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redstart.errors import ConfigError, DataError
from redstart.evaluate.clusters import clusters_of
from redstart.evaluate.cuts import cuts_of, least_rows
from redstart.evaluate.differences import holm, newcombe, welch
from redstart.evaluate.shuffles import by_chance, shrunk, tail
from redstart.evaluate.slices import weak_slices


def columns(rng: np.random.Generator, n: int) -> dict[str, Any]:
    return {
        "sex": rng.choice(["f", "m"], n),
        "region": rng.choice(list("abcd"), n, p=[0.4, 0.3, 0.2, 0.1]),
        "age": rng.normal(40, 12, n),
    }


def words(by: dict[str, Any], n: int, *, least: int = 10, pairs: Any = ()) -> list[str]:
    return [cut.words for cut in cuts_of(by, n, least, pairs=pairs)]


# --- what is looked at


def test_categories_are_slices_as_they_are_and_missing_cells_are_one() -> None:
    sex = np.array(["f"] * 20 + ["m"] * 30 + [None] * 10, dtype=object)
    assert words({"sex": sex}, 60) == ["sex missing", "sex = m", "sex = f"]


def test_numbers_are_cut_in_fifths_and_at_both_ends() -> None:
    assert words({"age": np.arange(100) / 2}, 100) == [
        "age below 10",
        "age from 10 to below 20",
        "age from 20 to below 30",
        "age from 30 to below 40",
        "age 40 or more",
        "age below 5",
        "age 45 or more",
    ]


def test_a_frequent_number_is_a_slice_of_its_own() -> None:
    gain = np.concatenate([np.zeros(150), np.linspace(1, 9, 50)])
    found = words({"gain": gain}, 200, least=20)
    assert found[0] == "gain = 0"
    assert found[1].startswith("gain below ") and found[1].endswith(" (but not 0)")
    assert not any("(but not" in name for name in found[2:])
    hours = np.concatenate([np.full(80, 40.0), np.linspace(20, 60, 60) + 0.25])
    assert any("(but not 40)" in name for name in words({"hours": hours}, 140, least=20))


def test_few_whole_numbers_are_categories() -> None:
    doors = np.tile([2, 3, 5], 20)
    assert words({"doors": doors}, 60) == ["doors = 2", "doors = 3", "doors = 5"]


def test_dates_go_by_the_period_that_gives_a_dozen_at_most() -> None:
    start = np.datetime64("2021-01-01")
    days = start + np.arange(120).astype("timedelta64[D]")
    assert words({"day": days}, 120)[0] == "day in 2021-01"
    years = start + (np.arange(120) * 12).astype("timedelta64[D]")
    assert words({"day": years}, 120)[0] == "day in 2021"
    long = start + (np.arange(200) * 365).astype("timedelta64[D]")
    assert words({"day": long}, 200)[0].startswith("day below 20")


def test_hours_of_one_day_are_periods_and_one_moment_is_none() -> None:
    start = np.datetime64("2021-01-01T08:00")
    minutes = start + np.arange(240).astype("timedelta64[m]")
    assert words({"at": minutes}, 240)[0] == "at in 2021-01-01T08"
    assert words({"at": np.full(50, start)}, 50) == []


def test_objects_that_are_numbers_are_cut_as_numbers() -> None:
    age = np.array([*range(100), None], dtype=object)
    assert "age below 20" in words({"age": age}, 101)


def test_pairs_cross_two_columns_and_leave_out_what_one_of_them_says() -> None:
    sex = np.array(["f", "m"] * 40)
    found = words({"sex": sex, "same": sex, "half": np.repeat(["x", "y"], 40)}, 80, pairs=None)
    assert "sex = f and half = x" in found
    assert "sex = f and same = f" not in found
    assert not [w for w in words({"sex": sex, "half": np.repeat([1, 2], 40)}, 80) if " and " in w]


def test_slices_have_the_least_rows_inside_and_outside() -> None:
    by = {"a": np.array(["x"] * 95 + ["y"] * 5)}
    assert words(by, 100) == []
    assert [least_rows(n) for n in (10, 900, 10**6)] == [15, 30, 100]


def test_a_column_of_another_length_is_refused() -> None:
    with pytest.raises(DataError, match="one value of column 'a' for each of 4 rows"):
        weak_slices([1, 0, 1, 1], {"a": [1, 2, 3]})


# --- what chance does


def test_no_weak_slice_gives_a_false_alarm_in_one_of_twenty_data_sets() -> None:
    draws, alarms = 100, 0
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        n = 150
        skewed = rng.exponential(1, n) if seed % 2 else (rng.random(n) < 0.9).astype(float)
        worse = "high" if seed % 2 else "low"
        found = weak_slices(skewed, columns(rng, n), worse=worse, shuffles=100, seed=seed)
        alarms += bool(found.weak)
    # Twice the standard error of 0.05 over 100 draws above it.
    assert alarms <= 0.05 * draws + 2 * np.sqrt(0.05 * 0.95 * draws)


def test_one_slice_alone_is_as_likely_as_shufflings_say() -> None:
    rng = np.random.default_rng(0)
    scores, rows = rng.exponential(1, 300), np.arange(25)
    seen = scores[rows].mean()
    drawn = np.array([rng.permutation(scores)[:25].mean() for _ in range(4000)])
    assert tail(scores, rows) == pytest.approx((drawn >= seen).mean(), abs=0.03)
    weak = np.argsort(-scores)[:25]
    assert tail(scores, weak) < 1e-6
    assert tail(scores, np.arange(300)) == 1.0


def test_errors_of_a_good_model_are_as_likely_as_counting_says() -> None:
    from scipy.stats import hypergeom

    errors = np.zeros(1000)
    errors[:60] = 1
    rows = np.r_[:8, 500:542]  # 8 errors in 50 rows, 3 expected
    exact = hypergeom.sf(8, 1000, 60, 50) + 0.5 * hypergeom.pmf(8, 1000, 60, 50)
    assert tail(errors, rows) == pytest.approx(exact, rel=0.35)


def test_looking_at_more_slices_makes_each_less_certain() -> None:
    rng = np.random.default_rng(1)
    bad = (rng.random(400) < 0.1).astype(float)
    rows = np.r_[np.flatnonzero(bad)[:9], np.flatnonzero(bad == 0)[:21]]
    others = [rng.permutation(400)[:30] for _ in range(60)]
    one = by_chance(bad, [rows], np.ones(1), shuffles=400, seed=0)
    many = by_chance(bad, [rows, *others], np.ones(61), shuffles=400, seed=0)
    assert one.corrected[0] < many.corrected[0]
    assert one.alone[0] == many.alone[0]
    assert many.limit < one.limit <= 0.05
    assert (many.corrected >= many.alone - 0.05).all()


@given(st.integers(0, 10_000), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_shrinking_never_goes_past_zero_or_away_from_it(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    errors = rng.uniform(0.01, 0.2, n)
    differences = rng.normal(0, errors * rng.choice([1, 5]))
    found = shrunk(differences, errors)
    assert (np.abs(found) <= np.abs(differences) + 1e-12).all()
    assert (found * differences >= -1e-12).all()


def test_differences_that_are_noise_go_and_clear_ones_stay() -> None:
    rng = np.random.default_rng(0)
    errors = np.full(40, 0.05)
    noise = rng.normal(0, 0.05, 40)
    assert np.abs(shrunk(noise, errors)).max() < 0.3 * np.abs(noise).max()
    assert shrunk(np.r_[noise, 0.5], np.full(41, 0.05))[-1] == pytest.approx(0.5, abs=0.05)
    assert not len(shrunk(np.zeros(0), np.zeros(0)))


# --- what is found


def planted(n: int = 800, seed: int = 0) -> tuple[Any, dict[str, Any]]:
    rng = np.random.default_rng(seed)
    by = columns(rng, n)
    hits = (rng.random(n) < 0.93).astype(float)
    weak = by["region"] == "c"
    hits[weak] = rng.random(int(weak.sum())) < 0.6
    return hits, by


def test_a_planted_slice_is_found_once_with_its_rows_and_figures() -> None:
    hits, by = planted()
    found = weak_slices(hits, by)
    assert [s.words for s in found.weak] == ["region = c"]
    weak = found.weak[0]
    assert sorted(weak.rows.tolist()) == np.flatnonzero(by["region"] == "c").tolist()
    inside = by["region"] == "c"
    assert weak.value == pytest.approx(hits[inside].mean())
    assert weak.rest == pytest.approx(hits[~inside].mean())
    assert weak.difference == pytest.approx(weak.value - weak.rest)
    assert weak.interval is not None and weak.interval[0] < weak.value < weak.interval[1]
    assert weak.difference_interval is not None and weak.difference_interval[1] < -0.1
    assert weak.value < weak.expected < found.overall
    assert weak.corrected < 0.05
    assert all("region = c" in name for name in weak.also)
    misses = int((1 - hits[inside]).sum())
    assert not hits[weak.rows[:misses]].any(), "the worst rows come first"


def test_it_is_said_in_words() -> None:
    hits, by = planted()
    found = weak_slices(hits, by)
    said = str(found)
    assert f"Of {len(found.slices)} slices looked at, 1 is weaker than the rest" in said
    assert f"region = c ({len(found.weak[0])} rows): accuracy 0." in said
    assert "for the rest; expect about 0." in said
    assert "after correction" in said
    assert repr(found.weak[0]).startswith("Slice(region = c: ")
    assert "weaker than the rest" in repr(found)
    headers, rows = found.table()
    assert headers[:4] == ["slice", "rows", "accuracy", "rest"]
    assert rows[0][0] == "region = c"
    assert "region = c" in found._repr_html_()


def test_where_nothing_is_weak_it_is_said_what_would_have_been_seen() -> None:
    rng = np.random.default_rng(0)
    found = weak_slices((rng.random(300) < 0.9).astype(float), columns(rng, 300))
    assert not found.weak
    assert "none is weaker than the rest beyond chance. In a slice of" in found.said()
    assert 0.05 < found.visible < 0.5


def test_losses_are_worse_where_they_are_high() -> None:
    rng = np.random.default_rng(3)
    by = columns(rng, 600)
    losses = rng.exponential(1, 600) * np.where(by["sex"] == "f", 2.0, 1.0)
    found = weak_slices(losses, by, figure="loss", worse="high")
    assert found.weak[0].words == "sex = f"
    assert found.weak[0].difference > 0
    assert not found.share
    assert "loss" in str(found)


def test_a_pair_is_found_where_neither_column_says_it() -> None:
    rng = np.random.default_rng(5)
    by = columns(rng, 3000)
    hits = (rng.random(3000) < 0.9).astype(float)
    weak = (by["sex"] == "f") & (by["region"] == "b")
    hits[weak] = rng.random(int(weak.sum())) < 0.5
    found = weak_slices(hits, by)
    assert found.weak[0].words == "sex = f and region = b"
    assert len(found.weak) == 1, "what overlaps with it is not listed again"
    assert not any(" and " in s.words for s in weak_slices(hits, by, pairs=()).slices)


def test_two_names_of_the_same_rows_are_listed_once() -> None:
    hits, by = planted()
    by = {**by, "code": np.where(by["region"] == "c", "x", "y")}
    found = weak_slices(hits, by)
    assert len(found.weak) == 1
    assert {found.weak[0].words, *found.weak[0].also} >= {"region = c", "code = x"}


def test_two_weak_slices_are_both_listed() -> None:
    hits, by = planted(2000)
    rng = np.random.default_rng(9)
    old = by["age"] > 55
    hits[old] = rng.random(int(old.sum())) < 0.6
    found = weak_slices(hits, by)
    names = " ".join(s.words for s in found.weak)
    assert "region = c" in names and "age" in names


def test_the_same_seed_gives_the_same() -> None:
    hits, by = planted()
    one, other = weak_slices(hits, by, seed=4), weak_slices(hits, by, seed=4)
    assert [(s.words, s.corrected) for s in one.slices] == [
        (s.words, s.corrected) for s in other.slices
    ]


@pytest.mark.parametrize("scores", [np.ones(50), np.full(50, 0.3)])
def test_scores_that_do_not_vary_have_no_weak_slice(scores: Any) -> None:
    found = weak_slices(scores, {"a": np.repeat(["x", "y"], 25)})
    assert found.slices and not found.weak
    assert "none is weaker" in str(found)


def test_few_rows_have_no_slices() -> None:
    assert "large enough to be looked at" in str(weak_slices([1, 0, 1], {"a": ["x", "y", "y"]}))
    assert str(weak_slices([1.0, 0.0], {})).startswith("No slice of these 2 rows")


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([], "one score for each row"),
        ([[1.0]], "one score"),
        ([1, np.nan], "scores that are finite"),
    ],
)
def test_scores_that_are_none_are_refused(scores: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        weak_slices(scores, {})


@pytest.mark.parametrize("options", [{"min_rows": 1}, {"shuffles": 10}])
def test_slices_of_nothing_are_refused(options: Any) -> None:
    with pytest.raises(ConfigError, match="slices of 2 rows or more"):
        weak_slices([1, 0], {}, **options)


# --- differences


def test_the_difference_of_two_shares_is_newcombes() -> None:
    low, high = newcombe(56, 70, 48, 80) or (0.0, 0.0)
    assert (low, high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))
    assert newcombe(0, 0, 1, 2) is None


def test_the_difference_of_two_means_is_welchs() -> None:
    from scipy.stats import ttest_ind

    a, b = np.array([1.0, 2, 3, 4]), np.array([2.0, 2.5, 9])
    expected = ttest_ind(a, b, equal_var=False).confidence_interval()
    assert welch(a, b) == pytest.approx((expected.low, expected.high))
    assert welch(a[:1], b) is None
    assert welch(np.ones(3), np.ones(4)) is None


def test_holms_correction_is_stepwise() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


# --- groups that look alike


def test_rows_that_are_apart_are_groups() -> None:
    rng = np.random.default_rng(0)
    centre = np.repeat([0, 20, 40], 40)
    vectors = np.c_[centre, -centre] + rng.normal(0, 1, (120, 2))
    found = clusters_of(vectors, seed=1)
    assert found is not None
    for group in range(found.n):
        assert len(set(centre[found.group == group])) == 1
    nearest = found.typical(0, 3)
    assert len(nearest) == 3
    assert found.distance[nearest[0]] == found.distance[found.group == 0].min()
    again = clusters_of(vectors, seed=1)
    assert again is not None and (again.group == found.group).all()


def test_few_rows_or_equal_ones_are_no_groups() -> None:
    assert clusters_of(np.random.default_rng(0).normal(size=(20, 3))) is None
    assert clusters_of(np.ones((100, 3))) is None


def test_vectors_that_are_none_are_refused() -> None:
    with pytest.raises(DataError, match="one vector of finite numbers"):
        clusters_of(np.full((50, 2), np.nan))
