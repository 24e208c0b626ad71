"""Backbones by timm or torchvision name, cut from their classifier, with a fresh head."""

from __future__ import annotations

import difflib
import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn

from redstart.config import JSON
from redstart.errors import ConfigError, problem
from redstart.nn.heads import create_head
from redstart.rng import forked

__all__ = [
    "TORCHVISION",
    "BackboneConfig",
    "arch_name",
    "backbone_config",
    "build_classifier",
    "fixed_size",
    "timm_config",
    "timm_model",
    "torchvision_weights",
]

TORCHVISION = "torchvision/"
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# These two rescale their input to [-1, 1] themselves, but only when built with weights.
_HALF_RANGE = ("googlenet", "inception_v3")


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """How the images were prepared that a backbone was pretrained on.

    Attributes:
        mean: Per channel, of pixels in [0, 1].
        std: Per channel, of pixels in [0, 1].
        input_size: ``(H, W)`` in pixels.
        interpolation: How images were resized: ``"bilinear"``, ``"bicubic"``, ...
        crop_pct: Share of the resized image's side that the centre crop keeps, in (0, 1].
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    input_size: tuple[int, int]
    interpolation: str
    crop_pct: float


def build_classifier(
    arch: str,
    n_out: int,
    n_in: int = 3,
    size: Sequence[int] | None = None,
    head: Mapping[str, JSON] | None = None,
) -> nn.Sequential:
    """Build ``nn.Sequential(body, head)`` with random weights, from JSON arguments alone.

    The body gives its feature map, ``(B, C, H, W)``, where the architecture has one that is
    pooled just before its classifier, and a vector ``(B, C)`` otherwise. C is measured.
    Initialisation draws from torch's global generator: call this inside ``rng.forked``.

    Args:
        arch: A timm name, with or without a tag (``"resnet18"``, ``"resnet18.a1_in1k"``), or
            ``"torchvision/"`` and the name of a torchvision classifier.
        n_out: Outputs per row.
        n_in: Channels of the input.
        size: ``(H, W)`` of the images in pixels, which architectures with a ``fixed_size`` are
            built for; the architecture's own if None.
        head: Keyword arguments of ``nn.heads.create_head``: ``lin_ftrs``, ``ps``, ``pool``, ``bn``.

    Raises:
        ConfigError: If the name is unknown, the architecture cannot take images of ``size``, or
            ``head`` does not fit.
    """
    _check_name(arch)
    options = dict(head or {})
    allowed = {"lin_ftrs", "ps", "pool", "bn"}
    if unknown := sorted(set(options) - allowed):
        raise ConfigError(
            problem(
                f"Expected head arguments among {sorted(allowed)}",
                f"head={unknown}",
                "Rename them.",
            )
        )
    body, shape = _body(arch, n_in, (size[0], size[1]) if size else None)
    options.setdefault("pool", "avg" if len(shape) == 4 else None)
    if (options["pool"] is None) != (len(shape) == 2):
        raise ConfigError(
            problem(
                f"Expected pooling that fits the output of {arch}, {tuple(shape)}",
                f"pool={options['pool']!r}",
                "Leave `pool` out of `head`.",
            )
        )
    model = nn.Sequential(body, create_head(shape[1], n_out, **options))
    # Convolutions run faster on NHWC memory: a tenth to a half on the CPUs that were measured.
    return model.to(memory_format=torch.channels_last)


def arch_name(arch: str | Callable[..., Any]) -> str:
    """Return the name by which ``build_classifier`` knows an architecture.

    Args:
        arch: A name, returned as it is once it is known to exist; or a constructor, such as
            ``torchvision.models.resnet34`` or ``timm.models.resnet34``.

    Raises:
        ConfigError: If it is not a classifier of timm or torchvision.
    """
    if isinstance(arch, str):
        _check_name(arch)
        return arch
    name, module = getattr(arch, "__name__", repr(arch)), getattr(arch, "__module__", "")
    if module.startswith("torchvision.models") and name in _torchvision_names():
        return TORCHVISION + name
    if module.startswith("timm.models") and _is_timm(name):
        return name
    raise ConfigError(
        problem(
            "Expected an architecture's name, or a classifier's constructor of torchvision.models",
            f"arch={module}.{name}",
            "Pass a name such as 'resnet34', or build the nn.Module and pass that.",
        )
    )


def fixed_size(arch: str) -> tuple[int, int] | None:
    """Return the ``(H, W)`` an architecture has by default if, once built, it takes one size only.

    ``build_classifier(size=...)`` can still build such an architecture for most other sizes.

    Args:
        arch: A name.

    Returns:
        None if a built model takes images of any size.
    """
    _check_name(arch)
    size = backbone_config(arch).input_size
    if arch.startswith(TORCHVISION):
        return size if _size_argument(arch.removeprefix(TORCHVISION)) else None
    return size if timm_config(arch).fixed_input_size else None


def backbone_config(arch: str) -> BackboneConfig:
    """Look up how images were prepared for the pretrained weights. Nothing is downloaded.

    Args:
        arch: A name.

    Raises:
        ConfigError: If the name is unknown.
    """
    _check_name(arch)
    if not arch.startswith(TORCHVISION):
        cfg = timm_config(arch)
        _, height, width = cfg.input_size
        return BackboneConfig(
            tuple(cfg.mean), tuple(cfg.std), (height, width), cfg.interpolation, cfg.crop_pct
        )
    name = arch.removeprefix(TORCHVISION)
    preset = torchvision_weights(name).transforms()
    crop, resize = preset.crop_size[0], preset.resize_size[0]
    half = name in _HALF_RANGE
    return BackboneConfig(
        (0.5, 0.5, 0.5) if half else tuple(preset.mean),
        (0.5, 0.5, 0.5) if half else tuple(preset.std),
        (crop, crop),
        preset.interpolation.value,
        crop / resize,
    )


def torchvision_weights(name: str) -> Any:
    """Return torchvision's default weights entry of a classifier (url, transforms).

    Args:
        name: The constructor's name, without prefix.
    """
    import torchvision

    return torchvision.models.get_model_weights(name).DEFAULT


def timm_config(arch: str) -> Any:
    """Return timm's ``PretrainedCfg`` of an architecture: where its weights are, and its input.

    Args:
        arch: A timm name.
    """
    import timm

    return timm.models.get_pretrained_cfg(arch)


def timm_model(arch: str, n_in: int, size: tuple[int, int] | None, **options: Any) -> nn.Module:
    """Call ``timm.create_model`` without a classifier.

    Args:
        arch: A timm name.
        n_in: Channels of the input.
        size: ``(H, W)``; passed on only where the architecture is built for one size.
        **options: Further arguments of ``timm.create_model``.
    """
    import timm

    if size is not None and timm_config(arch).fixed_input_size:
        options["img_size"] = size
    return cast(nn.Module, timm.create_model(arch, num_classes=0, in_chans=n_in, **options))


def _body(arch: str, n_in: int, size: tuple[int, int] | None) -> tuple[nn.Module, tuple[int, ...]]:
    """Build a body, and measure the shape of what it gives for one image."""
    native = backbone_config(arch).input_size
    size = (int(size[0]), int(size[1])) if size is not None else native
    makers: list[Callable[[], nn.Module]]
    if arch.startswith(TORCHVISION):
        makers = [lambda: _torchvision_body(arch.removeprefix(TORCHVISION), n_in, size)]
    else:
        makers = [
            lambda: timm_model(arch, n_in, size, global_pool=""),
            lambda: timm_model(arch, n_in, size),
        ]
    error: Exception | None = None
    for make in makers:
        try:
            shape, channels = _measure(make, n_in, size)
        except (RuntimeError, ValueError, TypeError, AssertionError) as caught:
            error = caught
            continue
        # A map whose channels are not the architecture's own features has been through layers
        # that expect pooled input; pooling first, as in pretraining, is then right.
        last = make is makers[-1]
        if (len(shape) == 4 and shape[1] == channels) or (last and len(shape) in (2, 4)):
            return make(), shape
    raise ConfigError(
        problem(
            f"Expected an image size that {arch} can be built for",
            f"size={size}, n_in={n_in}" + (f" ({_first_line(error)})" if error else ""),
            f"Use its own size, {native[0]} by {native[1]} pixels, or another architecture.",
        )
    ) from error


def _measure(
    make: Callable[[], nn.Module], n_in: int, size: tuple[int, int]
) -> tuple[tuple[int, ...], int | None]:
    """Return the output's shape for one image, and the features the model says it has."""
    for device in ("meta", "cpu"):  # on "meta" nothing is computed; some models cannot do that
        try:
            with torch.device(device), torch.no_grad(), forked(0):
                model = make().eval()
                out = model(torch.zeros(1, n_in, *size))
            return tuple(out.shape), getattr(model, "num_features", None)
        except (RuntimeError, NotImplementedError):
            if device == "cpu":
                raise
    raise AssertionError("unreachable")


