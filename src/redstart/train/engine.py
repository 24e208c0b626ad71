"""How arithmetic is carried out: the loop has no branch on device or precision."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from redstart.errors import ConfigError, problem

__all__ = ["Engine", "MixedEngine", "PlainEngine", "engine_for"]


class Engine(ABC):
    """Places the model and runs forward, backward and step."""

    name: str

    @abstractmethod
    def place(self, model: nn.Module, device: torch.device) -> nn.Module:
        """Put the model where it is to run."""

    @abstractmethod
    def autocast(self) -> AbstractContextManager[Any]:
        """A context for the forward pass and the loss."""

    @abstractmethod
    def backward(self, loss: Tensor) -> None:
        """Accumulate gradients. The loop is the only caller."""

    @abstractmethod
    def unscale(self, opt: Optimizer) -> None:
        """Bring gradients to their true size, for those who look at them before the step."""

    @abstractmethod
    def step(self, opt: Optimizer) -> None:
        """Let the optimizer step."""


@final
@dataclass(slots=True)
class PlainEngine(Engine):
    """Single device, float32: plain PyTorch.

    Attributes:
        channels_last: Whether convolutions see NHWC memory, which some devices prefer.
    """

    channels_last: bool = False
    name: str = "float32"
    _none: AbstractContextManager[Any] = field(default_factory=nullcontext, repr=False)

    def place(self, model: nn.Module, device: torch.device) -> nn.Module:
        """Move the model to the device."""
        return _place(model, device, self.channels_last)

    def autocast(self) -> AbstractContextManager[Any]:
        """Nothing."""
        return self._none

    def backward(self, loss: Tensor) -> None:
        """``loss.backward()``."""
        loss.backward()  # type: ignore[no-untyped-call]

    def unscale(self, opt: Optimizer) -> None:
        """Nothing: gradients are not scaled."""

    def step(self, opt: Optimizer) -> None:
        """``opt.step()``."""
        opt.step()


@final
@dataclass(slots=True)
class MixedEngine(Engine):
    """Forward pass in bfloat16 or float16, weights in float32 (Micikevicius et al. 2018).

    Attributes:
        dtype: ``torch.bfloat16``, or ``torch.float16`` with a scaled loss.
        device_type: ``"cuda"``, ``"cpu"`` or ``"mps"``.
        channels_last: As for ``PlainEngine``.
    """

    dtype: torch.dtype = torch.bfloat16
    device_type: str = "cuda"
    channels_last: bool = False
    name: str = "mixed"
    _scaler: torch.amp.GradScaler = field(init=False, repr=False)
    _unscaled: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        scaled = self.dtype == torch.float16
        self.name = str(self.dtype).removeprefix("torch.")
        self._scaler = torch.amp.GradScaler(self.device_type, enabled=scaled)

    def place(self, model: nn.Module, device: torch.device) -> nn.Module:
        """Move the model to the device; its weights stay float32."""
        return _place(model, device, self.channels_last)

    def autocast(self) -> AbstractContextManager[Any]:
        """Autocast to ``dtype``."""
        return torch.autocast(self.device_type, dtype=self.dtype)

    def backward(self, loss: Tensor) -> None:
        """Backward of the scaled loss."""
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def unscale(self, opt: Optimizer) -> None:
        """Divide the gradients by the loss scale, once per step."""
        if not self._unscaled:
            self._scaler.unscale_(opt)
            self._unscaled = True

    def step(self, opt: Optimizer) -> None:
        """Step unless a scaled gradient overflowed; then the scale shrinks."""
        self._scaler.step(opt)
        self._scaler.update()
        self._unscaled = False


def engine_for(
    precision: str | Engine, device: torch.device, *, channels_last: bool = False
) -> Engine:
    """Make the engine that a word names.

    Args:
        precision: ``"float32"``, ``"bf16"``, ``"fp16"``, or an engine.
        device: Where it is to run.
        channels_last: Whether convolutions see NHWC memory.

    Raises:
        ConfigError: If there is no such precision.
    """
    if isinstance(precision, Engine):
        return precision
    match precision.lower():
        case "float32" | "fp32" | "32":
            return PlainEngine(channels_last=channels_last)
        case "bf16" | "bfloat16":
            return MixedEngine(torch.bfloat16, device.type, channels_last)
        case "fp16" | "float16" | "half":
            return MixedEngine(torch.float16, device.type, channels_last)
    raise ConfigError(
        problem(
            "Expected a precision that redstart knows",
            f"precision={precision!r}",
            "Use 'float32', 'bf16' or 'fp16'.",
        )
    )


def _place(model: nn.Module, device: torch.device, channels_last: bool) -> nn.Module:
    if channels_last:
        return model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
    return model.to(device)
