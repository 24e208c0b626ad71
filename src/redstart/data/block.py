"""Declare how a source becomes loaders, once, before there is any data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from typing_extensions import Unpack

from redstart.data.apportion import some
from redstart.data.assemble import make_loaders
from redstart.data.codec import Codec
from redstart.data.correcting import corrected
from redstart.data.dataset import ItemDataset, Source
from redstart.data.frame import is_frame, is_missing, rows_of
from redstart.data.loader import LoaderOptions, check_options
from redstart.data.loaders import DataLoaders
from redstart.data.split import Split, Splitter, as_split
from redstart.data.target import Target
from redstart.data.transform import bind_all
from redstart.errors import ConfigError, DataError, problem

__all__ = ["DataBlock", "Datasets"]

MIN_ROWS = 5


def _same(item: Any) -> Any:
    return item


@dataclass(frozen=True, slots=True)
class Datasets:
    """The parts of a split before they are batched: ``dsets.train[0]`` is ``(x, y)``.

    Attributes:
        source: All rows.
        split: Which row goes where.
        codec: Reads the inputs.
        target: Encodes the labels.
        train: Training rows.
        valid: Validation rows.
    """

    source: Source
    split: Split
    codec: Codec[Any]
    target: Target[Any, Any]
    train: Rows
    valid: Rows

    @property
    def vocab(self) -> tuple[Any, ...]:
        """Names of the classes."""
        return self.target.vocabulary()


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in the user's terms: what ``load`` read and the label as it was given."""

    data: ItemDataset

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, position: int) -> tuple[Any, Any]:
        row = self.data.rows[position]
        source = self.data.source
        raw = self.data.codec.load(source.inputs[row])
        return raw, None if source.raws is None else source.raws[row]


