"""Calibration, sets, intervals and abstaining on rows that had no part in them.

Census incomes and bank marketing (`data/adult`, `data/bank_marketing`), the 1,797 digits of
scikit-learn as a table of pixels, and California housing (`data/tables/housing`). A default
learner is trained on 60% of the rows. The others are parted at random many times: temperature,
sets, intervals and thresholds are fitted on 1,000 of them (of the digits: on half), and
measured on the rest.

Beside the sets that are used (LAC: the labels that are likely enough) stand those of APS
(Romano et al., 2020: the likeliest labels up to a sum), and beside the intervals by size of the
prediction those of one width for all.
"""

from __future__ import annotations

import argparse
import tempfile
from typing import Any

import numpy as np
from bench import Benchmark, Target, options, shared, silent

COVERAGES = (0.8, 0.9, 0.95)
ERRORS = (0.02, 0.05, 0.1)
TABLES = {
    "adult": (("adult", "adult.data"), "income"),
    "bank": (("bank_marketing", "bank-full.csv"), "y"),
    "housing": (("tables", "housing", "housing.csv"), "median_house_value"),
}


def frame_of(args: argparse.Namespace, name: str) -> tuple[Any, str] | None:
    """Table and target."""
    import pandas as pd

    if name == "digits":
        from sklearn.datasets import load_digits

        found = load_digits(as_frame=True).frame
        found["target"] = "d" + found["target"].astype(str)
        return found, "target"
    place, target = TABLES[name]
    file = shared(args, "data", *place)
    if file is None:
        return None
    found = pd.read_csv(file, skipinitialspace=True)
    return found.dropna().reset_index(drop=True), target


def predicted(frame: Any, target: str, seed: int, epochs: int) -> tuple[Any, Any, Any]:
    """Activations and encoded targets of the 40% that the model did not train on."""
    from redstart.tabular import TabularDataLoaders, tabular_learner

    conts = [c for c in frame if c != target and frame[c].dtype.kind in "if"]
    cats = [c for c in frame if c != target and c not in conts]
    held = np.random.default_rng(seed).permutation(len(frame))[: int(0.4 * len(frame))]
    dls = TabularDataLoaders.from_df(
        frame,
        cat_names=cats,
        cont_names=conts,
        y_names=target,
        valid_idx=sorted(held.tolist()),
        seed=seed,
        device="cpu",
    )
    with tempfile.TemporaryDirectory() as where, silent():
        learn = tabular_learner(dls, path=where)
        learn.fit_one_cycle(epochs)
        acts, y = learn.get_preds()
    return acts, y, learn.dls.target


