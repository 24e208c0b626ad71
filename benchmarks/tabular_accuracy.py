"""Tables: the default learner beside boosted trees and fastai, on three real data sets.

Census incomes and bank marketing (`data/adult`, `data/bank_marketing`; `duration` of the
latter is known only after the call, and is left in as published figures have it): five
stratified 80/20 splits, accuracy and ROC AUC on the 20. California housing
(`data/tables/housing`) rebuilt to scikit-learn's columns: 64/16/20, RMSE on the 20 in units of
100,000 dollars; nobody uses the 16. Everything at its defaults, with no other settings than
the number of epochs: 10 for classes and 20 for numbers. Trees: scikit-learn's
`HistGradientBoosting` and LightGBM with the settings of `learn.baseline()`'s two kinds.
"""

from __future__ import annotations

import argparse
import logging
import math
import tempfile
import time
import warnings
from importlib.util import find_spec
from typing import Any

from bench import Benchmark, Target, median, options, shared, silent

EPOCHS = {"classes": 10, "numbers": 20}
"""As `redstart train tabular` has it."""


def classes(args: argparse.Namespace, name: str) -> tuple[Any, str] | None:
    """Frame and target."""
    import pandas as pd

    place = {"adult": ("adult", "adult.data"), "bank": ("bank_marketing", "bank-full.csv")}[name]
    file = shared(args, "data", *place)
    if file is None:
        return None
    target = {"adult": "income", "bank": "y"}[name]
    return pd.read_csv(file, skipinitialspace=True), target


def housing(args: argparse.Namespace) -> Any:
    """California housing in the columns that scikit-learn publishes."""
    import pandas as pd

    file = shared(args, "data", "tables", "housing", "housing.csv")
    if file is None:
        return None
    raw = pd.read_csv(file)
    return pd.DataFrame(
        {
            "MedInc": raw["median_income"],
            "HouseAge": raw["housing_median_age"],
            "AveRooms": raw["total_rooms"] / raw["households"],
            "AveBedrms": raw["total_bedrooms"] / raw["households"],
            "Population": raw["population"].astype(float),
            "AveOccup": raw["population"] / raw["households"],
            "Latitude": raw["latitude"],
            "Longitude": raw["longitude"],
            "price": raw["median_house_value"] / 100_000,
        }
    )


def columns(frame: Any, target: str) -> tuple[list[str], list[str]]:
    """Names of categories and numbers: text is a category."""
    conts = [c for c in frame if c != target and frame[c].dtype.kind in "if"]
    return [c for c in frame if c != target and c not in conts], conts


def ours(
    frame: Any, target: str, valid: list[int], metrics: Any, seed: int, where: str, *, number: bool
) -> Any:
    """A learner trained with default settings, and the seconds it took."""
    from redstart.tabular import TabularDataLoaders, tabular_learner

    start = time.perf_counter()
    cats, conts = columns(frame, target)
    dls = TabularDataLoaders.from_df(
        frame,
        cat_names=cats,
        cont_names=conts,
        y_names=target,
        valid_idx=valid,
        seed=seed,
        device="cpu",
    )
    learn = tabular_learner(dls, metrics=metrics, path=where)
    with silent():
        learn.fit_one_cycle(EPOCHS["numbers" if number else "classes"])
    return learn, time.perf_counter() - start


def fastai(frame: Any, target: str, valid: list[int], seed: int, *, number: bool) -> Any:
    """Predictions of fastai's defaults on the validation rows, and the seconds it took."""
    from fastai.tabular.all import (
        Categorify,
        CategoryBlock,
        FillMissing,
        Normalize,
        RegressionBlock,
        TabularDataLoaders,
        set_seed,
        tabular_learner,
    )

    set_seed(seed)
    start = time.perf_counter()
    cats, conts = columns(frame, target)
    dls = TabularDataLoaders.from_df(
        frame.copy(),
        procs=[Categorify, FillMissing, Normalize],
        cat_names=cats,
        cont_names=conts,
        y_names=target,
        y_block=RegressionBlock() if number else CategoryBlock(),
        valid_idx=valid,
        bs=64,
        device="cpu",
    )
    learn = tabular_learner(dls)
    with silent(), learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(5)
        out, _ = learn.get_preds()
    return out, time.perf_counter() - start


def splits(frame: Any, target: str, seed: int, n: int | None) -> tuple[Any, list[int]]:
    """The frame (or some rows of it) and the fifth of its rows that validates."""
    from sklearn.model_selection import train_test_split

    if n is not None:
        frame = frame.sample(n, random_state=0).reset_index(drop=True)
    rows = list(range(len(frame)))
    _, valid = train_test_split(rows, test_size=0.2, stratify=frame[target], random_state=seed)
    return frame, sorted(valid)


def paired(differences: list[float]) -> tuple[float, float, float]:
    """Mean over splits and its 95% interval (Student's)."""
    from scipy.stats import t

    n = len(differences)
    mean = sum(differences) / n
    if n < 2:
        return mean, math.nan, math.nan
    sd = math.sqrt(sum((d - mean) ** 2 for d in differences) / (n - 1))
    half = float(t.ppf(0.975, n - 1)) * sd / math.sqrt(n)
    return mean, mean - half, mean + half


def classify(report: Benchmark, name: str, where: str) -> None:
    args = report.args
    found = classes(args, name)
    if found is None:
        report.skipped.append(f"no data/{name}")
        return
    frame, target = found
    scores: dict[str, list[dict[str, float]]] = {}
    for seed in range(1 if args.quick else args.splits):
        data, valid = splits(frame, target, seed, 1500 if args.quick else None)
        for who, one in one_split(data, target, valid, seed, where, args).items():
            scores.setdefault(who, []).append(one)
            print(f"  {name} split {seed} {who:<24}", {k: round(v, 4) for k, v in one.items()})
    fill(report, name, scores)


