from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from redstart.config import from_config
from redstart.errors import ConfigError, DataError
from redstart.show.view import Number
from redstart.targets.regression import RegressionBlock, RegressionTarget

TABLE = {"regression": RegressionTarget}
FLOATS = st.floats(-1e6, 1e6, width=32)
COLUMN = st.lists(FLOATS, min_size=2, max_size=30).filter(lambda v: max(v) - min(v) > 1e-3)


def column(values: Any) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(len(values), -1)


# ---- encoding


@settings(deadline=None, max_examples=50)
@given(
    st.one_of(
        COLUMN,
        st.lists(st.integers(-99, 99), min_size=2, max_size=20).filter(lambda v: len(set(v)) > 1),
        st.lists(st.booleans(), min_size=2, max_size=9).filter(lambda v: len(set(v)) > 1),
        COLUMN.map(lambda v: [str(x) for x in v]),
        COLUMN.map(lambda v: [[x, -x] for x in v]),
    )
)
def test_a_column_encodes_as_its_rows_do(values: list[Any]) -> None:
    target = RegressionTarget().fit(values)
    rows = torch.stack([target.encode(value)[0] for value in values])
    assert rows.dtype == torch.float32 and rows.shape == (len(values), target.n_out)
    for made in (values, np.array(values), np.array(values, dtype=object)):
        (whole,) = target.encode_table(made)
        assert torch.equal(whole, rows)
        assert RegressionTarget().fit(made) == target


def test_rows_may_be_numbers_of_any_make() -> None:
    made = [1, 2.5, "3", np.float32(4), torch.tensor(5.0), np.array([6]), [7], (8,), True]
    target = RegressionTarget().fit([0, 1])
    assert [float(target.encode(value)[0]) for value in made] == [1, 2.5, 3, 4, 5, 6, 7, 8, 1]
    assert target.encode_table(made)[0].flatten().tolist() == [1, 2.5, 3, 4, 5, 6, 7, 8, 1]


@settings(deadline=None, max_examples=30)
@given(COLUMN, st.booleans(), st.booleans())
def test_a_target_survives_json(values: list[float], log: bool, standardize: bool) -> None:
    values = [abs(v) for v in values] if log else values
    if len(set(values)) < 2 or np.ptp(values) < 1e-3:
        return
    target = RegressionBlock(log=log, standardize=standardize).fit(values)
    back = from_config(json.loads(json.dumps(target.to_config())), TABLE)
    assert back == target and back.n_out == 1


def test_statistics_are_those_of_training_rows_alone() -> None:
    target = RegressionTarget().fit([[1, 10], [3, 30]], [[1000, 1000]])
    assert (target.mean, target.std, target.n_out) == ((2, 20), (1, 10), 2)
    logs = RegressionBlock(log=True).fit([0, math.e - 1], [9])
    assert logs.mean == pytest.approx((0.5,)) and logs.std == pytest.approx((0.5,))
    plain = RegressionBlock(standardize=False).fit([5, 5])
    assert (plain.mean, plain.std) == ((0,), (1,))


# ---- what is refused


@pytest.mark.parametrize("bad", [None, float("nan"), pd.NA, pd.NaT, "x", math.inf, 1e39, 10**400])
def test_what_is_no_number_is_refused_and_its_row_named(bad: Any) -> None:
    with pytest.raises(DataError, match=r"a number in every row. Got: .* in row 1 of these; 2 s"):
        RegressionTarget().fit([1, bad, 2, bad])
    with pytest.raises(DataError, match=r"in row 0 of these; 1 such rows\. Fill them in"):
        RegressionTarget().fit([1, 2], np.array([bad, 3], dtype=object))
    with pytest.raises(DataError, match=r"number in every row. Got: (?!.*of these).*Fill them"):
        RegressionTarget().fit([1, 2]).encode(bad)
    with pytest.raises(DataError, match="in row 2 of these; 1 such rows"):
        RegressionTarget().fit([1, 2]).encode_table([1, 2, bad])


