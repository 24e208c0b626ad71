"""Loaders for labelled pictures, from the usual places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, TypedDict, cast, final

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import Unpack

from redstart.data.block import DataBlock
from redstart.data.device import best_device
from redstart.data.frame import read_csv, rows_of
from redstart.data.items import ColReader, RegexLabeller, get_image_files, parent_label
from redstart.data.loader import check_options
from redstart.data.loaders import DataLoaders
from redstart.data.split import ColSplitter, GrandparentSplitter, RandomSplitter, Split, Splitter
from redstart.errors import ConfigError, DataError, problem
from redstart.targets.category import CategoryBlock
from redstart.vision.codec import ImageBlock

__all__ = ["ImageDataLoaders", "ImageOptions"]

_SPLIT_OPTIONS = ("valid_pct", "test_pct", "stratify")


class ImageOptions(TypedDict, total=False):
    """Keyword arguments that every factory of ``ImageDataLoaders`` accepts.

    Attributes:
        valid_pct: Share of the rows held out for validation, in (0, 1).
        test_pct: Share of the rows sealed for ``learn.test()``, in [0, 1).
        stratify: Whether every class is held out in proportion.
        splitter: Says which items train, validate and test, instead.
        item_tfms: Applied to each picture as it is read: ``Resize(224)``.
        batch_tfms: Augmentation of training batches: ``aug_transforms()``.
        img_cls: ``PILImage`` or ``PILImageBW``.
        y_block: The target; ``CategoryBlock`` if left out.
        bs: Rows per training batch.
        val_bs: Rows per validation batch.
        num_workers: Threads that read pictures.
        device: Where batches go.
        seed: Seeds split, order, augmentation, initialisation and dropout.
        cache_bytes: Memory for pictures that were read, in bytes.
        corrections: File of corrected labels, as ``LabelIssues`` writes it.
    """

    valid_pct: float | None
    test_pct: float
    stratify: bool
    splitter: Splitter
    item_tfms: Any
    batch_tfms: Any
    img_cls: Any
    y_block: Any
    bs: int
    val_bs: int
    num_workers: int
    device: str | torch.device
    seed: int
    cache_bytes: int
    corrections: str | Path


@final
class ImageDataLoaders:
    """Factories only; every one returns a ``DataLoaders``."""

    @staticmethod
    def from_folder(
        path: str | Path,
        train: str = "train",
        valid: str = "valid",
        *,
        test: str = "test",
        vocab: Sequence[Any] = (),
        **options: Unpack[ImageOptions],
    ) -> DataLoaders:
        """Label each picture with the folder it is in.

        Args:
            path: Holds ``train/LABEL/*.jpg`` and ``valid/LABEL/*.jpg``, and perhaps a
                ``test`` folder; or ``LABEL/*.jpg`` where ``valid_pct`` is given (then
                only ``test/LABEL`` is kept apart).
            train: Name of the training folder.
            valid: Name of the validation folder.
            test: Name of the folder of sealed test pictures.
            vocab: The labels, in the order wanted.
            **options: See ``ImageOptions``.

        Raises:
            DataError: If the folder is not there, holds no pictures or too few classes.
        """
        path = Path(path)
        files = get_image_files(path)
        if not files:
            raise DataError(
                problem(
                    "Expected pictures in folders named after their labels",
                    f"0 picture files in {path}",
                    "Check the path; Redstart reads JPEG, PNG, WebP, TIFF, GIF and BMP.",
                )
            )
        by_folder = _by_folder(train, valid, test)
        if options.get("valid_pct") and "splitter" not in options:
            sealed = _sealing(path, test, _splitter(dict(options), None, parent_label))
            kept = {k: v for k, v in options.items() if k not in _SPLIT_OPTIONS}
            options = cast(ImageOptions, {**kept, "splitter": sealed})
        return _load(path, files, parent_label, options, default=by_folder, vocab=tuple(vocab))

    @staticmethod
    def from_path_func(
        path: str | Path,
        fnames: Sequence[str | Path],
        label_func: Callable[[Path], Any],
        **options: Unpack[ImageOptions],
    ) -> DataLoaders:
        """Label pictures by a function of their path.

        Args:
            path: Where the data lies.
            fnames: The picture files.
            label_func: Makes the label of a path.
            **options: See ``ImageOptions``.
        """
        files = [Path(f) for f in fnames]
        return _load(Path(path), files, label_func, options)

    @staticmethod
    def from_name_func(
        path: str | Path,
        fnames: Sequence[str | Path],
        label_func: Callable[[str], Any],
        **options: Unpack[ImageOptions],
    ) -> DataLoaders:
        """Label pictures by a function of their file name; otherwise ``from_path_func``."""

        def label(file: Path) -> Any:
            return label_func(file.name)

        return ImageDataLoaders.from_path_func(path, fnames, label, **options)

    @staticmethod
    def from_path_re(
        path: str | Path, fnames: Sequence[str | Path], pat: str, **options: Unpack[ImageOptions]
    ) -> DataLoaders:
        """Label pictures by the first group of a regular expression found in their path."""
        return ImageDataLoaders.from_path_func(path, fnames, RegexLabeller(pat), **options)

    @staticmethod
    def from_name_re(
        path: str | Path, fnames: Sequence[str | Path], pat: str, **options: Unpack[ImageOptions]
    ) -> DataLoaders:
        """Label pictures by the first group of a regular expression found in their name."""
        return ImageDataLoaders.from_name_func(path, fnames, RegexLabeller(pat), **options)

    @staticmethod
    def from_lists(
        path: str | Path,
        fnames: Sequence[str | Path],
        labels: Sequence[Any],
        **options: Unpack[ImageOptions],
    ) -> DataLoaders:
        """Label pictures by a list of labels in the same order.

        Args:
            path: Where the data lies.
            fnames: The picture files.
            labels: One label for each.
            **options: See ``ImageOptions``.

        Raises:
            DataError: If the lists differ in length.
        """
        if len(fnames) != len(labels):
            raise DataError(
                problem(
                    "Expected one label for each file",
                    f"{len(fnames)} files, {len(labels)} labels",
                    "Make both lists from the same rows.",
                )
            )
        pairs = [(Path(f), label) for f, label in zip(fnames, labels, strict=True)]
        return _load(Path(path), pairs, itemgetter(1), options, get_x=itemgetter(0))

    @staticmethod
    def from_df(
        df: Any,
        path: str | Path = ".",
        *,
        folder: str = "",
        fn_col: str | int = 0,
        label_col: str | int = 1,
        suff: str = "",
        valid_col: str | None = None,
        **options: Unpack[ImageOptions],
    ) -> DataLoaders:
        """Take file names and labels from the columns of a table.

        Args:
            df: Any frame with an Arrow interface: pandas, polars, pyarrow.
            path: Where the data lies; file names that are not absolute are relative to it.
            folder: A folder in ``path`` that file names are relative to.
            fn_col: Column of file names, by name or number.
            label_col: Column of labels, by name or number.
            suff: Added to each file name, such as ``".jpg"``.
            valid_col: Column that says which rows validate.
            **options: See ``ImageOptions``.
        """
        rows = rows_of(df)
        get_x = [ColReader(fn_col, suff=suff), Path(path, folder).joinpath]
        default = ColSplitter(valid_col) if valid_col is not None else None
        get_y = ColReader(label_col)
        return _load(Path(path), rows, get_y, options, get_x=get_x, default=default)

    @staticmethod
    def from_csv(
        path: str | Path,
        csv_fname: str | Path = "labels.csv",
        *,
        delimiter: str = ",",
        **options: Any,
    ) -> DataLoaders:
        """Take file names and labels from a CSV file; otherwise ``from_df``.

        Args:
            path: Where the data lies.
            csv_fname: The table, relative to ``path``.
            delimiter: Between its columns.
            **options: As for ``from_df``.
        """
        frame = read_csv(Path(path) / csv_fname, delimiter=delimiter)
        return ImageDataLoaders.from_df(frame, path, **options)


def _load(
    path: Path,
    items: Sequence[Any],
    get_y: Callable[[Any], Any],
    options: ImageOptions,
    *,
    get_x: Any = None,
    default: Splitter | None = None,
    vocab: tuple[Any, ...] = (),
) -> DataLoaders:
    """Assemble the block that all factories share and load ``items``."""
    check_options(options, ImageOptions)
    given: dict[str, Any] = dict(options)
    splitter = _splitter(given, default, get_y)
    if str(given.get("device") or best_device()) == "cpu":
        # Larger batches gain nothing on a CPU and take longer: see `train.frozen.CPU_BS`.
        given.setdefault("val_bs", min(given.get("bs", 64), 16))
    block = DataBlock(
        blocks=(
            ImageBlock(cls=given.pop("img_cls", None)),
            given.pop("y_block", None) or CategoryBlock(vocab=vocab),
        ),
        get_x=get_x,
        get_y=get_y,
        splitter=splitter,
        item_tfms=given.pop("item_tfms", None),
        batch_tfms=given.pop("batch_tfms", None),
    )
    return block.dataloaders(list(items), path, **given)


def _by_folder(train: str, valid: str, test: str) -> Splitter:
    """Split by folder; an error says what to write in terms of ``from_folder``."""
    by_folder = GrandparentSplitter(train_name=train, valid_name=valid, test_name=test)

    def split(items: Any) -> Split:
        names = {file.parent.parent.name for file in items}
        if {train, valid} <= names:
            return by_folder(items)
        raise DataError(
            problem(
                f"Expected pictures in `{train}/LABEL` and `{valid}/LABEL`",
                f"folders two above the pictures: {', '.join(sorted(names))}",
                "Hold some out at random with `valid_pct=0.2`, or name the folders: "
                "`train='...', valid='...'`.",
            )
        )

    return split


def _sealing(path: Path, test: str, splitter: Splitter) -> Splitter:
    """Keep the pictures in ``path/test/LABEL`` sealed and split the others."""

    def split(items: Any) -> Split:
        folders = [file.relative_to(path).parent.parent.name for file in items]
        sealed = [row for row, name in enumerate(folders) if name == test]
        rest = [row for row, name in enumerate(folders) if name != test]
        found = splitter([items[row] for row in rest])
        parts = [[rest[row] for row in part] for part in (found.train, found.valid, found.test)]
        return Split(
            tuple(parts[0]),
            tuple(parts[1]),
            (*parts[2], *sealed),
            by=found.by,
            groups=_spread(found.groups, rest, len(items)),
        )

    return split


def _spread(
    groups: NDArray[np.int64] | None, rows: Sequence[int], n: int
) -> NDArray[np.int64] | None:
    """Groups of some rows as groups of all ``n``; -1 for the others."""
    if groups is None:
        return None
    found = np.full(n, -1, dtype=np.int64)
    found[rows] = groups
    return found


def _splitter(given: dict[str, Any], default: Splitter | None, get_y: Any) -> Splitter:
    """The splitter that the options ask for."""
    named = [k for k in _SPLIT_OPTIONS if given.get(k)]
    pct, test_pct = given.pop("valid_pct", None), given.pop("test_pct", 0.0)
    stratify, own = given.pop("stratify", False), given.pop("splitter", None)
    if own is not None:
        if named:
            raise ConfigError(
                problem(
                    f"Expected `splitter` or `{named[0]}`",
                    "both",
                    "Leave one of them out, or ask the splitter itself for it.",
                )
            )
        return own  # type: ignore[no-any-return]
    if pct is None and default is not None:
        if named:
            raise ConfigError(
                problem(
                    f"Expected `valid_pct` along with `{named[0]}`, to split at random",
                    "valid_pct=None, which splits by the folders or the column given",
                    "Add `valid_pct=0.2`.",
                )
            )
        return default
    return RandomSplitter(
        0.2 if pct is None else pct,
        seed=given.get("seed", 42),
        test_pct=test_pct,
        stratify=get_y if stratify else None,
    )
