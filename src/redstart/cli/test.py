"""``redstart test``: open the sealed test rows for an exported model, and write that down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from redstart.console import Device, figure
from redstart.errors import BundleError, ConfigError, DataError, problem

if TYPE_CHECKING:
    from redstart.bundle.bundle import Bundle
    from redstart.data.loader import Loader
    from redstart.domain import Domain

__all__ = ["test"]

_LOSSES = {"train_loss", "valid_loss"}
_BY_CHANCE = 0.2  # of the rows of a table of few, coarse columns may be equal


def test(
    bundle: Annotated[Path, typer.Argument(help="What `learn.export` or `redstart train` wrote.")],
    data: Annotated[
        Path | None,
        typer.Argument(
            help="Labelled rows it has not seen: a folder of pictures per label, or a table. "
            "If left out, the rows that were sealed when it was trained."
        ),
    ] = None,
    device: Device = None,
) -> None:
    """Measure a model once, on rows that nothing was chosen by, and write that into the bundle.

    Opened again after the model has changed, the figure is optimistic, and says so.
    """
    from redstart.bundle.bundle import load_learner
    from redstart.data.contents import contents_of, row_hashes
    from redstart.domain import find_domain
    from redstart.train.measure import measured_rows
    from redstart.train.sealed import entry_of, write_down

    opened = load_learner(bundle, device=device)
    if opened.recipe is None:
        raise BundleError(
            problem(
                "Expected a bundle whose model can be built by name",
                f"{bundle} holds a module of the user's own",
                "Call `learn.test()` in Python.",
            )
        )
    domain = find_domain(opened.recipe.domain)
    loader = _sealed(opened, domain, bundle) if data is None else _given(opened, domain, data)
    contents = contents_of(loader.source, loader.dataset.rows)
    if data is None:
        _require_the_same(opened, contents, loader.n_rows)
    found = measured_rows(opened.model, loader, _metric_names(opened.facts))
    if lost := set(opened.facts.get("metrics", {})) - set(found.metrics) - _LOSSES:
        print(f"not measured here: {', '.join(sorted(lost))}; see `learn.test()` in Python")
    for name, (value, interval) in found.metrics.items():
        print(figure(name, value, interval, f"{found.n_rows} test rows"))
    entry = entry_of(found, contents, opened.model)
    facts: dict[str, Any] = dict(opened.facts)
    rows = row_hashes(loader.source, loader.dataset.rows)
    facts["test_openings"] = write_down(entry, list(facts.get("test_openings", [])), rows)
    known = set(facts.get("known_rows", ()))
    seen = sum(row in known for row in rows)
    if data is not None and seen > _BY_CHANCE * len(rows):
        entry["verdict"] = (
            f"{seen} of these {len(rows)} rows are ones that the model learnt from or was chosen "
            "by: this figure measures memory, and is no test. Leave them out."
        )
    replace(opened, facts=facts).save(bundle)
    print(entry["verdict"])
    print(f"written down in {bundle}")


def _sealed(bundle: Bundle, domain: Domain, path: Path) -> Loader:
    """The rows that were sealed when the model was trained, read as it reads them."""
    data = bundle.facts.get("data", {})
    fix = f"Name the rows: `redstart test {path} DATA`; or call `learn.test()` in Python."
    if not bundle.facts.get("test_rows"):
        raise DataError(
            problem(
                "Expected a model with rows that were sealed when it was trained",
                f"{path} says of none",
                f"Seal some before training, with --test-pct or a `test` folder. {fix}",
            )
        )
    if domain.reload is None or "options" not in data:
        raise DataError(
            problem(
                "Expected a bundle that says how its rows were read, as `redstart train` writes it",
                f"{path} was exported in Python",
                fix,
            )
        )
    dls = domain.reload(data)
    if dls.sealed is None:
        raise DataError(
            problem("Expected the test rows where they were", f"none in {data['path']}", fix)
        )
    return _as_the_model_reads(bundle, dls.sealed.source, dls.sealed.dataset.rows)


def _given(bundle: Bundle, domain: Domain, data: Path) -> Loader:
    if domain.labelled is None:
        raise ConfigError(
            problem(
                "Expected a kind of data whose labels can be read from files",
                f"domain={domain.name!r}",
                "Call `learn.test()` in Python.",
            )
        )
    source = domain.labelled(bundle.facts.get("data", {}), data)
    if not len(source.items):
        raise DataError(problem("Expected labelled rows", f"none in {data}", "Check the path."))
    return _as_the_model_reads(bundle, source, range(len(source.items)))


def _as_the_model_reads(bundle: Bundle, source: Any, rows: Any) -> Loader:
    from redstart.data.loader import Loader, default_workers
    from redstart.data.table_dataset import dataset_of

    data = dataset_of(source, rows, bundle.codec, bundle.target, bundle.device)
    return Loader(data, bs=64, num_workers=default_workers(), device=bundle.device)


def _require_the_same(bundle: Bundle, contents: str, n_rows: int) -> None:
    """Refuse rows that are not those that were sealed.

    Raises:
        DataError: If they differ in number or content.
    """
    said = bundle.facts["test_rows"]
    if said["sha256"] != contents:
        raise DataError(
            problem(
                f"Expected the {said['rows']} test rows that were sealed at training",
                f"{n_rows} rows with other contents (sha256 {contents[:12]} for "
                f"{said['sha256'][:12]})",
                "Files or labels were changed, added or removed since: restore them, or name "
                "other rows that the model has not seen.",
            )
        )


def _metric_names(facts: Mapping[str, Any]) -> list[str]:
    """Metrics that the bundle reports and that can be made again by name."""
    from redstart.metrics.make import known_names

    known = set(known_names())
    return [name for name in facts.get("metrics", {}) if name in known]
