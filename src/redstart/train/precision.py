"""Whether to train in bfloat16: measured where the device can do it natively."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice

import torch
from torch import nn

from redstart.data.batch import Batch
from redstart.data.loaders import DataLoaders
from redstart.train.run import LossFunction

__all__ = ["choose_precision", "native_bf16"]

GAIN = 1.15
"""How much faster bf16 must be on a CPU before it is chosen."""

LEAST = 0.05
"""Seconds that a batch must take on a CPU before bf16 is considered: of a small model the
machine's other work decides which is faster, and two runs with one seed would differ."""


def native_bf16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 itself rather than by conversion."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def choose_precision(
    model: nn.Module,
    dls: DataLoaders,
    loss: LossFunction,
    *,
    native: Callable[[torch.device], bool] = native_bf16,
) -> str:
    """Choose ``"bf16"`` or ``"float32"`` for training on these loaders' device.

    On CUDA bfloat16 is taken where it is native; on a CPU where it is native and a short
    measurement on one batch (forward and backward, alternating) finds it faster. Weights,
    optimizer and loss stay in float32 either way.

    Args:
        model: What is to be trained; its gradients are cleared, nothing else changes.
        dls: The first batch is what is measured.
        loss: For the backward pass.
        native: Tells whether a device computes in bfloat16.
    """
    if not native(dls.device):
        return "float32"
    if dls.device.type == "cuda":
        return "bf16"
    batch = next(iter(islice(dls.train.batches(epoch=0), 1)), None)
    if batch is None or batch.y is None:
        return "float32"
    model.to(dls.device).eval()
    times: dict[bool, list[float]] = {False: [], True: []}
    for half in (False, True) * 3:
        times[half].append(_time(model, batch, loss, half=half))
        if times[False][0] < LEAST:  # and that one paid for warming up
            break
    model.zero_grad()
    if not times[True]:
        return "float32"
    # The least of each: whatever else the machine does only adds to a time.
    slow, fast = min(times[False]), min(times[True])
    return "bf16" if slow >= max(LEAST, GAIN * fast) else "float32"


def _time(model: nn.Module, batch: Batch, loss: LossFunction, *, half: bool) -> float:
    start = time.perf_counter()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        out = model(*batch.x)
        value = loss(out, *(batch.y or ()))
    if value.requires_grad:
        torch.autograd.grad(value, [p for p in model.parameters() if p.requires_grad])
    return time.perf_counter() - start
