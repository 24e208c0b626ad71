"""Copies planted in real pictures: how many are found, what is found where there are none,
what is really there in Fashion-MNIST, and how long 20,000 pictures take.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from bench import Benchmark, Target, options, shared
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

SIZE = 224
Change = Callable[[Image.Image], bytes]


def jpeg(img: Image.Image, quality: int = 90) -> bytes:
    data = io.BytesIO()
    img.save(data, "JPEG", quality=quality)
    return data.getvalue()


def cut(img: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    w, h = img.size
    box = (round(w * left), round(h * top), round(w * (1 - right)), round(h * (1 - bottom)))
    return img.crop(box)


def scaled(img: Image.Image, by: float) -> Image.Image:
    return img.resize((round(img.width * by), round(img.height * by)))


CHANGES: dict[str, Change] = {
    "JPEG 30": lambda img: jpeg(img, 30),
    "JPEG 60": lambda img: jpeg(img, 60),
    "half the size": lambda img: jpeg(scaled(img, 0.5)),
    "cut by 5% in all": lambda img: jpeg(cut(img, 0.025, 0.025, 0.025, 0.025)),
    "cut by 5% on the left": lambda img: jpeg(cut(img, 0.05, 0, 0, 0)),
    "cut by 5% each side": lambda img: jpeg(cut(img, 0.05, 0.05, 0.05, 0.05)),
    "mirrored": lambda img: jpeg(ImageOps.mirror(img)),
    "20% lighter": lambda img: jpeg(ImageEnhance.Brightness(img).enhance(1.2)),
    "20% more contrast": lambda img: jpeg(ImageEnhance.Contrast(img).enhance(1.2)),
    "blurred": lambda img: jpeg(img.filter(ImageFilter.GaussianBlur(1.5))),
    "grey": lambda img: jpeg(img.convert("L")),
    "mirrored, cut, lighter, JPEG 50": lambda img: jpeg(
        cut(ImageOps.mirror(ImageEnhance.Brightness(img).enhance(1.15)), 0.05, 0, 0.03, 0.05), 50
    ),
}


class Pictures:
    """Files as the audit gets them: decoded, resized, reduced to prints."""

    def __init__(self, method: str) -> None:
        from redstart.audit.pictures import PictureLikeness
        from redstart.vision.codec import ImageCodec
        from redstart.vision.resize import Resize

        self.method = method
        self.codec = ImageCodec(tfms=(Resize(SIZE, method=method),))
        self.likeness = PictureLikeness()

    def prints(self, items: Sequence[Any]) -> tuple[np.ndarray, ...]:
        with ThreadPoolExecutor(2) as pool:
            rows = list(pool.map(self._row, items))
        return tuple(np.concatenate(column) for column in zip(*rows, strict=True))

    def _row(self, item: Any) -> Any:
        return self.likeness.prints((self.codec.encode(self.codec.load(item))[0][None],))


def main() -> None:
    args = options(__doc__, _extra)
    import torch

    torch.set_num_threads(args.threads)
    report = Benchmark("leaks", args)
    data = shared(args, "data")
    if data is None:
        report.skipped.append(f"everything: no data in {args.shared}")
    else:
        recalls: list[float] = []
        for name, *parts in _sets(data):
            train, held = (part[:: 10 if args.quick else 1] for part in parts)
            for method in ("crop",) if args.quick else ("crop", "squish"):
                recalls += planted(report, name, Pictures(method), train, held, args)
        lowest = min(recalls) if recalls else None
        report.targets.append(
            Target("least recall of a kind in a data set", lowest, 0.95, at_least=True)
        )
        digits(report)
        garments(report, data, args)
        if not args.quick:
            speed(report, data, args)
    report.finish()


def _extra(parser: Any) -> None:
    parser.add_argument("--planted", type=int, default=200, help="copies of each kind")
    parser.add_argument("--sheet", type=Path, help="PNG file for the pairs in Fashion-MNIST")


def _sets(data: Path) -> list[tuple[str, list[Path], list[Path]]]:
    def files(*parts: str) -> list[Path]:
        found = data.joinpath(*parts).rglob("*")
        return sorted(f for f in found if f.suffix.lower() in (".jpg", ".jpeg", ".png"))

    photos = [
        ("hymenoptera", files("hymenoptera", "train"), files("hymenoptera", "val")),
        ("imagenette", files("imagenette224", "train"), files("imagenette224", "val")),
    ]
    frames = [f for part in ("train", "val", "test") for f in files("camvid", part)]
    rows = np.random.default_rng(0).permutation(len(frames))
    fifth = len(frames) // 5
    held, train = ([frames[i] for i in sorted(some)] for some in (rows[:fifth], rows[fifth:]))
    return [*photos, ("camvid", train, held)]


def planted(
    report: Benchmark,
    name: str,
    pictures: Pictures,
    train: list[Path],
    held: list[Path],
    args: Any,
) -> list[float]:
    """Plant copies of training pictures among the held-out ones, one kind at a time."""
    where = f"{name}, {pictures.method}"
    clean = pictures.prints([*train, *held])
    left, right = np.arange(len(train)), np.arange(len(train), len(train) + len(held))
    n = min(args.planted, len(train)) // (10 if args.quick else 1)
    chosen = np.sort(np.random.default_rng(1).permutation(len(train))[:n])
    opened = [Image.open(train[i]).convert("RGB") for i in chosen]
    recalls = []
    for kind, change in CHANGES.items():
        copies = pictures.prints([change(img) for img in opened])
        every = tuple(np.concatenate(both) for both in zip(clean, copies, strict=True))
        rows = len(clean[0]) + np.arange(n)
        found = pictures.likeness.pairs(every, left, np.concatenate([right, rows]))
        pairs = set(_copies(found))
        hit = sum((i, row) in pairs for i, row in zip(chosen, rows, strict=True))
        seen = len({row for _, row in pairs} & set(rows.tolist()))
        report.rows.append(
            {
                "where": where,
                "what": kind,
                "planted": n,
                "found": seen,
                "recall": seen / n,
                "interval": _interval(seen, n),
                "with the very row": hit / n,
            }
        )
        recalls.append(seen / n)
    _unplanted(report, where, pictures, clean, (train, held))
    return recalls


def _unplanted(
    report: Benchmark,
    where: str,
    pictures: Pictures,
    clean: tuple[np.ndarray, ...],
    files: tuple[list[Path], list[Path]],
) -> None:
    train, held = files
    left, right = np.arange(len(train)), np.arange(len(train), len(train) + len(held))
    start = time.perf_counter()
    found = pictures.likeness.pairs(clean, left, right)
    seconds = time.perf_counter() - start
    copies = found.likeness >= 0.5
    names = [f.stem for f in [*train, *held]]
    if where.startswith("camvid"):
        # Frames of one drive may well be copies of each other; those of two cannot.
        false = copies & np.array(
            [_frame(names[a])[0] != _frame(names[b])[0] for a, b in _listed(found)], dtype=bool
        )
        _adjacent(report, where, names, left, right, found)
    else:
        false = copies
    rows = len(set(found.right[false].tolist()))
    pairs = len(train) * len(held)
    report.rows.append(
        {
            "where": where,
            "what": "nothing planted",
            "pictures": len(held),
            "called copies": rows,
            "per 1,000 pictures": 1000 * rows / len(held),
            "interval": [1000 * x for x in _interval(rows, len(held))],
            "per 1,000 pairs": 1000 * int(false.sum()) / pairs,
            "interval, pairs": [1000 * x for x in _interval(int(false.sum()), pairs)],
            "seconds for pairs": seconds,
        }
    )
    report.targets.append(
        Target(f"false alarms per 1,000 pictures, {where}", 1000 * rows / len(held), 1)
    )


def _adjacent(
    report: Benchmark, where: str, names: list[str], left: Any, right: Any, found: Any
) -> None:
    """Frames whose neighbour, one second away, is in training."""
    frames = [_frame(name) for name in names]
    train = {frames[i] for i in left}
    near = [
        int(i)
        for i in right
        if any((frames[i][0], frames[i][1] + step) in train for step in (-30, 30))
    ]
    copies = set(found.right[found.likeness >= 0.5].tolist())
    tied = set(found.right.tolist())
    for what, hit in (("as near copies", copies), ("as of one scene or nearer", tied)):
        seen = len(hit & set(near))
        report.rows.append(
            {
                "where": where,
                "what": f"next frames found {what}",
                "planted": len(near),
                "found": seen,
                "recall": seen / len(near),
                "interval": _interval(seen, len(near)),
            }
        )


def _frame(name: str) -> tuple[str, int]:
    drive, number = name.rsplit("_", 1)
    return drive, int(re.sub(r"\D", "", number))


def digits(report: Benchmark) -> None:
    """Pictures of 8 x 8 pixels, much alike, of which none is a copy."""
    import torch
    from sklearn.datasets import load_digits

    from redstart.audit.pictures import PictureLikeness

    pixels = np.rint(load_digits().images * (255 / 16)).astype(np.uint8)
    likeness = PictureLikeness()
    made = likeness.prints((torch.from_numpy(pixels)[:, None],))
    rows = called = 0
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(len(pixels))
        found = likeness.pairs(made, order[359:], order[:359])
        rows += 359
        called += len(set(found.right[found.likeness >= 0.5].tolist()))
    report.rows.append(
        {
            "where": "digits, 20 random splits",
            "what": "nothing planted",
            "pictures": rows,
            "called copies": called,
            "per 1,000 pictures": 1000 * called / rows,
            "interval": [1000 * x for x in _interval(called, rows)],
        }
    )
    report.targets.append(Target("false alarms per 1,000 digits", 1000 * called / rows, 1))


def garments(report: Benchmark, data: Path, args: Any) -> None:
    """Fashion-MNIST: copies that are really there, and planted ones."""
    import torch

    from redstart.audit.pictures import PictureLikeness

    with np.load(data / "fashion_mnist_subset.npz") as file:
        pixels = np.concatenate([file["x_train"], file["x_test"]])
        answers = np.concatenate([file["y_train"], file["y_test"]])
        train = len(file["x_train"])
    likeness = PictureLikeness()
    made = likeness.prints((torch.from_numpy(pixels)[:, None],))
    left, right = np.arange(train), np.arange(train, len(pixels))
    seen = {row.tobytes() for row in pixels[:train]}
    equal = sum(row.tobytes() in seen for row in pixels[train:])
    start = time.perf_counter()
    found = likeness.pairs(made, left, right)
    seconds = time.perf_counter() - start
    copies = _copies(found)
    report.rows.append(
        {
            "where": "Fashion-MNIST, subset",
            "what": "really there",
            "pictures": len(right),
            "equal by bytes": equal,
            "called equal": int(found.exact.sum()),
            "called copies": len({b for _, b in copies}),
            "of another class": int(sum(answers[a] != answers[b] for a, b in copies)),
            "seconds for pairs": seconds,
        }
    )
    report.notes.append(
        "Fashion-MNIST, (row of train, row of test), the most alike first: "
        + ", ".join(f"({a}, {b - train})" for a, b in copies[:40])
        + "."
    )
    if args.sheet is not None:
        _sheet([(pixels[a], pixels[b]) for a, b in copies[:60]], args.sheet)
    n = args.planted // (10 if args.quick else 1)
    chosen = np.sort(np.random.default_rng(1).permutation(train)[:n])
    for kind, change in CHANGES.items():
        planted_rows = np.stack([_again(pixels[i], change) for i in chosen])
        extra = likeness.prints((torch.from_numpy(planted_rows)[:, None],))
        every = tuple(np.concatenate(both) for both in zip(made, extra, strict=True))
        rows = len(pixels) + np.arange(n)
        pairs = likeness.pairs(every, left, np.concatenate([right[:1000], rows]))
        hit = len({b for _, b in _copies(pairs)} & set(rows.tolist()))
        report.rows.append(
            {
                "where": "Fashion-MNIST, 28 x 28 pixels",
                "what": kind,
                "planted": n,
                "found": hit,
                "recall": hit / n,
                "interval": _interval(hit, n),
            }
        )


def _again(pixels: np.ndarray, change: Change) -> np.ndarray:
    data = change(Image.fromarray(pixels).convert("RGB"))
    back = Image.open(io.BytesIO(data)).convert("L")
    return np.array(back.resize(pixels.shape[::-1], Image.Resampling.BILINEAR))


def speed(report: Benchmark, data: Path, args: Any) -> None:
    """20,000 distinct pictures: prints beyond decoding, then pairs as the audit asks for them."""
    import torch

    from redstart.audit.duplicates import duplicates
    from redstart.audit.evidence import Evidence, Truth
    from redstart.audit.pictures import PictureLikeness

    files = sorted(f for f in (data / "imagenette224").rglob("*") if f.is_file())
    likeness, rng, many = PictureLikeness(), np.random.default_rng(0), 20_000
    rows: list[Any] = []
    seconds = used = 0.0
    with ThreadPoolExecutor(args.threads) as pool:
        while len(rows) < many:
            batch = [_part(files[(len(rows) + i) % len(files)], rng) for i in range(500)]
            start, cpu = time.perf_counter(), time.process_time()
            rows += pool.map(lambda x: likeness.prints((torch.from_numpy(x)[None],)), batch)
            seconds += time.perf_counter() - start
            used += time.process_time() - cpu
    made = tuple(np.concatenate(column) for column in zip(*rows, strict=True))
    order = rng.permutation(many)
    evidence = Evidence(
        n_rows=many,
        parts={"train": np.sort(order[4000:]), "valid": np.sort(order[:4000])},
        truth=Truth("category", np.arange(many) % 10, tuple("abcdefghij")),
        likeness=likeness,
        prints=made,
    )
    start, cpu = time.perf_counter(), time.process_time()
    found = duplicates(evidence)
    pairs = time.perf_counter() - start
    used += time.process_time() - cpu
    report.rows.append(
        {
            "where": f"20,000 parts of photos, {SIZE} x {SIZE}",
            "what": "time",
            "seconds for prints": seconds,
            "seconds for the check": pairs,
            "of the processor, both": used,
            "findings": [f.said for f in found],
        }
    )
    what = "seconds for 20,000 pictures beyond decoding"
    report.targets.append(Target(what, seconds + pairs, 60))


def _part(file: Path, rng: np.random.Generator) -> np.ndarray:
    """A part of a photo, a third to two thirds of each side, mirrored or not."""
    img = Image.open(file).convert("RGB")
    w, h = (int(side * rng.uniform(0.35, 0.65)) for side in img.size)
    x, y = int(rng.integers(0, img.width - w)), int(rng.integers(0, img.height - h))
    img = img.crop((x, y, x + w, y + h)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.array(img).transpose(2, 0, 1))


def _listed(pairs: Any) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in zip(pairs.left, pairs.right, strict=True)]


def _copies(pairs: Any) -> list[tuple[int, int]]:
    return [pair for pair, like in zip(_listed(pairs), pairs.likeness, strict=True) if like >= 0.5]


def _interval(count: int, of: int) -> list[float]:
    from redstart.metrics.interval import wilson

    return [round(x, 6) for x in wilson(count, of)]


def _sheet(pairs: list[tuple[np.ndarray, np.ndarray]], file: Path, size: int = 84) -> None:
    across = 6
    down = -(-len(pairs) // across)
    sheet = Image.new("L", (across * (2 * size + 12), max(1, down) * (size + 6)), 255)
    for number, pair in enumerate(pairs):
        for side, pixels in enumerate(pair):
            left = (number % across) * (2 * size + 12) + side * (size + 2)
            picture = Image.fromarray(pixels).resize((size, size))
            sheet.paste(picture, (left, (number // across) * (size + 6)))
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file)


if __name__ == "__main__":
    main()
