"""Several labels per row, or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from redstart.audit.evidence import TruthKind
from redstart.data.batch import Encoded
from redstart.data.frame import is_missing
from redstart.data.target import Labels, Prediction, Reduction, Target
from redstart.errors import ConfigError, DataError, problem
from redstart.metrics.make import as_metric
from redstart.metrics.metric import Metric
from redstart.show.view import Caption
from redstart.targets.scoring import check_temperature, per_member, reduced

__all__ = ["MultiCategoryBlock", "MultiCategoryTarget"]


@final
@dataclass(frozen=True, slots=True)
class MultiCategoryTarget(Target[Any, Tensor]):
    """Any number of labels out of a list; none is an answer too.

    Attributes:
        vocab: The labels, in the order of the model's outputs; learnt if empty.
        encoded: Whether raw targets are zeros and ones in the order of ``vocab`` already,
            rather than lists of labels.
        thresh: Labels whose probability is above it are predicted, in (0, 1).
        temperature: Divides scores before they become probabilities, above 0; the loss does
            without. Found by ``calibrate`` (Guo et al. 2017); it moves no probability from
            one side of 0.5 to the other.
    """

    kind: ClassVar[str] = "multicategory"
    truth_kind: ClassVar[TruthKind] = "labels"
    vocab: tuple[Any, ...] = ()
    encoded: bool = False
    thresh: float = 0.5
    temperature: float = 1.0
    _positions: dict[Any, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.thresh < 1:
            raise ConfigError(
                problem("Expected `thresh` in (0, 1)", f"thresh={self.thresh}", "Use 0.5.")
            )
        check_temperature(self.temperature)
        if twice := [str(label) for label, n in Counter(self.vocab).items() if n > 1]:
            raise ConfigError(
                problem(
                    "Expected every label of `vocab` once",
                    f"twice or more: {', '.join(twice[:20])}",
                    "Take the others out.",
                )
            )
        if self.encoded and not self.vocab:
            raise ConfigError(
                problem(
                    "Expected the names of the columns of zeros and ones",
                    "vocab=() with encoded=True",
                    "Pass `vocab=[...]` in their order.",
                )
            )
        object.__setattr__(self, "_positions", {v: i for i, v in enumerate(self.vocab)})

    @property
    def n_out(self) -> int:
        """One score per label."""
        return len(self.vocab)

    def vocabulary(self) -> tuple[Any, ...]:
        """The labels."""
        return self.vocab

    def fit(self, train: Labels, rest: Labels = ()) -> MultiCategoryTarget:
        """Learn the sorted set of labels unless one was given.

        Raises:
            DataError: If there is no label at all.
        """
        if self.vocab:
            return self
        labels = {label for raw in (*train, *rest) for label in _listed(raw)}
        if not labels:
            raise DataError(
                problem(
                    "Expected at least one label in some row",
                    f"none in {len(train)} training rows",
                    "Check how labels are made; a column of texts needs a delimiter.",
                )
            )
        return replace(self, vocab=tuple(sorted(labels, key=lambda v: (str(type(v)), v))))

    def encode(self, raw: Any) -> Encoded:
        """Return zeros and ones, float32 ``(n_out,)``.

        Raises:
            DataError: If a label is not in the vocabulary, or a value neither 0 nor 1.
        """
        if self.encoded:
            return (self._zeros_and_ones([raw])[0],)
        found = torch.zeros(len(self.vocab))
        for label in _listed(raw):
            if label not in self._positions:
                raise DataError(
                    problem(
                        "Expected labels that are known",
                        f"label={label!r}",
                        f"Known labels: {', '.join(map(str, self.vocab[:20]))}.",
                    )
                )
            found[self._positions[label]] = 1
        return (found,)

    def encode_table(self, raws: Labels) -> Encoded | None:
        """Encode all rows at once where they are zeros and ones: float32 ``(N, n_out)``."""
        return (self._zeros_and_ones(raws),) if self.encoded else None

    def loss(self, out: Tensor, y: Encoded, *, reduction: Reduction = "mean") -> Tensor:
        """Binary cross-entropy of scores ``(B, n_out)`` or ``(B, k, n_out)``, mean over labels."""

        def losses(scores: Tensor, true: Tensor) -> Tensor:
            return F.binary_cross_entropy_with_logits(scores, true, reduction="none").mean(1)

        return reduced(per_member(out, y[0], losses), y, reduction)

    def activate(self, out: Tensor) -> Tensor:
        """Probability of each label, ``(B, n_out)``: sigmoid of the score over the temperature."""
        scores = out.float()
        return (scores if self.temperature == 1 else scores / self.temperature).sigmoid()

    def decode(self, acts: Tensor) -> list[Prediction[Any]]:
        """The labels above the threshold of each row, as a tuple."""
        above = acts > self.thresh
        return [
            Prediction(tuple(self.vocab[i] for i in on.nonzero().flatten()), (on.float(),), probs)
            for on, probs in zip(above, acts, strict=True)
        ]

    def mark(self, y: Encoded) -> Caption:
        """The labels in words."""
        on = (y[0] > 0.5).nonzero().flatten().tolist()
        return Caption(", ".join(str(self.vocab[i]) for i in on) or "(none)")

    def metrics(self) -> tuple[Metric, ...]:
        """Share of labels that are right."""
        return (as_metric("accuracy_multi"),)

    def _zeros_and_ones(self, raws: Labels) -> Tensor:
        n = len(self.vocab)
        if not len(raws):
            return torch.zeros(0, n)
        try:
            array = np.asarray(raws).astype(np.float32)
        except (TypeError, ValueError):  # texts, or rows of different lengths
            array = np.stack([_floats(raw, n) for raw in raws])
        good = (array == 0) | (array == 1)
        if array.ndim != 2 or array.shape[1] != n or not good.all():
            row = int((~good).any(1).argmax()) if array.ndim == 2 else 0
            given = raws[row].tolist() if isinstance(raws, np.ndarray) else raws[row]
            raise DataError(
                problem(
                    f"Expected {n} zeros and ones per row: {', '.join(map(str, self.vocab[:20]))}",
                    f"{given!r:.120} in row {row} of these",
                    "Encode the columns so, or give lists of labels and leave `encoded` out.",
                )
            )
        return torch.from_numpy(array)


def MultiCategoryBlock(  # noqa: N802 - a block is named like a class in the course's vocabulary
    encoded: bool = False, vocab: Iterable[Any] = (), *, thresh: float = 0.5
) -> MultiCategoryTarget:
    """Any number of labels out of a list.

    Args:
        encoded: Whether raw targets are zeros and ones in the order of ``vocab``.
        vocab: The labels, in the order wanted; learnt from the data if empty.
        thresh: Labels whose probability is above it are predicted.
    """
    return MultiCategoryTarget(tuple(vocab), encoded, thresh)


def _floats(raw: Any, n: int) -> NDArray[np.float32]:
    """``n`` numbers, all NaN if these are not."""
    try:
        return np.asarray(raw).astype(np.float32).reshape(n)
    except (TypeError, ValueError):
        return np.full(n, np.nan, dtype=np.float32)


def _listed(raw: Any) -> Sequence[Any]:
    """Labels of one row as plain Python values; refuses one that is missing."""
    if isinstance(raw, list | tuple | set | frozenset | np.ndarray):
        labels = [v.item() if hasattr(v, "item") else v for v in raw]
        if not any(map(is_missing, labels)):
            return labels
        raise DataError(
            problem(
                "Expected labels: names or numbers",
                f"{raw!r:.80}",
                "Take out what is missing; a list may be empty.",
            )
        )
    raise DataError(
        problem(
            "Expected a list of labels",
            f"{raw!r:.80}",
            "Split the text, for example with `ColReader('labels', label_delim=' ')`.",
        )
    )
