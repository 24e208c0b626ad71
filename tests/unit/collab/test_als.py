from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from redstart.collab.als import fit_als
from redstart.collab.foldin import ImplicitFoldIn
from redstart.collab.interactions import Implicit, Interactions
from redstart.collab.model import EmbeddingDotBias
from redstart.errors import ConfigError, DataError
from redstart.rng import generator

N_USERS, N_ITEMS, D = 31, 21, 4


def two_tastes(*, timed: bool = False, shuffled: int | None = None) -> Interactions:
    """Odd users have odd items, even users even ones; item 20 and user 30 have none."""
    rng = generator(7)
    pairs = [
        (user, item)
        for user in range(1, 30)
        for item in range(1, 20)
        if (user - item) % 2 == 0 and float(torch.rand(1, generator=rng)) < 0.7
    ]
    users, items = torch.tensor(pairs).T
    times = torch.arange(len(pairs)) if timed else None
    if shuffled is not None:
        order = torch.randperm(len(pairs), generator=generator(shuffled))
        users, items = users[order], items[order]
        times = None if times is None else times[order]
    return Interactions.of(users, items, None, N_USERS, N_ITEMS, times=times)


def dot() -> EmbeddingDotBias:
    return EmbeddingDotBias(D, N_USERS, N_ITEMS)


def fitted(seen: Interactions, **options: float) -> EmbeddingDotBias:
    model = dot().double()
    fit_als(model, seen, **options)  # type: ignore[arg-type]
    return model


def objective(u: Tensor, q: Tensor, seen: Interactions, how: Implicit) -> Tensor:
    scores = u @ q.T
    had = scores[seen.users(), seen.items.long()]
    n_users, n_items = int((seen.counts() > 0).sum()), int((seen.popularity() > 0).sum())
    loss = (1 - had).square().sum() + how.alpha * scores.square().sum()
    ridge_u = how.reg * (seen.counts() + how.alpha * n_items)
    ridge_q = how.reg * (seen.popularity() + how.alpha * n_users)
    return loss + (ridge_u * u.square().sum(1)).sum() + (ridge_q * q.square().sum(1)).sum()


def test_users_and_items_solve_their_normal_equations() -> None:
    seen = two_tastes()
    model = dot().double()
    how = fit_als(model, seen, 300, reg=0.02, alpha=0.4)
    u, q = model.u_weight.weight, model.i_weight.weight
    slopes = torch.autograd.grad(objective(u, q, seen, how), (u, q))
    assert max(float(slope.abs().max()) for slope in slopes) < 1e-3


def test_every_sweep_lowers_the_objective() -> None:
    seen = two_tastes()
    losses = []
    for sweeps in (1, 2, 3, 5, 8):
        model = fitted(seen, n_iter=sweeps)
        how = seen.implicit
        assert how is not None
        vectors = model.u_weight.weight.detach(), model.i_weight.weight.detach()
        losses.append(float(objective(*vectors, seen, how)))
    assert losses == sorted(losses, reverse=True)


def test_users_score_items_of_their_taste_above_others() -> None:
    model = fitted(two_tastes(), reg=0.3)
    scores = model.u_weight.weight @ model.i_weight.weight.T
    same = (torch.arange(1, 30)[:, None] - torch.arange(1, 20)) % 2 == 0
    block = scores[1:30, 1:20]
    assert block[same].min() > block[~same].max()


def test_biases_are_zero_and_so_is_what_no_one_had() -> None:
    model = EmbeddingDotBias(D, N_USERS, N_ITEMS, mean=3.0)
    nn.init.ones_(model.u_bias.weight)
    fit_als(model, two_tastes())
    assert not model.u_bias.weight.any()
    assert not model.i_bias.weight.any()
    assert not model.i_weight.weight[20].any()
    assert not model.u_weight.weight[30].any()
    pair = torch.tensor([[1, 3]])
    expected = model.u_weight.weight[1] @ model.i_weight.weight[3]
    assert model.eval()(pair).item() == pytest.approx(float(expected.detach()), abs=1e-6)


def test_the_same_seed_gives_the_same_vectors() -> None:
    one, again, other = (fitted(two_tastes(), seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.i_weight.weight, again.i_weight.weight)
    assert not torch.equal(one.i_weight.weight, other.i_weight.weight)


@pytest.mark.parametrize("timed", [True, False])
def test_the_order_of_the_rows_does_not_matter(timed: bool) -> None:
    one = fitted(two_tastes(timed=timed))
    other = fitted(two_tastes(timed=timed, shuffled=3))
    assert torch.allclose(one.u_weight.weight, other.u_weight.weight, atol=1e-9)


@pytest.mark.parametrize("timed", [True, False])
def test_folding_in_a_trained_user_gives_his_vector(timed: bool) -> None:
    seen = two_tastes(timed=timed)
    model = fitted(seen)
    how = seen.implicit
    assert how is not None
    assert how.half_life == (3.0 if timed else math.inf)
    found = ImplicitFoldIn(model.item_vectors(), how).vectors(seen.take(torch.tensor([4, 9])))
    assert torch.allclose(found, model.user_vectors(torch.tensor([4, 9])), atol=1e-12)


def test_values_can_be_weights() -> None:
    seen = two_tastes()
    plain = fitted(seen).u_weight.weight
    seen.values = torch.where(seen.items == 1, 5.0, 1.0)
    assert torch.equal(fitted(seen).u_weight.weight, plain)
    weighted = fitted(seen, by_value=True)
    mine = weighted.u_weight.weight @ weighted.i_weight.weight[1]
    had = seen.users()[seen.items == 1]
    assert (1 - mine[had]).abs().mean() < 0.3


def test_a_model_of_another_kind_is_refused() -> None:
    seen = two_tastes()
    with pytest.raises(ConfigError, match=r"dot-product model with u_weight.*Got: model=Linear"):
        fit_als(nn.Linear(2, 2), seen)
    with pytest.raises(ConfigError, match=r"without a range of ratings.*Leave out `y_range`"):
        fit_als(EmbeddingDotBias(D, N_USERS, N_ITEMS, (1.0, 5.0)), seen)


def test_impossible_settings_and_data_are_refused() -> None:
    seen = two_tastes()
    with pytest.raises(ConfigError, match=r"at least one sweep. Got: n_iter=0"):
        fit_als(dot(), seen, 0)
    with pytest.raises(ConfigError, match=r"`alpha`, `reg` and `half_life` above 0"):
        fit_als(dot(), seen, reg=0.0)
    none = torch.zeros(0, dtype=torch.int64)
    with pytest.raises(DataError, match=r"interactions to learn from"):
        fit_als(dot(), Interactions.of(none, none, None, N_USERS, N_ITEMS))
    seen.values = -seen.values
    with pytest.raises(DataError, match=r"values of 0 or more for `by_value`.*a value of -1"):
        fit_als(dot(), seen, by_value=True)
