"""What curves say about the learning rate and how long to train."""

from __future__ import annotations

import math

import numpy as np

from redstart.config import JSON
from redstart.evaluate.course import Course
from redstart.evaluate.facts import LEARNT, SMALL, Facts, Reading, against_constant, evidence
from redstart.show.digits import digits

__all__ = ["diverged", "plateau", "rate_too_high", "rate_too_low", "still_learning"]

_HUMP = 0.25
"""Training loss that rose by this share of the constant's did so because of the rate."""
_GOOD = 0.8
"""A model that gained this share of all that there was got over whatever happened before."""


def diverged(f: Facts) -> Reading | None:
    """A loss that is not a number."""
    for what, losses in (("batch", f.curves.losses), ("epoch", f.curves.valid)):
        finite = np.isfinite(np.asarray(losses, dtype=np.float64))
        if not finite.all():
            at = int(np.argmin(finite)) + 1
            return Reading(
                kind="rate too high",
                said=f"Training diverged: the loss of {what} {at} is not a number.",
                mend=_slower(f),
                evidence={what: at, "rate": f.rate},
            )
    return None


def rate_too_high(f: Facts) -> Reading | None:
    """The training loss exploded, or rose on the way."""
    if f.course is None:
        return None
    worth = f.scale or f.course.first
    spike, rise, share = f.course.spike, f.course.rise, f.share(f.gain_train)
    if math.isnan(share):
        share = f.course.fall.value / worth if worth else 0.0
    ended = f"the model ended {against_constant(f)}"
    times = 2 if share < 0.5 else 3
    if share < _GOOD and spike > times * max(f.course.first, worth):
        said = (
            f"The training loss went from {digits(f.course.first)} up to {digits(spike)}, and "
            f"{ended}: its steps were too large."
        )
    elif rise.low(3.0) > 0 and rise.value > _HUMP * worth:
        said = (
            f"The training loss rose by {digits(rise.value)} on the way, from "
            f"{digits(f.course.lowest_before)}: the steps were too large"
            + (f", and {ended}." if share < 0.5 else ".")
        )
    else:
        return None
    figures: dict[str, JSON] = {
        "rate": f.rate,
        "first_loss": f.course.first,
        "highest_loss": spike,
        "rise": rise.value,
        "rise_interval": list(rise.interval()),
    }
    return Reading(
        kind="rate too high", said=said, mend=_slower(f), evidence={**evidence(f), **figures}
    )


def _slower(f: Facts) -> str:
    if not f.rate:
        return "Look for a smaller rate with `learn.lr_find()`, and train anew."
    return (
        f"The highest rate was {digits(f.rate)}. Look for a smaller one with `learn.lr_find()`, "
        f"or try {digits(f.rate / 10)}, and train anew."
    )


def rate_too_low(f: Facts) -> Reading | None:
    """The loss has hardly begun to fall, and falls in a straight line."""
    if f.course is None or f.gain_train is None or f.train is None:
        return None
    if f.share(f.gain_train) > 0.5 or _idle(f):
        return None
    if not (f.falling or f.never_moved):
        return None
    used, higher = "", ""
    if f.rate:
        used, higher = f"The rate was {digits(f.rate)}. ", f", or try {digits(f.rate * 10)}"
    return Reading(
        kind="rate too low",
        said=(
            f"The training loss went from {digits(f.course.first)} to {digits(f.train.value)} "
            "only, in an almost straight line: the model has hardly begun to learn."
        ),
        mend=(
            f"{used}Look for a larger one with `learn.lr_find()`{higher}; or train for many "
            "more epochs."
        ),
        evidence={**evidence(f), **_course_evidence(f.course), "rate": f.rate},
    )


def still_learning(f: Facts) -> Reading | None:
    """Both losses were falling when training ended."""
    if f.course is None or len(f.curves.valid) < 2 or not f.falling:
        return None
    gained = f.gain_train.value if f.gain_train is not None else f.course.fall.value
    valid = f.curves.valid
    before = valid[min(len(valid) - 2, (3 * len(valid)) // 4 - 1)]
    fell = before - valid[-1]
    if f.course.late.value < SMALL * gained or fell < SMALL * gained:
        return None
    return Reading(
        kind="still learning",
        said=(
            f"Both losses were still falling at the end: training by {digits(f.course.late.value)} "
            f"in the last quarter, validation from {digits(before)} to {digits(valid[-1])}."
        ),
        mend=f"Train for more epochs: try {2 * len(valid)} instead of {len(valid)}.",
        evidence={**evidence(f), **_course_evidence(f.course), "valid_fell": fell},
    )


def _idle(f: Facts) -> bool:
    """Whether the rate was next to nothing in half of the batches or more."""
    lrs = np.asarray(f.curves.lrs, dtype=np.float64)
    return len(lrs) > 0 and float((lrs < 0.01 * lrs.max()).mean()) >= 0.5


def plateau(f: Facts) -> Reading | None:
    """The training loss has stopped, at a constant rate or one that fell to nothing."""
    valid = f.curves.valid
    if f.course is None or f.train is None or len(valid) < 6:
        return None
    if f.scale and f.train.value < LEARNT * f.scale:
        return None  # nothing is left to gain on the training rows
    since, idle = f.course.flat_since, _idle(f)
    lrs = np.asarray(f.curves.lrs[int(since * len(f.curves.lrs)) :], dtype=np.float64)
    if since > 0.5 or not len(lrs) or not (idle or lrs.min() > 0.5 * lrs.max()):
        return None
    epoch = max(1, math.ceil(since * len(f.curves.ends)))
    flat = (
        f"The training loss has not moved since about epoch {epoch} of {len(f.curves.ends)}, at "
        f"{digits(f.train.value)}"
    )
    if idle:
        said = f"{flat}: the rate had fallen from {digits(f.rate)} to {digits(float(lrs[-1]))}."
        mend = "Let the rate fall later: `fit_one_cycle`, `fit_flat_cos`."
    else:
        said = f"{flat}, with the rate at {digits(float(lrs[-1]))} all along."
        mend = (
            f"Let the rate fall (`fit_one_cycle`, `fit_flat_cos`), stop after {epoch + 1} epochs, "
            "or try a larger model."
        )
    return Reading(
        kind="plateau",
        said=said,
        mend=mend,
        evidence={**evidence(f), "since_epoch": epoch, "rate": float(lrs[-1])},
    )


def _course_evidence(course: Course) -> dict[str, JSON]:
    return {
        "fall": course.fall.value,
        "fall_in_last_quarter": course.late.value,
        "fall_in_last_quarter_interval": list(course.late.interval()),
    }
