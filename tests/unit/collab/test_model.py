from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from redstart.collab.build import penalised
from redstart.collab.codec import NEW, Keys
from redstart.collab.interactions import Interactions
from redstart.collab.model import EmbeddingDotBias, EmbeddingNN, embedding_size, linear_mean
from redstart.collab.svdpp import SVDPlusPlus
from redstart.errors import ConfigError, DataError
from redstart.rng import forked, generator

USERS, ITEMS = 6, 5
PAIRS = torch.tensor([(u, i) for u in range(1, USERS) for i in range(1, ITEMS) if (u + i) % 3])


def seen() -> Interactions:
    values = torch.randint(1, 6, (len(PAIRS),), generator=generator(0)).float()
    return Interactions.of(PAIRS[:, 0], PAIRS[:, 1], values, USERS, ITEMS)


def filled(model: Any) -> Any:
    """The model with other weights, position 0 being left at 0 where it begins so."""
    for number, part in enumerate(model.parameters()):
        with torch.no_grad():
            zero = part.ndim == 2 and not part[0].any()
            part.copy_(torch.randn(part.shape, generator=generator(number)))
            if zero:
                part[0] = 0
    model.seen = seen()
    return model


def models() -> list[Any]:
    return [
        filled(EmbeddingDotBias(3, USERS, ITEMS, (0.5, 5.5))),
        filled(EmbeddingDotBias(3, USERS, ITEMS, mean=3.0)),
        filled(SVDPlusPlus(3, USERS, ITEMS, mean=3.0, spread=1.2)),
        filled(SVDPlusPlus(3, USERS, ITEMS, (0.5, 5.5), mean=3.0)),
    ]


def every_pair() -> Tensor:
    return torch.cartesian_prod(torch.arange(USERS), torch.arange(ITEMS))


# ---- what all models with vectors keep


@pytest.mark.parametrize("number", range(4))
def test_vectors_and_biases_give_the_ratings_that_the_model_gives(number: int) -> None:
    model = models()[number].eval()
    users = torch.arange(USERS)
    linear = model.user_vectors(users) @ model.item_vectors().T
    linear = linear + model.user_biases(users)[:, None] + model.item_biases()
    ratings = model.squash(linear)
    if isinstance(model, SVDPlusPlus):  # predictions, unlike scores, stay among ratings seen
        ratings = ratings.clamp(model.seen.values.min(), model.seen.values.max())
    with torch.no_grad():
        assert torch.allclose(model(every_pair()), ratings.reshape(-1, 1), atol=1e-5)


@pytest.mark.parametrize("number", range(4))
def test_who_is_new_has_no_taste_and_the_mean_bias(number: int) -> None:
    model = models()[number].eval()
    users = torch.arange(USERS)
    assert not model.user_vectors(users)[0].any() and not model.item_vectors()[0].any()
    biases = model.user_biases(users)
    for found in (biases, model.item_biases()):
        assert float(found[0]) == pytest.approx(float(found[1:].mean()), abs=1e-5)


@pytest.mark.parametrize("number", range(4))
def test_training_leaves_position_0_alone(number: int) -> None:
    model = models()[number].train()
    tables = [p for name, p in model.named_parameters() if "met" not in name]
    opt = torch.optim.AdamW(model.parameters(), lr=0.1)
    before = [p.detach()[0].clone() for p in tables]
    for _ in range(3):
        penalised(model(PAIRS), torch.ones(len(PAIRS), 1)).backward()
        opt.step()
        opt.zero_grad()
    for old, table in zip(before, tables, strict=True):
        assert torch.equal(old, table.detach()[0])


# ---- the dot product


def test_the_dot_product_is_what_the_course_writes() -> None:
    model = filled(EmbeddingDotBias(3, USERS, ITEMS, (0.5, 5.5))).train()
    u, i = PAIRS.T
    dot = (model.u_weight(u) * model.i_weight(i)).sum(1, keepdim=True)
    want = torch.sigmoid(dot + model.u_bias(u) + model.i_bias(i)) * 5 + 0.5
    assert torch.allclose(model(PAIRS), want)
    assert {type(m) for m in (model.u_weight, model.i_bias)} == {nn.Embedding}


