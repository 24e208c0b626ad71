"""What ``Learner`` does when it fits, measures and tests; plain functions of a learner."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from redstart.config import JSON
from redstart.data.auditing import audit_rows
from redstart.data.check import check, read_rows
from redstart.data.loaders import DataLoaders
from redstart.errors import ConfigError, problem
from redstart.train import loop
from redstart.train.callback import Callback, Callbacks
from redstart.train.callbacks.keep_eval import KeepEval
from redstart.train.callbacks.nan_guard import NanGuard
from redstart.train.callbacks.progress import ProgressTable, print_intervals
from redstart.train.engine import Engine, engine_for
from redstart.train.folder import RunFolder
from redstart.train.losses import loss_of
from redstart.train.lrfind import RangeTest
from redstart.train.measure import bounds_of, metrics_of
from redstart.train.optim import Rate, make_optimizer
from redstart.train.precision import choose_precision
from redstart.train.recorder import ParamScheduler, Recorder
from redstart.train.run import Run
from redstart.train.schedule import Combined, Cosine, Schedule

if TYPE_CHECKING:
    from redstart.train.learner import Learner

__all__ = [
    "Plan",
    "check_once",
    "choose_engine",
    "fit",
    "momentum_cycle",
    "range_test",
    "top_rate",
]


log = logging.getLogger("redstart")

_WORST = 3  # findings of the audit that are said before training


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one fit was asked for.

    Attributes:
        n_epoch: Passes over the training rows.
        lr: Rate, or a slice over the parameter groups.
        wd: Weight decay.
        cbs: Callbacks besides the learner's own.
        schedules: Hyper-parameters as functions of progress.
        model: Trained instead of the learner's: its unfrozen rest, say.
        dls: Loaders to go with it.
    """

    n_epoch: int
    lr: Rate
    wd: float
    cbs: Sequence[Callback] = ()
    schedules: dict[str, Schedule] = field(default_factory=dict)
    model: nn.Module | None = None
    dls: DataLoaders | None = None


def fit(learn: Learner, plan: Plan) -> Recorder:
    """Train as planned, with the default callbacks and the learner's own."""
    _whole_number(plan.n_epoch)
    learn.dls.require_valid()
    learn.check()
    run = start(learn, plan)
    learn.recorder = recorder = Recorder(features=learn.recorder.features)
    folder = RunFolder(learn.run_folder(), _settings(learn, plan, run), recorder)
    own = [cb for cb in (*learn.cbs, *plan.cbs) if plan.model is None or not cb.on_inputs]
    on = Callbacks([*_defaults(learn, plan), recorder, folder, *own])
    loop.fit(run, on)
    _say(recorder)
    return recorder


def choose_engine(learn: Learner) -> Engine:
    """Make the engine that the learner's settings ask for."""
    precision = learn.precision
    if precision == "auto":
        loss = loss_of(learn.dls.target, learn.loss_func)
        precision = choose_precision(learn.model, learn.dls, loss)
    return engine_for(precision, learn.dls.device, channels_last=learn.channels_last)


def check_once(learn: Learner, *, strict: bool = False) -> DataLoaders:
    """Read every row, unless that was done, leave out the unreadable, and audit the split."""
    if not learn.checked and learn.dls.sizes():
        reading = read_rows(learn.dls)
        learn.dls, report = check(learn.dls, reading)
        if not report.ok:
            log.warning("%s", report)
        learn.audited = audit_rows(learn.dls, reading, bounds=bounds_of(learn))
        for line in learn.audited.lines(_WORST, notes=False):
            log.warning("%s", line)
    learn.checked = True
    if strict and learn.audited is not None:
        learn.audited.refuse_serious()
    return learn.dls


