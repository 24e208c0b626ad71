from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

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
from redstart.show.page import table as table_fragment

VOID = {"meta", "img", "br", "circle", "line", "link", "input", "hr"}
EVIL = '<script>alert("1")</script> & \'"`|\n# x'


class Tree(HTMLParser):
    """Checks that tags close in order, and collects tags and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def full(text: str = "some text") -> Report:
    blocks = [
        Text(text),
        Table([text, "n"], [[text, 1.5], [None, 2]], caption=text),
        Picture("<svg></svg>", text, text),
        Notice("warning", text, text),
        Fragment(table_fragment(["a"], [[1]]), text),
        Fragment(table_fragment(["b"], [[2]])),
    ]
    return Report(
        title=text,
        summary=text,
        headlines=[Headline(text, 0.9, (0.8, 1.0), 0.5, (0.4, 0.6), text, note=text)],
        worst=[Notice("serious", text, text)],
        sections=[Section(text, *blocks), Section("Rest", Details(text, blocks))],
        made=text,
    )


def test_the_page_is_one_well_formed_document_without_script_or_network() -> None:
    page = full().html()
    tree = Tree(page)
    names = [tag for tag, _ in tree.tags]
    assert page.startswith("<!DOCTYPE html>")
    assert names.count("h1") == 1 and names.count("h2") == 2 and names.count("details") == 1
    assert not {"script", "link", "iframe", "object", "base", "form"} & set(names)
    assert not [a for _, attrs in tree.tags for a in attrs if a.startswith("on")]
    links = [attrs.get("href") or attrs.get("src") or "#" for _, attrs in tree.tags]
    assert all(link.startswith("#") for link in links)
    assert "@import" not in page and "url(" not in page


def test_what_data_says_cannot_become_part_of_the_page() -> None:
    plain, evil = Tree(full().html()), Tree(full(EVIL).html())
    same = [tag for tag, _ in evil.tags if tag != "code"]
    assert same == [tag for tag, _ in plain.tags if tag != "code"]
    assert '<script>alert("1")</script>' in evil.text
    assert "<script" not in full(EVIL).html()


def test_figures_and_findings_come_first_and_the_contents_lead_to_sections() -> None:
    page = full().html()
    places = [page.index(x) for x in ('class="headline"', 'class="notice serious"', "<nav", "<h2")]
    assert places == sorted(places)
    tree = Tree(page)
    targets = [attrs["href"] for tag, attrs in tree.tags if tag == "a"]
    assert targets == [f"#{attrs['id']}" for tag, attrs in tree.tags if tag == "section"]


def test_the_figure_stands_above_its_baseline_on_one_scale() -> None:
    page = full().html()
    dots = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', page)]
    assert len(dots) == 2 and dots[0] > dots[1]
    assert "0.9000" in page and "[0.8000, 1.0000]" in page
    assert 'aria-label="model 0.9000 [0.8000, 1.0000], some text 0.5000 [0.4000, 0.6000]"' in page


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_figures_that_are_no_numbers_draw_nothing(value: float) -> None:
    page = Report(title="t", headlines=[Headline("a", value, baseline=value)]).html()
    assert "<circle" not in page
    half = Report(title="t", headlines=[Headline("a", value, baseline=0.5)]).html()
    assert half.count("<circle") == 1


def test_numbers_stand_to_the_right_and_nothing_is_an_empty_cell() -> None:
    page = Report(title="t", sections=[Section("s", Table(["a", "b"], [["x", 1234], ["y", None]]))])
    html = page.html()
    assert '<td class="number">1,234</td>' in html
    assert '<td class="number"></td>' in html
    assert "<td>x</td>" in html
    inside = Table(["a", "b"], [["0.76 [0.68, 0.83]", True]])
    html = Report(title="t", sections=[Section("s", inside)]).html()
    assert '<td class="figure">0.76 [0.68, 0.83]</td><td>yes</td>' in html


def test_code_stands_between_backticks() -> None:
    page = Report(title="t", worst=[Notice("note", "Write `a < b` now.", "And `")]).html()
    assert "Write <code>a &lt; b</code> now." in page
    assert "<p>And `</p>" in page


def test_one_style_sheet_of_each_kind_is_enough() -> None:
    page = full().html()
    assert page.count(".redstart .cards {") == 1
    assert page.count(".rs-report .lead {") == 1


def test_it_prints_with_details_open_and_adapts_to_the_dark() -> None:
    page = full().html()
    assert "details-content { content-visibility: visible" in page
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page


def test_a_notebook_gets_a_fragment() -> None:
    fragment = full()._repr_html_()
    Tree(fragment)
    assert "<body" not in fragment and "<h1>some text</h1>" in fragment
    assert "\nbody {" not in fragment


def test_an_empty_report_is_a_page() -> None:
    page = Report(title="Empty").html()
    Tree(page)
    assert "<nav" not in page
