from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from sklearn.metrics import precision_recall_fscore_support

from redstart.errors import ConfigError
from redstart.evaluate.classes import ClassificationReport, Figure

PETS = torch.tensor([[80, 20], [10, 40]])


def many(n: int) -> ClassificationReport:
    """``n`` classes of which the last ones are told apart worst."""
    matrix = torch.zeros(n, n, dtype=torch.int64)
    for i in range(n):
        wrong = i * 800 // n
        matrix[i, i] = 1000 - wrong
        matrix[i, (i + 1) % n] = wrong
    return ClassificationReport.of(matrix, [f"species_{i:03}" for i in range(n)])


def test_figures_by_hand():
    report = ClassificationReport.of(PETS, ["cat", "dog"])
    cat, dog = report.rows
    assert (cat.label, cat.support, cat.predicted) == ("cat", 100, 90)
    assert (dog.label, dog.support, dog.predicted) == ("dog", 50, 60)
    assert cat.recall.value == pytest.approx(0.8)
    assert cat.precision.value == pytest.approx(80 / 90)
    assert cat.f1.value == pytest.approx(160 / 190)
    assert report.accuracy.value == pytest.approx(0.8)
    assert report.macro.recall.value == pytest.approx((0.8 + 0.8) / 2)
    assert report.weighted.precision.value == pytest.approx((80 / 90 * 100 + 40 / 60 * 50) / 150)
    assert report.macro.support == 150


def test_intervals_by_hand():
    cat = ClassificationReport.of(PETS, ["cat", "dog"]).rows[0]
    # Wilson's interval of 80 in 100, from the closed formula.
    assert cat.recall.interval == pytest.approx((0.7112, 0.8666), abs=1e-4)
    low, high = cat.f1.interval
    assert 0.77 < low < cat.f1.value < high < 0.90


def test_the_f1_interval_covers_what_other_rows_would_have_given():
    rng = torch.Generator().manual_seed(0)
    shares = PETS.double().flatten() / PETS.sum()
    truth = 160 / 190
    held = 0
    for _ in range(150):  # draws of as many rows
        draw = torch.multinomial(shares, 150, replacement=True, generator=rng)
        matrix = torch.bincount(draw, minlength=4).view(2, 2)
        low, high = ClassificationReport.of(matrix, "ab").rows[0].f1.interval
        held += low <= truth <= high
    assert 0.91 <= held / 150 <= 0.99


def test_what_is_undefined_is_not_called_zero():
    matrix = torch.tensor([[5, 2, 0, 0], [1, 4, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0]])
    _, _, unseen, absent = ClassificationReport.of(matrix, "abcd").rows
    assert math.isnan(unseen.precision.value)  # never predicted
    assert unseen.recall.value == 0 and unseen.f1.value == 0
    assert all(math.isnan(f.value) for f in (absent.precision, absent.recall, absent.f1))
    assert absent.f1.interval == (0.0, 1.0)
    assert absent.cells() == ["d", "-", "-", "-", "0"]


def test_classes_that_do_not_occur_are_not_among_the_worst():
    matrix = torch.tensor([[5, 2, 0], [1, 4, 0], [0, 0, 0]])
    report = ClassificationReport.of(matrix, "abc")
    assert [row.label for row in report.worst()] == ["b", "a", "c"]
    assert [row.label for row in report.worst(1)] == ["b"]


def test_a_class_without_rows_has_no_f1():
    ghost = ClassificationReport.of(torch.tensor([[5, 3], [0, 0]]), "ab").rows[1]
    assert ghost.precision.value == 0 and ghost.predicted == 3
    assert math.isnan(ghost.f1.value) and math.isnan(ghost.recall.value)
    assert ghost.f1.interval == (0.0, 1.0)


def test_two_classes_as_text():
    said = str(ClassificationReport.of(PETS, ["cat", "dog"])).splitlines()
    assert said[0] == "150 rows, 2 classes, accuracy 0.80 [0.73, 0.86] (95% intervals)"
    assert said[2].split() == ["class", "precision", "recall", "f1", "support"]
    assert said[3].split()[0] == "cat" and said[3].endswith("    100")
    assert "0.80 [0.71, 0.87]" in said[3]
    assert [line.split("  ")[0] for line in said[6:]] == ["macro avg", "weighted avg"]
    assert max(map(len, said)) <= 80


