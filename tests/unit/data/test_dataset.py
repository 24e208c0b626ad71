from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, final

import pytest
import torch
from data_kit import Numbers, counted, numbers, pictures

from redstart.data.batch import Batch, Encoded, stack
from redstart.data.block import DataBlock
from redstart.data.cache import RowCache
from redstart.data.codec import Codec
from redstart.data.dataset import Dataset, ItemDataset, Source, collate_inputs
from redstart.data.items import get_image_files, parent_label
from redstart.data.loader import Loader
from redstart.data.stream import TensorCodec, TensorTarget
from redstart.data.table_dataset import TableDataset
from redstart.data.target import Target
from redstart.errors import DataError
from redstart.rng import generator
from redstart.show.view import LineView
from redstart.targets.category import CategoryBlock, CategoryTarget
from redstart.vision.codec import ImageBlock, ImageCodec
from redstart.vision.resize import RandomResizedCrop, Resize


def source(n: int = 8) -> Source:
    return Source([f"item {k}" for k in range(n)], [float(k) for k in range(n)], ["a", "b"] * 4)


def dataset(rows: tuple[int, ...] = (5, 0, 3), **options: Any) -> ItemDataset:
    codec = options.pop("codec", Numbers())
    return ItemDataset.of(source(), rows, codec, CategoryTarget(("a", "b")), **options)


def whole(data: Dataset, epoch: int = 0) -> Batch:
    positions = list(range(len(data)))
    parts = [data.inputs(positions, seed=1, epoch=epoch)]
    batch: Batch = data.collate(positions, parts, 1, epoch)
    return batch


# ---- batches


def test_a_batch_unpacks_to_x_and_y_and_only_x_without_labels() -> None:
    one, two, y = torch.zeros(2, 3), torch.ones(2), torch.tensor([0, 1])
    batch = Batch(torch.arange(2), (one,), (y,))
    x, label = batch
    assert x is one and label is y and len(batch) == 2
    assert [t is u for t, u in zip(Batch(batch.index, (one, two), None), (one, two), strict=True)]
    assert len(list(Batch(batch.index, (one, two), None))) == 2


def test_moving_a_batch_leaves_its_row_numbers_on_the_cpu() -> None:
    batch = Batch(torch.arange(2), (torch.zeros(2),), (torch.zeros(2),))
    moved = batch.to(torch.device("meta"))
    assert (moved.x[0].device.type, moved.index.device.type) == ("meta", "cpu")
    assert moved.y is not None and moved.y[0].device.type == "meta"
    assert replace(batch, y=None).to(torch.device("meta")).y is None


def test_rows_are_stacked_slot_by_slot() -> None:
    first, second = stack([(torch.tensor(1), torch.zeros(2)), (torch.tensor(2), torch.ones(2))])
    assert first.tolist() == [1, 2] and second.tolist() == [[0, 0], [1, 1]]
    with pytest.raises(ValueError, match=r"shorter|longer"):
        stack([(torch.tensor(1),), (torch.tensor(1), torch.tensor(2))])


# ---- rows


def test_positions_are_of_the_part_and_index_of_the_source() -> None:
    data = dataset()
    assert len(data) == 3
    assert data.index.tolist() == [5, 0, 3]
    assert [data.x(p)[0].tolist() for p in range(3)] == [[5, 10], [0, 0], [3, 6]]
    assert [int(data.y(p)[0]) for p in range(3)] == [1, 0, 1]  # type: ignore[index]
    batch = whole(data)
    assert batch.index.tolist() == [5, 0, 3]
    assert batch.x[0][:, 0].tolist() == [5, 0, 3]
    assert batch.y is not None and batch.y[0].tolist() == [1, 0, 1]


def test_some_rows_keep_their_numbers_labels_and_order() -> None:
    data = dataset().rows_at([2, 0])
    assert data.rows == (3, 5)
    assert data.index.tolist() == [3, 5]
    assert whole(data).y[0].tolist() == [1, 1]  # type: ignore[index]
    assert whole(dataset().rows_at([1])).y[0].tolist() == [0]  # type: ignore[index]
    assert len(dataset().rows_at([])) == 0


def test_new_items_have_no_labels() -> None:
    data = ItemDataset.of(replace(source(), raws=None), (1, 2), Numbers(), CategoryTarget(("a",)))
    assert data.y(0) is None
    assert whole(data).y is None


def test_a_label_that_cannot_be_encoded_names_its_row() -> None:
    bad = replace(source(), raws=["a", "b", "c", *"ababa"])
    with pytest.raises(DataError, match=r"label='c'.*The row is number 2: item 2\."):
        ItemDataset.of(bad, (0, 2), Numbers(), CategoryTarget(("a", "b")))


