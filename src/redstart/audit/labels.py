"""What is odd about the targets themselves: classes, their names, and numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from redstart.audit.class_names import alike_names
from redstart.audit.evidence import Evidence
from redstart.audit.finding import Finding, Severity

__all__ = ["labels"]

_FEW_TRAIN = 10
_FEW_VALID = 5
_MAJORITY = 0.75
_HUGE_MAJORITY = 0.95
_UNEVEN = 10
_SPIKE = 0.01
_SPIKE_ROWS = 20
_SPIKE_TIMES = 8
_CONTINUOUS = 50
_OUTLYING = 20
_OUTLYING_LOG = 5
_MOST = 1000
_TOLD = 20


def labels(evidence: Evidence) -> list[Finding]:
    """Look at the targets of training and validation rows, never at those of test rows.

    Args:
        evidence: Its truth and parts.
    """
    kind = evidence.truth.kind
    if kind == "category":
        return [*_classes(evidence), *alike_names(evidence)]
    if kind == "labels":
        return [*_several(evidence), *alike_names(evidence)]
    return _numbers(evidence) if kind == "numbers" else []


def _found(severity: Severity, said: str, mend: str, rows: Any = (), **facts: Any) -> Finding:
    told = tuple(int(row) for row in rows[:_MOST])
    return Finding(
        check="labels", severity=severity, said=said, mend=mend, rows=told, evidence=facts
    )


def _some(names: list[str]) -> str:
    rest = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + rest


def _rows(evidence: Evidence, part: str) -> NDArray[np.int64]:
    return np.asarray(evidence.parts.get(part, ()), dtype=np.int64)


def _classes(evidence: Evidence) -> list[Finding]:
    truth = evidence.truth
    n = max(len(truth.names), int(truth.values.max(initial=-1)) + 1)
    names = [*truth.names, *(f"class {c}" for c in range(len(truth.names), n))]
    counts = {}
    for part in ("train", "valid"):
        values = truth.values[_rows(evidence, part)]
        counts[part] = np.bincount(values[values >= 0], minlength=n)
    if not counts["train"].sum():
        return []
    found = []
    if (counts["train"] > 0).sum() == 1:
        only = names[int(counts["train"].argmax())]
        found.append(
            _found(
                "serious",
                f"All training rows are of one class, {only!r}: there is nothing to tell apart.",
                "Check how labels are made (folder names, pattern, column), and the split.",
            )
        )
    for part, told in (("train", "the model cannot learn"), ("valid", "nothing measures")):
        found += _absent(part, told, counts[part], names)
    found += _scarce(counts, names)
    return found + _uneven(counts["train"], names)


def _absent(part: str, told: str, counts: NDArray[np.int64], names: list[str]) -> list[Finding]:
    missing = [names[c] for c in np.flatnonzero(counts == 0)]
    if not missing or not counts.sum():
        return []
    return [
        _found(
            "warning",
            f"No {part} row for {len(missing)} of {len(names)} classes, which {told}: "
            f"{_some(missing)}.",
            "Add rows, or split with stratification.",
            part=part,
            classes=missing,
        )
    ]


def _scarce(counts: dict[str, NDArray[np.int64]], names: list[str]) -> list[Finding]:
    found = []
    for part, few in (("train", _FEW_TRAIN), ("valid", _FEW_VALID)):
        here = counts[part]
        scarce = np.flatnonzero((here > 0) & (here < few))
        if not len(scarce):
            continue
        scarce = scarce[np.argsort(here[scarce], kind="stable")]
        told = _some([f"{names[c]} ({here[c]})" for c in scarce])
        why = "to learn from" if part == "train" else "to say how well they are told apart"
        found.append(
            _found(
                "note",
                f"{len(scarce)} of {len(names)} classes have fewer than {few} {part} rows, "
                f"too few {why}: {told}.",
                "Collect more rows of these classes, or merge them with others.",
                part=part,
                classes={names[c]: int(here[c]) for c in scarce[:_TOLD]},
            )
        )
    return found


def _uneven(counts: NDArray[np.int64], names: list[str]) -> list[Finding]:
    there = counts[counts > 0]
    share = float(counts.max() / counts.sum())
    uneven = len(there) > 2 and counts.max() >= _UNEVEN * there.min() and share >= 2 / len(there)
    if len(there) < 2 or (share < _MAJORITY and not uneven):
        return []
    most = names[int(counts.argmax())]
    return [
        _found(
            "warning" if share >= _HUGE_MAJORITY else "note",
            f"Classes are uneven: always saying {most!r} is right in {share:.1%} of training "
            "rows, so accuracy alone says little.",
            "Read others beside it: `metrics=['accuracy', 'balanced_accuracy', 'f1']`; "
            "`CategoryBlock(class_weights='balanced')` makes rare classes count.",
            majority=most,
            share=round(share, 4),
        )
    ]


def _several(evidence: Evidence) -> list[Finding]:
    truth = evidence.truth
    train = truth.values[_rows(evidence, "train")]
    valid = truth.values[_rows(evidence, "valid")]
    if not len(train):
        return []
    names = list(truth.names) or [f"label {c}" for c in range(train.shape[1])]
    found = []
    counts = train.sum(axis=0)
    if never := [names[c] for c in np.flatnonzero(counts == 0)]:
        found.append(
            _found(
                "warning",
                f"No training row has these labels, so they cannot be learnt: {_some(never)}.",
                "Add rows that have them, take them out of the vocabulary, or split again.",
                part="train",
                classes=never,
            )
        )
    unmeasured = [
        names[c] for c in np.flatnonzero((valid.sum(axis=0) == 0) & (counts > 0)) if len(valid)
    ]
    if unmeasured:
        found.append(
            _found(
                "note",
                f"No validation row has {len(unmeasured)} of {len(names)} labels, so that "
                f"nothing measures whether they are found: {_some(unmeasured)}.",
                "Add rows that have them, or hold out more rows.",
                part="valid",
                classes=unmeasured,
            )
        )
    usual = float(train.mean())
    if usual < 1 - _HUGE_MAJORITY or usual > _HUGE_MAJORITY:
        found.append(
            _found(
                "note",
                f"Of {len(names)} labels a row has {train.sum(axis=1).mean():.2g} on average: "
                f"saying none of them is right in {1 - usual:.1%} of all cases.",
                "Read another beside it: `metrics=['accuracy_multi', 'f1_multi']`.",
                share=round(1 - usual, 4),
            )
        )
    return found


def _numbers(evidence: Evidence) -> list[Finding]:
    truth = evidence.truth
    values = truth.values.reshape(len(truth.values), -1)
    rows = np.concatenate([_rows(evidence, "train"), _rows(evidence, "valid")])
    n_train = len(_rows(evidence, "train"))
    found = []
    for column in range(values.shape[1]):
        here = values[rows, column]
        known = np.isfinite(here)
        named = truth.names[column] if column < len(truth.names) else evidence.target
        name = f"Target {named!r}" if named else "The target"
        if known[:n_train].any():
            train = here[:n_train][known[:n_train]]
            found += _one_number(here[known], rows[known], train, name)
    return found + _out_of_bounds(evidence, values, rows)


def _one_number(
    values: NDArray[np.float64], rows: NDArray[np.int64], train: NDArray[np.float64], name: str
) -> list[Finding]:
    if len(train) > 1 and train.min() == train.max():
        said = f"{name} is {train[0]:g} in every training row: there is nothing to learn."
        return [_found("serious", said, "Check which column it is, and the split.")]
    return [*_spikes(values, rows, name), *_outliers(values, rows, name)]


def _spikes(values: NDArray[np.float64], rows: NDArray[np.int64], name: str) -> list[Finding]:
    """Single values that many rows have, among numbers of which most are rare."""
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) < _CONTINUOUS:
        return []
    least = max(_SPIKE_ROWS, _SPIKE * len(values))
    usual = np.sort(counts)[-max(2, len(counts) // 20)]  # what common values have
    found = []
    for place in np.flatnonzero((counts >= least) & (counts >= _SPIKE_TIMES * usual)):
        value, here = distinct[place], np.flatnonzero(values == distinct[place])
        end = place in (0, len(distinct) - 1)
        capped = end and value != 0
        which = "largest" if place else "smallest"
        said = (
            f"{name} is exactly {value:g} in {len(here):,} rows ({len(here) / len(values):.1%})"
            + (f", its {which} value: it looks capped there." if capped else ".")
        )
        mend = (
            "Ask what is beyond; leave these rows out, or say that the model means "
            f"'{value:g} or {'more' if place else 'less'}' there."
            if capped
            else "Ask what it stands for: a default, 'not known' or a real value. If it is not "
            "real, leave these rows out."
        )
        found.append(
            _found(
                "warning" if capped else "note",
                said,
                mend,
                rows[here],
                value=float(value),
                share=round(len(here) / len(values), 4),
            )
        )
    return found[:3]


def _outliers(values: NDArray[np.float64], rows: NDArray[np.int64], name: str) -> list[Finding]:
    far = _far(values, _OUTLYING)
    if values.min() >= 0:  # prices and counts have long tails by nature
        far &= _far(np.log1p(values / (np.median(values) or 1.0)), _OUTLYING_LOG)
    out, middle = np.flatnonzero(far), float(np.median(values))
    if not len(out) or len(out) > 0.01 * len(values) + 1:
        return []
    out = out[np.argsort(-np.abs(values[out] - middle), kind="stable")]
    examples = ", ".join(f"{values[i]:g}" for i in out[:3])
    return [
        _found(
            "note",
            f"{name} is more than {_OUTLYING} times the middle half's width away from its "
            f"median ({middle:g}) in {len(out)} rows: {examples}. They weigh heavily in the loss.",
            "Check them for errors of units or typing; if they are right, predict the logarithm.",
            rows[out],
            median=middle,
        )
    ]


def _far(values: NDArray[np.float64], times: float) -> NDArray[np.bool_]:
    """Which values are so many widths of the middle half away from the median."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return np.asarray((high > low) & (np.abs(values - middle) > times * (high - low)))


