"""Every exception Redstart raises on purpose, and the one way to word it."""

from __future__ import annotations

__all__ = [
    "BundleError",
    "ConfigError",
    "DataError",
    "NoValidationSetError",
    "NonFiniteLossError",
    "RedstartError",
    "TrainError",
    "WeightsError",
    "problem",
]


class RedstartError(Exception):
    """Base class, so callers can catch everything the library raises on purpose."""


class DataError(RedstartError, ValueError):
    """The user's data or labels do not fit what was asked of them."""


class ConfigError(RedstartError, ValueError):
    """An argument or a saved configuration is not valid."""


class BundleError(RedstartError, RuntimeError):
    """A saved bundle cannot be written or read back."""


class WeightsError(RedstartError, OSError):
    """Pretrained weights cannot be had, or do not fit the model."""


class TrainError(RedstartError, RuntimeError):
    """Training cannot start or cannot go on."""


class NoValidationSetError(TrainError):
    """Training was asked for without rows to measure it on."""


class NonFiniteLossError(TrainError):
    """The loss became infinite or not a number."""


def problem(expected: str, got: str, fix: str) -> str:
    """Word an error: what was expected, what arrived, what to do.

    Args:
        expected: A full clause, without the final full stop.
        got: The offending value, as ``name=value``.
        fix: One or more imperative sentences.

    Returns:
        The message, on one line.
    """
    return f"{expected}. Got: {got}. {fix}"
