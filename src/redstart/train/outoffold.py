"""Predictions of labelled rows by models that never saw their labels."""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, final, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redstart.data.dataset import Dataset, ItemDataset
from redstart.data.loader import Loader
from redstart.data.table_dataset import TableDataset
from redstart.data.target import Target
from redstart.errors import ConfigError, DataError, problem
from redstart.show.progress import quietly, track
from redstart.targets.category import CategoryTarget
from redstart.train.linear import fit_linear, rows_worth
from redstart.train.predict import in_order
from redstart.train.rowfeatures import body_features, columns_of, handmade_features

if TYPE_CHECKING:
    from redstart.train.learner import Learner

__all__ = ["OutOfFold", "OutOfFoldSource", "deal", "labelled_rows", "out_of_fold"]

log = logging.getLogger("redstart")

OutOfFoldSource = Literal["auto", "body", "trees", "handmade", "model"]
Ints = NDArray[np.int64]

_MODEL_FOLDS = 3
_SAID = {
    "body": "a linear model on what the pretrained body gives",
    "trees": "boosted trees",
    "handmade": "a linear model on features made by hand",
    "model": "copies of the model, trained anew",
}


@final
@dataclass(frozen=True, slots=True, eq=False)
class OutOfFold:
    """Training and validation rows as models see them that were fitted on others.

    Attributes:
        data: The rows, encoded as for validation; the other fields are in its order.
        rows: Row numbers, ``(N,)``.
        valid: Which of them are validation rows, ``(N,)``.
        given: Their labels: class numbers ``(N,)``, zeros and ones ``(N, C)``, or numbers
            ``(N, K)``.
        predicted: Probabilities ``(N, C)``, or numbers ``(N, K)``, float64.
        source: What predicted them: ``body``, ``trees``, ``handmade`` or ``model``.
        folds: How many models; each saw all folds but one.
        left_out: Row numbers that nothing can be said about: no other row of their class.
    """

    data: Dataset
    rows: Ints
    valid: NDArray[np.bool_]
    given: NDArray[Any]
    predicted: NDArray[np.float64]
    source: str
    folds: int
    left_out: Ints

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def said(self) -> str:
        """How they were made, in words."""
        return f"{_SAID[self.source]} ({self.folds} folds)"


def out_of_fold(learn: Learner, *, folds: int = 5, source: OutOfFoldSource = "auto") -> OutOfFold:
    """Predict every training and validation row by models fitted on the others.

    Sealed test rows are neither read nor predicted. Rows of one group stay in one fold
    (``dls.with_groups``), and so do rows that have the very same features. What it costs, by
    ``source``:

    - ``body``: one forward pass of the pretrained body per row, unless ``fine_tune`` kept what
      it gave; then seconds. A body that was trained on these labels since has memorised some
      of the wrong ones; it is used only where nothing was kept.
    - ``trees``: of tables; seconds, up to a minute for 100,000 rows.
    - ``handmade``: a few milliseconds per row; a weaker judge.
    - ``model``: as many fits as folds, each as long as the last one (``folds`` is 3 at most).
      For models without a pretrained body.

    Args:
        learn: Its loaders are read; the model itself is left alone.
        folds: How often to leave rows out and fit on the others.
        source: What predicts; the first of these that there is if ``"auto"``.

    Raises:
        ConfigError: If there is no such source for this learner, or targets are neither
            labels nor numbers.
        DataError: If there are too few rows.
    """
    if folds < 2:
        raise ConfigError(problem("Expected `folds` of 2 or more", f"folds={folds}", "Try 5."))
    if source not in get_args(OutOfFoldSource):
        there = ", ".join(get_args(OutOfFoldSource))
        raise ConfigError(problem(f"Expected one of {there}", f"source={source!r}", "Try 'auto'."))
    learn.check()
    data, valid = labelled_rows(learn)
    if len(data) < 2 * folds:
        raise DataError(
            problem(f"Expected {2 * folds} rows or more", f"{len(data)}", "Try fewer `folds`.")
        )
    labels = data.labels
    assert labels is not None  # noqa: S101 - `labelled_rows` looked
    given = labels[0].cpu()
    chosen, features = _features(learn, data, source)
    n_folds = min(folds, _MODEL_FOLDS) if chosen == "model" else folds
    where = _folds(learn, data, given, n_folds, features if chosen != "trees" else None)
    fit = _fitter(learn, data, chosen, features)
    predicted, known = np.zeros((len(data), data.target.n_out)), np.ones(len(data), dtype=bool)
    for number in track(range(n_folds), n_folds, f"Out of fold: {_SAID[chosen]}"):
        held, rest = np.flatnonzero(where == number), np.flatnonzero(where != number)
        if len(held):
            predicted[held] = fit(rest, held).double().numpy()
        if isinstance(data.target, CategoryTarget):
            known[held] = np.isin(given[held].numpy(), given[rest].numpy())
    rows = np.array(data.rows, dtype=np.int64)
    return OutOfFold(
        data=data.rows_at(np.flatnonzero(known).tolist()),
        rows=rows[known],
        valid=valid[known],
        given=given.numpy()[known],
        predicted=predicted[known],
        source=chosen,
        folds=n_folds,
        left_out=rows[~known],
    )


