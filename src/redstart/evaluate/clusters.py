"""Rows that look alike to the model, as groups: what no column says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from redstart.errors import DataError, problem

__all__ = ["Clusters", "clusters_of"]

_FEWEST = 40  # rows
_DIMENSIONS = 32
_FITTED = 10_000  # rows that centres are learnt from at most


@final
@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Groups of rows.

    Attributes:
        group: Of each row, from 0 on, ``(N,)`` int64.
        distance: Of each row from the centre of its group, ``(N,)``.
        n: How many groups there are.
    """

    group: NDArray[np.int64]
    distance: NDArray[np.float64]
    n: int

    def typical(self, group: int, most: int = 9) -> NDArray[np.intp]:
        """Positions of the rows nearest to the centre of a group."""
        rows = np.flatnonzero(self.group == group)
        return rows[np.argsort(self.distance[rows], kind="stable")[:most]]


def clusters_of(vectors: Any, *, seed: int = 0) -> Clusters | None:
    """Group rows by k-means on their vectors; the more rows, the more groups, 3 to 20.

    The vectors are brought to 32 principal directions first: it takes less time and loses
    nothing that groups would be told apart by.

    Args:
        vectors: What a model makes of each row, ``(N, D)``.
        seed: For the first centres.

    Returns:
        The groups; ``None`` for fewer than 40 rows, or rows that are all the same.

    Raises:
        DataError: If vectors are not numbers, or not one per row.
    """
    array = np.asarray(vectors, dtype=np.float32)
    if array.ndim != 2 or not np.isfinite(array).all():
        raise DataError(
            problem(
                "Expected one vector of finite numbers for each row",
                f"an array of shape {array.shape}",
                "Give what the last layer but one puts out.",
            )
        )
    array = array[:, array.std(axis=0) > 0]
    if len(array) < _FEWEST or not array.shape[1]:
        return None
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(seed)
    some = np.sort(rng.permutation(len(array))[:_FITTED])
    size = min(_DIMENSIONS, array.shape[1], len(some))
    reduce = PCA(size, svd_solver="randomized", random_state=seed).fit(array[some])
    points = reduce.transform(array)
    k = int(min(20, max(3, round(np.sqrt(len(array)) / 3))))
    k = min(k, len(np.unique(points[some], axis=0)))
    if k < 2:
        return None
    model = KMeans(k, n_init=2, random_state=seed).fit(points[some])
    distances = model.transform(points)
    group = distances.argmin(axis=1).astype(np.int64)
    return Clusters(group, distances.min(axis=1).astype(np.float64), k)
