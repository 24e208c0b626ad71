"""From a trained model, or a run folder, to a report."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redstart.audit.audit import AuditReport
from redstart.config import JSON
from redstart.data.auditing import audit_rows
from redstart.data.loaders import DataLoaders
from redstart.errors import DataError, RedstartError, problem
from redstart.evaluate.baseline import Baseline
from redstart.evaluate.compare import Compared, Comparison, compare_outputs
from redstart.report.record import Headline, Notice, Report, Section, Table
from redstart.train import chapters as told
from redstart.train.calibrate import measured_calibration, sureness
from redstart.train.folder import now, read_events
from redstart.train.held import held_rows
from redstart.train.kept import groups_of
from redstart.train.label_issues import LabelIssues
from redstart.train.measure import bounds_of, facts, metrics_of
from redstart.train.predict import Predictions
from redstart.train.provenance import (
    curves_section,
    ledger_chapter,
    settings_chapter,
    training_chapter,
)
from redstart.train.reading import read_training
from redstart.train.sealed import sealed_rows
from redstart.train.slicing import slices_of

if TYPE_CHECKING:
    from redstart.train.trained import Trained

__all__ = ["compare_baselines", "make_report", "report_of_run"]

log = logging.getLogger("redstart")

_LABELS = ("category", "labels")


def make_report(learn: Trained, *, issues: LabelIssues | None = None) -> Report:
    """Gather what is known of a trained model; the validation rows are predicted once.

    Args:
        learn: It was fitted.
        issues: What ``learn.label_issues()`` found, if it was asked.

    Raises:
        NoValidationSetError: If there are no validation rows.
        DataError: If the rows have no labels.
    """
    held = held_rows(learn)
    found = held.found
    if found.y is None:
        raise DataError(
            problem("Expected labelled validation rows", "rows without labels", "Label them.")
        )
    rivals = learn.baselines()
    kind = learn.dls.target.truth_kind
    known = told.Known(
        learn=learn,
        found=found,
        audit=_audit(learn),
        baselines=rivals,
        comparison=compare_baselines(learn, found, rivals),
        readings=read_training(learn, found) if learn.recorder.losses else (),
        calibration=measured_calibration(found, learn.dls.groups) if kind in _LABELS else None,
        slices=slices_of(learn, found, held.vectors) if found.losses is not None else None,
        issues=issues,
    )
    return _assembled(known)


def _audit(learn: Trained) -> AuditReport | None:
    """What was found before training; looked for now if nothing was trained."""
    if learn.audited is None and learn.dls.sizes():
        return audit_rows(learn.dls, bounds=bounds_of(learn))
    return learn.audited


def compare_baselines(
    learn: Trained, found: Predictions, rivals: Sequence[Baseline]
) -> Comparison | None:
    """The model beside its baselines on the validation rows, paired.

    Args:
        learn: Whose metrics are worked out.
        found: Its predictions of the validation rows.
        rivals: Baselines.

    Returns:
        ``None`` where there is no baseline, or the model gives more than a vector per row.
    """
    if not rivals or found.out is None or found.y is None:
        return None
    groups = learn.dls.groups
    metrics = metrics_of(learn.dls.target, learn.metrics) or list(learn.dls.target.metrics())
    return compare_outputs(
        metrics,
        {"model": found.out, **{b.name: b.out for b in rivals}},
        *found.y,
        groups=None if groups is None else groups_of(found.index, groups),
        notes=[f"On the same {len(found):,} validation rows (95% intervals)."],
    )


def _assembled(known: told.Known) -> Report:
    learn = known.learn
    about = facts(learn)
    sure = sureness(learn, known.found)
    sealed = sealed_rows(learn.dls)
    told_besides = [_if_it_can_be_told(chapter, known) for chapter in learn.chapters]
    written = [
        told.figures_chapter(known),
        told.data_chapter(known),
        told.audit_chapter(known),
        training_chapter(learn.folder, [*_kept(learn), *map(str, known.readings)]),
        told.sure_chapter(known, sure),
        *told_besides,
        told.slices_chapter(known),
        told.rows_chapter(known),
        told.labels_chapter(known),
        ledger_chapter(learn.ledger, sealed),
        settings_chapter(learn.folder, _plain(about)),
    ]
    name = _name(learn)
    dls = learn.dls
    return Report(
        title=f"{name}: {dls.target.kind} from {dls.codec.kind}",
        summary=_summary(known, name),
        headlines=_headlines(known),
        worst=_worst(known, [section for section in told_besides if section is not None]),
        sections=[section for section in written if section is not None],
        meta={"tags": ["redstart", dls.codec.kind, dls.target.kind], "library_name": "redstart"},
        made=f"{now()}, redstart {version('redstart')}",
        reading=[str(reading) for reading in known.readings],
    )


def _if_it_can_be_told(chapter: Any, known: told.Known) -> Section | None:
    """A chapter of one kind of data; of rows too few for it there is none."""
    try:
        found: Section | None = chapter(known.learn, known.found)
    except RedstartError as error:
        log.warning("A chapter was left out of the report: %s", error)
        return None
    return found


def _name(learn: Trained) -> str:
    if learn.recipe is not None:
        arch = learn.recipe.arguments.get("arch") or learn.recipe.builder
        return str(arch)
    return type(learn.model).__name__


def _summary(known: told.Known, name: str) -> str:
    dls = known.learn.dls
    sizes = dls.sizes()
    what = {
        "category": f"one of {len(dls.vocab)} classes",
        "labels": f"any of {len(dls.vocab)} labels",
        "numbers": "numbers",
        "other": dls.target.kind,
    }[dls.target.truth_kind]
    n = sizes.get("train", dls.train.n_rows)
    return (
        f"`{name}` predicts {what} from {dls.codec.kind} inputs. It learnt from {n:,} rows of "
        f"`{_source_name(dls)}` and is measured on {len(known.found):,} others."
    )


def _source_name(dls: DataLoaders) -> str:
    """What people call the data: the name of its file or folder."""
    path = Path(str(dls.made.get("path", dls.path)))
    return path.name or path.absolute().name


def _headlines(known: told.Known) -> list[Headline]:
    """Each metric beside the best of the baselines."""
    if known.comparison is None:
        recorder = known.learn.recorder
        row = recorder.rows[-1] if recorder.rows else {}
        return [Headline(k, row[k], i) for k, i in recorder.intervals.items() if k in row]
    found = []
    for metric in dict.fromkeys(row.metric for row in known.comparison.rows):
        rows = [row for row in known.comparison.rows if row.metric == metric]
        best = max(rows, key=_merit)
        found.append(
            Headline(
                name=metric,
                value=best.model[0],
                interval=best.model[1],
                baseline=best.other[0],
                baseline_interval=best.other[1],
                baseline_name=best.names[1],
                higher_is_better=best.larger_is_better,
                note=best.said().removeprefix(f"{metric}: "),
            )
        )
    return found


def _merit(row: Compared) -> float:
    value = row.other[0]
    if value != value:
        return float("-inf")
    return value if row.larger_is_better else -value


def _worst(known: told.Known, besides: Sequence[Section]) -> list[Notice]:
    """What a reader must know, the worst first.

    Args:
        known: What is known.
        besides: Chapters of one kind of data, which may hold something serious.
    """
    audit = known.audit
    blocks = [block for section in besides for block in section.blocks]
    notices = [b for b in blocks if isinstance(b, Notice) and b.severity == "serious"]
    if audit is not None:
        notices += [Notice("serious", f.said, f.mend) for f in audit.serious]
    if known.comparison is not None:
        notices += [
            Notice("serious" if row.verdict == "worse" else "warning", row.said())
            for row in known.comparison.rows
            if row.verdict != "better"
        ][:3]
    notices += [Notice("warning", r.said, r.mend) for r in known.readings if r.kind not in _FINE]
    if audit is not None:
        notices += [Notice("warning", f.said, f.mend) for f in audit.of("warning")]
    if known.slices is not None and known.slices.weak:
        notices += [
            Notice("warning", known.slices.sentence(weak)) for weak in known.slices.weak[:2]
        ]
    last = str(known.learn.ledger[-1].get("verdict", "")) if known.learn.ledger else ""
    if "optimistic" in last:
        notices.append(Notice("warning", last))
    order = ("serious", "warning", "note")
    return sorted(notices, key=lambda n: order.index(n.severity))[:8]


_FINE = ("fine", "noise", "still learning")


def _kept(learn: Trained) -> list[str]:
    """Say if the weights are not those of the last epoch."""
    recorder = learn.recorder
    if len(recorder.rows) <= len(recorder.ends):
        return []
    return ["The weights are those of the frozen phase: the epochs after it were no better."]


def _plain(about: dict[str, JSON]) -> dict[str, JSON]:
    kept = ("created", "training_rows", "validation_rows", "seed", "split_by", "digests")
    data = about.get("data") or {}
    # Where the data lay on this machine is nobody's business where the card travels.
    beside = {name: value for name, value in data.items() if name != "path"}
    return {**{name: about.get(name) for name in kept}, "data": beside}


def report_of_run(folder: Path) -> Report:
    """The report of a run folder: as it was written, with later openings of the test rows.

    Where none was written (the run was cut off, or was no command), what its settings and
    events tell.

    Args:
        folder: What ``redstart train`` or a fit wrote.

    Raises:
        DataError: If it is no run folder.
    """
    from redstart.bundle import format as file_format

    bundle = folder / "model.redstart"
    head: dict[str, Any] = file_format.read(bundle)[0]["facts"] if bundle.exists() else {}
    openings = head.get("test_openings", [])
    ledger = ledger_chapter(openings, head.get("test_rows"))
    if (folder / "report.json").exists():
        kept = Report.from_json((folder / "report.json").read_text("utf-8"))
        sections = [ledger if s.heading == ledger.heading else s for s in kept.sections]
        return replace(kept, sections=sections)
    events = read_events(folder)
    if not events:
        raise DataError(
            problem(
                "Expected a run folder, with report.json or events.jsonl in it",
                f"{folder}",
                "Pass the folder that `redstart train` wrote, such as runs/birds.",
            )
        )
    curves = curves_section(events, [])
    last = _last(events, "end")
    row = _last(events, "epoch")
    figures = [
        Headline(name, row[name], None if interval is None else (interval[0], interval[1]))
        for name, interval in last.get("intervals", {}).items()
        if isinstance(row.get(name), int | float)
    ]
    settings = json.loads((folder / "settings.json").read_text())["fits"]
    rows = [[k, json.dumps(v, default=str)[:400]] for k, v in settings[-1].items()]
    written = [curves, ledger, Section("Settings", Table(("", ""), rows))]
    return Report(
        title=f"Run {folder.name}",
        summary=f"What the events of `{folder}` tell; no report was written with the model.",
        headlines=figures,
        sections=[section for section in written if section is not None],
        made=f"{now()}, redstart {version('redstart')}",
    )


def _last(events: Sequence[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next((e for e in reversed(events) if e["event"] == kind), {})
