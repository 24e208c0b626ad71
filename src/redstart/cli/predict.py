"""``redstart predict``: files through an exported model, to text, JSON or CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from redstart.errors import DataError, problem

if TYPE_CHECKING:
    from redstart.bundle.bundle import Bundle

__all__ = ["Answer", "predict"]

_BATCH = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one file.

    Attributes:
        file: As it was given.
        prediction: In the user's terms; ``None`` if the file could not be read.
        probabilities: By class, in the order of the vocabulary.
        error: Why it could not be read.
    """

    file: str
    prediction: Any = None
    probabilities: dict[str, float] | None = None
    error: str | None = None

    @property
    def probability(self) -> float | None:
        """Of the prediction, in [0, 1]; ``None`` where there is none."""
        return (self.probabilities or {}).get(str(self.prediction))


def predict(
    bundle: Annotated[Path, typer.Argument(help="What `learn.export` or `redstart train` wrote.")],
    files: Annotated[list[Path], typer.Argument(help="Files, or folders of pictures.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON, with the probability of every class.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A table with a header.")] = False,
    device: Annotated[
        str | None, typer.Option(help="Such as cpu or cuda; the best there is if left out.")
    ] = None,
) -> None:
    """Predict files. One that cannot be read says so in its row, and the exit code is 1."""
    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv exclude each other.")
    from redstart.bundle.bundle import load_learner

    opened = load_learner(bundle, device=device)
    write = _write_json if as_json else _write_csv if as_csv else _write_text
    # A file name may hold what the terminal's encoding cannot say.
    getattr(sys.stdout, "reconfigure", lambda **_: None)(errors="backslashreplace")
    answers = list(_answers(opened, _listed(files)))
    write(answers)
    if any(answer.error is not None for answer in answers):
        raise typer.Exit(1)


def _listed(paths: Sequence[Path]) -> list[Path]:
    """The files, with folders replaced by the pictures in them.

    Raises:
        DataError: If there is a folder without any.
    """
    from redstart.data.items import get_image_files

    found: list[Path] = []
    for path in paths:
        inside = get_image_files(path) if path.is_dir() else [path]
        if not inside:
            raise DataError(
                problem("Expected pictures in the folder", f"0 in {path}", "Check the path.")
            )
        found += inside
    return found


def _answers(bundle: Bundle, files: Sequence[Path]) -> Iterator[Answer]:
    for start in range(0, len(files), _BATCH):
        some = files[start : start + _BATCH]
        try:
            yield from _predicted(bundle, some)
        except DataError:
            # One of them cannot be read: the others are predicted all the same.
            for file in some:
                try:
                    yield from _predicted(bundle, [file])
                except DataError as error:
                    yield Answer(str(file), error=str(error))


def _predicted(bundle: Bundle, files: Sequence[Path]) -> list[Answer]:
    names = [str(name) for name in bundle.vocab]
    return [
        Answer(str(file), pred.decoded, dict(zip(names, pred.probs.tolist(), strict=False)))
        for file, pred in zip(files, bundle.get_preds(files), strict=True)
    ]


def _write_text(answers: Sequence[Answer]) -> None:
    width = max(len(answer.file) for answer in answers)
    labels = max(len(str(answer.prediction)) for answer in answers)
    for answer in answers:
        if answer.error is not None:
            print(f"{answer.file:<{width}}  unreadable: {answer.error}")
        elif answer.probability is None:
            print(f"{answer.file:<{width}}  {answer.prediction}")
        else:
            print(
                f"{answer.file:<{width}}  {answer.prediction!s:<{labels}}  {answer.probability:.4f}"
            )


def _write_json(answers: Sequence[Answer]) -> None:
    rows = []
    for answer in answers:
        row = {"file": answer.file, "prediction": answer.prediction}
        row |= {"probability": answer.probability, "probabilities": answer.probabilities}
        rows.append({**row, "error": answer.error})
    print(json.dumps(rows, indent=1, default=str))


def _write_csv(answers: Sequence[Answer]) -> None:
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["file", "prediction", "probability", "error"])
    for answer in answers:
        # `csv` writes None as an empty field.
        table.writerow([answer.file, answer.prediction, answer.probability, answer.error])
