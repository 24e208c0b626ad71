from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from PIL import Image

from redstart.data.check import check
from redstart.data.items import get_image_files
from redstart.data.loaders import DataLoaders
from redstart.data.split import GroupSplitter, IndexSplitter
from redstart.errors import ConfigError, DataError
from redstart.targets.category import CategoryBlock, CategoryTarget
from redstart.vision.codec import PILImageBW
from redstart.vision.data import ImageDataLoaders
from redstart.vision.resize import Resize

CPU: dict[str, Any] = {"device": "cpu", "num_workers": 0}


def pictures(root: Path, n: int = 5, labels: str = "cat dog") -> Path:
    for shade, label in enumerate(labels.split()):
        (root / label).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            colour = (10 * i, 80 * shade, 200)
            Image.new("RGB", (8, 8), colour).save(root / label / f"{label}_{i}.png")
    return root


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    return pictures(tmp_path / "pets", 10)


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    for part, n in (("train", 5), ("valid", 2), ("test", 3)):
        pictures(tmp_path / "pets" / part, n)
    return tmp_path / "pets"


def names(dls: DataLoaders, part: str) -> set[str]:
    return {Path(dls.source.name(row)).name for row in dls.parts()[part]}


def label_of(dls: DataLoaders, row: int) -> str:
    return Path(dls.source.name(row)).name.split("_")[0]


def labels_are_right(dls: DataLoaders) -> None:
    """Every batch's labels belong to the files that its index leads back to."""
    for loader in (dls.train, dls.valid):
        for batch in loader:
            for row, y in zip(batch.index.tolist(), batch.y[0].tolist(), strict=True):
                assert dls.vocab[y] == label_of(dls, row)


# ---- from_folder


def test_from_folder_by_the_folders_there_are(parts: Path) -> None:
    dls = ImageDataLoaders.from_folder(parts, **CPU)
    assert dls.vocab == ("cat", "dog") and dls.path == parts
    assert {part: len(rows) for part, rows in dls.parts().items()} == {
        "train": 10,
        "valid": 4,
        "test": 6,
    }
    for part, rows in dls.parts().items():
        assert {dls.items[row].parent.parent.name for row in rows} == {part}
    labels_are_right(dls)
    x, _ = dls.one_batch()
    assert x.shape == (10, 3, 8, 8) and x.dtype == torch.float32 and 0 <= x.min() <= x.max() <= 1


def test_from_folder_by_folders_of_other_names(parts: Path) -> None:
    (parts / "valid").rename(parts / "val")
    (parts / "test").rename(parts / "holdout")
    dls = ImageDataLoaders.from_folder(parts, valid="val", test="holdout", **CPU)
    assert [len(rows) for rows in dls.parts().values()] == [10, 4, 6]
    again = ImageDataLoaders.from_folder(str(parts), "train", "val", **CPU)
    assert list(again.parts()) == ["train", "valid"], "what is in no part is left out"


def test_from_folder_at_random(flat: Path) -> None:
    dls = ImageDataLoaders.from_folder(flat, valid_pct=0.25, test_pct=0.1, **CPU)
    assert {k: len(v) for k, v in dls.parts().items()} == {"train": 13, "valid": 5, "test": 2}
    labels_are_right(dls)


def test_the_seed_changes_the_split_and_nothing_else_does(flat: Path) -> None:
    def valid(**options: Any) -> set[str]:
        return names(ImageDataLoaders.from_folder(flat, valid_pct=0.3, **CPU, **options), "valid")

    first = valid()
    assert valid(seed=42) == first == valid(bs=3) == valid(item_tfms=Resize(4))
    assert len({frozenset(valid(seed=s)) for s in range(5)}) > 3


def test_every_class_is_held_out_in_proportion_when_asked(flat: Path) -> None:
    pictures(flat, 4, "emu")
    for seed in range(5):
        dls = ImageDataLoaders.from_folder(flat, valid_pct=0.25, stratify=True, seed=seed, **CPU)
        valid = [label_of(dls, row) for row in dls.parts()["valid"]]
        assert valid.count("emu") == 1 and {valid.count("cat"), valid.count("dog")} <= {2, 3}


