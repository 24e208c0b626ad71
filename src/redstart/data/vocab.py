"""Names and their positions, both ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, final, overload

__all__ = ["Vocab"]


@final
class Vocab(Sequence[Any]):
    """Names in the order of their positions: ``vocab[3]``, ``vocab.o2i["Paris"]``.

    Args:
        names: All different.
    """

    __slots__ = ("_names", "_positions")

    def __init__(self, names: Sequence[Any]) -> None:
        self._names = tuple(names)
        self._positions = {name: position for position, name in enumerate(self._names)}

    @property
    def o2i(self) -> Mapping[Any, int]:
        """From a name to its position."""
        return MappingProxyType(self._positions)

    @overload
    def __getitem__(self, position: int) -> Any: ...
    @overload
    def __getitem__(self, position: slice) -> list[Any]: ...
    def __getitem__(self, position: Any) -> Any:
        """Look up the name at a position; of several (a slice, list, array or tensor) a list."""
        if hasattr(position, "tolist"):
            position = position.tolist()
        if isinstance(position, list | tuple):
            return [self._names[p] for p in position]
        found = self._names[position]
        return list(found) if isinstance(position, slice) else found

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._positions

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocab | list | tuple) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(self._names)

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self._names[:8]))
        more = f", ... ({len(self)} in all)" if len(self) > 8 else ""
        return f"Vocab({shown}{more})"
