"""Models of how well a user and an item go together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, final

import torch
from torch import Tensor, nn

from redstart.collab.codec import Keys
from redstart.collab.interactions import Interactions
from redstart.errors import ConfigError, DataError, problem
from redstart.nn.layers import LinBnDrop
from redstart.nn.module import Embedding, sigmoid_range

__all__ = ["EmbeddingDotBias", "EmbeddingNN", "Range", "checked_range", "embedding"]
__all__ += ["embedding_size", "linear_mean", "with_mean"]

Range = tuple[float, float] | Sequence[float] | None
"""Lowest and highest rating that a model can give, both excluded."""

_STD = 0.01  # of the first weights
_BLOCK = 1 << 20  # pairs of user and item that a network scores at a time


@final
class EmbeddingDotBias(nn.Module):
    """User vector times item vector, plus a bias of each: the model of the course.

    A score is ``mean + user bias + item bias + user vector . item vector``; a rating is the
    score, squashed into ``y_range`` where there is one. Position 0, which no training row
    has, keeps the zero vector; its bias is the mean over all others.

    Args:
        n_factors: Numbers in a vector.
        n_users: Positions of users, that of new ones (0) included.
        n_items: Positions of items, likewise.
        y_range: Lowest and highest rating, both excluded.
        mean: Of the ratings.
        n_seen: Training interactions that ``seen`` has room for.
        negatives: Other items that the item of each row is compared with. If above 0, the
            model returns ``(B, 1 + negatives)`` scores, that of the row's own item first.
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
        negatives: int = 0,
    ) -> None:
        super().__init__()
        _check_sizes(n_factors, n_users, n_items)
        self.y_range = checked_range(y_range)
        self.negatives = negatives
        self.u_weight, self.i_weight = (embedding(n, n_factors) for n in (n_users, n_items))
        self.u_bias, self.i_bias = (embedding(n, 1) for n in (n_users, n_items))
        self.register_buffer("mean", torch.tensor(linear_mean(mean, self.y_range)))
        self.seen = Interactions(n_users, n_items, n_seen)
        self.mean: Tensor
        self._names: tuple[Keys, Keys] | None = None
        self._pairs: tuple[Tensor, Tensor] | None = None

    @classmethod
    def from_classes(
        cls,
        n_factors: int,
        classes: Mapping[str, Sequence[Any]],
        user: str | None = None,
        item: str | None = None,
        y_range: Range = None,
    ) -> Self:
        """Make a model that knows its users and items by name.

        Args:
            n_factors: Numbers in a vector.
            classes: Names by column, such as ``dls.classes``.
            user: Column of users; the first of ``classes`` if left out.
            item: Column of items; the second if left out.
            y_range: Lowest and highest rating, both excluded.

        Raises:
            ConfigError: If there is no such column.
        """
        names = [user or next(iter(classes)), item or list(classes)[-1]]
        for name in names:
            if name not in classes:
                raise ConfigError(
                    problem(
                        "Expected the name of a column of `classes`",
                        f"name={name!r}",
                        f"There are: {', '.join(map(repr, classes))}.",
                    )
                )
        users, items = (classes[name] for name in names)
        made = cls(n_factors, len(users), len(items), y_range)
        made.know(Keys(users), Keys(items))
        return made

    def know(self, users: Keys, items: Keys) -> None:
        """Tell the model the names of its positions, for ``bias`` and ``weight``."""
        self._names = (users, items)

    def bias(self, names: Sequence[Any], is_item: bool = True) -> Tensor:
        """Biases of items, or of users, by name: ``(N,)``, on the CPU.

        Raises:
            DataError: If one is not known.
        """
        table = self.i_bias if is_item else self.u_bias
        return table.weight.detach()[self._find(names, is_item)].squeeze(-1).cpu()

    def weight(self, names: Sequence[Any], is_item: bool = True) -> Tensor:
        """Vectors of items, or of users, by name: ``(N, n_factors)``, on the CPU.

        Raises:
            DataError: If one is not known.
        """
        table = self.i_weight if is_item else self.u_weight
        return table.weight.detach()[self._find(names, is_item)].cpu()

    def forward(self, x: Tensor) -> Tensor:
        """Rate pairs of positions ``(B, 2)``: ``(B, 1)``, but see ``negatives``."""
        users, items = x[:, 0], x[:, 1]
        u, i = self.u_weight(users), self.i_weight(items)
        if self.negatives:
            return self._compared(x, u, i)
        dot = (u * i).sum(1, keepdim=True)
        if self.training:
            return self.squash(dot + self.u_bias(users) + self.i_bias(items) + self.mean)
        b, c = with_mean(self.u_bias.weight)[users], with_mean(self.i_bias.weight)[items]
        return self.squash(dot + (b + c + self.mean)[:, None])

    def user_vectors(self, users: Tensor) -> Tensor:
        """Vectors of users at positions ``(U,)``: ``(U, n_factors)``."""
        return self.u_weight.weight.detach()[users]

    def item_vectors(self) -> Tensor:
        """Vectors of all items, ``(n_items, n_factors)``."""
        return self.i_weight.weight.detach()

    def user_biases(self, users: Tensor) -> Tensor:
        """Biases of users at positions ``(U,)``; the mean rating is in them: ``(U,)``."""
        return with_mean(self.u_bias.weight.detach())[users] + self.mean

    def item_biases(self) -> Tensor:
        """Biases of all items, ``(n_items,)``."""
        return with_mean(self.i_bias.weight.detach())

    def squash(self, scores: Tensor) -> Tensor:
        """Make ratings of scores: into ``y_range`` if there is one."""
        return scores if self.y_range is None else sigmoid_range(scores, *self.y_range)

    def _compared(self, x: Tensor, u: Tensor, i: Tensor) -> Tensor:
        """Scores of a row's own item and of others, ``(B, 1 + negatives)``.

        The others are the same for the whole batch: one product of matrices. Those that the
        user had are no rivals; they get minus infinity.
        """
        users, items = x[:, :1], x[:, 1]
        others = _others(len(self.i_weight.weight), self.negatives, self.training, x.device)
        own = (u * i).sum(1) + self.i_bias(items).squeeze(1)
        rest = torch.addmm(
            self.i_bias(others).T,
            u,
            self.i_weight(others).T,
        )
        had = self._had(users, others) | (others == items[:, None])
        return torch.cat((own[:, None], rest.masked_fill(had, -torch.inf)), 1)

    def _had(self, users: Tensor, items: Tensor) -> Tensor:
        """Which of ``items`` (n,) each of ``users`` (B, 1) had in training, ``(B, n)``."""
        seen = self.seen
        if self._pairs is None or self._pairs[0] is not seen.items:
            pairs = seen.users() * seen.n_items + seen.items
            self._pairs = (seen.items, pairs.sort().values)
        known = self._pairs[1]
        if not len(known):
            return torch.zeros(len(users), len(items), dtype=torch.bool, device=users.device)
        wanted = users * seen.n_items + items
        place = torch.searchsorted(known, wanted).clamp_max(len(known) - 1)
        return known[place] == wanted

    def _find(self, names: Sequence[Any], is_item: bool) -> list[int]:
        if self._names is None:
            raise ConfigError(
                problem(
                    "Expected a model that knows names",
                    "one made of numbers of users and items alone",
                    "Make it with `from_classes`, or look up `i_bias.weight` by position.",
                )
            )
        keys = self._names[is_item]
        found = [keys.find(name) for name in names]
        if 0 in found:
            raise DataError(
                problem(
                    f"Expected {'items' if is_item else 'users'} seen in training",
                    repr(names[found.index(0)]),
                    "Look them up in `dls.classes`.",
                )
            )
        return found


