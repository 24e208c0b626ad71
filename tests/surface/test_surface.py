"""The surface is a file: a change of it is seen in the diff, or it was not meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from surface import FILES

import redstart.vision

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_surface_is_as_written_down(name: str) -> None:
    # After a change that is meant: `python tests/surface/surface.py`.
    assert FILES[name]() == (HERE / name).read_text("utf-8")


def test_the_lazy_door_and_the_star_import_lead_to_the_same() -> None:
    from redstart.vision import all as everything

    assert sorted(redstart.vision.HOMES) == sorted(everything.__all__)
    for name in everything.__all__:
        assert getattr(redstart.vision, name) is getattr(everything, name), name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        redstart.vision.nope  # noqa: B018
