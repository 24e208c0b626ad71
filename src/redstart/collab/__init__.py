"""Recommending: from ratings, clicks or purchases to a trained model.

Names are loaded when they are first used, so importing this package costs nothing.
``from redstart.collab import CollabDataLoaders, collab_learner`` is the documented way;
``from redstart.collab.all import *`` gives every name of ``HOMES``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from redstart.collab.all import *  # noqa: F403

_MODULES: Final[dict[str, str]] = {
    "pathlib": "Path",
    "redstart.bundle.bundle": "Bundle load_learner",
    "redstart.collab.als": "fit_als",
    "redstart.collab.baseline": (
        "Comparison ItemNeighbours Popularity RatingBiases RatingNeighbours compare_rankings"
    ),
    "redstart.collab.bundle": "CollabBundle",
    "redstart.collab.codec": "CollabCodec",
    "redstart.collab.data": "CollabDataLoaders",
    "redstart.collab.interactions": "Implicit Interactions",
    "redstart.collab.learner": "CollabLearner collab_learner",
    "redstart.collab.model": "EmbeddingDotBias EmbeddingNN",
    "redstart.collab.pictures": "pca",
    "redstart.collab.preference": "PreferenceTarget",
    "redstart.collab.ranking": "Ranking paired_ranking rank",
    "redstart.collab.recommend": "Explanation Recommendations Recommender",
    "redstart.collab.svdpp": "SVDPlusPlus",
    "redstart.data.batch": "Batch",
    "redstart.data.last_out": "LastOutSplitter",
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
    "redstart.interpret.interpretation": "Interpretation",
    "redstart.metrics.functions": "mae mse r2 rmse",
    "redstart.nn.losses": "CrossEntropyLossFlat MSELossFlat",
    "redstart.nn.module": "Embedding Module sigmoid_range",
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
