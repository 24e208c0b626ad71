"""Training on mixtures of rows."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor

from redstart.data.batch import Encoded
from redstart.errors import ConfigError, DataError, problem
from redstart.rng import generator
from redstart.train.callback import Callback
from redstart.train.run import LossFunction, Run

__all__ = ["CutMix", "Mix", "MixUp", "cut_rows", "draw_mix", "mix_rows", "mixed_loss"]

_STREAM = 0x6D6978
"""Keeps these draws apart from the loader's for the row of the same number."""


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """Who is mixed with whom, and how much.

    Attributes:
        partner: The position of each row's partner in the batch, ``(B,)`` int64.
        share: How much of itself each row keeps, ``(B,)`` float32 in [0.5, 1] as drawn.
    """

    partner: Tensor
    share: Tensor


def draw_mix(n_rows: int, alpha: float, rng: torch.Generator) -> Mix:
    """Draw partners and shares; each row has its own draw.

    The share is the larger of ``lambda`` and ``1 - lambda`` with ``lambda ~ Beta(alpha,
    alpha)``: over a batch the mixtures are the same, and each stays closest to the row
    whose number it bears.

    Args:
        n_rows: Rows in the batch.
        alpha: Above 0; small values mix little, 1 draws shares evenly.
        rng: A CPU generator.
    """
    partner = torch.randperm(n_rows, generator=rng)
    seed = int(torch.randint(2**62, (), generator=rng))
    drawn = np.random.default_rng(seed).beta(alpha, alpha, n_rows)
    return Mix(partner, torch.from_numpy(np.maximum(drawn, 1 - drawn)).float())


def mix_rows(x: Encoded, mix: Mix) -> Encoded:
    """Blend every tensor ``(B, ...)`` of ``x`` with its partners, in equal shares."""

    def blend(t: Tensor) -> Tensor:
        share = _on(mix.share, t).view(-1, *[1] * (t.ndim - 1))
        return torch.lerp(t[_on(mix.partner, t)], t, share.to(t.dtype))

    return tuple(blend(t) for t in x)


