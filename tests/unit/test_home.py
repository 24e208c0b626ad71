from __future__ import annotations

from pathlib import Path

import pytest

from redstart.home import home


def test_the_place_is_redstarts_own_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDSTART_HOME", str(tmp_path / "here"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert home() == tmp_path / "here" and home().is_dir()
    assert home("a", "b") == tmp_path / "here" / "a" / "b" and home("a", "b").is_dir()


def test_or_the_systems_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDSTART_HOME", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert home("x") == tmp_path / "cache" / "redstart" / "x"


def test_or_a_folder_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDSTART_HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home("x") == tmp_path / ".cache" / "redstart" / "x"
    monkeypatch.setenv("REDSTART_HOME", "~/mine")
    assert home() == tmp_path / "mine"
