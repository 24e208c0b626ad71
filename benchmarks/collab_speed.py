"""Ratings: an epoch at batch 64 against fastai's and a bare loop, and memory of ten million.

MovieLens-100k (`data/ml-100k`, the first official fold) or made-up ratings of its size, the
same model (dot product and biases, 50 factors), learning rate and weight decay, in one
process, in turn. An epoch is training and validation. Making loaders and learner is not timed.
The large set is trained in a process of its own, whose peak of memory is reported.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from importlib.util import find_spec
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

FACTORS, LR, WD, Y_RANGE = 50, 5e-3, 0.1, (0.5, 5.5)
NAMES = ["user", "movie", "rating"]


def ratings(args: argparse.Namespace) -> tuple[Any, list[int]]:
    """Ratings, and the rows that validate."""
    import pandas as pd

    folder = shared(args, "data", "ml-100k")
    if folder is None:
        frame = made_up(100_000, 943, 1682)
        return frame, list(range(0, len(frame), 5))
    parts = [
        pd.read_csv(folder / f"u1.{part}", sep="\t", names=[*NAMES, "time"])[NAMES]
        for part in ("base", "test")
    ]
    frame = pd.concat(parts, ignore_index=True)
    return frame, list(range(len(parts[0]), len(frame)))


def made_up(n: int, users: int, items: int) -> Any:
    """Ratings in which users and items differ, more of some items than of others."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    user = rng.integers(0, users, n, dtype=np.int32)
    item = (items * rng.random(n, dtype=np.float32) ** 2).astype(np.int32)
    taste = rng.normal(0, 0.5, users)[user] + rng.normal(0, 0.5, items)[item]
    rating = np.clip(np.rint(3.5 + taste + rng.normal(0, 0.7, n)), 1, 5).astype(np.float32)
    return pd.DataFrame({"user": user, "movie": item, "rating": rating})


def redstart(data: Any, bs: int, folder: str) -> Any:
    from redstart.collab import CollabDataLoaders, IndexSplitter, collab_learner

    frame, valid = data
    dls = CollabDataLoaders.from_df(
        frame, splitter=IndexSplitter(valid), bs=bs, val_bs=bs, device="cpu"
    )
    return collab_learner(
        dls, FACTORS, y_range=Y_RANGE, metrics="rmse", path=folder, precision="float32"
    )


def fastai(data: Any, bs: int) -> Any:
    from fastai.collab import CollabDataLoaders, TabularCollab, collab_learner
    from fastai.data.transforms import IndexSplitter
    from fastai.metrics import rmse
    from fastai.tabular.all import Categorify, RegressionBlock

    frame, valid = data
    user, item, rating = NAMES
    to = TabularCollab(
        frame.copy(),
        [Categorify],
        [user, item],
        y_names=[rating],
        y_block=RegressionBlock(),
        splits=IndexSplitter(valid)(range(len(frame))),
    )
    # What its factory does, which can only split at random.
    dls = CollabDataLoaders(*(to.dataloaders(bs=bs, val_bs=bs, device="cpu").loaders))
    return collab_learner(dls, n_factors=FACTORS, y_range=Y_RANGE, metrics=rmse)


