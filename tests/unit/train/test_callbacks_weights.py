from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from callback_runs import Figures, fit, linear, make_run, pairs
from torch import nn

from redstart.errors import ConfigError
from redstart.rng import forked
from redstart.train.callback import Callback
from redstart.train.callbacks.accumulate import GradientAccumulation
from redstart.train.callbacks.clip import GradientClip
from redstart.train.callbacks.ema import EMA, averaged, swap_weights
from redstart.train.callbacks.keep_eval import KeepEval, batch_norms, frozen_subtrees
from redstart.train.callbacks.save_best import SaveBest
from redstart.train.engine import Engine
from redstart.train.run import Run


class Steps(Callback):
    """The weights after every step and the gradient of every step."""

    order = 49

    def __init__(self) -> None:
        self.weights: list[torch.Tensor] = []
        self.grads: list[torch.Tensor] = []
        self.validated: list[torch.Tensor] = []

    def before_step(self, run: Run) -> None:
        self.grads.append(run.model.weight.grad.clone())

    def after_batch(self, run: Run) -> None:
        (self.weights if run.training else self.validated).append(run.model.weight.detach().clone())


def test_ema_equals_the_sum_written_out() -> None:
    model, steps = linear(), Steps()
    first = model.weight.detach().clone()
    fit(make_run(model, pairs(20, 4), n_epoch=2), EMA(0.8, warm_up=False), steps)
    mean = first
    for w in steps.weights:
        mean = 0.8 * mean + 0.2 * w
    torch.testing.assert_close(model.weight.detach(), mean)


def test_ema_warms_up() -> None:
    model, steps = linear(), Steps()
    mean = model.weight.detach().clone()
    fit(make_run(model, pairs(20, 4), n_epoch=1), EMA(0.999), steps)
    for n, w in enumerate(steps.weights, start=1):
        keep = (1 + n) / (10 + n)
        mean = keep * mean + (1 - keep) * w
    torch.testing.assert_close(model.weight.detach(), mean)


def test_ema_validates_on_the_average_and_trains_on_the_weights() -> None:
    steps, plain = Steps(), Steps()
    fit(make_run(linear(), pairs(12, 4), n_epoch=3), EMA(0.9, warm_up=False), steps)
    fit(make_run(linear(), pairs(12, 4), n_epoch=3), plain)
    assert all(torch.equal(a, b) for a, b in zip(steps.weights, plain.weights, strict=True))
    mean = linear().weight.detach()
    for number, w in enumerate(plain.weights):
        mean = 0.9 * mean + 0.1 * w
        if number % 3 == 2:
            torch.testing.assert_close(steps.validated[number], mean)


def test_ema_counts_steps_not_batches() -> None:
    model, steps = linear(), Steps()
    first = model.weight.detach().clone()
    run = make_run(model, pairs(8, 2))
    fit(run, EMA(0.5, warm_up=False), GradientAccumulation(8), steps)
    torch.testing.assert_close(model.weight.detach(), 0.5 * first + 0.5 * steps.weights[-1])


def test_ema_averages_statistics_and_copies_whole_numbers() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2, affine=False))
    places = torch.arange(5000)
    model.register_buffer("places", places.clone())
    average = averaged(model, 0.9, warm_up=False)
    model[0].running_mean.fill_(1.0)
    model[0].num_batches_tracked.fill_(7)
    average.update_parameters(model)
    kept = average.module
    torch.testing.assert_close(kept[0].running_mean, torch.full((2,), 0.1))
    assert kept[0].num_batches_tracked == 7
    assert torch.equal(kept.places, places)


def test_ema_and_save_best_keep_the_averaged_weights_that_were_measured() -> None:
    model, steps = linear(), Steps()
    fit(
        make_run(model, pairs(12, 4), n_epoch=3),
        EMA(0.9),
        Figures([3.0, 1.0, 2.0]),
        SaveBest(),
        steps,
    )
    assert torch.equal(model.weight.detach(), steps.validated[3])


def test_swap_weights_is_its_own_inverse() -> None:
    a, b = linear(), linear()
    b.weight.data.fill_(2.0)
    before = a.weight.detach().clone(), b.weight.detach().clone()
    swap_weights(a, b)
    assert torch.equal(a.weight, before[1])
    assert torch.equal(b.weight, before[0])
    swap_weights(a, b)
    assert torch.equal(a.weight, before[0])


def test_ema_refuses_a_decay_that_never_learns() -> None:
    with pytest.raises(ConfigError, match=r"decay=1\.0"):
        EMA(1.0)


