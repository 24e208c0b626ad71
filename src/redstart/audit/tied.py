"""How much more alike the rows of one group are than other rows of their class.

The share of the differences between rows that groups explain, beyond what the same groups
of rows drawn by chance would: an analysis of variance with permutations within classes
(Anderson, 2001, Austral Ecology 26:32), over standardised figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from redstart.audit.evidence import Evidence

__all__ = [
    "Strength",
    "classes_of",
    "codes_of",
    "constant_columns",
    "sketches",
    "strength",
    "succession",
]

_DRAWS: Final = 25
_ROWS: Final = 3000
_WIDTH: Final = 64
_SPREAD: Final = 1e-6

Codes = NDArray[np.int64]


@final
@dataclass(frozen=True, slots=True)
class Strength:
    """How strong a tie is.

    Attributes:
        share: Of the differences between rows of one class that it explains, beyond chance;
            at most 1, about 0 for groups that mean nothing.
        beyond: By how many standard deviations of chance.
        by: Which figures show it.
    """

    share: float = 0.0
    beyond: float = 0.0
    by: str = ""

    def convincing(self, share: float, beyond: float = 5.0) -> bool:
        """Whether it is both large and no chance."""
        return self.share >= share and self.beyond >= beyond


def codes_of(values: NDArray[Any]) -> Codes:
    """Number different values by first appearance, ``(N,)``; -1 for missing ones."""
    import pandas as pd

    return np.asarray(pd.factorize(values)[0], dtype=np.int64)


def classes_of(evidence: Evidence) -> Codes:
    """The class of each row, ``(N,)``; all one where the target has none to speak of."""
    truth, n = evidence.truth, evidence.n_rows
    if truth.kind == "category":
        return np.asarray(truth.values, dtype=np.int64)
    if truth.kind == "other" or len(truth.values) != n:
        return np.zeros(n, dtype=np.int64)
    values = np.asarray(truth.values).reshape(n, -1)
    seen = np.unique(values, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return seen if seen.max(initial=0) < n / 4 else np.zeros(n, dtype=np.int64)


def sketches(evidence: Evidence, without: str = "") -> dict[str, NDArray[np.float32]]:
    """Figures by which rows can be compared, ``(N, D)`` each, by where they are from.

    Args:
        evidence: Of the data set.
        without: Name of a column to leave out.
    """
    found = {
        "what files say": _block(evidence.properties, evidence.n_rows),
        "the other columns": _block(
            {k: v for k, v in evidence.columns.items() if k != without}, evidence.n_rows
        ),
    }
    # Prints of tables are the columns once more, the one to leave out among them.
    for number, made in enumerate(() if evidence.every_column() else evidence.prints):
        flat = made.reshape(len(made), -1)
        if len(made) == evidence.n_rows and flat.shape[1] >= _WIDTH:  # shorter ones are digests
            # Every 16.2th pixel, not every 16th: those would lie below each other.
            spread = np.linspace(0, flat.shape[1] - 1, _WIDTH).astype(np.int64)
            found[f"how they look ({number})"] = np.nan_to_num(flat[:, spread].astype(np.float32))
    return {name: block for name, block in found.items() if block.shape[1]}


def strength(
    figures: Mapping[str, NDArray[np.float32]],
    groups: Codes,
    classes: Codes,
    rows: NDArray[np.int64],
    seed: int = 0,
) -> Strength:
    """Measure how much more alike rows of one group are, by the figures that show it best.

    Args:
        figures: Of all rows, ``(N, D)`` each.
        groups: Of all rows, ``(N,)``; -1 for none.
        classes: Of all rows, ``(N,)``.
        rows: Row numbers to look at; at most 3,000 of them are, in whole groups if small.
        seed: Of the draws.
    """
    rows = rows[groups[rows] >= 0]
    rng = np.random.default_rng(seed)
    rows = _some(rows, groups[rows], rng)
    group = np.unique(groups[rows], return_inverse=True)[1]
    if len(rows) < 8 or group.max(initial=0) < 1:
        return Strength()
    draws = [_shuffled(classes[rows], rng) for _ in range(_DRAWS)]
    best = Strength()
    for name, block in figures.items():
        x = _residuals(block[rows], classes[rows])
        if not x.shape[1]:
            continue
        total = float((x**2).sum())
        seen = _between(x, group)
        chance = np.array([_between(x[draw], group) for draw in draws])
        found = _compared(seen, chance, total, name)
        if found.beyond >= 5 and (found.share > best.share or best.beyond < 5):
            best = found
    return best


def succession(
    figures: Mapping[str, NDArray[np.float32]],
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    classes: Codes,
    seed: int = 0,
) -> Strength:
    """Measure how much more alike rows that follow each other are than rows of one class.

    The ratio of von Neumann (1941, Ann. Math. Stat. 12:367), against shuffled rows.

    Args:
        figures: Of all rows, ``(N, D)`` each.
        before: Row numbers, ``(P,)``.
        after: The row that follows each of them, of the same class, ``(P,)``.
        classes: Of all rows, ``(N,)``.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    if len(before) > _ROWS:
        kept = np.sort(rng.choice(len(before), _ROWS, replace=False))
        before, after = before[kept], after[kept]
    if len(before) < 8:
        return Strength()
    best = Strength()
    draws = [_shuffled(classes[after], rng) for _ in range(_DRAWS)]
    rows = np.concatenate([before, after])
    for name, block in figures.items():
        x = _residuals(block[rows], classes[rows])
        if not x.shape[1]:
            continue
        a, b = x[: len(before)], x[len(before) :]
        apart = float(((a - b) ** 2).sum())
        chance = np.array([((a - b[draw]) ** 2).sum() for draw in draws], dtype=np.float64)
        found = _compared(-apart, -chance, 0.0, name)
        if found.beyond >= 5 and found.share > best.share:
            best = found
    return best


