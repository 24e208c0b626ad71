from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
import pytest
import torch
from data_kit import Numbers, pairs, picture, pictures

from redstart.data.batch import Encoded
from redstart.data.block import DataBlock
from redstart.data.codec import Codec
from redstart.data.items import ColReader, get_image_files, parent_label
from redstart.data.loaders import DataLoaders
from redstart.data.split import ColSplitter, GrandparentSplitter, IndexSplitter, RandomSplitter
from redstart.errors import ConfigError, DataError
from redstart.show.view import TextView
from redstart.targets.category import CategoryBlock, CategoryTarget
from redstart.vision.codec import ImageBlock, ImageCodec
from redstart.vision.resize import Resize

BLOCK = DataBlock(
    blocks=(Numbers, CategoryBlock),
    get_x=itemgetter(0),
    get_y=itemgetter(1),
    splitter=IndexSplitter([0, 1]),
)


def load(block: DataBlock, source: Any, **options: Any) -> DataLoaders:
    return block.dataloaders(source, device="cpu", num_workers=0, **options)


def labelled(*labels: Any) -> list[tuple[float, Any]]:
    return [(float(k), label) for k, label in enumerate(labels)]


# ---- the recipe


def test_blocks_are_functions_or_what_they_make() -> None:
    for blocks in (
        (Numbers, CategoryBlock),
        (Numbers(), CategoryBlock()),
        [Numbers, CategoryTarget],
        (Numbers(), lambda: CategoryBlock(vocab=("even", "odd"))),
    ):
        dls = load(BLOCK.new(blocks=blocks), pairs(8))
        assert isinstance(dls.codec, Numbers) and dls.vocab == ("even", "odd")


@pytest.mark.parametrize(
    ("blocks", "named"),
    [
        ((Numbers,), r"\('Numbers',\)"),
        ((CategoryBlock, Numbers), r"\('CategoryTarget', 'Numbers'\)"),
        ((Numbers, CategoryBlock, CategoryBlock), "'CategoryTarget', 'CategoryTarget'"),
        ((Numbers, "category"), "'str'"),
    ],
)
def test_other_blocks_are_refused(blocks: tuple[Any, ...], named: str) -> None:
    with pytest.raises(ConfigError, match=f"an input and a target.*{named}.*ImageBlock"):
        load(BLOCK.new(blocks=blocks), pairs(8))


def test_a_changed_copy_leaves_the_recipe_as_it_was() -> None:
    other = BLOCK.new(get_y=lambda pair: "xy"[pair[1] == "odd"])
    assert load(other, pairs(8)).vocab == ("x", "y")
    assert load(BLOCK, pairs(8)).vocab == ("even", "odd")
    assert other.get_x is BLOCK.get_x


def test_functions_of_a_list_are_applied_in_turn() -> None:
    block = BLOCK.new(
        get_x=[itemgetter(0), math.sqrt], get_y=[itemgetter(1), str.upper, "<{}>".format]
    )
    dls = load(block, pairs(8))
    assert dls.vocab == ("<EVEN>", "<ODD>")
    assert dls.source.inputs[4] == 2.0
    assert dls.items[4] == (4.0, "even")


def test_an_item_is_its_own_input_if_nothing_is_said() -> None:
    block = DataBlock((Numbers, CategoryBlock), get_y=lambda k: "ab"[int(k) % 2])
    assert load(block, [1.0, 2.0, 3.0, 4.0, 5.0]).source.inputs == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_rows_are_split_at_random_if_nothing_is_said() -> None:
    parts = load(BLOCK.new(splitter=None), pairs(20)).parts()
    split = RandomSplitter(0.2, seed=42)(range(20))
    assert parts == {"train": split.train, "valid": split.valid}
    assert len(parts["valid"]) == 4


def test_a_splitter_may_return_plain_lists() -> None:
    block = BLOCK.new(splitter=lambda items: ([2, 3, 4], np.array([0, 1]), [5]))
    parts = load(block, pairs(8)).parts()
    assert parts == {"train": (2, 3, 4), "valid": (0, 1), "test": (5,)}


