from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from kit import loaders, net, without_valid
from torch import nn

from redstart.data.loaders import DataLoaders
from redstart.errors import (
    BundleError,
    ConfigError,
    DataError,
    NoValidationSetError,
    WeightsError,
)
from redstart.train.callback import Callback
from redstart.train.learner import Learner
from redstart.train.weights import digest

Make = Callable[..., Learner]


def test_it_learns(make: Make) -> None:
    learn = make(metrics=["accuracy", "error_rate"])
    rows = learn.fit_one_cycle(8, 0.02).rows
    assert len(rows) == 8
    assert rows[-1]["valid_loss"] < rows[0]["valid_loss"] / 3
    assert rows[-1]["accuracy"] == 1 - rows[-1]["error_rate"] >= 0.9


def test_no_validation_set_no_training(make: Make) -> None:
    learn = make(without_valid())
    for verb in (learn.fit, learn.fit_one_cycle, learn.fit_flat_cos, learn.fine_tune):
        with pytest.raises(NoValidationSetError, match=r"20 training rows.*valid_pct=0.2"):
            verb(1)
    with pytest.raises(NoValidationSetError):
        learn.validate()
    assert learn.predict(torch.zeros(4)).decoded in "ab"
    assert len(learn.get_preds(ds_idx=0)[0]) == 20


@pytest.mark.parametrize("n", [0, -1, 1.5, True])
def test_epochs_are_a_positive_number(make: Make, n: Any) -> None:
    with pytest.raises(ConfigError, match=rf"positive number of epochs. Got: n_epoch={n}"):
        make().fit(n)


def test_two_runs_are_bit_equal(make: Make) -> None:
    a, b = make(), make(loaders(num_workers=2))
    assert a.fit_one_cycle(2).losses == b.fit_one_cycle(2).losses
    assert digest(a.model) == digest(b.model)
    c = make(loaders(seed=1))
    assert c.fit_one_cycle(2).losses != a.recorder.losses


def test_metrics_are_exact_over_the_set(make: Make) -> None:
    def own(out: Any, y: Any) -> Any:
        return (out.argmax(1) == y).float().mean()

    learn = make(loaders(val_bs=4), metrics=["accuracy", own])
    learn.fit(1, 0.01)
    preds, targets = learn.get_preds()
    share = (preds.argmax(1) == targets).double().mean().item()
    row = learn.recorder.rows[-1]
    assert row["accuracy"] == pytest.approx(share)
    assert row["own"] == pytest.approx(share)
    losses = F.nll_loss(preds.log(), targets)
    assert row["valid_loss"] == pytest.approx(losses.item(), rel=1e-5)
    assert learn.validate()[0] == pytest.approx(row["valid_loss"], rel=1e-6)
    low, high = learn.recorder.intervals["accuracy"] or (1, 0)
    assert 0 <= low < share <= high <= 1


def test_predictions_are_keyed_to_their_items(make: Make) -> None:
    learn = make()
    learn.fit_one_cycle(4, 0.02)
    found = learn.collect()
    for position, row in enumerate(found.index.tolist()):
        item = learn.dls.items[row]
        assert found.item(position) is item
        assert torch.allclose(learn.predict(item[0]).probs, found.acts[position], atol=1e-6)
    acts, targets, decoded, losses = learn.get_preds(with_decoded=True, with_loss=True)
    assert decoded == ["ab"[int(i)] for i in acts.argmax(1)]
    assert losses.shape == targets.shape


def test_get_preds_takes_new_items_and_plain_batches(make: Make) -> None:
    learn = make()
    acts, targets = learn.get_preds(dl=learn.dls.test_dl([torch.zeros(4), torch.ones(4)]))
    assert targets is None
    assert acts.shape == (2, 2)
    acts, targets = learn.get_preds(dl=[(torch.zeros(3, 4), torch.zeros(3, dtype=torch.int64))])
    assert acts.shape[0] == targets.shape[0] == 3
    train, _ = learn.get_preds(ds_idx=0)
    assert len(train) == learn.dls.train.n_rows


