from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from data_kit import Numbers, counted, numbers, pairs, picture, pictures
from PIL import Image

from redstart.data.batch import Batch
from redstart.data.block import DataBlock
from redstart.data.device import as_device, best_device
from redstart.data.items import get_image_files, parent_label
from redstart.data.loaders import DataLoaders
from redstart.data.split import IndexSplitter, Split
from redstart.errors import ConfigError, DataError
from redstart.show.drawing import Drawing
from redstart.show.view import Caption, ImageView
from redstart.targets.category import CategoryBlock, CategoryTarget
from redstart.vision.augment import aug_transforms
from redstart.vision.codec import ImageBlock, ImageCodec
from redstart.vision.resize import RandomResizedCrop, Resize


def photos(root: Path, n: int = 4, **more: object) -> DataLoaders:
    changes = {k: more.pop(k) for k in ("item_tfms", "batch_tfms") if k in more}
    block = DataBlock(
        (ImageBlock, CategoryBlock), get_image_files, get_y=parent_label, item_tfms=Resize(8)
    ).new(**changes)
    given = {"num_workers": 0, "device": "cpu", **more}
    return block.dataloaders(pictures(root, n), **given)  # type: ignore[arg-type]


# ---- what there is


def test_what_loaders_know() -> None:
    dls = numbers(20, test=(4, 5), seed=7)
    assert dls.vocab == ("even", "odd")
    assert dls.c == 2
    assert dls.items == pairs(20)
    assert (dls.seed, dls.device) == (7, torch.device("cpu"))
    assert dls.has_valid
    assert dls.parts() == {"train": tuple(range(6, 20)), "valid": (0, 1, 2, 3), "test": (4, 5)}
    assert repr(dls) == "DataLoaders(numbers -> category; train 14, valid 4, test 2)"
    assert isinstance(dls.codec, Numbers) and isinstance(dls.target, CategoryTarget)


def test_one_batch_unpacks_as_x_and_y() -> None:
    dls = numbers(20)
    x, y = dls.one_batch()
    first = next(iter(dls.train.batches(epoch=0)))
    assert torch.equal(x, first.x[0]) and torch.equal(y, first.y[0])
    assert x.shape == (4, 2) and y.dtype == torch.int64
    out = torch.zeros(4, 2)
    assert torch.equal(dls.loss_func(out, y), dls.target.loss(out, (y,)))


def test_without_validation_rows_there_are_none() -> None:
    block = DataBlock(
        (Numbers(), CategoryBlock()),
        get_x=lambda pair: pair[0],
        get_y=lambda pair: pair[1],
        splitter=lambda items: Split.without_valid(range(len(items))),
    )
    dls = block.dataloaders(pairs(8), device="cpu", num_workers=0)
    assert not dls.has_valid
    assert list(dls.parts()) == ["train"]
    assert not DataLoaders(dls.train, None).has_valid


# ---- plain batches


def plain() -> DataLoaders:
    rows = [(torch.zeros(3, 2), torch.zeros(3)), (torch.zeros(2, 2), torch.zeros(2))]
    return DataLoaders(rows, rows[:1])


def test_plain_batches_of_x_and_y_are_loaders_too() -> None:
    dls = plain()
    x, y = dls.one_batch()
    assert (x.shape, y.shape) == ((3, 2), (3,))
    assert (dls.train.n_rows, dls.valid.n_rows, dls.has_valid) == (5, 3, True)
    assert dls.parts() == {} and dls.digests() == {} and dls.vocab == ()
    assert repr(dls) == "DataLoaders(tensor -> tensor; plain batches)"


@pytest.mark.parametrize(
    "ask",
    [
        lambda dls: dls.items,
        lambda dls: dls.show_batch(),
        lambda dls: dls.test_dl([1]),
        lambda dls: dls.without([0]),
        lambda dls: dls.with_tfms([]),
    ],
)
def test_plain_batches_have_no_items_to_look_up(ask: Callable[[DataLoaders], object]) -> None:
    with pytest.raises(ConfigError, match=r"made by a `DataBlock`.*train=StreamLoader"):
        ask(plain())


# ---- looking


