from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from redstart.errors import DataError
from redstart.evaluate.differences import same_share
from redstart.evaluate.rates import rates_by_group
from redstart.metrics.interval import wilson


def people(n: int = 2000, *, gap: float = 0.0, seed: int = 0) -> tuple[Any, Any, Any, Any]:
    """Groups, truths, decisions and probabilities; ``gap`` is taken from group ``b``."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(["a", "b"], n, p=[0.6, 0.4])
    truth = rng.random(n) < 0.4
    probs = np.clip(0.2 + 0.6 * truth + rng.normal(0, 0.15, n) - gap * (groups == "b"), 0, 1)
    return groups, truth, probs > 0.5, probs


def test_every_rate_is_the_share_it_says() -> None:
    groups = ["f"] * 12 + ["m"] * 12
    truth = ([1, 1, 0, 0, 0, 1] * 2) * 2
    chosen = ([1, 0, 1, 0, 0, 1] * 2) + ([1] * 12)
    found = rates_by_group(groups, truth, chosen, positive="yes", by="sex")
    by = {g.group: {k: r.value for k, r in g.rates.items()} for g in found.groups}
    assert by["f"]["base rate"] == 0.5
    assert by["f"]["selection rate"] == 0.5
    assert by["f"]["true positive rate"] == pytest.approx(2 / 3)
    assert by["f"]["false positive rate"] == pytest.approx(1 / 3)
    assert by["f"]["precision"] == pytest.approx(2 / 3)
    assert by["f"]["accuracy"] == pytest.approx(2 / 3)
    assert by["m"]["false positive rate"] == 1.0
    assert "calibration gap" not in by["f"]
    rate = next(g for g in found.groups if g.group == "f").rates["true positive rate"]
    assert rate.n == 6
    assert rate.interval == pytest.approx(wilson(4, 6))
    assert str(rate).startswith("0.667 [0.3")


def test_a_gap_is_found_and_said_with_its_interval() -> None:
    groups, truth, chosen, probs = people(gap=0.2)
    found = rates_by_group(groups, truth, chosen, positive="yes", by="group", probability=probs)
    clear = {gap.rate: gap for gap in found.clear}
    assert {"selection rate", "true positive rate", "calibration gap"} <= clear.keys()
    assert all(gap.group == "b" for gap in found.gaps), "of two groups, the smaller"
    gap = clear["selection rate"]
    assert gap.difference == pytest.approx(gap.value - gap.rest)
    assert gap.interval is not None and gap.interval[1] < 0
    assert clear["calibration gap"].difference == pytest.approx(-0.19, abs=0.03)
    said = str(found)
    assert "group = b" in said and "points." in said
    assert f"{gap.value:.3f} against {gap.rest:.3f} for the rest" in said
    assert "four-fifths" in said
    assert "group = b" not in found._repr_html_() or "<table>" in found._repr_html_()


def test_equal_groups_seldom_differ_in_any_rate() -> None:
    alarms = 0
    for seed in range(100):
        groups, truth, chosen, probs = people(300, seed=seed)
        found = rates_by_group(groups, truth, chosen, positive="y", by="g", probability=probs)
        alarms += bool(found.clear)
    assert alarms <= 5 + 2 * 2.2


def test_nothing_is_said_of_equal_groups() -> None:
    groups, truth, chosen, probs = people(seed=3)
    found = rates_by_group(groups, truth, chosen, positive="y", by="g", probability=probs)
    assert "no rate differs beyond chance" in str(found)
    assert "four-fifths" not in str(found)


def test_groups_whose_base_rates_differ_are_told_that_not_all_can_be_equal() -> None:
    rng = np.random.default_rng(0)
    groups = rng.choice(["a", "b", "c"], 1500)
    truth = rng.random(1500) < np.where(groups == "a", 0.6, 0.2)
    found = rates_by_group(groups, truth, truth, positive="yes", by="region")
    assert "cannot all be equal" in str(found)
    assert {gap.group for gap in found.gaps} == {"a", "b", "c"}
    assert found.ratio < 0.5


def test_small_groups_are_left_out_by_name_and_missing_ones_are_a_group() -> None:
    groups = np.array(["a"] * 40 + [None] * 20 + ["rare"] * 3, dtype=object)
    truth = np.arange(63) % 2 == 0
    found = rates_by_group(groups, truth, truth, positive="yes", by="g")
    assert [g.group for g in found.groups] == ["a", "missing"]
    assert found.left_out == ("rare",)
    assert "Not looked at, for want of rows: rare." in str(found)
    assert found.table()[1][1][0] == "missing"


def test_a_rate_of_no_rows_is_unknown() -> None:
    found = rates_by_group(["a"] * 10 + ["b"] * 10, [0] * 20, [0] * 20, positive="y", by="g")
    rate = found.groups[0].rates["precision"]
    assert math.isnan(rate.value) and str(rate) == "-"
    assert not found.clear
    assert math.isnan(found.ratio)


def test_one_group_is_nothing_to_compare() -> None:
    found = rates_by_group(["a"] * 20, [0, 1] * 10, [0, 1] * 10, positive="y", by="g")
    assert "not two groups" in str(found)
    assert not found.gaps


def test_shares_of_no_rows_do_not_differ() -> None:
    assert same_share(0, 0, 3, 5) == 1.0
    assert same_share(9, 10, 1, 10) < 0.01


def test_arrays_of_other_rows_are_refused() -> None:
    with pytest.raises(DataError, match="a group, a truth and a prediction for each row"):
        rates_by_group(["a", "b"], [1], [1, 0], positive="y", by="g")
    with pytest.raises(DataError, match="for each row"):
        rates_by_group([], [], [], positive="y", by="g")
