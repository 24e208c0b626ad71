"""Rows made of numbers and tiny pictures, for tests of what loads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import torch
from PIL import Image

from redstart.data.batch import Encoded
from redstart.data.block import DataBlock
from redstart.data.codec import Codec
from redstart.data.loaders import DataLoaders
from redstart.data.split import IndexSplitter
from redstart.errors import DataError
from redstart.show.view import LineView
from redstart.targets.category import CategoryBlock


@final
@dataclass(frozen=True)
class Numbers(Codec[float]):
    """An item ``k`` becomes ``[k, 2 k]``; writes down what it loads. Below 0 is unreadable."""

    kind: ClassVar[str] = "numbers"
    draws: bool = False
    size: int | None = 8
    log: list[float] = field(default_factory=list, init=False, repr=False, compare=False)

    def load(self, item: Any) -> float:
        self.log.append(float(item))
        if item < 0:
            raise DataError(f"cannot read {item}")
        return float(item)

    def encode(self, raw: float) -> Encoded:
        return (torch.tensor([raw, 2 * raw]),)

    @property
    def random(self) -> bool:
        return self.draws

    def encode_train(self, raw: float, rng: torch.Generator) -> Encoded:
        if not self.draws:
            return self.encode(raw)
        return (torch.tensor([raw, 2 * raw]) + 0.5 * torch.empty(2).uniform_(0, 1, generator=rng),)

    def view(self, x: Encoded) -> LineView:
        return LineView(np.asarray(x[0]))

    def nbytes(self, raw: float) -> int | None:
        return self.size


def pairs(n: int) -> list[tuple[float, str]]:
    """Item ``k`` is the number ``k``, labelled even or odd."""
    return [(float(k), ("even", "odd")[k % 2]) for k in range(n)]


def numbers(
    n: int = 20,
    *,
    valid: Sequence[int] = (0, 1, 2, 3),
    test: Sequence[int] = (),
    codec: Numbers | None = None,
    items: list[tuple[float, str]] | None = None,
    **options: Any,
) -> DataLoaders:
    block = DataBlock(
        blocks=(Numbers() if codec is None else codec, CategoryBlock()),
        get_x=itemgetter(0),
        get_y=itemgetter(1),
        splitter=IndexSplitter(valid, test),
    )
    given: dict[str, Any] = {"bs": 4, "num_workers": 0, "device": "cpu", **options}
    return block.dataloaders(pairs(n) if items is None else items, **given)


def picture(file: Path, colour: tuple[int, int, int] = (255, 0, 0), size: int = 8) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size, size), colour).save(file)
    return file


def pictures(root: Path, n: int = 4, labels: Sequence[str] = ("blue", "red")) -> Path:
    """``root/LABEL/0.png`` and on, no two alike."""
    for shade, label in enumerate(labels):
        for i in range(n):
            picture(root / label / f"{i}.png", (20 * i, 60 * shade, 255 - 20 * i))
    return root


def counted(monkeypatch: Any, cls: type[Any], name: str) -> list[Any]:
    """Write down the first argument of every call of a method."""
    calls: list[Any] = []
    method: Callable[..., Any] = getattr(cls, name)

    def recorded(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(args[0])
        return method(self, *args, **kwargs)

    monkeypatch.setattr(cls, name, recorded)
    return calls
