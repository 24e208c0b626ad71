"""Rows in groups: how they are numbered, and intervals that count groups."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from redstart.errors import DataError
from redstart.metrics.cluster import cluster_interval, group_numbers, measured
from redstart.metrics.influence import Linear, spread
from redstart.metrics.interval import bootstrap_rows, mean_interval, skewed_interval, wilson
from redstart.metrics.make import as_metric, by_name, known_names
from redstart.metrics.metric import Interval
from redstart.metrics.paired import paired_difference
from redstart.rng import generator


def width(ends: Interval | None) -> float:
    assert ends is not None
    return ends[1] - ends[0]


def test_groups_are_numbered_without_gaps_and_rows_of_none_stand_alone() -> None:
    assert group_numbers(torch.tensor([7, 3, 7, -1, -1]), 5).tolist() == [1, 0, 1, 2, 3]
    assert group_numbers(["b", None, "a", "b"], 4).tolist() == [0, 2, 1, 0]
    assert group_numbers([], 0).tolist() == []
    assert group_numbers([-1, -1], 2).tolist() == [0, 1]


def test_another_number_of_groups_is_told() -> None:
    with pytest.raises(DataError, match=r"one group for each row.*3 groups, 2 rows"):
        group_numbers([1, 2, 3], 2)
    with pytest.raises(DataError, match="1 groups, 2 rows"):
        cluster_interval(by_name("mae"), torch.zeros(2), torch.ones(2), groups=[1])


def test_all_our_metrics_know_how_far_each_row_moves_them() -> None:
    assert all(isinstance(by_name(name), Linear) for name in known_names())


@pytest.mark.parametrize("name", ["mae", "mse", "rmse"])
def test_a_mean_of_equal_groups_has_the_interval_of_the_groups_means(name: str) -> None:
    out = torch.randn(40, generator=generator(0)).double()
    y = torch.zeros(40).double()
    values = (out.abs() if name == "mae" else out.square()).view(8, 5).mean(1).numpy()
    away = values - values.mean()
    skew = (away**3).mean() / values.std() ** 3
    expected = skewed_interval(values.mean(), values.var(), skew, 8)
    assert expected is not None
    found = cluster_interval(by_name(name), out, y, groups=torch.arange(40) // 5)
    ends = [max(end, 0.0) ** (0.5 if name == "rmse" else 1.0) for end in expected]
    assert found == pytest.approx(ends)


def test_an_r2_of_groups_has_students_interval() -> None:
    rng = generator(3)
    y = torch.randn(60, generator=rng)
    out = y + 0.5 * torch.randn(60, generator=rng)
    metric = by_name("r2")
    low, high = cluster_interval(metric, out, y, groups=torch.arange(60) // 5)  # type: ignore[misc]
    assert (low + high) / 2 == pytest.approx(measured(metric, out, y))


def test_rows_that_are_all_alike_in_a_group_count_as_one() -> None:
    """Five times the same rows say no more than the rows once."""
    rng = generator(1)
    out, y = torch.randn(60, 2, generator=rng), torch.randint(0, 2, (60,), generator=rng)
    five = [t.repeat_interleave(5, 0) for t in (out, y)]
    for name in ("accuracy", "f1", "roc_auc", "cohen_kappa"):
        metric = by_name(name)
        tied = cluster_interval(metric, *five, groups=torch.arange(300) // 5)
        once = cluster_interval(metric, out, y, groups=torch.arange(60))
        metric.reset()
        metric.update(*five)
        assert width(tied) == pytest.approx(width(once), rel=0.05)
        assert width(tied) > 1.8 * width(metric.interval())


@pytest.mark.parametrize("name", ["accuracy", "f1_macro", "roc_auc", "mae", "rmse", "r2"])
def test_groups_of_one_row_give_nearly_the_interval_of_rows(name: str) -> None:
    rng = generator(2)
    if name in ("mae", "rmse", "r2"):
        y = torch.randn(300, generator=rng)
        out = y + 0.5 * torch.randn(300, generator=rng)
    else:
        y = torch.randint(0, 3, (300,), generator=rng)
        out = torch.randn(300, 3, generator=rng) + 2 * torch.nn.functional.one_hot(y, 3)
    metric = by_name(name)
    metric.update(out, y)
    plain = metric.interval()
    assert plain is not None
    found = cluster_interval(metric, out, y, groups=torch.full((300,), -1))
    assert found == pytest.approx(plain, abs=0.1 * width(plain))


def test_no_error_at_all_counts_groups() -> None:
    out, y = torch.eye(2)[[0, 1] * 50], torch.tensor([0, 1] * 50)
    found = cluster_interval(by_name("accuracy"), out, y, groups=torch.arange(100) // 10)
    assert found is not None
    assert found[1] == 1.0
    assert wilson(7, 7)[0] < found[0] < wilson(10, 10)[0]


def test_one_group_has_no_interval() -> None:
    out, y = torch.randn(9, 2, generator=generator(0)), torch.tensor([0, 1, 1] * 3)
    for name in ("accuracy", "f1", "roc_auc"):
        assert cluster_interval(by_name(name), out, y, groups=[5] * 9) is None
    assert paired_difference(by_name("accuracy"), out, -out, y, groups=[5] * 9)[1] is None


def test_no_rows_have_no_interval() -> None:
    nothing = torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64)
    for name in ("accuracy", "f1", "roc_auc"):
        assert cluster_interval(by_name(name), *nothing, groups=[]) is None


def test_a_large_group_counts_as_fewer() -> None:
    rows = torch.randn(60, generator=generator(0)).double() / 60
    even = spread(rows, torch.arange(60) // 10)
    uneven = spread(rows, torch.tensor([0] * 50 + list(range(1, 11))))
    assert even is not None
    assert uneven is not None
    assert even.df == pytest.approx(5)
    assert uneven.df == 1.0
    assert uneven.units < 2 < even.units


def test_a_metric_of_the_users_own_draws_whole_groups() -> None:
    seen = []

    def mean_gap(out: Tensor, y: Tensor) -> Tensor:
        seen.append(out.tolist())
        return (out - y).mean()

    out = torch.tensor([1.0, 1.5, 2.0, 2.25, 2.5, 4.0])
    groups = ["a", "a", "b", "b", "b", "c"]
    found = cluster_interval(as_metric(mean_gap), out, torch.zeros(6), groups=groups)
    assert found is not None
    assert found[0] < out.mean() < found[1]
    for drawn in seen[1:]:
        assert drawn.count(1.0) == drawn.count(1.5)
        assert drawn.count(2.0) == drawn.count(2.25) == drawn.count(2.5)


def test_a_bootstrap_of_groups_is_as_wide_as_students_of_their_means() -> None:
    values = torch.randn(60, generator=generator(3)).double().repeat_interleave(4)
    groups = torch.arange(240) // 4
    ends = bootstrap_rows(
        240, lambda rows: values[rows].mean().item(), values.mean().item(), groups=groups
    )
    means = values[::4]
    expected = mean_interval(means.sum().item(), means.square().sum().item(), 60)
    assert width(ends) == pytest.approx(width(expected), rel=0.2)


def test_a_bootstrap_of_many_rows_draws_few_groups() -> None:
    drawn = []

    def statistic(rows: Tensor) -> float:
        drawn.append(len(rows))
        return rows.double().mean().item()

    groups = torch.arange(5000) // 10
    ends = bootstrap_rows(5000, statistic, 2499.5, most_rows=1000, groups=groups)
    assert set(drawn) == {1000}
    assert width(ends) == pytest.approx(2 * 1.96 * 5000 / math.sqrt(12) / math.sqrt(500), rel=0.3)


def test_tied_differences_are_wider() -> None:
    rng = generator(4)
    y = torch.randint(0, 2, (400,), generator=rng)
    shift = torch.randn(40, generator=rng).repeat_interleave(10)
    noise = torch.randn(400, generator=rng)
    a = torch.stack([-(2 * y - 1) - noise, (2 * y - 1) + noise], 1)
    b = a + torch.stack([-shift, shift], 1)
    for name in ("accuracy", "roc_auc", "f1"):
        metric = by_name(name)
        _, plain = paired_difference(metric, a, b, y)
        _, tied = paired_difference(metric, a, b, y, groups=torch.arange(400) // 10)
        assert width(tied) > 1.3 * width(plain)
