"""What a model has to beat, for every kind of data: a constant, and linear models.

A linear model stands on features made by hand, where the codec has some, and on what the
pretrained body gave before it was trained on: what is won by learning features, and what by
fine-tuning them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor, nn

from redstart.data.batch import Batch, Encoded
from redstart.data.dataset import ItemDataset
from redstart.data.loader import CPU, Loader, default_workers
from redstart.data.loaders import DataLoaders
from redstart.data.table_dataset import TableDataset
from redstart.data.target import Target
from redstart.evaluate.baseline import Baseline
from redstart.metrics.paired import measured
from redstart.rng import generator
from redstart.targets.category import CategoryTarget
from redstart.targets.multicategory import MultiCategoryTarget
from redstart.targets.regression import RegressionTarget
from redstart.train.frozen import CPU_BS
from redstart.train.linear import LEAST, fit_linear, rows_worth
from redstart.train.measure import metrics_of
from redstart.train.predict import in_order

if TYPE_CHECKING:
    from redstart.train.trained import Trained

__all__ = ["baselines", "best_constant"]

MOST = 20_000
"""Training rows that linear models learn from."""
PIXELS = 400_000_000
"""Numbers of encoded rows that are read for them."""


def baselines(learn: Trained, *, most: int = MOST) -> list[Baseline]:
    """Make simple models of the same rows, and measure them by the learner's metrics.

    The most frequent class, the mean or the labels' frequencies; a linear model on features
    made by hand, for pictures; a linear model on what the pretrained body gives, as it was
    before it was trained on these rows.

    Args:
        learn: Its loaders are read, and its metrics (else the target's own) worked out.
        most: Training rows that linear models learn from; drawn by the loaders' seed if
            there are more.

    Returns:
        Those that there are for this kind of data; none for targets such as masks.

    Raises:
        NoValidationSetError: If there are no validation rows.
    """
    learn.dls.require_valid()
    task = _task(learn.dls, most)
    if task is None:
        return []
    found = [_constant(learn, task)]
    return found + [_linear(learn, task, made) for made in _features(learn, task)]


def best_constant(dls: DataLoaders) -> Tensor | None:
    """The raw output, the same for all rows, that has the least loss on the training rows.

    Returns:
        ``(n_out,)`` on the CPU; ``None`` for targets that have no such thing.
    """
    y = _labels(dls.train)
    if y is None:
        return None
    return _constant_of(dls.target, y, for_loss=True)


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """Rows to learn from and to measure on, and their targets.

    ``chosen`` are positions of the training rows that linear models may learn from.
    """

    target: Target[Any, Any]
    train: Loader
    valid: Loader
    chosen: Tensor
    truth: Encoded
    held: Encoded


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """Features ``(n, D)`` and ``(N, D)``, float32; ``rows`` are positions of training rows."""

    name: str
    said: str
    train: Tensor
    valid: Tensor
    rows: Tensor
    seconds: float


def _task(dls: DataLoaders, most: int) -> _Task | None:
    truth, held = _labels(dls.train), _labels(dls.valid)
    if truth is None or held is None:
        return None
    n = len(truth[0])
    some = torch.randperm(n, generator=generator(dls.seed))[:most].sort().values
    train, valid = in_order(dls.train), in_order(dls.valid)
    return _Task(dls.target, train, valid, some, truth, held)


def _labels(loader: Any) -> Encoded | None:
    """Encoded targets of all rows, on the CPU, with weights behind them if rows have some."""
    data = getattr(loader, "dataset", None)
    if not isinstance(data, ItemDataset | TableDataset) or data.labels is None:
        return None
    if not isinstance(data.target, CategoryTarget | MultiCategoryTarget | RegressionTarget):
        return None
    y = tuple(t.cpu() for t in data.labels)
    weights = getattr(data, "weights", None)
    return y if weights is None else (*y, weights.cpu())


def _constant(learn: Trained, task: _Task) -> Baseline:
    began = time.perf_counter()
    answer = _constant_of(task.target, task.truth, for_loss=False)
    seconds = time.perf_counter() - began
    if isinstance(task.target, CategoryTarget):
        label = task.target.vocab[int(answer.argmax())]
        name, said = "most frequent class", f"{label!s} for every row"
    elif isinstance(task.target, MultiCategoryTarget):
        name, said = "label frequencies", "how frequent each label is, for every row"
    else:
        name, said = "mean", "the mean of the training rows, for every row"
    out = answer.expand(len(task.held[0]), -1).contiguous()
    return _measured(learn, task, name, said, out, seconds, len(task.truth[0]))


def _constant_of(target: Target[Any, Any], y: Encoded, *, for_loss: bool) -> Tensor:
    """One raw output for all rows; the one with the least loss, or the plain frequencies."""
    truth = y[0]
    weights = y[1].double() if len(y) > 1 else torch.ones(len(truth), dtype=torch.float64)
    if isinstance(target, CategoryTarget):
        counts = torch.zeros(target.n_out, dtype=torch.float64)
        counts.index_add_(0, truth, weights)
        smoothing = 0.0
        if for_loss:
            smoothing = target.label_smoothing
            if target.class_weights and not isinstance(target.class_weights, str):
                counts = counts * counts.new_tensor(target.class_weights)
        shares = (1 - smoothing) * counts / counts.sum() + smoothing / target.n_out
        return shares.clamp_min(LEAST).log().float()
    shares = weights / weights.sum()
    if isinstance(target, MultiCategoryTarget):
        return (shares @ truth.double()).clamp(LEAST, 1 - LEAST).logit().float()
    numbers = truth.double()
    if for_loss and isinstance(target, RegressionTarget) and target.log:
        return (shares @ numbers.log1p()).expm1().float()
    return (shares @ numbers).float()


def _measured(
    learn: Trained, task: _Task, name: str, said: str, out: Tensor, seconds: float, n: int
) -> Baseline:
    metrics = {}
    for metric in metrics_of(task.target, learn.metrics) or task.target.metrics():
        value = measured(metric, out, *task.held)
        metrics[metric.name] = (value, metric.interval())
    return Baseline(name=name, said=said, out=out, metrics=metrics, seconds=seconds, n_train=n)


def _linear(learn: Trained, task: _Task, made: _Made) -> Baseline:
    n, width = made.train.shape
    some = _spread(n, rows_worth(n, width, task.target.n_out))
    truth = task.truth[0][made.rows[some]]
    began = time.perf_counter()
    out = fit_linear(made.train[some], truth, made.valid, task.target, learn.dls.seed)
    seconds = made.seconds + time.perf_counter() - began
    said = f"a linear model on {made.said} ({width:,} numbers), {len(some):,} rows"
    return _measured(learn, task, made.name, f"{said}, {seconds:.1f} s", out, seconds, len(some))


def _features(learn: Trained, task: _Task) -> list[_Made]:
    """What linear models can stand on: features made by hand, and the frozen body's."""
    before = _kept(learn, task)
    body = learn.pretrained_body if before is None and _as_it_came(learn) else None
    first = task.train.dataset.x(0)
    by_hand = learn.dls.codec.handmade(first) is not None
    found = []
    if by_hand or body is not None:
        most = PIXELS // max(1, sum(t.numel() for t in first))
        rows = task.chosen[_spread(len(task.chosen), max(1, most))]
        seen = _read(
            learn,
            task.train.replace(dataset=task.train.dataset.rows_at(rows.tolist())),
            body,
            by_hand=by_hand,
        )
        held = _read(learn, task.valid, body, by_hand=by_hand)
        for name, said, a, b in (
            ("hand-made features", "features made by hand", seen.hand, held.hand),
            ("frozen body", "what the pretrained body gives", seen.deep, held.deep),
        ):
            if a.rows:
                found.append(
                    _Made(name, said, a.stacked(), b.stacked(), rows, a.seconds + b.seconds)
                )
    return found if before is None else [*found, before]


@final
@dataclass(slots=True, eq=False)
class _Column:
    """Features of rows, one after the other, and how long they took."""

    rows: list[Tensor] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, make: Callable[[], Sequence[Tensor]]) -> None:
        began = time.perf_counter()
        self.rows += make()
        self.seconds += time.perf_counter() - began

    def stacked(self) -> Tensor:
        return torch.stack(self.rows)


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    hand: _Column = field(default_factory=_Column)
    deep: _Column = field(default_factory=_Column)


