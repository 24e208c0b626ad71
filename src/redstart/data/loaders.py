"""Training, validation and sealed test loaders that share one codec and one target."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from redstart.audit.finding import Finding
from redstart.config import JSON
from redstart.data.apportion import numbered
from redstart.data.batch import Batch
from redstart.data.codec import Codec
from redstart.data.contents import content
from redstart.data.dataset import Dataset, Source
from redstart.data.loader import BatchTransform, Loader, Loads
from redstart.data.split import SplitBy, Splitter
from redstart.data.stream import StreamLoader
from redstart.data.table import Table
from redstart.data.table_dataset import dataset_of
from redstart.data.target import Target
from redstart.data.vocab import Vocab
from redstart.errors import ConfigError, DataError, NoValidationSetError, problem
from redstart.show.card import Card
from redstart.show.drawing import Drawing
from redstart.show.figure import figure

if TYPE_CHECKING:
    from redstart.audit.audit import AuditReport

__all__ = ["DataLoaders"]

log = logging.getLogger("redstart")


@dataclass(frozen=True, slots=True, eq=False)
class DataLoaders:
    """The loaders of one data set.

    ``DataLoaders(train, valid)`` also takes plain iterables of ``(x, y)`` batches.

    Attributes:
        train: Shuffled and augmented.
        valid: Neither; empty where the split has no validation rows.
        sealed: Test rows. Only ``Learner.test`` reads them, and writes down that it did.
        path: Where the data lies.
        split_by: How the rows were split.
        groups: Number of the group of every row of ``source``, int64 ``(n,)``, -1 where there
            is none: rows of one person or place. Intervals then count groups, not rows.
        remake: Makes the loaders again with another splitter; see ``resplit``.
        made: How they were made, for the bundle: JSON values.
    """

    train: Any
    valid: Any
    sealed: Any = None
    path: Path = Path()
    split_by: SplitBy = "given"
    groups: Tensor | None = None
    remake: Callable[[Splitter], DataLoaders] | None = None
    made: Mapping[str, JSON] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("train", "valid", "sealed"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Loads):
                object.__setattr__(self, name, StreamLoader(value))

    @property
    def codec(self) -> Codec[Any]:
        """The codec of the inputs."""
        codec: Codec[Any] = self.train.codec
        return codec

    @property
    def target(self) -> Target[Any, Any]:
        """The fitted target."""
        target: Target[Any, Any] = self.train.target
        return target

    @property
    def source(self) -> Source:
        """All rows, before the split."""
        return self._of_rows().source

    @property
    def items(self) -> Sequence[Any]:
        """All items; a batch's ``index`` points into it."""
        return self.source.items

    @property
    def vocab(self) -> tuple[Any, ...]:
        """Names of the classes, in the order of the model's outputs."""
        return self.target.vocabulary()

    @property
    def classes(self) -> Mapping[str, Vocab]:
        """Names of the categories of each column of a table, by column."""
        return self.codec.classes

    @property
    def c(self) -> int:
        """Number of outputs the model must have."""
        return self.target.n_out

    @property
    def device(self) -> torch.device:
        """Where batches go."""
        device: torch.device = self.train.device
        return device

    @property
    def seed(self) -> int:
        """Seeds order, augmentation, initialisation and dropout."""
        return int(self.train.seed)

    @property
    def has_valid(self) -> bool:
        """Whether there are rows to measure a model on."""
        return self.valid is not None and len(self.valid) > 0

    def require_valid(self) -> None:
        """Refuse to go on without rows to measure a model on.

        Raises:
            NoValidationSetError: If there are none.
        """
        if not self.has_valid:
            raise NoValidationSetError(
                problem(
                    "Expected a validation set: without one nobody can tell learning from "
                    "memorising",
                    f"{self.train.n_rows} training rows, no validation rows",
                    "Hold some out, for example with `valid_pct=0.2` or a splitter.",
                )
            )

    @property
    def loss_func(self) -> Any:
        """The loss that the target brings: ``loss_func(out, y)``."""
        return lambda out, *y: self.target.loss(out, y)

    def one_batch(self) -> Batch:
        """The first training batch, as the model gets it; unpacks as ``x, y``."""
        batch: Batch = next(iter(self.train.batches(epoch=0)))
        return batch

    def show_batch(
        self,
        max_n: int = 9,
        *,
        nrows: int | None = None,
        ncols: int | None = None,
        figsize: tuple[float, float] | None = None,
        unique: bool = False,
    ) -> Drawing:
        """Draw training rows as the model sees them: resized and augmented, with their labels.

        Args:
            max_n: Rows to draw at most.
            nrows: Rows of the grid.
            ncols: Columns of the grid.
            figsize: Width and height, in inches.
            unique: Whether to draw one row again and again, to see the augmentation.
        """
        cards = self.cards(max_n, unique=unique)
        return figure(cards, nrows=nrows, ncols=ncols, figsize=figsize)

    def cards(self, max_n: int = 9, *, unique: bool = False) -> list[Card]:
        """The cards that ``show_batch`` draws."""
        loader = self._of_rows()
        order = range(loader.n_rows) if unique else loader.replace(passes=1).order(epoch=0)
        some = self.readable(order, 1 if unique else max_n)
        rows = loader.replace(dataset=loader.dataset.rows_at(some), bs=max(1, len(some)), passes=1)
        rows = rows.replace(shuffle=False, num_workers=0)
        epochs = range(max_n if unique else 1)
        batches = [next(iter(rows.batches(epoch=epoch, prepare=False))) for epoch in epochs]
        return [card for batch in batches for card in self.cards_of(batch)]

    def readable(self, positions: Iterable[int], most: int) -> list[int]:
        """The first training rows among ``positions`` that can be read; the others are logged.

        Args:
            positions: Positions in the training data set.
            most: How many to find at most.

        Raises:
            DataError: If none can be read.
        """
        data, found, why = self._of_rows().dataset, list[int](), None
        for position in positions:
            if len(found) == most:
                break
            try:
                data.x(position)
            except DataError as error:
                log.warning("Not shown: %s", error)
                why = error
            else:
                found.append(position)
        if why is not None and not found:
            raise why
        return found

    def cards_of(self, batch: Batch) -> list[Card]:
        """One card per row of an unprepared batch."""
        cards = []
        for i, row in enumerate(batch.index.tolist()):
            y = None if batch.y is None else tuple(t[i].cpu() for t in batch.y)
            cards.append(
                Card(
                    index=row,
                    item=self.source.name(row),
                    view=self.codec.view(tuple(t[i].cpu() for t in batch.x)),
                    truth=None if y is None else self.target.mark(y),
                )
            )
        return cards

    def test_dl(self, items: Any, *, bs: int | None = None) -> Loader:
        """A loader of new, unlabelled items, read as the validation rows are.

        Args:
            items: Whatever the codec reads: paths, images, a frame. Or a single path.
            bs: Rows per batch; as for validation if left out.

        Raises:
            DataError: If there is no item.
        """
        listed = self.codec.listed(items)
        if not len(listed):
            raise DataError(problem("Expected at least one item", "0 items", "Check the list."))
        template = self._of_rows()
        source = Source(items=listed, inputs=listed, raws=None)
        data = dataset_of(source, range(len(listed)), self.codec, self.target, template.device)
        size = bs or getattr(self.valid, "bs", template.bs)
        return template.replace(dataset=data, bs=size, shuffle=False, tfms=(), passes=1)

    def without(self, rows: Iterable[int]) -> DataLoaders:
        """The same loaders without some rows, given by row number."""
        gone = frozenset(rows)
        return self._map(
            lambda data: data.rows_at([i for i, r in enumerate(data.rows) if r not in gone])
        )

    def with_codec(self, codec: Codec[Any]) -> DataLoaders:
        """The same rows read by another codec."""
        return self._map(lambda data: data.with_codec(codec))

    def with_target(self, target: Target[Any, Any]) -> DataLoaders:
        """The same rows with another target; it must be fitted."""
        return self._map(lambda data: data.with_target(target))

    def with_tfms(self, tfms: Sequence[BatchTransform]) -> DataLoaders:
        """The same loaders with other augmentation."""
        return replace(self, train=self._of_rows().replace(tfms=tuple(tfms)))

    def with_groups(self, groups: Sequence[Any] | Callable[[Any], Any] | str) -> DataLoaders:
        """The same loaders, with rows that belong together named: one person, one place.

        Intervals then count groups. It does not change the split: see ``resplit``.

        Args:
            groups: Name of a column of the table, a function from item to group, or the group
                of every row of ``items``.

        Raises:
            DataError: If there is no such column, or not one group per row.
        """
        table = self.source.inputs
        if isinstance(groups, str) and isinstance(table, Table):
            keys = table.column(groups).to_list()
        elif callable(groups):
            keys = [groups(item) for item in self.items]
        else:
            keys = [groups] if isinstance(groups, str) else list(groups)
        if len(keys) != len(self.items):
            raise DataError(
                problem(
                    f"Expected the group of each of {len(self.items)} rows",
                    f"{len(keys)} groups",
                    "Give one for each of `dls.items`, a function of an item, or the name of a "
                    "column of a table.",
                )
            )
        return replace(self, groups=torch.from_numpy(numbered(keys)))

    def audit(self, *, again: bool = False) -> AuditReport:
        """Look at rows, labels and split before training: leaks, give-aways, what is missing.

        ``fit`` does so by itself, once per data set and split, and prints the worst.

        Args:
            again: Whether to look again at what was audited before and has not changed.

        Returns:
            What was found, the worst first, with the rows and what to do.
        """
        from redstart.data.auditing import audit_rows

        self._of_rows()
        return audit_rows(self, again=again)

    def resplit(self, how: Splitter | Finding | str) -> DataLoaders:
        """Make the loaders again with another split.

        Args:
            how: A splitter, such as ``GroupSplitter("patient")``; or a finding of ``audit``,
                or the name of its check: rows that it ties then stay in one part.

        Raises:
            ConfigError: If the finding ties no rows, or the loaders cannot be made again.
        """
        from redstart.data.auditing import by_finding

        if self.remake is None:
            raise ConfigError(
                problem(
                    "Expected loaders made by a `DataBlock` or a `*DataLoaders` factory",
                    repr(self),
                    "Make them again with the splitter that you want.",
                )
            )
        found = self.audit().finding(how) if isinstance(how, str) else how
        return self.remake(by_finding(self, found) if isinstance(found, Finding) else found)

    def parts(self) -> dict[str, tuple[int, ...]]:
        """Row numbers of ``train``, ``valid`` and ``test``."""
        return {name: data.rows for name, data in self.datasets().items()}

    def datasets(self) -> dict[str, Dataset]:
        """The rows of ``train``, ``valid`` and ``test``; empty for plain batches."""
        found = {"train": self.train, "valid": self.valid, "test": self.sealed}
        return {
            name: loader.dataset
            for name, loader in found.items()
            if isinstance(loader, Loader) and len(loader.dataset)
        }

    def sizes(self) -> dict[str, int]:
        """Number of rows of ``train``, ``valid`` and ``test``; empty for plain batches."""
        return {name: len(data.index) for name, data in self.datasets().items()}

    def digests(self) -> dict[str, str]:
        """SHA-256 of the rows' identities and labels, and of the split."""
        datasets = self.datasets()
        if not datasets:
            return {}
        split = hashlib.sha256()
        for name, data in datasets.items():
            split.update(name.encode())
            split.update(data.index.sort().values.numpy().tobytes())
        return {"data": self._content_digest(), "split": split.hexdigest()}

    def _content_digest(self) -> str:
        raws, inputs = self.source.raws, self.source.inputs
        if isinstance(inputs, Table):
            digest, by = inputs.digest(), self.source.corrected
            return hashlib.sha256(f"{digest}{by}".encode()).hexdigest() if by else digest
        found = hashlib.sha256()
        for row, item in enumerate(inputs):
            label = "" if raws is None else raws[row]
            found.update(f"{self.codec.identity(item) or content(item)}\0{label}\n".encode())
        return found.hexdigest()

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {n}" for name, n in self.sizes().items())
        return f"DataLoaders({self.codec.kind} -> {self.target.kind}; {sizes or 'plain batches'})"

    def _map(self, change: Any) -> DataLoaders:
        def changed(loader: Any) -> Any:
            return None if loader is None else loader.replace(dataset=change(loader.dataset))

        self._of_rows()
        return replace(
            self,
            train=changed(self.train),
            valid=changed(self.valid),
            sealed=changed(self.sealed),
        )

    def _of_rows(self) -> Loader:
        if not isinstance(self.train, Loader):
            raise ConfigError(
                problem(
                    "Expected loaders made by a `DataBlock` or a `*DataLoaders` factory",
                    f"train={type(self.train).__name__}",
                    "Plain batches have no items: there is nothing to show or to look up.",
                )
            )
        return self.train
