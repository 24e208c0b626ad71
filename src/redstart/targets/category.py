"""One label out of a list."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from redstart.audit.evidence import TruthKind
from redstart.data.batch import Encoded
from redstart.data.frame import is_missing
from redstart.data.table import nearest
from redstart.data.target import Labels, Prediction, Reduction, Target
from redstart.errors import ConfigError, DataError, problem
from redstart.metrics.make import as_metric
from redstart.metrics.metric import Metric
from redstart.show.view import Caption
from redstart.targets.scoring import check_temperature, per_member, reduced

__all__ = ["CategoryBlock", "CategoryTarget"]

Label = str | int | float | bool


@final
@dataclass(frozen=True, slots=True)
class CategoryTarget(Target[Label, Tensor]):
    """A single label.

    Attributes:
        vocab: The labels, in the order of the model's outputs; learnt if empty.
        label_smoothing: Share of the truth spread over all labels in the loss, in [0, 1)
            (Szegedy et al. 2016).
        class_weights: Weight of each label's rows in the loss, in the order of ``vocab``
            (sorted, if learnt); ``"balanced"`` learns them as inverse to the labels'
            frequency among the training rows.
        temperature: Divides scores before they become probabilities, above 0; the loss does
            without. Found by ``calibrate`` (Guo et al. 2017); it changes no answer.
    """

    kind: ClassVar[str] = "category"
    truth_kind: ClassVar[TruthKind] = "category"
    vocab: tuple[Label, ...] = ()
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | Literal["balanced"] = ()
    temperature: float = 1.0
    _positions: dict[Label, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(
                problem(
                    "Expected `label_smoothing` in [0, 1)",
                    f"label_smoothing={self.label_smoothing}",
                    "Use 0.1, or leave it out.",
                )
            )
        check_temperature(self.temperature)
        if twice := [label for label, n in Counter(self.vocab).items() if n > 1]:
            raise ConfigError(
                problem(
                    "Expected every label of `vocab` once",
                    f"twice or more: {_some(twice)}",
                    "Take the others out.",
                )
            )
        _check_weights(self.class_weights, self.vocab)
        object.__setattr__(self, "_positions", {v: i for i, v in enumerate(self.vocab)})

    @property
    def n_out(self) -> int:
        """One score per label."""
        return len(self.vocab)

    def vocabulary(self) -> tuple[Label, ...]:
        """The labels."""
        return self.vocab

    def fit(self, train: Labels, rest: Labels = ()) -> CategoryTarget:
        """Learn the sorted set of labels unless one was given, and balanced weights if asked.

        Raises:
            DataError: If there are fewer than two labels, or one is missing (NaN, ``None``).
        """
        counts = _tally(train)
        labels = counts | _tally(rest)
        vocab = self.vocab or tuple(sorted(labels, key=lambda v: (str(type(v)), v)))
        if len(vocab) < 2:
            rows = len(train) + len(rest)
            raise DataError(
                problem(
                    "Expected at least two classes to tell apart",
                    f"only {vocab[0]!r} in {rows} rows" if vocab else "no label",
                    "Check how labels are made (folder names, pattern, column).",
                )
            )
        if self.class_weights != "balanced":
            return replace(self, vocab=vocab)
        # n / (k * n_c), as scikit-learn's "balanced": the mean over training rows is 1.
        seen = sum(1 for v in vocab if counts[v])
        weights = tuple(len(train) / (seen * counts[v]) if counts[v] else 1.0 for v in vocab)
        return replace(self, vocab=vocab, class_weights=weights)

    def encode(self, raw: Any) -> Encoded:
        """Return the label's position, one int64 tensor of shape ``()``.

        Raises:
            DataError: If the label is not in the vocabulary.
        """
        label = _plain(raw)
        if label not in self._positions:
            raise DataError(
                problem(
                    "Expected one of the labels known",
                    f"label={label!r}",
                    f"{nearest(label, self.vocab)}Known labels: {_some(self.vocab)}.",
                )
            )
        return (torch.tensor(self._positions[label]),)

    def encode_table(self, raws: Labels) -> Encoded | None:
        """Encode an array of labels at once, int64 ``(N,)``; lists go row by row."""
        if not isinstance(raws, np.ndarray):
            return None
        codes, values = _factorized(raws)
        positions = _each(lambda label: int(self.encode(label)[0]), codes, values)
        return (torch.from_numpy(np.array(positions, dtype=np.int64)[codes]),)

    def loss(self, out: Tensor, y: Encoded, *, reduction: Reduction = "mean") -> Tensor:
        """Cross-entropy of scores ``(B, n_out)`` or ``(B, k, n_out)`` against labels ``(B,)``."""
        if not self.class_weights and out.ndim == 2 and len(y) == 1:
            return F.cross_entropy(
                out, y[0], reduction=reduction, label_smoothing=self.label_smoothing
            )
        return reduced(per_member(out, y[0], self._losses), y, reduction)

    def _losses(self, out: Tensor, y: Tensor) -> Tensor:
        losses = F.cross_entropy(out, y, reduction="none", label_smoothing=self.label_smoothing)
        if self.class_weights and not isinstance(self.class_weights, str):
            losses = losses * losses.new_tensor(self.class_weights)[y]
        return losses

    def activate(self, out: Tensor) -> Tensor:
        """Probabilities ``(B, n_out)``, by softmax of the scores over the temperature."""
        scores = out.float()
        return (scores if self.temperature == 1 else scores / self.temperature).softmax(dim=-1)

    def decode(self, acts: Tensor) -> list[Prediction[Label]]:
        """The most likely label of each row."""
        best = acts.argmax(dim=-1)
        return [
            Prediction(self.vocab[int(i)], (i,), probs) for i, probs in zip(best, acts, strict=True)
        ]

    def mark(self, y: Encoded) -> Caption:
        """The label as a caption."""
        return Caption(str(self.vocab[int(y[0])]))

    def metrics(self) -> tuple[Metric, ...]:
        """Accuracy."""
        return (as_metric("accuracy"),)


def CategoryBlock(  # noqa: N802 - a block is named like a class in the course's vocabulary
    vocab: Iterable[Any] = (),
    *,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | Literal["balanced"] = (),
) -> CategoryTarget:
    """A single label out of a list.

    Args:
        vocab: The labels, in the order wanted; learnt from the data if empty.
        label_smoothing: Share of the truth spread over all labels in the loss, in [0, 1).
        class_weights: One weight per label, or ``"balanced"``.
    """
    weights = class_weights if isinstance(class_weights, str) else tuple(class_weights)
    return CategoryTarget(tuple(map(_plain, vocab)), label_smoothing, weights)


def _tally(labels: Labels) -> Counter[Label]:
    """How often each label occurs."""
    if not isinstance(labels, np.ndarray):
        return Counter(map(_plain, labels))
    codes, values = _factorized(labels)
    counts = np.bincount(codes, minlength=len(values)).tolist()
    return Counter(dict(zip(_each(_plain, codes, values), counts, strict=True)))


def _factorized(labels: NDArray[Any]) -> tuple[NDArray[np.intp], list[Any]]:
    """Different labels of an array, missing ones included, and which of them each row has."""
    import pandas as pd

    if labels.ndim != 1:
        return np.zeros(len(labels), dtype=np.intp), [_plain(row.tolist()) for row in labels[:1]]
    codes, values = pd.factorize(labels, use_na_sentinel=False)
    return codes, list(values)


def _each(make: Callable[[Any], Any], codes: NDArray[np.intp], values: Sequence[Any]) -> list[Any]:
    """Make something of each different label; an error says in which row the label is."""
    made = []
    for code, value in enumerate(values):
        try:
            made.append(make(value))
        except DataError as error:
            here = np.flatnonzero(codes == code)
            raise DataError(
                f"{error} It is in row {here[0]} of these; {len(here)} such rows."
            ) from error
    return made


def _plain(label: Any) -> Label:
    """A label as a plain Python value; refuses one that is missing."""
    several = isinstance(label, list | tuple | set | dict) or getattr(label, "ndim", 0) > 0
    if several or is_missing(label):
        raise DataError(
            problem(
                "Expected a label: one name or number",
                f"label={label!r:.80}",
                "Use only its first part." if several else "Fill it in, or leave the row out.",
            )
        )
    value = label.item() if hasattr(label, "item") else label
    return value if isinstance(value, str | int | float | bool) else str(value)


def _check_weights(weights: Any, vocab: tuple[Label, ...]) -> None:
    """Refuse weights that do not fit the labels; where these are to be learnt, wait for them."""
    if isinstance(weights, str):
        good = weights == "balanced"
    else:
        good = all(isinstance(w, int | float) and 0 <= w < math.inf for w in weights)
        good &= not (weights and vocab) or len(weights) == len(vocab)
    if not good:
        labels = f"of the {len(vocab)} labels: {_some(vocab)}" if vocab else "label of `vocab`"
        raise ConfigError(
            problem(
                f"Expected 'balanced' or one weight, from 0, for each {labels}",
                f"class_weights={weights!r}",
                "Give a list of numbers in that order, or leave it out.",
            )
        )


def _some(names: Sequence[Label], most: int = 20) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(str(n) for n in names[:most]) + rest
