"""The figures of each epoch as a CSV file."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, final

from redstart.errors import ConfigError, problem
from redstart.train.callback import Callback
from redstart.train.run import Run

__all__ = ["CSVLogger"]


@final
@dataclass(eq=False)
class CSVLogger(Callback):
    """Writes one line per epoch as soon as it is done: epoch, losses, metrics, seconds.

    Attributes:
        path: The file; its folder is made if needed.
        append: Whether to go on below what the file holds, instead of replacing it.
    """

    order: ClassVar[int] = 42
    path: str | Path = "history.csv"
    append: bool = False
    _names: list[str] = field(default_factory=list, init=False, repr=False)

    def before_fit(self, run: Run) -> None:
        """Make room; an old file stays until there is a line to write."""
        self.path = Path(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._names = []

    def after_epoch(self, run: Run) -> None:
        """Write the line."""
        if "valid_loss" not in run.row:
            return
        line = {"epoch": run.epoch, **run.row}
        if not self._names:
            self._begin(list(line))
        with Path(self.path).open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._names, restval="", extrasaction="ignore")
            writer.writerow(line)

    def _begin(self, names: list[str]) -> None:
        """Write the header, or check the one that is there."""
        path = Path(self.path)
        self._names = names
        if not (self.append and path.exists() and path.stat().st_size):
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(names)
            return
        with path.open(newline="", encoding="utf-8") as file:
            there = next(csv.reader(file), [])
        if there != names:
            raise ConfigError(
                problem(
                    f"Expected {path} to have the columns {', '.join(names)}",
                    f"columns={', '.join(there)}",
                    "Log to another file, or pass append=False to replace this one.",
                )
            )
