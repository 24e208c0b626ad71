"""Randomness as a function of ``(seed, epoch, row)``, without touching the caller's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["forked", "generator"]

_MASK = (1 << 63) - 1


def _mix(*numbers: int) -> int:
    """Fold the numbers into one seed (splitmix64's finaliser after each)."""
    state = 0x9E3779B97F4A7C15
    for number in numbers:
        state = (state ^ (number & _MASK)) * 0xBF58476D1CE4E5B9 & ((1 << 64) - 1)
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB & ((1 << 64) - 1)
        state ^= state >> 31
    return state & _MASK


def generator(seed: int, *path: int) -> torch.Generator:
    """Return a CPU generator for one pass, one batch or one row.

    Args:
        seed: The seed the user chose.
        *path: Where in the run: the epoch, then for example the row number.
    """
    return torch.Generator().manual_seed(_mix(seed, *path))


@contextmanager
def forked(seed: int, *path: int) -> Iterator[None]:
    """Seed torch's global generators for a block, then put them back as they were.

    Initialisation and dropout draw from the global generators and cannot be given
    another; this is the only way to keep them repeatable and to leave no trace.

    Args:
        seed: The seed the user chose.
        *path: Where in the run, as for ``generator``.
    """
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
    mixed = _mix(seed, *path)
    with torch.random.fork_rng(devices=devices):
        # Not `torch.manual_seed`: where CUDA has not started, it would seed it for later.
        torch.default_generator.manual_seed(mixed)
        if devices:
            torch.cuda.manual_seed_all(mixed)
        if torch.backends.mps.is_available():
            torch.mps.manual_seed(mixed)
        yield