def test_biases_and_vectors_are_looked_up_by_name() -> None:
    classes = {"who": [NEW, 7, 8], "film": [NEW, "a", "b"]}
    model = EmbeddingDotBias.from_classes(4, classes, y_range=(0, 5))
    assert torch.equal(model.bias(["b", "a"]), model.i_bias.weight.detach()[[2, 1], 0])
    assert torch.equal(model.weight(["8"], is_item=False), model.u_weight.weight.detach()[[2]])
    turned = EmbeddingDotBias.from_classes(4, classes, "film", "who")
    assert torch.equal(turned.bias([7]), turned.i_bias.weight.detach()[[1], 0])
    with pytest.raises(DataError, match=r"items seen in training.*'c'"):
        model.bias(["a", "c"])
    with pytest.raises(ConfigError, match="column of `classes`"):
        EmbeddingDotBias.from_classes(4, classes, "nobody", "film")
    with pytest.raises(ConfigError, match="a model that knows names"):
        EmbeddingDotBias(4, 3, 3).bias(["a"])


def test_sizes_and_ranges_are_checked() -> None:
    for sizes in ((0, 3, 3), (3, 1, 3), (3, 3, 1)):
        with pytest.raises(ConfigError, match="at least one factor, one user and one item"):
            EmbeddingDotBias(*sizes)
    with pytest.raises(ConfigError, match=r"lowest and the highest.*y_range=\(5, 1\)"):
        EmbeddingDotBias(3, 3, 3, (5, 1))
    with pytest.raises(ConfigError, match="three precisions above 0"):
        SVDPlusPlus(3, 3, 3, precisions=(1.0, 0.0, 1.0))


def test_the_mean_is_where_scores_begin() -> None:
    assert linear_mean(None, None) == 0 and linear_mean(3.5, None) == 3.5
    assert linear_mean(3.0, (1.0, 5.0)) == pytest.approx(0)
    model = EmbeddingDotBias(2, 3, 3, (0.5, 5.5), mean=4.0).eval()
    with torch.no_grad():
        assert model(torch.tensor([[0, 0]])).item() == pytest.approx(4.0, abs=0.05)


# ---- comparing


def test_a_row_is_compared_with_items_that_the_user_did_not_have() -> None:
    model = filled(EmbeddingDotBias(3, USERS, ITEMS, negatives=200)).train()
    with forked(0):
        out = model(PAIRS).detach()
    assert out.shape == (len(PAIRS), 201)
    users = torch.arange(USERS)
    scores = model.user_vectors(users) @ model.item_vectors().T + model.i_bias.weight.detach()[:, 0]
    had = model.seen.hide(torch.zeros(USERS, ITEMS)).isinf()
    for (user, item), row in zip(PAIRS.tolist(), out, strict=True):
        assert float(row[0]) == pytest.approx(float(scores[user, item]), abs=1e-5)
        free = [i for i in range(1, ITEMS) if not had[user, i]]
        drawn = row[1:][torch.isfinite(row[1:])].unique()
        want = scores[user, free].sort().values
        assert torch.allclose(drawn, want, atol=1e-5)


def test_comparisons_are_drawn_in_training_and_fixed_after_it() -> None:
    model = filled(EmbeddingDotBias(3, USERS, 500, negatives=20))
    model.seen = Interactions(USERS, 500)
    x = torch.tensor([[1, 3]])
    with torch.no_grad(), forked(1):
        assert not torch.equal(model.train()(x), model(x))
        assert torch.equal(model.eval()(x), model(x))


# ---- SVD++


def test_what_was_met_is_added_on_both_sides_as_the_papers_write_it() -> None:
    model = filled(SVDPlusPlus(3, USERS, ITEMS, mean=3.0)).eval()
    met = torch.zeros(USERS, ITEMS)
    met[PAIRS[:, 0], PAIRS[:, 1]] = 1
    by_user = met / met.sum(1, keepdim=True).clamp_min(1).sqrt()
    by_item = met.T / met.T.sum(1, keepdim=True).clamp_min(1).sqrt()
    users = model.u_weight.weight + by_user @ model.u_met.weight[:, :-1]
    items = model.i_weight.weight + by_item @ model.i_met.weight[:, :-1]
    biases = model.i_bias.weight[:, 0] + by_item @ model.i_met.weight[:, -1]
    assert torch.allclose(model.user_vectors(torch.arange(USERS)), users, atol=1e-5)
    assert torch.allclose(model.item_vectors(), items, atol=1e-5)
    assert torch.allclose(model.item_biases()[1:], biases[1:], atol=1e-5)


