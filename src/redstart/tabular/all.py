"""Every public name for tables, for ``from redstart.tabular.all import *``."""

from __future__ import annotations

from pathlib import Path

from redstart.bundle.bundle import Bundle, load_learner
from redstart.data.batch import Batch
from redstart.data.corrections import Corrections
from redstart.data.items import ColReader
from redstart.data.loader import Loader
from redstart.data.loaders import DataLoaders
from redstart.data.split import (
    ColSplitter,
    FuncSplitter,
    GroupSplitter,
    IndexSplitter,
    RandomSplitter,
    Split,
    TimeSplitter,
)
from redstart.data.table import Table, read_table
from redstart.data.vocab import Vocab
from redstart.errors import (
    BundleError,
    ConfigError,
    DataError,
    NonFiniteLossError,
    NoValidationSetError,
    RedstartError,
    TrainError,
    WeightsError,
)
from redstart.interpret.classification import ClassificationInterpretation
from redstart.interpret.interpretation import Interpretation
from redstart.metrics.counts import (
    BalancedAccuracy,
    CohenKappa,
    F1Score,
    MatthewsCorrCoef,
    Precision,
    Recall,
)
from redstart.metrics.functions import (
    accuracy,
    accuracy_multi,
    error_rate,
    mae,
    mse,
    r2,
    rmse,
    top_k_accuracy,
)
from redstart.metrics.rows import RocAuc
from redstart.nn.losses import CrossEntropyLossFlat, MSELossFlat
from redstart.tabular.baseline import Baseline, fit_baseline
from redstart.tabular.codec import TabularCodec
from redstart.tabular.data import TabularDataLoaders
from redstart.tabular.dates import add_datepart
from redstart.tabular.dependence import PartialDependence, partial_dependence
from redstart.tabular.embeddings import get_emb_sz
from redstart.tabular.frames import TabularPandas
from redstart.tabular.importance import PermutationImportance, permutation_importance
from redstart.tabular.learner import TabularLearner, tabular_learner
from redstart.tabular.model import TabularModel, tabular_config
from redstart.tabular.procs import Categorify, FillMissing, FillStrategy, Normalize
from redstart.tabular.roles import cont_cat_split
from redstart.tabular.tabm import TabM
from redstart.targets.category import CategoryBlock
from redstart.targets.multicategory import MultiCategoryBlock
from redstart.targets.regression import RegressionBlock
from redstart.train.callback import Callback
from redstart.train.callbacks.accumulate import GradientAccumulation
from redstart.train.callbacks.clip import GradientClip
from redstart.train.callbacks.csv_log import CSVLogger
from redstart.train.callbacks.early_stop import (
    EarlyStopping,
    EarlyStoppingCallback,
    ReduceLROnPlateau,
)
from redstart.train.callbacks.ema import EMA
from redstart.train.callbacks.save_best import SaveBest, SaveModelCallback
from redstart.train.compare import compare
from redstart.train.events import (
    CancelBatchException,
    CancelEpochException,
    CancelFitException,
    CancelTrainException,
    CancelValidException,
)
from redstart.train.learner import Learner
from redstart.train.lrfind import minimum, slide, steep, valley
from redstart.train.schedule import (
    Combined,
    Constant,
    Cosine,
    Exponential,
    FlatCos,
    Linear,
    OneCycle,
)

__all__ = [
    "EMA",
    "BalancedAccuracy",
    "Baseline",
    "Batch",
    "Bundle",
    "BundleError",
    "CSVLogger",
    "Callback",
    "CancelBatchException",
    "CancelEpochException",
    "CancelFitException",
    "CancelTrainException",
    "CancelValidException",
    "Categorify",
    "CategoryBlock",
    "ClassificationInterpretation",
    "CohenKappa",
    "ColReader",
    "ColSplitter",
    "Combined",
    "ConfigError",
    "Constant",
    "Corrections",
    "Cosine",
    "CrossEntropyLossFlat",
    "DataError",
    "DataLoaders",
    "EarlyStopping",
    "EarlyStoppingCallback",
    "Exponential",
    "F1Score",
    "FillMissing",
    "FillStrategy",
    "FlatCos",
    "FuncSplitter",
    "GradientAccumulation",
    "GradientClip",
    "GroupSplitter",
    "IndexSplitter",
    "Interpretation",
    "Learner",
    "Linear",
    "Loader",
    "MSELossFlat",
    "MatthewsCorrCoef",
    "MultiCategoryBlock",
    "NoValidationSetError",
    "NonFiniteLossError",
    "Normalize",
    "OneCycle",
    "PartialDependence",
    "Path",
    "PermutationImportance",
    "Precision",
    "RandomSplitter",
    "Recall",
    "RedstartError",
    "ReduceLROnPlateau",
    "RegressionBlock",
    "RocAuc",
    "SaveBest",
    "SaveModelCallback",
    "Split",
    "TabM",
    "Table",
    "TabularCodec",
    "TabularDataLoaders",
    "TabularLearner",
    "TabularModel",
    "TabularPandas",
    "TimeSplitter",
    "TrainError",
    "Vocab",
    "WeightsError",
    "accuracy",
    "accuracy_multi",
    "add_datepart",
    "compare",
    "cont_cat_split",
    "error_rate",
    "fit_baseline",
    "get_emb_sz",
    "load_learner",
    "mae",
    "minimum",
    "mse",
    "partial_dependence",
    "permutation_importance",
    "r2",
    "read_table",
    "rmse",
    "slide",
    "steep",
    "tabular_config",
    "tabular_learner",
    "top_k_accuracy",
    "valley",
]