def deal(strata: Ints, groups: Ints, folds: int, seed: int) -> Ints:
    """Deal rows to folds: groups stay whole, and every fold gets its share of every stratum.

    Args:
        strata: Class of each row, ``(N,)``.
        groups: Group of each row, ``(N,)``.
        folds: How many.
        seed: Shuffles the groups.

    Returns:
        The fold of each row, ``(N,)``.
    """
    _, first, unit, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    shuffled = np.random.default_rng(seed).permutation(len(first))
    kinds = strata[first]
    # Class by class, large groups first: what comes last evens out.
    order = shuffled[np.lexsort((-sizes[shuffled], kinds[shuffled]))]
    if len(sizes) == len(groups):
        fold = np.empty(len(first), dtype=np.int64)
        fold[order] = np.arange(len(order)) % folds
        return fold[unit]
    fold = np.zeros(len(first), dtype=np.int64)
    of_kind = np.zeros((int(strata.max(initial=0)) + 1, folds))
    total = np.zeros(folds)
    for group in order:
        loads = of_kind[kinds[group]]
        fold[group] = number = int(np.lexsort((total, loads))[0])
        loads[number] += sizes[group]
        total[number] += sizes[group]
    return fold[unit]


def labelled_rows(learn: Learner) -> tuple[Dataset, NDArray[np.bool_]]:
    """Training and validation rows as one data set, and which of them validate, ``(N,)``.

    Raises:
        ConfigError: If the loaders hold plain batches, or targets are neither labels nor numbers.
    """
    sets = learn.dls.datasets()
    parts = [sets[name] for name in ("train", "valid") if name in sets]
    if not parts:
        raise ConfigError(
            problem(
                "Expected loaders made by a `DataBlock` or a `*DataLoaders` factory",
                repr(learn.dls),
                "Plain batches have no rows to review.",
            )
        )
    target = parts[0].target
    if target.truth_kind == "other" or any(data.labels is None for data in parts):
        raise ConfigError(
            problem(
                "Expected one label per row, several, or numbers",
                f"a target of kind {target.kind!r}",
                "Look at the rows with the largest losses instead: Interpretation.",
            )
        )
    index = tuple(row for data in parts for row in data.rows)
    valid = np.repeat(np.arange(len(parts)) > 0, [len(data) for data in parts])
    return _joined(parts, index), valid


def _joined(parts: list[Dataset], index: tuple[int, ...]) -> Dataset:
    first = parts[0]
    if isinstance(first, ItemDataset):
        return ItemDataset.of(first.source, index, first.codec, first.target, cache=first.cache)
    tables = [data for data in parts if isinstance(data, TableDataset)]
    labels = [data.labels or () for data in tables]
    table, rows = tables[0], torch.tensor(index, dtype=torch.int64)
    whole = tuple(torch.cat(slot) for slot in zip(*labels, strict=True))
    if table.places is not None:
        places = torch.cat([data.places for data in tables if data.places is not None])
        return replace(table, index=rows, places=places, labels=whole, weights=None)
    columns = [data.columns for data in tables]
    joined = tuple(torch.cat(slot) for slot in zip(*columns, strict=True))
    return replace(table, index=rows, columns=joined, labels=whole, weights=None)


def _features(learn: Learner, data: Dataset, source: OutOfFoldSource) -> tuple[str, Tensor | None]:
    """The source to use, and the features of all rows; ``None`` for copies of the model."""
    makers: dict[str, Callable[[], Tensor | None]] = {
        "body": lambda: body_features(learn, data),
        "trees": lambda: columns_of(data),
        "handmade": lambda: handmade_features(learn, data),
    }
    order = [source] if source != "auto" else ["body", "trees", "model", "handmade"]
    for name in order:
        if name == "model":
            if learn.recipe is not None and learn.pretrained_body is None and learn.recorder.lrs:
                return name, None
        elif (features := makers[name]()) is not None:
            return name, features
    raise ConfigError(
        problem(
            "Expected a pretrained body, a table, features made by hand, or a model that was "
            "trained and can be built again",
            f"source={source!r}, {type(learn.model).__name__} for {data.codec.kind!r} inputs"
            f"{'' if learn.recorder.lrs else ', not trained yet'}",
            "Call `fit` first, or make the learner with its domain's function "
            "(`vision_learner`, ...), which knows how to build the model again.",
        )
    )


