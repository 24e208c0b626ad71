"""Loaders for tables: CSV and Parquet files, and frames of pandas, polars and pyarrow."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, TypedDict, cast, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import Unpack

from redstart.data.assemble import make_loaders
from redstart.data.correcting import corrected
from redstart.data.dataset import Source
from redstart.data.loader import LoaderOptions, check_options
from redstart.data.loaders import DataLoaders
from redstart.data.split import (
    FuncSplitter,
    IndexSplitter,
    RandomSplitter,
    Split,
    Splitter,
    as_split,
)
from redstart.data.table import Table, read_table
from redstart.data.target import labels_at
from redstart.errors import ConfigError, DataError, problem
from redstart.tabular.cells import Cells, numbers
from redstart.tabular.codec import learn_codec
from redstart.tabular.labels import labels_of, target_of
from redstart.tabular.procs import as_procs
from redstart.tabular.roles import MAX_CARD, find_roles, named

__all__ = ["TabularDataLoaders", "TabularOptions", "batch_size"]

_LOADING = tuple(LoaderOptions.__annotations__)
_AT_RANDOM = ("valid_pct", "test_pct", "stratify")
_SPLITTING = (*_AT_RANDOM, "splitter", "valid_col")


class TabularOptions(TypedDict, total=False):
    """Keyword arguments that every factory of ``TabularDataLoaders`` accepts.

    Attributes:
        valid_pct: Share of the rows held out for validation, in (0, 1).
        test_pct: Share of the rows sealed for ``learn.test()``, in [0, 1).
        stratify: Whether every class is held out in proportion.
        splitter: Takes the frame and says which rows train, validate and test, instead.
        valid_col: Column that says which rows validate, instead; no input.
        date_names: Columns of dates, which the model sees in parts: year, month, ...
        weight_name: Column of positive numbers: how much a row counts in the training loss.
            Their mean over training rows is brought to 1. No input.
        log_target: Whether the loss compares logarithms of the numbers to predict.
        max_card: Where columns are chosen: integers with more different values are numbers.
        bs: Rows per training batch; chosen by their number if left out: see ``batch_size``.
        val_bs: Rows per validation batch.
        num_workers: Not used; tables are in memory.
        device: Where batches go.
        seed: Seeds split, order, initialisation and dropout.
        cache_bytes: Not used.
        corrections: File of corrected labels, as ``LabelIssues`` writes it.
    """

    valid_pct: float | None
    test_pct: float
    stratify: bool
    splitter: Splitter
    valid_col: str
    date_names: Any
    weight_name: str
    log_target: bool
    max_card: int
    bs: int
    val_bs: int
    num_workers: int
    device: str | torch.device
    seed: int
    cache_bytes: int
    corrections: str | Path


@final
class TabularDataLoaders:
    """Factories only; every one returns a ``DataLoaders``."""

    @staticmethod
    def from_df(
        df: Any,
        path: str | Path = ".",
        procs: Iterable[Any] | None = None,
        cat_names: Any = None,
        cont_names: Any = None,
        y_names: Any = None,
        y_block: Any = None,
        valid_idx: Iterable[int] | None = None,
        **options: Unpack[TabularOptions],
    ) -> DataLoaders:
        """Split a table, learn categories, medians and scales of its training rows, and load.

        Args:
            df: Any frame with an Arrow interface: pandas, polars, pyarrow. Not changed.
            path: Where the data lies.
            procs: Out of ``Categorify``, ``FillMissing`` and ``Normalize``; all if left out.
            cat_names: Columns of categories. If neither these nor numbers are named, all
                columns but the targets are taken, each by its type: see ``find_roles``.
            cont_names: Columns of numbers.
            y_names: The column to predict, or several: 0 and 1 for labels, else numbers.
            y_block: The target; chosen by the columns if left out (see ``target_of``).
            valid_idx: Numbers of the rows to validate on.
            **options: See ``TabularOptions``.

        Raises:
            ConfigError: If options contradict each other.
            DataError: If a column is not there, or a value is not legal; names column, row
                and value.
        """
        check_options(options, TabularOptions)
        table = Table(df)
        targets = _targets(y_names)
        beside = named([n for n in map(options.get, ("weight_name", "valid_col")) if n])
        _check_length(table)
        labels = labels_of(table, targets)
        cells = Cells(table)
        roles = find_roles(
            cells,
            (cat_names, cont_names, options.get("date_names")),
            [*targets, *beside],
            options.get("max_card", MAX_CARD),
        )
        split = _split(df, table, labels, valid_idx, options)
        source, split = corrected(
            Source(table, table, labels),
            split,
            options.get("corrections"),
            path=path,
            labels=targets,
        )
        labels = np.asarray(source.raws)
        train = np.asarray(split.train, dtype=np.intp)
        codec, cells = learn_codec(cells, roles, as_procs(procs), train)
        target = target_of(labels, targets, y_block, log_target=options.get("log_target", False))
        made = make_loaders(
            source,
            split,
            codec,
            target.fit(labels[train], labels_at(labels, (*split.valid, *split.test))),
            path=path,
            columns=codec.encode_cells(cells),
            weights=_weights(table, options.get("weight_name"), train),
            **cast(
                LoaderOptions,
                {
                    "bs": batch_size(len(train)),
                    **{k: v for k, v in options.items() if k in _LOADING},
                },
            ),
        )

        def again(splitter: Splitter) -> DataLoaders:
            kept: Any = {k: v for k, v in options.items() if k not in _SPLITTING}
            columns = (procs, cat_names, cont_names, y_names, y_block)
            return TabularDataLoaders.from_df(df, path, *columns, splitter=splitter, **kept)

        return replace(made, remake=again, made={"y_names": targets})

    @staticmethod
    def from_csv(
        csv: str | PathLike[str],
        path: str | Path = ".",
        *,
        delimiter: str | None = None,
        encoding: str | None = None,
        **options: Any,
    ) -> DataLoaders:
        """Take a table from a CSV or Parquet file; otherwise ``from_df``.

        Args:
            csv: The file.
            path: Where the data lies.
            delimiter: Of a CSV file; the most frequent in its first line if left out.
            encoding: Of a CSV file; UTF-8 if left out.
            **options: As for ``from_df``.
        """
        frame = read_table(csv, delimiter=delimiter, encoding=encoding)
        return TabularDataLoaders.from_df(frame, path, **options)


def batch_size(n_rows: int) -> int:
    """Rows of a batch for a table: a power of two near a 128th of the training rows.

    From 32 to 1,024. Smaller batches of large tables take longer and gain nothing; larger
    ones of small tables leave too few steps (measured on tables of 13,000 to 36,000 rows).

    Args:
        n_rows: Training rows.
    """
    return int(min(1024, max(32, 2 ** round(math.log2(max(n_rows, 1) / 128)))))


def _targets(y_names: Any) -> list[str]:
    found = named(y_names)
    if not found:
        raise ConfigError(
            problem(
                "Expected the name of the column to predict",
                f"y_names={y_names!r}",
                "Pass for example `y_names='salary'`.",
            )
        )
    return found


def _check_length(table: Table) -> None:
    if (n := len(table)) < 2:
        raise DataError(problem("Expected two rows or more", f"{n} rows", "Add rows."))


def _split(
    df: Any, table: Table, labels: NDArray[Any], valid_idx: Any, options: TabularOptions
) -> Split:
    """Split as the options ask for; refuse two ways at once."""
    ways = {"valid_idx": valid_idx, **{k: options.get(k) for k in ("splitter", "valid_col")}}
    chosen = [name for name, value in ways.items() if value is not None]
    at_random = [name for name in _AT_RANDOM if options.get(name)]
    if len(chosen) + bool(at_random) > 1:
        raise ConfigError(
            problem(
                "Expected one way to split",
                f"{', '.join([*chosen, *at_random])}",
                "Leave all but one out.",
            )
        )
    n = len(table)
    if valid_idx is not None:
        return IndexSplitter(valid_idx)(range(n))
    if "valid_col" in chosen:
        return FuncSplitter(_same)(table.column(options["valid_col"]).to_list())
    if "splitter" in chosen:
        return as_split(options["splitter"](df), n)
    pct = options.get("valid_pct")
    stratify = options.get("stratify", False)
    if stratify and labels.ndim > 1:
        raise ConfigError(
            problem("Expected one target with `stratify`", f"{labels.shape[1]}", "Leave it out.")
        )
    at_random_split = RandomSplitter(
        0.2 if pct is None else pct,
        seed=options.get("seed", 42),
        test_pct=options.get("test_pct", 0.0),
        stratify=_same if stratify else None,
    )
    return at_random_split(labels.tolist() if stratify else range(n))


def _weights(table: Table, name: str | None, train: NDArray[np.intp]) -> Tensor | None:
    """Weights of the rows, float32 ``(N,)``, with mean 1 over training rows."""
    if name is None:
        return None
    values = numbers(table.column(name))
    if (bad := ~(values > 0)).any():
        row = int(bad.argmax())
        raise DataError(
            problem(
                f"Expected positive weights in column {name!r}",
                f"{values[row]:g} in row {row}; {int(bad.sum())} such rows",
                "Correct them, or leave such rows out.",
            )
        )
    return torch.from_numpy((values / values[train].mean()).astype(np.float32))


def _same(value: Any) -> Any:
    return value
