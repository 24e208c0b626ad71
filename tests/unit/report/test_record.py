from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from redstart.errors import ConfigError, DataError
from redstart.report.record import (
    Details,
    Fragment,
    Headline,
    Notice,
    Picture,
    Report,
    Section,
    Table,
    Text,
)


def whole() -> Report:
    """A report with every kind of block."""
    return Report(
        title="Ants & <bees>",
        summary="Tells `ants` from bees.",
        headlines=[
            Headline("accuracy", 0.94, (0.89, 0.97), 0.82, (0.75, 0.88), "linear model"),
            Headline("loss", 0.2, higher_is_better=False, note="Lower is better."),
        ],
        worst=[
            Notice("serious", "7 photos are copies.", "Write `dls.resplit(0)`."),
            Notice("note", "Few rows."),
        ],
        sections=[
            Section("Data", Text("One.\n\nTwo."), Table(["part", "rows"], [["train", 1200]])),
            Section(
                "Rest",
                Picture('<svg id="drawn"></svg>', "Loss per epoch", "A caption."),
                Fragment('<div class="cards">x</div>', "Two cards."),
                Details("More", [Table(["a"], [[math.nan], [None]]), Notice("warning", "w")]),
            ),
        ],
        meta={"license": "mit", "kind": "of meta", "tags": ["a"]},
        made="today",
        reading=["The loss falls."],
    )


def test_json_brings_it_back_as_it_was() -> None:
    report = whole()
    text = report.to_json()
    json.loads(text, parse_constant=pytest.fail)  # NaN is no JSON
    again = Report.from_json(text)
    assert again.to_json() == text
    assert again.html() == report.html()
    assert again.markdown() == report.markdown()
    assert again.meta == report.meta
    assert again.headlines == report.headlines
    assert math.isnan(again.sections[1].blocks[2].blocks[0].rows[0][0])


def test_it_is_saved_in_three_forms(tmp_path: Path) -> None:
    report = whole()
    files = report.save(tmp_path / "new" / "folder")
    assert [files[k].name for k in ("html", "markdown", "json")] == [
        "report.html",
        "model_card.md",
        "report.json",
    ]
    assert files["html"].read_text("utf-8") == report.html()
    assert Report.from_json(files["json"].read_text("utf-8")).title == report.title


@pytest.mark.parametrize("text", ["", "[1]", "nonsense", "3"])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="a report as JSON"):
        Report.from_json(text)


def test_a_newer_format_is_refused() -> None:
    newer = json.dumps({**json.loads(whole().to_json()), "format": 99})
    with pytest.raises(DataError, match="a report of format 1"):
        Report.from_json(newer)
    with pytest.raises(DataError, match="kind='table'"):
        Report.from_json(json.dumps({"format": 1, "kind": "table"}))


def test_a_report_with_broken_blocks_is_refused() -> None:
    broken = json.loads(whole().to_json())
    broken["sections"][0]["kind"] = "os.system"
    with pytest.raises(ConfigError, match="a known kind"):
        Report.from_json(json.dumps(broken))


def test_cells_become_plain_values() -> None:
    table = Table(("a", "b"), [[np.float64(0.5), np.int64(3)], [Path("x"), True]])
    assert table.rows == ((0.5, 3), ("x", True))
    assert [type(v) for v in table.rows[0]] == [float, int]


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ConfigError, match="2 cells in every row"):
        Table(["a", "b"], [[1]])


def test_an_unknown_severity_is_refused() -> None:
    with pytest.raises(ConfigError, match="one of serious, warning, note"):
        Notice("awful", "x")  # type: ignore[arg-type]


def test_a_headline_knows_whether_the_baseline_is_beaten() -> None:
    assert Headline("accuracy", 0.9, baseline=0.8).beaten is True
    assert Headline("loss", 0.9, baseline=0.8, higher_is_better=False).beaten is False
    assert Headline("accuracy", 0.9).beaten is None
    assert Headline("accuracy", 0.9).beside == ""
    assert Headline("accuracy", math.nan, baseline=0.8).beaten is None
    assert Headline("a", 0.9, (0.8, 0.95)).said == "0.9000 [0.8000, 0.9500]"


def test_text_for_terminals_has_figures_findings_and_the_reading() -> None:
    said = str(whole())
    assert "accuracy  0.9400 [0.8900, 0.9700]   linear model: 0.8200 [0.7500, 0.8800]" in said
    assert "Serious: 7 photos are copies. Write `dls.resplit(0)`." in said
    assert "The loss falls." in said
    assert "Sections: Data, Rest." in said
    assert max(map(len, said.splitlines())) <= 96
    many = Report(title="t", worst=[Notice("note", str(i)) for i in range(9)])
    assert "and 4 more" in str(many)
    assert str(Report(title="alone")) == "alone"
    assert repr(whole()) == "Report('Ants & <bees>', 2 sections)"
