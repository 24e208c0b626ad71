"""Loaders of a table as the command line asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redstart.console import given, how_made
from redstart.errors import ConfigError, problem

if TYPE_CHECKING:
    from redstart.data.loaders import DataLoaders
    from redstart.data.table import Table as Rows

__all__ = ["loaders", "reload"]

_LISTS = ("columns", "split", "reading")


def reload(data: Mapping[str, Any]) -> DataLoaders:
    """Make the loaders of an earlier command again.

    Args:
        data: What a bundle says of them.
    """
    options = dict(data["options"])
    lists: dict[str, Any] = {n: tuple(options.pop(n)) for n in _LISTS}
    return loaders(Path(data["path"]), options.pop("target"), **lists, **options)


def loaders(
    table: Path,
    target: list[str],
    *,
    columns: tuple[list[str] | None, ...],
    split: tuple[float | None, str | None, str | None, str | None] = (None,) * 4,
    test_pct: float = 0.0,
    reading: tuple[str | None, str | None],
    **options: Any,
) -> DataLoaders:
    """Loaders of a file.

    Args:
        table: The file.
        target: Columns to predict.
        columns: Those of categories, of numbers, of dates, and to leave out.
        split: Share to hold out, and the columns that say which rows, their times, or groups.
        test_pct: Share to seal.
        reading: Delimiter and encoding.
        **options: See ``TabularOptions``; those that are ``None`` are left out.
    """
    from redstart.data.table import Table as Rows
    from redstart.data.table import read_table
    from redstart.tabular import TabularDataLoaders
    from redstart.tabular.cells import Cells
    from redstart.tabular.roles import find_roles

    *named, ignored = columns
    rows = Rows(read_table(table, *reading))
    for name in (*target, *(ignored or ())):
        rows.column(name)  # says which there are
    _, col, _, group = split
    # Of a group that is held out no training row says anything.
    beside = given(weight=options.get("weight_name"), col=col, group=group).values()
    wanted = {name for names in named for name in names or ()}
    others = [*target, *(ignored or ()), *(name for name in beside if name not in wanted)]
    roles = find_roles(Cells(rows), (named[0], named[1], named[2]), others, rest=True)
    made = TabularDataLoaders.from_df(
        rows.frame.to_native(),
        cat_names=roles.cat_names,
        cont_names=roles.cont_names,
        y_names=target,
        date_names=roles.date_names,
        **given(**_ways(rows, roles.date_names, (split, test_pct), options.get("seed"))),
        **given(**options),
    )
    kept = ("seed", "weight_name", "corrections")
    asked = given(**{name: options.get(name) for name in kept})
    asked |= {"target": target, "columns": columns, "split": split, "test_pct": test_pct}
    return how_made(made, table, reading=reading, **asked)


def _ways(
    rows: Rows,
    dates: Sequence[str],
    shares: tuple[tuple[float | None, str | None, str | None, str | None], float],
    seed: int | None,
) -> dict[str, Any]:
    """The option of ``TabularDataLoaders`` that splits as those of the command line say."""
    from redstart.data.split import GroupSplitter, TimeSplitter
    from redstart.tabular.dates import DateColumn

    (pct, col, time, group), test_pct = shares
    ways = given(**{"--valid-col": col, "--time-col": time, "--group": group})
    if len(ways) > 1 or (col is not None and pct is not None):
        both = ", ".join([*ways, *(["--valid-pct"] if len(ways) == 1 else [])])
        raise ConfigError(problem("Expected one way to split", both, "Leave all but one out."))
    share = 0.2 if pct is None else pct
    if group is not None:
        return {"splitter": GroupSplitter(group, share, seed, test_pct=test_pct)}
    if time is None:
        return {"valid_pct": pct, "valid_col": col, "test_pct": test_pct or None}
    if time not in dates:
        return {"splitter": TimeSplitter(time, share, test_pct=test_pct)}
    # Dates are read as the model's: 11/30/2011 is one too.
    when = DateColumn.learn(rows.column(time))[1].tolist()
    later = TimeSplitter(lambda moment: moment, share, test_pct=test_pct)
    return {"splitter": lambda _: later(when)}
