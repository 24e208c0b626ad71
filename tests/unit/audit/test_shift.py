"""Whether training and validation rows are of one kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_up_evidence import honest, table, texts

from redstart.audit.evidence import Evidence
from redstart.audit.shift import shift

N = 2000


@pytest.mark.parametrize("seed", range(10))
def test_a_random_split_says_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, columns = honest(N, rng)
    columns["town"] = texts(rng.integers(0, 60, N))
    assert shift(table(y, columns, valid=np.sort(rng.permutation(N)[:400]), chosen="random")) == []


def shifted(column: str, chosen: Any = "given") -> Evidence:
    rng = np.random.default_rng(0)
    y, columns = honest(N, rng)
    columns["town"] = texts(np.where(rng.random(N) < 0.5, "Ely", rng.integers(0, 9, N)))
    columns["no"] = np.arange(N)
    columns["day"] = np.arange(N).astype("datetime64[D]")
    late = np.arange(N) >= 1600
    if column == "town":
        columns["town"][late & (rng.random(N) < 0.6)] = "Rye"
    elif column == "age":
        columns["age"][late] += 0.8
    elif column == "missing":
        columns["age"][late & (rng.random(N) < 0.5)] = np.nan
    return table(y, columns, valid=np.arange(1600, N), chosen=chosen)


@pytest.mark.parametrize(
    ("column", "said"),
    [("age", "'age' (alone"), ("town", "'Rye' in 0% and"), ("missing", "missing in 0% and")],
)
def test_what_shifts_is_named(column: str, said: str) -> None:
    (found,) = shift(shifted(column))
    assert found.severity == "warning" and said in found.said and "RandomSplitter" in found.mend


def test_numbers_of_rows_and_dates_are_left_out() -> None:
    assert shift(shifted("nothing")) == []


@pytest.mark.parametrize(("chosen", "said"), [("time", "split by time"), ("group", "by groups")])
def test_a_shift_that_comes_with_the_split_is_a_note(chosen: str, said: str) -> None:
    (found,) = shift(shifted("age", chosen))
    assert found.severity == "note" and said in found.said


def test_a_slight_shift_is_a_note() -> None:
    rng = np.random.default_rng(1)
    y, columns = honest(4 * N, rng)
    valid = np.arange(4 * N)[-N:]
    columns["noise"][valid] += 0.3
    (found,) = shift(table(y, columns, valid=valid))
    assert found.severity == "note"


def test_properties_of_files_are_compared_where_there_are_no_columns() -> None:
    width = np.where(np.arange(500) < 400, 640.0, 800.0)
    (found,) = shift(table(np.arange(500) % 2, properties={"width": width}, valid=range(400, 500)))
    assert "'width' (alone 1.00; median 640 and 800)" in found.said


def test_another_mix_of_classes_is_told() -> None:
    rng = np.random.default_rng(2)
    y = np.append(rng.random(1600) < 0.2, rng.random(400) < 0.4).astype(np.int64)
    (found,) = shift(table(y, names=("no", "yes"), valid=range(1600, 2000)))
    assert "mixed differently" in found.said and found.severity == "warning"
    (found,) = shift(table(y, names=("no", "yes"), valid=range(1600, 2000), chosen="group"))
    assert found.severity == "note"


def test_higher_targets_are_told() -> None:
    y = np.random.default_rng(3).normal(size=2000)
    y[1600:] += 1
    (found,) = shift(table(y, kind="numbers", valid=range(1600, 2000)))
    assert "Targets of validation rows are higher" in found.said


def test_few_rows_say_nothing() -> None:
    y = np.arange(60) % 2
    assert shift(table(y, {"x": np.arange(60) / 7.0}, valid=range(40, 60))) == []
