"""Predictions next to their rows, and what to ask of them: where the model is most wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, final

import torch
from torch import Tensor

from redstart.data.loader import Loader
from redstart.errors import ConfigError, DataError, problem
from redstart.rng import generator
from redstart.show.card import Card
from redstart.show.drawing import Drawing
from redstart.show.figure import figure, percent
from redstart.show.page import table
from redstart.train.predict import Predictions

if TYPE_CHECKING:
    from redstart.train.trained import Trained

__all__ = ["Interpretation", "TopLoss", "TopLosses"]

Size = tuple[float, float]

_SHOWN = 10  # rows of a summary


@dataclass(frozen=True, slots=True, kw_only=True)
class TopLoss:
    """One row, with what is known and what was predicted.

    Attributes:
        position: Its place among the predictions.
        index: Its row number in ``dls.items``.
        item: The file, or the item in words.
        truth: What it is.
        pred: What the model said.
        loss: The row's loss.
        probability: What the model gave its answer, in [0, 1]; ``None`` where it gives none.
    """

    position: int
    index: int
    item: str
    truth: str
    pred: str
    loss: float
    probability: float | None


@final
@dataclass(frozen=True, slots=True, eq=False)
class TopLosses:
    """Rows in the order of their loss; unpacks as ``losses, positions``.

    Attributes:
        predictions: Where the rows come from.
        losses: One per row, ``(k,)``.
        positions: Where the rows are among the predictions, ``(k,)`` int64.
    """

    predictions: Predictions
    losses: Tensor
    positions: Tensor

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.losses, self.positions))

    @property
    def rows(self) -> list[TopLoss]:
        """Every row with its file."""
        return self._rows(len(self.positions))

    def _rows(self, most: int) -> list[TopLoss]:
        positions, target = self.positions[:most].tolist(), self.predictions.loader.target
        y = self.predictions.y or ()
        return [
            TopLoss(
                position=position,
                index=int(self.predictions.index[position]),
                item=self.predictions.name(position),
                truth=target.mark(tuple(t[position] for t in y)).text,
                pred=target.mark(found.encoded).text,
                loss=loss,
                probability=(
                    float(found.probs.max())
                    if found.probs.ndim == 1 and target.vocabulary()
                    else None
                ),
            )
            for position, loss, found in zip(
                positions, self.losses.tolist(), self.predictions.decoded(positions), strict=False
            )
        ]

    def _repr_html_(self) -> str:
        names = ["item", "truth", "prediction", "loss", "probability"]
        rows = [
            [
                r.item,
                r.truth,
                r.pred,
                r.loss,
                "" if r.probability is None else percent(r.probability),
            ]
            for r in self._rows(_SHOWN)
        ]
        more = len(self.positions) - len(rows)
        return table(names, rows) + (f"<p>and {more} more</p>" if more else "")

    def __repr__(self) -> str:
        n = len(self.positions)
        ends = f", losses from {self.losses[0]:.4g} to {self.losses[-1]:.4g}" if n else ""
        return f"TopLosses({n} rows{ends})"


@final
@dataclass(frozen=True, slots=True, eq=False)
class Interpretation:
    """Predictions of labelled rows, made once, and what can be asked of them.

    Kept are the activations, targets and losses. Inputs are read again, and only those of
    the rows that are drawn.

    Attributes:
        predictions: One entry per row.

    Raises:
        DataError: If the rows have no labels.
    """

    predictions: Predictions

    def __post_init__(self) -> None:
        if self.predictions.losses is None or self.predictions.y is None:
            raise DataError(
                problem(
                    "Expected rows with labels, which predictions can be held against",
                    f"{len(self.predictions)} rows without a loss",
                    "Pass a labelled loader, or leave `dl` out to take the validation rows.",
                )
            )

    @classmethod
    def from_learner(cls, learn: Trained, dl: Any = None) -> Self:
        """Predict the validation rows, or those of ``dl``, once.

        Args:
            learn: Its model predicts.
            dl: A loader of labelled rows, such as ``dls.train``, or a list of batches.

        Raises:
            NoValidationSetError: If there are no validation rows and no ``dl``.
            ConfigError: If ``dl`` holds sealed test rows.
            DataError: If the rows have no labels.
        """
        if dl is None:
            learn.dls.require_valid()
        return cls(learn.collect(dl))

    @property
    def losses(self) -> Tensor:
        """The loss of every row, ``(N,)``."""
        assert self.predictions.losses is not None  # noqa: S101 - refused on construction
        return self.predictions.losses

    def top_losses(self, k: int | None = None, largest: bool = True) -> TopLosses:
        """Rank the rows by their loss: ``losses, positions = interp.top_losses(9)``.

        A loss that is not a number ranks as the largest. Equal losses keep the rows' order.

        Args:
            k: How many rows at most; all if ``None``.
            largest: Whether the worst come first, or the best.

        Returns:
            What unpacks as losses and positions, and lists the files as ``rows``.

        Raises:
            ConfigError: If ``k`` is below 1.
        """
        if k is not None and k < 1:
            raise ConfigError(
                problem("Expected `k` of 1 or more", f"k={k}", "Leave it out for all rows.")
            )
        losses, positions = self.losses.sort(descending=largest, stable=True)
        return TopLosses(self.predictions, losses[:k], positions[:k])

    def plot_top_losses(
        self,
        k: int = 9,
        *,
        nrows: int | None = None,
        ncols: int | None = None,
        figsize: Size | None = None,
        largest: bool = True,
    ) -> Drawing:
        """Draw the rows that the model is most wrong about.

        Each has its file, truth, prediction, loss and probability of the prediction below it.

        Args:
            k: How many rows at most, up to 100.
            nrows: Rows of the grid.
            ncols: Columns of the grid.
            figsize: Width and greatest height, in inches.
            largest: Whether to draw the largest losses or the smallest.
        """
        cards = self.cards(self.top_losses(k, largest).positions.tolist())
        title = f"{'Largest' if largest else 'Smallest'} losses of {len(self.losses)} rows"
        return figure(cards, nrows=nrows, ncols=ncols, figsize=figsize, title=title)

    def show_results(
        self,
        positions: Sequence[int] | Tensor | None = None,
        *,
        max_n: int = 9,
        nrows: int | None = None,
        ncols: int | None = None,
        figsize: Size | None = None,
    ) -> Drawing:
        """Draw some rows with truth and prediction.

        Args:
            positions: Which, as ``top_losses`` counts them; chosen at random if ``None``.
            max_n: Rows to choose at most.
            nrows: Rows of the grid.
            ncols: Columns of the grid.
            figsize: Width and greatest height, in inches.

        Raises:
            ConfigError: If there is no such position.
        """
        if positions is None:
            rng = generator(self.predictions.loader.seed)
            positions = torch.randperm(len(self.predictions), generator=rng)[:max_n]
        cards = self.cards([int(p) for p in positions])
        return figure(cards, nrows=nrows, ncols=ncols, figsize=figsize)

    def cards(self, positions: Sequence[int]) -> list[Card]:
        """Read the inputs of some rows again and make cards of them.

        Args:
            positions: As ``top_losses`` counts them.

        Raises:
            ConfigError: If there is no such position, or the rows came as plain batches.
        """
        n = len(self.predictions)
        if wrong := [p for p in positions if not 0 <= p < n]:
            raise ConfigError(
                problem(
                    f"Expected positions from 0 to {n - 1}",
                    f"position={wrong[0]}",
                    "Take them from `top_losses`; row numbers in `dls.items` are another count.",
                )
            )
        if not isinstance(self.predictions.loader, Loader):
            raise ConfigError(
                problem(
                    "Expected rows of loaders made by a `DataBlock` or a `*DataLoaders` factory",
                    f"loader={type(self.predictions.loader).__name__}",
                    "Plain batches cannot be read again; `top_losses` gives their positions.",
                )
            )
        return self.predictions.cards(positions)

    @property
    def mean_loss(self) -> float:
        """Mean of the losses."""
        return float(self.losses.double().mean())

    def _repr_html_(self) -> str:
        head = f"<p>{len(self.predictions)} rows, mean loss {self.mean_loss:.4g}. Most wrong:</p>"
        return head + self.top_losses(_SHOWN)._repr_html_()

    def __repr__(self) -> str:
        loss = self.mean_loss
        said = "not a number" if math.isnan(loss) else f"{loss:.4g}"
        return f"Interpretation({len(self.predictions)} rows, mean loss {said})"
