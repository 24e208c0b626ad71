"""Options of a loss that users give to a learner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from redstart.data.loaders import DataLoaders
from redstart.data.target import labels_at
from redstart.errors import ConfigError, problem
from redstart.targets.category import CategoryTarget

__all__ = ["with_loss_options"]


def with_loss_options(dls: DataLoaders, options: dict[str, Any]) -> DataLoaders:
    """Move ``label_smoothing`` and ``class_weights`` from a learner's options into the target.

    Args:
        dls: Loaders of labelled rows.
        options: The two are taken out of it.

    Raises:
        ConfigError: If the target is not a single label.
    """
    smoothing: float = options.pop("label_smoothing", 0.0)
    weights: Sequence[float] | Literal["balanced"] = options.pop("class_weights", ())
    if not smoothing and not weights:
        return dls
    target = dls.target
    if not isinstance(target, CategoryTarget):
        raise ConfigError(
            problem(
                "Expected a single-label target for `label_smoothing` and `class_weights`",
                f"target={target.kind!r}",
                "Leave them out, or pass your own `loss_func`.",
            )
        )
    raws = dls.source.raws
    assert raws is not None  # noqa: S101 - loaders of a learner have labels
    kept = weights if isinstance(weights, str) else tuple(weights)
    changed = replace(
        target,
        label_smoothing=smoothing or target.label_smoothing,
        class_weights=kept or target.class_weights,
    )
    return dls.with_target(changed.fit(labels_at(raws, dls.parts()["train"])))
