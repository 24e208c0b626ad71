"""Initial weights, and which parameters an optimizer treats alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import nn

from redstart.errors import ConfigError, problem

__all__ = ["body_and_head", "init_layers", "norm_or_bias"]

M = TypeVar("M", bound=nn.Module)

_DENSE = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)


def init_layers(module: M, generator: torch.Generator | None = None) -> M:
    """Initialise new linear and convolution layers for ReLU, in place.

    Weights are drawn as in "Delving Deep into Rectifiers" (He et al., 2015); biases are zero.
    A final linear layer is drawn narrower (LeCun's variance), since no ReLU halves what it gives.

    Args:
        module: The layers, for example a head. Norms and other layers are left as they are.
        generator: Where the numbers come from; torch's global generator if None.

    Returns:
        ``module`` itself.
    """
    dense = [m for m in module.modules() if isinstance(m, _DENSE)]
    for layer in dense:
        if layer is dense[-1]:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear", generator=generator)
        else:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return module


def norm_or_bias(module: nn.Module) -> frozenset[int]:
    """Find the parameters that weight decay must leave alone.

    Those are the parameters of norms, every bias, scale and other vector, and what a module
    of timm excludes itself by ``no_weight_decay`` (position embeddings, class tokens).

    Args:
        module: Any model.

    Returns:
        ``id(parameter)`` of each.
    """
    found: set[int] = set()
    for part in module.modules():
        own = dict(part.named_parameters(recurse=False))
        norm = isinstance(part, _NORMS)
        found |= {id(p) for k, p in own.items() if norm or p.ndim <= 1 or k == "bias"}
        excluded = getattr(part, "no_weight_decay", None)
        if callable(excluded):
            names = set(excluded())
            found |= {id(p) for name, p in part.named_parameters() if name in names}
    return frozenset(found)


def body_and_head(model: nn.Module) -> list[list[nn.Parameter]]:
    """Split the parameters into early body, late body and head, for discriminative rates.

    The body is cut in the middle of its depth, counted in layers that have parameters, at the
    nearest border of two blocks: after ``layer2`` in ResNet-18. Loose parameters of the body
    (class token, position embedding) count as early.

    Args:
        model: A sequence of two, the body and the head.

    Returns:
        One list for each part that has parameters, in that order; the head is last. Every
        parameter occurs once.

    Raises:
        ConfigError: If ``model`` is not such a sequence.
    """
    if not isinstance(model, nn.Sequential) or len(model) != 2:
        raise ConfigError(
            problem(
                "Expected a model that is nn.Sequential(body, head)",
                f"model={type(model).__name__}",
                "Pass `splitter=` with a function from the model to lists of parameters.",
            )
        )
    blocks = list(_blocks(model[0]))
    depths = [sum(1 for m in b.modules() if _owns(m)) for b in blocks]
    total = sum(depths)
    cut = min(range(len(blocks) + 1), key=lambda i: (abs(sum(depths[:i]) * 2 - total), i))
    late = [p for block in blocks[cut:] for p in block.parameters()]
    late_ids = {id(p) for p in late}
    early = [p for p in model[0].parameters() if id(p) not in late_ids]
    groups: list[list[nn.Parameter]] = []
    seen: set[int] = set()
    for group in (early, late, model[1].parameters()):
        fresh = list({id(p): p for p in group if id(p) not in seen}.values())
        seen |= {id(p) for p in fresh}
        if fresh:
            groups.append(fresh)
    return groups


def _owns(module: nn.Module) -> bool:
    return next(module.parameters(recurse=False), None) is not None


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """Yield what the body consists of, with sequences of blocks taken apart."""
    for child in module.children():
        if isinstance(child, nn.Sequential | nn.ModuleList):
            yield from _blocks(child)
        elif next(child.parameters(), None) is not None:
            yield child
