"""The audit with the eyes of the model: what its pretrained body takes for the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from redstart.audit.audit import AuditReport
from redstart.audit.finding import SEVERITIES, Finding
from redstart.audit.search import embedding_pairs
from redstart.data.auditing import audit_rows
from redstart.train.measure import bounds_of
from redstart.train.outoffold import labelled_rows
from redstart.train.rowfeatures import body_features

if TYPE_CHECKING:
    from redstart.train.learner import Learner

__all__ = ["audit_with_body"]

_CHECK = "near duplicates to the body"
_MOST = 1000


def audit_with_body(learn: Learner) -> AuditReport:
    """Audit rows and split, and look for pairs that the model's pretrained body finds alike.

    It sees what prints of pixels do not: the same thing turned, or from a step aside.

    Args:
        learn: Its loaders are audited; of a model without such a body nothing is added.
    """
    found = audit_rows(learn.dls, bounds=bounds_of(learn))
    more = _alike(learn)
    order = sorted([*found.findings, *more], key=lambda f: SEVERITIES.index(f.severity))
    return replace(found, findings=tuple(order))


def _alike(learn: Learner) -> list[Finding]:
    data, valid = labelled_rows(learn)
    vectors = body_features(learn, data)
    if vectors is None or not valid.any():
        return []
    places = np.arange(len(data))
    pairs = embedding_pairs(vectors.numpy(), places[~valid], places[valid])
    if not len(pairs):
        return []
    rows = data.index.numpy()
    listed = [(int(rows[a]), int(rows[b])) for a, b in zip(pairs.left, pairs.right, strict=True)]
    held = int(valid.sum())
    return [
        Finding(
            check=_CHECK,
            severity="warning",
            said=f"{len(listed)} of {held} validation rows are to the model's body nearly the same "
            "as a training row: far nearer than the nearest rows of this data set are.",
            mend=f'Look at the pairs: `learn.audit().show("{_CHECK}")`. If they are of one thing '
            "or scene, keep these in one part with a `GroupSplitter`.",
            rows=tuple(right for _, right in listed[:_MOST]),
            pairs=tuple(listed[:_MOST]),
            evidence={"rows": len(listed), "of": held},
        )
    ]
