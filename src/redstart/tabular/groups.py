"""Columns of a table and the inputs that each becomes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from redstart.data.batch import Encoded
from redstart.tabular.codec import TabularCodec

__all__ = ["Group", "groups_of", "shuffled", "with_values"]


@dataclass(frozen=True, slots=True)
class Group:
    """One column of the user's table.

    Attributes:
        name: The column.
        cats: Where in ``x_cat`` what it became is: itself, parts of a date, ``NAME_na``.
        conts: Where in ``x_cont``.
    """

    name: str
    cats: tuple[int, ...]
    conts: tuple[int, ...]


def groups_of(codec: TabularCodec) -> list[Group]:
    """The columns that a table must have, and what each became."""
    flags = {f"{column.name}_na" for column in codec.flagged}
    parts = {date.name: list(date.parts()) for date in codec.dates}
    cats = {name: i for i, name in enumerate(codec.cat_names)}
    conts = {name: i for i, name in enumerate(codec.cont_names)}
    found = []
    for name in codec.inputs:
        made = parts.get(name) or [name, *({f"{name}_na"} & flags)]
        places = [tuple(there[m] for m in made if m in there) for there in (cats, conts)]
        found.append(Group(name, *places))
    return found


def shuffled(x: Encoded, group: Group, order: Tensor) -> Encoded:
    """The inputs with one column taken from other rows, all that it became together.

    Args:
        x: ``x_cat`` and ``x_cont``.
        group: The column.
        order: Which row each row takes it from, ``(N,)`` int64.
    """
    x_cat, x_cont = x[0].clone(), x[1].clone()
    order = order.to(x_cat.device)
    for columns, to, source in ((group.cats, x_cat, x[0]), (group.conts, x_cont, x[1])):
        for column in columns:
            to[:, column] = source[order, column]
    return x_cat, x_cont


def with_values(x: Encoded, codec: TabularCodec, values: dict[str, float]) -> Encoded:
    """The inputs with some columns at one value in all rows.

    Args:
        x: ``x_cat`` and ``x_cont``.
        codec: What encoded them.
        values: Codes of categories and scaled numbers, by name; a number is then known.
    """
    x_cat, x_cont = x[0].clone(), x[1].clone()
    for name, value in values.items():
        if name in codec.cat_names:
            x_cat[:, codec.cat_names.index(name)] = int(value)
            continue
        x_cont[:, codec.cont_names.index(name)] = value
        if f"{name}_na" in codec.cat_names:
            x_cat[:, codec.cat_names.index(f"{name}_na")] = 1
    return x_cat, x_cont
