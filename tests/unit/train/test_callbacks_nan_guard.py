from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from callback_runs import fit, linear, make_run, pairs
from torch import Tensor, nn

from redstart.data.dataset import Source
from redstart.data.loader import Loader
from redstart.data.loaders import DataLoaders
from redstart.data.stream import TensorCodec, TensorTarget
from redstart.data.table_dataset import TableDataset
from redstart.errors import ConfigError, NonFiniteLossError
from redstart.rng import forked
from redstart.train.callback import Callback
from redstart.train.callbacks.ema import EMA
from redstart.train.callbacks.mixup import MixUp
from redstart.train.callbacks.nan_guard import NanGuard, first_bad_layer
from redstart.train.engine import MixedEngine
from redstart.train.run import Run


class Log(nn.Module):
    """Not defined below zero."""

    def forward(self, x: Tensor) -> Tensor:
        return x.log()


class Roots(nn.Module):
    """Takes a root between its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(self.first(x).sqrt())
        return out


@forked(0)
def deep(*middle: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 3), *middle, nn.Linear(3, 1))


@forked(0)
def normed() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))


def stops(run: Run, *callbacks: Callback, guard: NanGuard | None = None) -> str:
    with pytest.raises(NonFiniteLossError) as caught:
        fit(run, guard or NanGuard(), *callbacks)
    assert all(bool(t.isfinite().all()) for t in run.model.state_dict().values())
    return str(caught.value)


class At(Callback):
    """Does something at one training batch, counted over all epochs."""

    order = -10

    def __init__(self, step: int, act: Any) -> None:
        self.step, self.act = step, act

    def before_batch(self, run: Run) -> None:
        if run.training and run.step == self.step:
            self.act(run)


def test_a_layer_that_is_not_defined_there_is_named() -> None:
    message = stops(make_run(deep(nn.Sequential(nn.Identity(), Log())), pairs(8, 4)))
    assert "nan at epoch 1 of 1, training batch 1 of 2, rows 0, 1, 2, 3;" in message
    assert "first at fault: layer '1.1' (Log), from numbers between -" in message
    assert "logarithm" in message


def test_code_between_layers_is_named_by_its_module() -> None:
    with forked(0):
        model = nn.Sequential(nn.Identity(), Roots())
    message = stops(make_run(model, pairs(8, 4)))
    assert "what layer '1' (Roots) computes before its layer '1.second' (Linear)" in message


@pytest.mark.parametrize("every", [None, 1, 4])
def test_exploding_weights_are_named_and_undone(every: int | None) -> None:
    model = linear()
    run = make_run(model, pairs(64, 4), n_epoch=2)
    run.opt = torch.optim.SGD(model.parameters(), lr=1e9)
    start = model.weight.detach().clone()
    message = stops(run, guard=NanGuard(every))
    assert torch.equal(model.weight, start)
    assert "learning rate" in message
    if every == 4:
        assert "looked at some batches later" in message
    else:
        assert "training batch 3 of 16" in message
        assert "the loss function, while every layer is fine" in message


def test_the_layer_that_explodes_first_is_named() -> None:
    model = deep(nn.ReLU(), nn.Linear(3, 3, bias=False))
    model[0].weight.data.fill_(1e30)
    model[2].weight.data.fill_(1e30)
    message = stops(make_run(model, [(torch.ones(4, 3), torch.ones(4, 1))] * 2))
    assert "first at fault: layer '2' (Linear), from numbers between 3e+30 and 3e+30" in message
    assert "Training diverges. Lower the learning rate" in message


def test_a_weight_that_is_not_finite_is_named() -> None:
    model = deep(nn.ReLU())
    spoil = At(3, lambda run: run.model[2].weight.data[0, 1].fill_(math.nan))
    start = model[2].weight.detach().clone()
    message = stops(make_run(model, pairs(12, 4), n_epoch=2), spoil)
    assert "epoch 2 of 2, training batch 1 of 3" in message
    assert "parameter '2.weight', 1 of whose 3 values are not finite" in message
    assert not torch.equal(model[2].weight, start)  # the second epoch's start, not the first's


@pytest.mark.parametrize("every", [1, 2, 4, 50])
def test_a_bad_input_is_named_by_its_rows(every: int) -> None:
    data = pairs(24, 4)
    data[3][0][2, 1] = math.nan
    data[3][0][3, 0] = math.nan
    message = stops(make_run(linear(), data), guard=NanGuard(every))
    if every in (1, 2, 4):  # looked at before the next batch
        assert "training batch 4 of 6, rows 14, 15; first at fault: the input of these rows" in (
            message
        )
        assert "Repair these rows" in message
    else:
        assert "training batch 4 of 6, rows 12, 13, 14, 15; first at fault: not found" in message


def test_weights_stay_where_only_the_data_were_bad() -> None:
    data, model, clean = pairs(24, 4), linear(), linear()
    fit(make_run(clean, data[:3]))
    data[3][0][2] = math.inf
    message = stops(make_run(model, data))
    assert "row 14; first at fault: the input of this row (infinity)" in message
    assert torch.equal(model.weight, clean.weight)


def test_statistics_spoilt_by_bad_data_are_put_back() -> None:
    data, model = pairs(24, 4), normed()
    data[3][0][2] = math.nan
    stops(make_run(model, data))
    assert torch.equal(model[1].running_mean, torch.zeros(3))


def test_a_bad_target_is_named() -> None:
    data = pairs(8, 4)
    data[1][1][0] = math.nan
    assert "row 4; first at fault: the target of this row (NaN)" in stops(make_run(linear(), data))


def test_the_loss_function_is_named_when_the_model_is_fine() -> None:
    def loss(out: Tensor, y: Tensor) -> Tensor:
        return (out - y).mean().abs().neg().sqrt()

    message = stops(make_run(linear(), pairs(8, 4), loss_func=loss))
    assert (
        "first at fault: the loss function, while every layer is fine, from numbers between"
        in message
    )


def test_a_bad_validation_row_is_named() -> None:
    bad = [(x.clone(), y) for x, y in pairs(8, 4, seed=1)]
    bad[1][0][1, 0] = math.nan
    model = linear()
    run = make_run(model, pairs(8, 4), bad)
    clean = linear()
    fit(make_run(clean, pairs(8, 4)))
    assert "validation batch 2 of 2, row 5; first at fault: the input" in stops(run)
    assert torch.equal(model.weight, clean.weight)


@pytest.mark.parametrize("every", [3, 16])
def test_late_looks_name_the_batch_in_validation(every: int) -> None:
    bad = pairs(28, 4, seed=1)
    bad[5][0][1, 0] = math.nan
    message = stops(make_run(linear(), pairs(8, 4), bad), guard=NanGuard(every))
    assert "validation batch 6 of 7" in message


def test_too_large_for_float16_advises_bfloat16() -> None:
    model = deep(nn.ReLU())
    model[0].weight.data.fill_(60000.0)
    run = make_run(model, pairs(8, 4), engine=MixedEngine(torch.float16, "cpu"))
    message = stops(run)
    assert "layer '0' (Linear)" in message
    assert "precision='bf16'" in message


def test_averaged_weights_are_good_after_a_failure_too() -> None:
    model = linear()
    run = make_run(model, pairs(64, 4), n_epoch=2)
    run.opt = torch.optim.SGD(model.parameters(), lr=1e9)
    stops(run, EMA(0.9))


def test_mixed_batches_do_not_hide_who_was_bad(tmp_path: Path) -> None:
    run = make_run(linear(), [], loss_func=F.mse_loss)
    run.dls = rows_of_numbers(bad=5)
    message = stops(run, MixUp())
    assert "row 5 (item 5); first at fault: the input of this row (NaN)" in message


@pytest.mark.parametrize("every", [1, 3, 16])
def test_a_loader_of_items_names_them_however_late(every: int) -> None:
    run = make_run(linear(), [])
    run.dls = rows_of_numbers(bad=5)
    message = stops(run, guard=NanGuard(every))
    assert "row 5 (item 5); first at fault: the input of this row (NaN)" in message


@pytest.mark.parametrize("every", [4, 16])
def test_late_looks_do_not_blame_weights_that_broke_since(every: int) -> None:
    model = linear()
    run = make_run(model, [])
    run.dls = rows_of_numbers()
    run.opt = torch.optim.SGD(model.parameters(), lr=1e15)
    message = stops(run, guard=NanGuard(every))
    assert "first at fault: not found, since losses were looked at some batches later" in message


def rows_of_numbers(bad: int | None = None) -> DataLoaders:
    """Loaders of rows with names, one of which is not a number."""
    x = torch.arange(36.0).view(12, 3) / 36
    if bad is not None:
        x[bad, 1] = math.nan
    names = [f"item {i}" for i in range(12)]
    source = Source(items=names, inputs=names, raws=None)
    index = torch.arange(12)
    table = TableDataset(source, index, (x,), (x[:, :1] * 2,), TensorCodec(), TensorTarget())
    loader = Loader(dataset=table, bs=2, shuffle=True)
    return DataLoaders(train=loader, valid=loader.replace(shuffle=False))


def test_looking_for_the_layer_changes_nothing() -> None:
    model = normed()
    model.insert(2, nn.Dropout(0.5))
    model.train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.get_rng_state()
    run = make_run(model, pairs(4, 4))
    assert first_bad_layer(model, (pairs(4, 4)[0][0],), run)[0].startswith("the loss function")
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_finite_losses_train_as_if_nobody_looked() -> None:
    plain, guarded, late = (
        fit(make_run(linear(), pairs(12, 4), n_epoch=2), *cbs)
        for cbs in ((), (NanGuard(),), (NanGuard(2),))
    )
    assert plain.losses == guarded.losses == late.losses


def test_looking_never_is_refused() -> None:
    with pytest.raises(ConfigError, match="every=0"):
        NanGuard(0)
