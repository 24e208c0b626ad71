from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from data_kit import Numbers, numbers, picture, pictures
from hypothesis import given, settings
from hypothesis import strategies as st
from table_kit import table_loaders

from redstart.data.batch import Batch
from redstart.data.block import DataBlock
from redstart.data.items import get_image_files, parent_label
from redstart.data.loader import Loader, LoaderOptions, check_options, default_workers
from redstart.errors import ConfigError, DataError
from redstart.rng import generator
from redstart.targets.category import CategoryBlock
from redstart.vision.codec import ImageBlock, ImageCodec
from redstart.vision.resize import RandomResizedCrop, Resize


def same(a: list[Batch], b: list[Batch]) -> bool:
    return len(a) == len(b) and all(
        torch.equal(one.index, other.index)
        and all(map(torch.equal, one.x, other.x))
        and all(map(torch.equal, one.y or (), other.y or ()))
        for one, other in zip(a, b, strict=True)
    )


def order(loader: Loader, epoch: int) -> list[int]:
    return [row for batch in loader.batches(epoch=epoch) for row in batch.index.tolist()]


def noise(batch: Batch, rng: torch.Generator) -> Batch:
    return replace(batch, x=(batch.x[0] + torch.empty(batch.x[0].shape).normal_(generator=rng),))


# ---- which rows


@settings(deadline=None, max_examples=50)
@given(n=st.integers(5, 40), bs=st.integers(1, 12), passes=st.integers(1, 3))
def test_every_row_comes_once_per_pass_and_no_batch_is_of_a_lonely_row(
    n: int, bs: int, passes: int
) -> None:
    loader = numbers(n, valid=(0,), bs=bs).train.replace(passes=passes)
    batches = list(loader)
    assert len(batches) == len(loader)
    rows = [row for batch in batches for row in batch.index.tolist()]
    assert sorted(rows) == sorted(list(range(1, n)) * passes)
    for number in range(passes):
        one = rows[number * (n - 1) : (number + 1) * (n - 1)]
        assert sorted(one) == list(range(1, n)), "each pass visits every row"
    sizes = [len(batch) for batch in batches]
    assert max(sizes) <= bs + (bs > 1)
    if bs > 1:
        assert min(sizes) > 1


def test_a_last_batch_of_one_row_joins_the_one_before() -> None:
    loader = numbers(13, valid=(0, 1, 2, 3), bs=4).train
    assert [len(batch) for batch in loader] == [4, 5]
    assert [len(batch) for batch in loader.replace(bs=1)] == [1] * 9
    assert [len(batch) for batch in loader.replace(bs=3)] == [3, 3, 3]


def test_a_part_without_rows_has_no_batches() -> None:
    valid = numbers(13).valid
    empty = valid.replace(dataset=valid.dataset.rows_at([]))
    assert len(empty) == 0
    assert list(empty) == []


def test_the_index_of_a_batch_leads_back_to_item_and_label() -> None:
    dls = numbers(20, num_workers=2)
    for loader in (dls.train, dls.valid):
        for batch in loader.batches(epoch=3):
            assert batch.index.dtype == torch.int64
            for row, x, y in zip(batch.index.tolist(), *batch, strict=True):
                number, label = dls.items[row]
                assert x.tolist() == [number, 2 * number]
                assert dls.vocab[int(y)] == label


# ---- in which order


def test_order_depends_on_seed_and_epoch_and_on_nothing_else() -> None:
    train = numbers(30).train
    first = order(train, 0)
    assert order(train, 0) == first
    assert order(numbers(30, num_workers=2).train, 0) == first
    assert order(numbers(30, seed=42).train, 0) == first
    assert order(train, 1) != first
    assert order(train.replace(seed=7), 0) != first
    assert sorted(order(train, 1)) == sorted(first)
    assert order(train.replace(shuffle=False), 1) == sorted(first)


def test_validation_rows_keep_their_order() -> None:
    valid = numbers(20, valid=(7, 3, 11)).valid
    assert order(valid, 0) == order(valid, 5) == [7, 3, 11]


@pytest.mark.parametrize("draws", [False, True])
def test_workers_and_skipping_change_no_bit(draws: bool) -> None:
    def made(workers: int) -> Loader:
        loader: Loader = numbers(30, codec=Numbers(draws), num_workers=workers).train
        return loader.replace(tfms=(noise,), passes=2)

    plain = list(made(0).batches(epoch=2))
    assert same(list(made(2).batches(epoch=2)), plain)
    assert same(list(made(3).batches(epoch=2)), plain)
    for k in (1, 5, len(plain)):
        for workers in (0, 2):
            assert same(list(made(workers).batches(epoch=2, skip=k)), plain[k:])