def constant_columns(
    columns: Mapping[str, NDArray[Any]],
    without: str,
    groups: Codes,
    rows: NDArray[np.int64],
    seed: int = 0,
) -> list[str]:
    """Name columns that never change within a group though they do between rows at large.

    A person's sex and year of birth are the same in all rows of that person; so such columns
    show that a number is an identity.

    Args:
        columns: Of the table, ``(N,)`` each.
        without: The column that the groups are of.
        groups: Of all rows, ``(N,)``; -1 for none.
        rows: Row numbers to look at.
        seed: Of the draws.
    """
    rows = rows[groups[rows] >= 0]
    rng = np.random.default_rng(seed)
    rows = _some(rows, groups[rows], rng)
    order = rows[np.argsort(groups[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(groups[order], prepend=-2))
    sizes = np.diff(np.append(starts, len(order)))
    many = sizes > 1
    if many.sum() < 10:
        return []
    found = []
    for name, values in columns.items():
        if name == without:
            continue
        codes = codes_of(values[order])
        seen = _constant(codes, starts)[many].mean()
        chance = _constant(rng.permutation(codes), starts)[many].mean()
        if seen >= 0.9 and chance <= 0.6:
            found.append(name)
    return found


def _constant(codes: Codes, starts: NDArray[np.int64]) -> NDArray[np.bool_]:
    same = np.minimum.reduceat(codes, starts) == np.maximum.reduceat(codes, starts)
    return np.asarray(same, dtype=np.bool_)


def _compared(seen: float, chance: NDArray[np.float64], total: float, by: str) -> Strength:
    middle = float(chance.mean())
    spread = max(float(chance.std(ddof=1)), _SPREAD * abs(middle), 1e-12)
    room = total - middle
    share = (seen - middle) / room if room > 0 else 0.0
    return Strength(share, (seen - middle) / spread, by)


def _between(x: NDArray[np.float32], group: Codes) -> float:
    """Sum of squares that group means explain of rows that are centred."""
    from scipy.sparse import csr_array

    n = len(x)
    member = csr_array((np.ones(n, np.float32), group, np.arange(n + 1)), (n, group.max() + 1))
    sums = member.T @ x
    return float((sums**2 / np.bincount(group)[:, None]).sum())


def _residuals(x: NDArray[np.float32], classes: Codes) -> NDArray[np.float32]:
    """Less the mean of the class, each column to unit spread; constant columns go."""
    group = np.unique(classes, return_inverse=True)[1].reshape(-1)
    sums = np.zeros((group.max(initial=0) + 1, x.shape[1]), dtype=np.float64)
    np.add.at(sums, group, x)
    centred = x - (sums / np.bincount(group)[:, None])[group]
    spread = centred.std(axis=0)
    kept = spread > _SPREAD
    unit: NDArray[np.float32] = (centred[:, kept] / spread[kept]).astype(np.float32)
    return unit


def _shuffled(classes: Codes, rng: np.random.Generator) -> NDArray[np.int64]:
    """Places in an order that is shuffled within each class."""
    drawn = np.lexsort((rng.random(len(classes)), classes))
    places = np.empty(len(classes), dtype=np.int64)
    places[np.argsort(classes, kind="stable")] = drawn
    return places


def _some(rows: NDArray[np.int64], groups: Codes, rng: np.random.Generator) -> NDArray[np.int64]:
    """At most 3,000 rows: of whole groups where these are small."""
    if len(rows) <= _ROWS:
        return rows
    names, sizes = np.unique(groups, return_counts=True)
    if len(names) < 60:
        return np.sort(rng.choice(rows, _ROWS, replace=False))
    order = rng.permutation(len(names))
    taken = names[order[np.cumsum(sizes[order]) <= _ROWS]]
    return rows[np.isin(groups, taken)]


def _block(columns: Mapping[str, NDArray[Any]], n: int) -> NDArray[np.float32]:
    """Numbers as ranks, few texts as zeros and ones, ``(n, D)``."""
    parts: list[NDArray[np.float32]] = []
    for values in columns.values():
        if values.dtype.kind == "O":
            codes = codes_of(values)
            if codes.max(initial=-1) < 50:
                parts += [(codes == k).astype(np.float32) for k in range(min(10, codes.max() + 1))]
            continue
        numbers = values.astype(np.float64)
        if values.dtype.kind == "M":
            numbers[np.isnat(values)] = np.nan
        parts.append(_ranks(numbers))
    return np.stack(parts, axis=1) if parts else np.zeros((n, 0), dtype=np.float32)


def _ranks(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    """In [0, 1], equal for equal numbers; the middle for missing ones."""
    known = np.isfinite(numbers)
    places = np.full(len(numbers), 0.5, dtype=np.float32)
    if known.any():
        at = np.unique(numbers[known], return_inverse=True)[1]
        heights = np.cumsum(np.bincount(at)) - np.bincount(at) / 2
        places[known] = heights[at] / len(at)
    return places