def _torchvision_body(name: str, n_in: int, size: tuple[int, int]) -> nn.Module:
    """Build a torchvision classifier and cut it, keeping the names of its parameters."""
    import torchvision

    options: dict[str, Any] = {}
    if argument := _size_argument(name):
        if argument == "image_size" and size[0] != size[1]:
            raise ValueError("it takes square images only")
        options[argument] = size[0] if argument == "image_size" else size
    if name in _HALF_RANGE:
        options = {"aux_logits": False, "init_weights": True}
    model = torchvision.models.get_model(name, weights=None, **options)
    _adapt_first_conv(model, n_in)
    classifier = [k for k, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
    if argument:  # their `forward` is not the sequence of their children
        parent, _, leaf = classifier.rpartition(".")
        setattr(model.get_submodule(parent), leaf, nn.Identity())
        return cast(nn.Module, model)
    top = classifier.partition(".")[0]
    children = itertools.takewhile(
        lambda child: child[0] != top and not isinstance(child[1], nn.AdaptiveAvgPool2d),
        model.named_children(),
    )
    body = nn.Sequential(OrderedDict(children))
    if name.startswith("densenet"):  # its `forward` has a ReLU that is no module
        body.add_module("relu", nn.ReLU())
    return body


def _adapt_first_conv(model: nn.Module, n_in: int) -> None:
    """Put a first convolution for ``n_in`` channels in place of one for three."""
    name, conv = next((k, m) for k, m in model.named_modules() if isinstance(m, nn.Conv2d))
    if conv.in_channels == n_in:
        return
    fresh = nn.Conv2d(
        n_in,
        conv.out_channels,
        cast(tuple[int, int], conv.kernel_size),
        stride=cast(tuple[int, int], conv.stride),
        padding=cast(tuple[int, int], conv.padding),
        bias=conv.bias is not None,
    )
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, fresh)


