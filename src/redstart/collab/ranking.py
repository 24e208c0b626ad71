"""How well recommendations hit what users had later: over the whole catalogue, with intervals.

Every item is ranked that the user did not have in training. Ranking a sample of items
instead gives other figures and can turn an order of models round (Krichene & Rendle, "On
Sampled Metrics for Item Recommendation", 2020), so it is not offered.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redstart.collab.figures import Difference, Figure, mean_figure, text_table
from redstart.collab.interactions import Interactions
from redstart.errors import ConfigError, DataError, problem
from redstart.metrics.interval import bootstrap_rows, mean_interval
from redstart.show.page import table

__all__ = ["Ranking", "Scorer", "paired_ranking", "rank"]

_BLOCK = 1 << 22  # scores held at a time
_NAMES = {
    "ndcg": "NDCG@{k}",
    "recall": "recall@{k}",
    "precision": "precision@{k}",
    "map": "MAP@{k}",
    "mrr": "MRR",
}
Floats = NDArray[np.float64]


@runtime_checkable
class Scorer(Protocol):
    """What can be ranked by: a ``Recommender``, a model, a baseline."""

    @property
    def seen(self) -> Interactions:
        """The training ratings; what a user had there is not ranked for him."""
        ...

    def score_users(self, users: Tensor) -> Tensor:
        """Scores ``(U, n_items)`` for users at positions ``(U,)``; higher is better."""
        ...


@final
@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Figures of recommendations, one per user, and their means.

    Attributes:
        name: Of what was ranked by.
        k: Length of the lists.
        users: Positions of the users with held-out items, ``(U,)``.
        figures: ``ndcg``, ``recall``, ``precision``, ``map`` and ``mrr`` of each user, ``(U,)``.
        known: The same without held-out items that no one had in training; NaN for users
            who then have none.
        new: Which users had nothing in training, ``(U,)``.
        coverage: Share of the catalogue that is in someone's list.
        n_held: Held-out pairs of user and item.
        n_new_items: Those of an item that no one had in training; they count as missed.
        n_unknown: Held-out rows of users who are not in the vocabulary; they are left out.
    """

    name: str
    k: int
    users: NDArray[np.int64]
    figures: Mapping[str, Floats]
    known: Mapping[str, Floats]
    new: NDArray[np.bool_]
    coverage: Figure
    n_held: int
    n_new_items: int
    n_unknown: int

    def __getitem__(self, figure: str) -> Figure:
        """The mean of one figure over all users, or ``coverage``."""
        return self.coverage if figure == "coverage" else mean_figure(self.figures[figure])

    def groups(self) -> dict[str, tuple[int, dict[str, Figure]]]:
        """Number of users and mean figures: of all users, and apart where some are new."""
        chosen = {"all users": (self.figures, np.ones_like(self.new))}
        if self.new.any():
            chosen["users with training ratings"] = (self.figures, ~self.new)
            chosen["new users"] = (self.figures, self.new)
        if self.n_new_items:
            some = ~np.isnan(self.known["ndcg"])
            chosen["all users, items known from training"] = (self.known, some)
        return {
            label: (int(who.sum()), {name: mean_figure(f[who]) for name, f in figures.items()})
            for label, (figures, who) in chosen.items()
        }

    def _table(self) -> tuple[list[str], list[list[str]]]:
        headers = ["", "users", *(name.format(k=self.k) for name in _NAMES.values())]
        rows = [
            [label, f"{n}", *(str(figures[name]) for name in _NAMES)]
            for label, (n, figures) in self.groups().items()
        ]
        return headers, rows

    def _notes(self) -> list[str]:
        held = f"{self.n_held} held-out items of {len(self.users)} users"
        notes = [
            f"{self.name}: {held}, ranked among all items (95% intervals over users)",
            f"coverage@{self.k}: {self.coverage} of the catalogue",
        ]
        if self.n_new_items:
            notes.append(f"{self.n_new_items} held-out items were no one's in training: missed")
        if self.n_unknown:
            notes.append(f"{self.n_unknown} rows of users not in the vocabulary are left out")
        return notes

    def __repr__(self) -> str:
        first, *rest = self._notes()
        return "\n".join([first, "", *text_table(*self._table()), "", *rest])

    def _repr_html_(self) -> str:
        first, *rest = (f"<p>{html.escape(note)}</p>" for note in self._notes())
        return first + table(*self._table()) + "".join(rest)


