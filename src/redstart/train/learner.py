"""The object users hold: loaders, a model, and the verbs of training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from torch import nn

from redstart.audit.audit import AuditReport
from redstart.config import JSON
from redstart.data.loaders import DataLoaders
from redstart.domain import ModelRecipe
from redstart.evaluate.baseline import Baseline
from redstart.evaluate.label_issues import Method
from redstart.report.record import Section
from redstart.show.drawing import display
from redstart.show.progress import quietly
from redstart.train import finetune, fitting, lrfind, weights
from redstart.train.callback import as_callbacks
from redstart.train.embedded import audit_with_body
from redstart.train.engine import Engine
from redstart.train.folder import new_folder
from redstart.train.label_issues import LabelIssues, label_issues
from redstart.train.optim import ParamSplitter, Rate, freeze_to, one_group
from redstart.train.outoffold import OutOfFoldSource
from redstart.train.predict import Predictions
from redstart.train.recorder import Recorder
from redstart.train.schedule import FlatCos, OneCycle, Schedule
from redstart.train.summary import model_summary
from redstart.train.trained import Trained

__all__ = ["Learner"]

log = logging.getLogger("redstart")


@dataclass(eq=False, repr=False)
class Learner(Trained):
    """Loaders and a model, and what can be done with them; a domain may add verbs to it.

    Attributes:
        dls: The loaders. Rows that cannot be read leave them before training.
        model: Any module; called ``model(*batch.x)``.
        loss_func: Replaces the target's own loss, for the optimizer: ``(out, *y) -> scalar``.
        opt_func: Name of an optimizer in ``torch.optim``, its class, or ``(params, lr=...)``.
        lr: Rate of fits that name none.
        splitter: Splits the parameters into groups, first layers first.
        cbs: Callbacks of every fit.
        metrics: For people: names, functions or objects; the target's own if left out.
        path: Where relative paths lead: run folders, saved weights, bundles.
        wd: Weight decay; norms and biases have none.
        moms: Momentum (first beta) of one-cycle fits: at the start, the top and the end.
        precision: ``"float32"``, ``"bf16"``, ``"fp16"``; ``"auto"`` is bf16 where it is faster.
        channels_last: Whether convolutions see NHWC memory.
        compiled: Whether to train through ``torch.compile``.
        recipe: How to build ``model`` again; without it a bundle needs the module.
        pretrained_body: The part that came trained; ``fine_tune`` freezes it at first.
        keep_norm: Whether batch norm statistics of that part stay as they are.
        folder: Where runs are written; a new one in ``path/runs`` if left out.
        facts: Written into the bundle beside metrics, versions and hashes.
        recorder: What the last fit did.
        ledger: Openings of the sealed test rows.
        audited: What the audit found before training.
        rivals: Make baselines besides those of every kind of data: ``(learn) -> Baseline``.
        chapters: Write more chapters of its reports: ``(learn, predictions) -> Section``.
    """

    dls: DataLoaders
    model: nn.Module
    loss_func: Any = None
    opt_func: Any = "adamw"
    lr: Rate = 1e-3
    splitter: ParamSplitter = one_group
    cbs: Any = None
    metrics: Any = None
    path: str | Path = "."
    wd: float = 0.01
    moms: tuple[float, float, float] = (0.95, 0.85, 0.95)
    precision: str | Engine = "auto"
    channels_last: bool = False
    compiled: bool = False
    recipe: ModelRecipe | None = None
    pretrained_body: nn.Module | None = None
    keep_norm: bool = False
    folder: Path | None = None
    rivals: Sequence[Callable[[Any], Baseline]] = ()
    chapters: Sequence[Callable[[Any, Predictions], Section | None]] = ()
    facts: dict[str, JSON] = field(default_factory=dict)
    recorder: Recorder = field(default_factory=Recorder, init=False)
    ledger: list[dict[str, JSON]] = field(default_factory=list, init=False)
    audited: AuditReport | None = field(default=None, init=False)
    checked: bool = field(default=False, init=False)
    _engine: Engine | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.path = Path(self.path)
        self.cbs = as_callbacks(self.cbs)
        self.model.to(self.dls.device)

    @property
    def engine(self) -> Engine:
        """Precision and placement; chosen on first use."""
        if self._engine is None:
            self._engine = fitting.choose_engine(self)
        return self._engine

    def check(self, *, strict: bool = False) -> DataLoaders:
        """Read every row once, set the unreadable aside, audit the split, and say the worst.

        ``fit`` does so by itself, once; what has not changed is not looked at again.

        Args:
            strict: Whether serious findings of the audit are errors.

        Raises:
            DataError: If they are and there are some, or no readable row is left in a part.
        """
        return fitting.check_once(self, strict=strict)

    def fit(
        self,
        n_epoch: int,
        lr: Rate | None = None,
        *,
        wd: float | None = None,
        cbs: Any = None,
        schedules: Mapping[str, Schedule] | None = None,
    ) -> Recorder:
        """Train for some epochs.

        Args:
            n_epoch: Passes over the training rows.
            lr: Learning rate, or ``slice(first, last)`` spread over the parameter groups.
            wd: Weight decay.
            cbs: More callbacks for this fit.
            schedules: Hyper-parameters as functions of progress, by name: ``lr``,
                ``momentum``, ``wd``; a constant rate if left out.

        Returns:
            The recorder, with losses, figures and intervals.

        Raises:
            NoValidationSetError: If there are no validation rows.
            NonFiniteLossError: If the loss stops being a number.
        """
        plan = fitting.Plan(
            n_epoch=n_epoch,
            lr=lr or self.lr,
            wd=self.wd if wd is None else wd,
            cbs=as_callbacks(cbs),
            schedules=dict(schedules or {}),
        )
        return fitting.fit(self, plan)

    def fit_one_cycle(
        self,
        n_epoch: int,
        lr_max: Rate | None = None,
        div: float = 25.0,
        div_final: float = 1e5,
        pct_start: float = 0.25,
        moms: tuple[float, float, float] | None = None,
        **fit: Any,
    ) -> Recorder:
        """Train under the one-cycle schedule (Smith 2018).

        Args:
            n_epoch: Passes over the training rows.
            lr_max: Largest learning rate, or a slice over the parameter groups.
            div: The rate starts at ``lr_max / div``.
            div_final: It ends at ``lr_max / div_final``.
            pct_start: Share of the fit in which the rate rises, in (0, 1).
            moms: Momentum at the start, at the top and at the end.
            **fit: ``wd`` and ``cbs``, as for ``fit``.
        """
        rate = self.lr if lr_max is None else lr_max
        top = fitting.top_rate(rate)
        schedules = {
            "lr": OneCycle(top, pct_start, div, div_final),
            "momentum": fitting.momentum_cycle(moms or self.moms, pct_start),
        }
        return self.fit(n_epoch, rate, schedules=schedules, **fit)

    def fit_flat_cos(
        self,
        n_epoch: int,
        lr: Rate | None = None,
        *,
        div_final: float = 1e5,
        pct_start: float = 0.75,
        **fit: Any,
    ) -> Recorder:
        """Train at a constant rate, then let it fall along a cosine.

        Args:
            n_epoch: Passes over the training rows.
            lr: The rate at first, or a slice over the parameter groups.
            div_final: It ends at ``lr / div_final``.
            pct_start: Share of the fit at the constant rate, in [0, 1).
            **fit: As for ``fit``.
        """
        rate = self.lr if lr is None else lr
        schedules = {"lr": FlatCos(fitting.top_rate(rate), pct_start, div_final)}
        return self.fit(n_epoch, rate, schedules=schedules, **fit)

    def fine_tune(
        self, epochs: int, base_lr: float = 2e-3, *, freeze_epochs: int = 1, **fit: Any
    ) -> Recorder:
        """Train the head on the frozen body, then everything at smaller rates.

        While the body is frozen it runs once per row; the head trains on what it made.
        The second phase keeps its result only if it is no worse than the first's.
        A model with no pretrained part trains as a whole from the start.

        Args:
            epochs: Epochs of the second phase.
            base_lr: Rate of the head in the first phase; half of it tops the second.
            freeze_epochs: Epochs of the first phase.
            **fit: ``wd`` and ``cbs``, as for ``fit``.
        """
        return finetune.fine_tune(self, epochs, base_lr, freeze_epochs, **fit)

    def freeze_to(self, n: int) -> None:
        """Freeze the first ``n`` parameter groups; a negative number counts from the end."""
        freeze_to(self.model, self.splitter, n)

    def freeze(self) -> None:
        """Leave only the last parameter group, the head, to train."""
        self.freeze_to(-1)

    def unfreeze(self) -> None:
        """Leave everything to train."""
        self.freeze_to(0)

    def lr_find(
        self,
        start_lr: float = 1e-7,
        end_lr: float = 10.0,
        num_it: int = 100,
        *,
        stop_div: bool = True,
        show_plot: bool = True,
        suggest_funcs: Sequence[lrfind.SuggestFunc] = (lrfind.valley,),
    ) -> lrfind.LRSuggestions:
        """Try rising learning rates for a few batches; the weights are as before afterwards.

        Args:
            start_lr: First rate.
            end_lr: Last rate.
            num_it: Batches to try.
            stop_div: Whether to stop when the loss explodes.
            show_plot: Whether to show the curve, in a notebook.
            suggest_funcs: Make the suggestions: ``valley``, ``slide``, ``minimum``, ``steep``.
        """
        test = lrfind.RangeTest(start_lr, end_lr, num_it, stop_div)
        fitting.range_test(self, test)
        found = lrfind.suggest(test, suggest_funcs)
        if show_plot:
            display(found.plot())
        return found

    def summary(self) -> str:
        """List the layers with their outputs and parameters, and what trains."""
        return model_summary(self.model, self.dls, self.opt_func, self.loss_func)

    def audit(self) -> AuditReport:
        """Audit rows and split as ``dls.audit`` does, and by what a pretrained body makes of rows.

        Raises:
            ConfigError: If the loaders hold plain batches.
        """
        return audit_with_body(self)

    def label_issues(
        self, *, folds: int = 5, source: OutOfFoldSource = "auto", method: Method = "noise"
    ) -> LabelIssues:
        """Rank labels of training and validation rows by how likely they are wrong.

        Args:
            folds: Every row is predicted by a model that has not seen it, of so many.
            source: What is trained for that: see ``train.outoffold.out_of_fold``.
            method: How rows are ranked: see ``evaluate.label_issues``.
        """
        return label_issues(self, folds=folds, source=source, method=method)

    def save(self, file: str | Path = "model") -> Path:
        """Save the weights to ``path/models/FILE.safetensors``."""
        return weights.save(self.model, weights.place(Path(self.path), file))

    def load(self, file: str | Path = "model") -> Self:
        """Load weights that ``save`` wrote, or raise ``WeightsError``; returns the learner."""
        weights.load(self.model, weights.place(Path(self.path), file))
        return self

    def to_fp16(self) -> Self:
        """Train in 16 bits: float16 on CUDA, bfloat16 elsewhere; returns the learner."""
        return self._to("fp16" if self.dls.device.type == "cuda" else "bf16")

    def to_bf16(self) -> Self:
        """Train in bfloat16; returns the learner."""
        return self._to("bf16")

    @contextmanager
    def no_bar(self) -> Iterator[Self]:
        """Show no bar and no table inside the block."""
        with quietly():
            yield self

    no_logging = no_bar

    def run_folder(self) -> Path:
        """Where this learner's runs are written."""
        if self.folder is None:
            self.folder = new_folder(Path(self.path) / "runs")
        return self.folder

    def _to(self, precision: str) -> Self:
        self.precision, self._engine = precision, None
        return self

    def __repr__(self) -> str:
        return f"Learner({self.dls!r}, {type(self.model).__name__}, path={str(self.path)!r})"
