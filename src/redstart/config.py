"""Frozen dataclasses to JSON and back, through explicit tables of names."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from redstart.errors import ConfigError, problem

__all__ = ["JSON", "Configured", "from_config"]

JSON = Any  # str | float | int | bool | None | list[JSON] | dict[str, JSON]


class Configured:
    """A frozen dataclass that can be written as ``{"kind": ..., **fields}``.

    Fields are JSON values, tuples of them, or other ``Configured`` objects.
    """

    kind: ClassVar[str]

    def to_config(self) -> dict[str, JSON]:
        """Return a JSON-ready dictionary; ``from_config`` is its inverse."""
        names = [f.name for f in dataclasses.fields(self) if f.init]  # type: ignore[arg-type]
        return {"kind": self.kind, **{name: _plain(getattr(self, name)) for name in names}}


def from_config(config: Mapping[str, JSON], table: Mapping[str, type[Any]]) -> Any:
    """Build the object that ``config`` names, looking its class up in ``table``.

    Args:
        config: What ``to_config`` returned, possibly after a trip through JSON.
        table: The classes that may be built, by kind. Nothing outside it is ever imported.

    Raises:
        ConfigError: If the kind is not in ``table``, or its fields do not fit the class.
    """
    fields = dict(config)
    kind = fields.pop("kind", None)
    if kind not in table:
        raise ConfigError(
            problem(
                "Expected a known kind",
                f"kind={kind!r}",
                f"Known kinds: {', '.join(sorted(table))}.",
            )
        )
    values = {name: _build(value, table) for name, value in fields.items()}
    slots = [f for f in dataclasses.fields(table[kind]) if f.init]
    known = {f.name for f in slots}
    if unknown := sorted(set(values) - known):
        raise ConfigError(
            problem(
                f"Expected only fields of {kind!r} ({', '.join(sorted(known))})",
                f"fields={', '.join(unknown)}",
                "The file was written by a newer redstart: upgrade.",
            )
        )
    given = dataclasses.MISSING
    needed = {f.name for f in slots if f.default is given and f.default_factory is given}
    if missing := sorted(needed - set(values)):
        raise ConfigError(
            problem(
                f"Expected every field of {kind!r} that has no default",
                f"missing: {', '.join(missing)}",
                "Write it with `to_config`.",
            )
        )
    return table[kind](**values)


def _plain(value: Any) -> JSON:
    if isinstance(value, Configured):
        return value.to_config()
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return value


def _build(value: JSON, table: Mapping[str, type[Any]]) -> Any:
    if isinstance(value, list):
        return tuple(_build(v, table) for v in value)
    if isinstance(value, Mapping):
        return from_config(value, table) if "kind" in value else dict(value)
    return value
