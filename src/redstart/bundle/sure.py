"""How sure a model may be: what its validation rows say, carried along with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redstart.config import JSON
from redstart.data.target import Prediction, Target
from redstart.errors import BundleError, ConfigError, problem
from redstart.evaluate.abstain import Selection
from redstart.evaluate.conformal import NumberScores, Scores, label_scores, label_set, value_scores
from redstart.metrics.metric import Interval

__all__ = ["KINDS", "Sureness", "sureness_of"]

KINDS = ("category", "multicategory", "regression")
"""Targets that can say how sure they are."""

_FEW_NUMBERS = 8
_KEPT_OF_MANY = 100

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class Sureness:
    """What validation rows say of how sure predictions may be.

    Attributes:
        n_rows: Validation rows.
        selection: Wrong answers by confidence, for labels.
        sets: Scores of the truth, for labels.
        numbers: Distances from the truth, one for each number.
        bounds: Least and greatest number there can be, where that is known.
    """

    n_rows: int
    selection: Selection | None = None
    sets: Scores | None = None
    numbers: tuple[NumberScores, ...] = ()
    bounds: Interval | None = None

    @classmethod
    def of(
        cls,
        target: Target[Any, Any],
        acts: Tensor,
        y: Tensor,
        *,
        bounds: Interval | None = None,
        groups: Tensor | None = None,
    ) -> Self:
        """Learn from rows that the model was not trained on.

        Args:
            target: One of ``KINDS``.
            acts: Its activations, ``(N, ...)``.
            y: Its encoded targets, ``(N, ...)``.
            bounds: Between which the model's numbers lie; left out of account if a true one
                does not.
            groups: Number of the group of each row, ``(N,)`` int64, -1 where there is none.
        """
        said, true = _numpy(acts), _numpy(y)
        if target.kind == "regression":
            said, true = said.reshape(len(said), -1), true.reshape(len(true), -1)
            held = bounds if bounds and bounds[0] <= true.min() <= true.max() <= bounds[1] else None
            few = said.shape[1] <= _FEW_NUMBERS
            kept = {} if few else {"kept": _KEPT_OF_MANY}
            said, true = _scaled(target, said), _scaled(target, true)
            columns = zip(said.T, true.T, strict=True)
            numbers = tuple(value_scores(s, t, parted=few, **kept) for s, t in columns)
            return cls(len(said), numbers=numbers, bounds=held)
        confidence, answers = _answered(target, said)
        wrong = (answers != true).any(1) if true.ndim == 2 else answers != true
        labels = true.astype(np.int64)
        rows = None if groups is None else groups.cpu().numpy()
        return cls(len(said), Selection.of(confidence, wrong, rows), label_scores(said, labels))

    def applied(
        self,
        target: Target[Any, Any],
        preds: Sequence[Prediction[Any]],
        *,
        abstain: float | None = None,
        coverage: float | None = None,
    ) -> list[Prediction[Any]]:
        """Take back answers that are not sure enough, and say what the truth may be.

        Args:
            target: What made the predictions.
            preds: The predictions.
            abstain: Share of the answers given that may be wrong, in (0, 1).
            coverage: Share of rows whose set or interval holds the truth, in (0, 1).

        Raises:
            ConfigError: If the validation rows cannot promise that, or abstaining is asked
                of a model of numbers.
        """
        if target.kind == "regression":
            if abstain is not None:
                raise ConfigError(
                    problem(
                        "Expected a model of labels to abstain: a number is never quite right",
                        f"abstain={abstain}",
                        "Ask for an interval instead: `coverage=0.9`.",
                    )
                )
            return self._with_intervals(target, preds, coverage)
        return self._with_sets(target, preds, abstain, coverage)

    def to_json(self) -> dict[str, JSON]:
        """As plain values; ``of_json`` is the inverse."""
        return {
            "rows": self.n_rows,
            "abstain": None if self.selection is None else self.selection.to_json(),
            "sets": None if self.sets is None else self.sets.to_json(),
            "numbers": [scores.to_json() for scores in self.numbers],
            "bounds": None if self.bounds is None else list(self.bounds),
        }

    @classmethod
    def of_json(cls, found: Mapping[str, JSON]) -> Self:
        """Read what ``to_json`` wrote."""
        selection, sets, bounds = found["abstain"], found["sets"], found["bounds"]
        return cls(
            found["rows"],
            None if selection is None else Selection.of_json(selection),
            None if sets is None else Scores.of_json(sets),
            tuple(map(NumberScores.of_json, found["numbers"])),
            None if bounds is None else (bounds[0], bounds[1]),
        )

    def _with_intervals(
        self, target: Target[Any, Any], preds: Sequence[Prediction[Any]], coverage: float | None
    ) -> list[Prediction[Any]]:
        if coverage is None:
            return list(preds)
        for scores in self.numbers:
            scores.scores.limit(coverage)
        if not preds:
            return []
        said = _scaled(target, _numpy(torch.stack([p.probs.flatten() for p in preds])))
        columns = zip(self.numbers, said.T, strict=True)
        reach = np.stack([scores.reach(column, coverage) for scores, column in columns], 1)
        low, high = _unscaled(target, said - reach), _unscaled(target, said + reach)
        if self.bounds is not None:
            low, high = np.clip(low, *self.bounds), np.clip(high, *self.bounds)
        ends = np.stack([low, high], 2).tolist()
        several = said.shape[1] > 1
        found = [tuple(map(tuple, row)) if several else tuple(row[0]) for row in ends]
        return [replace(p, interval=i) for p, i in zip(preds, found, strict=True)]

    def _with_sets(
        self,
        target: Target[Any, Any],
        preds: Sequence[Prediction[Any]],
        abstain: float | None,
        coverage: float | None,
    ) -> list[Prediction[Any]]:
        if self.selection is None or self.sets is None:
            raise _unknown()
        choice = None if abstain is None else self.selection.choose(abstain)
        wanted = coverage if coverage is not None else min(1 - (abstain or 0), self.sets.most)
        limit, vocab = self.sets.limit(wanted), target.vocabulary()
        if not preds:
            return []
        probs = _numpy(torch.stack([p.probs for p in preds]))
        confidence, answers = _answered(target, probs)
        found = []
        for i, pred in enumerate(preds):
            unsure = choice is not None and confidence[i] < choice.threshold
            if unsure or coverage is not None:
                given = np.flatnonzero(answers[i]) if answers.ndim == 2 else answers[i : i + 1]
                likely = label_set(probs[i], limit, given.tolist())
                # One label alone would be the answer that is not given.
                if coverage is not None or len(likely) > 1:
                    pred = replace(pred, set=tuple(vocab[k] for k in likely))
            if unsure and choice is not None:
                why = (
                    f"not sure enough: confidence {confidence[i]:.4g} is below "
                    f"{choice.threshold:.4g}, from where on at most {abstain:.3g} of the answers "
                    f"are wrong ({choice.answered:.0%} of {self.n_rows:,} validation rows)"
                )
                pred = replace(pred, decoded=None, abstained=why)
            found.append(pred)
        return found


def sureness_of(facts: Mapping[str, JSON]) -> Sureness:
    """What a bundle's facts say of how sure it may be.

    Raises:
        BundleError: If they say nothing.
    """
    found = facts.get("sureness")
    if not found:
        raise _unknown()
    return Sureness.of_json(found)


def _unknown() -> BundleError:
    return BundleError(
        problem(
            "Expected a model that knows from validation rows how sure it may be",
            "no such rows in its facts",
            "Export it again from a learner with validation rows whose target is a label, "
            "several labels or numbers; or leave out `abstain` and `coverage`.",
        )
    )


def _answered(target: Target[Any, Any], probs: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Confidence of each row's answer ``(N,)``, and the answer: numbers, or zeros and ones."""
    if target.kind == "category":
        return probs.max(1), probs.argmax(1)
    above = probs > getattr(target, "thresh", 0.5)
    # That all labels are right, as if each were decided on its own.
    return np.where(above, probs, 1 - probs).prod(1), above.astype(np.int64)


def _scaled(target: Target[Any, Any], values: Floats) -> Floats:
    """Numbers as the loss compares them."""
    log: Floats = np.log1p(np.maximum(values, 0)) if getattr(target, "log", False) else values
    return log


def _unscaled(target: Target[Any, Any], values: Floats) -> Floats:
    log: Floats = np.maximum(np.expm1(values), 0) if getattr(target, "log", False) else values
    return log


def _numpy(values: Tensor) -> Floats:
    found: Floats = values.detach().double().cpu().numpy()
    return found
