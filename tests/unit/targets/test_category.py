from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from redstart.config import from_config
from redstart.errors import ConfigError, DataError
from redstart.show.view import Caption
from redstart.targets.category import CategoryBlock, CategoryTarget

TABLE = {"category": CategoryTarget}
LABELS = st.one_of(
    st.lists(st.text(max_size=5), min_size=2, max_size=30),
    st.lists(st.integers(-5, 5), min_size=2, max_size=30),
    st.lists(st.booleans(), min_size=2, max_size=5),
    st.lists(st.floats(allow_nan=False), min_size=2, max_size=20),
    st.lists(st.one_of(st.text(max_size=2), st.integers(2, 9)), min_size=2, max_size=20),
).filter(lambda labels: len(set(labels)) > 1)


def scores(n: int, classes: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    out = torch.empty(n, classes).normal_(0, 2, generator=rng)
    return out, torch.arange(n) % classes


# ---- labels


@settings(deadline=None, max_examples=50)
@given(LABELS)
def test_what_is_encoded_is_decoded(labels: list[Any]) -> None:
    target = CategoryTarget().fit(labels)
    assert set(target.vocab) == set(labels) and target.n_out == len(set(labels))
    for label in labels:
        (position,) = target.encode(label)
        assert position.shape == () and position.dtype == torch.int64
        (pred,) = target.decode(F.one_hot(position[None], target.n_out).float())
        assert pred.decoded == label
        assert torch.equal(pred.encoded[0], position)
        assert target.mark((position,)) == Caption(str(pred.decoded))


@settings(deadline=None, max_examples=50)
@given(LABELS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_change_the_vocabulary(labels: list[Any], rng: Any) -> None:
    mixed = [label for label in labels if not isinstance(label, float) or label]  # -0.0 is 0.0
    if len(set(mixed)) < 2:
        return
    shuffled = list(mixed)
    rng.shuffle(shuffled)
    assert CategoryTarget().fit(mixed) == CategoryTarget().fit(shuffled)


@settings(deadline=None, max_examples=50)
@given(LABELS, st.floats(0, 0.9), st.sampled_from(["balanced", ()]))
def test_a_target_survives_json(labels: list[Any], smoothing: float, weights: Any) -> None:
    target = CategoryBlock(label_smoothing=smoothing, class_weights=weights).fit(labels)
    back = from_config(json.loads(json.dumps(target.to_config())), TABLE)
    assert back == target
    assert [back.encode(v) for v in labels] == [target.encode(v) for v in labels]


def test_a_target_that_has_learnt_nothing_survives_json_too() -> None:
    target = CategoryBlock(class_weights="balanced")
    assert from_config(json.loads(json.dumps(target.to_config())), TABLE) == target


def test_the_vocabulary_is_the_same_under_two_hash_seeds() -> None:
    code = (
        "from redstart.targets.category import CategoryTarget\n"
        "labels = [w * k for w in ('ant', 'bee', 'ox', 'Zebra') for k in (1, 2, 3)] + [3, 1, 2.5]\n"
        "print(CategoryTarget().fit(labels).vocab)"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    said = {run.communicate()[0] for run in runs}
    assert len(said) == 1 and "'Zebra', " in said.pop()


def test_labels_of_the_other_parts_widen_the_vocabulary() -> None:
    assert CategoryTarget().fit(["b", "a"], ["c", "a"]).vocab == ("a", "b", "c")


def test_a_given_vocabulary_is_kept_as_it_is() -> None:
    assert CategoryBlock(["z", "a"]).fit(["a", "q"]).vocab == ("z", "a")


def test_numpy_and_torch_numbers_are_plain_labels() -> None:
    target = CategoryBlock(vocab=np.array([3, 1]))
    assert target.vocab == (3, 1) and type(target.vocab[0]) is int
    assert int(target.encode(np.int32(1))[0]) == int(target.encode(torch.tensor(1))[0]) == 1
    json.dumps(target.to_config())


@pytest.mark.parametrize(
    ("train", "said"), [(["a", "a"], "only 'a' in 2 rows"), ([], "Got: no label"), ([1], "only 1 ")]
)
def test_fewer_than_two_labels_are_refused(train: list[Any], said: str) -> None:
    with pytest.raises(DataError, match=f"two classes to tell apart.*{said}.*how labels are made"):
        CategoryTarget().fit(train)


@pytest.mark.parametrize("label", [None, float("nan"), np.float64("nan")])
def test_a_missing_label_is_refused(label: Any) -> None:
    with pytest.raises(DataError, match=r"Expected a label.*label=.*Fill it in"):
        CategoryTarget().fit(["a", label])
    with pytest.raises(DataError, match="Fill it in"):
        CategoryTarget(("a", "b")).encode(label)


@pytest.mark.parametrize("label", [["a"], ("a", "b"), {"a"}, {"a": 1}, np.zeros(2), torch.ones(1)])
def test_several_labels_are_not_one(label: Any) -> None:
    with pytest.raises(DataError, match=r"one name or number.*label=.*Use only its first part"):
        CategoryTarget(("a", "b")).encode(label)


def test_an_unknown_label_names_the_nearest_and_the_known() -> None:
    target = CategoryTarget(tuple(f"class{k}" for k in range(30)))
    with pytest.raises(
        DataError, match=r"label='clas7'\. Did you mean 'class7'\? .*class19 and 10 more\."
    ):
        target.encode("clas7")
    with pytest.raises(DataError, match=r"label=5\. Known labels: a, b\."):
        CategoryTarget(("a", "b")).encode(5)


def test_a_label_twice_in_a_vocabulary_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"every label of `vocab` once. Got: twice or more: a\."):
        CategoryBlock(["a", "b", "a"])


# ---- the loss


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_the_loss_is_torchs_cross_entropy(smoothing: float) -> None:
    out, y = scores(7, 3)
    target = CategoryBlock("abc", label_smoothing=smoothing)
    loss = target.loss(out, (y,))
    assert torch.equal(loss, F.cross_entropy(out, y, label_smoothing=smoothing))
    rows = target.loss(out, (y,), reduction="none")
    assert torch.equal(rows, F.cross_entropy(out, y, label_smoothing=smoothing, reduction="none"))


@settings(deadline=None, max_examples=50)
@given(
    n=st.integers(1, 20),
    seed=st.integers(0, 99),
    smoothing=st.sampled_from([0.0, 0.2]),
    weights=st.sampled_from([(), (1.0, 2.0, 0.5), "balanced"]),
)
def test_the_loss_is_the_mean_of_the_losses_of_rows(
    n: int, seed: int, smoothing: float, weights: Any
) -> None:
    out, y = scores(n, 3, seed)
    target = CategoryBlock("abc", label_smoothing=smoothing, class_weights=weights).fit("aabc")
    rows = target.loss(out, (y,), reduction="none")
    assert rows.shape == (n,)
    assert torch.allclose(target.loss(out, (y,)), rows.mean())


def test_class_weights_weigh_the_rows_of_their_class() -> None:
    out, y = scores(6, 3)
    plain = CategoryBlock("abc").loss(out, (y,), reduction="none")
    weighted = CategoryBlock("abc", class_weights=(1, 2, 0.5)).loss(out, (y,), reduction="none")
    assert torch.allclose(weighted, plain * torch.tensor([1, 2, 0.5])[y])
    half = CategoryBlock("abc", class_weights=(1, 2, 0.5)).loss(out.half(), (y,))
    assert half.dtype == torch.float16


@settings(deadline=None, max_examples=50)
@given(LABELS)
def test_balanced_weights_are_scikit_learns(labels: list[Any]) -> None:
    target = CategoryBlock(class_weights="balanced").fit(labels)
    positions = [int(target.encode(label)[0]) for label in labels]
    expected = compute_class_weight(
        "balanced", classes=np.arange(target.n_out), y=np.array(positions)
    )
    assert np.allclose(target.class_weights, expected)
    assert np.isclose(np.take(target.class_weights, positions).mean(), 1)


def test_a_class_without_training_rows_has_the_weight_1_and_changes_no_other() -> None:
    with_it = CategoryBlock(class_weights="balanced").fit("aab", "c")
    without = CategoryBlock(class_weights="balanced").fit("aab")
    assert with_it.class_weights == (*without.class_weights, 1.0)


def test_weights_may_be_given_before_the_labels_are_learnt() -> None:
    target = CategoryBlock(class_weights=[1, 3])
    assert target.fit(["b", "a"]).class_weights == (1, 3)
    with pytest.raises(ConfigError, match=r"for each of the 3 labels: a, b, c\..*\(1, 3\)"):
        target.fit(["a", "b", "c"])


@pytest.mark.parametrize(
    "weights", ["balance", (1.0,), (1.0, -1.0), (1.0, float("nan")), ("a", "b"), {"a": 1, "b": 2}]
)
def test_weights_that_do_not_fit_are_refused(weights: Any) -> None:
    with pytest.raises(ConfigError, match=r"Expected 'balanced' or one weight.*class_weights="):
        CategoryBlock(["a", "b"], class_weights=weights)
    with pytest.raises(ConfigError, match="one weight"):
        CategoryBlock(class_weights="balance")  # type: ignore[arg-type]


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, 2.0, float("nan")])
def test_smoothing_outside_its_range_is_refused(smoothing: float) -> None:
    with pytest.raises(ConfigError, match=rf"\[0, 1\). Got: label_smoothing={smoothing}"):
        CategoryBlock(label_smoothing=smoothing)