def test_a_row_is_called_by_its_file_or_by_its_item() -> None:
    rows = Source([("a.png", 1), 7], [Path("a.png"), 0.5], None)
    assert (rows.name(0), rows.name(1)) == ("a.png", "7")


def test_what_holds_many_rows_prints_in_one_line() -> None:
    data = dataset()
    assert repr(data) == "ItemDataset(3 of 8 items, numbers -> category)"
    assert repr(table(data)) == "TableDataset(3 of 8 items, numbers -> category)"
    assert len(repr(numbers(5000).train)) < 300


@final
@dataclass(frozen=True)
class Late(Target[str, Any]):
    """A target that is encoded late, and drawn with the input."""

    kind: ClassVar[str] = "late"
    eager: ClassVar[bool] = False

    @property
    def n_out(self) -> int:
        return 1

    def fit(self, train: Sequence[Any], rest: Sequence[Any] = ()) -> Late:
        return self

    def encode(self, raw: Any) -> Encoded:
        return (torch.tensor(float(ord(raw))),)

    def encode_train(self, raw: Any, rng: torch.Generator) -> Encoded:
        return (torch.empty(2).uniform_(0, 1, generator=rng),)

    def loss(self, out: Any, y: Encoded, *, reduction: str = "mean") -> torch.Tensor:
        raise NotImplementedError

    def activate(self, out: Any) -> torch.Tensor:
        raise NotImplementedError

    def decode(self, acts: torch.Tensor) -> list[Any]:
        raise NotImplementedError

    def mark(self, y: Encoded) -> Any:
        raise NotImplementedError


def test_a_late_target_is_encoded_with_each_batch() -> None:
    data = ItemDataset.of(source(), (0, 1), Numbers(), Late())
    assert data.labels is None
    assert whole(data).y[0].tolist() == [97, 98]  # type: ignore[index]
    assert data.y(1)[0].tolist() == 98  # type: ignore[index]


def test_a_late_target_draws_with_the_same_generator_as_its_input() -> None:
    data = ItemDataset.of(source(), (3, 4), Numbers(draws=True), Late(), training=True)
    batch = whole(data, epoch=2)
    for i, row in enumerate((3, 4)):
        drawn = torch.empty(2).uniform_(0, 1, generator=generator(1, 2, row))
        assert torch.equal(batch.y[0][i], drawn)  # type: ignore[index]
        assert torch.allclose(batch.x[0][i], torch.tensor([row, 2.0 * row]) + drawn / 2)


# ---- what is kept


def test_the_second_epoch_reads_nothing() -> None:
    codec = Numbers()
    train = numbers(codec=codec).train
    for epoch in range(3):
        list(train.batches(epoch=epoch))
        assert len(codec.log) == 16
    assert sorted(codec.log) == list(range(4, 20))


def test_without_room_every_epoch_reads() -> None:
    codec = Numbers()
    train = numbers(codec=codec, cache_bytes=0).train
    list(train), list(train)
    assert len(codec.log) == 32


def test_the_cache_holds_as_many_rows_as_fit() -> None:
    codec = Numbers()
    train = numbers(codec=codec, cache_bytes=5 * 8 + 7).train
    list(train), list(train)
    assert train.dataset.cache.used == 5 * 8
    assert len(codec.log) == 16 + 11


