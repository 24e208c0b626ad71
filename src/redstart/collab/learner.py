"""Learners that rate, rank and recommend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redstart.collab.als import fit_als
from redstart.collab.baseline import Comparison, compare_rankings
from redstart.collab.build import Recipe, prepare
from redstart.collab.bundle import Ratings
from redstart.collab.codec import CollabCodec
from redstart.collab.domain import DOMAIN
from redstart.collab.interactions import Interactions
from redstart.collab.model import Range, checked_range
from redstart.collab.pictures import pca, plot_bias, plot_factors
from redstart.collab.preference import PreferenceTarget
from redstart.collab.ranking import Ranking, rank
from redstart.collab.recommend import Explanation, Recommendations, Recommender
from redstart.collab.rivals import biases, neighbours, recommendations_chapter
from redstart.collab.warmth import Warmth, by_warmth
from redstart.config import JSON
from redstart.data.loaders import DataLoaders
from redstart.errors import ConfigError, problem
from redstart.show.drawing import Drawing
from redstart.train.callback import Callback, as_callbacks
from redstart.train.learner import Learner
from redstart.train.recorder import Recorder
from redstart.train.run import Run

__all__ = ["CollabLearner", "collab_learner"]


def collab_learner(
    dls: DataLoaders,
    n_factors: int = 50,
    use_nn: bool = False,
    emb_szs: Mapping[str, int] | None = None,
    layers: Sequence[int] | None = None,
    config: Mapping[str, Any] | None = None,
    y_range: Range = None,
    loss_func: Any = None,
    **options: Any,
) -> CollabLearner:
    """Make a learner of ratings, or of what was clicked, played or bought.

    Args:
        dls: Loaders made by ``CollabDataLoaders``.
        n_factors: Numbers in the vector of a user or an item.
        use_nn: Whether a network rates the two vectors, rather than their product.
        emb_szs: With ``use_nn``, length of the vectors by column; by the number of
            names if left out.
        layers: With ``use_nn``, widths of the hidden layers.
        config: Other arguments of the model, such as ``{"embed_p": 0.1}``.
        y_range: Lowest and highest rating, both excluded: (0.5, 5.5) for 1 to 5 stars.
        loss_func: Replaces the loss that goes with the target.
        **options: ``arch``: ``"dot"`` (vectors and biases: the course's model), ``"svd++"`` (the
            most accurate for ratings; batches of a fortieth of the rows, 10 to 20 epochs
            at a rate of 0.02) or ``"nn"``. ``loss``: ``"squared"``, or for what was taken
            ``"softmax"`` or ``"pairwise"`` (BPR), 20 epochs. ``negatives``: how many items
            a row is compared with then. And everything that ``Learner`` takes.

    Raises:
        ConfigError: If the loaders hold no ratings, or options do not go together.
    """
    codec = _codec(dls)
    arch = options.pop("arch", "nn" if use_nn else "dot")
    if use_nn and arch != "nn":
        raise ConfigError(
            problem("Expected one model", f"use_nn=True, arch={arch!r}", "Leave one of them out.")
        )
    given = Recipe(
        n_factors=n_factors,
        arch=arch,
        emb_szs=dict(emb_szs or {}),
        layers=None if layers is None else tuple(layers),
        config=dict(config or {}),
        y_range=checked_range(y_range),
        loss=options.pop("loss", None),
        negatives=options.pop("negatives", None),
    )
    made = prepare(dls, given)
    model: Any = DOMAIN.build(made.recipe, seed=dls.seed)
    model.seen = made.seen
    if hasattr(model, "know"):
        model.know(*codec.keys)
    if loss_func is not None:
        if given.arch == "svd++":
            raise ConfigError(
                problem(
                    "Expected no `loss_func` for arch='svd++', whose loss has a penalty",
                    f"loss_func={loss_func!r:.60}",
                    "Leave it out, or use arch='dot'.",
                )
            )
        options["loss_func"] = loss_func
    rated = not isinstance(made.dls.target, PreferenceTarget)
    told = {"rivals": (biases, neighbours) if rated else (), "chapters": (recommendations_chapter,)}
    settings = {**made.settings, "recipe": made.recipe, "facts": {}, **told, **options}
    settings["cbs"] = [*as_callbacks(settings.get("cbs")), _ForgetALS(settings["facts"])]
    return CollabLearner(made.dls, model, **settings)


@final
class CollabLearner(Learner):
    """A ``Learner`` that also recommends, says why, and draws what it learnt about items."""

    @property
    def recommender(self) -> Recommender:
        """Recommends with the model as it is now."""
        return Recommender(self.model.eval(), _codec(self.dls))

    def recommend(
        self,
        user: Any = None,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        ratings: Ratings | None = None,
    ) -> Recommendations:
        """Recommend items to a user, or to a new one; see ``Recommender.recommend``.

        Args:
            user: Name of a user; ``None`` for a new one.
            k: How many items.
            exclude_seen: Leave out what the user had.
            ratings: Of a new user, or newer ones: a mapping from item to rating, or a
                list of items.
        """
        return self.recommender.recommend(user, k, exclude_seen=exclude_seen, ratings=ratings)

    def recommend_all(
        self, k: int = 10, users: Sequence[Any] | None = None, *, exclude_seen: bool = True
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Recommend to many users at once; see ``Recommender.recommend_all``."""
        return self.recommender.recommend_all(k, users, exclude_seen=exclude_seen)

    def similar_items(self, item: Any, k: int = 10) -> Recommendations:
        """Items that the same people like; see ``Recommender.similar_items``."""
        return self.recommender.similar_items(item, k)

    def explain_recommendation(
        self, user: Any, item: Any, *, ratings: Ratings | None = None
    ) -> Explanation:
        """Say which of a user's items carry the score of one; see ``Recommender``."""
        return self.recommender.explain_recommendation(user, item, ratings=ratings)

    def fit_als(self, n_iter: int = 10, **settings: Any) -> Ranking:
        """Train by alternating least squares, for what was taken; see ``als.fit_als``.

        Nothing that was trained before is kept.

        Args:
            n_iter: Sweeps over users and items.
            **settings: ``reg``, ``alpha``, ``half_life``, ``by_value``.

        Returns:
            How well the validation rows are ranked.

        Raises:
            NoValidationSetError: If there are no validation rows.
            ConfigError: If the loaders hold ratings, or the model cannot be trained so.
        """
        self.dls.require_valid()
        if not isinstance(self.dls.target, PreferenceTarget):
            raise ConfigError(
                problem(
                    "Expected loaders of what was taken: ALS scores are no ratings",
                    repr(self.dls),
                    "Make them with `implicit=True`, or the learner with loss='softmax'.",
                )
            )
        model: Any = self.model
        how = fit_als(model, model.seen, n_iter, seed=self.dls.seed, **settings)
        found = self.ranking()
        self.facts["als"] = {"n_iter": n_iter, "how": str(how)}
        figures = {f"{name}@{found.k}": found[name] for name in ("ndcg", "recall")}
        self.recorder = Recorder(
            rows=[{name: figure.value for name, figure in figures.items()}],
            intervals={name: figure.interval for name, figure in figures.items()},
            n_valid=found.n_held,
        )
        return found

    def ranking(self, k: int = 10) -> Ranking:
        """Rank the whole catalogue for each user with validation rows: NDCG, recall, ...

        Every validation row is an item to be found, whatever its rating.

        Args:
            k: Length of the lists.
        """
        return rank(self.recommender, self._held_out(), k, name=type(self.model).__name__)

    def rankings(self, k: int = 10) -> Comparison:
        """Rank by the model, by popularity and by item neighbours, for the same users, in pairs.

        Args:
            k: Length of the lists that are compared.
        """
        name = type(self.model).__name__
        return compare_rankings(self.recommender, self._held_out(), k, name=name)

    def by_warmth(self) -> Warmth:
        """Measure validation rows of users and items that training did not see apart."""
        self.dls.require_valid()
        found = self.collect()
        squared = not isinstance(self.dls.target, PreferenceTarget)
        losses = (found.acts - found.targets).square().flatten() if squared else found.losses
        assert losses is not None  # noqa: S101 - validation rows have targets
        return by_warmth(_positions(self.dls.valid), losses, squared=squared)

    def plot_item_bias(self, n: int = 10, *, min_count: int = 20, **options: Any) -> Drawing:
        """Draw which items are liked most and least, whatever the users' tastes.

        Args:
            n: How many of each.
            min_count: Only items with so many training ratings or more.
            **options: ``figsize``.
        """
        rows, names, counts = self._items(min_count)
        model: Any = self.model.eval()
        with torch.no_grad():
            biases = model.item_biases()[rows].cpu().numpy()
        return plot_bias(names, biases, counts, n, **options)

    def plot_item_factors(
        self, n: int = 150, n_labels: int = 45, *, min_count: int = 1, **options: Any
    ) -> Drawing:
        """Draw the most rated items where their vectors differ most: near means alike.

        Args:
            n: How many items.
            n_labels: How many are named at most; names never overlap.
            min_count: Only items with so many training ratings or more.
            **options: ``figsize``.
        """
        rows, names, counts = self._items(min_count)
        top = np.argsort(-counts, kind="stable")[:n]
        model: Any = self.model.eval()
        with torch.no_grad():
            vectors = model.item_vectors()[rows[torch.from_numpy(top)]].cpu()
        points = pca(vectors, 2).numpy()
        return plot_factors([names[i] for i in top], points, counts[top], n_labels, **options)

    def _items(self, min_count: int) -> tuple[Tensor, list[str], NDArray[np.int64]]:
        """Positions, names and counts of items that have vectors and enough ratings."""
        model: Any = self.model
        if not hasattr(model, "item_vectors"):
            raise ConfigError(
                problem(
                    "Expected a model with a vector and a bias for each item",
                    f"model={type(model).__name__}",
                    "Use arch='dot' or arch='svd++'.",
                )
            )
        counts = model.seen.popularity()
        rows = torch.nonzero(counts >= max(1, min_count))[:, 0]
        if len(rows) < 2:
            raise ConfigError(
                problem(
                    "Expected two items or more with so many ratings",
                    f"min_count={min_count}, most ratings of an item: {int(counts.max())}",
                    "Lower `min_count`.",
                )
            )
        codec = _codec(self.dls)
        names = [codec.label(row) for row in rows.tolist()]
        return rows, names, counts[rows].cpu().numpy()

    def _held_out(self) -> Interactions:
        self.dls.require_valid()
        codec, x = _codec(self.dls), _positions(self.dls.valid)
        return Interactions.of(x[:, 0], x[:, 1], None, codec.n_users, codec.n_items)


@final
@dataclass(eq=False)
class _ForgetALS(Callback):
    """A model that is trained otherwise is no longer what ALS made of it.

    Attributes:
        facts: Of the learner.
    """

    order: ClassVar[int] = 90  # after the range test, which is no training
    facts: dict[str, JSON]

    def before_fit(self, run: Run) -> None:
        """Users' vectors no longer follow from the items' as ALS has them."""
        if isinstance(seen := getattr(run.model, "seen", None), Interactions):
            seen.solve_by(None)

    def before_validate(self, run: Run) -> None:
        """Nor is it said."""
        self.facts.pop("als", None)


def _codec(dls: DataLoaders) -> CollabCodec:
    codec = dls.codec
    if not isinstance(codec, CollabCodec):
        raise ConfigError(
            problem(
                "Expected loaders of users and items",
                repr(dls),
                "Make them with `CollabDataLoaders.from_df(ratings)`.",
            )
        )
    return codec


def _positions(loader: Any) -> Tensor:
    """Positions of users and items, ``(N, 2)``, in the order of an unshuffled loader."""
    data = loader.dataset
    found: Tensor = data.encoded()[0]
    return found
