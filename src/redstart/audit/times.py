"""Does training see what came after the rows it is judged on?

Rows with dates that were split at random let a model look up what happened around the time
it is asked about. Whether that matters is measured: the same late rows are predicted by a
small model that was fitted on the training rows as they are, and by one fitted on as many
rows that all came before (prequential evaluation: Bergmeir and Benitez, 2012, Information
Sciences 191:192). The ratio of their errors has an interval from whole stretches of time
drawn again (block bootstrap: Kuensch, 1989), for errors of one day go together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from redstart.audit.dates import dates_of, is_iso, stamps_of
from redstart.audit.evidence import Evidence
from redstart.audit.finding import Finding, Severity
from redstart.audit.groups import crossed
from redstart.audit.names import Names, moments_in_names
from redstart.audit.tied import codes_of

__all__ = ["times"]

_STAMP_NAME: Final = re.compile(r"(time_?stamp|unix_?time|epoch|_ts$|^ts$)", re.IGNORECASE)
_BIRTH: Final = re.compile(r"birth|born|\bdob\b|_dob|dob_", re.IGNORECASE)

_MIXED: Final = 0.05  # of the validation rows: fewer before the end of training are no mixture
_CLOCKS: Final = 3  # that are looked at; each costs two small models
_LEAST: Final = 60  # rows to judge on
_ROWS: Final = 4000  # to fit on
_FITS: Final = 2  # of each kind: a single small model errs by chance
_JUDGED: Final = 4000
_LATE: Final = 0.2  # of the rows, by time
_BLOCKS: Final = 20
_DRAWS: Final = 500
_WORSE: Final = 1.15  # where dates mean nothing, chance alone made up to 1.11 (of 100 trials)
_SURE: Final = 1.05  # the least end of the interval, to call it serious
_Moments = NDArray[Any]  # datetime64[s]


@final
@dataclass(frozen=True, slots=True)
class _Clock:
    """A source of times.

    Attributes:
        what: What it is called.
        column: The column that it is; empty for others.
        moments: Of each row, ``(N,)`` datetime64[s]; NaT where not known.
        mend: The line that splits by it.
    """

    what: str
    column: str
    moments: _Moments
    mend: str


@final
@dataclass(frozen=True, slots=True)
class _Effect:
    """How much larger errors are without the future: a ratio and its interval."""

    ratio: float
    low: float
    high: float
    rows: int


def times(evidence: Evidence) -> list[Finding]:
    """Look for rows with dates of which the split mixes past and future.

    Args:
        evidence: Of the data set.

    Returns:
        At most one finding of the check ``times``: the date that matters most.
    """
    if evidence.chosen == "time" or not {"train", "valid"} <= set(evidence.parts):
        return []
    mixed = [(clock, _mixed(evidence, clock.moments)) for clock in _clocks(evidence)]
    found: list[tuple[float, Finding]] = []
    for clock, share in [m for m in mixed if m[1] >= _MIXED][:_CLOCKS]:
        effect = _effect(evidence, clock)
        made = _finding(evidence, clock, share, effect)
        found.append((effect.low if effect else 0.0, made))
    return [max(found, key=lambda f: f[0])[1]] if found else []


def _clocks(evidence: Evidence) -> list[_Clock]:
    """Where times are, those whose name says so first."""
    found: list[tuple[bool, _Clock]] = []
    for name, values in evidence.every_column().items():
        if _BIRTH.search(name):
            continue
        moments = dates_of(values)
        split = f'`dls.resplit(TimeSplitter("{name}"))`'
        if moments is None and values.dtype.kind in "if" and _STAMP_NAME.search(name):
            moments = stamps_of(values)
        elif moments is not None and values.dtype.kind == "O" and not is_iso(values):
            split = f"make dates of {name!r} with `pandas.to_datetime`, then {split}"
        if moments is not None:
            named = bool(re.search(r"date|time|stamp", name, re.IGNORECASE))
            found.append((named, _Clock(f"column {name!r}", name, moments, split)))
    if len(evidence.files) == evidence.n_rows and evidence.n_rows:
        moments, code = moments_in_names(Names.of(evidence.files, evidence.root))
        split = f"`dls.resplit(TimeSplitter(lambda f: {code}))`"
        found.append((True, _Clock("the date in the file name", "", moments, split)))
    taken = evidence.properties.get("taken")
    if taken is not None and taken.dtype.kind == "M":
        split = (
            "`dls.resplit(TimeSplitter(lambda f: Image.open(f).getexif().get_ifd(0x8769)[0x9003]"
            '.replace(":", "-", 2)))`'
        )
        found.append((True, _Clock("when photos were taken", "", taken, split)))
    found.sort(key=lambda f: not f[0])
    return [clock for _, clock in found]


def _mixed(evidence: Evidence, moments: _Moments) -> float:
    """Of the validation rows, the share that has at least a twentieth of training after it."""
    train = moments[evidence.parts["train"]]
    valid = moments[evidence.parts["valid"]]
    known = ~np.isnat(train)
    if known.mean() < 0.8 or np.isnat(valid).mean() > 0.2 or len(np.unique(train[known])) < 3:
        return 0.0
    late = np.quantile(train[known].astype(np.int64), 0.95)
    return float((valid[~np.isnat(valid)].astype(np.int64) < late).mean())


def _effect(evidence: Evidence, clock: _Clock) -> _Effect | None:
    """Errors on late rows without the future, over those with it."""
    target = _target(evidence)
    if target is None:
        return None
    when = clock.moments.astype(np.int64)
    known = ~np.isnat(clock.moments)
    train = evidence.parts["train"][known[evidence.parts["train"]]]
    valid = evidence.parts["valid"][known[evidence.parts["valid"]]]
    start = np.quantile(when[np.concatenate([train, valid])], 1 - _LATE)
    past, late = train[when[train] < start], valid[when[valid] >= start]
    rng = np.random.default_rng(evidence.seed)
    size = min(len(past), len(train), _ROWS)
    if len(late) < _LEAST or size < _LEAST:
        return None
    late = np.sort(rng.choice(late, min(len(late), _JUDGED), replace=False))
    x = _inputs(evidence, clock)
    size = int(0.8 * size)  # so that no two draws are the same
    errors = np.zeros((2, len(late)))
    for number in range(_FITS):
        for kind, rows in enumerate((past, train)):
            fit = rng.choice(rows, size, replace=False)
            errors[kind] += _errors(x, target, fit, late, evidence.seed + number)
    return _ratio(errors[0], errors[1], when[late], rng)


def _ratio(
    worse: NDArray[np.float64],
    better: NDArray[np.float64],
    when: NDArray[np.int64],
    rng: np.random.Generator,
) -> _Effect:
    order = np.argsort(when, kind="stable")
    blocks = np.array_split(order, min(_BLOCKS, len(order) // 3))
    sums = np.array([[worse[b].sum(), better[b].sum()] for b in blocks])
    draws = rng.integers(0, len(blocks), (_DRAWS, len(blocks)))
    drawn = sums[draws].sum(axis=1)
    floor = 1e-9 * max(float(sums.max()), 1e-300)
    ratios = (drawn[:, 0] + floor) / (drawn[:, 1] + floor)
    low, high = np.quantile(ratios, [0.025, 0.975])
    total = sums.sum(axis=0) + floor
    return _Effect(float(total[0] / total[1]), float(low), float(high), len(when))


def _target(evidence: Evidence) -> NDArray[Any] | None:
    """Class numbers, or the number that varies most once scaled: the first."""
    truth = evidence.truth
    if truth.kind == "category":
        return np.asarray(truth.values, dtype=np.int64)
    if truth.kind == "numbers" and len(truth.values) == evidence.n_rows:
        return np.asarray(truth.values, dtype=np.float64).reshape(evidence.n_rows, -1)[:, 0]
    return None


def _inputs(evidence: Evidence, clock: _Clock) -> NDArray[np.float64]:
    """What a small model is given: the time and its parts, columns, and what files say."""
    moments = clock.moments.astype("datetime64[s]")
    seconds = moments.astype(np.float64)
    seconds[np.isnat(moments)] = np.nan
    days = moments.astype("datetime64[D]").astype(np.int64)
    months = moments.astype("datetime64[M]").astype(np.int64)
    columns = [seconds, seconds % 86400, (days + 3.0) % 7, months % 12.0]
    for name, values in {**evidence.every_column(), **evidence.properties}.items():
        if name == clock.column or values.dtype.kind == "M" or dates_of(values) is not None:
            continue
        if values.dtype.kind == "O":
            codes = codes_of(values).astype(np.float64)
            if codes.max(initial=-1) < 1000:
                columns.append(codes)
        else:
            columns.append(values.astype(np.float64))
    return np.stack(columns, axis=1)


def _errors(
    x: NDArray[np.float64],
    target: NDArray[Any],
    fit: NDArray[np.int64],
    judged: NDArray[np.int64],
    seed: int,
) -> NDArray[np.float64]:
    """Absolute errors, or one less the probability of the true class, of ``judged`` rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    options = {
        "max_iter": 40,
        "learning_rate": 0.2,
        "max_leaf_nodes": 15,
        "min_samples_leaf": 40,
        "early_stopping": False,
        "random_state": seed % (2**32),
    }
    truth = target[judged]
    if target.dtype.kind == "f":
        fit = fit[np.isfinite(target[fit])]
        model = HistGradientBoostingRegressor(loss="squared_error", **options)
        said = model.fit(x[fit], target[fit]).predict(x[judged])
        return np.asarray(np.nan_to_num(np.abs(said - truth)), dtype=np.float64)
    if len(np.unique(target[fit])) < 2:
        return np.asarray(truth != target[fit][0], dtype=np.float64)
    model = HistGradientBoostingClassifier(**options).fit(x[fit], target[fit])
    chances = model.predict_proba(x[judged])
    places = np.searchsorted(model.classes_, truth).clip(0, len(model.classes_) - 1)
    right = np.where(model.classes_[places] == truth, chances[np.arange(len(truth)), places], 0.0)
    return np.asarray(1 - right, dtype=np.float64)


