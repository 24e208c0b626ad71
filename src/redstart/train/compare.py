"""Two trained models on the same rows: which is better, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from redstart.bundle.bundle import Bundle
from redstart.data.batch import Batch, Encoded
from redstart.data.loader import Loader
from redstart.data.loaders import DataLoaders
from redstart.errors import ConfigError, DataError, problem
from redstart.evaluate.baseline import Baseline
from redstart.evaluate.compare import Comparison, compare_outputs
from redstart.train.kept import KeptOutputs, groups_of
from redstart.train.measure import as_loader, metrics_of
from redstart.train.predict import in_order, run_through
from redstart.train.trained import Trained

__all__ = ["compare"]

Model = Trained | Bundle | Baseline


def compare(
    a: Trained | Sequence[Trained],
    b: Model | Sequence[Trained],
    metric: Any = None,
    dl: Any = None,
) -> Comparison:
    """Compare two models on the same rows, pair by pair.

    Lists are of one model trained several times, with other seeds: then means over the runs
    are compared, and how much seeds alone move the figures counts too.

    Args:
        a: A learner, or several runs of one.
        b: Another, which may read its inputs in another way (larger pictures, say); or a
            ``Bundle``, or a ``Baseline`` of ``a``.
        metric: Names, functions or objects; those of ``a`` if left out.
        dl: Rows to compare on; the validation rows of both if left out.

    Returns:
        Both figures, their difference, its interval and what that says, by metric. Where the
        loaders of ``a`` know groups, intervals count groups.

    Raises:
        DataError: If the two would not be measured on the same rows with the same labels.
        NoValidationSetError: If there are no validation rows.
        ConfigError: If a list is empty, or a sealed test row is among the rows.
    """
    ours, others = _runs(a, "a"), _runs(b, "b")
    first = ours[0]
    if not isinstance(first, Trained):
        raise ConfigError(
            problem("Expected `a` to be a learner", repr(first), "Put the learner first.")
        )
    base = _predicted(first, first.dls, dl)
    mine = [base, *(_same(base, first, _of(run, first, dl), run) for run in ours[1:])]
    rivals = [_same(base, first, _of(run, first, dl), run) for run in others]
    names = _names(first, others[0])
    groups = first.dls.groups
    is_baseline = isinstance(others[0], Baseline)
    # A loader of new items numbers its rows anew.
    known = groups is not None and base.source is _source(first.dls.valid)
    return compare_outputs(
        metrics_of(first.dls.target, first.metrics if metric is None else metric),
        dict(zip(names, ([one.out for one in runs] for runs in (mine, rivals)), strict=True)),
        *base.y,
        groups=groups_of(base.index, groups) if known and groups is not None else None,
        notes=_notes(names, len(ours), len(others), len(base.index), dl, baseline=is_baseline),
    )


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Row numbers, raw outputs and targets, in the order of the numbers.

    ``dls`` are the loaders that the rows are of, if they are not new ones.
    """

    index: Tensor
    out: Tensor
    y: Encoded
    source: Any
    dls: DataLoaders | None


def _runs(models: Any, side: str) -> list[Any]:
    found = list(models) if isinstance(models, list | tuple) else [models]
    kinds = Trained if isinstance(models, list | tuple) else Trained | Bundle | Baseline
    if not found or not all(isinstance(one, kinds) for one in found):
        raise ConfigError(
            problem(
                f"Expected `{side}` to be a learner, a list of learners, a bundle or a baseline",
                f"{side}={[type(one).__name__ for one in found]}",
                "Pass learners, trained on the same data and split.",
            )
        )
    return found


def _of(model: Model, first: Trained, dl: Any) -> _Rows | Tensor:
    """What a model says of the rows; of a baseline only its outputs."""
    if isinstance(model, Trained):
        return _predicted(model, model.dls, dl)
    if isinstance(model, Bundle):
        return _predicted(model, first.dls, dl)
    if dl is not None:
        raise ConfigError(
            problem(
                "Expected no `dl` beside a baseline, which knows the validation rows only",
                f"dl={type(dl).__name__}",
                "Leave `dl` out.",
            )
        )
    return model.out


