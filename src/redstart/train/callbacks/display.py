"""Where progress is shown: a terminal, or a notebook."""

from __future__ import annotations

import html
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

__all__ = ["Display", "NotebookDisplay", "Now", "TerminalDisplay", "clock", "find_display"]

_GAP = "  "
_LEAST = 10
"""Columns are never narrower, except where the name and all values are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """How far the fit is.

    Attributes:
        epoch: Number of the epoch, from 0.
        n_epoch: Epochs in all.
        part: ``"train"`` or ``"valid"``.
        done: Batches of this part done.
        total: Batches of this part.
        loss: Training loss, smoothed; ``None`` before the first.
        left: Seconds left for the whole fit; ``None`` while nobody knows.
    """

    epoch: int
    n_epoch: int
    part: str
    done: int
    total: int
    loss: float | None = None
    left: float | None = None

    def words(self) -> str:
        """Everything but the bar."""
        said = [f"{self.done}/{self.total}"]
        if self.loss is not None:
            said.append(f"loss {self.loss:.4g}")
        if self.left is not None:
            said.append(f"{clock(self.left)} left")
        return _GAP.join(said)

    def title(self) -> str:
        """Which epoch, which part."""
        return f"epoch {self.epoch + 1}/{self.n_epoch} {self.part}"


class Display(ABC):
    """Shows a bar that goes away and rows that stay."""

    @abstractmethod
    def update(self, now: Now) -> None:
        """Show the bar."""

    @abstractmethod
    def row(self, values: Mapping[str, str]) -> None:
        """Take the bar away and show a row; the first one settles the columns."""

    @abstractmethod
    def stop(self) -> None:
        """Take the bar away and leave everything as it was. May be called twice."""


@final
@dataclass(slots=True)
class TerminalDisplay(Display):
    """Lines of aligned text, and a rich bar below them.

    Attributes:
        console: A ``rich.console.Console``; the usual one if left out.
    """

    console: Any = None
    _bar: Any = field(default=None, init=False)
    _task: Any = field(default=None, init=False)
    _widths: dict[str, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        from rich import get_console

        self.console = self.console or get_console()

    def update(self, now: Now) -> None:
        """Move the bar; nothing in a plain file, or where another bar is on already."""
        if not self.console.is_interactive:
            return
        shown = {"completed": now.done, "total": now.total, "words": now.words()}
        if self._bar is None:
            self._start(now.title(), shown)
        else:
            self._bar.update(self._task, description=now.title(), **shown)
            self._bar.refresh()

    def row(self, values: Mapping[str, str]) -> None:
        """Print a row, below the names if it is the first."""
        from rich.text import Text

        self.stop()
        if not self._widths:
            self._widths = _widths(values, self.console.width)
            if hidden := [name for name in values if name not in self._widths]:
                note = f"Too wide for this terminal, in `learn.recorder`: {', '.join(hidden)}"
                self.console.print(Text(note, style="dim"))
            self._print(Text(_line(self._widths, {}), style="bold"))
        self._print(Text(_line(self._widths, values)))

    def stop(self) -> None:
        """Take the bar away and give the cursor back."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _print(self, line: Any) -> None:
        self.console.print(line, no_wrap=True, crop=False)

    def _start(self, title: str, shown: Mapping[str, Any]) -> None:
        from rich.errors import LiveError
        from rich.progress import BarColumn, Progress, TextColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[words]}"),
            console=self.console,
            transient=True,
            auto_refresh=False,
        )
        self._task = self._bar.add_task(title, **shown)
        try:
            self._bar.start()
        except LiveError:  # another bar is on, such as one around several fits
            self._bar.disable = True


@final
@dataclass(slots=True)
class NotebookDisplay(Display):
    """One output that is replaced as it grows: a table and a bar, both plain HTML."""

    _handle: Any = field(default=None, init=False)
    _names: list[str] = field(default_factory=list, init=False)
    _rows: list[Sequence[str]] = field(default_factory=list, init=False)

    def update(self, now: Now) -> None:
        """Show the table with the bar below."""
        bar = (
            f'<div><progress value="{now.done}" max="{max(now.total, 1)}" '
            'style="width:20em;vertical-align:middle"></progress> '
            f"{html.escape(now.title())} · {html.escape(now.words())}</div>"
        )
        self._show(self._table() + bar)

    def row(self, values: Mapping[str, str]) -> None:
        """Add a row to the table."""
        self._names = self._names or list(values)
        self._rows.append([values.get(name, "") for name in self._names])
        self._show(self._table())

    def stop(self) -> None:
        """Take the bar away."""
        if self._handle is not None:
            self._show(self._table())

    def _table(self) -> str:
        from redstart.show.page import table

        return table(self._names, self._rows) if self._rows else ""

    def _show(self, text: str) -> None:
        from IPython.display import HTML, display

        if self._handle is None:
            self._handle = display(HTML(text), display_id=True)
        else:
            self._handle.update(HTML(text))


def find_display() -> Display:
    """A display for the notebook or the terminal that this process runs in."""
    return NotebookDisplay() if "ipykernel" in sys.modules else TerminalDisplay()


def clock(seconds: float) -> str:
    """A duration as ``mm:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def _widths(values: Mapping[str, str], room: int) -> dict[str, int]:
    """Widths of the columns that fit, the longest names shortened first."""
    widths = {name: max(len(name), len(value)) for name, value in values.items()}
    least = {name: max(len(value), min(len(name), _LEAST)) for name, value in values.items()}

    def total() -> int:
        return sum(widths.values()) + len(_GAP) * (len(widths) - 1)

    while total() > room:
        shrinkable = [name for name in widths if widths[name] > least[name]]
        if shrinkable:
            widths[max(shrinkable, key=lambda name: widths[name])] -= 1
        elif len(widths) > 1:
            # The last but one: the last is the time.
            del widths[list(widths)[-2 if len(widths) > 2 else -1]]
        else:
            break
    return widths


def _line(widths: Mapping[str, int], values: Mapping[str, str]) -> str:
    """A row, or the names where there are no values."""
    cells = (values.get(name, "-") if values else name for name in widths)
    return _GAP.join(
        (cell if len(cell) <= width else f"{cell[: width - 1]}…").rjust(width)
        for cell, width in zip(cells, widths.values(), strict=True)
    )
