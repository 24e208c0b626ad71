"""What the audit is given: what is known about the rows of a data set, as plain arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["PARTS", "Evidence", "Likeness", "Pairs", "Prints", "Truth", "TruthKind"]

PARTS = ("train", "valid", "test")

Prints = tuple[NDArray[Any], ...]
"""Small arrays that stand for rows, ``(N, ...)`` each, by which they are recognised."""

TruthKind = Literal["category", "labels", "numbers", "other"]


@final
@dataclass(frozen=True, slots=True)
class Pairs:
    """Rows that are alike, the most alike first.

    Attributes:
        left: Row numbers, ``(P,)`` int64.
        right: Row numbers, ``(P,)`` int64.
        exact: Whether the two are equal rather than nearly so, ``(P,)`` bool.
        likeness: In [0, 1]; 1 for equal rows, ``(P,)`` float32.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    exact: NDArray[np.bool_]
    likeness: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.left)


class Likeness(ABC):
    """How rows of one kind of input are recognised again, whole or changed.

    Attributes:
        name: Of this way and its version; prints made by another are not reused.
    """

    name: str

    @abstractmethod
    def prints(self, x: tuple[Tensor, ...]) -> Prints:
        """Reduce encoded rows (before ``codec.prepare``) to small arrays.

        Called with a batch of one, from several threads at once, for rows that are read one
        by one; and with all rows of a table at once.

        Args:
            x: ``(B, ...)`` each, on the CPU.

        Returns:
            Arrays ``(B, ...)`` of fixed shapes and types, the same however rows are batched.
        """

    @abstractmethod
    def pairs(self, prints: Prints, left: NDArray[np.int64], right: NDArray[np.int64]) -> Pairs:
        """Find the rows of ``right`` that are, or nearly are, rows of ``left``.

        Args:
            prints: Of all rows, ``(N, ...)`` each.
            left: Row numbers.
            right: Row numbers; none of them in ``left``, or the very same rows (then no row
                is paired with itself, and no pair is listed twice).

        Returns:
            The pairs; of a row of ``right`` that many rows are like, at least the most alike.
        """


@final
@dataclass(frozen=True, slots=True)
class Truth:
    """What is to be predicted.

    Attributes:
        kind: ``"category"``: one of several classes; ``"labels"``: any number of them;
            ``"numbers"``; ``"other"``: nothing that a check could compare.
        values: By row number: class numbers ``(N,)`` int64, -1 for rows in no part; zeros
            and ones ``(N, C)``; numbers ``(N, K)`` float64, NaN for rows in no part; empty
            for others.
        names: Of classes, labels or numbers, where they have some.
        bounds: Least and greatest number that the model can say (``y_range``), if limited.
    """

    kind: TruthKind
    values: NDArray[Any]
    names: tuple[str, ...] = ()
    bounds: tuple[float, float] | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known about the rows of a data set, before training.

    Attributes:
        n_rows: Rows of the source, split or not; arrays by row number have so many.
        parts: Row numbers of ``train``, ``valid`` and ``test``, int64; those that there are.
        truth: What is to be predicted. Of test rows it is looked at only to say whether
            copies of one row disagree.
        target: Name of what is to be predicted, where it has one (a column).
        files: The file of each row; empty where rows are not files.
        root: The folder that the files are below.
        columns: Inputs of tables by name, ``(N,)`` each, as the user's table has them:
            numbers (float64, int64, bool), dates (datetime64) or texts (object, missing
            cells ``None``). Empty for other inputs.
        beside: Columns of the table that the model does not see, likewise; not its target.
        properties: What files say of themselves beside what they show, ``(N,)`` each:
            numbers (NaN where not known) or texts (object, ``None`` where not known). Such
            as ``bytes``, ``width``, ``height``, ``format``, ``camera``, ``taken``
            (datetime64), ``brightness``, ``border``.
        likeness: How rows are recognised again; ``None`` if there is no way.
        prints: What it made of each row; of rows in no part, zeros.
        chosen: Whether a splitter was named by the user that keeps groups or times apart
            (``"group"``, ``"time"``), ``"given"`` for parts that were made elsewhere
            (folders, a column), or ``"random"``.
        seed: Of the loaders.
    """

    n_rows: int
    parts: Mapping[str, NDArray[np.int64]]
    truth: Truth
    target: str = ""
    files: Sequence[Path] = ()
    root: Path = Path()
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    beside: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    properties: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    likeness: Likeness | None = None
    prints: Prints = ()
    chosen: Literal["random", "given", "group", "time"] = "given"
    seed: int = 0

    def every_column(self) -> dict[str, NDArray[Any]]:
        """Columns that the model sees, and those beside them."""
        return {**self.columns, **self.beside}

    def part_of(self) -> NDArray[np.int8]:
        """Which part each row is in: its place in ``PARTS``, or -1; ``(N,)``."""
        found = np.full(self.n_rows, -1, dtype=np.int8)
        for number, name in enumerate(PARTS):
            if name in self.parts:
                found[self.parts[name]] = number
        return found