def test_real_pictures_are_the_same_with_0_and_2_workers(tmp_path: Path) -> None:
    block = DataBlock(
        (ImageBlock, CategoryBlock),
        get_image_files,
        get_y=parent_label,
        item_tfms=RandomResizedCrop(8),
    )
    root = pictures(tmp_path / "p", 6)

    def batches(workers: int) -> list[Batch]:
        dls = block.dataloaders(root, bs=4, num_workers=workers, device="cpu")
        return [b for epoch in (0, 1) for b in dls.train.batches(epoch=epoch)]

    assert same(batches(0), batches(2))


# ---- augmentation


def test_augmentation_is_a_function_of_seed_epoch_and_batch() -> None:
    drawn: list[list[int]] = []

    def spy(batch: Batch, rng: torch.Generator) -> Batch:
        drawn.append(rng.get_state().tolist())
        return batch

    loader = numbers(12, valid=(0,), bs=4, seed=5).train.replace(tfms=(spy,))
    list(loader.batches(epoch=3))
    expected = [generator(5, 3, number).get_state().tolist() for number in range(3)]
    assert drawn == expected
    drawn.clear()
    list(loader.batches(epoch=3, skip=2))
    assert drawn == expected[2:]


def test_several_transforms_share_the_batch_in_turn_and_validation_has_none() -> None:
    def double(batch: Batch, rng: torch.Generator) -> Batch:
        return replace(batch, x=(batch.x[0] * 2,))

    def one_more(batch: Batch, rng: torch.Generator) -> Batch:
        return replace(batch, x=(batch.x[0] + 1,))

    dls = numbers(12).with_tfms([double, one_more])
    batch = dls.one_batch()
    assert torch.equal(batch.x[0][:, 0], batch.index * 2.0 + 1)
    valid = next(iter(dls.valid))
    assert torch.equal(valid.x[0][:, 0], valid.index.float())


def test_rows_that_draw_are_new_each_epoch_and_each_pass() -> None:
    loader = numbers(12, codec=Numbers(draws=True)).train.replace(passes=2)

    def drawn(epoch: int) -> dict[int, list[float]]:
        found: dict[int, list[float]] = {}
        for batch in loader.batches(epoch=epoch):
            for row, x in zip(batch.index.tolist(), batch.x[0], strict=True):
                found.setdefault(row, []).append(float(x[0]))
        return found

    first, second = drawn(0), drawn(1)
    for row, values in first.items():
        assert len({*values, *second[row]}) == 4, "two passes in each of two epochs"
        assert all(row <= v <= row + 0.5 for v in values)
    assert drawn(0) == first


def test_what_is_not_prepared_is_what_can_be_drawn(tmp_path: Path) -> None:
    block = DataBlock(
        (ImageCodec(mean=(0.5,) * 3, std=(0.5,) * 3), CategoryBlock()),
        get_image_files,
        get_y=parent_label,
    )
    dls = block.dataloaders(pictures(tmp_path / "p"), device="cpu", num_workers=0)
    raw = next(iter(dls.train.batches(epoch=0, prepare=False)))
    ready = next(iter(dls.train.batches(epoch=0)))
    assert raw.x[0].dtype == torch.uint8
    assert torch.allclose(ready.x[0], raw.x[0] / 127.5 - 1, atol=1e-6)


# ---- threads and failures


def test_an_iterator_closed_early_leaves_no_threads() -> None:
    loader = numbers(40, num_workers=3).train
    batches = loader.batches(epoch=0)
    next(batches)
    assert any("redstart-loader" in t.name for t in threading.enumerate())
    batches.close()
    loader.one_batch()
    for _ in range(100):
        if not any("redstart-loader" in t.name for t in threading.enumerate()):
            break
        time.sleep(0.02)
    assert not [t for t in threading.enumerate() if "redstart-loader" in t.name]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_file_surfaces_as_an_error_that_names_it(
    tmp_path: Path, workers: int
) -> None:
    root = pictures(tmp_path / "p")
    (root / "red" / "2.png").write_bytes(b"not a picture")
    block = DataBlock((ImageBlock, CategoryBlock), get_image_files, get_y=parent_label)
    dls = block.dataloaders(root, num_workers=workers, device="cpu")
    with pytest.raises(DataError, match=r"red.2\.png"):
        list(dls.train)
        list(dls.valid)


