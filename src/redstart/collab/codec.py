"""Users and items by name, and their positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import narwhals as nw
import numpy as np
import torch
from numpy.typing import NDArray

from redstart.audit.table_rows import TableLikeness
from redstart.data.batch import Encoded
from redstart.data.spelling import factorized, spelled
from redstart.data.table import Table, TableCodec, nearest
from redstart.data.vocab import Vocab
from redstart.errors import ConfigError, DataError, problem
from redstart.show.view import RowView

__all__ = ["NEW", "CollabCodec", "Keys"]

NEW = "#na#"
"""Name of position 0: a user or an item that training did not see."""


@final
class Keys:
    """Positions of names, whatever type they come as: 196, 196.0 and ``"196"`` are one.

    Args:
        names: In the order of their positions; that of position 0 stands for all others.
        aliases: Other names of the same positions; a name goes before an alias.
    """

    __slots__ = ("_positions",)

    def __init__(self, names: Sequence[Any], aliases: Sequence[str] = ()) -> None:
        self._positions = {spelled(name): place for place, name in enumerate(names) if place}
        for place, alias in enumerate(aliases):
            if place and alias:
                self._positions.setdefault(alias, place)

    def find(self, name: Any) -> int:
        """Position of one name; 0 if it is not known."""
        return self._positions.get(spelled(name), 0)

    def of(self, values: nw.Series[Any] | NDArray[Any]) -> NDArray[np.int64]:
        """Positions of a column, int64 ``(N,)``; 0 where the name is missing or not known."""
        codes, distinct = factorized(values)
        found = np.array([*(self.find(value) for value in distinct), 0], dtype=np.int64)
        return found[codes]  # a missing value is -1: the last of `found`


@final
@dataclass(frozen=True, slots=True, repr=False)
class CollabCodec(TableCodec):
    """A user and an item.

    Attributes:
        user_name: Column of users.
        item_name: Column of items.
        users: Names by position; the first stands for users that training did not see.
        items: Likewise.
        titles: What people call the items, in the order of ``items``; empty if they have no
            other name.
        timestamp_name: Column of times, where there is one; read from training rows only.
    """

    kind: ClassVar[str] = "collab"
    user_name: str
    item_name: str
    users: tuple[Any, ...] = (NEW,)
    items: tuple[Any, ...] = (NEW,)
    titles: tuple[str, ...] = ()
    timestamp_name: str = ""
    _users: Keys = field(init=False, repr=False, compare=False)
    _items: Keys = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.titles and len(self.titles) != len(self.items):
            raise ConfigError(
                problem(
                    f"Expected a title for each of the {len(self.items)} items",
                    f"{len(self.titles)} titles",
                    "Give them in the order of `items`.",
                )
            )
        object.__setattr__(self, "_users", Keys(self.users))
        object.__setattr__(self, "_items", Keys(self.items, self.titles))

    @property
    def classes(self) -> Mapping[str, Vocab]:
        """Users and items, by the name of their column."""
        return {self.user_name: Vocab(self.users), self.item_name: Vocab(self.items)}

    @property
    def likeness(self) -> TableLikeness:
        """Rows are alike if user and item are the same."""
        return TableLikeness()

    @property
    def inputs(self) -> tuple[str, str]:
        """Names of the columns that a table must have."""
        return self.user_name, self.item_name

    @property
    def keys(self) -> tuple[Keys, Keys]:
        """Positions of users and of items, by name."""
        return self._users, self._items

    @property
    def n_users(self) -> int:
        """Number of positions of users, that of new ones included."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """Number of positions of items, that of new ones included."""
        return len(self.items)

    def encode_table(self, items: Sequence[Any]) -> Encoded:
        """Positions of user and item, int64 ``(N, 2)``; 0 for those not seen in training."""
        table = Table.of(items)
        x = np.empty((len(table), 2), dtype=np.int64)
        x[:, 0] = self._users.of(table.column(self.user_name))
        x[:, 1] = self._items.of(table.column(self.item_name))
        return (torch.from_numpy(x),)

    def position(self, name: Any, *, is_item: bool) -> int:
        """Position of a user, or of an item by name or title.

        Raises:
            DataError: If training did not see it; suggests the nearest.
        """
        keys, names = (self._items, self.items) if is_item else (self._users, self.users)
        if found := keys.find(name):
            return found
        what = self.item_name if is_item else self.user_name
        known = [n for n in (*(self.titles if is_item else ()), *names[1:]) if n != ""]
        raise DataError(
            problem(
                f"Expected {what!r} to be one of the {len(names) - 1} seen in training",
                f"{what}={name!r}",
                f"{nearest(name, known)}They are listed in dls.classes[{what!r}].",
            )
        )

    def label(self, item: int) -> str:
        """What people call the item at a position: its title if it has one."""
        return self.titles[item] if self.titles and self.titles[item] else str(self.items[item])

    def __repr__(self) -> str:
        users, items = self.n_users - 1, self.n_items - 1
        return f"CollabCodec({users} of {self.user_name!r}, {items} of {self.item_name!r})"

    def view(self, x: Encoded) -> RowView:
        """User and item, by name."""
        user, item = x[0].tolist()
        shown = [(self.user_name, str(self.users[user])), (self.item_name, str(self.items[item]))]
        if self.titles:
            shown.append(("title", self.label(item)))
        return RowView(tuple(shown))
