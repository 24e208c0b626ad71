from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from redstart.collab import baseline
from redstart.collab.als import fit_als
from redstart.collab.baseline import (
    ItemNeighbours,
    Popularity,
    RatingBiases,
    RatingNeighbours,
    compare_rankings,
)
from redstart.collab.codec import CollabCodec
from redstart.collab.interactions import Implicit, Interactions
from redstart.collab.model import EmbeddingDotBias
from redstart.collab.recommend import Recommender
from redstart.data.last_out import LastOutSplitter
from redstart.data.table import Table
from redstart.rng import generator

N_USERS, N_ITEMS = 25, 12


def rated(seed: int = 0) -> Interactions:
    """Ratings that depend on user, item and two tastes."""
    rng = generator(seed)
    users, items = torch.nonzero(torch.rand(N_USERS, N_ITEMS, generator=rng) < 0.5).T
    keep = (users > 0) & (items > 0)
    users, items = users[keep], items[keep]
    taste = torch.where((users + items) % 2 == 0, 1.0, -1.0)
    noise = 0.1 * torch.randn(len(users), generator=rng)
    values = 3 + 0.05 * users - 0.1 * items + taste + noise
    times = torch.randperm(len(users), generator=rng)
    return Interactions.of(users, items, values, N_USERS, N_ITEMS, times=times)


def dense(seen: Interactions, values: np.ndarray) -> np.ndarray:
    matrix = np.zeros((seen.n_users, seen.n_items))
    matrix[seen.users().numpy(), seen.items.numpy()] = values
    return matrix


def test_popularity_is_the_same_for_all() -> None:
    seen = rated()
    scores = Popularity(seen).score_users(torch.tensor([3, 4]))
    assert scores.tolist() == [seen.popularity().tolist()] * 2


@pytest.mark.parametrize("pairs", [1, 1 << 22])
def test_neighbours_score_by_shrunk_cosines(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline, "_PAIRS", pairs)
    seen = rated()
    had = dense(seen, np.ones(seen.n_seen))
    norms = np.sqrt(had.sum(0))
    alike = had.T @ had / (norms[:, None] * norms + 4.0)
    np.fill_diagonal(alike, 0)
    users = torch.arange(N_USERS)
    found = ItemNeighbours(seen, n=N_ITEMS, shrink=4.0).score_users(users)
    assert found.numpy() == pytest.approx(had @ alike, abs=1e-5)
    # Fewer neighbours: each item keeps those most like itself.
    kept = np.where(np.argsort(np.argsort(-alike, axis=1, kind="stable"), axis=1) < 3, alike, 0)
    few = ItemNeighbours(seen, n=3, shrink=4.0).score_users(users)
    assert few.numpy() == pytest.approx(had @ kept.T, abs=1e-5)


def test_neighbours_of_the_latest_items_can_count_most() -> None:
    seen = rated()
    weights = Implicit(1.0, 1.0, half_life=2.0, floor=0.03).weights(seen).numpy()
    had = dense(seen, np.ones(seen.n_seen))
    norms = np.sqrt(had.sum(0))
    alike = had.T @ had / (norms[:, None] * norms + 10.0)
    np.fill_diagonal(alike, 0)
    found = ItemNeighbours(seen, half_life=2.0).score_users(torch.arange(N_USERS))
    assert found.numpy() == pytest.approx(dense(seen, weights) @ alike, abs=1e-5)


def test_biases_solve_their_penalised_least_squares() -> None:
    seen = rated()
    found = RatingBiases(seen, 3.0, 5.0)
    users, items, values = (
        x.numpy() for x in (seen.users(), seen.items.long(), seen.values.double())
    )
    left = values - found.predict(users, items)
    # The slope of sum left^2 + 3 |item|^2 + 5 |user|^2 is zero.
    slope_user = np.bincount(users, left, N_USERS) - 5 * found.user
    slope_item = np.bincount(items, left, N_ITEMS) - 3 * found.item
    assert np.abs(slope_user).max() < 1e-6
    assert np.abs(slope_item).max() < 0.05
    assert found.predict(np.array([0]), np.array([0]))[0] == pytest.approx(values.mean())


