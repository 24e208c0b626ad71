from __future__ import annotations

import numpy as np
import pytest

from redstart.errors import DataError
from redstart.evaluate.feedback import recommendation_feedback, selection_feedback


def test_a_group_that_is_seldom_selected_would_leave_the_data() -> None:
    groups = np.repeat(["a", "b"], [600, 400])
    chosen = np.r_[np.arange(600) < 300, np.arange(400) < 20]
    actual = np.r_[np.arange(600) < 360, np.arange(400) < 40]
    found = selection_feedback(chosen, groups, positive="loan", by="region", actual=actual)
    assert found.severity == "warning"
    assert "calls 'loan'" in found.said
    assert "region = b would be 6.2% of them, and is 40.0% now" in found.said
    assert "20% of the rows that are 'loan' would never be seen" in found.said
    assert found.figures["shares"]["b"] == {"now": 0.4, "next": pytest.approx(20 / 320)}
    assert found.figures["keep"] == pytest.approx(97 / 300)
    assert "a random 33% of the rows that are not selected" in found.mend
    assert str(found).startswith("warning: ")
    assert "<b>warning</b>" in found._repr_html_()


def test_equal_selection_is_only_a_note() -> None:
    groups = np.tile(["a", "b"], 500)
    chosen = np.arange(1000) < 300
    found = selection_feedback(chosen, groups, positive="loan", by="region")
    assert found.severity == "note"
    assert found.figures["missed"] is None


def test_a_difference_by_chance_is_no_warning() -> None:
    chosen = [True, True, True, False, False, True]
    found = selection_feedback(chosen, ["a", "a", "a", "b", "b", "b"], positive="y", by="g")
    assert found.severity == "note"
    assert "Let all of the rows" in found.mend


def test_nobody_or_everybody_selected() -> None:
    groups = ["a", "b"] * 10
    assert "0 of 20 rows" in selection_feedback([False] * 20, groups, positive="y", by="g").said
    every = selection_feedback([True] * 20, groups, positive="y", by="g")
    assert "Every row is selected" in every.mend


def test_decisions_of_other_rows_are_refused() -> None:
    with pytest.raises(DataError, match="a group and a decision for each row"):
        selection_feedback([True], ["a", "b"], positive="y", by="g")


def test_recommending_only_what_is_popular_narrows_the_catalogue() -> None:
    popularity = np.r_[np.full(10, 50), np.full(90, 5)]
    found = recommendation_feedback(np.tile(np.arange(5), (40, 1)), popularity)
    assert found.severity == "warning"
    assert "5% of the 100 items, and hold 100% now" in found.said
    assert found.figures["most popular tenth"]["next"] == 1.0
    assert found.figures["popularity lift"] > 1.5
    assert found.figures["gini"]["next"] > found.figures["gini"]["now"]
    assert "random" in found.mend


def test_recommending_as_people_choose_is_only_a_note() -> None:
    rng = np.random.default_rng(0)
    popularity = rng.integers(1, 40, 50)
    lists = rng.choice(50, (400, 5), p=popularity / popularity.sum())
    lists[0, 3:] = -1
    found = recommendation_feedback(lists, popularity)
    assert found.severity == "note"
    assert found.figures["popularity lift"] == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("lists", [[[-1]], [[7]]])
def test_items_outside_the_catalogue_are_refused(lists: list[list[int]]) -> None:
    with pytest.raises(DataError, match="recommended items of a catalogue"):
        recommendation_feedback(lists, [3, 2, 1])
