"""Evidence of made-up tables and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redstart.audit.evidence import Evidence, Truth, TruthKind


def texts(values: Sequence[Any]) -> NDArray[Any]:
    found = np.empty(len(values), dtype=object)
    found[:] = [None if value is None else str(value) for value in values]
    return found


def table(
    y: NDArray[Any],
    columns: Mapping[str, NDArray[Any]] | None = None,
    *,
    kind: TruthKind = "category",
    names: Sequence[str] = (),
    valid: Sequence[int] | None = None,
    bounds: tuple[float, float] | None = None,
    files: Sequence[str] = (),
    **given: Any,
) -> Evidence:
    """Every fifth row validates, unless others are named."""
    n = len(y)
    rows = np.arange(n)
    held = rows[::5] if valid is None else np.asarray(valid, dtype=np.int64)
    y = y.astype(np.float64)[:, None] if kind == "numbers" and y.ndim == 1 else y
    if kind == "category" and not names:
        names = tuple(f"class {c}" for c in range(int(y.max()) + 1))
    return Evidence(
        n_rows=n,
        parts={"train": np.setdiff1d(rows, held), "valid": held},
        truth=Truth(kind, y, tuple(names), bounds),
        columns=columns or {},
        files=[Path(file) for file in files],
        root=Path("root"),
        **given,
    )


def honest(n: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Two classes that three columns say something about."""
    y = (rng.random(n) < 0.3).astype(np.int64)
    columns: dict[str, NDArray[Any]] = {
        "age": y + rng.normal(size=n),
        "job": texts(np.where(rng.random(n) < 0.6, y, rng.integers(0, 3, n))),
        "noise": rng.normal(size=n),
    }
    return y, columns
