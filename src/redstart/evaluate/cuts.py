"""Slices of rows that a person could name: a category, a range of numbers, a period, two of these.

What is looked at depends on the columns alone and never on how well the model does there.
Otherwise no correction for having looked at many slices could be right.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from redstart.errors import DataError, problem
from redstart.show.digits import told_apart
from redstart.show.lettering import one_line

__all__ = ["Cut", "cuts_of", "least_rows"]

Rows = NDArray[np.intp]

_BINS = 5
_TAILS = 0.1  # the ends of a column are where models fail most often
_OFTEN = 0.2  # a number as frequent as this is a slice of its own
_AS_NAMES = 10  # so few different whole numbers are names
_PERIODS = range(3, 13)
_LEVELS = 30
_COLUMNS = 60
_PAIRED = 10  # columns
_PAIR_LEVELS = 4
_PAIR_BINS = 3
_SAME = 0.95  # share of a slice's rows above which a part of it says nothing new
_LONGEST = 60


@final
@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Some of the rows, and what they have in common.

    Attributes:
        words: Such as ``brightness below 0.2``.
        columns: The column, or two.
        rows: Positions, ``(n,)`` ascending.
    """

    words: str
    columns: tuple[str, ...]
    rows: Rows


def least_rows(n: int) -> int:
    """The smallest slice that is looked at, among ``n`` rows: the root of ``n``, 15 to 100."""
    return int(min(100, max(15, np.sqrt(n))))


def cuts_of(
    columns: Mapping[str, Any], n: int, least: int, *, pairs: Collection[str] | None = None
) -> list[Cut]:
    """Cut rows by every column, and by pairs of ten of them.

    Categories are taken as they are, up to the 30 most frequent. Numbers are cut in fifths,
    and in the lowest and highest tenth; a number that a fifth of the rows share, and up to
    ten different whole numbers, are taken as categories. Dates go by year, month, day or
    hour, whichever gives 3 to 12 periods, else like numbers. Missing cells are a slice. In
    pairs there are thirds of numbers and the four most frequent categories.

    Args:
        columns: By name, ``(N,)`` each: numbers, dates, texts or truth values. No more than
            60 are looked at.
        n: Number of rows.
        least: The fewest rows that a slice has, and that are outside of it.
        pairs: Columns of which pairs are looked at; the first ten, also of those named.

    Returns:
        The slices of single columns, then those of pairs.

    Raises:
        DataError: If a column has another number of rows.
    """
    arrays = {one_line(str(name)): _checked(name, values, n) for name, values in columns.items()}
    chosen = dict(itertools.islice(arrays.items(), _COLUMNS))
    fits = range(least, n - least + 1)
    found = [
        cut
        for name, values in chosen.items()
        for cut in _single(name, values, _BINS, _LEVELS, least)
        if len(cut.rows) in fits
    ]
    paired = [name for name in chosen if pairs is None or name in pairs][:_PAIRED]
    coarse = [
        [
            cut
            for cut in _single(name, chosen[name], _PAIR_BINS, _PAIR_LEVELS, least)
            if len(cut.rows) in fits
        ]
        for name in paired
    ]
    for one, other in itertools.combinations(coarse, 2):
        found += _crossed(one, other, n, least)
    return found


def _crossed(one: Sequence[Cut], other: Sequence[Cut], n: int, least: int) -> list[Cut]:
    found = []
    inside = {id(b): np.bincount(b.rows, minlength=n).astype(bool) for b in other}
    for a, b in itertools.product(one, other):
        rows = a.rows[inside[id(b)][a.rows]]
        if least <= len(rows) < _SAME * min(len(a.rows), len(b.rows)):
            found.append(Cut(f"{a.words} and {b.words}", (*a.columns, *b.columns), rows))
    return found


def _checked(name: Any, values: Any, n: int) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 1 or len(array) != n:
        raise DataError(
            problem(
                f"Expected one value of column {str(name)!r} for each of {n} rows",
                f"an array of shape {array.shape}",
                "Give columns of the same rows, in the same order, as the scores.",
            )
        )
    if array.dtype == object:
        return _as_numbers(array)
    return array


def _as_numbers(array: NDArray[Any]) -> NDArray[Any]:
    """Objects that are all numbers, but for missing ones, as floats."""
    import pandas as pd

    known = array[~pd.isna(array)]
    if len(known) and all(isinstance(v, Real) and not isinstance(v, bool) for v in known):
        return np.array([np.nan if pd.isna(v) else float(v) for v in array])
    return array


