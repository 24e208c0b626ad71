from __future__ import annotations

import pytest

from redstart.errors import ConfigError
from redstart.tabular.procs import Categorify, FillMissing, FillStrategy, Normalize, as_procs


def test_all_three_are_meant_if_none_is_named() -> None:
    assert as_procs(None) == as_procs([Normalize, Categorify, FillMissing])
    assert as_procs(None).normalize


def test_classes_and_objects_are_the_same() -> None:
    assert as_procs([FillMissing(), Normalize()]) == as_procs([FillMissing, Normalize])
    assert as_procs([Categorify]).fill is None
    assert not as_procs([]).normalize


def test_options_of_filling_are_kept() -> None:
    fill = FillMissing(FillStrategy.mode, add_col=False)
    assert as_procs([fill]).fill == FillMissing("mode", add_col=False)


def test_anything_else_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"out of Categorify, FillMissing and Normalize\. Got: 'x'"
    ):
        as_procs(["x"])
    with pytest.raises(ConfigError, match=r"one of median, mode, constant\. Got: .*'average'"):
        FillMissing("average")
