"""One column of categories or of numbers: read, learnt, encoded and decoded as a whole."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, ClassVar, Final, final

import numpy as np
from numpy.typing import NDArray

from redstart.config import Configured
from redstart.data.spelling import Factors, plain, spelled
from redstart.data.table import in_row
from redstart.data.vocab import Vocab
from redstart.errors import DataError, problem
from redstart.tabular.cells import number_of
from redstart.tabular.procs import Procs

__all__ = ["NA", "CategoryColumn", "NumberColumn"]

log = logging.getLogger("redstart")

NA: Final = "#na#"
"""The category of what is missing, and of what no training row had."""

Floats = NDArray[np.float64]
_TRUTHS = ("true", "false")


@final
@dataclass(frozen=True, slots=True)
class CategoryColumn(Configured):
    """A column of categories.

    Attributes:
        name: Of the column.
        vocab: Categories that training rows have, in the order of their codes, from 1.
    """

    kind: ClassVar[str] = "category_column"
    name: str
    vocab: tuple[Any, ...] = ()
    _codes: dict[str, int] = field(init=False, repr=False, compare=False)
    _classes: Vocab = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        codes = {spelled(value): code for code, value in enumerate(self.vocab, 1)}
        object.__setattr__(self, "_codes", codes)
        object.__setattr__(self, "_classes", Vocab((NA, *self.vocab)))

    @classmethod
    def learn(
        cls, name: str, factors: Factors, train: NDArray[np.intp], order: Sequence[Any] | None
    ) -> CategoryColumn:
        """Learn the categories of the training rows.

        Args:
            name: Of the column.
            factors: All rows.
            train: Row numbers of the training rows.
            order: Categories in the order wanted, where they have one; sorted if ``None``.
        """
        codes, values = factors
        seen = np.bincount(codes[train] + 1, minlength=len(values) + 1)[1:].tolist()
        kept = {spelled(v): plain(v) for v, n in zip(values, seen, strict=True) if n}
        kept.pop(NA, None)
        if order is not None:
            listed = [kept[text] for text in map(spelled, order) if text in kept]
            return cls(name, tuple(listed))
        return cls(name, tuple(sorted(kept.values(), key=lambda v: (isinstance(v, str), v))))

    @property
    def classes(self) -> Vocab:
        """Names of the codes; that of 0 is ``#na#``."""
        return self._classes

    def encode(self, factors: Factors) -> NDArray[np.int64]:
        """Number the categories, ``(N,)``; 0 for what is missing or was not in training."""
        codes, values = factors
        known = [self.code(value) for value in values]
        if len(codes) >= 10 and len(values) > 1 and self.vocab and not any(known):
            log.warning(
                "Column %r: none of its %d values, such as %r, was in the training rows, which "
                "have for example %r. All of them count as unknown.",
                *(self.name, len(values), values[0], self.vocab[0]),
            )
        # The code of missing cells, -1, finds the last.
        return np.array([*known, 0], dtype=np.int64)[codes]

    def code(self, value: Any) -> int:
        """The code of one value, which may be written in another way than in training."""
        if (code := self._codes.get(spelled(value))) is not None:
            return code
        for other in _alternatives(value, numeric=self._is_numeric()):
            if (code := self._codes.get(other)) is not None:
                return code
        return 0

    def _is_numeric(self) -> bool:
        return bool(self.vocab) and not isinstance(self.vocab[-1], str)


