"""Figures, predictions and facts of a learner; plain functions behind its methods."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from redstart.config import JSON
from redstart.data.loader import Loader, Loads
from redstart.data.loaders import DataLoaders
from redstart.data.stream import StreamLoader
from redstart.data.target import Target
from redstart.errors import BundleError, ConfigError, problem
from redstart.metrics.make import as_metric
from redstart.metrics.metric import Interval, Metric
from redstart.rng import generator
from redstart.train import loop
from redstart.train.callback import Callbacks
from redstart.train.callbacks.progress import print_intervals
from redstart.train.folder import now
from redstart.train.losses import loss_of
from redstart.train.predict import collect, in_order
from redstart.train.recorder import Recorder
from redstart.train.run import Run

if TYPE_CHECKING:
    from redstart.train.trained import Trained

__all__ = [
    "Figures",
    "as_loader",
    "bounds_of",
    "bundle_name",
    "facts",
    "get_preds",
    "measure",
    "measured_rows",
    "metrics_of",
    "some_rows",
]


@dataclass(frozen=True, slots=True)
class Figures:
    """Loss and metrics over some rows.

    Attributes:
        loss: Mean over rows.
        metrics: Value and 95% interval of each metric, by name.
        n_rows: Number of rows.
        n_groups: Groups of rows that the intervals count; 0 if they count rows.
    """

    loss: float
    metrics: dict[str, tuple[float, Interval | None]]
    n_rows: int
    n_groups: int = 0

    def values(self) -> list[float]:
        """Loss, then metrics."""
        return [self.loss, *(value for value, _ in self.metrics.values())]


def measure(learn: Trained, dl: Any, *, opened: bool = False) -> Figures:
    """Work out loss and metrics over the rows of ``dl``, without training."""
    loader = as_loader(learn.dls, dl, opened=opened)
    run = Run(
        model=learn.engine.place(learn.model, loader.device),
        dls=learn.dls,
        opt=torch.optim.SGD([torch.zeros(1)], lr=0.0),
        engine=learn.engine,
        loss_func=loss_of(learn.dls.target, learn.loss_func),
        metrics=metrics_of(learn.dls.target, learn.metrics),
        n_epoch=1,
    )
    recorder = Recorder()
    loop.validate(run, Callbacks([recorder]), loader)
    recorder.work_out_intervals(run)
    metrics = {m.name: (run.row[m.name], recorder.intervals[m.name]) for m in run.metrics}
    print_intervals([(k, *v) for k, v in metrics.items()], recorder.n_valid, recorder.n_groups)
    return Figures(run.row["valid_loss"], metrics, recorder.n_valid, recorder.n_groups)


def bounds_of(learn: Trained) -> Interval | None:
    """Least and greatest number that the model can say, if it is limited (``y_range``)."""
    ends = learn.recipe and learn.recipe.arguments.get("y_range")
    return (float(ends[0]), float(ends[1])) if ends else None


def measured_rows(model: nn.Module, loader: Any, metrics: Any = None) -> Figures:
    """Loss and metrics of a model that comes without a learner.

    Args:
        model: On the loader's device.
        loader: Labelled rows, in order.
        metrics: Their names, functions or objects; the target's own if there are none.
    """
    made = metrics_of(loader.target, metrics or None)
    found = collect(model, loader, loss_of(loader.target, None), metrics=made)
    loss = math.nan if found.losses is None else float(found.losses.double().mean())
    return Figures(loss, {m.name: (m.compute(), m.interval()) for m in made}, len(found))


def get_preds(learn: Trained, rows: Any, *, with_loss: bool, with_decoded: bool) -> tuple[Any, ...]:
    """Predict rows: activations and targets, with decoded predictions and losses if asked."""
    found = learn.collect(rows, with_loss=with_loss)
    parts: list[Any] = [found.acts, found.targets]
    parts += [[p.decoded for p in found.decoded()]] if with_decoded else []
    parts += [found.losses] if with_loss else []
    return tuple(parts)


def some_rows(loader: Any, most: int) -> Any:
    """A loader of a few rows, drawn by the loader's seed: in order, one class may come first."""
    order = torch.randperm(loader.n_rows, generator=generator(loader.seed))[:most]
    return loader.replace(dataset=loader.dataset.rows_at(order.tolist()))


def metrics_of(target: Target[Any, Any], metrics: Any) -> list[Metric]:
    """The user's metrics, ready to be updated, or the target's own if there are none."""
    if metrics is None:
        return list(target.metrics())
    listed = metrics if isinstance(metrics, list | tuple) else [metrics]
    return [as_metric(metric) for metric in listed]


def facts(learn: Trained) -> dict[str, JSON]:
    """What a bundle says about its model."""
    recorder = learn.recorder
    figures = {
        name: {"value": value, "interval": recorder.intervals.get(name)}
        for name, value in (recorder.rows[-1] if recorder.rows else {}).items()
        if name != "time"
    }
    return {
        **learn.facts,
        "created": now(),
        "metrics": figures,
        "validation_rows": recorder.n_valid,
        "validation_groups": recorder.n_groups,
        "training_rows": learn.dls.train.n_rows,
        "seed": learn.dls.seed,
        "digests": learn.dls.digests(),
        "split_by": learn.dls.split_by,
        "data": dict(learn.dls.made),
        "test_openings": learn.ledger,
    }


def bundle_name(path: str | Path) -> Path:
    """Refuse the name of a pickle for a bundle."""
    path = Path(path)
    if path.suffix in {".pkl", ".pickle", ".pth", ".pt"}:
        raise BundleError(
            problem(
                "Expected a name for a bundle, which is no pickle",
                f"path={str(path)!r}",
                f"Write `learn.export({str(path.with_suffix('.redstart'))!r})`.",
            )
        )
    return path


def as_loader(dls: DataLoaders, dl: Any, *, opened: bool = False) -> Any:
    """Take a loader, or a plain list of ``(x, y)`` batches, in order and without augmentation.

    Args:
        dls: The learner's loaders.
        dl: What is to be read.
        opened: Whether sealed test rows may be among them.

    Raises:
        ConfigError: If sealed test rows are among them.
    """
    if not isinstance(dl, Loads):
        return StreamLoader(dl, dls.device, dls.seed)
    if not opened and (inside := _sealed_rows(dls, dl)):
        raise ConfigError(
            problem(
                "Expected rows that may be looked at: test rows are sealed until `learn.test()`, "
                "which writes down that it opened them",
                f"{inside} test rows in `dl`",
                "Look at the validation rows, by leaving `dl` out.",
            )
        )
    return in_order(dl)


def _sealed_rows(dls: DataLoaders, dl: Any) -> int:
    """How many rows of ``dl`` are sealed test rows."""
    if not (isinstance(dl, Loader) and isinstance(dls.sealed, Loader)):
        return dl.n_rows if dl is dls.sealed else 0
    if dl.source is not dls.source:
        return 0
    return int(torch.isin(dl.dataset.index, dls.sealed.dataset.index).sum())
