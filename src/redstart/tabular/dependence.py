"""What a model says as one column changes and all others stay: partial dependence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redstart.data.batch import Batch
from redstart.data.table import nearest
from redstart.errors import ConfigError, problem
from redstart.show.dependence import Axis, plot_dependence, plot_dependence_of_two
from redstart.show.digits import digits
from redstart.show.drawing import Drawing
from redstart.tabular.codec import TabularCodec
from redstart.tabular.groups import with_values
from redstart.tabular.rows import outputs, some_valid_rows, training_rows
from redstart.targets.regression import RegressionTarget

if TYPE_CHECKING:
    from redstart.tabular.learner import TabularLearner

__all__ = ["PartialDependence", "partial_dependence"]

_STEPS, _STEPS_OF_TWO = 24, 12
_CATEGORIES, _CATEGORIES_OF_TWO = 15, 10
_EDGE = 0.01  # share of the rows beyond either end of the grid of a number


@final
@dataclass(frozen=True, slots=True, eq=False)
class PartialDependence:
    """What a model says on average; in a notebook, a picture.

    Attributes:
        columns: One column, or two.
        grids: Values of each column: numbers in their own units, or names of categories.
        mean: Mean over rows, ``(G,)``; of two columns ``(G1, G2)``.
        rows: What it says of each row, ``(N, G)`` (individual conditional expectation,
            Goldstein et al., 2015, arXiv:1309.6392); of two columns ``(N, G1, G2)``.
        what: What is followed: a probability, or a number.
        axes: How each column is drawn.
    """

    columns: tuple[str, ...]
    grids: tuple[tuple[Any, ...], ...]
    mean: NDArray[np.float64]
    rows: NDArray[np.float64]
    what: str
    axes: tuple[Axis, ...]

    def plot(self, *, lines: int = 40, figsize: tuple[float, float] | None = None) -> Drawing:
        """Draw the mean, and of one column the lines of some rows in grey.

        Args:
            lines: How many rows to draw at most.
            figsize: Width and height, in inches.
        """
        if len(self.columns) == 2:
            return plot_dependence_of_two(self.axes, self.mean, self.what, figsize=figsize)
        some = self.rows[:: max(1, -(-len(self.rows) // max(lines, 1)))] if lines else self.rows[:0]
        return plot_dependence(self.axes[0], self.mean, some, self.what, figsize=figsize)

    def _repr_html_(self) -> str:
        return self.plot().html()

    def __repr__(self) -> str:
        by = " and ".join(self.columns)
        low, high = float(self.mean.min()), float(self.mean.max())
        return f"PartialDependence({self.what} by {by}: {digits(low)} to {digits(high)})"


def partial_dependence(
    learn: TabularLearner, columns: Sequence[str], *, label: Any = None, max_rows: int = 500
) -> PartialDependence:
    """Set one column, or two, to many values in all rows, and average what the model says.

    Friedman's partial dependence (2001, Annals of Statistics 29:1189). Numbers go over
    quantiles of the training rows, categories over the most frequent: in that order, or in
    their own if they are numbers. Values that do not
    occur together in the data are tried all the same.

    Args:
        learn: Its model predicts.
        columns: Names, parts of dates among them.
        label: The class, label or number to follow; the last if ``None``.
        max_rows: Validation rows to average over at most, drawn by the loaders' seed.

    Raises:
        ConfigError: If there is no such column or label, or not one column or two.
        NoValidationSetError: If there are no validation rows.
    """
    codec = learn.dls.codec
    assert isinstance(codec, TabularCodec)  # noqa: S101 - a tabular learner has no other
    if len(columns) not in (1, 2) or len(set(columns)) != len(columns):
        raise ConfigError(
            problem("Expected one column or two", f"columns={list(columns)}", "Name one.")
        )
    place, what = _followed(learn, label)
    rows, train = some_valid_rows(learn.dls, max_rows), training_rows(learn.dls)
    two = len(columns) == 2
    grids = [_grid(codec, train, name, two=two) for name in columns]
    points = [
        dict(zip(columns, values, strict=True)) for values in _product([g.codes for g in grids])
    ]
    said = [_answers(learn, with_values(rows.x, codec, point), place) for point in points]
    shape = tuple(len(grid.codes) for grid in grids)
    found = torch.stack(said, 1).double().numpy().reshape(len(rows), *shape)
    return PartialDependence(
        columns=tuple(columns),
        grids=tuple(grid.values for grid in grids),
        mean=found.mean(0),
        rows=found,
        what=what,
        axes=tuple(
            Axis(name, grid.values, grid.shares) for name, grid in zip(columns, grids, strict=True)
        ),
    )


@dataclass(frozen=True, slots=True)
class _Grid:
    """Values of a column: as the model takes them, and as people read them."""

    codes: tuple[float, ...]
    values: tuple[Any, ...]
    shares: tuple[float, ...]  # of training rows, of categories; empty for numbers


def _grid(codec: TabularCodec, train: Batch, name: str, *, two: bool) -> _Grid:
    if name in codec.cat_names:
        column = train.x[0][:, codec.cat_names.index(name)].cpu()
        most = _CATEGORIES_OF_TWO if two else _CATEGORIES
        counts = torch.bincount(column, minlength=len(codec.classes[name]))
        codes = [int(c) for c in counts.argsort(descending=True, stable=True) if counts[c]][:most]
        vocab = codec.classes[name]
        if all(isinstance(vocab[c], int | float) for c in codes if c):
            codes.sort(key=lambda c: (c == 0, vocab[c] if c else 0))  # years read as a line
        shares = tuple(float(counts[c]) / len(column) for c in codes)
        return _Grid(tuple(map(float, codes)), tuple(str(vocab[c]) for c in codes), shares)
    if name not in codec.cont_names:
        names = [*codec.cat_names, *codec.cont_names]
        raise ConfigError(
            problem(
                "Expected the name of a column that the model sees",
                f"{name!r}",
                f"{nearest(name, names)}Columns: {', '.join(names)}.",
            )
        )
    place = codec.cont_names.index(name)
    column = train.x[1][:, place].double().cpu()
    levels = torch.linspace(_EDGE, 1 - _EDGE, _STEPS_OF_TWO if two else _STEPS).double()
    # Values of rows, not means of two: a whole number stays one.
    ordered = column.sort().values
    at = (levels * (len(ordered) - 1)).round().long()
    scaled = torch.unique(ordered[at]).tolist()
    measure = codec.numbers[place]
    return _Grid(tuple(scaled), tuple(measure.unscaled(v) for v in scaled), ())


def _followed(learn: TabularLearner, label: Any) -> tuple[int, str]:
    """Which output is followed, and what it is called."""
    target = learn.dls.target
    if isinstance(target, RegressionTarget):
        names: Sequence[Any] = target.names or ["prediction"] * target.n_out
        say = "{}".format
    else:
        names, say = target.vocabulary(), "probability of {}".format
    if label is None:
        return len(names) - 1, say(names[-1])
    if label not in names:
        raise ConfigError(
            problem(
                "Expected a label of the target",
                f"label={label!r}",
                f"{nearest(label, names)}Labels: {', '.join(map(str, names))}.",
            )
        )
    return list(names).index(label), say(label)


def _answers(learn: TabularLearner, x: tuple[Tensor, ...], place: int) -> Tensor:
    return learn.dls.target.activate(outputs(learn, x))[:, place]


def _product(grids: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
    found: list[tuple[float, ...]] = [()]
    for grid in grids:
        found = [(*some, value) for some in found for value in grid]
    return found
