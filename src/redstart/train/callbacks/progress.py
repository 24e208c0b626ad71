"""A bar with the time left and a table of figures, where somebody is looking."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, final

from redstart.metrics.cluster import FEW_GROUPS
from redstart.show.progress import wants_progress
from redstart.train.callback import Callback
from redstart.train.callbacks.display import (
    Display,
    NotebookDisplay,
    Now,
    clock,
    find_display,
)
from redstart.train.run import Run

__all__ = ["ProgressTable", "interval_lines", "print_intervals"]

_PAUSE = 0.1
"""Seconds between two updates at least."""
_SMOOTH = 0.8
"""Share of the old loss in the smoothed one, at each update."""
_FORWARD = 1 / 3
"""Time of a validation batch in training batches, until one was measured."""


@final
@dataclass(eq=False)
class ProgressTable(Callback):
    """Shows a bar during each epoch and a row of figures after it.

    In a terminal and in a notebook; elsewhere nothing. The environment variable
    ``REDSTART_PROGRESS`` set to 0 or 1 decides instead.

    Attributes:
        display: Where to show; found by itself if left out.
    """

    order: ClassVar[int] = 46
    display: Display | None = None
    _shown: Display | None = field(default=None, init=False, repr=False)
    _next: float = field(default=0.0, init=False, repr=False)
    _began: float = field(default=0.0, init=False, repr=False)
    _done: int = field(default=0, init=False, repr=False)
    _loss: tuple[float, float] = field(default=(0.0, 0.0), init=False, repr=False)
    _pace: dict[bool, float] = field(default_factory=dict, init=False, repr=False)
    _skipped: int = field(default=0, init=False, repr=False)

    def before_fit(self, run: Run) -> None:
        """See whether anybody is looking."""
        self._shown = self.display or (find_display() if wants_progress() else None)
        self._loss, self._pace = (0.0, 0.0), {}

    def before_train(self, run: Run) -> None:
        """Start a bar."""
        self._begin(max(0, run.step - run.epoch * len(run.dls.train)))

    def before_validate(self, run: Run) -> None:
        """Start a bar."""
        self._begin(0)

    def after_batch(self, run: Run) -> None:
        """Move the bar, a few times per second."""
        if self._shown is None:
            return
        self._done += 1
        now = time.perf_counter()
        if now >= self._next:
            self._update(run, self._shown, now)

    def after_train(self, run: Run) -> None:
        """Remember the pace."""
        self._end(training=True)

    def after_validate(self, run: Run) -> None:
        """Remember the pace."""
        self._end(training=False)

    def after_epoch(self, run: Run) -> None:
        """Take the bar away and show the row."""
        if self._shown is None:
            return
        if "train_loss" in run.row:
            self._shown.row(_cells(run.epoch, run.row))
        else:
            self._shown.stop()

    def after_fit(self, run: Run) -> None:
        """Leave the screen as it was."""
        if self._shown is not None:
            self._shown.stop()
            self._shown = None

    def _begin(self, skipped: int) -> None:
        self._done = self._skipped = skipped
        self._began = time.perf_counter()
        self._next = 0.0

    def _end(self, *, training: bool) -> None:
        if (done := self._done - self._skipped) > 0:
            self._pace[training] = (time.perf_counter() - self._began) / done

    def _update(self, run: Run, shown: Display, now: float) -> None:
        training = run.training
        if training and run.loss is not None:
            total, weight = self._loss
            # `item` waits for the device, hence not for every batch.
            self._loss = _SMOOTH * total + run.loss.item(), _SMOOTH * weight + 1
        self._end(training=training)
        shown.update(
            Now(
                epoch=run.epoch,
                n_epoch=run.n_epoch,
                part="train" if training else "valid",
                done=self._done,
                total=len(run.dls.train if training else run.dls.valid),
                loss=self._loss[0] / self._loss[1] if self._loss[1] else None,
                left=self._left(run),
            )
        )
        self._next = time.perf_counter() + _PAUSE

    def _left(self, run: Run) -> float | None:
        """Seconds left at the present pace."""
        train, valid = len(run.dls.train), len(run.dls.valid)
        step = self._pace.get(True)
        if step is None:
            return None
        check = self._pace.get(False, step * _FORWARD)
        epochs = run.n_epoch - run.epoch - 1
        ahead = epochs * (train * step + valid * check)
        if run.training:
            return ahead + max(0, train - self._done) * step + valid * check
        return ahead + max(0, valid - self._done) * check


def print_intervals(
    rows: Sequence[tuple[str, float, tuple[float, float] | None]], n_rows: int, n_groups: int = 0
) -> None:
    """Show final figures with their 95% intervals; nothing where nobody is looking.

    Args:
        rows: Name, value, and lower and upper end of the interval where there is one.
        n_rows: Number of rows they were measured on.
        n_groups: Groups of rows that the intervals count; 0 if they count rows.
    """
    if not rows or not wants_progress():
        return
    if isinstance(find_display(), NotebookDisplay):
        _display_intervals(rows, n_rows, n_groups)
        return
    from rich import get_console
    from rich.text import Text

    get_console().print(Text("\n".join(interval_lines(rows, n_rows, n_groups))), soft_wrap=True)


def interval_lines(
    rows: Sequence[tuple[str, float, tuple[float, float] | None]], n_rows: int, n_groups: int = 0
) -> list[str]:
    """The lines that ``print_intervals`` prints."""
    names = max(len(name) for name, _, _ in rows)
    values = max(len(_figure(value)) for _, value, _ in rows)
    lines = [_heading(rows, n_rows, n_groups)]
    for name, value, ends in rows:
        line = f"  {name:<{names}}  {_figure(value):>{values}}"
        lines.append(f"{line}  ({_figure(ends[0])} to {_figure(ends[1])})" if ends else line)
    return lines


def _display_intervals(
    rows: Sequence[tuple[str, float, tuple[float, float] | None]], n_rows: int, n_groups: int = 0
) -> None:
    from IPython.display import HTML, display

    from redstart.show.page import table

    cells = [
        [name, _figure(value), f"{_figure(ends[0])} to {_figure(ends[1])}" if ends else ""]
        for name, value, ends in rows
    ]
    display(
        HTML(
            f"<p>{_heading(rows, n_rows, n_groups)}</p>"
            + table(["", "value", "95% interval"], cells)
        )
    )


def _heading(
    rows: Sequence[tuple[str, float, tuple[float, float] | None]], n_rows: int, n_groups: int
) -> str:
    on = f"On {n_rows:,} row{'s' * (n_rows != 1)}"
    by = ""
    if n_groups:
        on, by = f"{on} of {n_groups:,} groups", f" over {'few ' * (n_groups < FEW_GROUPS)}groups"
    return f"{on} (95% interval{by}):" if any(ends for _, _, ends in rows) else f"{on}:"


def _cells(epoch: int, row: dict[str, float]) -> dict[str, str]:
    shown = {"epoch": str(epoch + 1)}
    for name, value in row.items():
        shown[name] = clock(value) if name == "time" else _figure(value)
    return shown


def _figure(value: float) -> str:
    """Four decimals, or three significant digits where these say nothing."""
    size = abs(value)
    return f"{value:.4f}" if size == 0 or 1e-3 <= size < 1e5 or size != size else f"{value:.2e}"
