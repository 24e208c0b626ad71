"""A loss that is not finite ends the fit and says where it came from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from redstart.data.batch import Batch, Encoded
from redstart.errors import ConfigError, NonFiniteLossError, problem
from redstart.rng import forked
from redstart.train.callback import Callback
from redstart.train.callbacks.hooks import uncompiled, watched
from redstart.train.run import Run

__all__ = ["Fault", "NanGuard", "find_fault", "first_bad_layer"]

_LATE = 16
"""Losses between two looks where looking means waiting for the device."""
_SHOWN = 5
"""Rows and items named in the message."""
_HUGE = 1e6
"""Numbers between layers that are larger mean that training diverges."""
_LOSS = "the loss function, while every layer is fine"

Extent = tuple[float, float] | None
"""Smallest and largest number; ``None`` where there are only whole ones."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Where the first number that is not finite stands.

    Attributes:
        where: A noun phrase: ``layer '2' (Linear)``.
        fix: What to do about it, in sentences.
        rows: Positions in the batch of the rows at fault, where it lies in the data.
        in_loss: Whether the model is fine and the loss function is not.
    """

    where: str
    fix: str
    rows: tuple[int, ...] = ()
    in_loss: bool = False


@dataclass(frozen=True, slots=True)
class _Seen:
    """A loss not looked at yet, and which batch it belongs to."""

    loss: Tensor
    number: int
    index: Tensor


@final
@dataclass(eq=False)
class NanGuard(Callback):
    """Ends the fit when a loss, in training or validation, is infinite or not a number.

    The error names the epoch, the batch, its rows and what was at fault first: the data,
    a weight, a layer, or the loss function. The model then has weights that are good: its
    own of that moment if the data were at fault and the weights stayed finite, else those
    from the start of the epoch.

    Attributes:
        every: Look at the losses every so many batches, above 0. If left out: at each on
            the CPU, at every 16th elsewhere, where a look waits for the device; by then
            the layer cannot always be named.
    """

    order: ClassVar[int] = 30
    every: int | None = None
    _each: bool = field(default=True, init=False, repr=False)
    _late: int = field(default=_LATE, init=False, repr=False)
    _number: int = field(default=0, init=False, repr=False)
    _seen: list[_Seen] = field(default_factory=list, init=False, repr=False)
    _good: list[Tensor] = field(default_factory=list, init=False, repr=False)
    _failed: Fault | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.every is not None and self.every < 1:
            raise ConfigError(
                problem(
                    "Expected to look at losses every so many batches, at least 1",
                    f"every={self.every!r}",
                    "1 looks at each.",
                )
            )

    def before_fit(self, run: Run) -> None:
        """Choose how often to look."""
        every = self.every or (1 if run.dls.device.type == "cpu" else _LATE)
        self._each, self._late = every == 1, every
        self._good, self._failed = [], None

    @torch.no_grad()
    def before_epoch(self, run: Run) -> None:
        """Keep the weights, on their own device."""
        weights = list(_changing(run.model))
        if len(weights) != len(self._good):
            self._good = [t.detach().clone() for t in weights]
        else:
            for kept, t in zip(self._good, weights, strict=True):
                kept.copy_(t)

    def before_train(self, run: Run) -> None:
        """Count from the first training batch."""
        skipped = run.step - run.epoch * len(run.dls.train)  # by a fit that was resumed
        self._number, self._seen = max(0, skipped), []

    def before_validate(self, run: Run) -> None:
        """Count from the first validation batch."""
        self._number, self._seen = 0, []

    def after_loss(self, run: Run) -> None:
        """Look at the loss, now or later."""
        loss, batch = run.loss, run.batch
        if loss is None or batch is None:
            return
        self._number += 1
        if self._each:
            if not math.isfinite(loss.item()):
                self._fail(run, _Seen(loss.detach(), self._number - 1, batch.index), batch)
            return
        self._seen.append(_Seen(loss.detach(), self._number - 1, batch.index))
        if len(self._seen) >= self._late:
            self._look(run)

    def after_train(self, run: Run) -> None:
        """Look at the last losses."""
        self._look(run, stepped=True)

    def after_validate(self, run: Run) -> None:
        """Look at the last losses."""
        self._look(run)

    def after_fit(self, run: Run) -> None:
        """After a failure, leave good weights in the model."""
        if self._failed is not None:
            self._restore(run)
        self._good, self._seen, self._failed = [], [], None

    def _look(self, run: Run, *, stepped: bool = False) -> None:
        """Look at all losses not looked at; ``stepped`` if even the last one's step is done."""
        seen, self._seen = self._seen, []
        if self._failed is not None or not seen:
            return
        finite = torch.stack([s.loss.float() for s in seen]).isfinite().tolist()
        if all(finite):
            return
        first = seen[finite.index(False)]
        last = first is seen[-1]
        changed = run.training and (stepped or not last)
        batch = run.batch if last else _read_again(run, first)
        self._fail(run, first, None if changed else batch)

    def _fail(self, run: Run, seen: _Seen, batch: Batch | None) -> None:
        """Say what happened; ``batch`` if the weights are still those it was run with."""
        read = _read_again(run, seen)
        self._failed = fault = (
            self._guess(run, read) if batch is None else find_fault(run, batch, read)
        )
        rows = seen.index[list(fault.rows)] if fault.rows else seen.index
        part = "training" if run.training else "validation"
        total = len(run.dls.train if run.training else run.dls.valid)
        raise NonFiniteLossError(
            problem(
                "Expected a finite loss",
                f"{seen.loss.item()} at epoch {run.epoch + 1} of {run.n_epoch}, {part} batch "
                f"{seen.number + 1} of {total}, {_named_rows(run, rows)}; first at fault: "
                f"{fault.where}",
                f"{fault.fix} The model has its last good weights again.",
            )
        )

    def _guess(self, run: Run, read: Batch | None) -> Fault:
        """What can be said some batches later, when the weights have moved on."""
        self._restore(run)
        fault = None if read is None else find_fault(run, read)
        if fault is not None and not fault.in_loss:
            return fault
        return Fault(
            "not found, since losses were looked at some batches later, when the weights had "
            "changed",
            f"{_RATE} `NanGuard(every=1)` in the callbacks finds the layer.",
        )

    @torch.no_grad()
    def _restore(self, run: Run) -> None:
        """Put the kept weights back, unless only the data were at fault."""
        weights = list(_changing(run.model))
        blameless = self._failed is not None and self._failed.rows
        if not (blameless and _all_finite(weights)):
            for t, kept in zip(weights, self._good, strict=True):
                t.copy_(kept)


