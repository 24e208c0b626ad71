"""What stands on a body: pooling, then a small classifier."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn

from redstart.errors import ConfigError, problem
from redstart.nn.init import init_layers
from redstart.nn.layers import AdaptiveConcatPool2d, LinBnDrop

__all__ = ["create_head"]


def create_head(
    nf: int,
    n_out: int,
    *,
    lin_ftrs: Sequence[int] = (),
    ps: float = 0.5,
    pool: str | None = "avg",
    bn: bool = False,
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """Build a head: pooling, flatten, then dropout + linear, once per layer.

    The first modules (pooling and flatten) have no parameters, so what they give is
    computed once and kept while the body is frozen (``train.frozen``). The last module is
    the final ``nn.Linear``. Without a batch norm the head is a regularised linear model, which
    on few rows generalises better: see ``docs/decisions/0011-linear-head.md``.

    Args:
        nf: Channels of the body's feature map, or width of its vector.
        n_out: Outputs per row, at least 1.
        lin_ftrs: Widths of hidden layers, each followed by a ReLU; none gives a linear model.
        ps: Probability of dropout before the final layer, in [0, 1); half of it before others.
        pool: ``"avg"``, ``"max"``, ``"concat"`` (both, twice as wide), or None for a body that
            gives a vector.
        bn: Whether each linear layer has a batch norm before it.
        generator: Where the initial weights are drawn from; torch's global generator if None.

    Returns:
        The head: ``(B, nf, H, W)``, or ``(B, nf)`` where ``pool`` is None, to ``(B, n_out)``.

    Raises:
        ConfigError: If an argument is out of its range.
    """
    _check(nf, n_out, lin_ftrs, ps)
    layers: list[nn.Module] = [*_pooling(pool), nn.Flatten()]
    widths = [2 * nf if pool == "concat" else nf, *lin_ftrs]
    for n_in, width in itertools.pairwise(widths):
        layers += LinBnDrop(n_in, width, bn=bn, p=ps / 2, act=nn.ReLU())
    layers += LinBnDrop(widths[-1], n_out, bn=bn, p=ps)
    return init_layers(nn.Sequential(*layers), generator)


def _pooling(pool: str | None) -> list[nn.Module]:
    if pool is None:
        return []
    makers = {
        "avg": nn.AdaptiveAvgPool2d,
        "max": nn.AdaptiveMaxPool2d,
        "concat": AdaptiveConcatPool2d,
    }
    if pool not in makers:
        raise ConfigError(
            problem("Expected a kind of pooling", f"pool={pool!r}", f"Use one of {list(makers)}.")
        )
    return [makers[pool](1)]


def _check(nf: int, n_out: int, lin_ftrs: Sequence[int], ps: float) -> None:
    if min(nf, n_out, *lin_ftrs) < 1:
        raise ConfigError(
            problem(
                "Expected widths of at least 1",
                f"nf={nf}, n_out={n_out}, lin_ftrs={list(lin_ftrs)}",
                "The target must have a class or a number to predict.",
            )
        )
    if not 0 <= ps < 1:
        raise ConfigError(
            problem("Expected a probability in [0, 1)", f"ps={ps}", "Use 0 for no dropout.")
        )