@dataclass(frozen=True)
class DataBlock:
    """A recipe from a source to ``DataLoaders``; holds no data itself.

    Attributes:
        blocks: An input and a target, each a ``Codec``/``Target`` or a function that
            makes one: ``(ImageBlock, CategoryBlock)``.
        get_items: Lists the items of a source; a source that is a list needs none.
        splitter: Says which items train, validate and test.
        get_x: Makes the input of an item, which is that itself if left out; a list of
            functions is applied in turn.
        get_y: Makes the label of an item, likewise; always needed.
        item_tfms: Applied to each input when it is read, for predictions too.
        batch_tfms: Augmentation of training batches, on the model's device.
    """

    blocks: Sequence[Any]
    get_items: Callable[[Any], Sequence[Any]] | None = None
    splitter: Splitter | Callable[[Any], Any] | None = None
    get_x: Any = None
    get_y: Any = None
    item_tfms: Any = None
    batch_tfms: Any = None

    def new(self, **changes: Any) -> DataBlock:
        """Return a copy with some attributes changed."""
        return replace(self, **changes)

    def datasets(self, source: Any) -> Datasets:
        """List, label and split the items and fit the target, without batching.

        Args:
            source: Whatever ``get_items`` accepts.

        Raises:
            DataError: If there are too few rows, or labels or split do not fit.
        """
        rows, split, codec, target = self._fitted(source)
        parts = [ItemDataset.of(rows, part, codec, target) for part in (split.train, split.valid)]
        return Datasets(rows, split, codec, target, Rows(parts[0]), Rows(parts[1]))

    def dataloaders(
        self, source: Any, path: str | Path | None = None, **options: Unpack[LoaderOptions]
    ) -> DataLoaders:
        """List the items, split them, fit the target on the training rows, and load.

        Args:
            source: Whatever ``get_items`` accepts.
            path: Where the data lies; the source itself if that is a path.
            **options: See ``LoaderOptions``.

        Raises:
            DataError: If there are too few rows, or labels or split do not fit.
        """
        check_options(options, LoaderOptions)
        where = path if path is not None else source if isinstance(source, str | Path) else "."
        rows, split, codec, target = self._fitted(source, options.get("corrections"), where)
        codec, tfms = bind_all(_listed(self.batch_tfms), codec, target)
        made = make_loaders(rows, split, codec, target, path=where, tfms=tfms, **options)
        return replace(
            made,
            remake=lambda splitter: replace(self, splitter=splitter).dataloaders(
                source, path, **options
            ),
        )

    def summary(self, source: Any, **options: Unpack[LoaderOptions]) -> None:
        """Step one training row through every stage and print what each made of it.

        Args:
            source: Whatever ``get_items`` accepts.
            **options: See ``LoaderOptions``.
        """
        from redstart.data.summary import summarize

        print(summarize(self.dataloaders(source, **options)))

    def _fitted(
        self, source: Any, corrections: str | Path | None = None, path: str | Path = "."
    ) -> tuple[Source, Split, Codec[Any], Target[Any, Any]]:
        codec, target = self._blocks()
        codec = codec.with_item_tfms(_listed(self.item_tfms))
        rows = self._source(source)
        rows, split = corrected(rows, self._split(rows), corrections, path=path)
        train = _labels(rows, split.train)
        rest = _labels(rows, (*split.valid, *split.test))
        codec = codec.fit(codec.load(rows.inputs[i]) for i in split.train)
        return rows, split, codec, target.fit(train, rest)

    def _source(self, source: Any) -> Source:
        items = self.get_items(source) if self.get_items is not None else _rows(source)
        items = list(items)
        if len(items) < MIN_ROWS:
            raise DataError(
                problem(
                    "Expected at least one item"
                    if not items
                    else f"Expected {MIN_ROWS} rows or more",
                    f"{len(items)} items in {_short(source)}",
                    "Check the path, and that `get_items` finds files of the kind you have.",
                )
            )
        if self.get_y is None:
            raise ConfigError(
                problem(
                    "Expected `get_y`, which makes the label of an item",
                    "get_y=None",
                    "Pass for example `get_y=parent_label`.",
                )
            )
        inputs = [_apply("get_x", self.get_x, item, row) for row, item in enumerate(items)]
        raws = [_apply("get_y", self.get_y, item, row) for row, item in enumerate(items)]
        return Source(items, inputs, raws)

    def _split(self, rows: Source) -> Split:
        from redstart.data.split import RandomSplitter

        splitter = self.splitter if self.splitter is not None else RandomSplitter(seed=42)
        return as_split(splitter(rows.items), len(rows.items))

    def _blocks(self) -> tuple[Codec[Any], Target[Any, Any]]:
        made = [b() if callable(b) else b for b in _listed(self.blocks)]
        if len(made) == 2 and isinstance(made[0], Codec) and isinstance(made[1], Target):
            return made[0], made[1]
        raise ConfigError(
            problem(
                "Expected `blocks` to be an input and a target",
                f"blocks={tuple(type(b).__name__ for b in made)}",
                "Write for example `blocks=(ImageBlock, CategoryBlock)`.",
            )
        )


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _rows(source: Any) -> Sequence[Any]:
    """Items of a source that is a frame or a list already."""
    if isinstance(source, str | Path):
        raise ConfigError(
            problem(
                "Expected `get_items` for a source that is a path",
                f"source={str(source)!r}",
                "Pass for example `get_items=get_image_files`.",
            )
        )
    return rows_of(source) if is_frame(source) else list(source)


def _apply(name: str, functions: Any, item: Any, row: int) -> Any:
    value = item
    try:
        for function in _listed(functions):
            value = function(value)
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            problem(
                f"Expected `{name}` to make something of row {row}, {_short(item)}",
                f"{type(error).__name__}: {error}",
                "Mend the function, or leave such items out in `get_items`.",
            )
        ) from error
    return value


def _labels(rows: Source, wanted: Sequence[int]) -> list[Any]:
    """Labels of some rows, none of them missing."""
    assert rows.raws is not None  # noqa: S101 - a block always has a target
    labels = [rows.raws[row] for row in wanted]
    if missing := [row for row, label in zip(wanted, labels, strict=True) if is_missing(label)]:
        raise DataError(
            problem(
                "Expected a label for every row",
                f"{rows.raws[missing[0]]!r} for {rows.name(missing[0])}; "
                f"rows without one: {some(missing)}",
                "Fill them in, or leave these rows out.",
            )
        )
    return labels


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
