"""Wrong labels: how many of planted ones are found, and what correcting them gains.

5% of the labels of training and validation rows are made wrong, at random or in pairs of
classes that are easily confused. All rows are then put in order of suspicion from predictions
out of fold, by our ranking, by others and by the package cleanlab (where it is installed), and
by the plain loss of a model trained on these labels. A person who reviews the first 10% and
never errs then corrects what is wrong among them; a model trained on that is compared with one
trained on the labels as they were, and with one trained on clean labels, on the same validation
rows with clean labels.

Photos go through the frozen body once; from there on everything runs as in
``learn.label_issues()``.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench import Benchmark, Target, options, rounds, shared, silent
from torch import nn

RATE = 0.05
REVIEWED = 0.10
WEIGHTS = "weights/mobilenetv2_100.timm.in1k.safetensors"
METHODS = ("noise", "margin", "self_confidence", "thresholds", "cleanlab")
FASHION = 2500
ADULT = 8000


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows with clean labels; ``dls`` makes loaders of other labels for them."""

    name: str
    features: np.ndarray
    labels: np.ndarray
    valid: np.ndarray
    learner: Callable[[Rows, np.ndarray], Any]
    fit: Callable[[Rows, np.ndarray, int], torch.Tensor]


def main(args: argparse.Namespace) -> Benchmark:
    bench = Benchmark("label_noise", args)
    torch.set_num_threads(args.threads)
    seeds = rounds(args, 5, 1)
    methods = [m for m in METHODS if m != "cleanlab" or installed("cleanlab")]
    if "cleanlab" not in methods:
        bench.skipped.append("cleanlab is not installed: pip install redstart[clean].")
    else:
        bench.notes.append(f"cleanlab {version('cleanlab')}, ranked by its label quality scores.")
    for rows in sets(args, bench):
        for kind in ("symmetric", "pairs"):
            if kind == "pairs" and rows.labels.max() < 2:
                continue  # of two classes there is one pair
            found = [once(rows, kind, seed, methods) for seed in range(seeds)]
            for method in [*methods, "training loss"]:
                bench.rows.append(line(rows, kind, method, found))
            bench.rows.append(gained(rows, kind, found))
            bench.rows.append(estimated(rows, kind, found))
            if rows.name != "adult":
                recall = statistics.mean(f["noise"]["recall"] for f in found)
                what = f"{rows.name}, {kind}: share of planted labels in the first 10% reviewed"
                bench.targets.append(Target(what, recall, 0.70, at_least=True))
    bench.notes += [
        (
            f"Share: of the planted labels, within the first {REVIEWED:.0%} of rows in order. "
            "Precision: share of planted ones among the first 1%, 5% and 10%. Mean over seeds, "
            "with Student's interval of the mean over seeds."
        ),
        "Training loss: of a model trained on these very labels, lowest first 'right'.",
        (
            "Gain: accuracy on validation rows with clean labels, in points; the 95% interval is "
            "of the mean over seeds. The paired interval is that of the first seed's rows alone."
        ),
        (
            f"Rows whose clean label is itself wrong or debatable count as false alarms. Adult: "
            f"{ADULT:,} rows, whose income is open for many (accuracy 87%): for information."
        ),
    ]
    return bench


def installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def once(rows: Rows, kind: str, seed: int, methods: list[str]) -> dict[str, Any]:
    """Plant, rank in every way, correct, train."""
    from redstart.evaluate.label_issues import rank_classes
    from redstart.train.label_issues import label_issues

    given, wrong = planted(rows, kind, seed)
    with silent():
        issues = label_issues(rows.learner(rows, given))
    position = np.empty(len(given), dtype=np.int64)
    position[issues.found.rows] = np.arange(len(issues.found.rows))
    probs, told = issues.found.predicted[position], given
    found: dict[str, Any] = {}
    order = issues.found.rows[issues.suspects.order]
    found["noise"] = measured(order, wrong)
    for method in methods[1:]:
        found[method] = measured(rank_classes(probs, told, method).order, wrong)
    before = rows.fit(rows, given, seed)
    loss = -before[torch.arange(len(given)), torch.from_numpy(given)]
    found["training loss"] = measured(torch.argsort(loss, descending=True).numpy(), wrong)
    corrected = given.copy()
    some = order[: round(REVIEWED * len(given))]
    corrected[some] = rows.labels[some]
    found["gain"] = gain(rows, before, rows.fit(rows, corrected, seed))
    found["most"] = gain(rows, before, rows.fit(rows, rows.labels, seed))
    found["accuracy"] = accuracy(rows, before)
    found["estimate"] = issues.suspects.estimate
    found["planted"] = int(wrong.sum())
    return found


