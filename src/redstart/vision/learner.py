"""Learners for pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from redstart.data.loaders import DataLoaders
from redstart.domain import ModelRecipe
from redstart.errors import ConfigError, problem
from redstart.nn.init import body_and_head
from redstart.targets.options import with_loss_options
from redstart.train.learner import Learner
from redstart.vision.codec import ImageCodec
from redstart.vision.models import arch_name, backbone_config, build_classifier
from redstart.vision.weights import load_pretrained

__all__ = ["SMALL_DATA", "vision_learner"]

SMALL_DATA = 5000
"""Below so many training rows, batch norm statistics of a pretrained body are left alone."""


def vision_learner(
    dls: DataLoaders,
    arch: str | Callable[..., nn.Module] | nn.Module,
    loss_func: Any = None,
    *,
    pretrained: bool | str | Path = True,
    metrics: Any = None,
    head: dict[str, Any] | None = None,
    **options: Any,
) -> Learner:
    """Make a learner for pictures on a named architecture.

    The body is cut from its classifier and gets a new head with as many outputs as the
    target needs. A pretrained body starts frozen; pictures are normalised as it expects.

    Args:
        dls: Loaders of pictures.
        arch: Any timm name, any torchvision constructor, or a module of your own that
            takes ``(B, C, H, W)`` and returns ``(B, dls.c)``.
        loss_func: Replaces the target's own loss.
        pretrained: Whether to download weights (kept for the next time), or a file of
            them, or ``False``.
        metrics: For people: names, functions, or objects; the target's own if left out.
        head: Arguments of ``redstart.nn.heads.create_head``.
        **options: ``label_smoothing`` and ``class_weights`` of the target's loss, and
            everything that ``Learner`` takes.

    Raises:
        ConfigError: If there is no such architecture, or the loaders hold no pictures.
        WeightsError: If the weights cannot be had.
    """
    codec = dls.codec
    if not isinstance(codec, ImageCodec):
        raise ConfigError(
            problem("Expected loaders of pictures", repr(dls), "Make them with `ImageBlock`.")
        )
    dls = with_loss_options(dls, options)
    if isinstance(arch, nn.Module):
        return Learner(dls, arch, loss_func, metrics=metrics, **options)
    name = arch_name(arch)
    first = dls.readable(range(dls.train.n_rows), 1)[0]
    size = codec.size or tuple(dls.train.dataset.x(first)[0].shape[-2:])
    arguments = {
        "arch": name,
        "n_out": dls.c,
        "n_in": codec.channels,
        "size": list(size),
        **({"head": head} if head else {}),
    }
    recipe = ModelRecipe(domain="vision", builder="classifier", arguments=arguments)
    model = _build(recipe, dls.seed)
    if pretrained is not False:
        load_pretrained(model[0], name, pretrained, n_in=codec.channels, size=size)
    if codec.mean is None:
        config = backbone_config(name)
        mean, std = _for_channels(config.mean, config.std, codec.channels)
        dls = dls.with_codec(replace(codec, mean=mean, std=std))
    body = model[0] if pretrained is not False else None
    defaults = {
        "splitter": body_and_head,
        "recipe": recipe,
        "pretrained_body": body,
        "keep_norm": body is not None and dls.train.n_rows < SMALL_DATA,
    }
    learn = Learner(dls, model, loss_func, metrics=metrics, **{**defaults, **options})
    if body is not None:
        learn.freeze()
    return learn


def _build(recipe: ModelRecipe, seed: int) -> nn.Sequential:
    from redstart.rng import forked

    with forked(seed):
        return build_classifier(**recipe.arguments)


def _for_channels(
    mean: Sequence[float], std: Sequence[float], channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Statistics for other than three channels: those of grey, the mean over colours."""
    if channels == len(mean):
        return tuple(mean), tuple(std)
    return (sum(mean) / len(mean),) * channels, (sum(std) / len(std),) * channels
