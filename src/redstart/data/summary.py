"""``DataBlock.summary``: one row through every stage, in words."""

from __future__ import annotations

import re
from typing import Any

import torch

from redstart.data.batch import Encoded
from redstart.data.loaders import DataLoaders

__all__ = ["summarize"]


def summarize(dls: DataLoaders) -> str:
    """Step one training row through every stage and say what each made of it.

    Args:
        dls: Loaders made by a ``DataBlock``.
    """
    parts = dls.parts()
    row = parts["train"][0]
    items = dls.source
    data = dls.train.dataset
    raw = dls.codec.load(items.inputs[row])
    tfms = dls.train.tfms
    loader = dls.train.replace(tfms=(), num_workers=0)
    batch = next(iter(loader.batches(epoch=0, prepare=False)))
    loader = loader.replace(tfms=tfms)
    changed = next(iter(loader.batches(epoch=0, prepare=False))) if tfms else batch
    ready = dls.codec.prepare(changed.x)
    target = dls.target
    lines = [
        f"Items      {len(items.items)} from {dls.path}",
        "Split      " + ", ".join(f"{name} {len(rows)}" for name, rows in parts.items()),
        f"Input      {dls.codec}",
        f"Target     {target.kind}, {target.n_out} outputs: {_some(target.vocabulary())}",
        "",
        f"One row, number {row}:",
        f"  get_items  {items.items[row]}",
        f"  get_x      {items.inputs[row]}",
        f"  get_y      {None if items.raws is None else items.raws[row]!r}",
        f"  load       {_named(raw)}",
        f"  encode     x = {_shapes(data.x(0))}",
        f"             y = {_values(data.y(0))}",
        "",
        f"One batch of {len(batch)} rows, on {dls.device}:",
        f"  collate    x = {_shapes(batch.x)}",
        *[f"  batch_tfms {_named(tfm)}" for tfm in tfms],
        *([f"             x = {_shapes(changed.x)}"] if tfms else []),
        f"  prepare    x = {_shapes(ready)}, {_range(ready)}",
        f"             y = {_shapes(changed.y or ())}",
    ]
    return "\n".join(lines)


def _named(thing: Any) -> str:
    """What it is, without its address; of a method, what it belongs to."""
    inner = getattr(thing, "func", thing)  # of a partial
    return re.sub(" at 0x[0-9A-Fa-f]+", "", repr(getattr(inner, "__self__", inner)))


def _shapes(x: Encoded) -> str:
    return ", ".join(f"{str(t.dtype).removeprefix('torch.')} {tuple(t.shape)}" for t in x)


def _values(y: Encoded | None) -> str:
    return "none" if y is None else ", ".join(str(t.tolist()) for t in y)


def _range(x: Encoded) -> str:
    floats = [t for t in x if torch.is_floating_point(t)]
    return ", ".join(f"values {t.min():.3g} to {t.max():.3g}" for t in floats) or "whole numbers"


def _some(names: tuple[Any, ...], most: int = 12) -> str:
    rest = f", ... ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(str(n) for n in names[:most]) + rest