def test_lines_are_as_wide_as_each_other_in_any_script():
    names = ["cat", "ein sehr langer Name mit einem Ende: A", "猫科動物の一種で長い名前のもの" * 2]
    said = ClassificationReport.of(torch.eye(3, dtype=torch.int64) * 9, names).text().splitlines()
    widths = {cell_len(line) for line in said[2:] if line}
    assert len(widths) == 1
    assert "Ende: A" in said[4] and "…" in said[4] and "…" in said[5]


def test_names_stay_on_their_line():
    said = ClassificationReport.of(PETS, ["a\nb", "c"]).text()
    assert "\na b " in said


def test_two_hundred_classes_as_text():
    report = many(200)
    said = str(report).splitlines()
    assert len(said) == 27
    assert said[1] == "The 20 classes with the lowest F1; `report.text()` lists all."
    assert said[4].startswith("species_199")
    assert max(map(len, said)) <= 100
    whole = report.text().splitlines()
    assert len(whole) == 206
    assert whole[3].startswith("species_000") and whole[202].startswith("species_199")


def test_forty_classes_are_all_listed():
    assert "lowest" not in str(many(40))
    assert len(str(many(40)).splitlines()) == 46
    assert "lowest" in str(many(41))


def test_html():
    html = ClassificationReport.of(PETS, ["<cat>", "dog"])._repr_html_()
    assert "&lt;cat&gt;" in html and "<cat>" not in html
    assert html.count("<tr>") == 1 + 2 + 2
    assert "0.80 [0.71, 0.87]" in html
    assert many(200)._repr_html_().count("<tr>") == 1 + 20 + 2


def test_repr_is_short():
    assert repr(many(200)).startswith("ClassificationReport(200000 rows, 200 classes, accuracy 0.6")
    assert len(repr(many(200))) < 120
    one = ClassificationReport.of(torch.tensor([[1, 0], [0, 0]]), "ab")
    assert "1 row, 2 classes" in repr(one)


def test_plot():
    drawing = many(200).plot(worst=12)
    assert drawing.what == "recall and precision of 12 classes"
    labels = [tick.get_text() for tick in drawing.axes[0].get_yticklabels()]
    assert labels[0].startswith("species_199")


@pytest.mark.parametrize(
    ("matrix", "labels", "got"),
    [
        (PETS, ["cat"], "150 rows, 2 classes, 1 labels"),
        (PETS * 0, ["cat", "dog"], "0 rows, 2 classes, 2 labels"),
    ],
)
def test_what_cannot_be_reported_is_refused(matrix, labels, got):
    with pytest.raises(ConfigError, match=got):
        ClassificationReport.of(matrix, labels)


def test_a_figure_in_words():
    assert str(Figure(0.5, (0.25, 0.75))) == "0.50 [0.25, 0.75]"
    assert str(Figure(math.nan, (0.0, 1.0))) == "-"


cells = st.lists(st.integers(0, 9), min_size=9, max_size=9).filter(any)


@settings(deadline=None, max_examples=25)
@given(cells)
def test_values_are_scikit_learns(counts):
    matrix = torch.tensor(counts).view(3, 3)
    actual = [a for a in range(3) for p in range(3) for _ in range(int(matrix[a, p]))]
    predicted = [p for a in range(3) for p in range(3) for _ in range(int(matrix[a, p]))]
    report = ClassificationReport.of(matrix, "abc")
    theirs = precision_recall_fscore_support(
        actual, predicted, labels=[0, 1, 2], zero_division=math.nan
    )
    for i, row in enumerate(report.rows):
        ours = [row.precision.value, row.recall.value, row.f1.value]
        expected = [float(part[i]) for part in theirs[:3]]
        if not row.support:  # scikit-learn calls it 0 once the class was predicted
            expected[2] = math.nan
        assert ours == pytest.approx(expected, nan_ok=True)
        assert row.support == theirs[3][i]
        for figure in (row.precision, row.recall, row.f1):
            if not math.isnan(figure.value):
                assert 0 <= figure.interval[0] <= figure.value <= figure.interval[1] <= 1
    weighted = precision_recall_fscore_support(
        actual, predicted, average="weighted", zero_division=0
    )
    ours = report.weighted
    assert [ours.precision.value, ours.recall.value, ours.f1.value] == pytest.approx(weighted[:3])
