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

__all__ = ["Entry", "merged", "openings", "overlapping", "remember", "verdict"]

_MUCH = 0.05  # of the rows; fewer that are the same say little

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


def overlapping(test_sha256: str, rows: Sequence[str]) -> list[tuple[Entry, int]]:
    """Openings of other test sets that share rows with one, and how many they share.

    Args:
        test_sha256: Of the test set; its own openings are not among them.
        rows: Short hashes of its rows.
    """
    wanted = set(rows)
    found: list[tuple[Entry, int]] = []
    with suppress(OSError):
        for file in sorted(home("ledger").glob("*.rows")):
            shared = len(wanted & set(file.read_text().split()))
            if file.stem != test_sha256[:40] and shared > _MUCH * len(wanted):
                found += [(entry, shared) for entry in openings(file.stem)]
    return found


def remember(entry: Mapping[str, Any], rows: Sequence[str] = ()) -> None:
    """Write an opening down, where this machine can; it also travels in the bundle.

    Args:
        entry: The opening.
        rows: Short hashes of the rows, by which other test sets are compared with this one.
    """
    with suppress(OSError):
        file = home("ledger") / f"{str(entry['test_sha256'])[:40]}.jsonl"
        with file.open("a") as opened:
            opened.write(json.dumps(entry) + "\n")
        if rows:
            file.with_suffix(".rows").write_text("\n".join(rows))


def merged(*ledgers: Sequence[Entry]) -> list[Entry]:
    """Several ledgers as one, each opening once, the oldest first."""
    found = {json.dumps(entry, sort_keys=True): entry for ledger in ledgers for entry in ledger}
    return sorted(found.values(), key=lambda entry: str(entry.get("opened", "")))


def verdict(
    entry: Mapping[str, Any],
    earlier: Sequence[Mapping[str, Any]],
    others: Sequence[tuple[Mapping[str, Any], int]] = (),
) -> str:
    """Say what an opening is worth.

    Args:
        entry: The opening.
        earlier: Openings before it, of any test set.
        others: Openings of test sets that share rows with it, and how many rows.

    Returns:
        A sentence or two.
    """
    same = [e for e in earlier if e.get("test_sha256") == entry["test_sha256"]]
    changed = [e for e in same if e.get("weights_sha256") != entry["weights_sha256"]]
    n = len(same) + 1
    if changed:
        models = len({e.get("weights_sha256") for e in changed})
        return (
            f"Opening {n} of these test rows, and the model has changed since the first: they "
            f"were opened before for {models} other model{'s' if models > 1 else ''}, last on "
            f"{changed[-1].get('opened', '?')}. If anything was chosen after that, this figure is "
            "now optimistic: seal new rows for one that is not."
        )
    if seen := [(e, n) for e, n in others if e.get("weights_sha256") != entry["weights_sha256"]]:
        most = max(n for _, n in seen)
        return (
            f"The first opening of just these test rows; but {most} of them were opened before "
            f"for another model, last on {seen[-1][0].get('opened', '?')}. If anything was chosen "
            "after that, this figure is now optimistic: seal new rows for one that is not."
        )
    if same:
        return (
            f"Opening {n} of these test rows, for the same weights as before: nothing was chosen "
            "by them in between."
        )
    return "The first opening of these test rows: nothing was chosen by them."
