"""Every public name for pictures, for ``from redstart.vision.all import *``."""

from __future__ import annotations

from pathlib import Path

from redstart.bundle.bundle import Bundle, load_learner
from redstart.data.batch import Batch
from redstart.data.block import DataBlock
from redstart.data.corrections import Corrections
from redstart.data.items import (
    ColReader,
    RegexLabeller,
    get_files,
    get_image_files,
    parent_label,
    using_attr,
)
from redstart.data.loader import Loader
from redstart.data.loaders import DataLoaders
from redstart.data.split import (
    ColSplitter,
    FuncSplitter,
    GrandparentSplitter,
    GroupSplitter,
    IndexSplitter,
    RandomSplitter,
    Split,
    TimeSplitter,
)
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
from redstart.targets.category import CategoryBlock
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
from redstart.train.callbacks.mixup import CutMix, MixUp
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
from redstart.vision.archs import (
    alexnet,
    convnext_tiny,
    densenet121,
    efficientnet_b0,
    mobilenetv3_large_100,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    squeezenet1_0,
    vgg16_bn,
    vgg19_bn,
)
from redstart.vision.augment import Normalize, aug_transforms, imagenet_stats
from redstart.vision.codec import ImageBlock, PILImage, PILImageBW
from redstart.vision.data import ImageDataLoaders
from redstart.vision.files import resize_images, verify_images
from redstart.vision.learner import vision_learner
from redstart.vision.resize import PadMode, RandomResizedCrop, Resize, ResizeMethod

__all__ = [
    "EMA",
    "BalancedAccuracy",
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
    "CutMix",
    "DataBlock",
    "DataError",
    "DataLoaders",
    "EarlyStopping",
    "EarlyStoppingCallback",
    "Exponential",
    "F1Score",
    "FlatCos",
    "FuncSplitter",
    "GradientAccumulation",
    "GradientClip",
    "GrandparentSplitter",
    "GroupSplitter",
    "ImageBlock",
    "ImageDataLoaders",
    "IndexSplitter",
    "Interpretation",
    "Learner",
    "Linear",
    "Loader",
    "MatthewsCorrCoef",
    "MixUp",
    "NoValidationSetError",
    "NonFiniteLossError",
    "Normalize",
    "OneCycle",
    "PILImage",
    "PILImageBW",
    "PadMode",
    "Path",
    "Precision",
    "RandomResizedCrop",
    "RandomSplitter",
    "Recall",
    "RedstartError",
    "ReduceLROnPlateau",
    "RegexLabeller",
    "Resize",
    "ResizeMethod",
    "RocAuc",
    "SaveBest",
    "SaveModelCallback",
    "Split",
    "TimeSplitter",
    "TrainError",
    "WeightsError",
    "accuracy",
    "accuracy_multi",
    "alexnet",
    "aug_transforms",
    "compare",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "error_rate",
    "get_files",
    "get_image_files",
    "imagenet_stats",
    "load_learner",
    "mae",
    "minimum",
    "mobilenetv3_large_100",
    "mse",
    "parent_label",
    "r2",
    "resize_images",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "rmse",
    "slide",
    "squeezenet1_0",
    "steep",
    "top_k_accuracy",
    "using_attr",
    "valley",
    "verify_images",
    "vgg16_bn",
    "vgg19_bn",
    "vision_learner",
]
