"""Rows whose label is likely to be wrong: to look at, to review, to correct.

Reviewing and correcting, in full::

    issues = learn.label_issues()
    issues.plot(12)                                    # look
    issues.to_csv("review.csv")                        # decide, in a spreadsheet
    issues.read_csv("review.csv").save("labels.json")  # what was decided
    dls = ImageDataLoaders.from_folder(path, corrections="labels.json")

What it gains is measured by training on ``dls``, with the same settings, and comparing both
learners on the same rows with the labels as they are now:
``compare(after, before, dl=after.dls.valid)``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from torch import Tensor

from redstart.data.correcting import identity
from redstart.data.corrections import Correction, Corrections, plain_label
from redstart.data.loaders import DataLoaders
from redstart.errors import ConfigError, problem
from redstart.evaluate.label_issues import (
    Method,
    Suspects,
    check_method,
    rank_classes,
    rank_labels,
    rank_numbers,
)
from redstart.show.card import Card
from redstart.show.drawing import Drawing
from redstart.show.figure import figure, percent
from redstart.show.page import table
from redstart.show.view import Caption, Mark
from redstart.train import review
from redstart.train.outoffold import OutOfFold, OutOfFoldSource, out_of_fold

if TYPE_CHECKING:
    from redstart.train.learner import Learner

__all__ = ["LabelIssue", "LabelIssues", "label_issues"]

log = logging.getLogger("redstart")

_SHOWN = 10
_FEWEST = 20  # rows of a review


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LabelIssue:
    """A row to review.

    Attributes:
        row: Row number in ``dls.items``.
        item: The file, or the item in words.
        part: ``train`` or ``valid``.
        given: Its label.
        likely: What it looks like, to models that never saw its label.
        probability: What they give that, in [0, 1]; ``None`` for numbers.
        wrong: Probability that the label is wrong, in [0, 1].
    """

    row: int
    item: str
    part: str
    given: str
    likely: str
    probability: float | None
    wrong: float


@final
@dataclass(frozen=True, slots=True, eq=False)
class LabelIssues:
    """All training and validation rows, those first whose label is most likely wrong.

    Attributes:
        dls: The loaders they come from.
        found: What models that never saw a row's label say of it.
        suspects: Order, likely labels, and the estimate of how many are wrong.
    """

    dls: DataLoaders
    found: OutOfFold
    suspects: Suspects

    def __len__(self) -> int:
        return len(self.suspects)

    @property
    def to_review(self) -> int:
        """How many rows to review to find most of the wrong labels: about four in five."""
        return self.suspects.to_find(0.8)

    def rows(self, k: int | None = None) -> list[LabelIssue]:
        """The first ``k`` rows to review; those of ``to_review`` if left out."""
        order = self.suspects.order[: self.to_review if k is None else k].tolist()
        return [self._issue(position) for position in order]

    def plot(
        self,
        k: int = 9,
        *,
        nrows: int | None = None,
        ncols: int | None = None,
        figsize: tuple[float, float] | None = None,
    ) -> Drawing:
        """Draw the first rows, each with what it looks like and what it is said to be.

        Args:
            k: How many, up to 100.
            nrows: Rows of the grid.
            ncols: Columns of the grid.
            figsize: Width and greatest height, in inches.
        """
        return figure(
            self.cards(k), nrows=nrows, ncols=ncols, figsize=figsize, title="Labels to review"
        )

    def cards(self, k: int = 9) -> list[Card]:
        """The cards that ``plot`` draws."""
        data, cards = self.found.data, []
        for position in self.suspects.order[:k].tolist():
            issue = self._issue(position)
            cards.append(
                Card(
                    index=issue.row,
                    item=issue.item,
                    view=data.codec.view(data.x(position)),
                    # Neither is right or wrong before somebody has looked.
                    truth=Caption(f"labelled {issue.given}; looks like {issue.likely}"),
                    confidence=issue.probability,
                )
            )
        return cards

    def to_csv(self, path: str | Path, k: int | None = None) -> Path:
        """Write rows to review, for a spreadsheet.

        In the column ``verdict``, write ``ok`` where the given label is right, ``wrong`` where
        it is not (the likely one is taken, or what you write under ``label``), ``drop`` where
        the row should go. Leave it empty where you did not look.

        Args:
            path: Of the file.
            k: How many rows; enough to find nearly all wrong labels if left out.
        """
        most = max(_FEWEST, self.suspects.to_find(0.95)) if k is None else k
        names = [self._name(row) for row in self.found.rows.tolist()]
        lines = [
            (
                issue.row,
                names[position],
                review.written(self._raw(position)),
                review.written(self._decoded(self.suspects.likely[position])),
                "" if issue.probability is None else f"{issue.probability:.3f}",
            )
            for position in self.suspects.order[:most].tolist()
            for issue in (self._issue(position),)
        ]
        return review.write(Path(path), lines)

    def read_csv(self, path: str | Path, *, who: str = "", when: str = "") -> Corrections:
        """Read a reviewed file; save what it returns, and load the data with it.

        Args:
            path: What ``to_csv`` wrote, with verdicts.
            who: Reviewed it.
            when: The date, in words.

        Raises:
            DataError: If columns are missing, a verdict or a label is not known, or a row is
                not one of these; names the line.
        """
        guess = self.dls.target.truth_kind != "numbers"  # a prediction is no measurement
        decided = review.read(Path(path), self._names(), self._parse, guess=guess)
        return self._corrections(decided, who, when)

    def correct(
        self,
        labels: Mapping[int, Any] | Iterable[int] = (),
        *,
        drop: Iterable[int] = (),
        who: str = "",
        when: str = "",
    ) -> Corrections:
        """Make corrections without a file.

        Args:
            labels: New labels by row number; or row numbers, to take what is likely (not for
                numbers).
            drop: Numbers of rows to leave out.
            who: Decided it.
            when: The date, in words.

        Raises:
            ConfigError: If a row is not one of these, or numbers are not given.
        """
        decided: dict[int, Any] = {int(row): None for row in drop}
        if isinstance(labels, Mapping):
            decided |= {int(row): plain_label(label) for row, label in labels.items()}
        elif self.dls.target.truth_kind == "numbers":
            raise ConfigError(
                problem(
                    "Expected the right numbers by row number",
                    f"labels={labels!r:.80}",
                    "Write `correct({row: number})`; what a model predicts is not measured.",
                )
            )
        else:
            likely = self.suspects.likely
            decided |= {int(r): self._decoded(likely[self._position(int(r))]) for r in labels}
        return self._corrections(decided, who, when)

    def _corrections(self, decided: Mapping[int, Any], who: str, when: str) -> Corrections:
        """Corrections of rows; ``None`` stands for leaving a row out."""
        source, columns = self.dls.source, self.dls.made.get("y_names", ())
        entries = []
        for row, label in decided.items():
            place = identity(source, row, self.dls.path, columns)
            was = self._raw(self._position(row))
            end = {"to": label, "drop": label is None}
            entries.append(Correction(**place, was=was, **end, who=who, when=when))
        return Corrections().add(entries)

    def _position(self, row: int) -> int:
        where = np.flatnonzero(self.found.rows == row)
        if not len(where):
            raise ConfigError(
                problem(
                    f"Expected rows out of the {len(self)} that were looked at",
                    f"row {row}",
                    "Take row numbers from `rows()`.",
                )
            )
        return int(where[0])

    def _issue(self, position: int) -> LabelIssue:
        probability = float(self.suspects.probability[position])
        row = int(self.found.rows[position])
        return LabelIssue(
            row=row,
            item=self.dls.source.name(row),
            part="valid" if self.found.valid[position] else "train",
            given=self._mark(self.found.given[position]).text,
            likely=self._mark(self.suspects.likely[position]).text,
            probability=None if np.isnan(probability) else probability,
            wrong=float(self.suspects.wrong[position]),
        )

    def _mark(self, label: Any) -> Mark:
        return self.dls.target.mark((_encoded(label),))

    def _raw(self, position: int) -> Any:
        """A row's label as the data has it, with corrections that were loaded."""
        raws = self.dls.source.raws
        assert raws is not None  # noqa: S101 - rows without labels were refused
        return plain_label(raws[int(self.found.rows[position])])

    def _decoded(self, label: Any) -> Any:
        """An encoded label in the user's terms, as plain JSON."""
        kind, names = self.dls.target.truth_kind, self.dls.vocab
        if kind == "category":
            return plain_label(names[int(label)])
        values = [float(v) for v in np.atleast_1d(label)]
        if kind == "numbers":
            return values if isinstance(self._raw(0), list) else values[0]
        if _is_encoded(self.dls):
            return [int(v) for v in values]
        return [plain_label(name) for name, on in zip(names, values, strict=True) if on > 0.5]

    def _names(self) -> dict[int, str]:
        return {row: self._name(row) for row in self.found.rows.tolist()}

    def _name(self, row: int) -> str:
        place = self.dls.source.inputs[row]
        return review.item_name(self.dls.source.name(row), place, self.dls.path)

    def _parse(self, text: str) -> Any:
        """A label that a person wrote, in the user's terms."""
        kind = self.dls.target.truth_kind
        return review.parsed(
            text,
            names=() if kind == "numbers" or _is_encoded(self.dls) else self.dls.vocab,
            several=isinstance(self._raw(0), list),
        )

    def __str__(self) -> str:
        estimate, n = self.suspects.estimate, self.to_review
        said = f"A{str(estimate)[1:]} labels look wrong to {self.found.said}."
        said += f" Reviewing the first {n:,} finds most of these." if n else " None stands out."
        if len(self.found.left_out):
            said += f" {len(self.found.left_out)} rows are the only ones of their class."
        return said

    def _repr_html_(self) -> str:
        names = ["row", "item", "part", "given", "likely", "probability", "wrong"]
        some = self.rows(max(min(self.to_review, _SHOWN), 3))
        lines = [
            [
                r.row,
                r.item,
                r.part,
                r.given,
                r.likely,
                "" if r.probability is None else percent(r.probability),
                percent(r.wrong),
            ]
            for r in some
        ]
        return f"<p>{self}</p>" + table(names, lines)

    def __repr__(self) -> str:
        return f"LabelIssues({self.suspects.estimate} labels look wrong; {self.found.source})"


