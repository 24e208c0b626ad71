"""The folder that every run leaves behind: settings, events, curves."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, final

from redstart.bundle.bundle import versions
from redstart.config import JSON
from redstart.show.svg import line_chart
from redstart.train.callback import Callback
from redstart.train.recorder import Recorder
from redstart.train.run import Run

__all__ = ["RunFolder", "new_folder"]


@final
@dataclass(eq=False)
class RunFolder(Callback):
    """Writes what a fit was given and what it did, as it happens.

    ``settings.json`` holds the resolved settings, seeds, versions and hashes of data and
    split; ``events.jsonl`` one line per event; ``loss.svg`` and ``metrics.svg`` the curves.
    Several fits of one learner share a folder.

    Attributes:
        folder: Where to write.
        settings: What the fit was given; JSON values.
        recorder: Whose figures are written.
    """

    order: ClassVar[int] = 45
    folder: Path
    settings: Mapping[str, JSON]
    recorder: Recorder

    def before_fit(self, run: Run) -> None:
        """Write the settings."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "settings.json"
        fits = json.loads(file.read_text())["fits"] if file.exists() else []
        everything = {
            "started": now(),
            "python": sys.version.split()[0],
            "versions": versions(),
            "fits": [*fits, dict(self.settings)],
        }
        file.write_text(json.dumps(everything, indent=1, default=str))
        self.write("fit", n_epoch=run.n_epoch, batches=len(run.dls.train))

    def after_epoch(self, run: Run) -> None:
        """Write the epoch's figures."""
        self.write("epoch", epoch=run.epoch, step=run.step, **run.row)

    def after_fit(self, run: Run) -> None:
        """Write the intervals and draw the curves of all fits in this folder."""
        self.write("end", intervals=self.recorder.intervals, rows=self.recorder.n_valid)
        epochs = [e for e in read_events(self.folder) if e["event"] == "epoch"]
        names = [n for n in (epochs[-1] if epochs else {}) if n not in _NOT_FIGURES]
        losses = [n for n in names if n.endswith("_loss")]
        metrics = [n for n in names if n not in losses]
        for file, some in (("loss.svg", losses), ("metrics.svg", metrics)):
            if some:
                series = {n: [_number(e.get(n)) for e in epochs] for n in some}
                (self.folder / file).write_text(line_chart(series, x_label="epoch"))

    def write(self, event: str, **facts: JSON) -> None:
        """Append one event."""
        line = json.dumps({"at": now(), "event": event, **_finite(facts)}, default=str)
        with (self.folder / "events.jsonl").open("a") as file:
            file.write(line + "\n")


_NOT_FIGURES = frozenset({"at", "time", "event", "epoch", "step"})


def new_folder(parent: Path) -> Path:
    """Choose a folder named after the time, that is not there yet."""
    stamp = datetime.now(tz=UTC).strftime("%Y%m%d-%H%M%S")
    folder, number = parent / stamp, 1
    while folder.exists():
        number += 1
        folder = parent / f"{stamp}-{number}"
    return folder


def read_events(folder: Path) -> list[dict[str, Any]]:
    """All events of a run folder, in order."""
    file = folder / "events.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def now() -> str:
    """The time, in UTC, to the second."""
    return datetime.now(tz=UTC).isoformat(timespec="seconds")


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _finite(facts: Mapping[str, JSON]) -> dict[str, JSON]:
    """JSON has no NaN: such figures become ``null``."""
    return {
        k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in facts.items()
    }
