"""Two models or more on the same rows: figures, differences, sentences."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from redstart.errors import DataError
from redstart.evaluate.compare import Compared, Comparison, compare_outputs, shown
from redstart.evaluate.seeds import difference_of_runs, figure_of_runs
from redstart.metrics.make import as_metric, by_name
from redstart.metrics.paired import measured, paired_difference
from redstart.metrics.size import rows_for_difference
from redstart.rng import generator


def rows(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Noise that all models share, and classes."""
    rng = generator(seed)
    return torch.randn(n, generator=rng), torch.randint(0, 2, (n,), generator=rng)


def model(noise: Tensor, y: Tensor, signal: float, seed: int) -> Tensor:
    own = 0.3 * torch.randn(len(y), generator=generator(seed))
    score = signal * (2 * y - 1) + noise + own
    return torch.stack([-score, score], 1)


def two(better: float, n: int = 412, **options: Any) -> Comparison:
    noise, y = rows(n)
    outs = {"net": model(noise, y, better, 1), "trees": model(noise, y, 1.0, 2)}
    metrics = [by_name("accuracy"), by_name("roc_auc")]
    return compare_outputs(metrics, outs, y, **options)


def row(**changed: Any) -> Compared:
    facts: dict[str, Any] = {
        "metric": "accuracy",
        "larger_is_better": True,
        "model": (0.82, (0.78, 0.86)),
        "other": (0.81, (0.77, 0.85)),
        "difference": (0.01, (-0.01, 0.03)),
        "names": ("net", "trees"),
        "n_rows": 412,
    }
    return Compared(**{**facts, **changed})


def test_figures_and_differences_are_those_of_the_metrics() -> None:
    found = two(1.4)
    noise, y = rows(412)
    a, b = model(noise, y, 1.4, 1), model(noise, y, 1.0, 2)
    one = found["roc_auc"]
    metric = by_name("roc_auc")
    assert one.model == (measured(metric, a, y), metric.interval())
    assert one.other == (measured(metric, b, y), metric.interval())
    assert one.difference == paired_difference(metric, a, b, y)
    assert one.n_rows == found.n_rows == 412
    assert one.seeds is None


@pytest.mark.parametrize(
    ("larger", "difference", "verdict"),
    [
        (True, (0.1, (0.05, 0.15)), "better"),
        (False, (0.1, (0.05, 0.15)), "worse"),
        (False, (-0.1, (-0.2, -0.05)), "better"),
        (True, (0.1, (-0.05, 0.25)), "even"),
        (True, (0.1, None), "even"),
        (True, (float("nan"), (0.1, 0.2)), "even"),
    ],
)
def test_the_verdict_is_that_of_the_interval(larger: bool, difference: Any, verdict: str) -> None:
    one = row(larger_is_better=larger, difference=difference)
    assert one.verdict == verdict
    said = f"is {verdict} than" in one.said()
    assert said == (verdict != "even")


def test_what_is_more_than_chance_is_said_with_its_interval() -> None:
    said = two(1.8)["accuracy"].said()
    assert re.fullmatch(
        r"accuracy: net is better than trees by 0\.\d+; the difference, between \+0\.\d+ and "
        r"\+0\.\d+, is more than chance on 412 rows\.",
        said,
    )


def test_what_cannot_be_told_is_said_with_the_rows_it_would_take() -> None:
    one = row()
    std = 0.04 / (2 * 1.959964) * 412**0.5
    exact = rows_for_difference(std, 0.01)
    assert one.needed is not None
    assert exact <= one.needed < 1.1 * exact
    assert one.said() == (
        "accuracy: net cannot be told apart from trees with 412 rows (the difference is between "
        f"-0.01 and +0.03); about {one.needed:,} would do to tell a difference of the 0.01 seen "
        "here."
    )


def test_so_many_rows_do_tell_them_apart() -> None:
    """The number in the sentence is one that would do, four times in five."""
    told = []
    noise, y = rows(300, 3)
    first = compare_outputs(
        [by_name("accuracy")],
        {"a": model(noise, y, 1.3, 1), "b": model(noise, y, 1.2, 2)},
        y,
    ).rows[0]
    assert first.needed is not None
    size = rows_for_difference(
        (first.difference[1][1] - first.difference[1][0]) / 3.92 * 300**0.5, 0.0187
    )
    for seed in range(60):
        noise, y = rows(size, 100 + seed)
        a, b = model(noise, y, 1.3, 200 + seed), model(noise, y, 1.2, 300 + seed)
        _, ends = paired_difference(by_name("accuracy"), a, b, y)
        assert ends is not None
        told.append(ends[0] > 0)
    assert 0.6 < sum(told) / len(told) < 0.95


