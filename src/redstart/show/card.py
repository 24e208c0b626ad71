"""A card: one row of data with what is known and what was predicted."""

from __future__ import annotations

from dataclasses import dataclass

from redstart.show.view import Mark, Number, View

__all__ = ["Card"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One row, ready to be drawn.

    Attributes:
        index: The row number, which leads back to the item.
        view: The input.
        item: The item in words: a file's path, a row's key.
        truth: What it is.
        pred: What the model said.
        loss: The row's loss.
        confidence: Probability the model gave its answer, in [0, 1].
    """

    index: int
    view: View
    item: str = ""
    truth: Mark | None = None
    pred: Mark | None = None
    loss: float | None = None
    confidence: float | None = None

    @property
    def correct(self) -> bool | None:
        """Whether prediction and truth are the same; ``None`` if one is missing, or for numbers."""
        if self.truth is None or self.pred is None or isinstance(self.truth, Number):
            return None
        return self.truth == self.pred
