"""What alone predicts the target better than anything honest would: the target in disguise."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redstart.audit.additive import together
from redstart.audit.columns import constant, is_id, named_so
from redstart.audit.evidence import Evidence, Truth
from redstart.audit.file_names import name_parts
from redstart.audit.finding import Finding, Severity
from redstart.audit.tabular_features import (
    Sample,
    Signal,
    Tasks,
    numeric,
    signal_of,
    tasks_of,
)

__all__ = ["giveaways"]

AFTERWARDS = re.compile(
    "duration|outcomes?|results?|final|finish(ed)?|clos(ed|ing|e)|end(ed|ing)?|exit|left|status"
    "|resol(ution|ved)|deci(sion|ded)|approved|rejected|cancell?ed|churn(ed)?|refund(ed)?|repaid"
    "|recovered|survived|died|death|discharged?|labels?|target|predict(ion|ed)|scores?"
    "|after(wards)?|post|actual|verdict|diagnosis|complet(ed|ion)|elapsed"
)
"""Words in names of columns that are often known only when the target is."""

SHOWN = frozenset({"bytes", "brightness", "border", "contrast", "saturation", "sharpness"})
"""Properties that come of what a picture shows, and may honestly tell."""

_MOST_FIT, _MOST_SCORE = 14_000, 6_000
_MOST_TOGETHER = 3_000
_LEAST = 20
_NEARLY_ALL = 0.98
_CALLED = {"taken": "The time a photo was taken", "bytes": "The size of a file in bytes"}
_NEARLY_ALL_LOW = 0.95
_MUCH = 0.9
_LEEWAY = 0.05
_HALF, _THIRD, _TENTH = 1 / 2, 1 / 3, 1 / 10
_FEW = 2
_SOME = {"auc": 0.65, "r2": 0.15}
_LOSS = 0.25
_FILE_SERIOUS, _FILE_WARNING = 0.95, 0.8
_FILE_WHOLLY = 0.999  # alone, with few rows: then 0.8 at the low end will do
_ORDERED = {"auc": 0.55, "r2": 0.05}
_TOLD = 10


def giveaways(evidence: Evidence) -> list[Finding]:
    """Find columns, file properties and name parts that give the target away.

    Each is turned into a model of its own, learnt on training rows and scored on validation
    rows. A column is doubted if it beats all others together: that is what no honest column
    does where others say something too. One whose name says that it is known only
    afterwards is doubted already if a quarter of what all know is lost without it.

    Args:
        evidence: Its columns, properties and files; the truth of training and validation rows.
    """
    columns = dict(evidence.columns)
    found = []
    if same := [name for name, values in columns.items() if constant(evidence, values)]:
        columns = {name: values for name, values in columns.items() if name not in same}
        found.append(_constant(same))
    rows, sample = _sample(evidence)
    truth = evidence.truth
    told = Truth(truth.kind, truth.values[rows] if len(truth.values) else truth.values, truth.names)
    tasks = tasks_of(told, np.arange(len(rows)))
    if tasks is not None and min(len(sample.fit), len(sample.score)) < _LEAST:
        tasks = None
    ids = {
        name: values
        for name, values in columns.items()
        if values.dtype.kind != "M" and is_id(name, values, rows)  # of dates, parts are looked at
    }
    columns = {name: values[rows] for name, values in columns.items()}
    signals = _signals(columns, tasks, sample) if tasks is not None else {}
    columns = {name: values for name, values in columns.items() if name not in ids}
    found += _ids(ids, signals, tasks)
    if tasks is not None:
        found += _from_columns(columns, tasks, sample, signals)
        found += _from_files(evidence, tasks, rows, sample)
    return found


def _sample(evidence: Evidence) -> tuple[NDArray[np.int64], Sample]:
    """Rows to look at, and which of these to learn and to score on."""
    rng = np.random.default_rng(evidence.seed)

    def some(part: str, most: int) -> NDArray[np.int64]:
        rows = np.asarray(evidence.parts.get(part, ()), dtype=np.int64)
        return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))

    fit, score = some("train", _MOST_FIT), some("valid", _MOST_SCORE)
    n = len(fit)
    sample = Sample(np.arange(n), np.arange(n, n + len(score)))
    return np.concatenate([fit, score]), sample


def _signals(
    columns: Mapping[str, NDArray[Any]], tasks: Tasks, sample: Sample
) -> dict[str, Signal]:
    found = {name: signal_of(name, values, tasks, sample) for name, values in columns.items()}
    return {name: signal for name, signal in found.items() if signal is not None}


def _finding(severity: Severity, said: str, mend: str, **facts: Any) -> Finding:
    return Finding(check="giveaways", severity=severity, said=said, mend=mend, evidence=facts)


def _facts(name: str, signal: Signal, tasks: Tasks) -> dict[str, Any]:
    low, high = signal.interval
    return {
        "column": name,
        "figure": tasks.kind,
        "value": round(signal.value, 4),
        "interval": [round(low, 4), round(high, 4)],
    }


def _figure(signal: Signal, tasks: Tasks) -> str:
    low, high = signal.interval
    if tasks.kind == "auc":
        return f"AUC {signal.value:.3f}, 95% interval {low:.3f} to {high:.3f}"
    return f"{signal.value:.1%} of its variance, 95% interval {low:.1%} to {high:.1%}"


def _drop(*names: str) -> str:
    return f"`TabularDataLoaders.from_df(df.drop(columns={list(names)!r}), ...)`"


def _listed(names: Sequence[str]) -> str:
    told = ", ".join(repr(name) for name in names[:_TOLD])
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return f"Column {told}" if len(names) == 1 else f"Columns {told}{more}"


def _constant(names: Sequence[str]) -> Finding:
    each = "has" if len(names) == 1 else "each have"
    return _finding(
        "note",
        f"{_listed(names)} {each} one value in all training rows, which says nothing.",
        f"Leave out what says nothing: {_drop(*names)}.",
        columns=list(names),
    )


def _ids(
    ids: Mapping[str, NDArray[Any]], signals: Mapping[str, Signal], tasks: Tasks | None
) -> list[Finding]:
    """Say which columns number or name rows, and which of them tell the target even so."""
    found, plain = [], []
    for name, values in ids.items():
        signal = signals.get(name)
        telling = tasks is not None and signal is not None and numeric(values) is not None
        if telling and tasks is not None and signal is not None:
            telling = signal.interval[0] >= _ORDERED[tasks.kind]
        if not telling or tasks is None or signal is None:
            plain.append(name)
            continue
        found.append(
            _finding(
                "serious" if signal.value >= _NEARLY_ALL else "warning",
                f"Column {name!r} only numbers the rows, and yet it predicts the target "
                f"({_figure(signal, tasks)}): rows are in the order of what is to be "
                "predicted, or were collected so.",
                f"Leave it out: {_drop(name)}.",
                **_facts(name, signal, tasks),
            )
        )
    if plain:
        each = "has" if len(plain) == 1 else "have"
        found.append(
            _finding(
                "note",
                f"{_listed(plain)} {each} another value in every row, as names and numbers of "
                "rows do: a model can only learn them by heart.",
                f"Leave them out: {_drop(*plain)}.",
                columns=plain,
            )
        )
    return found


def _from_columns(
    columns: Mapping[str, NDArray[Any]],
    tasks: Tasks,
    sample: Sample,
    signals: Mapping[str, Signal],
) -> list[Finding]:
    """Doubt columns by what they say alone, against what all others say together."""
    ordered = sorted((n for n in signals if n in columns), key=lambda n: -signals[n].value)
    near = [n for n in ordered if signals[n].value >= _NEARLY_ALL]
    some = [n for n in ordered[:2] if _MUCH <= signals[n].value < _NEARLY_ALL]
    named = [
        name
        for name in ordered
        if named_so(name, AFTERWARDS) and _SOME[tasks.kind] <= signals[name].value < _NEARLY_ALL
    ]
    if len(columns) < 2 or not (near or some or named):
        return []
    few = _fewer(sample)

    def others(*without: str) -> float:
        rest = [values for name, values in columns.items() if name not in without]
        return together(rest, tasks, few, signals[ordered[0]].best)

    found = []
    told = set()
    # Where many columns each tell nearly all, the task is easy.
    if 0 < len(near) <= max(1, len(columns) // 4):
        without = others(*near)
        second = max((signals[n].value for n in ordered if n not in near), default=0.0)
        for name in near:
            sure = signals[name].interval[0] >= _NEARLY_ALL_LOW
            rest = without if sure else others(name)
            if _stands_out(signals[name], rest, _THIRD) or (
                len(near) <= _FEW and _stands_out(signals[name], second, _TENTH)
            ):
                told.add(name)
                found.append(_disguise(name, signals[name], tasks, rest))
    for name in some if not told else []:
        rest = others(name)
        if signals[name].interval[0] >= _MUCH - 2 * _LEEWAY and _stands_out(
            signals[name], rest, _HALF
        ):
            told.add(name)
            found.append(_stronger(name, signals[name], tasks, rest))
    everything = others() if named else 0.0
    for name in named if not told else []:
        rest = others(name)
        nothing = 0.5 if tasks.kind == "auc" else 0.0
        lost = (everything - rest) / max(everything - nothing, 1e-9)
        if lost >= _LOSS:
            found.append(_afterwards(name, signals[name], tasks, everything, rest))
    return found


def _fewer(sample: Sample) -> Sample:
    """Every so manyth row: what all columns say together need not be known to a digit."""
    step = max(1, -(-len(sample.fit) // _MOST_TOGETHER))
    less = max(1, -(-len(sample.score) // _MOST_TOGETHER))
    return Sample(sample.fit[::step], sample.score[::less])


def _stands_out(signal: Signal, rest: float, share: float) -> bool:
    """Whether a column alone leaves so small a share open of what all others leave."""
    return 1 - signal.value <= share * (1 - rest)


def _disguise(name: str, signal: Signal, tasks: Tasks, rest: float) -> Finding:
    sure = signal.interval[0] >= _NEARLY_ALL_LOW
    other = f"{rest:.3f}" if tasks.kind == "auc" else f"{rest:.1%}"
    return _finding(
        "serious" if sure else "warning",
        f"Column {name!r} alone predicts the target almost perfectly "
        f"({_figure(signal, tasks)}; all other columns together: {other}): it looks like the "
        "target in disguise.",
        f"Unless it is known when you predict, leave it out: {_drop(name)}.",
        **_facts(name, signal, tasks),
        others=round(rest, 4),
    )


def _stronger(name: str, signal: Signal, tasks: Tasks, rest: float) -> Finding:
    other = f"{rest:.3f}" if tasks.kind == "auc" else f"{rest:.1%}"
    return _finding(
        "warning",
        f"Column {name!r} alone predicts the target ({_figure(signal, tasks)}) far better than "
        f"all other columns together ({other}). Is it known at the time of the prediction?",
        f"If it is not, leave it out: {_drop(name)}.",
        **_facts(name, signal, tasks),
        others=round(rest, 4),
    )


def _afterwards(name: str, signal: Signal, tasks: Tasks, everything: float, rest: float) -> Finding:
    less, more = (
        (f"{rest:.3f}", f"{everything:.3f}")
        if tasks.kind == "auc"
        else (f"{rest:.1%}", f"{everything:.1%}")
    )
    return _finding(
        "warning",
        f"Column {name!r} sounds like something that is known only afterwards, and much "
        f"rests on it: alone {_figure(signal, tasks)}; all columns {more}, without it {less}. "
        "Is it known at the time of the prediction?",
        f"If it is not, leave it out: {_drop(name)}.",
        **_facts(name, signal, tasks),
        everything=round(everything, 4),
        others=round(rest, 4),
    )


def _from_files(
    evidence: Evidence, tasks: Tasks, rows: NDArray[np.int64], sample: Sample
) -> list[Finding]:
    def signals(of: Mapping[str, NDArray[Any]]) -> dict[str, Signal]:
        here = {name: v[rows] for name, v in of.items() if not constant(evidence, v)}
        return _signals(here, tasks, sample)

    found = []
    for name, signal in signals(evidence.properties).items():
        found += _property(name, signal, tasks)
    for name, signal in signals(name_parts(evidence)).items():
        if signal.interval[0] >= _MUCH - _LEEWAY:
            found.append(_named(name, signal, tasks))
    return found


def _property(name: str, signal: Signal, tasks: Tasks) -> list[Finding]:
    """Judge by all classes, or by the one that is told best."""
    low = signal.interval[0]
    alone = signal.best_interval[0] >= _FILE_SERIOUS
    shown = name in SHOWN
    if low < (_FILE_SERIOUS if shown else _FILE_WARNING) and not (alone and not shown):
        return []
    wholly = signal.value >= _FILE_WHOLLY and low >= _FILE_WARNING
    serious = (low >= _FILE_SERIOUS or wholly) and not shown
    about = "the target"
    figure = _figure(signal, tasks)
    if low < _FILE_WARNING:
        best_low, best_high = signal.best_interval
        about = f"{tasks.names[signal.best]!r}"
        figure = f"AUC {signal.best_value:.3f}, 95% interval {best_low:.3f} to {best_high:.3f}"
    why = (
        "a model may learn that rather than what is meant"
        if shown
        else "a model may learn how files were made rather than what they show"
    )
    return [
        _finding(
            "serious" if serious else "warning",
            f"{_CALLED.get(name, f'The {name} of a file')} alone tells {about} ({figure}): {why}.",
            _alike(name),
            **_facts(name, signal, tasks),
        )
    ]


def _alike(name: str) -> str:
    if name in {"bytes", "format", "width", "height", "mode"}:
        return (
            "Write all files alike (one format, size and quality), as files will be that you "
            "predict; or collect each class in the same way."
        )
    return "Collect each class in the same way (camera, light, time), or measure on such rows."


def _named(name: str, signal: Signal, tasks: Tasks) -> Finding:
    folder = re.match("folder", name) is not None
    return _finding(
        "warning" if folder else "note",
        f"The {name} of a file alone tells the target ({_figure(signal, tasks)}): rows of "
        "one kind were collected apart from the others, and pictures may show where.",
        "Validate on rows from another place or time: "
        "`GroupSplitter(lambda file: file.parent.name)`.",
        **_facts(name, signal, tasks),
    )
