"""A bundle that says how sure it is, and keeps silent where it is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import nn

from redstart.bundle.bundle import Bundle
from redstart.bundle.sure import Sureness
from redstart.data.stream import TensorCodec
from redstart.data.target import Prediction, Target
from redstart.errors import BundleError, ConfigError
from redstart.rng import generator
from redstart.targets.category import CategoryTarget
from redstart.targets.multicategory import MultiCategoryTarget
from redstart.targets.regression import RegressionTarget

LABELS = CategoryTarget(("ant", "bee", "cat"))
SEVERAL = MultiCategoryTarget(("red", "big", "old"))
NUMBER = RegressionTarget(mean=(0.0,), std=(1.0,))
LOG = RegressionTarget(log=True, mean=(0.0,), std=(1.0,))
POINT = RegressionTarget(("x", "y"), mean=(0.0, 0.0), std=(1.0, 1.0))


def drawn(target: Target[Any, Any], n: int = 2000, seed: int = 0) -> tuple[torch.Tensor, Any]:
    """Outputs of a model that knows its chances, and the truth."""
    rng = generator(seed)
    if target.kind == "regression":
        width = target.n_out
        out = 5 * torch.rand(n, width, generator=rng) + 1
        noise = torch.randn(n, width, generator=rng)
        return out, out * (0.2 * noise).exp() if target is LOG else out + noise
    out = 3 * torch.randn(n, 3, generator=rng)
    if target.kind == "multicategory":
        return out, (torch.rand(n, 3, generator=rng) < out.sigmoid()).float()
    return out, torch.multinomial(out.softmax(1), 1, generator=rng)[:, 0]


def bundle(target: Target[Any, Any], n: int = 2000, **options: Any) -> Bundle:
    """Items are the model's outputs."""
    out, y = drawn(target, n)
    sure = Sureness.of(target, target.activate(out), y, **options)
    facts = json.loads(json.dumps({"sureness": sure.to_json()}))
    return Bundle(TensorCodec(), target, None, nn.Identity(), facts)


def new(target: Target[Any, Any], n: int = 1500, **asked: Any) -> list[tuple[Prediction[Any], Any]]:
    """Predictions of other rows, each with its truth."""
    out, y = drawn(target, n, seed=1)
    preds = bundle(target).get_preds(list(out), **asked)
    return list(zip(preds, y, strict=True))


# ---- answering


def test_few_of_the_answers_given_are_wrong() -> None:
    found = new(LABELS, abstain=0.05)
    given = [(p, y) for p, y in found if not p.abstained]
    kept = [p for p, _ in found if p.abstained]
    assert 0.4 * len(found) < len(given) < 0.95 * len(found)
    assert sum(p.decoded != LABELS.vocab[int(y)] for p, y in given) <= 0.05 * len(given)
    assert all(p.decoded is None for p in kept)
    assert all(p.set is None for p, _ in given)
    plain = [p.decoded for p, _ in new(LABELS)]
    assert sum(a != LABELS.vocab[int(y)] for a, (_, y) in zip(plain, found, strict=True)) > 100


def test_a_prediction_without_an_answer_says_why_and_what_is_likely() -> None:
    unsure = next(p for p, _ in new(LABELS, abstain=0.05) if p.abstained)
    name, index, probs = unsure
    assert name is None and int(index) == int(probs.argmax())
    assert "not sure enough: confidence 0." in unsure.abstained
    assert "at most 0.05 of the answers are wrong" in unsure.abstained
    assert "of 2,000 validation rows" in unsure.abstained
    assert unsure.set and unsure.set[0] == LABELS.vocab[int(index)] and len(unsure.set) > 1


def test_without_being_asked_nothing_changes() -> None:
    prediction = new(LABELS)[0][0]
    assert (prediction.abstained, prediction.set, prediction.interval) == ("", None, None)


@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_sets_hold_the_true_label_as_often_as_was_asked(coverage: float) -> None:
    found = new(LABELS, coverage=coverage)
    held = sum(LABELS.vocab[int(y)] in (p.set or ()) for p, y in found) / len(found)
    assert held == pytest.approx(coverage, abs=0.03) or held > coverage
    assert all(p.set and p.set[0] == p.decoded for p, _ in found)


