"""Which columns of a table are categories, numbers and dates."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from numbers import Real
from typing import Any, final

import narwhals as nw
import numpy as np

from redstart.data.table import Table
from redstart.errors import ConfigError, DataError, problem
from redstart.tabular.cells import Cells, number_of
from redstart.tabular.dates import says_dates

__all__ = ["MAX_CARD", "Roles", "cont_cat_split", "find_roles", "named"]

log = logging.getLogger("redstart")

MAX_CARD = 20
"""Whole numbers with more different values than this are numbers, others categories."""

_NAME_ALL = "name all columns in `cat_names` and `cont_names`"


@final
@dataclass(slots=True)
class Roles:
    """Which column is what; columns that are in no list are not looked at.

    Attributes:
        cat_names: Categories.
        cont_names: Numbers.
        date_names: Dates, which the model sees in parts.
    """

    cat_names: list[str] = field(default_factory=list)
    cont_names: list[str] = field(default_factory=list)
    date_names: list[str] = field(default_factory=list)


def cont_cat_split(
    df: Any, max_card: int = MAX_CARD, dep_var: str | Sequence[str] | None = None
) -> tuple[list[str], list[str]]:
    """Tell columns of numbers from columns of categories, by their types.

    Args:
        df: A frame: pandas, polars, pyarrow.
        max_card: Integers with more different values than this (a missing one counts as
            a value) are numbers, and categories otherwise. Floats are always numbers.
        dep_var: Columns to leave out: what is to be predicted.

    Returns:
        ``(cont_names, cat_names)``, each in the order of the columns.
    """
    frame = Table(df).frame
    out = set(named(dep_var))
    cont_names: list[str] = []
    cat_names: list[str] = []
    for name in frame.columns:
        if name in out:
            continue
        series = frame.get_column(name)
        many = series.dtype.is_integer() and series.n_unique() > max_card
        (cont_names if many or series.dtype.is_float() else cat_names).append(name)
    return cont_names, cat_names


def find_roles(
    cells: Cells,
    given: tuple[Any, Any, Any],
    others: Sequence[str],
    max_card: int = MAX_CARD,
    *,
    rest: bool = False,
) -> Roles:
    """Take the columns that are named; if neither categories nor numbers are, choose.

    The choice goes by column. Dates, and text in which every value is a date that can be
    read in one way, are dates. Text, booleans and categoricals are categories. Floats are numbers.
    Integers are numbers if they have more than ``max_card`` different values, and
    categories otherwise; so is text that says a number in every row. Left out, with a
    warning, are columns in which nine of ten texts differ (names, keys), which count the
    rows (1, 2, 3, ...), which have no value, or which are none of the above.

    Args:
        cells: The columns of all rows.
        given: Names of categories, numbers and dates as the user gave them; each a list,
            one name, or ``None``.
        others: Columns that are no inputs: targets, weights.
        max_card: See above.
        rest: Whether to choose among those that are not named even where some are, as the
            command line does.

    Raises:
        ConfigError: If a column is named twice, or is no input; or none is left.
        DataError: If there is no such column.
    """
    table = cells.table
    roles = Roles(*(named(names) for names in given))
    everything = [*roles.cat_names, *roles.cont_names, *roles.date_names]
    for name in everything:
        table.column(name)  # says what there is, if it is not there
        if name in others or everything.count(name) > 1:
            raise ConfigError(
                problem(
                    "Expected every column once among `cat_names`, `cont_names` and "
                    "`date_names`, and none that is to be predicted",
                    f"{name!r} {'is no input' if name in others else 'is there twice'}",
                    "Take it out of the list.",
                )
            )
    if rest or (given[0] is None and given[1] is None):
        left = _choose(cells, roles, {*others, *everything}, max_card)
        if left:
            how = "name it: --category, --number or --date" if rest else _NAME_ALL
            log.warning("Left out: %s. To use one of them, %s.", "; ".join(left), how)
    if not (roles.cat_names or roles.cont_names or roles.date_names):
        raise ConfigError(
            problem(
                "Expected at least one column to predict from",
                f"columns: {', '.join(map(str, table.names))}",
                "Name some in `cat_names` and `cont_names`.",
            )
        )
    return roles


def named(names: Any) -> list[str]:
    """List the names a user gave: none, one, or several."""
    if names is None:
        return []
    listed = [names] if isinstance(names, str) or not isinstance(names, Iterable) else list(names)
    if wrong := [name for name in listed if not isinstance(name, str)]:
        raise ConfigError(
            problem(
                "Expected names of columns, as text",
                f"{wrong[0]!r}",
                "Name them: df.columns = df.columns.astype(str).",
            )
        )
    if twice := [name for name in dict.fromkeys(listed) if listed.count(name) > 1]:
        raise ConfigError(
            problem("Expected every column once", f"{twice[0]!r} twice", "Take one out.")
        )
    return listed


def _choose(cells: Cells, roles: Roles, taken: set[str], max_card: int) -> list[str]:
    """Choose among the columns that are not taken; returns those left out, and why."""
    lists = {"date": roles.date_names, "cat": roles.cat_names, "cont": roles.cont_names}
    left = []
    for name in cells.table.names:
        if name in taken:
            continue
        found = _role(cells, named(name)[0], max_card)
        if found in lists:
            lists[found].append(name)
        else:
            left.append(f"{name} ({found})")
    return left


def _role(cells: Cells, name: str, max_card: int) -> str:
    """``"cat"``, ``"cont"`` or ``"date"``; or why the column is left out."""
    series = cells.table.column(name)
    dtype = series.dtype
    if len(series) and series.is_null().all():
        return "it has no value"
    if isinstance(dtype, nw.Date | nw.Datetime):
        return "date"
    if dtype.is_float() or isinstance(dtype, nw.Decimal):
        return "cont" if not _all_missing(series) else "it has no value"
    if isinstance(dtype, nw.Boolean | nw.Categorical | nw.Enum):
        return "cat"
    if dtype.is_integer():
        if _counts_rows(series):
            return "it counts the rows"
        return "cont" if _many(cells, name, max_card) else "cat"
    if isinstance(dtype, nw.String | nw.Object):
        return _role_of_text(cells, name, max_card)
    return f"it is of type {dtype}"


def _role_of_text(cells: Cells, name: str, max_card: int) -> str:
    try:
        codes, values = cells.factors(name)
    except DataError:
        return "its cells are lists"
    known = int((codes >= 0).sum())
    many = len(values) > max_card
    if not known:
        return "it has no value"
    if says_dates(values):
        return "date"
    said = [number for value in values if (number := number_of(value)) is not None]
    if len(said) == len(values):
        whole = all(number.is_integer() or math.isnan(number) for number in said)
        typed = all(isinstance(v, Real | Decimal) for v in values)
        return "cont" if many or (typed and not whole) else "cat"
    if many and len(values) >= 0.9 * known:
        return "nearly every row has a text of its own"
    return "cat"


def _many(cells: Cells, name: str, max_card: int) -> bool:
    """Whether a column of whole numbers has more different ones than ``max_card``."""
    first = cells.table.column(name)[:1000]
    return first.n_unique() > max_card + 1 or len(cells.factors(name)[1]) > max_card


def _all_missing(series: nw.Series[Any]) -> bool:
    values = series.to_numpy()
    return len(values) > 0 and bool(np.isnan(values.astype(np.float64)).all())


def _counts_rows(series: nw.Series[Any]) -> bool:
    """Whether whole numbers are 0, 1, 2, ... or 1, 2, 3, ...: years in order are not."""
    values = series.to_numpy()
    if len(values) <= MAX_CARD or values.dtype.kind not in "iu" or values[0] not in (0, 1):
        return False
    return bool((np.diff(values) == 1).all())
