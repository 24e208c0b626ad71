"""Where a model comes from: its training, its settings, and who opened the sealed rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from redstart.bundle.bundle import versions
from redstart.config import JSON
from redstart.report.record import Block, Details, Notice, Picture, Section, Table, Text
from redstart.show.digits import digits
from redstart.show.svg import line_chart
from redstart.train.folder import read_events

__all__ = [
    "curves_section",
    "ledger_chapter",
    "settings_chapter",
    "training_chapter",
    "with_interval",
]


def training_chapter(folder: Path | None, readings: Sequence[str]) -> Section | None:
    """The curves, and what they say.

    Args:
        folder: Of the run.
        readings: What the curves say, in words.
    """
    return curves_section([] if folder is None else read_events(folder), readings)


def curves_section(events: Sequence[Mapping[str, Any]], readings: Sequence[str]) -> Section | None:
    """A chapter of the curves that a run folder holds.

    Args:
        events: Of the run folder.
        readings: What they say, in words.
    """
    epochs = [e for e in events if e["event"] == "epoch"]
    if not epochs and not readings:
        return None
    blocks: list[Block] = [Text(said) for said in readings]
    hidden = {"at", "time", "event", "epoch", "step"}
    names = [n for n in (epochs[-1] if epochs else {}) if n not in hidden]
    losses = [n for n in names if n.endswith("_loss")]
    for some, what in ((losses, "Loss"), ([n for n in names if n not in losses], "Figures")):
        if some and len(epochs) > 1:
            series = {n: [_number(e.get(n)) for e in epochs] for n in some}
            said = f"{what} by epoch, of training rows as they are learnt and of validation rows."
            said = said if what == "Loss" else "Figures of the validation rows by epoch."
            blocks.append(Picture(line_chart(series, x_label="epoch"), said, said))
    if epochs:
        rows = [[i + 1, *(_number(e.get(n)) for n in names)] for i, e in enumerate(epochs)]
        table = Table(("epoch", *names), rows)
        blocks.append(Details(f"{len(epochs)} epochs", [table]) if len(epochs) > 5 else table)
    return Section("How it was trained", blocks=blocks)


def ledger_chapter(
    openings: Sequence[Mapping[str, Any]], sealed: Mapping[str, Any] | None
) -> Section:
    """Whether the sealed rows were opened, when, and what was seen.

    Args:
        openings: The ledger.
        sealed: How many rows are sealed, and their hash; ``None`` if there are none.
    """
    heading = "The sealed test rows"
    if not openings:
        text = (
            f"{sealed['rows']:,} rows are sealed and have not been opened: "
            "`redstart test model.redstart` or `learn.test()` does, once all choices are made."
            if sealed
            else "No rows were sealed: every figure here is of rows that choices were made by."
        )
        return Section(heading, Text(text))
    rows = []
    for entry in openings:
        said = [
            f"{name} {with_interval(m['value'], m.get('interval'))}"
            for name, m in entry.get("metrics", {}).items()
        ]
        weights = str(entry.get("weights_sha256", ""))[:10]
        rows.append([entry.get("opened"), entry.get("rows"), "; ".join(said), weights])
    last = str(openings[-1].get("verdict", ""))
    severity: Any = "warning" if "optimistic" in last else "note"
    return Section(
        heading,
        Table(("opened", "rows", "figures", "weights"), rows),
        *([Notice(severity, last)] if last else []),
    )


def settings_chapter(folder: Path | None, facts: Mapping[str, JSON]) -> Section:
    """Settings, versions and hashes, for who wants to do it again.

    Args:
        folder: Of the run.
        facts: What is known of the model.
    """
    file = None if folder is None else folder / "settings.json"
    fits = json.loads(file.read_text())["fits"] if file is not None and file.exists() else []
    blocks: list[Block] = [Table(("", ""), _rows_of(facts))]
    for number, fit in enumerate(fits, start=1):
        blocks.append(Details(f"Settings of fit {number}", [Table(("", ""), _rows_of(fit))]))
    blocks.append(Table(("package", "version"), [list(pair) for pair in versions().items()]))
    return Section("How to make it again", blocks=blocks)


def _rows_of(facts: Mapping[str, JSON]) -> list[list[str]]:
    rows = []
    for name, value in facts.items():
        if value in (None, {}, [], ""):
            continue
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        rows.append([name, text if len(text) < 400 else f"{text[:400]} ..."])
    return rows


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def with_interval(value: Any, interval: Any) -> str:
    """Write a figure, with both ends of its interval if it has one."""
    if interval is None:
        return digits(float(value))
    return f"{float(value):.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"
