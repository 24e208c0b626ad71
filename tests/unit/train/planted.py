"""Small trainings, each of which goes well, or wrong in a way that has a name.

The benchmark of readings trains them with many seeds; the tests with one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from redstart.data.batch import Batch
from redstart.data.block import DataBlock
from redstart.data.loaders import DataLoaders
from redstart.data.split import IndexSplitter
from redstart.data.stream import TensorCodec
from redstart.errors import NonFiniteLossError
from redstart.rng import forked
from redstart.targets.category import CategoryBlock
from redstart.targets.regression import RegressionBlock
from redstart.train.learner import Learner

__all__ = ["PLANTED", "Planted", "digits", "loaders", "mlp"]


@dataclass(frozen=True)
class Planted:
    """A training and what should be said of it.

    Attributes:
        train: From a seed and a folder to a learner that was fitted.
        kinds: One of these must be said; ``"fine"`` alone.
    """

    train: Callable[[int, Path], Learner]
    kinds: frozenset[str]


def loaders(
    x: Any, y: Any, n_valid: int, *, block: Any = None, seed: int = 0, bs: int = 64
) -> DataLoaders:
    """Loaders of the rows of ``x``, the last of which validate."""
    n = len(x)
    made = DataBlock(
        blocks=(TensorCodec(), block or CategoryBlock()),
        get_x=itemgetter(0),
        get_y=itemgetter(1),
        splitter=IndexSplitter(range(n - n_valid, n)),
    )
    rows = list(zip(torch.as_tensor(np.asarray(x, dtype=np.float32)), y, strict=True))
    return made.dataloaders(rows, bs=bs, device="cpu", num_workers=0, seed=seed)


def mlp(*widths: int, p: float = 0.0, seed: int = 0) -> nn.Sequential:
    """Linear layers with ReLU, and dropout, between them."""
    layers: list[nn.Module] = []
    with forked(seed):
        for n_in, n_out in pairwise(widths):
            layers += [nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(p)]
    return nn.Sequential(*layers[:-2])


def digits(seed: int, n: int = 1797) -> tuple[Any, list[int]]:
    """Handwritten digits, 8 by 8 pixels in 0..1, shuffled."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))[:n]
    return x[order] / 16, y[order].tolist()


def polynomial(seed: int, path: Path, *, n: int, degree: int, passes: int) -> Learner:
    """A polynomial through points of a noisy sine."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(-1, 1, n + 200)
    y = np.sin(np.pi * t) + rng.normal(0, 0.4, len(t))
    powers = [np.polynomial.legendre.Legendre.basis(d)(t) for d in range(1, degree + 1)]
    dls = loaders(np.stack(powers, 1), y.tolist(), 200, block=RegressionBlock(), seed=seed, bs=32)
    dls = replace(dls, train=dls.train.replace(passes=passes))
    learn = Learner(dls, mlp(degree, 1, seed=seed), path=path, wd=0.0)
    learn.fit_one_cycle(15, 0.1)
    return learn


def shuffled(seed: int, path: Path, *, share: float) -> Learner:
    """Some labels are those of other rows; the network is large and trains for long."""
    x, y = digits(seed, 900)
    rng, labels = np.random.default_rng(seed), np.array(y)
    wrong = rng.random(len(y)) < share
    labels[wrong] = rng.permutation(labels[wrong])
    dls = loaders(x, labels.tolist(), 300, seed=seed)
    learn = Learner(dls, mlp(64, 256, 256, 10, seed=seed), path=path)
    learn.fit_one_cycle(50, 5e-3)
    return learn


def wide(seed: int, path: Path) -> Learner:
    """A wide network on 200 rows whose labels are partly chance."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(700, 20))
    y = (x @ rng.normal(size=20) + rng.normal(0, 4, 700) > 0).astype(int)
    dls = loaders(x, y.tolist(), 500, seed=seed, bs=32)
    learn = Learner(dls, mlp(20, 256, 2, seed=seed), path=path)
    learn.fit_one_cycle(40, 1e-2)
    return learn


def at_rate(
    seed: int, path: Path, *, lr: float, opt: str = "adamw", cycle: bool = False, epochs: int = 8
) -> Learner:
    """Digits at some rate."""
    x, y = digits(seed)
    dls = loaders(x, y, 400, seed=seed)
    learn = Learner(dls, mlp(64, 64, 10, seed=seed), path=path, opt_func=opt)
    with suppress(NonFiniteLossError):
        (learn.fit_one_cycle if cycle else learn.fit)(epochs, lr)
    return learn