def label_issues(
    learn: Learner,
    *,
    folds: int = 5,
    source: OutOfFoldSource = "auto",
    method: Method = "noise",
) -> LabelIssues:
    """Rank the training and validation rows by how likely their label is wrong.

    Models that are fitted on other rows predict each row, so that none could learn its label
    by heart. The sealed test rows are not looked at.

    Args:
        learn: Its loaders are read; its model is left alone.
        folds: How often to leave rows out: see ``out_of_fold``, which says what it costs.
        source: What predicts, likewise.
        method: How to rank classes and labels: see ``redstart.evaluate.label_issues.Method``.
            Numbers are ranked by how far off they are for rows like them.

    Raises:
        ConfigError: If targets are neither labels nor numbers, nothing can predict them, or
            there is no such method.
    """
    kind = learn.dls.target.truth_kind
    check_method(method, without=("cleanlab", "thresholds") if kind == "labels" else ())
    found = out_of_fold(learn, folds=folds, source=source)
    seed = learn.dls.seed
    if kind == "category":
        suspects = rank_classes(found.predicted, found.given.astype(np.int64), method, seed)
    elif kind == "labels":
        suspects = rank_labels(found.predicted, found.given.astype(np.float64), method, seed)
    else:
        suspects = rank_numbers(found.predicted, found.given.astype(np.float64))
    issues = LabelIssues(learn.dls, found, suspects)
    log.info("%s", issues)
    return issues


def _encoded(label: Any) -> Tensor:
    """A label of one row as the target encodes it."""
    found: Tensor = torch.as_tensor(label)
    return found if found.ndim == 0 and not found.is_floating_point() else found.float()


def _is_encoded(dls: DataLoaders) -> bool:
    """Whether several labels come as zeros and ones."""
    return bool(getattr(dls.target, "encoded", False))
