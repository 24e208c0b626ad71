from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from redstart.config import from_config
from redstart.errors import ConfigError, DataError
from redstart.show.view import Caption
from redstart.targets.multicategory import MultiCategoryBlock, MultiCategoryTarget

TABLE = {"multicategory": MultiCategoryTarget}
ROWS = st.lists(st.sets(st.sampled_from("abcdef")).map(sorted), min_size=1, max_size=20).filter(any)
ENCODED = MultiCategoryBlock(encoded=True, vocab=["a", "b", "c"])


# ---- labels


@settings(deadline=None, max_examples=50)
@given(ROWS)
def test_what_is_encoded_is_decoded(rows: list[list[str]]) -> None:
    target = MultiCategoryTarget().fit(rows)
    assert target.vocab == target.vocabulary() == tuple(sorted({v for row in rows for v in row}))
    for row in rows:
        (on,) = target.encode(row)
        assert on.dtype == torch.float32 and on.shape == (target.n_out,)
        (pred,) = target.decode(on[None])
        assert pred.decoded == tuple(row) and torch.equal(pred.encoded[0], on)
        assert target.mark((on,)) == Caption(", ".join(row) or "(none)")


@settings(deadline=None, max_examples=50)
@given(ROWS)
def test_a_table_of_zeros_and_ones_encodes_as_its_rows_do(rows: list[list[str]]) -> None:
    lists = MultiCategoryTarget().fit(rows)
    wanted = torch.stack([lists.encode(row)[0] for row in rows])
    target = MultiCategoryBlock(encoded=True, vocab=lists.vocab)
    assert target.fit(rows) is target
    assert lists.encode_table(rows) is None
    for raws in (wanted.numpy(), wanted.bool().numpy(), wanted.long().tolist()):
        (whole,) = target.encode_table(raws) or ()
        assert torch.equal(whole, wanted)
        assert torch.equal(torch.stack([target.encode(raw)[0] for raw in raws]), wanted)


def test_a_target_survives_json() -> None:
    for target in (MultiCategoryTarget(), ENCODED, MultiCategoryBlock(thresh=0.3).fit([["x"]])):
        assert from_config(json.loads(json.dumps(target.to_config())), TABLE) == target


def test_labels_of_the_other_parts_widen_the_vocabulary_and_a_given_one_stays() -> None:
    assert MultiCategoryTarget().fit([["b"]], [["a"], []]).vocab == ("a", "b")
    assert MultiCategoryBlock(vocab="zab").fit([["a"]]).vocab == ("z", "a", "b")
    assert MultiCategoryTarget().fit([np.array([2, 1])]).vocab == (1, 2)


@pytest.mark.parametrize("raw", ["a b", None, float("nan"), 3, {"a": 1}])
def test_a_text_is_no_list_of_labels(raw: Any) -> None:
    with pytest.raises(DataError, match=r"Expected a list of labels.*label_delim"):
        MultiCategoryTarget().fit([["a"], raw])
    with pytest.raises(DataError, match="Expected a list of labels"):
        MultiCategoryBlock(vocab="ab").encode(raw)


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_missing_label_in_a_list_is_refused(missing: Any) -> None:
    with pytest.raises(DataError, match=r"names or numbers. Got: \['a', .*Take out what"):
        MultiCategoryTarget().fit([["a", missing]])


def test_an_unknown_label_names_the_known() -> None:
    with pytest.raises(DataError, match=r"label='q'\. Known labels: a, b\."):
        MultiCategoryBlock(vocab="ab").encode(["a", "q"])


def test_no_label_at_all_is_refused() -> None:
    with pytest.raises(DataError, match=r"at least one label.*none in 2 training rows"):
        MultiCategoryTarget().fit([[], []])