def test_options_arrive_where_they_belong() -> None:
    dls = load(BLOCK, pairs(40), bs=5, val_bs=7, seed=3, cache_bytes=123)
    assert (dls.train.bs, dls.valid.bs, dls.train.shuffle, dls.valid.shuffle) == (5, 7, True, False)
    assert (dls.seed, dls.train.dataset.cache.limit) == (3, 123)
    assert dls.train.dataset.cache is dls.valid.dataset.cache
    assert dls.train.dataset.training and not dls.valid.dataset.training
    assert load(BLOCK, pairs(40), bs=5).valid.bs == 5


def test_item_transforms_are_part_of_the_codec(tmp_path: Path) -> None:
    block = DataBlock(
        (ImageBlock, CategoryBlock), get_image_files, get_y=parent_label, item_tfms=Resize(6)
    )
    dls = load(block, pictures(tmp_path / "p"))
    assert isinstance(dls.codec, ImageCodec) and dls.codec.tfms == (Resize(6),)
    assert dls.one_batch().x[0].shape[1:] == (3, 6, 6)
    with pytest.raises(ConfigError, match="no item transforms for 'numbers'"):
        load(BLOCK.new(item_tfms=Resize(6)), pairs(8))


# ---- sources


def test_a_path_is_listed_by_get_items_and_is_where_the_data_lies(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p")
    block = DataBlock((ImageBlock, CategoryBlock), get_image_files, get_y=parent_label)
    dls = load(block, root)
    assert dls.items == get_image_files(root)
    assert (dls.path, dls.vocab) == (root, ("blue", "red"))
    assert load(block, root, path=tmp_path).path == tmp_path
    assert load(BLOCK, pairs(8)).path == Path()


def test_a_path_without_get_items_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"`get_items`.*source='photos'.*get_image_files"):
        load(BLOCK, "photos")


@pytest.mark.parametrize("source", [tuple(pairs(8)), iter(pairs(8)), dict.fromkeys(pairs(8))])
def test_anything_that_can_be_gone_through_is_a_source(source: Any) -> None:
    assert load(BLOCK, source).items == pairs(8)


def frames() -> list[Any]:
    table = {"x": [float(k) for k in range(8)], "y": list("abababab"), "v": [True] + [False] * 7}
    found: list[Any] = [pd.DataFrame(table), pd.DataFrame(table, index=list("hgfedcba"))]
    for name in ("polars", "pyarrow"):
        try:
            module = __import__(name)
        except ImportError:
            continue
        found.append(module.DataFrame(table) if name == "polars" else module.table(table))
    return found


@pytest.mark.parametrize("frame", frames(), ids=lambda frame: type(frame).__module__)
def test_a_table_is_a_source_whose_items_are_its_rows(frame: Any) -> None:
    block = DataBlock(
        (Numbers, CategoryBlock),
        get_x=ColReader("x"),
        get_y=ColReader("y"),
        splitter=ColSplitter("v"),
    )
    dls = load(block, frame)
    assert dls.vocab == ("a", "b")
    assert dls.parts() == {"train": tuple(range(1, 8)), "valid": (0,)}
    assert dls.items[3]["x"] == dls.items[3].x == 3.0
    assert sorted(dls.train.one_batch().x[0][:, 0].tolist()) == [1, 2, 3, 4, 5, 6, 7]


# ---- datasets


