"""The audit of tables: are planted give-aways, shifts and copies of rows found, and nothing else?

`data/{adult,bank_marketing,tables}` and data sets that come with scikit-learn, split 80/20 at
random (stratified) with several seeds. Clean tables: findings are counted; `duration` of the
bank and the capped prices of the houses are there to be found. Then, in tables of
200 rows and more, one at a time:
the target in disguise (copied, recoded, 1% of it wrong, scaled with noise), rows numbered in
the order of the target, validation rows from one end of a column, and 2% of the validation
rows overwritten with copies of training rows (whole; one column changed; all numbers moved by
0.1% of their standard deviation).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from bench import Benchmark, Target, options, rounds

PLANTED = ("copied", "recoded", "1% wrong", "scaled with noise")
COPIES = ("equal", "one column changed", "numbers moved")
# Rows that are equal, or equal but for a column, by chance are too many in these to tell.
COARSE = {("titanic", copy) for copy in COPIES} | {
    ("adult", "one column changed"),
}
KNOWN = {("bank", "duration"), ("housing", "capped")}


def tables(data: Path) -> dict[str, tuple[Any, str]]:
    """Frames and targets by name."""
    import pandas as pd
    from sklearn import datasets

    found: dict[str, tuple[Any, str]] = {
        name: (make(as_frame=True).frame, "target")
        for name, make in {
            "cancer": datasets.load_breast_cancer,
            "digits": datasets.load_digits,
            "wine": datasets.load_wine,
            "iris": datasets.load_iris,
        }.items()
    }
    found["diabetes"] = (datasets.load_diabetes(as_frame=True).frame, "target")
    files = {
        "adult": ("adult/adult.data", "income"),
        "bank": ("bank_marketing/bank-full.csv", "y"),
        "housing": ("tables/housing/housing.csv", "median_house_value"),
        "titanic": ("tables/titanic/train.csv", "Survived"),
        "ridership": (
            "tables/ridership/CTA_-_Ridership_-_Daily_Boarding_Totals.csv",
            "rail_boardings",
        ),
        "lifesat": ("tables/lifesat/lifesat_full.csv", "Life satisfaction"),
    }
    for name, (file, target) in files.items():
        if (data / file).exists():
            found[name] = (pd.read_csv(data / file), target)
    if "ridership" in found:
        frame = found["ridership"][0].drop(columns=["total_rides"])
        frame["service_date"] = pd.to_datetime(frame["service_date"])
        found["ridership"] = (frame, "rail_boardings")
    return found


def is_number(name: str) -> bool:
    return name in ("housing", "ridership", "lifesat", "diabetes")


def plain(column: Any) -> Any:
    if column.dtype.kind in "biufM":
        return column.to_numpy()
    return np.array([None if v != v or v is None else str(v) for v in column], dtype=object)


def evidence(name: str, frame: Any, target: str, seed: int, parts: Any = None) -> Any:
    from redstart.audit.evidence import Evidence, Truth

    n, rng = len(frame), np.random.default_rng(seed)
    if is_number(name):
        truth = Truth("numbers", frame[target].to_numpy(dtype=np.float64)[:, None])
        valid = rng.permutation(n)[: n // 5]
    else:
        classes = sorted(frame[target].unique())
        codes = frame[target].map({c: i for i, c in enumerate(classes)}).to_numpy(dtype=np.int64)
        truth = Truth("category", codes, tuple(map(str, classes)))
        each = [rng.permutation(np.flatnonzero(codes == c)) for c in range(len(classes))]
        valid = np.concatenate([rows[: round(len(rows) / 5)] for rows in each])
    split = {"train": np.setdiff1d(np.arange(n), valid), "valid": np.sort(valid)}
    return Evidence(
        n_rows=n,
        parts=parts or split,
        truth=truth,
        target=target,
        columns={c: plain(frame[c]) for c in frame.columns if c != target},
        chosen="given" if parts else "random",
        seed=seed,
    )


def disguise(name: str, frame: Any, target: str, how: str, rng: Any) -> Any:
    """The frame with a column that is the target in disguise."""
    y, n = frame[target], len(frame)
    if is_number(name):
        values = y.to_numpy(dtype=np.float64)
        hidden = {
            "copied": values,
            "recoded": np.argsort(np.argsort(-values, kind="stable"), kind="stable") * 1.0,
            "1% wrong": np.where(rng.random(n) < 0.01, rng.permutation(values), values),
            "scaled with noise": -0.3 * values + 7 + 0.01 * values.std() * rng.normal(size=n),
        }[how]
    else:
        codes = y.map({c: i for i, c in enumerate(sorted(y.unique()))}).to_numpy()
        hidden = {
            "copied": y.to_numpy(),
            "recoded": np.array([f"k{(7 * c + 3) % 101}" for c in codes], dtype=object),
            "1% wrong": np.where(rng.random(n) < 0.01, rng.permutation(codes), codes),
            "scaled with noise": 5.0 * codes + 0.5 * rng.normal(size=n),
        }[how]
    return frame.assign(extra=hidden)


def encoded(frame: Any) -> Any:
    """Codes and scaled numbers, as tables are encoded for a model."""
    import pandas as pd
    import torch

    codes, numbers = [], []
    for _, column in frame.items():
        if column.dtype.kind == "M":
            column = (column - column.min()).dt.days
        if column.dtype.kind not in "iuf":
            codes.append(pd.factorize(column)[0] + 1)
            continue
        values = column.astype("float64")
        if values.isna().any():
            codes.append(values.isna().to_numpy() + 1)
            values = values.fillna(values.median())
        numbers.append(((values - values.mean()) / (values.std() or 1)).to_numpy())
    shape = (len(frame), 0)
    return (
        torch.tensor(np.stack(codes, 1) if codes else np.zeros(shape, dtype=np.int64)),
        torch.tensor(np.stack(numbers, 1) if numbers else np.zeros(shape), dtype=torch.float32),
    )


def copied(frame: Any, how: str, train: Any, valid: Any, rng: Any) -> tuple[Any, Any]:
    """The frame with some validation rows overwritten, and which."""
    m = max(3, len(valid) // 50)
    source, place = (rng.choice(rows, m, replace=False) for rows in (train, valid))
    new = frame.iloc[source].copy()
    numbers = [c for c in frame if frame[c].dtype.kind in "if"]
    if how == "numbers moved":
        for c in numbers:
            new[c] = new[c] + 0.001 * frame[c].std() * rng.normal(size=m)
    if how == "one column changed":
        varied = [c for c in frame if frame[c].nunique() > 1]
        for row, column in enumerate(rng.choice(varied, m)):
            different = frame[column][frame[column] != new[column].iloc[row]].dropna()
            new.iloc[row, frame.columns.get_loc(column)] = different.iloc[
                int(rng.integers(len(different)))
            ]
    changed = {}
    for c in frame:
        values = frame[c].to_numpy().copy()
        values = values.astype(float) if c in numbers else values
        values[place] = new[c].to_numpy()
        changed[c] = values
    return type(frame)(changed), place


def measure_columns(report: Benchmark, name: str, frame: Any, target: str, n: int) -> None:
    from redstart.audit.giveaways import giveaways
    from redstart.audit.labels import labels
    from redstart.audit.shift import shift

    seconds, serious, doubted, known = [], 0, 0, 0
    for seed in range(n):
        given = evidence(name, frame, target, seed)
        start = time.perf_counter()
        found = [f for check in (giveaways, labels, shift) for f in check(given)]
        seconds.append(time.perf_counter() - start)
        expected = [any(n == name and word in f.said for n, word in KNOWN) for f in found]
        known += sum(expected)
        serious += sum(f.severity == "serious" for f in found)
        doubted += sum(
            f.severity == "warning" and not e for f, e in zip(found, expected, strict=True)
        )
    report.rows.append(
        {
            "table": name,
            "what": "clean",
            "times": n,
            "serious": serious,
            "warnings": doubted,
            "known": known,
            "seconds": sorted(seconds)[n // 2],
        }
    )
    if len(frame) < 200:
        return
    for how in PLANTED:
        hits = sum(
            any(
                f.severity != "note" and f.evidence.get("column") == "extra"
                for f in giveaways(evidence(name, planted, target, seed))
            )
            for seed in range(n)
            for planted in [disguise(name, frame, target, how, np.random.default_rng(seed))]
        )
        report.rows.append({"table": name, "what": f"target {how}", "times": n, "found": hits / n})
    hits = sum(
        any(f.severity == "serious" for f in giveaways(evidence(name, ordered, target, seed)))
        for seed in range(n)
        for ordered in [frame.sort_values(target, ignore_index=True).reset_index(names="row")]
    )
    report.rows.append({"table": name, "what": "rows in order", "times": n, "found": hits / n})
    hits = 0
    for seed in range(n):
        rng = np.random.default_rng(seed)
        numbers = [
            c
            for c in frame
            if frame[c].dtype.kind in "if" and frame[c].nunique() > 9 and c != "PassengerId"
        ]
        column = numbers[seed % len(numbers)]
        if column == target:
            column = numbers[(seed + 1) % len(numbers)]
        order = frame[column].fillna(frame[column].median()).rank()
        biased = np.argsort(order.to_numpy() / len(frame) + 0.3 * rng.normal(size=len(frame)))
        valid, train = biased[-(len(frame) // 5) :], biased[: -(len(frame) // 5)]
        parts = {"train": np.sort(train), "valid": np.sort(valid)}
        hits += any("told from" in f.said for f in shift(evidence(name, frame, target, 0, parts)))
    report.rows.append({"table": name, "what": "validation shifted", "times": n, "found": hits / n})


def measure_rows(report: Benchmark, name: str, frame: Any, target: str, n: int) -> None:
    from redstart.audit.table_rows import TableLikeness

    like = TableLikeness()
    drop = [c for c in (target, "PassengerId", "Name", "Ticket") if c in frame]
    frame = frame.drop(columns=drop)
    seconds, paired, rows = [], 0, 0
    for seed in range(n):
        order = np.random.default_rng(seed).permutation(len(frame))
        valid, train = np.sort(order[: len(frame) // 5]), np.sort(order[len(frame) // 5 :])
        prints = like.prints(encoded(frame))
        start = time.perf_counter()
        paired += len(like.pairs(prints, train, valid))
        seconds.append(time.perf_counter() - start)
        rows += len(valid)
    report.rows.append(
        {
            "table": name,
            "what": "clean rows",
            "times": n,
            "paired": paired / rows,
            "seconds": sorted(seconds)[n // 2],
        }
    )
    for how in COPIES if len(frame) >= 200 else ():
        hits, total, others = 0, 0, 0
        for seed in range(n):
            rng = np.random.default_rng(seed)
            order = rng.permutation(len(frame))
            valid, train = order[: len(frame) // 5], order[len(frame) // 5 :]
            changed, place = copied(frame, how, train, valid, rng)
            found = like.pairs(like.prints(encoded(changed)), np.sort(train), np.sort(valid)).right
            hits += len(np.intersect1d(found, place))
            total += len(place)
            others += len(np.setdiff1d(found, place))
        report.rows.append(
            {
                "table": name,
                "what": f"rows {how}",
                "times": n,
                "found": hits / total,
                "paired": others / rows,
            }
        )


def main() -> None:
    report = Benchmark("giveaways", options(__doc__))
    n = rounds(report.args, 10, 1)
    data = report.args.shared / "data"
    if not data.exists():
        report.skipped.append(f"tables of {data}: not there")
    for name, (frame, target) in tables(data).items():
        measure_columns(report, name, frame, target, n)
        measure_rows(report, name, frame, target, n)

    def least(start: str) -> float | None:
        found = [
            row["found"]
            for row in report.rows
            if row["what"].startswith(start)
            and "found" in row
            and (row["table"], row["what"].removeprefix("rows ")) not in COARSE
        ]
        return float(np.mean(found)) if found else None

    clean = [row for row in report.rows if row["what"] == "clean"]
    report.targets += [
        Target("serious findings on clean tables", sum(row["serious"] for row in clean), 0),
        Target("target in disguise found", least("target"), 0.95, at_least=True),
        Target("rows in the order of the target found", least("rows in order"), 0.95, True),
        Target("shifted validation rows found", least("validation"), 0.95, at_least=True),
        *(Target(f"copies found: {how}", least(f"rows {how}"), 0.95, True) for how in COPIES),
    ]
    report.notes += [
        (
            "`warnings` and `serious`: findings on clean tables over all times; `known`: those "
            "that are right (duration, capped prices). `paired`: share of the validation rows that "
            "are not planted and were paired."
        ),
        "Not counted in the targets, as such rows are there by chance: "
        + ", ".join(sorted(f"{table} ({how})" for table, how in COARSE))
        + ".",
    ]
    report.finish()


if __name__ == "__main__":
    main()
