"""Columns as dates: what is written so, and what counts seconds."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["dates_of", "is_iso", "stamps_of"]

_ISO: Final = re.compile(
    r"\s*\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?\s*(Z|[+-]\d\d:?\d\d)?)?\s*"
)
_NUMERIC: Final = re.compile(
    r"\s*(\d\d?)([/.-])(\d\d?)\2(\d{4})(?:[T ]+(\d\d?):(\d\d)(?::\d\d)?)?\s*"
)
_Moments = NDArray[Any]  # datetime64[s]


def dates_of(values: NDArray[Any]) -> _Moments | None:
    """Read a column as dates, ``(N,)`` datetime64[s]; ``None`` if it holds something else.

    Args:
        values: datetime64; or texts, all ISO 8601, or all numeric (``30.11.2011``,
            ``11/30/2011``) of which one at least tells whether the day comes first.
    """
    if values.dtype.kind == "M":
        return values.astype("datetime64[s]")
    if values.dtype.kind != "O":
        return None
    first = list(islice((v for v in values if v is not None), 50))
    if not first or not all(isinstance(v, str) and _written(v) for v in first):
        return None
    import pandas as pd

    codes, texts = pd.factorize(values)
    good = _as_iso([str(text) for text in texts])
    if good is None:
        return None
    read = pd.to_datetime(
        pd.Series(good, dtype=object), format="ISO8601", errors="coerce", utc=True
    )
    if read.isna().any():
        return None
    known = read.dt.tz_localize(None).to_numpy().astype("datetime64[s]")
    moments: _Moments = np.append(known, np.datetime64("NaT"))[codes]
    return moments


def _written(text: str) -> bool:
    return bool(_ISO.fullmatch(text) or _NUMERIC.fullmatch(text))


def _as_iso(texts: list[str]) -> list[str] | None:
    """Dates as ISO 8601 has them; ``None`` if one is none, or may be read in two ways."""
    if all(_ISO.fullmatch(text) for text in texts):
        return texts
    found = [match for match in map(_NUMERIC.fullmatch, texts) if match]
    day_first = any(int(match[1]) > 12 for match in found)
    month_first = any(int(match[3]) > 12 for match in found)
    if len(found) < len(texts) or day_first == month_first:
        return None  # neither tells which it is, or they contradict each other
    day, month = (1, 3) if day_first else (3, 1)
    return [
        f"{m[4]}-{m[month].zfill(2)}-{m[day].zfill(2)}T{(m[5] or '0').zfill(2)}:{m[6] or '00'}"
        for m in found
    ]


def is_iso(values: NDArray[Any]) -> bool:
    """Whether dates in a column of texts are written as ISO 8601 has them."""
    return all(_ISO.fullmatch(v) for v in values[:50].tolist() if v is not None)


def stamps_of(values: NDArray[Any]) -> _Moments | None:
    """Read numbers as seconds, or thousandths, since 1970; ``None`` if not of 1990 to 2040."""
    numbers = values.astype(np.float64)
    known = np.isfinite(numbers)
    if not known.any():
        return None
    scale = 1000.0 if np.median(numbers[known]) > 1e11 else 1.0
    seconds = numbers / scale
    if not ((seconds[known] > 6.3e8) & (seconds[known] < 2.3e9)).all():
        return None
    moments = np.full(len(values), np.datetime64("NaT"), dtype="datetime64[s]")
    moments[known] = seconds[known].astype(np.int64).astype("datetime64[s]")
    return moments
