"""What a model for tables has to beat, and what its report tells besides."""

from __future__ import annotations

from typing import Any

from redstart.evaluate.baseline import Baseline
from redstart.metrics.metric import Interval
from redstart.report.record import Section, Table, Text
from redstart.train.predict import Predictions

__all__ = ["importance_chapter", "trees"]

_REPEATS = 3
_ROWS = 2000
_LISTED = 15


def trees(learn: Any) -> Baseline:
    """Boosted trees, as every baseline is told.

    Args:
        learn: A ``TabularLearner``.
    """
    record: Baseline = learn.baseline().record()
    return record


def importance_chapter(learn: Any, found: Predictions) -> Section | None:
    """How much the model needs each column.

    Args:
        learn: A ``TabularLearner``.
        found: Its predictions of the validation rows.
    """
    importance = learn.permutation_importance(n_repeats=_REPEATS, max_rows=_ROWS)
    rows = [
        [row.column, row.value, "" if row.interval is None else _ends(row.interval)]
        for row in importance.rows[:_LISTED]
    ]
    about = (
        f"How much worse {importance.measure} is on validation rows when a column is shuffled "
        "among them; a column whose interval holds 0 is not needed by the model."
    )
    return Section("What it looks at", Text(about), Table(("column", "worse by", "95%"), rows))


def _ends(interval: Interval) -> str:
    return f"{interval[0]:.4g} to {interval[1]:.4g}"