def cut_rows(x: Encoded, mix: Mix, rng: torch.Generator) -> tuple[Encoded, Mix]:
    """Paste a box of its partner into every row, at the same place in every tensor.

    Args:
        x: Pictures, ``(B, C, H, W)``, all of one height and width.
        mix: A box covers ``1 - share`` of the picture where it does not cross the edge.
        rng: A CPU generator, for the places.

    Returns:
        The pictures, and ``mix`` with the shares that the boxes really left.

    Raises:
        DataError: If they are no pictures, or of different sizes.
    """
    _check_pictures(x)
    height, width = x[0].shape[-2:]
    side = (1 - mix.share).sqrt()
    inside = []
    for size in (height, width):
        centre = torch.randint(size, side.shape, generator=rng)
        half = (side * size).round().long()
        start = (centre - half // 2).clamp(0, size)[:, None]
        stop = (centre - half // 2 + half).clamp(0, size)[:, None]
        at = torch.arange(size)
        inside.append((at >= start) & (at < stop))
    box = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    left = 1 - box.flatten(1).float().mean(1)
    cut = tuple(torch.where(_on(box, t), t[_on(mix.partner, t)], t) for t in x)
    return cut, Mix(mix.partner, left)


def mixed_loss(loss_func: LossFunction, out: Any, y: Encoded, mix: Mix) -> Tensor:
    """Weigh the loss against each row's own target and its partner's by their shares.

    Args:
        loss_func: ``(out, *y, reduction="none")``, with one loss per row or per element.
        out: The model's output for the mixed rows.
        y: Targets of the rows as they were, ``(B, ...)``.
        mix: What was mixed.

    Returns:
        The mean, a scalar.

    Raises:
        ConfigError: If the loss gives no loss per row.
    """
    share = _on(mix.share, y[0])
    own = _per_row(loss_func, out, y, len(share))
    other = _per_row(loss_func, out, tuple(t[_on(mix.partner, t)] for t in y), len(share))
    return (share * own + (1 - share) * other).mean()


@dataclass(eq=False)
class _Mixing(Callback, ABC):
    """Mixes each training batch and its loss; ``mixed`` says how."""

    order: ClassVar[int] = 10
    on_inputs: ClassVar[bool] = True
    alpha: float
    _mix: Mix | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise ConfigError(
                problem(
                    "Expected an alpha above 0",
                    f"alpha={self.alpha!r}",
                    "Leave the callback out to mix nothing.",
                )
            )

    @abstractmethod
    def mixed(self, x: Encoded, mix: Mix, rng: torch.Generator) -> tuple[Encoded, Mix]:
        """Mix the inputs; return them and the shares that each row really kept."""

    def before_fit(self, run: Run) -> None:
        """Make sure that the loss can be mixed, before any time is spent."""
        _check_loss(run.loss_func)

    def before_batch(self, run: Run) -> None:
        """Mix the inputs of a training batch."""
        self._mix = None
        batch = run.batch
        if not run.training or batch is None or batch.y is None:
            return
        _check_floats(batch.x)
        rng = generator(run.dls.seed, run.epoch, run.step, _STREAM)
        x, self._mix = self.mixed(batch.x, draw_mix(len(batch), self.alpha, rng), rng)
        run.batch = replace(batch, x=x)

    def after_loss(self, run: Run) -> None:
        """Mix the loss in the same shares."""
        if self._mix is not None and run.batch is not None and run.batch.y is not None:
            run.loss = mixed_loss(run.loss_func, run.out, run.batch.y, self._mix)


@final
@dataclass(eq=False)
class MixUp(_Mixing):
    """Trains on blends of two rows and of their losses (Zhang et al. 2018).

    Each row has its own share, drawn anew for each batch from the loaders' seed. Works
    with any target whose loss gives one loss per row. Validation sees the rows as they are.

    Attributes:
        alpha: Of the Beta distribution that shares are drawn from; above 0.
    """

    alpha: float = 0.4

    def mixed(self, x: Encoded, mix: Mix, rng: torch.Generator) -> tuple[Encoded, Mix]:
        """Blend."""
        return mix_rows(x, mix), mix


@final
@dataclass(eq=False)
class CutMix(_Mixing):
    """Trains on pictures with a box of another picture pasted in (Yun et al. 2019).

    The losses are weighed by the area that each picture has. Draws as ``MixUp`` does.

    Attributes:
        alpha: Of the Beta distribution that areas are drawn from; above 0.
    """

    alpha: float = 1.0

    def mixed(self, x: Encoded, mix: Mix, rng: torch.Generator) -> tuple[Encoded, Mix]:
        """Cut and paste."""
        return cut_rows(x, mix, rng)


def _check_loss(loss_func: LossFunction) -> None:
    found = inspect.signature(loss_func).parameters.values()
    if not any(p.name == "reduction" or p.kind is p.VAR_KEYWORD for p in found):
        raise ConfigError(
            problem(
                "Expected a loss function with a `reduction` keyword, to mix losses row by row",
                f"loss_func={getattr(loss_func, '__name__', type(loss_func).__name__)}",
                'Let it return one loss per row for `reduction="none"`.',
            )
        )


def _check_floats(x: Encoded) -> None:
    for slot, t in enumerate(x):
        if not t.is_floating_point():
            raise DataError(
                problem(
                    "Expected inputs of floating-point numbers, which can be mixed",
                    f"x[{slot}].dtype={t.dtype}",
                    "Leave MixUp and CutMix out: codes and words have no mixtures.",
                )
            )


def _check_pictures(x: Encoded) -> None:
    sizes = {tuple(t.shape[2:]) if t.ndim == 4 else None for t in x}
    if None in sizes or len(sizes) > 1:
        raise DataError(
            problem(
                "Expected pictures (B, C, H, W) of one height and width to cut boxes from",
                f"shapes={', '.join(str(tuple(t.shape)) for t in x)}",
                "Use MixUp, which blends tensors of any shape.",
            )
        )


def _per_row(loss_func: LossFunction, out: Any, y: Encoded, n_rows: int) -> Tensor:
    losses = loss_func(out, *y, reduction="none")
    if losses.ndim == 0 or len(losses) != n_rows:
        raise ConfigError(
            problem(
                'Expected one loss per row from the loss function for `reduction="none"`',
                f"shape={tuple(losses.shape)} for {n_rows} rows",
                "Do not average over the rows there.",
            )
        )
    return losses.flatten(1).mean(1) if losses.ndim > 1 else losses


def _on(t: Tensor, like: Tensor) -> Tensor:
    return t.to(like.device, non_blocking=True)
