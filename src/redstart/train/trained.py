"""A model beside the rows it is measured on, and the verbs that look at it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from redstart.audit.audit import AuditReport
from redstart.bundle.bundle import Bundle
from redstart.config import JSON
from redstart.data.loaders import DataLoaders
from redstart.data.target import Prediction
from redstart.domain import ModelRecipe
from redstart.evaluate.baseline import Baseline
from redstart.evaluate.calibration import Calibration
from redstart.evaluate.compare import Comparison
from redstart.evaluate.curves import Reading
from redstart.evaluate.feedback import Feedback
from redstart.evaluate.rates import Rates
from redstart.evaluate.sliced import Slices
from redstart.metrics.metric import Interval
from redstart.report.record import Report, Section
from redstart.show.drawing import Drawing
from redstart.show.figure import figure
from redstart.train import measure, sealed
from redstart.train.baselines import baselines
from redstart.train.calibrate import Calibrated, calibrate, measured_calibration, sureness
from redstart.train.engine import Engine
from redstart.train.held import Held, held_rows
from redstart.train.label_issues import LabelIssues
from redstart.train.losses import loss_of
from redstart.train.predict import Predictions, collect, in_order, tta
from redstart.train.reading import read_training
from redstart.train.recorder import Recorder
from redstart.train.reporting import compare_baselines, make_report
from redstart.train.slicing import feedback, rates, slices_of

__all__ = ["Trained"]


class Trained(ABC):
    """Loaders and a model, and what can be asked of them; ``Learner`` adds training."""

    dls: DataLoaders
    model: nn.Module
    loss_func: Any
    metrics: Any
    path: str | Path
    recipe: ModelRecipe | None
    pretrained_body: nn.Module | None
    folder: Path | None
    facts: dict[str, JSON]
    recorder: Recorder
    ledger: list[dict[str, JSON]]
    audited: AuditReport | None
    rivals: Sequence[Callable[[Any], Baseline]]
    chapters: Sequence[Callable[[Any, Predictions], Section | None]]
    held: Held | None = None
    _baselines: list[Baseline] | None = None

    @property
    @abstractmethod
    def engine(self) -> Engine:
        """Precision and placement."""

    def validate(self, dl: Any = None) -> list[float]:
        """Return the mean loss and every metric over the validation rows, or over ``dl``.

        The 95% intervals of the metrics are printed where somebody looks.
        """
        if dl is None:
            self.dls.require_valid()
        return measure.measure(self, self.dls.valid if dl is None else dl).values()

    def collect(self, dl: Any = None, *, with_loss: bool = True) -> Predictions:
        """Predict the validation rows, or those of ``dl``, next to their row numbers."""
        loader = measure.as_loader(self.dls, self.dls.valid if dl is None else dl)
        model = self.engine.place(self.model, loader.device)
        return collect(
            model,
            loader,
            loss_of(self.dls.target, self.loss_func) if with_loss else None,
            engine=self.engine,
        )

    def get_preds(
        self,
        ds_idx: int = 1,
        dl: Any = None,
        *,
        with_loss: bool = False,
        with_decoded: bool = False,
    ) -> tuple[Any, ...]:
        """Predict rows: ``(activations, targets)``, in the order of the loader.

        Args:
            ds_idx: 0 for the training rows, 1 for the validation rows.
            dl: A loader such as ``dls.test_dl(files)``, or a list of batches, instead.
            with_loss: Whether to return the loss of each row as well.
            with_decoded: Whether to return predictions in the user's terms as well.
        """
        rows = dl if dl is not None else self._part(ds_idx)
        return measure.get_preds(self, rows, with_loss=with_loss, with_decoded=with_decoded)

    def predict(
        self, item: Any, *, abstain: float | None = None, coverage: float | None = None
    ) -> Prediction[Any]:
        """Predict one item, as the exported bundle would: ``name, index, probs``.

        Args:
            item: What the codec reads.
            abstain: Answer only where so sure that at most this share of answers is wrong.
            coverage: Also say a set of labels, or an interval, that holds the truth in at
                least this share of cases.
        """
        if abstain is None and coverage is None:
            return self._bundle().predict(item)
        sure = self._bundle({"sureness": sureness(self, held_rows(self).found)})
        return sure.predict(item, abstain=abstain, coverage=coverage)

    def tta(
        self, ds_idx: int = 1, dl: Any = None, *, n: int = 4, beta: float = 0.25
    ) -> tuple[Tensor, Any]:
        """Average predictions over augmented versions of each row: ``(activations, targets)``.

        Args:
            ds_idx: 0 for the training rows, 1 for the validation rows.
            dl: Another loader instead.
            n: Augmented versions of each row.
            beta: Weight of the plain version, in [0, 1].
        """
        loader = measure.as_loader(self.dls, dl if dl is not None else self._part(ds_idx))
        found = tta(self.model, loader, self.dls.train, n=n, beta=beta, engine=self.engine)
        return found.acts, found.targets

    def show_results(
        self, max_n: int = 9, *, ds_idx: int = 1, figsize: tuple[float, float] | None = None
    ) -> Drawing:
        """Draw validation rows, chosen at random, with truth and prediction.

        Args:
            max_n: Rows to draw at most.
            ds_idx: 0 for training rows, 1 for validation rows.
            figsize: Width and height, in inches.
        """
        some = measure.some_rows(in_order(self._part(ds_idx)), max_n)
        found = self.collect(some)
        return figure(found.cards(range(len(found))), figsize=figsize)

    def test(self) -> dict[str, tuple[float, Interval | None]]:
        """Open the sealed test rows: every metric with its 95% interval.

        Each opening is written into the ledger, which travels in the bundle and is kept on
        this machine: opened again after the model has changed, the figure is optimistic, and
        says so.

        Raises:
            DataError: If the split has no test rows.
        """
        return sealed.open_rows(self)

    def baselines(self) -> list[Baseline]:
        """What the model has to beat, made and measured on the same validation rows.

        The constant answer; of pictures a linear model on colours and textures, and one on
        what the pretrained body makes of them; of tables boosted trees; of ratings biases
        and neighbours. They are made once.

        Raises:
            NoValidationSetError: If there are no validation rows.
        """
        self.dls.require_valid()
        if self._baselines is None:
            self._baselines = [*baselines(self), *(make(self) for make in self.rivals)]
        return self._baselines

    def comparison(self) -> Comparison | None:
        """The model beside its baselines: figures, paired differences, and what they say."""
        return compare_baselines(self, held_rows(self).found, self.baselines())

    def reading(self) -> list[Reading]:
        """Say in words what the curves of the last fit say: overfitting, a rate too high, ...

        Raises:
            DataError: If nothing was fitted.
        """
        return read_training(self, held_rows(self).found)

    def calibration(self) -> Calibration:
        """How far the probabilities can be taken at their word, on the validation rows.

        Raises:
            ConfigError: If the target is not of labels.
        """
        return measured_calibration(held_rows(self).found, self.dls.groups)

    def calibrate(self) -> Calibrated:
        """Fit the temperature of the probabilities on the validation rows; bundles carry it.

        No answer changes, only how sure each is. After more training calibrate again.
        """
        return calibrate(self, held_rows(self).found)

    def slices(self, by: Any = None) -> Slices:
        """Find the kinds of rows on which the model does worse than on the rest, beyond chance.

        Args:
            by: More columns, one value for each of ``dls.items``; or names of columns.
        """
        held = held_rows(self)
        return slices_of(self, held.found, held.vectors, by)

    def rates(self, by: Any, positive: Any, *, threshold: float | None = None) -> Rates:
        """Rates per group: who is selected, found, selected wrongly; with intervals.

        Args:
            by: The name of a column of the table, or one value for each of ``dls.items``.
            positive: The class that selects.
            threshold: Rows are selected from this probability on, in [0, 1].
        """
        return rates(self, by, positive, held_rows(self).found, threshold=threshold)

    def feedback(self, by: Any, positive: Any, *, threshold: float | None = None) -> Feedback:
        """Say what training data would become if only what the model selects got an outcome.

        Args:
            by: As for ``rates``.
            positive: The class that selects.
            threshold: As for ``rates``.
        """
        return feedback(self, by, positive, held_rows(self).found, threshold=threshold)

    def report(self, *, issues: LabelIssues | None = None) -> Report:
        """What is known of the model, for whoever is to rely on it.

        Printed, it is a few lines; ``report.save(folder)`` writes a page and a model card.

        Args:
            issues: What ``label_issues()`` found, to be told as well.

        Raises:
            NoValidationSetError: If there are no validation rows.
        """
        return make_report(self, issues=issues)

    def bundle(self) -> Bundle:
        """All that is needed to predict, with what is known about the model."""
        facts = {**measure.facts(self), "test_rows": sealed.sealed_rows(self.dls)}
        facts["known_rows"] = sealed.known_rows(self.dls)
        if self.dls.has_valid:
            facts["sureness"] = sureness(self, held_rows(self).found)
        return self._bundle(facts)

    def export(self, path: str | Path = "export.redstart") -> Path:
        """Write the model, preprocessing and labels as one file; open it with ``load_learner``.

        Args:
            path: Relative to the learner's ``path``.

        Raises:
            BundleError: If the name asks for a pickle, or the file cannot be written.
        """
        return self.bundle().save(Path(self.path) / measure.bundle_name(path))

    def _bundle(self, facts: Mapping[str, JSON] | None = None) -> Bundle:
        model = self.model.eval() if self.model.training else self.model
        return Bundle(self.dls.codec, self.dls.target, self.recipe, model, facts or {})

    def _part(self, ds_idx: int) -> Any:
        return self.dls.train if ds_idx == 0 else self.dls.valid
