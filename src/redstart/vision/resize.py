"""Item transforms: pictures of any size to pictures of one size."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, NamedTuple, final

import numpy as np
import torch
from PIL import Image

from redstart.config import Configured
from redstart.errors import ConfigError, problem

__all__ = [
    "Frame",
    "ImageTransform",
    "PadMode",
    "RandomResizedCrop",
    "Resize",
    "ResizeMethod",
    "size_pair",
]


class ResizeMethod(StrEnum):
    """What ``Resize`` does with a picture of another shape."""

    Crop = "crop"
    Pad = "pad"
    Squish = "squish"


class PadMode(StrEnum):
    """What lies outside a picture: black, its edge drawn out, or its mirror image."""

    Zeros = "zeros"
    Border = "border"
    Reflection = "reflection"


_NUMPY_PAD = {"zeros": "constant", "border": "edge", "reflection": "reflect"}


class Frame(NamedTuple):
    """Which part of a picture goes where.

    Attributes:
        box: Part of the picture that is used: left, top, right, bottom, in its pixels.
        inner: Where that part lands: left, top, right, bottom, in output pixels.
        size: Height and width of the output.
        pad_mode: What the rest of the output shows.
    """

    box: tuple[float, float, float, float]
    inner: tuple[int, int, int, int]
    size: tuple[int, int]
    pad_mode: str = "zeros"


class ImageTransform(Configured, ABC):
    """A picture to a picture. Subclasses are frozen dataclasses and go into the bundle."""

    random: ClassVar[bool] = False
    """Whether training rows are drawn anew each epoch."""

    @abstractmethod
    def frame(self, size: tuple[int, int]) -> Frame:
        """Say what becomes of a picture of ``(width, height)`` pixels."""

    def drawn_frame(self, size: tuple[int, int], rng: torch.Generator) -> Frame:
        """Say what becomes of a training picture of ``(width, height)`` pixels."""
        return self.frame(size)

    @abstractmethod
    def decode_size(self, size: tuple[int, int]) -> tuple[int, int] | None:
        """Least ``(width, height)`` at which a picture of ``size`` need be decoded.

        Returns:
            ``None`` for the whole size.
        """

    def apply(self, img: Image.Image) -> Image.Image:
        """Transform a picture as for validation and prediction; draws nothing."""
        return _render(img, self.frame(img.size))

    def apply_train(self, img: Image.Image, rng: torch.Generator) -> Image.Image:
        """Transform a training picture."""
        return _render(img, self.drawn_frame(img.size, rng))


@final
@dataclass(frozen=True)
class Resize(ImageTransform):
    """Bring pictures to one size: the same for training, validation and prediction.

    Attributes:
        size: Height and width in pixels; one number makes a square.
        method: ``"crop"`` fills the size and cuts off what stands out, evenly;
            ``"pad"`` shows all of the picture and pads the rest; ``"squish"`` distorts.
        pad_mode: What the padding shows: ``"zeros"``, ``"border"`` or ``"reflection"``.
    """

    kind: ClassVar[str] = "resize"
    size: int | tuple[int, int]
    method: str = "crop"
    pad_mode: str = "zeros"

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", size_pair(self.size))
        object.__setattr__(self, "method", _choice("method", self.method, ResizeMethod))
        object.__setattr__(self, "pad_mode", _choice("pad_mode", self.pad_mode, PadMode))

    def frame(self, size: tuple[int, int]) -> Frame:
        """Say what becomes of a picture of ``(width, height)`` pixels."""
        (width, height), (h, w) = size, size_pair(self.size)
        if self.method == "crop":
            return Frame(_centred(size, (h, w)), (0, 0, w, h), (h, w))
        inner = (0, 0, w, h)
        if self.method == "pad":
            scale = min(w / width, h / height)
            new_w, new_h = max(1, round(width * scale)), max(1, round(height * scale))
            left, top = (w - new_w) // 2, (h - new_h) // 2
            inner = (left, top, left + new_w, top + new_h)
        whole = (0.0, 0.0, float(width), float(height))
        return Frame(whole, inner, (h, w), self.pad_mode)

    def decode_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Least ``(width, height)`` at which a picture of ``size`` need be decoded."""
        return _decode_for(self.frame(size), size)


