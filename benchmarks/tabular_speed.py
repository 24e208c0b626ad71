"""Tables: epochs against fastai's, preparing a million rows, and the memory of an epoch.

The same table (the census rows of `data/adult`, or made-up ones of its shape), columns,
model (the course's embedding MLP, layers 200 and 100) and batch size for both libraries, in
one process, in turn: one `fit` of some epochs each, training and validation. Making loaders
and learner is not timed. Preparing 1,000,000 rows of 20 columns is timed against the bare
pandas and NumPy operations that it needs; memory is that of a process of its own.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench import (
    Benchmark,
    Target,
    alternate,
    median,
    options,
    quartiles,
    ratio,
    rounds,
    shared,
    silent,
)

LAYERS, LR = [200, 100], 1e-2
CATS, CONTS = 10, 10


def census(args: argparse.Namespace) -> tuple[Any, list[str], list[str], str]:
    """Frame, categories, numbers and target of the census rows, or made-up ones."""
    import numpy as np
    import pandas as pd

    file = shared(args, "data", "adult", "adult.data")
    if file is None:
        rng = np.random.default_rng(0)
        n = 30_000
        cats = {f"c{i}": rng.integers(0, k, n).astype(str) for i, k in enumerate((7, 16, 14, 40))}
        nums = {f"x{i}": rng.normal(size=n) for i in range(6)}
        y = (nums["x0"] + (cats["c0"] == "1") + rng.normal(size=n) > 1).astype(int)
        frame = pd.DataFrame({**cats, **nums, "y": np.where(y, "yes", "no")})
        return frame, list(cats), list(nums), "y"
    frame = pd.read_csv(file, skipinitialspace=True)
    target = "income"
    conts = [c for c in frame if frame[c].dtype.kind in "if"]
    cats = [c for c in frame if c not in conts and c != target]
    return frame, cats, conts, target


def wide(n: int) -> tuple[Any, list[str], list[str], str]:
    """A made-up table of 20 columns: half names and whole numbers, half floats with gaps."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(1)
    columns: dict[str, Any] = {}
    for i in range(CATS):
        codes = rng.integers(0, 10 * (i + 1), n)
        columns[f"c{i}"] = np.char.add("v", codes.astype(str)).astype(object) if i % 2 else codes
    for i in range(CONTS):
        values = rng.normal(10 * i, 1 + i, n)
        if i % 2:
            values[rng.random(n) < 0.05] = np.nan
        columns[f"x{i}"] = values
    frame = pd.DataFrame(columns)
    score = frame["x0"] - frame["x0"].mean() + (frame["c0"] > 4) + rng.normal(size=n)
    frame["y"] = np.where(score > 0.5, "yes", "no")
    return frame, [f"c{i}" for i in range(CATS)], [f"x{i}" for i in range(CONTS)], "y"


def held_out(n: int) -> list[int]:
    """Every fifth row."""
    return list(range(0, n, 5))


def redstart(data: Any, bs: int, **options: Any) -> Any:
    from redstart.tabular import TabularDataLoaders, tabular_learner

    frame, cats, conts, target = data
    dls = TabularDataLoaders.from_df(
        frame,
        cat_names=cats,
        cont_names=conts,
        y_names=target,
        valid_idx=held_out(len(frame)),
        bs=bs,
        val_bs=bs,
        device="cpu",
    )
    return tabular_learner(dls, LAYERS, arch="mlp", metrics="accuracy", **options)


def fastai(data: Any, bs: int) -> Any:
    from fastai.tabular.all import (
        Categorify,
        FillMissing,
        Normalize,
        TabularDataLoaders,
        accuracy,
        tabular_learner,
    )

    frame, cats, conts, target = data
    dls = TabularDataLoaders.from_df(
        frame.copy(),
        procs=[Categorify, FillMissing, Normalize],
        cat_names=list(cats),
        cont_names=list(conts),
        y_names=target,
        valid_idx=held_out(len(frame)),
        bs=bs,
        val_bs=bs,
        device="cpu",
    )
    return tabular_learner(dls, layers=LAYERS, metrics=accuracy)


def epochs(report: Benchmark, data: Any, bs: int, limit: float, folder: str) -> None:
    """One batch size: seconds per epoch of both, and what both reach."""
    args = report.args
    made = {"redstart": lambda: redstart(data, bs, path=folder, precision="float32")}
    if not args.no_peers and find_spec("fastai"):
        made["fastai"] = lambda: fastai(data, bs)
    else:
        report.skipped.append("fastai is left out or not installed")

    def one(make: Any) -> Any:
        def run() -> tuple[float, float]:
            with silent():
                learn = make()
                start = time.perf_counter()
                learn.fit(n, LR)
                took = (time.perf_counter() - start) / n
            values = learn.recorder.values[-1]
            return took, float(values[2])

        return run

    n = 1 if args.quick else 2 if bs < 1000 else 5
    tasks = {name: one(make) for name, make in made.items()}
    for task in tasks.values() if not args.quick else ():
        task()
    found = alternate(tasks, rounds(args, 7, 1), keep=True)
    seconds = {name: [f[0] for f in runs] for name, runs in found.items()}
    for name, runs in found.items():
        times = ratio(seconds[name], seconds["redstart"])
        report.rows.append(
            {
                "what": f"epoch, batch {bs}",
                "who": name,
                "seconds": median(seconds[name]),
                "ratio": median(times),
                "quartiles": [round(q, 2) for q in quartiles(times)],
                "accuracy": median([f[1] for f in runs]),
                "accuracies": [min(f[1] for f in runs), max(f[1] for f in runs)],
            }
        )
    if "fastai" in seconds:
        value = median(ratio(seconds["fastai"], seconds["redstart"]))
        report.targets.append(
            Target(f"fastai's epoch at batch {bs} over ours", value, limit, True, "x")
        )