def _single(name: str, values: NDArray[Any], bins: int, levels: int, least: int) -> Iterator[Cut]:
    """Cut by one column; some of the slices may be too small or too large."""
    import pandas as pd

    gone = np.asarray(pd.isna(values))
    if gone.any():
        yield Cut(f"{name} missing", (name,), np.flatnonzero(gone))
    there = np.flatnonzero(~gone)
    kind = values.dtype.kind
    if kind == "M":
        yield from _dates(name, values, there, bins)
    elif kind in "iuf":
        yield from _numbers(name, values[there].astype(np.float64), there, bins, least)
    else:
        yield from _levels(name, values[there], there, levels)


def _levels(name: str, values: NDArray[Any], there: Rows, most: int) -> Iterator[Cut]:
    import pandas as pd

    codes, names = pd.factorize(values)
    counts = np.bincount(codes, minlength=len(names))
    for code in np.argsort(-counts, kind="stable")[:most]:
        text = one_line(str(names[code]))
        short = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
        yield Cut(f"{name} = {short or '(empty)'}", (name,), there[codes == code])


def _numbers(
    name: str, values: NDArray[np.float64], there: Rows, bins: int, least: int
) -> Iterator[Cut]:
    different, counts = np.unique(values, return_counts=True)
    whole = np.isfinite(different).all() and (different == np.round(different)).all()
    often = different[counts >= max(_OFTEN * len(values), 1)]
    if whole and len(different) <= _AS_NAMES:
        often = different
    names = dict(zip(often.tolist(), told_apart(often.tolist()), strict=True))
    for value, text in names.items():
        yield Cut(f"{name} = {text}", (name,), there[values == value])
    rest = ~np.isin(values, often)
    left, where = values[rest], there[rest]
    if len(left) < 2 * least or not np.isfinite(left).all():
        return
    bins = min(bins, len(left) // least)
    for low, high, mask, text in _ranges(left, bins, told_apart):
        apart = [
            w for v, w in zip(often, told_apart(often.tolist()), strict=True) if low < v < high
        ]
        but = f" (but not {' or '.join(apart)})" if apart else ""
        yield Cut(f"{name} {text}{but}", (name,), where[mask])


def _ranges(
    values: NDArray[np.float64], bins: int, write: Any
) -> Iterator[tuple[float, float, NDArray[np.bool_], str]]:
    """Fifths, or fewer parts, and both ends, with their limits and words."""
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    ends = [_TAILS, 1 - _TAILS] if bins >= _BINS else []
    # A limit is a value that occurs, so that "below" and "from ... on" are both plain.
    edges = np.quantile(values, [*inner, *ends], method="higher")
    limits = np.unique(edges[: len(inner)])
    limits = limits[limits > values.min()]
    if not len(limits):
        return
    texts = dict(zip(edges.tolist(), write(edges.tolist()), strict=True))
    spans = list(itertools.pairwise([-np.inf, *limits.tolist(), np.inf]))
    if ends and edges[-2] < limits[0]:
        spans.append((-np.inf, float(edges[-2])))
    if ends and edges[-1] > limits[-1]:
        spans.append((float(edges[-1]), np.inf))
    for low, high in spans:
        if low == -np.inf:
            said = f"below {texts[high]}"
        elif high == np.inf:
            said = f"{texts[low]} or more"
        else:
            said = f"from {texts[low]} to below {texts[high]}"
        yield low, high, (values >= low) & (values < high), said


def _dates(name: str, values: NDArray[Any], there: Rows, bins: int) -> Iterator[Cut]:
    dates = values[there]
    for unit in ("Y", "M", "D", "h"):
        periods = dates.astype(f"datetime64[{unit}]")
        found = np.unique(periods)
        if len(found) in _PERIODS and bins >= _BINS:
            for period in found:
                yield Cut(f"{name} in {period}", (name,), there[periods == period])
            return
    seconds = dates.astype("datetime64[s]").astype(np.float64)
    if len(seconds):
        for _, _, mask, text in _ranges(seconds, bins, _days):
            yield Cut(f"{name} {text}", (name,), there[mask])


def _days(seconds: Sequence[float]) -> list[str]:
    days = [str(np.datetime64(int(s), "s").astype("datetime64[D]")) for s in seconds]
    if len(set(days)) == len(set(seconds)):
        return days
    return [str(np.datetime64(int(s), "s")) for s in seconds]
