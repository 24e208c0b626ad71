"""Tables: from CSV files and frames to a trained model.

Names are loaded when they are first used, so importing this package costs nothing.
``from redstart.tabular import TabularDataLoaders, tabular_learner`` is the documented way;
``from redstart.tabular.all import *`` gives every name of ``HOMES``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from redstart.tabular.all import *  # noqa: F403

_MODULES: Final[dict[str, str]] = {
    "pathlib": "Path",
    "redstart.bundle.bundle": "Bundle load_learner",
    "redstart.data.corrections": "Corrections",
    "redstart.data.batch": "Batch",
    "redstart.data.items": "ColReader",
    "redstart.data.loader": "Loader",
    "redstart.data.loaders": "DataLoaders",
    "redstart.data.split": (
        "ColSplitter FuncSplitter GroupSplitter IndexSplitter RandomSplitter Split TimeSplitter"
    ),
    "redstart.data.table": "Table read_table",
    "redstart.data.vocab": "Vocab",
    "redstart.errors": (
        "BundleError ConfigError DataError NoValidationSetError NonFiniteLossError "
        "RedstartError TrainError WeightsError"
    ),
    "redstart.interpret.classification": "ClassificationInterpretation",
    "redstart.interpret.interpretation": "Interpretation",
    "redstart.metrics.counts": (
        "BalancedAccuracy CohenKappa F1Score MatthewsCorrCoef Precision Recall"
    ),
    "redstart.metrics.functions": (
        "accuracy accuracy_multi error_rate mae mse r2 rmse top_k_accuracy"
    ),
    "redstart.metrics.rows": "RocAuc",
    "redstart.nn.losses": "CrossEntropyLossFlat MSELossFlat",
    "redstart.tabular.baseline": "Baseline fit_baseline",
    "redstart.tabular.codec": "TabularCodec",
    "redstart.tabular.data": "TabularDataLoaders",
    "redstart.tabular.dates": "add_datepart",
    "redstart.tabular.dependence": "PartialDependence partial_dependence",
    "redstart.tabular.embeddings": "get_emb_sz",
    "redstart.tabular.frames": "TabularPandas",
    "redstart.tabular.importance": "PermutationImportance permutation_importance",
    "redstart.tabular.learner": "TabularLearner tabular_learner",
    "redstart.tabular.model": "TabularModel tabular_config",
    "redstart.tabular.procs": "Categorify FillMissing FillStrategy Normalize",
    "redstart.tabular.roles": "cont_cat_split",
    "redstart.tabular.tabm": "TabM",
    "redstart.targets.category": "CategoryBlock",
    "redstart.targets.multicategory": "MultiCategoryBlock",
    "redstart.targets.regression": "RegressionBlock",
    "redstart.train.callback": "Callback",
    "redstart.train.callbacks.accumulate": "GradientAccumulation",
    "redstart.train.callbacks.clip": "GradientClip",
    "redstart.train.callbacks.csv_log": "CSVLogger",
    "redstart.train.callbacks.early_stop": "EarlyStopping EarlyStoppingCallback ReduceLROnPlateau",
    "redstart.train.callbacks.ema": "EMA",
    "redstart.train.callbacks.save_best": "SaveBest SaveModelCallback",
    "redstart.train.compare": "compare",
    "redstart.train.events": (
        "CancelBatchException CancelEpochException CancelFitException CancelTrainException "
        "CancelValidException"
    ),
    "redstart.train.learner": "Learner",
    "redstart.train.lrfind": "minimum slide steep valley",
    "redstart.train.schedule": "Combined Constant Cosine Exponential FlatCos Linear OneCycle",
}

HOMES: Final[dict[str, str]] = {
    name: module for module, names in _MODULES.items() for name in names.split()
}
"""Where each public name of this package lives."""

__all__ = list(HOMES)


def __getattr__(name: str) -> Any:
    """Import the module that a public name lives in when the name is first asked for."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(HOMES)
