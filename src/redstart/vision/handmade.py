"""Features of a picture made by hand: what people did before features were learnt.

Colours, directions of edges and fine texture, counted over the picture and its parts. A
linear model on them is what a network for pictures has to beat.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

__all__ = ["handmade"]

Floats = NDArray[np.float32]

_SIDE = 128
"""Pictures are brought to a square of so many pixels; colours and edges to half of it."""
_BINS = 9
_HUES, _SATURATIONS, _VALUES = 8, 3, 3
_NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))


def handmade(pixels: Tensor) -> Tensor:
    """Measure one picture: about 1,200 numbers, fewer for grey ones.

    - Colours: a histogram of hue, saturation and value (Swain and Ballard, 1991), and mean
      and spread of brightness and opponent colours in a grid of 4 by 4.
    - Edges: histograms of oriented gradients (Dalal and Triggs, 2005) in grids of 8 by 8 and
      4 by 4, each cell normalised by the blocks around it.
    - Texture: uniform local binary patterns (Ojala, Pietikainen and Maenpaa, 2002) at two
      distances, of the whole and of its quarters.

    Args:
        pixels: ``(C, H, W)`` with 1 or 3 channels; ``uint8``, or floating point in 0..1.

    Returns:
        ``(D,)`` float32; ``D`` depends on the number of channels alone.
    """
    large = _square(pixels)
    small, grey = _halved(large), _grey(large)
    colours = _colours(small) if len(pixels) == 3 else _tones(small[0])
    edges = [_edges(_grey(small), 8), _edges(grey, 4)]
    textures = [*_textures(grey, 1, parts=True), *_textures(grey, 2, parts=False)]
    return torch.from_numpy(np.concatenate([*colours, *edges, *textures]).astype(np.float32))


def _square(pixels: Tensor) -> Floats:
    """Floats in 0..1, ``(C, 128, 128)``. By Pillow: it uses the thread that it is called in."""
    x = pixels.detach().cpu()
    if x.dtype != torch.uint8:
        x = (x.float() * 255).round().clamp(0, 255).byte()
    how = Image.Resampling.BOX if min(x.shape[-2:]) >= _SIDE else Image.Resampling.BILINEAR
    planes = [np.asarray(Image.fromarray(plane).resize((_SIDE, _SIDE), how)) for plane in x.numpy()]
    found: Floats = np.stack(planes).astype(np.float32) * np.float32(1 / 255)
    return found


def _halved(x: Floats) -> Floats:
    """Means of 2 by 2 pixels."""
    total = x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]
    found: Floats = total * np.float32(0.25)
    return found


def _grey(x: Floats) -> Floats:
    """Brightness as people see it, ``(H, W)``."""
    grey: Floats = x[0] if len(x) == 1 else 0.299 * x[0] + 0.587 * x[1] + 0.114 * x[2]
    return grey


def _colours(x: Floats) -> list[Floats]:
    red, green, blue = x
    opponents = np.stack([_grey(x), red - green, (red + green) / 2 - blue])
    return [_hsv_histogram(x), *_cells(opponents)]


def _tones(x: Floats) -> list[Floats]:
    return [_shares(np.minimum((x * 16).astype(np.int64), 15), 16), *_cells(x[None])]


def _hsv_histogram(x: Floats) -> Floats:
    """Shares of the pixels by hue, saturation and value, ``(72,)``."""
    high, low = x.max(0), x.min(0)
    chroma = np.maximum(high - low, 1e-6)
    red, green, blue = x
    hue = np.where(
        high == red,
        (green - blue) / chroma % 6,
        np.where(high == green, (blue - red) / chroma + 2, (red - green) / chroma + 4),
    )
    saturation = (high - low) / np.maximum(high, 1e-6)
    code = np.zeros(high.shape, dtype=np.int64)
    for part, bins in ((hue / 6, _HUES), (saturation, _SATURATIONS), (high, _VALUES)):
        code = code * bins + np.clip((part * bins).astype(np.int64), 0, bins - 1)
    return _shares(code, _HUES * _SATURATIONS * _VALUES)


def _cells(x: Floats) -> list[Floats]:
    """Mean and spread of each channel in a grid of 4 by 4."""
    channels, side = len(x), x.shape[-1] // 4
    grid = x.reshape(channels, 4, side, 4, side).transpose(0, 1, 3, 2, 4).reshape(channels, 16, -1)
    return [grid.mean(-1).ravel(), grid.std(-1).ravel()]


def _edges(grey: Floats, cells: int) -> Floats:
    """Oriented gradients in a grid, ``(cells * cells * 9,)``."""
    down, right = np.gradient(grey)
    size = np.hypot(down, right)
    place = (np.arctan2(down, right) / np.pi % 1.0) * _BINS
    first = place.astype(np.int64)
    share = place - first  # a direction counts for the two bins that it lies between
    first %= _BINS
    cell = _cell_numbers(grey.shape[0], cells) * _BINS
    n = cells * cells * _BINS
    counts = np.bincount((cell + first).ravel(), (size * (1 - share)).ravel(), n)
    found: NDArray[np.float64] = counts.astype(np.float64)
    found += np.bincount((cell + (first + 1) % _BINS).ravel(), (size * share).ravel(), n)
    return _normalised(found.reshape(cells, cells, _BINS)).ravel()


def _normalised(grid: NDArray[np.float64]) -> Floats:
    """Each cell over the norms of the four blocks of 2 by 2 cells that it is in, averaged."""
    energy = np.pad((grid**2).sum(-1), 1, mode="edge")
    blocks = energy[:-1, :-1] + energy[1:, :-1] + energy[:-1, 1:] + energy[1:, 1:]
    norms = 1 / np.sqrt(blocks + 1e-3)
    mean = (norms[:-1, :-1] + norms[1:, :-1] + norms[:-1, 1:] + norms[1:, 1:]) / 4
    found: Floats = np.minimum(grid * mean[..., None], 0.4).astype(np.float32)
    return found


@lru_cache(maxsize=8)
def _cell_numbers(side: int, cells: int) -> NDArray[np.int64]:
    at = np.arange(side) * cells // side
    found: NDArray[np.int64] = at[:, None] * cells + at[None, :]
    return found


def _textures(grey: Floats, distance: int, *, parts: bool) -> list[Floats]:
    """Shares of the 59 uniform patterns, of the whole picture and of its quarters."""
    d, side = distance, grey.shape[0]
    # Noise of the last bit is no texture: neighbours have to be brighter by something.
    centre = grey[d : side - d, d : side - d] + 0.5 / 255
    code = np.zeros(centre.shape, dtype=np.uint8)
    for bit, (dy, dx) in enumerate(_NEIGHBOURS):
        y, x = d + dy * d, d + dx * d
        above = grey[y : y + centre.shape[0], x : x + centre.shape[1]] > centre
        code |= above.view(np.uint8) << bit
    pattern = _uniform()[code]
    found = [_shares(pattern, 59)]
    if parts:
        half = len(pattern) // 2
        found += [
            _shares(pattern[rows, columns], 59)
            for rows in (slice(half), slice(half, None))
            for columns in (slice(half), slice(half, None))
        ]
    return found


@lru_cache(maxsize=1)
def _uniform() -> NDArray[np.int64]:
    """Number of each pattern of eight bits: 0 to 57 with up to two changes, 58 for the rest."""
    codes = np.arange(256)
    bits = codes[:, None] >> np.arange(8) & 1
    uniform = (bits != np.roll(bits, 1, axis=1)).sum(1) <= 2
    found = np.full(256, 58, dtype=np.int64)
    found[uniform] = np.arange(uniform.sum())
    return found


def _shares(codes: NDArray[np.int64], n: int) -> Floats:
    """Roots of the share of each code: then distances of histograms are Hellinger's."""
    counts = np.bincount(codes.ravel(), minlength=n)
    return np.sqrt(counts / codes.size).astype(np.float32)