def _out_of_bounds(
    evidence: Evidence, values: NDArray[np.float64], rows: NDArray[np.int64]
) -> list[Finding]:
    if evidence.truth.bounds is None or not len(rows):
        return []
    low, high = evidence.truth.bounds
    here = values[rows]
    out = np.flatnonzero(((here < low) | (here > high)).any(axis=1))
    if len(out):
        said = (
            f"{len(out):,} rows ({len(out) / len(rows):.1%}) have targets outside "
            f"y_range=({low:g}, {high:g}), which the model can never say; targets go from "
            f"{np.nanmin(here):g} to {np.nanmax(here):g}."
        )
        mend = f"Write `y_range={_wider(here)}`, or correct the rows."
        return [_found("warning", said, mend, rows[out], least=float(np.nanmin(here)),
                       greatest=float(np.nanmax(here)))]  # fmt: skip
    edge = np.flatnonzero(((here == low) | (here == high)).any(axis=1))
    if not len(edge):
        return []
    said = (
        f"{len(edge):,} rows have targets at the very ends of y_range=({low:g}, {high:g}), "
        "which a sigmoid comes near to but never reaches."
    )
    return [_found("note", said, f"Write `y_range={_wider(here)}`.", rows[edge])]


def _wider(values: NDArray[np.float64]) -> str:
    """A range a twentieth wider at each end than the values."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    edge = (high - low) / 20 or 1.0
    return f"({low - edge:.4g}, {high + edge:.4g})"
