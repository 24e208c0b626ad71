"""One epoch after another of a small MLP: ``Learner.fit`` against a bare PyTorch loop.

Everybody gets the same list of batches (784 numbers, 10 classes, batch 64), the same model
and the same optimizer, with the callbacks that are on by default and no terminal. The bare
loop is what a careful person writes by hand: it sums the training loss with ``.item()`` and
measures loss and accuracy on the validation batches after each epoch, as all others do.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

from bench import Benchmark, Target, alternate, median, options, quartiles, ratio, rounds, silent

LR, WD, BETAS, EPS = 1e-3, 0.01, (0.9, 0.99), 1e-5


class Listed:
    """The least that the peers ask of a loader, so that no loading is timed."""

    n_inp = 1
    bs = 64

    def __init__(self, pairs: Any) -> None:
        self.pairs = self.dataset = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Any:
        return iter(self.pairs)

    def to(self, device: Any) -> Any:
        return self


def batches(n: int, seed: int) -> list[tuple[Any, Any]]:
    """Something that can be learnt: ten random centres with noise."""
    import torch

    rng = torch.Generator().manual_seed(seed)
    centres = torch.randn(10, 784, generator=torch.Generator().manual_seed(0)) * 0.1
    made = []
    for _ in range(n):
        y = torch.randint(10, (64,), generator=rng)
        made.append((centres[y] + torch.randn(64, 784, generator=rng), y))
    return made


def mlp() -> Any:
    import torch
    from torch import nn

    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def groups(model: Any) -> list[dict[str, Any]]:
    """Weight decay on weights alone, as we do."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    biases = [p for p in model.parameters() if p.ndim == 1]
    return [
        {"params": weights, "weight_decay": WD},
        {"params": biases, "weight_decay": 0.0},
    ]


def same_optimizer(model: Any) -> Any:
    """Exactly ours: class, flags and groups."""
    import torch

    return torch.optim.AdamW(groups(model), lr=LR, betas=BETAS, eps=EPS, fused=True)


def one_group(model: Any) -> Any:
    """Ours, but with weight decay on biases too, so that there is one group."""
    import torch

    return torch.optim.AdamW(
        model.parameters(), lr=LR, betas=BETAS, eps=EPS, weight_decay=WD, fused=True
    )


def torch_default(model: Any) -> Any:
    import torch

    return torch.optim.AdamW(model.parameters(), lr=LR)


def bare(train: Any, valid: Any, epochs: int, optimizer: Callable[[Any], Any]) -> Any:
    import torch
    import torch.nn.functional as F

    model = mlp()
    opt = optimizer(model)

    def go() -> Any:
        for _ in range(epochs):
            model.train()
            total = rows = 0.0
            for x, y in train:
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                opt.step()
                opt.zero_grad()
                total += loss.item() * len(y)
                rows += len(y)
            model.eval()
            lost = right = seen = 0.0
            with torch.no_grad():
                for x, y in valid:
                    out = model(x)
                    lost += F.cross_entropy(out, y).item() * len(y)
                    right += (out.argmax(1) == y).sum().item()
                    seen += len(y)
        return total / rows, lost / seen, right / seen, model

    return go


def redstart(train: Any, valid: Any, epochs: int, folder: str) -> Any:
    import torch.nn.functional as F

    from redstart.data.loaders import DataLoaders
    from redstart.metrics.functions import accuracy
    from redstart.train.learner import Learner

    learn = Learner(
        DataLoaders(train, valid),
        mlp(),
        loss_func=F.cross_entropy,
        metrics=accuracy,
        path=folder,
        precision="float32",  # the same arithmetic as the bare loop, whatever the processor
    )

    def go() -> Any:
        row = learn.fit(epochs, LR, wd=WD).rows[-1]
        return row["train_loss"], row["valid_loss"], row["accuracy"], learn.model

    return go


def fastai(train: Any, valid: Any, epochs: int, *, fused: bool) -> Any:
    import torch
    import torch.nn.functional as F
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.metrics import accuracy
    from fastai.optimizer import OptimWrapper

    options: dict[str, Any] = {}
    if fused:
        adamw = partial(OptimWrapper, opt=partial(torch.optim.AdamW, eps=EPS, fused=True))
        options = {"opt_func": adamw}
    learn = Learner(
        DataLoaders(Listed(train), Listed(valid), device=torch.device("cpu")),
        mlp(),
        loss_func=F.cross_entropy,
        metrics=accuracy,
        wd=WD,
        **options,
    )

    def go() -> Any:
        with silent():
            learn.fit(epochs, LR)
        return (*learn.recorder.values[-1], learn.model)

    return go