def _read(learn: Trained, loader: Loader, body: nn.Module | None, *, by_hand: bool) -> _Columns:
    """Read rows once, and make both kinds of features of them."""
    codec, device, found = learn.dls.codec, loader.device, _Columns()
    rows = loader.replace(bs=CPU_BS if device.type == "cpu" else loader.bs, device=CPU)

    def one(x: Encoded) -> Tensor:
        made = codec.handmade(x)
        assert made is not None  # noqa: S101 - it was asked
        return made

    def deep(batch: Batch, body: nn.Module) -> list[Tensor]:
        with torch.no_grad(), learn.engine.autocast():
            out = body(*codec.prepare(batch.to(device).x))
        pooled = out.flatten(2).mean(2) if out.ndim > 2 else out
        return list(pooled.float().cpu())

    if body is not None:
        learn.engine.place(learn.model, device).eval()
    with ThreadPoolExecutor(default_workers()) as pool:
        for batch in rows.batches(epoch=0, prepare=False):
            if by_hand:
                each = [tuple(t[i] for t in batch.x) for i in range(len(batch))]
                found.hand.add(partial(lambda each: list(pool.map(one, each)), each))
            if body is not None:
                found.deep.add(partial(deep, batch, body))
    return found


def _kept(learn: Trained, task: _Task) -> _Made | None:
    """What ``fine_tune`` worked out while the body was as it came, if it is of these rows."""
    kept = learn.recorder.features
    if kept is None or kept.valid is None:
        return None
    train, valid = kept.train.dataset, kept.valid.dataset
    if not torch.equal(valid.index, task.valid.dataset.index) or not torch.equal(
        train.index, task.train.dataset.index
    ):
        return None
    seen, held = (
        data.columns[0].flatten(2).mean(2) if data.columns[0].ndim > 2 else data.columns[0]
        for data in (train, valid)
    )
    said = "what the pretrained body gave before it was fine-tuned"
    return _Made("frozen body", said, seen[task.chosen], held, task.chosen, 0.0)


def _as_it_came(learn: Trained) -> bool:
    """Whether the pretrained body has not been trained on these rows."""
    body = learn.pretrained_body
    if body is None:
        return False
    return not learn.recorder.losses or not any(p.requires_grad for p in body.parameters())


def _spread(n: int, most: int) -> Tensor:
    """Up to ``most`` of ``n`` positions, evenly spread."""
    return torch.linspace(0, n - 1, most).long() if most < n else torch.arange(n)
