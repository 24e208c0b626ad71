from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from redstart.report.markdown import escaped
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


def card(*blocks: Any, **fields: Any) -> str:
    return Report(title="T", sections=[Section("S", *blocks)], **fields).markdown()


def head(text: str) -> dict[str, Any]:
    _, yml, _ = text.split("---\n", 2)
    found: dict[str, Any] = yaml.safe_load(yml)
    return found


def test_the_head_is_yaml_as_model_hubs_read_it() -> None:
    report = Report(
        title="Ants: and bees",
        headlines=[Headline("accuracy", 0.94, (0.9, 0.97), 0.8, None, "frequent class")],
        meta={"license": "mit", "pipeline_tag": "image-classification", "tags": ["a: b"]},
    )
    found = head(report.markdown())
    assert found["library_name"] == "redstart"
    assert found["tags"] == ["a: b"]
    result = found["model-index"][0]["results"][0]
    assert result["task"] == {"type": "image-classification"}
    assert result["metrics"] == [{"type": "accuracy", "value": 0.94, "name": "accuracy"}]
    assert "model-index" not in head(card())


def test_figures_stand_beside_the_baseline() -> None:
    both = [
        Headline("accuracy", 0.94, (0.9, 0.97), 0.8, (0.7, 0.9), "frequent class", note="Better."),
        Headline("f1", 0.5),
    ]
    text = card(headlines=both)
    assert "| figure | model | frequent class |" in text
    assert "| accuracy | 0.9400 [0.9000, 0.9700] | 0.8000 [0.7000, 0.9000] |" in text
    assert "accuracy: Better." in text
    two = [Headline("a", 1.0, baseline=0.5, baseline_name="x"), Headline("b", 1.0, baseline=0.5)]
    assert "| 0.5000 (x) |" in card(headlines=two)
    assert "| figure | model |" in card(headlines=[Headline("a", 1.0)])


def test_every_kind_of_block_is_written() -> None:
    text = card(
        Text("One.\n\nTwo with `code`."),
        Table(["a", "n"], [["x", 1.23456], ["y", None]], caption="Cap"),
        Picture("<svg/>", "A curve", "It falls."),
        Notice("serious", "Bad.", "Mend `it`."),
        Fragment("<b>", "Cards."),
        Fragment("<b>"),
        Details("More", [Text("Inside.")]),
    )
    for part in (
        "## S\n\nOne.\n\nTwo with `code`.\n",
        "Cap\n\n| a | n |\n| --- | ---: |\n| x | 1.235 |\n| y |   |\n",
        "*Picture, in the page: A curve.* It falls.",
        "> **Serious.** Bad.\n>\n> Mend `it`.",
        "\n\nCards.\n\n**More**\n\nInside.",
    ):
        assert part in text
    assert "<svg" not in text and "<b>" not in text


@pytest.mark.parametrize(
    ("data", "written"),
    [
        ("a|b", r"a\|b"),
        ("two\nlines", "two lines"),
        ("<img src=x>", r"\<img src=x\>"),
        ("[x](http://y)", r"[x\](http://y)"),
        ("![x][y]", r"\![x\][y]"),
        ("snake_case_name", "snake_case_name"),
        ("_soft_ **loud**", r"\_soft\_ \*\*loud\*\*"),
        ("`code`", r"\`code\`"),
        ("&lt;", r"\&lt;"),
        ("# heading", r"\# heading"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
        ("-0.5 [-0.6, -0.4]", "-0.5 [-0.6, -0.4]"),
        ("back\\slash", r"back\\slash"),
    ],
)
def test_what_data_says_stays_text(data: str, written: str) -> None:
    assert escaped(data) == written


def test_cells_cannot_break_a_table() -> None:
    text = card(Table(["a|b", "c"], [["x\n| y |", "`|`"]]))
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [3, 3, 3]


def test_a_line_of_a_notice_cannot_leave_it() -> None:
    text = card(Notice("note", "a\n\n# b", "- c"))
    assert "> **Note.** a # b\n>\n> \\- c" in text