def test_show_batch_draws_the_rows_that_the_model_sees(tmp_path: Path) -> None:
    dls = photos(tmp_path / "p")
    drawing = dls.show_batch(4, ncols=2, figsize=(4, 4))
    assert isinstance(drawing, Drawing)
    cards = dls.cards(4)
    batch = next(iter(dls.train.replace(bs=4).batches(epoch=0, prepare=False)))
    assert [card.index for card in cards] == batch.index.tolist()
    for card, x in zip(cards, batch.x[0], strict=True):
        file = dls.items[card.index]
        assert card.item == str(file)
        assert card.truth == Caption(file.parent.name)
        assert isinstance(card.view, ImageView)
        assert np.array_equal(card.view.pixels, x.permute(1, 2, 0).numpy())


def test_show_batch_draws_no_more_rows_than_there_are(tmp_path: Path) -> None:
    dls = photos(tmp_path / "p")
    assert len({card.index for card in dls.cards(99)}) == dls.train.n_rows
    assert len(dls.cards(2)) == 2


@pytest.mark.parametrize("where", ["item_tfms", "batch_tfms"])
def test_show_batch_unique_draws_one_row_in_many_versions(tmp_path: Path, where: str) -> None:
    tfms = {
        "item_tfms": {"item_tfms": RandomResizedCrop(8)},
        "batch_tfms": {"batch_tfms": aug_transforms(max_lighting=0.9, p_lighting=1.0)},
    }[where]
    root = tmp_path / "p"
    dls = photos(root, 4, **tfms)
    rng = np.random.default_rng(0)
    for file in dls.items:
        Image.fromarray(rng.integers(0, 255, (8, 8, 3)).astype(np.uint8)).save(file)
    cards = dls.cards(9, unique=True)
    assert len(cards) == 9, "more than the rows there are"
    assert {card.index for card in cards} == {dls.parts()["train"][0]}
    versions = {card.view.pixels.tobytes() for card in cards}  # type: ignore[attr-defined]
    assert len(versions) > 5
    assert isinstance(dls.show_batch(3, unique=True), Drawing)


def test_unique_shows_one_row_even_of_two(tmp_path: Path) -> None:
    dls = photos(tmp_path / "p").without(range(2, 99))
    two = replace(dls, train=dls.train.replace(dataset=dls.train.dataset.rows_at([0, 0])))
    assert len({card.index for card in two.cards(4, unique=True)}) == 1


# ---- new items


def test_new_items_are_read_as_validation_rows_are(tmp_path: Path) -> None:
    dls = photos(tmp_path / "p", item_tfms=RandomResizedCrop(8), bs=2, val_bs=3)
    new = [picture(tmp_path / "new" / f"{i}.png", (i, 0, 0), 16) for i in range(5)]
    loader = dls.test_dl(new)
    batches = list(loader)
    assert [b.index.tolist() for b in batches] == [[0, 1, 2], [3, 4]]
    assert all(b.y is None for b in batches)
    assert loader.source.items == new
    encoded = dls.codec.encode(dls.codec.load(new[4]))
    assert torch.equal(batches[1].x[0][1:], dls.codec.prepare((encoded[0][None],))[0])
    assert len(list(dls.test_dl(iter(new), bs=5))) == 1


def test_a_single_path_is_one_new_item_and_not_its_letters(tmp_path: Path) -> None:
    dls = photos(tmp_path / "p")
    file = picture(tmp_path / "new.png")
    for one in (file, str(file)):
        assert next(iter(dls.test_dl(one))).x[0].shape == (1, 3, 8, 8)


def test_no_new_item_is_an_error() -> None:
    with pytest.raises(DataError, match=r"Expected at least one item\. Got: 0 items"):
        numbers().test_dl([])


# ---- the same rows, changed


def test_rows_can_be_left_out_by_number() -> None:
    dls = numbers(20, test=(4, 5))
    less = dls.without([0, 5, 19, 99])
    assert less.parts()["train"] == tuple(range(6, 19))
    assert less.parts()["valid"] == (1, 2, 3)
    assert less.parts()["test"] == (4,)
    assert less.items is dls.items
    for batch in less.train:
        assert torch.equal(batch.x[0][:, 0], batch.index.float())
        assert torch.equal(batch.y[0], batch.index % 2)
    assert dls.parts()["valid"] == (0, 1, 2, 3), "the first are as they were"