def start(learn: Learner, plan: Plan) -> Run:
    """Place the model, make the optimizer, and the state of a fit that has not begun."""
    dls = plan.dls or learn.dls
    model = learn.engine.place(plan.model or learn.model, dls.device)
    whole = plan.model is None
    opt = make_optimizer(
        model,
        learn.splitter if whole else _rest_splitter(learn),
        learn.opt_func,
        lr=plan.lr,
        wd=plan.wd,
    )
    runs = torch.compile(model) if learn.compiled and whole else model
    return Run(
        model=runs,  # type: ignore[arg-type]
        dls=dls,
        opt=opt,
        engine=learn.engine,
        loss_func=loss_of(learn.dls.target, learn.loss_func),
        metrics=metrics_of(learn.dls.target, learn.metrics),
        n_epoch=plan.n_epoch,
    )


def range_test(learn: Learner, test: RangeTest) -> None:
    """Run a range test on the training rows and put everything back as it was."""
    learn.check()
    batches = max(1, len(learn.dls.train))
    plan = Plan(n_epoch=-(-test.steps // batches) + 1, lr=learn.lr, wd=learn.wd)
    with untouched(learn.model):
        run = start(learn, plan)
        loop.fit(run, Callbacks([_keep_eval(learn), test, *learn.cbs]))


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Put weights, buffers and modes of a model back, exactly, when the block ends."""
    before = {name: t.detach().clone() for name, t in model.state_dict().items()}
    modes = {name: module.training for name, module in model.named_modules()}
    try:
        yield
    finally:
        model.load_state_dict(before)
        model.zero_grad()
        for name, module in model.named_modules():
            module.training = modes[name]


def top_rate(lr: Rate) -> float:
    """The rate of the last parameter group."""
    return float(lr.stop) if isinstance(lr, slice) else float(lr)


def momentum_cycle(moms: tuple[float, float, float], pct_start: float) -> Schedule:
    """Momentum that is low where the rate is high."""
    return Combined(Cosine(moms[0], moms[1]), Cosine(moms[1], moms[2]), pct_start)


def _defaults(learn: Learner, plan: Plan) -> list[Callback]:
    scheduled: list[Callback] = [ParamScheduler(plan.schedules)] if plan.schedules else []
    return [_keep_eval(learn), NanGuard(), *scheduled, ProgressTable()]


def _keep_eval(learn: Learner) -> KeepEval:
    return KeepEval(learn.pretrained_body if learn.keep_norm else None)


def _rest_splitter(learn: Learner) -> Any:
    """Parameter groups of the unfrozen rest: the learner's, without what is frozen."""
    return lambda _: [
        free
        for group in learn.splitter(learn.model)
        if (free := [p for p in group if p.requires_grad])
    ]


def _settings(learn: Learner, plan: Plan, run: Run) -> dict[str, JSON]:
    recipe = learn.recipe
    return {
        "n_epoch": plan.n_epoch,
        "lr": str(plan.lr),
        "wd": plan.wd,
        "schedules": {name: repr(s) for name, s in plan.schedules.items()},
        "optimizer": type(run.opt).__name__,
        "precision": learn.engine.name,
        "seed": run.dls.seed,
        "bs": getattr(run.dls.train, "bs", None),
        "recipe": None if recipe is None else dict(recipe.arguments),
        "codec": learn.dls.codec.to_config(),
        "target": learn.dls.target.to_config(),
        "metrics": [m.name for m in run.metrics],
        "on_frozen_features": plan.model is not None,
        "callbacks": [type(cb).__name__ for cb in (*learn.cbs, *plan.cbs)],
        "rows": learn.dls.sizes(),
        "digests": learn.dls.digests(),
    }


def _say(recorder: Recorder) -> None:
    if recorder.rows and recorder.intervals:
        last = recorder.rows[-1]
        named = [(k, last[k], i) for k, i in recorder.intervals.items() if k in last]
        print_intervals(named, recorder.n_valid, recorder.n_groups)


def _whole_number(n_epoch: Any) -> None:
    if not isinstance(n_epoch, int) or isinstance(n_epoch, bool) or n_epoch < 1:
        raise ConfigError(
            problem("Expected a positive number of epochs", f"n_epoch={n_epoch!r}", "Try 3.")
        )
