"""Augmentation of whole batches on their device, each row with a draw of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Self, final

import torch
from torch import Tensor

from redstart.config import Configured
from redstart.data.batch import Batch, Encoded
from redstart.data.codec import Codec
from redstart.data.loader import BatchTransform
from redstart.data.target import Target
from redstart.data.transform import BatchSpec
from redstart.errors import ConfigError, problem
from redstart.vision.codec import ImageCodec
from redstart.vision.resize import PadMode, size_pair
from redstart.vision.warp import Spatial, Warp

__all__ = ["Augment", "Normalize", "aug_transforms", "imagenet_stats"]

imagenet_stats = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet's pixels, for ``Normalize.from_stats``."""

_RATIO = (3 / 4, 4 / 3)


def aug_transforms(  # noqa: PLR0913 - fastai's own list
    mult: float = 1.0,
    do_flip: bool = True,
    flip_vert: bool = False,
    max_rotate: float = 10.0,
    min_zoom: float = 1.0,
    max_zoom: float = 1.1,
    max_lighting: float = 0.2,
    max_warp: float = 0.2,
    p_affine: float = 0.75,
    p_lighting: float = 0.75,
    xtra_tfms: Sequence[BatchSpec | BatchTransform] | None = None,
    size: int | tuple[int, int] | None = None,
    mode: str = "bilinear",
    pad_mode: str = "reflection",
    min_scale: float = 1.0,
) -> list[BatchSpec | BatchTransform]:
    """Describe the usual augmentation of photos, for ``batch_tfms``.

    All geometry is one resampling, and targets that lie in the picture (masks, points)
    move along. Validation and prediction see none of it but ``size``.

    Args:
        mult: Multiplies ``max_rotate``, ``max_lighting`` and ``max_warp``.
        do_flip: Mirror every other picture.
        flip_vert: Also upside down and, if it is square, about its diagonal.
        max_rotate: Degrees either way, at most.
        min_zoom: Least enlargement, above 0.
        max_zoom: Greatest enlargement.
        max_lighting: Changes mid-grey by up to half of this, in 0..1, and contrast by up
            to a factor of ``1 / (1 - max_lighting)`` either way.
        max_warp: How far the picture is seen from the side, in [0, 0.5).
        p_affine: Chance of each of rotation, zoom and warp.
        p_lighting: Chance of each of brightness and contrast.
        xtra_tfms: More of the kind, done after these.
        size: Height and width that the model sees; else those of the encoded picture.
        mode: ``"bilinear"``, ``"bicubic"`` or ``"nearest"``.
        pad_mode: What comes in from outside: ``"reflection"``, ``"border"``, ``"zeros"``.
        min_scale: Least area of a random part that is cut out first, as a fraction of the
            largest of that shape, in (0, 1].

    Returns:
        A list, so that ``[*aug_transforms(), Normalize.from_stats(*imagenet_stats)]`` works.

    Raises:
        ConfigError: If a value is out of its range.
    """
    spec = Augment(
        do_flip=do_flip,
        flip_vert=flip_vert,
        max_rotate=max_rotate * mult,
        zoom=(min_zoom, max_zoom),
        max_lighting=max_lighting * mult,
        max_warp=max_warp * mult,
        p_affine=p_affine,
        p_lighting=p_lighting,
        size=size,
        mode=mode,
        pad_mode=pad_mode,
        min_scale=min_scale,
    )
    return [spec, *(xtra_tfms or ())]