@pytest.mark.parametrize(("bs", "n_acc"), [(4, 12), (5, 12), (16, 4), (7, 100)])
def test_accumulated_steps_equal_steps_on_big_batches(bs: int, n_acc: int) -> None:
    small = pairs(36, bs)
    model, steps = linear(), Steps()
    fit(make_run(model, small), GradientAccumulation(n_acc), steps)
    big: list[Any] = []
    gathered: list[Any] = []
    for pair in small:
        gathered.append(pair)
        if sum(len(x) for x, _ in gathered) >= n_acc or pair is small[-1]:
            big.append(tuple(torch.cat(slot) for slot in zip(*gathered, strict=True)))
            gathered = []
    other, big_steps = linear(), Steps()
    fit(make_run(other, big), big_steps)
    assert len(steps.grads) == len(big)
    for a, b in zip(steps.grads, big_steps.grads, strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(model.weight, other.weight)


def test_accumulation_refuses_no_rows() -> None:
    with pytest.raises(ConfigError, match="n_acc=0"):
        GradientAccumulation(0)


def test_clip_shortens_long_gradients_and_leaves_short_ones() -> None:
    class Lengths(Callback):
        order = 31
        seen: list[float] = []

        def before_step(self, run: Run) -> None:
            grads = [p.grad.flatten() for p in run.model.parameters()]
            self.seen.append(float(torch.cat(grads).norm()))

    free, clipped = Lengths(), Lengths()
    free.seen, clipped.seen = [], []
    fit(make_run(linear(), pairs(12, 4)), free)
    fit(make_run(linear(), pairs(12, 4)), GradientClip(0.05), clipped)
    assert min(free.seen) > 0.05
    assert clipped.seen == pytest.approx([0.05] * 3, rel=1e-4)
    untouched = Lengths()
    untouched.seen = []
    fit(make_run(linear(), pairs(12, 4)), GradientClip(1e3), untouched)
    assert untouched.seen == free.seen


def test_clip_sees_true_gradients_under_a_scaled_loss() -> None:
    class Scaled(Engine):  # an engine whose gradients are 1024 times too long
        name = "scaled"

        def __init__(self) -> None:
            self.unscaled = False

        def place(self, model: nn.Module, device: torch.device) -> nn.Module:
            return model

        def autocast(self) -> Any:
            return torch.autograd.profiler.record_function("none")

        def backward(self, loss: torch.Tensor) -> None:
            (loss * 1024).backward()

        def unscale(self, opt: torch.optim.Optimizer) -> None:
            for p in opt.param_groups[0]["params"]:
                p.grad /= 1024

        def step(self, opt: torch.optim.Optimizer) -> None:
            opt.step()

    one, two = linear(), linear()
    fit(make_run(one, pairs(12, 4)), GradientClip(50.0))
    fit(make_run(two, pairs(12, 4), engine=Scaled()), GradientClip(50.0))
    torch.testing.assert_close(one.weight, two.weight)


def test_clip_refuses_no_length() -> None:
    with pytest.raises(ConfigError, match=r"max_norm=0\.0"):
        GradientClip(0.0)


@forked(0)
def body_and_head() -> nn.Sequential:
    body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    return nn.Sequential(body, nn.BatchNorm1d(4), nn.Linear(4, 1))


def test_frozen_parts_stay_still_and_the_rest_learns() -> None:
    model = body_and_head()
    model[0].requires_grad_(False)
    seen: list[bool] = []

    class Look(Callback):
        def after_pred(self, run: Run) -> None:
            if run.training:
                seen.extend(m.training for m in (*run.model[0].modules(), run.model[1]))

    before = model[0][1].running_mean.clone()
    fit(make_run(model, pairs(12, 4)), KeepEval(), Look())
    assert seen[:5] == [False, False, False, False, True]
    assert torch.equal(model[0][1].running_mean, before)
    assert not torch.equal(model[1].running_mean, torch.zeros(4))


def test_norms_of_a_pretrained_part_keep_their_statistics_while_it_trains() -> None:
    model = body_and_head()
    weight = model[0][0].weight.detach().clone()
    fit(make_run(model, pairs(12, 4)), KeepEval(model[0]))
    assert torch.equal(model[0][1].running_mean, torch.zeros(4))
    assert not torch.equal(model[0][0].weight, weight)
    assert not torch.equal(model[1].running_mean, torch.zeros(4))


def test_frozen_subtrees_are_as_large_as_can_be() -> None:
    model = body_and_head()
    assert frozen_subtrees(model) == []
    model[0].requires_grad_(False)
    model[2].requires_grad_(False)
    assert frozen_subtrees(model) == [model[0], model[2]]
    model[1].requires_grad_(False)
    assert frozen_subtrees(model) == [model]
    assert frozen_subtrees(nn.ReLU()) == []
    assert batch_norms(model) == [model[0][1], model[1]]


def test_default_loss_is_untouched_by_all_of_them() -> None:
    """The figures of a fit with inert callbacks equal those without."""
    plain = fit(make_run(linear(), pairs(12, 4), n_epoch=2))
    model = linear()
    kept = fit(make_run(model, pairs(12, 4), n_epoch=2), KeepEval(), GradientClip(1e6))
    assert plain.losses == kept.losses
    assert F.mse_loss(model(pairs(12, 12)[0][0]), pairs(12, 12)[0][1]).isfinite()
