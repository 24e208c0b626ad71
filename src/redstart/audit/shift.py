"""Whether training and validation rows are of one kind: can a model tell them apart?

A linear model on the codes of all columns is asked which part a row is from, by
cross-validation (a classifier two-sample test; Lopez-Paz and Oquab, 2017). It sees what
shifts in single columns and in their sum, not in how columns depend on each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redstart.audit.additive import additive, design
from redstart.audit.columns import constant, is_id
from redstart.audit.evidence import Evidence
from redstart.audit.finding import Finding, Severity
from redstart.audit.tabular_features import (
    Floats,
    Sample,
    Tasks,
    auc,
    auc_interval,
    numeric,
    signal_of,
)

__all__ = ["shift"]

_MOST = 2_000
_LEAST = 30
_FOLDS = 4
_LEVEL = 0.999
"""Of the interval that must leave out 0.5: many data sets are audited."""
_SEEN, _LARGE = 0.55, 0.6
_TOLD = 3
_SHARE = 0.05


def shift(evidence: Evidence) -> list[Finding]:
    """Say whether validation rows differ from training rows, in inputs and in targets.

    Dates and columns that number or name rows are left out. Where the split keeps times or
    groups apart, a shift is what it is for: a note.

    Args:
        evidence: Its columns, or the properties of its files; no test row is looked at.
    """
    rng = np.random.default_rng(evidence.seed)
    parts = [np.asarray(evidence.parts.get(part, ()), np.int64) for part in ("train", "valid")]
    if min(map(len, parts)) < _LEAST:
        return []
    found = _targets(evidence, *parts)
    n = min(_MOST, *map(len, parts))
    train, valid = (rng.permutation(rows)[:n] for rows in parts)
    columns = _usable(evidence, np.concatenate([train, valid]))
    return [*_inputs(evidence, columns, train, valid), *found]


def _usable(evidence: Evidence, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    given = evidence.columns or evidence.properties
    return {
        name: values
        for name, values in given.items()
        if values.dtype.kind not in "mM"
        and not (constant(evidence, values) and len(set(values[rows].tolist())) == 1)
        and not is_id(name, values, rows)
    }


def _inputs(
    evidence: Evidence,
    columns: Mapping[str, NDArray[Any]],
    train: NDArray[np.int64],
    valid: NDArray[np.int64],
) -> list[Finding]:
    if not columns:
        return []
    rows = np.concatenate([train, valid])
    here = {name: values[rows] for name, values in columns.items()}
    y = np.repeat([[0.0], [1.0]], [len(train), len(valid)], axis=0)
    scores, folds = np.zeros(len(rows)), np.arange(len(rows)) % _FOLDS
    x = design(list(here.values()), np.arange(len(rows)))
    samples = [
        Sample(np.flatnonzero(folds != f), np.flatnonzero(folds == f)) for f in range(_FOLDS)
    ]
    for sample in samples:
        scores[sample.score] = additive(x, y, sample)[:, 0]
    value = auc(scores, y[:, 0] > 0)
    if value < _SEEN or auc_interval(value, len(valid), len(train), _LEVEL)[0] <= 0.5:
        return []
    tasks = Tasks("auc", y, ("valid",))
    half = Sample(np.flatnonzero(folds % 2 == 0), np.flatnonzero(folds % 2 == 1))
    signals = [signal_of(name, values, tasks, half) for name, values in here.items()]
    most = sorted((s for s in signals if s is not None), key=lambda s: -s.value)[:_TOLD]
    most = [s for s in most if s.interval[0] > 0.5] or most[:1]
    told = "; ".join(
        f"{s.name!r} (alone {s.value:.2f}{_how(columns[s.name], train, valid)})" for s in most
    )
    low, high = auc_interval(value, len(valid), len(train))
    severity, meant, mend = _meaning(evidence.chosen, value)
    return [
        Finding(
            check="shift",
            severity=severity,
            said=f"Validation rows can be told from training rows (AUC {value:.2f}, 95% "
            f"interval {low:.2f} to {high:.2f}; 0.50 is not at all), most by {told}. {meant}",
            mend=mend,
            evidence={
                "auc": round(value, 4),
                "interval": [round(low, 4), round(high, 4)],
                "columns": {s.name: round(s.value, 4) for s in most},
            },
        )
    ]


def _meaning(chosen: str, value: float) -> tuple[Severity, str, str]:
    if chosen == "time":
        return (
            "note",
            "In a split by time that is to be expected: figures say how well a model bears it.",
            "Watch these columns after training, too.",
        )
    if chosen == "group":
        return (
            "note",
            "In a split by groups that is to be expected: the groups differ.",
            "With few groups, other splits may give other figures: try several seeds.",
        )
    severity: Severity = "warning" if value >= _LARGE else "note"
    mend = (
        "If new rows will be like these validation rows, leave it so; if not, split at random: "
        "`RandomSplitter(valid_pct=0.2)`."
    )
    return severity, "Figures hold for rows like the validation rows.", mend


def _how(values: NDArray[Any], train: NDArray[np.int64], valid: NDArray[np.int64]) -> str:
    """In what a column differs: its medians, or the text whose share changes most."""
    numbers = numeric(values)
    if numbers is not None:
        lost = [float(np.isnan(numbers[rows]).mean()) for rows in (train, valid)]
        if abs(lost[0] - lost[1]) > _SHARE:
            return f"; missing in {lost[0]:.0%} and {lost[1]:.0%}"
        before, after = (float(np.nanmedian(numbers[rows])) for rows in (train, valid))
        return f"; median {before:.4g} and {after:.4g}" if before != after else ""
    import pandas as pd

    codes, texts = pd.factorize(values, use_na_sentinel=False)
    shares = [np.bincount(codes[rows], minlength=len(texts)) / len(rows) for rows in (train, valid)]
    most = int(np.abs(shares[1] - shares[0]).argmax())
    return f"; {texts[most]!r} in {shares[0][most]:.0%} and {shares[1][most]:.0%}"


def _targets(
    evidence: Evidence, train: NDArray[np.int64], valid: NDArray[np.int64]
) -> list[Finding]:
    truth = evidence.truth
    if truth.kind == "category":
        said = _classes(evidence, train, valid)
    elif truth.kind == "numbers":
        values = truth.values.reshape(len(truth.values), -1)[:, 0]
        said = _numbers(values[train], values[valid])
    else:
        said = ""
    if not said:
        return []
    expected = evidence.chosen in ("time", "group")
    return [
        Finding(
            check="shift",
            severity="note" if expected else "warning",
            said=said,
            mend="That comes with such a split; try others to see how much it matters."
            if expected
            else "Split so that both parts are of one kind: "
            "`RandomSplitter(valid_pct=0.2, stratify=...)`, unless new rows will be like the "
            "validation rows.",
        )
    ]


def _classes(evidence: Evidence, train: NDArray[np.int64], valid: NDArray[np.int64]) -> str:
    """A sentence if the mix of classes differs beyond chance (Pearson's chi-squared)."""
    values = [evidence.truth.values[rows] for rows in (train, valid)]
    n = max(len(evidence.truth.names), *(int(v.max()) + 1 for v in values))
    counts = np.stack([np.bincount(v[v >= 0], minlength=n) for v in values]).astype(np.float64)
    counts = counts[:, counts.sum(axis=0) > 0]
    shares = counts / counts.sum(axis=1, keepdims=True)
    apart = np.abs(shares[1] - shares[0])
    if apart.max() < _SHARE or counts.shape[1] < 2:
        return ""
    from scipy.stats import chi2_contingency

    if chi2_contingency(counts).pvalue > 1 - _LEVEL:
        return ""
    kept = np.flatnonzero(np.bincount(np.concatenate(values).clip(0), minlength=n) > 0)
    most = int(apart.argmax())
    place = int(kept[most])
    names = evidence.truth.names
    name = names[place] if place < len(names) else f"class {place}"
    return (
        f"Classes are mixed differently: {name!r} is {shares[0][most]:.1%} of training rows and "
        f"{shares[1][most]:.1%} of validation rows."
    )


def _numbers(train: Floats, valid: Floats) -> str:
    """A sentence if targets are higher or lower in one part (Mann and Whitney, 1947)."""
    train, valid = train[np.isfinite(train)], valid[np.isfinite(valid)]
    if min(len(train), len(valid)) < _LEAST:
        return ""
    high = auc(
        np.concatenate([train, valid]),
        np.concatenate([np.zeros(len(train)), np.ones(len(valid))]) > 0,
    )
    value = max(high, 1 - high)
    if value < _SEEN or auc_interval(value, len(valid), len(train), _LEVEL)[0] <= 0.5:
        return ""
    return (
        f"Targets of validation rows are {'higher' if high > 0.5 else 'lower'}: their median is "
        f"{np.median(valid):.4g}, that of training rows {np.median(train):.4g}."
    )
