"""How pictures are recognised again: the same, or re-encoded, resized, cut, mirrored, grey."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from redstart.audit.align import aligned_likeness
from redstart.audit.evidence import Likeness, Pairs, Prints
from redstart.audit.search import (
    LADDER,
    as_pairs,
    equal_pairs,
    expected_nearer,
    first_of_each,
    growth,
    nearest,
    units,
)

__all__ = ["PictureLikeness"]

_SIZE = 32  # of thumbnails
_WAVES = 9  # of the cosine transform, per axis
_LUMA = (0.299, 0.587, 0.114)
_PLAIN = 2.0  # grey levels; pictures that vary less are compared as bytes only

_CANDIDATES = 8
_LEAST_COSINE = 0.45  # of sketches; of copies cut by a tenth, 99% have more
_COPY, _SURE, _SCENE = 0.95, 0.998, 0.8  # aligned likeness
_CHANCE_COPY, _CHANCE_SCENE = 1e-5, 1e-2  # unrelated rows as near that are expected per row
_GATE = 0.5  # the same, of sketches; pairs above it are not laid over each other
_STEPS = 5  # neighbours laid over a row to see what is usual around it


@final
class PictureLikeness(Likeness):
    """Recognises copies of a picture by a thumbnail, and equal pixels by a digest.

    Copies may be compressed anew, resized, cut by a tenth, mirrored, made lighter, darker,
    blurred or grey. A pair has a likeness of at least 0.5 if it is a copy; less if it is
    only nearer than unrelated pictures of this data set ever are, such as the next frame
    of a film.
    """

    name = "pictures 1"

    def prints(self, x: tuple[Tensor, ...]) -> Prints:
        """Reduce pictures to a digest, a thumbnail and its contrast.

        Args:
            x: ``(B, C, H, W)`` ``uint8``, or floating point in 0..1; 1 or 3 channels. More
                inputs count for the digest alone.

        Returns:
            Digests ``(B, 16)`` ``uint8``; grey thumbnails ``(B, 32, 32)`` ``uint8``, as
            contrasty as can be; the standard deviation of the grey levels before that,
            ``(B,)`` ``float32``.
        """
        digests = [[np.frombuffer(_digest(row), np.uint8)] for row in zip(*x, strict=True)]
        small = torch.stack([_thumbnail(picture) for picture in x[0]])
        low, high = small.amin((1, 2), keepdim=True), small.amax((1, 2), keepdim=True)
        spread = small.flatten(1).std(1)
        stretched = (small - low) * (255 / (high - low).clamp_min(1e-3))
        return np.concatenate(digests), stretched.round().byte().numpy(), spread.numpy()

    def pairs(self, prints: Prints, left: NDArray[np.int64], right: NDArray[np.int64]) -> Pairs:
        """Find equal pictures, copies and pictures of one scene.

        Args:
            prints: What ``prints`` makes of all rows.
            left: Row numbers.
            right: Row numbers.

        Returns:
            Equal pixels as ``exact``; copies have a likeness of at least 0.5, pictures
            of one scene less. Mirrored ones are not told apart.
        """
        digests, thumbnails, spread = prints
        same = np.array_equal(left, right)
        equal = equal_pairs(digests, left, right)
        lefts = first_of_each(digests, left[spread[left] >= _PLAIN])
        rights = lefts if same else first_of_each(digests, right[spread[right] >= _PLAIN])
        near = _near(thumbnails, lefts, rights, same=same)
        if not same:
            near = near.repeated(digests, right)
        different = np.any(digests[near.left] != digests[near.right], axis=1)
        exact = np.arange(len(equal[0]) + int(different.sum())) < len(equal[0])
        return as_pairs(
            np.concatenate([equal[0], near.left[different]]),
            np.concatenate([equal[1], near.right[different]]),
            np.concatenate([np.ones(len(equal[0])), near.likeness[different]]),
            exact,
            same=same,
        )


@final
@dataclass(frozen=True, slots=True)
class _Near:
    """Row numbers and likeness, ``(P,)`` each."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    likeness: NDArray[np.float32]

    def repeated(self, digests: NDArray[Any], right: NDArray[np.int64]) -> _Near:
        """Say of all rows of ``right`` what was found of the first of those that are equal."""
        firsts = first_of_each(digests, right, all_rows=True)
        order = np.argsort(firsts, kind="stable")
        low = np.searchsorted(firsts[order], self.right, "left")
        count = np.searchsorted(firsts[order], self.right, "right") - low
        pair = np.repeat(np.arange(len(self.right)), count)
        within = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count)
        return _Near(self.left[pair], right[order[low[pair] + within]], self.likeness[pair])


def _digest(row: tuple[Tensor, ...]) -> bytes:
    found = sha256()
    for tensor in row:
        found.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        found.update(tensor.contiguous().numpy().data)
    return found.digest()[:16]


def _thumbnail(picture: Tensor) -> Tensor:
    """``(32, 32)`` grey levels in 0..255."""
    size = (_SIZE, _SIZE)
    if picture.is_floating_point():
        picture = picture.float() * 255
    # Bytes are resized several times as fast as floats; half a grey level is lost.
    small = F.interpolate(picture[None], size, mode="bilinear", antialias=True)[0].float()
    if len(small) == 3:
        return small[0] * _LUMA[0] + small[1] * _LUMA[1] + small[2] * _LUMA[2]
    return small.mean(0)


