"""Ties and times that were planted in real data, found; and false alarms where there are none.

Photos of ants and bees are cropped and lit anew, several times each, and named after the
photo they came from in the ways that people name files; windows are moved over photos as a
camera moves, and numbered; rows of tables are repeated with noise under an identity; dates
are given to rows whose target drifts. Clean: the same with names, numbers, identities and
dates that mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bench import Benchmark, Target, options, rounds, shared

Rng = np.random.Generator


def main() -> None:
    args = options(__doc__)
    report = Benchmark("ties", args)
    photos = shared(args, "data", "hymenoptera")
    adult = shared(args, "data", "adult", "adult.data")
    ridership = shared(args, "data", "tables", "ridership")
    if photos is None or adult is None or ridership is None:
        report.skipped.append(f"no hymenoptera, adult and ridership in {args.shared}/data")
        report.finish()
        return
    n = rounds(args, 40, 2)
    makers: dict[str, tuple[bool, Callable[[Rng], Any]]] = {
        **of_photos(photos),
        **of_tables(adult),
        **of_dates(adult, ridership),
    }
    counts = {name: measure(maker, n) for name, (_, maker) in makers.items()}
    for name, (planted, _) in makers.items():
        found = counts[name]
        report.rows.append({"what": name, "planted": planted, "trials": n, **found})
        if planted:
            what = f"recall: {name}"
            seen = found["serious"] + (found["warning"] if "date" in name else 0)
            report.targets.append(Target(what, seen / n, 0.95, at_least=True))
    clean = [counts[name] for name, (planted, _) in makers.items() if not planted]
    total = n * len(clean)
    for severity in ("serious", "warning"):
        value = sum(found[severity] for found in clean) / total
        report.targets.append(Target(f"{severity} on clean data, of {total}", value, 0.001))
    report.notes.append(
        "Counted are trials with a finding of that severity at worst, from groups and times. "
        "Split is whether the groups found are those that were planted."
    )
    report.notes.append(
        "A date that matters little is a warning, and counts as found: a target that wanders at "
        "random may stay near where it is."
    )
    report.finish()


def measure(maker: Callable[[Rng], Any], n: int) -> dict[str, int]:
    """How often which severity was the worst, over ``n`` draws."""
    from redstart.audit.groups import groups
    from redstart.audit.times import times

    counts = {"serious": 0, "warning": 0, "note": 0, "nothing": 0, "split": 0}
    for seed in range(n):
        evidence, truth = maker(np.random.default_rng(seed))
        found = [*groups(evidence), *times(evidence)]
        worst = next(
            (s for s in ("serious", "warning", "note") if any(f.severity == s for f in found)),
            "nothing",
        )
        counts[worst] += 1
        if truth is not None:
            counts["split"] += any(f.groups and same(f.groups[1], truth) for f in found)
    return counts


def same(groups: Any, truth: Any) -> bool:
    return len(set(zip(groups, truth, strict=True))) == len(set(truth)) == len(set(groups))


# Photos


def of_photos(folder: Path) -> dict[str, tuple[bool, Callable[[Rng], Any]]]:
    files = sorted(folder.rglob("*.jpg"))
    cache: dict[int, Any] = {}

    def taken(seed: int, views: int, step: float) -> Any:
        """Views of photos: ``(photo, view, label, properties)``, kept for every way to name."""
        key = hash((seed, views, step))
        if key not in cache:
            cache[key] = views_of(files, np.random.default_rng(seed), views, step)
        return cache[key]

    def named(name: Callable[[int, int, str, Rng], str], *, tied: bool = True) -> Any:
        def make(rng: Rng) -> Any:
            photo, view, labels, properties = taken(int(rng.integers(4)), 5, 0.0)
            if not tied:  # names that are dealt anew mean nothing
                dealt = rng.permutation(len(photo))
                photo, view = photo[dealt], view[dealt]
            texts = [name(p, v, la, rng) for p, v, la in zip(photo, view, labels, strict=True)]
            return picture_evidence(texts, labels, properties, rng), photo if tied else None

        return make

    def film(*, tied: bool) -> Callable[[Rng], Any]:
        def make(rng: Rng) -> Any:
            photo, view, labels, properties = taken(int(rng.integers(4)), 30, 0.01)
            number = photo * 30 + view
            if not tied:
                number = rng.permutation(len(photo))
            texts = [f"{la}/img_{i:05d}.jpg" for i, la in zip(number, labels, strict=True)]
            return picture_evidence(texts, labels, properties, rng), None

        return make

    def burst(*, tied: bool) -> Callable[[Rng], Any]:
        def make(rng: Rng) -> Any:
            photo, view, labels, properties = taken(int(rng.integers(4)), 5, 0.0)
            start = rng.integers(0, 10**8, photo.max() + 1)[photo] + view * 2
            seconds = start if tied else rng.integers(0, 10**9, len(photo))
            moments = (seconds + 1_500_000_000).astype("datetime64[s]")
            camera = np.full(len(photo), "Canon EOS 80D", dtype=object)
            properties = {**properties, "taken": moments, "camera": camera}
            texts = [f"{la}/{rng.integers(2**40):010x}.jpg" for la in labels]
            return picture_evidence(texts, labels, properties, rng), photo if tied else None

        return make

    first = ["Ada", "Bo", "Cem", "Dana", "Eve", "Finn", "Gus", "Hana", "Ivo", "Jo"]
    last = ["Smith", "Jones", "Okoro", "Li", "Haddad", "Novak", "Silva", "Kim", "Roy", "Berg"]
    ways: dict[str, Callable[[int, int, str, Rng], str]] = {
        "patient012_slice03": lambda p, v, la, _: f"{la}/patient{p:03d}_slice{v:02d}.jpg",
        "Ada_Smith_03": lambda p, v, la, _: f"{la}/{first[p % 10]}_{last[p // 10]}_{v:02d}.jpg",
        "012-3": lambda p, v, la, _: f"{la}/{p:03d}-{v}.jpg",
        "ants_k07_3": lambda p, v, la, _: f"all/{la}_kx{p:02d}_{v}.jpg",
        "a folder of each": lambda p, v, la, _: f"{la}/visit{p}/{v:04d}.jpg",
    }
    empty: dict[str, Callable[[int, int, str, Rng], str]] = {
        "ILSVRC_val_00000293": lambda p, v, la, _: f"{la}/ILSVRC_val_{p * 5 + v:08d}.jpg",
        "1030023514_aad5c608f9": lambda p, v, la, r: (
            f"{la}/{r.integers(10**9)}_{r.integers(2**40):010x}.jpg"
        ),
        "ants_12": lambda p, v, la, _: f"{la}/{la}_{p * 5 + v}.jpg",
        "012-3, dealt anew": ways["012-3"],
        "Ada_Smith_03, dealt anew": ways["Ada_Smith_03"],
    }
    return {
        **{f"photos, {name}": (True, named(way)) for name, way in ways.items()},
        "frames of moving windows": (True, film(tied=True)),
        "bursts of one camera": (True, burst(tied=True)),
        **{f"photos, {name}": (False, named(way, tied=False)) for name, way in empty.items()},
        "numbered at random": (False, film(tied=False)),
        "taken at random times": (False, burst(tied=False)),
    }


def views_of(files: list[Path], rng: Rng, views: int, step: float) -> Any:
    """Crops of 84 to 100% of photos, lit anew; or windows that move by ``step``."""
    import torch
    from PIL import Image

    from redstart.vision.properties import pixel_properties

    rows, photo, view, labels = [], [], [], []
    chosen = rng.permutation(len(files))[: 100 if views < 10 else 12]
    for number, at in enumerate(chosen):
        img = Image.open(files[at]).convert("RGB").resize((160, 160))
        x = np.asarray(img).astype(np.float32)
        for k in range(views):
            if step:
                left = int(30 * k / views)
                crop = x[10:138, left : left + 128]
            else:
                top, left = rng.integers(0, 26, 2)
                crop = x[top : top + 134, left : left + 134]
            lit = crop * rng.uniform(0.9, 1.1) + rng.uniform(-8, 8)
            pixels = torch.from_numpy(lit.clip(0, 255).astype(np.uint8)).permute(2, 0, 1)
            rows.append(pixel_properties(pixels))
            photo.append(number)
            view.append(k)
            labels.append(files[at].parent.name)
    properties = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return np.array(photo), np.array(view), labels, properties


def picture_evidence(texts: list[str], labels: list[str], properties: Any, rng: Rng) -> Any:
    from redstart.audit.evidence import Evidence, Truth

    names, codes = np.unique(labels, return_inverse=True)
    return Evidence(
        n_rows=len(texts),
        parts=at_random(len(texts), rng),
        truth=Truth("category", codes.astype(np.int64), tuple(str(n) for n in names)),
        files=[Path("data") / text for text in texts],
        root=Path("data"),
        properties=properties,
        chosen="random",
    )


def at_random(n: int, rng: Rng) -> dict[str, Any]:
    order = rng.permutation(n)
    return {"train": np.sort(order[n // 5 :]), "valid": np.sort(order[: n // 5])}


# Tables


def of_tables(file: Path) -> dict[str, tuple[bool, Callable[[Rng], Any]]]:
    import pandas as pd

    frame = pd.read_csv(file, skipinitialspace=True)

    def rows(name: str, *, tied: bool, text: bool = False) -> Callable[[Rng], Any]:
        def make(rng: Rng) -> Any:
            base = frame.sample(2000, random_state=int(rng.integers(2**31)))
            group = np.repeat(np.arange(2000), rng.integers(1, 6, 2000))
            made = base.iloc[group].reset_index(drop=True)
            for column in ("age", "hr_per_week", "fnlwgt", "capital_gain"):
                made[column] = made[column] + rng.integers(-3, 4, len(made))
            if not tied:  # as many rows, of people who have nothing to do with each other
                made = frame.sample(len(group), random_state=int(rng.integers(2**31)))
                made = made.reset_index(drop=True)
            number = rng.permutation(10**6)[:2000][group]
            made[name] = [f"P{k:06d}" for k in number] if text else number
            kept = rng.permutation(len(made))
            made = made.iloc[kept].reset_index(drop=True)
            truth = made[name].astype(str).to_numpy() if tied else None
            return table_evidence(made, "income", rng), truth

        return make

    return {
        "rows, patient_id": (True, rows("patient_id", tied=True)),
        "rows, Household": (True, rows("Household", tied=True, text=True)),
        "rows, session": (True, rows("session", tied=True)),
        "table as it is": (False, lambda rng: as_it_is(frame, rng)),
        "rows, batch of no meaning": (False, rows("batch", tied=False)),
        "rows, number of no meaning": (False, rows("k", tied=False)),
        "rows, text of no meaning": (False, rows("tag", tied=False, text=True)),
        "rows, session of no meaning": (False, rows("session", tied=False)),
    }


def as_it_is(frame: Any, rng: Rng) -> Any:
    made = frame.sample(8000, random_state=int(rng.integers(2**31))).reset_index(drop=True)
    return table_evidence(made, "income", rng), None


def table_evidence(frame: Any, target: str, rng: Rng, *, numbers: bool = False) -> Any:
    from redstart.audit.evidence import Evidence, Truth

    if numbers:
        truth = Truth("numbers", frame[[target]].to_numpy(dtype=np.float64), (target,))
    else:
        names, codes = np.unique(frame[target].astype(str), return_inverse=True)
        truth = Truth("category", codes.astype(np.int64), tuple(str(n) for n in names))
    columns = {}
    for name in frame.columns.drop(target):
        values = frame[name].to_numpy()
        columns[name] = values if values.dtype.kind in "ifbM" else values.astype(object)
    return Evidence(
        n_rows=len(frame),
        parts=at_random(len(frame), rng),
        truth=truth,
        target=target,
        columns=columns,
        chosen="random",
    )


# Dates


def of_dates(adult: Path, ridership: Path) -> dict[str, tuple[bool, Callable[[Rng], Any]]]:
    import pandas as pd

    frame = pd.read_csv(adult, skipinitialspace=True)
    daily = pd.read_csv(next(ridership.glob("*.csv"))).drop_duplicates("service_date")
    days = pd.to_datetime(daily["service_date"], format="%m/%d/%Y").to_numpy()

    def drifting(*, drift: bool, text: bool) -> Callable[[Rng], Any]:
        def make(rng: Rng) -> Any:
            made = frame.sample(8000, random_state=int(rng.integers(2**31)))
            made = made.drop(columns="income").reset_index(drop=True)
            day = rng.integers(0, 1500, len(made))
            wave = np.cumsum(rng.normal(0, 2, 1500))  # hours: their spread is 12
            made["hours"] = made.pop("hr_per_week") + (wave[day] if drift else 0.0)
            moments = np.datetime64("2018-01-01") + day
            made["sold"] = moments.astype(str).astype(object) if text else moments
            return table_evidence(made, "hours", rng, numbers=True), None

        return make

    def rides(target: str) -> Callable[[Rng], Any]:
        def make(rng: Rng) -> Any:
            made = daily[["day_type", target]].assign(service_date=days)
            made = made.sample(6000, random_state=int(rng.integers(2**31)))
            return table_evidence(made.reset_index(drop=True), target, rng, numbers=True), None

        return make

    return {
        "dates, a target that wanders": (True, drifting(drift=True, text=False)),
        "dates as text, the same": (True, drifting(drift=True, text=True)),
        "dates, bus rides": (True, rides("bus")),
        "dates, rail rides": (True, rides("rail_boardings")),
        "dates of no meaning": (False, drifting(drift=False, text=False)),
    }


if __name__ == "__main__":
    main()
