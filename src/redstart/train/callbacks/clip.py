"""Gradients no longer than a given length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor, nn
from torch.optim import Optimizer

from redstart.errors import ConfigError, problem
from redstart.train.callback import Callback
from redstart.train.run import Run

__all__ = ["GradientClip"]


@final
@dataclass(eq=False)
class GradientClip(Callback):
    """Shortens the gradient of all parameters together (Pascanu et al. 2013).

    Attributes:
        max_norm: Largest Euclidean length, above 0.
    """

    order: ClassVar[int] = 30
    max_norm: float = 1.0

    def __post_init__(self) -> None:
        if not self.max_norm > 0:
            raise ConfigError(
                problem(
                    "Expected a largest length of the gradient above 0",
                    f"max_norm={self.max_norm!r}",
                    "Leave the callback out to clip nothing.",
                )
            )

    def before_step(self, run: Run) -> None:
        """Bring the gradients to their true size, then shorten them."""
        run.engine.unscale(run.opt)
        nn.utils.clip_grad_norm_(_parameters(run.opt), self.max_norm)


def _parameters(opt: Optimizer) -> Iterator[Tensor]:
    for group in opt.param_groups:
        yield from group["params"]
