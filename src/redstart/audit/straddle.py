"""Groups that have rows in two parts of the split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from redstart.audit.evidence import PARTS, Evidence
from redstart.audit.finding import Finding, Severity
from redstart.audit.tied import codes_of

__all__ = ["MOST", "Straddle"]

MOST = 1000
"""Rows and pairs that a finding lists."""


@final
@dataclass(frozen=True, slots=True)
class Straddle:
    """Rows held out that belong to a group of which the model sees others in training.

    Attributes:
        groups: The group of each row, ``(N,)`` object; ``None`` for rows without one.
        codes: The same as numbers, ``(N,)``; -1 for rows without one.
        part: Which part each row is in, ``(N,)``; -1 for none.
        tied: Rows of ``valid`` and ``test`` that training rows are tied to, by row number.
        beside: The training row nearest to each of them in their group, by row number.
        held: Rows of ``valid`` and ``test``.
    """

    groups: NDArray[Any]
    codes: NDArray[np.int64]
    part: NDArray[np.int8]
    tied: NDArray[np.int64]
    beside: NDArray[np.int64]
    held: int

    @classmethod
    def of(cls, evidence: Evidence, groups: NDArray[Any]) -> Straddle:
        """Find the rows.

        Args:
            evidence: Of the data set.
            groups: The group of each row, ``(N,)`` object; ``None`` for rows without one.
        """
        codes, part = codes_of(groups), evidence.part_of()
        held = np.flatnonzero(part > 0)
        train = np.flatnonzero((part == 0) & (codes >= 0))
        train = train[np.lexsort((train, codes[train]))]
        keys = codes[train] * evidence.n_rows + train
        tied, beside = [held[:0]], [held[:0]]
        rows = held[codes[held] >= 0]
        if len(train) and len(rows):
            at = np.searchsorted(keys, codes[rows] * evidence.n_rows + rows)
            near = np.stack([train[np.maximum(at - 1, 0)], train[np.minimum(at, len(train) - 1)]])
            far = np.where(codes[near] == codes[rows], np.abs(near - rows), evidence.n_rows)
            best = np.take_along_axis(near, far.argmin(axis=0)[None], axis=0)[0]
            same = far.min(axis=0) < evidence.n_rows
            tied, beside = [rows[same]], [best[same]]
        return cls(groups, codes, part, tied[0], beside[0], len(held))

    @property
    def share(self) -> float:
        """Of the rows held out, how many are tied."""
        return len(self.tied) / self.held if self.held else 0.0

    @property
    def count(self) -> int:
        """Groups that have rows in two parts."""
        return len(np.unique(self.codes[self.tied]))

    def rows_in_groups(self) -> NDArray[np.int64]:
        """Rows of ``train`` and ``valid`` whose group has another row there.

        Those of ``test`` are sealed: nothing is measured on them.
        """
        rows = np.flatnonzero((self.part >= 0) & (self.part < 2) & (self.codes >= 0))
        many = np.bincount(self.codes[rows], minlength=1) > 1
        return rows[many[self.codes[rows]]]

    def sizes(self) -> NDArray[np.int64]:
        """Rows of each group, in all parts."""
        found = np.bincount(self.codes[(self.part >= 0) & (self.codes >= 0)])
        return found[found > 0]

    def example(self) -> str:
        """A group, and where its rows are: ``'Ada' has 7 rows in train and 2 in valid``."""
        names, counts = np.unique(self.codes[self.tied], return_counts=True)
        chosen = names[counts.argmax()]
        inside = np.bincount(self.part[(self.codes == chosen) & (self.part >= 0)], minlength=3)
        where = [f"{n:,} in {name}" for n, name in zip(inside, PARTS, strict=True) if n]
        name = str(self.groups[self.tied[(self.codes[self.tied] == chosen).argmax()]])
        name = name if len(name) <= 40 else f"{name[:37]}..."
        return f"{name!r} has rows in two parts ({', '.join(where)})"

    def held_out(self) -> str:
        """``12 of 40 validation rows``."""
        tested = self.part[self.tied].max(initial=1) > 1
        kind = "validation and test" if tested else "validation"
        held = self.held if tested else int((self.part == 1).sum())
        return f"{len(self.tied):,} of {held:,} {kind} rows"

    def finding(
        self, check: str, severity: Severity, said: str, mend: str, name: str, **figures: Any
    ) -> Finding:
        """Make a finding of it.

        Args:
            check: Which check found it.
            severity: How much it matters.
            said: The sentence.
            mend: What to do.
            name: What the tie is called.
            **figures: Evidence beside the counts.
        """
        pairs = zip(self.beside[:MOST].tolist(), self.tied[:MOST].tolist(), strict=True)
        return Finding(
            check=check,
            severity=severity,
            said=said,
            mend=mend,
            rows=tuple(self.tied[:MOST].tolist()),
            pairs=tuple(pairs),
            evidence={
                "tied_rows": len(self.tied),
                "held_out_rows": self.held,
                "groups_in_two_parts": self.count,
                **figures,
            },
            groups=(name, tuple(None if v is None else str(v) for v in self.groups.tolist())),
        )
