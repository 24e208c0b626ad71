"""Batches on the device, in an order that depends on ``(seed, epoch)`` alone."""

from __future__ import annotations

import difflib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypedDict, get_type_hints, runtime_checkable

import torch
from torch import Tensor

from redstart.data.batch import Batch
from redstart.data.codec import Codec
from redstart.data.dataset import Dataset, Source
from redstart.data.table_dataset import TableDataset
from redstart.data.target import Target
from redstart.errors import ConfigError, problem
from redstart.rng import generator

__all__ = [
    "CPU",
    "BatchTransform",
    "Loader",
    "LoaderOptions",
    "Loads",
    "check_options",
    "default_workers",
]

CPU = torch.device("cpu")
_GATHERED = 16_384  # rows of a table that are put into order at a time

BatchTransform = Callable[[Batch, torch.Generator], Batch]
"""Changes a training batch on the device; draws from the generator it is given."""


class LoaderOptions(TypedDict, total=False):
    """Keyword arguments that every ``*DataLoaders`` factory accepts.

    Attributes:
        bs: Rows per training batch.
        val_bs: Rows per validation batch.
        num_workers: Threads that read rows ahead of the training; 0 reads in line.
        device: Where batches go, such as ``"cuda"`` or ``"cpu"``; the best there is if left out.
        seed: Seeds order, augmentation, initialisation and dropout.
        cache_bytes: Memory for rows that were read, in bytes; 0 keeps none.
        corrections: File of corrected labels, as ``LabelIssues`` writes it.
    """

    bs: int
    val_bs: int
    num_workers: int
    device: str | torch.device
    seed: int
    cache_bytes: int
    corrections: str | Path


def check_options(given: Iterable[str], known: type) -> None:
    """Refuse options that would be ignored.

    Args:
        given: Names of the options given.
        known: A ``TypedDict`` of those that there are.

    Raises:
        ConfigError: If one is not known; suggests the nearest.
    """
    names = sorted(get_type_hints(known))
    if unknown := sorted(set(given) - set(names)):
        near = difflib.get_close_matches(unknown[0], names, n=1, cutoff=0.5)
        raise ConfigError(
            problem(
                "Expected options that loaders have",
                f"{', '.join(unknown)}",
                f"{f'Did you mean `{near[0]}`? ' if near else ''}There are: {', '.join(names)}.",
            )
        )


_Wanted = tuple[list[int], int]
"""Positions of one batch, and the number of the pass it is in."""


