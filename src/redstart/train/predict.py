"""Predictions over a loader, kept next to the row numbers they belong to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from redstart.data.batch import Batch, Encoded
from redstart.data.dataset import ItemDataset
from redstart.data.loader import Loader
from redstart.data.target import Prediction
from redstart.errors import DataError, problem
from redstart.metrics.metric import Metric
from redstart.rng import forked
from redstart.show.card import Card
from redstart.show.progress import track
from redstart.train.engine import Engine, PlainEngine
from redstart.train.run import LossFunction

__all__ = ["Predictions", "collect", "in_order", "run_through", "tta"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """One entry per row, in the loader's order.

    Attributes:
        loader: What was predicted.
        index: Row numbers, ``(N,)`` int64.
        acts: Activations (probabilities, values), ``(N, ...)``.
        y: Encoded targets, ``(N, ...)`` each; ``None`` for new items.
        losses: One per row, ``(N,)``; ``None`` for new items.
        out: Raw outputs, ``(N, n)``, as metrics take them; ``None`` of models that give more
            than one vector per row.
    """

    loader: Any
    index: Tensor
    acts: Tensor
    y: Encoded | None
    losses: Tensor | None
    out: Tensor | None = None

    def __len__(self) -> int:
        return len(self.index)

    @property
    def targets(self) -> Any:
        """The encoded targets, out of their tuple where there is one; ``None`` for new items."""
        return self.y[0] if self.y is not None and len(self.y) == 1 else self.y

    def decoded(self, positions: Sequence[int] | None = None) -> list[Prediction[Any]]:
        """Predictions in the user's terms, of some rows or all."""
        acts = self.acts if positions is None else self.acts[list(positions)]
        found: list[Prediction[Any]] = self.loader.target.decode(acts)
        return found

    def item(self, position: int) -> Any:
        """The item that a position belongs to."""
        return self.loader.source.items[int(self.index[position])]

    def name(self, position: int) -> str:
        """What a person calls the row at a position: its file; empty for plain batches."""
        if not isinstance(self.loader, Loader):
            return ""
        return self.loader.source.name(int(self.index[position]))

    def cards(self, positions: Sequence[int]) -> list[Card]:
        """Make cards of some rows, reading their inputs again but predicting nothing twice."""
        data, target = self.loader.dataset, self.loader.target
        cards = []
        for position, pred in zip(positions, self.decoded(positions), strict=True):
            y = None if self.y is None else tuple(t[position] for t in self.y)
            certain = pred.probs.ndim == 1 and bool(target.vocabulary())
            cards.append(
                Card(
                    index=int(self.index[position]),
                    item=self.name(position),
                    view=data.codec.view(data.x(position)),
                    truth=None if y is None else target.mark(y),
                    pred=target.mark(pred.encoded),
                    loss=None if self.losses is None else float(self.losses[position]),
                    confidence=float(pred.probs.max()) if certain else None,
                )
            )
        return cards


def in_order(loader: Any) -> Any:
    """The same loader, not shuffled or augmented, each row once."""
    if not isinstance(loader, Loader):
        return loader
    data = loader.dataset
    if isinstance(data, ItemDataset) and data.training:
        data = ItemDataset.of(data.source, data.rows, data.codec, data.target, cache=data.cache)
    return loader.replace(dataset=data, shuffle=False, tfms=(), passes=1)


def run_through(
    model: nn.Module,
    loader: Any,
    take: Callable[[Batch, Any], None],
    *,
    engine: Engine | None = None,
    what: str = "Predicting",
) -> None:
    """Run ``model``, in evaluation mode and without gradients, over one pass of ``loader``.

    Args:
        model: Put into evaluation mode.
        loader: Its batches' ``x`` go into the model.
        take: Called with each batch and the raw output for it.
        engine: Precision; float32 if left out.
        what: Named on the progress bar.
    """
    engine = engine or PlainEngine()
    model.eval()
    with torch.no_grad(), forked(loader.seed):
        for batch in track(loader.batches(epoch=0), len(loader), what):
            with engine.autocast():
                out = model(*batch.x)
            take(batch, out)


def collect(
    model: nn.Module,
    loader: Any,
    loss_func: LossFunction | None = None,
    *,
    engine: Engine | None = None,
    metrics: Sequence[Metric] = (),
) -> Predictions:
    """Predict every row of ``loader``.

    Args:
        model: Put into evaluation mode.
        loader: Not shuffled.
        loss_func: For the loss of each row; needs a ``reduction`` keyword.
        engine: Precision; float32 if left out.
        metrics: Updated along the way.

    Raises:
        DataError: If there are no rows.
    """
    index, acts, losses, outs = [], [], [], []
    ys: list[Encoded] = []

    def take(batch: Batch, out: Any) -> None:
        index.append(batch.index)
        acts.append(loader.target.activate(out).cpu())
        if isinstance(out, Tensor) and out.ndim == 2:
            outs.append(out.float().cpu())
        if batch.y is None:
            return
        ys.append(tuple(t.cpu() for t in batch.y))
        for metric in metrics:
            metric.update(out, *batch.y)
        if loss_func is not None:
            losses.append(loss_func(out, *batch.y, reduction="none").float().cpu())

    run_through(model, loader, take, engine=engine)
    if not index:
        raise DataError(
            problem("Expected rows to predict", "an empty loader", "Pass a loader with rows.")
        )
    return Predictions(
        loader=loader,
        index=torch.cat(index),
        acts=torch.cat(acts),
        y=tuple(torch.cat(slot) for slot in zip(*ys, strict=True)) if ys else None,
        losses=torch.cat(losses) if losses else None,
        out=torch.cat(outs) if len(outs) == len(acts) else None,
    )


def tta(
    model: nn.Module,
    loader: Loader,
    augmented: Loader,
    *,
    n: int = 4,
    beta: float = 0.25,
    engine: Engine | None = None,
) -> Predictions:
    """Average predictions over augmented versions of each row.

    Args:
        model: Put into evaluation mode.
        loader: The rows, not shuffled.
        augmented: The training loader, whose augmentation is used.
        n: Augmented versions of each row.
        beta: Weight of the plain version, in [0, 1]; the augmented ones share the rest.
        engine: Precision; float32 if left out.
    """
    plain = collect(model, loader, engine=engine)
    data = loader.dataset
    if isinstance(data, ItemDataset):
        data = ItemDataset.of(
            data.source, data.rows, data.codec, data.target, training=True, cache=data.cache
        )
    total = torch.zeros_like(plain.acts)
    for version in range(n):
        # Another seed for each version: the same rows, drawn anew.
        drawn = loader.replace(dataset=data, tfms=augmented.tfms, seed=loader.seed + 1 + version)
        total += collect(model, drawn, engine=engine).acts
    acts = beta * plain.acts + (1 - beta) * total / n if n else plain.acts
    return Predictions(loader=loader, index=plain.index, acts=acts, y=plain.y, losses=None)