# ---- after the model


def test_probabilities_are_a_softmax_in_full_precision() -> None:
    out, _ = scores(5, 3)
    target = CategoryBlock("abc")
    probs = target.activate(out.bfloat16())
    assert probs.dtype == torch.float32
    assert torch.allclose(probs.sum(1), torch.ones(5))
    assert torch.equal(probs.argmax(1), out.bfloat16().float().argmax(1))


def test_accuracy_is_what_is_reported_when_nothing_is_named() -> None:
    (metric,) = CategoryBlock("ab").metrics()
    assert metric.name == "accuracy"
    metric.reset()
    metric.update(torch.tensor([[2.0, 1.0], [2.0, 1.0]]), torch.tensor([0, 1]))
    assert metric.compute() == 0.5


# ---- arrays


@settings(deadline=None, max_examples=50)
@given(LABELS, st.sampled_from(["balanced", ()]), st.booleans())
def test_an_array_of_labels_is_read_as_a_list_of_them(
    labels: list[Any], weights: Any, one_kind: bool
) -> None:
    arrays = [np.array(labels, dtype=object)]
    if one_kind and len({type(label) for label in labels}) == 1 and "\0" not in str(labels):
        arrays.append(np.array(labels))
    for array in arrays:
        given = list(array) if array.dtype != object else labels
        target = CategoryBlock(class_weights=weights).fit(given)
        assert CategoryBlock(class_weights=weights).fit(array) == target
        (whole,) = target.encode_table(array) or ()
        assert whole.dtype == torch.int64
        assert whole.tolist() == [int(target.encode(label)[0]) for label in given]


