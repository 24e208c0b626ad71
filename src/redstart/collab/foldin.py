"""A user's vector from his ratings alone, exactly, with the items' vectors as they are.

The problem of one user is a small weighted least-squares problem with as many unknowns as
there are factors. Millions of them are solved in blocks of users with about as many ratings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from redstart.collab.interactions import Implicit, Interactions
from redstart.errors import ConfigError, problem

__all__ = [
    "ExplicitFoldIn",
    "FoldIn",
    "ImplicitFoldIn",
    "Parts",
    "Problem",
    "gaussian",
    "improved",
    "solve_rows",
]

_BUDGET = 1 << 22  # numbers in one block: 16 MiB
_STEPS = 30
_HALVINGS = 8
_STILL = 1e-5
_SHRINK = 0.1  # of the covariance of users towards its diagonal


@final
@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """``(base + ridge_u I + sum_j weight_j q_j q_j') p_u = sum_j pull_j q_j`` for every user u.

    Attributes:
        weight: Of each interaction, ``(n_seen,)``, at least 0.
        pull: Of each interaction, ``(n_seen,)``.
        base: Common to all users, ``(d, d)``, symmetric.
        ridge: Of each user, ``(n_users,)``.
    """

    weight: Tensor
    pull: Tensor
    base: Tensor
    ridge: Tensor


@final
@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """A score, before it is squashed, as a sum: ``base + share.sum()``.

    Attributes:
        base: What does not depend on the user's ratings.
        share: What each of his interactions adds, ``(n,)``, in their order.
        method: In words.
    """

    base: float
    share: Tensor
    method: str


def solve_rows(rows: Interactions, factors: Tensor, task: Problem) -> Tensor:
    """Solve the problem of every user.

    Args:
        rows: The users' interactions.
        factors: Vectors of the items, ``(n_items, d)``.
        task: The problem.

    Returns:
        Vectors ``(n_users, d)``; 0 for users without interactions.

    Raises:
        ConfigError: If a problem has no single solution: too little regularisation.
    """
    found = factors.new_zeros(rows.n_users, factors.shape[1])
    for users in _blocks(rows.counts(), factors.shape[1]):
        matrix, right = _system(rows, users, factors, task)
        lower, failed = torch.linalg.cholesky_ex(matrix)
        if failed.any():
            raise ConfigError(
                problem(
                    "Expected regularisation that gives every user a single best vector",
                    f"a singular system for {int((failed > 0).sum())} users",
                    "Raise `reg`.",
                )
            )
        found[users] = torch.cholesky_solve(right[..., None], lower)[..., 0]
    return found


def _blocks(counts: Tensor, d: int) -> Iterator[Tensor]:
    """Users who have some, in blocks of about the same number each."""
    order = torch.argsort(counts, stable=True)
    lengths = counts[order].cpu().numpy()
    start = int(np.searchsorted(lengths, 1))
    while start < len(lengths):
        longest = int(1.25 * lengths[start]) + 8
        room = max(1, _BUDGET // (d * max(longest, d)))
        end = min(int(np.searchsorted(lengths, longest, side="right")), start + room)
        yield order[start:end]
        start = end


def _system(
    rows: Interactions, users: Tensor, factors: Tensor, task: Problem
) -> tuple[Tensor, Tensor]:
    first, n = rows.ptr[users], rows.counts()[users]
    along = torch.arange(int(n.max()), device=n.device)
    real = along < n[:, None]
    place = torch.where(real, first[:, None] + along, 0)
    x = factors[rows.items[place].long()]
    weight = torch.where(real, task.weight[place], 0).to(x.dtype)
    pull = torch.where(real, task.pull[place], 0).to(x.dtype)
    base = task.base.expand(len(users), -1, -1)
    matrix = torch.baddbmm(base, (x * weight[..., None]).mT, x)
    matrix.diagonal(dim1=-2, dim2=-1).add_(task.ridge[users, None].to(x.dtype))
    return matrix, torch.bmm(pull[:, None], x)[:, 0]


class FoldIn(ABC):
    """How a user's vector follows from what he has had.

    Attributes:
        factors: Vectors of the items, ``(n_items, d)``; their last entry is 1 where the
            user's bias is found too.
        offsets: What the score of each item begins with, ``(n_items,)``.
    """

    factors: Tensor
    offsets: Tensor

    @abstractmethod
    def vectors(self, rows: Interactions) -> Tensor:
        """Vectors ``(n_users, d)`` that go with ``factors``."""

    @abstractmethod
    def parts(self, rows: Interactions, item: int) -> Parts:
        """Take the score of an item apart.

        Args:
            rows: Of one user.
            item: Its position.
        """

    def scores(self, rows: Interactions) -> Tensor:
        """Scores ``(n_users, n_items)``, before they are squashed."""
        return self.vectors(rows) @ self.factors.T + self.offsets


@final
class ImplicitFoldIn(FoldIn):
    """For models of what was had, whatever it was rated: the user's half of ALS.

    Args:
        factors: Vectors of the items, ``(n_items, d)``. Those of items no one had are 0.
        how: What the vector minimises.
    """

    def __init__(self, factors: Tensor, how: Implicit) -> None:
        self.factors, self.how = factors, how
        self.offsets = factors.new_zeros(len(factors))
        self._gram = how.alpha * (factors.T @ factors)
        self._known = int(factors.any(1).sum())

    def task(self, rows: Interactions) -> Problem:
        """The linear problems of these users."""
        how, dtype = self.how, self.factors.dtype
        weight = how.weights(rows).to(dtype)
        strength = (rows.counts().to(dtype) + how.alpha * self._known) ** how.nu
        return Problem(weight, weight, self._gram, how.reg * strength)

    def vectors(self, rows: Interactions) -> Tensor:
        """See ``FoldIn.vectors``."""
        return solve_rows(rows, self.factors, self.task(rows))

    def parts(self, rows: Interactions, item: int) -> Parts:
        """See ``FoldIn.parts``; as Hu, Koren & Volinsky (2008), section 5, do."""
        share = _shares(rows, self.factors, self.task(rows), self.factors[item])
        return Parts(0.0, share, "normal equations of ALS (Hu, Koren & Volinsky, 2008, section 5)")


@final
@dataclass(frozen=True, slots=True, eq=False)
class ExplicitFoldIn(FoldIn):
    """For models of ratings: least squares with users as seen in training for a prior.

    Minimises ``sum_j (r_j - squash(p.q_j + offset_j))^2 / noise + (p - mean)' precision
    (p - mean)``: in one step where ``squash`` does nothing, else by Gauss-Newton (iteratively
    reweighted least squares), a step being halved where it would not improve.

    Attributes:
        factors: Vectors of the items with a 1 at the end, ``(n_items, d + 1)``.
        offsets: Biases of the items, ``(n_items,)``.
        squash: From a linear score to a rating.
        mean: Of the users' vectors with their bias at the end, ``(d + 1,)``.
        precision: Inverse of their covariance, ``(d + 1, d + 1)``.
        noise: Variance of ratings around their predictions; above 0.
    """

    factors: Tensor
    offsets: Tensor
    squash: Callable[[Tensor], Tensor]
    mean: Tensor
    precision: Tensor
    noise: float = 1.0

    @classmethod
    def of(cls, model: Any, seen: Interactions) -> ExplicitFoldIn:
        """Take the prior from the trained users, and the noise from their errors in training.

        Args:
            model: With ``user_vectors``, ``item_vectors``, ``user_biases``,
                ``item_biases`` and ``squash``.
            seen: The training ratings.
        """
        known = torch.nonzero(seen.counts())[:, 0]
        vectors, biases = model.user_vectors(known).detach(), model.user_biases(known).detach()
        users = torch.cat([vectors, biases.reshape(-1, 1)], 1)
        items = model.item_vectors().detach()
        factors = torch.cat([items, items.new_ones(len(items), 1)], 1)
        mean, precision = gaussian(users)
        offsets = model.item_biases().detach().reshape(-1)
        made = cls(factors, offsets, model.squash, mean, precision)
        if not len(known):
            return made
        rows = seen.take(known)
        rating = model.squash(made._linear(rows, users)).detach()
        noise = float((rows.values - rating).square().mean())
        return replace(made, noise=max(noise, 1e-6))

    def vectors(self, rows: Interactions) -> Tensor:
        """See ``FoldIn.vectors``; users without ratings get the mean."""
        p = self.mean.expand(rows.n_users, -1).clone()
        loss = self._loss(rows, p)
        for _ in range(_STEPS):
            p, loss, moved = improved(
                lambda at: self._loss(rows, at), p, loss, self._solved(rows, p) - p
            )
            if moved < _STILL:
                break
        return p

    def parts(self, rows: Interactions, item: int) -> Parts:
        """See ``FoldIn.parts``; the linear system is that of the last step."""
        p = self.vectors(rows)
        share = _shares(rows, self.factors, self._task(rows, p), self.factors[item])
        base = float(self.offsets[item] + self.factors[item] @ self.mean)
        return Parts(base, share, "linear system of the user's vector, given the items' vectors")

    def _linear(self, rows: Interactions, p: Tensor) -> Tensor:
        """Linear score of every interaction, ``(n_seen,)``."""
        z = self.offsets[rows.items.long()].clone()
        users, step = rows.users(), max(1, _BUDGET // p.shape[1])
        for at in range(0, len(z), step):
            part = slice(at, at + step)
            z[part] += (p[users[part]] * self.factors[rows.items[part].long()]).sum(1)
        return z

    def _task(self, rows: Interactions, p: Tensor) -> Problem:
        """The least-squares problem around ``p``, for the distance from the mean."""
        z = self._linear(rows, p)
        rating, slope = _with_slope(self.squash, z)
        start = self._linear(rows, self.mean.expand(rows.n_users, -1))
        values = rows.values.to(z.dtype)
        weight = slope.square() / self.noise
        pull = (slope.square() * (z - start) + slope * (values - rating)) / self.noise
        return Problem(weight, pull, self.precision, z.new_zeros(rows.n_users))

    def _solved(self, rows: Interactions, p: Tensor) -> Tensor:
        return self.mean + solve_rows(rows, self.factors, self._task(rows, p))

    def _loss(self, rows: Interactions, p: Tensor) -> Tensor:
        rating = self.squash(self._linear(rows, p)).detach()
        wrong = (rows.values.to(p.dtype) - rating).square() / self.noise
        away = p - self.mean
        prior = ((away @ self.precision) * away).sum(1)
        return prior.index_add(0, rows.users(), wrong)


def improved(
    loss: Callable[[Tensor], Tensor], p: Tensor, now: Tensor, step: Tensor
) -> tuple[Tensor, Tensor, float]:
    """Go as much of each user's step, or of a power of its half, as makes his loss smaller.

    Args:
        loss: From vectors ``(U, d)`` to losses ``(U,)``.
        p: Vectors, ``(U, d)``.
        now: Their losses.
        step: To the vectors that would be best if the problem were quadratic.

    Returns:
        The new vectors, their losses, and how far any number moved at most.
    """
    part, new = p.new_ones(len(p)), now
    worse = torch.zeros_like(now, dtype=torch.bool)
    for _ in range(_HALVINGS):
        new = loss(p + part[:, None] * step)
        worse = ~(new <= now + 1e-6 * now.abs() + 1e-9)  # but for rounding
        if not worse.any():
            break
        part = torch.where(worse, part / 2, part)
    moved = torch.where(worse, 0.0, part)[:, None] * step
    return p + moved, torch.where(worse, now, new), float(moved.abs().amax())


def _shares(rows: Interactions, factors: Tensor, task: Problem, item: Tensor) -> Tensor:
    if not rows.n_seen:
        return factors.new_zeros(0)
    matrix, _ = _system(rows, torch.zeros_like(rows.ptr[:1]), factors, task)
    towards: Tensor = torch.linalg.solve(matrix[0], item)
    pull = task.pull.to(factors.dtype)
    return pull * (factors[rows.items.long()] @ towards)


def gaussian(users: Tensor) -> tuple[Tensor, Tensor]:
    """Take vectors ``(U, d)`` for draws from a normal distribution.

    Returns:
        Its mean ``(d,)``, and the inverse ``(d, d)`` of its covariance, which is shrunk a
        little to its diagonal.
    """
    d = users.shape[1]
    if len(users) < 2:
        return users.new_zeros(d), torch.eye(d, dtype=users.dtype, device=users.device)
    wide = users.double()
    covariance = torch.cov(wide.T).reshape(d, d)
    diagonal = torch.diag(covariance.diagonal())
    least = 1e-4 * covariance.trace() / d + 1e-8
    covariance = (1 - _SHRINK) * covariance + _SHRINK * diagonal
    covariance += least * torch.eye(d, dtype=wide.dtype, device=wide.device)
    return wide.mean(0).to(users.dtype), torch.linalg.inv(covariance).to(users.dtype)


def _with_slope(squash: Callable[[Tensor], Tensor], z: Tensor) -> tuple[Tensor, Tensor]:
    """The ratings of linear scores, and how fast they change with them."""
    with torch.inference_mode(False), torch.enable_grad():
        at = z.detach().clone().requires_grad_()
        rating = squash(at)
        (slope,) = torch.autograd.grad(rating.sum(), at)
    return rating.detach(), slope