@pytest.mark.parametrize("stratify", [False, True])
def test_a_test_folder_stays_sealed_when_the_others_are_split_at_random(
    parts: Path, stratify: bool
) -> None:
    dls = ImageDataLoaders.from_folder(parts, valid_pct=0.25, stratify=stratify, seed=1, **CPU)
    sealed = {dls.items[row] for row in dls.parts()["test"]}
    assert sealed == set(get_image_files(parts / "test"))
    others = [len(dls.parts()[part]) for part in ("train", "valid")]
    assert sum(others) == 14 and others[1] in (3, 4)
    labels_are_right(dls)


def test_a_class_that_is_called_test_is_a_class(flat: Path, tmp_path: Path) -> None:
    pictures(flat, 5, "test")
    dls = ImageDataLoaders.from_folder(flat, valid_pct=0.2, **CPU)
    assert dls.vocab == ("cat", "dog", "test") and "test" not in dls.parts()
    inside = pictures(tmp_path / "test")
    assert "test" not in ImageDataLoaders.from_folder(inside, valid_pct=0.2, **CPU).parts()


def test_from_folder_with_the_labels_in_ones_own_order(flat: Path) -> None:
    dls = ImageDataLoaders.from_folder(flat, valid_pct=0.2, vocab=["dog", "cat", "emu"], **CPU)
    assert dls.vocab == ("dog", "cat", "emu") and dls.c == 3
    labels_are_right(dls)
    assert any("emu" in f.said for f in dls.audit().findings)


