"""Where a trained model is weak, and what its decisions do to groups of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from redstart.data.check import read_rows
from redstart.data.loader import Loader
from redstart.data.table import Table, nearest
from redstart.errors import ConfigError, DataError, problem
from redstart.evaluate.clusters import Clusters, clusters_of
from redstart.evaluate.feedback import Feedback, selection_feedback
from redstart.evaluate.rates import Rates, rates_by_group
from redstart.evaluate.sliced import Slices
from redstart.evaluate.slices import weak_slices
from redstart.train.callbacks.hooks import uncompiled, watched
from redstart.train.predict import Predictions

if TYPE_CHECKING:
    from redstart.train.trained import Trained

__all__ = ["collect_with_vectors", "feedback", "rates", "slices", "slices_of"]

Columns = dict[str, NDArray[Any]]

_LABELS = 20  # of several per row, those that are looked at
_LONGEST = 30


def slices(
    learn: Trained, by: Any = None, dl: Any = None, *, pairs: bool = True, seed: int = 0
) -> Slices:
    """Predict rows and find the kinds of rows on which the model does worse than on the rest.

    Args:
        learn: Its model predicts.
        by: As for ``slices_of``.
        dl: A loader of labelled rows; the validation rows if ``None``.
        pairs: Whether to look at pairs of columns as well.
        seed: For shuffling and grouping.

    Raises:
        NoValidationSetError: If there are no validation rows and no ``dl``.
        DataError: If the rows have no labels, or a column does not fit them.
        ConfigError: If a column is named that there is not.
    """
    if dl is None:
        learn.dls.require_valid()
    found, vectors = collect_with_vectors(learn, dl)
    return slices_of(learn, found, vectors, by, pairs=pairs, seed=seed)


def slices_of(
    learn: Trained,
    found: Predictions,
    vectors: NDArray[np.float32] | None = None,
    by: Any = None,
    *,
    pairs: bool = True,
    seed: int = 0,
) -> Slices:
    """Find the kinds of rows on which the model does worse than on the rest, beyond chance.

    Rows are cut by class, by the columns of their table, by what pictures and their files
    look like, and by groups that look alike to the model. Of labels the score is whether a
    row was predicted right, of one number the absolute error, of all else the loss.

    Args:
        learn: Whose predictions these are.
        found: Predictions of labelled rows, with their losses.
        vectors: What the last linear layer was given of each row, ``(N, D)``.
        by: More columns, that the model may never have seen: a frame or a mapping with one
            value for each of ``dls.items``, or for each row predicted. Or the names of
            columns, to look at these alone.
        pairs: Whether to look at pairs of columns as well.
        seed: For shuffling and grouping.

    Returns:
        All slices, and those that are weak.

    Raises:
        DataError: If the rows have no labels, or a column does not fit them.
        ConfigError: If a column is named that there is not.
    """
    if found.losses is None or found.y is None:
        raise DataError(
            problem(
                "Expected rows with labels, which predictions can be held against",
                f"{len(found)} rows without a loss",
                "Pass a labelled loader, or leave `dl` out to take the validation rows.",
            )
        )
    inputs, beside = _inputs(learn, found), {**_truths(found), **_alike(found, vectors, seed)}
    named = _named(by, {**inputs, **beside})
    given = _given(by, learn, found) if named is None else named
    columns = given if named is not None else {**given, **inputs, **beside}
    # What rows are is known afterwards only, and a rare class is weak in all its pairs.
    paired = [name for name in columns if name in given or name not in beside] if pairs else []
    scores, figure, worse = _scores(found)
    looked = weak_slices(scores, columns, figure=figure, worse=worse, pairs=paired, seed=seed)
    rows = isinstance(found.loader, Loader)
    return replace(looked, index=found.index.numpy(), draw=found.cards if rows else None)


def rates(
    learn: Trained, by: Any, positive: Any, dl: Any = None, *, threshold: float | None = None
) -> Rates:
    """Rates per group: who is selected, found, selected wrongly; with intervals.

    Args:
        learn: Its model predicts.
        by: The name of a column of the table; or one value for each of ``dls.items``, or
            for each row of ``dl``.
        positive: The class that selects.
        dl: A loader of labelled rows, or predictions of some; the validation rows if ``None``.
        threshold: Rows are selected from this probability on, in [0, 1]; those where the
            model predicts ``positive`` if ``None``.

    Raises:
        ConfigError: If there is no such class or column, or nothing to select by.
        DataError: If the rows have no labels, or groups do not fit them.
    """
    actual, selected, probs, groups, name = _decisions(learn, by, positive, dl, threshold)
    return rates_by_group(
        groups, actual, selected, positive=str(positive), by=name, probability=probs
    )


def feedback(
    learn: Trained, by: Any, positive: Any, dl: Any = None, *, threshold: float | None = None
) -> Feedback:
    """Say what training data would become if only what the model selects got an outcome.

    Args:
        learn: Its model predicts.
        by: As for ``rates``.
        positive: The class that selects.
        dl: A loader of labelled rows; the validation rows if ``None``.
        threshold: As for ``rates``.
    """
    actual, selected, _, groups, name = _decisions(learn, by, positive, dl, threshold)
    return selection_feedback(selected, groups, positive=str(positive), by=name, actual=actual)


def collect_with_vectors(
    learn: Trained, dl: Any = None
) -> tuple[Predictions, NDArray[np.float32] | None]:
    """Predict rows, and keep what the last linear layer was given of each.

    Args:
        learn: Its model predicts.
        dl: A loader; the validation rows if ``None``.

    Returns:
        The predictions, and vectors ``(N, D)``; ``None`` for models without such a layer.
    """
    # Choosing the engine may try a batch: before anything listens.
    model = uncompiled(learn.engine.place(learn.model, learn.dls.device))
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    kept: list[Tensor] = []

    def keep(name: str, module: nn.Module, given: Any) -> None:
        x = given[0].detach().float()
        kept.append(x.flatten(1, -2).mean(1).cpu() if x.ndim > 2 else x.cpu())

    if not linear:
        return learn.collect(dl), None
    with watched(linear[-1], before=keep):
        found = learn.collect(dl)
    whole = torch.cat(kept) if kept and len({t.shape[1:] for t in kept}) == 1 else None
    if whole is None or whole.ndim != 2 or len(whole) != len(found) or whole.shape[1] < 2:
        return found, None
    return found, whole.numpy()


def _scores(found: Predictions) -> tuple[NDArray[np.float64], str, Literal["low", "high"]]:
    kind, y = found.loader.target.truth_kind, found.targets
    if kind == "category" and found.acts.ndim == 2:
        truth = y if isinstance(y, Tensor) else y[0]
        return (found.acts.argmax(1) == truth).double().numpy(), "accuracy", "low"
    if kind == "numbers" and found.acts[0].numel() == 1:
        truth = y if isinstance(y, Tensor) else y[0]
        errors = (found.acts.flatten().double() - truth.flatten().double()).abs()
        return errors.numpy(), "absolute error", "high"
    assert found.losses is not None  # noqa: S101 - refused before
    return found.losses.double().numpy(), "loss", "high"


def _truths(found: Predictions) -> Columns:
    """What rows are, as columns."""
    target = found.loader.target
    kind, names = target.truth_kind, [str(name) for name in target.vocabulary()]
    if found.y is None or kind == "other":
        return {}
    y = found.y[0].numpy()
    if kind == "category":
        return {"class": np.array(names, dtype=object)[y]}
    if kind == "labels":
        often = np.argsort(-y.sum(axis=0), kind="stable")[:_LABELS]
        said = np.array(["no", "yes"], dtype=object)
        return {f"label {names[i]}": said[y[:, i].astype(np.int64)] for i in often}
    values = y.reshape(len(y), -1)
    titles = names if len(names) == values.shape[1] else [f"number {i}" for i in range(len(y.T))]
    if values.shape[1] == 1:
        return {"true value": values[:, 0].astype(np.float64)}
    return {f"true {name}": values[:, i].astype(np.float64) for i, name in enumerate(titles)}


def _inputs(learn: Trained, found: Predictions) -> Columns:
    """What is known of the rows' inputs: columns of a table, or what files look like."""
    if not isinstance(found.loader, Loader):
        return {}
    source, codec = found.loader.source, found.loader.codec
    rows = found.index.numpy()
    if isinstance(source.inputs, Table):
        return _columns(source.inputs.take(rows), learn, source, rows)
    columns: Columns = {}
    if source is learn.dls.source:
        seen = read_rows(learn.dls).seen
        if seen is not None:
            columns = {k: v[rows] for k, v in seen.properties(len(source.items)).items()}
    headers = codec.headers([source.inputs[int(row)] for row in rows])
    return {**columns, **{k: np.asarray(v) for k, v in headers.items()}}


