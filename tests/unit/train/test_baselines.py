"""What a model has to beat: a constant, and linear models on fixed features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, ClassVar, final

import numpy as np
import pytest
import torch
from kit import loaders, net, without_valid
from torch import Tensor, nn

from redstart.data.block import DataBlock
from redstart.data.codec import Codec
from redstart.data.loaders import DataLoaders
from redstart.data.split import IndexSplitter
from redstart.data.stream import TensorCodec
from redstart.errors import NoValidationSetError
from redstart.evaluate.baseline import Baseline
from redstart.metrics.make import by_name
from redstart.metrics.paired import measured, paired_difference
from redstart.show.view import Caption
from redstart.targets.category import CategoryBlock
from redstart.targets.multicategory import MultiCategoryBlock
from redstart.targets.regression import RegressionBlock
from redstart.train import linear
from redstart.train.baselines import baselines, best_constant
from redstart.train.learner import Learner

N, HELD = 300, 100


@final
@dataclass(frozen=True, slots=True)
class Described(Codec[Tensor]):
    """Tensors, with their sums and differences as features made by hand."""

    kind: ClassVar[str] = "described"

    def load(self, item: Any) -> Tensor:
        return torch.as_tensor(item)

    def encode(self, raw: Tensor) -> tuple[Tensor, ...]:
        return (raw,)

    def view(self, x: tuple[Tensor, ...]) -> Caption:  # type: ignore[override]
        return Caption("")

    def handmade(self, x: tuple[Tensor, ...]) -> Tensor:
        return torch.cat([x[0], x[0].square(), torch.ones(1)])


def made(y: list[Any], block: Any, *, codec: Any = None, **options: Any) -> DataLoaders:
    """Rows ``rows()`` with targets ``y``; the last hundred validate."""
    data = DataBlock(
        blocks=(codec or Described(), block),
        get_x=itemgetter(0),
        get_y=itemgetter(1),
        splitter=IndexSplitter(range(N, N + HELD)),
    )
    pairs = list(zip(torch.from_numpy(rows()), y, strict=True))
    return data.dataloaders(pairs, **({"device": "cpu", "num_workers": 0} | options))


def rows() -> Any:
    return np.random.default_rng(0).normal(size=(N + HELD, 4)).astype(np.float32)


def two_of(found: list[Baseline]) -> tuple[Baseline, Baseline]:
    constant, by_hand = found
    assert by_hand.name == "hand-made features"
    return constant, by_hand


def test_classes_get_the_most_frequent_one_and_a_linear_model() -> None:
    x = rows()
    y = np.where((x**2).sum(1) > 4, "far", np.where(x[:, 0] > 1, "right", "near")).tolist()
    learn = Learner(made(y, CategoryBlock()), net(3), metrics=["accuracy", "f1"])
    constant, by_hand = two_of(baselines(learn))
    labels = y[:N]
    most = max(set(labels), key=labels.count)
    assert (constant.name, constant.said) == ("most frequent class", f"{most} for every row")
    assert constant.out.shape == by_hand.out.shape == (HELD, 3)
    shares = [labels.count(c) / N for c in ("far", "near", "right")]
    assert constant.out[7].exp().tolist() == pytest.approx(shares, abs=1e-6)
    value, interval = constant.metrics["accuracy"]
    assert value == pytest.approx(y[N:].count(most) / HELD)
    assert interval is not None
    assert interval[0] < value < interval[1]
    assert by_hand.metrics["accuracy"][0] > 0.9
    assert by_hand.out.exp().sum(1).numpy() == pytest.approx(np.ones(HELD), abs=1e-4)
    assert "a linear model on features made by hand (9 numbers), 300 rows" in by_hand.said
    assert by_hand.n_train == N
    assert repr(by_hand).startswith("Baseline(hand-made features: a linear")
    assert "<td>" in by_hand._repr_html_()


def test_their_outputs_go_into_metrics_and_paired_differences() -> None:
    y = (rows()[:, 0] > 0).astype(int).tolist()
    learn = Learner(made(y, CategoryBlock()), net())
    constant, by_hand = two_of(baselines(learn))
    truth = learn.collect().targets
    accuracy = by_name("accuracy")
    assert measured(accuracy, by_hand.out, truth) == by_hand.metrics["accuracy"][0]
    gain, interval = paired_difference(accuracy, by_hand.out, constant.out, truth)
    assert interval is not None
    assert 0.2 < interval[0] < gain


def test_numbers_get_the_mean_and_a_ridge() -> None:
    x = rows()
    y = (100 + 10 * (x**2).sum(1) + np.random.default_rng(1).normal(size=len(x))).tolist()
    learn = Learner(made(y, RegressionBlock()), nn.Linear(4, 1))
    constant, by_hand = two_of(baselines(learn))
    assert constant.name == "mean"
    assert constant.out[0].item() == pytest.approx(np.mean(y[:N]), rel=1e-5)
    assert by_hand.metrics["rmse"][0] == pytest.approx(1.0, abs=0.3)
    assert constant.metrics["rmse"][0] > 20


def test_numbers_compared_by_their_logarithms_are_learnt_so() -> None:
    x = rows()
    y = np.expm1(np.abs(2 + x[:, 0] + x[:, 1] ** 2)).tolist()
    learn = Learner(made(y, RegressionBlock(log=True)), nn.Linear(4, 1))
    constant, by_hand = two_of(baselines(learn))
    truth = np.array(y[N:])
    logs = np.log1p(by_hand.out[:, 0].clamp_min(0).numpy())
    assert np.abs(logs - np.log1p(truth)).mean() < 0.3
    assert constant.out[0].item() == pytest.approx(np.mean(y[:N]), rel=1e-5)
    best = best_constant(learn.dls)
    assert best is not None
    assert best.item() == pytest.approx(np.expm1(np.log1p(y[:N]).mean()), rel=1e-4)


def test_labels_get_their_frequencies_and_a_model_each() -> None:
    x = rows()
    y = [
        [name for name, there in zip("abc", (r[0] > 0, r[1] ** 2 > 1, True), strict=True) if there]
        for r in x
    ]
    learn = Learner(made(y, MultiCategoryBlock()), nn.Linear(4, 3))
    constant, by_hand = two_of(baselines(learn))
    assert constant.name == "label frequencies"
    assert by_hand.out.shape == (HELD, 3)
    assert by_hand.metrics["accuracy_multi"][0] > 0.93
    assert (constant.out[:, 2] > 10).all()
    assert (by_hand.out[:, 2] > 10).all()


def test_a_class_without_training_rows_is_no_trouble() -> None:
    y = ["b"] * N + ["a"] * HELD
    y[:150] = ["c"] * 150
    learn = Learner(made(y, CategoryBlock()), net(3))
    constant, by_hand = two_of(baselines(learn))
    assert by_hand.metrics["accuracy"][0] == constant.metrics["accuracy"][0] == 0
    assert by_hand.out.isfinite().all()


def test_many_rows_are_drawn_from_by_the_seed() -> None:
    y = (rows()[:, 0] > 0).astype(int).tolist()
    learn = Learner(made(y, CategoryBlock()), net())
    some = [two_of(baselines(learn, most=50))[1] for _ in range(2)]
    assert some[0].n_train == 50
    assert torch.equal(some[0].out, some[1].out)
    other = Learner(made(y, CategoryBlock(), seed=1), net())
    assert not torch.equal(two_of(baselines(other, most=50))[1].out, some[0].out)


def test_inputs_without_such_features_have_a_constant_alone(make: Callable[..., Learner]) -> None:
    (constant,) = baselines(make())
    assert constant.name == "most frequent class"


def test_targets_that_nobody_knows_have_no_baseline() -> None:
    batches = [(torch.zeros(4, 4), torch.zeros(4, 1))] * 3
    learn = Learner(DataLoaders(batches, batches), nn.Linear(4, 1), loss_func=nn.MSELoss())
    assert baselines(learn) == []
    assert best_constant(learn.dls) is None


def test_without_validation_rows_there_is_nothing_to_measure_on() -> None:
    with pytest.raises(NoValidationSetError, match="Expected a validation set"):
        baselines(Learner(without_valid(), net()))


def pretrained(**options: Any) -> Learner:
    learn = Learner(
        loaders(120, classes=3, **options),
        net(3),
        splitter=lambda m: [list(part.parameters()) for part in m.children()],
    )
    learn.pretrained_body = learn.model[0]
    learn.freeze()
    return learn


def test_a_frozen_body_gives_features_for_a_linear_model() -> None:
    learn = pretrained()
    body = {k: v.clone() for k, v in learn.model.state_dict().items()}
    constant, deep = baselines(learn)
    assert deep.name == "frozen body"
    assert "what the pretrained body gives (8 numbers), 90 rows" in deep.said
    assert deep.metrics["accuracy"][0] > 0.9 > constant.metrics["accuracy"][0]
    assert all(torch.equal(v, body[k]) for k, v in learn.model.state_dict().items())


def test_the_body_is_judged_as_it_came_after_it_was_fine_tuned() -> None:
    learn = pretrained()
    fresh = baselines(learn)[1]
    learn.fine_tune(2)
    deep = baselines(learn)[1]
    assert "before it was fine-tuned" in deep.said
    torch.testing.assert_close(deep.out, fresh.out, atol=0.05, rtol=0.05)
    learn.fine_tune(1)
    assert torch.equal(baselines(learn)[1].out, deep.out)


def test_a_body_that_was_trained_otherwise_is_no_baseline() -> None:
    learn = pretrained()
    learn.unfreeze()
    learn.fit(1)
    assert [one.name for one in baselines(learn)] == ["most frequent class"]


def test_features_of_other_rows_are_not_used() -> None:
    learn = pretrained()
    learn.fine_tune(1)
    learn.dls = learn.dls.without([0])
    assert [one.name for one in baselines(learn)] == ["most frequent class"]


@pytest.mark.parametrize(
    ("block", "best"),
    [
        (CategoryBlock(label_smoothing=0.3), "smoothed"),
        (CategoryBlock(class_weights=[1.0, 5.0]), "weighted"),
        (CategoryBlock(), "plain"),
    ],
)
def test_no_constant_has_less_loss_than_the_best(block: Any, best: str) -> None:
    y = (rows()[:, 0] > 0.8).astype(int).tolist()
    dls = made(y, block, codec=TensorCodec())
    found = best_constant(dls)
    assert found is not None
    truth = torch.tensor(y[:N])

    def loss(out: Tensor) -> float:
        return float(dls.target.loss(out.expand(N, -1), (truth,)))

    for nudge in (-0.05, 0.05):
        assert loss(found) < loss(found + torch.tensor([nudge, 0.0])), best


def test_many_classes_and_features_are_learnt_in_closed_form(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(linear, "_WORK", 100)
    y = np.digitize(rows()[:, 0], [-0.7, 0, 0.7]).tolist()
    learn = Learner(made(y, CategoryBlock()), nn.Linear(4, 4))
    by_hand = two_of(baselines(learn))[1]
    assert by_hand.metrics["accuracy"][0] > 0.7


def test_more_features_than_rows_are_turned_without_loss() -> None:
    rng = np.random.default_rng(0)
    train = torch.from_numpy(rng.normal(size=(30, 200)))
    valid = torch.from_numpy(rng.normal(size=(20, 200)))
    x, held = linear._prepared(train, valid)
    assert x.shape[1] <= 30
    mean, std = train.float().mean(0), train.float().std(0, correction=0)
    a, b = (train.float() - mean) / std, (valid.float() - mean) / std
    np.testing.assert_allclose(x @ x.T, a @ a.T, atol=1e-2)
    np.testing.assert_allclose(held @ x.T, b @ a.T, atol=1e-2)
