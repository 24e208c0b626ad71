from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from data_kit import numbers, pictures

from redstart.data.correcting import apply, identity
from redstart.data.corrections import Correction, Corrections, same_label
from redstart.data.dataset import Source
from redstart.errors import DataError
from redstart.tabular import TabularDataLoaders
from redstart.vision import ImageDataLoaders


def entry(item: str = "a.png", was: Any = "cat", to: Any = "dog", **more: Any) -> Correction:
    return Correction(item=item, was=was, to=to, **more)


def photos(root: Path, **options: Any) -> Any:
    return ImageDataLoaders.from_folder(
        root, valid_pct=0.5, device="cpu", num_workers=0, seed=1, **options
    )


def table(rows: int = 40) -> pd.DataFrame:
    return pd.DataFrame(
        {"age": range(rows), "job": [f"job {i % 3}" for i in range(rows)]}
        | {"pay": ["low", "high"] * (rows // 2)}
    )


def tabular(frame: pd.DataFrame, **options: Any) -> Any:
    return TabularDataLoaders.from_df(frame, y_names="pay", device="cpu", **options)


def label(dls: Any, row: int) -> Any:
    """As the model will see it."""
    for data in dls.datasets().values():
        if row in data.rows:
            return dls.vocab[int(data.labels[0][data.rows.index(row)])]
    return None


def test_a_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    found = Corrections().add(
        [
            entry("Zürich/a b.png", who="Ann", when="today", why="tail"),
            Correction(item="b.png", was="cat", drop=True),
            Correction(row=3, content="ab12", was=1.5, to=2),
            entry("c.png", ["x", "y"], ["y"]),
        ]
    )
    file = found.save(tmp_path / "new" / "labels.json")
    assert Corrections.load(file) == found
    assert json.loads(file.read_text("utf-8"))["format"] == 1
    assert "Zürich" in file.read_text("utf-8")
    assert Corrections.load(Corrections().save(file)) == Corrections()


def test_labels_are_corrected_when_the_data_is_loaded(tmp_path: Path) -> None:
    root = pictures(tmp_path / "data")
    plain = photos(root)
    name = "blue/1.png"
    row = [Path(f).relative_to(root).as_posix() for f in plain.items].index(name)
    file = Corrections().add([entry(name, "blue", "red")]).save(tmp_path / "labels.json")
    found = photos(root, corrections=file)
    assert (label(plain, row), label(found, row)) == ("blue", "red")
    assert found.parts() == plain.parts()
    assert found.digests()["split"] == plain.digests()["split"]
    assert found.digests()["data"] != plain.digests()["data"]
    assert (root / name).exists()
    assert photos(root, corrections=str(file)).digests() == found.digests()


def test_a_dropped_row_leaves_its_part_and_keeps_the_numbers_of_the_others(tmp_path: Path) -> None:
    root = pictures(tmp_path / "data")
    plain = photos(root)
    file = Corrections().add([Correction(item="red/2.png", was="red", drop=True)])
    found = photos(root, corrections=file.save(tmp_path / "labels.json"))
    row = [Path(f).relative_to(root).as_posix() for f in plain.items].index("red/2.png")
    assert label(plain, row) == "red"
    assert label(found, row) is None
    assert sum(found.sizes().values()) == sum(plain.sizes().values()) - 1
    assert list(found.items) == list(plain.items)


def test_a_file_beside_the_data_is_found(tmp_path: Path) -> None:
    root = pictures(tmp_path / "data")
    Corrections().add([entry("blue/1.png", "blue", "red")]).save(root / "labels.json")
    found = photos(root, corrections="labels.json")
    assert found.digests() != photos(root).digests()


def test_data_may_move(tmp_path: Path) -> None:
    root = pictures(tmp_path / "data")
    dls = photos(root)
    row = 2
    place = identity(dls.source, row, root)
    assert place == {"item": Path(dls.items[row]).relative_to(root).as_posix()}
    root.rename(tmp_path / "moved")
    file = Corrections().add([Correction(**place, was="blue", to="red")])
    found = photos(tmp_path / "moved", corrections=file.save(tmp_path / "labels.json"))
    assert label(found, row) == "red"


def test_rows_of_a_table_are_corrected(tmp_path: Path) -> None:
    frame = table()
    plain = tabular(frame)
    place = identity(plain.source, 6, ".", ["pay"])
    file = Corrections().add([Correction(**place, was="low", to="high")])
    path = file.save(tmp_path / "labels.json")
    found = tabular(frame, corrections=path)
    assert (label(plain, 6), label(found, 6)) == ("low", "high")
    assert found.digests()["data"] != plain.digests()["data"]
    assert found.digests()["split"] == plain.digests()["split"]
    assert frame.pay[6] == "low"


def test_a_row_of_a_table_is_found_though_others_have_gone(tmp_path: Path) -> None:
    place = identity(tabular(table()).source, 6, ".", ["pay"])
    file = Corrections().add([Correction(**place, was="low", to="high")])
    shorter = table().iloc[4:].reset_index(drop=True)
    found = tabular(shorter, corrections=file.save(tmp_path / "labels.json"))
    assert label(found, 2) == "high"


def test_numbers_are_corrected() -> None:
    source = Source(["a", "b", "c"], ["a", "b", "c"], np.array([1.0, 2.0, 30.0]))
    place = identity(source, 2, ".")
    fixed = apply(Corrections((Correction(**place, was=30.0, to=3.0),)), source, ".")
    assert list(fixed.source.raws) == [1.0, 2.0, 3.0]
    assert source.raws is not None
    assert source.raws[2] == 30.0


def test_a_long_name_is_not_cut_to_the_width_of_the_others() -> None:
    source = Source(["a", "b"], ["a", "b"], np.array(["cat", "dog"]))
    place = identity(source, 0, ".")
    fixed = apply(Corrections((Correction(**place, was="cat", to="elephant"),)), source, ".")
    assert fixed.source.raws is not None
    assert fixed.source.raws[0] == "elephant"


def test_several_labels_keep_their_kind() -> None:
    source = Source(["a", "b"], ["a", "b"], [{"x", "y"}, ("z",)])
    entries = [
        Correction(**identity(source, 0, "."), was=["y", "x"], to=["x"]),
        Correction(**identity(source, 1, "."), was=["z"], to=[]),
    ]
    fixed = apply(Corrections(tuple(entries)), source, ".").source.raws
    assert fixed == [{"x"}, ()]


def test_applied_twice_is_harmless(tmp_path: Path) -> None:
    source = Source(["a"], [tmp_path / "a.png"], ["cat"])
    file = Corrections((entry(),))
    once = apply(file, source, tmp_path)
    twice = apply(file, once.source, tmp_path)
    assert once.changed == (0,)
    assert twice.changed == ()
    assert twice.source.raws == ["dog"]


def test_a_label_that_has_changed_since_is_an_error(tmp_path: Path) -> None:
    source = Source(["a"], [tmp_path / "a.png"], ["cow"])
    with pytest.raises(DataError, match=r"Expected the label 'cat' of .*a.png.*Got: 'cow'"):
        apply(Corrections((entry(),)), source, tmp_path)
    with pytest.raises(DataError, match="review the row again"):
        apply(Corrections((Correction(item="a.png", was="cat", drop=True),)), source, tmp_path)


def test_a_row_that_is_gone_is_an_error(tmp_path: Path) -> None:
    source = Source(["a"], [tmp_path / "b.png"], ["cat"])
    with pytest.raises(DataError, match=r"among the 1 rows.*not there, or changed: a.png"):
        apply(Corrections((entry(),)), source, tmp_path)
    gone = Correction(row=0, content="0123", was="cat", to="dog")
    with pytest.raises(DataError, match=r"not there, or changed: row 0 \(0123\)"):
        apply(Corrections((gone,)), source, tmp_path)
    assert len(Corrections((entry(),)).without(["a.png"])) == 0


def test_of_two_equal_rows_neither_is_taken_for_a_third() -> None:
    frame = pd.DataFrame({"age": [1, 1, 2, 3] * 5, "pay": ["low", "high"] * 10})
    source = tabular(frame, valid_pct=0.5).source
    place = identity(source, 0, ".", ["pay"])
    moved = Corrections((Correction(**{**place, "row": 2}, was="low", to="high"),))
    with pytest.raises(DataError, match="not there, or changed: row 2"):
        apply(moved, source, ".", ["pay"])


def test_a_number_where_a_number_belongs() -> None:
    source = Source(["a"], ["a"], np.array([1.0]))
    wrong = Correction(**identity(source, 0, "."), was=1.0, to="many")
    with pytest.raises(DataError, match=r"Expected 1 number.*Got: to='many'"):
        apply(Corrections((wrong,)), source, ".")


def test_rows_without_labels_cannot_be_corrected() -> None:
    with pytest.raises(DataError, match="Expected rows with labels to correct"):
        apply(Corrections(), Source(["a"], ["a"], None), ".")


def test_later_corrections_follow_upon_earlier_ones() -> None:
    first = Corrections().add([entry(to="dog")])
    assert first.add([entry(to="dog", why="again")]) == first
    assert first.merge(Corrections((entry(was="dog", to="cow"),))).entries == (entry(to="cow"),)
    assert first.add([entry(was="dog", to="cat")]).entries == ()
    dropped = first.add([Correction(item="a.png", was="dog", drop=True)])
    assert dropped.entries == (Correction(item="a.png", was="cat", drop=True),)


def test_two_opinions_of_one_row_are_an_error() -> None:
    with pytest.raises(DataError, match=r"one correction of a.png.*'cat' to 'dog', and 'cat' to"):
        Corrections().add([entry(to="dog"), entry(to="cow")])
    with pytest.raises(DataError, match="'cat' to left out"):
        Corrections().add([Correction(item="a.png", was="cat", drop=True), entry()])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Expecting property name"),
        ("[]", "another kind of JSON"),
        ('{"redstart": "corrections", "format": 2, "entries": []}', "newer version"),
        ('{"redstart": "corrections", "entries": []}', "format None"),
    ],
)
def test_a_file_that_is_no_such_file_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "labels.json"
    file.write_text(text)
    with pytest.raises(DataError, match=rf"Expected corrections of labels in .*{said}"):
        Corrections.load(file)
    with pytest.raises(DataError, match="No such file"):
        Corrections.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (3, "3 in entry 0"),
        ({"was": 1, "to": 2}, "no `item`"),
        ({"item": "a", "to": 2}, "no `was`"),
        ({"item": "a", "was": 1}, "not one of `to` and `drop`"),
        ({"item": "a", "was": 1, "to": 2, "drop": True}, "not one of"),
        ({"item": "a", "was": 1, "to": 2, "label": 3}, "the field 'label'"),
    ],
)
def test_an_entry_that_is_not_understood_is_an_error(tmp_path: Path, found: Any, said: str) -> None:
    file = tmp_path / "labels.json"
    file.write_text(json.dumps({"redstart": "corrections", "format": 1, "entries": [found]}))
    with pytest.raises(DataError, match=said):
        Corrections.load(file)


