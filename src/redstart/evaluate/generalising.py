"""What curves say about how the model does on rows that it has seen and on others."""

from __future__ import annotations

import math

import numpy as np

from redstart.evaluate.facts import LEARNT, SMALL, Curves, Facts, Reading, evidence
from redstart.show.digits import digits

__all__ = ["fine", "memorising", "noise", "overfitting", "underfitting"]

_BY_HEART = 0.7
"""Who gains more than this share on training rows and nothing on others knows them by heart."""
_KEPT = 0.7
"""A model that keeps less of its gain than this on rows that it has not seen is overfitted."""
_WIDE = 0.15
"""Half an interval of the loss, in shares of the gain, that hides what epochs differ by."""
_POINTS = 0.05
"""Half an interval of a share such as accuracy that does so."""


def memorising(f: Facts) -> Reading | None:
    """Training rows known by heart, and nothing gained on others."""
    if f.gain_train is None or f.gain_valid is None or f.train is None or f.valid is None:
        return None
    if f.share(f.gain_train) < _BY_HEART or f.gain_valid.low() > 0:
        return None
    if f.share(f.gain_valid) > LEARNT:
        return None
    return Reading(
        kind="memorising",
        said=(
            f"The model knows its training rows by heart (loss {digits(f.train.value)}), and on "
            f"validation rows it is no better than a constant answer ({digits(f.valid.value)} "
            f"against {digits(f.valid.value + f.gain_valid.value)})."
        ),
        mend=(
            "Check that labels belong to their inputs: `dls.show_batch()`, "
            "`learn.label_issues()`. If they do, it takes far more rows, or a much smaller model."
        ),
        evidence={
            **evidence(f),
            "constant_loss": f.valid.value + f.gain_valid.value,
        },
    )


def overfitting(f: Facts) -> Reading | None:
    """A gap between training rows and others that is large, or that grew as training went on."""
    if f.train is None or f.valid is None or f.gap is None or not len(f.curves.valid):
        return None
    if not f.gap.surely_above_0 or (not f.once_better and memorising(f) is not None):
        return None
    lowest = float(f.curves.valid[f.best])
    rise = f.valid.value - lowest
    worth = f.gain_train.value if f.gain_train is not None else f.gap.value
    # A loss that rises because the rate is too high rises on training rows too.
    rose = rise > max(f.valid.half(), SMALL * max(worth, 0.5 * f.scale))
    rose = rose and f.gap.value > 0.5 * rise
    lost = math.nan
    wide = False
    if f.gain_train is not None and f.share(f.gain_train) > LEARNT:
        lost = f.gap.value / f.gain_train.value
        wide = lost > 1 - _KEPT
    if not (rose or wide):
        return None
    said = [_gap_said(f)]
    if wide:
        said.append(f"Of what it gained on training rows it loses {min(lost, 1.0):.0%} on others.")
    if rose:
        said.append(_rose_said(f, lowest))
    mends = ["get more rows, augment them, or raise `wd`"]
    if rose and f.best + 1 < len(f.curves.valid):
        mends.insert(0, f"stop at {f.best + 1} epochs (`EarlyStopping`, `SaveBest`)")
    mend = ", or ".join(mends)
    return Reading(
        kind="overfitting",
        said=" ".join(said),
        mend=f"{mend[0].upper()}{mend[1:]}.",
        evidence={
            **evidence(f),
            "best_epoch": f.best + 1,
            "best_valid_loss": lowest,
            "rise": rise,
            "share_of_gain_lost": None if math.isnan(lost) else lost,
        },
    )


def _gap_said(f: Facts) -> str:
    assert f.train is not None and f.valid is not None and f.gap is not None  # noqa: S101
    low, high = f.gap.interval()
    return (
        f"The model does better on its training rows (loss {digits(f.train.value)}) than on "
        f"others ({digits(f.valid.value)}): a gap of {digits(f.gap.value)}, between "
        f"{digits(low)} and {digits(high)}."
    )


def _rose_said(f: Facts, lowest: float) -> str:
    figures = f.curves.figures
    said = f"The validation loss was lowest after epoch {f.best + 1} ({digits(lowest)})"
    if not f.curves.metric or len(figures) != len(f.curves.valid):
        return f"{said} and rose since."
    gained = figures[-1] - figures[f.best]
    if gained > 0 if f.curves.larger_is_better else gained < 0:
        return (
            f"{said} and rose since, though {f.curves.metric} did not suffer: the model grows "
            "too sure of itself."
        )
    return f"{said} and rose since."


