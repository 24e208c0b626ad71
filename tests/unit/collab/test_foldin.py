from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from redstart.collab import foldin, preferfold
from redstart.collab.foldin import (
    ExplicitFoldIn,
    FoldIn,
    ImplicitFoldIn,
    Problem,
    gaussian,
    solve_rows,
)
from redstart.collab.interactions import Implicit, Interactions
from redstart.collab.model import EmbeddingDotBias
from redstart.collab.preferfold import SoftmaxFoldIn
from redstart.errors import ConfigError
from redstart.rng import generator

N_USERS, N_ITEMS, D = 12, 20, 3


def rows_of(seed: int, longest: int = 15) -> Interactions:
    """Users with 0 to ``longest`` different items each, rated 1 to 5."""
    rng = generator(seed)
    users, items = [], []
    for user in range(N_USERS):
        n = int(torch.randint(longest + 1, (1,), generator=rng)) if user else 0
        users += [user] * n
        items += torch.randperm(N_ITEMS, generator=rng)[:n].tolist()
    values = torch.randint(1, 6, (len(users),), generator=rng).float()
    when = torch.arange(len(users))
    return Interactions.of(
        torch.tensor(users, dtype=torch.int64),
        torch.tensor(items, dtype=torch.int64),
        values,
        N_USERS,
        N_ITEMS,
        times=when,
    )


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def model_of(seed: int, **options: Any) -> EmbeddingDotBias:
    model = EmbeddingDotBias(D, N_USERS, N_ITEMS, **options).double()
    with torch.no_grad():
        for number, table in enumerate((model.u_weight, model.i_weight)):
            table.weight.copy_(normal(*table.weight.shape, seed=seed + number))
        for number, table in enumerate((model.u_bias, model.i_bias)):
            table.weight.copy_(0.3 * normal(*table.weight.shape, seed=seed + 5 + number))
    return model.eval()


def squash(z: Tensor) -> Tensor:
    return 0.5 + 5 * torch.sigmoid(z)


def explicit(act: Callable[[Tensor], Tensor]) -> ExplicitFoldIn:
    factors = torch.cat([normal(N_ITEMS, D), torch.ones(N_ITEMS, 1, dtype=torch.float64)], 1)
    root = normal(D + 1, D + 1, seed=1)
    precision = root @ root.T + torch.eye(D + 1)
    mean = normal(D + 1, seed=2)
    return ExplicitFoldIn(factors, 0.2 * normal(N_ITEMS, seed=3), act, mean, precision, 0.7)


@pytest.mark.parametrize("budget", [1, 200, 1 << 22])
def test_blocks_give_what_one_user_at_a_time_gives(
    budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foldin, "_BUDGET", budget)
    rows, q = rows_of(0), normal(N_ITEMS, D)
    base = torch.eye(D, dtype=torch.float64)
    weight, pull = rows.values.double(), rows.values.double() * 2
    ridge = torch.arange(N_USERS, dtype=torch.float64)
    found = solve_rows(rows, q, Problem(weight, pull, base, ridge))
    for user in range(N_USERS):
        items, values = rows.of_user(user)
        x, w = q[items], values.double()
        matrix = base + ridge[user] * torch.eye(D) + (x * w[:, None]).T @ x
        assert torch.allclose(found[user], torch.linalg.solve(matrix, (2 * w) @ x), atol=1e-10)
    assert found[0].tolist() == [0.0] * D


def test_too_little_regularisation_is_refused() -> None:
    rows, q = rows_of(0), normal(N_ITEMS, D)
    task = Problem(0 * rows.values, rows.values, 0 * q[:D, :D], torch.zeros(N_USERS))
    with pytest.raises(ConfigError, match=r"single best vector.*singular system.*Raise `reg`"):
        solve_rows(rows, q, task)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.floats(0.01, 2), st.floats(0.001, 1), st.floats(0, 1))
def test_an_implicit_user_has_no_slope_left(seed: int, alpha: float, reg: float, nu: float) -> None:
    rows, q = rows_of(seed), normal(N_ITEMS, D, seed=seed)
    how = Implicit(alpha, reg, nu, half_life=2.0, floor=0.1, by_value=True)
    p = ImplicitFoldIn(q, how).vectors(rows).requires_grad_()
    scores = p @ q.T
    had = scores[rows.users(), rows.items.long()]
    strength = reg * (rows.counts() + alpha * N_ITEMS) ** nu
    loss = (how.weights(rows) * (1 - had) ** 2).sum() + alpha * scores.square().sum()
    loss = loss + (strength * p.square().sum(1)).sum()
    (slope,) = torch.autograd.grad(loss, p)
    assert slope.abs().max() < 1e-4


@pytest.mark.parametrize("act", [lambda z: z, squash], ids=["line", "sigmoid"])
def test_an_explicit_user_has_no_slope_left(act: Callable[[Tensor], Tensor]) -> None:
    fold, rows = explicit(act), rows_of(3)
    p = fold.vectors(rows).requires_grad_()
    z = fold.offsets[rows.items.long()] + (p[rows.users()] * fold.factors[rows.items.long()]).sum(1)
    away = p - fold.mean
    loss = (rows.values - act(z)).square().sum() / fold.noise
    loss = loss + ((away @ fold.precision) * away).sum()
    (slope,) = torch.autograd.grad(loss, p)
    assert slope.abs().max() < 1e-3


