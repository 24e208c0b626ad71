"""When to answer: only where the model is so sure that few of the answers given are wrong.

Selective classification with a guarantee (Geifman and El-Yaniv, 2017, NeurIPS): a threshold
on the confidence is chosen on rows that the model was not trained on, so that, with 95%
confidence, the share of wrong answers among those given is at most what was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self, final

import numpy as np
from numpy.typing import NDArray

from redstart.config import JSON
from redstart.errors import ConfigError, problem
from redstart.evaluate.gaps import alone, effect_of

__all__ = ["Choice", "Selection"]

_KEPT: Final = 250
_CONFIDENCE: Final = 0.95
_ROUND: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """A threshold, and what it did on the validation rows.

    Attributes:
        threshold: Answers at least as confident are given; 0 where all are.
        answered: Share of rows answered, in [0, 1].
        wrong: Share of wrong ones among the answers given, in [0, 1].
    """

    threshold: float
    answered: float
    wrong: float


@final
@dataclass(frozen=True, slots=True)
class Selection:
    """How many answers are wrong down to each confidence; five hundred levels at most.

    Attributes:
        n: Rows.
        confidence: Levels, descending.
        given: How many answers are as confident or more.
        wrong: How many of these are wrong.
        effect: How many rows say as much as one that stands alone, where groups go together.
    """

    n: int
    confidence: tuple[float, ...]
    given: tuple[int, ...]
    wrong: tuple[int, ...]
    effect: float = 1.0

    @classmethod
    def of(
        cls,
        confidence: NDArray[np.floating[Any]],
        wrong: NDArray[Any],
        groups: NDArray[np.integer[Any]] | None = None,
    ) -> Self:
        """Count wrong answers by confidence.

        Args:
            confidence: Of each answer, in [0, 1], ``(N,)``, on rows the model did not train on.
            wrong: Whether it is wrong, ``(N,)``.
            groups: Number of the group of each row, ``(N,)``, -1 where there is none.
        """
        n = len(confidence)
        order = np.argsort(-np.asarray(confidence, dtype=np.float64), kind="stable")
        ordered = np.asarray(confidence, dtype=np.float64)[order]
        some = np.concatenate([np.geomspace(1, n, _KEPT), np.linspace(1, n, _KEPT)])
        # Answers of the same confidence are given together.
        last = np.searchsorted(-ordered, -ordered[some.round().astype(np.int64) - 1], side="right")
        given = np.unique(last)
        errors = np.cumsum(np.asarray(wrong, dtype=np.int64)[order])[given - 1]
        levels = ordered[given - 1].tolist()
        errs = np.asarray(wrong, dtype=np.float64)
        effect = 1.0 if groups is None else effect_of(errs - errs.mean(), alone(groups, n))
        return cls(n, tuple(levels), tuple(given.tolist()), tuple(errors.tolist()), effect)

    def choose(self, error: float) -> Choice:
        """The least threshold for which at most ``error`` of the answers given are wrong.

        Thresholds are tested from the strictest on, each as whether a binomial count of
        wrong answers could be so small with a larger share. The chance of a false promise is
        shared out over rows, half of them, a quarter and so on, and handed on from each
        threshold that passes to the next (Wiens, 2003; Angelopoulos et al., 2021, "Learn then
        test"), so that it is at most 5% over all of them; this takes it that rows the model
        is less sure of are not more often right.

        Args:
            error: Share of the answers given that may be wrong, in (0, 1).

        Raises:
            ConfigError: If these rows cannot promise that; says what they can.
        """
        if not 0 < error < 1:
            raise ConfigError(
                problem(
                    "Expected the share of answers that may be wrong, in (0, 1)",
                    f"abstain={error}",
                    "Use 0.05.",
                )
            )
        if (found := self._loosest(error)) is not None:
            return found
        within = ((e, self._loosest(e)) for e in _ROUND if e > error)
        best = next(((e, choice) for e, choice in within if choice is not None), None)
        least = (
            f"abstain={best[0]:g}, which answers {best[1].answered:.0%}, is the least of a few"
            if best
            else "no figure up to 0.5"
        )
        raise ConfigError(
            problem(
                f"Expected an error that {self.n:,} validation rows can promise of this model",
                f"abstain={error}",
                f"Ask for more ({least}), hold out more rows, or train a better model.",
            )
        )

    def _loosest(self, error: float) -> Choice | None:
        from scipy.special import betainc

        given, wrong = np.array(self.given) / self.effect, np.array(self.wrong) / self.effect
        # Of so few wrong ones or fewer; the binomial sum, for counts that need not be whole.
        chance = np.ones(len(given))
        some = wrong < given
        chance[some] = betainc(given[some] - wrong[some], wrong[some] + 1, 1 - error)
        own = self._starts(given, error)
        found, level = None, 0.0
        for i, p in enumerate(chance):
            level += own[i]
            if p <= level:
                found = i
            else:
                level = 0.0
        if found is None:
            return None
        all_given = self.given[found] == self.n
        return Choice(
            threshold=0.0 if all_given else self.confidence[found],
            answered=self.given[found] / self.n,
            wrong=self.wrong[found] / self.given[found],
        )

    def _starts(self, given: NDArray[np.float64], error: float) -> NDArray[np.float64]:
        """How much of the chance of a false promise each threshold brings."""
        chance = 1 - _CONFIDENCE
        least = math.log(chance) / math.log1p(-error)  # rows that say as much without an error
        n = float(given[-1])
        halvings = math.floor(math.log2(n / least)) if n > least else 0
        own = np.zeros(len(given))
        for i in range(halvings + 1):
            own[np.searchsorted(given, n / 2**i)] += chance / (halvings + 1)
        return own

    def to_json(self) -> dict[str, JSON]:
        """As plain values; ``of_json`` is the inverse."""
        return {
            "n": self.n,
            "confidence": list(self.confidence),
            "given": list(self.given),
            "wrong": list(self.wrong),
            "effect": self.effect,
        }

    @classmethod
    def of_json(cls, found: Mapping[str, JSON]) -> Self:
        """Read what ``to_json`` wrote."""
        confidence, given, wrong = (tuple(found[k]) for k in ("confidence", "given", "wrong"))
        return cls(int(found["n"]), confidence, given, wrong, float(found["effect"]))
