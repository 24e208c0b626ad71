"""Numbers that describe rows, for models that are fitted in seconds."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from redstart.data.batch import Batch
from redstart.data.dataset import Dataset
from redstart.data.loader import CPU, Loader, default_workers
from redstart.data.table_dataset import TableDataset
from redstart.show.progress import track
from redstart.train.frozen import CPU_BS

if TYPE_CHECKING:
    from redstart.train.learner import Learner

__all__ = ["body_features", "columns_of", "handmade_features"]

_MANY = 255  # names that trees can tell apart as names

log = logging.getLogger("redstart")


def body_features(learn: Learner, data: Dataset) -> Tensor | None:
    """What the pretrained body gives for rows, ``(N, D)`` float32, on the CPU.

    As it was before it was fine-tuned, where that was kept; else as it is now.

    Args:
        learn: Has the body.
        data: The rows.

    Returns:
        ``None`` where the model has no such body.
    """
    body = learn.pretrained_body
    if body is None:
        return None
    if (kept := _kept(learn, data)) is not None:
        return kept
    if learn.recorder.losses and any(p.requires_grad for p in body.parameters()):
        log.warning(
            "The pretrained body has been trained on these labels, wrong ones among them, which "
            "hides some. What `fine_tune` works out before is kept and would be better."
        )
    engine, device = learn.engine, learn.dls.device
    engine.place(learn.model, device).eval()

    def deep(batch: Batch) -> Tensor:
        with torch.no_grad(), engine.autocast():
            out = body(*data.codec.prepare(batch.to(device).x))
        return _pooled(out.float().cpu())

    return _of_batches(learn, data, deep, "Features of the pretrained body")


def handmade_features(learn: Learner, data: Dataset) -> Tensor | None:
    """What the codec makes of rows by hand, ``(N, D)`` float32; ``None`` if it makes nothing."""
    codec = data.codec
    if isinstance(data, TableDataset) or codec.handmade(data.x(0)) is None:
        return None
    with ThreadPoolExecutor(default_workers()) as pool:

        def by_hand(batch: Batch) -> Tensor:
            each = [tuple(t[i] for t in batch.x) for i in range(len(batch))]
            return torch.stack(
                [made for made in pool.map(codec.handmade, each) if made is not None]
            )

        return _of_batches(learn, data, by_hand, "Features made by hand")


def columns_of(data: Dataset) -> Tensor | None:
    """Columns of a table side by side, ``(N, D)`` float64.

    Returns:
        ``None`` for other rows, and for those that only name one of many things, as a user
        and a film: trees make nothing of such numbers.
    """
    if not isinstance(data, TableDataset) or any(t.ndim > 2 for t in data.columns):
        return None
    codes = [t for t in data.columns if t.numel() and not t.is_floating_point()]
    if (
        len(codes) == sum(t.numel() > 0 for t in data.columns)
        and max((int(t.max()) for t in codes), default=0) >= _MANY
    ):
        return None
    where = slice(None) if data.places is None else data.places
    parts = [t[where].cpu().double() for t in data.columns]
    found = torch.cat([t[:, None] if t.ndim == 1 else t for t in parts], dim=1)
    return found if found.shape[1] else None


def _kept(learn: Learner, data: Dataset) -> Tensor | None:
    """What ``fine_tune`` kept of just these rows."""
    features = learn.recorder.features
    if features is None:
        return None
    tables = [loader.dataset for loader in (features.train, features.valid) if loader is not None]
    index = torch.cat([table.index for table in tables])
    columns = torch.cat([_pooled(table.columns[0]) for table in tables])
    place = torch.full((len(data.source.items),), -1)
    place[index] = torch.arange(len(index))
    rows = place[data.index]
    return None if (rows < 0).any() else columns[rows].float()


def _pooled(out: Tensor) -> Tensor:
    return out.flatten(2).mean(2) if out.ndim > 2 else out


def _of_batches(
    learn: Learner, data: Dataset, make: Callable[[Batch], Tensor], what: str
) -> Tensor:
    template: Loader = learn.dls.train
    bs = CPU_BS if learn.dls.device.type == "cpu" else template.bs
    rows = template.replace(dataset=data, bs=bs, device=CPU, shuffle=False, tfms=(), passes=1)
    batches = rows.batches(epoch=0, prepare=False)
    return torch.cat([make(batch).float() for batch in track(batches, len(rows), what)])
