"""Lays one small picture over another: how alike they are once shifted and scaled to fit.

Inverse compositional alignment (Baker and Matthews, "Lucas-Kanade 20 Years On", IJCV 56,
2004) with a shift and a scale per axis, brightness and contrast; many pairs at a time.
Likeness is the correlation of the gradients: outlines and texture have to agree, not only
where it is light and where dark.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["aligned_likeness"]

_AT_ONCE = 1024
_COARSE_STEPS, _FINE_STEPS = 5, 3
_SHIFT, _SCALE = 0.12, 0.18  # at most; of half a picture
_EDGE = 2  # pixels on each side whose gradients are not known well
_HOPELESS = 0.6  # correlation of half-size pictures below which nothing better comes


def aligned_likeness(
    first: NDArray[Any],
    second: NDArray[Any],
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
    *,
    mirrored: bool = False,
) -> NDArray[np.float32]:
    """Say how alike pictures are after the best shift and scale of up to a tenth.

    Args:
        first: Grey pictures, ``(N, S, S)``, any real type; ``S`` is even.
        second: Grey pictures, ``(M, S, S)``.
        pairs: Positions in ``first`` and in ``second``, ``(P,)`` each.
        mirrored: Whether to compare with the mirror images of ``second``.

    Returns:
        Correlations in [-1, 1], ``(P,)``; 0 for pairs that are far from alike.
    """
    found: NDArray[np.float32] = np.zeros(len(pairs[0]), dtype=np.float32)
    for start in range(0, len(found), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        moving = torch.from_numpy(first[pairs[0][some]]).float()
        fixed = torch.from_numpy(second[pairs[1][some]]).float()
        found[some] = _likeness(moving, fixed.flip(-1) if mirrored else fixed).numpy()
    return found


def _likeness(moving: Tensor, fixed: Tensor) -> Tensor:
    found = torch.zeros(len(moving))
    small = _standardised(F.avg_pool2d(moving, 2)), _standardised(F.avg_pool2d(fixed, 2))
    place = torch.tensor([1.0, 0.0, 1.0, 0.0]).repeat(len(moving), 1)
    place = _improved(*small, place, _COARSE_STEPS)
    rough = _agreement(_warped(small[0], place), small[1], place)[0]
    hope = torch.nonzero(rough >= _HOPELESS)[:, 0]
    if len(hope):
        moving, fixed = (_standardised(_smooth(x[hope])) for x in (moving, fixed))
        place = _improved(moving, fixed, place[hope], _FINE_STEPS)
        found[hope] = _agreement(_warped(moving, place), fixed, place)[1]
    return found


def _improved(moving: Tensor, fixed: Tensor, place: Tensor, steps: int) -> Tensor:
    """Move ``place``: scale and shift across, scale and shift down, ``(P, 4)``."""
    pairs, size = len(fixed), fixed.shape[-1]
    across, down = _gradients(fixed)
    x = _centres(size).view(1, 1, size)
    y = _centres(size).view(1, size, 1)
    slopes = [across * x, across, down * y, down, fixed, torch.ones_like(fixed)]
    inner = _inner(size)
    jacobian = (torch.stack(slopes, 1) * inner).view(pairs, 6, -1)
    # A little of the identity, so that pictures without any outline have a solution.
    curvature = jacobian @ jacobian.transpose(1, 2) + 0.05 * torch.eye(6)
    descent = torch.linalg.inv(curvature) @ jacobian
    for _ in range(steps):
        change = (descent @ (_warped(moving, place) - fixed).view(pairs, -1, 1))[..., 0]
        scale, shift = 1 + change[:, [0, 2]], change[:, [1, 3]]
        scales = place[:, [0, 2]] / scale
        shifts = place[:, [1, 3]] - scales * shift
        scales = scales.clamp(1 - _SCALE, 1 + _SCALE)
        shifts = shifts.clamp(-_SHIFT, _SHIFT)
        place = torch.stack([scales[:, 0], shifts[:, 0], scales[:, 1], shifts[:, 1]], 1)
    return place


def _warped(moving: Tensor, place: Tensor) -> Tensor:
    pairs, size, _ = moving.shape
    centres = _centres(size)
    grid = torch.empty(pairs, size, size, 2)
    grid[..., 0] = (place[:, 0:1] * centres + place[:, 1:2])[:, None, :]
    grid[..., 1] = (place[:, 2:3] * centres + place[:, 3:4])[:, :, None]
    found = F.grid_sample(moving[:, None], grid, padding_mode="border", align_corners=False)
    return found[:, 0]


def _agreement(warped: Tensor, fixed: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Correlation of pixels and of gradients where both pictures are, ``(P,)`` each."""
    size = fixed.shape[-1]
    centres = _centres(size)
    across = (place[:, 0:1] * centres + place[:, 1:2]).abs() <= 1
    down = (place[:, 2:3] * centres + place[:, 3:4]).abs() <= 1
    seen = (across[:, None, :] & down[:, :, None]).float() * _inner(size)
    weight = seen.sum((1, 2), keepdim=True).clamp_min(1)
    a, b = ((x - (x * seen).sum((1, 2), keepdim=True) / weight) * seen for x in (warped, fixed))
    pixels = _cosine([a], [b])
    (ax, ay), (bx, by) = _gradients(warped), _gradients(fixed)
    return pixels, _cosine([ax * seen, ay * seen], [bx * seen, by * seen])


def _cosine(a: list[Tensor], b: list[Tensor]) -> Tensor:
    def product(left: list[Tensor], right: list[Tensor]) -> Tensor:
        return torch.stack([(x * y).sum((1, 2)) for x, y in zip(left, right, strict=True)]).sum(0)

    return product(a, b) / (product(a, a) * product(b, b)).sqrt().clamp_min(1e-6)


def _gradients(x: Tensor) -> tuple[Tensor, Tensor]:
    """Across and down, per half a picture; zero at the edges."""
    half = x.shape[-1] / 4
    across, down = torch.zeros_like(x), torch.zeros_like(x)
    across[..., 1:-1] = (x[..., 2:] - x[..., :-2]) * half
    down[..., 1:-1, :] = (x[..., 2:, :] - x[..., :-2, :]) * half
    return across, down


def _smooth(x: Tensor) -> Tensor:
    x = F.pad(x[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    x = x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]
    return (x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]) / 16


def _standardised(x: Tensor) -> Tensor:
    x = x - x.mean((1, 2), keepdim=True)
    return x / x.square().mean((1, 2), keepdim=True).sqrt().clamp_min(1e-3)


def _centres(size: int) -> Tensor:
    return (torch.arange(size) + 0.5) / size * 2 - 1


def _inner(size: int) -> Tensor:
    inner = torch.zeros(size, size)
    inner[_EDGE:-_EDGE, _EDGE:-_EDGE] = 1
    return inner
