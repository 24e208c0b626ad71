"""Ants and bees: ``fine_tune(3)`` of a pretrained network on 244 photos, 224 pixels.

Everything at its defaults, in fresh learners, with one seed per run, alternated with fastai
on the same weights, files, size and batch size. Times start when loaders are made and stop
when ``fine_tune`` returns; imports are not in them. The preflight has never seen the files.
Each epoch's end is stamped, so "seconds to an accuracy" is the first validation at or above
it. "One pass by hand" decodes the same 397 photos by Pillow, in as many threads as PyTorch
has, and puts them through the network in ``inference_mode``: making the model is in it.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import shutil
import statistics
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench import Benchmark, Target, median, options, ratio, rounds, shared, silent
from decode import pillow

ARCH, SIZE = "mobilenetv2_100", 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WEIGHTS = f"{ARCH}.timm.in1k.safetensors"


@dataclass
class Trial:
    """One training.

    Attributes:
        seconds: From making loaders to the end.
        accuracy: At the end, on the 153 validation photos.
        epochs: Seconds since the start and accuracy after each epoch.
    """

    seconds: float
    accuracy: float
    epochs: list[tuple[float, float]] = field(default_factory=list)

    def until(self, accuracy: float) -> float | None:
        """Seconds to the first epoch that ends with at least ``accuracy``."""
        return next((s for s, a in self.epochs if a >= accuracy - 1e-9), None)


def batch_size(args: Any) -> int:
    """The default of both libraries; less where a quick run leaves few photos."""
    return 16 if args.quick else 64


def ours(folder: Path, weights: Path, seed: int, epochs: int, bs: int) -> Trial:
    """``fine_tune(epochs)``; the frozen phase alone for 0."""
    from redstart.vision import Callback, ImageDataLoaders, Resize, vision_learner

    ends: list[tuple[float, float]] = []

    class Stamp(Callback):
        order = 49

        def after_epoch(self, run: Any) -> None:
            ends.append((time.perf_counter() - start, run.row["accuracy"]))

    with tempfile.TemporaryDirectory() as scratch:
        os.environ["REDSTART_HOME"] = scratch  # no memory of files that were checked before
        start = time.perf_counter()
        dls = ImageDataLoaders.from_folder(
            folder, valid="val", seed=seed, bs=bs, item_tfms=Resize(SIZE)
        )
        learn = vision_learner(dls, ARCH, pretrained=weights, metrics="accuracy", path=scratch)
        recorder = learn.fine_tune(epochs, cbs=Stamp())
        seconds = time.perf_counter() - start
    return Trial(seconds, recorder.rows[-1]["accuracy"], ends)


def fastai(folder: Path, weights: Path, seed: int, epochs: int, bs: int) -> Trial:
    """The same with fastai; the weights are put where its own download would put them."""
    from fastai.vision.all import (
        Callback,
        ImageDataLoaders,
        Normalize,
        Resize,
        accuracy,
        imagenet_stats,
        set_seed,
        vision_learner,
    )
    from safetensors.torch import load_file

    ends: list[tuple[float, float]] = []

    class Stamp(Callback):
        order = 80

        def after_epoch(self) -> None:
            ends.append((time.perf_counter() - start, self.recorder.values[-1][-1]))

    with silent():
        start = time.perf_counter()
        set_seed(seed, reproducible=True)
        dls = ImageDataLoaders.from_folder(
            folder,
            valid="val",
            item_tfms=Resize(SIZE),
            batch_tfms=Normalize.from_stats(*imagenet_stats),
            bs=bs,
        )
        learn = vision_learner(dls, ARCH, pretrained=False, metrics=accuracy, path=folder)
        missing, _ = learn.model[0].model.load_state_dict(load_file(weights), strict=False)
        if missing:
            raise RuntimeError(
                f"Weights that fastai's body wants and the file lacks: {missing[:5]}"
            )
        learn.fine_tune(epochs, cbs=Stamp())
        seconds = time.perf_counter() - start
    return Trial(seconds, ends[-1][1], ends)


def one_pass(folder: Path, weights: Path, threads: int, *, tuned: bool) -> Trial:
    """Every photo through the network once, by hand.

    Args:
        folder: Of the photos.
        weights: Of the network.
        threads: That decode.
        tuned: Small batches in channels-last memory, which CPUs go through faster, rather
            than 64 at a time as they come.
    """
    import timm
    import torch
    from safetensors.torch import load_file

    bs = 8 if tuned else 64
    layout = torch.channels_last if tuned else torch.contiguous_format
    start = time.perf_counter()
    files = sorted(folder.rglob("*.jpg"))
    model = timm.create_model(ARCH, pretrained=False)
    model.load_state_dict(load_file(weights))
    model.reset_classifier(0)
    model.eval().to(memory_format=layout)
    mean = torch.tensor(MEAN).view(3, 1, 1) * 255
    std = torch.tensor(STD).view(3, 1, 1) * 255
    with ThreadPoolExecutor(threads) as pool, torch.inference_mode():
        pixels = list(pool.map(pillow, files))
        for i in range(0, len(files), bs):
            x = torch.stack([torch.from_numpy(a).permute(2, 0, 1) for a in pixels[i : i + bs]])
            model(x.to(torch.float32, memory_format=layout).sub_(mean).div_(std))
    return Trial(time.perf_counter() - start, math.nan)


def main() -> None:
    def extra(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--seeds", type=int, help="runs of our fine_tune(3)")
        parser.add_argument("--epochs", type=int, default=3, help="of fine_tune")

    args = options(__doc__, extra)
    report = Benchmark("ants_bees", args)
    folder = shared(args, "data", "hymenoptera")
    weights = shared(args, "weights", WEIGHTS)
    if folder is None or weights is None:
        report.skipped.append(
            f"no data/hymenoptera or weights/{WEIGHTS} in {args.shared}; name the folder that "
            "has them with --shared or REDSTART_SHARED"
        )
        report.targets += targets({})
        report.finish()
        return
    import torch

    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "photos"
        copy(folder, place, every=8 if args.quick else 1)
        measure(report, args, place, weights)
    report.finish()


def copy(folder: Path, place: Path, every: int) -> None:
    """Copy photos, since fastai writes beside its data; in a quick run only some."""
    for part in ("train", "val"):
        for label in ("ants", "bees"):
            (place / part / label).mkdir(parents=True)
            for file in sorted((folder / part / label).glob("*.jpg"))[::every]:
                shutil.copy(file, place / part / label)


def measure(report: Benchmark, args: Any, folder: Path, weights: Path) -> None:
    seeds = range(args.seeds or (1 if args.quick else 5))
    peer = not args.no_peers and find_spec("fastai") is not None
    if not peer:
        report.skipped.append("fastai is not installed, or was left out")
    bs = batch_size(args)
    n_peer = min(len(seeds), rounds(args, 3, 1)) if peer else 0
    one_pass(folder, weights, args.threads, tuned=True)  # warms the disk cache and the kernels
    found: dict[str, list[Trial]] = {
        "plain": [],
        "tuned": [],
        "frozen": [],
        "whole": [],
        "fastai": [],
    }
    for seed in seeds:
        found["plain"].append(one_pass(folder, weights, args.threads, tuned=False))
        found["tuned"].append(one_pass(folder, weights, args.threads, tuned=True))
        found["frozen"].append(ours(folder, weights, seed, 0, bs))
        found["whole"].append(ours(folder, weights, seed, args.epochs, bs))
        if seed < n_peer:
            found["fastai"].append(fastai(folder, weights, seed, args.epochs, bs))
    names = {
        "plain": "one pass by hand, 64 at a time",
        "tuned": "one pass by hand, 8 at a time, channels last",
        "frozen": "redstart, frozen phase alone",
        "whole": f"redstart fine_tune({args.epochs})",
        "fastai": f"fastai fine_tune({args.epochs})",
    }
    for key, trials in found.items():
        if trials:
            report.rows.append(row(names[key], trials, found["tuned"]))
    report.targets += targets(found)
    n_photos = sum(1 for _ in folder.rglob("*.jpg"))
    report.notes.append(
        f"{n_photos} photos, {ARCH} at {SIZE} pixels, {batch_size(args)} per batch; accuracy on "
        "the photos in val, mean over seeds with a 95% t interval."
    )
    report.notes += [
        "Seconds and accuracy after each epoch, first seed: "
        + "; ".join(
            f"{names[key]} " + ", ".join(f"{s:.1f} s {a:.1%}" for s, a in trials[0].epochs)
            for key, trials in found.items()
            if trials and trials[0].epochs
        ),
    ]


def row(name: str, trials: list[Trial], base: list[Trial]) -> dict[str, Any]:
    accuracies = [t.accuracy for t in trials]
    known = not math.isnan(accuracies[0])
    seconds = [t.seconds for t in trials]
    return {
        "who": name,
        "runs": len(trials),
        "s": median(seconds),
        "of a tuned pass": median(ratio(seconds, [t.seconds for t in base[: len(trials)]])),
        "accuracy": statistics.mean(accuracies) if known else None,
        "interval": [round(v, 4) for v in t_interval(accuracies)] if known else None,
        "lowest": min(accuracies) if known else None,
        "best epoch": max(a for t in trials for _, a in t.epochs) if known else None,
    }


def t_interval(values: list[float]) -> tuple[float, float]:
    """95% interval of the mean, by Student's t."""
    from scipy.stats import t

    mean = statistics.mean(values)
    if len(values) < 2:
        return math.nan, math.nan
    half = t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return mean - half, mean + half


