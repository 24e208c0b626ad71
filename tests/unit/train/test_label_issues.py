from __future__ import annotations

import csv
import logging
from collections.abc import Callable
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from kit import loaders, net, points
from torch import nn

from redstart.data.block import DataBlock
from redstart.data.corrections import Corrections
from redstart.data.dataset import ItemDataset
from redstart.data.split import IndexSplitter
from redstart.data.stream import TensorCodec
from redstart.errors import ConfigError, DataError
from redstart.tabular import TabularDataLoaders, tabular_learner
from redstart.targets.multicategory import MultiCategoryBlock
from redstart.targets.regression import RegressionBlock
from redstart.train.compare import compare
from redstart.train.label_issues import LabelIssues, label_issues
from redstart.train.learner import Learner
from redstart.train.outoffold import deal, out_of_fold
from redstart.vision import ImageDataLoaders, Resize
from redstart.vision.domain import DOMAIN

Make = Callable[..., Learner]

SWAPPED = (3, 20, 47, 70, 101, 118)


def noisy(n: int = 120, *, test: int = 0, **options: Any) -> Any:
    """Points around two centres; the labels of ``SWAPPED`` are wrong."""
    rows = points(n)
    items = [(x, "ba"["ab".index(y)] if i in SWAPPED else y) for i, (x, y) in enumerate(rows)]
    cut = n - n // 4 - test
    block = DataBlock(
        blocks=(TensorCodec(), options.pop("target", None) or options.pop("block", _category)()),
        get_x=itemgetter(0),
        get_y=options.pop("get_y", itemgetter(1)),
        splitter=IndexSplitter(range(cut, n - test), range(n - test, n)),
    )
    return block.dataloaders(items, device="cpu", num_workers=0, bs=16, **options)


def _category() -> Any:
    from redstart.targets.category import CategoryBlock

    return CategoryBlock()


def with_body(make: Make, dls: Any) -> Learner:
    """A body that came trained: here one that changes nothing, so that it is a good one."""
    model = nn.Sequential(nn.Sequential(nn.Linear(4, 4)), nn.Sequential(nn.Linear(4, 2)))
    with torch.no_grad():
        model[0][0].weight.copy_(torch.eye(4))
    learn = make(dls, model=model, pretrained_body=model[0])
    learn.freeze()
    return learn


def table(n: int = 300, *, wrong: tuple[int, ...] = ()) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x, job = rng.normal(size=n), rng.choice(["cook", "nurse", "clerk"], n)
    pay = np.where((x > 0) ^ (job == "cook"), "high", "low")
    pay[list(wrong)] = np.where(pay[list(wrong)] == "high", "low", "high")
    hours = 10 * x + 5 * (job == "nurse") + 0.3 * rng.normal(size=n)
    return pd.DataFrame({"x": x, "job": job, "pay": pay, "hours": hours})


def test_planted_labels_are_found_in_both_parts(make: Make) -> None:
    issues = label_issues(with_body(make, noisy()))
    first = issues.rows(8)
    assert {issue.row for issue in first} >= set(SWAPPED)
    assert {issue.part for issue in first} == {"train", "valid"}
    assert all(issue.given != issue.likely for issue in first)
    assert all((issue.probability or 0) > 0.5 for issue in first[:6])
    estimate = issues.suspects.estimate
    assert estimate.low <= 6 <= estimate.high
    assert 4 <= issues.to_review <= 8
    assert len(issues) == 120


def test_it_says_how_many_and_how_far_to_review(make: Make) -> None:
    issues = label_issues(with_body(make, noisy()))
    said = str(issues)
    assert said.startswith("About 6 [")
    assert "of 120 labels look wrong to a linear model on what the pretrained body gives" in said
    assert f"Reviewing the first {issues.to_review} finds most of these." in said
    assert said in issues._repr_html_()
    assert "body" in repr(issues)
    clean = label_issues(with_body(make, loaders(120)))
    assert "None stands out" in str(clean)
    assert clean.rows() == []