def test_a_missing_or_an_empty_folder_reads_well(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Expected a folder. Got: path='\S+gone', which does not"):
        ImageDataLoaders.from_folder(tmp_path / "gone")
    with pytest.raises(DataError, match=r"Got: 0 picture files in \S+cwd\. Check the path; .*JPEG"):
        ImageDataLoaders.from_folder(tmp_path / "cwd")
    (tmp_path / "cwd" / "notes.txt").write_text("x")
    with pytest.raises(DataError, match="0 picture files"):
        ImageDataLoaders.from_folder(tmp_path / "cwd")


def test_folders_of_classes_alone_ask_for_a_share_to_hold_out(flat: Path) -> None:
    message = r"`train/LABEL` and `valid/LABEL`. Got: folders two above the pictures: pets\."
    with pytest.raises(DataError, match=rf"{message} .*`valid_pct=0\.2`, or name the folders"):
        ImageDataLoaders.from_folder(flat, **CPU)


def test_a_folder_of_another_name_is_shown(parts: Path) -> None:
    (parts / "valid").rename(parts / "val")
    with pytest.raises(DataError, match=r"pictures: test, train, val\. .*train='\.\.\.', valid="):
        ImageDataLoaders.from_folder(parts, **CPU)


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p", 6, "cat")
    with pytest.raises(DataError, match=r"two classes to tell apart\. Got: only 'cat' in 6 rows"):
        ImageDataLoaders.from_folder(root, valid_pct=0.5, **CPU)


# ---- functions and patterns


@pytest.mark.parametrize(
    "make",
    [
        lambda root, files, **o: ImageDataLoaders.from_name_func(
            root, files, lambda name: name.split("_")[0], **o
        ),
        lambda root, files, **o: ImageDataLoaders.from_path_func(
            root, files, lambda path: path.parent.name, **o
        ),
        lambda root, files, **o: ImageDataLoaders.from_name_re(root, files, r"^(.+)_\d+.png$", **o),
        lambda root, files, **o: ImageDataLoaders.from_path_re(root, files, r"/(\w+)/[^/]+$", **o),
        lambda root, files, **o: ImageDataLoaders.from_lists(
            root, files, [Path(f).parent.name for f in files], **o
        ),
    ],
    ids=["from_name_func", "from_path_func", "from_name_re", "from_path_re", "from_lists"],
)
@pytest.mark.parametrize("kind", [Path, str])
def test_files_are_labelled_by_functions_patterns_and_lists(
    flat: Path, make: Callable[..., DataLoaders], kind: Callable[[Path], Any]
) -> None:
    files = [kind(file) for file in get_image_files(flat)]
    dls = make(flat, files, valid_pct=0.1, stratify=True, bs=8, **CPU)
    assert dls.vocab == ("cat", "dog") and dls.path == flat
    assert [len(rows) for rows in dls.parts().values()] == [18, 2]
    assert {label_of(dls, row) for row in dls.parts()["valid"]} == {"cat", "dog"}
    labels_are_right(dls)
    fifth = make(flat, files, **CPU)
    assert len(fifth.parts()["valid"]) == 4, "a fifth is held out if nothing is said"


def test_a_pattern_that_finds_no_label_names_the_file(flat: Path) -> None:
    files = [*get_image_files(flat), flat / "odd.png"]
    with pytest.raises(
        DataError, match=r"'\^\(\.\+\)_\\\\d' to find a label. Got: item='odd\.png'"
    ):
        ImageDataLoaders.from_name_re(flat, files, r"^(.+)_\d", **CPU)


def test_a_label_function_that_fails_names_the_file(flat: Path) -> None:
    def label(name: str) -> str:
        return {"cat_0.png": "cat"}[name]

    with pytest.raises(DataError, match=r"`get_y`.*row 1, \S+cat_1\.png. Got: KeyError: 'cat_1"):
        ImageDataLoaders.from_name_func(flat, get_image_files(flat), label, **CPU)


def test_lists_of_two_lengths_are_refused(flat: Path) -> None:
    with pytest.raises(DataError, match=r"one label for each file. Got: 20 files, 2 labels"):
        ImageDataLoaders.from_lists(flat, get_image_files(flat), ["a", "b"], **CPU)


# ---- tables


def table(root: Path, **columns: Any) -> pd.DataFrame:
    files = get_image_files(root)
    return pd.DataFrame(
        {
            "file": [f"{f.parent.name}/{f.name}" for f in files],
            "label": [f.parent.name for f in files],
            **columns,
        }
    )


def test_from_df_reads_files_below_the_path(flat: Path) -> None:
    dls = ImageDataLoaders.from_df(table(flat), flat, **CPU)
    assert dls.vocab == ("cat", "dog")
    assert {Path(dls.source.name(row)) for row in range(20)} == set(get_image_files(flat))
    labels_are_right(dls)
    assert dls.cards(3)[0].item.startswith(str(flat))


def test_from_df_with_columns_folder_ending_and_parts(flat: Path) -> None:
    frame = table(flat, part=["valid", "train"] * 10)
    frame["file"] = frame["file"].str.replace(".png", "")
    frame = frame[["part", "label", "file"]]
    dls = ImageDataLoaders.from_df(
        frame,
        flat.parent,
        folder="pets",
        fn_col="file",
        label_col=1,
        suff=".png",
        valid_col="part",
        **CPU,
    )
    assert dls.parts() == {"train": tuple(range(1, 20, 2)), "valid": tuple(range(0, 20, 2))}
    labels_are_right(dls)


def test_from_df_takes_whole_paths_too(flat: Path) -> None:
    frame = table(flat)
    frame["file"] = [str(f) for f in get_image_files(flat)]
    labels_are_right(ImageDataLoaders.from_df(frame, "elsewhere", **CPU))


def test_from_df_splits_by_group(flat: Path) -> None:
    frame = table(flat, person=[k // 4 for k in range(20)])
    dls = ImageDataLoaders.from_df(frame, flat, splitter=GroupSplitter("person", 0.2), **CPU)
    assert len({dls.items[row]["person"] for row in dls.parts()["valid"]}) == 1


def test_a_missing_column_name_or_label_reads_well(flat: Path) -> None:
    with pytest.raises(DataError, match=r"Expected a column 'who'\. Got: columns=file, label"):
        ImageDataLoaders.from_df(table(flat), flat, label_col="who", **CPU)
    frame = table(flat)
    frame.loc[3, "label"] = None
    with pytest.raises(DataError, match=r"a label for every row.*cat_3\.png; rows without one: 3"):
        ImageDataLoaders.from_df(frame, flat, **CPU)
    frame = table(flat)
    frame.loc[2, "file"] = None
    with pytest.raises(DataError, match=r"`get_x`.*row 2, Row\(file=nan"):
        ImageDataLoaders.from_df(frame, flat, **CPU)


def test_a_file_of_the_table_that_is_gone_is_found_by_the_check(flat: Path) -> None:
    frame = table(flat)
    (flat / "cat" / "cat_3.png").unlink()
    _, report = check(ImageDataLoaders.from_df(frame, flat, **CPU))
    (bad,) = report.bad
    assert bad.item == str(flat / "cat" / "cat_3.png")


@pytest.mark.parametrize(("name", "mark"), [("labels.csv", ","), ("other.txt", ";")])
def test_from_csv(flat: Path, name: str, mark: str) -> None:
    table(flat).to_csv(flat / name, sep=mark, index=False)
    given = {} if name == "labels.csv" else {"csv_fname": name, "delimiter": mark}
    dls = ImageDataLoaders.from_csv(flat, **given, valid_pct=0.3, label_col="label", **CPU)
    assert len(dls.parts()["valid"]) == 6
    labels_are_right(dls)


def test_a_missing_csv_file_is_named(flat: Path) -> None:
    with pytest.raises(DataError, match=r"labels\.csv"):
        ImageDataLoaders.from_csv(flat, **CPU)


# ---- options


def test_grey_pictures_and_another_target(flat: Path) -> None:
    block = CategoryBlock(label_smoothing=0.2)
    dls = ImageDataLoaders.from_folder(
        flat, valid_pct=0.2, img_cls=PILImageBW, y_block=block, item_tfms=[Resize(6)], **CPU
    )
    assert dls.one_batch().x[0].shape[1:] == (1, 6, 6)
    assert isinstance(dls.target, CategoryTarget) and dls.target.label_smoothing == 0.2


def test_a_splitter_of_ones_own(flat: Path) -> None:
    dls = ImageDataLoaders.from_folder(flat, splitter=IndexSplitter([3, 13]), **CPU)
    assert dls.parts()["valid"] == (3, 13)


@pytest.mark.parametrize("also", [{"valid_pct": 0.2}, {"test_pct": 0.2}, {"stratify": True}])
def test_a_splitter_and_a_share_to_hold_out_exclude_each_other(flat: Path, also: Any) -> None:
    (name,) = also
    with pytest.raises(ConfigError, match=f"`splitter` or `{name}`. Got: both"):
        ImageDataLoaders.from_folder(flat, splitter=IndexSplitter([3]), **also, **CPU)


@pytest.mark.parametrize("also", [{"test_pct": 0.2}, {"stratify": True}])
def test_an_option_of_the_random_split_is_not_ignored_without_it(parts: Path, also: Any) -> None:
    (name,) = also
    with pytest.raises(ConfigError, match=f"`valid_pct` along with `{name}`.*Add `valid_pct=0.2`"):
        ImageDataLoaders.from_folder(parts, **also, **CPU)


def test_an_option_that_there_is_not_is_refused(flat: Path) -> None:
    with pytest.raises(ConfigError, match=r"item_tfm. Did you mean `item_tfms`\? .*batch_tfms, bs"):
        ImageDataLoaders.from_folder(flat, valid_pct=0.2, item_tfm=Resize(4))  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="img_cls"):
        ImageDataLoaders.from_df(table(flat), flat, image_cls=PILImageBW)


@pytest.mark.parametrize("pct", [0.0, 1.0, 20, -0.1])
def test_a_share_that_is_none_is_refused(flat: Path, pct: float) -> None:
    with pytest.raises(ConfigError, match=r"valid_pct=.*write 0\.2 for 20%"):
        ImageDataLoaders.from_folder(flat, valid_pct=pct, **CPU)


def test_a_broken_file_does_not_keep_the_others_from_being_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from redstart.vision.learner import vision_learner

    for label in "ab":
        for i in range(4):
            file = tmp_path / label / f"{i}.png"
            file.parent.mkdir(exist_ok=True)
            Image.new("RGB", (12, 12), (20 * i, 0, 0)).save(file)
    (tmp_path / "a" / "0.png").write_bytes(b"broken")
    dls = ImageDataLoaders.from_lists(
        tmp_path,
        sorted(tmp_path.rglob("*.png")),
        list("aaaabbbb"),
        splitter=IndexSplitter([3, 7]),
        device="cpu",
    )
    assert len(dls.show_batch(max_n=6).axes) == 5
    assert "0.png" in caplog.text
    assert vision_learner(dls, "test_resnet", pretrained=False).dls.c == 2
