"""Who has had what: the training ratings, kept by user inside the model."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from redstart.errors import ConfigError, DataError, problem

__all__ = ["Implicit", "Interactions"]

_UNKNOWN = (-1.0,) * 6  # finite: what is not is taken for a fault of the model


@final
@dataclass(frozen=True, slots=True)
class Implicit:
    """What a user's vector minimises, given the items' (Rendle et al., 2021, arXiv:2110.14037).

    ``sum_had w (1 - p.q)^2 + alpha * sum_all (p.q)^2 + reg * (n + alpha * items)^nu * |p|^2``

    Attributes:
        alpha: Weight of every item, had or not; above 0. It pulls scores to 0.
        reg: Strength of the penalty on ``p``; above 0.
        nu: How the penalty grows with the user's ``n`` interactions, in [0, 1].
        half_life: The weight ``w`` of an interaction halves with so many later ones of the
            same user, so that scores follow what he likes now; ``inf`` for equal weights.
        floor: Weight of the oldest, in [0, 1].
        by_value: Whether weights are also proportional to values: how often, how long.
    """

    alpha: float
    reg: float
    nu: float = 1.0
    half_life: float = math.inf
    floor: float = 0.0
    by_value: bool = False

    def __post_init__(self) -> None:
        right = self.alpha > 0 and self.reg > 0 and 0 <= self.nu <= 1
        if not (right and self.half_life > 0 and 0 <= self.floor <= 1):
            raise ConfigError(
                problem(
                    "Expected `alpha`, `reg` and `half_life` above 0, `nu` and `floor` in [0, 1]",
                    f"{self}",
                    "Leave out what you do not mean to change.",
                )
            )

    def weights(self, rows: Interactions) -> Tensor:
        """Weight of each interaction, ``(n_seen,)``, at least 0."""
        weight = torch.ones_like(rows.values)
        if math.isfinite(self.half_life) and rows.in_order:
            weight = self.floor + (1 - self.floor) * 0.5 ** (rows.later() / self.half_life)
        return weight * rows.values if self.by_value else weight


@final
class Interactions(nn.Module):
    """Ratings or purchases by user, each user's in order of time; part of the state dict.

    A bundle has them too, so that it can leave out what a user has had and say which of
    his items carry a recommendation. 8 bytes each. Position 0 stands for unknown names.

    Args:
        n_users: Users in the vocabulary, the unknown one included.
        n_items: Items likewise.
        n_seen: How many there are. All are zero until a state dict is loaded; ``of`` makes
            them of data.

    Attributes:
        ptr: Where each user's begin, ``(n_users + 1,)`` int64.
        items: Positions of the items, ``(n_seen,)`` int32.
        values: Ratings, or 1 each, ``(n_seen,)`` float32.
    """

    ptr: Tensor
    items: Tensor
    values: Tensor
    ordered: Tensor
    solving: Tensor

    def __init__(self, n_users: int, n_items: int, n_seen: int = 0) -> None:
        super().__init__()
        self.n_users, self.n_items = n_users, n_items
        self.register_buffer("ptr", torch.zeros(n_users + 1, dtype=torch.int64))
        self.register_buffer("items", torch.zeros(n_seen, dtype=torch.int32))
        self.register_buffer("values", torch.zeros(n_seen, dtype=torch.float32))
        self.register_buffer("ordered", torch.tensor(False))
        self.register_buffer("solving", torch.tensor(_UNKNOWN, dtype=torch.float64))

    @classmethod
    def of(
        cls,
        users: Tensor,
        items: Tensor,
        values: Tensor | None,
        n_users: int,
        n_items: int,
        times: Tensor | None = None,
    ) -> Interactions:
        """Sort interactions by user, and each user's by time.

        Args:
            users: Positions ``(N,)``, integers in ``[0, n_users)``.
            items: Positions ``(N,)``, integers in ``[0, n_items)``.
            values: Ratings ``(N,)``; 1 each if ``None``.
            n_users: Users in the vocabulary.
            n_items: Items in the vocabulary.
            times: When, ``(N,)``: any numbers that sort. Equal ones, and all of them if
                ``None``, keep the order of the rows.

        Raises:
            DataError: If lengths differ, or a position or a number is out of range.
        """
        users, items = torch.as_tensor(users).long(), torch.as_tensor(items).long()
        values = torch.ones(len(users)) if values is None else torch.as_tensor(values).float()
        _check(users, items, values, times, (n_users, n_items))
        if times is None:
            order = torch.argsort(users, stable=True)
        else:
            order = torch.argsort(torch.as_tensor(times), stable=True)
            order = order[torch.argsort(users[order], stable=True)]
        made = cls(n_users, n_items)
        made.ptr = _starts(torch.bincount(users, minlength=n_users))
        made.items, made.values = items[order].int(), values[order]
        made.ordered = torch.tensor(times is not None, device=users.device)
        return made

    @property
    def n_seen(self) -> int:
        """How many interactions there are."""
        return len(self.items)

    @property
    def in_order(self) -> bool:
        """Whether each user's are in order of time."""
        return bool(self.ordered)

    @property
    def implicit(self) -> Implicit | None:
        """How users' vectors follow from the items', if the model was made that way."""
        alpha, reg, nu, half_life, floor, by_value = self.solving.tolist()
        if alpha <= 0:
            return None
        return Implicit(alpha, reg, nu, half_life, floor, bool(by_value))

    def solve_by(self, how: Implicit | None) -> None:
        """Note how users' vectors follow from the items'; it travels in the state dict."""
        facts = _UNKNOWN if how is None else astuple(how)
        self.solving.copy_(torch.tensor(facts, dtype=torch.float64))

    def counts(self) -> Tensor:
        """Interactions of each user, ``(n_users,)`` int64."""
        return self.ptr.diff()

    def popularity(self) -> Tensor:
        """Interactions of each item, ``(n_items,)`` int64."""
        return torch.bincount(self.items, minlength=self.n_items)

    def users(self) -> Tensor:
        """The user of each interaction, ``(n_seen,)`` int64."""
        who = torch.arange(self.n_users, device=self.ptr.device)
        return torch.repeat_interleave(who, self.counts())

    def later(self) -> Tensor:
        """How many later interactions the same user has, ``(n_seen,)`` int64."""
        place = torch.arange(self.n_seen, device=self.ptr.device)
        return self.ptr[1:][self.users()] - 1 - place

    def of_user(self, user: int) -> tuple[Tensor, Tensor]:
        """Items and values of one user, in order."""
        start, end = self.ptr[user : user + 2].tolist()
        return self.items[start:end].long(), self.values[start:end]

    def take(self, users: Tensor) -> Interactions:
        """Interactions of some users, who are numbered anew as they come.

        Args:
            users: Positions ``(U,)``.
        """
        users = users.to(self.ptr.device)
        counts = self.counts()[users]
        made = self._like(len(users), self.n_items, _starts(counts))
        shift = torch.repeat_interleave(self.ptr[users] - made.ptr[:-1], counts)
        place = torch.arange(len(shift), device=shift.device) + shift
        made.items, made.values = self.items[place], self.values[place]
        return made

    def keep(self, mask: Tensor) -> Interactions:
        """Only the interactions where ``mask``, ``(n_seen,)`` of booleans, is true."""
        kept = torch.bincount(self.users()[mask], minlength=self.n_users)
        made = self._like(self.n_users, self.n_items, _starts(kept))
        made.items, made.values = self.items[mask], self.values[mask]
        return made

    def by_item(self) -> Interactions:
        """The same the other way round: a row per item, of the users who had it."""
        order = torch.argsort(self.items, stable=True)
        made = self._like(self.n_items, self.n_users, _starts(self.popularity()))
        made.items, made.values = self.users()[order].int(), self.values[order]
        return made

    def hide(self, scores: Tensor, value: float = -math.inf) -> Tensor:
        """Overwrite, in place, the scores ``(n_users, n_items)`` of what users have had."""
        scores[self.users(), self.items.long()] = value
        return scores

    def sparse(self, weights: Tensor | None = None) -> Any:
        """The matrix ``(n_users, n_items)`` of 1 or of ``weights``, as SciPy's CSR.

        What a user has several times is summed.
        """
        from scipy.sparse import csr_matrix

        data = torch.ones(self.n_seen) if weights is None else weights.float().cpu()
        parts = (data.numpy(), self.items.cpu().numpy(), self.ptr.cpu().numpy())
        # A copy: SciPy sorts in place.
        matrix = csr_matrix(parts, shape=(self.n_users, self.n_items), copy=True)
        matrix.sum_duplicates()
        return matrix

    def _like(self, n_users: int, n_items: int, ptr: Tensor) -> Interactions:
        made = Interactions(n_users, n_items)
        made.ptr, made.ordered, made.solving = ptr, self.ordered, self.solving.clone()
        return made

    def extra_repr(self) -> str:
        """Show the sizes in ``print(model)``."""
        return f"{self.n_seen} interactions, {self.n_users} users, {self.n_items} items"


def _starts(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def _check(
    users: Tensor, items: Tensor, values: Tensor, times: Tensor | None, sizes: tuple[int, int]
) -> None:
    lengths = [len(users), len(items), len(values)] + ([] if times is None else [len(times)])
    if len(set(lengths)) > 1:
        raise DataError(
            problem(
                "Expected as many users, items, values and times",
                f"lengths={lengths}",
                "Take all of them from the same rows.",
            )
        )
    for name, positions, size in (("users", users, sizes[0]), ("items", items, sizes[1])):
        wrong = np.flatnonzero(((positions < 0) | (positions >= size)).cpu().numpy())
        if len(wrong):
            raise DataError(
                problem(
                    f"Expected positions of {name} from 0 to {size - 1}",
                    f"{name}[{wrong[0]}]={int(positions[wrong[0]])}",
                    "Encode them with the vocabulary of the model.",
                )
            )
    for name, numbers in (("values", values), ("times", times)):
        if numbers is not None and not bool(torch.isfinite(torch.as_tensor(numbers)).all()):
            raise DataError(
                problem(
                    f"Expected {name} that are numbers",
                    f"{name} with NaN or infinity",
                    "Drop these rows, or fill them in.",
                )
            )