def test_a_codec_that_draws_keeps_what_was_loaded() -> None:
    codec = Numbers(draws=True)
    dls = numbers(codec=codec)
    first = [b.x[0] for b in dls.train.batches(epoch=0)]
    second = [b.x[0] for b in dls.train.batches(epoch=1)]
    assert len(codec.log) == 16
    assert not any(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    stages = {stage for stage, _ in dls.train.dataset.cache._rows}
    assert stages == {f"raw {codec.encoding_id}"}
    list(dls.valid), list(dls.valid)
    assert len(codec.log) == 20, "validation rows do not draw and are kept encoded"


def test_a_codec_that_draws_may_refuse_to_have_rows_kept() -> None:
    codec = Numbers(draws=True, size=None)
    train = numbers(codec=codec).train
    list(train), list(train)
    assert len(codec.log) == 32


def test_a_codec_that_encodes_otherwise_does_not_get_the_old_rows() -> None:
    dls = numbers()
    before = dls.one_batch()
    other = dls.with_codec(Tripled())
    after = other.one_batch()
    assert torch.equal(before.index, after.index)
    assert torch.equal(after.x[0][:, 0], 3.0 * after.index)


@final
@dataclass(frozen=True)
class Tripled(Codec[float]):
    kind: ClassVar[str] = "tripled"

    def load(self, item: Any) -> float:
        return float(item)

    def encode(self, raw: float) -> Encoded:
        return (torch.tensor([3 * raw]),)

    def view(self, x: Encoded) -> LineView:
        raise NotImplementedError


def test_a_codec_that_only_normalises_otherwise_reads_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = DataBlock(
        (ImageBlock, CategoryBlock), get_image_files, get_y=parent_label, item_tfms=Resize(8)
    )
    dls = block.dataloaders(pictures(tmp_path / "p"), num_workers=0, device="cpu")
    loads = counted(monkeypatch, ImageCodec, "load")
    list(dls.train)
    seen = len(loads)
    normal = dls.with_codec(replace(dls.codec, mean=(0.5,) * 3, std=(0.1,) * 3))
    assert normal.one_batch().x[0].min() < 0
    assert len(loads) == seen


def test_pictures_are_decoded_once_with_random_crops_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = DataBlock(
        (ImageBlock, CategoryBlock),
        get_image_files,
        get_y=parent_label,
        item_tfms=RandomResizedCrop(8),
    )
    dls = block.dataloaders(pictures(tmp_path / "p"), num_workers=2, device="cpu")
    loads = counted(monkeypatch, ImageCodec, "load")
    for epoch in range(3):
        list(dls.train.batches(epoch=epoch))
    assert len(loads) == dls.train.n_rows


# ---- rows that do not stack


def test_another_fault_than_shapes_is_not_called_one_of_shapes() -> None:
    rows = [(torch.zeros(2),), (torch.zeros(2),)]

    @final
    @dataclass(frozen=True)
    class Broken(Codec[Any]):
        kind: ClassVar[str] = "broken"

        def load(self, item: Any) -> Any:
            return item

        def encode(self, raw: Any) -> Encoded:
            return (raw,)

        def view(self, x: Encoded) -> Any:
            return x

        def collate(self, rows: Sequence[Encoded]) -> Encoded:
            raise ValueError("a bug in collate")

    with pytest.raises(ValueError, match=r"^a bug in collate$"):
        collate_inputs(Broken(), rows, str)


def test_rows_of_two_shapes_are_both_named() -> None:
    rows = [(torch.zeros(2),), (torch.zeros(2),), (torch.zeros(3),)]
    with pytest.raises(DataError, match=r"Got: row 0 is \(2,\), row 2 is \(3,\)"):
        collate_inputs(TensorCodec(), rows, lambda i: f"row {i}")


def test_rows_of_two_numbers_of_tensors_are_both_named() -> None:
    rows = [(torch.zeros(2),), (torch.zeros(2), torch.zeros(4))]
    with pytest.raises(DataError, match=r"row 0 is \(2,\), row 1 is \(2,\), \(4,\)"):
        collate_inputs(TensorCodec(), rows, lambda i: f"row {i}")


# ---- tables


def table(data: ItemDataset) -> TableDataset:
    columns = stack([data.x(p) for p in range(len(data))])
    return TableDataset(data.source, data.index, columns, data.labels, data.codec, data.target)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_table_gives_the_batches_that_its_items_give(workers: int) -> None:
    items = numbers(21).train
    rows = items.replace(dataset=table(items.dataset), num_workers=workers, passes=2)
    items = items.replace(passes=2)
    for epoch in (0, 1):
        pairs = zip(items.batches(epoch=epoch), rows.batches(epoch=epoch), strict=True)
        for one, other in pairs:
            assert torch.equal(one.index, other.index)
            assert torch.equal(one.x[0], other.x[0])
            assert torch.equal(one.y[0], other.y[0])  # type: ignore[index]


def test_rows_of_a_table() -> None:
    data = table(dataset())
    assert isinstance(data, Dataset)
    assert len(data) == 3
    assert data.x(2)[0].tolist() == [3, 6] and int(data.y(2)[0]) == 1  # type: ignore[index]
    some = data.rows_at([2, 1])
    assert some.index.tolist() == [3, 0]
    assert some.columns[0].tolist() == [[3, 6], [0, 0]]
    assert some.labels is not None and some.labels[0].tolist() == [1, 0]
    bare = replace(data, labels=None).rows_at([0])
    assert bare.y(0) is None and whole(bare).y is None


def test_a_table_needs_no_target_that_knows_its_outputs() -> None:
    data = replace(table(dataset()), codec=TensorCodec(), target=TensorTarget())
    batches = list(Loader(data, bs=2))
    assert [len(b) for b in batches] == [3]


def test_the_parts_of_one_data_set_share_a_cache() -> None:
    kept = RowCache(1000)
    codec = Numbers()
    for part in ((0, 1), (2, 3)):
        whole(dataset(part, codec=codec, cache=kept))
    assert len(kept) == 4
    whole(dataset((0, 3), codec=codec, cache=kept))
    assert len(codec.log) == 4
