"""Weak slices: false alarms where there is none, power where one is planted, cost.

Made-up rows with six columns (two texts, three numbers, a date), about 40 slices of single
columns and 100 of pairs. "False alarm": a slice is called weak on rows whose scores have
nothing to do with the columns. "Others": one slice is weak, and one is called weak that
shares no column with it. "Found": the planted one is among the weak slices, or among the
others named for the same rows. "Face value" and "expected": how far, on average, the figure
of the weakest of all slices is from what new rows of that kind give.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from bench import Benchmark, Target, median, options

from redstart.evaluate.slices import Slices, weak_slices

Scores = Callable[[np.random.Generator, int], Any]


def columns(rng: np.random.Generator, n: int) -> dict[str, Any]:
    days = rng.integers(0, 365, n).astype("timedelta64[D]")
    return {
        "sex": rng.choice(["f", "m"], n),
        "region": rng.choice(list("abcdef"), n, p=[0.4, 0.2, 0.15, 0.1, 0.1, 0.05]),
        "age": rng.normal(40, 12, n),
        "hours": np.where(rng.random(n) < 0.4, 40, rng.integers(10, 80, n)),
        "gain": np.where(rng.random(n) < 0.9, 0, rng.exponential(100, n)),
        "date": np.datetime64("2021-01-01") + days,
    }


def hits(rng: np.random.Generator, n: int) -> Any:
    return (rng.random(n) < 0.9).astype(float)


def losses(rng: np.random.Generator, n: int) -> Any:
    return rng.exponential(1.0, n)


def heavy(rng: np.random.Generator, n: int) -> Any:
    return rng.lognormal(0.0, 1.5, n)


def look(scores: Any, by: dict[str, Any], seed: int, shuffles: int = 500) -> Slices:
    worse = "low" if np.isin(scores, (0, 1)).all() else "high"
    return weak_slices(scores, by, worse=worse, seed=seed, shuffles=shuffles)


def false_alarms(bench: Benchmark, name: str, make: Scores, n: int, draws: int) -> None:
    wrong = 0
    for seed in range(draws):
        rng = np.random.default_rng([n, seed])
        wrong += bool(look(make(rng, n), columns(rng, n), seed).weak)
    share = wrong / draws
    bench.rows.append({"what": f"false alarms, {name}", "rows": n, "draws": draws, "share": share})
    allowed = 0.05 + 2.6 * (0.05 * 0.95 / draws) ** 0.5
    bench.targets.append(Target(f"false alarms of {name}, {n} rows", share, round(allowed, 3)))


def planted(
    bench: Benchmark, n: int, part: str, drop: float, draws: int, *, target: float | None = None
) -> None:
    found = others = 0
    size = []
    for seed in range(draws):
        rng = np.random.default_rng([n, seed, 7])
        by, scores = columns(rng, n), hits(rng, n)
        weak = {
            "region = f": by["region"] == "f",
            "region = b": by["region"] == "b",
            "sex = f and region = b": (by["region"] == "b") & (by["sex"] == "f"),
        }[part]
        size.append(int(weak.sum()))
        scores[weak] = rng.random(int(weak.sum())) < 0.9 - drop
        got = look(scores, by, seed)
        names = {w for s in got.weak for w in (s.words, *s.also)}
        found += part in names
        apart = [s for s in got.weak if not {"region", "sex"} & set(s.columns)]
        others += bool(apart)
    share = found / draws
    bench.rows.append(
        {
            "what": f"{part}: 0.9 to {0.9 - drop:.2f}",
            "rows": n,
            "slice": median(size),
            "draws": draws,
            "found": share,
            "others": others / draws,
        }
    )
    if target is not None:
        bench.targets.append(
            Target(f"{part} of {n} rows, {drop:.2f} lower, found", share, target, at_least=True)
        )


def honest(bench: Benchmark, n: int, draws: int, *, spread: float) -> None:
    """The weakest slice of all at face value, and as expected, against the truth."""
    face, expected = [], []
    for seed in range(draws):
        rng = np.random.default_rng([n, seed, 9])
        by = columns(rng, n)
        true = {r: 0.85 + spread * rng.normal() for r in "abcdef"}
        p = np.clip([true[r] for r in by["region"]], 0.02, 0.98)
        got = look((rng.random(n) < p).astype(float), by, seed, shuffles=100)
        worst = min((s for s in got.slices if len(s.columns) == 1), key=lambda s: s.value)
        truth = float(p[worst.rows].mean())
        face.append(worst.value - truth)
        expected.append(worst.expected - truth)
    bench.rows.append(
        {
            "what": f"weakest of all, regions differ by {spread:g}",
            "rows": n,
            "draws": draws,
            "face value": float(np.mean(face)),
            "expected": float(np.mean(expected)),
            "rms face": float(np.sqrt(np.mean(np.square(face)))),
            "rms exp.": float(np.sqrt(np.mean(np.square(expected)))),
        }
    )
    if spread:
        return
    part = abs(float(np.mean(expected))) / abs(float(np.mean(face)))
    bench.targets.append(Target(f"bias left of the weakest slice, {n} rows", part, 0.5))


def cost(bench: Benchmark, n: int, rounds: int) -> None:
    times = []
    for seed in range(rounds):
        rng = np.random.default_rng(seed)
        by, scores = columns(rng, n), hits(rng, n)
        start = time.perf_counter()
        got = look(scores, by, seed)
        times.append(time.perf_counter() - start)
    row = {"what": "cost", "rows": n, "slices": len(got.slices), "seconds": median(times)}
    bench.rows.append(row)
    if n <= 30_000:
        bench.targets.append(Target(f"seconds for {n} rows", median(times), 2.0))


def main() -> None:
    args = options(__doc__)
    bench = Benchmark("slices", args)
    draws = 4 if args.quick else 300
    look(hits(np.random.default_rng(0), 200), columns(np.random.default_rng(0), 200), 0)
    for n in (150, 1000):
        for name, make in (("hits", hits), ("losses", losses), ("heavy losses", heavy)):
            false_alarms(bench, name, make, n, draws)
    false_alarms(bench, "hits", hits, 5000, draws // 2)
    some = 4 if args.quick else 60
    for n in (500, 2000, 8000):
        for part in ("region = f", "region = b", "sex = f and region = b"):
            for drop in (0.1, 0.2, 0.3):
                sure = 0.95 if n * (0.05 if part == "region = f" else 0.1) >= 99 else None
                target = sure if drop >= 0.2 else None
                planted(bench, n, part, drop, some, target=target)
    for spread in (0.0, 0.03, 0.1):
        honest(bench, 1000, some, spread=spread)
    for n in (1000, 6000, 30_000, 100_000):
        cost(bench, n, 1 if args.quick else 3)
    bench.notes.append("Pairs must look four times less likely than single columns.")
    bench.finish()


if __name__ == "__main__":
    main()
