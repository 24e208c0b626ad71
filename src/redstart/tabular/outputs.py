"""What models of tables do to their last numbers: units of the target, members of an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from redstart.errors import ConfigError, problem

__all__ = ["Mix", "Scale", "Units", "mixed"]

Mix = Literal["softmax", "sigmoid", "mean"]
"""How outputs of members become one: as probabilities of classes, of labels, or as they are."""

_HIGHEST = 80.0  # expm1 of it is still a float32


class Scale(TypedDict):
    """Units of a target of numbers, as JSON.

    Keys:
        mean: Of each number over training rows (of its logarithm with ``log``).
        std: Standard deviation, likewise.
        log: Whether these are of ``log(1 + y)``.
    """

    mean: Sequence[float]
    std: Sequence[float]
    log: bool


@final
class Units(nn.Module):
    """From standardised numbers to the target's own units.

    Args:
        scale: The target's.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, scale: Scale) -> None:
        super().__init__()
        self.log = scale["log"]
        self.register_buffer("mean", torch.tensor(scale["mean"]), persistent=False)
        self.register_buffer("std", torch.tensor(scale["std"]), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Rescale ``(..., n_out)``."""
        x = torch.addcmul(self.mean, x, self.std)
        return x.clamp(max=_HIGHEST).expm1() if self.log else x

    def extra_repr(self) -> str:
        """Show the units in ``print(model)``."""
        return f"mean={self.mean.tolist()}, std={self.std.tolist()}, log={self.log}"


def mixed(out: Tensor, mix: Mix) -> Tensor:
    """Make one output of those of ``k`` members.

    Args:
        out: ``(B, k, n_out)``.
        mix: ``"softmax"``: the logarithm of the mean probability of each class;
            ``"sigmoid"``: the logit of the mean probability of each label;
            ``"mean"``: the mean.

    Returns:
        ``(B, n_out)``, in float32 or wider for probabilities.

    Raises:
        ConfigError: If there is no such way.
    """
    if mix == "softmax":
        return F.log_softmax(_wide(out), -1).logsumexp(1) - torch.tensor(out.shape[1]).log()
    if mix == "sigmoid":
        # log(p) - log(1 - p) of mean probabilities; the members' number cancels.
        return F.logsigmoid(_wide(out)).logsumexp(1) - F.logsigmoid(-_wide(out)).logsumexp(1)
    if mix == "mean":
        return out.mean(1)
    raise ConfigError(
        problem("Expected `mix` to be softmax, sigmoid or mean", f"mix={mix!r}", "Use `mean`.")
    )


def _wide(out: Tensor) -> Tensor:
    return out.float() if out.dtype in (torch.float16, torch.bfloat16) else out
