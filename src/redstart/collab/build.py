"""From what a user asks of ``collab_learner`` to a model, a target and settings that fit."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor

from redstart.collab.codec import CollabCodec
from redstart.collab.interactions import Interactions
from redstart.collab.model import embedding_size
from redstart.collab.preference import PreferenceTarget
from redstart.config import JSON
from redstart.data.loaders import DataLoaders
from redstart.data.moments import moments_of
from redstart.data.table import Table, nearest
from redstart.data.target import Reduction
from redstart.domain import ModelRecipe
from redstart.errors import ConfigError, problem

__all__ = [
    "ARCHS",
    "NEGATIVES",
    "Prepared",
    "Recipe",
    "batch_size",
    "penalised",
    "prepare",
    "training_rows",
]

log = logging.getLogger("redstart")

ARCHS = ("dot", "svd++", "nn")
NEGATIVES = 128
"""Items that each row is compared with, drawn once for a batch."""

_CONTRASTS = ("pairwise", "softmax")
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "dot": ("mean",),
    "svd++": ("mean", "precisions", "spread"),
    "nn": ("embed_p", "ps", "use_bn"),
}
_SETTINGS: Mapping[str, dict[str, Any]] = {
    "dot": {"lr": 5e-3, "wd": 0.1},
    "nn": {"lr": 5e-3, "wd": 0.1},
    "svd++": {"lr": 2e-2, "wd": 0.0},
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a user asked for.

    Attributes:
        n_factors: Numbers in a vector.
        arch: One of ``ARCHS``.
        emb_szs: Length of the vectors by column, for ``"nn"``.
        layers: Widths of the hidden layers, for ``"nn"``.
        config: Other arguments of the model.
        y_range: Lowest and highest rating, both excluded.
        loss: ``"squared"``, ``"pairwise"`` or ``"softmax"``; by the target if ``None``.
        negatives: Items to compare with.
    """

    n_factors: int
    arch: str
    emb_szs: Mapping[str, int] = field(default_factory=dict)
    layers: tuple[int, ...] | None = None
    config: Mapping[str, JSON] = field(default_factory=dict)
    y_range: tuple[float, float] | None = None
    loss: str | None = None
    negatives: int | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """What a learner is made of.

    Attributes:
        dls: The loaders, with the target that fits the loss.
        recipe: How to build the model.
        settings: Arguments of the learner.
        seen: The training rows.
    """

    dls: DataLoaders
    recipe: ModelRecipe
    settings: dict[str, Any]
    seen: Interactions


def prepare(dls: DataLoaders, given: Recipe) -> Prepared:
    """Check what was asked for, and work out the rest.

    Args:
        dls: Loaders of users and items.
        given: What was asked for.

    Raises:
        ConfigError: If settings do not go together.
    """
    if given.arch not in ARCHS:
        raise ConfigError(
            problem(
                "Expected a kind of model",
                f"arch={given.arch!r}",
                f"Use one of {', '.join(map(repr, ARCHS))}.",
            )
        )
    _check_model_options(given)
    dls = _with_loss(dls, given)
    codec = dls.codec
    assert isinstance(codec, CollabCodec)  # noqa: S101 - the caller looked
    x, values, times = training_rows(dls)
    compares = isinstance(dls.target, PreferenceTarget)
    if given.y_range is not None and not compares:
        _check_range(values, given.y_range)
    if given.arch == "svd++":
        _say_if_slow(getattr(dls.train, "bs", 64), len(values))
    arguments = _arguments(dls, given, values, compares=compares)
    recipe = ModelRecipe(domain="collab", builder=given.arch, arguments=arguments)
    settings: dict[str, Any] = {"precision": "float32", **_SETTINGS[given.arch]}
    if given.arch == "svd++":
        settings["loss_func"] = penalised
    if compares:
        settings |= {"lr": 1e-2, "wd": 0.2}
    seen = Interactions.of(x[:, 0], x[:, 1], values, codec.n_users, codec.n_items, times)
    return Prepared(dls=dls, recipe=recipe, settings=settings, seen=seen)


def batch_size(n_rows: int) -> int:
    """Rows of a batch for a model that goes over all ratings at each step: some forty batches.

    Args:
        n_rows: Ratings.

    Returns:
        A power of two, from 64 to 262,144.
    """
    return int(min(2**18, max(64, 2 ** round(math.log2(max(n_rows, 1) / 40)))))


