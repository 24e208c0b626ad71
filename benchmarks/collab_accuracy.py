"""Ratings: RMSE over MovieLens-100k's five folds, ranking, and users folded in.

`data/ml-100k`. Ratings: the five official folds, the course's model and `arch="svd++"` at
their documented settings, and biases and neighbours beside them. Ranking: every user's last
rating is held out; NDCG@10 over the whole catalogue of the default for events (`fit_als`),
with and without heeding what a user did last, in pairs against popularity and item
neighbours. New users: 200 users are left out of training but for 10 of their ratings, once
trained with and once folded in; NDCG@10 over all their other ratings.
"""

from __future__ import annotations

import argparse
import logging
import math
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from bench import Benchmark, Target, options, shared, silent

NAMES = ["user", "movie", "rating", "time"]
Y_RANGE = (0.5, 5.5)
SVD = "svd++, default settings"


def read(file: Path) -> Any:
    import pandas as pd

    return pd.read_csv(file, sep="\t", names=NAMES)


def fold(folder: Path, number: int, bs: int) -> Any:
    """Loaders of an official fold."""
    import pandas as pd

    from redstart.collab import CollabDataLoaders, IndexSplitter

    base, test = (read(folder / f"u{number}.{part}") for part in ("base", "test"))
    frame = pd.concat([base, test], ignore_index=True)
    valid = range(len(base), len(frame))
    return CollabDataLoaders.from_df(
        frame,
        rating_name="rating",
        splitter=IndexSplitter(valid),
        bs=bs,
        val_bs=4096,
        device="cpu",
    )


def rate(report: Benchmark, folder: Path, where: str) -> None:
    from redstart.collab import RatingBiases, RatingNeighbours, collab_learner
    from redstart.metrics.make import by_name

    quick = report.args.quick
    ways: dict[str, tuple[int, dict[str, Any], tuple[Any, ...], dict[str, Any]]] = {
        "dot product and biases, the course's settings": (
            64,
            {"n_factors": 50, "y_range": Y_RANGE},
            (1 if quick else 5, 5e-3),
            {"wd": 0.1},
        ),
        SVD: (2048, {"arch": "svd++"}, (1 if quick else 20,), {}),
    }
    values: dict[str, list[float]] = {}
    for number in range(1, 2 if quick else 6):
        what = f"RMSE, u{number}"
        for name, (bs, given, fit, more) in ways.items():
            dls = fold(folder, number, bs)
            learn = collab_learner(dls, metrics="rmse", path=where, **given)
            start = time.perf_counter()
            with silent():
                learn.fit_one_cycle(*fit, **more)
            seconds = time.perf_counter() - start
            value, interval = learn.recorder.rows[-1]["rmse"], learn.recorder.intervals["rmse"]
            values.setdefault(name, []).append(value)
            row(report, what, name, value, interval, seconds)
        data = learn.dls.valid.dataset
        x, y = data.encoded()[0].numpy(), data.labels[0]
        for name, kind in {"biases": RatingBiases, "item neighbours": RatingNeighbours}.items():
            guess = torch_of(kind(learn.model.seen).predict(x[:, 0], x[:, 1])).clamp(1, 5)
            metric = by_name("rmse")
            metric.update(guess, y)
            values.setdefault(name, []).append(metric.compute())
            row(report, what, name, metric.compute(), metric.interval(), None)
    for name, found in values.items():
        row(report, "RMSE, mean", name, sum(found) / len(found), None, None)
    best = values[SVD]
    report.targets.append(Target("svd++: mean RMSE over u1 to u5", sum(best) / len(best), 0.910))
    report.targets.append(Target("svd++: RMSE on u1", best[0], 0.920))


def torch_of(values: Any) -> Any:
    """A column of float32."""
    import torch

    return torch.from_numpy(values.astype("float32"))[:, None]


def rank_all(report: Benchmark, folder: Path, where: str) -> None:
    """Every user's last rating held out; with and without times."""
    from redstart.collab import CollabDataLoaders, LastOutSplitter, collab_learner

    frame = read(folder / "u.data")
    for seed in range(1 if report.args.quick else 3):
        for timed in (False, True):
            dls = CollabDataLoaders.from_df(
                frame,
                implicit=True,
                splitter=LastOutSplitter("user", "time"),
                seed=seed,
                device="cpu",
                **({"timestamp_name": "time"} if timed else {}),
            )
            learn = collab_learner(dls, n_factors=64, path=where)
            start = time.perf_counter()
            with silent():
                learn.fit_als(1 if report.args.quick else 10)
            seconds = time.perf_counter() - start
            compared = learn.rankings()
            how = f"seed {seed}, {'latest first' if timed else 'without times'}"
            for name, *figures in compared.rows:
                who = "ALS" if name == compared.rows[0][0] else name
                report.rows.append(
                    {
                        "what": f"last of 943 users, {how}",
                        "who": who,
                        "NDCG@10": figures[0],
                        "recall@10": figures[1],
                        "coverage@10": figures[-1],
                        "seconds": seconds if who == "ALS" else None,
                    }
                )
            names = [name for name, *_ in compared.rows[1:]]
            for name, difference in zip(names, compared.differences, strict=True):
                low, high = difference.interval
                report.rows.append(
                    {
                        "what": f"ALS less {name}, {how}",
                        "value": difference.value,
                        "95% interval": [round(low, 4), round(high, 4)],
                    }
                )
                print(f"  {how}: ALS less {name}: {difference.value:.4f} [{low:.4f}, {high:.4f}]")
                what = f"NDCG@10 of ALS less {name}, {how}: lower end"
                report.targets.append(Target(what, low, 0.0, at_least=True))


