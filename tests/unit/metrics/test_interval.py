from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from scipy.stats import t as student

from redstart.metrics import (
    BalancedAccuracy,
    CohenKappa,
    ConfusionMetric,
    F1Score,
    MatthewsCorrCoef,
    Precision,
)
from redstart.metrics.interval import (
    bootstrap_rows,
    count_interval,
    effective_size,
    mean_interval,
    proportion_interval,
    skewed_interval,
    wilson,
)

Z = 1.959963984540054


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 10_000), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_is_scipys(n: int, share: float, level: float) -> None:
    k = round(share * n)
    theirs = binomtest(k, n).proportion_ci(level, method="wilson")
    assert wilson(k, n, level) == pytest.approx(tuple(theirs), abs=1e-12)


def test_wilson_of_no_rows_says_anything_is_possible() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("n", [20, 100, 1000])
def test_wilson_covers_what_it_says(n: int) -> None:
    # Exactly, not by drawing: sum the chances of the counts whose interval has p in it.
    ends = np.array([wilson(k, n) for k in range(n + 1)])
    grid = np.linspace(0.02, 0.98, 97)
    inside = (ends[:, :1] <= grid) & (grid <= ends[:, 1:])
    coverage = (binom.pmf(np.arange(n + 1)[:, None], n, grid) * inside).sum(0)
    assert 0.943 < coverage.mean() < 0.962
    assert coverage.min() > 0.83


def _truth(shares: list[float], accuracy: float, seed: int) -> np.ndarray:
    """Chances of (true, predicted), errors falling unevenly on the other classes."""
    rng = np.random.default_rng(seed)
    classes = len(shares)
    rows = []
    for i, share in enumerate(shares):
        wrong = rng.dirichlet(np.ones(classes - 1)) * (1 - accuracy)
        rows.append(np.insert(wrong, i, accuracy) * share / sum(shares))
    return np.stack(rows)


CASES = {
    "3 uneven classes": ([6, 3, 1], 0.8, 300),
    "10 classes": ([1] * 10, 0.9, 500),
    "10 classes, few errors": ([1] * 10, 0.97, 360),
    "2 classes, one rare": ([9, 1], 0.9, 100),
    "3 classes, 10 rows of one": ([60, 30, 3], 0.9, 300),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "metric",
    [
        F1Score(),
        F1Score("weighted"),
        Precision(),
        BalancedAccuracy(),
        CohenKappa(),
        MatthewsCorrCoef(),
        F1Score("micro"),
    ],
    ids=lambda m: m.name,
)
def test_count_intervals_cover_the_true_figure(metric: ConfusionMetric, case: str) -> None:
    shares, accuracy, n = CASES[case]
    chances = _truth(shares, accuracy, seed=1)
    drawn = np.random.default_rng(2).multinomial(n, chances.ravel(), size=2000)
    matrices = torch.tensor(drawn, dtype=torch.float64).view(-1, *chances.shape)
    truth = metric.statistic(torch.tensor(chances)).item()
    low, high = metric.bounds
    values, sizes = effective_size(matrices, metric.statistic, metric.bounds)
    shares_ = (values - low) / (high - low)
    ends = [wilson(p * m, m) for p, m in zip(shares_.tolist(), sizes.tolist(), strict=True)]
    covered = [low + (high - low) * a <= truth <= low + (high - low) * b for a, b in ends]
    assert 0.925 <= np.mean(covered) <= 0.98


def test_count_interval_is_what_effective_size_and_wilson_give() -> None:
    matrix = torch.tensor([[50, 3], [4, 43]])
    value, size = effective_size(matrix.double(), F1Score().statistic)
    expected = wilson(value.item() * size.item(), size.item())
    assert count_interval(matrix, F1Score().statistic) == pytest.approx(expected)


def test_interval_of_accuracy_as_a_count_statistic_is_near_wilsons() -> None:
    matrix = torch.tensor([[450, 50], [30, 470]])
    ours = count_interval(matrix, F1Score("micro").statistic)
    assert ours == pytest.approx(wilson(920, 1000), abs=5e-4)


@pytest.mark.parametrize(
    "metric",
    [F1Score(), F1Score("macro"), BalancedAccuracy(), CohenKappa(), MatthewsCorrCoef()],
    ids=lambda m: m.name,
)
def test_no_observed_error_still_leaves_room_below(metric: ConfusionMetric) -> None:
    narrow = count_interval(torch.eye(2) * 500, metric.statistic, metric.bounds)
    wide = count_interval(torch.eye(2) * 5, metric.statistic, metric.bounds)
    assert narrow[1] == wide[1] == 1.0
    assert 0.98 < narrow[0] < 1.0
    assert wide[0] < 0.85


def test_a_perfect_small_class_is_not_taken_for_certain() -> None:
    low, _ = count_interval(torch.diag(torch.tensor([3, 97])), BalancedAccuracy().statistic)
    even, _ = count_interval(torch.diag(torch.tensor([50, 50])), BalancedAccuracy().statistic)
    assert low < 0.85 < even