@pytest.mark.parametrize("workers", [0, 2])
def test_pictures_of_two_sizes_name_two_files_and_the_way_out(tmp_path: Path, workers: int) -> None:
    root = pictures(tmp_path / "p")
    for i in range(4):
        picture(root / "blue" / f"{i}.png", size=9)
    block = DataBlock((ImageBlock, CategoryBlock), get_image_files, get_y=parent_label)
    dls = block.dataloaders(root, num_workers=workers, device="cpu")
    shapes = r"(red|blue).\d\.png is \(3, \d, \d\), \S+(red|blue).\d\.png is \(3, \d, \d\)"
    with pytest.raises(DataError, match=rf"{shapes}.*item_tfms=Resize\(224\)") as caught:
        dls.one_batch()
    assert "(3, 8, 8)" in str(caught.value) and "(3, 9, 9)" in str(caught.value)
    sized = block.new(item_tfms=Resize(8)).dataloaders(root, num_workers=workers, device="cpu")
    assert sized.one_batch().x[0].shape[1:] == (3, 8, 8)


@pytest.mark.parametrize(
    ("option", "value"), [("bs", 0), ("bs", -1), ("num_workers", -1), ("passes", 0)]
)
def test_numbers_that_make_no_sense_are_refused(option: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"Expected `{option}` of .* or more.*{option}={value}"):
        numbers(12).train.replace(**{option: value})


def test_an_option_that_would_be_ignored_is_refused() -> None:
    listed = r"batch_size\. .*There are: bs, cache_bytes, corrections, device"
    with pytest.raises(ConfigError, match=listed):
        numbers(12, batch_size=4)
    with pytest.raises(ConfigError, match=r"num_worker\. Did you mean `num_workers`"):
        numbers(12, num_worker=4)
    check_options(["bs", "seed"], LoaderOptions)


def test_default_workers_are_few_and_never_none() -> None:
    assert 1 <= default_workers() <= 8


# ---- tables


@settings(deadline=None, max_examples=30)
@given(
    n=st.integers(6, 40),
    bs=st.integers(1, 12),
    passes=st.integers(1, 3),
    epoch=st.integers(0, 2),
    skip=st.integers(0, 5),
)
def test_batches_of_a_table_are_those_of_its_rows_one_by_one(
    n: int, bs: int, passes: int, epoch: int, skip: int
) -> None:
    whole = table_loaders(n, valid=(1, 3), bs=bs)
    rows = numbers(n, valid=(1, 3), bs=bs)
    for one, other in ((whole.train, rows.train), (whole.valid, rows.valid)):
        one, other = one.replace(passes=passes), other.replace(passes=passes)
        assert len(one) == len(other)
        wanted = list(other.batches(epoch=epoch, skip=skip))
        assert same(list(one.batches(epoch=epoch, skip=skip)), wanted)


def test_a_table_of_many_rows_is_gathered_in_parts_and_loses_none() -> None:
    n = 2 + 67 * 500 + 1  # several gathers, and a last row alone that joins
    train = table_loaders(n, valid=(0, 1), bs=500).train.replace(passes=2)
    batches = list(train.batches(epoch=3))
    index = torch.cat([batch.index for batch in batches])
    assert index.tolist() == [row + 2 for row in train.order(epoch=3)]
    assert [len(batch) for batch in batches] == [*[500] * 66, 501] * 2
    for batch in batches:
        assert torch.equal(batch.x[0], torch.stack([batch.index, 2 * batch.index], 1).float())
        assert batch.y is not None and torch.equal(batch.y[0], batch.index % 2)
    assert same(list(train.batches(epoch=3, skip=40)), batches[40:])


def test_batches_of_a_table_are_views_not_copies() -> None:
    first, second, *_ = table_loaders(40, valid=(0,)).train
    for one, other in ((first.x[0], second.x[0]), (first.y[0], second.y[0])):
        assert one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def test_a_lonely_last_row_of_a_table_joins_the_batch_before() -> None:
    loader = table_loaders(13, valid=(0, 1, 2, 3), bs=4).train
    assert [len(batch) for batch in loader] == [4, 5]


def test_a_table_is_augmented_as_rows_are() -> None:
    loader = table_loaders(20).train.replace(tfms=(noise,), passes=2)
    rows = numbers(20).train.replace(tfms=(noise,), passes=2)
    assert same(list(loader.batches(epoch=1)), list(rows.batches(epoch=1)))