@final
@dataclass(frozen=True)
class RandomResizedCrop(ImageTransform):
    """Cut a random part out of each training picture and bring it to one size.

    Szegedy et al., "Going deeper with convolutions", 2014. Each row is drawn anew every
    epoch. Validation and prediction take the largest centred part of the shape of
    ``size``, as ``Resize(size)`` does.

    Attributes:
        size: Height and width in pixels; one number makes a square.
        min_scale: Least area of the part, as a fraction of the picture's, in (0, 1].
        ratio: Range of how much wider the part is than the shape of ``size``.
    """

    kind: ClassVar[str] = "random_resized_crop"
    random: ClassVar[bool] = True
    size: int | tuple[int, int]
    min_scale: float = 0.08
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", size_pair(self.size))
        object.__setattr__(self, "ratio", tuple(self.ratio))
        if not 0 < self.min_scale <= 1:
            raise ConfigError(
                problem(
                    "Expected a fraction of the picture's area, in (0, 1]",
                    f"min_scale={self.min_scale!r}",
                    "Smaller values cut more away.",
                )
            )
        if len(self.ratio) != 2 or not 0 < self.ratio[0] <= self.ratio[1]:
            raise ConfigError(
                problem(
                    "Expected two positive numbers, the smaller first",
                    f"ratio={self.ratio!r}",
                    "Widths over heights, such as `(3/4, 4/3)`.",
                )
            )

    def frame(self, size: tuple[int, int]) -> Frame:
        """Say what becomes of a validation picture of ``(width, height)`` pixels."""
        h, w = size_pair(self.size)
        return Frame(_centred(size, (h, w)), (0, 0, w, h), (h, w))

    def drawn_frame(self, size: tuple[int, int], rng: torch.Generator) -> Frame:
        """Draw a part of a training picture of ``(width, height)`` pixels.

        Area uniform, shape log-uniform, place uniform. Ten tries to fit one in, then the
        centred part.
        """
        (width, height), (h, w) = size, size_pair(self.size)
        low, high = (math.log(r * w / h) for r in self.ratio)
        for area, shape, x, y in torch.rand(10, 4, generator=rng, dtype=torch.float64).tolist():
            part = width * height * (self.min_scale + (1 - self.min_scale) * area)
            aspect = math.exp(low + (high - low) * shape)
            wide, tall = math.sqrt(part * aspect), math.sqrt(part / aspect)
            if wide <= width and tall <= height:
                left, top = x * (width - wide), y * (height - tall)
                box = (left, top, min(left + wide, width), min(top + tall, height))
                return Frame(box, (0, 0, w, h), (h, w))
        return self.frame(size)

    def decode_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Least ``(width, height)`` at which a picture of ``size`` need be decoded.

        It leaves the smallest part that can be drawn, in its most extreme shapes, as
        large as the output: no part is ever made of fewer pixels than the file has for it.
        """
        (width, height), (h, w) = size, size_pair(self.size)
        area = width * height * self.min_scale
        wide = min(width, math.sqrt(area * self.ratio[0] * w / h))
        tall = min(height, math.sqrt(area / (self.ratio[1] * w / h)))
        smallest = Frame((0.0, 0.0, wide, tall), (0, 0, w, h), (h, w))
        return _decode_for(smallest, size)


def size_pair(size: int | tuple[int, int]) -> tuple[int, int]:
    """Return ``size`` as height and width.

    Raises:
        ConfigError: If it is not one or two positive whole numbers.
    """
    pair = tuple(size) if isinstance(size, Sequence) else (size, size)
    if len(pair) != 2 or not all(isinstance(n, int) and n > 0 for n in pair):
        raise ConfigError(
            problem(
                "Expected one or two positive whole numbers (height, width)",
                f"size={size!r}",
                "Use `Resize(224)` or `Resize((256, 192))`.",
            )
        )
    return pair[0], pair[1]


def _choice(name: str, value: str, options: type[StrEnum]) -> str:
    if value not in list(options):
        raise ConfigError(
            problem(
                f"Expected one of {', '.join(repr(o.value) for o in options)}",
                f"{name}={value!r}",
                f"`{options.__name__}` lists them.",
            )
        )
    return options(value).value


def _centred(size: tuple[int, int], shape: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest centred part of ``(width, height)`` that has the shape ``(h, w)``."""
    width, height = size
    scale = min(width / shape[1], height / shape[0])
    wide, tall = min(shape[1] * scale, width), min(shape[0] * scale, height)
    left, top = (width - wide) / 2, (height - tall) / 2
    return left, top, left + wide, top + tall


def _decode_for(frame: Frame, size: tuple[int, int]) -> tuple[int, int]:
    """The least size that gives every output pixel of ``frame`` a pixel of its own."""
    left, top, right, bottom = frame.box
    x0, y0, x1, y1 = frame.inner
    x_scale, y_scale = (x1 - x0) / (right - left), (y1 - y0) / (bottom - top)
    scale = (math.ceil(size[0] * x_scale - 1e-6), math.ceil(size[1] * y_scale - 1e-6))
    return max(1, min(scale[0], size[0])), max(1, min(scale[1], size[1]))


def _render(img: Image.Image, frame: Frame) -> Image.Image:
    """Cut, resample once with antialiasing, and pad."""
    (x0, y0, x1, y1), (h, w) = frame.inner, frame.size
    inner = img.resize(
        (x1 - x0, y1 - y0), Image.Resampling.BILINEAR, box=frame.box, reducing_gap=2.0
    )
    if inner.size == (w, h):
        return inner
    pixels = np.asarray(inner)
    margins = [(y0, h - y1), (x0, w - x1), (0, 0)][: pixels.ndim]
    return Image.fromarray(np.pad(pixels, margins, mode=_NUMPY_PAD[frame.pad_mode]))  # type: ignore[call-overload]