def test_datasets_are_rows_in_the_users_terms(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p")
    block = DataBlock(
        (ImageBlock, CategoryBlock),
        get_image_files,
        get_y=parent_label,
        splitter=IndexSplitter([0, 7]),
    )
    found = block.datasets(root)
    assert (len(found.train), len(found.valid), found.vocab) == (6, 2, ("blue", "red"))
    image, label = found.valid[1]
    assert label == "red" and image.size == (8, 8)
    assert np.asarray(image)[0, 0].tolist() == [60, 60, 195]
    assert [label for _, label in found.train] == ["blue"] * 3 + ["red"] * 3
    assert found.split.valid == (0, 7)
    with pytest.raises(IndexError, match="out of range"):
        found.valid[2]


# ---- sources that will not do


def test_an_empty_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    block = DataBlock((ImageBlock, CategoryBlock), get_image_files, get_y=parent_label)
    with pytest.raises(
        DataError, match=r"at least one item\. Got: 0 items in .*Check the path"
    ) as e:
        load(block, tmp_path)
    assert str(tmp_path) in str(e.value)
    with pytest.raises(DataError, match=r"Expected a folder.*gone.*does not exist"):
        load(block, tmp_path / "gone")


def test_a_handful_of_rows_is_the_least() -> None:
    with pytest.raises(DataError, match=r"Expected 5 rows or more\. Got: 4 items in \[\("):
        load(BLOCK, pairs(4))
    assert load(BLOCK, pairs(5)).train.n_rows == 3


def test_a_long_source_is_shortened_in_the_error() -> None:
    with pytest.raises(DataError, match=r"1 items in .{117}\.\.\."):
        load(BLOCK, [(0.0, "x" * 1000)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"get_y": lambda pair: {0.0: "a"}[pair[0]]},
            r"`get_y`.*row 1, \(1.0, 'odd'\).*KeyError: 1",
        ),
        ({"get_y": [itemgetter(1), lambda s: s.nope]}, r"`get_y`.*row 0.*AttributeError: .*nope"),
        ({"get_x": itemgetter(9)}, r"`get_x`.*row 0, \(0.0, 'even'\).*IndexError.*Mend the func"),
    ],
)
def test_a_function_of_the_user_that_fails_names_the_row(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load(BLOCK.new(**changes), pairs(8))


def test_a_function_that_words_its_own_error_is_left_to_it() -> None:
    with pytest.raises(DataError, match=r"^Expected a column 'z'"):
        load(BLOCK.new(get_x=ColReader("x"), get_y=ColReader("z")), pd.DataFrame({"x": range(8)}))


def test_labels_have_to_be_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"Expected `get_y`.*get_y=None.*get_y=parent_label"):
        load(BLOCK.new(get_y=None), pairs(8))


@pytest.mark.parametrize("missing", [None, math.nan, np.nan, pd.NA, pd.NaT, np.float32("nan")])
def test_a_missing_label_names_its_rows(missing: Any) -> None:
    rows = labelled("a", "b", "a", missing, "b", "a", missing)
    with pytest.raises(DataError, match=r"a label for every row.*\(3\.0, .*rows without one: 3, 6"):
        load(BLOCK, rows)
    unused = BLOCK.new(splitter=lambda items: ([1, 2, 4], [0, 5]))
    assert load(unused, rows).vocab == ("a", "b"), "rows in no part need no label"


def test_a_missing_label_in_a_file_of_labels_names_the_file() -> None:
    table = pd.DataFrame({"file": list("abcdef"), "label": ["x", "y", "x", None, "y", "x"]})
    block = DataBlock(
        (ImageBlock, CategoryBlock), get_x=ColReader("file", suff=".png"), get_y=ColReader("label")
    )
    with pytest.raises(DataError, match=r"nan for d\.png; rows without one: 3|None for d\.png"):
        load(block, table)


def test_one_class_is_not_enough() -> None:
    with pytest.raises(DataError, match=r"two classes to tell apart. Got: only 'a' in 6 rows"):
        load(BLOCK, labelled(*"aaaaaa"))


def test_lists_are_not_labels_of_one_category() -> None:
    with pytest.raises(DataError, match=r"one name or number. Got: label=\['a', 'b'\]"):
        load(BLOCK, labelled("a", "b", ["a", "b"], "a", "b"))


@pytest.mark.parametrize(
    ("splitter", "message"),
    [
        (lambda items: ([0, 1, 2], [2, 3]), "rows in two places: 2"),
        (lambda items: ([0, 1], [99]), "below 8, the number of items. Got: rows=99"),
        (lambda items: ([0, 1], []), "at least one row in valid"),
        (lambda items: 5, "Expected a splitter to return a Split"),
        (GrandparentSplitter(), "Expected files in folders 'train' and 'valid'"),
    ],
)
def test_a_split_that_does_not_fit_is_refused(splitter: Callable[[Any], Any], message: str) -> None:
    block = BLOCK.new(splitter=splitter, get_x=lambda f: float(Path(f).stem), get_y=parent_label)
    with pytest.raises(DataError, match=message):
        load(block, [f"{'ab'[k % 2]}/{k}" for k in range(8)])


# ---- vocabularies


def test_a_given_vocabulary_keeps_its_order_and_knows_no_other_label() -> None:
    block = BLOCK.new(blocks=(Numbers, CategoryBlock(vocab=("odd", "even", "never"))))
    dls = load(block, pairs(8))
    assert (dls.vocab, dls.c) == (("odd", "even", "never"), 3)
    wrong = BLOCK.new(blocks=(Numbers, CategoryBlock(vocab=("odds", "even"))))
    with pytest.raises(
        DataError, match=r"label='odd'\. Did you mean 'odds'\? Known labels: odds, even.*number 3"
    ):
        load(wrong, pairs(8))


