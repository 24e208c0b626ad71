"""When callbacks run.

The loop, with every event in the order it fires::

    BEFORE_FIT
    for epoch:
        BEFORE_EPOCH
        BEFORE_TRAIN
        for batch in train:
            BEFORE_BATCH
            out = model(*batch.x)
            AFTER_PRED
            loss = loss_func(out, *batch.y)
            AFTER_LOSS
            engine.backward(loss)
            BEFORE_STEP
            engine.step(opt); opt.zero_grad()
            AFTER_BATCH
        AFTER_TRAIN
        BEFORE_VALIDATE
        for batch in valid:
            BEFORE_BATCH, AFTER_PRED, AFTER_LOSS, AFTER_BATCH
        AFTER_VALIDATE
        AFTER_EPOCH
    AFTER_FIT

Every ``AFTER_`` event that closes a part (batch, train, validate, epoch, fit) fires even
when that part was cancelled or failed. While gradients accumulate, ``BEFORE_STEP`` fires
only for the batch that completes a step.
"""

from __future__ import annotations

from enum import Enum

__all__ = [
    "CancelBatchException",
    "CancelEpochException",
    "CancelFitException",
    "CancelTrainException",
    "CancelValidException",
    "Event",
]


class Event(Enum):
    """The value is the name of the callback method."""

    BEFORE_FIT = "before_fit"
    BEFORE_EPOCH = "before_epoch"
    BEFORE_TRAIN = "before_train"
    BEFORE_BATCH = "before_batch"
    AFTER_PRED = "after_pred"
    AFTER_LOSS = "after_loss"
    BEFORE_STEP = "before_step"
    AFTER_BATCH = "after_batch"
    AFTER_TRAIN = "after_train"
    BEFORE_VALIDATE = "before_validate"
    AFTER_VALIDATE = "after_validate"
    AFTER_EPOCH = "after_epoch"
    AFTER_FIT = "after_fit"


class CancelFitException(Exception):  # noqa: N818 - the course's name
    """Raise in a callback to end the fit; ``after_fit`` still runs."""


class CancelEpochException(Exception):  # noqa: N818
    """Raise in a callback to go on to the next epoch."""


class CancelTrainException(Exception):  # noqa: N818
    """Raise in a callback to go on to this epoch's validation."""


class CancelValidException(Exception):  # noqa: N818
    """Raise in a callback to end this epoch's validation."""


class CancelBatchException(Exception):  # noqa: N818
    """Raise in a callback to skip the rest of this batch."""
