from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from kit import loaders, net

from redstart.errors import ConfigError
from redstart.train import events
from redstart.train.callback import Callback, Callbacks, as_callbacks
from redstart.train.callbacks.accumulate import GradientAccumulation
from redstart.train.events import (
    CancelBatchException,
    CancelEpochException,
    CancelFitException,
    CancelTrainException,
    CancelValidException,
    Event,
)
from redstart.train.learner import Learner

Make = Callable[..., Learner]


class Trace(Callback):
    order = -100

    def __init__(self) -> None:
        self.seen: list[str] = []


def _noting(event: Event) -> Any:
    def note(self: Trace, run: Any) -> None:
        self.seen.append(event.name)

    return note


for _event in Event:
    setattr(Trace, _event.value, _noting(_event))


def test_events_fire_in_the_documented_order(make: Make) -> None:
    trace = Trace()
    learn = make(cbs=trace)
    learn.fit(1)
    documented = re.findall(r"\b(?:BEFORE|AFTER)_[A-Z]+\b", events.__doc__.split("Every")[0])
    train = documented[documented.index("BEFORE_BATCH") : documented.index("AFTER_TRAIN")]
    check = ["BEFORE_BATCH", "AFTER_PRED", "AFTER_LOSS", "AFTER_BATCH"]
    assert train == ["BEFORE_BATCH", "AFTER_PRED", "AFTER_LOSS", "BEFORE_STEP", "AFTER_BATCH"]
    assert trace.seen == [
        "BEFORE_FIT", "BEFORE_EPOCH", "BEFORE_TRAIN", *train * len(learn.dls.train), "AFTER_TRAIN",
        "BEFORE_VALIDATE", *check * len(learn.dls.valid), "AFTER_VALIDATE",
        "AFTER_EPOCH", "AFTER_FIT",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cancel", "missing"),
    [
        (CancelFitException, {"BEFORE_STEP", "BEFORE_VALIDATE", "AFTER_VALIDATE"}),
        (CancelEpochException, {"BEFORE_STEP", "BEFORE_VALIDATE", "AFTER_VALIDATE"}),
        (CancelTrainException, {"BEFORE_STEP"}),
        (CancelBatchException, {"BEFORE_STEP"}),
    ],
)
def test_what_a_cancelled_part_closes_still_fires(
    make: Make, cancel: type[Exception], missing: set[str]
) -> None:
    class Stop(Callback):
        def after_loss(self, run: Any) -> None:
            if run.training:
                raise cancel

    trace = Trace()
    make(cbs=[trace, Stop]).fit(1)
    assert {e.name for e in Event} - set(trace.seen) == missing
    assert trace.seen[-2:] == ["AFTER_EPOCH", "AFTER_FIT"]


def test_validation_alone_can_be_cancelled(make: Make) -> None:
    class Stop(Callback):
        def before_validate(self, run: Any) -> None:
            raise CancelValidException

    trace = Trace()
    make(cbs=[trace, Stop()]).fit(2)
    assert trace.seen.count("AFTER_VALIDATE") == 2
    assert trace.seen.count("BEFORE_STEP") == 6


def test_an_error_still_closes_what_was_open(make: Make) -> None:
    class Break(Callback):
        def before_step(self, run: Any) -> None:
            raise ZeroDivisionError

    trace = Trace()
    with pytest.raises(ZeroDivisionError):
        make(cbs=[trace, Break()]).fit(1)
    assert trace.seen[-4:] == ["AFTER_BATCH", "AFTER_TRAIN", "AFTER_EPOCH", "AFTER_FIT"]


def test_a_misspelt_event_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Got: method='after_lost'\. Events: after_batch"):

        class Bad(Callback):
            def after_lost(self, run: Any) -> None: ...


def test_a_misspelt_attribute_of_the_run_is_refused(make: Make) -> None:
    class Typo(Callback):
        def after_loss(self, run: Any) -> None:
            run.lozz = 1

    with pytest.raises(AttributeError, match="lozz"):
        make(cbs=Typo).fit(1)


def test_callbacks_take_one_a_class_or_a_list() -> None:
    one = Trace()
    assert as_callbacks(one) == [one]
    assert [type(cb) for cb in as_callbacks([Trace, one])] == [Trace, Trace]
    assert as_callbacks(None) == []
    with pytest.raises(ConfigError, match=r"Expected callbacks.*a function"):
        as_callbacks(lambda run: None)


def test_only_overridden_methods_are_called() -> None:
    class One(Callback):
        def before_fit(self, run: Any) -> None: ...

    on = Callbacks([One()])
    assert [len(on.handlers(e)) for e in Event] == [int(e is Event.BEFORE_FIT) for e in Event]


def test_every_callback_method_has_its_event() -> None:
    methods = {n for n, _ in inspect.getmembers(Callback, inspect.isfunction) if n[:1] != "_"}
    assert methods == {e.value for e in Event}


def test_accumulated_gradients_equal_those_of_one_large_batch(make: Make) -> None:
    found: dict[int, torch.Tensor] = {}

    class Note(Callback):
        def before_step(self, run: Any) -> None:
            size = len(run.batch)
            if size not in found:
                found[size] = run.model[1][1].weight.grad.clone()
                raise CancelFitException

    for bs, cbs in (
        (16, [Note(), GradientAccumulation(16)]),
        (4, [Note(), GradientAccumulation(16)]),
    ):
        model = net().eval()
        model.train = lambda mode=True, m=model: m  # type: ignore[method-assign, assignment]
        make(loaders(bs=bs), model=model, cbs=cbs).fit(1, 1e-3)
    assert torch.allclose(found[16], found[4], atol=1e-6)


def test_steps_are_taken_only_when_enough_rows_are_gathered(make: Make) -> None:
    trace = Trace()
    learn = make(cbs=[trace, GradientAccumulation(32)])  # 45 rows in batches of 16, 16, 13
    learn.fit(1)
    assert trace.seen.count("BEFORE_STEP") == 2