def _folds(
    learn: Learner, data: Dataset, given: Tensor, folds: int, features: Tensor | None
) -> Ints:
    """The fold of each row; rows of one group, or with the very same features, in one."""
    groups = np.arange(len(data), dtype=np.int64)
    if features is not None:
        kept = features.half().numpy()
        _, groups = np.unique(kept.view(np.uint8), axis=0, return_inverse=True)
        groups = groups.reshape(-1).astype(np.int64)
    if learn.dls.groups is not None:
        told = learn.dls.groups[torch.tensor(data.rows)].numpy()
        groups = np.where(told >= 0, told, groups + int(told.max(initial=0)) + 1)
    one_class = isinstance(data.target, CategoryTarget)
    strata = given.numpy() if one_class else np.zeros(len(data), dtype=np.int64)
    return deal(strata, groups, folds, learn.dls.seed)


Fit = Callable[[Ints, Ints], Tensor]
"""From positions to learn from and positions to predict to activations of these."""


def _fitter(learn: Learner, data: Dataset, chosen: str, features: Tensor | None) -> Fit:
    if features is None:
        return lambda rest, held: _copy(learn, data, rest, held)
    assert data.labels is not None  # noqa: S101 - `labelled_rows` looked
    truth, seed = data.labels[0].cpu(), learn.dls.seed
    if chosen == "trees":
        return lambda rest, held: _trees(features, truth, data.target, (rest, held), seed)
    target = data.target
    if isinstance(target, CategoryTarget):  # weighted, probabilities would not be that
        target = replace(target, class_weights=())

    def linear(rest: Ints, held: Ints) -> Tensor:
        some = np.random.default_rng(seed).permutation(rest)
        some = np.sort(some[: rows_worth(len(rest), features.shape[1], target.n_out)])
        out = fit_linear(features[some], truth[some], features[held], target, seed)
        return target.activate(out)

    return linear


def _trees(
    x: Tensor, truth: Tensor, target: Target[Any, Any], rows: tuple[Ints, Ints], seed: int
) -> Tensor:
    """Fit boosted trees (Ke et al. 2017, as scikit-learn has them), one per label or number."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    rest, held = rows
    settings = {"max_iter": 100, "max_leaf_nodes": 15, "random_state": seed}
    inputs, asked = x[rest].numpy(), x[held].numpy()
    if truth.ndim == 1 or target.truth_kind == "labels":
        each = truth[:, None] if truth.ndim == 1 else truth
        outs = []
        for y in each[rest].long().numpy().T:
            size = target.n_out if truth.ndim == 1 else 2
            found = np.zeros((len(held), size))
            there = np.unique(y)
            if len(there) == 1:
                found[:, there] = 1.0
            else:
                model = HistGradientBoostingClassifier(**settings).fit(inputs, y)
                found[:, there] = model.predict_proba(asked)
            outs.append(torch.from_numpy(found))
        return outs[0] if truth.ndim == 1 else torch.stack([out[:, 1] for out in outs], dim=1)
    columns = [
        HistGradientBoostingRegressor(**settings).fit(inputs, y).predict(asked)
        for y in truth[rest].double().numpy().T
    ]
    return torch.from_numpy(np.stack(columns, axis=1))


def _copy(learn: Learner, data: Dataset, rest: Ints, held: Ints) -> Tensor:
    """Train a fresh copy of the model on some rows as the last fit did, and predict others."""
    from redstart.domain import find_domain

    recipe, done = learn.recipe, learn.recorder
    if recipe is None or not done.lrs:
        raise ConfigError(
            problem(
                "Expected a model that was trained and can be built again",
                f"recipe={recipe}, {len(done.lrs)} training steps",
                "Call `fit` first, or choose another `source`.",
            )
        )
    train: Dataset = data.rows_at(rest.tolist())
    if isinstance(data, ItemDataset):
        train = ItemDataset.of(
            data.source, train.rows, data.codec, data.target, training=True, cache=data.cache
        )
    loader: Loader = learn.dls.train
    asked = in_order(loader).replace(dataset=data.rows_at(held.tolist()))
    dls = replace(learn.dls, train=loader.replace(dataset=train), valid=asked, sealed=None)
    model = find_domain(recipe.domain).build(recipe, seed=learn.dls.seed)
    epochs = max(1, len(done.ends))
    with tempfile.TemporaryDirectory() as folder, quietly():
        other = replace(
            learn,
            dls=dls,
            model=model,
            cbs=None,
            path=folder,
            folder=None,
            pretrained_body=None,
            precision=learn.engine,
        )
        other.checked = True
        other.fit_one_cycle(epochs, max(done.lrs) if math.isfinite(max(done.lrs)) else None)
        return other.collect(asked, with_loss=False).acts