def linear_on_xor(seed: int, path: Path) -> Learner:
    """A linear model, where the sign of a product is asked for."""
    x = np.random.default_rng(seed).normal(size=(800, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    learn = Learner(loaders(x, y.tolist(), 200, seed=seed), mlp(2, 2, seed=seed), path=path)
    learn.fit_one_cycle(12, 0.05)
    return learn


def constant_rate(seed: int, path: Path) -> Learner:
    """A linear truth with noise, learnt in two epochs of sixteen."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1000, 8))
    y = x @ rng.normal(size=8) + rng.normal(0, 2.0, 1000)
    dls = loaders(x, y.tolist(), 250, block=RegressionBlock(), seed=seed, bs=32)
    learn = Learner(dls, mlp(8, 1, seed=seed), path=path)
    learn.fit(16, 0.05)
    return learn


def rate_fell(seed: int, path: Path) -> Learner:
    """The rate falls to nothing after a tenth of the way."""
    x, y = digits(seed)
    learn = Learner(loaders(x, y, 400, seed=seed), mlp(64, 64, 10, seed=seed), path=path)
    learn.fit(12, 1e-3, schedules={"lr": lambda progress: 1e-3 if progress < 0.1 else 1e-9})
    return learn


def few_valid(seed: int, path: Path) -> Learner:
    """Twenty validation rows."""
    x, y = digits(seed, 500)
    model = mlp(64, 64, 10, p=0.2, seed=seed)
    learn = Learner(loaders(x, y, 20, seed=seed), model, path=path)
    learn.fit_one_cycle(12, 1e-2)
    return learn


def good(
    seed: int, path: Path, *, p: float = 0.0, smoothing: float = 0.0, noisy: float = 0.0
) -> Learner:
    """Digits, as they should be trained."""
    x, y = digits(seed)
    dls = loaders(x, y, 400, seed=seed, block=CategoryBlock(label_smoothing=smoothing))

    def add_noise(batch: Batch, rng: torch.Generator) -> Batch:
        (x,) = batch.x
        return replace(batch, x=(x + noisy * torch.randn(x.shape, generator=rng),))

    if noisy:
        dls = dls.with_tfms([add_noise])
    learn = Learner(dls, mlp(64, 128, 10, p=p, seed=seed), path=path)
    learn.fit_one_cycle(10, 1e-2)
    return learn


def numbers(seed: int, path: Path) -> Learner:
    """Friedman's first function, with noise."""
    from sklearn.datasets import make_friedman1

    x, y = make_friedman1(1500, noise=1.0, random_state=seed)
    dls = loaders(x, y.tolist(), 400, block=RegressionBlock(), seed=seed)
    learn = Learner(dls, mlp(10, 64, 1, seed=seed), path=path)
    learn.fit_one_cycle(20, 1e-2)
    return learn


def _planted(train: Callable[[int, Path], Learner], *kinds: str) -> Planted:
    return Planted(train, frozenset(kinds))


_SLOW = ("rate too low", "still learning")

PLANTED = {
    "ninth degree through 10 points": _planted(
        partial(polynomial, n=10, degree=9, passes=50), "overfitting"
    ),
    "wide network, 200 noisy rows": _planted(wide, "overfitting"),
    "half the labels shuffled": _planted(partial(shuffled, share=0.5), "memorising"),
    "all labels shuffled": _planted(partial(shuffled, share=1.0), "memorising"),
    "rate x100, Adam": _planted(partial(at_rate, lr=0.5), "rate too high"),
    "rate x100, Adam, one cycle": _planted(partial(at_rate, lr=1.0, cycle=True), "rate too high"),
    "rate x100, SGD": _planted(partial(at_rate, lr=10.0, opt="sgd"), "rate too high"),
    "rate / 100, Adam": _planted(partial(at_rate, lr=5e-5), "rate too low"),
    "rate / 100, Adam, one cycle": _planted(partial(at_rate, lr=1e-4, cycle=True), "rate too low"),
    "rate / 100, SGD": _planted(partial(at_rate, lr=1e-3, opt="sgd"), "rate too low"),
    "rate / 1,000,000": _planted(partial(at_rate, lr=5e-9), "rate too low"),
    "too few epochs": _planted(partial(at_rate, lr=1e-3, epochs=3), *_SLOW),
    "a few more epochs": _planted(partial(at_rate, lr=1e-3, epochs=6), "still learning"),
    "linear model on XOR": _planted(linear_on_xor, "underfitting"),
    "constant rate for too long": _planted(constant_rate, "plateau"),
    "rate fell to nothing": _planted(rate_fell, "plateau"),
    "20 validation rows": _planted(few_valid, "noise"),
    "good: third degree, 400 points": _planted(
        partial(polynomial, n=400, degree=3, passes=1), "fine"
    ),
    "good: digits": _planted(good, "fine"),
    "good: digits, constant rate": _planted(partial(at_rate, lr=5e-3, epochs=12), "fine"),
    "good: dropout and noise": _planted(partial(good, p=0.5, noisy=0.3), "fine"),
    "good: label smoothing": _planted(partial(good, smoothing=0.1), "fine"),
    "good: regression": _planted(numbers, "fine"),
}
