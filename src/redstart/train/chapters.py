"""The chapters of a report: what each says, in blocks, from what is known of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import torch

from redstart.audit.audit import AuditReport
from redstart.audit.finding import Finding
from redstart.config import JSON
from redstart.data.loader import Loader
from redstart.errors import DataError
from redstart.evaluate.abstain import Selection
from redstart.evaluate.baseline import Baseline
from redstart.evaluate.calibration import Calibration
from redstart.evaluate.classes import ClassificationReport
from redstart.evaluate.compare import Comparison
from redstart.evaluate.curves import Reading
from redstart.evaluate.sliced import Slices
from redstart.report.record import Block, Details, Fragment, Notice, Picture, Section, Table, Text
from redstart.show.page import page
from redstart.train.label_issues import LabelIssues
from redstart.train.predict import Predictions

if TYPE_CHECKING:
    from redstart.train.trained import Trained

__all__ = [
    "Known",
    "audit_chapter",
    "data_chapter",
    "figures_chapter",
    "labels_chapter",
    "rows_chapter",
    "slices_chapter",
    "sure_chapter",
]

_CLASSES = 30  # of more, only so many are listed
_CONFUSED = 30  # classes up to which the confusion matrix is drawn
_ABSTAIN = (0.01, 0.05, 0.1)


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """What is known of a trained model; made once, read by every chapter.

    Attributes:
        learn: The model and its rows.
        found: Its predictions of the validation rows.
        audit: What the audit found; ``None`` for plain batches.
        baselines: What the model has to beat.
        comparison: The model beside these; ``None`` where nothing can be compared.
        readings: What the curves say.
        calibration: Of probabilities; ``None`` for other targets.
        slices: Where the model is weak; ``None`` where that cannot be asked.
        issues: Labels that look wrong; ``None`` where they were not looked for.
    """

    learn: Trained
    found: Predictions
    audit: AuditReport | None
    baselines: Sequence[Baseline]
    comparison: Comparison | None
    readings: Sequence[Reading]
    calibration: Calibration | None
    slices: Slices | None
    issues: LabelIssues | None


def data_chapter(known: Known) -> Section:
    """What the rows are, and how they were split."""
    dls = known.learn.dls
    sizes = dls.sizes()
    told = {"train": "the model learns from", "valid": "figures are measured on"}
    rows = [[name, n, told.get(name, "sealed, for the end")] for name, n in sizes.items()]
    how = {
        "random": "at random",
        "given": "as it was given",
        "group": "by groups: none is in two parts",
        "time": "by time: what is measured is later than what was learnt",
    }[dls.split_by]
    blocks: list[Block] = [
        Text(f"{sum(sizes.values()):,} rows, split {how}."),
        Table(("part", "rows", "which"), rows),
    ]
    if dls.vocab and dls.target.truth_kind == "category":
        blocks.append(_class_counts(known))
    if isinstance(dls.train, Loader):
        try:
            cards = dls.cards(8)
        except DataError:  # nothing readable; the audit says so
            cards = []
        if cards:
            blocks.append(Fragment(page(cards), "Training rows as the model sees them."))
    return Section("The data", blocks=blocks)


def _class_counts(known: Known) -> Block:
    dls = known.learn.dls
    names = list(map(str, dls.vocab))
    counts = {}
    for part, data in dls.datasets().items():
        # Labels of sealed rows stay sealed, their counts too.
        if part != "test" and data.labels is not None:
            counts[part] = torch.bincount(data.labels[0].cpu(), minlength=len(names)).tolist()
    order = sorted(range(len(names)), key=lambda i: -sum(c[i] for c in counts.values()))
    rows = [[names[i], *(c[i] for c in counts.values())] for i in order[:_CLASSES]]
    more = f"; the {_CLASSES} most frequent" if len(names) > _CLASSES else ""
    table = Table(("class", *counts), rows)
    return Details(f"{len(names)} classes{more}", [table]) if len(names) > 12 else table


def audit_chapter(known: Known) -> Section | None:
    """What the audit found, with the rows it is about."""
    audit = known.audit
    if audit is None:
        return None
    blocks: list[Block] = []
    drawn = 0
    for found in audit.findings:
        notice = Notice(found.severity, found.said, found.mend)
        if found.severity == "note":
            continue
        blocks.append(notice)
        if drawn < 2 and (shown := _evidence(audit, found)) is not None:
            blocks.append(shown)
            drawn += 1
    notes = [Notice("note", f.said, f.mend) for f in audit.of("note")]
    if not blocks:
        blocks.append(
            Text(
                "Nothing was found that would make the figures misleading: no copies across the "
                "split, no ties between its parts, no give-away."
            )
        )
    if notes:
        blocks.append(Details(f"{len(notes)} more to know", notes))
    return Section("The audit of data and split", blocks=blocks)


def _evidence(audit: AuditReport, found: Finding) -> Block | None:
    """Rows of a finding side by side, where they can be read."""
    rows = [row for pair in found.pairs[:3] for row in pair] or list(found.rows[:4])
    if not rows or audit.cards is None:
        return None
    try:
        cards = audit.cards(rows)
    except (DataError, ValueError):  # rows that have been set aside
        return None
    return Details("The rows", [Fragment(page(cards), ", ".join(map(audit.names, rows)))])


def figures_chapter(known: Known) -> Section:
    """Every figure with its interval, beside the baselines; the confusion matrix."""
    blocks: list[Block] = []
    if known.comparison is not None:
        headers, rows = known.comparison.cells()
        blocks.append(Table(headers, rows, " ".join(known.comparison.notes)))
        blocks.append(Text("\n\n".join(known.comparison.sentences())))
        blocks += [Text(f"Baseline: {b.said}.") for b in known.baselines]
    if known.learn.dls.target.truth_kind == "category":
        blocks += _confusion(known)
    elif known.learn.dls.target.truth_kind == "numbers":
        blocks += _predicted_and_true(known)
    return Section("How good it is", blocks=blocks)


def _confusion(known: Known) -> list[Block]:
    found, names = known.found, [str(v) for v in known.learn.dls.vocab]
    if found.y is None or found.acts.ndim != 2:
        return []
    n = len(names)
    matrix = torch.bincount(found.y[0] * n + found.acts.argmax(1), minlength=n * n).view(n, n)
    blocks: list[Block] = []
    if n <= _CONFUSED:
        from redstart.show.confusion import plot_confusion_matrix

        drawing = plot_confusion_matrix(matrix.numpy(), names)
        said = "Rows are the true classes, columns what the model said."
        blocks.append(Picture(drawing.html(), "Confusion matrix", said))
    listed = [
        [row.label, row.support, str(row.recall), str(row.precision), str(row.f1)]
        for row in ClassificationReport.of(matrix, names).worst(_CLASSES)
    ]
    headers = ("class", "rows", "of them found", "of those said, right", "F1")
    table = Table(headers, listed, "The lowest F1 first, with 95% intervals.")
    return [*blocks, Details("Class by class", [table])]


def _predicted_and_true(known: Known) -> list[Block]:
    from redstart.show.scatter import plot_predicted

    found = known.found
    if found.y is None or found.acts.ndim != 2 or found.y[0].shape != found.acts.shape:
        return []
    target: Any = known.learn.dls.target
    names = [str(v) for v in target.vocabulary() or target.names] or [""] * found.acts.shape[1]
    return [
        Picture(
            plot_predicted(true.numpy(), said.numpy(), name=name).html(),
            f"Predicted and true {name}".strip(),
            "Each dot is a validation row; on the line predictions are right.",
        )
        for name, true, said in list(zip(names, found.y[0].T, found.acts.T, strict=False))[:4]
    ]


def sure_chapter(known: Known, sureness: Mapping[str, JSON]) -> Section | None:
    """How far probabilities can be taken at their word, and what answering only if sure gives.

    Args:
        known: What is known.
        sureness: What the bundle carries for ``predict(..., abstain=..., coverage=...)``.
    """
    blocks: list[Block] = []
    if known.calibration is not None:
        blocks.append(Text(str(known.calibration)))
        drawing = known.calibration.plot()
        blocks.append(Picture(drawing.html(), "Reliability diagram"))
    blocks += _answered(sureness)
    return Section("How sure it is", blocks=blocks) if blocks else None


def _answered(sureness: Mapping[str, JSON]) -> list[Block]:
    """What is answered if few of the answers may be wrong."""
    said = sureness.get("abstain")
    if not isinstance(said, Mapping):
        return []
    from redstart.errors import ConfigError

    chosen = Selection.of_json(said)
    rows: list[list[Any]] = []
    for error in _ABSTAIN:
        try:
            choice = chosen.choose(error)
            rows.append([f"{error:.0%}", f"{choice.answered:.0%}", f"{choice.wrong:.1%}"])
        except ConfigError:  # no threshold can promise that
            rows.append([f"{error:.0%}", "cannot be promised", ""])
    about = (
        "With `predict(item, abstain=0.05)` the model answers only where it is so sure that, "
        "with 95% confidence, no more of its answers are wrong than asked for:"
    )
    return [Text(about), Table(("wrong at most", "answered", "wrong of these, here"), rows)]


def rows_chapter(known: Known) -> Section | None:
    """The rows that the model is most wrong about, and most right."""
    found = known.found
    if found.losses is None or not isinstance(found.loader, Loader):
        return None
    order = found.losses.argsort(descending=True, stable=True).tolist()
    blocks: list[Block] = [
        Text("The largest losses: wrong labels and odd rows are found among them first."),
        Fragment(page(found.cards(order[:8])), "The rows with the largest losses."),
    ]
    if len(order) > 12:
        best = page(found.cards(order[-4:][::-1]))
        blocks.append(Details("The smallest losses", [Fragment(best)]))
    return Section("Worst and best rows", blocks=blocks)


def slices_chapter(known: Known) -> Section | None:
    """Where the model is weaker than on the rest, beyond chance."""
    if known.slices is None:
        return None
    blocks: list[Block] = [Text(known.slices.said())]
    if known.slices.weak:
        headers, rows = known.slices.table()
        blocks.append(Table(headers, rows))
        for weak in known.slices.weak[:2]:
            if cards := known.slices.cards(weak, 4):
                blocks.append(Details(f"Rows of: {weak.words}", [Fragment(page(cards))]))
    return Section("Where it is weak", blocks=blocks)


def labels_chapter(known: Known) -> Section:
    """Labels that look wrong."""
    if known.issues is None:
        text = "Not looked for: `learn.label_issues()` ranks the labels that look wrong."
        return Section("Labels that look wrong", Text(text))
    blocks: list[Block] = [Text(str(known.issues))]
    if n := min(8, known.issues.to_review):
        blocks.append(Fragment(page(known.issues.cards(n)), "The most suspicious labels."))
    return Section("Labels that look wrong", blocks=blocks)
