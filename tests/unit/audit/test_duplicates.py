"""Copies across the split are found, counted, and tied together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor

from redstart.audit.duplicates import COPY, duplicates
from redstart.audit.evidence import Evidence, Likeness, Pairs, Prints, Truth
from redstart.audit.finding import Finding
from redstart.audit.search import as_pairs


@final
class Listed(Likeness):
    """Knows the pairs beforehand: row numbers and likeness, 1 for equal ones."""

    name = "listed"

    def __init__(self, *pairs: tuple[int, int, float]) -> None:
        self.known = pairs

    def prints(self, x: tuple[Tensor, ...]) -> Prints:
        return ()

    def pairs(self, prints: Prints, left: NDArray[np.int64], right: NDArray[np.int64]) -> Pairs:
        lefts, rights = set(left.tolist()), set(right.tolist())
        found = [p for p in self.known if p[0] in lefts and p[1] in rights]
        a, b, likeness = np.array(found, dtype=np.float64).reshape(-1, 3).T
        return as_pairs(a.astype(np.int64), b.astype(np.int64), likeness, likeness == 1)


def evidence(
    *pairs: tuple[int, int, float],
    truth: Truth | None = None,
    columns: Mapping[str, NDArray[Any]] | None = None,
    likeness: bool = True,
    **given: Any,
) -> Evidence:
    """600 rows that train, 200 that validate, 200 that test."""
    return Evidence(
        n_rows=1000,
        parts={
            "train": np.arange(600),
            "valid": np.arange(600, 800),
            "test": np.arange(800, 1000),
        },
        truth=truth or Truth("category", np.zeros(1000, dtype=np.int64), ("a", "b")),
        columns=columns or {},
        likeness=Listed(*pairs) if likeness else None,
        **given,
    )


def by_check(found: list[Finding]) -> dict[str, Finding]:
    assert len({f.check for f in found}) == len(found)
    return {f.check: f for f in found}


def test_without_pairs_or_likeness_nothing_is_said():
    assert duplicates(evidence()) == []
    assert duplicates(evidence(likeness=False)) == []


def test_one_equal_picture_in_validation_is_serious_and_says_what_it_means():
    (found,) = duplicates(evidence((3, 700, 1)))
    assert (found.check, found.severity) == ("duplicates", "serious")
    assert "1 of 200 validation rows (0.5%) is equal to training rows" in found.said
    assert "measure memory, not learning" in found.said
    assert 'dls.resplit("duplicates")' in found.mend
    assert found.rows == (700,) and found.pairs == ((3, 700),)
    assert found.evidence["share"] == pytest.approx(0.005)


def test_each_two_parts_have_their_own_finding():
    found = duplicates(evidence((3, 700, 1), (3, 900, 1), (700, 900, 1), (700, 901, 1)))
    assert [(f.evidence["left"], f.evidence["right"], len(f.rows)) for f in found] == [
        ("train", "valid", 1),
        ("train", "test", 1),
        ("valid", "test", 2),
    ]
    assert "the test has been seen" in found[2].said


def test_near_copies_are_serious_when_they_move_figures():
    (one,) = duplicates(evidence((3, 700, 0.8)))
    assert (one.check, one.severity) == ("near duplicates", "warning")
    (two,) = duplicates(evidence((3, 700, 0.8), (4, 701, 0.7)))
    assert two.severity == "serious"
    assert "2 of 200 validation rows (1.0%) are nearly equal to training rows" in two.said
    assert two.pairs == ((3, 700), (4, 701))


def test_a_single_near_copy_among_thousands_is_a_note():
    parts = {"train": np.arange(600), "valid": np.arange(600, 2000)}
    truth = Truth("other", np.zeros(0))
    given = Evidence(n_rows=2000, parts=parts, truth=truth, likeness=Listed((3, 700, 0.8)))
    (found,) = duplicates(given)
    assert found.severity == "note"


def test_rows_with_an_equal_copy_are_not_counted_as_near_again():
    found = by_check(duplicates(evidence((3, 700, 1), (4, 700, 0.8))))
    assert set(found) == {"duplicates"}


def test_groups_tie_copies_through_all_parts():
    pairs = (3, 700, 1.0), (700, 900, 0.7), (5, 6, 0.9), (8, 750, 0.2)
    found = by_check([f for f in duplicates(evidence(*pairs)) if f.evidence["right"] != "test"])
    name, groups = found["duplicates"].groups or ("", ())
    assert name == "copies"
    assert groups[3] == groups[700] == groups[900] == "row 3"
    assert groups[5] == groups[6] == "row 5"
    assert groups[8] is None and groups[750] is None and groups[0] is None
    assert len(groups) == 1000


def test_given_parts_may_be_kept():
    (found,) = duplicates(evidence((3, 700, 1), chosen="given"))
    assert "leave these rows out of training" in found.mend
    (found,) = duplicates(evidence((3, 700, 1), chosen="random"))
    assert "leave these rows" not in found.mend


def test_copies_inside_training_are_a_note():
    (found,) = duplicates(evidence((3, 4, 1), (5, 6, 0.8)))
    assert (found.check, found.severity) == ("copies in training", "note")
    assert "2 of 600 training rows (0.3%) are copies of other training rows (1 of them equal)" in (
        found.said
    )
    assert duplicates(evidence((700, 701, 1))) == []


def labelled(**other: int) -> Truth:
    values = np.zeros(1000, dtype=np.int64)
    for row, value in other.items():
        values[int(row[1:])] = value
    return Truth("category", values, ("a", "b"))


def test_equal_pictures_with_other_labels_are_serious():
    found = by_check(duplicates(evidence((3, 700, 1), truth=labelled(r3=1), target="kind")))
    assert found["copies disagree"].severity == "serious"
    assert "another kind (1 of them equal to the last bit)" in found["copies disagree"].said
    assert "no model can be right about both" in found["copies disagree"].said


def test_near_copies_or_training_copies_with_other_labels_are_a_warning():
    found = by_check(duplicates(evidence((3, 700, 0.8), truth=labelled(r3=1))))
    assert found["copies disagree"].severity == "warning"
    found = by_check(duplicates(evidence((3, 4, 1), truth=labelled(r3=1))))
    assert found["copies disagree"].severity == "warning"


def test_rows_without_a_label_do_not_disagree():
    found = by_check(duplicates(evidence((3, 700, 1), truth=labelled(r3=-1))))
    assert set(found) == {"duplicates"}


@pytest.mark.parametrize(
    ("truth", "disagree"),
    [
        (Truth("labels", np.eye(1000, 3, dtype=np.int64)), False),
        (Truth("labels", np.eye(1000, 3, k=-699, dtype=np.int64)), True),
        (Truth("numbers", np.arange(1000.0)[:, None]), True),
        (Truth("numbers", (np.arange(1000) % 2 == 0).astype(np.float64)[:, None] + 1), False),
        (Truth("other", np.zeros(0)), False),
    ],
)
def test_all_kinds_of_truth_are_compared(truth, disagree):
    found = by_check(duplicates(evidence((4, 700, 1), truth=truth)))
    assert ("copies disagree" in found) == disagree


def test_numbers_of_near_copies_may_differ_a_little():
    values = np.arange(1000.0)[:, None] * 0.001
    values[700] = values[3] + 0.01
    found = duplicates(evidence((3, 700, 0.8), truth=Truth("numbers", values)))
    assert [f.check for f in found] == ["near duplicates"]
    found = duplicates(evidence((3, 700, 1.0), truth=Truth("numbers", values)))
    assert [f.check for f in found] == ["duplicates", "copies disagree"]


def test_many_rows_of_one_scene_are_a_warning_and_few_are_chance():
    few = [(i, 600 + i, 0.3) for i in range(15)]
    assert duplicates(evidence(*few)) == []
    many = [(i, 600 + i, 0.3) for i in range(30)]
    (found,) = duplicates(evidence(*many))
    assert (found.check, found.severity) == ("same scene", "warning")
    assert "30 of 200 validation rows (15.0%)" in found.said
    name, groups = found.groups or ("", ())
    assert name == "scene" and groups[0] == groups[600] == "row 0"


def test_scenes_are_counted_with_copies_since_those_are_of_one_scene_too():
    pairs = [(i, 600 + i, 0.3) for i in range(10)] + [(i, 620 + i, 0.8) for i in range(15)]
    found = by_check(duplicates(evidence(*pairs)))
    assert found["same scene"].evidence["rows"] == 25
    assert found["same scene"].rows == tuple(range(600, 610))
    assert COPY == 0.5


def numbers() -> dict[str, NDArray[Any]]:
    return {"size": np.random.default_rng(0).normal(size=1000), "age": np.arange(1000) % 50}


def test_equal_rows_of_a_table_are_serious_when_many():
    pairs = [(i, 600 + i, 1.0) for i in range(10)]
    (found,) = duplicates(evidence(*pairs, columns=numbers()))
    assert found.severity == "serious"
    assert found.evidence["agree on the target"] == 1
    (found,) = duplicates(evidence(pairs[0], columns=numbers()))
    assert found.severity == "warning"


def test_equal_rows_of_a_table_whose_targets_differ_are_not_copies_of_one_row():
    pairs = [(i, 600 + i, 1.0) for i in range(20)]
    truth = labelled(**{f"r{i}": 1 for i in range(6)})
    found = by_check(duplicates(evidence(*pairs, columns=numbers(), truth=truth)))
    assert found["duplicates"].severity == "warning"
    assert found["copies disagree"].severity == "note"
    assert "the columns do not tell them apart" in found["copies disagree"].said
