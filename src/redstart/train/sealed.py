"""The sealed test rows: opened on purpose, and each opening is written down."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from redstart.config import JSON
from redstart.data.contents import contents_of, row_hashes
from redstart.data.loader import Loader
from redstart.data.loaders import DataLoaders
from redstart.errors import DataError, problem
from redstart.evaluate import ledger
from redstart.metrics.metric import Interval
from redstart.train import weights
from redstart.train.folder import now
from redstart.train.measure import Figures, measure

if TYPE_CHECKING:
    from redstart.train.trained import Trained

__all__ = ["entry_of", "known_rows", "open_rows", "sealed_rows", "write_down"]

_MOST = 20_000  # rows that a bundle remembers having learnt from

log = logging.getLogger("redstart")


def open_rows(learn: Trained) -> dict[str, tuple[float, Interval | None]]:
    """Measure the sealed rows, write that down, and say what the figure is worth.

    Args:
        learn: Its model is measured.

    Raises:
        DataError: If the split has no test rows.
    """
    loader = learn.dls.sealed
    if loader is None:
        raise DataError(
            problem(
                "Expected a split with test rows",
                repr(learn.dls),
                "Set some aside: a `test` folder, or `RandomSplitter(0.2, test_pct=0.2)`.",
            )
        )
    found = measure(learn, loader, opened=True)
    entry = entry_of(found, _contents(loader), learn.model)
    hashes = row_hashes(loader.source, loader.dataset.rows) if isinstance(loader, Loader) else []
    learn.ledger[:] = write_down(entry, learn.ledger, hashes)
    log.warning("%s", entry["verdict"])
    return found.metrics


def entry_of(found: Figures, test_sha256: str, model: nn.Module) -> dict[str, JSON]:
    """What is written down of one opening.

    Args:
        found: Figures on the test rows.
        test_sha256: Of the rows and their labels.
        model: What was measured.
    """
    return {
        "opened": now(),
        "rows": found.n_rows,
        "test_sha256": test_sha256,
        "weights_sha256": weights.digest(model),
        "loss": found.loss,
        "metrics": {k: {"value": v, "interval": i} for k, (v, i) in found.metrics.items()},
    }


def write_down(
    entry: dict[str, JSON], known: list[dict[str, JSON]], rows: Sequence[str] = ()
) -> list[dict[str, JSON]]:
    """Add an opening to a ledger and to this machine's.

    Args:
        entry: The opening; gets its ``verdict``.
        known: Openings that travel with the model.
        rows: Short hashes of the rows, where there are such.

    Returns:
        The ledger with it, the oldest first.
    """
    test_sha256 = str(entry["test_sha256"])
    before = ledger.merged(known, ledger.openings(test_sha256))
    others = ledger.overlapping(test_sha256, rows)
    entry["verdict"] = ledger.verdict(entry, before, others)
    ledger.remember(entry, rows)
    return ledger.merged(before, [entry])


def known_rows(dls: DataLoaders) -> list[str]:
    """Short hashes of the files that the model learnt from or was chosen by, sorted.

    With them a bundle can tell that rows it is to be tested on are none it has never seen.
    """
    parts = [rows for name, rows in dls.parts().items() if name != "test"]
    rows = [row for part in parts for row in part]
    return sorted(row_hashes(dls.source, rows)) if 0 < len(rows) <= _MOST else []


def sealed_rows(dls: DataLoaders) -> dict[str, JSON] | None:
    """How many rows are sealed, and their hash; ``None`` where there are none."""
    if not isinstance(dls.sealed, Loader):
        return None
    return {"rows": dls.sealed.n_rows, "sha256": _contents(dls.sealed)}


def _contents(loader: Any) -> str:
    """SHA-256 of the rows of a loader; of plain batches nothing is known."""
    if not isinstance(loader, Loader):
        return "plain batches"
    return contents_of(loader.source, loader.dataset.rows)