def parts(n: int, rounds: int) -> Any:
    """Rows to fit on and rows to measure on."""
    rng, cut = np.random.default_rng(0), min(1000, n // 2)
    for _ in range(rounds):
        order = rng.permutation(n)
        yield order[:cut], order[cut:]


def warmth(p: Any, y: Any) -> float:
    """The temperature that `learn.calibrate()` takes: 1 where no other surely does better."""
    from redstart.evaluate.temperature import cross_fitted, fit_temperature, helps

    return fit_temperature(p, y) if helps(p, cross_fitted(p, y), y) else 1.0


def labels(p: Any, y: Any, rounds: int) -> dict[str, Any]:
    """Calibration before and after, sets, and abstaining."""
    from redstart.evaluate.abstain import Selection
    from redstart.evaluate.calibration import calibration
    from redstart.evaluate.conformal import label_scores
    from redstart.evaluate.temperature import tempered

    kept: dict[str, list[float]] = {}

    def keep(name: str, value: float) -> None:
        kept.setdefault(name, []).append(float(value))

    for fit, new in parts(len(p), rounds):
        warm = warmth(p[fit], y[fit])
        cool = tempered(p, warm, several=False)
        keep("temperature", warm)
        for when, said in (("before", p), ("after", cool)):
            found = calibration(said[new], y[new])
            keep(f"ece {when}", found.ece)
            keep(f"log loss {when}", found.log_loss)
        scores = label_scores(cool[fit], y[fit])
        best, confidence = cool.argmax(1), cool.max(1)
        for coverage in COVERAGES:
            inside = -cool[new] <= scores.limit(coverage)
            inside[np.arange(len(new)), best[new]] = True
            keep(f"held {coverage}", inside[np.arange(len(new)), y[new]].mean())
            keep(f"size {coverage}", inside.sum(1).mean())
            other = aps(cool[fit], y[fit], cool[new], coverage)
            keep(f"aps held {coverage}", other[np.arange(len(new)), y[new]].mean())
            keep(f"aps size {coverage}", other.sum(1).mean())
        selection = Selection.of(confidence[fit], best[fit] != y[fit])
        for error in ERRORS:
            answered, wrong = answers(selection, error, confidence[new], best[new] != y[new])
            keep(f"answered {error}", answered)
            keep(f"broken {error}", wrong > error)
            if answered:
                keep(f"wrong {error}", wrong)
    return {name: round(float(np.mean(values)), 4) for name, values in kept.items()}


def aps(p_fit: Any, y_fit: Any, p: Any, coverage: float) -> Any:
    """Sets of the likeliest labels whose probabilities sum up to the limit, without chance."""

    def sums(values: Any) -> Any:
        order = np.argsort(-values, axis=1)
        total = np.take_along_axis(values, order, 1).cumsum(1)
        found = np.empty_like(total)
        np.put_along_axis(found, order, total, 1)
        return found

    scores = np.sort(sums(p_fit)[np.arange(len(y_fit)), y_fit])
    rank = min(len(scores), int(np.ceil((len(scores) + 1) * coverage)))
    inside = sums(p) <= scores[rank - 1]
    inside[np.arange(len(p)), p.argmax(1)] = True
    return inside


def answers(selection: Any, error: float, confidence: Any, wrong: Any) -> tuple[float, float]:
    """Share answered, and wrong among these."""
    from redstart.errors import ConfigError

    try:
        given = confidence >= selection.choose(error).threshold
    except ConfigError:
        return 0.0, 0.0
    return float(given.mean()), float(wrong[given].mean()) if given.any() else 0.0


def numbers(said: Any, true: Any, rounds: int) -> dict[str, Any]:
    """Coverage and width of intervals, on the whole and where it is worst."""
    from redstart.evaluate.conformal import value_scores

    kept: dict[str, list[float]] = {}
    for fit, new in parts(len(said), rounds):
        fifth = np.searchsorted(np.quantile(said[new], [0.2, 0.4, 0.6, 0.8]), said[new])
        for kind, parted in (("", True), ("one width ", False)):
            scores = value_scores(said[fit], true[fit], parted=parted)
            for coverage in COVERAGES:
                reach = scores.reach(said[new], coverage)
                held = np.abs(true[new] - said[new]) <= reach
                worst = min(held[fifth == i].mean() for i in range(5))
                for name, value in (
                    ("held", held.mean()),
                    ("worst fifth", worst),
                    ("width", 2 * reach.mean()),
                ):
                    kept.setdefault(f"{kind}{name} {coverage}", []).append(float(value))
    return {name: round(float(np.mean(values)), 4) for name, values in kept.items()}


def main() -> None:
    args = options(__doc__)
    bench = Benchmark("calibration", args)
    rounds = args.rounds or (5 if args.quick else 200)
    short, worst_broken, off = {}, 0.0, []
    for name in ("adult", "bank", "digits", "housing"):
        data = frame_of(args, name)
        if data is None:
            bench.skipped.append(f"{name}: not in the shared folder")
            continue
        epochs = 1 if args.quick else (20 if name in ("digits", "housing") else 5)
        acts, y, target = predicted(*data, seed=0, epochs=epochs)
        p = acts.double().numpy()
        if target.kind == "regression":
            found = numbers(p[:, 0], y.double().numpy()[:, 0], rounds)
        else:
            found = labels(p, y.numpy(), rounds)
            if len(p) > 5000:  # with fewer, chance in what is measured breaks promises, too
                worst_broken = max(worst_broken, *(found[f"broken {e}"] for e in ERRORS))
        off += [found[f"held {c}"] - c for c in COVERAGES]
        short[name] = found
        for figure, value in found.items():
            bench.rows.append({"data": name, "rows": len(p), "figure": figure, "value": value})
    bench.notes.append(f"Means over {rounds} random parts of the rows not trained on.")
    bench.notes.append("`broken`: share of parts with more wrong answers than promised.")
    bench.targets = [
        Target("coverage, the furthest below what is promised", -min(off), 0.005),
        Target("promises of `abstain` broken (adult, bank)", worst_broken, 0.05),
        *(
            Target(
                f"{name}: log loss after the temperature over before",
                found["log loss after"] / found["log loss before"],
                1.002,
            )
            for name, found in short.items()
            if "ece after" in found
        ),
    ]
    bench.finish()


if __name__ == "__main__":
    main()