@runtime_checkable
class Loads(Protocol):
    """What the training loop needs of a loader."""

    seed: int
    device: torch.device

    @property
    def codec(self) -> Codec[Any]:
        """The codec of the inputs."""
        ...

    @property
    def target(self) -> Target[Any, Any]:
        """The fitted target."""
        ...

    @property
    def n_rows(self) -> int:
        """Rows in one pass."""
        ...

    def __len__(self) -> int:
        """Batches in one pass."""
        ...

    def batches(self, *, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """One pass, without the first ``skip`` batches."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Loader:
    """Iterates over a data set in batches: read, collated, moved, augmented, prepared.

    Attributes:
        dataset: The rows.
        bs: Rows per batch. A last batch of one row joins the one before it (unless all
            are of one), since batch norm cannot learn from a single row; no row is ever
            dropped.
        shuffle: Another order each epoch.
        num_workers: Threads that read ahead; 0 reads in line. The batches are the same.
        device: Where batches go.
        seed: Seeds order and augmentation.
        tfms: Augmentation of whole batches on the device.
        passes: Passes over the rows that count as one epoch; each draws its rows anew.
    """

    dataset: Dataset
    bs: int = 64
    shuffle: bool = False
    num_workers: int = 0
    device: torch.device = CPU
    seed: int = 0
    tfms: tuple[BatchTransform, ...] = ()
    passes: int = 1

    def __post_init__(self) -> None:
        for name, least in (("bs", 1), ("num_workers", 0), ("passes", 1)):
            if getattr(self, name) < least:
                raise ConfigError(
                    problem(
                        f"Expected `{name}` of {least} or more",
                        f"{name}={getattr(self, name)}",
                        "Leave it out if in doubt.",
                    )
                )

    @property
    def codec(self) -> Codec[Any]:
        """The codec of the inputs."""
        return self.dataset.codec

    @property
    def target(self) -> Target[Any, Any]:
        """The fitted target."""
        return self.dataset.target

    @property
    def source(self) -> Source:
        """All rows of the data set; a batch's ``index`` points into its ``items``."""
        return self.dataset.source

    @property
    def n_rows(self) -> int:
        """Rows in one pass."""
        return len(self.dataset)

    def __len__(self) -> int:
        # Asked for at every step: by arithmetic, not by listing the batches.
        n = -(-len(self.dataset) // self.bs)
        alone = self.bs > 1 and n > 1 and len(self.dataset) % self.bs == 1
        return self.passes * (n - alone)

    def __iter__(self) -> Iterator[Batch]:
        return self.batches(epoch=0)

    def replace(self, **changes: Any) -> Loader:
        """Return a copy with some attributes changed."""
        return replace(self, **changes)

    def one_batch(self) -> Batch:
        """The first batch of the first epoch."""
        batches = self.batches(epoch=0)
        try:
            return next(batches)
        finally:
            batches.close()  # type: ignore[attr-defined]

    def batches(self, *, epoch: int, skip: int = 0, prepare: bool = True) -> Iterator[Batch]:
        """One epoch. Order and augmentation depend on ``(seed, epoch)`` and nothing else.

        Args:
            epoch: Number of the epoch, from 0.
            skip: Batches to leave out at the start; resuming needs it.
            prepare: Whether to end with ``codec.prepare``, as the model wants; without
                it, ``x`` is what ``codec.view`` draws.
        """
        pool: ThreadPoolExecutor | None = None
        read: Iterator[Batch]
        if isinstance(self.dataset, TableDataset):
            read = islice(self._sliced(self.dataset, epoch), skip, None)
        elif self.num_workers:
            pool = ThreadPoolExecutor(self.num_workers, "redstart-loader")
            read = self._read_ahead(pool, self._wanted(epoch)[skip:])
        else:
            read = self._read(self._wanted(epoch)[skip:])
        try:
            for number, batch in enumerate(read, start=skip):
                moved = batch.to(self.device)
                if self.tfms:
                    rng = generator(self.seed, epoch, number)
                    for tfm in self.tfms:
                        moved = tfm(moved, rng)
                x = self.codec.prepare(moved.x) if prepare else moved.x
                yield Batch(moved.index, x, moved.y)
        finally:
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)

    def _bounds(self) -> list[tuple[int, int]]:
        n = len(self.dataset)
        starts = list(range(0, n, self.bs))
        if self.bs > 1 and len(starts) > 1 and n - starts[-1] == 1:
            starts.pop()
        return list(zip(starts, [*starts[1:], n], strict=bool(starts)))

    def order(self, epoch: int) -> list[int]:
        """Positions in the data set, in the order of an epoch."""
        return [position for positions, _ in self._wanted(epoch) for position in positions]

    def _orders(self, epoch: int) -> Iterator[tuple[int, Tensor]]:
        """Number of every pass of an epoch, and the positions in its order, ``(N,)`` int64."""
        n = len(self.dataset)
        rng = generator(self.seed, epoch)
        for number in range(epoch * self.passes, (epoch + 1) * self.passes):
            yield number, torch.randperm(n, generator=rng) if self.shuffle else torch.arange(n)

    def _wanted(self, epoch: int) -> list[_Wanted]:
        """Positions in the data set of every batch of an epoch, and the number of its pass."""
        bounds = self._bounds()
        batches: list[_Wanted] = []
        for number, order in self._orders(epoch):
            listed = order.tolist()
            batches.extend((listed[start:stop], number) for start, stop in bounds)
        return batches

    def _sliced(self, data: TableDataset, epoch: int) -> Iterator[Batch]:
        """Batches of a table: gathered many at a time, then cut, which copies nothing."""
        bounds = self._bounds()
        many = max(1, _GATHERED // self.bs)
        for _, order in self._orders(epoch):
            for first in range(0, len(bounds), many):
                some = bounds[first : first + many]
                start = some[0][0]
                yield from _cut(data.at(order[start : some[-1][1]]), start, some)

    def _read(self, wanted: Sequence[_Wanted]) -> Iterator[Batch]:
        data, seed = self.dataset, self.seed
        for positions, number in wanted:
            part = data.inputs(positions, seed=seed, epoch=number)
            yield data.collate(positions, [part], seed, number)

    def _read_ahead(self, pool: Executor, wanted: Sequence[_Wanted]) -> Iterator[Batch]:
        """The same batches, read by threads up to three batches ahead."""
        waiting: deque[tuple[_Wanted, list[Future[Any]]]] = deque()
        rest = iter(wanted)

        def submit() -> None:
            if (one := next(rest, None)) is None:
                return
            positions, number = one
            size = -(-len(positions) // self.num_workers)
            parts = [positions[i : i + size] for i in range(0, len(positions), size)]
            read = self.dataset.inputs
            jobs = [pool.submit(read, part, seed=self.seed, epoch=number) for part in parts]
            waiting.append((one, jobs))

        for _ in range(3):
            submit()
        while waiting:
            (positions, number), jobs = waiting.popleft()
            parts = [job.result() for job in jobs]
            submit()
            yield self.dataset.collate(positions, parts, self.seed, number)


def _cut(rows: Batch, start: int, bounds: Sequence[tuple[int, int]]) -> Iterator[Batch]:
    """Cut rows, the first of which is at ``start``, into batches that view them."""
    for left, right in bounds:
        part = slice(left - start, right - start)
        y = None if rows.y is None else tuple(t[part] for t in rows.y)
        yield Batch(rows.index[part], tuple(t[part] for t in rows.x), y)


def default_workers() -> int:
    """One thread per core that this process may use, up to eight."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(8, cores or 1)