def test_a_preference_has_no_slope_left() -> None:
    model, rows = model_of(0, negatives=4), rows_of(1)
    fold = SoftmaxFoldIn(model, rows)
    p = fold.vectors(rows).requires_grad_()
    had = rows.popularity() > 0
    scores = (p @ fold.factors.T + fold.offsets).masked_fill(~had, -torch.inf)
    chosen = torch.log_softmax(scores, 1)[rows.users(), rows.items.long()]
    away = p - fold.mean
    loss = -chosen.sum() + ((away @ fold.precision) * away).sum() / 2
    (slope,) = torch.autograd.grad(loss, p)
    assert slope.abs().max() < 1e-3


def test_blocks_of_preferences_do_not_change_them(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = model_of(0, negatives=4), rows_of(1)
    whole = SoftmaxFoldIn(model, rows).vectors(rows)
    monkeypatch.setattr(preferfold, "_BUDGET", 1)
    assert torch.allclose(SoftmaxFoldIn(model, rows).vectors(rows), whole, atol=1e-4)


def folds() -> list[FoldIn]:
    q = normal(N_ITEMS, D)
    model = model_of(0, negatives=4)
    how = Implicit(0.5, 0.1, half_life=3.0, floor=0.03)
    return [
        explicit(lambda z: z),
        explicit(squash),
        ImplicitFoldIn(q, how),
        SoftmaxFoldIn(model, rows_of(1)),
    ]


@pytest.mark.parametrize("kind", range(4))
def test_parts_add_up_to_the_score(kind: int) -> None:
    fold, rows = folds()[kind], rows_of(1)
    for user in (2, 3):
        one = rows.take(torch.tensor([user]))
        scores = fold.scores(one)[0]
        for item in (0, 7):
            parts = fold.parts(one, item)
            assert len(parts.share) == one.n_seen > 0
            assert parts.base + float(parts.share.sum()) == pytest.approx(
                float(scores[item]), abs=1e-3
            )


@pytest.mark.parametrize("kind", range(4))
def test_a_user_without_ratings_is_explained_by_nothing(kind: int) -> None:
    fold, none = folds()[kind], rows_of(1).take(torch.tensor([0]))
    parts = fold.parts(none, 4)
    assert len(parts.share) == 0
    assert parts.base == pytest.approx(float(fold.scores(none)[0, 4]))


def test_a_user_without_ratings_is_the_mean_user() -> None:
    fold = explicit(squash)
    assert torch.equal(fold.vectors(rows_of(0))[0], fold.mean)
    softmax = SoftmaxFoldIn(model_of(0, negatives=4), rows_of(1))
    assert torch.equal(softmax.vectors(rows_of(1))[0], softmax.mean)


def test_ratings_that_no_vector_gives_still_end() -> None:
    fold = explicit(squash)
    items = torch.arange(N_ITEMS)
    wild = Interactions.of(0 * items, items, 1e4 * normal(N_ITEMS).float(), 1, N_ITEMS)
    assert torch.isfinite(fold.vectors(wild)).all()


@pytest.mark.parametrize("y_range", [None, (0.5, 5.5)])
def test_a_new_user_of_a_trained_model_is_rated_as_he_would(
    y_range: tuple[float, float] | None,
) -> None:
    model = model_of(0, y_range=y_range)
    users = torch.arange(1, N_USERS)
    linear = model.user_vectors(users) @ model.item_vectors().T
    truth = model.squash(linear + model.user_biases(users)[:, None] + model.item_biases())
    n = len(users)
    who, what = users.repeat_interleave(N_ITEMS), torch.arange(N_ITEMS).repeat(n)
    noise = 0.05 * normal(n * N_ITEMS, seed=9)
    seen = Interactions.of(who, what, truth.flatten() + noise, N_USERS, N_ITEMS)
    fold = ExplicitFoldIn.of(model, seen)
    assert fold.noise == pytest.approx(0.0025, rel=0.3)
    ten = seen.keep(seen.items < 10)
    rated = model.squash(fold.scores(ten))[1:, 10:]
    mean = model.squash(fold.scores(ten.take(torch.zeros(n, dtype=torch.int64))))[:, 10:]
    wrong = (rated - truth[:, 10:]).square().mean()
    assert wrong < 0.1 * (mean - truth[:, 10:]).square().mean()


def test_a_model_without_ratings_still_folds() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    seen = Interactions.of(none, none, None, N_USERS, N_ITEMS)
    fold = ExplicitFoldIn.of(model_of(0), seen)
    assert torch.isfinite(fold.scores(rows_of(0))).all()


def test_a_prior_is_the_mean_and_the_inverse_covariance() -> None:
    root = normal(4, 4, seed=5)
    draws = normal(20000, 4) @ root + 1
    mean, precision = gaussian(draws)
    covariance = root.T @ root
    assert torch.allclose(mean, torch.ones(4, dtype=torch.float64), atol=0.05)
    expected = 0.9 * covariance + 0.1 * torch.diag(covariance.diagonal())
    assert torch.allclose(torch.linalg.inv(precision), expected, rtol=0.1, atol=0.1)
