"""The report of a trained model, and of a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from redstart.data.split import GroupSplitter, RandomSplitter
from redstart.errors import DataError, NoValidationSetError
from redstart.report.record import Details, Fragment, Notice, Report, Table
from redstart.tabular import TabularDataLoaders, tabular_learner
from redstart.tabular.learner import TabularLearner
from redstart.train.held import held_rows
from redstart.train.reporting import report_of_run


def frame(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    age = rng.uniform(20, 60, n).round(1)
    noise = rng.normal(0, 6, n)
    return pd.DataFrame(
        {
            "age": age,
            "job": rng.choice(["cook", "clerk", "<b>pilot|</b>"], n),
            "team": np.arange(n) // 10,
            "rich": np.where(age + noise > 40, "yes", "no"),
            "wage": 50 * age + 10 * noise,
        }
    )


def trained(path: Path, y: str = "rich", epochs: int = 1, **options: Any) -> TabularLearner:
    kept = {"rich": ["age", "job"], "wage": ["age"]}[y]
    dls = TabularDataLoaders.from_df(
        frame(),
        y_names=y,
        cat_names=[c for c in kept if c == "job"],
        cont_names=["age"],
        device="cpu",
        bs=32,
        **options,
    )
    learn = tabular_learner(dls, [8], path=path, folder=path / "run")
    learn.fit_one_cycle(epochs)
    return learn


def test_a_report_tells_everything_in_order(tmp_path: Path) -> None:
    learn = trained(tmp_path, epochs=2, test_pct=0.1)
    found = learn.report()
    names = [section.heading for section in found.sections]
    assert names[:3] == ["How good it is", "The data", "The audit of data and split"]
    for wanted in ("How it was trained", "How sure it is", "What it looks at", "Where it is weak"):
        assert wanted in names
    assert names[-2:] == ["The sealed test rows", "How to make it again"]
    assert [h.name for h in found.headlines] == ["accuracy"]
    assert found.headlines[0].baseline is not None and found.headlines[0].interval is not None
    assert "210" in found.summary and "measured on" in found.summary
    said = str(found)
    assert "accuracy" in said and "LightGBM" in said


def test_the_page_needs_nothing_else_and_escapes_what_comes_from_data(tmp_path: Path) -> None:
    found = trained(tmp_path).report()
    files = found.save(tmp_path / "out")
    page = files["html"].read_text("utf-8")
    at = page.find("<b>pilot|</b>")
    assert at < 0, page[max(0, at - 200) : at + 50]
    assert "&lt;b&gt;pilot|" in page
    assert "<script" not in page and 'src="http' not in page and 'href="http' not in page
    card = files["markdown"].read_text("utf-8")
    assert card.startswith("---\n") and "How good it is" in card
    assert Report.from_json(files["json"].read_text("utf-8")).html() == found.html()


def test_numbers_and_groups_are_told_too(tmp_path: Path) -> None:
    learn = trained(tmp_path, "wage", splitter=GroupSplitter("team"))
    found = learn.report()
    assert {h.name for h in found.headlines} == {"rmse", "mae"}
    assert "by groups" in found.markdown() and "intervals count groups" in found.markdown()


def test_validation_rows_are_predicted_once_until_the_model_changes(tmp_path: Path) -> None:
    learn = trained(tmp_path)
    first = held_rows(learn)
    learn.report()
    learn.slices()
    learn.bundle()
    assert held_rows(learn) is first
    learn.calibrate()
    changed = held_rows(learn)
    learn.fit_one_cycle(1)
    assert held_rows(learn) is not changed


def test_an_opening_of_the_sealed_rows_is_told(tmp_path: Path) -> None:
    learn = trained(tmp_path, test_pct=0.1)
    assert "have not been opened" in learn.report().markdown()
    learn.test()
    assert "first opening" in learn.report().markdown()
    learn.fit_one_cycle(1)
    learn.test()
    found = learn.report()
    assert "optimistic" in found.markdown()
    assert any("optimistic" in notice.text for notice in found.worst)


def test_a_run_folder_tells_what_was_written_and_what_came_after(tmp_path: Path) -> None:
    learn = trained(tmp_path, epochs=2, test_pct=0.1)
    run = tmp_path / "run"
    bare = report_of_run(run)
    assert bare.headlines and any(s.heading == "How it was trained" for s in bare.sections)
    learn.report().save(run)
    learn.test()
    learn.export(run.absolute() / "model.redstart")
    again = report_of_run(run)
    assert "first opening" in again.markdown()
    assert len(again.sections) == len(learn.report().sections)


def test_what_is_no_run_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Expected a run folder.*report\.json"):
        report_of_run(tmp_path)


def test_without_validation_rows_there_is_no_report(tmp_path: Path) -> None:
    learn = trained(tmp_path)
    learn.dls = TabularDataLoaders.from_df(
        frame(), y_names="rich", splitter=lambda df: _no_valid(len(df)), device="cpu"
    )
    with pytest.raises(NoValidationSetError, match="Expected a validation set"):
        learn.report()


def _no_valid(n: int) -> Any:
    from redstart.data.split import Split

    return Split.without_valid(range(n))


def test_the_best_baseline_stands_beside_each_figure(tmp_path: Path) -> None:
    learn = trained(tmp_path, "wage")
    found = {h.name: h for h in learn.report().headlines}["rmse"]
    figures = {b.name: b.metrics["rmse"][0] for b in learn.baselines()}
    assert found.baseline_name == min(figures, key=lambda name: figures[name])
    assert found.baseline == pytest.approx(min(figures.values()))


def test_a_model_that_is_worse_than_its_baseline_is_serious(tmp_path: Path) -> None:
    dls = TabularDataLoaders.from_df(
        frame(900), y_names="rich", cat_names=[], cont_names=["age"], device="cpu"
    )
    learn = tabular_learner(dls, [8], path=tmp_path)
    with torch.no_grad():
        for parameter in learn.model.parameters():
            parameter.zero_()
    worst = learn.report().worst
    assert any(n.severity == "serious" and "worse than LightGBM" in n.text for n in worst)


def block(found: Report, heading: str, kind: type[Any]) -> Any:
    """The first block of a kind in a chapter, those inside details too."""
    (section,) = [s for s in found.sections if s.heading == heading]
    blocks = [*section.blocks, *(b for d in section.blocks for b in getattr(d, "blocks", ()))]
    return next(b for b in blocks if isinstance(b, kind))


def test_labels_of_sealed_rows_are_not_even_counted(tmp_path: Path) -> None:
    learn = trained(tmp_path, test_pct=0.2)
    (section,) = [s for s in learn.report().sections if s.heading == "The data"]
    counts = next(b for b in section.blocks if isinstance(b, Table) and b.headers[0] == "class")
    assert counts.headers == ("class", "train", "valid")
    assert sum(row[1] for row in counts.rows) == learn.dls.sizes()["train"]


def test_classes_are_told_by_recall_and_precision_the_worst_first(tmp_path: Path) -> None:
    learn = trained(tmp_path, epochs=3)
    held = held_rows(learn).found
    listed = {
        row[0]: row for row in block(learn.report(), "How good it is", Details).blocks[0].rows
    }
    said, true = held.acts.argmax(1), held.y[0]
    for place, name in enumerate(learn.dls.vocab):
        right = int(((said == place) & (true == place)).sum())
        assert listed[name][1] == int((true == place).sum())
        assert listed[name][2].startswith(f"{right / int((true == place).sum()):.2f}")
        assert listed[name][3].startswith(f"{right / max(int((said == place).sum()), 1):.2f}")


def test_the_worst_rows_come_first(tmp_path: Path) -> None:
    learn = trained(tmp_path)
    held = held_rows(learn).found
    worst = held.name(int(held.losses.argmax()))
    cards = block(learn.report(), "Worst and best rows", Fragment).html
    assert cards.index(worst) < 5000


def test_warnings_of_the_audit_are_told(tmp_path: Path) -> None:
    learn = trained(tmp_path)
    assert learn.audited is not None and learn.audited.of("warning")
    told = [
        b.text
        for s in learn.report().sections
        if s.heading.startswith("The audit")
        for b in s.blocks
        if isinstance(b, Notice)
    ]
    assert {f.said for f in learn.audited.of("warning")} <= set(told)


def test_other_validation_rows_are_predicted_anew(tmp_path: Path) -> None:
    learn = trained(tmp_path)
    first = held_rows(learn)
    learn.dls = learn.dls.resplit(RandomSplitter(0.4, seed=9))
    second = held_rows(learn)
    assert second is not first and len(second.found) == learn.dls.sizes()["valid"]