def bare(data: Any) -> Any:
    """What preparing a table cannot do without: codes, medians, means, scales, two arrays."""
    import numpy as np
    import pandas as pd

    frame, cats, conts, target = data
    train = np.ones(len(frame), bool)
    train[held_out(len(frame))] = False
    codes = np.empty((len(frame), len(cats)), np.int64)
    for i, name in enumerate(cats):
        vocab = np.sort(frame[name][train].unique())
        codes[:, i] = pd.Categorical(frame[name], categories=vocab).codes
    numbers = np.empty((len(frame), len(conts)), np.float32)
    for i, name in enumerate(conts):
        values = frame[name].fillna(frame[name][train].median())
        numbers[:, i] = (values - values[train].mean()) / values[train].std()
    y = pd.Categorical(frame[target]).codes.astype(np.int64)
    return codes, numbers, y


def prepare(report: Benchmark, n: int) -> None:
    data = wide(n)
    frame, cats, conts, target = data

    def ours() -> None:
        from redstart.tabular import TabularDataLoaders

        TabularDataLoaders.from_df(
            frame,
            cat_names=cats,
            cont_names=conts,
            y_names=target,
            valid_idx=held_out(n),
            bs=4096,
            device="cpu",
        )

    found = alternate({"redstart": ours, "bare": lambda: bare(data)}, rounds(report.args, 5, 1))
    times = ratio(found["redstart"], found["bare"])
    for name, seconds in found.items():
        report.rows.append(
            {
                "what": f"prepare {n:,} x {CATS + CONTS}",
                "who": name,
                "seconds": median(seconds),
                "ratio": median(ratio(seconds, found["bare"])),
            }
        )
    report.targets.append(
        Target("preparing a table against bare pandas and NumPy", median(times), 3.0, unit="x")
    )


def memory(report: Benchmark, n: int) -> None:
    """What loaders and an epoch add to a process that has the table and has trained before."""
    done = subprocess.run(
        [sys.executable, __file__, "--memory", "--rows", str(n)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    table = found["table"]
    what = f"{n:,} x {CATS + CONTS}"
    for name in ("table", "loaders, at the peak", "loaders", "epoch, at the peak", "epoch"):
        report.rows.append({"what": f"{what}: {name}", "MB": found[name] / 1e6})
    report.rows.append({"what": "epoch, batch 4,096", "seconds": found["seconds"]})
    for name in ("epoch", "epoch, at the peak"):
        what = f"memory grown, {name}, loaders included, in tables"
        report.targets.append(Target(what, found[name] / table, 1.0, unit="x"))


def one_process(n: int) -> None:
    """What ``memory`` runs: prints a line of JSON. Linux only, which can forget a peak."""
    redstart(wide(2000), 256).fit(1, LR)  # loads everything that is loaded once
    data = wide(n)
    found: dict[str, float] = {"table": int(data[0].memory_usage(index=False).sum())}
    before = _rss("VmRSS")
    _forget_the_peak()
    learn = redstart(data, 4096)
    found["loaders, at the peak"] = _rss("VmHWM") - before
    found["loaders"] = _rss("VmRSS") - before
    _forget_the_peak()
    start = time.perf_counter()
    learn.fit(1, LR)
    found["seconds"] = time.perf_counter() - start
    found["epoch, at the peak"] = _rss("VmHWM") - before
    found["epoch"] = _rss("VmRSS") - before
    print(json.dumps(found))


def _forget_the_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _rss(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def main() -> None:
    def extra(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
        parser.add_argument("--rows", type=int, help="of the large table")

    args = options(__doc__, extra)
    import torch

    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    n = args.rows or (20_000 if args.quick else 1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        if args.memory:
            os.chdir(folder)
            one_process(n)
            return
        report = Benchmark("tabular_speed", args)
        data = census(args)
        for bs, limit in ((64, 4.0), (1024, 2.5)):
            epochs(report, data, bs, limit, folder)
    prepare(report, n)
    memory(report, n)
    report.notes += [
        f"{len(data[0]):,} rows, {len(data[1])} categories, {len(data[2])} numbers.",
        f"Layers {LAYERS}; an epoch is training and validation.",
        "Ratios are medians over rounds, each within a round.",
        "A fit is 2 epochs, of large batches 5.",
        "The table's size is that of its NumPy columns; text cells count as pointers.",
    ]
    report.finish()


if __name__ == "__main__":
    main()
