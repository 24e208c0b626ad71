"""Learners for tables: the course's calls, defaults, every kind of target, and bundles."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from redstart.bundle.bundle import load_learner
from redstart.data.loaders import DataLoaders
from redstart.errors import ConfigError
from redstart.metrics.functions import accuracy, rmse
from redstart.tabular.data import TabularDataLoaders
from redstart.tabular.learner import TabularLearner, tabular_learner
from redstart.tabular.model import TabularModel
from redstart.tabular.tabm import TabM
from redstart.targets.category import CategoryBlock


def frame(n: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    job = rng.choice(["cook", "clerk", "pilot"], n)
    age = rng.uniform(20, 60, n).round()
    noise = rng.normal(0, 1, n)
    return pd.DataFrame(
        {
            "job": job,
            "age": age,
            "noise": np.where(rng.random(n) < 0.2, np.nan, noise),
            "rich": np.where((job == "pilot") | (age > 50), "yes", "no"),
            "wage": 1000 * (job == "pilot") + 50 * age + 10 * noise,
            "owns_car": (age > 40) * 1,
            "owns_boat": (job == "pilot") * 1,
        }
    )


INPUTS: dict[str, Any] = {"cat_names": ["job"], "cont_names": ["age", "noise"]}


def loaders(y_names: Any = "rich", **options: Any) -> DataLoaders:
    return TabularDataLoaders.from_df(
        frame(), y_names=y_names, bs=32, device="cpu", **{**INPUTS, **options}
    )


def test_the_courses_calls_run() -> None:
    learn = tabular_learner(loaders(), metrics=accuracy, layers=[10, 10])
    assert isinstance(learn, TabularLearner)
    learn.fit_one_cycle(1)
    numbers = loaders("wage")
    learn = tabular_learner(
        numbers, y_range=(800, 4200), layers=[50, 25], n_out=1, loss_func=F.mse_loss
    )
    learn.fit_one_cycle(1, 1e-2)
    preds, targets = learn.get_preds()
    assert preds.shape == targets.shape == (48, 1)
    assert preds.min() > 800


@pytest.mark.parametrize("arch", ["tabm", "mlp"])
@pytest.mark.parametrize("y_names", ["rich", "wage", ["owns_car", "owns_boat"], ["wage", "age2"]])
def test_every_kind_of_target_trains_and_predicts(arch: str, y_names: Any) -> None:
    df = frame().assign(age2=lambda d: d.age * 2.0)
    dls = TabularDataLoaders.from_df(df, y_names=y_names, bs=32, device="cpu", **INPUTS)
    learn = tabular_learner(dls, [16], arch=arch)
    before = learn.validate()[0]
    learn.fit_one_cycle(5, 0.02)
    assert learn.validate()[0] < before
    assert learn.predict(df.iloc[0]).probs.shape == (dls.c,)
    assert learn.get_preds()[0].shape == (48, dls.c)


def test_an_ensemble_that_ends_training_gives_one_answer_per_row() -> None:
    learn = tabular_learner(loaders(), [8])
    learn.fit_one_cycle(1)
    probs, _ = learn.get_preds()
    torch.testing.assert_close(probs.sum(1), torch.ones(48))


def test_the_model_learns_what_there_is_with_no_other_argument() -> None:
    learn = tabular_learner(loaders("wage"), metrics=rmse)
    learn.fit_one_cycle(15)
    assert learn.validate()[1] < 0.3 * frame().wage.std()


def test_the_kinds_of_model_are_named() -> None:
    assert isinstance(tabular_learner(loaders()).model, TabM)
    mlp = tabular_learner(loaders(), emb_szs={"job": 7}, arch="mlp").model
    assert isinstance(mlp, TabularModel)
    assert [tuple(v.shape) for v in mlp.embeds] == [(4, 7), (3, 3)]
    own = nn.Module()
    assert tabular_learner(loaders(), arch=own).model is own
    with pytest.raises(ConfigError, match="arch='forest'"):
        tabular_learner(loaders(), arch="forest")


def test_config_reaches_the_model() -> None:
    tabm = tabular_learner(loaders(), config={"k": 3, "n_bins": 4}).model
    assert isinstance(tabm, TabM)
    assert tabm.k == 3
    assert tabm.first.numbers is not None
    assert tabm.first.numbers.weight.shape[1] <= 6
    mlp = tabular_learner(loaders(), config={"ps": 0.5, "act_cls": nn.SiLU()}, arch="mlp")
    assert mlp.recipe is not None
    assert mlp.recipe.arguments["act_cls"] == "silu"


def test_a_name_that_is_no_option_of_the_model_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"dropuot=0.1.*Did you mean 'dropout'"):
        tabular_learner(loaders(), config={"dropuot": 0.1})


def test_loaders_of_other_things_are_refused() -> None:
    batches = [(torch.zeros(2, 3), torch.zeros(2))]
    with pytest.raises(ConfigError, match="Expected loaders of a table"):
        tabular_learner(DataLoaders(batches, batches))


@pytest.mark.parametrize("arch", ["tabm", "mlp"])
@pytest.mark.parametrize("y_names", ["rich", "wage"])
def test_a_bundle_predicts_as_the_learner_does(tmp_path: Any, arch: str, y_names: str) -> None:
    learn = tabular_learner(loaders(y_names), [16], arch=arch)
    learn.fit_one_cycle(1)
    bundle = load_learner(learn.export(tmp_path / "model.redstart"))
    ours, theirs = learn.predict(frame().iloc[3]), bundle.predict(frame().iloc[3])
    torch.testing.assert_close(ours.probs, theirs.probs)
    assert bundle.recipe == learn.recipe


@pytest.mark.parametrize("arch", ["tabm", "mlp"])
def test_categories_alone_and_numbers_alone_train(arch: str) -> None:
    for alone in (
        {"cat_names": ["job"], "cont_names": []},
        {"cat_names": [], "cont_names": ["age"]},
    ):
        learn = tabular_learner(loaders(**alone), [8], arch=arch)
        learn.fit_one_cycle(1)
        assert learn.comparison().n_rows == 48


def test_bins_come_from_training_rows_alone() -> None:
    df = frame()
    df.loc[:9, "age"] = 1000.0
    dls = TabularDataLoaders.from_df(df, y_names="rich", valid_idx=range(20), **INPUTS)
    recipe = tabular_learner(dls).recipe
    assert recipe is not None
    bins: Any = recipe.arguments["bins"]
    train = dls.codec.encode_table(df[20:])[1]  # type: ignore[index]
    assert bins[0][-1] == pytest.approx(float(train[:, 0].max()))


def test_logarithms_and_plain_units_train() -> None:
    from redstart.targets.regression import RegressionBlock

    for options in ({"log_target": True}, {"y_block": RegressionBlock(standardize=False)}):
        learn = tabular_learner(loaders("wage", **options), [16], metrics=rmse)
        learn.fit_one_cycle(4, 0.02)
        assert learn.validate()[1] < frame().wage.std()


def test_weights_of_rows_go_with_a_loss_of_ones_own() -> None:
    df = frame().assign(weight=lambda d: np.where(d.age > 40, 100.0, 0.01))
    df["wage"] = np.where(df.age > 40, 1.0, -1.0) + df.noise.fillna(0) * 0.01
    dls = TabularDataLoaders.from_df(
        df, y_names="wage", weight_name="weight", cat_names=["job"], device="cpu"
    )
    for loss in (F.mse_loss, nn.MSELoss(), lambda out, y: (out - y).square().mean()):
        learn = tabular_learner(dls, [8], loss_func=loss)
        learn.fit(12, 0.02)
        assert learn.get_preds()[0].mean() > 0.7


def test_class_weights_and_label_smoothing_reach_the_target() -> None:
    learn = tabular_learner(loaders(), class_weights="balanced", label_smoothing=0.1)
    assert "balanced" not in str(learn.dls.target)
    assert "label_smoothing=0.1" in str(learn.dls.target)


def test_what_a_block_asks_for_stays_where_the_learner_asks_for_more() -> None:
    dls = loaders(y_block=CategoryBlock(label_smoothing=0.1))
    target: Any = tabular_learner(dls, class_weights="balanced").dls.target
    assert target.label_smoothing == 0.1 and len(target.class_weights) == 2


def test_a_range_that_leaves_targets_out_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "redstart"):
        tabular_learner(loaders("wage"), y_range=(0, 10_000)).check()
        assert "outside y_range" not in caplog.text
        tabular_learner(loaders("wage"), y_range=(0, 1)).check()
    assert "240 rows (100.0%) have targets outside y_range=(0, 1)" in caplog.text


@pytest.mark.parametrize(
    ("y_names", "y_range"), [("wage", (1, 0)), ("wage", (1,)), ("rich", (0, 1))]
)
def test_a_range_that_makes_no_sense_is_refused(y_names: str, y_range: Any) -> None:
    with pytest.raises(ConfigError, match="Expected `y_range` to be a lower and an upper end"):
        tabular_learner(loaders(y_names), y_range=y_range)


def test_the_same_seed_gives_the_same_model() -> None:
    first, second = tabular_learner(loaders(seed=3)), tabular_learner(loaders(seed=3))
    for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_fine_tune_and_lr_find_work() -> None:
    learn = tabular_learner(loaders(), [8])
    learn.fine_tune(1)
    assert learn.lr_find(num_it=20, show_plot=False).valley > 0
