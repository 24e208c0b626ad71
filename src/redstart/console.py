"""What the commands of all domains share: the run folder, and what is said at the end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from redstart.errors import ConfigError, problem
from redstart.show.digits import places

if TYPE_CHECKING:
    from redstart.data.loaders import DataLoaders
    from redstart.train.learner import Learner

__all__ = [
    "WRITTEN",
    "Corrected",
    "Delimiter",
    "Device",
    "Encoding",
    "Out",
    "Strict",
    "TestPct",
    "WithReport",
    "echo",
    "figure",
    "given",
    "how_made",
    "print_check",
    "print_rate",
    "run_folder",
    "say",
]

Delimiter = Annotated[str | None, typer.Option(help="Between columns; found out if left out.")]
Encoding = Annotated[str | None, typer.Option(help="Of a CSV file; UTF-8 if left out.")]
Out = Annotated[Path | None, typer.Option(help="Folder to write to; runs/TIME if left out.")]
Strict = Annotated[bool, typer.Option("--strict", help="Serious findings of the audit are errors.")]
WithReport = Annotated[
    bool,
    typer.Option("--report/--no-report", help="Write report.html: figures beside baselines, ..."),
]
Corrected = Annotated[
    Path | None,
    typer.Option(help="A file of corrected labels: see `learn.label_issues()`."),
]
TestPct = Annotated[
    float, typer.Option(min=0, max=1, help="Share to seal for `redstart test`, of all rows.")
]
Device = Annotated[str | None, typer.Option(help="Such as cpu or cuda; the best if left out.")]

WRITTEN: Final[Mapping[str, str]] = {
    "loss.png": "the loss, batch by batch",
    "settings.json": "settings, seeds, versions, hashes of data and split",
    "events.jsonl": "figures of every epoch",
    "model.redstart": "the model; `redstart predict` takes it",
    "report.html": "everything that is known of it, as a page",
    "model_card.md": "the same as a model card",
}
"""What every training writes, and what it is."""


def run_folder(out: Path | None, *, overwrite: bool) -> Path:
    """Make the folder to write to, without traces of an earlier run.

    Args:
        out: The folder; a new one in ``runs`` if ``None``.
        overwrite: Whether an earlier run in it may go.

    Raises:
        ConfigError: If there is an earlier run, or the folder cannot be made.
    """
    from redstart.train.folder import new_folder

    folder = out or new_folder(Path("runs"))
    earlier = [folder / name for name in ("events.jsonl", "settings.json")]
    if any(file.exists() for file in (*earlier, folder / "model.redstart")) and not overwrite:
        raise ConfigError(
            problem(
                "Expected a folder without an earlier run",
                f"--out {folder}",
                "Choose another folder, or pass --overwrite.",
            )
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            problem(
                "Expected a folder that can be written to",
                f"--out {folder}: {error.strerror}",
                "Choose another one.",
            )
        ) from error
    for file in earlier:
        file.unlink(missing_ok=True)
    return folder


def given(**options: Any) -> dict[str, Any]:
    """Options without those that are ``None``, which the user left out."""
    return {name: value for name, value in options.items() if value is not None}


def print_check(dls: DataLoaders, *, strict: bool) -> None:
    """Read every row, audit rows and split, and print what was found.

    Leaves with 1 if some rows cannot be read.

    Args:
        dls: Loaders of rows.
        strict: Whether serious findings are errors.

    Raises:
        DataError: If they are, and there are some.
    """
    from redstart.data.auditing import audit_rows
    from redstart.data.check import check, read_rows

    reading = read_rows(dls)
    clean, report = check(dls, reading)
    print(clean)
    for line in report.lines(most=len(report.bad)):
        print(line)
    found = audit_rows(clean, reading)
    print(f"\n{found}")
    if strict:
        found.refuse_serious()
    if report.bad:
        raise typer.Exit(1)


def how_made(dls: DataLoaders, path: Path, **options: Any) -> DataLoaders:
    """Loaders that know how they were made, so that a bundle can be tested on the same rows.

    Args:
        dls: The loaders.
        path: Of the data.
        **options: What they were made with: JSON values and paths.
    """
    plain = json.loads(json.dumps(options, default=str))
    return replace(dls, made={**dls.made, "path": str(path.absolute()), "options": plain})


def print_rate(learn: Learner, out: Path) -> None:
    """Look for a learning rate, print it, and draw the curve.

    Args:
        learn: As it is before training.
        out: Picture to write.
    """
    from redstart.train.lrfind import valley

    found = learn.lr_find(show_plot=False, suggest_funcs=(valley,))
    print(f"suggested learning rate: {found.valley:.2g}")
    print("wrote", found.plot().save(out))


def say(learn: Learner, run: Path, written: Mapping[str, str], what: str, *, report: bool) -> None:
    """Say where everything is and how good the model is; write the report.

    Args:
        learn: It was trained.
        run: Where it was written to.
        written: File names, and what is in each; those of ``WRITTEN`` follow.
        what: What the rows are, in the plural: ``"held-out pictures"``.
        report: Whether to write the report, and print its gist.
    """
    told = learn.report() if report else None
    if told is not None:
        told.save(run)
    print(f"\n{run}/")
    for name, about in {**written, **WRITTEN}.items():
        if (run / name).exists():
            print(f"  {name:<16}{about}")
    recorder = learn.recorder
    for name, interval in recorder.intervals.items():
        print(figure(name, recorder.rows[-1][name], interval, f"{recorder.n_valid} {what}"))
    if told is not None:
        print(f"\n{told}")
    if sealed := learn.dls.sizes().get("test"):
        print(
            f"\n{sealed} rows are sealed. Once all choices are made: "
            f"redstart test {run / 'model.redstart'}"
        )


def figure(name: str, value: float, interval: Sequence[float] | None, rows: str) -> str:
    """A figure with its interval, in words.

    Args:
        name: Of the metric.
        value: Over all rows.
        interval: Its 95% interval, if it has one.
        rows: What it was measured on, such as ``"153 held-out pictures"``.
    """
    said, *ends = places([value, *(interval or ())])
    between = f" (95% interval {ends[0]} to {ends[1]})" if ends else ""
    return f"{name} {said}{between} on {rows}"


def echo(command: str) -> None:
    """Say which command does what comes next."""
    print(f"\n$ redstart {command}", flush=True)
