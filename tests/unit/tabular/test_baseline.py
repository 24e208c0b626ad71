"""Boosted trees beside a model, and what is said of the two."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from redstart.data.split import Split
from redstart.errors import ConfigError, NoValidationSetError
from redstart.metrics.make import by_name
from redstart.metrics.paired import measured
from redstart.tabular.data import TabularDataLoaders
from redstart.tabular.learner import TabularLearner, tabular_learner
from redstart.train.compare import compare

N = 400


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=N), rng.choice(["x", "y", "z"], N)
    return pd.DataFrame(
        {
            "a": a,
            "b": b,
            "kind": np.where(a > 0.5, "high", np.where(b == "x", "x", "low")),
            "price": np.exp(a + (b == "x") + 0.1 * rng.normal(size=N)),
            "size": 3 * a,
            "one": (a > 0) * 1,
            "two": (b == "y") * 1,
        }
    )


def learner(y_names: Any = "kind", **options: Any) -> TabularLearner:
    metrics = options.pop("metrics", None)
    dls = TabularDataLoaders.from_df(
        frame(), y_names=y_names, cat_names=["b"], cont_names=["a"], device="cpu", **options
    )
    return tabular_learner(dls, [8], metrics=metrics)


@pytest.mark.parametrize("kind", ["hist", "lightgbm"])
@pytest.mark.parametrize(
    ("y_names", "metric", "options", "bar"),
    [
        ("kind", "accuracy", {}, 0.95),
        (["one", "two"], "accuracy_multi", {}, 0.95),
        ("size", "r2", {}, 0.95),
        (["price", "size"], "r2", {}, 0.8),
        ("price", "r2", {"log_target": True}, 0.8),
    ],
)
def test_trees_learn_every_kind_of_target(
    kind: str, y_names: Any, metric: str, options: dict[str, Any], bar: float
) -> None:
    if kind == "lightgbm":
        pytest.importorskip("lightgbm")
    found = learner(y_names, metrics=metric, **options).baseline(kind)
    value, interval = found.metrics[metric]
    assert value > bar
    assert interval is not None
    assert len(found.n_trees) == (len(y_names) if isinstance(y_names, list) else 1)
    assert found.scored.out.shape[0] == 80
    assert metric in repr(found)
    assert metric in found._repr_html_()


def test_outputs_are_those_that_metrics_take() -> None:
    found = learner().baseline("hist")
    torch.testing.assert_close(found.scored.out.exp().sum(1), torch.ones(80), atol=1e-4, rtol=0)
    assert measured(by_name("accuracy"), found.scored.out, found.scored.y) > 0.9


def test_a_baseline_is_trained_once() -> None:
    learn = learner()
    assert learn.baseline("hist") is learn.baseline("hist")


def test_the_best_kind_there_is_is_the_same_by_name() -> None:
    learn = learner()
    found = learn.baseline()
    assert learn.baseline(found.kind) is found


def test_a_class_of_one_row_does_not_stop_trees() -> None:
    df = frame().assign(kind=["rare", *(["high", "low"] * N)[: N - 1]])
    dls = TabularDataLoaders.from_df(
        df, y_names="kind", cont_names=["a"], valid_idx=range(N - 50, N), device="cpu"
    )
    assert tabular_learner(dls, [8]).baseline("hist").n_trees == (100,)


def test_a_class_without_training_rows_is_never_predicted() -> None:
    df = frame()
    df.loc[:9, "kind"] = "rare"
    dls = TabularDataLoaders.from_df(
        df, y_names="kind", cat_names=["b"], cont_names=["a"], valid_idx=range(80)
    )
    found = tabular_learner(dls, [8]).baseline("hist")
    place = dls.vocab.index("rare")
    assert found.scored.out.shape == (80, 4)
    assert (found.scored.out[:, place] < -10).all()


def test_few_rows_train_for_the_usual_number_of_rounds() -> None:
    dls = TabularDataLoaders.from_df(frame()[:60], y_names="size", cat_names=["b"])
    assert tabular_learner(dls, [8]).baseline("hist").n_trees == (100,)


def test_weights_of_rows_count_for_trees_too() -> None:
    df = frame().assign(weight=1.0)
    df["size"] = np.where(np.arange(N) % 2, 1.0, -1.0)
    df.loc[df["size"] > 0, "weight"] = 99.0
    dls = TabularDataLoaders.from_df(df, y_names="size", cat_names=["b"], weight_name="weight")
    out = tabular_learner(dls, [8]).baseline("hist").scored.out
    assert out.mean() > 0.9


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="kind='xgboost'"):
        learner().baseline("xgboost")


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redstart.tabular.baseline.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"lightgbm to be installed.*pip install"):
        learner().baseline("lightgbm")


def test_without_validation_rows_nothing_is_compared() -> None:
    learn = learner(splitter=lambda df: Split.without_valid(range(len(df))))
    with pytest.raises(NoValidationSetError, match="Expected a validation set"):
        learn.baseline()


def test_an_untrained_model_is_said_to_be_worse() -> None:
    learn = learner(metrics=["accuracy", "roc_auc"])
    report = compare(learn, learn.baseline("hist").record())
    row = report.rows[0]
    assert row.verdict == "worse"
    assert row.difference[0] == pytest.approx(row.model[0] - row.other[0])
    said = str(report)
    assert "accuracy: TabM is worse than scikit-learn's HistGradientBoosting by" in said
    assert "is more than chance on 80 rows" in said
    assert said.splitlines()[2].startswith("metric ")
    assert report._repr_html_().count("<td>") == 8


def test_as_a_record_it_is_like_all_other_baselines() -> None:
    trees = learner().baseline("hist")
    record = trees.record()
    assert (record.name, record.said, record.n_train) == (trees.name, trees.said(), trees.n_train)
    assert torch.equal(record.out, trees.scored.out)
    assert record.metrics == trees.metrics