def test_gradients_of_what_was_met_are_exact() -> None:
    model = filled(SVDPlusPlus(2, USERS, ITEMS, mean=3.0)).double().train()
    model.seen = seen()
    y = torch.ones(len(PAIRS), 1, dtype=torch.float64)

    def loss() -> Tensor:
        return penalised(model(PAIRS), y)

    loss().backward()
    for table in (model.u_met.weight, model.i_met.weight, model.u_bias.weight):
        for place in ((1, 0), (3, table.shape[1] - 1)):
            with torch.no_grad():
                step = 1e-5
                table[place] += step
                up = float(loss())
                table[place] -= 2 * step
                down = float(loss())
                table[place] += step
            assert float(table.grad[place]) == pytest.approx((up - down) / (2 * step), rel=1e-4)


def test_the_penalty_is_part_of_the_loss_in_training_alone() -> None:
    model = filled(SVDPlusPlus(2, USERS, ITEMS, (0.5, 5.5), precisions=(1.0, 2.0, 3.0)))
    y = torch.full((len(PAIRS), 1), 3.0)
    out = model.train()(PAIRS)
    assert out.shape == (len(PAIRS), 2)
    tables = [
        (model.u_weight, 1),
        (model.i_weight, 1),
        (model.u_bias, 2),
        (model.i_bias, 2),
        (model.u_met, 3),
        (model.i_met, 3),
    ]
    ridge = 0.5 * sum(p * float(t.weight.detach().square().sum()) for t, p in tables) / len(PAIRS)
    plain = (out.detach()[:, 0] - 3).square().mean()
    assert float(penalised(out.detach(), y)) == pytest.approx(float(plain) + ridge, rel=1e-5)
    weights = torch.zeros(len(PAIRS))
    assert float(penalised(out.detach(), y, weights)) == pytest.approx(ridge, rel=1e-5)
    rows = penalised(out.detach(), y, reduction="none")
    assert float(rows.mean()) == pytest.approx(float(penalised(out.detach(), y)), rel=1e-6)
    rated = model.eval()(PAIRS).detach()
    assert rated.shape == (len(PAIRS), 1)
    assert float(penalised(rated, y)) == pytest.approx(float((rated - 3).square().mean()))


def test_predictions_follow_the_weights_though_tables_are_kept() -> None:
    model = filled(SVDPlusPlus(2, USERS, ITEMS, (0.5, 5.5)))
    opt = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
    with torch.no_grad():
        first = model.eval()(PAIRS)
        assert torch.equal(first, model(PAIRS))
    penalised(model.train()(PAIRS), torch.ones(len(PAIRS), 1)).backward()
    opt.step()
    with torch.no_grad():
        second = model.eval()(PAIRS)
        assert not torch.allclose(first, second)
        model.i_met.weight.zero_()
        assert not torch.allclose(second, model(PAIRS))
        other = Interactions.of(PAIRS[:2, 0], PAIRS[:2, 1], torch.ones(2), USERS, ITEMS)
        third = model(PAIRS)
        model.seen = other
        assert not torch.allclose(third, model(PAIRS))


# ---- the network


def test_the_network_scores_all_items_in_blocks_as_it_rates_pairs() -> None:
    model = EmbeddingNN([[USERS, 4], [ITEMS, 3]], [6], (0.5, 5.5), embed_p=0.1, ps=0.1).eval()
    with torch.no_grad():
        out = model(every_pair())
        assert out.shape == (USERS * ITEMS, 1)
        scores = model.score_users(torch.arange(USERS))
    assert torch.allclose(scores, out.view(USERS, ITEMS), atol=1e-6)
    assert [type(m).__name__ for m in model.layers[0]] == ["Linear", "ReLU"]


def test_embedding_sizes_are_those_of_the_course() -> None:
    assert [embedding_size(n) for n in (944, 1635, 10**6)] == [74, 101, 600]


def test_names_of_a_model_may_be_told_later() -> None:
    model = EmbeddingDotBias(2, 2, 2)
    model.know(Keys([NEW, "ann"]), Keys([NEW, "tea"]))
    assert model.bias(["tea"]).shape == (1,)
    assert np.isfinite(model.weight(["ann"], is_item=False).numpy()).all()
