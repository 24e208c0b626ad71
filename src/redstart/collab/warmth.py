"""Figures for users and items that training saw, and apart for those it did not."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from redstart.collab.figures import text_table
from redstart.metrics.interval import mean_interval
from redstart.metrics.metric import Interval
from redstart.show.page import table

__all__ = ["Group", "Warmth", "by_warmth"]


@final
@dataclass(frozen=True, slots=True)
class Group:
    """Some of the rows.

    Attributes:
        n: How many.
        value: The figure over them; NaN if there are none.
        interval: Its 95% interval; ``None`` where there are too few rows.
    """

    n: int
    value: float
    interval: Interval | None

    def __str__(self) -> str:
        if self.interval is None:
            return f"{self.value:.4f}"
        return f"{self.value:.4f} [{self.interval[0]:.4f}, {self.interval[1]:.4f}]"


@final
@dataclass(frozen=True, slots=True)
class Warmth:
    """One figure of all rows, and by whether training saw user and item.

    Attributes:
        figure: Its name: ``rmse``, or ``loss``.
        groups: By name: ``all``, ``known user and item``, ``new user``, ``new item``, ``new
            user and item``. The last four share out the rows.
    """

    figure: str
    groups: dict[str, Group]

    def __getitem__(self, group: str) -> Group:
        """One group."""
        return self.groups[group]

    def _table(self) -> tuple[list[str], list[list[str]]]:
        rows = [[name, f"{g.n}", str(g)] for name, g in self.groups.items() if g.n]
        return ["", "rows", self.figure], rows

    def __repr__(self) -> str:
        return "\n".join(text_table(*self._table()))

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.figure)} (95% intervals)</p>" + table(*self._table())


def by_warmth(x: Tensor, losses: Tensor, *, squared: bool) -> Warmth:
    """Share out rows by whether training saw user and item.

    Args:
        x: Positions of user and item ``(N, 2)``; 0 for those training did not see.
        losses: Of the rows, ``(N,)``.
        squared: Whether they are squared errors: then the figure is the root of the mean.
    """
    new_user, new_item = (x == 0).T
    masks = {
        "all": torch.ones_like(new_user),
        "known user and item": ~new_user & ~new_item,
        "new user": new_user & ~new_item,
        "new item": ~new_user & new_item,
        "new user and item": new_user & new_item,
    }
    groups = {name: _group(losses[mask], squared) for name, mask in masks.items()}
    return Warmth("rmse" if squared else "loss", groups)


def _group(losses: Tensor, squared: bool) -> Group:
    n = len(losses)
    if not n:
        return Group(0, math.nan, None)
    wide = losses.double()
    total, squares = float(wide.sum()), float(wide.square().sum())
    ends = mean_interval(total, squares, n)
    if not squared:
        return Group(n, total / n, ends)
    roots = None if ends is None else (math.sqrt(max(ends[0], 0.0)), math.sqrt(ends[1]))
    return Group(n, math.sqrt(total / n), roots)
