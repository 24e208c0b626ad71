"""Baselines beside pictures, and what is said of curves.

Baselines: the most frequent class, a linear model on features made by hand, and one on the
frozen body of a pretrained network (mobilenetv2_100), on the given validation rows, with 95%
intervals. Rows are read, and decoded pictures kept, before the clock starts; seconds are for
making both kinds of features of training and validation rows, fitting and predicting. They
are also given as processor time, which other work on the machine changes less; the promise is
3 seconds on two cores, 6 of processor time. After ``fine_tune``, as a report is made, what the
frozen body gave is at hand.

Readings: small trainings that go well, or wrong in a known way (``tests/unit/train/planted.py``),
each with many seeds; how often each kind of reading is said of each. A row is right where what
was planted is said, and, of a good training, nothing else.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from bench import HERE, RESULTS, Benchmark, Target, options, rounds, shared

ARCH = "mobilenetv2_100"
WEIGHTS = f"{ARCH}.timm.in1k.safetensors"
SHORT = {"frozen body": "frozen body", "hand-made features": "hand-made"}


def main() -> None:
    def extra(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--seeds", type=int, help="trainings of each planted kind")
        parser.add_argument("--only", choices=("baselines", "readings"), help="one of the parts")

    args = options(__doc__, extra)
    report = Benchmark("baselines", args)
    import torch

    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    if args.only != "readings":
        pictures(report, args)
    else:
        keep(report, planted=False)
    if args.only != "baselines":
        readings(report, args)
    else:
        keep(report, planted=True)
    report.finish()


def keep(report: Benchmark, *, planted: bool) -> None:
    """Keep the other part of the last results, which is not measured anew."""
    file = RESULTS / "baselines.json"
    if report.args.quick or not file.exists():
        return
    facts = json.loads(file.read_text())
    report.rows += [row for row in facts["rows"] if ("planted" in row) is planted]
    for target in facts["targets"]:
        if ("train" in target["what"] or "planted" in target["what"]) is planted:
            report.targets.append(Target(**{k: v for k, v in target.items() if k != "met"}))
    report.notes.append(
        f"The {'readings' if planted else 'baselines'} were measured before, {facts['date']}."
    )


def pictures(report: Benchmark, args: Any) -> None:
    from redstart.train.baselines import baselines

    cost = None
    for name, make in SETS.items():
        with tempfile.TemporaryDirectory() as scratch:
            os.environ["REDSTART_HOME"] = scratch
            learn = make(args, Path(scratch))
            if learn is None:
                report.skipped.append(f"{name}: no data, or no weights, in {args.shared}")
                continue
            import sklearn.linear_model  # noqa: F401 - importing is not what is timed

            _ = learn.engine  # chooses the precision by trying, as a fit would have
            for part in (learn.dls.train, learn.dls.valid):
                for position in range(len(part.dataset)):
                    part.dataset.x(position)
            wall, cpu = time.perf_counter(), time.process_time()
            found = baselines(learn)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        row: dict[str, Any] = {"what": name, "n_train": learn.dls.train.n_rows}
        row["n_valid"] = learn.dls.valid.n_rows
        for one in found:
            value, interval = one.metrics["accuracy"]
            short = SHORT.get(one.name, "constant")
            row[short] = round(value, 4)
            row[f"{short}, 95%"] = [round(end, 4) for end in interval or ()]
            row[f"{short}, s"] = round(one.seconds, 2)
        row |= {"s": round(wall, 2), "cpu s": round(cpu, 2)}
        report.rows.append(row)
        if name == KEPT:
            cost = cpu
    report.targets.append(
        Target("processor time of both linear baselines, ants and bees", cost, 6, unit=" s")
    )


def hymenoptera(args: Any, scratch: Path) -> Any:
    return from_folder(args, scratch, "hymenoptera", every=8 if args.quick else 1)


def imagenette(args: Any, scratch: Path) -> Any:
    return from_folder(args, scratch, "imagenette224", every=40 if args.quick else 2)


def from_folder(args: Any, scratch: Path, name: str, every: int) -> Any:
    from redstart.vision import ImageDataLoaders, Resize, vision_learner

    folder, weights = shared(args, "data", name), shared(args, "weights", WEIGHTS)
    if folder is None or weights is None:
        return None
    for part in ("train", "val"):
        for label in sorted(p.name for p in (folder / part).iterdir() if p.is_dir()):
            (scratch / name / part / label).mkdir(parents=True)
            for file in sorted((folder / part / label).iterdir())[::every]:
                (scratch / name / part / label / file.name).symlink_to(file)
    dls = ImageDataLoaders.from_folder(scratch / name, valid="val", item_tfms=Resize(224))
    return vision_learner(dls, ARCH, pretrained=weights, metrics="accuracy", path=scratch)


def fashion(args: Any, scratch: Path) -> Any:
    import numpy as np

    file = shared(args, "data", "fashion_mnist_subset.npz")
    if file is None:
        return None
    data = np.load(file)
    arrays = [data[key] for key in sorted(data.files)]
    images = sorted((a for a in arrays if a.ndim == 3), key=len)
    labels = sorted((a for a in arrays if a.ndim == 1), key=len)
    n, held = (200, 100) if args.quick else (5000, 2000)
    x = np.concatenate([images[-1][:n], images[0][:held]])
    y = np.concatenate([labels[-1][:n], labels[0][:held]])
    return grey(scratch, x, y, held)


def demo_digits(args: Any, scratch: Path) -> Any:
    import numpy as np
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))[: 200 if args.quick else None]
    x = (data.images[order] * 15.9).astype(np.uint8)
    return grey(scratch, x, data.target[order], len(order) // 4)


def grey(scratch: Path, x: Any, y: Any, held: int) -> Any:
    from operator import itemgetter

    from torch import nn

    from redstart.vision import (
        CategoryBlock,
        DataBlock,
        ImageBlock,
        IndexSplitter,
        PILImageBW,
        vision_learner,
    )

    block = DataBlock(
        blocks=(ImageBlock(PILImageBW), CategoryBlock()),
        get_x=itemgetter(0),
        get_y=itemgetter(1),
        splitter=IndexSplitter(range(len(x) - held, len(x))),
    )
    rows = [(image, str(label)) for image, label in zip(x, y, strict=True)]
    dls = block.dataloaders(rows)
    model = nn.Sequential(nn.Flatten(), nn.LazyLinear(dls.c))
    return vision_learner(dls, model, metrics="accuracy", path=scratch)


def fine_tuned(args: Any, scratch: Path) -> Any:
    learn = hymenoptera(args, scratch)
    if learn is not None:
        learn.fine_tune(0)
    return learn


KEPT = "ants and bees, after fine_tune"
SETS = {
    "ants and bees": hymenoptera,
    KEPT: fine_tuned,
    "imagenette, every other photo": imagenette,
    "Fashion-MNIST, 5,000 + 2,000": fashion,
    "digits, 8 by 8": demo_digits,
}


def readings(report: Benchmark, args: Any) -> None:
    sys.path.insert(0, str(HERE.parent / "tests" / "unit" / "train"))
    from planted import PLANTED

    from redstart.train.reading import read_training

    n = args.seeds or rounds(args, 10, 1)
    right = {True: [], False: []}  # by whether the training is a good one
    for name, planted in PLANTED.items():
        said: Counter[str] = Counter()
        first: Counter[str] = Counter()
        hits = 0
        for seed in range(n):
            with tempfile.TemporaryDirectory() as scratch:
                os.environ["REDSTART_HOME"] = scratch
                kinds = [r.kind for r in read_training(planted.train(seed, Path(scratch)))]
            said.update(kinds)
            first.update(kinds[:1])
            good = "fine" in planted.kinds
            hits += kinds == ["fine"] if good else bool(planted.kinds & set(kinds))
        right[good].append(hits / n)
        report.rows.append(
            {
                "what": name,
                "planted": " or ".join(sorted(planted.kinds)),
                "seeds": n,
                "right": hits,
                "said": dict(said.most_common()),
                "said first": dict(first.most_common()),
            }
        )
    for good, what in ((False, "planted troubles named"), (True, "good trainings called fine")):
        share = 100 * sum(right[good]) / len(right[good])
        report.targets.append(Target(what, share, 97, at_least=True, unit="%"))


if __name__ == "__main__":
    main()
