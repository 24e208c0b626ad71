"""The contract that every installed domain keeps. A new domain is tested by existing."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from redstart.bundle.bundle import load_learner
from redstart.config import from_config
from redstart.data.frame import Row
from redstart.data.loader import Loader
from redstart.domain import Domain, domain_names, find_domain
from redstart.interpret.interpretation import Interpretation
from redstart.show.page import page
from redstart.train.learner import Learner
from redstart.train.weights import digest

Make = Callable[[], Learner]


@pytest.fixture(params=domain_names())
def domain(request: pytest.FixtureRequest) -> Domain:
    return find_domain(request.param)


@pytest.fixture
def make(domain: Domain, tmp_path: Path) -> Make:
    dls, recipe = domain.example(tmp_path / "data")
    return lambda: Learner(dls, domain.build(recipe, seed=dls.seed), recipe=recipe)


def test_it_learns_its_example(make: Make) -> None:
    rows = make().fit_one_cycle(4, 1e-2).rows
    assert rows[-1]["train_loss"] < 0.7 * rows[0]["train_loss"]


def test_a_bundle_predicts_bit_for_bit_alike(make: Make, tmp_path: Path) -> None:
    learn = make()
    learn.fit(1)
    items = list(learn.dls.source.inputs)
    file = learn.export(tmp_path / "one.redstart")
    moved = file.rename(tmp_path / "elsewhere.redstart")
    bundle = load_learner(moved, device="cpu")
    for item in items[:5]:
        want, got = learn.predict(item), bundle.predict(item)
        assert got.decoded == want.decoded
        assert torch.equal(got.probs, want.probs)
    with zipfile.ZipFile(moved) as archive:
        assert sorted(archive.namelist()) == ["bundle.json", "weights.safetensors"]
        assert b"\x80\x04" not in archive.read("bundle.json")
    own = {metric.name for metric in learn.dls.target.metrics()}
    assert own and bundle.facts["metrics"].keys() == {"train_loss", "valid_loss"} | own


def test_a_bundle_opens_in_another_process_without_training_code(
    make: Make, tmp_path: Path
) -> None:
    learn = make()
    file = learn.export(tmp_path / "one.redstart")
    item = learn.dls.source.inputs[0]
    said = json.dumps(dict(item) if isinstance(item, Row) else str(item))
    code = (
        "import sys, json; from redstart import load_learner\n"
        f"item = json.loads({said!r})\n"
        f"probs = load_learner({str(file)!r}, device='cpu').predict(item).probs\n"
        "assert not [m for m in sys.modules if m.startswith('redstart.train')]\n"
        "print(json.dumps(probs.tolist()))"
    )
    out = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert json.loads(out.stdout) == learn.predict(item).probs.tolist()


def test_pictures_and_pages_are_drawn(make: Make, tmp_path: Path) -> None:
    learn = make()
    assert len(learn.dls.show_batch(max_n=4).axes) == 4
    assert learn.show_results(max_n=3).save(tmp_path / "r.png").stat().st_size > 1000
    assert Interpretation.from_learner(learn).plot_top_losses(2).axes
    cards = learn.bundle().cards(list(learn.dls.source.inputs[:2]))
    assert page(cards).count("<figure") == 2


def test_row_numbers_lead_back_to_the_items(make: Make) -> None:
    dls = make().dls
    raws = dls.source.raws
    assert raws is not None
    for batch in dls.train.batches(epoch=0):
        assert batch.y is not None
        for row, *y in zip(batch.index.tolist(), *batch.y, strict=True):
            for a, b in zip(y, dls.target.encode(raws[row]), strict=True):
                assert torch.equal(a, b)


def test_two_runs_are_bit_equal_with_any_number_of_workers(make: Make) -> None:
    def run(workers: int) -> tuple[str, list[float]]:
        learn = make()
        assert isinstance(learn.dls.train, Loader)
        object.__setattr__(learn.dls, "train", learn.dls.train.replace(num_workers=workers))
        return digest(learn.model), learn.fit_one_cycle(2).losses

    assert run(0) == run(2) == run(0)


def test_order_changes_with_the_epoch_and_only_with_it(make: Make) -> None:
    train = make().dls.train

    def order(epoch: int) -> list[int]:
        return torch.cat([b.index for b in train.batches(epoch=epoch)]).tolist()

    assert order(0) == order(0) != order(1)
    assert sorted(order(0)) == sorted(order(1))


def test_skipping_batches_gives_the_rest_of_the_epoch(make: Make) -> None:
    train = make().dls.train
    whole = list(train.batches(epoch=1))
    for a, b in zip(whole[2:], train.batches(epoch=1, skip=2), strict=True):
        assert torch.equal(a.index, b.index)
        assert all(torch.equal(s, t) for s, t in zip(a.x, b.x, strict=True))


def test_items_are_predicted_together_as_one_by_one(make: Make) -> None:
    learn = make()
    items = learn.dls.source.inputs[:9]
    together = learn.bundle().get_preds(items, bs=4)
    for one, item in zip(together, list(items), strict=True):
        assert torch.allclose(one.probs, learn.predict(item).probs, atol=1e-5)
    assert learn.bundle().get_preds(items[:0]) == []


def test_new_items_are_encoded_as_those_of_the_loaders(make: Make) -> None:
    dls = make().dls
    data = dls.valid.dataset
    fresh = dls.test_dl([dls.source.inputs[row] for row in data.rows]).dataset
    assert len(fresh) == len(data) and fresh.y(0) is None
    for position in range(len(data)):
        for a, b in zip(data.x(position), fresh.x(position), strict=True):
            assert torch.equal(a, b)


def test_codec_and_target_survive_json(make: Make, domain: Domain) -> None:
    dls = make().dls
    for part in (dls.codec, dls.target):
        again: Any = from_config(json.loads(json.dumps(part.to_config())), domain.kinds)
        assert again == part


def test_what_is_drawn_is_what_was_encoded(make: Make) -> None:
    data = make().dls.train.dataset
    assert data.codec.view(data.x(0)).html()
    assert data.target.mark(data.y(0)).text