def lightning(train: Any, valid: Any, epochs: int, folder: str, *, spare: bool) -> Any:
    import lightning as L
    import torch.nn.functional as F

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = mlp()

        def training_step(self, batch: Any, _: int) -> Any:
            x, y = batch
            loss = F.cross_entropy(self.model(x), y)
            self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(y))
            return loss

        def validation_step(self, batch: Any, _: int) -> None:
            x, y = batch
            out = self.model(x)
            right = (out.argmax(1) == y).float().mean()
            self.log("valid_loss", F.cross_entropy(out, y), batch_size=len(y))
            self.log("accuracy", right, batch_size=len(y))

        def configure_optimizers(self) -> Any:
            return same_optimizer(self.model)

    off = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    module = Module()
    with silent():
        trainer = L.Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            default_root_dir=folder,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            **(off if spare else {}),
        )

    def go() -> Any:
        with silent():
            trainer.fit(module, Listed(train), Listed(valid))
        found = trainer.callback_metrics
        names = ("train_loss", "valid_loss", "accuracy")
        return (*(float(found[name]) for name in names), module.model)

    return go


def main() -> None:
    def extra(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--batches", type=int, help="training batches per epoch")
        parser.add_argument("--epochs", type=int, help="epochs of one fit")
        parser.add_argument("--profile", action="store_true", help="where our time goes")

    args = options(__doc__, extra)
    import torch

    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    n = args.batches or (100 if args.quick else 1000)
    epochs = args.epochs or (2 if args.quick else 3)
    train, valid = batches(n, 1), batches(max(1, n // 10), 2)
    if args.profile:
        profile(train, valid, epochs)
        return
    report = Benchmark("loop", args)
    with tempfile.TemporaryDirectory() as folder:
        made: dict[str, Callable[[], Any]] = {
            "bare, our optimizer": lambda: bare(train, valid, epochs, same_optimizer),
            "bare, one parameter group": lambda: bare(train, valid, epochs, one_group),
            "bare, torch's default AdamW": lambda: bare(train, valid, epochs, torch_default),
            "redstart": lambda: redstart(train, valid, epochs, folder),
        }
        if not args.no_peers:
            made |= peers(report, train, valid, epochs, folder)
        tasks = {name: partial(measure, make) for name, make in made.items()}
        for task in tasks.values():
            task()  # warms up: imports, kernels, allocator
        found = alternate(tasks, rounds(args, 15, 3), keep=True)
    fill(report, found, n * epochs)
    report.notes += [
        f"One fit: {epochs} epochs of {n} training and {len(valid)} validation batches of 64 rows.",
        "Ratios are medians over rounds, each against the bare loop of the same round.",
        "Making model, optimizer and learner is not timed; all that `fit` does is.",
    ]
    report.finish()


def peers(report: Benchmark, train: Any, valid: Any, epochs: int, folder: str) -> dict[str, Any]:
    """The peers that are installed."""
    made: dict[str, Any] = {}
    if find_spec("fastai"):
        made["fastai"] = lambda: fastai(train, valid, epochs, fused=False)
        made["fastai, fused AdamW"] = lambda: fastai(train, valid, epochs, fused=True)
    else:
        report.skipped.append("fastai is not installed")
    if find_spec("lightning"):
        made["Lightning"] = lambda: lightning(train, valid, epochs, folder, spare=False)
        made["Lightning, no logger, checkpoint or bar"] = lambda: lightning(
            train, valid, epochs, folder, spare=True
        )
    else:
        report.skipped.append("lightning is not installed")
    return made


def measure(make: Callable[[], Callable[[], Any]]) -> tuple[float, float, Any]:
    """Seconds by the clock, seconds of processor, and what came out."""
    go = make()
    wall, cpu = time.perf_counter(), time.process_time()
    found = go()
    return time.perf_counter() - wall, time.process_time() - cpu, found


def fill(report: Benchmark, found: dict[str, list[Any]], steps: int) -> None:
    base = "bare, our optimizer"
    walls = {name: [f[0] for f in runs] for name, runs in found.items()}
    cpus = {name: [f[1] for f in runs] for name, runs in found.items()}
    for name, runs in found.items():
        times = ratio(walls[name], walls[base])
        train_loss, valid_loss, accuracy, _ = runs[-1][2]
        report.rows.append(
            {
                "who": name,
                "µs per batch": median(walls[name]) / steps * 1e6,
                "ratio": median(times),
                "quartiles": [round(q, 3) for q in quartiles(times)],
                "cpu ratio": median(ratio(cpus[name], cpus[base])),
                "train loss": train_loss,
                "valid loss": valid_loss,
                "accuracy": accuracy,
            }
        )
    ours, plain = found["redstart"][-1][2][3], found[base][-1][2][3]
    pairs = zip(ours.parameters(), plain.parameters(), strict=True)
    equal = all((a == b).all().item() for a, b in pairs)
    report.notes.append(
        f"Weights after training are {'bit-equal' if equal else 'NOT EQUAL'} to the bare loop's."
    )
    report.targets.append(
        Target(
            "fit against a bare loop with the same optimizer",
            median(ratio(walls["redstart"], walls[base])),
            1.05,
            unit="x",
        )
    )


def profile(train: Any, valid: Any, epochs: int) -> None:
    """Print our own functions by the time spent in them."""
    import cProfile
    import pstats

    with tempfile.TemporaryDirectory() as folder:
        redstart(train, valid, 1, folder)()
        go = redstart(train, valid, epochs, folder)
        profiler = cProfile.Profile()
        profiler.runcall(go)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
