"""What the commands of all domains share: the run folder, and what is said at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    "Delimiter",
    "Device",
    "Encoding",
    "Out",
    "echo",
    "figure",
    "given",
    "print_check",
    "print_rate",
    "run_folder",
    "say",
]

Delimiter = Annotated[str | None, typer.Option(help="Between columns; found out if left out.")]
Encoding = Annotated[str | None, typer.Option(help="Of a CSV file; UTF-8 if left out.")]
Out = Annotated[Path | None, typer.Option(help="Folder to write to; runs/TIME if left out.")]
Device = Annotated[str | None, typer.Option(help="Such as cpu or cuda; the best if left out.")]

WRITTEN: Final[Mapping[str, str]] = {
    "loss.png": "the loss, batch by batch",
    "settings.json": "settings, seeds, versions, hashes of data and split",
    "events.jsonl": "figures of every epoch",
    "model.redstart": "the model; `redstart predict` takes it",
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


def print_check(dls: DataLoaders) -> None:
    """Read every row, print what was found, and leave with 1 if some cannot be read."""
    from redstart.data.check import check

    clean, report = check(dls)
    print(clean)
    for line in report.lines(most=len(report.bad)):
        print(line)
    if report.bad:
        raise typer.Exit(1)


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


def say(learn: Learner, run: Path, written: Mapping[str, str], what: str) -> None:
    """Say where everything is and how good the model is.

    Args:
        learn: It was trained.
        run: Where it was written to.
        written: File names, and what is in each; those of ``WRITTEN`` follow.
        what: What the rows are, in the plural: ``"held-out pictures"``.
    """
    print(f"\n{run}/")
    for name, about in {**written, **WRITTEN}.items():
        if (run / name).exists():
            print(f"  {name:<16}{about}")
    recorder = learn.recorder
    for name, interval in recorder.intervals.items():
        print(figure(name, recorder.rows[-1][name], interval, f"{recorder.n_valid} {what}"))


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
