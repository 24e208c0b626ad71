from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from data_kit import Numbers
from table_kit import Cells, data_of, numbered, table_loaders

from redstart.data.assemble import make_loaders
from redstart.data.batch import Batch
from redstart.data.dataset import ItemDataset, Source
from redstart.data.split import Split
from redstart.errors import ConfigError, DataError
from redstart.targets.category import CategoryTarget

WEIGHTS = torch.arange(20) / 10


def test_weights_are_in_training_batches_only_and_follow_their_rows() -> None:
    dls = table_loaders(valid=(0, 5), test=(7, 8), weights=WEIGHTS)
    for batch in dls.train.batches(epoch=1):
        _, label, weight = batch
        assert torch.equal(weight, WEIGHTS[batch.index])
        assert torch.equal(label, batch.index % 2)
    for loader in (dls.valid, dls.sealed):
        for batch in loader:
            assert batch.y is not None and len(batch.y) == 1
    assert next(iter(dls.test_dl([{"a": 1, "b": 2}]))).y is None


def test_weights_stay_with_their_rows_when_rows_or_target_change() -> None:
    dls = table_loaders(weights=WEIGHTS)
    other = CategoryTarget(("odd", "even"), class_weights=(1.0, 2.0))
    for changed in (dls.without([9, 4]), dls.with_target(other), dls.with_codec(Cells())):
        for batch in changed.train:
            assert torch.equal(batch.y[1], WEIGHTS[batch.index])
    assert torch.equal(dls.with_target(other).one_batch().y[0], 1 - dls.one_batch().y[0])  # type: ignore[index]
    assert dls.cards(2)[0].truth is not None, "a card has no use for them"


def test_the_parts_share_the_columns() -> None:
    dls = table_loaders(test=(7, 8))
    train, valid, sealed = map(data_of, (dls.train, dls.valid, dls.sealed))
    assert train.columns[0] is valid.columns[0] is sealed.columns[0]
    assert len(train.columns[0]) == 20
    fewer = data_of(dls.without([10]).train)
    assert fewer.columns[0] is train.columns[0]


def test_a_sealed_part_is_there_only_if_the_split_has_one() -> None:
    assert table_loaders().sealed is None
    dls = table_loaders(test=(7, 8))
    assert dls.parts()["test"] == (7, 8)
    assert dls.sizes() == {"train": 14, "valid": 4, "test": 2}
    assert [row for batch in dls.sealed for row in batch.index.tolist()] == [7, 8]


def test_options_reach_the_loaders() -> None:
    def same(batch: Batch, rng: torch.Generator) -> Batch:
        return batch

    dls = table_loaders(test=(7,), bs=5, val_bs=3, seed=9, tfms=(same,), path="here")
    assert [loader.bs for loader in (dls.train, dls.valid, dls.sealed)] == [5, 3, 3]
    assert [loader.shuffle for loader in (dls.train, dls.valid, dls.sealed)] == [True, False, False]
    assert [loader.tfms for loader in (dls.train, dls.valid, dls.sealed)] == [(same,), (), ()]
    assert (dls.seed, str(dls.path), dls.device) == (9, "here", torch.device("cpu"))
    with pytest.raises(ConfigError, match=r"options that loaders have.*Did you mean `val_bs`"):
        table_loaders(valbs=3)


def test_a_codec_without_tables_reads_items_one_by_one() -> None:
    source = Source([0.0, 1.0, 2.0], [0.0, 1.0, 2.0], ["a", "b", "a"])
    split, target = Split((0, 1), (2,), ()), CategoryTarget(("a", "b"))
    dls = make_loaders(source, split, Numbers(), target, device="cpu", num_workers=0)
    assert isinstance(dls.train.dataset, ItemDataset)
    assert dls.one_batch().x[0].shape == (2, 2)
    with pytest.raises(ConfigError, match=r"for each row of a table.*inputs='numbers'"):
        make_loaders(source, split, Numbers(), target, weights=torch.ones(3), device="cpu")


@pytest.mark.parametrize("shape", [(19,), (20, 1), ()])
def test_weights_that_do_not_fit_the_rows_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"Expected weights \(20,\), one for each row"):
        table_loaders(weights=torch.ones(shape))


@pytest.mark.parametrize("label", ["evn", None, float("nan")])
def test_a_label_that_cannot_be_encoded_names_its_row_in_the_table(label: Any) -> None:
    table = numbered(9)
    raws = table.column("label").to_numpy().astype(object)
    raws[[6, 8]] = label
    source = Source(table, table, raws)
    split, target = Split((0, 1, 2, 3), (5, 6, 8), ()), CategoryTarget(("even", "odd"))
    with pytest.raises(DataError, match=r"label=.*The row is number 6\.$"):
        make_loaders(source, split, Cells(), target, device="cpu")
    plain = replace(source, raws=list(raws))
    with pytest.raises(DataError, match=r"label=.*The row is number 6\.$"):
        make_loaders(plain, split, Cells(), target, device="cpu")


def test_labels_may_be_a_list_or_an_array() -> None:
    table = numbered(6)
    raws = table.column("label").to_numpy()
    split, target = Split((0, 1, 3), (2, 4), ()), CategoryTarget(("even", "odd"))
    made = [
        make_loaders(Source(table, table, labels), split, Cells(), target, device="cpu")
        for labels in (raws, list(raws), np.array(list(raws)))
    ]
    for dls in made:
        assert [y.tolist() for _, y in dls.valid] == [[0, 0]]
