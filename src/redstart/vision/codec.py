"""Pictures as inputs: decoded to bytes, made floats in whole batches."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Self, final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from redstart.audit.pictures import PictureLikeness
from redstart.data.batch import Encoded
from redstart.data.codec import Codec
from redstart.errors import ConfigError, problem
from redstart.show.view import ImageView
from redstart.vision.decode import open_image
from redstart.vision.handmade import handmade
from redstart.vision.properties import pixel_properties
from redstart.vision.resize import ImageTransform, size_pair
from redstart.vision.warp import Warp

__all__ = ["ImageBlock", "ImageCodec", "PILImage", "PILImageBW"]


@final
@dataclass(frozen=True)
class ImageCodec(Codec[Image.Image]):
    """Pictures. Encodes to ``(C, H, W)`` ``uint8``.

    Attributes:
        tfms: Item transforms, in order; without one, pictures keep their sizes.
        channels: 3 for RGB, 1 for grey.
        size: Height and width that the model sees, where augmentation goes on to a
            smaller size than ``tfms`` give; other batches are brought to it by
            ``prepare``. ``None`` leaves them as they are.
        mean: Of the pixels of each channel, in 0..1; subtracted by ``prepare``.
        std: Their standard deviation; ``prepare`` divides by it. ``None`` with ``mean``.
    """

    kind: ClassVar[str] = "image"
    tfms: tuple[ImageTransform, ...] = ()
    channels: int = 3
    size: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tfms", tuple(self.tfms))
        if self.size is not None:
            object.__setattr__(self, "size", size_pair(self.size))
        if self.channels not in (1, 3):
            raise ConfigError(
                problem(
                    "Expected 1 or 3 channels", f"channels={self.channels!r}", "Use 1 for grey."
                )
            )
        if self.mean is None and self.std is None:
            return
        mean, std = tuple(self.mean or ()), tuple(self.std or ())
        if not len(mean) == len(std) == self.channels or min(std) <= 0:
            raise ConfigError(
                problem(
                    f"Expected a mean and a positive std for each of {self.channels} channels",
                    f"mean={self.mean!r}, std={self.std!r}",
                    "Pass both, one number per channel.",
                )
            )
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "std", std)

    def load(self, item: Any) -> Image.Image:
        """Decode, no larger than the item transforms need.

        Raises:
            DataError: If the item cannot be read, naming it and the reason.
        """
        hint = self.tfms[0].decode_size if self.tfms else None
        return open_image(item, hint, self.channels)

    def encode(self, raw: Image.Image) -> Encoded:
        """Transform as for validation, to ``(C, H, W)`` ``uint8``."""
        for tfm in self.tfms:
            raw = tfm.apply(raw)
        return (_to_tensor(raw),)

    @cached_property
    def encoding_id(self) -> str:
        """What ``encode`` depends on, as text; statistics and ``size`` are not part of it."""
        plain = replace(self, size=None, mean=None, std=None)
        return json.dumps(plain.to_config(), sort_keys=True)

    @property
    def random(self) -> bool:
        """Whether an item transform draws."""
        return any(tfm.random for tfm in self.tfms)

    def encode_train(self, raw: Image.Image, rng: torch.Generator) -> Encoded:
        """Transform a training picture, to ``(C, H, W)`` ``uint8``."""
        for tfm in self.tfms:
            raw = tfm.apply_train(raw, rng)
        return (_to_tensor(raw),)

    def prepare(self, x: Encoded) -> Encoded:
        """Bring a batch to ``size``, to floats in 0..1, and normalise it.

        Args:
            x: ``(B, C, H, W)``; ``uint8``, or floating point in 0..1.
        """
        images = x[0] if self.size is None else _fit(x[0], self.size)
        scale, shift = _affine(self.mean, self.std, images.dtype == torch.uint8, images.device)
        if images.dtype == torch.uint8:
            # Through one buffer: a byte times a float would make two, and they are large.
            return (images.float().mul_(scale).add_(shift),)
        return (torch.addcmul(shift.to(images), images, scale.to(images)),)

    def warp(self, encoded: Encoded, warp: Warp) -> Encoded:
        """Resample a batch, to floating point in 0..1."""
        return (warp.apply_image(encoded[0]),)

    def view(self, x: Encoded) -> ImageView:
        """Make a picture of one row: ``uint8``, or floating point in 0..1."""
        pixels = x[0].detach().cpu()
        if pixels.is_floating_point():
            pixels = pixels.float().clamp(0, 1).mul(255).round().byte()
        pixels = pixels[0] if len(pixels) == 1 else pixels.permute(1, 2, 0)
        return ImageView(pixels.contiguous().numpy())

    def with_item_tfms(self, tfms: Sequence[Any] | Any) -> Self:
        """Return a copy that applies ``tfms``, one or several, instead of its own.

        Raises:
            ConfigError: If one is not such as a bundle can hold.
        """
        several = tfms if isinstance(tfms, Sequence) else (tfms,)
        return replace(self, tfms=tuple(_checked(tfm) for tfm in several))

    def properties(self, x: Encoded) -> dict[str, float]:
        """Brightness, contrast, colours, sharpness and border of one encoded picture."""
        return pixel_properties(x[0])

    def handmade(self, x: Encoded) -> Tensor:
        """Colours, edges and texture of one encoded picture; see ``vision.handmade``."""
        return handmade(x[0])

    @property
    def likeness(self) -> PictureLikeness:
        """Pictures are alike if one can be made of the other: smaller, mirrored, cut."""
        return PictureLikeness()

    def headers(self, items: Sequence[Any]) -> Mapping[str, NDArray[Any]]:
        """What picture files say of themselves: size, format, camera, time; nothing is decoded."""
        from redstart.vision.properties import properties_of

        return properties_of(items)

    def nbytes(self, raw: Image.Image) -> int:
        """Memory that a loaded picture takes: Pillow keeps RGB in four bytes per pixel."""
        return raw.width * raw.height * (4 if self.channels == 3 else 1)


@final
class PILImage:
    """RGB pictures: ``PILImage.create(path)``, ``ImageBlock(PILImage)``."""

    channels: ClassVar[int] = 3

    @staticmethod
    def create(item: Any) -> Image.Image:
        """Open a path, bytes, array, tensor or picture, as RGB."""
        return open_image(item, channels=3)


@final
class PILImageBW:
    """Grey pictures: ``PILImageBW.create(path)``, ``ImageBlock(PILImageBW)``."""

    channels: ClassVar[int] = 1

    @staticmethod
    def create(item: Any) -> Image.Image:
        """Open a path, bytes, array, tensor or picture, as grey."""
        return open_image(item, channels=1)


def ImageBlock(cls: type[Any] | None = None) -> ImageCodec:  # noqa: N802
    """Return the codec for pictures.

    Args:
        cls: ``PILImageBW`` for grey ones.
    """
    kind = PILImage if cls is None else cls
    if kind not in (PILImage, PILImageBW):
        raise ConfigError(
            problem("Expected `PILImage` or `PILImageBW`", f"cls={cls!r}", "Leave it out for RGB.")
        )
    return ImageCodec(channels=kind.channels)


def _checked(tfm: Any) -> ImageTransform:
    if isinstance(tfm, ImageTransform):
        return tfm
    raise ConfigError(
        problem(
            "Expected item transforms that a saved model can repeat, such as `Resize(224)`",
            f"item_tfms={tfm!r}",
            "Apply a function of your own in `get_x`, or to the files in advance. "
            "What `aug_transforms` returns goes to `batch_tfms`.",
        )
    )


def _to_tensor(img: Image.Image) -> Tensor:
    pixels = np.asarray(img)
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return torch.from_numpy(np.array(planes, order="C"))


def _fit(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut the largest centred part of the shape of ``size`` and bring it to that size."""
    height, width = x.shape[-2:]
    if (height, width) == size:
        return x
    scale = min(height / size[0], width / size[1])
    h, w = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    top, left = (height - h) // 2, (width - w) // 2
    x = x[..., top : top + h, left : left + w]
    if x.dtype == torch.uint8 and x.device.type != "cpu":
        x = x.float().div_(255)
    return F.interpolate(x, size, mode="bilinear", antialias=True)


@lru_cache(maxsize=32)
def _affine(
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    from_bytes: bool,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Factor and offset of ``(x - mean) / std``, each ``(C, 1, 1)``, kept on the device."""
    m = torch.tensor(mean or (0.0,), dtype=torch.float64)
    s = torch.tensor(std or (1.0,), dtype=torch.float64)
    scale = 1 / (s * 255) if from_bytes else 1 / s
    both = torch.stack([scale, -m / s]).float().to(device)
    return both[0].view(-1, 1, 1), both[1].view(-1, 1, 1)