def test_dates_are_no_numbers() -> None:
    days = np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[s]")
    with pytest.raises(DataError, match=r"a number in every row.*datetime\.datetime\(2020, 1, 1"):
        RegressionTarget().fit(days)


def test_a_negative_number_is_refused_with_log() -> None:
    target = RegressionBlock(log=True)
    with pytest.raises(DataError, match=r"from 0 on \(log=True\) in every row. Got: -1 in row 1"):
        target.fit([1, -1])
    assert target.fit([0, 1]).n_out == 1


@pytest.mark.parametrize("values", [[5, 5, 5], [0.1] * 10, [3], [[1, 2], [1, 3]]])
def test_a_target_that_never_changes_is_refused(values: list[Any]) -> None:
    with pytest.raises(DataError, match=r"targets that differ. Got: .* in all \d+ rows.*Check the"):
        RegressionTarget().fit(values)


def test_a_constant_column_is_called_by_its_name() -> None:
    with pytest.raises(DataError, match=r"Got: 2 in all 2 rows of 'y'\. Check the column"):
        RegressionBlock(names=["x", "y"]).fit([[1, 2], [3, 2]])


def test_numbers_that_32_bits_cannot_tell_apart_are_refused() -> None:
    with pytest.raises(DataError, match=r"1\.7e\+09 in all 2 rows.*subtract the smallest"):
        RegressionTarget().fit([1.7e9, 1.7e9 + 1])


def test_no_rows_are_refused() -> None:
    with pytest.raises(DataError, match=r"Expected training rows\. Got: 0 targets"):
        RegressionTarget().fit([])


def test_rows_of_different_lengths_are_refused() -> None:
    with pytest.raises(DataError, match=r"as many numbers in every row. Got: 2 in row 0 .* 1 in"):
        RegressionTarget().fit([[1, 2], [3]])
    with pytest.raises(DataError, match=r"Expected 2 numbers in every row. Got: 1 in row 0"):
        RegressionTarget().fit([[1, 2], [3, 5]], [4, 5])


def test_how_many_numbers_there_are_may_be_said_and_is_checked() -> None:
    assert RegressionBlock(3).n_out == RegressionBlock(names="abc").n_out == 3
    assert RegressionBlock(2).fit([[1, 2], [3, 5]]).n_out == 2
    with pytest.raises(DataError, match=r"Expected 3 numbers in every row. Got: 1 in row 0"):
        RegressionBlock(3).fit([1, 2])
    with pytest.raises(DataError, match=r"Expected 2 numbers in every row: x, y. Got: 1 "):
        RegressionBlock(names=["x", "y"]).fit([1, 2])
    with pytest.raises(ConfigError, match=r"as many names as numbers. Got: n_out=3, names=\['x'\]"):
        RegressionBlock(3, names=["x"])


# ---- the loss


@settings(deadline=None, max_examples=50)
@given(COLUMN, st.booleans())
def test_the_loss_is_1_for_a_model_that_knows_only_the_mean(values: list[float], log: bool) -> None:
    values = [abs(v) for v in values] if log else values
    if np.ptp(np.log1p(values) if log else values) < 0.01 * np.abs(values).max() ** (not log):
        return  # 32 bits cannot measure it
    target = RegressionBlock(log=log).fit(values)
    best = math.expm1(target.mean[0]) if log else target.mean[0]
    loss = target.loss(torch.full((len(values), 1), best), target.encode_table(values))
    assert float(loss) == pytest.approx(1, rel=1e-2)


def test_the_loss_does_not_depend_on_the_unit() -> None:
    metres, out = [1.0, 2.0, 4.0], column([1.5, 2.5, 3.0])
    one = RegressionTarget().fit(metres)
    other = RegressionTarget().fit([1000 * v for v in metres])
    millimetres = (column([1000 * v for v in metres]),)
    assert torch.allclose(
        one.loss(out, (column(metres),)), other.loss(1000 * out, millimetres), rtol=1e-5
    )


