from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redstart.config import Configured, from_config
from redstart.errors import ConfigError


@dataclass(frozen=True)
class Inner(Configured):
    kind: ClassVar[str] = "inner"
    size: int
    name: str = "x"


@dataclass(frozen=True)
class Outer(Configured):
    kind: ClassVar[str] = "outer"
    parts: tuple[Inner, ...] = ()
    one: Inner | None = None
    numbers: tuple[float, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    learnt: int = field(init=False, default=7)


TABLE: dict[str, type[Any]] = {"inner": Inner, "outer": Outer}
INNER = st.builds(Inner, st.integers(), st.text())


@settings(deadline=None, max_examples=50)
@given(
    st.builds(
        Outer,
        st.lists(INNER, max_size=3).map(tuple),
        st.none() | INNER,
        st.lists(st.floats(allow_nan=False)).map(tuple),
        st.dictionaries(st.text(), st.integers() | st.none()),
    )
)
def test_what_is_written_is_built_again_after_a_trip_through_json(value: Outer) -> None:
    if "kind" in value.facts:
        return
    assert from_config(json.loads(json.dumps(value.to_config())), TABLE) == value


def test_what_is_written_is_plain() -> None:
    config = Outer((Inner(1),), numbers=(1, 2)).to_config()
    assert config == {
        "kind": "outer",
        "parts": [{"kind": "inner", "size": 1, "name": "x"}],
        "one": None,
        "numbers": [1, 2],
        "facts": {},
    }, "fields that are not given are not written"


def test_defaults_fill_what_an_older_version_did_not_write() -> None:
    assert from_config({"kind": "inner", "size": 3}, TABLE) == Inner(3, "x")


@pytest.mark.parametrize("kind", ["os.system", None, "Inner"])
def test_nothing_outside_the_table_is_built(kind: Any) -> None:
    with pytest.raises(ConfigError, match=rf"kind={kind!r}\. Known kinds: inner, outer\."):
        from_config({"kind": kind}, TABLE)
    with pytest.raises(ConfigError, match="Known kinds"):
        from_config({"kind": "outer", "parts": [{"kind": kind}]}, TABLE)


def test_fields_that_a_class_has_not_ask_for_an_upgrade() -> None:
    with pytest.raises(
        ConfigError, match=r"fields of 'inner' \(name, size\).*Got: fields=a, b.*upg"
    ):
        from_config({"kind": "inner", "size": 1, "b": 2, "a": 3}, TABLE)
    with pytest.raises(ConfigError, match="fields=learnt"):
        from_config({"kind": "outer", "learnt": 8}, TABLE)


def test_a_field_that_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match=r"every field of 'inner'.*missing: size"):
        from_config({"kind": "inner", "name": "y"}, TABLE)
