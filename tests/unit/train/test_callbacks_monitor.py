from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
import torch
from callback_runs import Figures, Score, fit, linear, make_run, pairs

from redstart.errors import ConfigError
from redstart.train import loop, weights
from redstart.train.callback import Callback, Callbacks
from redstart.train.callbacks.csv_log import CSVLogger
from redstart.train.callbacks.early_stop import (
    EarlyStopping,
    EarlyStoppingCallback,
    ReduceLROnPlateau,
)
from redstart.train.callbacks.save_best import SaveBest, SaveModelCallback
from redstart.train.events import CancelEpochException, CancelValidException
from redstart.train.recorder import ParamScheduler
from redstart.train.run import Run
from redstart.train.schedule import Constant

NAN = math.nan


@pytest.mark.parametrize(
    ("losses", "options", "epochs"),
    [
        ([3.0, 2.0, 2.5, 1.0], {}, 3),
        ([3.0, 2.0, 2.5, 1.0], {"patience": 2}, 4),
        ([3.0, 2.0, 2.5, 2.0, 1.0], {"patience": 2}, 4),  # as good is not better
        ([3.0, 2.9, 2.8, 2.7], {"min_delta": 0.5}, 2),
        ([3.0, 2.9, 2.4, 2.3], {"min_delta": 0.5, "patience": 2}, 4),
        ([NAN, 2.0, NAN, 1.0], {"patience": 2}, 4),
        ([3.0, NAN, NAN, 1.0], {"patience": 2}, 3),
        ([1.0, 2.0, 3.0, 2.0], {"larger_is_better": True}, 4),
    ],
)
def test_stops_after_the_right_epoch(
    losses: list[float], options: dict[str, float], epochs: int
) -> None:
    run = make_run(linear(), pairs(4, 2), n_epoch=len(losses))
    recorder = fit(run, Figures(losses), EarlyStopping(**options))
    assert len(recorder.rows) == epochs
    assert all("time" in row for row in recorder.rows)  # the last epoch is complete, too


@pytest.mark.parametrize(("larger", "epochs"), [(True, 3), (False, 2)])
def test_a_metric_knows_which_way_is_up(larger: bool, epochs: int) -> None:
    run = make_run(linear(), pairs(4, 2), n_epoch=3, metrics=[Score("score", larger)])
    recorder = fit(run, Figures([0.1, 0.5, 0.3], "score"), EarlyStopping("score"))
    assert len(recorder.rows) == epochs


def test_a_name_that_is_not_in_the_table_lists_those_that_are() -> None:
    run = make_run(linear(), pairs(4, 2), metrics=[Score()])
    with pytest.raises(
        ConfigError, match=r"monitor='accuracy'\. There are: train_loss, valid_loss, score\."
    ):
        fit(run, EarlyStopping("accuracy"))


def test_a_figure_of_unknown_direction_asks() -> None:
    run = make_run(linear(), pairs(4, 2))
    with pytest.raises(ConfigError, match=r"monitor='odd'.*larger_is_better=True or False"):
        fit(run, Figures([1.0], "odd"), SaveBest("odd"))


def test_a_fit_can_be_repeated_with_the_same_callbacks() -> None:
    stop, best = EarlyStopping(), SaveBest()
    for losses in ([1.0, 2.0, 3.0], [5.0, 6.0, 7.0]):
        run = make_run(linear(), pairs(4, 2), n_epoch=3)
        assert len(fit(run, Figures(losses), stop, best).rows) == 2
        assert best.best == losses[0]


def test_epochs_without_validation_do_not_count() -> None:
    class Skip(Callback):
        def before_train(self, run: Run) -> None:
            if run.epoch == 1:
                raise CancelEpochException

    run = make_run(linear(), pairs(4, 2), n_epoch=3)
    assert len(fit(run, Skip(), Figures([2.0, 9.0, 1.0]), EarlyStopping()).rows) == 3


def test_without_a_table_nothing_is_watched() -> None:
    class NoValidation(Callback):
        def before_batch(self, run: Run) -> None:
            if not run.training:
                raise CancelValidException

    on = Callbacks([NoValidation(), EarlyStopping(), SaveBest(), ReduceLROnPlateau()])
    loop.fit(make_run(linear(), pairs(4, 2), n_epoch=2), on)


def test_an_error_is_not_turned_into_an_early_stop() -> None:
    class Breaks(Callback):
        order = 60

        def after_validate(self, run: Run) -> None:
            if run.epoch == 1:
                raise ZeroDivisionError

    run = make_run(linear(), pairs(4, 2), n_epoch=3)
    with pytest.raises(ZeroDivisionError):
        fit(run, Figures([1.0, 2.0, 3.0]), EarlyStopping(), Breaks())