def underfitting(f: Facts) -> Reading | None:
    """Not even the training rows are learnt, and nothing moves any more."""
    if f.gain_train is None or f.train is None or f.course is None:
        return None
    if f.share(f.gain_train) > LEARNT or f.falling or f.never_moved:
        return None
    constant = f.train.value + f.gain_train.value
    return Reading(
        kind="underfitting",
        said=(
            "The model does not even learn its training rows: its loss on them, "
            f"{digits(f.train.value)}, is hardly less than that of a constant answer "
            f"({digits(constant)}), and it has stopped falling."
        ),
        mend=(
            "Give it more to learn with: a larger model, other inputs, less `wd` or dropout. "
            "Or the inputs say little about the target."
        ),
        evidence={**evidence(f), "constant_loss": constant},
    )


def noise(f: Facts) -> Reading | None:
    """Too few validation rows to tell epochs apart."""
    valid = f.curves.valid
    if f.valid is None or f.gain_valid is None or len(valid) < 3:
        return None
    half = f.valid.half()
    late = float(np.ptp(np.asarray(valid[len(valid) // 2 :], dtype=np.float64)))
    if late > 2 * half:
        return None
    share = _half_of_share(f.curves)
    gain = max(f.gain_valid.value, LEARNT * f.scale)
    if share > _POINTS:
        wanted, aim = f.valid.n * (share / 0.02) ** 2, f"know {f.curves.metric} to 2 points"
        known = f"{f.curves.metric} is known to {100 * share:.0f} points"
    elif half > _WIDE * gain:
        wanted, aim = f.valid.n * (3 * half / (_WIDE * gain)) ** 2, "tell epochs apart"
        known = f"the validation loss, {digits(f.valid.value)}, is known to {digits(half)}"
    else:
        return None
    return Reading(
        kind="noise",
        said=(
            f"On {f.valid.n:,} validation rows {known} either way, and the later epochs differ "
            "by less: which of them is best cannot be told."
        ),
        mend=f"Validate on more rows: about {_round(math.ceil(wanted)):,} would do to {aim}.",
        evidence={**evidence(f), "late_range": late, "rows_wanted": math.ceil(wanted)},
    )


def _half_of_share(curves: Curves) -> float:
    """Half the interval of the metric, where it is a share that should be large; else 0."""
    ends, figures = curves.interval, curves.figures
    if ends is None or not curves.larger_is_better or not len(figures):
        return 0.0
    if not (0 <= ends[0] <= ends[1] <= 1 and all(0 <= v <= 1 for v in figures)):
        return 0.0
    late = figures[len(figures) // 2 :]
    half = (ends[1] - ends[0]) / 2
    return half if max(late) - min(late) <= 2 * half else 0.0


_LITTLE = 0.05  # of the loss of a constant answer


def fine(f: Facts) -> Reading | None:
    """Figures of a model that nothing is wrong with."""
    if f.train is None or f.valid is None or f.gap is None:
        return None
    if f.gain_valid is not None and f.gain_valid.value <= 0:
        return None
    low, high = f.gap.interval()
    # What there is to gain: the loss of a constant answer, or of this model if none is known.
    scale = f.valid.value + (f.gain_valid.value if f.gain_valid is not None else 0.0)
    if high - low > scale:
        return Reading(
            kind="noise",
            said=(
                f"There are too few rows to say whether the model does as well on new ones: the "
                f"gap between the losses is between {digits(low)} and {digits(high)}."
            ),
            mend="Hold out more rows.",
            evidence=evidence(f),
        )
    said = f"The validation loss is {digits(f.valid.value)}"
    if f.gain_valid is not None:
        share = f.gain_valid.value / (f.valid.value + f.gain_valid.value)
        if share < _LITTLE:
            return Reading(
                kind="underfitting",
                said=f"{said}, only {share:.0%} below that of a constant answer: hardly anything "
                "was learnt.",
                mend="Train longer, try another rate (`learn.lr_find()`), or look for inputs that "
                "tell more.",
                evidence=evidence(f),
            )
        said += f", {share:.0%} below that of a constant answer"
    if low > 0 and f.gain_valid is None:
        return None  # without a constant answer to hold it against, no gap is known to be small
    return Reading(
        kind="fine",
        said=(
            f"{said}; on training rows it is {digits(f.train.value)} (the gap is between "
            f"{digits(low)} and {digits(high)}). The curves show nothing that needs mending."
        ),
        evidence=evidence(f),
    )


def _round(n: int) -> int:
    """To two digits."""
    size = int(10 ** max(0, len(str(n)) - 2))
    return -(-n // size) * size
