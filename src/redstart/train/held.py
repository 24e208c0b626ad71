"""Predictions of the validation rows, made once for as long as the model stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from redstart.train import weights
from redstart.train.predict import Predictions
from redstart.train.slicing import collect_with_vectors

if TYPE_CHECKING:
    from redstart.train.trained import Trained

__all__ = ["Held", "held_rows"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What a model says of the validation rows.

    Attributes:
        key: The weights, loaders and loss that it was made with.
        found: The predictions.
        vectors: What the last linear layer was given of each row, ``(N, D)``; ``None`` for
            models without one.
    """

    key: tuple[Any, ...]
    found: Predictions
    vectors: NDArray[np.float32] | None


def held_rows(learn: Trained) -> Held:
    """Predict the validation rows, unless this very model has.

    Args:
        learn: Its model predicts; what was found is kept with it.

    Raises:
        NoValidationSetError: If there are no validation rows.
    """
    learn.dls.require_valid()
    key = (weights.digest(learn.model), learn.dls.valid, learn.loss_func, learn.engine.name)
    if learn.held is None or not _same(learn.held.key, key):
        learn.held = Held(key, *collect_with_vectors(learn))
    return learn.held


def _same(before: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    """Whether two keys name equal weights and one and the same loader and loss."""
    return all(a is b or (isinstance(a, str) and a == b) for a, b in zip(before, now, strict=True))