_RATE = (
    "Lower the learning rate (`learn.lr_find()` suggests one), or shorten the gradients "
    "(`GradientClip`)."
)


@torch.no_grad()
def find_fault(run: Run, batch: Batch, read: Batch | None = None) -> Fault:
    """Find what was not finite first, by running the model once more on ``batch``.

    Nothing of the model or of the random state is changed by that.

    Args:
        run: Its model, engine and loss function are used.
        batch: The batch whose loss was not finite.
        read: The same rows as the loader gives them, before callbacks mixed them.
    """
    data = read or batch
    for name, tensors in (("input", data.x), ("target", data.y or ())):
        if fault := _bad_rows(name, tensors):
            return fault
    model = uncompiled(run.model)
    for kind, named in (
        ("parameter", model.named_parameters()),
        ("buffer", model.named_buffers()),
    ):
        for name, t in named:
            if not _all_finite([t]):
                return Fault(
                    f"{kind} {name!r}, {_bad_share(t)} before this batch", _weights_fix(run)
                )
    where, extent = first_bad_layer(model, batch.x, run)
    return Fault(f"{where}, from {_words(extent)}", _fix(run, extent), in_loss=where == _LOSS)


@torch.no_grad()
def first_bad_layer(model: nn.Module, x: Encoded, run: Run) -> tuple[str, Extent]:
    """Run a forward pass and name the first layer that puts out what is not finite.

    Where a layer is handed such numbers by code between layers, the module that this code
    belongs to is named; where all layers are fine, the loss function.

    Args:
        model: Runs in its present mode; its buffers stay as they are.
        x: Finite inputs.
        run: Whose engine chooses the precision.

    Returns:
        What is at fault, and the smallest and largest number it was given.
    """
    found: list[tuple[str, Extent]] = []
    given: dict[str, Extent] = {}

    def before(name: str, module: nn.Module, args: Any) -> None:
        given[name] = _extent(args)
        if not found and not _all_finite(_tensors(args)):
            parent = name.rpartition(".")[0]
            owner = _title(parent, model.get_submodule(parent))
            layer = f"layer {name!r} ({type(module).__name__})"
            found.append((f"what {owner} computes before its {layer}", given[parent]))

    def after(name: str, module: nn.Module, out: Any) -> None:
        if not found and not _all_finite(_tensors(out)):
            found.append((_title(name, module), given[name]))

    with (
        _as_it_was(model),
        forked(run.dls.seed, run.epoch),
        watched(model, before=before, after=after),
        run.engine.autocast(),
    ):
        out = model(*x)
    return found[0] if found else (_LOSS, _extent(out))


