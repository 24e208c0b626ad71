"""A model's layers in a table: what comes out of each, how many numbers it has."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from redstart.data.loaders import DataLoaders

__all__ = ["model_summary"]


def model_summary(model: nn.Module, dls: DataLoaders, opt_func: Any, loss_func: Any) -> str:
    """List every layer that computes, with the shape of its output for one batch.

    Args:
        model: Run once on the first training batch, in evaluation mode.
        dls: Where that batch comes from.
        opt_func: Named at the end.
        loss_func: Named at the end; ``None`` for the target's own.
    """
    batch = dls.one_batch()
    rows: list[tuple[str, str, int, bool]] = []

    def hook(name: str) -> Any:
        def note(module: nn.Module, _: Any, out: Any) -> None:
            own = list(module.parameters(recurse=False))
            shape = "x".join(map(str, out.shape)) if isinstance(out, Tensor) else "-"
            trains = any(p.requires_grad for p in own)
            label = f"{name} ({type(module).__name__})"
            rows.append((label, shape, sum(p.numel() for p in own), trains))

        return note

    leaves = [(n, m) for n, m in model.named_modules() if not any(True for _ in m.children())]
    handles = [module.register_forward_hook(hook(name)) for name, module in leaves]
    training = model.training
    try:
        with torch.no_grad():
            model.eval()(*batch.x)
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    total = sum(p.numel() for p in model.parameters())
    free = sum(p.numel() for p in model.parameters() if p.requires_grad)
    inputs = ", ".join("x".join(map(str, t.shape)) for t in batch.x)
    width = max((len(row[0]) for row in rows), default=10)
    lines = [f"{type(model).__name__} (input {inputs})", ""]
    lines.append(f"{'Layer':<{width}}  {'Output':>18}  {'Parameters':>12}  Trains")
    lines += [
        f"{label:<{width}}  {shape:>18}  {n:>12,}  {'yes' if trains else 'no' * bool(n)}".rstrip()
        for label, shape, n, trains in rows
    ]
    opt = opt_func if isinstance(opt_func, str) else getattr(opt_func, "__name__", str(opt_func))
    loss = dls.target.kind if loss_func is None else getattr(loss_func, "__name__", str(loss_func))
    lines += ["", f"Parameters: {total:,}, of which train: {free:,}"]
    lines.append(f"Optimizer: {opt}. Loss: {loss}.")
    return "\n".join(lines)
