"""``redstart report``: what is known about a model, as a page and as a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["report"]


def report(
    run: Annotated[Path, typer.Argument(help="A folder that `redstart train` wrote.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; the run's own if left out.")
    ] = None,
) -> None:
    """Write report.html and model_card.md of a run, and print the gist.

    Openings of the test rows since the training are in it.
    """
    from redstart.train.reporting import report_of_run

    found = report_of_run(run)
    files = found.save(out or run)
    print(found)
    print()
    for file in (files["html"], files["markdown"]):
        print("wrote", file)
