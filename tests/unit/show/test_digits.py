"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

from redstart.show.digits import aligned, digits, places, told_apart


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.12345, "0.123"), (999.6, "1,000"), (40490.2, "40,490"), (-5, "-5"), (math.inf, "inf")],
)
def test_three_digits_matter(value: float, said: str) -> None:
    assert digits(value) == said


def test_a_plus_is_written_where_asked_for() -> None:
    assert [digits(v, sign=True) for v in (0.5, -0.5, 4000)] == ["+0.5", "-0.5", "+4,000"]


def test_numbers_are_told_apart() -> None:
    assert told_apart([1.0, 2.5]) == ["1", "2.5"]
    assert told_apart([-118.31, -118.35, -122.0]) == ["-118.31", "-118.35", "-122"]
    assert told_apart([]) == []


def test_a_figure_and_its_interval_have_as_many_decimals() -> None:
    assert places([0.87, 0.8, 1.0]) == ["0.8700", "0.8000", "1.0000"]
    assert places([48_211.2, 999.9]) == ["48,211", "1,000"]
    assert places([0.00012, 0.0001]) == ["0.000120", "0.000100"]
    assert places([-0.5, math.nan], sign=True) == ["-0.5000", "+nan"]
    assert places([0.0]) == ["0.0000"]


def test_columns_are_aligned() -> None:
    assert list(aligned(("a", "bc"), [("long", "1"), ("x", "234")])) == [
        "a      bc",
        "long    1",
        "x     234",
    ]