def _near(
    thumbnails: NDArray[Any], left: NDArray[np.int64], right: NDArray[np.int64], *, same: bool
) -> _Near:
    """Find copies and scenes among rows whose pictures all differ."""
    sketches = _sketches(thumbnails, np.unique(np.concatenate([left, right])))
    lefts, rights = units(sketches[left]), units(sketches[right])
    first, second = thumbnails[left], thumbnails[right]
    where, cosines = nearest(lefts, rights, LADDER[1], same=same)
    mirrors = nearest(lefts, rights * _MIRROR, _CANDIDATES, same=same)
    found = []
    for mirrored, (rows, values) in enumerate(((where, cosines), mirrors)):
        by_chance = _sketch_chance(values[:, :_CANDIDATES], cosines)
        at, rank = np.nonzero((values[:, :_CANDIDATES] >= _LEAST_COSINE) & (by_chance <= _GATE))
        of = rows[at, rank]
        alike = aligned_likeness(first, second, (of, at), mirrored=bool(mirrored))
        found.append((of, at, alike, by_chance[at, rank] <= _CHANCE_SCENE))
    of, at, alike, scene = (np.concatenate([f[n] for f in found]) for n in range(4))
    keep = (alike >= _COPY) | ((alike >= _SCENE) & scene)
    of, at, alike = of[keep], at[keep], alike[keep]
    chance = _chance((first, second), (where, cosines), at, alike)
    copy = (alike >= _COPY) & ((chance <= _CHANCE_COPY) | (alike >= _SURE))
    scene = ~copy & (chance <= _CHANCE_SCENE)
    # Copies are spread over 0.5 to 1, scenes over 0 to 0.5.
    likeness = np.where(
        copy, 0.5 + 0.5 * (alike - _COPY) / (1 - _COPY), 0.49 * (alike - _SCENE) / (1 - _SCENE)
    )
    keep = copy | scene
    return _Near(left[of[keep]], right[at[keep]], np.clip(likeness[keep], 0, 1).astype(np.float32))


def _further(cosines: NDArray[np.float32]) -> tuple[NDArray[np.int64], float]:
    """Name neighbours that copies are not among, and the power by which they become more."""
    many = cosines.shape[1]
    ranks = np.arange(min(LADDER[0], many // 4), many)
    if len(ranks) < _STEPS or not len(cosines):
        return ranks[:0], 0.0
    return ranks, growth(_distances(cosines[:, ranks]), ranks + 1)


def _sketch_chance(
    values: NDArray[np.float32], cosines: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Say how many unrelated sketches would be as near, of each row's candidates ``(R, K)``."""
    ranks, exponent = _further(cosines)
    if not len(ranks):
        return np.zeros(values.shape)
    last = int(ranks[-1])
    usual = _distances(cosines[:, last : last + 1])
    return expected_nearer(_distances(values), usual, last + 1.0, exponent)


def _chance(
    pictures: tuple[NDArray[Any], NDArray[Any]],
    neighbours: tuple[NDArray[np.int64], NDArray[np.float32]],
    at: NDArray[np.int64],
    alike: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Say how many unrelated pictures would be as like row ``at`` as this, ``(P,)``."""
    where, cosines = neighbours
    ranks, exponent = _further(cosines)
    if not len(ranks):
        # So few pictures are not like each other by chance.
        return np.zeros(len(at))
    rows, back = np.unique(at, return_inverse=True)
    chosen = ranks[np.linspace(len(ranks) // 2, len(ranks) - 1, _STEPS).astype(int)]
    usual = aligned_likeness(
        *pictures, (where[rows][:, chosen].ravel(), np.repeat(rows, len(chosen)))
    )
    median = np.median(_distances(usual.reshape(-1, _STEPS)), axis=1)[back]
    # Twice, since mirror images were tried as well.
    rank = 2 * (float(np.median(chosen)) + 1)
    return expected_nearer(_distances(alike), median, rank, exponent)


def _distances(likeness: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.sqrt(np.maximum(1 - likeness, 0)))


def _sketches(thumbnails: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Low frequencies of all rows, each as strong as any other in ``rows``, ``(N, 80)``.

    In photos the lowest are the strongest by far, and much alike; so weighted, unrelated
    photos are hardly alike.
    """
    steps = np.arange(_SIZE)
    waves = np.cos(np.pi * (2 * steps + 1) * np.arange(_WAVES)[:, None] / (2 * _SIZE))
    found = np.zeros((len(thumbnails), _WAVES * _WAVES - 1), dtype=np.float32)
    for start in range(0, len(found), 4096):
        pictures = thumbnails[start : start + 4096].astype(np.float32)
        pictures -= pictures.mean(axis=(1, 2), keepdims=True)
        pictures /= np.maximum(pictures.std(axis=(1, 2), keepdims=True), 1e-3)
        planes = waves.astype(np.float32) @ pictures @ waves.T.astype(np.float32)
        found[start : start + 4096] = planes.reshape(len(pictures), -1)[:, 1:]
    # As if some more photos had been seen, whose waves are as strong as they are long.
    usual = 1 / (_FREQUENCY**2)
    seen = found[rows].var(axis=0) if len(rows) else usual
    prior = usual * (seen.mean() / usual.mean())
    strength = (len(rows) * seen + 20 * prior) / (len(rows) + 20)
    return np.asarray(found / np.sqrt(np.maximum(strength, 1e-9)), dtype=np.float32)


_NUMBERS = np.arange(_WAVES)
_FREQUENCY = np.hypot(_NUMBERS[:, None], _NUMBERS).ravel()[1:]
_MIRROR = np.tile(np.where(_NUMBERS % 2, -1, 1), _WAVES)[1:].astype(np.float32)
