from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from redstart.data import cache
from redstart.data.cache import RowCache, default_cache_bytes


def test_rows_are_kept_until_the_limit_and_never_thrown_out() -> None:
    kept = RowCache(10)
    for row in range(5):
        kept.put("a", row, f"row {row}", 4)
    assert (len(kept), kept.used) == (2, 8)
    assert [kept.get("a", row) for row in range(3)] == ["row 0", "row 1", None]
    kept.put("a", 9, "small", 2)
    assert kept.get("a", 9) == "small", "what still fits is admitted"
    assert kept.used == 10


def test_a_stage_is_part_of_the_key_and_the_first_value_stays() -> None:
    kept = RowCache(100)
    kept.put("a", 0, "first", 1)
    kept.put("b", 0, "other", 1)
    kept.put("a", 0, "again", 50)
    assert (kept.get("a", 0), kept.get("b", 0), kept.used) == ("first", "other", 2)


def test_a_limit_of_0_keeps_nothing() -> None:
    kept = RowCache(0)
    kept.put("a", 0, "x", 1)
    assert len(kept) == 0


def test_threads_together_stay_within_the_limit() -> None:
    kept = RowCache(100)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda row: kept.put("a", row, row, 1), range(1000)))
    assert kept.used == len(kept) == 100


def test_the_default_is_a_quarter_of_what_is_free_or_of_what_a_container_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sysconf", {"SC_AVPHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}.get)
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(cache, "_CONTAINER_LIMIT", limit)
    assert default_cache_bytes() == 1000 * 1024
    limit.write_text("max\n")
    assert default_cache_bytes() == 1000 * 1024
    limit.write_text("8000\n")
    assert default_cache_bytes() == 2000


def test_where_free_memory_cannot_be_told_it_is_a_gibibyte(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(name: str) -> int:
        raise ValueError(name)

    monkeypatch.setattr("os.sysconf", unknown)
    assert default_cache_bytes() == 1 << 30
