"""What is frozen stays still: no new statistics, no dropout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from redstart.train.callback import Callback
from redstart.train.run import Run

__all__ = ["KeepEval", "batch_norms", "frozen_subtrees"]


@final
@dataclass(eq=False)
class KeepEval(Callback):
    """Puts the frozen parts of the model into evaluation mode while the rest trains.

    ``requires_grad`` alone does not stop batch norm from learning its statistics anew or
    dropout from dropping.

    Attributes:
        frozen_norm_in: The batch norms in this part keep the statistics that they came
            with, frozen or not: few rows make worse ones than pretraining did.
    """

    order: ClassVar[int] = -50
    frozen_norm_in: nn.Module | None = None

    def before_train(self, run: Run) -> None:
        """Switch to evaluation mode what is not to change."""
        still = frozen_subtrees(run.model)
        if self.frozen_norm_in is not None:
            still += batch_norms(self.frozen_norm_in)
        for module in still:
            module.eval()


def frozen_subtrees(model: nn.Module) -> list[nn.Module]:
    """The largest parts of ``model`` that have parameters, none of which is trained."""
    parameters = list(model.parameters())
    if not parameters:
        return []
    if not any(p.requires_grad for p in parameters):
        return [model]
    return [part for child in model.children() for part in frozen_subtrees(child)]


def batch_norms(module: nn.Module) -> list[nn.Module]:
    """Every batch norm in ``module``."""
    return [m for m in module.modules() if isinstance(m, _BatchNorm)]
