"""One geometric transform for images, masks and points, and one resampling for many."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol, Self, final, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from redstart.data.batch import Encoded
from redstart.errors import DataError, problem

__all__ = ["Spatial", "Warp"]

# From this many input pixels per output pixel on, a row is halved before it is sampled;
# below, halving was measured to blur more than it saves from false patterns.
_HALVE_FROM = 2.1


@runtime_checkable
class Spatial(Protocol):
    """A codec or target whose tensors move when a picture is warped."""

    def warp(self, encoded: Encoded, warp: Warp) -> Encoded:
        """Return a warped batch of what ``encode`` made."""
        ...


@final
@dataclass(frozen=True, slots=True, eq=False)
class Warp:
    """A homography per row. Coordinates ``(x, y)`` run from -1 to 1 between outer edges.

    Hartley and Zisserman, "Multiple view geometry in computer vision", 2004, chapter 2.

    Attributes:
        theta: ``(B, 3, 3)`` float; takes output coordinates to input coordinates. Best
            kept on the CPU, whatever the device of the images.
        size: Height and width of the output, in pixels.
        mode: How images are sampled: ``"bilinear"``, ``"bicubic"`` or ``"nearest"``.
        pad_mode: What lies outside: ``"reflection"``, ``"border"`` or ``"zeros"``.
    """

    theta: Tensor
    size: tuple[int, int]
    mode: str = "bilinear"
    pad_mode: str = "reflection"

    @classmethod
    def identity(cls, n: int, size: tuple[int, int]) -> Self:
        """Leave ``n`` rows where they are, at a size of ``(height, width)``."""
        return cls(torch.eye(3).repeat(n, 1, 1), size)

    def __len__(self) -> int:
        return self.theta.shape[0]

    def then(self, other: Warp) -> Self:
        """Do this, then ``other``, as one; the output is of ``other``'s size."""
        return replace(self, theta=self.theta @ other.theta, size=other.size)

    def flip(self, x: Tensor, y: Tensor | None = None) -> Self:
        """Mirror left to right where ``x``, and top to bottom where ``y``; ``(B,)`` bool."""
        y = torch.zeros_like(x) if y is None else y
        return self._then(_diagonal(1.0 - 2.0 * x, 1.0 - 2.0 * y))

    def transpose(self, where: Tensor) -> Self:
        """Swap the axes of square output where ``where``, ``(B,)`` bool."""
        swap = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        return self._then(torch.where(where[:, None, None], swap, torch.eye(3)))

    def rotate(self, degrees: Tensor) -> Self:
        """Turn the content counter-clockwise about the centre, ``(B,)``, without shearing."""
        angle = degrees * (math.pi / 180)
        cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
        aspect = self.size[1] / self.size[0]
        return self._then(
            _matrix([[cos, -sin / aspect, zero], [sin * aspect, cos, zero], [zero, zero, zero + 1]])
        )

    def zoom(self, factor: Tensor, x: Tensor | None = None, y: Tensor | None = None) -> Self:
        """Enlarge by ``factor``, ``(B,)``.

        Args:
            factor: Above 1 shows less of the picture, larger.
            x: Which part is seen, from 0 (its left) to 1 (its right); ``(B,)``, else 0.5.
            y: Likewise from top to bottom.
        """
        return self.crop(1 / factor, 1 / factor, x, y)

    def crop(
        self, width: Tensor, height: Tensor, x: Tensor | None = None, y: Tensor | None = None
    ) -> Self:
        """Show a part, as large as the output.

        Args:
            width: Of the part, as a fraction of the whole, ``(B,)``.
            height: Likewise.
            x: Where the part is, from 0 (leftmost) to 1 (rightmost); ``(B,)``, else 0.5.
            y: Likewise from top to bottom.
        """
        matrix = _diagonal(width, height)
        if x is not None:
            matrix[:, 0, 2] = (1 - width) * (2 * x - 1)
        if y is not None:
            matrix[:, 1, 2] = (1 - height) * (2 * y - 1)
        return self._then(matrix)

    def tilt(self, x: Tensor, y: Tensor) -> Self:
        """Look at the picture from the side: a change of perspective.

        Args:
            x: The right edge comes nearer (positive) or recedes; ``(B,)``, in (-0.5, 0.5).
            y: Likewise the lower edge.
        """
        matrix = torch.eye(3).repeat(len(x), 1, 1)
        matrix[:, 2, 0], matrix[:, 2, 1] = x, y
        return self._then(matrix)

    def inverse(self, size: tuple[int, int]) -> Self:
        """The way back, to an input of ``(height, width)``."""
        return replace(self, theta=torch.linalg.inv(self.theta), size=size)

    def grid(self, device: torch.device | None = None) -> Tensor:
        """Where in the input each output pixel is taken from, ``(B, H, W, 2)``."""
        theta = self.theta.to(device or self.theta.device)
        height, width = self.size
        xs = torch.linspace(1 / width - 1, 1 - 1 / width, width, device=theta.device)
        ys = torch.linspace(1 / height - 1, 1 - 1 / height, height, device=theta.device)
        along = theta[:, :, 0, None] * xs  # (B, 3, W)
        down = theta[:, :, 1, None] * ys + theta[:, :, 2, None]  # (B, 3, H)
        grid = theta.new_empty(len(theta), height, width, 2)
        for axis in (0, 1):
            grid[..., axis] = along[:, axis, None, :] + down[:, axis, :, None]
        depth = along[:, 2, None, :] + down[:, 2, :, None]
        return grid.div_(depth.unsqueeze(-1))

    def apply_image(self, x: Tensor) -> Tensor:
        """Resample pictures once, without false patterns where they shrink.

        A row that shrinks is first halved, once or several times.

        Args:
            x: ``(B, C, H, W)``, ``uint8`` or floating point.

        Returns:
            ``(B, C, *size)`` floating point; ``uint8`` comes out as 0..1.
        """
        self._check(x, 4)
        levels = self._levels(x.shape[-2], x.shape[-1])
        dtype = x.dtype if x.is_floating_point() else torch.float32
        out = x.new_empty(len(x), x.shape[1], *self.size, dtype=dtype)
        # A processor is twice as fast on few rows at a time, which stay in its cache.
        step = 4 * torch.get_num_threads() if x.device.type == "cpu" else len(x)
        for start in range(0, len(x), step):
            part = range(start, min(start + step, len(x)))
            for level in sorted({levels[i] for i in part}):
                rows = [i for i in part if levels[i] == level]
                self._sample(x, out, rows, level)
        return out

    def apply_points(self, points: Tensor) -> Tensor:
        """Move points along with the pixels.

        Args:
            points: ``(B, N, 2)``, each ``(x, y)`` in -1..1 of the input.

        Returns:
            The same in the output; points that left it lie outside -1..1.
        """
        self._check(points, 3)
        back: Tensor = torch.linalg.inv(self.theta).to(points)
        moved = points @ back[:, :, :2].mT + back[:, None, :, 2]
        return moved[..., :2] / moved[..., 2:]

    def apply_mask(self, mask: Tensor, fill: int | None = None) -> Tensor:
        """Move class numbers along with the pixels; none are invented.

        Args:
            mask: ``(B, H, W)``, whole numbers below 2**24.
            fill: Class of what lies outside; without it, padded as images are.

        Returns:
            ``(B, *size)``, of the same type.
        """
        self._check(mask, 3)
        grid = self.grid(mask.device)
        pad_mode = self.pad_mode if fill is None else "border"
        out = F.grid_sample(
            mask.unsqueeze(1).float(), grid, "nearest", pad_mode, align_corners=False
        )
        moved = out.squeeze(1).to(mask.dtype)
        if fill is not None:
            moved = moved.masked_fill((grid.abs() > 1).any(-1), fill)
        return moved

    def _then(self, matrix: Tensor) -> Self:
        return replace(self, theta=self.theta @ matrix)

    def _levels(self, height: int, width: int) -> list[int]:
        """How often each row is to be halved, from the area its pixels have at the centre."""
        theta = self.theta.cpu()
        area = torch.linalg.det(theta) / theta[:, 2, 2] ** 3
        area = area.abs() * (height * width / (self.size[0] * self.size[1]))
        halvings = torch.log2(area.sqrt() / _HALVE_FROM).floor() + 1
        fits = math.floor(math.log2(min(height, width)))
        levels: list[int] = halvings.clamp(0, fits).long().tolist()
        return levels

    def _sample(self, x: Tensor, out: Tensor, rows: list[int], level: int) -> None:
        """Fill some rows of ``out``, halving the input ``level`` times first."""
        where: slice | list[int] = rows
        if rows[-1] - rows[0] == len(rows) - 1:
            where = slice(rows[0], rows[-1] + 1)
        x = x[where]
        scale = 1 / 255 if x.dtype == torch.uint8 else 1.0
        if level:
            size = [round(n / 2**level) for n in x.shape[-2:]]
            if x.device.type != "cpu":  # only there does torch take bytes as they are
                x = x.float()
            x = F.interpolate(x, size, mode="bilinear", antialias=True)
        x = x.to(out.dtype)
        grid = replace(self, theta=self.theta[where]).grid(x.device).to(x.dtype)
        sampled = F.grid_sample(x, grid, self.mode, self.pad_mode, align_corners=False)
        out[where] = sampled.mul_(scale)

    def _check(self, x: Tensor, ndim: int) -> None:
        if x.ndim != ndim or len(x) != len(self):
            raise DataError(
                problem(
                    f"Expected a tensor of {ndim} dimensions with {len(self)} rows to warp",
                    f"shape={tuple(x.shape)}",
                    "Make one warp per row of the batch.",
                )
            )


def _diagonal(x: Tensor, y: Tensor) -> Tensor:
    return torch.diag_embed(torch.stack([x, y, torch.ones_like(x)], dim=-1))


def _matrix(rows: list[list[Tensor]]) -> Tensor:
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
