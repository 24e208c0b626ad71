"""A report in the few lines that a terminal has room for."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from redstart.report.words import SEVERITY_WORDS
from redstart.show.lettering import one_line

if TYPE_CHECKING:
    from redstart.report.record import Report

__all__ = ["plain"]

_WIDTH = 96
_WORST = 5


def plain(report: Report) -> str:
    """Write what matters most: figures beside the baseline, findings, the reading of curves.

    Args:
        report: The record.
    """
    lines = [one_line(report.title)]
    if report.summary:
        lines += _wrapped(report.summary, "")
    if report.headlines:
        width = max(len(one_line(h.name)) for h in report.headlines)
        lines.append("")
        for h in report.headlines:
            beside = f"   {one_line(h.baseline_name)}: {h.beside}" if h.beside else ""
            lines.append(f"  {one_line(h.name).ljust(width)}  {h.said}{beside}")
            lines += _wrapped(h.note, " " * (width + 4)) if h.note else []
    if report.worst:
        lines.append("")
        for notice in report.worst[:_WORST]:
            said = f"{SEVERITY_WORDS[notice.severity]}: {notice.text} {notice.mend}"
            lines += _wrapped(said, "  ", hang=4)
        more = len(report.worst) - _WORST
        lines += [f"  and {more} more"] if more > 0 else []
    if report.reading:
        lines.append("")
        for sentence in report.reading:
            lines += _wrapped(sentence, "  ")
    if report.sections:
        lines += ["", *_wrapped(f"Sections: {', '.join(s.heading for s in report.sections)}.", "")]
    return "\n".join(lines)


def _wrapped(text: str, indent: str, hang: int | None = None) -> list[str]:
    after = indent if hang is None else " " * hang
    return textwrap.wrap(one_line(text), _WIDTH, initial_indent=indent, subsequent_indent=after)