@pytest.mark.parametrize("pairs", [1, 1 << 22])
def test_neighbours_of_ratings_are_those_of_the_definition(
    pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline, "_PAIRS", pairs)
    seen = rated()
    users, items, values = (
        x.numpy() for x in (seen.users(), seen.items.long(), seen.values.double())
    )
    biases = RatingBiases(seen)
    had = dense(seen, np.ones(seen.n_seen))
    left = dense(seen, values - biases.predict(users, items))
    alike = np.zeros((N_ITEMS, N_ITEMS))
    for i in range(N_ITEMS):
        for j in range(N_ITEMS):
            both = (had[:, i] * had[:, j]) > 0
            size = math.sqrt(float((left[both, i] ** 2).sum() * (left[both, j] ** 2).sum()))
            if i != j and size > 0:
                m = both.sum()
                alike[i, j] = max(0.0, left[both, i] @ left[both, j] / size * m / (m + 6.0))
    model = RatingNeighbours(seen, n=N_ITEMS, k=2, shrink=6.0)
    asked = [(user, item) for user in range(1, 6) for item in range(N_ITEMS)]
    who, what = (np.array(x) for x in zip(*asked, strict=True))
    found = model.predict(who, what)
    for place, (user, item) in enumerate(asked):
        near = [(alike[item, j], left[user, j]) for j in range(N_ITEMS) if had[user, j]]
        best = sorted((pair for pair in near if pair[0] > 0), reverse=True)[:2]
        total = sum(weight for weight, _ in best)
        extra = sum(weight * r for weight, r in best) / total if total else 0.0
        expected = biases.predict(np.array([user]), np.array([item]))[0] + extra
        assert found[place] == pytest.approx(expected, abs=1e-4)


def test_a_ranking_stands_beside_popularity_and_neighbours() -> None:
    seen = rated()
    test = rated(1)
    codec = CollabCodec("u", "i", ("#na#", *range(24)), ("#na#", *range(100, 111)))
    model = EmbeddingDotBias(3, N_USERS, N_ITEMS)
    model.seen = seen
    fit_als(model, seen)
    found = compare_rankings(Recommender(model.eval(), codec), test, 3, name="ALS")
    names = ["ALS", "popularity", "item neighbours", "item neighbours, latest first"]
    assert [row[0] for row in found.rows] == names
    assert found.headers[1:3] == ("NDCG@3", "recall@3")
    assert [one.sentence.split(" is ")[0] for one in found.differences] == ["The NDCG@3 of ALS"] * 3
    seen.solve_by(None)
    plain = compare_rankings(Popularity(seen), test, 3)
    assert [row[0] for row in plain.rows] == ["model", "popularity", "item neighbours"]
    assert plain.differences[0].value == 0


@pytest.mark.slow
def test_als_beats_popularity_and_neighbours_on_films(shared: Path) -> None:
    import pandas as pd

    names = ["user", "item", "rating", "time"]
    frame = pd.read_csv(shared / "data" / "ml-100k" / "u.data", sep="\t", names=names)
    train, valid = LastOutSplitter("user", "time")(frame)
    users = ("#na#", *sorted(frame["user"].unique().tolist()))
    items = ("#na#", *sorted(frame["item"].unique().tolist()))
    codec = CollabCodec("user", "item", users, items)

    def part(rows: tuple[int, ...]) -> Interactions:
        some = frame.iloc[list(rows)]
        (x,) = codec.encode_table(Table(some))
        times = torch.tensor(some["time"].to_numpy())
        return Interactions.of(x[:, 0], x[:, 1], None, len(users), len(items), times=times)

    model = EmbeddingDotBias(64, len(users), len(items))
    model.seen = part(train)
    fit_als(model, model.seen)
    found = compare_rankings(Recommender(model.eval(), codec), part(valid), name="ALS")
    assert float(found.rows[0][1].split()[0]) > 0.11
    assert all(one.clear and one.value > 0 for one in found.differences)
