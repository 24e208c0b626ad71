from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import torch

import redstart.metrics as m
from redstart.errors import ConfigError
from redstart.metrics import Metric, RocAuc, as_metric, by_name, known_names
from redstart.metrics.make import ObjectMetric
from redstart.metrics.mean import MeanMetric
from redstart.metrics.rows import WholeSetMetric

NAMES = [
    *("accuracy", "accuracy_multi", "balanced_accuracy", "cohen_kappa", "error_rate", "f1"),
    *("f1_macro", "f1_micro", "f1_weighted", "mae", "matthews_corrcoef", "mse", "precision"),
    *("r2", "recall", "rmse", "roc_auc"),
]


@pytest.mark.parametrize("name", NAMES)
def test_names_give_new_metrics_that_go_by_them(name: str) -> None:
    metric = by_name(name)
    assert isinstance(metric, Metric)
    assert metric.name == name
    assert name in known_names()
    assert by_name(name) is not metric
    assert metric.larger_is_better == (name not in ("error_rate", "mae", "mse", "rmse"))


def test_top_k_names() -> None:
    assert by_name("top_k_accuracy").name == by_name("top_5_accuracy").name == "top_5_accuracy"
    metric = by_name("top_2_accuracy")
    metric.update(torch.tensor([[3.0, 2.0, 1.0]] * 3), torch.arange(3))
    assert metric.compute() == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("wrong", "meant"), [("acuracy", "accuracy"), ("error-rate", "error_rate"), ("auc", "roc_auc")]
)
def test_an_unknown_name_is_told_with_the_nearest(wrong: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"metric='{wrong}'.*mean '{meant}'.*cohen_kappa, error"):
        as_metric(wrong)


def test_a_name_like_no_other_is_told_without_a_guess() -> None:
    with pytest.raises(ConfigError, match=r"metric='zzz'\. Known names: accuracy,"):
        as_metric("zzz")


@pytest.mark.parametrize(
    "function",
    [m.accuracy, m.accuracy_multi, m.error_rate, m.mae, m.mse, m.r2, m.rmse],
    ids=lambda f: f.__name__,
)
def test_our_functions_become_the_metric_of_their_name(function: Any) -> None:
    metric = as_metric(function)
    assert metric.name == function.__name__
    assert type(metric) is type(by_name(function.__name__))


def test_partials_of_ours_keep_their_keywords() -> None:
    multi = as_metric(partial(m.accuracy_multi, thresh=0.2, sigmoid=False))
    assert isinstance(multi, MeanMetric)
    multi.update(torch.tensor([[0.1, 0.3]]), torch.tensor([[0.0, 1.0]]))
    assert (multi.name, multi.compute()) == ("accuracy_multi", 1.0)
    assert as_metric(partial(m.top_k_accuracy, k=3)).name == "top_3_accuracy"
    with pytest.raises(ConfigError, match=r"'accuracy_multi' takes.*tresh"):
        as_metric(partial(m.accuracy_multi, tresh=0.2))


def gap(out: torch.Tensor, y: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
    return (out - y).mean() * scale


def my_loss(out: torch.Tensor, y: torch.Tensor) -> float:
    return 0.0


def test_other_functions_see_all_rows() -> None:
    metric = as_metric(gap)
    assert isinstance(metric, WholeSetMetric)
    assert (metric.name, metric.larger_is_better) == ("gap", True)
    scaled = as_metric(partial(gap, scale=10.0))
    for each in (metric, scaled):
        each.update(torch.tensor([1.0, 2.0]), torch.zeros(2))
        each.update(torch.tensor([6.0]), torch.zeros(1))
    assert (metric.compute(), scaled.compute()) == (3.0, 30.0)
    assert scaled.name == "gap"
    assert not as_metric(my_loss).larger_is_better
    assert as_metric(lambda out, y: 1.0).name == "<lambda>"


def test_a_callable_object_goes_by_its_class() -> None:
    class Gap:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, out: torch.Tensor, y: torch.Tensor) -> float:
            return 2.0

    metric = as_metric(Gap())
    metric.update(torch.zeros(2), torch.zeros(2))
    assert (metric.name, metric.compute()) == ("Gap", 2.0)


class Counter(torch.nn.Module):
    """As torchmetrics has them."""

    higher_is_better = False

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(()))

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        self.rows += len(target)

    def compute(self) -> torch.Tensor:
        if self.rows == 0:
            raise RuntimeError("compute before update")
        return self.rows

    def reset(self) -> None:
        self.rows.zero_()


@pytest.mark.parametrize("thing", [Counter, Counter()])
def test_objects_with_update_compute_reset(thing: Any) -> None:
    metric = as_metric(thing)
    assert isinstance(metric, ObjectMetric)
    assert isinstance(metric, Metric)
    assert (metric.name, metric.larger_is_better, metric.interval()) == ("Counter", False, None)
    metric.reset()
    assert math.isnan(metric.compute())
    metric.update(torch.zeros(3, 2), torch.zeros(3))
    metric.update(torch.zeros(1, 2), torch.zeros(1))
    assert metric.compute() == 4.0
    metric.reset()
    assert math.isnan(metric.compute())


def test_an_object_that_moves_follows_the_batches() -> None:
    thing = Counter()
    metric = as_metric(thing)
    metric.update(torch.zeros(3, 2, device="meta"), torch.zeros(3, device="meta"))
    assert thing.rows.device.type == "meta"


def test_an_object_without_a_number_is_told() -> None:
    class Names:
        def update(self, out: Any, y: Any) -> None: ...
        def reset(self) -> None: ...
        def compute(self) -> dict[str, float]:
            return {"a": 1.0}

    metric = as_metric(Names())
    metric.update(torch.zeros(1), torch.zeros(1))
    with pytest.raises(ConfigError, match=r"Names.compute\(\) to return one number.*dict"):
        metric.compute()


def test_metrics_and_their_classes() -> None:
    metric = RocAuc()
    assert as_metric(metric) is metric
    assert isinstance(as_metric(RocAuc), RocAuc)
    assert as_metric(m.F1Score).name == "f1"


def test_a_class_that_needs_arguments_is_told() -> None:
    class Needy:
        def __init__(self, classes: int) -> None: ...

    with pytest.raises(ConfigError, match=r"without arguments.*metrics=Needy\(\.\.\.\)"):
        as_metric(Needy)


@pytest.mark.parametrize("thing", [3, None, ["accuracy"]])
def test_anything_else_is_told(thing: Any) -> None:
    with pytest.raises(ConfigError, match="Expected a metric: a name, a function"):
        as_metric(thing)
