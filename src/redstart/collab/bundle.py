"""A trained model that recommends, opened from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from redstart.bundle.bundle import Bundle
from redstart.collab.codec import CollabCodec
from redstart.collab.recommend import Explanation, Recommendations, Recommender

__all__ = ["CollabBundle", "Ratings"]

Ratings = Mapping[Any, float] | Sequence[Any]
"""Of one user: by name of item, or just the items he took, the last one last."""


@final
class CollabBundle(Bundle):
    """A ``Bundle`` that also recommends and says why."""

    @cached_property
    def recommender(self) -> Recommender:
        """Recommends with the model; works out only once what new users need."""
        assert isinstance(self.codec, CollabCodec)  # noqa: S101 - of this domain
        return Recommender(self.model, self.codec)

    def recommend(
        self,
        user: Any = None,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        ratings: Ratings | None = None,
    ) -> Recommendations:
        """Recommend items to a user, or to a new one by ``ratings``."""
        return self.recommender.recommend(user, k, exclude_seen=exclude_seen, ratings=ratings)

    def recommend_all(
        self, k: int = 10, users: Sequence[Any] | None = None, *, exclude_seen: bool = True
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Recommend to many users at once; see ``Recommender.recommend_all``."""
        return self.recommender.recommend_all(k, users, exclude_seen=exclude_seen)

    def similar_items(self, item: Any, k: int = 10) -> Recommendations:
        """Items that the same people like."""
        return self.recommender.similar_items(item, k)

    def explain_recommendation(
        self, user: Any, item: Any, *, ratings: Ratings | None = None
    ) -> Explanation:
        """Say which of a user's items carry the score of one."""
        return self.recommender.explain_recommendation(user, item, ratings=ratings)
