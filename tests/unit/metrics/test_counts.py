from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from redstart.errors import ConfigError, DataError
from redstart.metrics import (
    BalancedAccuracy,
    CohenKappa,
    F1Score,
    MatthewsCorrCoef,
    Metric,
    Precision,
    Recall,
    by_name,
    known_names,
    per_class,
    wilson,
)

Score = Callable[[np.ndarray, np.ndarray], float]

SKLEARN: dict[str, Score] = {
    "accuracy": sk.accuracy_score,
    "error_rate": lambda y, p: 1 - sk.accuracy_score(y, p),
    "balanced_accuracy": sk.balanced_accuracy_score,
    "cohen_kappa": sk.cohen_kappa_score,
    "matthews_corrcoef": sk.matthews_corrcoef,
}
for _average in ("macro", "micro", "weighted"):
    for _name, _score in (
        ("f1", sk.f1_score),
        ("precision", sk.precision_score),
        ("recall", sk.recall_score),
    ):
        SKLEARN[f"{_name}_{_average}"] = lambda y, p, s=_score, a=_average: s(
            y, p, average=a, zero_division=0
        )

labels = st.integers(2, 6).flatmap(
    lambda c: st.tuples(
        st.just(c),
        st.lists(st.tuples(st.integers(0, c - 1), st.integers(0, c - 1)), min_size=1, max_size=60),
    )
)


def outputs(predicted: torch.Tensor, classes: int) -> torch.Tensor:
    """Logits whose largest is the predicted class."""
    noise = torch.rand(len(predicted), classes, generator=torch.Generator().manual_seed(0))
    return noise + 2 * torch.nn.functional.one_hot(predicted, classes)


def fed(metric: Metric, out: torch.Tensor, y: torch.Tensor, cuts: list[int]) -> Metric:
    """The metric after the rows, in batches that begin at ``cuts``."""
    edges = [0, *sorted(c % (len(y) + 1) for c in cuts), len(y)]
    for start, stop in pairwise(edges):
        metric.update(out[start:stop], y[start:stop])
    return metric


@settings(deadline=None, max_examples=25)
@given(labels, st.lists(st.integers(0, 100), max_size=5))
@pytest.mark.filterwarnings("ignore")
def test_every_figure_is_sklearns_for_any_batches(
    drawn: tuple[int, list[tuple[int, int]]], cuts: list[int]
) -> None:
    classes, pairs = drawn
    y, predicted = torch.tensor(pairs).T
    out = outputs(predicted, classes)
    for name, score in SKLEARN.items():
        metric = fed(by_name(name), out, y, cuts)
        expected = score(y.numpy(), predicted.numpy())
        assert metric.compute() == pytest.approx(expected, abs=1e-12, nan_ok=True), name


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40))
def test_two_classes_are_binary_by_default_with_the_second_positive(
    pairs: list[tuple[int, int]],
) -> None:
    y, predicted = torch.tensor(pairs).T
    out = outputs(predicted, 2)
    for metric, score in (
        (F1Score(), sk.f1_score),
        (Precision("binary"), sk.precision_score),
        (Recall(), sk.recall_score),
    ):
        metric.update(out, y)
        assert metric.compute() == pytest.approx(score(y, predicted, zero_division=0))


def test_more_classes_are_macro_by_default() -> None:
    y, predicted = torch.tensor([0, 1, 2, 2, 1]), torch.tensor([0, 2, 2, 2, 1])
    ours = F1Score()
    ours.update(outputs(predicted, 3), y)
    assert ours.compute() == pytest.approx(sk.f1_score(y, predicted, average="macro"))


@pytest.mark.parametrize("name", sorted(set(known_names()) - {"accuracy_multi"}))
def test_no_rows_give_not_a_number_and_no_interval(name: str) -> None:
    metric = by_name(name)
    assert math.isnan(metric.compute())
    assert metric.interval() is None
    if name in ("mse", "rmse", "mae", "r2"):
        metric.update(torch.zeros(0), torch.zeros(0))
    else:
        classes = 2 if "binary" in name else 6
        metric.update(torch.zeros(0, classes), torch.zeros(0, dtype=torch.long))
    assert math.isnan(metric.compute())
    assert metric.interval() is None


