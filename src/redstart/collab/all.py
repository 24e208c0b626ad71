"""Every public name for ratings, for ``from redstart.collab.all import *``."""

from __future__ import annotations

from pathlib import Path

from redstart.bundle.bundle import Bundle, load_learner
from redstart.collab.als import fit_als
from redstart.collab.baseline import (
    Comparison,
    ItemNeighbours,
    Popularity,
    RatingBiases,
    RatingNeighbours,
    compare_rankings,
)
from redstart.collab.bundle import CollabBundle
from redstart.collab.codec import CollabCodec
from redstart.collab.data import CollabDataLoaders
from redstart.collab.interactions import Implicit, Interactions
from redstart.collab.learner import CollabLearner, collab_learner
from redstart.collab.model import EmbeddingDotBias, EmbeddingNN
from redstart.collab.pictures import pca
from redstart.collab.preference import PreferenceTarget
from redstart.collab.ranking import Ranking, paired_ranking, rank
from redstart.collab.recommend import Explanation, Recommendations, Recommender
from redstart.collab.svdpp import SVDPlusPlus
from redstart.data.batch import Batch
from redstart.data.last_out import LastOutSplitter
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
from redstart.interpret.interpretation import Interpretation
from redstart.metrics.functions import mae, mse, r2, rmse
from redstart.nn.losses import CrossEntropyLossFlat, MSELossFlat
from redstart.nn.module import Embedding, Module, sigmoid_range
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
    "ColSplitter",
    "CollabBundle",
    "CollabCodec",
    "CollabDataLoaders",
    "CollabLearner",
    "Combined",
    "Comparison",
    "ConfigError",
    "Constant",
    "Cosine",
    "CrossEntropyLossFlat",
    "DataError",
    "DataLoaders",
    "EarlyStopping",
    "EarlyStoppingCallback",
    "Embedding",
    "EmbeddingDotBias",
    "EmbeddingNN",
    "Explanation",
    "Exponential",
    "FlatCos",
    "FuncSplitter",
    "GradientAccumulation",
    "GradientClip",
    "GroupSplitter",
    "Implicit",
    "IndexSplitter",
    "Interactions",
    "Interpretation",
    "ItemNeighbours",
    "LastOutSplitter",
    "Learner",
    "Linear",
    "Loader",
    "MSELossFlat",
    "Module",
    "NoValidationSetError",
    "NonFiniteLossError",
    "OneCycle",
    "Path",
    "Popularity",
    "PreferenceTarget",
    "RandomSplitter",
    "Ranking",
    "RatingBiases",
    "RatingNeighbours",
    "Recommendations",
    "Recommender",
    "RedstartError",
    "ReduceLROnPlateau",
    "RegressionBlock",
    "SVDPlusPlus",
    "SaveBest",
    "SaveModelCallback",
    "Split",
    "Table",
    "TimeSplitter",
    "TrainError",
    "Vocab",
    "WeightsError",
    "collab_learner",
    "compare",
    "compare_rankings",
    "fit_als",
    "load_learner",
    "mae",
    "minimum",
    "mse",
    "paired_ranking",
    "pca",
    "r2",
    "rank",
    "read_table",
    "rmse",
    "sigmoid_range",
    "slide",
    "steep",
    "valley",
]
