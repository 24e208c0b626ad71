"""What is done to columns before a model sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from redstart.errors import ConfigError, problem

__all__ = ["Categorify", "FillMissing", "FillStrategy", "Normalize", "Procs", "as_procs"]


class FillStrategy(StrEnum):
    """What stands for a missing number."""

    median = "median"
    """The median of the training rows."""
    mode = "mode"
    """Their most frequent number, the least of equals."""
    constant = "constant"
    """A number given."""


@final
@dataclass(frozen=True, slots=True)
class Categorify:
    """Number the categories that the training rows have, from 1; 0 is any other, or none.

    Categories are numbered with it and without it, for there is no other way.
    """


@final
@dataclass(frozen=True, slots=True)
class FillMissing:
    """Fill in missing numbers.

    Attributes:
        fill_strategy: What to fill in: ``"median"``, ``"mode"``, ``"constant"``.
        add_col: Whether a column that has missing numbers in training rows gets a
            category ``NAME_na`` beside it, which says where they were.
        fill_vals: The constant: one for all columns, or by column.
    """

    fill_strategy: str = FillStrategy.median
    add_col: bool = True
    fill_vals: float | Mapping[str, float] = 0.0

    def __post_init__(self) -> None:
        if self.fill_strategy not in list(FillStrategy):
            raise ConfigError(
                problem(
                    f"Expected `fill_strategy` to be one of {', '.join(FillStrategy)}",
                    f"fill_strategy={self.fill_strategy!r}",
                    "Leave it out if in doubt.",
                )
            )

    def value(self, name: str, known: NDArray[np.float64]) -> float:
        """What to fill in.

        Args:
            name: Of the column.
            known: Its numbers in the training rows, ``(N,)``, none missing; at least one
                unless a constant is filled in.
        """
        if self.fill_strategy == FillStrategy.constant:
            vals = self.fill_vals
            return float(vals.get(name, 0.0) if isinstance(vals, Mapping) else vals)
        if self.fill_strategy == FillStrategy.mode:
            values, counts = np.unique(known, return_counts=True)
            return float(values[counts.argmax()])
        return float(np.median(known))


@final
@dataclass(frozen=True, slots=True)
class Normalize:
    """Bring numbers to mean 0 and standard deviation 1 over the training rows."""


@final
@dataclass(frozen=True, slots=True)
class Procs:
    """What ``procs`` ask for.

    Attributes:
        fill: How to fill in missing numbers; ``None`` refuses them.
        normalize: Whether to normalise numbers.
    """

    fill: FillMissing | None
    normalize: bool


def as_procs(procs: Iterable[Any] | None) -> Procs:
    """Read a list of ``Categorify``, ``FillMissing`` and ``Normalize``, classes or objects.

    Args:
        procs: The list, in any order; ``None`` is all three.

    Raises:
        ConfigError: If there is anything else in it.
    """
    if procs is None:
        return Procs(FillMissing(), normalize=True)
    made = [p() if isinstance(p, type) and p in _KINDS else p for p in procs]
    if wrong := [p for p in made if not isinstance(p, _KINDS)]:
        raise ConfigError(
            problem(
                "Expected `procs` out of Categorify, FillMissing and Normalize",
                f"{wrong[0]!r:.80}",
                "Change the columns of the frame yourself for anything else.",
            )
        )
    fills = [p for p in made if isinstance(p, FillMissing)]
    return Procs(fills[-1] if fills else None, any(isinstance(p, Normalize) for p in made))


_KINDS = (Categorify, FillMissing, Normalize)
