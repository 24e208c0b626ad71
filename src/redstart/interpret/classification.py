"""What a classifier gets wrong: which labels it takes for which, and in which files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Self, final

import torch
from torch import Tensor

from redstart.errors import ConfigError, problem
from redstart.evaluate.classes import ClassificationReport, Figure
from redstart.interpret.interpretation import Interpretation, Size, TopLosses
from redstart.metrics.interval import wilson
from redstart.show.drawing import Drawing
from redstart.show.page import table
from redstart.targets.category import CategoryTarget
from redstart.train.measure import as_loader
from redstart.train.predict import Predictions

if TYPE_CHECKING:
    from redstart.train.trained import Trained

__all__ = ["ClassificationInterpretation"]

_SHOWN = 10  # confusions of a summary


@final
@dataclass(frozen=True, slots=True, eq=False)
class ClassificationInterpretation:
    """Predictions of rows with one label each, made once, and what can be asked of them.

    Attributes:
        predictions: One entry per row.

    Raises:
        ConfigError: If the target is not a single label.
        DataError: If the rows have no labels.
    """

    predictions: Predictions

    def __post_init__(self) -> None:
        _require_category(self.predictions.loader)
        Interpretation(self.predictions)  # refuses rows without labels

    @classmethod
    def from_learner(cls, learn: Trained, dl: Any = None) -> Self:
        """Predict the validation rows, or those of ``dl``, once.

        Args:
            learn: Its model predicts.
            dl: A loader of labelled rows, such as ``dls.train``.

        Raises:
            NoValidationSetError: If there are no validation rows and no ``dl``.
            ConfigError: If the target is not a single label, or ``dl`` holds sealed test rows.
            DataError: If the rows have no labels.
        """
        if dl is None:
            learn.dls.require_valid()
        loader = learn.dls.valid if dl is None else as_loader(learn.dls, dl)
        _require_category(loader)
        return cls(learn.collect(loader))

    @property
    def vocab(self) -> tuple[Any, ...]:
        """The labels, in the order of the confusion matrix."""
        vocab: tuple[Any, ...] = self.predictions.loader.target.vocabulary()
        return vocab

    def confusion_matrix(self) -> Tensor:
        """Count how often each label is taken for each.

        Returns:
            ``(C, C)`` int64: rows are the actual labels, columns the predicted ones.
        """
        actual, predicted = self._pairs()
        n = len(self.vocab)
        return torch.bincount(actual * n + predicted, minlength=n * n).view(n, n)

    def plot_confusion_matrix(
        self, normalize: bool = False, figsize: Size | None = None
    ) -> Drawing:
        """Draw the confusion matrix; of more than 60 labels, the most confused in detail.

        Args:
            normalize: Write percentages of each actual label in place of counts.
            figsize: Width and height, in inches.
        """
        from redstart.show.confusion import plot_confusion_matrix

        return plot_confusion_matrix(
            self.confusion_matrix().numpy(),
            [str(label) for label in self.vocab],
            normalize=normalize,
            figsize=figsize,
        )

    def most_confused(self, min_val: int = 1) -> list[tuple[Any, Any, int]]:
        """List the confusions, the most frequent first.

        Args:
            min_val: Leave out those that occur less often; at least 1.

        Returns:
            ``(actual, predicted, count)``; equal counts in the order of the vocabulary.

        Raises:
            ConfigError: If ``min_val`` is below 1.
        """
        if min_val < 1:
            raise ConfigError(
                problem("Expected `min_val` of 1 or more", f"min_val={min_val}", "Leave it out.")
            )
        wrong = self.confusion_matrix()
        wrong.fill_diagonal_(0)
        found = [(a, p, int(wrong[a, p])) for a, p in (wrong >= min_val).nonzero().tolist()]
        found.sort(key=lambda row: -row[2])
        return [(self.vocab[a], self.vocab[p], count) for a, p, count in found]

    def confused(self, actual: Any, predicted: Any) -> TopLosses:
        """Find the rows of one cell of the confusion matrix: their files, the worst first.

        Args:
            actual: A label.
            predicted: What its rows were taken for.

        Raises:
            DataError: If there is no such label.
        """
        target = self.predictions.loader.target
        a, p = (int(target.encode(label)[0]) for label in (actual, predicted))
        ranked = self.top_losses()
        truth, said = self._pairs()
        here = ((truth == a) & (said == p))[ranked.positions]
        return TopLosses(self.predictions, ranked.losses[here], ranked.positions[here])

    def report(self) -> ClassificationReport:
        """Precision, recall and F1 of every label, with 95% intervals."""
        return ClassificationReport.of(self.confusion_matrix(), self.vocab)

    def print_classification_report(self) -> None:
        """Print the report: all labels, or of more than 40 those with the lowest F1."""
        print(self.report())

    def plot_report(self, *, worst: int = 30, figsize: Size | None = None) -> Drawing:
        """Draw recall and precision of each label, from the lowest recall on.

        Args:
            worst: How many labels to draw at most.
            figsize: Width and height, in inches.
        """
        return self.report().plot(worst=worst, figsize=figsize)

    def top_losses(self, k: int | None = None, largest: bool = True) -> TopLosses:
        """Rank the rows by their loss; see ``Interpretation.top_losses``."""
        return Interpretation(self.predictions).top_losses(k, largest)

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

        See ``Interpretation.plot_top_losses``.
        """
        return Interpretation(self.predictions).plot_top_losses(
            k, nrows=nrows, ncols=ncols, figsize=figsize, largest=largest
        )

    def show_results(
        self,
        positions: Sequence[int] | Tensor | None = None,
        *,
        max_n: int = 9,
        nrows: int | None = None,
        ncols: int | None = None,
        figsize: Size | None = None,
    ) -> Drawing:
        """Draw some rows with truth and prediction; see ``Interpretation.show_results``."""
        return Interpretation(self.predictions).show_results(
            positions, max_n=max_n, nrows=nrows, ncols=ncols, figsize=figsize
        )

    def _pairs(self) -> tuple[Tensor, Tensor]:
        """Actual and predicted label numbers, ``(N,)`` each."""
        assert self.predictions.y is not None  # noqa: S101 - refused on construction
        return self.predictions.y[0], self.predictions.acts.argmax(dim=-1)

    def _said(self) -> str:
        actual, predicted = self._pairs()
        right, n = int((actual == predicted).sum()), len(actual)
        accuracy = Figure(right / n, wilson(right, n))
        return f"{n} rows, {len(self.vocab)} classes, accuracy {accuracy}"

    def _repr_html_(self) -> str:
        head = f"<p>{escape(self._said())}.</p>"
        confusions = self.most_confused()
        if not confusions:
            return head
        more = len(confusions) - _SHOWN
        rest = f"<p>and {more} more kinds of error</p>" if more > 0 else ""
        return head + table(["actual", "predicted", "count"], confusions[:_SHOWN]) + rest

    def __repr__(self) -> str:
        return f"ClassificationInterpretation({self._said()})"


def _require_category(loader: Any) -> None:
    target = loader.target
    if not isinstance(target, CategoryTarget):
        raise ConfigError(
            problem(
                "Expected a target with one label per row",
                f"target={target.kind!r}",
                "Use `Interpretation.from_learner`, which ranks rows of every kind by loss.",
            )
        )
