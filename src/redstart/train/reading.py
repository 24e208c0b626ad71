"""What a learner's last fit says in words: gathers the curves and reads them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redstart.data.loader import Loader
from redstart.data.stream import StreamLoader
from redstart.errors import DataError, problem
from redstart.evaluate.curves import Curves, Reading, read_curves
from redstart.train.baselines import best_constant
from redstart.train.losses import loss_of
from redstart.train.measure import metrics_of, some_rows
from redstart.train.predict import Predictions, collect, in_order
from redstart.train.recorder import Recorder

if TYPE_CHECKING:
    from redstart.train.trained import Trained

__all__ = ["curves_of", "read_training"]

_LEAST, _MOST = 200, 1000
"""Training rows that are predicted, to see how the model does on rows that it has seen: as many
as there are validation rows, within these."""


def read_training(learn: Trained, valid: Predictions | None = None) -> list[Reading]:
    """Say in words what the curves of the last fit say: overfitting, a rate too high, ...

    The model as it is now predicts some training rows, in evaluation mode and without
    augmentation, and the validation rows.

    Args:
        learn: It has been fitted.
        valid: What ``learn.collect()`` returned, where that was done already.

    Returns:
        The readings, the most important first.

    Raises:
        DataError: If nothing was fitted.
    """
    return read_curves(curves_of(learn, valid))


def curves_of(learn: Trained, valid: Predictions | None = None) -> Curves:
    """Gather the curves of the last fit; see ``read_training``."""
    recorder = learn.recorder
    if not recorder.losses:
        raise DataError(
            problem(
                "Expected a learner that was fitted",
                "no losses in its recorder",
                "Fit it first, for example `learn.fit_one_cycle(3)`.",
            )
        )
    shown = _last_course(recorder)
    valid_losses = [row["valid_loss"] for row in _rows(shown) if "valid_loss" in row]
    if not all(map(math.isfinite, recorder.losses)):
        return Curves(losses=shown.losses, lrs=shown.lrs, ends=shown.ends, valid=valid_losses)
    held = learn.collect() if valid is None else valid
    seen = _seen(learn, shown, min(_MOST, max(_LEAST, len(held))))
    return Curves(
        losses=shown.losses,
        lrs=shown.lrs,
        ends=shown.ends,
        valid=valid_losses,
        train_rows=_numpy(seen.losses),
        valid_rows=_numpy(held.losses),
        constant_train=_constant(learn, seen),
        constant_valid=_constant(learn, held),
        **_metric(learn, shown),
    )


def _last_course(recorder: Recorder) -> Recorder:
    """The recorder whose batches made the model: the frozen phase's if its weights were kept."""
    kept_first = len(recorder.rows) > len(recorder.ends)
    return recorder.before if kept_first and recorder.before is not None else recorder


def _seen(learn: Trained, shown: Recorder, most: int) -> Predictions:
    """Predictions of some training rows, as for validation."""
    loss = loss_of(learn.dls.target, learn.loss_func)
    if shown.rest is not None and shown.features is not None:
        # The frozen body ran over all rows already.
        device = learn.dls.device
        rows = some_rows(in_order(shown.features.train.replace(device=device)), most)
        model = learn.engine.place(shown.rest, device)
        return collect(model, rows.replace(shuffle=False), loss, engine=learn.engine)
    return learn.collect(_some_training_rows(learn, most))


def _some_training_rows(learn: Trained, most: int) -> Any:
    train = learn.dls.train
    if isinstance(train, Loader):
        return some_rows(in_order(train), most)
    some, n = [], 0
    for batch in train.batches(epoch=0):
        some.append(batch)
        n += len(batch)
        if n >= most:
            break
    return StreamLoader(some, train.device, train.seed)


def _constant(learn: Trained, rows: Predictions) -> NDArray[np.floating]:
    """Loss of each row under the best constant answer; empty where there is none."""
    out = best_constant(learn.dls)
    if out is None or rows.y is None:
        return np.empty(0)
    loss = loss_of(learn.dls.target, learn.loss_func)
    with torch.no_grad():
        try:
            found = loss(out.expand(len(rows), -1), *rows.y, reduction="none")
        except (RuntimeError, TypeError, ValueError, IndexError):
            if learn.loss_func is None:
                raise
            return np.empty(0)  # a loss of the user's own that wants other outputs
    return _numpy(found) if found.shape == (len(rows),) else np.empty(0)


def _metric(learn: Trained, recorder: Recorder) -> dict[str, Any]:
    """The first metric, over the epochs."""
    metrics = metrics_of(learn.dls.target, learn.metrics)
    if not metrics:
        return {}
    metric = metrics[0]
    return {
        "metric": metric.name,
        "figures": [row[metric.name] for row in _rows(recorder) if metric.name in row],
        "larger_is_better": metric.larger_is_better,
        "interval": recorder.intervals.get(metric.name),
    }


def _rows(recorder: Recorder) -> list[dict[str, float]]:
    """Figures of all epochs, those of a frozen phase first."""
    before = [] if recorder.before is None else recorder.before.rows
    return [*before, *recorder.rows]


def _numpy(values: Tensor | None) -> NDArray[np.floating]:
    found: NDArray[np.floating] = np.empty(0)
    if values is not None:
        found = values.detach().float().cpu().numpy()
    return found