def targets(found: dict[str, list[Trial]]) -> list[Target]:
    """The promises, with what was measured where there is something."""
    frozen, whole, peer = (found.get(key) for key in ("frozen", "whole", "fastai"))

    def mean(trials: list[Trial] | None) -> float | None:
        return 100 * statistics.mean(t.accuracy for t in trials) if trials else None

    def cost(of: str) -> float | None:
        passes = found.get(of)
        if not frozen or not passes:
            return None
        return median(ratio([t.seconds for t in frozen], [t.seconds for t in passes]))

    # Of as many runs as fastai had.
    sooner = median([gain(w, p) for w, p in zip(whole, peer, strict=False)]) if peer else None
    return [
        Target("accuracy of fine_tune, mean", mean(whole), 92, at_least=True, unit="%"),
        Target("accuracy of the frozen phase, mean", mean(frozen), 92, at_least=True, unit="%"),
        Target("frozen phase, of one pass by hand", cost("plain"), 1.5, unit="x"),
        Target("frozen phase, of one tuned pass by hand", cost("tuned"), 1.5, unit="x"),
        Target("sooner at fastai's best accuracy", sooner, 5, at_least=True, unit="x"),
    ]


def gain(whole: Trial, peer: Trial) -> float:
    """How many times sooner we have what fastai had at its best; 0 if we never have.

    fastai's time counts from the start to the end of that epoch, ours to the end of the
    first epoch of ``fine_tune`` that is at least as good.
    """
    best = max(a for _, a in peer.epochs)
    mine, theirs = whole.until(best), peer.until(best)
    return 0.0 if mine is None or theirs is None else theirs / mine


if __name__ == "__main__":
    main()
