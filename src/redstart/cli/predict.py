"""``redstart predict``: files or tables through an exported model, to text, JSON or CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from redstart.console import Delimiter, Device, Encoding
from redstart.errors import DataError, problem

if TYPE_CHECKING:
    from redstart.bundle.bundle import Bundle

__all__ = ["Answer", "predict"]

_BATCH = 64
_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one file, or of one row of a table.

    Attributes:
        item: The file as it was given, or the number of the row, from 0.
        prediction: In the user's terms; ``None`` if the file or row could not be read.
        probabilities: By class, in the order of the vocabulary; empty for numbers.
        error: Why it could not be read.
        abstained: Why there is no answer, if it was not sure enough for one.
        labels: That hold the truth as often as was asked for.
        interval: Likewise, of numbers.
    """

    item: str
    prediction: Any = None
    probabilities: dict[str, float] | None = None
    error: str | None = None
    abstained: str = ""
    labels: tuple[Any, ...] | None = None
    interval: tuple[Any, ...] | None = None

    @property
    def probability(self) -> float | None:
        """Of the prediction, in [0, 1]; ``None`` where there is none."""
        return (self.probabilities or {}).get(str(self.prediction)) if not self.abstained else None

    @property
    def text(self) -> str:
        """The prediction in words."""
        if self.abstained:
            return "(not sure)"
        if isinstance(self.prediction, tuple):
            return ", ".join(map(_short, self.prediction)) or "(none)"
        return _short(self.prediction)

    @property
    def around(self) -> str:
        """The labels or the interval in words; empty where none was asked for."""
        if self.labels is not None:
            return f"one of: {', '.join(map(_short, self.labels))}" if self.labels else "no label"
        if self.interval is None:
            return ""
        pairs = self.interval if isinstance(self.interval[0], tuple) else (self.interval,)
        return ", ".join(f"{_short(low)} to {_short(high)}" for low, high in pairs)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of every prediction besides itself."""

    abstain: float | None = None
    coverage: float | None = None

    def __bool__(self) -> bool:
        return self.abstain is not None or self.coverage is not None


def predict(  # noqa: PLR0913 - a parameter is an option
    bundle: Annotated[Path, typer.Argument(help="What `learn.export` or `redstart train` wrote.")],
    files: Annotated[
        list[Path],
        typer.Argument(help="Files, or folders of pictures; or tables (CSV, Parquet)."),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON, with the probability of every class.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A table with a header.")] = False,
    abstain: Annotated[
        float | None,
        typer.Option(help="Answer only where at most this share of the answers is wrong."),
    ] = None,
    coverage: Annotated[
        float | None,
        typer.Option(help="Give labels, or an interval, that hold the truth this often."),
    ] = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    device: Device = None,
) -> None:
    """Predict files, or the rows of tables.

    One that cannot be read says so in its row, and the exit code is 1.
    """
    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv exclude each other.")
    from redstart.bundle.bundle import load_learner
    from redstart.data.table import TableCodec

    opened, asked = load_learner(bundle, device=device), _Asked(abstain, coverage)
    # A file name may hold what the terminal's encoding cannot say.
    getattr(sys.stdout, "reconfigure", lambda **_: None)(errors="backslashreplace")
    tables = isinstance(opened.codec, TableCodec)
    if tables:
        reading, alone = (delimiter, encoding), len(files) == 1
        answers = [a for file in files for a in _of_table(opened, file, reading, alone, asked)]
    elif delimiter is not None or encoding is not None:
        raise typer.BadParameter("--delimiter and --encoding are for tables.")
    else:
        answers = list(_of_files(opened, _listed(files), asked))
    named = "row" if tables else "file"
    write = _write_json if as_json else _write_csv if as_csv else _write_text
    write(answers, named, asked)
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


def _of_files(bundle: Bundle, files: Sequence[Path], asked: _Asked) -> Iterator[Answer]:
    for start in range(0, len(files), _BATCH):
        some = files[start : start + _BATCH]
        yield from _answers(bundle, some, list(map(str, some)), asked)


def _of_table(
    bundle: Bundle,
    file: Path,
    reading: tuple[str | None, str | None],
    alone: bool,
    asked: _Asked,
) -> Iterator[Answer]:
    """Answers to the rows of one table; they are named after it where there are several."""
    from redstart.data.table import Table, read_table

    table = Table(read_table(file, *reading))
    bundle.codec.encode_table(table[:0])  # a column that is not there fails for all rows
    for start in range(0, len(table), _ROWS):
        rows = range(start, min(start + _ROWS, len(table)))
        names = [str(row) if alone else f"{file}:{row}" for row in rows]
        yield from _answers(bundle, table[start : start + _ROWS], names, asked)


def _answers(
    bundle: Bundle, items: Sequence[Any], names: Sequence[str], asked: _Asked
) -> Iterator[Answer]:
    """Predict items; if one cannot be read, halve until it stands alone."""
    try:
        predictions = bundle.get_preds(
            items,
            bs=max(_BATCH, min(len(items), 4096)),
            abstain=asked.abstain,
            coverage=asked.coverage,
        )
    except DataError as error:
        if len(items) == 1:
            yield Answer(names[0], error=str(error))
            return
        half = len(items) // 2
        yield from _answers(bundle, items[:half], names[:half], asked)
        yield from _answers(bundle, items[half:], names[half:], asked)
        return
    classes = [str(name) for name in bundle.vocab]
    for name, pred in zip(names, predictions, strict=True):
        probabilities = dict(zip(classes, pred.probs.tolist(), strict=True)) if classes else {}
        yield Answer(
            name,
            pred.decoded,
            probabilities,
            abstained=pred.abstained,
            labels=pred.set,
            interval=pred.interval,
        )


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _write_text(answers: Sequence[Answer], named: str, asked: _Asked) -> None:
    width = max((len(answer.item) for answer in answers), default=0)
    labels = max((len(answer.text) for answer in answers), default=0)
    for answer in answers:
        if answer.error is not None:
            print(f"{answer.item:<{width}}  unreadable: {answer.error}")
            continue
        parts = [f"{answer.item:<{width}}", f"{answer.text:<{labels}}"]
        if answer.probability is not None:
            parts.append(f"{answer.probability:.4f}")
        elif answer.abstained:
            parts.append(" " * len("0.0000"))
        print("  ".join([*parts, answer.around]).rstrip())


def _write_json(answers: Sequence[Answer], named: str, asked: _Asked) -> None:
    rows = []
    for answer in answers:
        row: dict[str, Any] = {named: answer.item, "prediction": answer.prediction}
        if answer.probabilities or answer.error is not None:
            row |= {"probability": answer.probability, "probabilities": answer.probabilities}
        if asked:
            around = {"set": answer.labels, "interval": answer.interval}
            row |= {"abstained": answer.abstained or None, **around}
        rows.append({**row, "error": answer.error})
    print(json.dumps(rows, indent=1, default=str))


def _write_csv(answers: Sequence[Answer], named: str, asked: _Asked) -> None:
    table = csv.writer(sys.stdout, lineterminator="\n")
    more = ["abstained", "set", "low", "high"] if asked else []
    table.writerow([named, "prediction", "probability", *more, "error"])
    for answer in answers:
        # `csv` writes None as an empty field.
        said = answer.text if isinstance(answer.prediction, tuple) else answer.prediction
        around = _columns(answer) if asked else []
        table.writerow([answer.item, said, answer.probability, *around, answer.error])


def _columns(answer: Answer) -> list[Any]:
    """Whether it abstained, the labels, and both ends; those of several numbers in one field."""
    labels = None if answer.labels is None else "; ".join(map(str, answer.labels))
    ends: tuple[Any, ...] = answer.interval or (None, None)
    if isinstance(ends[0], tuple):
        ends = tuple("; ".join(map(str, column)) for column in zip(*ends, strict=True))
    return ["yes" if answer.abstained else "no", labels, *ends]