def test_discriminative_rates_and_frozen_groups(make: Make) -> None:
    seen: list[list[float]] = []

    class Note(Callback):
        def before_step(self, run: Any) -> None:
            seen.append([g["lr"] for g in run.opt.param_groups])

    learn = make(cbs=Note())
    learn.fit(1, slice(1e-4, 1e-2))
    assert sorted(set(seen[0])) == pytest.approx([1e-4, 1e-2])
    before = [p.clone() for p in learn.model[0].parameters()]
    stats = learn.model[0][1].running_mean.clone()
    learn.freeze()
    learn.fit(1, 1e-2)
    assert all(torch.equal(a, b) for a, b in zip(before, learn.model[0].parameters(), strict=True))
    assert torch.equal(stats, learn.model[0][1].running_mean)
    learn.unfreeze()
    learn.fit(1, 1e-2)
    assert not torch.equal(before[0], next(learn.model[0].parameters()))


def test_freezing_more_groups_than_there_are(make: Make) -> None:
    with pytest.raises(ConfigError, match=r"between -2 and 2.*n=-3"):
        make().freeze_to(-3)
    learn = make()
    learn.freeze_to(2)
    with pytest.raises(ConfigError, match=r"at least one parameter.*unfreeze"):
        learn.fit(1)


def test_one_cycle_and_flat_cos_schedules(make: Make) -> None:
    learn = make(loaders(bs=4))
    learn.fit_one_cycle(2, 0.1)
    lrs, moms = learn.recorder.lrs, learn.recorder.momenta
    top = lrs.index(max(lrs))
    assert lrs[0] == pytest.approx(0.1 / 25)
    assert max(lrs) == pytest.approx(0.1, rel=0.05)
    assert lrs[-1] < 1e-3
    assert abs(top / len(lrs) - 0.25) < 0.1
    assert moms[0] == pytest.approx(0.95)
    assert moms[top] == pytest.approx(0.85, abs=0.01)
    learn.fit_flat_cos(2, 0.1)
    lrs = learn.recorder.lrs
    assert lrs[: int(0.75 * len(lrs))] == [0.1] * int(0.75 * len(lrs))
    assert lrs[-1] < 0.05


def test_weight_decay_leaves_norms_and_biases_alone(make: Make) -> None:
    groups: list[dict[str, Any]] = []

    class Note(Callback):
        def before_fit(self, run: Any) -> None:
            groups.extend(run.opt.param_groups)

    make(cbs=Note(), wd=0.3).fit(1)
    for group in groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.3 if parameter.ndim > 1 else 0.0)


@pytest.mark.parametrize(
    "opt_func", ["sgd", "RMSprop", torch.optim.Adam, partial(torch.optim.SGD, momentum=0.5)]
)
def test_optimizers_by_name_class_or_function(make: Make, opt_func: Any) -> None:
    learn = make(opt_func=opt_func)
    learn.fit_one_cycle(1, 1e-2)
    assert len(learn.recorder.rows) == 1


def test_unknown_optimizer_and_rate(make: Make) -> None:
    with pytest.raises(ConfigError, match=r"opt_func='addam'.*adamw"):
        make(opt_func="addam").fit(1)
    with pytest.raises(ConfigError, match=r"positive learning rate. Got: lr=-1"):
        make().fit(1, -1.0)
    with pytest.raises(ConfigError, match=r"precision='fp8'"):
        make(precision="fp8").fit(1)


@pytest.mark.parametrize(
    "loss_func",
    [
        F.cross_entropy,
        nn.CrossEntropyLoss,
        nn.CrossEntropyLoss(),
        lambda o, y: F.cross_entropy(o, y),
    ],
)
def test_loss_functions_of_the_users_own(make: Make, loss_func: Any) -> None:
    own, target = make(loss_func=loss_func), make()
    assert own.fit(1).losses == pytest.approx(target.fit(1).losses)
    found = own.collect()
    assert found.losses is not None
    assert torch.allclose(found.losses, target.collect().losses, atol=1e-5)


def test_plain_batches_need_a_loss_function() -> None:
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(12, 4, generator=rng), torch.zeros(12, dtype=torch.int64)
    dls = DataLoaders([(x, y)], [(x, y)])
    with pytest.raises(ConfigError, match=r"loss_func=None.*Learner\(dls"):
        Learner(dls, net()).fit(1)
    learn = Learner(dls, net(), F.cross_entropy, metrics="accuracy")
    assert learn.fit(2, 0.1).rows[-1]["accuracy"] == 1.0


def test_bf16_trains_and_full_precision_comes_back(make: Make) -> None:
    learn = make().to_bf16()
    assert learn.fit(1, 0.01).rows[-1]["valid_loss"] < 1.0
    assert learn.engine.name == "bfloat16"
    assert next(learn.model.parameters()).dtype == torch.float32
    learn.precision = "float32"
    assert make(precision="fp32").engine.name == "float32"