def test_cards_show_what_it_is_said_to_be_and_what_it_looks_like(make: Make) -> None:
    issues = label_issues(with_body(make, noisy()))
    card = issues.cards(1)[0]
    issue = issues.rows(1)[0]
    assert card.index == issue.row
    assert card.truth is not None
    assert card.truth.text == f"labelled {issue.given}; looks like {issue.likely}"
    assert card.correct is None
    assert len(issues.plot(4).axes) == 4


def test_sealed_rows_are_neither_read_nor_predicted(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = with_body(make, noisy(test=20))
    learn.check()
    read: list[int] = []
    real = ItemDataset.inputs

    def spy(self: ItemDataset, positions: Any, *, seed: int, epoch: int) -> Any:
        read.extend(self.rows[p] for p in positions)
        return real(self, positions, seed=seed, epoch=epoch)

    monkeypatch.setattr(ItemDataset, "inputs", spy)
    found = out_of_fold(learn)
    assert set(read) == set(found.rows.tolist()) == set(range(100))
    assert found.valid.sum() == 30


def test_the_learner_is_left_alone(make: Make) -> None:
    learn = with_body(make, noisy())
    before = {k: t.clone() for k, t in learn.model.state_dict().items()}
    dls, recorder = learn.dls, learn.recorder
    label_issues(learn)
    assert learn.dls is dls
    assert learn.recorder is recorder
    assert all(t.equal(before[k]) for k, t in learn.model.state_dict().items())


def test_no_row_is_predicted_by_a_model_that_saw_it(make: Make) -> None:
    """With random labels, what is out of fold does no better than chance."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    dls = noisy(400, get_y=lambda item: "ab"[labels[_place(item[0])]])
    found = out_of_fold(with_body(make, dls))
    hit = (found.predicted.argmax(1) == found.given).mean()
    assert 0.4 < hit < 0.6


_places: dict[bytes, int] = {}


def _place(x: torch.Tensor) -> int:
    return _places.setdefault(x.numpy().tobytes(), len(_places))


def test_features_that_fine_tune_kept_are_used_again(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    learn = with_body(make, noisy())
    learn.fine_tune(1)
    assert learn.recorder.features is not None
    body = learn.pretrained_body
    assert body is not None

    def refuse(*_: Any) -> Any:
        raise AssertionError("ran the body again")

    monkeypatch.setattr(body, "forward", refuse)
    issues = label_issues(learn)
    assert {issue.row for issue in issues.rows(8)} >= set(SWAPPED)
    monkeypatch.undo()
    learn.recorder.features = None
    with caplog.at_level(logging.WARNING, "redstart"):
        label_issues(learn)
    assert "has been trained on these labels" in caplog.text


def test_tables_are_judged_by_trees(make: Make) -> None:
    wrong = (5, 50, 100, 150, 200, 250)
    dls = TabularDataLoaders.from_df(
        table(wrong=wrong), y_names="pay", cont_names="x", cat_names="job", device="cpu"
    )
    issues = label_issues(tabular_learner(dls))
    assert issues.found.source == "trees"
    assert {issue.row for issue in issues.rows(8)} >= set(wrong)
    assert issues.rows(1)[0].item.startswith("row ")


def test_numbers_and_several_labels_have_issues_too() -> None:
    frame = table()
    frame.loc[[7, 77], "hours"] += 25.0
    dls = TabularDataLoaders.from_df(
        frame, y_names="hours", cont_names="x", cat_names="job", device="cpu"
    )
    issues = label_issues(tabular_learner(dls))
    assert {issue.row for issue in issues.rows(3)} >= {7, 77}
    assert issues.rows(1)[0].probability is None
    frame["up"], frame["nurse"] = (frame.x > 0).astype(int), (frame.job == "nurse").astype(int)
    frame.loc[[9, 99], "up"] = 1 - frame.loc[[9, 99], "up"]
    several = TabularDataLoaders.from_df(
        frame, y_names=["up", "nurse"], cont_names="x", cat_names="job", device="cpu"
    )
    issues = label_issues(tabular_learner(several))
    assert {issue.row for issue in issues.rows(3)} >= {9, 99}
    found = issues.correct([9])
    assert found.entries[0].to == [int(frame.x[9] > 0), int(frame.nurse[9])]


def test_models_without_a_pretrained_body_are_trained_anew(tmp_path: Path) -> None:
    dls = TabularDataLoaders.from_df(
        table(wrong=(5, 50, 100)), y_names="pay", cont_names="x", cat_names="job", device="cpu"
    )
    learn = tabular_learner(dls, path=tmp_path)
    with pytest.raises(ConfigError, match=r"not trained yet.*Call `fit` first"):
        out_of_fold(learn, source="model")
    learn.fit_one_cycle(4, 1e-2)
    model, runs = learn.model, sorted((tmp_path / "runs").iterdir())
    before = {k: t.clone() for k, t in model.state_dict().items()}
    issues = label_issues(learn, source="model")
    assert (issues.found.source, issues.found.folds) == ("model", 3)
    assert {issue.row for issue in issues.rows(9)} >= {5, 50, 100}
    assert sorted((tmp_path / "runs").iterdir()) == runs
    assert learn.model is model
    assert all(t.equal(before[k]) for k, t in model.state_dict().items())


def test_features_made_by_hand_are_a_cheap_judge(tmp_path: Path) -> None:
    dls, recipe = DOMAIN.example(tmp_path)
    found = out_of_fold(Learner(dls, DOMAIN.build(recipe), recipe=recipe), source="handmade")
    assert found.source == "handmade"
    assert (found.predicted.argmax(1) == found.given).mean() > 0.9
    assert out_of_fold(Learner(dls, DOMAIN.build(recipe))).source == "handmade"


def test_rows_of_one_group_stay_in_one_fold() -> None:
    groups = np.repeat(np.arange(20), 5)
    strata = np.repeat(np.arange(2), 50)
    fold = deal(strata, groups, 5, seed=0)
    assert all(len({*fold[groups == g].tolist()}) == 1 for g in range(20))
    assert np.bincount(fold).tolist() == [20] * 5
    for stratum in range(2):
        assert np.bincount(fold[strata == stratum], minlength=5).tolist() == [10] * 5
    alone = deal(strata, np.arange(100), 5, seed=0)
    assert all((np.bincount(alone[strata == s]) == 10).all() for s in range(2))
    assert not np.array_equal(alone, deal(strata, np.arange(100), 5, seed=1))


def test_groups_and_copies_are_held_out_together(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    dls = noisy()
    seen: list[Any] = []

    def spy(strata: Any, groups: Any, folds: int, seed: int) -> Any:
        seen.append(groups)
        return deal(strata, groups, folds, seed)

    monkeypatch.setattr("redstart.train.outoffold.deal", spy)
    out_of_fold(with_body(make, dls.with_groups([i // 10 for i in range(120)])))
    index = [row for part in ("train", "valid") for row in dls.parts()[part]]
    assert len(np.unique(seen[0])) == 12
    assert all(len({*seen[0][[r // 10 == g for r in index]].tolist()}) == 1 for g in range(12))
    pairs = [(x, y) for x, y in points(40) for _ in range(2)]
    block = DataBlock(
        blocks=(TensorCodec(), _category()),
        get_x=itemgetter(0),
        get_y=itemgetter(1),
        splitter=IndexSplitter(range(0, 80, 4)),
    )
    out_of_fold(with_body(make, block.dataloaders(pairs, device="cpu", num_workers=0)))
    assert len(np.unique(seen[1])) == 40


def test_the_only_row_of_a_class_is_left_out(make: Make) -> None:
    rows = points(60)
    rows[5] = (rows[5][0], "z")
    block = DataBlock(
        blocks=(TensorCodec(), _category()),
        get_x=itemgetter(0),
        get_y=itemgetter(1),
        splitter=IndexSplitter(range(45, 60)),
    )
    dls = block.dataloaders(rows, device="cpu", num_workers=0)
    model = net(3)
    issues = label_issues(make(dls, model=model, pretrained_body=model[0]))
    assert issues.found.left_out.tolist() == [5]
    assert 5 not in issues.found.rows
    assert "1 rows are the only ones of their class" in str(issues)


def reviewed(file: Path, verdicts: dict[int, tuple[str, str]]) -> Path:
    """Fill in verdicts and labels by row number, as a person would."""
    with file.open(encoding="utf-8-sig") as opened:
        lines = list(csv.DictReader(opened))
    for line in lines:
        line["verdict"], line["label"] = verdicts.get(int(line["row"]), ("", ""))
    out = file.with_name("done.csv")
    with out.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, list(lines[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(lines)
    return out


def test_a_reviewed_file_becomes_corrections(make: Make, tmp_path: Path) -> None:
    issues = label_issues(with_body(make, noisy()))
    file = issues.to_csv(tmp_path / "review" / "a.csv")
    assert len(file.read_text("utf-8-sig").splitlines()) == 21
    done = reviewed(file, {3: ("wrong", ""), 20: ("", "a"), 47: ("drop", ""), 70: ("OK", "")})
    found = issues.read_csv(done, who="Ann", when="May")
    ends = {entry.row: (entry.was, entry.to, entry.drop, entry.who) for entry in found}
    assert ends[3] == ("a", "b", False, "Ann") or ends[3] == ("b", "a", False, "Ann")
    assert ends[20][:2] == ("b", "a")
    assert ends[47][1:3] == (None, True)
    assert 70 not in ends
    assert len(found) == 3


def test_corrections_mend_the_data_and_are_no_longer_suspicious(make: Make, tmp_path: Path) -> None:
    issues = label_issues(with_body(make, noisy()))
    file = issues.correct(list(SWAPPED)).save(tmp_path / "labels.json")
    mended = noisy(corrections=file)
    again = label_issues(with_body(make, mended))
    assert again.suspects.estimate.count < 1
    assert mended.digests()["data"] != issues.dls.digests()["data"]
    # What is decided on top of corrections follows upon them.
    back = again.correct({3: issues._raw(_at(issues, 3))})
    both = Corrections.load(file).merge(back)
    assert len(both) == len(SWAPPED) - 1


def test_the_gain_is_measured_on_the_same_corrected_rows(make: Make, tmp_path: Path) -> None:
    before = with_body(make, noisy())
    before.fit_one_cycle(2, 1e-2)
    file = label_issues(before).correct(list(SWAPPED)).save(tmp_path / "labels.json")
    after = with_body(make, noisy(corrections=file))
    after.fit_one_cycle(2, 1e-2)
    found = compare(after, before, "accuracy", dl=after.dls.valid)
    assert "30 rows" in str(found)
    with pytest.raises(DataError, match="same rows of the same data"):
        compare(after, before)


def _at(issues: LabelIssues, row: int) -> int:
    return int(np.flatnonzero(issues.found.rows == row)[0])


def test_pictures_go_by_their_path(tmp_path: Path) -> None:
    dls, recipe = DOMAIN.example(tmp_path)
    issues = label_issues(Learner(dls, DOMAIN.build(recipe), recipe=recipe), source="handmade")
    file = issues.to_csv(tmp_path / "a.csv", k=48)
    assert "train/dark/0.png" in file.read_text("utf-8-sig")
    row = issues.rows(1)[0].row
    found = issues.read_csv(reviewed(file, {row: ("wrong", "")}))
    assert found.entries[0].item == Path(dls.items[row]).relative_to(tmp_path).as_posix()
    path = found.save(tmp_path / "labels.json")
    mended = ImageDataLoaders.from_folder(
        tmp_path, item_tfms=Resize(32), device="cpu", corrections=path
    )
    assert mended.source.raws != dls.source.raws


def test_numbers_are_reviewed_by_writing_the_right_one(tmp_path: Path) -> None:
    frame = table()
    frame.loc[7, "hours"] += 25.0
    dls = TabularDataLoaders.from_df(
        frame, y_names="hours", cont_names="x", cat_names="job", device="cpu"
    )
    issues = label_issues(tabular_learner(dls))
    file = issues.to_csv(tmp_path / "a.csv")
    found = issues.read_csv(reviewed(file, {7: ("wrong", "3.5")}))
    assert found.entries[0].to == 3.5
    with pytest.raises(DataError, match=r"Expected a number.*It is in line \d+ of"):
        issues.read_csv(reviewed(file, {7: ("wrong", "")}))
    with pytest.raises(ConfigError, match="Expected the right numbers by row number"):
        issues.correct([7])


def test_several_labels_are_written_with_semicolons(make: Make, tmp_path: Path) -> None:
    kinds = {"a": ["red", "big"], "b": ["blue"]}
    dls = noisy(block=MultiCategoryBlock, get_y=lambda item: kinds[item[1]])
    model = nn.Sequential(nn.Sequential(nn.Linear(4, 4)), nn.Sequential(nn.Linear(4, 3)))
    issues = label_issues(make(dls, model=model, pretrained_body=model[0]))
    file = issues.to_csv(tmp_path / "a.csv", k=120)
    assert "big; red" in file.read_text("utf-8-sig") or "red; big" in file.read_text("utf-8-sig")
    found = issues.read_csv(reviewed(file, {3: ("wrong", "blue; big")}))
    assert found.entries[0].to == ["blue", "big"]


@pytest.mark.parametrize(
    ("verdict", "label", "said"),
    [
        ("maybe", "", r"Got: verdict='maybe'. Write ok, wrong or drop"),
        ("wrong", "c", r"Expected one of the labels known. Got: label='c'.*in line \d+"),
    ],
)
def test_a_verdict_that_is_not_understood_is_an_error(
    make: Make, tmp_path: Path, verdict: str, label: str, said: str
) -> None:
    issues = label_issues(with_body(make, noisy()))
    file = reviewed(issues.to_csv(tmp_path / "a.csv"), {3: (verdict, label)})
    with pytest.raises(DataError, match=said):
        issues.read_csv(file)


def test_a_review_of_other_data_is_refused(make: Make, tmp_path: Path) -> None:
    issues = label_issues(with_body(make, noisy()))
    file = issues.to_csv(tmp_path / "a.csv")
    lines = file.read_text("utf-8-sig").splitlines()
    file.write_text("\n".join([lines[0], "999," + lines[1].split(",", 1)[1]]), "utf-8")
    with pytest.raises(DataError, match=r"in line 2 of .*row='999'"):
        issues.read_csv(file)
    file.write_text("row,item\n1,x\n", "utf-8")
    with pytest.raises(DataError, match="no given, likely, probability, verdict, label"):
        issues.read_csv(file)
    with pytest.raises(DataError, match=r"reviewed file .*none.csv"):
        issues.read_csv(tmp_path / "none.csv")
    with pytest.raises(ConfigError, match=r"out of the 120.*Got: row 500"):
        issues.correct([500])


def test_what_cannot_be_done_is_said(make: Make, tmp_path: Path) -> None:
    learn = with_body(make, noisy())
    with pytest.raises(ConfigError, match="Expected `folds` of 2 or more"):
        label_issues(learn, folds=1)
    with pytest.raises(ConfigError, match="Expected one of auto, body, trees"):
        out_of_fold(learn, source="forest")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="Expected one of noise"):
        label_issues(learn, method="loss")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="Expected a pretrained body, a table"):
        label_issues(make(noisy()))
    with pytest.raises(DataError, match=r"Expected 240 rows or more.*fewer `folds`"):
        label_issues(learn, folds=120)
    batches = [(torch.zeros(4, 4), torch.zeros(4, dtype=torch.long))]
    from redstart.data.loaders import DataLoaders

    plain = DataLoaders(batches, batches)
    with pytest.raises(ConfigError, match="Plain batches have no rows to review"):
        out_of_fold(Learner(plain, nn.Linear(4, 2), loss_func=nn.functional.cross_entropy))


def test_regression_of_pictures_or_tensors_uses_the_body(make: Make) -> None:
    values = {x.numpy().tobytes(): float(10 * x[0]) for x, _ in points(120)}
    dls = noisy(
        target=lambda: RegressionBlock(),
        get_y=lambda item: values[item[0].numpy().tobytes()] + (40.0 if item[1] == "?" else 0.0),
    )
    model = nn.Sequential(nn.Sequential(nn.Linear(4, 4)), nn.Sequential(nn.Linear(4, 1)))
    learn = replace(make(dls, model=model), pretrained_body=model[0])
    found = out_of_fold(learn)
    error = np.abs(found.predicted - found.given)
    assert found.given.shape == (120, 1)
    assert np.median(error) < 3.0