def test_a_list_of_labels_goes_row_by_row() -> None:
    assert CategoryTarget(("a", "b")).encode_table(["a", "b"]) is None


def test_an_array_without_rows_has_no_labels() -> None:
    target = CategoryTarget(("a", "b"))
    (found,) = target.encode_table(np.array([], dtype=object)) or ()
    assert found.shape == (0,) and found.dtype == torch.int64
    with pytest.raises(DataError, match="Got: no label"):
        CategoryTarget().fit(np.array([]))


@pytest.mark.parametrize("label", [None, float("nan"), pd.NA, pd.NaT])
def test_a_missing_label_in_an_array_is_refused_and_its_row_named(label: Any) -> None:
    array = np.array(["a", "b", label, "a", label], dtype=object)
    said = r"Expected a label.*Fill it in.*It is in row 2 of these; 2 such rows\."
    with pytest.raises(DataError, match=said):
        CategoryTarget(("a", "b")).encode_table(array)
    with pytest.raises(DataError, match=said):
        CategoryTarget().fit(array)
    with pytest.raises(DataError, match="row 1 of these; 1 such rows"):
        CategoryTarget().fit(np.array([1.0, np.nan, 2.0]))


def test_an_unknown_label_in_an_array_is_refused_and_its_row_named() -> None:
    with pytest.raises(DataError, match=r"label='cat'\. Did you mean 'cats'\?.*row 1 of these"):
        CategoryTarget(("cats", "dogs")).encode_table(np.array(["dogs", "cat"]))


def test_an_array_of_several_columns_is_not_one_label_per_row() -> None:
    with pytest.raises(DataError, match=r"one name or number.*Use only its first part"):
        CategoryTarget(("a", "b")).encode_table(np.array([["a", "b"], ["a", "a"]]))


# ---- temperature


def test_a_temperature_divides_scores_of_probabilities_and_not_of_the_loss() -> None:
    out, y = scores(20, 3)
    plain, cool = CategoryTarget(("a", "b", "c")), CategoryTarget(("a", "b", "c"), temperature=2.5)
    assert torch.allclose(cool.activate(out), (out / 2.5).softmax(1))
    assert torch.equal(cool.loss(out, (y,)), plain.loss(out, (y,)))
    said, cooled = plain.predict(out), cool.predict(out)
    assert [p.decoded for p in said] == [p.decoded for p in cooled]
    assert all(c.probs.max() < p.probs.max() for p, c in zip(said, cooled, strict=True))


def test_a_temperature_is_written_and_files_from_before_have_none() -> None:
    target = CategoryTarget(("a", "b"), temperature=1.7)
    assert from_config(json.loads(json.dumps(target.to_config())), TABLE) == target
    old = {k: v for k, v in target.to_config().items() if k != "temperature"}
    assert from_config(old, TABLE).temperature == 1.0


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_is_none_is_refused(temperature: float) -> None:
    with pytest.raises(ConfigError, match=r"`temperature` above 0. Got: temperature="):
        CategoryTarget(temperature=temperature)
