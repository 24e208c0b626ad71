"""An optimizer of torch's, over groups that say how fast each part of the model learns."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from redstart.errors import ConfigError, problem
from redstart.nn.init import norm_or_bias

__all__ = ["ParamSplitter", "Rate", "freeze_to", "make_optimizer", "one_group", "rates"]

ParamSplitter = Callable[[nn.Module], list[list[nn.Parameter]]]
"""Splits a model's parameters into groups, first layers first."""

Rate = float | slice
"""One learning rate, or ``slice(first, last)`` spread over the groups by equal factors."""


def one_group(model: nn.Module) -> list[list[nn.Parameter]]:
    """All parameters in one group."""
    return [list(model.parameters())]


def freeze_to(model: nn.Module, splitter: ParamSplitter, n: int) -> None:
    """Freeze the first ``n`` parameter groups and free the others.

    Args:
        model: Its parameters' ``requires_grad`` is set.
        splitter: Makes the groups.
        n: How many to freeze; a negative number counts from the end.

    Raises:
        ConfigError: If there are not that many groups.
    """
    groups = splitter(model)
    cut = n if n >= 0 else len(groups) + n
    if not 0 <= cut <= len(groups):
        raise ConfigError(
            problem(
                f"Expected a number between {-len(groups)} and {len(groups)}, the groups there are",
                f"n={n}",
                "-1 leaves only the head to train; 0 frees everything.",
            )
        )
    for i, group in enumerate(groups):
        for parameter in group:
            parameter.requires_grad_(i >= cut)


def rates(lr: Rate, n: int) -> list[float]:
    """Learning rates of ``n`` groups.

    Args:
        lr: A number for all; ``slice(a, b)`` from ``a`` to ``b`` by equal factors;
            ``slice(b)`` for ``b`` in the last group and a tenth of it in the others.
        n: Number of groups.

    Raises:
        ConfigError: If a rate is not positive.
    """
    if isinstance(lr, slice):
        last = _positive(lr.stop)
        if lr.start is None:
            return [last / 10] * (n - 1) + [last]
        first = _positive(lr.start)
        return [first * (last / first) ** (i / max(1, n - 1)) for i in range(n - 1)] + [last]
    return [_positive(lr)] * n


def make_optimizer(
    model: nn.Module,
    splitter: ParamSplitter,
    opt_func: str | Callable[..., Optimizer],
    *,
    lr: Rate,
    wd: float,
    no_decay: Callable[[nn.Module], frozenset[int]] = norm_or_bias,
) -> Optimizer:
    """Make an optimizer of the parameters that are not frozen.

    Each group carries ``lr_mult``, its rate as a share of the last group's, which
    schedules respect. Weight decay is left off norms and biases.

    Args:
        model: What is trained.
        splitter: Makes the parameter groups.
        opt_func: ``"adamw"``, ``"sgd"``, any name in ``torch.optim`` (case is ignored), a
            class of it, or a function ``(params, lr=...) -> Optimizer``.
        lr: One rate, or a slice over the groups.
        wd: Weight decay.
        no_decay: Ids of the parameters that weight decay is left off.

    Raises:
        ConfigError: If nothing is left to train, or there is no such optimizer.
    """
    groups = splitter(model)
    tops = rates(lr, len(groups))
    still = no_decay(model)
    params: list[dict[str, Any]] = []
    for group, top in zip(groups, tops, strict=True):
        free = [p for p in group if p.requires_grad]
        for decays in (True, False):
            some = [p for p in free if (id(p) not in still) == decays]
            if some:
                decay = wd if decays else 0.0
                params.append(
                    {"params": some, "lr": top, "lr_mult": top / tops[-1], "weight_decay": decay}
                )
    if not params:
        raise ConfigError(
            problem(
                "Expected at least one parameter to train", "all are frozen", "Call `unfreeze()`."
            )
        )
    return _build(opt_func, params, lr=tops[-1])


def _build(opt_func: Any, params: list[dict[str, Any]], *, lr: float) -> Optimizer:
    if isinstance(opt_func, str):
        opt_func = _named(opt_func)
    accepted = inspect.signature(opt_func).parameters
    given: dict[str, Any] = {"lr": lr}
    if opt_func is torch.optim.AdamW or opt_func is torch.optim.Adam:
        # fastai's choices for one-cycle training; fused is the fastest torch offers.
        given |= {"betas": (0.9, 0.99), "eps": 1e-5, "fused": _fusable(params)}
    elif opt_func is torch.optim.SGD:
        given |= {"momentum": 0.9, "fused": _fusable(params)}
    optimizer: Optimizer = opt_func(params, **{k: v for k, v in given.items() if k in accepted})
    return optimizer


def _fusable(groups: list[dict[str, Any]]) -> bool:
    return all(
        p.is_floating_point() and p.device.type in {"cpu", "cuda"}
        for group in groups
        for p in group["params"]
    )


def _named(name: str) -> Any:
    known = {
        n.lower(): c
        for n, c in vars(torch.optim).items()
        if isinstance(c, type) and issubclass(c, Optimizer) and c is not Optimizer
    }
    if name.lower() not in known:
        raise ConfigError(
            problem(
                "Expected the name of an optimizer in torch.optim",
                f"opt_func={name!r}",
                f"Known: {', '.join(sorted(known))}.",
            )
        )
    return known[name.lower()]


def _positive(rate: Any) -> float:
    if not isinstance(rate, int | float) or not math.isfinite(rate) or rate <= 0:
        raise ConfigError(
            problem("Expected a positive learning rate", f"lr={rate!r}", "Try `learn.lr_find()`.")
        )
    return float(rate)