@torch.no_grad()
def rank(scorer: Scorer, test: Interactions, k: int = 10, *, name: str = "") -> Ranking:
    """Rank all items for every user with held-out items.

    Items scored alike share the mean of their places, so that constant scores gain nothing.
    Items no one had in training are never recommended: held-out ones count as missed.

    Args:
        scorer: What to rank by.
        test: Held-out interactions, with the vocabulary of ``scorer.seen``. What the user
            had in training too is not asked for.
        k: How many items are recommended.
        name: Shown in tables; the scorer's class if empty.

    Raises:
        DataError: If there is nothing to rank, or scores are not numbers.
        ConfigError: If ``k`` is below 1, or the vocabularies differ.
    """
    seen = scorer.seen
    _check(seen, test, k)
    users = torch.nonzero(test.counts())[:, 0].to(seen.ptr.device)
    users = users[users > 0]
    step = max(1, _BLOCK // seen.n_items)
    pairs, lists = [], []
    fresh = seen.popularity() == 0
    for at in range(0, len(users), step):
        block = users[at : at + step]
        found, best = _block(scorer, test.take(block), block, fresh, k)
        found[:, 0] += at
        pairs.append(found)
        lists.append(best)
    held = torch.cat(pairs).numpy() if pairs else np.zeros((0, 3))
    if not len(held):
        raise DataError(
            problem(
                "Expected held-out items that users did not have in training",
                f"{test.n_seen} held-out rows",
                "Hold some out, for example with LastOutSplitter.",
            )
        )
    asked = np.unique(held[:, 0]).astype(np.int64)
    who, places = np.searchsorted(asked, held[:, 0]), held[:, 1]
    old = held[:, 2] == 0
    return Ranking(
        name=name or type(scorer).__name__,
        k=k,
        users=users.cpu().numpy()[asked],
        figures=_figures(who, places, len(asked), k),
        known=_figures(who[old], places[old], len(asked), k),
        new=(seen.counts()[users] == 0).cpu().numpy()[asked],
        coverage=_coverage(torch.cat(lists)[torch.from_numpy(asked)], seen.n_items),
        n_held=len(held),
        n_new_items=int((~old).sum()),
        n_unknown=int(test.counts()[0]),
    )


def paired_ranking(ours: Ranking, other: Ranking, figure: str = "ndcg") -> Difference:
    """Say how much better one ranking is than another of the same users (paired).

    Args:
        ours: One.
        other: Another, of the same held-out items.
        figure: ``ndcg``, ``recall``, ``precision``, ``map`` or ``mrr``.

    Raises:
        ConfigError: If they are of other users or lists, or there is no such figure.
    """
    if figure not in _NAMES:
        raise ConfigError(
            problem(f"Expected one of {', '.join(_NAMES)}", f"figure={figure!r}", "Choose one.")
        )
    if ours.k != other.k or not np.array_equal(ours.users, other.users):
        raise ConfigError(
            problem(
                "Expected two rankings of the same users and lists",
                f"{len(ours.users)} users and k={ours.k}, {len(other.users)} and k={other.k}",
                "Rank the same held-out items with the same `k`.",
            )
        )
    gain = ours.figures[figure] - other.figures[figure]
    value, n = float(gain.mean()), len(gain)
    interval = mean_interval(value * n, float((gain**2).sum()), n)
    what = _NAMES[figure].format(k=ours.k)
    return Difference.of(what, (ours.name, other.name), value, interval, f"{n} users")


def _block(
    scorer: Scorer, held: Interactions, users: Tensor, fresh: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """Of some users: ``(pairs, 3)`` of row, place and whether the item is new; and lists."""
    seen = scorer.seen
    scores = scorer.score_users(users).detach().float().clone()
    if not bool((scores < math.inf).all()):
        raise DataError(
            problem(
                "Expected scores that are numbers",
                f"NaN or infinity from {type(scorer).__name__}",
                "Train with a smaller learning rate, or look at what the model returns.",
            )
        )
    scores[:, fresh] = -math.inf
    # From here on NaN stands for what is no candidate: it is neither above nor equal.
    seen.take(users).hide(scores, math.nan)
    scores[:, 0] = math.nan
    best = torch.topk(scores.nan_to_num(-math.inf, neginf=-math.inf), min(k, seen.n_items))
    lists = torch.where(torch.isneginf(best.values), 0, best.indices)

    row, item = _asked(held, scores)
    value = torch.where(item > 0, scores[row, item], -math.inf)
    order = torch.argsort(value, descending=True, stable=True)
    order = order[torch.argsort(row[order], stable=True)]
    row, item, value = row[order], item[order], value[order]
    scores[row, item] = math.nan
    place = _places(scores, row, value)
    new = fresh[item] | (item == 0)
    place[new] = math.inf  # never recommended, however short the catalogue
    return torch.stack([row.double(), place, new.double()], 1).cpu(), lists.cpu()


def _asked(held: Interactions, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs to find, each once, but for unknown items, of which every one is another."""
    row, item = (t.to(scores.device) for t in (held.users(), held.items.long()))
    unknown = item == 0
    key = torch.unique(row[~unknown] * held.n_items + item[~unknown])
    first, second = key // held.n_items, key % held.n_items
    wanted = ~scores[first, second].isnan()
    row = torch.cat([first[wanted], row[unknown]])
    return row, torch.cat([second[wanted], item[unknown]])


def _places(scores: Tensor, row: Tensor, value: Tensor) -> Tensor:
    """Place of each pair, from 0: pairs are in the order of row and falling value."""
    step = max(1, _BLOCK // scores.shape[1])
    place = torch.empty(len(row), dtype=torch.float64, device=row.device)
    for at in range(0, len(row), step):
        part = slice(at, at + step)
        others, own = scores[row[part]], value[part, None]
        place[part] = (others > own).sum(1) + (others == own).sum(1) / 2
    starts = torch.searchsorted(row, row)  # what else is asked for and scored higher
    return place + torch.arange(len(row), device=row.device) - starts


def _figures(who: NDArray[np.int64], places: Floats, n: int, k: int) -> dict[str, Floats]:
    """Figures of each of ``n`` users; NaN for those without a pair.

    Args:
        who: The user of each pair, sorted.
        places: Place of each pair from 0, rising for each user.
        n: How many users.
        k: Length of the lists.
    """
    counts = np.bincount(who, minlength=n)
    along = np.arange(len(who)) - (np.cumsum(counts) - counts)[who]
    hit = places < k
    best = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])

    def total(values: Floats, where: NDArray[np.bool_]) -> Floats:
        sums = np.bincount(who, weights=np.where(where, values, 0.0), minlength=n)
        return sums.astype(np.float64)

    hits, most = total(np.ones(len(who)), hit), np.minimum(counts, k)
    with np.errstate(invalid="ignore"):
        found = {
            "ndcg": total(1 / np.log2(places + 2), hit) / best[most],
            "recall": hits / counts,
            "precision": hits / k,
            "map": total((along + 1) / (places + 1), hit) / most,
            "mrr": total(1 / (places + 1), along == 0),
        }
    return {name: np.where(counts > 0, values, math.nan) for name, values in found.items()}


def _coverage(lists: Tensor, n_items: int) -> Figure:
    """Share of the catalogue in the lists ``(U, k)``, where 0 is no item.

    Lists drawn again hold fewer different items than they were drawn from. What is expected
    to be lost is known exactly, and added to each draw of the bootstrap.
    """
    n, catalogue = len(lists), max(n_items - 1, 1)

    def share(rows: Tensor) -> float:
        return float((torch.bincount(rows.flatten(), minlength=n_items)[1:] > 0).sum()) / catalogue

    counts = torch.bincount(lists.flatten(), minlength=n_items)[1:].double()
    value = share(lists)
    lost = value - float((1 - (1 - counts / n) ** n).sum()) / catalogue
    ends = bootstrap_rows(n, lambda drawn: share(lists[drawn]) + lost, value, most_rows=n)
    if ends is None:
        return Figure(value, None)
    return Figure(value, (max(ends[0], 0.0), min(ends[1], 1.0)))


def _check(seen: Interactions, test: Interactions, k: int) -> None:
    if k < 1:
        raise ConfigError(problem("Expected `k` of 1 or more", f"k={k}", "It counts items."))
    sizes = [(rows.n_users, rows.n_items) for rows in (seen, test)]
    if sizes[0] != sizes[1]:
        raise ConfigError(
            problem(
                "Expected held-out interactions with the vocabulary of the training ones",
                f"users and items {sizes[1]}, not {sizes[0]}",
                "Encode both with the model's codec.",
            )
        )
