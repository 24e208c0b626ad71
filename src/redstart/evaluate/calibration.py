"""Whether probabilities mean what they say, and the one number that mends most of it.

A model is calibrated where, of the answers that it gives with 80%, 80 in 100 are right. The
figures here come with intervals whose coverage is simulated in ``tests/unit/evaluate``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from redstart.errors import DataError, problem
from redstart.evaluate.gaps import Grouped, alone, effect_of, gap_interval, loss_interval
from redstart.metrics.interval import wilson
from redstart.metrics.metric import Interval
from redstart.show.drawing import Drawing
from redstart.show.reliability import ReliabilityBin, plot_reliability

__all__ = ["Band", "Calibration", "calibration", "checked"]

Numbers = NDArray[np.floating[Any]]
Labels = NDArray[Any]

_LEVELS: Final = (0.9, 0.8, 0.7, 0.6, 0.5, 0.0)
_ENOUGH: Final = 20
_LEAST: Final = 1e-45  # the smallest that 32 bits hold: a label said to be impossible


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The answers that were given with some confidence or more.

    Attributes:
        level: The least confidence, in [0, 1].
        n: How many answers.
        said: Their mean confidence, in [0, 1].
        right: The share that is right, in [0, 1].
        interval: Of ``right``, 95%.
        several: Whether answers are labels of which a row may have several.
    """

    level: float
    n: int
    said: float
    right: float
    interval: Interval
    several: bool = False

    @property
    def verdict(self) -> str:
        """``"overconfident"``, ``"underconfident"``, or that neither can be seen."""
        if self.said > self.interval[1]:
            return "overconfident"
        if self.said < self.interval[0]:
            return "underconfident"
        return "no sign of over- or underconfidence"

    def __str__(self) -> str:
        low, high = (_percent(end) for end in self.interval)
        what = "labels" if self.several else "answers"
        given = f" given with {self.level:.0%} or more" if self.level else ""
        return (
            f"Of the {self.n:,} {what}{given}, {_percent(self.right)}% [{low}, {high}] are right, "
            f"where {_percent(self.said)}% were promised: {self.verdict}."
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How far probabilities can be taken at their word, on some rows.

    Attributes:
        n_rows: Rows.
        ece: Expected calibration error: by how much the share of right answers differs from
            the confidence, as root mean square over bins of equal mass, less what chance
            alone adds (Kumar et al., 2019, NeurIPS); in [0, 1].
        ece_interval: Its 95% interval.
        log_loss: Mean of ``-log`` of the probability of the truth, in nats.
        log_loss_interval: Its 95% interval.
        brier: Mean squared distance of the probabilities from the truth (Brier, 1950): in
            [0, 2] for one label, in [0, 1] per label where a row may have several.
        brier_interval: Its 95% interval.
        band: The surest answers: the highest level with enough of them.
        bins: From the least confidence to the greatest.
    """

    n_rows: int
    ece: float
    ece_interval: Interval
    log_loss: float
    log_loss_interval: Interval
    brier: float
    brier_interval: Interval
    band: Band
    bins: tuple[ReliabilityBin, ...]

    def plot(self, **options: Any) -> Drawing:
        """Draw the reliability diagram; keywords go to ``plot_reliability``."""
        low, high = self.ece_interval
        words = str(self.band).replace(" right, ", " right,\n", 1)
        note = f"calibration error {self.ece:.3f} [{low:.3f}, {high:.3f}]\n{words}"
        answers = "labels" if self.band.several else "answers"
        return plot_reliability(self.bins, **{"note": note, "answers": answers, **options})

    def __str__(self) -> str:
        figures = [
            f"{name} {value:.4g} [{ends[0]:.4g}, {ends[1]:.4g}]"
            for name, value, ends in (
                ("calibration error", self.ece, self.ece_interval),
                ("log loss", self.log_loss, self.log_loss_interval),
                ("Brier score", self.brier, self.brier_interval),
            )
        ]
        return f"{self.band} Over {self.n_rows:,} rows: {', '.join(figures)}."


def calibration(
    probs: Numbers, y: Labels, groups: NDArray[np.integer[Any]] | None = None
) -> Calibration:
    """Measure how far probabilities can be taken at their word.

    Args:
        probs: Probabilities of the labels, ``(N, C)`` in [0, 1].
        y: Numbers of the true labels, ``(N,)``; or zeros and ones ``(N, C)``, where a row
            may have several labels. Then each pair of a row and a label is an answer, and
            the intervals allow for those of one row going together.
        groups: Number of the group of each row, ``(N,)``, -1 where there is none: rows of one
            person or place, which go together.

    Returns:
        Figures with intervals, and the bins for a picture.

    Raises:
        DataError: If they do not fit each other, or there is no row.
    """
    p, true, several = checked(probs, y)
    own = None if groups is None else alone(np.asarray(groups), len(p))
    answers = Grouped.of(p, true, own) if several else Grouped.of_best(p, true, own)
    said, right, n = answers.binned()
    effect = answers.design_effect()
    edges = [0, *np.cumsum(n).astype(int).tolist()]
    bins = tuple(
        ReliabilityBin(
            low=float(answers.said[begin]),
            high=float(answers.said[end - 1]),
            n=int(end - begin),
            said=float(s),
            right=float(r),
            interval=_share(r * (end - begin), end - begin, effect),
        )
        for begin, end, s, r in zip(edges[:-1], edges[1:], said, right, strict=True)
    )
    ece, ece_interval = gap_interval(said, right, n / effect)
    log_loss, log_interval = _loss(p, true, _log_losses(p, several), own)
    brier, brier_interval = _loss(
        p, true, _square_losses(p, several), own, most=1.0 if several else 2.0
    )
    return Calibration(
        n_rows=len(p),
        ece=ece,
        ece_interval=ece_interval,
        log_loss=log_loss,
        log_loss_interval=log_interval,
        brier=brier,
        brier_interval=brier_interval,
        band=_band(answers, effect, several=several),
        bins=bins,
    )


def checked(probs: Numbers, y: Labels) -> tuple[NDArray[np.float64], NDArray[np.int64], bool]:
    """Probabilities in 64 bits, labels as whole numbers, and whether a row may have several.

    Raises:
        DataError: If the two do not fit each other, or there is no row.
    """
    p, true = np.asarray(probs, dtype=np.float64), np.asarray(y)
    several = true.ndim == 2
    fits = (
        p.ndim == 2 and len(p) > 0 and (p.shape == true.shape if several else len(p) == len(true))
    )
    if not fits or true.ndim not in (1, 2):
        raise DataError(
            problem(
                "Expected probabilities (N, C) and the labels of the same rows, (N,) or (N, C)",
                f"probs={p.shape}, y={true.shape}",
                "Take both from one call of `learn.get_preds()`.",
            )
        )
    if not ((p >= 0) & (p <= 1)).all():
        raise DataError(
            problem(
                "Expected probabilities, in [0, 1]",
                f"from {p.min():.4g} to {p.max():.4g}",
                "Pass what the target's `activate` makes of the model's output.",
            )
        )
    top = 1 if several else p.shape[1] - 1
    if not ((true >= 0) & (true <= top)).all():
        raise DataError(
            problem(
                f"Expected labels from 0 to {top}",
                f"from {true.min()} to {true.max()}",
                "Encode them as the target does.",
            )
        )
    return p, true.astype(np.int64), several


def _band(answers: Grouped, effect: float, *, several: bool) -> Band:
    """The answers above the highest level that enough of them reach."""
    wanted = min(len(answers.said), max(_ENOUGH, 0.05 * len(answers.said)))
    for level in _LEVELS:
        sure = answers.said >= level
        n = int(sure.sum())
        if n >= wanted:
            break
    right = answers.right[sure]
    return Band(
        level=level,
        n=n,
        said=float(answers.said[sure].mean()),
        right=float(right.mean()),
        interval=_share(right.sum(), n, effect),
        several=several,
    )


def _share(hits: float, n: float, effect: float) -> Interval:
    return wilson(float(hits) / effect, float(n) / effect)


def _log_losses(p: NDArray[np.float64], several: bool) -> NDArray[np.float64]:
    """Loss of each label if it were true, ``(N, C)``; and false, where there may be several."""
    yes = -np.log(np.maximum(p, _LEAST))
    return np.stack([-np.log(np.maximum(1 - p, 1e-9)), yes]) if several else yes


def _square_losses(p: NDArray[np.float64], several: bool) -> NDArray[np.float64]:
    if several:
        return np.stack([p**2, (1 - p) ** 2])
    # The squares of all others, and of what the true one lacks.
    found: NDArray[np.float64] = (p**2).sum(1, keepdims=True) - p**2 + (1 - p) ** 2
    return found


def _loss(
    p: NDArray[np.float64],
    true: NDArray[np.int64],
    losses: NDArray[np.float64],
    groups: NDArray[np.int64] | None,
    *,
    most: float = math.inf,
) -> tuple[float, Interval]:
    """Mean loss per row and its interval."""
    if true.ndim == 2:
        values = np.where(true == 1, losses[1], losses[0]).mean(1)
        mean = (p * losses[1] + (1 - p) * losses[0]).mean(1)
        parts = p * (1 - p) * (losses[1] - losses[0]) ** 2 / p.shape[1] ** 2
        second = parts.sum(1) + (mean - mean.mean()) ** 2
        third = np.zeros(len(p))
        wrong = int(((p > 0.5) != (true == 1)).any(1).sum())
    else:
        values = losses[np.arange(len(p)), true]
        centre = float((p * losses).sum(1).mean())
        second = (p * (losses - centre) ** 2).sum(1)
        third = (p * (losses - centre) ** 3).sum(1)
        wrong = int((p.argmax(1) != true).sum())
    expected = (float(second.mean()), float(third.mean()))
    mean = float(values.mean())
    effect = 1.0 if groups is None else effect_of(values - mean, groups)
    return mean, loss_interval(values, expected, seen=wrong, most=most, effect=effect)


def _percent(share: float) -> str:
    """In per cent, with a digit after the point where it is near the ends."""
    whole = 100 * share
    near = (0 < whole < 1 or 99 < whole < 100) and math.floor(whole * 10) not in (0, 1000)
    return f"{whole:.1f}" if near else f"{whole:.0f}"
