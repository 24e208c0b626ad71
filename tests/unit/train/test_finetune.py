from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from kit import loaders, net
from torch import nn

from redstart.train.callback import Callback
from redstart.train.engine import PlainEngine
from redstart.train.frozen import feature_loaders, split_frozen
from redstart.train.learner import Learner
from redstart.train.weights import digest

Make = Callable[..., Learner]


def pretrained(make: Make, **options: Any) -> Learner:
    model = net()
    return make(model=model, pretrained_body=model[0], **options)


def test_the_cut_is_behind_the_last_module_that_cannot_change() -> None:
    model = nn.Sequential(
        nn.Sequential(nn.Linear(4, 3), nn.Tanh()), nn.Sequential(nn.Flatten(), nn.Linear(3, 2))
    )
    assert split_frozen(model) is None
    model[0].requires_grad_(False)
    frozen, rest = split_frozen(model) or (None, None)
    assert frozen is not None
    assert rest is not None
    assert [type(m).__name__ for m in frozen] == ["Linear", "Tanh", "Flatten"]
    assert list(rest) == [model[1][1]]
    model.requires_grad_(False)
    assert split_frozen(model) is None


def test_dropout_and_statistics_are_not_part_of_the_frozen_part() -> None:
    for layer in (nn.Dropout(0.5), nn.BatchNorm1d(3, affine=False)):
        model = nn.Sequential(nn.Linear(4, 3), layer, nn.Linear(3, 2))
        model[0].requires_grad_(False)
        frozen, _ = split_frozen(model) or (nn.Sequential(), None)
        assert len(frozen) == 1


def test_features_are_the_body_s_outputs_by_row() -> None:
    dls, body = loaders(), net()[0].eval()
    features = feature_loaders(dls, body, PlainEngine(), bs=8, steps=50)
    assert len(features.train) >= 50
    assert features.train.passes == 9  # 45 rows make 6 batches of 8 to a pass
    for batch in features.train.batches(epoch=3):
        x = torch.stack([dls.items[i][0] for i in batch.index.tolist()])
        assert torch.allclose(batch.x[0], body(x), atol=1e-6)
        labels = [dls.vocab[int(i)] for i in batch.y[0]]
        assert labels == [dls.items[i][1] for i in batch.index.tolist()]


def test_the_frozen_body_runs_once_per_row(make: Make) -> None:
    rows: list[int] = []

    class Body(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            rows.append(len(x))
            return super().forward(x)

    body = Body(nn.Linear(4, 8), nn.ReLU())
    # Given, since choosing one runs the model too.
    learn = make(
        model=nn.Sequential(body, nn.Linear(8, 2)), pretrained_body=body, precision="float32"
    )
    before = digest(body)
    learn.fine_tune(0, 0.01, freeze_epochs=5)
    assert sum(rows) == 60
    assert digest(body) == before
    assert len(learn.recorder.rows) == 5
    assert learn.recorder.rows[-1]["accuracy"] > 0.9


def test_the_head_on_features_scores_as_the_whole_model(make: Make) -> None:
    learn = pretrained(make)
    learn.fine_tune(0, 0.01)
    row = learn.recorder.rows[-1]
    loss, accuracy = learn.validate()
    assert loss == pytest.approx(row["valid_loss"], rel=1e-5)
    assert accuracy == row["accuracy"]


def test_the_second_phase_keeps_the_better(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    class Spoil(Callback):
        """Ruin the weights in the second phase."""

        @torch.no_grad()
        def after_train(self, run: Any) -> None:
            if run.model[0].__class__ is nn.Sequential:
                run.model[1][1].weight.neg_()

    learn = pretrained(make)
    with caplog.at_level(logging.WARNING, "redstart"):
        learn.fine_tune(1, 0.01, cbs=Spoil())
    assert "Kept the weights of the frozen phase: accuracy was" in caplog.text
    assert learn.recorder.rows[-1]["accuracy"] > 0.9
    assert learn.validate()[1] == learn.recorder.rows[-1]["accuracy"]


def test_the_second_phase_trains_everything(make: Make) -> None:
    seen: list[str] = []

    class Note(Callback):
        def after_train(self, run: Any) -> None:
            seen.append(digest(learn.model[0]))

    learn = pretrained(make)
    learn.fine_tune(2, 0.01, cbs=Note())
    assert len(set(seen)) == 3
    assert all(p.requires_grad for p in learn.model.parameters())


def test_batch_norm_statistics_are_kept_when_asked(make: Make) -> None:
    learn = pretrained(make, keep_norm=True)
    before = learn.model[0][1].running_var.clone()
    learn.fine_tune(2, 0.01)
    assert torch.equal(before, learn.model[0][1].running_var)


def test_a_model_with_no_pretrained_part_trains_as_a_whole(make: Make) -> None:
    learn = make()
    before = digest(learn.model[0])
    learn.fine_tune(2, 0.01)
    assert len(learn.recorder.rows) == 3
    assert digest(learn.model[0]) != before


def test_lr_find_leaves_no_trace_and_suggests(make: Make) -> None:
    learn = make(loaders(bs=8))
    learn.model.eval()
    before = digest(learn.model)
    found = learn.lr_find(num_it=60, show_plot=False)
    assert digest(learn.model) == before
    assert not learn.model.training
    assert not any(p.grad is not None and p.grad.any() for p in learn.model.parameters())
    assert 1e-5 < found.valley < 5
    assert len(found.lrs) == len(found.losses) <= 60
    assert found.plot().axes


def test_lr_find_unpacks_in_the_order_asked_for(make: Make) -> None:
    from redstart.train.lrfind import minimum, slide, steep, valley

    found = make(loaders(bs=8)).lr_find(suggest_funcs=(minimum, steep), show_plot=False)
    low, steepest = found
    assert (low, steepest) == (found.minimum, found.steep)
    with pytest.raises(AttributeError, match="there are minimum, steep"):
        _ = found.valley
    lrs = [10 ** (i / 10 - 5) for i in range(60)]
    losses = [2 - 1.5 / (1 + (1e-3 / lr) ** 2) + (lr / 0.1) ** 2 for lr in lrs]
    best = lrs[losses.index(min(losses))]
    for function in (valley, steep, minimum, slide):
        assert lrs[0] <= function(lrs, losses) < best, function.__name__
    assert 2e-4 < valley(lrs, losses) < 2e-2