def test_of_several_labels_all_true_ones_are_in_the_set() -> None:
    found = new(SEVERAL, coverage=0.9)
    held = [
        {n for n, on in zip(SEVERAL.vocab, y.tolist(), strict=True) if on} <= set(p.set or ())
        for p, y in found
    ]
    assert sum(held) / len(held) == pytest.approx(0.9, abs=0.03)
    assert all(set(p.decoded) <= set(p.set or ()) for p, _ in found)


def test_of_several_labels_an_answer_is_right_where_all_are() -> None:
    given = [(p, y) for p, y in new(SEVERAL, abstain=0.2) if not p.abstained]
    wrong = sum(not torch.equal(p.encoded[0], y) for p, y in given)
    assert 100 < len(given) < 1400 and wrong <= 0.2 * len(given)


@pytest.mark.parametrize("target", [NUMBER, LOG])
def test_intervals_hold_the_true_number_as_often_as_was_asked(target: RegressionTarget) -> None:
    found = new(target, coverage=0.9)
    held = [p.interval is not None and p.interval[0] <= y <= p.interval[1] for p, y in found]
    assert sum(map(bool, held)) / len(held) == pytest.approx(0.9, abs=0.03)
    assert all(p.interval[0] < p.decoded < p.interval[1] for p, _ in found if p.interval)


def test_intervals_of_a_logarithm_grow_with_the_number_and_end_at_0() -> None:
    out = torch.tensor([[1.2], [5.5], [0.001]])
    small, large, least = (p.interval or () for p in bundle(LOG).get_preds(list(out), coverage=0.9))
    assert large[1] - large[0] > 2 * (small[1] - small[0])
    assert least[0] == 0


def test_each_of_several_numbers_has_an_interval() -> None:
    found = new(POINT, coverage=0.8)
    for i in (0, 1):
        held = [p.interval and p.interval[i][0] <= y[i] <= p.interval[i][1] for p, y in found]
        assert sum(map(bool, held)) / len(held) == pytest.approx(0.8, abs=0.03)


def test_intervals_stay_within_bounds_that_the_truth_keeps_to() -> None:
    low, high = bundle(NUMBER, bounds=(-10.0, 6.5)).predict(
        torch.tensor([6.0]), coverage=0.95
    ).interval or (0, 0)
    _, y = drawn(NUMBER)
    assert high > 6.5 and float(y.max()) > 6.5  # the bounds are not true, and are not used
    low, high = bundle(NUMBER, bounds=(-10.0, 20.0)).predict(
        torch.tensor([19.9]), coverage=0.95
    ).interval or (0, 0)
    assert (low < 19, high) == (True, 20.0)


def test_what_it_carries_is_small() -> None:
    for target, most in ((LABELS, 30_000), (SEVERAL, 30_000), (NUMBER, 70_000)):
        assert len(json.dumps(dict(bundle(target, 20_000).facts))) < most
    wide = RegressionTarget(width=136)
    acts = torch.rand(1000, 136, generator=generator(3))
    assert len(json.dumps(Sureness.of(wide, acts, acts * 2).to_json())) < 600_000


# ---- what is refused


def test_a_bundle_without_validation_rows_says_so() -> None:
    bare = Bundle(TensorCodec(), LABELS, None, nn.Identity())
    for asked in ({"abstain": 0.05}, {"coverage": 0.9}):
        with pytest.raises(BundleError, match=r"knows from validation rows.*Export it again"):
            bare.predict(torch.zeros(3), **asked)
    assert bare.predict(torch.zeros(3)).decoded in LABELS.vocab


def test_numbers_do_not_abstain() -> None:
    with pytest.raises(ConfigError, match=r"never quite right.*Ask for an interval.*coverage=0\.9"):
        bundle(NUMBER).predict(torch.zeros(1), abstain=0.05)


@pytest.mark.parametrize("target", [LABELS, SEVERAL, NUMBER])
def test_more_than_the_rows_can_promise_is_refused_before_anything_is_read(
    target: Target[Any, Any],
) -> None:
    few = bundle(target, 30)
    with pytest.raises(ConfigError, match=r"30 validation rows can promise: at most 0\.967"):
        few.get_preds(["nothing that could be read"], coverage=0.99)
    if target.kind != "regression":
        with pytest.raises(ConfigError, match="that 30 validation rows can promise of this model"):
            few.get_preds(["nothing that could be read"], abstain=0.01)