def test_an_interrupted_validation_is_not_the_best_epoch() -> None:
    class Interrupts(Callback):
        def after_pred(self, run: Run) -> None:
            if run.epoch == 1 and not run.training:
                raise KeyboardInterrupt

    best = SaveBest()
    run = make_run(linear(), pairs(4, 2), n_epoch=3)
    with pytest.raises(KeyboardInterrupt):
        fit(run, Figures([5.0, 0.0, 0.0]), best, Interrupts())
    assert (best.best, best.best_epoch) == (5.0, 0)


def test_it_watches_also_inside_an_exception_handler() -> None:
    best = SaveBest()
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        fit(make_run(linear(), pairs(4, 2), n_epoch=2), Figures([2.0, 1.0]), best)
    assert best.best_epoch == 1


def test_save_best_gives_the_best_weights_back(tmp_path: Path) -> None:
    class Weights(Callback):
        seen: list[torch.Tensor] = []

        def before_validate(self, run: Run) -> None:
            self.seen.append(run.model.weight.detach().clone())

    kept, model = Weights(), linear()
    kept.seen = []
    best = SaveBest(fname=tmp_path / "deep" / "best")
    run = make_run(model, pairs(8, 2), n_epoch=4)
    fit(run, kept, Figures([3.0, 1.0, 2.0, NAN]), best)
    assert (best.best, best.best_epoch) == (1.0, 1)
    assert torch.equal(model.weight, kept.seen[1])
    assert not torch.equal(model.weight, kept.seen[3])
    other = linear()
    weights.load(other, tmp_path / "deep" / "best.safetensors")
    assert torch.equal(other.weight, kept.seen[1])


def test_the_courses_names() -> None:
    assert EarlyStoppingCallback is EarlyStopping
    assert SaveModelCallback is SaveBest


@pytest.mark.parametrize("scheduled", [False, True])
def test_reduces_rates_on_a_plateau(scheduled: bool) -> None:
    class Rates(Callback):
        seen: list[float] = []

        def after_loss(self, run: Run) -> None:
            if run.training:
                self.seen.append(run.opt.param_groups[0]["lr"])

    rates = Rates()
    rates.seen = []
    schedules = [ParamScheduler({"lr": Constant(0.1)})] if scheduled else []
    run = make_run(linear(), pairs(4, 2), n_epoch=6)
    losses = [2.0, 3.0, 1.0, 1.0, 1.0, 1.0]
    fit(run, Figures(losses), *schedules, ReduceLROnPlateau(min_lr=0.0005), rates)
    expected = [0.1, 0.1, 0.01, 0.01, 0.001, 0.0005]
    if scheduled:  # its constant is divided anew at each batch
        expected[-1] = 0.0005
    assert rates.seen == pytest.approx([lr for lr in expected for _ in range(2)])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: EarlyStopping(patience=0), "patience=0"),
        (lambda: EarlyStopping(min_delta=-1.0), "min_delta=-1"),
        (lambda: ReduceLROnPlateau(factor=0.1), r"factor=0\.1"),
        (lambda: ReduceLROnPlateau(patience=0), "patience=0"),
        (lambda: SaveBest(min_delta=NAN), "min_delta=nan"),
    ],
)
def test_options_that_mean_nothing_are_refused(make: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_csv_log_holds_the_table(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "history.csv"
    run = make_run(linear(), pairs(4, 2), n_epoch=2, metrics=[Score()])
    recorder = fit(run, CSVLogger(path))
    rows = read(path)
    assert list(rows[0]) == ["epoch", "train_loss", "valid_loss", "score", "time"]
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert [float(row["valid_loss"]) for row in rows] == [r["valid_loss"] for r in recorder.rows]


def test_csv_log_replaces_or_appends(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    for append, lines in ((False, 2), (False, 2), (True, 4), (True, 6)):
        fit(make_run(linear(), pairs(4, 2), n_epoch=2), CSVLogger(path, append=append))
        assert len(read(path)) == lines


def test_csv_log_does_not_append_to_other_columns(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss\n0,1.0\n")
    with pytest.raises(ConfigError, match="columns=epoch, loss"):
        fit(make_run(linear(), pairs(4, 2)), CSVLogger(path, append=True))
    assert path.read_text() == "epoch,loss\n0,1.0\n"


def test_csv_log_is_written_epoch_by_epoch(tmp_path: Path) -> None:
    class Interrupts(Callback):
        def before_train(self, run: Run) -> None:
            if run.epoch == 1:
                raise KeyboardInterrupt

    path = tmp_path / "history.csv"
    with pytest.raises(KeyboardInterrupt):
        fit(make_run(linear(), pairs(4, 2), n_epoch=3), CSVLogger(path), Interrupts())
    assert len(read(path)) == 1
