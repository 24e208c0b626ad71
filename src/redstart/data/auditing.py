"""From loaders to what the audit is given, and back to rows that can be looked at."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from redstart.audit.audit import AuditReport, audit
from redstart.audit.evidence import Evidence, Prints, Truth
from redstart.audit.finding import Finding
from redstart.data.apportion import some
from redstart.data.check import Reading, read_rows
from redstart.data.dataset import ItemDataset
from redstart.data.split import GroupSplitter, Split, Splitter
from redstart.data.table import Table, missing
from redstart.data.table_dataset import TableDataset
from redstart.errors import ConfigError, problem
from redstart.home import home
from redstart.metrics.metric import Interval
from redstart.show.card import Card

if TYPE_CHECKING:
    from redstart.data.loaders import DataLoaders

__all__ = ["audit_rows", "by_finding", "evidence_of", "truth_of"]

_VERSION = 1  # of the checks: what older ones found is not shown again
_LARGEST = 4_000_000  # bytes of findings that are remembered on disk


def audit_rows(
    dls: DataLoaders,
    reading: Reading | None = None,
    *,
    bounds: Interval | None = None,
    again: bool = False,
) -> AuditReport:
    """Audit rows and split; what was found is remembered for the same data and split.

    Args:
        dls: Loaders of rows.
        reading: What ``read_rows`` found, if it has been called.
        bounds: Least and greatest number that the model can say, if limited.
        again: Whether to look again at what was audited before.
    """
    n_rows = sum(dls.sizes().values())
    file = _file(dls, bounds)
    kept = None if again else _load(file)
    if kept is None:
        findings, seconds = audit(evidence_of(dls, reading, bounds=bounds))
        _save(file, findings, seconds)
    else:
        findings, seconds = kept
    return AuditReport(findings, n_rows, seconds, _Cards(dls), dls.source.name)


def evidence_of(
    dls: DataLoaders, reading: Reading | None = None, *, bounds: Interval | None = None
) -> Evidence:
    """Gather what the checks look at.

    Args:
        dls: Loaders of rows.
        reading: What ``read_rows`` found, if it has been called.
        bounds: Least and greatest number that the model can say, if limited.
    """
    source, codec = dls.source, dls.codec
    n = len(source.items)
    prints: Prints = ()
    properties: dict[str, NDArray[Any]] = {}
    files = _files(source.inputs)
    if isinstance(dls.train.dataset, ItemDataset):
        seen = (reading or read_rows(dls)).seen
        if seen is not None:
            prints, properties = seen.prints(n), seen.properties(n)
        properties |= codec.headers(source.inputs)
    elif isinstance(dls.train.dataset, TableDataset) and codec.likeness is not None:
        prints = codec.likeness.prints(_columns_of(dls.train.dataset))
    return Evidence(
        n_rows=n,
        parts={name: np.asarray(rows, dtype=np.int64) for name, rows in dls.parts().items()},
        truth=truth_of(dls, bounds),
        target=_predicted(dls),
        files=files,
        root=Path(dls.path),
        columns=_columns(dls, dls.codec.features),
        beside=_columns(dls, _unseen(dls)),
        properties=properties,
        likeness=codec.likeness if prints else None,
        prints=prints,
        chosen=dls.split_by,
        seed=dls.seed,
    )


def truth_of(dls: DataLoaders, bounds: Interval | None = None) -> Truth:
    """What is to be predicted, by row number of the source.

    Args:
        dls: Loaders of rows.
        bounds: Least and greatest number that the model can say, if limited.
    """
    kind, names = dls.target.truth_kind, tuple(map(str, dls.target.vocabulary()))
    if kind == "other":
        return Truth(kind, np.zeros(0), names, bounds)
    n = len(dls.source.items)
    whole: NDArray[Any] | None = None
    for data in dls.datasets().values():
        if data.labels is None:
            return Truth("other", np.zeros(0), names, bounds)
        values = data.labels[0].cpu().numpy()
        if whole is None:
            fill: Any = np.nan if kind == "numbers" else -1
            kept = np.float64 if kind == "numbers" else np.int64
            whole = np.full((n, *values.shape[1:]), fill, dtype=kept)
        whole[data.index.numpy()] = values
    return Truth(kind, np.zeros(0) if whole is None else whole, names, bounds)


def by_finding(dls: DataLoaders, found: Finding) -> Splitter:
    """A splitter that keeps rows together which a finding says are tied.

    Parts are as large as they were, as nearly as the groups allow.

    Args:
        dls: The loaders that the finding is about.
        found: Of ``dls.audit()``.

    Raises:
        ConfigError: If it ties no rows.
    """
    if found.groups is None:
        raise ConfigError(
            problem(
                "Expected a finding that says which rows belong together",
                f"check={found.check!r}",
                f"{found.mend} Or pass a splitter.",
            )
        )
    _, names = found.groups
    keys = [f"row {row}" if name is None else f"group {name}" for row, name in enumerate(names)]
    sizes = dls.sizes()
    total = sum(sizes.values())

    def split(items: Any) -> Split:
        if len(items) != len(keys):
            raise ConfigError(
                problem(
                    f"Expected the {len(keys)} rows that were audited",
                    f"{len(items)} rows",
                    "Files came or went: make the loaders anew and audit them again.",
                )
            )
        splitter = GroupSplitter(
            lambda row: keys[row],
            sizes["valid"] / total,
            dls.seed,
            test_pct=sizes.get("test", 0) / total,
        )
        return splitter(range(len(keys)))

    return split


class _Cards:
    """Makes cards of rows by their number in the source."""

    def __init__(self, dls: DataLoaders) -> None:
        self._dls = dls

    def __call__(self, rows: Sequence[int]) -> list[Card]:
        datasets = self._dls.datasets()
        where = {row: (name, i) for name, d in datasets.items() for i, row in enumerate(d.rows)}
        if unknown := [row for row in rows if row not in where]:
            raise ConfigError(
                problem(
                    "Expected rows that are in a part of the split",
                    f"rows={some(unknown)}",
                    "Audit these loaders again.",
                )
            )
        cards = []
        for row in rows:
            part, position = where[row]
            data = datasets[part]
            # Labels of sealed rows stay so: only what went in is shown.
            y = None if part == "test" else data.y(position)
            cards.append(
                Card(
                    index=row,
                    item=f"{part}: {self._dls.source.name(row)}",
                    view=data.codec.view(data.x(position)),
                    truth=None if y is None else data.target.mark(y),
                )
            )
        return cards


def _files(inputs: Any) -> Sequence[Path]:
    if isinstance(inputs, Table) or not len(inputs):
        return ()
    if not all(isinstance(item, str | os.PathLike) for item in inputs):
        return ()
    return [Path(item) for item in inputs]


def _columns_of(data: TableDataset) -> tuple[Any, ...]:
    """Encoded inputs of all rows of the source, which the parts share."""
    return tuple(t.cpu() for t in data.columns)


def _columns(dls: DataLoaders, names: Sequence[str]) -> Mapping[str, NDArray[Any]]:
    """Some columns as the user's table has them, in the types that ``Evidence`` lists."""
    table = dls.source.inputs
    if not isinstance(table, Table):
        return {}
    return {name: _plain(table.column(name).to_numpy()) for name in names}