def planted(rows: Rows, kind: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which 5% are wrong, and which."""
    rng = np.random.default_rng(seed)
    labels, c = rows.labels, int(rows.labels.max()) + 1
    some = rng.choice(len(labels), round(RATE * len(labels)), replace=False)
    given, wrong = labels.copy(), np.zeros(len(labels), dtype=bool)
    if kind == "symmetric":
        given[some] = (labels[some] + rng.integers(1, c, len(some))) % c
    else:
        given[some] = partners(rows)[labels[some]]
    wrong[some] = True
    return given, wrong


def partners(rows: Rows) -> np.ndarray:
    """The class that each class is most easily taken for: the nearest mean of features."""
    x = (rows.features - rows.features.mean(0)) / (rows.features.std(0) + 1e-6)
    means = np.stack([x[rows.labels == c].mean(0) for c in range(int(rows.labels.max()) + 1)])
    far = ((means[:, None] - means[None]) ** 2).sum(-1)
    np.fill_diagonal(far, np.inf)
    return far.argmin(1)


def measured(order: np.ndarray, wrong: np.ndarray) -> dict[str, float]:
    n = len(wrong)
    hits = wrong[order]
    cut = {share: hits[: round(share * n)] for share in (0.01, 0.05, 0.10)}
    return {
        "recall": float(cut[0.10].sum() / wrong.sum()),
        "recall5": float(cut[0.05].sum() / wrong.sum()),
        **{f"precision{round(100 * share)}": float(part.mean()) for share, part in cut.items()},
    }


def accuracy(rows: Rows, out: torch.Tensor) -> float:
    true = torch.from_numpy(rows.labels[rows.valid])
    return float((out[rows.valid].argmax(1) == true).double().mean())


def gain(rows: Rows, before: torch.Tensor, after: torch.Tensor) -> tuple[float, Any]:
    """Accuracy after less before, on clean validation labels, paired."""
    from redstart.metrics.make import as_metric
    from redstart.metrics.paired import paired_difference

    true = torch.from_numpy(rows.labels[rows.valid])
    found: tuple[float, Any] = paired_difference(
        as_metric("accuracy"), after[rows.valid], before[rows.valid], true
    )
    return found


def over_seeds(values: list[float], scale: float = 1.0) -> dict[str, Any]:
    from scipy.stats import t

    mean = statistics.mean(values)
    if len(values) < 2:
        return {"mean": scale * mean, "low": None, "high": None}
    half = t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return {
        k: round(scale * v, 4)
        for k, v in zip(("mean", "low", "high"), (mean, mean - half, mean + half), strict=True)
    }


def line(rows: Rows, kind: str, method: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    share = over_seeds([f[method]["recall"] for f in found])
    return {
        "set": rows.name,
        "noise": kind,
        "ranking": method,
        "found in 10%": share["mean"],
        "interval": [share["low"], share["high"]],
        "found in 5%": over_seeds([f[method]["recall5"] for f in found])["mean"],
        **{
            f"precision {k}%": over_seeds([f[method][f"precision{k}"] for f in found])["mean"]
            for k in (1, 5, 10)
        },
        "seeds": len(found),
    }


def gained(rows: Rows, kind: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    points = over_seeds([f["gain"][0] for f in found], 100)
    most = over_seeds([f["most"][0] for f in found], 100)
    first = found[0]["gain"][1]
    return {
        "set": rows.name,
        "noise": kind,
        "ranking": "gain by correcting 10%",
        "accuracy before": round(100 * statistics.mean(f["accuracy"] for f in found), 2),
        "points": points["mean"],
        "interval": [points["low"], points["high"]],
        "paired, first seed": None if first is None else [round(100 * v, 2) for v in first],
        "points if all were clean": most["mean"],
        "seeds": len(found),
    }


def estimated(rows: Rows, kind: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "set": rows.name,
        "noise": kind,
        "ranking": "estimate",
        "rows": len(rows.labels),
        "planted": found[0]["planted"],
        "estimated": [round(f["estimate"].count, 1) for f in found],
        "covered": sum(f["estimate"].low <= f["planted"] <= f["estimate"].high for f in found),
        "seeds": len(found),
    }


# Data.


def sets(args: argparse.Namespace, bench: Benchmark) -> Iterator[Rows]:
    weights = shared(args, WEIGHTS)
    for name in ("hymenoptera", "imagenette224"):
        folder = shared(args, "data", name)
        if folder is None or weights is None:
            bench.skipped.append(f"{name}: not there.")
        elif not args.quick or name == "hymenoptera":
            yield photos(name, folder, weights)
    if args.quick:
        return
    fashion, adult = shared(args, "data/fashion_mnist_subset.npz"), shared(args, "data/adult")
    if fashion is None or weights is None:
        bench.skipped.append("fashion: not there.")
    else:
        yield clothes(fashion, weights)
    if adult is None:
        bench.skipped.append("adult: not there.")
    else:
        yield incomes(adult)


def photos(name: str, folder: Path, weights: Path) -> Rows:
    from redstart.vision import ImageDataLoaders, Resize, vision_learner

    dls = ImageDataLoaders.from_folder(folder, valid="val", item_tfms=Resize(224), device="cpu")
    return of_body(name, vision_learner(dls, "mobilenetv2_100", pretrained=weights))


def clothes(file: Path, weights: Path) -> Rows:
    from PIL import Image

    from redstart.data.block import DataBlock
    from redstart.data.split import IndexSplitter
    from redstart.vision import CategoryBlock, ImageBlock, Resize, vision_learner

    with np.load(file) as found:
        images, labels = found["x_train"], found["y_train"]
    items = [
        (Image.fromarray(image.reshape(28, 28)).convert("RGB"), int(label))
        for image, label in zip(images[:FASHION], labels[:FASHION], strict=True)
    ]
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_x=itemgetter(0),
        get_y=itemgetter(1),
        splitter=IndexSplitter(range(FASHION - FASHION // 5, FASHION)),
        item_tfms=Resize(112),
    )
    dls = block.dataloaders(items, device="cpu")
    return of_body("fashion", vision_learner(dls, "mobilenetv2_100", pretrained=weights))


def of_body(name: str, learn: Any) -> Rows:
    """Rows as the frozen body gives them."""
    from redstart.train.outoffold import labelled_rows
    from redstart.train.rowfeatures import body_features

    with silent():
        learn.check()
        data, valid = labelled_rows(learn)
        features = body_features(learn, data)
    return Rows(name, features.numpy(), data.labels[0].numpy(), valid, feature_learner, head)


def feature_learner(rows: Rows, labels: np.ndarray) -> Any:
    """A learner of features that came out of a frozen body."""
    from redstart.data.block import DataBlock
    from redstart.data.split import IndexSplitter
    from redstart.data.stream import TensorCodec
    from redstart.targets.category import CategoryBlock
    from redstart.train.learner import Learner

    items = list(zip(torch.from_numpy(rows.features), labels.tolist(), strict=True))
    block = DataBlock(
        blocks=(TensorCodec(), CategoryBlock(vocab=range(int(rows.labels.max()) + 1))),
        get_x=itemgetter(0),
        get_y=itemgetter(1),
        splitter=IndexSplitter(np.flatnonzero(rows.valid).tolist()),
    )
    dls = block.dataloaders(items, device="cpu", num_workers=0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(rows.features.shape[1], dls.c))
    return Learner(dls, model, pretrained_body=model[0])


def head(rows: Rows, labels: np.ndarray, seed: int) -> torch.Tensor:
    """Log-probabilities of all rows by a head trained on the training rows, as `fine_tune` does."""
    x, y = torch.from_numpy(rows.features).float(), torch.from_numpy(labels)
    train = torch.from_numpy(np.flatnonzero(~rows.valid))
    rng = torch.Generator().manual_seed(seed)
    weight = torch.zeros(int(rows.labels.max()) + 1, x.shape[1], requires_grad=True)
    bias = torch.zeros(len(weight), requires_grad=True)
    opt = torch.optim.AdamW([weight, bias], lr=2e-3, weight_decay=0.01)
    steps = 400
    cycle = torch.optim.lr_scheduler.OneCycleLR(opt, 2e-3, total_steps=steps, pct_start=0.1)
    for _ in range(steps):
        some = train[torch.randint(len(train), (64,), generator=rng)]
        kept = (torch.rand(64, x.shape[1], generator=rng) > 0.5).float() * 2  # dropout
        loss = nn.functional.cross_entropy(x[some] * kept @ weight.T + bias, y[some])
        opt.zero_grad()
        loss.backward()
        opt.step()
        cycle.step()
    return (x @ weight.T + bias).detach().log_softmax(1)


def incomes(folder: Path) -> Rows:
    import pandas as pd

    frame = pd.read_csv(folder / "adult.data").sample(ADULT, random_state=0, ignore_index=True)
    labels = (frame.pop("income") == ">50K").to_numpy().astype(np.int64)
    codes = [
        frame[c].astype("category").cat.codes if frame[c].dtype.kind not in "if" else frame[c]
        for c in frame
    ]
    valid = np.arange(ADULT) >= ADULT * 4 // 5

    def learner(rows: Rows, given: np.ndarray) -> Any:
        from redstart.tabular import TabularDataLoaders, tabular_learner

        noisy = frame.assign(income=given)
        idx = np.flatnonzero(valid).tolist()
        dls = TabularDataLoaders.from_df(noisy, y_names="income", valid_idx=idx, device="cpu")
        return tabular_learner(dls)

    return Rows("adult", np.stack(codes, 1).astype(float), labels, valid, learner, trees)


def trees(rows: Rows, labels: np.ndarray, seed: int) -> torch.Tensor:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(max_leaf_nodes=15, random_state=seed)
    model.fit(rows.features[~rows.valid], labels[~rows.valid])
    return torch.from_numpy(model.predict_proba(rows.features)).clamp_min(1e-9).log()


if __name__ == "__main__":
    main(options(__doc__)).finish()
