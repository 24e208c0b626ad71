"""What is to be predicted: raw targets of all rows, and what kind of target they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from redstart.data.apportion import some
from redstart.data.spelling import factorized
from redstart.data.table import Table, missing
from redstart.data.target import Target
from redstart.errors import ConfigError, DataError, problem
from redstart.tabular.roles import MAX_CARD
from redstart.targets.category import CategoryTarget
from redstart.targets.multicategory import MultiCategoryTarget
from redstart.targets.regression import RegressionTarget

__all__ = ["labels_of", "target_of"]


def labels_of(table: Table, y_names: Sequence[str]) -> NDArray[Any]:
    """Read the raw targets of all rows.

    Args:
        table: All rows.
        y_names: One column or several.

    Returns:
        ``(N,)`` for one column, else ``(N, k)``.

    Raises:
        DataError: If one is missing; names rows.
    """
    columns = [_read(table.column(name)) for name in y_names]
    if len(columns) == 1:
        return columns[0]
    if all(column.dtype.kind in "biuf" for column in columns):
        return np.stack([column.astype(np.float64) for column in columns], axis=1)
    return np.stack([column.astype(object) for column in columns], axis=1)


def target_of(
    labels: NDArray[Any], y_names: Sequence[str], y_block: Any, *, log_target: bool
) -> Target[Any, Any]:
    """Make the target that the user asks for, or else the one that fits.

    One column: text, booleans and at most 20 different whole numbers are a category, as are
    floats that are 0 or 1; other numbers are to be estimated. Several columns: zeros and
    ones are labels; other numbers are to be estimated.

    Args:
        labels: What ``labels_of`` returned.
        y_names: Names of the columns.
        y_block: A target or a function that makes one; ``None`` to choose.
        log_target: Whether the logarithm of numbers is what counts.

    Raises:
        ConfigError: If there is no target for such columns.
    """
    target = y_block() if callable(y_block) else y_block
    if target is None:
        target = _fitting(labels, y_names)
    if isinstance(target, RegressionTarget):
        if len(y_names) > 1 and not target.names:
            target = replace(target, names=tuple(y_names))
        return replace(target, log=True) if log_target else target
    if not isinstance(target, Target):
        raise ConfigError(
            problem(
                "Expected `y_block` to be CategoryBlock, MultiCategoryBlock or RegressionBlock",
                f"y_block={y_block!r:.80}",
                "Leave it out to have the target chosen by the columns.",
            )
        )
    if log_target:
        raise ConfigError(
            problem(
                "Expected numbers to estimate with `log_target`",
                f"a target of kind {target.kind!r}",
                "Leave `log_target` out, or pass `y_block=RegressionBlock`.",
            )
        )
    return target


def _fitting(labels: NDArray[Any], y_names: Sequence[str]) -> Target[Any, Any]:
    if labels.ndim == 1:
        return CategoryTarget() if _few(labels) else RegressionTarget()
    if labels.dtype.kind == "O":
        raise ConfigError(
            problem(
                "Expected one target, or several that are numbers",
                f"y_names={list(y_names)}, some of them text",
                "Predict one of them at a time.",
            )
        )
    if np.isin(labels, (0, 1)).all():
        return MultiCategoryTarget(vocab=tuple(y_names), encoded=True)
    return RegressionTarget(names=tuple(y_names))


def _few(labels: NDArray[Any]) -> bool:
    """Whether labels are names rather than quantities."""
    if labels.dtype.kind not in "iuf":
        return not _all_different(labels)
    different = np.unique(labels)
    if labels.dtype.kind == "f":
        return bool(np.isin(different, (0, 1)).all())
    return len(different) <= MAX_CARD


def _all_different(labels: NDArray[Any]) -> bool:
    """Refuse texts of which nearly every row has its own."""
    _, values = factorized(labels)
    if len(values) > MAX_CARD and len(values) >= 0.9 * len(labels):
        raise ConfigError(
            problem(
                "Expected labels that several rows share, or numbers",
                f"{len(values)} different labels in {len(labels)} rows, such as {values[0]!r:.80}",
                "Name another column in `y_names`; make numbers of text with pandas.to_numeric.",
            )
        )
    return False


def _read(series: nw.Series[Any]) -> NDArray[Any]:
    if series.dtype.is_temporal():
        raise ConfigError(
            problem(
                f"Expected text or numbers to predict in column {series.name!r}",
                f"{series.dtype}",
                "Make a number of it, such as days from now.",
            )
        )
    if isinstance(series.dtype, nw.String | nw.Categorical | nw.Enum):
        codes, names = factorized(series)
        # Rows share the texts: far less memory than one for each.
        values, empty = np.array([*names, None], dtype=object)[codes], codes < 0
    elif isinstance(series.dtype, nw.Decimal):
        values = np.array([None if v is None else float(v) for v in series], dtype=np.float64)
        empty = np.isnan(values)
    else:
        values = series.to_numpy()
        empty = missing(values)
    if empty.any():
        rows = np.flatnonzero(empty)
        raise DataError(
            problem(
                f"Expected a value to predict in every row of column {series.name!r}",
                f"missing in {len(rows)} rows: {some(rows.tolist())}",
                f"Leave these rows out: df.dropna(subset=[{series.name!r}]).",
            )
        )
    if values.dtype.kind == "f" and (endless := np.isinf(values)).any():
        row = int(endless.argmax())
        raise DataError(
            problem(
                f"Expected finite numbers to predict in column {series.name!r}",
                f"{values[row]} in row {row}; {int(endless.sum())} such rows",
                "Correct them, or leave these rows out.",
            )
        )
    whole = values.dtype.kind == "f" and np.isin(values, (0, 1)).all()
    return values.astype(np.int64) if whole else values
