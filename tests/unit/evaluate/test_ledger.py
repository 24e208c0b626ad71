"""The ledger of the sealed test rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from redstart.evaluate.ledger import (
    Entry,
    merged,
    openings,
    overlapping,
    remember,
    verdict,
)
from redstart.home import home


def entry(weights: str, opened: str = "2026-01-01T00:00:00+00:00", test: str = "t" * 64) -> Entry:
    return {"opened": opened, "test_sha256": test, "weights_sha256": weights, "rows": 3}


def test_an_opening_is_remembered_by_the_rows_it_opened() -> None:
    assert openings("t" * 64) == []
    remember(entry("w"))
    remember(entry("v", test="u" * 64))
    assert openings("t" * 64) == [entry("w")]


def test_a_line_cut_short_loses_that_line_alone() -> None:
    remember(entry("w"))
    (file,) = home("ledger").glob("*")
    file.write_text(file.read_text() + '{"opened": "20')
    assert openings("t" * 64) == [entry("w")]


def test_where_nothing_can_be_written_nothing_is_lost_but_the_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REDSTART_HOME", str(tmp_path / "file"))
    remember(entry("w"))
    assert openings("t" * 64) == []


def test_ledgers_merge_by_time_and_list_each_opening_once() -> None:
    first, second = entry("w", "2026-01-01"), entry("w", "2026-01-02")
    assert merged([second], [first, second]) == [first, second]


def test_only_a_changed_model_makes_the_figure_optimistic() -> None:
    assert "first opening" in verdict(entry("w"), [])
    assert "first opening" in verdict(entry("w"), [entry("v", test="u" * 64)])
    again = verdict(entry("w"), [entry("w")])
    assert again.startswith("Opening 2") and "nothing was chosen" in again
    changed = verdict(entry("w"), [entry("v", "2025-05-05"), entry("w"), entry("x", "2025-06-06")])
    assert changed.startswith("Opening 4") and "optimistic" in changed
    assert "2 other models" in changed and "2025-06-06" in changed


def test_rows_that_another_test_set_held_are_known_again() -> None:
    rows = [f"{i:016x}" for i in range(20)]
    remember(entry("w"), rows)
    assert overlapping("t" * 64, rows) == [], "its own openings are told otherwise"
    assert overlapping("u" * 64, rows[:10]) == [(entry("w"), 10)]
    assert overlapping("u" * 64, [f"{i:016x}" for i in range(100, 120)]) == []
    found = overlapping("u" * 64, rows[:10])
    assert "10 of them were opened before" in verdict(entry("v", test="u" * 64), [], found)
    assert "optimistic" in verdict(entry("v", test="u" * 64), [], found)
    assert "nothing was chosen" in verdict(entry("w", test="u" * 64), [], found)
