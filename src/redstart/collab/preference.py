"""What was clicked, played or bought: a row says yes, and nothing says no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from redstart.data.batch import Encoded
from redstart.data.target import Labels, Prediction, Reduction, Target
from redstart.errors import ConfigError, DataError, problem
from redstart.metrics.mean import MeanMetric
from redstart.metrics.metric import Metric
from redstart.show.view import Number

__all__ = ["Contrast", "PreferenceTarget"]

Contrast = Literal["pairwise", "softmax"]
"""How the item of a row is compared with others."""


@final
@dataclass(frozen=True, slots=True)
class PreferenceTarget(Target[Any, Tensor]):
    """That a user took an item; the model learns to score it above items he did not take.

    Models output ``(B, 1 + n)`` scores: of the row's own item, then of ``n`` others. The
    figures compare with others too: they are not those of a ranking of the whole catalogue,
    for which see ``learn.ranking``.

    Attributes:
        contrast: ``"softmax"`` compares with all the others at once, which cares most for
            the top of the list; ``"pairwise"`` with each on its own (BPR: Rendle et al. 2009).
    """

    kind: ClassVar[str] = "preference"
    contrast: Contrast = "softmax"

    def __post_init__(self) -> None:
        if self.contrast not in get_args(Contrast):
            raise ConfigError(
                problem(
                    "Expected a way to compare items",
                    f"contrast={self.contrast!r}",
                    f"Use one of {', '.join(map(repr, get_args(Contrast)))}.",
                )
            )

    @property
    def n_out(self) -> int:
        """One score; those of other items are beside it."""
        return 1

    def fit(self, train: Labels, rest: Labels = ()) -> PreferenceTarget:
        """Learn nothing."""
        return self

    def encode(self, raw: Any) -> Encoded:
        """How often or how much, float32 ``(1,)``; above 0."""
        return (self.encode_table(np.asarray([raw]))[0][0],)

    def encode_table(self, raws: Labels) -> Encoded:
        """Encode all rows at once: float32 ``(N, 1)``.

        Raises:
            DataError: If one is not a number above 0.
        """
        values = np.asarray(raws, dtype=np.float32).reshape(-1, 1)
        wrong = ~(values[:, 0] > 0)
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                problem(
                    "Expected how often or how much a user took an item: numbers above 0",
                    f"{raws[row]} in row {row} of these; {int(wrong.sum())} such rows",
                    "Leave out rows of what was not taken.",
                )
            )
        return (torch.from_numpy(values),)

    def loss(self, out: Tensor, y: Encoded, *, reduction: Reduction = "mean") -> Tensor:
        """Compare the first of the scores ``(B, 1 + n)`` with the others."""
        if out.ndim != 2 or out.shape[1] < 2:
            raise ConfigError(
                problem(
                    "Expected scores of a row's item and of others, (B, 1 + n)",
                    f"out={tuple(out.shape)}",
                    "Use a model that compares: `collab_learner(dls, loss='pairwise')`.",
                )
            )
        if self.contrast == "softmax":
            losses = out.logsumexp(1) - out[:, 0]
        else:
            losses = F.softplus(out[:, 1:] - out[:, :1]).mean(1)
        if len(y) > 1:
            losses = losses * y[1]
        return losses.mean() if reduction == "mean" else losses

    def activate(self, out: Tensor) -> Tensor:
        """Probability, ``(B, 1)``, that a user prefers the item to one drawn at random."""
        return _preferred(out.float(), torch.sigmoid)[:, None]

    def decode(self, acts: Tensor) -> list[Prediction[float]]:
        """That probability, in [0, 1]."""
        return [Prediction(float(row[0]), (row,), row) for row in acts]

    def mark(self, y: Encoded) -> Number:
        """How often or how much; of a prediction, the probability."""
        return Number(f"{float(y[0].flatten()[0]):.3g}")

    def metrics(self) -> tuple[Metric, ...]:
        """Share of other items that score below the row's own."""
        return (MeanMetric("auc", _auc, larger_is_better=True, share=True),)


def _auc(out: Tensor, y: Tensor) -> Tensor:
    """Share of the others that score lower, ``(B,)``; a tie counts half."""
    return _preferred(out, lambda margin: 0.5 + 0.5 * margin.sign())


def _preferred(out: Tensor, share: Any) -> Tensor:
    """Mean over the others of ``share(own - other)``, ``(B,)``; -inf stands for no other."""
    others = out[:, 1:]
    real = others.isfinite()
    found = share((out[:, :1] - others).masked_fill(~real, 0.0))
    total: Tensor = (found * real).sum(1)
    return total / real.sum(1).clamp_min(1)