def test_without_standardize_it_is_the_mean_squared_error() -> None:
    target = RegressionBlock(standardize=False).fit([1, 5])
    out, y = column([[1, 2], [3, 4]]), column([[1, 4], [0, 4]])
    assert float(target.loss(out, (y,))) == (4 + 9) / 4
    assert target.loss(out, (y,), reduction="none").tolist() == [2, 4.5]
    assert float(RegressionTarget().loss(column([3]), (column([1]),))) == 4, "nothing learnt yet"


def test_each_number_counts_in_units_of_its_own_spread() -> None:
    target = RegressionTarget().fit([[0, 0], [2, 200]])
    out, y = column([[1, 100]]), column([[0, 0]])
    assert float(target.loss(out, (y,))) == 1
    assert float(target.loss(column([[1, 0]]), (y,))) == 0.5


def test_outputs_may_lack_the_dimension_of_one_number() -> None:
    target = RegressionTarget().fit([0, 2])
    y = (column([1, 3]),)
    assert torch.equal(target.loss(torch.zeros(2), y), target.loss(torch.zeros(2, 1), y))


def test_with_log_the_loss_compares_logarithms() -> None:
    target = RegressionBlock(log=True, standardize=False).fit([1, 2])
    loss = target.loss(column([9.0]), (column([99.0]),))
    assert float(loss) == pytest.approx((math.log(10) - math.log(100)) ** 2)


def test_with_log_a_model_that_says_less_than_0_still_learns() -> None:
    target = RegressionBlock(log=True).fit([1, 9])
    out = column([-5.0, -1.0, -1e6]).requires_grad_()
    loss = target.loss(out, (column([2.0, 2.0, 2.0]),))
    loss.backward()
    assert 0 < loss.item() < 1000
    assert out.grad is not None and (out.grad < 0).all(), "upwards"


def test_a_model_of_another_width_is_refused() -> None:
    target = RegressionTarget().fit([0, 2])
    said = r"model with 1 outputs per row. Got: out=\(2, 3\), y=\(2, 1\)\..*`dls\.c`"
    with pytest.raises(ConfigError, match=said):
        target.loss(torch.zeros(2, 3), (torch.zeros(2, 1),))


# ---- after the model


def test_predictions_are_numbers_or_tuples_of_them() -> None:
    one, two = RegressionTarget().predict(torch.tensor([[1.5], [2.0]]))
    assert (one.decoded, two.decoded) == (1.5, 2.0)
    assert one.encoded[0].tolist() == [1.5] and one.probs.tolist() == [1.5]
    (both,) = RegressionTarget().predict(torch.tensor([[1.5, 2.0]]))
    assert both.decoded == (1.5, 2.0)
    (flat,) = RegressionTarget().predict(torch.tensor([3.0]))
    assert flat.decoded == 3.0
    assert RegressionTarget().activate(torch.ones(2, 1).bfloat16()).dtype == torch.float32


@pytest.mark.parametrize(
    ("values", "names", "text"),
    [
        ([0.1], (), "0.1"),
        ([39.0], ("age",), "39"),
        ([1234567.0], (), "1,234,567"),
        ([-1234.5678], (), "-1,235"),
        ([3.14159, 2.0], (), "3.142, 2"),
        ([3.14159, 2.0], ("pi", "two"), "pi 3.142, two 2"),
        ([math.nan], (), "nan"),
    ],
)
def test_numbers_are_said_in_few_digits(
    values: list[float], names: tuple[str, ...], text: str
) -> None:
    target = RegressionTarget(names=names)
    assert target.mark((torch.tensor(values),)) == Number(text)


def test_what_is_reported_when_nothing_is_named() -> None:
    found = {}
    for metric in RegressionTarget().metrics():
        metric.reset()
        metric.update(column([1, 2]), column([1, 5]))
        found[metric.name] = metric.compute()
    assert found == {"rmse": pytest.approx(math.sqrt(4.5)), "mae": pytest.approx(1.5)}
