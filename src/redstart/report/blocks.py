"""What a report is made of: text, tables, pictures, notices, figures beside a baseline."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

from redstart.audit.finding import SEVERITIES, Severity
from redstart.config import JSON, Configured
from redstart.errors import ConfigError, problem
from redstart.metrics.metric import Interval
from redstart.show.digits import places

__all__ = [
    "Block",
    "Details",
    "Fragment",
    "Headline",
    "Notice",
    "Picture",
    "Section",
    "Table",
    "Text",
]


@final
@dataclass(frozen=True, slots=True)
class Text(Configured):
    """Paragraphs, parted by empty lines. What stands between backticks is code."""

    kind: ClassVar[str] = "text"
    text: str


@final
@dataclass(frozen=True, slots=True)
class Table(Configured):
    """Cells below headers.

    Attributes:
        headers: One per column.
        rows: One value per column: text, numbers, or ``None`` for nothing.
        caption: What the table shows.
    """

    kind: ClassVar[str] = "table"
    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", tuple(map(str, self.headers)))
        object.__setattr__(self, "rows", tuple(tuple(map(_cell, row)) for row in self.rows))
        if wrong := [len(row) for row in self.rows if len(row) != len(self.headers)]:
            raise ConfigError(
                problem(
                    f"Expected {len(self.headers)} cells in every row",
                    f"a row of {wrong[0]}",
                    "Give one value for each header; None for nothing.",
                )
            )


@final
@dataclass(frozen=True, slots=True)
class Picture(Configured):
    """A picture that is inside the page.

    Attributes:
        html: An ``<img>`` or ``<svg>`` that needs no other file, such as ``Drawing.html()``;
            taken as it is.
        alt: What it shows, for those who do not see it and where pictures are left out.
        caption: A line below it.
    """

    kind: ClassVar[str] = "picture"
    html: str
    alt: str
    caption: str = ""


@final
@dataclass(frozen=True, slots=True)
class Notice(Configured):
    """Something that a reader must see.

    Attributes:
        severity: ``"serious"``, ``"warning"`` or ``"note"``.
        text: What it is; code between backticks.
        mend: What to do about it.
    """

    kind: ClassVar[str] = "notice"
    severity: Severity
    text: str
    mend: str = ""

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ConfigError(
                problem(
                    f"Expected one of {', '.join(SEVERITIES)}",
                    f"severity={self.severity!r}",
                    "Choose one of them.",
                )
            )


@final
@dataclass(frozen=True, slots=True)
class Fragment(Configured):
    """HTML of our own making, taken as it is: cards, for instance.

    Attributes:
        html: Escaped by whoever made it; needs no other file.
        text: What it shows, where there is no HTML.
    """

    kind: ClassVar[str] = "fragment"
    html: str
    text: str = ""


@final
@dataclass(frozen=True, slots=True)
class Details(Configured):
    """Blocks that are closed at first, and opened on paper."""

    kind: ClassVar[str] = "details"
    summary: str
    blocks: Sequence[Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", tuple(self.blocks))


Block = Text | Table | Picture | Notice | Fragment | Details


@final
@dataclass(frozen=True, slots=True, init=False)
class Section(Configured):
    """A heading and blocks: ``Section("Data", Text("..."), Table(...))``."""

    kind: ClassVar[str] = "section"
    heading: str
    blocks: Sequence[Any]

    def __init__(self, heading: str, *parts: Block, blocks: Iterable[Block] = ()) -> None:
        object.__setattr__(self, "heading", heading)
        object.__setattr__(self, "blocks", (*parts, *blocks))


@final
@dataclass(frozen=True, slots=True)
class Headline(Configured):
    """One figure of the model beside that of its baseline.

    Attributes:
        name: Of the figure.
        value: The model's.
        interval: Its 95% interval; ``None`` where there is none to give.
        baseline: What stands beside it; ``None`` if nothing does.
        baseline_interval: Its 95% interval.
        baseline_name: What the baseline is.
        higher_is_better: Which way is better.
        note: In words: what it means, or whether the two can be told apart.
    """

    kind: ClassVar[str] = "headline"
    name: str
    value: float
    interval: Interval | None = None
    baseline: float | None = None
    baseline_interval: Interval | None = None
    baseline_name: str = "baseline"
    higher_is_better: bool = True
    note: str = ""

    def __post_init__(self) -> None:
        for name in ("interval", "baseline_interval"):
            ends = getattr(self, name)
            if ends is not None:
                object.__setattr__(self, name, (float(ends[0]), float(ends[1])))

    @property
    def said(self) -> str:
        """The model's figure with its interval."""
        return _figure(self.value, self.interval)

    @property
    def beside(self) -> str:
        """The baseline's figure with its interval; empty if there is none."""
        if self.baseline is None:
            return ""
        return _figure(self.baseline, self.baseline_interval)

    @property
    def beaten(self) -> bool | None:
        """Whether the model is the better of the two; ``None`` if nothing stands beside it."""
        if self.baseline is None or math.isnan(self.value) or math.isnan(self.baseline):
            return None
        better = self.value > self.baseline
        return better if self.higher_is_better else self.value < self.baseline


def _figure(value: float, interval: Interval | None) -> str:
    said = places([value, *(interval or ())])
    return said[0] if interval is None else f"{said[0]} [{said[1]}, {said[2]}]"


def _cell(value: Any) -> JSON:
    """A cell as JSON has it: numbers of NumPy's as Python's, all else as text."""
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)
