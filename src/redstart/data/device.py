"""Where tensors go."""

from __future__ import annotations

import torch

from redstart.errors import ConfigError, problem

__all__ = ["as_device", "best_device"]


def best_device() -> torch.device:
    """CUDA where it works, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def as_device(device: str | torch.device | None = None) -> torch.device:
    """The device that is named, or the best there is.

    Raises:
        ConfigError: If there is no such device, or it does not work.
    """
    if device is None:
        return best_device()
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(
            problem(
                "Expected a device that works here",
                f"device={str(device)!r}: {str(error).splitlines()[0]:.100}",
                f"Leave it out: the best there is is {str(best_device())!r}.",
            )
        ) from error
    return found
