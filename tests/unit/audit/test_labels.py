"""What is odd about the targets themselves."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_evidence import table

from redstart.audit.labels import labels


def test_classes_that_a_part_lacks_are_named() -> None:
    y = np.array([0, 1, 0, 1] * 20 + [2, 0, 1, 2])
    valid = [80, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 83]
    train, *rest = labels(table(y, names=("a", "b", "c"), valid=valid))
    assert train.severity == "warning"
    assert train.said == "No train row for 1 of 3 classes, which the model cannot learn: c."
    assert "stratification" in train.mend
    assert all("valid row" not in found.said or found.severity == "note" for found in rest)
    y = np.array([0, 1] * 30 + [2] * 20)
    (valid_only,) = labels(table(y, names=("a", "b", "c"), valid=range(12)))
    assert "No valid row for 1 of 3 classes, which nothing measures: c." in valid_only.said


def test_many_classes_that_are_missing_are_counted() -> None:
    y = np.array([0, 1] * 40)
    found = labels(table(y, names=tuple(f"class number {i}" for i in range(50))))
    assert "48 of 50 classes" in found[0].said and "and 28 more" in found[0].said


def test_classes_of_few_rows_are_counted() -> None:
    y = np.repeat([0, 1, 2, 3], [100, 100, 6, 100])
    train, valid = labels(table(y))
    assert train.severity == valid.severity == "note"
    assert train.evidence["classes"] == {"class 2": 4} and valid.evidence["classes"] == {
        "class 2": 2
    }


def test_one_class_alone_is_serious() -> None:
    found = labels(table(np.array([0, 1, 1, 1, 1] * 20), names=("a", "b")))[:2]
    assert [f.severity for f in found] == ["serious", "warning"] and "nothing to tell" in found[
        0
    ].said


def test_uneven_classes_say_what_the_majority_scores() -> None:
    y = (np.arange(1000) % 10 == 3).astype(np.int64)
    (found,) = labels(table(y, names=("no", "yes"), valid=range(0, 1000, 7)))
    assert found.severity == "note" and "'no' is right in 90.0%" in found.said
    assert "balanced_accuracy" in found.mend
    rare = (np.arange(4000) % 50 < 2).astype(np.int64)
    assert (
        labels(table(rare, names=("no", "yes"), valid=range(0, 4000, 7)))[0].severity == "warning"
    )
    assert labels(table(np.arange(1000) % 3)) == []


@pytest.mark.parametrize(
    ("names", "severity"),
    [
        (("husky", "Husky "), "warning"),
        (("great_dane", "Great Dane"), "warning"),
        (("caf\u00e9", "cafe\u0301"), "warning"),
        (("1", "1.0"), "warning"),
        (("husky", "huskies"), "warning"),
        (("dog", "dogs"), "warning"),
        (("berry", "berries"), "warning"),
        (("class1", "class2"), None),
        (("horse", "house"), None),
        (("ant", "bee"), None),
    ],
)
def test_names_that_are_nearly_the_same_are_doubted(
    names: tuple[str, str], severity: str | None
) -> None:
    found = labels(table(np.arange(100) % 2, names=names))
    assert [f.severity for f in found] == ([severity] if severity else [])
    if severity:
        assert repr(names[0]) in found[0].said and ".replace(" in found[0].mend


def test_a_rare_name_one_letter_away_from_a_frequent_one_may_be_a_typo() -> None:
    y = np.repeat([0, 1, 2], [300, 300, 20])
    (found,) = labels(
        table(y[np.argsort(np.arange(620) % 31)], names=("labrador", "poodle", "labradro"))
    )[-1:]
    assert "one letter" in found.said and "'labradro': 'labrador'" in found.mend
    (*rest,) = labels(table(np.arange(600) % 2, names=("mouse-trap", "house-trap")))
    assert rest == [], "two frequent classes"


def test_labels_that_no_training_row_has_cannot_be_learnt() -> None:
    y = np.zeros((100, 3), dtype=np.int64)
    y[::2, 0] = 1
    y[::5, 2] = 1
    y[1::5, 1] = 1
    (never, unmeasured) = labels(table(y, kind="labels", names=("a", "b", "c")))
    assert never.said == "No training row has these labels, so they cannot be learnt: c."
    assert "No validation row has 1 of 3 labels" in unmeasured.said and unmeasured.said.endswith(
        "b."
    )


def test_rare_labels_are_told_by_what_saying_nothing_scores() -> None:
    y = (np.random.default_rng(0).random((2000, 40)) < 0.02).astype(np.int64)
    (found,) = labels(table(y, kind="labels"))
    assert "saying none of them is right in 98" in found.said


def test_a_constant_number_is_serious() -> None:
    (found,) = labels(table(np.full(50, 3.0), kind="numbers"))
    assert found.severity == "serious" and "nothing to learn" in found.said


def test_capped_numbers_are_told_with_their_rows() -> None:
    rng = np.random.default_rng(1)
    y = np.minimum(np.round(np.exp(rng.normal(size=5000)), 3), 4.0)
    (found,) = labels(table(y, kind="numbers", names=("price",)))
    assert found.severity == "warning" and "'price'" in found.said and "capped" in found.said
    assert (y[list(found.rows)] == 4.0).all()


def test_many_zeros_are_a_note() -> None:
    rng = np.random.default_rng(2)
    y = np.where(rng.random(5000) < 0.3, 0.0, np.abs(rng.normal(size=5000)))
    (found,) = labels(table(y, kind="numbers"))
    assert found.severity == "note" and "exactly 0" in found.said


def test_ordinary_numbers_and_ratings_say_nothing() -> None:
    rng = np.random.default_rng(3)
    for y in (rng.normal(size=3000), rng.integers(1, 6, 3000), np.exp(rng.normal(size=3000))):
        assert labels(table(y.astype(float), kind="numbers")) == []
    assert labels(table(rng.integers(0, 400, 3000).astype(float), kind="numbers")) == []


def test_outliers_are_told_the_farthest_first() -> None:
    y = np.random.default_rng(4).normal(size=1000)
    y[[7, 50]] = 1e3, -1e6
    (found,) = labels(table(y, kind="numbers"))
    assert found.severity == "note" and found.rows == (50, 7)


def test_targets_outside_y_range_are_told_with_a_wider_one() -> None:
    y = np.linspace(0, 5, 101)
    (found,) = labels(table(y, kind="numbers", bounds=(0.0, 4.0)))
    assert found.severity == "warning" and len(found.rows) == 20
    assert "y_range=(-0.25, 5.25)" in found.mend
    (found,) = labels(table(y, kind="numbers", bounds=(0.0, 5.5)))
    assert found.severity == "note" and "very ends" in found.said and found.rows == (0,)
    assert labels(table(y, kind="numbers", bounds=(-0.5, 5.5))) == []


def test_test_rows_are_not_looked_at() -> None:
    evidence = table(
        np.append(np.arange(100) % 2, [-1] * 20), names=("a", "b"), valid=range(0, 100, 5)
    )
    evidence.parts["train"] = evidence.parts["train"][evidence.parts["train"] < 100]  # type: ignore[index]
    assert labels(evidence) == []


def test_other_targets_say_nothing() -> None:
    assert labels(table(np.zeros(0), kind="other")) == []
