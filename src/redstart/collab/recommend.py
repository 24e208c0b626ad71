"""What to recommend, to whom, and why."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from redstart.collab.codec import NEW, CollabCodec
from redstart.collab.foldin import ExplicitFoldIn, FoldIn, ImplicitFoldIn
from redstart.collab.interactions import Interactions
from redstart.collab.lists import Explanation, Recommendations
from redstart.collab.preferfold import SoftmaxFoldIn
from redstart.errors import ConfigError, DataError, problem

__all__ = ["Explanation", "Recommendations", "Recommender"]

log = logging.getLogger("redstart")

_BLOCK = 1 << 22  # scores held at a time
_FLAT = 1e-3  # a step of a linear score over which a squashed one is a line


@final
class Recommender:
    """Recommends with a trained model; never holds more than a block of users' scores.

    Items that no one had in training are never recommended: their vectors mean nothing.

    Args:
        model: With ``seen``, and either ``user_vectors``, ``item_vectors``, ``user_biases``,
            ``item_biases`` and ``squash``, or ``score_users``.
        codec: Names of users and items.
    """

    def __init__(self, model: nn.Module, codec: CollabCodec) -> None:
        self._model: Any = model
        self._codec = codec
        self._fold: FoldIn | None = None
        self._popularity: Tensor | None = None

    @property
    def seen(self) -> Interactions:
        """The training ratings."""
        seen: Interactions = self._model.seen
        return seen

    @property
    def fold_in(self) -> FoldIn:
        """How a user's vector follows from his ratings; worked out when first used.

        Raises:
            ConfigError: If the model has no vectors.
        """
        if self._fold is None:
            self._need_vectors("New users and explanations")
            with torch.no_grad():
                self._fold = _fold_in(self._model, self.seen)
        return self._fold

    @torch.no_grad()
    def recommend(
        self,
        user: Any = None,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        ratings: Mapping[Any, float] | Sequence[Any] | None = None,
    ) -> Recommendations:
        """Recommend items to one user.

        Args:
            user: Name of a user, or ``None`` for a new one.
            k: How many items; fewer come back where there are not as many.
            exclude_seen: Leave out what he has had, and what is in ``ratings``.
            ratings: Ratings by name of item, or a list of items he had, the last one last.
                His vector is solved from them and from what he had in training, exactly;
                nothing is trained. A user without any gets what is popular.

        Raises:
            DataError: If a name is not known; suggests the nearest.
            ConfigError: If ``k`` is below 1, or the model cannot take new users.
        """
        _check_k(k)
        rows, why = self._rows(user, ratings)
        if why == "trained":
            scores = self.score_users(torch.tensor([self._user(user)]))
        elif why == "ratings":
            scores = self._squash(self.fold_in.scores(rows))
        else:
            scores = self._popular()[None]
        scores = self._offered(scores.clone())
        if exclude_seen:
            rows.hide(scores)
        return self._found(scores[0], k, why)

    @torch.no_grad()
    def recommend_all(
        self, k: int = 10, users: Sequence[Any] | None = None, *, exclude_seen: bool = True
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Recommend items to many users at once.

        Args:
            k: How many items each.
            users: Names; every user of the vocabulary, by position, if ``None``.
            exclude_seen: Leave out what each has had.

        Returns:
            Positions of items ``(U, k)`` and scores ``(U, k)``, best first. Where a user has
            fewer than ``k`` items left, position 0 with a score of minus infinity. Users
            whom training did not see get what is popular, as position 0 does.
        """
        _check_k(k)
        names = range(self.seen.n_users) if users is None else [self._user(u) for u in users]
        places = torch.tensor(list(names), dtype=torch.int64)
        items = np.zeros((len(places), k), dtype=np.int64)
        values = np.full((len(places), k), -math.inf, dtype=np.float32)
        step = max(1, _BLOCK // self.seen.n_items)
        for at in range(0, len(places), step):
            block = places[at : at + step]
            scores = self._offered(self.score_users(block).clone())
            if exclude_seen:
                self.seen.take(block).hide(scores)
            best = torch.topk(scores, min(k, self.seen.n_items))
            rows, width = slice(at, at + len(block)), best.values.shape[1]
            values[rows, :width] = best.values.float().cpu().numpy()
            items[rows, :width] = best.indices.cpu().numpy()
        items[np.isneginf(values)] = 0
        return items, values

    @torch.no_grad()
    def similar_items(self, item: Any, k: int = 10) -> Recommendations:
        """Items whose vectors have the largest cosine with that of ``item``.

        Args:
            item: Its name.
            k: How many.

        Raises:
            DataError: If it is not known, or no one had it.
            ConfigError: If ``k`` is below 1, or the model has no vectors of items.
        """
        _check_k(k)
        self._need_vectors("Similar items")
        place = self._item(item)
        if not int(self._popular()[place]):
            raise DataError(
                problem(
                    "Expected an item that someone had in training",
                    f"item={item!r}",
                    "Its vector means nothing; choose another.",
                )
            )
        vectors = nn.functional.normalize(self._model.item_vectors(), dim=1)
        scores = self._offered((vectors @ vectors[place])[None].clone())
        scores[0, place] = -math.inf
        return self._found(scores[0].clamp(max=1.0), k, "similar")

    @torch.no_grad()
    def explain_recommendation(
        self, user: Any, item: Any, *, ratings: Mapping[Any, float] | Sequence[Any] | None = None
    ) -> Explanation:
        """Say which of the user's items carry the score of ``item``.

        The user's vector is solved from his ratings with the items' vectors as they are. So
        it is linear in what each rating adds, and a linear score is exactly a sum over them.
        Where scores are squashed into a range, the shares are scaled to sum to what the
        squashed score gains (the rescale rule of DeepLIFT, Shrikumar et al. 2017). What the
        trained vector of a user says beyond that is ``rest``.

        Args:
            user: Name of a user, or ``None`` for a new one.
            item: Name of the item.
            ratings: As for ``recommend``.

        Raises:
            DataError: If a name is not known, or the user has no ratings.
            ConfigError: If the model has no vectors.
        """
        rows, why = self._rows(user, ratings)
        if why == "popularity":
            raise DataError(
                problem(
                    "Expected a user with ratings to explain by",
                    f"user={user!r} without any",
                    "Pass `ratings={item: rating}`.",
                )
            )
        place = self._item(item)
        parts = self.fold_in.parts(rows, place)
        gain = float(parts.share.sum())
        gain = gain if abs(gain) > _FLAT else _FLAT
        line = parts.share.new_tensor([parts.base, parts.base + gain])
        base, end = self._squash(line).tolist()
        share = parts.share * ((end - base) / gain)
        score = base + float(share.sum())
        rest = 0.0
        if why == "trained":
            trained = self.score_users(torch.tensor([self._user(user)]))
            score, rest = float(trained[0, place]), float(trained[0, place]) - score
        order = torch.argsort(share, descending=True, stable=True)
        had = rows.items.long()[order].tolist()
        return Explanation(
            item=self._codec.label(place),
            score=score,
            base=base,
            items=tuple(self._codec.label(one) for one in had),
            contributions=tuple(share[order].tolist()),
            rest=rest,
            method=parts.method,
        )

    @torch.no_grad()
    def score_users(self, users: Tensor) -> Tensor:
        """Scores of all items for some users: ratings, where the model predicts ratings.

        Args:
            users: Positions ``(U,)``. Of those without training ratings the scores are how
                many had each item.

        Returns:
            ``(U, n_items)``; nothing is hidden.
        """
        device = self.seen.ptr.device
        users = users.to(device)
        if hasattr(self._model, "user_vectors"):
            linear = self._model.user_vectors(users) @ self._model.item_vectors().T
            linear = linear + self._model.user_biases(users).reshape(-1, 1)
            scores = self._squash(linear + self._model.item_biases().reshape(1, -1))
        else:
            scores = self._model.score_users(users)
        new = self.seen.counts()[users] == 0
        return torch.where(new[:, None], self._popular().to(scores.dtype), scores)

    def _squash(self, scores: Tensor) -> Tensor:
        squashed: Tensor = self._model.squash(scores)
        return squashed

    def _popular(self) -> Tensor:
        """How many had each item, ``(n_items,)`` float; counted once."""
        if self._popularity is None or self._popularity.device != self.seen.ptr.device:
            self._popularity = self.seen.popularity().float()
        return self._popularity

    def _offered(self, scores: Tensor) -> Tensor:
        """Hide, in place, what is never recommended."""
        scores[:, self._popular() == 0] = -math.inf
        scores[:, 0] = -math.inf
        return scores

    def _found(self, scores: Tensor, k: int, why: str) -> Recommendations:
        best = torch.topk(scores, min(k, len(scores)))
        kept = int(torch.isfinite(best.values).sum())
        places = tuple(best.indices[:kept].tolist())
        names = tuple(self._codec.label(place) for place in places)
        return Recommendations(names, tuple(best.values[:kept].tolist()), why, places)

    def _rows(
        self, user: Any, ratings: Mapping[Any, float] | Sequence[Any] | None
    ) -> tuple[Interactions, str]:
        """What one user has had: in training, if he is known, and since."""
        given = self._given(ratings)
        place = 0
        if user is not None:
            place = self._known(user) if given else self._user(user)
        had, values = self.seen.of_user(place)
        if not place:
            had, values = had[:0], values[:0]
        elif given:
            again = torch.isin(had, torch.tensor(list(given), device=had.device))
            had, values = had[~again], values[~again]
        new = torch.tensor(list(given.values()), dtype=values.dtype, device=values.device)
        items = torch.cat([had, torch.tensor(list(given), dtype=had.dtype, device=had.device)])
        rows = Interactions(1, self.seen.n_items)
        rows.items, rows.values = items.int(), torch.cat([values, new])
        rows.ptr = torch.tensor([0, len(items)], device=items.device)
        rows.ordered = self.seen.ordered
        return rows, "ratings" if given else "trained" if len(items) else "popularity"

    def _given(self, ratings: Mapping[Any, float] | Sequence[Any] | None) -> dict[int, float]:
        if ratings is None:
            return {}
        if isinstance(ratings, str):
            ratings = [ratings]
        if isinstance(ratings, Mapping):
            given = {self._item(name): _rating(name, value) for name, value in ratings.items()}
            self._say_if_outside(given)
        else:
            if self._rates() and len(ratings):
                raise DataError(
                    problem(
                        "Expected a rating with each item, since the model predicts ratings",
                        f"ratings={list(ratings)!r:.80}",
                        "Write ratings={'Star Wars (1977)': 5}.",
                    )
                )
            given = {self._item(name): 1.0 for name in ratings}
        return given

    def _say_if_outside(self, given: Mapping[int, float]) -> None:
        """Warn of ratings beyond those of training: they may be of another scale."""
        values = self.seen.values
        if not self._rates() or not len(values):
            return
        low, high = (float(end) for end in values.aminmax())
        for item, value in given.items():
            if not low <= value <= high:
                log.warning(
                    "The rating of %r is %g, while those in training range from %g to %g.",
                    *(self._codec.label(item), value, low, high),
                )

    def _rates(self) -> bool:
        """Whether the value of a rating matters, and is not just that there is one."""
        return self.seen.implicit is None and not _compares(self._model)

    def _user(self, name: Any) -> int:
        return self._codec.position(name, is_item=False)

    def _known(self, user: Any) -> int:
        """Position of a user, 0 if he is new."""
        names = {self._codec.user_name: user, self._codec.item_name: NEW}
        return int(self._codec.encode_table([names])[0][0, 0])

    def _item(self, name: Any) -> int:
        return self._codec.position(name, is_item=True)

    def _need_vectors(self, what: str) -> None:
        if not hasattr(self._model, "item_vectors"):
            raise ConfigError(
                problem(
                    f"{what} need a model with a vector for each user and item",
                    f"model={type(self._model).__name__}",
                    "Use the dot-product model: `collab_learner(dls, use_nn=False)`.",
                )
            )


def _fold_in(model: Any, seen: Interactions) -> FoldIn:
    if (how := seen.implicit) is not None:
        return ImplicitFoldIn(model.item_vectors().detach(), how)
    if _compares(model):
        return SoftmaxFoldIn(model, seen)
    return ExplicitFoldIn.of(model, seen)


def _compares(model: Any) -> bool:
    """Whether the model was trained to score items above others, and not to rate them."""
    return bool(getattr(model, "negatives", False))


def _rating(item: Any, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise DataError(
            problem("Expected ratings that are numbers", f"{item}={value!r}", "Leave it out.")
        )
    return number


def _check_k(k: int) -> None:
    if k < 1:
        raise ConfigError(problem("Expected `k` of 1 or more", f"k={k}", "It counts items."))
