"""Pictures: from files to a trained model.

Names are loaded when they are first used, so importing this package costs nothing.
``from redstart.vision import ImageDataLoaders, vision_learner`` is the documented way;
``from redstart.vision.all import *`` gives every name of ``HOMES``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from redstart.vision.all import *  # noqa: F403

_MODULES: Final[dict[str, str]] = {
    "pathlib": "Path",
    "redstart.bundle.bundle": "Bundle load_learner",
    "redstart.data.batch": "Batch",
    "redstart.data.block": "DataBlock",
    "redstart.data.corrections": "Corrections",
    "redstart.data.items": (
        "ColReader RegexLabeller get_files get_image_files parent_label using_attr"
    ),
    "redstart.data.loader": "Loader",
    "redstart.data.loaders": "DataLoaders",
    "redstart.data.split": (
        "ColSplitter FuncSplitter GrandparentSplitter GroupSplitter IndexSplitter "
        "RandomSplitter Split TimeSplitter"
    ),
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
    "redstart.targets.category": "CategoryBlock",
    "redstart.train.callback": "Callback",
    "redstart.train.callbacks.accumulate": "GradientAccumulation",
    "redstart.train.callbacks.clip": "GradientClip",
    "redstart.train.callbacks.csv_log": "CSVLogger",
    "redstart.train.callbacks.early_stop": "EarlyStopping EarlyStoppingCallback ReduceLROnPlateau",
    "redstart.train.callbacks.ema": "EMA",
    "redstart.train.callbacks.mixup": "CutMix MixUp",
    "redstart.train.callbacks.save_best": "SaveBest SaveModelCallback",
    "redstart.train.compare": "compare",
    "redstart.train.events": (
        "CancelBatchException CancelEpochException CancelFitException CancelTrainException "
        "CancelValidException"
    ),
    "redstart.train.learner": "Learner",
    "redstart.train.lrfind": "minimum slide steep valley",
    "redstart.train.schedule": "Combined Constant Cosine Exponential FlatCos Linear OneCycle",
    "redstart.vision.archs": (
        "alexnet convnext_tiny densenet121 efficientnet_b0 mobilenetv3_large_100 resnet101 "
        "resnet152 resnet18 resnet34 resnet50 squeezenet1_0 vgg16_bn vgg19_bn"
    ),
    "redstart.vision.augment": "Normalize aug_transforms imagenet_stats",
    "redstart.vision.codec": "ImageBlock PILImage PILImageBW",
    "redstart.vision.data": "ImageDataLoaders",
    "redstart.vision.files": "resize_images verify_images",
    "redstart.vision.learner": "vision_learner",
    "redstart.vision.resize": "PadMode RandomResizedCrop Resize ResizeMethod",
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
