"""What a model has to beat: biases, popularity and neighbours, on the same rows and metrics."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redstart.collab.figures import Difference, text_table
from redstart.collab.interactions import Implicit, Interactions
from redstart.collab.ranking import Scorer, paired_ranking, rank
from redstart.show.page import table

__all__ = [
    "Comparison",
    "ItemNeighbours",
    "Popularity",
    "RatingBiases",
    "RatingNeighbours",
    "compare_rankings",
]

_PAIRS = 1 << 22  # similarities or candidate neighbours held at a time
_SWEEPS = 10


@final
class Popularity:
    """Scores each item by how many had it, for every user alike.

    Args:
        seen: The training ratings.
    """

    def __init__(self, seen: Interactions) -> None:
        self.seen = seen
        self._scores = seen.popularity().float()

    def score_users(self, users: Tensor) -> Tensor:
        """See ``Scorer.score_users``."""
        return self._scores.expand(len(users), -1)


@final
class ItemNeighbours:
    """Scores an item by its cosines with those a user had (Sarwar et al., 2001), shrunk.

    Args:
        seen: The training ratings; their values are not looked at.
        n: How many neighbours of each item are kept.
        shrink: Added to the product of the norms: cosines over few users count less.
        half_life: As for ``Implicit``: the latest of a user's items count most.
    """

    def __init__(
        self, seen: Interactions, n: int = 300, shrink: float = 10.0, half_life: float = math.inf
    ) -> None:
        self.seen = seen
        weights = Implicit(1.0, 1.0, half_life=half_life, floor=0.03).weights(seen)
        self._users = seen.sparse(weights)
        matrix = seen.sparse()
        matrix.data[:] = 1.0
        self._neighbours = _nearest(matrix, matrix, n, shrink, 0.0).T.tocsr()

    def score_users(self, users: Tensor) -> Tensor:
        """See ``Scorer.score_users``."""
        scores = (self._users[users.cpu().numpy()] @ self._neighbours).toarray()
        return torch.from_numpy(scores).float().to(self.seen.ptr.device)


@final
class RatingBiases:
    """Mean rating, and how far each item and each user is from it (Koren, 2010, section 2.1).

    Args:
        seen: The training ratings.
        reg_item: So many ratings of exactly the mean are added to each item.
        reg_user: And to each user.
    """

    def __init__(self, seen: Interactions, reg_item: float = 10.0, reg_user: float = 15.0) -> None:
        users, items = seen.users().cpu().numpy(), seen.items.cpu().numpy()
        values = seen.values.double().cpu().numpy()
        self.mean = float(values.mean()) if len(values) else 0.0
        self.user, self.item = np.zeros(seen.n_users), np.zeros(seen.n_items)
        sizes = (seen.n_users, seen.n_items)
        n_user, n_item = (
            np.bincount(x, minlength=n) for x, n in zip((users, items), sizes, strict=True)
        )
        for _ in range(_SWEEPS):
            left = values - self.mean - self.user[users]
            self.item = np.bincount(items, left, sizes[1]) / (n_item + reg_item)
            left = values - self.mean - self.item[items]
            self.user = np.bincount(users, left, sizes[0]) / (n_user + reg_user)

    def predict(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        """Ratings ``(N,)`` of items by users, at positions ``(N,)``."""
        found: NDArray[np.float64] = self.mean + self.user[users] + self.item[items]
        return found


@final
class RatingNeighbours:
    """Biases, corrected by how the user rated similar items (Koren, 2010, section 2.2).

    Similar is the cosine of the ratings less biases, over users who rated both, and shrunk.

    Args:
        seen: The training ratings.
        n: How many similar items of each item are kept.
        k: How many of those that the user rated are averaged.
        shrink: A similarity over ``m`` users counts ``m / (m + shrink)`` of itself.
    """

    def __init__(
        self, seen: Interactions, n: int = 400, k: int = 40, shrink: float = 100.0
    ) -> None:
        self._biases = RatingBiases(seen)
        users, items = seen.users().cpu().numpy(), seen.items.long().cpu().numpy()
        left = seen.values.double().cpu().numpy() - self._biases.predict(users, items)
        self._left = seen.sparse(torch.from_numpy(left))
        self._had = self._left.copy()
        self._had.data[:] = 1.0
        self._neighbours = _nearest(self._left, self._had, n, 0.0, shrink)
        self._k = k

    def predict(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        """Ratings ``(N,)`` of items by users, at positions ``(N,)``."""
        found = self._biases.predict(users, items)
        most = max(int(np.diff(self._neighbours.indptr).max(initial=1)), 1)
        step = max(1, _PAIRS // most)
        for at in range(0, len(users), step):
            part = slice(at, at + step)
            alike = self._neighbours[items[part]].multiply(self._had[users[part]]).tocsr()
            alike = _largest(alike, self._k)
            pull = np.asarray(alike.multiply(self._left[users[part]]).sum(1)).ravel()
            total = np.asarray(alike.sum(1)).ravel()
            found[part] += np.divide(pull, total, out=np.zeros(len(pull)), where=total > 0)
        return found


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """A model beside baselines, on the same held-out rows.

    Attributes:
        note: What was measured.
        headers: Of the columns.
        rows: The model first.
        differences: The model against each baseline, paired.
    """

    note: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    differences: tuple[Difference, ...]

    def __repr__(self) -> str:
        said = [str(difference) for difference in self.differences]
        return "\n".join([self.note, "", *text_table(self.headers, self.rows), "", *said])

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{html.escape(str(one))}</p>" for one in self.differences)
        return f"<p>{html.escape(self.note)}</p>" + table(self.headers, self.rows) + said


def compare_rankings(
    scorer: Scorer, test: Interactions, k: int = 10, *, name: str = "model"
) -> Comparison:
    """Rank by a model, by popularity and by item neighbours, for the same users.

    Args:
        scorer: The model.
        test: Held-out interactions.
        k: How many items are recommended.
        name: Of the model.

    Raises:
        DataError: If there is nothing to rank.
    """
    seen = scorer.seen
    half_life = math.inf if seen.implicit is None else seen.implicit.half_life
    rivals: dict[str, Scorer] = {name: scorer, "popularity": Popularity(seen)}
    rivals["item neighbours"] = ItemNeighbours(seen)
    if math.isfinite(half_life) and seen.in_order:
        rivals["item neighbours, latest first"] = ItemNeighbours(seen, half_life=half_life)
    ours, *others = (rank(one, test, k, name=label) for label, one in rivals.items())
    figures = ("ndcg", "recall", "precision", "map", "mrr", "coverage")
    at = tuple(f"{f}@{k}" if f != "ndcg" else f"NDCG@{k}" for f in figures[:3])
    headers = ("", *at, f"MAP@{k}", "MRR", f"coverage@{k}")
    rows = tuple((r.name, *(str(r[figure]) for figure in figures)) for r in (ours, *others))
    note = f"{ours.n_held} held-out items of {len(ours.users)} users, ranked among all items"
    return Comparison(note, headers, rows, tuple(paired_ranking(ours, other) for other in others))


def _nearest(values: Any, had: Any, n: int, add: float, shrink: float) -> Any:
    """For each item the ``n`` most similar, as rows of a sparse matrix; all above 0.

    Args:
        values: Users by items, sparse.
        had: The same with ones.
        n: How many to keep of each.
        add: To the product of the norms.
        shrink: For the number of users who had both.
    """
    from scipy.sparse import csr_matrix, vstack

    squares = values.copy()
    squares.data = squares.data**2
    columns, ones, column_squares = (m.T.tocsr() for m in (values, had, squares))
    norms = np.sqrt(np.asarray(squares.sum(0)).ravel())
    n_items, parts = values.shape[1], []
    for at, end in _blocks(ones @ had.sum(1), n_items):
        rows = slice(at, end)
        alike = _product(columns[rows], values)
        row = np.repeat(np.arange(alike.shape[0]), np.diff(alike.indptr))
        size = norms[row + at] * norms[alike.indices] + add
        if shrink:
            # Norms over the users who rated both.
            both = _at(alike, _product(ones[rows], had))
            size = _at(alike, _product(column_squares[rows], had))
            size = size * _at(alike, _product(ones[rows], squares))
            size = np.sqrt(size) * (both + shrink) / both
        data = np.divide(alike.data, size, out=np.zeros(len(row)), where=size > 0)
        kept = (data > 0) & (row + at != alike.indices)
        entries = (data[kept], (row[kept], alike.indices[kept]))
        parts.append(_largest(csr_matrix(entries, shape=alike.shape), n))
    return vstack(parts).tocsr() if parts else csr_matrix((0, 0))


def _blocks(work: Any, n_items: int) -> Iterator[tuple[int, int]]:
    """Cut items into blocks whose products are not too large.

    Args:
        work: How many ratings the users of each item have, ``(n_items, 1)``: no item has
            more similar ones.
        n_items: How many items there are.
    """
    most = np.minimum(np.asarray(work).ravel(), n_items).cumsum()
    at = 0
    while at < n_items:
        before = most[at - 1] if at else 0
        end = max(int(np.searchsorted(most, before + _PAIRS, side="right")), at + 1)
        yield at, end
        at = end


def _at(pattern: Any, matrix: Any) -> NDArray[Any]:
    """Entries of ``matrix`` where ``pattern`` has some; both in order.

    A product that comes out as 0 leaves no entry, so one may have fewer than the other.
    """
    found: NDArray[Any] = matrix.data
    if matrix.nnz != pattern.nnz:
        wide = pattern.shape[1]
        keys, wanted = (
            np.repeat(np.arange(m.shape[0]), np.diff(m.indptr)) * wide + m.indices
            for m in (matrix, pattern)
        )
        found = found[np.searchsorted(keys, wanted)]
    return found


def _product(a: Any, b: Any) -> Any:
    found = (a @ b).tocsr()
    found.sort_indices()
    return found


def _largest(matrix: Any, n: int) -> Any:
    """Keep the ``n`` largest of each row; of equal ones the first."""
    from scipy.sparse import csr_matrix

    matrix.sort_indices()
    counts = np.diff(matrix.indptr)
    row = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((-matrix.data, row))
    along = np.arange(len(order)) - np.repeat(matrix.indptr[:-1], counts)
    kept = order[along < n]
    parts = (matrix.data[kept], (row[kept], matrix.indices[kept]))
    return csr_matrix(parts, shape=matrix.shape)
