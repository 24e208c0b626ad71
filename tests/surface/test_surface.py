"""The surface is a file: a change of it is seen in the diff, or it was not meant."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from surface import FILES

from redstart.domain import domain_names

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_surface_is_as_written_down(name: str) -> None:
    # After a change that is meant: `python tests/surface/surface.py`.
    assert FILES[name]() == (HERE / name).read_text("utf-8")


@pytest.mark.parametrize("domain", domain_names())
def test_the_lazy_door_and_the_star_import_lead_to_the_same(domain: str) -> None:
    door = import_module(f"redstart.{domain}")
    everything = import_module(f"redstart.{domain}.all")
    assert sorted(door.HOMES) == sorted(everything.__all__)
    for name in everything.__all__:
        assert getattr(door, name) is getattr(everything, name), name


@pytest.mark.parametrize("domain", domain_names())
def test_an_unknown_name_is_an_attribute_error(domain: str) -> None:
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        import_module(f"redstart.{domain}").nope  # noqa: B018