def newcomers(report: Benchmark, folder: Path, where: str) -> None:
    """New users: trained with ten of their ratings, and folded in from the same ten."""
    import numpy as np

    frame = read(folder / "u.data")
    ratios: list[float] = []
    n_users = 20 if report.args.quick else 200
    for seed in range(1 if report.args.quick else 5):
        rng = np.random.default_rng(seed)
        counts = frame.groupby("user").size()
        new = rng.choice(counts.index[counts >= 30], n_users, replace=False)
        theirs = frame[frame["user"].isin(new)]
        kept = theirs.groupby("user").sample(10, random_state=seed)
        held = theirs.drop(kept.index).groupby("user")["movie"].apply(set)
        others = frame[~frame["user"].isin(new)]
        trained = als(np.concatenate([others, kept]), where)
        apart = als(others.to_numpy(), where)
        items = trained.dls.classes["movie"]
        places, _ = trained.recommend_all(10, users=list(new))
        with_them = [
            ndcg([items[p] for p in row], held[u]) for u, row in zip(new, places, strict=True)
        ]
        known = kept[kept["movie"].isin(set(apart.dls.classes["movie"]))]
        mine = known.groupby("user")["movie"].apply(list)
        recommender = apart.recommender
        names = apart.dls.classes["movie"]
        folded = []
        for user in new:
            found = recommender.recommend(ratings=mine[user], k=10)
            folded.append(ndcg([names[p] for p in found.positions], held[user]))
        ratios.append(sum(folded) / sum(with_them))
        print(f"  new users, seed {seed}: {np.mean(with_them):.4f} {np.mean(folded):.4f}")
        report.rows.append(
            {
                "what": f"{n_users} new users, seed {seed}: NDCG@10 trained with, folded in",
                "value": float(np.mean(with_them)),
                "folded in": float(np.mean(folded)),
            }
        )
    what = "NDCG@10 of new users folded in from 10 ratings over training with them"
    report.targets.append(Target(what, sum(ratios) / len(ratios), 0.95, at_least=True, unit="x"))


def als(rows: Any, where: str) -> Any:
    """A learner trained on all rows given but a few."""
    import pandas as pd

    from redstart.collab import CollabDataLoaders, collab_learner

    frame = pd.DataFrame(rows, columns=NAMES)[NAMES[:2]]
    # A learner wants rows to measure by: ten or so.
    dls = CollabDataLoaders.from_df(frame, 1e-4, implicit=True, device="cpu")
    learn = collab_learner(dls, n_factors=64, path=where)
    with silent():
        learn.fit_als()
    return learn


def ndcg(listed: list[Any], held: set[Any]) -> float:
    """NDCG@10 of a list against the items that were held back."""
    gains = [1 / math.log2(place + 2) for place in range(10)]
    found = sum(gain for gain, item in zip(gains, listed, strict=False) if item in held)
    return found / sum(gains[: min(10, len(held))])


def row(
    report: Benchmark, what: str, who: str, value: float, interval: Any, seconds: float | None
) -> None:
    print(f"  {what:<14} {who:<48} {value:.4f}")
    between = None if interval is None else [round(float(v), 4) for v in interval]
    report.rows.append(
        {"what": what, "who": who, "value": value, "95% interval": between, "seconds": seconds}
    )


def main() -> None:
    def extra(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--only", choices=["rate", "rank", "new"], help="one part")

    args = options(__doc__, extra)
    import torch

    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    report = Benchmark("collab_accuracy", args)
    folder = shared(args, "data", "ml-100k")
    if folder is None:
        report.skipped.append("no data/ml-100k")
        report.finish()
        return
    with tempfile.TemporaryDirectory() as where:
        if args.only in (None, "rate"):
            rate(report, folder, where)
        if args.only in (None, "rank"):
            rank_all(report, folder, where)
        if args.only in (None, "new"):
            newcomers(report, folder, where)
    report.finish()


if __name__ == "__main__":
    main()
