from __future__ import annotations

import io
import re
import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest
from callback_runs import Figures, Score, fit, linear, make_run, pairs
from rich.console import Console
from rich.progress import Progress

from redstart.train.callback import Callback
from redstart.train.callbacks import progress
from redstart.train.callbacks.display import (
    Display,
    NotebookDisplay,
    Now,
    TerminalDisplay,
    clock,
)
from redstart.train.callbacks.progress import ProgressTable, interval_lines, print_intervals
from redstart.train.run import Run

HIDE, GIVE_BACK = "\x1b[?25l", "\x1b[?25h"


def terminal(width: int = 80) -> tuple[TerminalDisplay, io.StringIO]:
    out = io.StringIO()
    console = Console(force_terminal=True, width=width, file=out, _environ={"TERM": "xterm"})
    return TerminalDisplay(console), out


def plain(out: io.StringIO) -> list[str]:
    """The lines that were ever on the screen, without colours."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())
    return [line for line in re.split(r"[\r\n]+", text) if line.strip()]


def table(out: io.StringIO) -> list[str]:
    return [line for line in plain(out) if not re.match(r"epoch \d+/", line)]


def run_of(n_epoch: int = 2, *metrics: Score) -> Run:
    return make_run(linear(), pairs(12, 4), pairs(8, 4), n_epoch=n_epoch, metrics=list(metrics))


@dataclass
class Told(Display):
    """Remembers what it was to show."""

    bars: list[Now] = field(default_factory=list)
    rows: list[dict[str, str]] = field(default_factory=list)
    stops: int = 0

    def update(self, now: Now) -> None:
        self.bars.append(now)

    def row(self, values: Any) -> None:
        self.rows.append(dict(values))

    def stop(self) -> None:
        self.stops += 1


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test sets."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def test_a_terminal_shows_aligned_rows_and_gets_its_cursor_back() -> None:
    display, out = terminal()
    run = run_of(2, Score("accuracy"))
    recorder = fit(run, ProgressTable(display), Figures([0.5, 0.98765], "accuracy"))
    lines = table(out)
    assert lines[0].split() == ["epoch", "train_loss", "valid_loss", "accuracy", "time"]
    assert lines[2].split() == [
        "2",
        f"{recorder.rows[1]['train_loss']:.4f}",
        f"{recorder.rows[1]['valid_loss']:.4f}",
        "0.9877",
        "00:00",
    ]
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 3
    assert any(line.startswith("epoch 1/2 train") for line in plain(out))
    assert out.getvalue().count(HIDE) == out.getvalue().count(GIVE_BACK) == 2


@pytest.mark.parametrize("width", [40, 60, 80, 100])
@pytest.mark.parametrize("n", [0, 3, 9])
def test_rows_fit_the_width(n: int, width: int) -> None:
    display, out = terminal(width)
    names = [f"a_metric_with_a_long_name_{i}" for i in range(n)]
    fit(run_of(2, *map(Score, names)), ProgressTable(display))
    lines = plain(out)
    assert max(map(len, lines)) <= width
    rows = [line for line in table(out) if re.match(r" +[12] ", line)]
    assert len(rows) == 2
    assert all(row.endswith("00:00") for row in rows)
    shown = " ".join(" ".join(lines).split())
    hidden = [name for name in names if name in shown.split("`learn.recorder`:")[-1]]
    assert len(rows[0].split()) == 4 + n - (len(hidden) if "learn.recorder" in shown else 0)


def test_a_value_that_is_missing_is_a_dash() -> None:
    display, out = terminal()
    display.row({"epoch": "1", "loss": "0.5", "time": "00:01"})
    display.row({"epoch": "2", "time": "00:01"})
    assert table(out)[-1].split() == ["2", "-", "00:01"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("training", [True, False])
def test_errors_leave_the_terminal_as_it_was(error: type[BaseException], training: bool) -> None:
    class Breaks(Callback):
        def after_pred(self, run: Run) -> None:
            if run.epoch == 1 and run.training is training:
                raise error

    display, out = terminal()
    with pytest.raises(error):
        fit(run_of(3), ProgressTable(display), Breaks())
    assert out.getvalue().count(HIDE) == out.getvalue().count(GIVE_BACK) > 0
    assert not display.console._live_stack


def test_a_callback_that_breaks_the_epoch_leaves_the_terminal_as_it_was() -> None:
    class Breaks(Callback):
        def after_epoch(self, run: Run) -> None:
            raise ZeroDivisionError

    display, out = terminal()
    with pytest.raises(ZeroDivisionError):
        fit(run_of(3), ProgressTable(display), Breaks())
    assert out.getvalue().count(HIDE) == out.getvalue().count(GIVE_BACK) > 0


def test_it_works_inside_another_bar() -> None:
    display, out = terminal()
    with Progress(console=display.console) as outer:
        task = outer.add_task("fits", total=2)
        for _ in range(2):
            fit(run_of(1), ProgressTable(display))
            outer.advance(task)
    assert sum(bool(re.match(r" +1 ", line)) for line in table(out)) == 2


def test_a_file_gets_rows_and_no_bars() -> None:
    out = io.StringIO()
    display = TerminalDisplay(Console(file=out, width=80, force_terminal=False))
    fit(run_of(2), ProgressTable(display))
    assert "\x1b" not in out.getvalue()
    assert len(out.getvalue().splitlines()) == 3


def test_where_nobody_looks_nothing_is_shown(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDSTART_PROGRESS", "0")
    monkeypatch.setattr(progress, "find_display", lambda: pytest.fail("nobody looks"))
    table = ProgressTable()
    fit(run_of(2), table)
    print_intervals([("accuracy", 0.5, None)], 10)
    assert capfd.readouterr() == ("", "")


def test_bars_move_ten_times_a_second_at_most(seconds: list[float]) -> None:
    class Tick(Callback):
        def before_batch(self, run: Run) -> None:
            seconds[0] += 0.03

    told = Told()
    run = make_run(linear(), pairs(60, 2), pairs(2, 2))
    fit(run, ProgressTable(told), Tick())
    train = [now.done for now in told.bars if now.part == "train"]
    assert train == [1, 5, 9, 13, 17, 21, 25, 29]


def test_time_left_is_that_of_the_whole_fit(seconds: list[float]) -> None:
    class Tick(Callback):
        def before_batch(self, run: Run) -> None:
            seconds[0] += 6.0 if run.training else 1.0

    told = Told()
    run = make_run(linear(), pairs(10, 2), pairs(8, 2), n_epoch=3)
    fit(run, ProgressTable(told), Tick())
    left = [now.left for now in told.bars]
    # 5 batches of 6 s and 4 of 1 s, thrice; before the first validation 2 s are assumed
    assert left[0] == pytest.approx(4 * 6 + 8 + 2 * (30 + 8))
    assert left[5] == pytest.approx(3 + 2 * 34)
    assert left[9] == pytest.approx(4 * 6 + 4 + 34)
    assert left[-1] == pytest.approx(0)
    assert [row["time"] for row in told.rows] == ["00:34"] * 3


def test_the_loss_shown_is_a_smoothed_training_loss(seconds: list[float]) -> None:
    class Tick(Callback):
        def before_batch(self, run: Run) -> None:
            seconds[0] += 1.0

    told = Told()
    recorder = fit(make_run(linear(), pairs(6, 2), pairs(2, 2)), ProgressTable(told), Tick())
    a, b, c = recorder.losses
    weights = 0.64 + 0.8 + 1
    assert told.bars[2].loss == pytest.approx((0.64 * a + 0.8 * b + c) / weights)
    assert told.bars[3].part == "valid"
    assert told.bars[3].loss == told.bars[2].loss


def test_the_display_is_told_to_stop_and_a_second_fit_starts_afresh() -> None:
    told = Told()
    shown = ProgressTable(told)
    fit(run_of(2), shown)
    fit(run_of(1), shown)
    assert [row["epoch"] for row in told.rows] == ["1", "2", "1"]
    assert told.stops == 2


class Notebook(ModuleType):
    """What redstart uses of IPython, and what it was given to show."""

    def __init__(self) -> None:
        super().__init__("IPython.display")
        self.shown: list[str] = []
        self.ids = 0

    def HTML(self, text: str) -> str:
        return text

    def display(self, text: str, display_id: bool = False) -> Any:
        self.shown.append(text)
        self.ids += 1
        return type("Handle", (), {"update": lambda _, new: self.shown.append(new)})()


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    found = Notebook()
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", found)
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    monkeypatch.delenv("REDSTART_PROGRESS", raising=False)
    return found


def test_a_notebook_gets_one_output_that_ends_as_the_table(notebook: Notebook) -> None:
    run = run_of(2, Score("<b>"))
    fit(run, ProgressTable())
    assert notebook.ids == 1
    assert '<progress value="1" max="3"' in notebook.shown[0]
    assert "epoch 1/2 train" in notebook.shown[0]
    last = notebook.shown[-1]
    assert "<progress" not in last
    assert last.count("<tr>") == 3
    assert "&lt;b&gt;" in last
    assert not any("<script" in text for text in notebook.shown)


def test_an_interrupted_notebook_keeps_the_rows_and_loses_the_bar(notebook: Notebook) -> None:
    class Breaks(Callback):
        def after_pred(self, run: Run) -> None:
            if run.epoch == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(run_of(3), ProgressTable(), Breaks())
    assert "<progress" not in notebook.shown[-1]
    assert "<tr>" in notebook.shown[-1]


def test_intervals_in_a_notebook_are_a_table(notebook: Notebook) -> None:
    print_intervals([("accuracy", 0.984, (0.977, 0.989)), ("mine", 2.0, None)], 712)
    assert notebook.ids == 1
    assert "On 712 rows" in notebook.shown[0]
    assert "0.9770 to 0.9890" in notebook.shown[0]


def test_intervals_line_up() -> None:
    rows = [("accuracy", 0.984, (0.977, 0.989)), ("error_rate", 0.016, (0.011, 0.023))]
    assert interval_lines([*rows, ("mine", 1.2e-5, None)], 1712) == [
        "On 1,712 rows (95% interval):",
        "  accuracy      0.9840  (0.9770 to 0.9890)",
        "  error_rate    0.0160  (0.0110 to 0.0230)",
        "  mine        1.20e-05",
    ]
    assert interval_lines([("mine", 1.0, None)], 1)[0] == "On 1 row:"


def test_intervals_are_printed_where_somebody_looks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDSTART_PROGRESS", "1")
    print_intervals([("accuracy", 0.984, (0.977, 0.989))], 712)
    assert "  accuracy  0.9840  (0.9770 to 0.9890)" in capsys.readouterr().out
    print_intervals([], 712)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("seconds_", "said"), [(0.4, "00:00"), (59.7, "01:00"), (61, "01:01"), (3725, "1:02:05")]
)
def test_clock(seconds_: float, said: str) -> None:
    assert clock(seconds_) == said


def test_both_displays_may_be_stopped_before_they_start() -> None:
    display, out = terminal()
    display.stop()
    NotebookDisplay().stop()
    assert out.getvalue() == ""
