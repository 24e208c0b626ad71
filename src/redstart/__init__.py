"""Redstart: from raw files to a trained model that you can look at, trust and use.

Each kind of data has its folder: ``from redstart.vision import ImageDataLoaders, vision_learner``.
Importing this package costs nothing: PyTorch is loaded when something needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redstart.bundle.bundle import load_learner as load_learner

__all__ = ["__version__", "load_learner"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import ``load_learner`` when it is first asked for."""
    if name == "load_learner":
        from redstart.bundle.bundle import load_learner

        return load_learner
    raise AttributeError(f"module 'redstart' has no attribute {name!r}")