def test_another_target_encodes_the_labels_anew() -> None:
    dls = numbers(20, test=(4, 5))
    turned = dls.with_target(CategoryTarget(("odd", "even")))
    assert turned.vocab == ("odd", "even")
    for loader in (turned.train, turned.valid, turned.sealed):
        for batch in loader:
            assert torch.equal(batch.y[0], 1 - batch.index % 2)
    with pytest.raises(DataError, match=r"label='odd'.*number 7: \(7.0, 'odd'\)"):
        dls.with_target(CategoryTarget(("even", "other")))


def test_other_augmentation_is_for_training_rows_alone() -> None:
    def zeros(batch: Batch, rng: torch.Generator) -> Batch:
        return replace(batch, x=(batch.x[0] * 0,))

    dls = numbers(20).with_tfms([zeros])
    assert not dls.one_batch().x[0].any()
    assert next(iter(dls.valid)).x[0].any()
    assert dls.with_tfms([]).one_batch().x[0].any()


# ---- digests


def test_digests_change_if_and_only_if_data_or_split_change(tmp_path: Path) -> None:
    def digests(valid: tuple[int, ...] = (0, 4), labels: object = parent_label, **more: object):  # type: ignore[no-untyped-def]
        block = DataBlock(
            (ImageBlock, CategoryBlock),
            get_image_files,
            get_y=labels,
            splitter=IndexSplitter(valid),
            **more,  # type: ignore[arg-type]
        )
        return block.dataloaders(root, device="cpu", seed=len(more)).digests()

    root = pictures(tmp_path / "p")
    first = digests()
    assert {len(value) for value in first.values()} == {64}
    assert digests() == digests(item_tfms=Resize(8)) == digests((4, 0)) == first
    moved = digests((0, 5))
    assert moved["data"] == first["data"] and moved["split"] != first["split"]
    named = digests(labels=lambda file: "xy"["red" in str(file)])
    assert named["data"] != first["data"] and named["split"] == first["split"]
    os.utime(root / "red" / "0.png", ns=(0, 1))
    touched = digests()
    assert touched["data"] != first["data"] and touched["split"] == first["split"]
    less = digests()
    picture(root / "red" / "9.png")
    assert digests()["data"] != less["data"]


def test_digests_of_items_in_memory_follow_their_contents() -> None:
    def digest(shade: int, kind: Callable[[np.ndarray], object]) -> str:  # type: ignore[type-arg]
        arrays = [np.full((8, 8, 3), shade + k, np.uint8) for k in range(6)]
        items = [(kind(a), "ab"[k % 2]) for k, a in enumerate(arrays)]
        block = DataBlock(
            (ImageBlock, CategoryBlock),
            get_x=lambda pair: pair[0],
            get_y=lambda pair: pair[1],
        )
        return block.dataloaders(items, device="cpu").digests()["data"]

    for kind in (np.asarray, Image.fromarray, torch.from_numpy):
        assert digest(1, kind) == digest(1, kind) != digest(2, kind)
    one, other = numbers(20), numbers(20, items=[(k + 0.5, label) for k, label in pairs(20)])
    assert one.digests()["data"] == numbers(20).digests()["data"] != other.digests()["data"]


# ---- the rest


def test_the_best_device_is_one_that_works() -> None:
    torch.zeros(1, device=best_device())
    assert as_device() == best_device() and as_device("cpu").type == "cpu"


def test_a_device_that_does_not_work_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"works here\. Got: device='tpu'.*Leave it out: the best"
    ):
        as_device("tpu")


def test_sealed_rows_are_read_by_nothing_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = DataBlock(
        (ImageBlock, CategoryBlock),
        get_image_files,
        get_y=parent_label,
        splitter=IndexSplitter([0, 4], [1, 5]),
    )
    dls = block.dataloaders(pictures(tmp_path / "p"), num_workers=0, device="cpu")
    loads = counted(monkeypatch, ImageCodec, "load")
    list(dls.train), list(dls.valid), dls.one_batch(), dls.show_batch(), dls.digests()
    assert not {dls.items[row] for row in dls.parts()["test"]} & set(loads)