def _finding(evidence: Evidence, clock: _Clock, share: float, effect: _Effect | None) -> Finding:
    said = (
        f"Training rows are later than validation rows: {share:.0%} of these have training rows "
        f"after them, by {clock.what}."
    )
    mend = f"To judge by the future, train on the past: {clock.mend}."
    severity: Severity = "note"
    figures: dict[str, Any] = {"share_mixed": round(share, 3)}
    if effect is None:
        said += " How much it flatters the figure could not be measured on so few rows."
    else:
        figures |= {
            "error_ratio": round(effect.ratio, 3),
            "low": round(effect.low, 3),
            "high": round(effect.high, 3),
            "rows_judged": effect.rows,
        }
        interval = f"{effect.ratio:.2f} times (95% interval {effect.low:.2f} to {effect.high:.2f})"
        if effect.low > 1 and effect.ratio >= _WORSE:
            serious = effect.low >= _SURE and not crossed(evidence)
            severity = "serious" if serious else "warning"
            said += (
                f" It matters: on {effect.rows:,} late rows, a small model that was trained on the "
                f"past alone makes {interval} the error of one trained as the split is."
            )
        else:
            said += (
                f" No harm is seen: trained on the past alone, a small model makes {interval} the "
                f"error on {effect.rows:,} late rows."
            )
    return Finding(
        check="times",
        severity=severity,
        said=said,
        mend=mend,
        rows=tuple(_latest_mixed(evidence, clock.moments)),
        evidence=figures,
    )


def _latest_mixed(evidence: Evidence, moments: _Moments) -> list[int]:
    """Validation rows that most of training comes after: the earliest."""
    valid = evidence.parts["valid"]
    valid = valid[~np.isnat(moments[valid])]
    return [int(row) for row in valid[np.argsort(moments[valid], kind="stable")][:1000]]
