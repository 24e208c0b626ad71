"""A report as a page: figures first, then what is wrong, then all the rest."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable
from numbers import Real
from typing import TYPE_CHECKING, Any, Final

from redstart.report.blocks import (
    Block,
    Details,
    Fragment,
    Headline,
    Notice,
    Picture,
    Section,
    Table,
    Text,
)
from redstart.report.words import SEVERITY_WORDS, cell_text, numeric, paragraphs, spans
from redstart.show.lettering import one_line
from redstart.show.page import document

if TYPE_CHECKING:
    from redstart.report.record import Report

__all__ = ["report_fragment", "report_page"]

# Colours are mixed with the text's own, so that they keep their contrast in the light, in the
# dark, and in a notebook of any theme.
_CSS: Final = """
.rs-report { --line: color-mix(in srgb, currentColor 18%, transparent);
  --faint: color-mix(in srgb, currentColor 65%, transparent);
  --ground: color-mix(in srgb, currentColor 4%, transparent);
  --blue: color-mix(in srgb, #0072b2 78%, currentColor);
  --red: color-mix(in srgb, #c62828 78%, currentColor);
  --amber: color-mix(in srgb, #b26a00 78%, currentColor);
  font: 15px/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
.rs-report .lead { font-size: 1.12em; max-width: 46em; margin: 0.2em 0 0.4em; }
.rs-report .made { color: var(--faint); font-size: 0.87em; margin: 0 0 1.2em; }
.rs-report h2 { font-size: 1.3em; margin: 2em 0 0.5em; padding-top: 0.7em;
  border-top: 1px solid var(--line); }
.rs-report h3 { font-size: 1.05em; margin: 1.2em 0 0.3em; }
.rs-report p { max-width: 46em; margin: 0.5em 0; }
.rs-report code { font: 0.9em ui-monospace, monospace; background: var(--ground);
  padding: 0.1em 0.3em; border-radius: 3px; }
.rs-report .figures { display: grid; gap: 14px; margin: 1em 0;
  grid-template-columns: repeat(auto-fit, minmax(min(280px, 100%), 1fr)); }
.rs-report .headline { border: 1px solid var(--line); border-radius: 8px; padding: 12px 16px; }
.rs-report .headline .name { color: var(--faint); margin: 0; }
.rs-report .headline .value { font-size: 2em; line-height: 1.2; font-weight: 650; margin: 0;
  font-variant-numeric: tabular-nums; }
.rs-report .headline .value small { font-size: 0.5em; font-weight: 400; color: var(--faint);
  display: inline; opacity: 1; white-space: nowrap; }
.rs-report .headline p { margin: 0.2em 0; }
.rs-report .headline .beside { color: var(--faint); font-size: 0.93em; }
.rs-report .headline svg { display: block; width: 100%; height: 40px; margin: 6px 0; }
.rs-report .headline .note { font-size: 0.93em; }
.rs-report .notice { border-left: 4px solid var(--faint); background: var(--ground);
  border-radius: 0 6px 6px 0; padding: 8px 14px; margin: 0.7em 0; max-width: 50em; }
.rs-report .notice p { margin: 0.15em 0; }
.rs-report .notice b { font-weight: 650; }
.rs-report .notice.serious { border-color: var(--red); }
.rs-report .notice.serious b { color: var(--red); }
.rs-report .notice.warning { border-color: var(--amber); }
.rs-report .notice.warning b { color: var(--amber); }
.rs-report nav { margin: 1.4em 0 0; font-size: 0.93em; }
.rs-report nav ul { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap;
  gap: 2px 18px; }
.rs-report a { color: var(--blue); }
.rs-report .scroll { overflow-x: auto; margin: 0.8em 0; }
.rs-report table { border-collapse: collapse; font-size: 0.93em; margin: 0; }
.rs-report caption { text-align: left; color: var(--faint); padding-bottom: 4px; }
.rs-report th, .rs-report td { padding: 4px 14px 4px 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); max-width: 34em; overflow-wrap: break-word; }
.rs-report th { font-weight: 600; white-space: nowrap; }
.rs-report .number { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
.rs-report .figure { white-space: nowrap; font-variant-numeric: tabular-nums; }
.rs-report figure.picture { margin: 1em 0; }
.rs-report figure.picture img, .rs-report figure.picture svg { max-width: 100%; height: auto;
  background: #fff; border-radius: 6px; }
.rs-report figcaption { color: inherit; font-size: 0.93em; }
.rs-report figure.picture figcaption { color: var(--faint); }
.rs-report details { border: 1px solid var(--line); border-radius: 6px; padding: 6px 14px;
  margin: 0.8em 0; }
.rs-report summary { cursor: pointer; font-weight: 600; }
@media print {
  .rs-report { font-size: 10.5pt; }
  .rs-report nav { display: none; }
  .rs-report .figures { grid-template-columns: repeat(3, 1fr); }
  .rs-report .headline { padding: 8px 10px; }
  .rs-report .headline .value { font-size: 1.6em; }
  .rs-report .cards { grid-template-columns: repeat(5, 1fr); gap: 8px; }
  .rs-report h2, .rs-report h3, .rs-report summary { break-after: avoid; }
  .rs-report .headline, .rs-report .notice, .rs-report figure, .rs-report tr
    { break-inside: avoid; }
  .rs-report thead { display: table-header-group; }
  .rs-report .scroll { overflow: visible; }
  .rs-report th { white-space: normal; }
  .rs-report details { border: 0; padding: 0; }
  .rs-report details::details-content { content-visibility: visible; height: auto; }
}
"""
_PAGE_CSS: Final = """
body { max-width: 960px; }
h1 { font-size: 1.8em; line-height: 1.2; margin: 0.4em 0 0.3em; overflow-wrap: anywhere; }
@page { margin: 16mm 15mm; }
@media print { body { padding: 0; max-width: none; color: #222; background: #fff; } }
"""
_WIDE, _HIGH = 300.0, 40.0
_FIGURE: Final = re.compile(r"[-+]?\d[\d.,]*%?( \[[-+\d., %]+\])?$")  # with its interval
_STYLE: Final = re.compile(r"<style>.*?</style>", re.DOTALL)


def report_page(report: Report) -> str:
    """Make one HTML document of a report: no other file, no script, no network.

    Args:
        report: The record.
    """
    body = f"<style>{_PAGE_CSS}</style>{_body(report)}"
    return document(one_line(report.title), _styled_once(body))


def report_fragment(report: Report) -> str:
    """Make HTML of a report that can stand in a notebook.

    Args:
        report: The record.
    """
    return _styled_once(f"<h1>{html.escape(one_line(report.title))}</h1>{_body(report)}")


def _body(report: Report) -> str:
    anchors = [f"rs-{number}" for number in range(1, len(report.sections) + 1)]
    parts = [f"<style>{_CSS}</style>"]
    if report.summary:
        parts.append(f'<p class="lead">{_inline(report.summary)}</p>')
    if report.made:
        parts.append(f'<p class="made">{html.escape(one_line(report.made))}</p>')
    if report.headlines:
        parts.append(f'<div class="figures">{"".join(map(_headline, report.headlines))}</div>')
    parts += map(_notice, report.worst)
    if len(report.sections) > 1:
        links = "".join(
            f'<li><a href="#{anchor}">{html.escape(one_line(section.heading))}</a></li>'
            for anchor, section in zip(anchors, report.sections, strict=True)
        )
        parts.append(f'<nav aria-label="Contents"><ul>{links}</ul></nav>')
    parts += map(_section, report.sections, anchors)
    return f'<div class="rs-report">{"".join(parts)}</div>'


def _section(section: Section, anchor: str) -> str:
    heading = html.escape(one_line(section.heading))
    return f'<section id="{anchor}"><h2>{heading}</h2>{_blocks(section.blocks)}</section>'


def _blocks(blocks: Iterable[Block]) -> str:
    return "".join(map(_block, blocks))


def _block(block: Block) -> str:
    match block:
        case Text():
            return "".join(f"<p>{_inline(paragraph)}</p>" for paragraph in paragraphs(block.text))
        case Table():
            return _table(block)
        case Picture():
            return _picture(block)
        case Notice():
            return _notice(block)
        case Fragment():
            return block.html
        case Details():
            summary = html.escape(one_line(block.summary))
            return f"<details><summary>{summary}</summary>{_blocks(block.blocks)}</details>"


def _inline(text: str) -> str:
    return "".join(
        f"<code>{html.escape(part)}</code>" if code else html.escape(part)
        for part, code in spans(one_line(text))
    )


def _notice(notice: Notice) -> str:
    mend = f"<p>{_inline(notice.mend)}</p>" if notice.mend else ""
    word = SEVERITY_WORDS[notice.severity]
    return (
        f'<div class="notice {notice.severity}"><p><b>{word}.</b> {_inline(notice.text)}</p>'
        f"{mend}</div>"
    )


def _picture(picture: Picture) -> str:
    caption = f"<figcaption>{_inline(picture.caption)}</figcaption>" if picture.caption else ""
    alt = html.escape(one_line(picture.alt), quote=True)
    # The picture's own text is for those who take it out of the page; here is what it says.
    return (
        f'<figure class="picture"><div role="img" aria-label="{alt}">{picture.html}</div>'
        f"{caption}</figure>"
    )


def _table(table: Table) -> str:
    right = numeric(table)
    caption = f"<caption>{_inline(table.caption)}</caption>" if table.caption else ""
    head = "".join(_td("th", text, r) for text, r in zip(table.headers, right, strict=True))
    rows = "".join(
        f"<tr>{''.join(_td('td', x, r) for x, r in zip(row, right, strict=True))}</tr>"
        for row in table.rows
    )
    return (
        f'<div class="scroll"><table>{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _td(tag: str, value: Any, right: bool) -> str:
    text = one_line(cell_text(value))
    kind = "number" if right else "figure" if _FIGURE.match(text) else ""
    look = f' class="{kind}"' if kind else ""
    return f"<{tag}{look}>{html.escape(text)}</{tag}>"


def _headline(line: Headline) -> str:
    value, _, ends = line.said.partition(" ")
    small = f" <small>{ends}</small>" if ends else ""
    parts = [
        f'<p class="name">{html.escape(one_line(line.name))}</p>',
        f'<p class="value">{html.escape(value)}{small}</p>',
    ]
    if line.baseline is not None:
        name = html.escape(one_line(line.baseline_name))
        parts.append(_strip(line))
        parts.append(f'<p class="beside">{name}: {html.escape(line.beside)}</p>')
    if line.note:
        parts.append(f'<p class="note">{_inline(line.note)}</p>')
    return f'<div class="headline">{"".join(parts)}</div>'


def _strip(line: Headline) -> str:
    """Model above baseline on one scale, each a dot on its interval."""
    rows = [
        (line.value, line.interval, "var(--blue)", 12.0),
        (line.baseline, line.baseline_interval, "var(--faint)", 28.0),
    ]
    ends = [e for value, interval, _, _ in rows for e in (value, *(interval or ()))]
    known = [e for e in ends if isinstance(e, Real) and math.isfinite(e)]
    if not known:
        return ""
    low, high = float(min(known)), float(max(known))
    room = (high - low) or 1.0

    def x(value: float) -> float:
        return 8 + (_WIDE - 16) * (value - low) / room

    parts = [f'<line x1="0" x2="{_WIDE:g}" y1="39" y2="39" stroke="var(--line)"/>']
    for value, interval, colour, y in rows:
        if value is None or not math.isfinite(value):
            continue
        if interval is not None and all(map(math.isfinite, interval)):
            parts.append(
                f'<line x1="{x(interval[0]):.1f}" x2="{x(interval[1]):.1f}" y1="{y}" y2="{y}" '
                f'stroke="{colour}" stroke-width="3" vector-effect="non-scaling-stroke"/>'
            )
        parts.append(f'<circle cx="{x(value):.1f}" cy="{y}" r="5" fill="{colour}"/>')
    what = html.escape(f"model {line.said}, {line.baseline_name} {line.beside}", quote=True)
    return (
        f'<svg viewBox="0 0 {_WIDE:g} {_HIGH:g}" role="img" aria-label="{what}">'
        f"{''.join(parts)}</svg>"
    )


def _styled_once(page: str) -> str:
    """Leave out style sheets that were there before: every fragment brings its own."""
    seen: set[str] = set()

    def once(found: re.Match[str]) -> str:
        if found[0] in seen:
            return ""
        seen.add(found[0])
        return found[0]

    return _STYLE.sub(once, page)
