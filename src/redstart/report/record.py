"""A report as a record: what it says, in blocks, before anything is drawn."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self, final

from redstart.config import JSON, Configured, from_config
from redstart.errors import DataError, problem
from redstart.report.blocks import (
    Block,
    Details,
    Fragment,
    Headline,
    Notice,
    Picture,
    Section,
    Table,
    Text,
)
from redstart.report.markdown import model_card
from redstart.report.page import report_fragment, report_page
from redstart.report.plain import plain

__all__ = [
    "Block",
    "Details",
    "Fragment",
    "Headline",
    "Notice",
    "Picture",
    "Report",
    "Section",
    "Table",
    "Text",
]

FORMAT = 1


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Configured):
    """What a model is, how good it is and what is wrong with it, for whoever is to use it.

    ``html()`` is a page, ``markdown()`` a model card, ``str()`` a few lines.

    Attributes:
        title: Heading of the page.
        summary: What the model is, in a sentence or two; code between backticks.
        headlines: Figures of the model beside its baseline, the most important first.
        worst: What a reader must know, the worst first.
        sections: All the rest.
        meta: Facts for machines: the head of the model card (``license``, ``tags``, ...).
        made: When and by what, such as ``2025-03-01 12:00, redstart 0.1.0``.
        reading: What the curves say, one sentence each; for ``str()``.
    """

    kind: ClassVar[str] = "report"
    title: str
    summary: str = ""
    headlines: Sequence[Headline] = ()
    worst: Sequence[Notice] = ()
    sections: Sequence[Section] = ()
    meta: Mapping[str, JSON] = field(default_factory=dict)
    made: str = ""
    reading: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("headlines", "worst", "sections", "reading"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def html(self) -> str:
        """The report as one page that needs no other file, no script and no network."""
        return report_page(self)

    def markdown(self) -> str:
        """The report as a model card: a head of YAML, then Markdown; without pictures."""
        return model_card(self)

    def to_json(self) -> str:
        """The record as JSON; ``from_json`` is its inverse."""
        return json.dumps({"format": FORMAT, **_finite(self.to_config())}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote.

        Args:
            text: JSON.

        Raises:
            DataError: If it is something else, or was written by a newer version.
        """
        try:
            found = json.loads(text, object_hook=_restored)
            written = found.pop("format", None)
        except (ValueError, AttributeError, TypeError) as error:
            raise DataError(
                problem("Expected a report as JSON", f"{text[:40]!r}", "Give report.json.")
            ) from error
        if written != FORMAT or found.get("kind") != cls.kind:
            raise DataError(
                problem(
                    f"Expected a report of format {FORMAT}",
                    f"format={written!r}, kind={found.get('kind')!r}",
                    "Upgrade redstart, or write the report again.",
                )
            )
        meta = found.pop("meta", {})
        try:
            made = from_config(found, _KINDS)
        except TypeError as error:
            raise DataError(
                problem("Expected a report as JSON", f"{error}", "Write the report again.")
            ) from error
        return cls(**{name: getattr(made, name) for name in _FIELDS}, meta=meta)

    def save(self, folder: str | Path) -> dict[str, Path]:
        """Write ``report.html``, ``model_card.md`` and ``report.json``.

        Args:
            folder: Made where there is none.

        Returns:
            The files, by ``"html"``, ``"markdown"`` and ``"json"``.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        texts = {
            "html": ("report.html", self.html()),
            "markdown": ("model_card.md", self.markdown()),
            "json": ("report.json", self.to_json()),
        }
        files = {}
        for what, (name, text) in texts.items():
            files[what] = folder / name
            files[what].write_text(text, encoding="utf-8")
        return files

    def _repr_html_(self) -> str:
        return report_fragment(self)

    def __str__(self) -> str:
        return plain(self)

    def __repr__(self) -> str:
        return f"Report({self.title!r}, {len(self.sections)} sections)"


_KINDS: dict[str, type[Any]] = {
    made.kind: made
    for made in (Text, Table, Picture, Notice, Fragment, Details, Section, Headline, Report)
}
_FIELDS = ("title", "summary", "headlines", "worst", "sections", "made", "reading")


def _finite(value: JSON) -> JSON:
    """Write numbers that JSON has no word for so that ``_restored`` reads them."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return value


def _restored(found: dict[str, JSON]) -> JSON:
    return float(found["float"]) if found.keys() == {"float"} else found
