from __future__ import annotations

from html.parser import HTMLParser

import numpy as np

from redstart.show.card import Card
from redstart.show.page import document, page, table
from redstart.show.plots import plot_losses
from redstart.show.view import Caption, ImageView, LineView, Number, RowView, TextView

EVIL = "<script>alert('x')</script> & \"co\""


class Reader(HTMLParser):
    """Collect tags and words; fail on a tag that is closed out of order."""

    VOID = ("meta", "img", "polyline")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert "script" not in reader.tags
    assert all(link.startswith("data:") for link in reader.links)
    return reader


def test_a_page_holds_pictures_and_escapes_words() -> None:
    view = ImageView(np.zeros((4, 4, 3), np.uint8))
    cards = [
        Card(index=0, view=view, item=EVIL, truth=Caption(EVIL), pred=Caption(EVIL), loss=0.5),
        Card(index=1, view=view, truth=Caption("ant"), pred=Caption("bee"), confidence=0.3),
        Card(index=2, view=TextView(EVIL), truth=Caption("text")),
        Card(index=3, view=LineView(np.array([0, np.nan, 2], np.float32))),
    ]
    reader = read(document(EVIL, page(cards, title=EVIL)))
    assert reader.tags.count("figure") == 4
    assert reader.tags.count("img") == 2
    assert f"✓ {EVIL}" in reader.words
    assert "✗ bee" in reader.words and "is ant" in reader.words
    assert "30% sure" in reader.words and "loss 0.5" in reader.words
    assert "row 1" in reader.words, "a row without a name leads back by its number"


def test_a_row_of_a_table_is_a_table_and_its_number_has_no_mark() -> None:
    view = RowView((("age", "39"), (EVIL, EVIL)))
    cards = [Card(index=0, view=view, truth=Number("7"), pred=Number(f"8 {EVIL}"))]
    reader = read(page(cards))
    assert reader.tags.count("td") == 4
    assert reader.words.count(EVIL) == 3 and "39" in reader.words
    assert "is 7" in reader.words and "8" in reader.words
    assert "✓" not in reader.words and "✗" not in reader.words


def test_a_page_without_cards_says_so() -> None:
    assert "No rows." in read(page([])).words


def test_a_document_is_whole_and_knows_the_dark() -> None:
    text = document("Run", plot_losses([0, 1], [2.0, 1.0]).html() + table(["a"], [[1]]))
    assert text.startswith("<!DOCTYPE html>")
    assert "prefers-color-scheme: dark" in text
    assert {"html", "head", "title", "body", "img", "table"} <= set(read(text).tags)


def test_a_table_escapes_and_aligns_numbers() -> None:
    text = table(["name", "n", "share"], [[EVIL, 12, 0.123456], ["b", 3, 1.0]])
    reader = read(text)
    assert EVIL in reader.words
    assert "0.1235" in reader.words
    assert text.count('<td class="number">') == 4
    assert read(table(["name"], [])).tags.count("td") == 0