def _columns(table: Table, learn: Trained, source: Any, rows: NDArray[np.int64]) -> Columns:
    """Columns of a table but for the targets; those that hold categories as text."""
    found: Columns = {}
    names = learn.dls.classes
    truths = None if source.raws is None else np.asarray(source.raws)[rows]
    for name in table.names:
        values = table.column(name).to_numpy()
        if truths is not None and _is_target(values, truths):
            continue
        if name in names and values.dtype.kind in "iuf":
            values = np.array([str(v) for v in table.column(name).to_list()], dtype=object)
        found[str(name)] = values
    return found


def _is_target(values: NDArray[Any], truths: NDArray[Any]) -> bool:
    columns = truths.reshape(len(truths), -1).T
    return any(bool(np.all(values == column)) for column in columns)


def _alike(found: Predictions, vectors: NDArray[np.float32] | None, seed: int) -> Columns:
    """Groups of rows that look alike to the model, described by what is in them."""
    if vectors is None or not np.isfinite(vectors).all():
        return {}
    groups = clusters_of(vectors, seed=seed)
    if groups is None:
        return {}
    names = [_described(found, groups, i) for i in range(groups.n)]
    return {"look-alikes": np.array(names, dtype=object)[groups.group]}


def _described(found: Predictions, groups: Clusters, group: int) -> str:
    inside = groups.group == group
    target, facts = found.loader.target, []
    if found.y is not None and target.truth_kind == "category":
        names = [str(name) for name in target.vocabulary()]
        often, n = Counter(found.y[0].numpy()[inside].tolist()).most_common(1)[0]
        facts.append(f"{100 * n / inside.sum():.0f}% {names[often]}")
    typical = groups.typical(group, 1)
    if len(typical) and (name := found.name(int(typical[0]))):
        short = PurePath(name).name
        facts.append(f"like {short if len(short) <= _LONGEST else short[:_LONGEST] + '…'}")
    return f"group {group + 1}" + (f" ({', '.join(facts)})" if facts else "")