@contextmanager
def _as_it_was(model: nn.Module) -> Iterator[None]:
    """Put buffers back: batch norm learns from every pass in training mode."""
    kept = [(b, b.clone()) for b in model.buffers()]
    try:
        yield
    finally:
        for buffer, before in kept:
            buffer.copy_(before)


def _changing(model: nn.Module) -> Iterator[Tensor]:
    """What training may change."""
    return chain((p for p in model.parameters() if p.requires_grad), model.buffers())


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)


def _all_finite(tensors: Iterable[Tensor]) -> bool:
    return all(bool(t.isfinite().all()) for t in tensors if t.is_floating_point())


def _bad_rows(name: str, tensors: Encoded) -> Fault | None:
    for slot, t in enumerate(tensors):
        if not _all_finite([t]):
            bad = (~t.isfinite()).flatten(1).any(1) if t.ndim > 1 else ~t.isfinite()
            rows = tuple(bad.nonzero().flatten().tolist())
            of = f"{name} {slot}" if len(tensors) > 1 else f"the {name}"
            what = "NaN" if bool(t.isnan().any()) else "infinity"
            return Fault(
                f"{of} of {'these rows' if len(rows) > 1 else 'this row'} ({what})",
                "Repair these rows or leave them out.",
                rows,
            )
    return None


def _bad_share(t: Tensor) -> str:
    return f"{int((~t.isfinite()).sum())} of whose {t.numel()} values are not finite"


def _weights_fix(run: Run) -> str:
    return f"The step before made them so. {_RATE}"


def _fix(run: Run, extent: Extent) -> str:
    if run.engine.name == "float16":
        return (
            "In float16 nothing above 65504 can be written: use precision='bf16' or "
            "precision='float32'."
        )
    if extent is not None and max(-extent[0], extent[1]) > _HUGE:
        return f"Training diverges. {_RATE}"
    return (
        "Look for a logarithm, a root, a quotient or a power there that is not defined for "
        "such numbers, and guard it."
    )


def _title(name: str, module: nn.Module) -> str:
    kind = type(module).__name__
    return f"layer {name!r} ({kind})" if name else f"the model itself ({kind})"


def _extent(value: Any) -> Extent:
    numbers = [t for t in _tensors(value) if t.is_floating_point() and t.numel()]
    if not numbers:
        return None
    return min(float(t.min()) for t in numbers), max(float(t.max()) for t in numbers)


def _words(extent: Extent) -> str:
    if extent is None:
        return "whole numbers"
    return f"numbers between {extent[0]:.4g} and {extent[1]:.4g}"


def _read_again(run: Run, seen: _Seen) -> Batch | None:
    """The batch once more, if the loader gives the same rows for the same number."""
    loader = run.dls.train if run.training else run.dls.valid
    if not hasattr(loader, "dataset"):
        return None
    batch: Batch = next(iter(loader.batches(epoch=run.epoch, skip=seen.number)))
    return batch if torch.equal(batch.index, seen.index) else None


def _named_rows(run: Run, index: Tensor) -> str:
    rows = index.tolist()
    try:
        items = run.dls.items
        named = [f"{row} ({items[row]})" for row in rows[:_SHOWN]]
    except (ConfigError, IndexError, KeyError, AttributeError, TypeError):
        named = [str(row) for row in rows[:_SHOWN]]
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return f"row{'s' * (len(rows) != 1)} {', '.join(named)}{more}"