def test_one_class_only_has_an_interval_or_none_of_kappa() -> None:
    matrix = torch.tensor([[40, 0], [0, 0]])
    assert count_interval(matrix, F1Score("micro").statistic) == pytest.approx(wilson(40, 40))
    assert all(map(math.isnan, count_interval(matrix, CohenKappa().statistic, (-1.0, 1.0))))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 30), min_size=9, max_size=9).filter(any))
def test_count_interval_is_within_bounds_and_around_the_figure(cells: list[int]) -> None:
    matrix = torch.tensor(cells).view(3, 3)
    for metric in (F1Score(), Precision("weighted"), BalancedAccuracy(), MatthewsCorrCoef()):
        low, high = count_interval(matrix, metric.statistic, metric.bounds)
        value = metric.statistic(matrix.double()).item()
        assert metric.bounds[0] <= low <= value + 1e-9
        assert value - 1e-9 <= high <= metric.bounds[1]
        assert low < high


def test_proportion_interval_is_wilsons_for_a_proportion() -> None:
    assert proportion_interval(0.3, 0.3 * 0.7 / 50, 50) == pytest.approx(wilson(15, 50))
    assert proportion_interval(1.0, 0.0, 50) == pytest.approx(wilson(50, 50))
    assert all(map(math.isnan, proportion_interval(math.nan, 0.1, 5)))


def test_mean_interval_is_students() -> None:
    values = np.array([1.0, 4.0, 2.5, 8.0])
    theirs = student.interval(
        0.95, 3, loc=values.mean(), scale=values.std(ddof=1) / math.sqrt(len(values))
    )
    ours = mean_interval(values.sum(), (values**2).sum(), 4)
    assert ours == pytest.approx(theirs)
    assert mean_interval(1.0, 1.0, 1) is None


def test_without_skewness_the_interval_is_students() -> None:
    values = np.array([1.0, 4.0, 2.5, 8.0])
    plain = mean_interval(values.sum(), (values**2).sum(), 4)
    assert skewed_interval(values.mean(), values.var(), 0.0, 4) == pytest.approx(plain)
    assert skewed_interval(values.mean(), values.var(), 1e-5, 4) == pytest.approx(plain, rel=1e-4)
    assert skewed_interval(1.0, 1.0, 0.0, 1) is None


@pytest.mark.parametrize("skew", [-1.5, 0.4, 3.0])
def test_both_ends_are_students_after_halls_transformation(skew: float) -> None:
    n, spread = 40, math.sqrt(2.5 * 40 / 39)
    reach = student.ppf(0.975, n - 1) / math.sqrt(n)
    for end, sign in zip(skewed_interval(7.0, 2.5, skew, n), (1, -1), strict=True):
        x = (7.0 - end) / spread
        cubic = x + skew * x**2 / 3 + skew**2 * x**3 / 27 + skew / (6 * n)
        assert cubic == pytest.approx(sign * reach)


def test_skewness_moves_the_interval_to_its_side() -> None:
    low, high = skewed_interval(1.0, 1.0, 2.0, 50)
    mirrored = skewed_interval(-1.0, 1.0, -2.0, 50)
    assert high - 1 > 1 - low > 0
    assert mirrored == pytest.approx((-high, -low))
    assert skewed_interval(1.0, 1.0, math.nan, 50) == pytest.approx(
        skewed_interval(1.0, 1.0, 0.0, 50)
    )


def test_bootstrap_of_a_mean_is_near_the_normal_interval_and_repeatable() -> None:
    values = torch.tensor(np.random.default_rng(0).normal(5, 2, 400))
    before = torch.random.get_rng_state()
    numpy_before = np.random.get_state()[1].copy()
    low, high = bootstrap_rows(400, lambda i: values[i].mean().item(), values.mean().item())
    assert high - low == pytest.approx(2 * Z * values.std().item() / 20, rel=0.25)
    assert low < values.mean() < high
    again = bootstrap_rows(400, lambda i: values[i].mean().item(), values.mean().item())
    assert again == (low, high)
    assert torch.equal(before, torch.random.get_rng_state())
    assert (numpy_before == np.random.get_state()[1]).all()


def test_bootstrap_of_many_rows_draws_few_and_is_as_narrow_as_with_all() -> None:
    values = torch.tensor(np.random.default_rng(0).normal(5, 2, 10_000))
    drawn = []

    def statistic(rows: torch.Tensor) -> float:
        drawn.append(len(rows))
        return values[rows].mean().item()

    low, high = bootstrap_rows(10_000, statistic, values.mean().item(), most_rows=500)
    assert set(drawn) == {500}
    assert high - low == pytest.approx(2 * Z * values.std().item() / 100, rel=0.25)


def test_bootstrap_gives_nothing_rather_than_a_point() -> None:
    assert bootstrap_rows(1, lambda _: 1.0, 1.0) is None
    assert bootstrap_rows(10, lambda _: 1.0, 1.0) is None
    assert bootstrap_rows(10, lambda i: math.nan if i[0] == 0 else float(i[0]), 1.0) is None
    assert bootstrap_rows(10, lambda i: float(i[0]), math.nan) is None
