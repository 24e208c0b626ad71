"""Learners for tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from redstart.data.loaders import DataLoaders
from redstart.data.table import nearest
from redstart.data.target import Target
from redstart.domain import ModelRecipe
from redstart.errors import ConfigError, problem
from redstart.rng import forked
from redstart.tabular.baseline import Baseline, fit_baseline, kind_of_trees
from redstart.tabular.codec import TabularCodec
from redstart.tabular.dependence import PartialDependence, partial_dependence
from redstart.tabular.embeddings import get_emb_sz
from redstart.tabular.importance import PermutationImportance, permutation_importance
from redstart.tabular.model import ACTIVATIONS, ModelOptions, build_mlp
from redstart.tabular.outputs import Mix, Scale
from redstart.tabular.piecewise import bins_of
from redstart.tabular.rivals import importance_chapter, trees
from redstart.tabular.rows import training_rows
from redstart.tabular.tabm import TabMOptions, build_tabm, category_widths
from redstart.targets.category import CategoryTarget
from redstart.targets.multicategory import MultiCategoryTarget
from redstart.targets.options import with_loss_options
from redstart.targets.regression import RegressionTarget
from redstart.targets.scoring import per_member
from redstart.train.learner import Learner
from redstart.train.losses import loss_of
from redstart.train.run import LossFunction

__all__ = ["TabularLearner", "tabular_learner"]

_TABM_LAYERS = (128, 128)
_MLP_LAYERS = (200, 100)
_TABM: dict[str, Any] = {"k": 8, "d_embedding": 16, "dropout": 0.1}
_TABM_LR = 4e-3  # at a batch size of 64; grows with its root
_TABM_WD = 0.1
_MIX: dict[type[Target[Any, Any]], Mix] = {
    CategoryTarget: "softmax",
    MultiCategoryTarget: "sigmoid",
}


@final
class TabularLearner(Learner):
    """A learner for tables: what every learner does, and questions about the columns."""

    _trees: dict[str, Baseline] | None = None

    def baseline(self, kind: str = "auto") -> Baseline:
        """Gradient boosted trees on the same training rows, scored on the same validation rows.

        They are trained when first asked for, and kept.

        Args:
            kind: ``"lightgbm"``, ``"hist"`` (scikit-learn's), or ``"auto"``: LightGBM where
                it is installed.

        Raises:
            NoValidationSetError: If there are no validation rows.
            ConfigError: If there is no such kind, or it is not installed.
        """
        kind = kind_of_trees(kind)
        if self._trees is None:
            self._trees = {}
        if kind not in self._trees:
            self._trees[kind] = fit_baseline(self, kind)
        return self._trees[kind]

    def permutation_importance(
        self, metric: Any = None, *, n_repeats: int = 5, max_rows: int = 5000
    ) -> PermutationImportance:
        """How much worse the model is on validation rows when a column is shuffled.

        Args:
            metric: What it is measured by; the loss if left out.
            n_repeats: How often each column is shuffled.
            max_rows: Rows to measure on at most, drawn by the loaders' seed.
        """
        return permutation_importance(self, metric, n_repeats=n_repeats, max_rows=max_rows)

    def partial_dependence(
        self, *columns: str, label: Any = None, max_rows: int = 500
    ) -> PartialDependence:
        """What the model would say if all rows had one value in a column, for many values.

        Args:
            *columns: One column or two, by name.
            label: The class, label or number to follow; the last if left out.
            max_rows: Validation rows to average over at most.
        """
        return partial_dependence(self, columns, label=label, max_rows=max_rows)


def tabular_learner(
    dls: DataLoaders,
    layers: Sequence[int] | None = None,
    emb_szs: Mapping[str, int] | None = None,
    config: Mapping[str, Any] | None = None,
    n_out: int | None = None,
    y_range: Sequence[float] | None = None,
    *,
    arch: str | nn.Module = "tabm",
    **options: Any,
) -> TabularLearner:
    """Make a learner for a table.

    Args:
        dls: Loaders of a table.
        layers: Widths of the hidden layers.
        emb_szs: Length of the vectors of some columns of categories, by name.
        config: Options of the model: see ``TabMOptions`` and ``ModelOptions``; also
            ``n_bins`` of a TabM, ``ps`` and ``embed_p`` of an MLP.
        n_out: Outputs per row; as many as the target needs if left out.
        y_range: Outputs lie between these two: numbers to estimate.
        arch: ``"tabm"``, an ensemble of small networks; ``"mlp"``, the course's
            ``TabularModel``; or a module of your own, called with ``(x_cat, x_cont)``.
        **options: ``label_smoothing`` and ``class_weights`` of the target's loss, and
            everything that ``Learner`` takes: ``metrics``, ``loss_func``, ``lr``, ...

    Raises:
        ConfigError: If the loaders hold no table, or options do not fit the model.
    """
    codec = dls.codec
    if not isinstance(codec, TabularCodec):
        raise ConfigError(
            problem("Expected loaders of a table", repr(dls), "Make them with TabularDataLoaders.")
        )
    dls = with_loss_options(dls, options)
    options = {"rivals": (trees,), "chapters": (importance_chapter,), **options}
    if options.get("loss_func") is not None:
        options["loss_func"] = _for_members(dls.target, options["loss_func"])
    if isinstance(arch, nn.Module):
        return TabularLearner(dls, arch, **options)
    if arch not in ("tabm", "mlp"):
        raise ConfigError(
            problem(
                "Expected `arch` to be 'tabm', 'mlp' or a module", f"arch={arch!r}", "Use 'tabm'."
            )
        )
    out_sz = dls.c if n_out is None else n_out
    if y_range is not None:
        _check_range(dls, y_range)
    shared: dict[str, Any] = {
        "n_out": out_sz,
        "layers": list(layers or (_TABM_LAYERS if arch == "tabm" else _MLP_LAYERS)),
        "y_range": None if y_range is None else [float(end) for end in y_range],
        "scale": None if y_range is not None else _scale(dls, out_sz),
    }
    build: Callable[..., nn.Module] = build_tabm if arch == "tabm" else build_mlp
    make = _tabm if arch == "tabm" else _mlp
    arguments = {**shared, **make(dls, codec, dict(emb_szs or {}), dict(config or {}))}
    with forked(dls.seed):
        model = build(**arguments)
    defaults: dict[str, Any] = {}
    if _is_json(arguments):
        defaults["recipe"] = ModelRecipe(domain="tabular", builder=arch, arguments=arguments)
    if arch == "tabm":
        bs = getattr(dls.train, "bs", 64)
        defaults |= {"lr": _TABM_LR * math.sqrt(bs / 64), "wd": _TABM_WD}
    return TabularLearner(dls, model, **{**defaults, **options})


def _tabm(
    dls: DataLoaders, codec: TabularCodec, emb_szs: dict[str, int], config: dict[str, Any]
) -> dict[str, Any]:
    """Arguments of ``build_tabm`` for the columns."""
    _check(config, {*TabMOptions.__annotations__, "n_bins", "bins"})
    n_bins = {"n_bins": config.pop("n_bins")} if "n_bins" in config else {}
    sizes = [size for _, size in category_widths(codec.cardinalities)]
    by_name = dict(zip(codec.cat_names, sizes, strict=True)) | emb_szs
    x_cont = training_rows(dls).x[1].cpu().numpy()
    return {
        **_TABM,
        "cardinalities": list(codec.cardinalities),
        "emb_szs": [list(pair) for pair in get_emb_sz(dls, by_name)],
        "bins": bins_of(x_cont, **n_bins),
        "mix": _MIX.get(type(dls.target), "mean"),
        **config,
    }


def _mlp(
    dls: DataLoaders, codec: TabularCodec, emb_szs: dict[str, int], config: dict[str, Any]
) -> dict[str, Any]:
    """Arguments of ``build_mlp`` for the columns."""
    _check(config, {*ModelOptions.__annotations__, "ps", "embed_p", "y_range"})
    pairs = [list(pair) for pair in get_emb_sz(dls, emb_szs)]
    if isinstance(act := config.get("act_cls"), nn.Module | type):
        known = {cls: name for name, cls in ACTIVATIONS.items()}
        kind = act if isinstance(act, type) else type(act)
        config["act_cls"] = known.get(kind, act)
    return {"emb_szs": pairs, "n_cont": codec.n_cont, **config}


def _check_range(dls: DataLoaders, y_range: Sequence[float]) -> None:
    """Refuse a range that is none; the audit finds targets outside it."""
    numbers = isinstance(dls.target, RegressionTarget)
    if len(y_range) != 2 or not y_range[0] < y_range[1] or not numbers:
        raise ConfigError(
            problem(
                "Expected `y_range` to be a lower and an upper end, for numbers to estimate",
                f"y_range={tuple(y_range)}, a target of kind {dls.target.kind!r}",
                "Give two numbers that rise." if numbers else "Leave it out.",
            )
        )


def _check(config: dict[str, Any], known: set[str]) -> None:
    for name in config:
        if name not in known:
            raise ConfigError(
                problem(
                    "Expected options of the model in `config`",
                    f"{name}={config[name]!r}",
                    f"{nearest(name, known)}Known: {', '.join(sorted(known))}.",
                )
            )


def _scale(dls: DataLoaders, n_out: int) -> Scale | None:
    """The units that outputs are in, for numbers."""
    target = dls.target
    if not isinstance(target, RegressionTarget) or target.n_out not in (1, n_out):
        return None
    mean, std = list(target.mean), list(target.std)
    if not target.standardize:
        # The loss stays in the user's units; the model need not find them.
        labels = (training_rows(dls).y or (torch.zeros(1, n_out),))[0].double()
        values = labels.log1p() if target.log else labels
        mean, std = values.mean(0).tolist(), values.std(0, correction=0).tolist()
    return {"mean": mean, "std": [s or 1.0 for s in std], "log": target.log}


def _for_members(target: Target[Any, Any], loss_func: Any) -> LossFunction:
    """The user's loss, for each member of an ensemble and with the weights of the rows."""
    one = loss_of(target, loss_func)

    def rows(out: Tensor, y: Tensor) -> Tensor:
        return one(out, y, reduction="none").reshape(len(out), -1).mean(1)

    def loss(out: Tensor, *y: Tensor, reduction: str = "mean") -> Tensor:
        if out.ndim < 3 and len(y) == 1 and reduction == "mean":
            return one(out, *y)
        if len(y) == 1 and reduction == "mean":
            k = out.shape[1]
            return one(out.flatten(0, 1), y[0].repeat_interleave(k, 0))
        losses = per_member(out, y[0], rows)
        losses = losses * y[1] if len(y) > 1 else losses
        return losses.mean() if reduction == "mean" else losses

    return loss


def _is_json(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_is_json(v) for v in value.values())
    if isinstance(value, list | tuple):
        return all(_is_json(v) for v in value)
    return value is None or isinstance(value, str | int | float | bool)
