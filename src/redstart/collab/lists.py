"""What a recommender returns: items with scores, and what carries them."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final, overload

from redstart.show.page import table

__all__ = ["Explanation", "Recommendations"]

_SHOWN = 10
_SEEN = 5e-4  # what three decimals show

_WHY = {
    "trained": "from the vector learnt for this user in training",
    "ratings": "from the ratings given, without training again",
    "popularity": "the items that most users had: nothing is known of this user",
    "similar": "the items whose vectors point the same way",
}


@final
@dataclass(frozen=True, slots=True)
class Recommendations(Sequence[tuple[Any, float]]):
    """Items with scores, best first; a sequence of ``(item, score)`` pairs.

    Attributes:
        items: Names, or titles where items have some.
        scores: For ``why="popularity"`` how many had the item; for ``"similar"`` the cosine
            of the vectors, in [-1, 1]; else the model's prediction, which without a
            ``y_range`` may go beyond the ratings there are.
        why: ``"trained"``, ``"ratings"``, ``"popularity"`` or ``"similar"``.
        positions: Of the items in the vocabulary.
    """

    items: tuple[Any, ...]
    scores: tuple[float, ...]
    why: str
    positions: tuple[int, ...]

    @overload
    def __getitem__(self, place: int) -> tuple[Any, float]: ...
    @overload
    def __getitem__(self, place: slice) -> list[tuple[Any, float]]: ...
    def __getitem__(self, place: Any) -> Any:
        return list(self)[place]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[tuple[Any, float]]:
        return zip(self.items, self.scores, strict=True)

    def __repr__(self) -> str:
        lines = [f"{score:8.3f}  {item}" for item, score in self]
        return "\n".join([f"Recommendations ({_WHY[self.why]})", *lines])

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(_WHY[self.why])}</p>" + table(["item", "score"], self)


@final
@dataclass(frozen=True, slots=True)
class Explanation(Sequence[tuple[Any, float]]):
    """Which of a user's items carry a score; a sequence of ``(item, contribution)`` pairs.

    All numbers are in the units of the score: stars, where the model predicts stars. ``base``,
    ``contributions`` and ``rest`` sum to ``score``.

    Attributes:
        item: The item that is explained.
        score: Its score, as ``recommend`` gives it.
        base: What it would be for a user of whom nothing is known.
        items: What the user had.
        contributions: What each adds to the score; the largest first.
        rest: What training found in the user that does not follow from his items one by
            one; 0 for a new user, and for a model trained by ALS.
        method: How contributions were found.
    """

    item: Any
    score: float
    base: float
    items: tuple[Any, ...]
    contributions: tuple[float, ...]
    rest: float
    method: str

    @overload
    def __getitem__(self, place: int) -> tuple[Any, float]: ...
    @overload
    def __getitem__(self, place: slice) -> list[tuple[Any, float]]: ...
    def __getitem__(self, place: Any) -> Any:
        return list(self)[place]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[tuple[Any, float]]:
        return zip(self.items, self.contributions, strict=True)

    def _said(self) -> str:
        return f"{self.item}: score {self.score:.3f}, of which {self.base:.3f} is for any user"

    def _lines(self) -> list[tuple[Any, float]]:
        more = []
        if len(self) > _SHOWN:
            more.append((f"{len(self) - _SHOWN} more", sum(self.contributions[_SHOWN:])))
        if abs(self.rest) >= _SEEN:
            more.append(("what training found beyond these", self.rest))
        return [*self[:_SHOWN], *more]

    def __repr__(self) -> str:
        lines = [f"{share:+8.3f}  {item}" for item, share in self._lines()]
        return "\n".join([self._said(), *lines, f"({self.method})"])

    def _repr_html_(self) -> str:
        note = f"<p>{html.escape(self._said())}</p>"
        return note + table(["had", "adds"], self._lines()) + f"<p>{html.escape(self.method)}</p>"
