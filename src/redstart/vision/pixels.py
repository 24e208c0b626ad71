"""Any kind of pixel to 8 bits, grey or RGB."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from redstart.errors import DataError, problem

__all__ = ["from_array", "to_8bit", "to_channels"]

_MODES = {1: "L", 3: "RGB"}


def to_channels(img: Image.Image, channels: int) -> Image.Image:
    """Convert a picture of any mode to grey or RGB, 8 bits each.

    What is transparent is laid on white, as a viewer shows it. 16-bit and
    floating-point pixels are scaled, not clipped: see ``to_8bit``. Colour profiles are
    not applied.

    Args:
        img: Any mode that Pillow has.
        channels: 1 or 3.

    Returns:
        ``img`` itself if it is right already.
    """
    if img.mode in ("I", "F") or img.mode.startswith("I;"):
        img = Image.fromarray(to_8bit(np.asarray(img)))
    elif img.mode == "LAB":
        img = _lab_to_rgb(img)
    elif img.has_transparency_data:
        img = _on_white(img)
    mode = _MODES[channels]
    return img if img.mode == mode else img.convert(mode)


def from_array(pixels: npt.NDArray[Any] | Tensor) -> Image.Image:
    """Make a picture of an array ``(H, W[, C])`` or a tensor ``(C, H, W)`` or ``(H, W)``.

    Args:
        pixels: 1, 3 (RGB) or 4 (RGBA) channels; values 0..255, or 0..1 if floating
            point, or 0..65535.

    Raises:
        DataError: If the shape or the values are none of these.
    """
    kind, shape = type(pixels).__name__, tuple(pixels.shape)
    if isinstance(pixels, Tensor):
        moved = pixels.detach().cpu()
        moved = moved.float() if moved.is_floating_point() else moved
        array = (moved.permute(1, 2, 0) if moved.ndim == 3 else moved).numpy()
    else:
        array = pixels
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))) or not array.size:
        raise DataError(
            problem(
                "Expected a tensor (C, H, W) or an array (H, W, C) with 1, 3 or 4 channels",
                f"{kind} of shape {shape}",
                "Reorder or slice the channels.",
            )
        )
    if array.dtype.kind in "if" and not (np.nanmin(array) >= 0 and np.nanmax(array) <= 65535):
        raise DataError(
            problem(
                "Expected pixel values in 0..1, 0..255 or 0..65535",
                f"values {np.nanmin(array):.4g}..{np.nanmax(array):.4g}",
                "Undo the normalisation first.",
            )
        )
    if array.dtype.kind not in "buif":
        raise DataError(
            problem("Expected numbers as pixels", f"dtype={array.dtype}", "Convert the array.")
        )
    return Image.fromarray(np.ascontiguousarray(to_8bit(array)))


def to_8bit(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Scale pixel values to 0..255.

    Unsigned 16-bit values fill 0..65535. The wider types have no range of their own, so
    the values tell: up to 1 (floating point only), up to 255, up to 65535; anything else is
    stretched from its least to its greatest. Values that are not finite become 0.

    Args:
        values: Any shape; a boolean, integer or floating-point type.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    real = values.astype(np.float64)
    real[~np.isfinite(real)] = 0
    low, high = float(real.min()), float(real.max())
    if low < 0 or high > 65535:
        real = (real - low) * (255 / (high - low))
    elif high > 255:
        real *= 255 / 65535
    elif values.dtype.kind == "f" and high <= 1:
        real *= 255
    return real.round().astype(np.uint8)


def _on_white(img: Image.Image) -> Image.Image:
    if img.mode == "La":
        img = img.convert("LA")
    rgba = img.convert("RGBA")
    if rgba.getchannel("A").getextrema() == (255, 255):
        return rgba.convert("RGB")
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")


def _lab_to_rgb(img: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(img, lab, srgb, outputMode="RGB")
    assert converted is not None  # noqa: S101 - only with inPlace
    return converted
