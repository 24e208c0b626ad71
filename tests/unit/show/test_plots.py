from __future__ import annotations

import math

import numpy as np
import pytest
from overlap import clashes, texts

from redstart.errors import ConfigError
from redstart.show.drawing import Drawing
from redstart.show.plots import (
    ClassScores,
    plot_confusion_matrix,
    plot_losses,
    plot_lr_find,
    plot_metrics,
    plot_per_class,
    plot_schedule,
)


def words(drawing: Drawing) -> list[str]:
    return [text.get_text() for text in texts(drawing)]


def names(n: int, long: bool) -> list[str]:
    tail = " with $an$ extremely long name that never ends, subspecies " if long else ""
    return [f"class {i}{tail}{i if long else ''}" for i in range(n)]


def matrix(n: int, rows: int = 3000) -> np.ndarray:
    rng = np.random.default_rng(0)
    actual = rng.integers(0, n, rows)
    near = np.clip(actual + rng.integers(-2, 3, rows), 0, n - 1)
    found = np.zeros((n, n), int)
    np.add.at(found, (actual, np.where(rng.random(rows) < 0.8, actual, near)), 1)
    return found


def score(i: int, label: str, recall: float = 0.5, precision: float = 0.5) -> ClassScores:
    return ClassScores(
        label=label,
        n=100 + i,
        recall=recall,
        recall_interval=(0.4, 0.6),
        precision=precision,
        precision_interval=(0.4, 0.6),
    )


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("n", [2, 10, 37, 60, 200])
def test_confusion_matrix_letters_never_overlap(n: int, long: bool) -> None:
    drawing = plot_confusion_matrix(matrix(n, 2000), names(n, long), normalize=not long)
    assert clashes(drawing) == []
    sizes = [text.get_size() for ax in drawing.axes for text in [*ax.texts, *ax.get_yticklabels()]]
    assert min(sizes) >= 5.5, "still readable"


@pytest.mark.parametrize("n", [2, 50, 200])
@pytest.mark.parametrize("figsize", [(5, 5), (12, 4), (10, 6)])
def test_confusion_matrix_in_a_given_size(n: int, figsize: tuple[float, float]) -> None:
    drawing = plot_confusion_matrix(matrix(n), names(n, True), figsize=figsize)
    assert drawing.size == (figsize[0] * 100, figsize[1] * 100)
    assert clashes(drawing) == []


def test_confusion_matrix_numbers_stand_in_their_cells() -> None:
    drawing = plot_confusion_matrix([[97, 3], [0, 50]], ["ant", "bee"])
    at = {text.get_text(): text.get_position() for text in drawing.axes[0].texts}
    assert at == {"97": (0, 0), "3": (1, 0), "0": (0, 1), "50": (1, 1)}
    assert "147 of 150 right" in words(drawing)
    shares = plot_confusion_matrix([[97, 3], [0, 50]], ["ant", "bee"], normalize=True)
    assert [t.get_text() for t in shares.axes[0].texts] == ["97%", "3%", "0", "100%"]


def test_a_large_confusion_matrix_shows_the_most_confused_by_name() -> None:
    counts = np.eye(200, dtype=int) * 10
    counts[150, 7] = 9
    counts[3, 4] = 5
    drawing = plot_confusion_matrix(counts, names(200, False))
    named = [t.get_text() for t in drawing.axes[0].get_yticklabels()]
    assert {"class 3", "class 4", "class 7", "class 150"} <= set(named)
    assert len(named) <= 25
    assert len(drawing.axes) == 2, "and the whole beside it"
    assert any("14 of 14 errors shown" in text for text in words(drawing))


@pytest.mark.parametrize("n", [1, 61, 1000])
def test_confusion_matrix_of_unusual_sizes(n: int) -> None:
    assert clashes(plot_confusion_matrix(np.zeros((n, n)), names(n, False))) == []


