"""Boosted trees of LightGBM and scikit-learn behind one call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["TREES", "Features", "Predict", "Task", "Trees"]

Features = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Codes of categories ``(N, n_cat)`` and numbers ``(N, n_cont)``."""

Floats = NDArray[np.float64]
Predict = Callable[[Features], Floats]
"""Probabilities of the classes, ``(N, n)``, or numbers, ``(N,)``."""

_RATE = 0.05
_MOST = 3000  # rounds
_PATIENCE = 50
_FEW = 300  # training rows below which a tenth of them tells nothing
_USUAL = 100  # rounds then
_MOST_CATEGORIES = 254  # that scikit-learn's trees tell apart; of more, codes are numbers


@dataclass(frozen=True, slots=True)
class Task:
    """What trees learn.

    Attributes:
        kind: Classes, numbered from 0, or a number.
        n: Number of classes.
    """

    kind: Literal["classes", "number"]
    n: int


class Trees(ABC):
    """One library of boosted trees."""

    name: ClassVar[str]
    package: ClassVar[str]

    @abstractmethod
    def fit(
        self, x: Features, y: Floats, weights: Floats, task: Task, rounds: int, seed: int
    ) -> Predict:
        """Train for so many rounds."""

    @abstractmethod
    def rounds(
        self,
        x: Features,
        y: Floats,
        weights: Floats,
        task: Task,
        held: NDArray[np.bool_],
        seed: int,
    ) -> int:
        """Train on rows that are not held out while those held out gain, and count the rounds.

        scikit-learn draws as many rows by itself.
        """

    def fit_best(
        self, x: Features, y: Floats, weights: Floats, task: Task, seed: int
    ) -> tuple[Predict, int]:
        """Find the number of rounds on a tenth of the rows, and train on all of them.

        Args:
            x: Training rows.
            y: Class numbers, or numbers, ``(N,)``.
            weights: How much each row counts, ``(N,)``.
            task: What to learn.
            seed: Draws the tenth, and seeds the trees.

        Returns:
            What predicts, and the number of rounds.
        """
        held = _a_tenth(y, task, seed)
        rounds = self.rounds(x, y, weights, task, held, seed) if held.any() else _USUAL
        return self.fit(x, y, weights, task, rounds, seed), rounds


@final
class LightGBM(Trees):
    """LightGBM (Ke et al., 2017)."""

    name = "LightGBM"
    package = "lightgbm"

    def fit(
        self, x: Features, y: Floats, weights: Floats, task: Task, rounds: int, seed: int
    ) -> Predict:
        import lightgbm

        booster = lightgbm.train(_lightgbm(task, seed), self._data(x, y, weights), rounds)
        return lambda rows: np.asarray(self._proba(booster.predict(_joined(rows)), task))

    def rounds(
        self,
        x: Features,
        y: Floats,
        weights: Floats,
        task: Task,
        held: NDArray[np.bool_],
        seed: int,
    ) -> int:
        import lightgbm

        data = self._data(*_part(x, y, weights, ~held))
        judge = self._data(*_part(x, y, weights, held), reference=data)
        stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
        found = lightgbm.train(
            _lightgbm(task, seed), data, _MOST, valid_sets=[judge], callbacks=[stop]
        )
        return max(1, found.best_iteration)

    def _data(self, x: Features, y: Floats, weights: Floats, reference: Any = None) -> Any:
        import lightgbm

        return lightgbm.Dataset(
            _joined(x),
            y,
            weight=weights,
            categorical_feature=list(range(x[0].shape[1])),
            reference=reference,
            params={"verbosity": -1},
        )

    def _proba(self, found: Any, task: Task) -> Any:
        if task.kind == "number":
            return found
        return np.stack([1 - found, found], axis=1) if task.n == 2 else found


@final
class HistTrees(Trees):
    """scikit-learn's histogram-based gradient boosting."""

    name = "scikit-learn's HistGradientBoosting"
    package = "sklearn"

    def fit(
        self, x: Features, y: Floats, weights: Floats, task: Task, rounds: int, seed: int
    ) -> Predict:
        model = _hist(x, task, seed, max_iter=rounds, early_stopping=False)
        model.fit(_joined(x), y, sample_weight=weights)
        return lambda rows: np.asarray(
            model.predict(_joined(rows))
            if task.kind == "number"
            else model.predict_proba(_joined(rows))
        )

    def rounds(
        self,
        x: Features,
        y: Floats,
        weights: Floats,
        task: Task,
        held: NDArray[np.bool_],
        seed: int,
    ) -> int:
        if task.kind == "classes" and (
            held.sum() < task.n or np.bincount(y.astype(np.int64)).min() < 2
        ):
            return _USUAL  # scikit-learn holds out rows of every class, and cannot
        model = _hist(
            x,
            task,
            seed,
            max_iter=_MOST,
            early_stopping=True,
            n_iter_no_change=_PATIENCE // 2,
            validation_fraction=float(held.mean()),
        )
        model.fit(_joined(x), y, sample_weight=weights)
        # The best round came before those in which nothing was gained.
        return max(1, int(np.argmax(model.validation_score_)))


TREES: Final[Mapping[str, Trees]] = {"lightgbm": LightGBM(), "hist": HistTrees()}


def _lightgbm(task: Task, seed: int) -> dict[str, Any]:
    several = {"objective": "multiclass", "num_class": task.n}
    one = {"objective": "binary" if task.kind == "classes" else "regression"}
    return {
        **(several if task.kind == "classes" and task.n > 2 else one),
        "learning_rate": _RATE,
        "num_leaves": 31,
        "feature_fraction": 0.9,
        "bagging_fraction": 0.9,
        "bagging_freq": 1,
        "seed": seed & 0x7FFFFFFF,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }


def _hist(x: Features, task: Task, seed: int, **options: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = (
        HistGradientBoostingRegressor if task.kind == "number" else HistGradientBoostingClassifier
    )
    few = [bool(column.max(initial=0) < _MOST_CATEGORIES) for column in x[0].T]
    return kind(
        learning_rate=_RATE,
        categorical_features=[*few, *[False] * x[1].shape[1]],
        random_state=seed & 0x7FFFFFFF,
        **options,
    )


def _joined(x: Features) -> Floats:
    return np.concatenate([x[0].astype(np.float64), x[1].astype(np.float64)], axis=1)


def _part(
    x: Features, y: Floats, weights: Floats, rows: NDArray[np.bool_]
) -> tuple[Features, Floats, Floats]:
    return (x[0][rows], x[1][rows]), y[rows], weights[rows]


def _a_tenth(y: Floats, task: Task, seed: int) -> NDArray[np.bool_]:
    """Every tenth row in an order drawn by ``seed``, of each class; none of few rows."""
    held = np.zeros(len(y), dtype=bool)
    if len(y) < _FEW:
        return held
    order = np.random.default_rng(seed).permutation(len(y))
    if task.kind == "classes":
        order = order[np.argsort(y[order], kind="stable")]
    held[order[4::10]] = True
    if task.kind == "classes" and len(np.unique(y[~held])) < task.n:
        held[:] = False
    return held
