"""The vector of a user from what he took, for models that compare items with one another."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from redstart.collab.foldin import FoldIn, Parts, gaussian, improved
from redstart.collab.interactions import Interactions

__all__ = ["SoftmaxFoldIn"]

_BUDGET = 1 << 22  # numbers in one block
_STEPS = 30
_STILL = 1e-4
# Weight of the prior: trained vectors are shrunk, so users differ more than those do.
_PRIOR = 0.5


@final
class SoftmaxFoldIn(FoldIn):
    """What a user took was chosen among all items, by a softmax of their scores.

    Minimises ``-sum_j log softmax(p.q + bias)_j + (p - mean)' precision (p - mean) / 2``, with
    the trained users for a prior; strictly convex, so Newton's method finds the one minimum.
    It serves for pairwise losses too, which ask for the same order.

    Args:
        model: With ``user_vectors``, ``item_vectors`` and ``item_biases``.
        seen: The training interactions. Items no one had are not among the choices.
    """

    def __init__(self, model: Any, seen: Interactions) -> None:
        self.factors = model.item_vectors().detach()
        self.offsets = model.item_biases().detach().reshape(-1)
        known = torch.nonzero(seen.counts())[:, 0]
        self.mean, precision = gaussian(model.user_vectors(known).detach())
        self.precision = _PRIOR * precision
        self._choices = seen.popularity() > 0

    def vectors(self, rows: Interactions) -> Tensor:
        """See ``FoldIn.vectors``; users who took nothing get the mean."""
        p = self.mean.repeat(rows.n_users, 1)
        block = max(1, _BUDGET // self.factors.numel())
        some = torch.nonzero(rows.counts())[:, 0]
        for at in range(0, len(some), block):
            users = some[at : at + block]
            p[users] = self._solved(rows.take(users))
        return p

    def parts(self, rows: Interactions, item: int) -> Parts:
        """See ``FoldIn.parts``; the linear system is that of Newton's last step."""
        p, n = self.vectors(rows), rows.n_seen
        mean, curve = self._choice(p)
        matrix = n * curve[0] + self.precision
        pulls = self.factors[rows.items.long()] - mean + curve[0] @ (p[0] - self.mean)
        towards = torch.linalg.solve(matrix, self.factors[item])
        base = float(self.offsets[item] + self.factors[item] @ self.mean)
        return Parts(base, pulls @ towards, "linear system of Newton's last step for the vector")

    def _choice(self, p: Tensor) -> tuple[Tensor, Tensor]:
        """Mean ``(U, d)`` and covariance ``(U, d, d)`` of the vector of an item chosen."""
        q = self.factors[self._choices]
        chance = torch.softmax(p @ q.T + self.offsets[self._choices], 1)
        mean = chance @ q
        squares = (chance[..., None] * q).mT @ q
        return mean, squares - mean[:, :, None] * mean[:, None]

    def _solved(self, rows: Interactions) -> Tensor:
        n = rows.counts().to(self.factors.dtype)
        zeros = self.factors.new_zeros(rows.n_users, self.factors.shape[1])
        taken = zeros.index_add(0, rows.users(), self.factors[rows.items.long()])
        q, bias = self.factors[self._choices], self.offsets[self._choices]

        def loss(p: Tensor) -> Tensor:
            away = p - self.mean
            prior = ((away @ self.precision) * away).sum(1) / 2
            return n * torch.logsumexp(p @ q.T + bias, 1) - (taken * p).sum(1) + prior

        p = self.mean.repeat(rows.n_users, 1)
        now = loss(p)
        for _ in range(_STEPS):
            mean, curve = self._choice(p)
            slope = n[:, None] * mean - taken + (p - self.mean) @ self.precision
            matrix = n[:, None, None] * curve + self.precision
            step = -torch.linalg.solve(matrix, slope[..., None])[..., 0]
            p, now, moved = improved(loss, p, now, step)
            if moved < _STILL:
                break
        return p