def test_what_is_done_is_said_and_test_rows_apart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    items = [(float(k), ("even", "odd")[k % 2]) for k in range(20)]
    plain = numbers(items=items, test=[18, 19])
    source = plain.source
    entries = [
        Correction(**identity(source, 5, "."), was="odd", to="even"),
        Correction(**identity(source, 2, "."), was="even", to="odd"),
        Correction(**identity(source, 19, "."), was="odd", to="evne"),
    ]
    file = Corrections(tuple(entries)).save(tmp_path / "labels.json")
    with caplog.at_level(logging.INFO, "redstart"):
        numbers(items=items, test=[18, 19], corrections=file)
    said = " ".join(r.getMessage() for r in caplog.records)
    assert "Labels corrected: 3; rows left out: 0 (1 of train, 1 of valid, 1 of test)" in said
    assert "1 sealed test row is corrected" in said
    assert "'evne', which no row had. Did you mean 'even'?" in said


def test_labels_are_compared_in_their_own_terms() -> None:
    assert same_label(1, 1.0)
    assert same_label(0.1 + 0.2, 0.3)
    assert same_label(["a", "b"], ["b", "a"])
    assert same_label([0, 1], [0, 1])
    assert not same_label([0, 1], [1, 0])
    assert not same_label("1", 1)
    assert not same_label("a", 0.5)
