"""The training loop. The only place in Redstart that calls ``backward``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from redstart.data.batch import Batch
from redstart.rng import forked
from redstart.train.callback import Callbacks
from redstart.train.events import (
    CancelBatchException,
    CancelEpochException,
    CancelFitException,
    CancelTrainException,
    CancelValidException,
    Event,
)
from redstart.train.run import Run

__all__ = ["fit", "validate"]

_WITHIN = (Event.AFTER_PRED, Event.AFTER_LOSS, Event.BEFORE_STEP)


@dataclass(frozen=True, slots=True)
class _Handlers:
    """What runs inside a batch."""

    after_pred: Sequence[Callable[[Run], None]]
    after_loss: Sequence[Callable[[Run], None]]
    before_step: Sequence[Callable[[Run], None]]


def fit(run: Run, on: Callbacks, *, skip: int = 0) -> None:
    """Train and validate from ``run.epoch`` to ``run.n_epoch``.

    Args:
        run: Where to start; a fresh one, or one that a checkpoint brought back.
        on: The callbacks.
        skip: Batches of the first epoch that are done already.
    """
    try:
        on(Event.BEFORE_FIT, run)
        for epoch in range(run.epoch, run.n_epoch):
            run.epoch = epoch
            with forked(run.dls.seed, epoch):
                _epoch(run, on, skip)
            skip = 0
    except CancelFitException:
        pass
    finally:
        on(Event.AFTER_FIT, run)


def _epoch(run: Run, on: Callbacks, skip: int) -> None:
    run.row = {}
    try:
        on(Event.BEFORE_EPOCH, run)
        run.model.train()
        try:
            on(Event.BEFORE_TRAIN, run)
            _batches(run, on, run.dls.train, skip=skip, training=True)
        except CancelTrainException:
            pass
        finally:
            on(Event.AFTER_TRAIN, run)
        validate(run, on, run.dls.valid)
    except CancelEpochException:
        pass
    finally:
        on(Event.AFTER_EPOCH, run)


def validate(run: Run, on: Callbacks, loader: Any) -> None:
    """Go through ``loader`` once without training."""
    run.model.eval()
    try:
        on(Event.BEFORE_VALIDATE, run)
        _batches(run, on, loader, training=False)
    except CancelValidException:
        pass
    finally:
        on(Event.AFTER_VALIDATE, run)


def _batches(run: Run, on: Callbacks, loader: Any, *, training: bool, skip: int = 0) -> None:
    run.training = training
    last = len(loader) - 1
    gathered = 0
    # Looked up once: a batch of a small model takes less than a millisecond.
    before, after = on.handlers(Event.BEFORE_BATCH), on.handlers(Event.AFTER_BATCH)
    steps = _Handlers(*(on.handlers(event) for event in _WITHIN))
    # Plain no_grad, not inference_mode: callbacks may keep outputs and use them in training.
    with torch.set_grad_enabled(training):
        for number, batch in enumerate(loader.batches(epoch=run.epoch, skip=skip), start=skip):
            run.batch = batch
            gathered += len(batch)
            stepping = gathered >= run.accumulate or number == last
            try:
                for handle in before:
                    handle(run)
                _batch(run, steps, run.batch, stepping=stepping)
            except CancelBatchException:
                pass
            finally:
                for handle in after:
                    handle(run)
            if training:
                run.step += 1
                gathered = 0 if stepping else gathered


def _batch(run: Run, on: _Handlers, batch: Batch, *, stepping: bool) -> None:
    engine = run.engine
    with engine.autocast():
        run.out = run.model(*batch.x)
        for handle in on.after_pred:
            handle(run)
        if batch.y is None:
            return
        run.loss = run.loss_func(run.out, *batch.y)
        for handle in on.after_loss:
            handle(run)
    if not run.training:
        return
    loss = run.loss if not run.accumulate else run.loss * (len(batch) / run.accumulate)
    engine.backward(loss)
    if stepping:
        for handle in on.before_step:
            handle(run)
        engine.step(run.opt)
        for group in run.opt.param_groups:  # what `zero_grad` does, without its profiling hook
            for parameter in group["params"]:
                parameter.grad = None
