"""The audit: every check on the same evidence, and what they found, the worst first."""

from __future__ import annotations

import html
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from redstart.audit.duplicates import duplicates
from redstart.audit.evidence import Evidence
from redstart.audit.finding import SEVERITIES, Finding, Severity
from redstart.audit.giveaways import giveaways
from redstart.audit.groups import groups
from redstart.audit.labels import labels
from redstart.audit.shift import shift
from redstart.audit.size import size
from redstart.audit.times import times
from redstart.errors import ConfigError, DataError, problem
from redstart.show.card import Card
from redstart.show.drawing import Drawing
from redstart.show.figure import figure

__all__ = ["CHECKS", "AuditReport", "audit", "findings_of"]

log = logging.getLogger("redstart")

Check = Callable[[Evidence], list[Finding]]

CHECKS: dict[str, Check] = {
    "duplicates": duplicates,
    "groups": groups,
    "times": times,
    "giveaways": giveaways,
    "labels": labels,
    "shift": shift,
    "size": size,
}
"""By name; the order is that of findings of one severity."""

_DRAWN = 5  # pairs of a picture


@final
@dataclass(frozen=True, slots=True, eq=False)
class AuditReport:
    """What the audit found, the worst first; printed, it is a list of sentences.

    Attributes:
        findings: What a person should know.
        n_rows: Rows looked at.
        seconds: How long it took, beyond reading the rows.
        cards: Makes cards of rows, by row number.
        names: What people call a row.
    """

    findings: tuple[Finding, ...]
    n_rows: int
    seconds: float
    cards: Callable[[Sequence[int]], list[Card]] | None = field(default=None, repr=False)
    names: Callable[[int], str] = field(default=str, repr=False)

    @property
    def serious(self) -> tuple[Finding, ...]:
        """Findings that make figures on these rows misleading."""
        return self.of("serious")

    @property
    def ok(self) -> bool:
        """Whether nothing serious was found."""
        return not self.serious

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Findings of one severity."""
        return tuple(f for f in self.findings if f.severity == severity)

    def refuse_serious(self) -> None:
        """Make serious findings errors.

        Raises:
            DataError: If there are some.
        """
        if self.serious:
            raise DataError(
                problem(
                    "Expected data and a split without serious findings",
                    f"{len(self.serious)}: {' '.join(f.said for f in self.serious[:3])}"[:-1],
                    " ".join(f.mend for f in self.serious[:3]),
                )
            )

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def finding(self, check: str) -> Finding:
        """The worst finding of a check.

        Args:
            check: Its name, or the beginning of it.

        Raises:
            ConfigError: If there is none.
        """
        wanted = _plainly(check)
        for found in self.findings:
            if wanted in _plainly(found.check):
                return found
        raise ConfigError(
            problem(
                "Expected the name of a check that found something",
                f"check={check!r}",
                f"There are: {', '.join(dict.fromkeys(f.check for f in self.findings)) or 'none'}.",
            )
        )

    def show(self, check: str | None = None, *, max_n: int = _DRAWN) -> Drawing:
        """Draw rows that a finding is about; rows that belong together side by side.

        Args:
            check: Of which check; the worst finding with rows if left out.
            max_n: Pairs, or rows, to draw at most.

        Raises:
            ConfigError: If there is no such finding, or it is about no row.
        """
        about = [f for f in self.findings if f.rows or f.pairs]
        found = self.finding(check) if check is not None else about[0] if about else None
        if found is None or self.cards is None or not (found.rows or found.pairs):
            raise ConfigError(
                problem(
                    "Expected a finding about rows that can be drawn",
                    f"check={check!r}",
                    "Print the audit to see all findings.",
                )
            )
        if found.pairs:
            rows = [row for pair in found.pairs[:max_n] for row in pair]
            return figure(self.cards(rows), ncols=2, title=found.check)
        return figure(self.cards(found.rows[:max_n]), title=found.check)

    def lines(self, most: int | None = None, *, notes: bool = True) -> list[str]:
        """The findings as sentences, the worst first.

        Args:
            most: How many at most; all if ``None``.
            notes: Whether notes are among them.
        """
        shown = [f for f in self.findings if notes or f.severity != "note"]
        said = [str(f) for f in shown[:most]]
        if len(shown) > len(said):
            said.append(f"... and {len(shown) - len(said)} more: `dls.audit()` lists them.")
        return said

    def _head(self) -> str:
        counts = [f"{len(self.of(s))} {_plural(s, len(self.of(s)))}" for s in SEVERITIES]
        return f"Audit of {self.n_rows:,} rows in {self.seconds:.1f} s: {', '.join(counts)}."

    def __str__(self) -> str:
        return "\n".join([self._head(), *(f"- {line}" for line in self.lines())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        body = "".join(
            f"<li><b>{html.escape(f.severity)}</b>: {html.escape(f.said)} "
            f"<i>{html.escape(f.mend)}</i>{self._rows_html(f)}</li>"
            for f in self.findings
        )
        return f"<p>{html.escape(self._head())}</p><ul>{body}</ul>"

    def _rows_html(self, found: Finding) -> str:
        named = [" = ".join(map(self.names, pair)) for pair in found.pairs[:_DRAWN]]
        named = named or [self.names(row) for row in found.rows[:_DRAWN]]
        total = len(found.pairs) or len(found.rows)
        more = f" … {total} in all" if total > len(named) else ""
        text = html.escape("; ".join(named) + more)
        return f"<br><small>{text}</small>" if named else ""


def audit(evidence: Evidence) -> tuple[tuple[Finding, ...], float]:
    """Run every check.

    A check that fails says so and costs nobody a run: the others go on.

    Args:
        evidence: What is known about the rows.

    Returns:
        What was found, the worst first, and the seconds it took.
    """
    began = time.perf_counter()
    found = sorted(findings_of(evidence), key=lambda f: SEVERITIES.index(f.severity))
    return tuple(found), time.perf_counter() - began


def findings_of(evidence: Evidence) -> Iterator[Finding]:
    """Findings of one check after the other."""
    for name, check in CHECKS.items():
        try:
            yield from check(evidence)
        except Exception as error:
            log.warning("The check %r could not be made (%s).", name, _said(error), exc_info=True)
            yield Finding(
                check=name,
                severity="note",
                said=f"The check of {name} could not be made: {_said(error)}.",
                mend="Please report it with the traceback in the log.",
            )


def _plainly(name: str) -> str:
    """A name without what people write differently: give-aways are giveaways."""
    return name.lower().replace("-", "").replace(" ", "")


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split()):.200}"


def _plural(severity: Any, n: int) -> str:
    return severity if severity == "serious" or n == 1 else f"{severity}s"