def penalised(out: Tensor, y: Tensor, *weight: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Squared error, and the penalty that a model in training returns beside the rating.

    Args:
        out: Ratings ``(B, 1)``, or ratings and penalties ``(B, 2)``.
        y: True ratings ``(B, 1)``.
        *weight: How much each row counts, ``(B,)``.
        reduction: ``"mean"``, or ``"none"`` for one loss per row.
    """
    flat = out.reshape(len(out), -1)
    losses = (flat[:, 0] - y[:, 0]).square()
    if weight:
        losses = losses * weight[0]
    if flat.shape[1] > 1:
        losses = losses + flat[:, 1]
    return losses.mean() if reduction == "mean" else losses


def training_rows(dls: DataLoaders) -> tuple[Tensor, Tensor, Tensor | None]:
    """Positions ``(N, 2)``, ratings ``(N,)`` and times ``(N,)`` of the training rows."""
    data = dls.train.dataset
    x = data.encoded()[0]
    values = data.labels[0].flatten()
    codec, items = dls.codec, dls.source.items
    assert isinstance(codec, CollabCodec)  # noqa: S101 - the caller looked
    times = None
    if codec.timestamp_name and isinstance(items, Table):
        all_times = torch.from_numpy(moments_of(items, codec.timestamp_name).copy())
        times = all_times[data.index].to(x.device)
    return x, values, times


def _check_model_options(given: Recipe) -> None:
    """Refuse options that the model does not have: they would do nothing."""
    known = _OPTIONS[given.arch]
    for name in given.config:
        if name not in known:
            raise ConfigError(
                problem(
                    f"Expected options of arch={given.arch!r} in `config`",
                    f"{name}={given.config[name]!r:.60}",
                    f"{nearest(name, known)}Known: {', '.join(known)}.",
                )
            )
    if given.arch != "nn" and (given.layers is not None or given.emb_szs):
        raise ConfigError(
            problem(
                "Expected `layers` and `emb_szs` with a network",
                f"arch={given.arch!r}, layers={given.layers}, emb_szs={dict(given.emb_szs)}",
                "Pass use_nn=True.",
            )
        )


def _say_if_slow(bs: int, n_rows: int) -> None:
    if 4 * bs < (good := batch_size(n_rows)):
        log.warning(
            "Each step of svd++ goes over all %s ratings: with bs=%d an epoch has %s steps. "
            "Make the loaders with bs=%d.",
            f"{n_rows:,}",
            bs,
            f"{math.ceil(n_rows / bs):,}",
            good,
        )


def _with_loss(dls: DataLoaders, given: Recipe) -> DataLoaders:
    """Loaders whose target fits the loss that was asked for."""
    loss, target = given.loss, dls.target
    if loss is not None and loss not in ("squared", *_CONTRASTS):
        raise ConfigError(
            problem(
                "Expected a loss",
                f"loss={loss!r}",
                "Use 'squared' for ratings, 'pairwise' or 'softmax' for what was taken.",
            )
        )
    compares = loss in _CONTRASTS or (loss is None and isinstance(target, PreferenceTarget))
    wrong = {
        "a loss for what was taken": loss == "squared" and isinstance(target, PreferenceTarget),
        "arch='dot' for a loss that compares items": compares and given.arch != "dot",
        "no `y_range` with a loss that compares items": compares and given.y_range is not None,
        "a loss that compares items, for `negatives`": not compares and given.negatives is not None,
    }
    for what, is_so in wrong.items():
        if is_so:
            raise ConfigError(
                problem(
                    f"Expected {what}",
                    f"arch={given.arch!r}, loss={loss!r}, target={target.kind!r}, "
                    f"y_range={given.y_range}, negatives={given.negatives}",
                    "See `collab_learner`.",
                )
            )
    if not compares or (loss is None and isinstance(target, PreferenceTarget)):
        return dls
    return dls.with_target(PreferenceTarget("softmax" if loss == "softmax" else "pairwise"))


def _arguments(
    dls: DataLoaders, given: Recipe, values: Tensor, *, compares: bool
) -> dict[str, JSON]:
    codec = dls.codec
    assert isinstance(codec, CollabCodec)  # noqa: S101 - the caller looked
    y_range = None if given.y_range is None else list(given.y_range)
    common = {"y_range": y_range, "n_seen": len(values), **given.config}
    if given.arch == "nn":
        for name in given.emb_szs:
            if name not in dls.classes:
                raise ConfigError(
                    problem(
                        f"Expected {codec.user_name!r} or {codec.item_name!r} in `emb_szs`",
                        f"{name!r}",
                        nearest(name, dls.classes) or "Name the columns.",
                    )
                )
        sizes = {codec.user_name: codec.n_users, codec.item_name: codec.n_items}
        lengths = [[n, given.emb_szs.get(name, embedding_size(n))] for name, n in sizes.items()]
        layers = {} if given.layers is None else {"layers": list(given.layers)}
        return {"emb_szs": lengths, **layers, **common}
    found = {
        "n_factors": given.n_factors,
        "n_users": codec.n_users,
        "n_items": codec.n_items,
        **common,
    }
    if compares:
        negatives = NEGATIVES if given.negatives is None else given.negatives
        return {**found, "negatives": negatives}
    if given.arch == "svd++":
        spread = float(values.std(correction=0)) or 1.0
        return {**found, "mean": float(values.mean()), "spread": spread}
    # With a range, biases that start at 0 and have to learn the level decay towards its middle.
    # That is the course's model, and on MovieLens 0.01 better than starting at the mean.
    return found if given.y_range is not None else {**found, "mean": float(values.mean())}


def _check_range(values: Tensor, y_range: tuple[float, float]) -> None:
    low, high = y_range
    outside = int(((values < low) | (values > high)).sum())
    if outside:
        log.warning(
            "%d of %d training ratings lie outside y_range=(%g, %g), where no prediction can go: "
            "they range from %g to %g.",
            outside,
            len(values),
            low,
            high,
            float(values.min()),
            float(values.max()),
        )