def _named(by: Any, columns: Columns) -> Columns | None:
    """The columns that are named; ``None`` if none are."""
    names = [by] if isinstance(by, str) else by
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
        return None
    return {name: _one(name, columns) for name in names}


def _one(name: str, columns: Columns) -> NDArray[Any]:
    if name not in columns:
        raise ConfigError(
            problem(
                "Expected the name of a column",
                f"by={name!r}",
                f"{nearest(name, columns)}There are: {', '.join(columns) or 'none'}. Or pass "
                "one value per row.",
            )
        )
    return columns[name]


def _given(by: Any, learn: Trained, found: Predictions) -> Columns:
    """Columns that the user brings, of the rows that were predicted."""
    if by is None:
        return {}
    if isinstance(by, Mapping):
        return {str(name): _of_rows(values, learn, found) for name, values in by.items()}
    table = Table.of(by)
    return {str(n): _of_rows(table.column(n).to_numpy(), learn, found) for n in table.names}


def _of_rows(values: Any, learn: Trained, found: Predictions) -> NDArray[Any]:
    array = np.asarray(values)
    whole = len(learn.dls.items) if isinstance(found.loader, Loader) else len(found)
    if array.ndim == 1 and len(array) == len(found):
        return array
    if array.ndim == 1 and len(array) == whole:
        rows: NDArray[Any] = array[found.index.numpy()]
        return rows
    raise DataError(
        problem(
            f"Expected one value for each of {whole} items, or of the {len(found)} rows predicted",
            f"an array of shape {array.shape}",
            "Give a column in the order of `dls.items`.",
        )
    )


def _decisions(
    learn: Trained, by: Any, positive: Any, dl: Any, threshold: float | None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], str]:
    """Truth, decision and probability of one class, groups, and what they are called."""
    if not isinstance(dl, Predictions):
        if dl is None:
            learn.dls.require_valid()
        dl = learn.collect(dl)
    found: Predictions = dl
    target = found.loader.target
    if target.truth_kind not in ("category", "labels") or found.y is None or found.acts.ndim != 2:
        raise ConfigError(
            problem(
                "Expected a model of classes, and rows with labels",
                f"target={target.kind!r}",
                "Rates are of one class that selects; there is none here.",
            )
        )
    names = [str(name) for name in target.vocabulary()]
    if str(positive) not in names:
        raise ConfigError(
            problem(
                "Expected the class that selects",
                f"positive={positive!r}",
                f"{nearest(positive, names)}There are: {', '.join(names[:20])}.",
            )
        )
    place = names.index(str(positive))
    probs, y = found.acts[:, place].double(), found.y[0]
    if target.truth_kind == "category":
        actual, selected = y == place, found.acts.argmax(1) == place
    else:
        actual, selected = y[:, place] > 0.5, probs > getattr(target, "thresh", 0.5)
    if threshold is not None:
        selected = probs >= threshold
    alone = isinstance(by, str)
    groups = _one(by, _inputs(learn, found)) if alone else _of_rows(by, learn, found)
    name = by if alone else str(getattr(by, "name", None) or "group")
    return actual.numpy(), selected.numpy(), probs.numpy(), groups, name