def one_split(
    frame: Any, target: str, valid: list[int], seed: int, where: str, args: Any
) -> dict[str, dict[str, float]]:
    from sklearn.metrics import accuracy_score, roc_auc_score

    learn, seconds = ours(frame, target, valid, ["accuracy", "roc_auc"], seed, where, number=False)
    acts, y = learn.get_preds()
    made = {"redstart": (acts[:, 1].numpy(), seconds)}
    for kind in ("hist", "lightgbm"):
        if kind == "hist" or find_spec("lightgbm"):
            tree = learn.baseline(kind)
            made[kind] = (tree.scored.out.softmax(1)[:, 1].numpy(), tree.seconds)
    if not args.no_peers and find_spec("fastai"):
        out, took = fastai(frame, target, valid, seed, number=False)
        made["fastai"] = (out[:, 1].numpy(), took)
    return {
        who: {
            "accuracy": float(accuracy_score(y, p > 0.5)),
            "auc": float(roc_auc_score(y, p)),
            "seconds": took,
        }
        for who, (p, took) in made.items()
    }


def fill(report: Benchmark, name: str, scores: dict[str, list[dict[str, float]]]) -> None:
    for figure in ("accuracy", "auc"):
        mine = [s[figure] for s in scores["redstart"]]
        means = {}
        for who, runs in scores.items():
            values = [r[figure] for r in runs]
            means[who] = sum(values) / len(values)
            mean, low, high = paired([a - b for a, b in zip(mine, values, strict=True)])
            report.rows.append(
                {
                    "data": name,
                    "figure": figure,
                    "who": who,
                    "mean": means[who],
                    "splits": [round(v, 4) for v in values],
                    "ours less theirs": round(mean, 5),
                    "95% interval": [round(low, 5), round(high, 5)],
                    "seconds": median([r["seconds"] for r in runs]),
                }
            )
        trees = max(v for who, v in means.items() if who in ("hist", "lightgbm"))
        what = f"{name}, {figure}: the better trees' less ours"
        report.targets.append(Target(what, trees - means["redstart"], 0.003))
        if "fastai" in means:
            theirs = [r[figure] for r in scores["fastai"]]
            low = paired([a - b for a, b in zip(mine, theirs, strict=True)])[1]
            what = f"{name}, {figure}: ours less fastai's, lower end of the interval"
            report.targets.append(Target(what, low, 0.0, at_least=True))


def regress(report: Benchmark, where: str) -> None:
    args = report.args
    frame = housing(args)
    if frame is None:
        report.skipped.append("no data/tables/housing")
        return
    import numpy as np
    from sklearn.model_selection import train_test_split

    from redstart.metrics.make import by_name
    from redstart.metrics.paired import measured, paired_difference

    if args.quick:
        frame = frame.sample(1500, random_state=0).reset_index(drop=True)
    ratios: dict[str, list[float]] = {}
    for seed in range(1 if args.quick else args.splits):
        rows = np.arange(len(frame))
        rest, test = train_test_split(rows, test_size=0.2, random_state=seed)
        train, _ = train_test_split(rest, test_size=0.2, random_state=seed)
        data = frame.iloc[[*train, *test]].reset_index(drop=True)
        held = list(range(len(train), len(data)))
        learn, seconds = ours(data, "price", held, ["rmse"], seed, where, number=True)
        acts, y = learn.get_preds()
        outs = {"redstart": (acts, seconds)}
        for kind in ("hist", "lightgbm"):
            if kind == "hist" or find_spec("lightgbm"):
                tree = learn.baseline(kind)
                outs[kind] = (tree.scored.out, tree.seconds)
        if not args.no_peers and find_spec("fastai"):
            outs["fastai"] = fastai(data, "price", held, seed, number=True)
        mine = measured(by_name("rmse"), acts, y)
        for who, (out, took) in outs.items():
            metric = by_name("rmse")
            value = measured(metric, out, y)
            interval = metric.interval()
            difference, between = paired_difference(by_name("rmse"), acts, out, y)
            ratios.setdefault(who, []).append(mine / value)
            print(f"  housing split {seed} {who:<12} {value:.4f}")
            report.rows.append(
                {
                    "data": f"housing, split {seed}",
                    "figure": "rmse",
                    "who": who,
                    "mean": value,
                    "interval": None if interval is None else [round(v, 4) for v in interval],
                    "ours less theirs": round(difference, 5),
                    "95% interval": None if between is None else [round(v, 5) for v in between],
                    "seconds": took,
                }
            )
    if "lightgbm" in ratios:
        mean = sum(ratios["lightgbm"]) / len(ratios["lightgbm"])
        what = "housing: our RMSE over LightGBM's, mean over splits"
        report.targets.append(Target(what, mean, 1.03, unit="x"))


def main() -> None:
    def extra(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--splits", type=int, default=5)
        parser.add_argument("--only", choices=["adult", "bank", "housing"], help="one data set")

    args = options(__doc__, extra)
    import torch

    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    report = Benchmark("tabular_accuracy", args)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("adult", "bank"):
            if args.only in (None, name):
                classify(report, name, folder)
        if args.only in (None, "housing"):
            regress(report, folder)
    report.notes += [
        "Ours: tabular_learner(dls), fit_one_cycle(10), of housing 20; fastai: fit_one_cycle(5).",
        "Differences are ours less theirs over the same splits (Student's interval over splits),",
        "or over the rows of one split (housing). Seconds include making loaders.",
    ]
    report.finish()


if __name__ == "__main__":
    main()
