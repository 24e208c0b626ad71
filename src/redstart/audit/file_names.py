"""Parts of the names of files that may say what the label is, beside the label itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redstart.audit.evidence import Evidence

__all__ = ["name_parts", "namesakes"]

_PURE = 0.98


def name_parts(evidence: Evidence) -> dict[str, NDArray[Any]]:
    """Number, beginning and folders of each file, but what the label was made of.

    A folder or a beginning that says the label of nearly every row is taken for where the
    label came from, and so are folders below one that is. What differs in every row says
    nothing.

    Args:
        evidence: Its files; of the truth, what is known of training rows.

    Returns:
        ``(N,)`` each: texts (object, ``None`` where there is none) or numbers.
    """
    if not len(evidence.files) or evidence.truth.kind not in ("category", "numbers"):
        return {}
    below = [_below(Path(file), evidence.root) for file in evidence.files]
    found: dict[str, NDArray[Any]] = {}
    stems = [path.stem for path in below]
    numbers = [_number(stem) for stem in stems]
    if len(set(numbers)) > len(numbers) // 20:  # a few numbers are names
        found["number in the name"] = np.array(numbers, dtype=np.float64)
    prefixes = _texts([re.split(r"\d", stem, maxsplit=1)[0] or None for stem in stems])
    if not _labels(evidence, prefixes):
        found["beginning of the name"] = prefixes
    for level in range(max((len(path.parts) for path in below), default=1) - 1):
        folder = _texts([p.parts[level] if len(p.parts) > level + 1 else None for p in below])
        if _labels(evidence, folder):
            break
        found[f"folder (level {level + 1})"] = folder
    return {
        name: values
        for name, values in found.items()
        if values.dtype.kind != "O" or len(set(values)) <= len(values) // 4
    }


def namesakes(evidence: Evidence, values: NDArray[Any]) -> bool:
    """Whether names are those of the classes, as folders are that labels were made of.

    Some rows may differ: their labels were corrected since.

    Args:
        evidence: Of the data set.
        values: Texts, ``(N,)``.
    """
    inside = set(values[evidence.part_of() >= 0].tolist()) - {None}
    return len(inside) > 1 and inside <= set(evidence.truth.names)


def _below(file: Path, root: Path) -> Path:
    return file.relative_to(root) if file.is_relative_to(root) else Path(*file.parts[-3:])


def _texts(texts: list[str | None]) -> NDArray[Any]:
    found = np.empty(len(texts), dtype=object)
    found[:] = texts
    return found


def _number(stem: str) -> float:
    digits = re.findall(r"\d+", stem)
    return float(digits[-1][:15]) if digits else float("nan")


def _labels(evidence: Evidence, values: NDArray[Any]) -> bool:
    """Whether a name part says the class of nearly every training row."""
    rows = evidence.parts.get("train", np.empty(0, dtype=np.int64))
    if evidence.truth.kind != "category" or not len(rows):
        return False
    import pandas as pd

    codes, _ = pd.factorize(values[rows])
    classes = evidence.truth.values[rows]
    counts = pd.DataFrame({"part": codes, "label": classes}).value_counts()
    pure = counts.groupby("part").max().sum() / len(rows)
    most = np.bincount(classes[classes >= 0]).max() / len(rows)
    return bool((pure >= _PURE or namesakes(evidence, values)) and pure > most)
