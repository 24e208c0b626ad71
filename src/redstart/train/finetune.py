"""Transfer learning in two phases: the head on a frozen body, then everything."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from redstart.train import fitting
from redstart.train.callback import as_callbacks
from redstart.train.frozen import feature_loaders, kept, split_frozen
from redstart.train.measure import metrics_of
from redstart.train.recorder import Recorder
from redstart.train.schedule import OneCycle

if TYPE_CHECKING:
    from redstart.train.learner import Learner

__all__ = ["HEAD_BS", "HEAD_LR", "HEAD_STEPS", "fine_tune"]

log = logging.getLogger("redstart")

HEAD_BS = 64
HEAD_STEPS = 400
HEAD_LR = 1.0
"""Features are cheap: a frozen epoch takes at least so many steps on them, of so many rows."""


def fine_tune(
    learn: Learner,
    epochs: int,
    base_lr: float,
    freeze_epochs: int,
    *,
    lr_mult: float = 100.0,
    pct_start: float = 0.3,
    div: float = 5.0,
    **fit: Any,
) -> Recorder:
    """Train the head on features of the frozen body, then the whole model, keeping the better.

    Args:
        learn: Its model is trained.
        epochs: Epochs of the second phase.
        base_lr: Rate of the head in the first phase; half of it tops the second.
        freeze_epochs: Epochs of the first phase.
        lr_mult: In the second phase the first layers learn so many times slower than the last.
        pct_start: Share of the second phase in which the rate rises.
        div: The second phase starts at its top rate divided by this.
        **fit: ``wd`` and ``cbs``, as for ``fit``.
    """
    if learn.pretrained_body is None:
        # Nothing was learnt before, so there is nothing to protect from an untrained head.
        learn.unfreeze()
        return learn.fit_one_cycle(freeze_epochs + epochs, base_lr, **fit)
    learn.dls.require_valid()
    learn.check()
    learn.freeze()
    train_head(learn, freeze_epochs, base_lr, **fit)
    learn.unfreeze()
    if not epochs:
        return learn.recorder
    return _second_phase(
        learn, epochs, base_lr / 2, lr_mult=lr_mult, pct_start=pct_start, div=div, **fit
    )


def train_head(learn: Learner, epochs: int, lr: float, **fit: Any) -> Recorder:
    """Train what is not frozen, on outputs of the frozen part computed once per row.

    Where the model has no such part, it trains in the ordinary way.

    Args:
        learn: Its body is frozen.
        epochs: Passes; each takes enough steps for the head to settle.
        lr: Largest rate.
        **fit: ``wd`` and ``cbs``, as for ``fit``.
    """
    parts = split_frozen(learn.model)
    if parts is None or not learn.dls.sizes():
        return learn.fit_one_cycle(epochs, slice(lr), pct_start=0.99, **fit)
    frozen, rest = parts
    learn.engine.place(learn.model, learn.dls.device)
    features = feature_loaders(
        learn.dls, frozen, learn.engine, bs=HEAD_BS, steps=-(-HEAD_STEPS // epochs)
    )
    plan = fitting.Plan(
        n_epoch=epochs,
        lr=lr * HEAD_LR,
        wd=fit.get("wd") or learn.wd,
        cbs=as_callbacks(fit.get("cbs")),
        schedules={"lr": OneCycle(lr * HEAD_LR, pct_start=0.1)},
        model=rest,
        dls=features,
    )
    recorder = fitting.fit(learn, plan)
    if recorder.features is None:
        # Of a second `fine_tune` the body is no longer what it was when it came.
        recorder.features, recorder.rest = kept(features), rest
    return recorder


def _second_phase(learn: Learner, epochs: int, lr: float, **fit: Any) -> Recorder:
    first = learn.recorder
    before = {name: t.detach().clone() for name, t in learn.model.state_dict().items()}
    rate = slice(lr / fit.pop("lr_mult"), lr)
    second = learn.fit_one_cycle(epochs, rate, **fit)
    second.before = first
    if not _worse(learn, second, first):
        return second
    learn.model.load_state_dict(before)
    name = _judge(learn)
    log.warning(
        "Kept the weights of the frozen phase: %s was %.4f with them and %.4f after %d more "
        "epochs of everything. Try a smaller `base_lr`.",
        name,
        first.rows[-1][name],
        second.rows[-1][name],
        epochs,
    )
    second.rows.append(dict(first.rows[-1]))
    second.intervals = first.intervals
    return second


def _judge(learn: Learner) -> str:
    """The figure that decides: the first metric, or the loss if there is none."""
    metrics = metrics_of(learn.dls.target, learn.metrics)
    return metrics[0].name if metrics else "valid_loss"


def _worse(learn: Learner, second: Recorder, first: Recorder) -> bool:
    """Whether the second result is worse: by the first metric, then by the loss."""
    if not first.rows or not second.rows:
        return False
    metrics = metrics_of(learn.dls.target, learn.metrics)
    a, b = first.rows[-1], second.rows[-1]
    if metrics and a[metrics[0].name] != b[metrics[0].name]:
        better = b[metrics[0].name] > a[metrics[0].name]
        return better is not metrics[0].larger_is_better
    return b["valid_loss"] > a["valid_loss"]
