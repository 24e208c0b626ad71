"""What the benchmarks share: options, alternating, statistics, a table, a JSON file."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = [
    "Benchmark",
    "Target",
    "alternate",
    "median",
    "options",
    "photos",
    "quartiles",
    "ratio",
    "rounds",
    "shared",
    "silent",
    "timed",
]

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
PACKAGES = (
    "redstart",
    "torch",
    "torchvision",
    "timm",
    "pillow",
    "numpy",
    "pandas",
    "fastai",
    "lightning",
    "lightgbm",
)


@dataclass(frozen=True, slots=True)
class Target:
    """A promise and what was measured.

    Attributes:
        what: The promise, in words.
        value: What was measured; ``None`` if it was not.
        limit: What it may be.
        at_least: Whether ``limit`` is the least rather than the most.
        unit: Of both.
    """

    what: str
    value: float | None
    limit: float
    at_least: bool = False
    unit: str = ""

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        return bool(self.value >= self.limit if self.at_least else self.value <= self.limit)

    def line(self, *, judged: bool = True) -> str:
        """In words; without a verdict if the run was too short for one."""
        bound = f"{'at least' if self.at_least else 'at most'} {self.limit:g}{self.unit}"
        if self.value is None:
            return f"  [not measured] {self.what} ({bound})"
        said = ("met" if self.met else "MISSED") if judged else "not judged"
        return f"  [{said}] {self.what}: {self.value:.4g}{self.unit} ({bound})"


@dataclass
class Benchmark:
    """Collects rows and targets, prints them, writes them.

    Attributes:
        name: Of the script and of its file of results.
        args: What ``options`` parsed.
        rows: One dictionary per line of the table.
        targets: The promises.
        notes: What a reader must know to read the table.
        skipped: Why nothing, or not everything, was measured.
    """

    name: str
    args: argparse.Namespace
    rows: list[dict[str, Any]] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    def finish(self) -> None:
        """Print the table and the targets, and write the file."""
        print(f"\n{self.name}: {_machine_line(self.args)}")
        if self.rows:
            print(_table(self.rows))
        for line in (*self.notes, *(f"Skipped: {reason}" for reason in self.skipped)):
            print(f"  {line}")
        if self.args.quick:
            print("  A quick run only shows that the script runs: nothing is judged by it.")
        for target in self.targets:
            print(target.line(judged=not self.args.quick))
        facts = {
            "benchmark": self.name,
            "date": datetime.now(tz=UTC).isoformat(timespec="seconds"),
            "quick": self.args.quick,
            "machine": _machine(self.args),
            "load_before": round(self.load, 2),
            "versions": _versions(),
            "options": {k: str(v) for k, v in vars(self.args).items() if k != "shared"},
            "rows": self.rows,
            "targets": [
                {**asdict(t), "met": None if self.args.quick else t.met} for t in self.targets
            ],
            "notes": self.notes,
            "skipped": self.skipped,
        }
        folder = RESULTS / "quick" if self.args.quick else RESULTS
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{self.name}.json"
        file.write_text(json.dumps(facts, indent=1) + "\n")
        print(f"  {file}")


def options(
    doc: str | None, extra: Callable[[argparse.ArgumentParser], None] | None = None
) -> argparse.Namespace:
    """Parse the command line of a benchmark.

    Args:
        doc: The script's docstring.
        extra: Adds the script's own options.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short; figures are not kept")
    parser.add_argument("--rounds", type=int, help="times that everything is measured in turn")
    parser.add_argument("--threads", type=int, default=_cores(), help="for PyTorch")
    parser.add_argument("--no-peers", action="store_true", help="leave fastai and Lightning out")
    parser.add_argument(
        "--shared",
        type=Path,
        default=Path(os.environ.get("REDSTART_SHARED", HERE.parent.parent / "shared")),
        help="folder with data/ and weights/; REDSTART_SHARED names another",
    )
    if extra is not None:
        extra(parser)
    args = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(args.threads)
    return args


def rounds(args: argparse.Namespace, normal: int, quick: int) -> int:
    """How often to measure: as asked, else as the mode says."""
    return args.rounds or (quick if args.quick else normal)


def alternate(
    tasks: Mapping[str, Callable[[], Any]], n: int, *, keep: bool = False
) -> dict[str, list[Any]]:
    """Measure every task once per round, each round starting with another.

    Args:
        tasks: By name.
        n: Rounds.
        keep: Whether to return what tasks returned rather than how long they took.

    Returns:
        Seconds, or results, of each task, round by round.
    """
    found: dict[str, list[Any]] = {name: [] for name in tasks}
    names = list(tasks)
    for number in range(n):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            if keep:
                found[name].append(tasks[name]())
            else:
                found[name].append(timed(tasks[name]))
    return found


def timed(task: Callable[[], Any]) -> float:
    """Seconds that ``task`` took."""
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def median(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """First and third quartile."""
    if len(values) < 2:
        return values[0], values[0]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def ratio(values: Sequence[float], base: Sequence[float]) -> list[float]:
    """Round by round, so that what slows the machine down for a while slows both."""
    return [a / b for a, b in zip(values, base, strict=True)]


def shared(args: argparse.Namespace, *parts: str) -> Path | None:
    """A file or folder of the shared data; ``None`` if it is not there."""
    path = args.shared.joinpath(*parts)
    return path if path.exists() else None


def photos(folder: Path, n: int = 6) -> Path:
    """Folders of noisy JPEG files of an ordinary size, where there is no real data."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for label in ("a", "b"):
        (folder / label).mkdir(parents=True)
        for i in range(n):
            rough = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
            Image.fromarray(rough).resize((500, 375)).save(folder / label / f"{i}.jpg", quality=90)
    return folder


@contextmanager
def silent() -> Any:
    """Send what is printed nowhere: not a terminal, as in a job on a server."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _machine(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "cpu": _cpu(),
        "cores": _cores(),
        "threads": args.threads,
        "system": f"{platform.system()} {platform.machine()}",
    }


def _machine_line(args: argparse.Namespace) -> str:
    quick = ", quick" if args.quick else ""
    return f"{_cpu()}, {_cores()} cores, {args.threads} threads{quick}"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(li.split(":", 1)[1].strip() for li in lines if li.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, *([_cell(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    text = []
    for number, line in enumerate(lines):
        cells = [f"{line[0]:<{widths[0]}}"]
        cells += [f"{c:>{w}}" for c, w in zip(line[1:], widths[1:], strict=True)]
        text.append("  " + "  ".join(cells))
        if not number:
            text.append("  " + "  ".join("-" * w for w in widths))
    return "\n".join(text)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return " to ".join(_cell(v) for v in value)
    return str(value)
