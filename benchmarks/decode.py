"""Decode and resize photos on one core, against Pillow alone; then the second epoch.

Pillow alone is the shortest code that makes the very same pixels: ``open``, ``draft``,
``convert``, ``resize`` with a box, a NumPy array. The pixels are compared.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import (
    Benchmark,
    Target,
    alternate,
    median,
    options,
    photos,
    quartiles,
    ratio,
    rounds,
    shared,
)

SIZE = 224


def pillow(file: Path) -> Any:
    """``(224, 224, 3)`` bytes: the largest centred square."""
    import numpy as np
    from PIL import Image

    with Image.open(file) as img:
        scale = SIZE / min(img.size)
        img.draft(None, (math.ceil(img.width * scale), math.ceil(img.height * scale)))
        img.load()
        img = img if img.mode == "RGB" else img.convert("RGB")
        side = min(img.size)
        left, top = (img.width - side) / 2, (img.height - side) / 2
        box = (left, top, left + side, top + side)
        return np.array(
            img.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
        )


def main() -> None:
    args = options(__doc__)
    import torch

    torch.set_num_threads(1)
    report = Benchmark("decode", args)
    with tempfile.TemporaryDirectory() as scratch:
        found = shared(args, "data", "hymenoptera", "train")
        if found is None:
            report.skipped.append(f"no data/hymenoptera in {args.shared}: drawn pictures instead")
        folder = found or photos(Path(scratch) / "photos", 60)
        files = sorted(folder.rglob("*.jpg"))[:: 6 if args.quick else 1]
        one_core(report, args, files)
        epochs(report, args, files, folder)
    report.finish()


def one_core(report: Benchmark, args: Any, files: list[Path]) -> None:
    from redstart.vision import ImageBlock, Resize

    codec = ImageBlock().with_item_tfms(Resize(SIZE))
    differ = [f.name for f in files if not _same(pillow(f), codec.encode(codec.load(f))[0])]
    tasks: dict[str, Callable[[], Any]] = {
        "Pillow alone": lambda: [pillow(f) for f in files],
        "redstart, file to tensor": lambda: [codec.encode(codec.load(f)) for f in files],
    }
    seconds = alternate(tasks, rounds(args, 15, 2))
    for name, values in seconds.items():
        rates = ratio(seconds["Pillow alone"], values)
        report.rows.append(
            {
                "what": name,
                "photos per s": len(files) / median(values),
                "of Pillow": median(rates),
                "quartiles": [round(q, 3) for q in quartiles(rates)],
            }
        )
    report.notes.append(
        f"{len(files)} photos, one core, {SIZE} x {SIZE}; pixels differ from Pillow's in "
        f"{len(differ)} of them{': ' + ', '.join(differ[:5]) if differ else ''}."
    )
    report.targets.append(
        Target(
            "decode and resize per core, of Pillow's rate",
            median(ratio(seconds["Pillow alone"], seconds["redstart, file to tensor"])),
            0.9,
            at_least=True,
            unit="x",
        )
    )


def _same(array: Any, tensor: Any) -> bool:
    import numpy as np

    return bool(np.array_equal(array, tensor.permute(1, 2, 0).numpy()))


def epochs(report: Benchmark, args: Any, files: list[Path], folder: Path) -> None:
    """First and second pass over a training loader, to normalised floats."""
    from redstart.vision import ImageDataLoaders, Resize

    gains: dict[int, list[float]] = {0: [], args.threads: []}
    rates: dict[tuple[int, int], list[float]] = {}
    for _ in range(rounds(args, 7, 2)):
        for workers, found in gains.items():
            dls = ImageDataLoaders.from_path_func(
                folder,
                files,
                lambda f: f.parent.name,
                valid_pct=0.05,
                seed=42,
                item_tfms=Resize(SIZE),
                num_workers=workers,
            )
            seconds = [_pass(dls.train, epoch) for epoch in range(2)]
            found.append(seconds[0] / seconds[1])
            for epoch, value in enumerate(seconds):
                rates.setdefault((workers, epoch), []).append(dls.train.n_rows / value)
    for (workers, epoch), values in rates.items():
        gain = gains[workers] if epoch else [1.0]
        report.rows.append(
            {
                "what": f"loader, {workers} workers, epoch {epoch + 1}",
                "photos per s": median(values),
                "of the first epoch": median(gain),
                "quartiles": [round(q, 2) for q in quartiles(gain)],
            }
        )
    for workers, found in gains.items():
        what = f"second epoch from the cache, of the first's rate, {workers} workers"
        report.targets.append(Target(what, median(found), 8, at_least=True, unit="x"))


def _pass(loader: Any, epoch: int) -> float:
    import time

    start = time.perf_counter()
    for _ in loader.batches(epoch=epoch):
        pass
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