@pytest.mark.parametrize(
    ("raws", "said"),
    [
        ([[0, 1, 0], [0, 2, 1]], r"\[0, 2, 1\] in row 1"),
        ([[0, 1, 0], [0, 1]], r"\[0, 1\] in row 1"),
        ([[0, 1, 0], None], r"None in row 1"),
        ([[0, 1, 0], "abc"], r"'abc' in row 1"),
        ([[0, 1, 0], [0, 1, float("nan")]], r"\[0, 1, nan\] in row 1"),
        ([[0, 1, 0], [0, 1, "x"]], r"\[0, 1, 'x'\] in row 1"),
        ([0, 1], "0 in row 0"),
        (np.array([[0, 1], [1, 1]]), r"\[0, 1\] in row 0"),
        (np.array([[0, 1, 0], [0, 1, 3]]), r"\[0, 1, 3\] in row 1"),
    ],
)
def test_what_is_not_zeros_and_ones_is_refused_and_its_row_named(raws: Any, said: str) -> None:
    with pytest.raises(DataError, match=rf"3 zeros and ones per row: a, b, c. Got: {said}"):
        ENCODED.encode_table(raws)
    with pytest.raises(DataError, match="Expected 3 zeros and ones per row"):
        for raw in raws:
            ENCODED.encode(raw)


def test_no_rows_make_an_empty_table() -> None:
    (found,) = ENCODED.encode_table([]) or ()
    assert found.shape == (0, 3)


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"names of the columns.*vocab=\(\) with encoded=True"):
        MultiCategoryBlock(encoded=True)
    with pytest.raises(ConfigError, match=r"every label of `vocab` once. Got: twice or more: a\."):
        MultiCategoryBlock(vocab="aab")
    for thresh in (0.0, 1.0, float("nan")):
        with pytest.raises(ConfigError, match=rf"`thresh` in \(0, 1\). Got: thresh={thresh}"):
            MultiCategoryBlock(thresh=thresh)


# ---- the loss and what comes after


def test_the_loss_is_torchs_binary_cross_entropy() -> None:
    out = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])
    y = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    target = MultiCategoryBlock(vocab="abc")
    assert torch.allclose(target.loss(out, (y,)), F.binary_cross_entropy_with_logits(out, y))
    rows = target.loss(out, (y,), reduction="none")
    assert torch.allclose(
        rows, F.binary_cross_entropy_with_logits(out, y, reduction="none").mean(1)
    )


def test_labels_above_the_threshold_are_predicted_and_may_be_none() -> None:
    scores = torch.tensor([[2.0, 0.0, -2.0], [-3.0, -3.0, -3.0]])
    one, two = MultiCategoryBlock(vocab="abc", thresh=0.4).predict(scores)
    assert (one.decoded, two.decoded) == (("a", "b"), ())
    assert one.encoded[0].tolist() == [1, 1, 0]
    assert torch.allclose(one.probs, scores[0].sigmoid())
    (half,) = MultiCategoryBlock(vocab="abc").predict(scores[:1])
    assert half.decoded == ("a",), "0.5 is not above 0.5"
    assert MultiCategoryBlock(vocab="abc").activate(scores.bfloat16()).dtype == torch.float32


def test_the_share_of_right_labels_is_reported() -> None:
    (metric,) = MultiCategoryBlock(vocab="ab").metrics()
    metric.reset()
    metric.update(torch.tensor([[2.0, 2.0], [-2.0, -2.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    assert metric.name == "accuracy_multi" and metric.compute() == 0.75


# ---- temperature


def test_a_temperature_divides_scores_of_probabilities_and_not_of_the_loss() -> None:
    out = torch.linspace(-4, 4, 12).view(6, 2)
    y = (out > 1).float()
    plain, cool = MultiCategoryTarget(("a", "b")), MultiCategoryTarget(("a", "b"), temperature=3.0)
    assert torch.allclose(cool.activate(out), (out / 3).sigmoid())
    assert torch.equal(cool.loss(out, (y,)), plain.loss(out, (y,)))
    assert [p.decoded for p in plain.predict(out)] == [p.decoded for p in cool.predict(out)]


def test_a_temperature_is_written_and_files_from_before_have_none() -> None:
    target = MultiCategoryTarget(("a", "b"), temperature=1.7)
    table = {"multicategory": MultiCategoryTarget}
    assert from_config(target.to_config(), table) == target
    old = {k: v for k, v in target.to_config().items() if k != "temperature"}
    assert from_config(old, table).temperature == 1.0


def test_a_temperature_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"`temperature` above 0. Got: temperature=0"):
        MultiCategoryTarget(temperature=0.0)