@pytest.mark.parametrize(
    ("metric", "figures", "sought"), [("accuracy", 0.8, 0.01), ("rmse", 30.0, 0.3)]
)
def test_where_no_difference_was_seen_one_point_is_looked_for(
    metric: str, figures: float, sought: float
) -> None:
    ends = (-0.02 * figures, 0.0201 * figures)
    one = row(metric=metric, model=(figures, None), other=(figures, None), difference=(0.0, ends))
    assert one.sought == pytest.approx(sought)
    assert one.said().endswith(f"would do to tell a difference of {sought:.3g}.")


def test_the_same_outputs_are_said_to_be_the_same() -> None:
    y = torch.arange(5.0)
    one = compare_outputs([by_name("rmse")], {"a": y, "b": y.clone()}, y).rows[0]
    assert one.said() == "rmse: a and b are the same on 5 rows."
    assert one.needed is None
    few = row(difference=(0.5, None), n_rows=1)
    assert few.said() == (
        "accuracy: net and trees cannot be told apart: too few to tell by on 1 row."
    )
    assert "not defined" in row(difference=(float("nan"), None)).said()


def test_groups_are_counted_and_said() -> None:
    plain = two(1.0)
    tied = two(1.0, groups=torch.arange(412) // 50)
    assert tied.rows[0].n_groups == 9
    assert "with 412 rows of 9 groups" in tied.rows[0].said()
    assert tied.notes == (
        "Rows come in 9 groups, and intervals count groups. So few leave rough intervals.",
    )
    assert tied.rows[0].model[1] != plain.rows[0].model[1]
    assert tied.rows[0].model[0] == plain.rows[0].model[0]


def test_it_prints_as_a_table_with_notes_and_sentences() -> None:
    found = two(1.8, notes=["On held-out rows."])
    lines = str(found).splitlines()
    assert lines[0] == "On held-out rows."
    assert re.fullmatch(r"metric +net +trees +difference", lines[2])
    assert lines[3].startswith("accuracy  ")
    assert lines[-2:] == found.sentences()
    assert repr(found) == str(found)


def test_it_is_html_and_markdown_too() -> None:
    noise, y = rows(50)
    outs = {"<net>": model(noise, y, 1.0, 1), "a|b": model(noise, y, 1.0, 2)}
    found = compare_outputs([by_name("accuracy")], outs, y, notes=["1 < 2"])
    html = found._repr_html_()
    assert "&lt;net&gt;" in html
    assert "<net>" not in html
    assert "<p>1 &lt; 2</p>" in html
    assert html.count("<td>") == 4
    lines = found.markdown().splitlines()
    assert lines[2] == "| metric | <net> | a\\|b | difference |"
    assert lines[3] == "| --- | --- | --- | --- |"
    assert lines[-1].startswith("- accuracy: <net> cannot")


def test_several_others_stand_below_each_other() -> None:
    noise, y = rows(200)
    outs = {name: model(noise, y, 1.0 + i / 5, i) for i, name in enumerate("abc")}
    found = compare_outputs([by_name("accuracy"), by_name("f1")], outs, y)
    headers, cells = found.cells()
    assert headers == ("metric", "", "figure", "less this")
    assert [c[:2] for c in cells[:4]] == [["accuracy", "a"], ["", "b"], ["", "c"], ["f1", "a"]]
    assert [r.names for r in found.against("c")] == [("a", "c")] * 2
    assert len(found.sentences()) == 4
    assert found["f1"].names == ("a", "b")


def test_an_unknown_metric_is_told() -> None:
    with pytest.raises(KeyError, match="'mae'; there are accuracy, roc_auc"):
        two(1.0)["mae"]


@pytest.mark.parametrize(
    "outs",
    [
        {"a": torch.zeros(3, 2)},
        {"a": torch.zeros(3, 2), "b": torch.zeros(2, 2)},
        {"a": torch.zeros(3, 2), "b": []},
    ],
)
def test_other_rows_are_told(outs: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="two models or more for the same rows"):
        compare_outputs([by_name("accuracy")], outs, torch.zeros(3, dtype=torch.int64))


def test_figures_are_written_to_one_place() -> None:
    assert shown((0.5, None)) == "0.5000"
    assert shown((0.00012, (0.0001, 0.00014))) == "0.000120 [0.000100, 0.000140]"
    assert shown((-1e-5, None), sign=True) == "-0.0000100"
    assert row().cells()[-1] == "+0.0100 [-0.0100, +0.0300]"


def runs(signal: float, n: int, seeds: int, spread: float, start: int = 0) -> list[Tensor]:
    noise, y = rows(n)
    moves = spread * torch.randn(seeds, generator=generator(start + 50))
    return [model(noise, y, signal + float(m), start + i) for i, m in enumerate(moves)]


def test_of_several_runs_the_mean_is_compared_and_none_is_left_out() -> None:
    _, y = rows(400)
    a, b = runs(1.2, 400, 3, 0.1), runs(1.0, 400, 2, 0.1, 9)
    found = compare_outputs([by_name("accuracy")], {"a": a, "b": b}, y).rows[0]
    metric = by_name("accuracy")
    each = [[measured(metric, out, y) for out in one] for one in (a, b)]
    assert found.seeds == (tuple(each[0]), tuple(each[1]))
    assert found.model[0] == pytest.approx(sum(each[0]) / 3)
    assert found.difference[0] == pytest.approx(sum(each[0]) / 3 - sum(each[1]) / 2)


def test_seeds_that_move_the_figure_make_the_interval_wider() -> None:
    _, y = rows(2000)
    calm = difference_of_runs(
        by_name("accuracy"), runs(1.1, 2000, 4, 0.0), runs(1.0, 2000, 4, 0.0, 9), y=[y]
    )
    moved = difference_of_runs(
        by_name("accuracy"), runs(1.1, 2000, 4, 0.4), runs(1.0, 2000, 4, 0.4, 9), y=[y]
    )
    widths = [ends[1] - ends[0] for _, ends in (calm, moved) if ends is not None]
    assert widths[1] > 2 * widths[0]
    one = figure_of_runs(by_name("accuracy"), runs(1.1, 2000, 4, 0.4), [y])
    assert one.by_seeds > 2 * one.by_rows > 0
    assert re.fullmatch(
        r"4 runs from 0\.\d+ to 0\.\d+; standard error of their mean 0\.\d+ by seeds, 0\.\d+ by "
        r"rows\.",
        one.said(),
    )


def test_runs_are_in_the_notes() -> None:
    _, y = rows(100)
    outs = {"a": runs(1.2, 100, 3, 0.1), "b": runs(1.0, 100, 1, 0.1, 9)}
    found = compare_outputs([by_name("accuracy")], outs, y)
    assert len(found.notes) == 1
    assert found.notes[0].startswith("accuracy of a: 3 runs from ")


def test_a_function_of_the_users_own_is_compared_over_runs_and_groups() -> None:
    def right(out: Tensor, y: Tensor) -> Tensor:
        return (out.argmax(1) == y).double().mean()

    _, y = rows(200)
    a, b = runs(2.0, 200, 2, 0.1), runs(0.5, 200, 2, 0.1, 9)
    found = compare_outputs([as_metric(right)], {"a": a, "b": b}, y, groups=torch.arange(200) // 4)
    one = found.rows[0]
    assert one.verdict == "better"
    assert one.model[1] is not None
    assert one.model[1][0] < one.model[0] < one.model[1][1]


def test_intervals_over_rows_and_seeds_hold_the_true_difference() -> None:
    """Figures of runs vary by a known amount, and rows are drawn anew."""
    held = 0
    rng = generator(5)
    for _ in range(400):
        common, y = torch.randn(100, generator=rng), torch.zeros(100)
        a, b = (
            [
                common + 0.5 * torch.randn(100, generator=rng) + 3 + 0.1 * move
                for move in torch.randn(3, generator=rng)
            ]
            for _ in range(2)
        )
        _, ends = difference_of_runs(by_name("mae"), a, b, [y])
        assert ends is not None
        held += ends[0] <= 0 <= ends[1]
    assert 0.92 <= held / 400 <= 0.99
