"""What is said of real, small trainings, most of which go wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kit import net
from planted import PLANTED, digits, loaders, mlp
from torch import nn

from redstart.data.loaders import DataLoaders
from redstart.errors import DataError
from redstart.train.callbacks.save_best import SaveBest
from redstart.train.learner import Learner
from redstart.train.reading import curves_of, read_training

SLOW = {"half the labels shuffled", "all labels shuffled", "ninth degree through 10 points"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in PLANTED],
)
def test_planted_trainings_are_read_rightly(name: str, tmp_path: Path) -> None:
    planted = PLANTED[name]
    readings = read_training(planted.train(1, tmp_path))
    said = {reading.kind for reading in readings}
    assert said & planted.kinds, [str(reading) for reading in readings]
    if "fine" in planted.kinds:
        assert said == {"fine"}
    for reading in readings:
        assert reading.evidence
        assert bool(reading.mend) is (reading.kind != "fine")


def test_a_learner_that_was_not_fitted_is_refused(make: Callable[..., Learner]) -> None:
    with pytest.raises(DataError, match=r"Expected a learner that was fitted.*fit_one_cycle"):
        read_training(make())


def test_the_constant_is_as_good_as_a_constant_can_be(make: Callable[..., Learner]) -> None:
    learn = make()
    learn.fit(2)
    curves = curves_of(learn)
    assert curves.constant_train.mean() == pytest.approx(np.log(2), abs=0.01)
    assert len(curves.constant_valid) == len(curves.valid_rows) == 15
    assert curves.valid_rows.mean() == pytest.approx(curves.valid[-1], rel=1e-5)
    assert (curves.metric, len(curves.figures)) == ("accuracy", 2)


def test_predictions_made_before_are_not_made_again(make: Callable[..., Learner]) -> None:
    learn = make()
    learn.fit(2)
    held = learn.collect()
    other = replace(held, losses=torch.zeros(len(held)))
    assert (curves_of(learn, other).valid_rows == 0).all()


class Body(nn.Sequential):
    """Counts the rows that go through it."""

    rows = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.rows += len(x)
        return super().forward(x)


def pretrained() -> Learner:
    model = net()
    model[0] = Body(*model[0])
    options: dict[str, Any] = {"splitter": lambda m: [list(p.parameters()) for p in m.children()]}
    x, y = digits(0, 300)
    dls = loaders(np.asarray(x)[:, 20:24], [v % 2 for v in y], 100)
    learn = Learner(dls, model, **options)
    learn.pretrained_body = model[0]
    return learn


def test_both_phases_of_fine_tune_are_on_the_curve() -> None:
    learn = pretrained()
    learn.fine_tune(3, freeze_epochs=2)
    curves = curves_of(learn)
    frozen = learn.recorder.before
    assert frozen is not None
    kept_first = len(learn.recorder.rows) > len(learn.recorder.ends)
    assert len(curves.valid) == (2 if kept_first else 5)
    assert len(curves.losses) == len((frozen if kept_first else learn.recorder).losses)
    assert read_training(learn)


def test_after_the_frozen_phase_the_body_does_not_run_over_training_rows_again() -> None:
    learn = pretrained()
    learn.fine_tune(0)
    held = learn.collect()
    body = learn.pretrained_body
    assert isinstance(body, Body)
    before = body.rows
    curves = curves_of(learn, held)
    assert body.rows == before
    whole = learn.collect(learn.dls.train).losses
    assert whole is not None
    assert curves.train_rows.mean() == pytest.approx(float(whole.mean()), rel=1e-4)


def test_a_loss_of_the_users_own_that_wants_other_outputs_has_no_constant() -> None:
    def loss(out: torch.Tensor, y: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
        rows = (out.view(-1, 5, 2).mean(1).log_softmax(1)).gather(1, y[:, None])[:, 0].neg()
        return rows if reduction == "none" else rows.mean()

    x, y = digits(0, 200)
    learn = Learner(loaders(x, [v % 2 for v in y], 50), mlp(64, 10), loss_func=loss, metrics=[])
    learn.fit(2)
    curves = curves_of(learn)
    assert len(curves.constant_valid) == 0
    assert len(curves.train_rows) == 150
    read_training(learn)


def test_plain_batches_are_read_too() -> None:
    x, y = digits(0, 200)
    rows = torch.tensor(np.asarray(x), dtype=torch.float32), torch.tensor(y)
    batches = [(rows[0][i : i + 20], rows[1][i : i + 20]) for i in range(0, 200, 20)]
    dls = DataLoaders(batches[:8], batches[8:])
    learn = Learner(dls, mlp(64, 32, 10), loss_func=nn.functional.cross_entropy, metrics=[])
    learn.fit(6, 1e-2)
    curves = curves_of(learn)
    assert (len(curves.train_rows), len(curves.valid_rows)) == (160, 40)
    read_training(learn)


def test_the_model_that_was_kept_is_what_is_judged(tmp_path: Path) -> None:
    wide = PLANTED["wide network, 200 noisy rows"].train(0, tmp_path / "a")
    learn = Learner(wide.dls, mlp(20, 256, 2), path=tmp_path / "b", cbs=SaveBest())
    learn.fit_one_cycle(20, 1e-2)
    (told,) = [r for r in read_training(wide) if r.kind == "overfitting"]
    assert "rose since" in told.said
    assert not [r for r in read_training(learn) if "rose since" in r.said]