@pytest.mark.parametrize(
    "counts, labels, match",
    [
        ([[1, 2]], ["a"], r"square.*shape=\(1, 2\)"),
        ([[1, 2], [3, 4]], ["a"], r"each of the 2 classes.*len\(labels\)=1"),
        ([[1, -2], [3, 4]], ["a", "b"], "not negative"),
        ([[1, math.nan], [3, 4]], ["a", "b"], "finite"),
    ],
)
def test_confusion_matrix_refuses(counts: list[list[float]], labels: list[str], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        plot_confusion_matrix(counts, labels)


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("n", [1, 2, 10, 200])
def test_per_class_letters_never_overlap(n: int, long: bool) -> None:
    bars = [score(i, name, precision=math.nan) for i, name in enumerate(names(n, long))]
    assert clashes(plot_per_class(bars)) == []


def test_per_class_draws_the_worst_first_and_says_how_many() -> None:
    bars = [score(i, f"c{i}", recall=(i + 1) / 200) for i in reversed(range(200))]
    bars.append(score(0, "empty", recall=math.nan))
    drawing = plot_per_class(bars, worst=3)
    assert [t.get_text() for t in drawing.axes[0].get_yticklabels()] == [
        "c0  (100)",
        "c1  (101)",
        "c2  (102)",
    ]
    assert any(text.startswith("the 3 lowest recalls of 201 classes") for text in words(drawing))
    lengths = [bar.get_width() for bar in drawing.axes[0].patches]
    assert lengths == [1 / 200, 2 / 200, 3 / 200]
    with pytest.raises(ConfigError, match=r"at least one class.*len\(scores\)=0"):
        plot_per_class([])


def test_losses() -> None:
    rng = np.random.default_rng(0)
    train = 2 * np.exp(-np.arange(500) / 100) + rng.normal(0, 0.05, 500) + 0.3
    train[0], train[7] = 1e6, np.nan
    drawing = plot_losses(range(500), train, [249, 499], [0.6, 3.5])
    assert clashes(drawing) == []
    raw, smoothed, valid = drawing.axes[0].lines
    assert (
        np.nanstd(np.diff(smoothed.get_ydata()[300:]))
        < np.nanstd(np.diff(raw.get_ydata()[300:])) / 3
    )
    assert valid.get_ydata().tolist() == [0.6, 3.5]
    low, high = drawing.axes[0].get_ylim()
    assert low < np.nanmin(train) and 3.5 < high < 10, "neither the first step nor an epoch is lost"
    legend = [text.get_text() for text in drawing.axes[0].get_legend().get_texts()]
    assert legend == ["train, smoothed", "valid, lowest 0.6"]


def test_smoothing_is_unbiased_and_can_be_left_out() -> None:
    constant = plot_losses(range(5), [2.0] * 5).axes[0].lines[1].get_ydata()
    assert constant == pytest.approx([2.0] * 5)
    assert len(plot_losses(range(5), [2.0] * 5, smooth=0).axes[0].lines) == 1
    assert len(plot_losses([], [], [0], [1.0]).axes[0].lines) == 1


def test_losses_refuse() -> None:
    with pytest.raises(ConfigError, match=r"as many `steps` as `train`.*len\(steps\)=1"):
        plot_losses([0], [1.0, 2.0])
    with pytest.raises(ConfigError, match=r"`smooth` in \[0, 1\).*smooth=1"):
        plot_losses([0], [1.0], smooth=1)
    with pytest.raises(ConfigError, match="losses to draw"):
        plot_losses([], [])


def test_metrics_have_a_panel_each() -> None:
    rows = [{"epoch": 3, "accuracy": 0.5, "f1" * 40: 0.1}, {"epoch": 4, "accuracy": 0.75}]
    drawing = plot_metrics(rows, title="Metrics")
    assert clashes(drawing) == []
    line = drawing.axes[0].lines[0]
    assert line.get_xdata().tolist() == [3, 4] and line.get_ydata().tolist() == [0.5, 0.75]
    assert "accuracy  0.75" in words(drawing)
    assert len(drawing.axes) == 2
    assert clashes(plot_metrics([{f"m{i}": 1.0 for i in range(7)}])) == []
    with pytest.raises(ConfigError, match=r"metrics to draw.*rows=\[\]"):
        plot_metrics([])


def diverging() -> tuple[np.ndarray, np.ndarray]:
    rates = np.logspace(-7, 1, 100)
    losses = 2.3 - 1.8 / (1 + np.exp(-(np.log10(rates) + 2.5) * 3))
    losses += np.exp((np.log10(rates) + 0.3) * 6)
    losses[-3:] = np.nan
    return rates, losses


def test_lr_find_cuts_what_diverged_and_marks_the_suggestions() -> None:
    rates, losses = diverging()
    marked = {
        "valley": 2e-3,
        "steep": 1e-3,
        "a rule with $a$ name that is far too long": 1e-2,
        "d": 1.0,
    }
    drawing = plot_lr_find(rates, losses, marked)
    assert clashes(drawing) == []
    ax = drawing.axes[0]
    assert ax.get_xscale() == "log"
    curve = ax.lines[0].get_ydata()
    assert 50 < len(curve) < 97
    assert np.nanmax(curve) < 6, "the tail would flatten the rest"
    assert curve[-1] > 3, "that it diverged is seen"
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend[:2] == ["valley  0.002", "steep  0.001"]
    points = [line for line in ax.lines if line.get_linestyle() == "None"]
    assert points[0].get_xdata() == [2e-3]
    assert points[0].get_ydata()[0] == pytest.approx(np.interp(2e-3, rates, losses))
    assert len({line.get_marker() for line in points}) == 4, "told apart without colour"


def test_lr_find_keeps_a_curve_that_only_falls() -> None:
    rates = np.logspace(-5, 0, 50)
    drawing = plot_lr_find(rates, np.linspace(3, 1, 50))
    assert len(drawing.axes[0].lines[0].get_ydata()) == 50
    assert drawing.axes[0].get_legend() is None
    with pytest.raises(ConfigError, match="finite loss at a positive learning rate"):
        plot_lr_find(rates, [math.nan] * 50)


def test_schedule_has_a_panel_each() -> None:
    drawing = plot_schedule(
        {"lr": [0.0, 1.0, 0.0], "momentum": [0.95, 0.85, 0.95]}, title="Schedule"
    )
    assert clashes(drawing) == []
    assert [ax.lines[0].get_ydata().tolist() for ax in drawing.axes] == [
        [0, 1, 0],
        [0.95, 0.85, 0.95],
    ]
    assert repr(drawing).startswith("Drawing(schedule of lr, momentum, ")
    with pytest.raises(ConfigError, match=r"hyper-parameters to draw.*values=\{\}"):
        plot_schedule({})
