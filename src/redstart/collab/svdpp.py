"""A user is also what he rated, and an item also who rated it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from redstart.collab.interactions import Interactions
from redstart.collab.model import Range, checked_range, embedding, linear_mean
from redstart.errors import ConfigError, problem
from redstart.nn.module import sigmoid_range

__all__ = ["SVDPlusPlus"]

_NOISE = 0.5  # share of the ratings' variance that no model explains


@final
class SVDPlusPlus(nn.Module):
    """SVD++ on both sides: vectors are those of the one, plus those of all he met.

    ``p_u + |N(u)|^-1/2 sum_{j in N(u)} y_j`` for a user who rated ``N(u)`` (Koren 2008), and the
    same for an item by who rated it, biases included (Rendle, Zhang & Koren 2019,
    arXiv:1905.01395, "flipped"). Every number has a normal prior around 0, which is a
    penalty in training: then the model returns ``(B, 2)``, rating and penalty.

    A step reads all interactions: use batches of 2,000 rows or more.

    Args:
        n_factors: Numbers in a vector.
        n_users: Positions of users, that of new ones (0) included.
        n_items: Positions of items, likewise.
        y_range: Lowest and highest rating, both excluded; if left out, predictions are cut at
            the ends of the ratings seen in training.
        mean: Of the ratings.
        n_seen: Training interactions.
        precisions: Of the priors, 1 over the variance: of vectors, of biases, and of what is
            added for each other met.
        spread: Standard deviation of the ratings, the unit of scores without ``y_range``.
    """

    def __init__(
        self,
        n_factors: int,
        n_users: int,
        n_items: int,
        y_range: Range = None,
        *,
        mean: float | None = None,
        n_seen: int = 0,
        precisions: Sequence[float] = (30.0, 10.0, 50.0),
        spread: float = 1.0,
    ) -> None:
        super().__init__()
        if len(precisions) != 3 or min(precisions) <= 0:
            raise ConfigError(
                problem(
                    "Expected three precisions above 0: of vectors, biases and what is added",
                    f"precisions={precisions!r}",
                    "Leave them out if in doubt.",
                )
            )
        self.y_range = checked_range(y_range)
        self.precisions = tuple(precisions)
        self.u_weight, self.i_weight = (
            embedding(n, n_factors, std=0.1) for n in (n_users, n_items)
        )
        self.u_bias, self.i_bias = (embedding(n, 1, std=0.0) for n in (n_users, n_items))
        self.u_met = embedding(n_items, n_factors + 1, std=0.02)
        self.i_met = embedding(n_users, n_factors + 1, std=0.02)
        self.spread = spread
        start = linear_mean(mean, self.y_range) / (spread if self.y_range is None else 1.0)
        self.register_buffer("mean", torch.tensor(start))
        self.mean: Tensor
        self.seen = Interactions(n_users, n_items, n_seen)
        self._kept: tuple[Any, Tensor, Tensor] | None = None
        self._met: tuple[Tensor, _Lists, _Lists] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Rate pairs of positions ``(B, 2)``: ``(B, 1)``; in training, see above."""
        users, items = self._tables()
        u, i = F.embedding(x[:, 0], users), F.embedding(x[:, 1], items)
        biases = u[:, -1:] + i[:, -1:] + self.mean
        rating = self.squash((u[:, :-1] * i[:, :-1]).sum(1, keepdim=True) + biases)
        if self.training:
            return torch.cat((rating, self._penalty().expand(len(x), 1)), 1)
        values = self.seen.values
        return rating.clamp(values.min(), values.max()) if len(values) else rating

    def user_vectors(self, users: Tensor) -> Tensor:
        """Vectors of users at positions ``(U,)``: ``(U, n_factors)``."""
        return self._tables()[0].detach()[users, :-1]

    def item_vectors(self) -> Tensor:
        """Vectors of all items, ``(n_items, n_factors)``."""
        return self._tables()[1].detach()[:, :-1]

    def user_biases(self, users: Tensor) -> Tensor:
        """Biases of users at positions ``(U,)``; the mean rating is in them: ``(U,)``."""
        return self._tables()[0].detach()[users, -1] + self.mean

    def item_biases(self) -> Tensor:
        """Biases of all items, ``(n_items,)``."""
        return self._tables()[1].detach()[:, -1]

    def squash(self, scores: Tensor) -> Tensor:
        """Make ratings of scores: into ``y_range``, or in units of the ratings' spread."""
        if self.y_range is None:
            return scores * self.spread
        return sigmoid_range(scores, *self.y_range)

    def _penalty(self) -> Tensor:
        """Minus the log of the priors, as its share of one rating's squared error."""
        tables = (
            (self.u_weight, self.i_weight),
            (self.u_bias, self.i_bias),
            (self.u_met, self.i_met),
        )
        total = self.mean.new_zeros(())
        for precision, (a, b) in zip(self.precisions, tables, strict=True):
            total = total + precision * (a.weight.square().sum() + b.weight.square().sum())
        return total * (_NOISE * self.spread**2 / max(1, self.seen.n_seen))

    def _tables(self) -> tuple[Tensor, Tensor]:
        """Vectors of all users and items with their biases at the end, ``(n, n_factors + 1)``."""
        if torch.is_grad_enabled():
            self._kept = None  # a fused optimizer changes weights without leaving a trace
            return self._made()
        # Predicting goes batch by batch with weights that do not change.
        now = [(p.data_ptr(), p._version) for p in (*self.parameters(), *self.seen.buffers())]
        if self._kept is None or self._kept[0] != now:
            self._kept = (now, *self._made())
        return self._kept[1:]

    def _made(self) -> tuple[Tensor, Tensor]:
        by_user, by_item = self._lists()
        users = torch.cat((self.u_weight.weight, self.u_bias.weight), 1)
        items = torch.cat((self.i_weight.weight, self.i_bias.weight), 1)
        users = users + _Met.apply(self.u_met.weight, by_user, by_item)
        items = items + _Met.apply(self.i_met.weight, by_item, by_user)
        return _with_new(users), _with_new(items)

    def _lists(self) -> tuple[_Lists, _Lists]:
        """Who met what, and the other way round."""
        seen = self.seen
        if self._met is None or self._met[0] is not seen.items:
            other = seen.by_item()
            self._met = (seen.items, _Lists.of(seen), _Lists.of(other))
        return self._met[1:]


def _with_new(table: Tensor) -> Tensor:
    """The table with no taste and the mean bias at position 0, for who is new."""
    new = table.new_zeros(1, table.shape[1])
    new[0, -1] = table[1:, -1].detach().mean()
    return torch.cat((new, table[1:]))


@dataclass(frozen=True, slots=True, eq=False)
class _Lists:
    """Positions met, list after list, where each begins, and one over the root of its length."""

    met: Tensor
    ptr: Tensor
    scale: Tensor

    @classmethod
    def of(cls, seen: Interactions) -> _Lists:
        scale = seen.counts().clamp_min(1).float().rsqrt()[:, None]
        return cls(seen.items.long(), seen.ptr, scale)

    def total(self, table: Tensor) -> Tensor:
        """Sum of the rows of ``table`` that each list names."""
        return F.embedding_bag(self.met, table, self.ptr, mode="sum", include_last_offset=True)


class _Met(torch.autograd.Function):
    """What is added for all that each one met; backwards it is the lists the other way round."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, lists: _Lists, other: _Lists) -> Tensor:
        ctx.lists, ctx.other = lists, other
        return lists.total(table) * lists.scale

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return ctx.other.total(grads[0] * ctx.lists.scale), None, None
