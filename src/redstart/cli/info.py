"""``redstart info``: what is known about an exported model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from redstart.show.digits import places

__all__ = ["info"]


def info(
    bundle: Annotated[Path, typer.Argument(help="What `learn.export` or `redstart train` wrote.")],
    as_json: Annotated[bool, typer.Option("--json", help="Everything the file says.")] = False,
) -> None:
    """Say what a model is: architecture, classes, figures with intervals, versions."""
    from redstart.bundle import format as file_format

    head, tensors = file_format.read(bundle)
    if as_json:
        print(json.dumps(head, indent=1))
        return
    facts = head["facts"]
    recipe = head["recipe"] or {}
    numbers = sum(t.numel() for t in tensors.values())
    vocab = head["target"].get("vocab", [])
    rows = {
        "model": f"{_architecture(recipe)}, {numbers:,} numbers",
        "predicts": f"{head['target']['kind']} from {head['codec']['kind']}",
        "columns": _columns(head),
        "classes": f"{len(vocab)}: {', '.join(map(str, vocab))}" if vocab else "",
        "trained on": f"{facts.get('training_rows', '?')} rows, seed {facts.get('seed', '?')}",
        "created": facts.get("created", ""),
        "versions": ", ".join(f"{k} {v}" for k, v in facts.get("versions", {}).items()),
        "test set": f"opened {len(facts.get('test_openings', []))} times",
    }
    for name, value in rows.items():
        if value:
            print(f"{name:<12}{value}")
    rows_measured = facts.get("validation_rows", "?")
    for name, said in facts.get("metrics", {}).items():
        print(f"{name:<12}{_figure(said, rows_measured)}")


def _architecture(recipe: Mapping[str, Any]) -> str:
    return recipe.get("arguments", {}).get("arch") or recipe.get("builder") or "own module"


def _figure(said: Mapping[str, Any], n_rows: Any) -> str:
    """A figure in words; losses have no interval and need no more than their value."""
    value, *ends = places([said["value"], *(said.get("interval") or ())])
    if not ends:
        return value
    return f"{value} (95% interval {ends[0]} to {ends[1]}) on {n_rows} held-out rows"


def _columns(head: Mapping[str, Any]) -> str:
    """Columns that a table must have to be predicted."""
    from redstart.config import from_config
    from redstart.domain import find_domain

    if not (recipe := head["recipe"]):
        return ""
    codec = from_config(head["codec"], find_domain(recipe["domain"]).kinds)
    return ", ".join(getattr(codec, "inputs", ()))