@final
class EmbeddingNN(nn.Module):
    """Vectors of user and item side by side, through a network.

    Args:
        emb_szs: Positions and vector length, of users and of items.
        layers: Widths of the hidden layers.
        y_range: Lowest and highest rating, both excluded.
        embed_p: Probability that a number of the vectors is dropped.
        ps: Probability of dropout before each layer but the first.
        use_bn: Whether there are batch norms.
        n_seen: Training interactions that ``seen`` has room for.
    """

    def __init__(
        self,
        emb_szs: Sequence[Sequence[int]],
        layers: Sequence[int] = (100, 50),
        y_range: Range = None,
        *,
        embed_p: float = 0.0,
        ps: float = 0.0,
        use_bn: bool = True,
        n_seen: int = 0,
    ) -> None:
        super().__init__()
        (n_users, u_size), (n_items, i_size) = emb_szs
        _check_sizes(min(u_size, i_size), n_users, n_items)
        self.y_range = checked_range(y_range)
        self.u_weight, self.i_weight = embedding(n_users, u_size), embedding(n_items, i_size)
        self.dropout = nn.Dropout(embed_p)
        widths = [u_size + i_size, *layers]
        hidden = [
            LinBnDrop(a, b, bn=use_bn and k > 0, p=ps if k else 0.0, act=nn.ReLU())
            for k, (a, b) in enumerate(itertools.pairwise(widths))
        ]
        self.layers = nn.Sequential(*hidden, LinBnDrop(widths[-1], 1, bn=False, p=ps))
        self.seen = Interactions(n_users, n_items, n_seen)

    def forward(self, x: Tensor) -> Tensor:
        """Rate pairs of positions ``(B, 2)``: ``(B, 1)``."""
        both = torch.cat((self.u_weight(x[:, 0]), self.i_weight(x[:, 1])), 1)
        return self.squash(self.layers(self.dropout(both)))

    def squash(self, scores: Tensor) -> Tensor:
        """Make ratings of scores: into ``y_range`` if there is one."""
        return scores if self.y_range is None else sigmoid_range(scores, *self.y_range)

    def score_users(self, users: Tensor) -> Tensor:
        """Ratings of all items by users at positions ``(U,)``: ``(U, n_items)``."""
        n_items = len(self.i_weight.weight)
        items = torch.arange(n_items, device=users.device)
        return torch.cat(list(self._blocks(users, items))).view(len(users), n_items)

    def _blocks(self, users: Tensor, items: Tensor) -> Iterator[Tensor]:
        for some in torch.split(users, max(1, _BLOCK // len(items))):
            u = self.u_weight(some).repeat_interleave(len(items), 0)
            i = self.i_weight(items).repeat(len(some), 1)
            yield self.squash(self.layers(self.dropout(torch.cat((u, i), 1)))).squeeze(1)


def embedding_size(n: int) -> int:
    """Length of the vectors of ``n`` names: the course's rule of thumb, 600 at most."""
    return min(600, round(1.6 * math.exp(0.56 * math.log(n))))


def linear_mean(mean: float | None, y_range: Range) -> float:
    """The score that is squashed to ``mean``; 0 if there is no mean."""
    if mean is None:
        return 0.0
    if y_range is None:
        return float(mean)
    low, high = y_range
    share = min(max((mean - low) / (high - low), 1e-3), 1 - 1e-3)
    return float(torch.logit(torch.tensor(share)))


def _others(n_items: int, n: int, training: bool, device: torch.device) -> Tensor:
    """Items to compare with, ``(n,)``: drawn anew in training, else spread over all."""
    if training:
        return torch.randint(1, n_items, (n,), device=device)
    return torch.linspace(1, n_items - 1, n, device=device).long()


def with_mean(bias: Tensor) -> Tensor:
    """Biases ``(N, 1)`` as ``(N,)``, with the mean of the others at position 0."""
    others = bias[1:, 0]
    return torch.cat((others.mean()[None], others))


def embedding(n: int, size: int, std: float = _STD) -> nn.Embedding:
    """A table of ``n`` vectors, of which the first, of what is not known, is 0."""
    made = (
        Embedding(n, size, std=std) if std else nn.Embedding(n, size, _weight=torch.zeros(n, size))
    )
    with torch.no_grad():
        made.weight[0] = 0
    return made


def checked_range(y_range: Range) -> tuple[float, float] | None:
    """The range as two floats; refuses an empty one."""
    if y_range is None:
        return None
    if len(y_range) != 2 or not y_range[0] < y_range[1]:
        raise ConfigError(
            problem(
                "Expected the lowest and the highest rating",
                f"y_range={y_range!r}",
                "Write y_range=(0.5, 5.5) for ratings from 1 to 5.",
            )
        )
    return float(y_range[0]), float(y_range[1])


def _check_sizes(n_factors: int, n_users: int, n_items: int) -> None:
    if n_factors < 1 or min(n_users, n_items) < 2:
        raise ConfigError(
            problem(
                "Expected at least one factor, one user and one item besides the new ones",
                f"n_factors={n_factors}, n_users={n_users}, n_items={n_items}",
                "Pass len(dls.classes[...]), which counts the new ones.",
            )
        )