def bare(data: Any, bs: int) -> Any:
    """What a careful person writes by hand, with slices of one permutation."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    frame, valid = data
    codes = [
        torch.from_numpy(frame[n].astype("category").cat.codes.to_numpy("int64")) for n in NAMES[:2]
    ]
    x = torch.stack(codes, 1)
    y = torch.from_numpy(frame[NAMES[2]].to_numpy("float32"))
    held = torch.zeros(len(y), dtype=torch.bool)
    held[valid] = True
    xt, yt, xv, yv = x[~held], y[~held], x[held], y[held]
    sizes = [int(c.max()) + 1 for c in codes]
    low, high = Y_RANGE

    class Dot(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.u, self.i = (nn.Embedding(n, FACTORS) for n in sizes)
            self.ub, self.ib = (nn.Embedding(n, 1) for n in sizes)
            for e in self.children():
                nn.init.trunc_normal_(e.weight, std=0.01)

        def forward(self, x: Any) -> Any:
            u, i = x[:, 0], x[:, 1]
            dot = (self.u(u) * self.i(i)).sum(1) + self.ub(u).squeeze(1) + self.ib(i).squeeze(1)
            return torch.sigmoid(dot) * (high - low) + low

    torch.manual_seed(0)
    model = Dot()
    opt = torch.optim.Adam(model.parameters(), lr=LR, betas=(0.9, 0.99), eps=1e-5)

    class Loop:
        def fit(self, n: int, lr: float, wd: float) -> None:
            for _ in range(n):
                order = torch.randperm(len(yt))
                for start in range(0, len(yt), bs):
                    rows = order[start : start + bs]
                    loss = F.mse_loss(model(xt[rows]), yt[rows])
                    loss.backward()
                    opt.step()
                    opt.zero_grad()
                with torch.no_grad():
                    error = 0.0
                    for start in range(0, len(yv), bs):
                        out = model(xv[start : start + bs])
                        error += (out - yv[start : start + bs]).square().sum().item()
            self.rmse = (error / len(yv)) ** 0.5

    return Loop()


def epochs(report: Benchmark, data: Any, folder: str) -> None:
    made = {
        "redstart": lambda: redstart(data, 64, folder),
        "bare loop, torch's default Adam, no weight decay": lambda: bare(data, 64),
    }
    if not report.args.no_peers and find_spec("fastai"):
        made["fastai"] = lambda: fastai(data, 64)
    else:
        report.skipped.append("fastai is left out or not installed")

    n = 1 if report.args.quick else 2

    def one(make: Any) -> Any:
        def run() -> tuple[float, float]:
            with silent():
                learn = make()
                start = time.perf_counter()
                learn.fit(n, LR, wd=WD)
                took = (time.perf_counter() - start) / n
            rmse = learn.rmse if hasattr(learn, "rmse") else learn.recorder.values[-1][2]
            return took, float(rmse)

        return run

    tasks = {name: one(make) for name, make in made.items()}
    for task in tasks.values() if not report.args.quick else ():
        task()
    found = alternate(tasks, rounds(report.args, 7, 1), keep=True)
    seconds = {name: [f[0] for f in runs] for name, runs in found.items()}
    for name, runs in found.items():
        times = ratio(seconds[name], seconds["redstart"])
        report.rows.append(
            {
                "what": "epoch, batch 64",
                "who": name,
                "seconds": median(seconds[name]),
                "ratio": median(times),
                "quartiles": [round(q, 2) for q in quartiles(times)],
                "rmse": median([f[1] for f in runs]),
            }
        )
    if "fastai" in seconds:
        value = median(ratio(seconds["fastai"], seconds["redstart"]))
        report.targets.append(Target("fastai's epoch at batch 64 over ours", value, 5, True, "x"))


def memory(report: Benchmark, n: int) -> None:
    done = subprocess.run(
        [sys.executable, __file__, "--large", "--ratings", str(n)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    what = f"{n:,} ratings, {found['users']:,} users, {found['items']:,} items"
    for name in ("imports", "frame", "loaders", "epoch"):
        report.rows.append({"what": what, "who": f"peak after {name}", "GB": found[name]})
    report.rows.append({"what": what, "who": "epoch, batch 16,384", "seconds": found["seconds"]})
    report.targets.append(
        Target(f"peak of an epoch of {n:,} ratings", found["epoch"], 2.5, unit="GB")
    )


def large(n: int) -> None:
    """What ``memory`` runs: prints a line of JSON."""
    from redstart.collab import CollabDataLoaders, collab_learner

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6

    users, items = max(100, n // 50), max(50, n // 500)
    found = {"users": users, "items": items, "imports": peak()}
    frame = made_up(n, users, items)
    found["frame"] = peak()
    dls = CollabDataLoaders.from_df(frame, bs=16_384, val_bs=65_536, device="cpu")
    found["loaders"] = peak()
    learn = collab_learner(dls, FACTORS, y_range=Y_RANGE, metrics="rmse")
    start = time.perf_counter()
    learn.fit(1, LR, wd=0.01)
    found["seconds"], found["epoch"] = time.perf_counter() - start, peak()
    print(json.dumps(found))


def main() -> None:
    def extra(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--large", action="store_true", help=argparse.SUPPRESS)
        parser.add_argument("--ratings", type=int, help="in the large set")

    args = options(__doc__, extra)
    import torch

    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    n = args.ratings or (100_000 if args.quick else 10_000_000)
    with tempfile.TemporaryDirectory() as folder:
        if args.large:
            os.chdir(folder)
            large(n)
            return
        report = Benchmark("collab_speed", args)
        epochs(report, ratings(args), folder)
    memory(report, n)
    report.notes += [
        f"{FACTORS} factors, rate {LR}, weight decay {WD}; an epoch is training and validation.",
        "Ratios are medians over rounds, each within a round.",
    ]
    report.finish()


if __name__ == "__main__":
    main()
