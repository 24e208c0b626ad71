"""From loaders to the audit and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from redstart.audit import audit as audit_module
from redstart.audit.evidence import Evidence
from redstart.audit.finding import Finding
from redstart.data.auditing import audit_rows, evidence_of
from redstart.data.block import DataBlock
from redstart.data.loaders import DataLoaders
from redstart.data.split import GroupSplitter, RandomSplitter, TimeSplitter
from redstart.errors import ConfigError, DataError
from redstart.tabular import TabularDataLoaders
from redstart.targets.category import CategoryBlock
from redstart.vision import ImageDataLoaders, Resize


def pictures(root: Path, n: int = 12) -> Path:
    from PIL import Image

    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (root / label).mkdir(parents=True)
        for i in range(n):
            pixels = rng.integers(0, 255, (24, 24, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(root / label / f"{i}.png")
    return root


def load(root: Path, **options: Any) -> DataLoaders:
    options = {"valid_pct": 0.25, "item_tfms": Resize(16), "device": "cpu", **options}
    return ImageDataLoaders.from_folder(root, **options)


def table(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.normal(40, 9, n).round(2),
            "city": rng.choice(["Rome", "Oslo"], n),
            "when": pd.date_range("2024-01-01", periods=n),
            "bought": rng.choice(["no", "yes"], n),
        }
    )


def test_evidence_of_pictures_has_prints_files_and_labels(tmp_path: Path) -> None:
    dls = load(pictures(tmp_path / "pets"), test_pct=0.2)
    found = evidence_of(dls)
    assert found.n_rows == 24 and found.chosen == "random"
    assert {k: len(v) for k, v in found.parts.items()} == dls.sizes()
    assert found.files[3] == dls.items[3] and found.root == tmp_path / "pets"
    assert found.truth.kind == "category" and found.truth.names == ("cat", "dog")
    assert found.truth.values.tolist() == [dls.vocab.index(f.parent.name) for f in dls.items]
    assert found.likeness is not None and all(len(p) == 24 for p in found.prints)
    assert "width" in found.properties and "brightness" in found.properties


def test_evidence_of_a_table_has_its_columns_as_they_are() -> None:
    dls = TabularDataLoaders.from_df(table(), y_names="bought", device="cpu")
    found = evidence_of(dls)
    assert set(found.columns) == {"age", "city", "when"}
    assert found.columns["age"].dtype == np.float64 and found.columns["city"][0] in ("Rome", "Oslo")
    assert found.columns["when"].dtype.kind == "M"
    assert found.truth.kind == "category" and not found.files


def test_numbers_and_rows_of_no_part_are_not_a_number() -> None:
    frame = table().assign(part=["train"] * 40 + ["valid"] * 20)
    dls = TabularDataLoaders.from_df(
        frame, y_names="age", splitter=lambda df: (range(30), range(40, 60)), device="cpu"
    )
    truth = evidence_of(dls, bounds=(0.0, 9.0)).truth
    assert truth.kind == "numbers" and truth.values.shape == (60, 1)
    assert np.isnan(truth.values[30:40]).all() and np.isfinite(truth.values[:30]).all()
    assert truth.bounds == (0.0, 9.0)


def test_what_was_audited_is_remembered_until_data_or_split_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def check(evidence: Evidence) -> list[Finding]:
        looked.append(evidence.n_rows)
        said = Finding(
            check="odd", severity="warning", said="Odd.", mend="Mend.", rows=(1,), pairs=((0, 1),)
        )
        return [said]

    monkeypatch.setattr(audit_module, "CHECKS", {"odd": check})
    root = pictures(tmp_path / "pets")
    first, second = load(root).audit(), load(root).audit()
    assert looked == [24] and first.findings == second.findings
    load(root).audit(again=True)
    load(root, seed=1).audit()
    assert looked == [24] * 3
    (root / "cat" / "0.png").write_bytes((root / "dog" / "1.png").read_bytes())
    load(root).audit()
    assert looked == [24] * 4


def test_a_check_that_fails_costs_nobody_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(evidence: Evidence) -> list[Finding]:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(audit_module, "CHECKS", {"odd": broken})
    (found,) = load(pictures(tmp_path / "pets")).audit().findings
    assert found.severity == "note" and "ZeroDivisionError: a bug" in found.said


def test_resplit_takes_a_splitter_and_keeps_everything_else() -> None:
    dls = TabularDataLoaders.from_df(table(), y_names="bought", bs=8, device="cpu")
    later = dls.resplit(TimeSplitter("when"))
    parts = later.parts()
    assert max(parts["train"]) < min(parts["valid"]) and later.split_by == "time"
    assert later.train.bs == 8 and later.vocab == dls.vocab
    again = later.resplit(RandomSplitter(0.5, seed=3))
    assert again.split_by == "random" and len(again.parts()["valid"]) == 30


def test_resplit_by_a_finding_keeps_tied_rows_in_one_part(tmp_path: Path) -> None:
    dls = load(pictures(tmp_path / "pets"), test_pct=0.25)
    names = tuple(f"pair {row // 2}" if row < 20 else None for row in range(24))
    found = Finding(check="groups", severity="serious", said=".", mend=".", groups=("pairs", names))
    tied = dls.resplit(found)
    assert tied.split_by == "group" and tied.sizes() == dls.sizes()
    part = {row: name for name, rows in tied.parts().items() for row in rows}
    assert all(part[row] == part[row + 1] for row in range(0, 20, 2))
    assert tied.groups is not None and tied.groups[0] == tied.groups[1] != tied.groups[2]


def test_resplit_says_what_it_needs(tmp_path: Path) -> None:
    dls = load(pictures(tmp_path / "pets"))
    untied = Finding(check="size", severity="note", said="Few.", mend="Collect more.")
    with pytest.raises(ConfigError, match=r"which rows belong together.*Collect more"):
        dls.resplit(untied)
    with pytest.raises(ConfigError, match="name of a check that found something"):
        dls.resplit("nothing of the kind")
    block = DataBlock((dls.codec, CategoryBlock), get_y=lambda p: p.parent.name)
    other = block.dataloaders(list(dls.items), device="cpu")
    (tmp_path / "pets" / "cat" / "0.png").unlink()
    assert other.resplit(GroupSplitter(lambda p: p.stem)).split_by == "group"
    plain = DataLoaders([], [])
    with pytest.raises(ConfigError, match="made by a `DataBlock`"):
        plain.resplit(RandomSplitter())


def test_serious_findings_can_be_made_errors(tmp_path: Path) -> None:
    report = load(pictures(tmp_path / "pets")).audit()
    report.refuse_serious()
    bad = Finding(check="x", severity="serious", said="A leak.", mend="Split otherwise.")
    with pytest.raises(DataError, match=r"1: A leak\. Split otherwise\."):
        audit_module.AuditReport((bad,), 1, 0.0).refuse_serious()


def test_groups_can_be_named_and_must_fit(tmp_path: Path) -> None:
    dls = TabularDataLoaders.from_df(table(), y_names="bought", device="cpu")
    assert dls.groups is None
    groups = dls.with_groups("city").groups
    assert groups is not None and groups.unique().numel() == 2
    assert dls.with_groups(list(range(60))).groups is not None
    with pytest.raises(DataError, match="group of each of 60 rows"):
        dls.with_groups([1, 2])


def test_the_cards_of_a_finding_say_the_part_and_hide_sealed_labels(tmp_path: Path) -> None:
    dls = load(pictures(tmp_path / "pets"), test_pct=0.25)
    report = audit_rows(dls)
    assert report.cards is not None
    train, test = dls.parts()["train"][0], dls.parts()["test"][0]
    seen, sealed = report.cards([train, test])
    assert seen.item.startswith("train: ") and seen.truth is not None
    assert sealed.item.startswith("test: ") and sealed.truth is None
    with pytest.raises(ConfigError, match="rows that are in a part"):
        report.cards([999])


def test_what_is_remembered_was_found_for_the_same_range() -> None:
    dls = TabularDataLoaders.from_df(table(), y_names="age", device="cpu")
    said = [
        " ".join(f.said for f in audit_rows(dls, bounds=bounds).findings)
        for bounds in ((-1000.0, 1000.0), (0.0, 1.0))
    ]
    assert "outside y_range" not in said[0] and "outside y_range" in said[1]


def test_missing_cells_are_none_and_not_words() -> None:
    frame = table()
    frame.loc[3, "city"] = None
    found = evidence_of(TabularDataLoaders.from_df(frame, y_names="bought", device="cpu"))
    assert found.columns["city"][3] is None and found.columns["city"][4] in ("Rome", "Oslo")


def test_prints_read_from_disk_are_those_that_were_made(tmp_path: Path) -> None:
    root = pictures(tmp_path / "pets")
    first, second = evidence_of(load(root)), evidence_of(load(root))
    assert first.prints and all(map(np.array_equal, first.prints, second.prints))
    assert any(one.any() for one in second.prints)
    for name, values in first.properties.items():
        if values.dtype.kind == "f":
            assert np.array_equal(values, second.properties[name], equal_nan=True)


def test_files_that_came_or_went_are_not_split_by_old_numbers(tmp_path: Path) -> None:
    root = pictures(tmp_path / "pets")
    dls = load(root)
    names = tuple(f"pair {row // 2}" for row in range(24))
    found = Finding(
        check="groups", severity="serious", said=".", mend=".", groups=("pairs", names[:-1])
    )
    with pytest.raises(ConfigError, match=r"Expected the 23 rows that were audited.*24 rows"):
        dls.resplit(found)


def test_columns_that_the_model_does_not_see_are_beside_the_others() -> None:
    dls = TabularDataLoaders.from_df(
        table(), y_names="bought", cat_names=["city"], cont_names=["age"], device="cpu"
    )
    found = evidence_of(dls)
    assert set(found.columns) == {"age", "city"} and set(found.beside) == {"when"}
    assert found.target == "bought"
