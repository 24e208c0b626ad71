"""How many rows it takes to see something, and how much a number of rows can show."""

from __future__ import annotations

import math
from statistics import NormalDist

from redstart.errors import ConfigError, problem
from redstart.metrics.interval import wilson

__all__ = [
    "paired_std",
    "rmse_half_width",
    "rows_for_difference",
    "share_half_width",
]


def rows_for_difference(
    std: float, difference: float, level: float = 0.95, power: float = 0.8
) -> int:
    """How many rows two models must be compared on for a difference to show.

    The usual formula for a paired comparison of means (Cohen, 1988, chapter 2; normal
    approximation).

    Args:
        std: Standard deviation, over rows, of the difference between what the two models
            score on one row; at least 0.
        difference: That is to be seen, of the mean over rows; its sign does not matter.
        level: Confidence of the interval that is to leave out zero, in (0, 1).
        power: Probability that it does, in (0, 1).

    Returns:
        Rows, at least 2.

    Raises:
        ConfigError: If there is no difference to be seen, or a share is not in (0, 1).
    """
    if not difference or not math.isfinite(difference) or not 0 <= std < math.inf:
        raise ConfigError(
            problem(
                "Expected a difference other than 0, and a standard deviation from 0",
                f"std={std}, difference={difference}",
                "No number of rows shows a difference that is not there; name one worth seeing.",
            )
        )
    if not (0 < level < 1 and 0 < power < 1):
        raise ConfigError(
            problem(
                "Expected `level` and `power` in (0, 1)",
                f"level={level}, power={power}",
                "Use 0.95 and 0.8.",
            )
        )
    z = NormalDist().inv_cdf(0.5 + level / 2) + NormalDist().inv_cdf(power)
    return max(2, math.ceil((z * std / difference) ** 2))


def paired_std(disagree: float, difference: float = 0.0) -> float:
    """Standard deviation of the difference in hits of two models, over rows.

    Args:
        disagree: Share of the rows on which one of them is right and the other wrong.
        difference: Of their accuracies; at most ``disagree``.
    """
    return math.sqrt(max(disagree - difference**2, 0.0))


def share_half_width(share: float, n: int, level: float = 0.95) -> float:
    """Half the width of Wilson's interval of a share that was seen in ``n`` rows."""
    low, high = wilson(share * n, n, level)
    return (high - low) / 2


def rmse_half_width(n: int, level: float = 0.95) -> float:
    """Half the width of the interval of an RMSE, as a share of it, for normal errors.

    The variance of a mean of squares of normal errors is ``2 / n`` of its square; that of
    its root, by the delta method, ``1 / (2 n)``. Errors with long tails do worse.
    """
    return NormalDist().inv_cdf(0.5 + level / 2) / math.sqrt(2 * n)
