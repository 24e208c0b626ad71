"""Calibrating a learner, and what its bundle knows of how sure it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from operator import itemgetter
from typing import Any

import pytest
import torch
from kit import loaders, net, points, without_valid

from redstart.data.block import DataBlock
from redstart.data.loaders import DataLoaders
from redstart.data.split import IndexSplitter
from redstart.data.stream import TensorCodec
from redstart.domain import ModelRecipe
from redstart.errors import ConfigError, NoValidationSetError
from redstart.rng import generator
from redstart.targets.category import CategoryBlock, CategoryTarget
from redstart.targets.multicategory import MultiCategoryBlock
from redstart.targets.regression import RegressionBlock
from redstart.train.calibrate import calibrate, measured_calibration, sure_bundle, sureness
from redstart.train.learner import Learner

Make = Callable[..., Learner]


class Loud(torch.nn.Module):
    """Three times as sure as it should be: the first input is a logit."""

    def __init__(self, *, several: bool = False) -> None:
        super().__init__()
        self.several, self.loudness = several, 3.0
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        score = self.loudness * x[:, :1]
        return torch.cat([-score, score] if self.several else [torch.zeros_like(score), score], 1)


def noisy(block: Any, n: int = 1200) -> DataLoaders:
    """A third validates; the label is drawn with the chance that the first input is a logit of."""
    rng = generator(3)
    x = 2 * torch.randn(n, 4, generator=rng)
    yes = torch.rand(n, generator=rng) < x[:, 0].sigmoid()
    rows = []
    for row, on in zip(x, yes.tolist(), strict=True):
        labels = ["b"] if on else ["a"]
        number = float(row[0]) + float(torch.randn(1, generator=rng))
        rows.append((row, {"category": labels[0], "multicategory": labels}.get(block.kind, number)))
    made = DataBlock(
        blocks=(TensorCodec(), block),
        get_x=itemgetter(0),
        get_y=itemgetter(1),
        splitter=IndexSplitter(range(800, n)),
    )
    return made.dataloaders(rows, bs=64, device="cpu", num_workers=0)


@pytest.mark.parametrize("block", [CategoryBlock(), MultiCategoryBlock()])
def test_a_model_that_is_too_sure_is_mended(make: Make, block: Any) -> None:
    learn = make(noisy(block), model=Loud(several=block.kind == "multicategory"))
    probs, _, answers = learn.get_preds(with_decoded=True)
    loss = learn.validate()[0]
    found = calibrate(learn)
    assert found.changed and found.temperature == pytest.approx(3, rel=0.35)
    assert learn.dls.target.temperature == found.temperature
    assert found.before.band.verdict == "overconfident" != found.after.band.verdict
    assert found.after.ece < 0.4 * found.before.ece
    assert "on rows that had no part in it" in str(found)
    # Probabilities are others now; answers, loss and parts are not.
    cooled, _, same = learn.get_preds(with_decoded=True)
    assert not torch.allclose(cooled, probs)
    assert same == answers and learn.validate()[0] == pytest.approx(loss)
    assert measured_calibration(learn.collect()).ece == pytest.approx(found.after.ece, abs=0.03)
    assert learn.bundle().target == learn.dls.target
    assert found.plot().size[0] > 100


def test_calibrating_again_changes_nothing(make: Make) -> None:
    learn = make(noisy(CategoryBlock()), model=Loud())
    first = calibrate(learn)
    again = calibrate(learn)
    assert again.temperature == pytest.approx(first.temperature, rel=0.01)
    assert again.before.log_loss == pytest.approx(first.after.log_loss, abs=0.01)


def test_a_temperature_that_does_no_good_is_left_alone(make: Make) -> None:
    silent = Loud()
    silent.loudness = 0.0
    learn = make(noisy(CategoryBlock()), model=silent)
    before = learn.dls
    found = calibrate(learn)
    assert not found.changed and found.after is found.before
    assert learn.dls is before and found.temperature == 1
    assert "as before: no other is surely better" in str(found)


def test_a_temperature_comes_on_top_of_the_one_there_is(make: Make) -> None:
    learn = make(noisy(CategoryBlock()), model=Loud())
    learn.dls = learn.dls.with_target(CategoryTarget(("a", "b"), temperature=10.0))
    found = calibrate(learn)
    assert found.changed and found.temperature == pytest.approx(3, rel=0.35)
    assert found.before.band.verdict == "underconfident"


def test_training_goes_on_after_it(make: Make) -> None:
    learn = make(loaders(120))
    learn.fit(1, 0.1)
    calibrate(learn)
    learn.fit(1, 0.1)
    assert len(learn.recorder.rows) == 1


def test_numbers_are_not_calibrated(make: Make) -> None:
    learn = make(noisy(RegressionBlock()), model=torch.nn.Linear(4, 1))
    with pytest.raises(ConfigError, match=r"probabilities of labels.*'regression'.*coverage=0\.9"):
        calibrate(learn)


def test_without_validation_rows_there_is_nothing_to_calibrate_on(make: Make) -> None:
    learn = make(without_valid())
    with pytest.raises(NoValidationSetError, match="Expected a validation set"):
        calibrate(learn)
    with pytest.raises(NoValidationSetError, match="Expected a validation set"):
        sure_bundle(learn)
    assert sureness(learn) == {}


def test_new_items_have_no_truth_to_measure_on(make: Make) -> None:
    learn = make(loaders(60))
    found = learn.collect(learn.dls.test_dl([x for x, _ in points(8)]))
    with pytest.raises(ConfigError, match="rows without labels"):
        measured_calibration(found)


def test_a_bundle_abstains_and_is_right_where_it_answers(make: Make) -> None:
    learn = make(noisy(CategoryBlock()), model=Loud())
    bundle = sure_bundle(learn)
    assert bundle.predict(torch.tensor([5.0, 0, 0, 0]), abstain=0.1).decoded == "b"
    unsure = bundle.predict(torch.tensor([0.05, 0, 0, 0]), abstain=0.1)
    assert unsure.decoded is None and set(unsure.set or ()) == {"a", "b"}


def test_sureness_of_predictions_at_hand_predicts_nothing_again(make: Make) -> None:
    learn = make(noisy(CategoryBlock()), model=Loud())
    found = learn.collect()
    assert json.loads(json.dumps(sureness(learn, found))) == sureness(learn)


def test_the_range_of_a_model_of_numbers_ends_its_intervals(make: Make) -> None:
    recipe = ModelRecipe(domain="tabular", builder="mlp", arguments={"y_range": [-50.0, 50.0]})
    learn = make(noisy(RegressionBlock()), model=torch.nn.Linear(4, 1), recipe=recipe)
    assert sureness(learn)["bounds"] == [-50.0, 50.0]
    low, high = sure_bundle(learn).predict(torch.zeros(4), coverage=0.9).interval or (0, 0)
    assert -50 <= low < high <= 50


def test_a_model_of_plain_batches_has_no_sureness() -> None:
    x = torch.zeros(8, 4)
    batches = [(x, torch.zeros(8, dtype=torch.int64))]
    learn = Learner(
        DataLoaders(batches, batches), net(), loss_func=torch.nn.functional.cross_entropy
    )
    assert sureness(learn) == {}
    with pytest.raises(ConfigError, match="probabilities of labels"):
        calibrate(learn)


def test_rows_of_one_group_widen_the_intervals(make: Make) -> None:
    learn = make(noisy(CategoryBlock()), model=Loud())
    found = learn.collect()
    alone, sure = measured_calibration(found), sureness(learn)
    order = found.losses.argsort()  # those that are wrong go together
    groups = torch.full((1200,), -1)
    groups[found.index[order]] = torch.arange(400) // 20
    learn.dls = replace(learn.dls, groups=groups)
    grouped = measured_calibration(found, groups)
    assert grouped.log_loss == alone.log_loss
    width = [f.log_loss_interval[1] - f.log_loss_interval[0] for f in (alone, grouped)]
    assert width[1] > 2 * width[0]
    assert sure["abstain"]["effect"] == 1 and sureness(learn)["abstain"]["effect"] > 10
    assert calibrate(learn).before.log_loss_interval == grouped.log_loss_interval