def _size_argument(name: str) -> str | None:
    """Name of the torchvision constructor's argument for the size that it is built for."""
    if name.startswith("vit_"):
        return "image_size"
    return "input_size" if name.startswith("maxvit") else None


def _torchvision_names() -> list[str]:
    import torchvision

    return cast(list[str], torchvision.models.list_models(module=torchvision.models))


def _is_timm(arch: str) -> bool:
    import timm

    try:
        return bool(timm.is_model(arch)) and timm.models.get_pretrained_cfg(arch) is not None
    except RuntimeError:  # the tag is unknown
        return False


def _check_name(arch: str) -> None:
    if arch.startswith(TORCHVISION):
        known = arch.removeprefix(TORCHVISION) in _torchvision_names()
    else:
        known = _is_timm(arch)
    if known:
        return
    import timm

    names = [*timm.list_models(), *(TORCHVISION + n for n in _torchvision_names())]
    plain = arch.removeprefix(TORCHVISION)
    close = difflib.get_close_matches(arch, names, n=4, cutoff=0.5)
    if TORCHVISION + plain in names:
        close.insert(0, TORCHVISION + plain)
    if (base := plain.partition(".")[0]) != plain and base in names:  # its tag is wrong
        close = timm.list_models(f"{base}.*", include_tags=True)[:4]
    hint = f"Did you mean {', '.join(dict.fromkeys(close))}?" if close else ""
    raise ConfigError(
        problem(
            "Expected an architecture of timm, or 'torchvision/' and one of torchvision",
            f"arch={arch!r}",
            f"{hint} `timm.list_models('*part*')` lists them.".strip(),
        )
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
