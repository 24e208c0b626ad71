"""How often 95% intervals hold the true figure: every kind of metric, data and sample size.

Nothing here depends on the machine. A set of rows is drawn from made-up data whose true
figures are known, the interval is worked out, and so on, 2,000 times for each line of the table.
The tests hold some of these; here are all, also those outside 93.5 to 96.5%, with the reason.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import HERE, Benchmark, Target, options, rounds

sys.path.insert(0, str(Path(HERE).parent / "tests" / "unit" / "metrics"))

EVEN, RARE, UNEVEN, MANY = (0.5, 0.5), (0.9, 0.1), (0.4, 0.3, 0.15, 0.1, 0.05), (0.1,) * 10
COUNTS = (
    "f1",
    "f1_macro",
    "f1_weighted",
    "f1_micro",
    "precision",
    "recall",
    "balanced_accuracy",
    "cohen_kappa",
    "matthews_corrcoef",
)
NUMBERS = ("mae", "mse", "rmse", "r2")
FUNCTIONS = ("spread", "median_error", "agreement")
LOW, HIGH = 0.935, 0.965
ENOUGH = 100
SHOWN = ("kind", "metric", "data", "rows", "true", "coverage")
UNEQUAL = "groups of 5 and 15"

Case = tuple[str, str, str, Any, int, bool]
"""Kind, metric, name of the world, world, rows, whether paired."""


def cases(*, quick: bool = False) -> list[Case]:
    from worlds import World

    classes = {
        "2 even classes": World(shares=EVEN, signal=1.6),
        "2 classes, one of 10%": World(shares=RARE, signal=1.6),
        "2 even classes, 2% errors": World(shares=EVEN, signal=2.9),
        "5 uneven classes": World(shares=UNEVEN, signal=3.0),
        "10 classes": World(shares=MANY, signal=3.5),
    }
    numbers = {
        f"numbers, {noise} errors": World("numbers", signal=0.6, noise=noise)
        for noise in ("normal", "laplace", "skewed")
    }
    labels = {"8 labels": World("labels", shares=(0.5, 0.4, 0.3, 0.3, 0.2, 0.2, 0.1, 0.1))}
    found: list[Case] = []

    def add(kind: str, metrics: Any, worlds: Any, sizes: Any, *, pair: bool = False) -> None:
        for name, world in worlds.items():
            for metric in metrics:
                found.extend((kind, metric, name, world, n, pair) for n in sizes)

    def tied(worlds: Any, size: int, said: str) -> Any:
        return {
            f"{name}, {said}": replace(world, tied=0.4, size=size) for name, world in worlds.items()
        }

    some = ("accuracy", "f1", "balanced_accuracy", "cohen_kappa", "matthews_corrcoef", "roc_auc")
    add("share", ("accuracy",), classes, (30, 100, 400, 2000))
    several = {k: v for k, v in classes.items() if len(v.shares) > 2}
    add("share", ("top_2_accuracy",), several, (30, 100, 400, 2000))
    add("share", ("accuracy_multi",), labels, (30, 100, 400, 2000))
    add("counts", COUNTS, classes, (30, 100, 400, 2000))
    hard = {"5 uneven classes, hard": World(shares=UNEVEN, signal=1.0)}
    add("ranking", ("roc_auc",), {**classes, **labels, **hard}, (30, 100, 400, 2000))
    add("mean", NUMBERS, numbers, (30, 100, 400, 2000))
    add("bootstrap", FUNCTIONS, numbers, (30, 100, 400))
    few = {name: classes[name] for name in ("2 even classes", "5 uneven classes")}
    one = {"2 even classes": few["2 even classes"]}
    fixed = {f"{name}, stratified": replace(w, fixed=True) for name, w in classes.items()}
    macro = ("balanced_accuracy", "f1_macro", "recall_macro")
    add("stratified", macro, fixed, (30, 100, 400, 2000))
    normal = {"numbers, normal errors": numbers["numbers, normal errors"]}
    add("groups", some, tied(few, 10, "groups of 10"), (100, 300))
    add("groups", NUMBERS, tied(normal, 10, "groups of 10"), (100, 300))
    add("groups", ("accuracy",), tied(one, -5, UNEQUAL), (100, 300))
    add("groups", ("mae",), tied(normal, -5, UNEQUAL), (100, 300))
    add("bootstrap of groups", FUNCTIONS, tied(normal, 10, "groups of 10"), (300,))
    add("paired", some, few, (100, 400), pair=True)
    add("paired", ("accuracy_multi",), labels, (100,), pair=True)
    add("paired", NUMBERS, normal, (30, 100, 400), pair=True)
    add("paired bootstrap", ("spread",), normal, (100,), pair=True)
    three = ("accuracy", "f1", "roc_auc")
    add("paired groups", three, tied(few, 10, "groups of 10"), (100, 300), pair=True)
    add("paired groups", ("mae", "r2"), tied(normal, 10, "groups of 10"), (100, 300), pair=True)
    return found[::40] if quick else found


def measure(case: Case, times: int) -> dict[str, Any]:
    import torch
    import worlds

    torch.set_num_threads(1)
    kind, metric, name, world, n, pair = case
    what = getattr(worlds, metric) if metric in FUNCTIONS else metric
    held, none = worlds.coverage(what, world, n, times, pair=pair)
    first, second = worlds.truth(what, world)
    inside = LOW <= held <= HIGH
    return {
        "kind": kind,
        "metric": metric,
        "data": name,
        "rows": n,
        "groups": int(world.groups(n).max()) + 1 if world.size != 1 else 0,
        "true": round(first - second if pair else first, 4),
        "coverage": round(held, 4),
        "without interval": round(none, 4),
        "inside": inside,
        "why": "" if inside else why(kind, metric, world, n, held),
    }


def why(kind: str, metric: str, world: Any, n: int, held: float) -> str:
    """The reason for a line outside the band, as far as it is known."""
    groups = int(world.groups(n).max()) + 1 if world.size != 1 else n
    numbers = metric in (*NUMBERS, *FUNCTIONS)
    if kind.startswith("paired") and held > HIGH:
        return "wide: the models differ on few rows (or groups), in steps of one"
    if "bootstrap" in kind:
        return "a bootstrap of few rows or groups"
    if numbers and held < LOW:
        return "narrow: few rows, and the rare large errors are not among them"
    if kind == "share":
        return "a share moves in steps of one row; Wilson's interval lies around 95% on average"
    if metric == "roc_auc" and held > HIGH:
        return "wide: hardly any pair is in the wrong order"
    if not numbers and min(world.shares) * n <= 10:
        return "a class of at most 10 rows"
    if groups <= 30:
        return "few groups"
    if held > HIGH:
        return "wide: hardly any errors"
    return "close to the edge: by chance of the draws, or a little narrow"


def main() -> None:
    args = options(__doc__)
    times = rounds(args, 2000, 40)
    report = Benchmark("coverage", args)
    grid = cases(quick=args.quick)
    with ProcessPoolExecutor(args.threads) as pool:
        for row in pool.map(measure, grid, [times] * len(grid), chunksize=4):
            report.rows.append(row)
            print(*(row[key] for key in SHOWN), sep="  ", flush=True)
    enough = [row for row in report.rows if row["rows"] >= ENOUGH]
    for kind in dict.fromkeys(row["kind"] for row in enough):
        rows = [row for row in enough if row["kind"] == kind]
        share = sum(row["inside"] for row in rows) / len(rows)
        what = f"{kind}, {ENOUGH} rows or more: share of {len(rows)} settings inside"
        report.targets.append(Target(what, round(share, 3), 0.8, at_least=True))
    narrow = sum(row["coverage"] < LOW for row in enough) / max(len(enough), 1)
    what = f"share of {len(enough)} such settings that are narrow (below {LOW:.1%})"
    report.targets.append(Target(what, round(narrow, 3), 0.1))
    report.notes += [
        f"{times:,} sets of rows for each line: the coverage is known to 0.5% (standard error).",
        "Sets in which there is no interval (no row of a class, say) are not counted.",
    ]
    report.finish()


if __name__ == "__main__":
    main()
