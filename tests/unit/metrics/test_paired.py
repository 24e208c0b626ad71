"""The difference of two models on the same rows, and its interval."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from redstart.errors import DataError
from redstart.metrics.make import as_metric, by_name
from redstart.metrics.paired import measured, paired_difference
from redstart.rng import generator


def two_models(name: str, n: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Two models that mostly fail on the same rows, the second a little more often."""
    rng = generator(seed, n)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng)

    if name in ("rmse", "mae"):
        y, error = normal(n, 1), normal(n, 1)
        return y + error + 0.3 * normal(n, 1), y + 1.05 * error + 0.3 * normal(n, 1), y
    y, shared = torch.randint(0, 2, (n,), generator=rng), normal(n)

    def out(signal: float) -> Tensor:
        score = (2 * y - 1) * signal + 0.8 * shared + 0.6 * normal(n)
        return torch.stack([-score, score], 1)

    return out(1.0), out(0.9), y


def test_it_is_narrower_than_the_two_figures_suggest() -> None:
    a, b, y = two_models("accuracy", 1000, 0)
    metric = by_name("accuracy")
    value, interval = paired_difference(metric, a, b, y)
    assert value == pytest.approx(measured(metric, a, y) - measured(metric, b, y))
    alone = metric.interval()
    assert interval is not None
    assert alone is not None
    unpaired = math.sqrt(2) * (alone[1] - alone[0])
    assert interval[1] - interval[0] < 0.8 * unpaired


@pytest.mark.parametrize("name", ["accuracy", "mae", "rmse", "roc_auc"])
def test_the_other_way_round_is_the_same_with_the_other_sign(name: str) -> None:
    a, b, y = two_models(name, 60, 3)
    metric = by_name(name)
    (one, ends), (other, back) = (
        paired_difference(metric, a, b, y),
        paired_difference(metric, b, a, y),
    )
    assert ends is not None
    assert back is not None
    assert one == pytest.approx(-other)
    assert (ends[0], ends[1]) == pytest.approx((-back[1], -back[0]), abs=1e-6)


def test_models_that_agree_on_few_rows_are_not_said_to_be_equal() -> None:
    out, y = torch.eye(2)[[0, 1, 0, 1]], torch.tensor([0, 1, 0, 1])
    value, interval = paired_difference(by_name("accuracy"), out, out, y)
    assert value == 0
    assert interval is not None
    assert interval[0] < -0.3
    assert interval[1] > 0.3


def test_the_same_numbers_give_no_interval() -> None:
    y = torch.arange(5.0)
    assert paired_difference(by_name("rmse"), y, y, y) == (0.0, None)


def test_a_metric_of_the_users_own_is_bootstrapped() -> None:
    def spread(out: Tensor, y: Tensor) -> float:
        return float((out - y).std())

    a, b, y = two_models("rmse", 100, 0)
    value, interval = paired_difference(as_metric(spread), a, b, y)
    assert interval is not None
    assert interval[0] < value < interval[1]


def test_no_rows_have_no_difference() -> None:
    value, interval = paired_difference(by_name("mae"), *[torch.zeros(0, 1)] * 3)
    assert math.isnan(value)
    assert interval is None


def test_different_rows_are_refused() -> None:
    with pytest.raises(DataError, match="3 rows, 2 rows"):
        paired_difference(by_name("mae"), torch.zeros(3), torch.zeros(2), torch.zeros(3))
