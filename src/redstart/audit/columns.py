"""Columns that say nothing: constant ones, and those that number or name the rows."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redstart.audit.evidence import Evidence
from redstart.audit.tabular_features import numeric

__all__ = ["constant", "is_id", "named_so"]

_UNIQUE = 0.98
_ID_ROWS = 50
_ID_WORDS = re.compile("ids?|uuid|guid|key|index|idx|row|rownum|nr|no|num|number|serial")


def constant(evidence: Evidence, values: NDArray[Any]) -> bool:
    """Whether a column has one value, or none, in all training rows.

    Args:
        evidence: Which rows train.
        values: ``(N,)``.
    """
    here = values[evidence.parts["train"]] if "train" in evidence.parts else values[:0]
    if len(here) < 2:
        return False
    numbers = numeric(here)
    if numbers is None:
        return all(cell == here[0] for cell in here)
    return bool((numbers == numbers[0]).all() or np.isnan(numbers).all())


def is_id(name: str, values: NDArray[Any], rows: NDArray[np.int64]) -> bool:
    """Whether a column has another value in every row, as numbers of rows and names do.

    Numbers must be whole, and without gaps or called a number.

    Args:
        name: Of the column.
        values: ``(N,)``.
        rows: Those that are looked at.
    """
    import pandas as pd

    here = values[rows]
    if len(here) < _ID_ROWS or here.dtype.kind in "mMb":
        return False
    missing = np.asarray(pd.isna(here))
    known = here[~missing]
    if len(known) < _UNIQUE * len(here) or len(pd.unique(known)) < _UNIQUE * len(known):
        return False
    if known.dtype.kind == "O":
        return True
    whole = bool(np.isfinite(known).all() and (known == np.floor(known)).all())
    everything = values[np.isfinite(values.astype(np.float64))]
    dense = float(everything.max()) - float(everything.min()) < 1.5 * len(everything)
    return whole and (dense or named_so(name, _ID_WORDS))


def named_so(name: str, words: re.Pattern[str]) -> bool:
    """Whether a word of the name of a column is one of these, as in ``callDuration_s``.

    Args:
        name: Of the column.
        words: What a whole word may be, in lower case.
    """
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    return any(words.fullmatch(word) for word in re.split(r"[^a-z]+", spaced.lower()))