def test_saved_weights_come_back(make: Make, tmp_path: Path) -> None:
    learn = make(path=tmp_path)
    learn.fit(1)
    before = digest(learn.model)
    file = learn.save("one")
    assert file == tmp_path / "models" / "one.safetensors"
    learn.fit(1)
    assert digest(learn.model) != before
    assert learn.load("one") is learn
    assert digest(learn.model) == before


def test_weights_of_another_model_are_refused(make: Make, tmp_path: Path) -> None:
    make(path=tmp_path).save("one")
    with pytest.raises(WeightsError, match=r"Expected weights that exist.*two.safetensors"):
        make(path=tmp_path).load("two")
    other = make(path=tmp_path, model=nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)))
    with pytest.raises(WeightsError, match=r"Expected weights of this model.*one.safetensors"):
        other.load("one")
    (tmp_path / "models" / "bad.safetensors").write_bytes(b"nonsense")
    with pytest.raises(WeightsError, match="Expected weights of this model"):
        make(path=tmp_path).load("bad")


def test_export_refuses_the_name_of_a_pickle(make: Make) -> None:
    with pytest.raises(BundleError, match=r"path='model.pkl'.*learn.export\('model.redstart'\)"):
        make().export("model.pkl")


def test_every_run_leaves_a_folder(make: Make, tmp_path: Path) -> None:
    learn = make(path=tmp_path, metrics="accuracy")
    learn.fit(2)
    learn.fit(1)
    (folder,) = (tmp_path / "runs").iterdir()
    assert learn.run_folder() == folder
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["versions"]["torch"] == torch.__version__.split("+")[0]
    assert [fit["n_epoch"] for fit in settings["fits"]] == [2, 1]
    assert set(settings["fits"][0]["digests"]) == {"data", "split"}
    assert settings["fits"][0]["seed"] == 42
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [e["event"] for e in events] == ["fit", "epoch", "epoch", "end", "fit", "epoch", "end"]
    assert events[5]["accuracy"] == learn.recorder.rows[-1]["accuracy"]
    assert all(e["at"].startswith("20") for e in events)
    assert 0 < events[1]["time"] < 60  # seconds of the epoch
    assert (folder / "loss.svg").read_text().startswith("<svg")
    assert "accuracy" in (folder / "metrics.svg").read_text()


def test_the_sealed_rows_are_opened_by_name_alone_and_it_is_written_down(make: Make) -> None:
    learn = make(loaders(test=12), metrics="accuracy")
    sealed = set(learn.dls.parts()["test"])
    touched: set[int] = set()

    class Note(Callback):
        def before_batch(self, run: Any) -> None:
            touched.update(run.batch.index.tolist())

    learn.fit(1, cbs=Note())
    touched.update(learn.collect().index.tolist())
    assert not touched & sealed
    assert learn.bundle().facts["test_openings"] == []
    value, interval = learn.test()["accuracy"]
    assert interval is not None
    assert interval[0] <= value <= interval[1]
    (entry,) = learn.bundle().facts["test_openings"]
    assert entry["rows"] == 12
    assert entry["weights_sha256"] == digest(learn.model)
    with pytest.raises(DataError, match=r"Expected a split with test rows.*test_pct"):
        make().test()


def test_summary_lists_layers_and_what_trains(make: Make) -> None:
    learn = make()
    learn.freeze()
    text = learn.summary()
    assert "0.0 (Linear)" in text
    assert "16x8" in text
    assert "Parameters: 74, of which train: 18" in text


def test_tta_averages_versions(make: Make) -> None:
    learn = make()
    acts, targets = learn.tta(n=2)
    plain, _ = learn.get_preds()
    assert torch.allclose(acts, plain, atol=1e-6)  # nothing is random here
    assert len(targets) == len(acts)


def test_metrics_can_be_assigned(make: Make) -> None:
    learn = make()
    learn.metrics = ["error_rate"]
    assert "error_rate" in learn.fit(1).rows[-1]


def test_no_bar_is_quiet(make: Make, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("REDSTART_PROGRESS", "1")
    learn = make()
    with learn.no_bar(), learn.no_logging():
        learn.fit(1)
    assert capsys.readouterr().out == ""
    learn.fit(1)
    assert "valid_loss" in capsys.readouterr().out