@final
@dataclass(frozen=True, kw_only=True)
class Augment(Configured):
    """What ``aug_transforms`` describes; its arguments say what the fields are."""

    kind: ClassVar[str] = "augment"
    do_flip: bool = True
    flip_vert: bool = False
    max_rotate: float = 10.0
    zoom: tuple[float, float] = (1.0, 1.1)
    max_lighting: float = 0.2
    max_warp: float = 0.2
    p_affine: float = 0.75
    p_lighting: float = 0.75
    size: int | tuple[int, int] | None = None
    mode: str = "bilinear"
    pad_mode: str = "reflection"
    min_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.size is not None:
            object.__setattr__(self, "size", size_pair(self.size))
        object.__setattr__(self, "zoom", tuple(self.zoom))
        object.__setattr__(self, "pad_mode", str(self.pad_mode))
        ranges = (
            ("max_rotate", self.max_rotate >= 0, "0 or more"),
            ("zoom", 0 < self.zoom[0] <= self.zoom[1], "above 0, `min_zoom` the smaller"),
            ("max_lighting", 0 <= self.max_lighting < 1, "in [0, 1)"),
            ("max_warp", 0 <= self.max_warp < 0.5, "in [0, 0.5)"),
            ("p_affine", 0 <= self.p_affine <= 1, "in [0, 1]"),
            ("p_lighting", 0 <= self.p_lighting <= 1, "in [0, 1]"),
            ("min_scale", 0 < self.min_scale <= 1, "in (0, 1]"),
            ("mode", self.mode in ("bilinear", "bicubic", "nearest"), "a known mode"),
            ("pad_mode", self.pad_mode in list(PadMode), "one of `PadMode`"),
        )
        for name, good, wanted in ranges:
            if not good:
                raise ConfigError(
                    problem(
                        f"Expected `{name}` to be {wanted}",
                        f"{name}={getattr(self, name)!r}",
                        "`mult` multiplies some of the limits.",
                    )
                )

    def bind(
        self, codec: Codec[Any], target: Target[Any, Any]
    ) -> tuple[Codec[Any], BatchTransform]:
        """Return the transform of training batches, and a codec that knows ``size``.

        Raises:
            ConfigError: If the inputs are not pictures.
        """
        seen = codec
        if self.size is not None and isinstance(codec, ImageCodec):
            seen = replace(codec, size=size_pair(self.size))
        if not isinstance(codec, Spatial):
            raise ConfigError(
                problem(
                    "Expected pictures to augment",
                    f"inputs of kind {codec.kind!r}",
                    "Leave `aug_transforms` out.",
                )
            )
        return seen, partial(self._apply, codec, target)

    def draw(self, n: int, shape: tuple[int, int], rng: torch.Generator) -> Warp:
        """Draw the geometry of ``n`` pictures.

        Args:
            n: How many.
            shape: Their height and width, in pixels.
            rng: Where the draws come from; a row uses the same number of them always.
        """
        # One row of draws per picture, all of them whatever is switched on, so that
        # switching one thing off does not change the others.
        u = torch.rand(n, 16, generator=rng)
        size = shape if self.size is None else size_pair(self.size)
        warp = replace(Warp.identity(n, size), mode=self.mode, pad_mode=self.pad_mode)
        warp = self._cut(warp, shape, u[:, :4])
        if self.do_flip or self.flip_vert:
            never = torch.zeros(n, dtype=torch.bool)
            upright = (u[:, 5] < 0.5) & self.flip_vert
            warp = warp.flip((u[:, 4] < 0.5) if self.do_flip else never, upright)
            if self.flip_vert and size[0] == size[1]:
                warp = warp.transpose(u[:, 6] < 0.5)
        if self.max_rotate:
            angle = self.max_rotate * (2 * u[:, 7] - 1)
            warp = warp.rotate(angle * (u[:, 8] < self.p_affine))
        low, high = self.zoom
        if self.zoom != (1.0, 1.0):
            factor = torch.where(u[:, 10] < self.p_affine, low + (high - low) * u[:, 9], 1.0)
            warp = warp.zoom(factor, u[:, 11], u[:, 12])
        if self.max_warp:
            much = self.max_warp * (u[:, 15, None] < self.p_affine)
            warp = warp.tilt(*(much * (2 * u[:, 13:15] - 1)).unbind(1))
        return warp

    def _cut(self, warp: Warp, shape: tuple[int, int], u: Tensor) -> Warp:
        """Show a random part, of the shape of the output give or take ``_RATIO``."""
        fit = (shape[0] * warp.size[1]) / (shape[1] * warp.size[0])  # output wider than input
        largest = min(fit, 1 / fit)  # area of the largest part of that shape
        if self.min_scale == 1:
            whole = torch.ones(len(warp))
            return warp if fit == 1 else warp.crop(whole * min(1, fit), whole * min(1, 1 / fit))
        area = largest * (self.min_scale + (1 - self.min_scale) * u[:, 0])
        low, high = (math.log(r * fit) for r in _RATIO)
        # No wider or taller than the picture, which for large areas leaves less choice.
        edge = area.log()
        aspect = (low + (high - low) * u[:, 1]).clamp(edge, -edge).exp()
        return warp.crop((area * aspect).sqrt(), (area / aspect).sqrt(), u[:, 2], u[:, 3])

    def _apply(
        self, codec: Spatial, target: Target[Any, Any], batch: Batch, rng: torch.Generator
    ) -> Batch:
        warp = self.draw(len(batch), (batch.x[0].shape[-2], batch.x[0].shape[-1]), rng)
        light = torch.rand(len(batch), 4, generator=rng)
        x = self._light(codec.warp(batch.x, warp), light)
        y = batch.y
        if y is not None and isinstance(target, Spatial):
            y = target.warp(y, warp)
        return replace(batch, x=x, y=y)

    def _light(self, x: Encoded, u: Tensor) -> Encoded:
        """Change brightness and contrast: one factor and one offset per row."""
        if not self.max_lighting:
            return x
        shift = self.max_lighting * (u[:, 0] - 0.5) * (u[:, 1] < self.p_lighting)
        reach = -math.log(1 - self.max_lighting)
        factor = (reach * (2 * u[:, 2] - 1) * (u[:, 3] < self.p_lighting)).exp()
        offset = 0.5 - 0.5 * factor + shift
        pair = torch.stack([factor, offset]).view(2, -1, 1, 1, 1).to(x[0])
        return tuple(torch.addcmul(pair[1], t, pair[0]).clamp_(0, 1) for t in x)


@final
@dataclass(frozen=True)
class Normalize(Configured):
    """Subtract a mean from each channel and divide by a deviation.

    The numbers go to the codec, and with it into the bundle: prediction needs them too.

    Attributes:
        mean: Per channel, of pixels in 0..1.
        std: Per channel, above 0.
    """

    kind: ClassVar[str] = "normalize"
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def from_stats(cls, mean: Sequence[float], std: Sequence[float]) -> Self:
        """Take one number per channel, such as ``*imagenet_stats``."""
        return cls(tuple(map(float, mean)), tuple(map(float, std)))

    def bind(self, codec: Codec[Any], target: Target[Any, Any]) -> tuple[Codec[Any], None]:
        """Return a codec that normalises, and no transform.

        Raises:
            ConfigError: If the inputs are not pictures, or have other channels.
        """
        if not isinstance(codec, ImageCodec):
            raise ConfigError(
                problem(
                    "Expected pictures to normalise",
                    f"inputs of kind {codec.kind!r}",
                    "Leave `Normalize` out.",
                )
            )
        return replace(codec, mean=self.mean, std=self.std), None
