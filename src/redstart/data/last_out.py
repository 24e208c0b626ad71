"""Holding out what each user did last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redstart.data.moments import moments_of, values_of
from redstart.data.spelling import factorized
from redstart.data.split import Split, Splitter
from redstart.errors import ConfigError, DataError, problem

__all__ = ["LastOutSplitter"]


def LastOutSplitter(  # noqa: N802
    user: Callable[[Any], Any] | str,
    time: Callable[[Any], Any] | str | None = None,
    n: int = 1,
    test_n: int = 0,
) -> Splitter:
    """Validate on each user's last rows, and train on what he did before.

    The test rows come after the validation rows. Users with ``n + test_n`` rows or fewer, and
    rows without a user, only train.

    Args:
        user: User of an item, or the name of its column.
        time: Time of an item, or the name of its column, as for ``TimeSplitter``. Rows of
            one time, and all rows if ``None``, are in the order they come in.
        n: Rows of each user to validate on.
        test_n: Rows of each user kept for the final test.

    Raises:
        ConfigError: If ``n`` is below 1 or ``test_n`` below 0.
    """
    if n < 1 or test_n < 0:
        raise ConfigError(
            problem(
                "Expected `n` of 1 or more and `test_n` of 0 or more",
                f"n={n}, test_n={test_n}",
                "They count the rows of each user.",
            )
        )

    def split(items: Any) -> Split:
        who = _codes(values_of(items, user))
        order = np.argsort(who, kind="stable")
        if time is not None:
            order = np.argsort(moments_of(items, time, who >= 0), kind="stable")
            order = order[np.argsort(who[order], kind="stable")]
        counts = np.bincount(who + 1)[1:]
        ranked = who[order]
        known = ranked >= 0
        left = np.zeros(len(order), dtype=np.int64)  # later rows of the same user
        ends = np.cumsum(counts) + (~known).sum()
        left[known] = ends[ranked[known]] - 1 - np.flatnonzero(known)
        held = known.copy()
        held[known] = counts[ranked[known]] > n + test_n
        valid = held & (left >= test_n) & (left < n + test_n)
        test = held & (left < test_n)
        if not valid.any():
            raise DataError(
                problem(
                    f"Expected a user with at least {n + test_n + 1} rows",
                    f"{len(counts)} users, of at most {int(counts.max(initial=0))} rows",
                    "Lower `n` or `test_n`, or check the column of users.",
                )
            )
        parts = (~(valid | test), valid, test)
        train_rows, valid_rows, test_rows = (np.sort(order[part]).tolist() for part in parts)
        return Split(tuple(train_rows), tuple(valid_rows), tuple(test_rows), by="time")

    return split


def _codes(users: NDArray[Any]) -> NDArray[np.int64]:
    """Number users as they first come; -1 where there is none."""
    codes, _ = factorized(users)
    return np.asarray(codes, dtype=np.int64)
