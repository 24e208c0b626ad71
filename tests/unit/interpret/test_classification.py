from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from redstart.data.stream import StreamLoader
from redstart.errors import ConfigError, DataError
from redstart.interpret.classification import ClassificationInterpretation
from redstart.targets.category import CategoryTarget
from redstart.train.predict import Predictions


def by_hand(actual: list[int], predicted: list[int], vocab) -> ClassificationInterpretation:
    acts = torch.eye(len(vocab))[predicted]
    y = torch.tensor(actual)
    return ClassificationInterpretation(
        Predictions(
            loader=SimpleNamespace(target=CategoryTarget(tuple(vocab)), seed=0),
            index=torch.arange(len(y)),
            acts=acts,
            y=(y,),
            losses=1 - acts[torch.arange(len(y)), y],
        )
    )


def test_rows_are_truth_and_columns_predictions(setup):
    interp = ClassificationInterpretation.from_learner(setup.learn)
    assert interp.vocab == ("blue", "green", "red")
    matrix = interp.confusion_matrix()
    assert matrix.tolist() == [[1, 1, 0], [1, 2, 0], [0, 1, 2]]
    assert matrix.dtype == torch.int64


def test_confusions_come_most_frequent_first(setup):
    interp = by_hand([0, 0, 0, 1, 2, 2, 1], [1, 1, 0, 0, 0, 0, 1], "abc")
    assert interp.most_confused() == [("a", "b", 2), ("c", "a", 2), ("b", "a", 1)]
    assert interp.most_confused(min_val=2) == [("a", "b", 2), ("c", "a", 2)]
    assert interp.most_confused(3) == []


def test_labels_keep_their_type():
    interp = by_hand([0, 1], [1, 1], [3, 7])
    assert interp.most_confused() == [(3, 7, 1)]


def test_a_cell_of_the_matrix_leads_to_its_files(setup):
    interp = ClassificationInterpretation.from_learner(setup.learn)
    rows = interp.confused("red", "green").rows
    assert [Path(row.item).name for row in rows] == ["c.png"]
    found = interp.confused("red", "red")
    assert [Path(row.item).name for row in found.rows] == ["b.png", "a.png"]
    assert found.losses[0] > found.losses[1]
    assert interp.confused("blue", "red").rows == []
    with pytest.raises(DataError, match=r"'gren'.*Did you mean 'green'"):
        interp.confused("red", "gren")


def test_nothing_is_predicted_twice(setup):
    interp = ClassificationInterpretation.from_learner(setup.learn)
    assert setup.model.rows == 8
    interp.plot_confusion_matrix()
    interp.most_confused()
    interp.print_classification_report()
    interp.plot_report()
    interp.plot_top_losses(3)
    interp.show_results([0])
    interp._repr_html_()
    assert setup.model.rows == 8


def test_top_losses_are_those_of_any_interpretation(setup):
    interp = ClassificationInterpretation.from_learner(setup.learn)
    losses, positions = interp.top_losses(1)
    assert Path(interp.top_losses(1).rows[0].item).name == "c.png"
    assert positions.tolist() == [interp.predictions.losses.argmax().item()]
    assert interp.plot_top_losses(2, nrows=2).what == "2x1 cards"
    assert len(losses) == 1


def test_the_matrix_is_drawn_with_its_counts(setup):
    interp = ClassificationInterpretation.from_learner(setup.learn)
    drawing = interp.plot_confusion_matrix()
    numbers = [text.get_text() for text in drawing.axes[0].texts]
    assert numbers == ["1", "1", "0", "1", "2", "0", "0", "1", "2"]
    said = " ".join(t.get_text() for t in interp.plot_confusion_matrix(True).axes[0].texts)
    assert "67%" in said


def test_the_report_is_printed(setup, capsys):
    interp = ClassificationInterpretation.from_learner(setup.learn)
    interp.print_classification_report()
    printed = capsys.readouterr().out
    assert printed == f"{interp.report()}\n"
    assert "accuracy 0.62" in printed
    assert [row.label for row in interp.report().rows] == ["blue", "green", "red"]
    assert interp.plot_report().what == "recall and precision of 3 classes"


def test_summaries(setup):
    interp = ClassificationInterpretation.from_learner(setup.learn)
    assert repr(interp).startswith(
        "ClassificationInterpretation(8 rows, 3 classes, accuracy 0.62 [0.31, 0.86]"
    )
    html = interp._repr_html_()
    assert html.count("<tr>") == 1 + 3
    assert "<script" not in html
    right = by_hand([0, 1], [0, 1], ["a", "b"])
    assert "<table" not in right._repr_html_()
    many = by_hand([0] * 14, list(range(1, 15)), range(15))
    assert "and 4 more kinds of error" in many._repr_html_()


def test_other_targets_are_refused_before_anything_is_predicted(setup):
    pairs = [(torch.zeros(2, 3, 8, 8), torch.zeros(2))]
    with pytest.raises(ConfigError, match=r"one label per row. Got: target='tensor'"):
        ClassificationInterpretation.from_learner(setup.learn, StreamLoader(pairs))
    assert setup.model.rows == 0


def test_sealed_rows_stay_sealed(setup):
    with pytest.raises(ConfigError, match="test rows are sealed"):
        ClassificationInterpretation.from_learner(setup.learn, setup.learn.dls.sealed)
    assert setup.model.rows == 0


def test_unlabelled_rows_are_refused(setup):
    loader = setup.learn.dls.test_dl([setup.path / "valid/red/a.png"])
    with pytest.raises(DataError, match="rows with labels"):
        ClassificationInterpretation.from_learner(setup.learn, loader)


def test_min_val_is_positive():
    with pytest.raises(ConfigError, match=r"`min_val` of 1 or more. Got: min_val=0"):
        by_hand([0], [1], "ab").most_confused(0)


pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


@settings(deadline=None, max_examples=50)
@given(pairs)
def test_every_row_is_counted_once(rows):
    actual, predicted = map(list, zip(*rows, strict=True))
    interp = by_hand(actual, predicted, "abcde")
    matrix = interp.confusion_matrix()
    assert matrix.sum() == len(rows)
    assert matrix.sum(1).tolist() == [actual.count(c) for c in range(5)]
    assert matrix.sum(0).tolist() == [predicted.count(c) for c in range(5)]
    confused = interp.most_confused()
    assert sum(count for *_, count in confused) == sum(a != p for a, p in rows)
    assert [c for *_, c in confused] == sorted((c for *_, c in confused), reverse=True)
    for a, p, count in confused:
        assert len(interp.confused(a, p).positions) == count