@pytest.mark.parametrize(
    ("labels", "vocab"),
    [
        ((True, False, True, False, True), (False, True)),
        ((3, 1, 10, 1, 3), (1, 3, 10)),
        (tuple(np.array([3, 1, 10, 1, 3])), (1, 3, 10)),
        (tuple(torch.tensor([3, 1, 10, 1, 3])), (1, 3, 10)),
        ((0.5, 1.5, 0.5, 1.5, 0.5), (0.5, 1.5)),
        ((Path("b"), Path("a"), Path("b"), Path("a"), Path("b")), ("a", "b")),
        (("x", 1, "x", 1, "x"), (1, "x")),
    ],
)
def test_labels_of_any_plain_kind_are_sorted(labels: tuple[Any, ...], vocab: tuple[Any]) -> None:
    dls = load(BLOCK, labelled(*labels))
    assert dls.vocab == vocab
    assert [type(v) for v in dls.vocab] == [type(v) for v in vocab]
    for loader in (dls.train, dls.valid):
        for batch in loader:
            for row, y in zip(batch.index.tolist(), batch.y[0].tolist(), strict=True):
                want = labels[row]
                assert dls.vocab[y] == (str(want) if isinstance(want, Path) else want)


def test_a_class_of_validation_rows_only_is_known_and_found() -> None:
    dls = load(BLOCK, labelled("new", *"abababab"))
    assert dls.vocab == ("a", "b", "new")
    assert any("new" in f.said for f in dls.audit().findings)


def test_statistics_come_from_training_rows_alone() -> None:
    block = BLOCK.new(blocks=(Numbers, CategoryBlock(class_weights="balanced")))
    found = load(block, labelled("a", "a", *"bbba")).target
    assert isinstance(found, CategoryTarget)
    assert found.class_weights == (2.0, 2 / 3)


def test_pictures_of_a_broken_folder_do_not_stop_the_making_of_loaders(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p")
    picture(root / "red" / "x.png").write_bytes(b"")
    block = DataBlock((ImageBlock, CategoryBlock), get_image_files, get_y=parent_label)
    assert load(block, root).train.n_rows == 7


@final
@dataclass(frozen=True, slots=True)
class Columns(Codec[float]):
    """Numbers that are encoded all at once; encoding one by one is an error here."""

    kind: ClassVar[str] = "columns"

    def load(self, item: Any) -> float:
        raise AssertionError("tables are never read row by row")

    def encode(self, raw: float) -> Encoded:
        raise AssertionError("tables are never encoded row by row")

    def encode_table(self, items: Sequence[Any]) -> Encoded:
        return (torch.tensor([[float(i)] for i in items]),)

    def view(self, x: Encoded) -> TextView:
        return TextView(str(x[0].item()))


def test_a_table_is_encoded_whole_and_sliced_in_batches() -> None:
    block = DataBlock(
        blocks=(Columns(), CategoryBlock()),
        get_y=lambda i: "odd" if i % 2 else "even",
        splitter=RandomSplitter(0.25, test_pct=0.25),
    )
    dls = block.dataloaders(list(range(20)), bs=4, device="cpu", num_workers=0)
    for part, rows in dls.parts().items():
        loader = {"train": dls.train, "valid": dls.valid, "test": dls.sealed}[part]
        seen = []
        for batch in loader.batches(epoch=0):
            assert batch.x[0].flatten().tolist() == [float(i) for i in batch.index]
            assert [dls.vocab[int(y)] for y in batch.y[0]] == [
                "odd" if i % 2 else "even" for i in batch.index.tolist()
            ]
            seen += batch.index.tolist()
        assert sorted(seen) == sorted(rows)
    gone = dls.parts()["train"][0]
    assert gone not in dls.without([gone]).parts()["train"]
    turned = dls.with_target(CategoryBlock(vocab=["odd", "even"]))
    assert turned.train.dataset.y(0)[0] == 1 - dls.train.dataset.y(0)[0]
    assert len(dls.show_batch(max_n=3).axes) == 3