def test_reset_forgets_even_the_number_of_classes() -> None:
    metric = BalancedAccuracy()
    metric.update(torch.eye(3), torch.tensor([0, 0, 0]))
    metric.reset()
    metric.update(torch.eye(2), torch.tensor([0, 1]))
    assert metric.compute() == 1.0
    assert metric.matrix.tolist() == [[1, 0], [0, 1]]


def test_works_in_inference_mode_and_after_it_and_in_half_precision() -> None:
    metric = F1Score("micro")
    with torch.inference_mode():
        metric.update(torch.eye(3, dtype=torch.bfloat16), torch.arange(3))
    metric.update(torch.eye(3, dtype=torch.float16).requires_grad_(), torch.tensor([0, 1, 1]))
    assert metric.compute() == pytest.approx(5 / 6)
    with torch.inference_mode():
        low, high = metric.interval()
    assert 0 < low < 5 / 6 < high < 1


def test_matrix_has_true_classes_as_rows() -> None:
    metric = CohenKappa()
    metric.update(outputs(torch.tensor([1, 1, 0]), 2), torch.tensor([0, 0, 0]))
    assert metric.matrix.tolist() == [[1, 2], [0, 0]]


def test_interval_of_kappa_and_mcc_contain_the_figure() -> None:
    for metric in (CohenKappa(), MatthewsCorrCoef()):
        metric.update(outputs(torch.tensor([0] * 40 + [1] * 40), 2), torch.tensor([0, 1] * 40))
        low, high = metric.interval()
        assert -0.3 < low < metric.compute() < high < 0.3


@pytest.mark.parametrize("wrong", [-100, -1, 3])
def test_a_target_that_is_no_class_is_told(wrong: int) -> None:
    metric = F1Score()
    metric.update(torch.eye(3), torch.tensor([0, wrong, wrong]))
    with pytest.raises(DataError, match=r"from 0 to 2.*rows_outside=2"):
        metric.compute()


def test_another_number_of_classes_is_told() -> None:
    metric = F1Score()
    metric.update(torch.eye(3), torch.arange(3))
    with pytest.raises(DataError, match=r"3 classes.*out=\(2, 2\)"):
        metric.update(torch.eye(2), torch.arange(2))


@pytest.mark.parametrize(
    ("out", "y"),
    [
        (torch.zeros(4), torch.zeros(4, dtype=torch.long)),
        (torch.zeros(4, 3), torch.zeros(3, dtype=torch.long)),
        (torch.zeros(4, 3), torch.zeros(4, 1, dtype=torch.long)),
        (torch.zeros(4, 3), torch.zeros(4)),
    ],
)
def test_shapes_and_types_that_do_not_fit_are_told(out: torch.Tensor, y: torch.Tensor) -> None:
    for name in ("f1", "accuracy"):
        with pytest.raises(DataError, match=r"outputs \(B, C\).*out=\(4"):
            by_name(name).update(out, y)


def test_average_is_checked() -> None:
    with pytest.raises(ConfigError, match="average='samples'"):
        F1Score("samples")  # type: ignore[arg-type]
    metric = Recall("binary")
    metric.update(torch.eye(3), torch.arange(3))
    with pytest.raises(ConfigError, match=r"two classes.*classes=3"):
        metric.compute()


def test_names() -> None:
    assert [F1Score().name, F1Score("macro").name, Recall("micro").name] == [
        "f1",
        "f1_macro",
        "recall_micro",
    ]


@settings(deadline=None, max_examples=25)
@given(labels)
def test_per_class_is_sklearns_report(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    classes, pairs = drawn
    y, predicted = np.array(pairs).T
    matrix = sk.confusion_matrix(y, predicted, labels=range(classes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = sk.precision_recall_fscore_support(
            y, predicted, labels=range(classes), zero_division=0
        )
    rows = per_class(torch.tensor(matrix))
    ours = [[r.precision for r in rows], [r.recall for r in rows], [r.f1 for r in rows]]
    np.testing.assert_allclose(ours, theirs[:3])
    assert [r.support for r in rows] == theirs[3].tolist()
    assert [r.index for r in rows] == list(range(classes))
    for r in rows:
        hit = matrix[r.index, r.index]
        assert r.recall_interval == wilson(int(hit), r.support)
        assert r.precision_interval == wilson(int(hit), r.predicted)


def test_per_class_wants_a_square() -> None:
    with pytest.raises(DataError, match=r"matrix=\(2, 3\)"):
        per_class(torch.zeros(2, 3))
