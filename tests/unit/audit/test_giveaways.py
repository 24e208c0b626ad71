"""What alone predicts the target: columns, properties of files, and their names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_up_evidence import honest, table, texts
from numpy.typing import NDArray

from redstart.audit.finding import Finding
from redstart.audit.giveaways import giveaways
from redstart.audit.tabular_features import auc, auc_interval

N = 3000


def disguised(how: str, y: NDArray[np.int64], rng: np.random.Generator) -> NDArray[Any]:
    n = len(y)
    wrong = np.where(rng.random(n) < 0.01, 1 - y, y)
    return {
        "copied": y,
        "as words": texts(np.where(y == 1, "paid", "open")),
        "1% wrong": wrong,
        "scaled with noise": 3.0 - 7.0 * y + 0.5 * rng.normal(size=n),
        "missing": np.where(y == 1, np.nan, rng.normal(size=n)),
    }[how]


@pytest.mark.parametrize("how", ["copied", "as words", "1% wrong", "scaled with noise", "missing"])
def test_the_target_in_disguise_is_serious_and_named(how: str) -> None:
    rng = np.random.default_rng(1)
    y, columns = honest(N, rng)
    (found,) = giveaways(table(y, columns | {"state": disguised(how, y, rng)}))
    assert found.severity == "serious" and found.evidence["column"] == "state"
    assert "target in disguise" in found.said and "df.drop(columns=['state'])" in found.mend


@pytest.mark.parametrize("seed", range(5))
def test_honest_columns_are_left_in_peace(seed: int) -> None:
    assert giveaways(table(*honest(N, np.random.default_rng(seed)))) == []


def test_a_number_in_disguise_is_found_through_any_scale() -> None:
    rng = np.random.default_rng(2)
    y = np.exp(rng.normal(size=N))
    columns = {
        "rooms": y + 2 * rng.normal(size=N),
        "area": rng.normal(size=N),
        "cents": -100 * y + 0.3 * rng.normal(size=N),
    }
    (found,) = giveaways(table(y, columns, kind="numbers"))
    assert found.severity == "serious" and found.evidence["column"] == "cents"
    del columns["cents"]
    assert giveaways(table(y, columns, kind="numbers")) == []


def test_columns_that_all_tell_much_are_an_easy_task() -> None:
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, N)
    columns = {f"x{i}": 6.0 * y + rng.normal(size=N) for i in range(4)}
    assert giveaways(table(y, columns)) == []


def test_one_column_is_all_there_is() -> None:
    y = np.linspace(-1, 1, 200)
    assert giveaways(table(y**2, {"x": y}, kind="numbers")) == []


def test_a_name_that_sounds_like_afterwards_is_asked_about_if_much_rests_on_it() -> None:
    rng = np.random.default_rng(4)
    y, columns = honest(N, rng)
    columns = {"age": 0.6 * y + rng.normal(size=N), "noise": columns["noise"]}
    later = 1.6 * y + rng.normal(size=N)
    (found,) = giveaways(table(y, columns | {"callDuration_s": later}))
    assert found.severity == "warning" and "Is it known at the time" in found.said
    assert giveaways(table(y, columns | {"income": later})) == []
    little = 0.3 * y + rng.normal(size=N)
    assert giveaways(table(y, columns | {"callDuration_s": little})) == []


def test_a_column_far_better_than_all_others_is_asked_about() -> None:
    rng = np.random.default_rng(5)
    y, columns = honest(N, rng)
    (found,) = giveaways(table(y, columns | {"x": 2.4 * y + rng.normal(size=N)}))
    assert found.severity == "warning" and "far better than all other columns" in found.said


def test_columns_with_one_value_are_told_once() -> None:
    y, columns = honest(N, np.random.default_rng(6))
    empty = np.full(N, np.nan)
    (found,) = giveaways(table(y, columns | {"a": np.ones(N), "b": texts([None] * N), "c": empty}))
    assert found.severity == "note" and found.evidence["columns"] == ["a", "b", "c"]


def test_numbers_of_rows_are_told_and_serious_if_rows_are_in_order() -> None:
    y, columns = honest(N, np.random.default_rng(7))
    names = texts([f"row-{i}" for i in range(N)])
    (found,) = giveaways(table(y, columns | {"name": names, "no": np.arange(N)}))
    assert found.severity == "note" and found.evidence["columns"] == ["name", "no"]
    order = np.argsort(y, kind="stable")
    ordered = {name: values[order] for name, values in columns.items()}
    (found,) = giveaways(table(y[order], ordered | {"no": np.arange(N)}))
    assert found.severity == "serious" and "order of what is to be predicted" in found.said


def test_measured_numbers_are_no_ids() -> None:
    rng = np.random.default_rng(8)
    y, columns = honest(N, rng)
    far = rng.permutation(np.arange(N) * 977)
    assert giveaways(table(y, columns | {"income": far, "weight": rng.normal(size=N)})) == []


def pictures(y: NDArray[np.int64], **properties: NDArray[Any]) -> list[Finding]:
    return giveaways(table(y, properties=properties))


def test_a_format_that_tells_the_class_is_serious() -> None:
    rng = np.random.default_rng(9)
    y = rng.integers(0, 2, 600)
    (found,) = pictures(y, format=texts(np.where(y == 1, "PNG", "JPEG")))
    assert found.severity == "serious" and "format" in found.said and "alike" in found.mend
    assert pictures(y, format=texts(rng.choice(["PNG", "JPEG"], 600))) == []
    mostly = np.where(rng.random(600) < 0.93, y, 1 - y)
    (found,) = pictures(y, width=np.where(mostly == 1, 640, 800))
    assert found.severity == "warning"


def test_a_format_of_one_class_out_of_many_is_named() -> None:
    y = np.arange(2000) % 8
    valid = np.arange(2000)[::3]
    formats = texts(np.where(y == 3, "PNG", "JPEG"))
    (found,) = giveaways(table(y, properties={"format": formats}, valid=valid))
    assert found.severity == "warning" and "'class 3'" in found.said


def test_brightness_may_be_what_is_meant() -> None:
    rng = np.random.default_rng(10)
    y = rng.integers(0, 2, 600)
    assert pictures(y, brightness=100 * y + 60 * rng.normal(size=600)) == []
    (found,) = pictures(y, brightness=100 * y + 3 * rng.normal(size=600))
    assert found.severity == "warning"


def named(y: NDArray[np.int64], files: list[str]) -> list[Finding]:
    return giveaways(table(y, names=("ant", "bee"), files=files, valid=np.arange(len(y))[::3]))


def test_the_folder_of_the_label_gives_nothing_away() -> None:
    rng = np.random.default_rng(11)
    y = rng.integers(0, 2, 600)
    numbers = rng.permutation(600)
    folders = ["ant" if c == 0 else "bee" for c in y]
    files = [f"root/{f}/{n}.jpg" for f, n in zip(folders, numbers, strict=True)]
    assert named(y, files) == []
    assert named(y, [f"root/{f}_{n}.jpg" for f, n in zip(folders, numbers, strict=True)]) == []


def test_another_folder_and_numbers_that_tell_the_label_are_found() -> None:
    rng = np.random.default_rng(12)
    y = rng.integers(0, 2, 600)
    place = np.where(rng.random(600) < 0.95, y, 1 - y)
    files = [f"root/ward{w}/{c}/{rng.integers(9**9)}.jpg" for w, c in zip(place, y, strict=True)]
    (found,) = named(y, files)
    assert found.severity == "warning" and "folder (level 1)" in found.said
    numbers = 1000 * y + rng.permutation(600)
    (found,) = named(y, [f"root/{c}/{n}.jpg" for c, n in zip(y, numbers, strict=True)])
    assert found.severity == "note" and "number in the name" in found.said


def test_several_labels_are_judged_one_by_one() -> None:
    rng = np.random.default_rng(13)
    y = (rng.random((N, 4)) < 0.3).astype(np.int64)
    columns = {"x": y[:, 2] + 0.0, "a": rng.normal(size=N), "b": rng.normal(size=N)}
    (found,) = giveaways(table(y, columns, kind="labels", names=tuple("abcd")))
    assert found.evidence["column"] == "x"


@pytest.mark.parametrize("kind", ["other", "category", "numbers"])
def test_little_or_nothing_to_score_on_says_nothing(kind: Any) -> None:
    y = np.zeros(0) if kind == "other" else np.arange(20) % 2
    evidence = table(np.arange(20) % 2, {"x": np.arange(20) % 2, "z": np.arange(20) % 3})
    if kind != "category":
        evidence = table(y, {"x": np.arange(len(y)) % 2}, kind=kind)
    assert giveaways(evidence) == []


def test_the_area_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(14)
    scores, positive = rng.integers(0, 5, 60).astype(float), rng.random(60) < 0.4
    a, b = scores[positive][:, None], scores[~positive][None]
    assert auc(scores, positive) == pytest.approx(((a > b) + 0.5 * (a == b)).mean())


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_the_interval_of_an_area_covers_it(shift: float) -> None:
    from statistics import NormalDist

    rng = np.random.default_rng(15)
    true, covered = NormalDist().cdf(shift / np.sqrt(2)), 0
    positive = np.arange(150) < 50
    for _ in range(1000):
        value = auc(shift * positive + rng.normal(size=150), positive)
        low, high = auc_interval(value, 50, 100)
        covered += low <= true <= high
    assert covered / 1000 > 0.93


def test_a_perfect_area_of_few_rows_is_not_certain() -> None:
    low, high = auc_interval(1.0, 10, 1000)
    assert 0.8 < low < 0.9 and high == 1.0


def test_the_bank_is_told_of_its_duration(shared: Any) -> None:
    import pandas as pd

    file = shared / "data" / "bank_marketing" / "bank-full.csv"
    if not file.exists():
        pytest.skip(f"no {file}")
    frame = pd.read_csv(file)
    y = (frame.pop("y") == "yes").to_numpy().astype(np.int64)
    columns = {
        name: c.to_numpy() if c.dtype.kind == "i" else texts(c.tolist())
        for name, c in frame.items()
    }
    valid = np.sort(np.random.default_rng(0).permutation(len(y))[: len(y) // 5])
    (found,) = giveaways(table(y, columns, valid=valid))
    assert found.severity == "warning" and found.evidence["column"] == "duration"
