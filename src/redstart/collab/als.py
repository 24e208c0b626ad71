"""Alternating least squares for what was had, without ratings (implicit feedback).

Hu, Koren & Volinsky, "Collaborative Filtering for Implicit Feedback Datasets" (2008), with
the objective and the regularisation of Rendle, Krichene, Zhang & Koren, "Revisiting the
Performance of iALS on Item Recommendation Benchmarks" (2021, arXiv:2110.14037).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from redstart.collab.foldin import ImplicitFoldIn
from redstart.collab.interactions import Implicit, Interactions
from redstart.errors import ConfigError, DataError, problem
from redstart.rng import generator

__all__ = ["fit_als"]

_INIT = 0.1  # standard deviation of an item's score for a user of length 1 before training
_FLOOR = 0.03  # weight of a user's oldest interactions, against 1 for his last


@torch.no_grad()
def fit_als(
    model: nn.Module,
    seen: Interactions,
    n_iter: int = 10,
    *,
    reg: float = 0.005,
    alpha: float = 0.5,
    half_life: float | None = None,
    by_value: bool = False,
    seed: int = 0,
) -> Implicit:
    """Set a dot-product model's vectors so that users score what they had above the rest.

    Each sweep solves all users given the items, then all items given the users, exactly.
    No gradient, no learning rate; the same result each time. Memory grows with users,
    items and interactions, never with users times items.

    Where interactions are in order of time, users' final vectors are solved with their
    latest interactions counting most; the items' are trained without such weights, which
    would only take data away from them.

    Args:
        model: With embeddings ``u_weight``, ``i_weight``, ``u_bias`` and ``i_bias``, and no
            range of ratings. Biases and mean are set to 0.
        seen: What users had. It notes how vectors were made, so that new users can be
            folded in the same way.
        n_iter: Sweeps.
        reg: Strength of the penalty on vectors, above 0.
        alpha: Weight of the items a user did not have, against 1 for those he had.
        half_life: See ``Implicit``; if ``None``, 3 where ``seen`` is in order of time, and
            none where it is not.
        by_value: Whether values are how often or how long; else each interaction counts
            the same, whatever its value.
        seed: For the first vectors.

    Returns:
        How users' vectors follow from the items'.

    Raises:
        ConfigError: If the model is of another kind, or a number is out of range.
        DataError: If there is no interaction, or ``by_value`` with values below 0.
    """
    _check(model, seen, n_iter, by_value)
    if half_life is None:
        half_life = 3.0 if seen.in_order else math.inf
    how = Implicit(alpha, reg, 1.0, half_life, _FLOOR, by_value)
    level = Implicit(alpha, reg, by_value=by_value)
    by_item = seen.by_item()
    items = _first(seen, model, seed)
    for _ in range(n_iter):
        users = ImplicitFoldIn(items, level).vectors(seen)
        items = ImplicitFoldIn(users, level).vectors(by_item)
    tables: Any = model
    tables.i_weight.weight.copy_(items)
    tables.u_weight.weight.copy_(ImplicitFoldIn(items, how).vectors(seen))
    for constant in (tables.u_bias.weight, tables.i_bias.weight, getattr(model, "mean", None)):
        if constant is not None:
            constant.zero_()
    seen.solve_by(how)
    return how


def _first(seen: Interactions, model: Any, seed: int) -> Tensor:
    weight: Tensor = model.i_weight.weight
    spread = _INIT / math.sqrt(weight.shape[1])
    first = torch.randn(weight.shape, generator=generator(seed)) * spread
    return first.to(weight) * (seen.popularity() > 0)[:, None]


def _check(model: Any, seen: Interactions, n_iter: int, by_value: bool) -> None:
    names = ("u_weight", "i_weight", "u_bias", "i_bias")
    if not all(isinstance(getattr(model, name, None), nn.Embedding) for name in names):
        raise ConfigError(
            problem(
                "Expected a dot-product model with u_weight, i_weight, u_bias and i_bias",
                f"model={type(model).__name__}",
                "Make one with `EmbeddingDotBias`; other models are trained with `fit`.",
            )
        )
    line = torch.linspace(-2, 2, 5, device=model.i_weight.weight.device)
    if not torch.allclose(model.squash(line), line):
        raise ConfigError(
            problem(
                "Expected a model without a range of ratings: ALS scores are no ratings",
                f"squash(2)={float(model.squash(line)[-1]):.3g}",
                "Leave out `y_range`.",
            )
        )
    if n_iter < 1:
        raise ConfigError(problem("Expected at least one sweep", f"n_iter={n_iter}", "Raise it."))
    if not seen.n_seen:
        raise DataError(problem("Expected interactions to learn from", "none", "Add some."))
    if by_value and bool((seen.values < 0).any()):
        raise DataError(
            problem(
                "Expected values of 0 or more for `by_value`: they are weights",
                f"a value of {float(seen.values.min()):.3g}",
                "Leave out `by_value`, or the rows.",
            )
        )