def _predicted(dls: DataLoaders) -> str:
    """Name of the column that is predicted, if there is one."""
    names = dls.made.get("y_names") or dls.made.get("names", [""] * 3)[2:3]
    return str(names[0] or "") if len(names) == 1 else ""


def _unseen(dls: DataLoaders) -> list[str]:
    """Columns that the model does not see, less what is to be predicted, if that is known."""
    table = dls.source.inputs
    if not isinstance(table, Table) or not dls.made:
        return []
    rating = dls.made.get("names", [""] * 3)[2]
    known = {*dls.codec.features, *dls.made.get("y_names", ()), rating}
    return [name for name in table.names if name not in known]


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind in "bMm":
        return values
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    if values.dtype.kind == "f":
        return values.astype(np.float64)
    empty = missing(values)
    texts = np.array([str(v) for v in values], dtype=object)
    texts[empty] = None
    return texts


def _file(dls: DataLoaders, bounds: Interval | None) -> Path | None:
    likeness = dls.codec.likeness
    how = "" if likeness is None else likeness.name
    what = [_VERSION, dls.digests(), dls.codec.encoding_id, how, bounds, dls.split_by]
    name = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:24]
    try:
        return home("audits") / f"{name}.json"
    except OSError:
        return None


def _load(file: Path | None) -> tuple[tuple[Finding, ...], float] | None:
    try:
        if file is None:
            return None
        found = json.loads(file.read_text())
        return tuple(map(_finding, found["findings"])), float(found["seconds"])
    except (OSError, ValueError, TypeError, KeyError):  # none yet, or cut short
        return None


def _finding(said: Mapping[str, Any]) -> Finding:
    tied = said["groups"]
    return Finding(
        **{
            **said,
            "rows": tuple(said["rows"]),
            "pairs": tuple((left, right) for left, right in said["pairs"]),
            "groups": None if tied is None else (tied[0], tuple(tied[1])),
        }
    )


def _save(file: Path | None, findings: Sequence[Finding], seconds: float) -> None:
    if file is None:
        return
    text = json.dumps({"seconds": seconds, "findings": [asdict(f) for f in findings]}, default=str)
    if len(text) > _LARGEST:
        return
    with suppress(OSError):
        scratch = file.with_suffix(f".{os.getpid()}.part")
        scratch.write_text(text)
        scratch.replace(file)