@final
@dataclass(frozen=True, slots=True)
class NumberColumn(Configured):
    """A column of numbers; the model sees ``(value - mean) / std``.

    Attributes:
        name: Of the column.
        fill: Stands for a missing number; ``None`` refuses missing ones.
        mean: Over the training rows, after filling; 0 if numbers stay as they are.
        std: Likewise; 1.
        flag: Whether a category ``NAME_na`` says where numbers were missing.
    """

    kind: ClassVar[str] = "number_column"
    name: str
    fill: float | None = None
    mean: float = 0.0
    std: float = 1.0
    flag: bool = False

    @classmethod
    def learn(
        cls, name: str, values: Floats, train: NDArray[np.intp], procs: Procs, *, flag: bool = True
    ) -> NumberColumn:
        """Learn what to fill in, mean and standard deviation of the training rows.

        Args:
            name: Of the column.
            values: All rows, ``NaN`` where missing.
            train: Row numbers of the training rows.
            procs: What is to be learnt.
            flag: Whether a column may be added that says where numbers were missing.

        Raises:
            DataError: If no training row has a number, or they are too large.
        """
        some = values[train]
        empty = np.isnan(some)
        known = some[~empty] if (gaps := bool(empty.any())) else some
        constant = procs.fill is not None and procs.fill.fill_strategy == "constant"
        if not known.size and not constant:
            raise DataError(
                problem(
                    f"Expected a number in column {name!r} in some training row",
                    f"{len(some)} training rows, all of them missing",
                    "Leave the column out.",
                )
            )
        fill = None if procs.fill is None else procs.fill.value(name, known)
        flag = flag and gaps and procs.fill is not None and procs.fill.add_col
        if not procs.normalize:
            return cls(name, fill, flag=flag)
        filled = known if fill is None or not gaps else np.where(empty, fill, some)
        with np.errstate(over="ignore", invalid="ignore"):
            mean, std = float(filled.mean()), float(filled.std())
        if not math.isfinite(std):
            raise DataError(
                problem(
                    f"Expected numbers in column {name!r} whose squares can be added up",
                    f"{float(np.abs(known).max()):g}",
                    "Divide the column by a large number, or take its logarithm.",
                )
            )
        # A column of one number is 0 everywhere, and other numbers keep their distance.
        return cls(name, fill, mean, std if std > 1e-12 * abs(mean) else 1.0, flag)

    def filled(self, values: Floats, empty: NDArray[np.bool_]) -> Floats:
        """Fill in missing numbers.

        Args:
            values: ``(N,)``.
            empty: Which of them are missing.

        Raises:
            DataError: If one is missing and nothing stands for it; names its row.
        """
        if not empty.any():
            return values
        if self.fill is None:
            raise DataError(
                problem(
                    f"Expected a number in every row of column {self.name!r}",
                    f"missing{in_row(empty)}",
                    "Add FillMissing to `procs`, or fill them in.",
                )
            )
        return np.where(empty, self.fill, values)

    def scaled(self, values: Floats, empty: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Fill in and scale to what the model sees, float32 ``(N,)``.

        Raises:
            DataError: If a number is too large for that; names its row.
        """
        filled = self.filled(values, empty)
        if self.mean != 0.0 or self.std != 1.0:
            filled = filled - self.mean
            filled /= self.std
        with np.errstate(over="ignore"):
            found: NDArray[np.float32] = filled.astype(np.float32)
        if not (good := np.isfinite(found)).all():
            row = int((~good).argmax())
            raise DataError(
                problem(
                    f"Expected numbers of an ordinary size in column {self.name!r}",
                    f"{values[row]:g}{in_row(~good)}",
                    "Check it; write NaN where the number is not known.",
                )
            )
        return found

    def unscaled(self, value: float) -> float:
        """Undo ``scaled`` for one number, and float32's rounding where it was a whole one."""
        found = value * self.std + self.mean
        whole, noise = round(found), 2.4e-7 * abs(value * self.std)
        return float(whole) if abs(found - whole) <= noise else found


def _alternatives(value: Any, *, numeric: bool) -> list[str]:
    """Other ways in which a category may have been written in training."""
    found = []
    if isinstance(value, str):
        found = [value.strip()]
        if (number := number_of(value)) is None or not numeric:
            return [*found, found[0].capitalize()] if found[0].lower() in _TRUTHS else found
        found.append(spelled(number))
        value = number
    if isinstance(value, Real | np.bool_) and value in (0, 1):
        # True may come back as 1, and 1 as True.
        found += ["True", "1"] if value else ["False", "0"]
    return found
