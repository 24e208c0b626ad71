"""A report as a model card: a head of YAML as Hugging Face reads it, then Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from redstart.report.blocks import (
    Block,
    Details,
    Fragment,
    Notice,
    Picture,
    Table,
    Text,
)
from redstart.report.words import SEVERITY_WORDS, cell_text, numeric, paragraphs, spans
from redstart.show.lettering import one_line

if TYPE_CHECKING:
    from redstart.report.record import Report

__all__ = ["escaped", "model_card"]

_SPECIAL: Final = re.compile(r"[\\`*<>|~$]|\](?=[(\[:])|(?<!\w)_|_(?!\w)|!(?=\[)|&(?=#?\w+;)")
_AT_START: Final = re.compile(r"^(#{1,6}(?=\s|$)|[-+=](?=[\s=-]|$)|-{3,}|\d+(?=[.)]\s))")


def model_card(report: Report) -> str:
    """Write a report as Markdown.

    Args:
        report: The record. Pictures are named, not shown: they are in the page.
    """
    parts = [_head(report), f"# {escaped(report.title)}"]
    if report.summary:
        parts.append(_inline(report.summary))
    if report.made:
        parts.append(f"*{escaped(report.made)}*")
    if report.headlines:
        parts.append(_table(_figures(report)))
        parts += [f"{escaped(h.name)}: {_inline(h.note)}" for h in report.headlines if h.note]
    parts += map(_notice, report.worst)
    for section in report.sections:
        parts.append(f"## {escaped(section.heading)}")
        parts += _blocks(section.blocks)
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(text: str) -> str:
    """Text on one line, with everything escaped that Markdown would take for its own."""
    line = _SPECIAL.sub(lambda found: f"\\{found[0]}", one_line(text))
    return _AT_START.sub(_held, line)


def _held(found: re.Match[str]) -> str:
    # "1." starts a list and "-" a bullet: a backslash before the sign, not before a digit.
    return f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}"


def _head(report: Report) -> str:
    import yaml

    head = {"library_name": "redstart", **report.meta}
    if report.headlines and "model-index" not in head:
        figures = [{"type": h.name, "value": h.value, "name": h.name} for h in report.headlines]
        task = {"type": str(head.get("pipeline_tag", "other"))}
        data = {"name": "validation rows", "type": "private"}
        result = {"task": task, "dataset": data, "metrics": figures}
        head["model-index"] = [{"name": one_line(report.title), "results": [result]}]
    text = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{text}---"


def _figures(report: Report) -> Table:
    names = [h.baseline_name for h in report.headlines if h.baseline is not None]
    if not names:
        return Table(["figure", "model"], [[h.name, h.said] for h in report.headlines])
    one = len(set(names)) == 1
    rows = [
        [h.name, h.said, h.beside if one or not h.beside else f"{h.beside} ({h.baseline_name})"]
        for h in report.headlines
    ]
    return Table(["figure", "model", names[0] if one else "baseline"], rows)


def _blocks(blocks: Iterable[Block]) -> list[str]:
    return [text for block in blocks if (text := _block(block))]


def _block(block: Block) -> str:
    match block:
        case Text():
            return "\n\n".join(map(_inline, paragraphs(block.text)))
        case Table():
            return _table(block)
        case Picture():
            caption = f" {_inline(block.caption)}" if block.caption else ""
            return f"*Picture, in the page: {escaped(block.alt)}.*{caption}"
        case Notice():
            return _notice(block)
        case Fragment():
            return _inline(block.text)
        case Details():
            return "\n\n".join([f"**{escaped(block.summary)}**", *_blocks(block.blocks)])


def _inline(text: str) -> str:
    parts = [
        f"`{part}`" if code else _SPECIAL.sub(lambda found: f"\\{found[0]}", part)
        for part, code in spans(one_line(text))
    ]
    return _AT_START.sub(_held, "".join(parts))


def _notice(notice: Notice) -> str:
    lines = [f"**{SEVERITY_WORDS[notice.severity]}.** {_inline(notice.text)}"]
    lines += [_inline(notice.mend)] if notice.mend else []
    return "\n>\n".join(f"> {line}" for line in lines)


def _table(table: Table) -> str:
    right = numeric(table)
    rows: list[Any] = [
        table.headers,
        ["---:" if r else "---" for r in right],
        *([cell_text(value) for value in row] for row in table.rows),
    ]
    lines = [
        "| " + " | ".join(cell if i == 1 else escaped(cell) or " " for cell in row) + " |"
        for i, row in enumerate(rows)
    ]
    caption = [f"{_inline(table.caption)}", ""] if table.caption else []
    return "\n".join([*caption, *lines])
