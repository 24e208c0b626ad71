"""Who opened the sealed test rows, when, for which weights: kept beside every result.

A test set answers once. Whoever looks at a figure on it, changes the model and looks again
chooses by it, and the second figure is too good (Dwork et al. 2015, Science 349:636).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from redstart.config import JSON
from redstart.home import home

__all__ = ["Entry", "merged", "openings", "remember", "verdict"]

Entry = dict[str, JSON]
"""One opening: ``opened`` (time, UTC), ``rows``, ``test_sha256``, ``weights_sha256``, ``loss``,
``metrics``."""


def openings(test_sha256: str) -> list[Entry]:
    """Openings of a test set that this machine remembers, the oldest first.

    Args:
        test_sha256: Of the rows and their labels.
    """
    try:
        lines = (home("ledger") / f"{test_sha256[:40]}.jsonl").read_text().splitlines()
    except OSError:
        return []
    found: list[Entry] = []
    for line in lines:
        with suppress(ValueError):  # a line that was cut short
            entry = json.loads(line)
            if isinstance(entry, dict):
                found.append(entry)
    return found


def remember(entry: Mapping[str, Any]) -> None:
    """Write an opening down, where this machine can; it also travels in the bundle."""
    with suppress(OSError):
        file = home("ledger") / f"{str(entry['test_sha256'])[:40]}.jsonl"
        with file.open("a") as opened:
            opened.write(json.dumps(entry) + "\n")


def merged(*ledgers: Sequence[Entry]) -> list[Entry]:
    """Several ledgers as one, each opening once, the oldest first."""
    found = {json.dumps(entry, sort_keys=True): entry for ledger in ledgers for entry in ledger}
    return sorted(found.values(), key=lambda entry: str(entry.get("opened", "")))


def verdict(entry: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> str:
    """Say what an opening is worth.

    Args:
        entry: The opening.
        earlier: Openings before it, of any test set.

    Returns:
        A sentence or two.
    """
    same = [e for e in earlier if e.get("test_sha256") == entry["test_sha256"]]
    others = [e for e in same if e.get("weights_sha256") != entry["weights_sha256"]]
    n = len(same) + 1
    if others:
        models = len({e.get("weights_sha256") for e in others})
        return (
            f"Opening {n} of these test rows, and the model has changed since the first: they "
            f"were opened before for {models} other model{'s' if models > 1 else ''}, last on "
            f"{others[-1].get('opened', '?')}. If anything was chosen after that, this figure is "
            "now optimistic: seal new rows for one that is not."
        )
    if same:
        return (
            f"Opening {n} of these test rows, for the same weights as before: nothing was chosen "
            "by them in between."
        )
    return "The first opening of these test rows: nothing was chosen by them."
