"""One ``predict`` of a JPEG against what cannot be avoided: decode, resize, forward.

The bare side decodes with Pillow (with ``draft``), resizes to the same pixels, normalises
in one expression and runs the model in ``inference_mode``; nothing else. Same model, same
file, in turn, one call after another; the probabilities must agree.
"""

from __future__ import annotations

import statistics
import tempfile
import warnings
from collections.abc import Callable
from importlib.util import find_spec
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
    rounds,
    shared,
    silent,
)

ARCH, SIZE = "mobilenetv2_100", 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def bare(model: Any, file: Path) -> Callable[[], Any]:
    import numpy as np
    import torch
    from PIL import Image

    mean = torch.tensor(MEAN).view(3, 1, 1) * 255
    std = torch.tensor(STD).view(3, 1, 1) * 255

    def go() -> Any:
        with Image.open(file) as img:
            width, height = img.size
            scale = SIZE / min(width, height)
            # No smaller than the picture that is wanted, as a careful person would ask.
            img.draft("RGB", (int(np.ceil(width * scale)), int(np.ceil(height * scale))))
            img = img.convert("RGB")
            width, height = img.size
            side = min(width, height)
            left, top = (width - side) / 2, (height - side) / 2
            box = (left, top, left + side, top + side)
            img = img.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
            x = torch.from_numpy(np.array(img).transpose(2, 0, 1)).float()
        x = ((x - mean) / std)[None]
        with torch.inference_mode():
            return model(x).softmax(1)[0]

    return go


def fastai_learner(folder: Path) -> Any:
    """fastai's learner on the same body and the same files."""
    from fastai.vision.all import (
        ImageDataLoaders,
        Normalize,
        Resize,
        imagenet_stats,
        vision_learner,
    )

    dls = ImageDataLoaders.from_folder(
        folder,
        valid_pct=0.5,
        seed=0,
        item_tfms=Resize(SIZE),
        batch_tfms=Normalize.from_stats(*imagenet_stats),
        bs=4,
        num_workers=0,
    )
    return vision_learner(dls, ARCH, pretrained=False)


def main() -> None:
    args = options(__doc__)
    import torch

    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")
    report = Benchmark("predict", args)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        folder = shared(args, "data", "hymenoptera", "val") or photos(place / "photos")
        measure(report, args, folder, place)
    report.finish()


def measure(report: Benchmark, args: Any, folder: Path, place: Path) -> None:
    from redstart.vision import ImageDataLoaders, Resize, load_learner, vision_learner

    file = sorted(folder.rglob("*.jpg"))[0]
    dls = ImageDataLoaders.from_folder(folder, valid_pct=0.5, seed=0, item_tfms=Resize(SIZE))
    learn = vision_learner(dls, ARCH, pretrained=False, path=place)
    bundle = load_learner(learn.export("model.redstart"))
    plain = bare(bundle.model, file)
    tasks: dict[str, Callable[[], Any]] = {
        "bare": plain,
        "bundle.predict": lambda: bundle.predict(file),
        "learn.predict": lambda: learn.predict(file),
    }
    if not args.no_peers and find_spec("fastai"):
        other = fastai_learner(folder)

        def fastai_predict() -> None:
            with silent(), other.no_bar():
                other.predict(file)

        tasks["fastai learn.predict"] = fastai_predict
    for task in tasks.values():
        for _ in range(3):
            task()
    gap = (bundle.predict(file).probs - plain()).abs().max().item()
    seconds = alternate(tasks, rounds(args, 200, 10))
    extra = {
        name: [(a - b) * 1e3 for a, b in zip(values, seconds["bare"], strict=True)]
        for name, values in seconds.items()
    }
    for name, values in seconds.items():
        report.rows.append(
            {
                "call": name,
                "ms": median(values) * 1e3,
                "quartiles": [round(q * 1e3, 2) for q in quartiles(values)],
                "ms above bare": median(extra[name]),
                "90th percentile above": statistics.quantiles(extra[name], n=10)[-1],
            }
        )
    report.notes += [
        f"{ARCH} at {SIZE} pixels; {file.name}, {file.stat().st_size // 1024} KiB.",
        f"Largest difference of a probability to the bare forward: {gap:.1e}.",
    ]
    report.targets += [
        Target(
            "bundle.predict above decode and forward",
            median(extra["bundle.predict"]),
            3,
            unit=" ms",
        ),
        Target(
            "learn.predict above decode and forward", median(extra["learn.predict"]), 3, unit=" ms"
        ),
        Target("difference to the bare forward's probabilities", gap, 1e-5),
    ]


if __name__ == "__main__":
    main()
