"""Cards and tables as HTML: no JavaScript, no file beside it, light and dark."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Final

from redstart.show.card import Card
from redstart.show.figure import percent

__all__ = ["document", "page", "table"]

# Every rule hangs below `.redstart`, so that a fragment changes nothing around it. The
# colours inherit from the page, a notebook's dark theme for instance; only right and wrong
# have their own, mixed with the text's colour to keep their contrast on either ground.
_CSS: Final = """
.redstart { font: 14px/1.4 system-ui, sans-serif; }
.redstart .cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(170px, 1fr));
  gap: 14px; max-width: 1200px; }
.redstart figure { margin: 0; overflow-wrap: anywhere; }
.redstart figure img, .redstart figure svg { width: 100%; height: auto; display: block; }
.redstart figure p { margin: 0; max-height: 12em; overflow: auto; }
.redstart figcaption { padding-top: 4px; text-align: left; }
.redstart figcaption div { margin: 0; }
.redstart .right { color: #00734f; color: color-mix(in srgb, #00a673 70%, currentColor);
  font-weight: 600; }
.redstart .wrong { color: #b83a00; color: color-mix(in srgb, #e65c00 75%, currentColor);
  font-weight: 600; }
.redstart small { opacity: 0.7; display: block; }
.redstart table { border-collapse: collapse; margin: 8px 0; }
.redstart th, .redstart td { padding: 3px 10px; text-align: left; vertical-align: top;
  border-bottom: 1px solid #8886; max-width: 40em; overflow-wrap: anywhere; }
.redstart .number { text-align: right; font-variant-numeric: tabular-nums; }
"""
_PAGE_CSS: Final = """
:root { color-scheme: light dark; }
body { margin: 0 auto; padding: 20px; max-width: 1200px; font: 15px/1.5 system-ui, sans-serif;
  color: #222; background: #fff; }
img { max-width: 100%; height: auto; }
@media (prefers-color-scheme: dark) { body { color: #e4e4e4; background: #181818; } }
"""


def page(cards: Sequence[Card], *, title: str = "") -> str:
    """Lay cards out as an HTML fragment.

    Args:
        cards: Any number, in the order they are to stand.
        title: A heading above them.

    Returns:
        The fragment. Pictures are inside it; it can stand in a notebook, a report or a
        ``document``.
    """
    head = f"<h2>{html.escape(title)}</h2>" if title else ""
    body = "".join(_card(card) for card in cards) or "<p>No rows.</p>"
    return _fragment(f'{head}<div class="cards">{body}</div>')


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table as an HTML fragment.

    Args:
        headers: One per column.
        rows: One value per column. Numbers are aligned to the right, floating-point ones
            written with four significant digits; everything is escaped.

    Returns:
        The fragment.
    """
    rows = list(rows)
    numeric = [
        all(_is_number(row[col]) for row in rows) and bool(rows) for col in range(len(headers))
    ]
    head = "".join(_cell("th", text, right) for text, right in zip(headers, numeric, strict=True))
    body = "".join(
        f"<tr>{''.join(_cell('td', x, right) for x, right in zip(row, numeric, strict=True))}</tr>"
        for row in rows
    )
    return _fragment(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def document(title: str, body: str) -> str:
    """Make a whole HTML5 document that needs no other file.

    Args:
        title: Shown as the heading and in the browser's tab.
        body: HTML, taken as it is: fragments of ``page``, ``table`` or ``Drawing.html``.

    Returns:
        The document.
    """
    name = html.escape(title)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>{_PAGE_CSS}</style>\n</head>\n"
        f"<body>\n<h1>{name}</h1>\n{body}\n</body>\n</html>\n"
    )


def _fragment(body: str) -> str:
    return f'<div class="redstart"><style>{_CSS}</style>{body}</div>'


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _cell(tag: str, value: object, right: bool) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    align = ' class="number"' if right else ""
    return f"<{tag}{align}>{html.escape(text)}</{tag}>"


def _card(card: Card) -> str:
    lines = []
    if card.pred is None:
        if card.truth is not None:
            lines.append(f"<div>{card.truth.html()}</div>")
    else:
        lines += _answer(card)
    facts = []
    if card.confidence is not None:
        facts.append(f"{percent(card.confidence)} sure")
    if card.loss is not None:
        facts.append(f"loss {card.loss:.3g}")
    if facts:
        lines.append(f"<small>{html.escape(' · '.join(facts))}</small>")
    lines.append(f"<small>{html.escape(card.item or f'row {card.index}')}</small>")
    return f"<figure>{card.view.html()}<figcaption>{''.join(lines)}</figcaption></figure>"


def _answer(card: Card) -> list[str]:
    if card.pred is None:
        return []
    said = card.pred.html()
    if card.truth is None:
        return [f"<div>{said}</div>"]
    # Numbers are near or far; of marks without words the picture tells.
    if card.correct is None or not (card.truth.text and card.pred.text):
        return [f"<div>{said}</div>", f"<div>is {card.truth.html()}</div>"]
    if card.correct:
        return [f'<div class="right">✓ {said}</div>']
    return [f'<div class="wrong">✗ {said}</div>', f"<div>is {card.truth.html()}</div>"]