def _predicted(model: Trained | Bundle, dls: DataLoaders, dl: Any) -> _Rows:
    if dl is None:
        dls.require_valid()
    loader = as_loader(dls, dls.valid if dl is None else dl)
    codec = model.codec if isinstance(model, Bundle) else dls.codec
    if isinstance(loader, Loader) and loader.codec is not codec:
        data: Any = loader.dataset
        loader = loader.replace(dataset=data.with_codec(codec))
    kept = KeptOutputs()

    def take(batch: Batch, out: Any) -> None:
        kept.add(batch, out)

    if isinstance(model, Bundle):
        run_through(model.model.to(loader.device), loader, take, what="Comparing")
    else:
        placed = model.engine.place(model.model, loader.device)
        run_through(placed, loader, take, engine=model.engine, what="Comparing")
    if not len(kept):
        raise DataError(
            problem(
                "Expected labelled rows and a model that gives one tensor",
                repr(model),
                "Compare on rows with labels.",
            )
        )
    index, out, *y = kept.tensors()
    order = index.argsort(stable=True)
    source = _source(loader)
    own = source is not None and source is _source(dls.valid)
    whole = dls if own else None
    return _Rows(index[order], out[order], tuple(t[order] for t in y), source, whole)


def _same(base: _Rows, first: Trained, found: _Rows | Tensor, model: Model) -> _Rows:
    """Refuse other rows, other labels, other meanings of the outputs."""
    if isinstance(found, Tensor):
        # A baseline's rows are in the order of the loader.
        order = in_order(first.dls.valid).dataset.index.argsort(stable=True)
        if len(found) != len(base.index):
            raise _other(f"{len(found)} rows of the baseline, {len(base.index)} validation rows")
        return _Rows(base.index, found[order], base.y, base.source, base.dls)
    if not isinstance(model, Baseline):
        target = model.target if isinstance(model, Bundle) else model.dls.target
        _same_target(first.dls.target, target)
    if not torch.equal(base.index, found.index):
        both = int(torch.isin(base.index, found.index).sum())
        sizes = f"{len(base.index)} rows and {len(found.index)} rows, {both} of them the same"
        raise _other(sizes)
    if len(base.y) != len(found.y) or not all(map(_alike, base.y, found.y)):
        n = sum(1 for i in range(len(base.index)) if not _alike(base.y[0][i], found.y[0][i]))
        raise _other(f"the same row numbers with other labels or weights, {n} labels of them")
    if base.source is not found.source and _digest(base) != _digest(found):
        raise _other("the same row numbers and labels, of other data")
    return found


def _digest(rows: _Rows) -> str:
    return "" if rows.dls is None else rows.dls.digests().get("data", "")


def _same_target(mine: Any, other: Any) -> None:
    kinds = (mine.kind, mine.vocabulary()), (other.kind, other.vocabulary())
    if kinds[0] != kinds[1]:
        raise DataError(
            problem(
                "Expected two models that predict the same thing",
                " and ".join(f"{kind} {list(names)[:5]}" for kind, names in kinds),
                "Compare models of one target, with its classes in one order.",
            )
        )


def _other(got: str) -> DataError:
    return DataError(
        problem(
            "Expected two models to be measured on the same rows of the same data",
            got,
            "Make both with one `dls`, or with the same data, splitter and seed; or pass `dl`.",
        )
    )


def _alike(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(torch.allclose(a.double(), b.double(), equal_nan=True))


def _source(loader: Any) -> Any:
    return loader.source if isinstance(loader, Loader) else None


def _names(a: Model, b: Model) -> tuple[str, str]:
    one, other = _name(a), _name(b)
    return (one, other) if one != other else (f"{one} (a)", f"{one} (b)")


def _name(model: Model) -> str:
    if isinstance(model, Baseline):
        return model.name
    arch = None if model.recipe is None else model.recipe.arguments.get("arch")
    return arch if isinstance(arch, str) else type(model.model).__name__


def _notes(
    names: tuple[str, str], n_a: int, n_b: int, n: int, dl: Any, *, baseline: bool
) -> list[str]:
    rows = f"{n:,} {'validation ' if dl is None else ''}rows"
    notes = [f"{names[0]} and {names[1]} on the same {rows} (95% intervals)"]
    if n_a == n_b == 1 and baseline:
        return notes
    if n_a == n_b == 1:
        return [*notes, "One run each: how other seeds would do is not in the intervals."]
    return [*notes, f"Means over {n_a} and {n_b} runs; intervals count rows and seeds."]
