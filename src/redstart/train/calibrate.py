"""Probabilities that mean what they say, and how sure a model may be: plain functions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

from torch import Tensor

from redstart.bundle.bundle import Bundle
from redstart.bundle.sure import KINDS, Sureness
from redstart.config import JSON
from redstart.errors import ConfigError, problem
from redstart.evaluate.calibration import Calibration, calibration
from redstart.evaluate.temperature import cross_fitted, fit_temperature, helps
from redstart.show.drawing import Drawing
from redstart.targets.category import CategoryTarget
from redstart.targets.multicategory import MultiCategoryTarget
from redstart.train.measure import bounds_of
from redstart.train.predict import Predictions

if TYPE_CHECKING:
    from redstart.train.trained import Trained

__all__ = ["Calibrated", "calibrate", "measured_calibration", "sure_bundle", "sureness"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What a temperature does to the probabilities of a model.

    Attributes:
        temperature: By which scores are divided now; above 1 says less than the model did.
        before: As probabilities were.
        after: As they are, measured on rows in turn that had no part in the temperature;
            ``before`` where that was not surely better, and the temperature was left alone.
    """

    temperature: float
    before: Calibration
    after: Calibration

    @property
    def changed(self) -> bool:
        """Whether the temperature was changed."""
        return self.after is not self.before

    def plot(self, **options: Any) -> Drawing:
        """Draw the reliability diagram of the probabilities as they are."""
        return self.after.plot(**options)

    def __str__(self) -> str:
        a, b = self.before, self.after
        if not self.changed:
            return f"Temperature {self.temperature:.3g} as before: no other is surely better. {a}"
        low, high = b.ece_interval
        return (
            f"Temperature {self.temperature:.3g}: calibration error {a.ece:.3g} before, "
            f"{b.ece:.3g} [{low:.3g}, {high:.3g}] after; log loss {a.log_loss:.4g} before, "
            f"{b.log_loss:.4g} after, on rows that had no part in it. {b.band}"
        )


def measured_calibration(found: Predictions, groups: Tensor | None = None) -> Calibration:
    """How far the probabilities of predictions can be taken at their word.

    Args:
        found: Of labelled rows that the model did not train on.
        groups: Of every row of the source, as ``dls.groups`` has them.

    Raises:
        ConfigError: If they are not of labels.
    """
    _labels_of(found)
    rows = _groups_of(found, groups)
    return calibration(found.acts.numpy(), _true(found), None if rows is None else rows.numpy())


def calibrate(learn: Trained, found: Predictions | None = None) -> Calibrated:
    """Fit the temperature on the validation rows, and let the learner's target have it.

    No answer changes, and neither does the loss or what training does. Bundles carry it.
    After more training it is another one: calibrate last, or again. Where the log loss falls
    by less than its standard error nothing is changed.

    Args:
        learn: Its loaders are replaced by the same with another target.
        found: Its predictions of the validation rows; made if left out.

    Raises:
        NoValidationSetError: If there are no validation rows.
        ConfigError: If the target is not one label or several.
    """
    learn.dls.require_valid()
    found = learn.collect(with_loss=False) if found is None else found
    target = _labels_of(found)
    probs, y = found.acts.numpy(), _true(found)
    rows = _groups_of(found, learn.dls.groups)
    groups = None if rows is None else rows.numpy()
    before = calibration(probs, y, groups)
    crossed, factor = cross_fitted(probs, y), fit_temperature(probs, y)
    if not helps(probs, crossed, y):
        return Calibrated(temperature=target.temperature, before=before, after=before)
    # What was fitted comes on top of what the probabilities were made with.
    after = calibration(crossed, y, groups)
    target = replace(target, temperature=target.temperature * factor)
    learn.dls = learn.dls.with_target(target)
    return Calibrated(temperature=target.temperature, before=before, after=after)


def sureness(learn: Trained, found: Predictions | None = None) -> dict[str, JSON]:
    """What a bundle needs for ``predict(..., abstain=..., coverage=...)``, as plain values.

    Args:
        learn: A trained learner.
        found: Its predictions of the validation rows; made if left out.

    Returns:
        For the fact ``sureness``; empty where there are no validation rows, or the target is
        of a kind that has no use for it.
    """
    if not learn.dls.has_valid or learn.dls.target.kind not in KINDS:
        return {}
    if found is None:
        found = learn.collect(with_loss=False)
    if found.y is None:
        return {}
    groups = _groups_of(found, learn.dls.groups)
    made = Sureness.of(
        learn.dls.target, found.acts, found.y[0], bounds=bounds_of(learn), groups=groups
    )
    return made.to_json()


def sure_bundle(learn: Trained) -> Bundle:
    """A bundle of the learner as it is, which knows how sure it may be.

    It predicts all validation rows: for many items make it once.

    Raises:
        NoValidationSetError: If there are no validation rows.
    """
    learn.dls.require_valid()
    facts = {"sureness": sureness(learn)}
    return Bundle(learn.dls.codec, learn.dls.target, learn.recipe, learn.model.eval(), facts)


def _labels_of(found: Predictions) -> CategoryTarget | MultiCategoryTarget:
    target = found.loader.target
    if isinstance(target, CategoryTarget | MultiCategoryTarget) and found.y is not None:
        return target
    raise ConfigError(
        problem(
            "Expected probabilities of labels, and rows that have them, to calibrate",
            f"target={target.kind!r}" if found.y is not None else "rows without labels",
            "For numbers ask for intervals: `predict(item, coverage=0.9)`.",
        )
    )


def _groups_of(found: Predictions, groups: Tensor | None) -> Tensor | None:
    """Groups of the rows, where there are any."""
    return None if groups is None else groups[found.index]


def _true(found: Predictions) -> Any:
    assert found.y is not None  # noqa: S101 - `_labels_of` has looked
    return found.y[0].numpy()
