"""A table as a model or a forest of trees sees it, next to what it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from redstart.data.assemble import make_loaders
from redstart.data.dataset import Source
from redstart.data.loaders import DataLoaders
from redstart.data.split import Split, as_split
from redstart.data.table import Table
from redstart.data.target import Target, labels_at
from redstart.data.vocab import Vocab
from redstart.errors import ConfigError, problem
from redstart.tabular.cells import Cells
from redstart.tabular.codec import TabularCodec, learn_codec
from redstart.tabular.data import batch_size
from redstart.tabular.labels import labels_of, target_of
from redstart.tabular.procs import as_procs
from redstart.tabular.roles import find_roles, named
from redstart.targets.category import CategoryTarget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pandas import DataFrame, Series

__all__ = ["TabularPandas"]


@final
class TabularPandas:
    """A table with its categories numbered and its numbers filled in and scaled.

    Everything is learnt from the training rows. Frames that come out are of pandas; a change
    of them changes nothing here.

    Args:
        df: A frame of pandas, polars or pyarrow. Not changed.
        procs: Out of ``Categorify``, ``FillMissing`` and ``Normalize``; all if left out.
        cat_names: Columns of categories. If neither these nor numbers are named, all columns
            but the targets are taken, each by its type: see ``find_roles``.
        cont_names: Columns of numbers.
        y_names: The column to predict, or several; none is needed to look at ``xs``.
        y_block: The target; chosen by the columns if left out: see ``target_of``.
        splits: ``(train, valid)`` row numbers, or with test rows as a third. Without, all
            rows train: that will do for trees, but a network is not trained without
            rows to measure it on.
        date_names: Columns of dates, which are seen in parts.

    Raises:
        ConfigError: If columns are named twice or contradict each other.
        DataError: If a column is not there, or a value is not legal; names column, row and
            value.
    """

    __slots__ = ("_labels", "_rows", "codec", "split", "table", "target", "y_names")

    codec: TabularCodec
    split: Split
    table: Table
    target: Target[Any, Any] | None
    y_names: list[str]

    def __init__(
        self,
        df: Any,
        procs: Iterable[Any] | None = None,
        cat_names: Any = None,
        cont_names: Any = None,
        y_names: Any = None,
        y_block: Any = None,
        splits: Any = None,
        *,
        date_names: Any = None,
    ) -> None:
        self.table = Table(df)
        self.y_names = named(y_names)
        self._labels = labels_of(self.table, self.y_names) if self.y_names else None
        cells = Cells(self.table)
        roles = find_roles(cells, (cat_names, cont_names, date_names), self.y_names)
        n = len(self.table)
        self.split = Split.without_valid(range(n)) if splits is None else as_split(splits, n)
        train = np.asarray(self.split.train, dtype=np.intp)
        self.codec, _ = learn_codec(cells, roles, as_procs(procs), train)
        self.target = None
        if self._labels is not None:
            rest = (*self.split.valid, *self.split.test)
            target = target_of(self._labels, self.y_names, y_block, log_target=False)
            self.target = target.fit(self._labels[train], labels_at(self._labels, rest))
        self._rows: NDArray[np.intp] = np.array((*self.split.train, *self.split.valid), np.intp)

    @property
    def train(self) -> TabularPandas:
        """The training rows."""
        return self._part(self.split.train)

    @property
    def valid(self) -> TabularPandas:
        """The validation rows; none if there was no split."""
        return self._part(self.split.valid)

    @property
    def cat_names(self) -> list[str]:
        """Names of the categories, parts of dates and ``NAME_na`` included."""
        return list(self.codec.cat_names)

    @property
    def cont_names(self) -> list[str]:
        """Names of the numbers, parts of dates included."""
        return list(self.codec.cont_names)

    @property
    def classes(self) -> Mapping[str, Vocab]:
        """Names of the codes of each category; ``#na#`` is the first."""
        return self.codec.classes

    @property
    def vocab(self) -> tuple[Any, ...]:
        """Names of the classes to predict."""
        return () if self.target is None else self.target.vocabulary()

    @property
    def xs(self) -> DataFrame:
        """Codes of categories and numbers as a model sees them, one row for each."""
        import pandas as pd

        cells = self.codec.cells(self._own())
        found: dict[str, NDArray[Any]] = {}
        for category in self.codec.categories:
            codes = category.encode(cells.factors(category.name))
            found[category.name] = codes.astype(np.min_scalar_type(-len(category.classes)))
        measured: dict[str, NDArray[Any]] = {}
        for column in self.codec.numbers:
            values = cells.numbers(column.name)
            empty = np.isnan(values)
            if column.flag:
                found[f"{column.name}_na"] = (empty + 1).astype(np.int8)
            if column.fill is not None:
                values = column.filled(values, empty)
            as_is = (column.mean, column.std) == (0.0, 1.0) and not np.isnan(values).any()
            if as_is and cells.is_whole(column.name):
                measured[column.name] = values.astype(np.int64)
            else:
                measured[column.name] = (values - column.mean) / column.std
        return pd.DataFrame(found | measured, index=self._index())

    @property
    def ys(self) -> DataFrame:
        """What is to be predicted: numbers, and codes where it is a category."""
        import pandas as pd

        if self._labels is None:
            raise ConfigError(
                problem(
                    "Expected a column to predict",
                    f"y_names={self.y_names}",
                    "Pass `y_names`, and a frame that has it.",
                )
            )
        labels = self._labels[self._rows]
        if isinstance(self.target, CategoryTarget):
            encoded = self.target.encode_table(labels)
            assert encoded is not None  # noqa: S101 - the labels are an array
            labels = encoded[0].numpy()
        columns = labels.reshape(len(labels), -1)
        return pd.DataFrame(columns, columns=self.y_names, index=self._index())

    @property
    def y(self) -> Series[Any]:
        """The first column of ``ys``."""
        return self.ys.iloc[:, 0]

    @property
    def items(self) -> DataFrame:
        """``xs`` and ``ys`` side by side: the training rows, then the others."""
        import pandas as pd

        return pd.concat([self.xs, self.ys], axis=1) if self._labels is not None else self.xs

    def show(self, max_n: int = 10) -> DataFrame:
        """The first rows with categories by their names and numbers in their own units.

        Args:
            max_n: How many at most.
        """
        some = self._part(self._rows[:max_n])
        frame = some.xs
        for name, vocab in self.classes.items():
            frame[name] = [vocab[code] for code in frame[name]]
        for column in self.codec.numbers:
            frame[column.name] = column.mean + column.std * frame[column.name]
        if some._labels is not None:
            frame[self.y_names] = some._labels[some._rows].reshape(len(frame), -1)
        return frame

    def new(self, df: Any) -> TabularPandas:
        """The same columns of another frame, by what was learnt here.

        Args:
            df: A frame; it need not have the columns to predict.
        """
        made = object.__new__(TabularPandas)
        made.table, made.codec, made.target, made.y_names = (
            *(Table(df), self.codec, self.target, self.y_names),
        )
        n = len(made.table)
        known = bool(self.y_names) and set(self.y_names) <= set(made.table.names)
        made._labels = labels_of(made.table, self.y_names) if known else None
        made.split = Split.without_valid(range(n))
        made._rows = np.arange(n)
        return made

    def dataloaders(
        self, bs: int | None = None, path: str | Path = ".", **options: Any
    ) -> DataLoaders:
        """Make loaders of the rows as they are split.

        Args:
            bs: Rows per training batch; chosen by their number if left out.
            path: Where the data lies.
            **options: See ``LoaderOptions``.

        Raises:
            ConfigError: If no column is to be predicted.
            DataError: If a number is missing and nothing stands for it.
        """
        if self.target is None or self._labels is None:
            raise ConfigError(
                problem(
                    "Expected a column to predict",
                    f"y_names={self.y_names}",
                    "Pass `y_names` to TabularPandas.",
                )
            )
        source = Source(self.table, self.table, self._labels)
        bs = batch_size(len(self.split.train)) if bs is None else bs
        made = make_loaders(
            source, self.split, self.codec, self.target, path=path, bs=bs, **options
        )
        return replace(made, made={"y_names": self.y_names})

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        wanted = ", ".join(self.y_names) or "nothing"
        return (
            f"TabularPandas({len(self)} rows, {len(self.cat_names)} categories, "
            f"{len(self.cont_names)} numbers -> {wanted})"
        )

    def _part(self, rows: Sequence[int] | NDArray[np.intp]) -> TabularPandas:
        made = object.__new__(TabularPandas)
        for name in self.__slots__:
            object.__setattr__(made, name, getattr(self, name))
        made._rows = np.asarray(rows, dtype=np.intp)
        return made

    def _own(self) -> Table:
        n = len(self.table)
        if len(self._rows) == n and bool((self._rows == np.arange(n)).all()):
            return self.table
        return self.table.take(self._rows)

    def _index(self) -> Any:
        native = self.table.frame.to_native()
        index = getattr(native, "index", None)
        return None if index is None else index[self._rows]
