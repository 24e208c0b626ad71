from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from redstart import load_learner
from redstart.collab.bundle import CollabBundle
from redstart.collab.data import CollabDataLoaders
from redstart.collab.learner import CollabLearner, collab_learner
from redstart.collab.model import EmbeddingDotBias, EmbeddingNN
from redstart.collab.pictures import pca
from redstart.collab.preference import PreferenceTarget
from redstart.collab.svdpp import SVDPlusPlus
from redstart.data.loaders import DataLoaders
from redstart.data.split import IndexSplitter, Split
from redstart.errors import ConfigError, NoValidationSetError
from redstart.nn.losses import MSELossFlat
from redstart.nn.module import Embedding, Module, sigmoid_range
from redstart.train.learner import Learner


def ratings() -> pd.DataFrame:
    """Two kinds of people like two kinds of films; some films are better; a third is missing."""
    rng = np.random.default_rng(0)
    user, film = (a.ravel() for a in np.meshgrid(np.arange(40), np.arange(30)))
    mean = 3 + np.where(user % 2 == film % 2, 1, -1) + 0.06 * (film - 15)
    rating = (mean + 0.3 * rng.normal(size=user.size)).clip(1, 5).round(1)
    frame = pd.DataFrame({"user": user, "film": film, "rating": rating})
    frame["time"] = rng.permutation(len(frame))
    frame["title"] = "Film " + frame.film.astype(str)
    return frame.sample(frac=0.67, random_state=0).reset_index(drop=True)


def load(**options: Any) -> DataLoaders:
    options.setdefault("bs", 32)
    return CollabDataLoaders.from_df(ratings(), device="cpu", title_name="title", **options)


def taken(**options: Any) -> DataLoaders:
    frame = ratings()
    return CollabDataLoaders.from_df(
        frame[frame.rating > 3][["user", "film", "time"]],
        implicit=True,
        timestamp_name="time",
        device="cpu",
        bs=32,
        **options,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> CollabLearner:
    learn = collab_learner(load(), 5, y_range=(0.5, 5.5), path=tmp_path_factory.mktemp("run"))
    learn.fit_one_cycle(8, 2e-2)
    return learn


# ---- which model


def test_the_course_is_followed_with_the_import_alone_changed(tmp_path: Path) -> None:
    class DotProduct(Module):
        def __init__(self, n_users: int, n_films: int, n_factors: int) -> None:
            self.user_factors = Embedding(n_users, n_factors)
            self.film_factors = Embedding(n_films, n_factors)

        def forward(self, x: Tensor) -> Tensor:
            users, films = self.user_factors(x[:, 0]), self.film_factors(x[:, 1])
            return sigmoid_range((users * films).sum(dim=1), 0, 5.5)

    dls = CollabDataLoaders.from_df(ratings(), item_name="title", bs=64, device="cpu")
    sizes = len(dls.classes["user"]), len(dls.classes["title"])
    learn = Learner(dls, DotProduct(*sizes, 5), loss_func=MSELossFlat(), path=tmp_path)
    assert learn.fit_one_cycle(2, 5e-3).rows[-1]["rmse"] < 2

    learn = collab_learner(dls, n_factors=5, y_range=(0, 5.5), path=tmp_path)
    learn.fit_one_cycle(2, 5e-3, wd=0.1)
    worst = learn.model.i_bias.weight.squeeze().argsort()[:5]
    assert [dls.classes["title"][i] for i in worst] == dls.classes["title"][worst]
    assert pca(learn.model.i_weight.weight[worst], 3).shape == (5, 3)
    factors = learn.model.i_weight.weight
    place = dls.classes["title"].o2i["Film 3"]
    distances = nn.CosineSimilarity(dim=1)(factors, factors[place][None])
    assert dls.classes["title"][distances.argsort(descending=True)[0]] == "Film 3"

    deep = collab_learner(dls, use_nn=True, y_range=(0, 5.5), layers=[10, 5], path=tmp_path)
    assert isinstance(deep.model, EmbeddingNN) and "Linear(in_features=10" in repr(deep.model)
    assert deep.fit_one_cycle(1, 5e-3, wd=0.1).rows[-1]["rmse"] < 2


@pytest.mark.parametrize(
    ("arch", "kind", "config"),
    [
        ("dot", EmbeddingDotBias, {}),
        ("svd++", SVDPlusPlus, {"precisions": [3.0, 3.0, 10.0]}),
        ("nn", EmbeddingNN, {}),
    ],
)
def test_every_architecture_learns_and_comes_back_from_its_bundle(
    arch: str, kind: type, config: dict[str, Any], tmp_path: Path
) -> None:
    dls = load()
    learn = collab_learner(dls, 8, arch=arch, y_range=(0.5, 5.5), config=config, path=tmp_path)
    assert isinstance(learn.model, kind)
    assert learn.fit_one_cycle(12, 2e-2).rows[-1]["rmse"] < 0.6
    bundle = load_learner(learn.export(), device="cpu")
    assert isinstance(bundle, CollabBundle)
    row = {"user": "3", "film": 4.0}
    assert torch.equal(bundle.predict(row).probs, learn.predict(row).probs)
    assert bundle.recommend(3, 5) == learn.recommend(3, 5)
    if arch != "nn":
        assert bundle.similar_items("Film 2", 3) == learn.similar_items(2, 3)
        assert bundle.explain_recommendation(3, 4) == learn.explain_recommendation(3, 4)


def test_without_a_range_scores_start_at_the_mean() -> None:
    dls = load()
    learn = collab_learner(dls, 5)
    assert float(learn.model.mean) == pytest.approx(float(dls.train.dataset.labels[0].mean()))
    assert float(collab_learner(dls, 5, y_range=(0, 5.5)).model.mean) == 0


def test_arguments_reach_the_model_and_the_learner() -> None:
    learn = collab_learner(load(), arch="svd++", config={"precisions": (1.0, 1.0, 1.0)}, wd=0.5)
    assert learn.model.precisions == (1.0, 1.0, 1.0) and learn.wd == 0.5
    deep = collab_learner(
        load(), use_nn=True, emb_szs={"film": 7}, layers=(4,), config={"embed_p": 0.2}
    )
    assert deep.model.i_weight.weight.shape == (31, 7) and deep.model.dropout.p == 0.2
    again = [collab_learner(load(), 4, y_range=(0, 6)).model.i_weight.weight for _ in range(2)]
    assert torch.equal(*again)


def test_a_loss_of_ones_own_replaces_the_targets() -> None:
    learn = collab_learner(load(), 4, y_range=(0.5, 5.5), loss_func=nn.L1Loss())
    assert learn.fit(1, 5e-3).rows[-1]["valid_loss"] < 2
    with pytest.raises(ConfigError, match="no `loss_func` for arch='svd\\+\\+'"):
        collab_learner(load(), arch="svd++", loss_func=nn.L1Loss())


def test_what_does_not_go_together_is_refused() -> None:
    refused: list[tuple[DataLoaders, dict[str, Any], str]] = [
        (load(), {"arch": "dott"}, "a kind of model.*arch='dott'"),
        (load(), {"loss": "hinge"}, "a loss.*'hinge'"),
        (taken(), {"loss": "squared"}, "a loss for what was taken"),
        (taken(), {"arch": "svd++"}, "arch='dot' for a loss that compares"),
        (taken(), {"y_range": (0, 5)}, "no `y_range` with a loss that compares"),
        (load(), {"negatives": 5}, "for `negatives`"),
        (load(), {"use_nn": True, "arch": "dot"}, "one model"),
        (load(), {"layers": [9]}, "`layers` and `emb_szs` with a network.*layers=\\(9,\\)"),
        (load(), {"use_nn": True, "emb_szs": {"films": 9}}, "'films'. Did you mean 'film'"),
        (load(), {"arch": "svd++", "config": {"precision": 1}}, "Did you mean 'precisions'"),
        (load(), {"config": {"embed_p": 0.1}}, "options of arch='dot' in `config`"),
        (load(), {"y_range": (5, 1)}, "the lowest and the highest rating"),
    ]
    for dls, options, words in refused:
        with pytest.raises(ConfigError, match=words):
            collab_learner(dls, 4, **options)
    plain = DataLoaders([(torch.ones(2, 2), torch.ones(2))], [(torch.ones(2, 2), torch.ones(2))])
    with pytest.raises(ConfigError, match="loaders of users and items"):
        collab_learner(plain)


def test_ratings_outside_the_range_are_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "redstart"):
        collab_learner(load(), 4, y_range=(0.5, 5.5))
        assert "outside" not in caplog.text
        collab_learner(load(), 4, y_range=(0, 4))
    assert "training ratings lie outside y_range=(0, 4)" in caplog.text


# ---- what was taken


@pytest.mark.parametrize("loss", [None, "softmax", "pairwise"])
def test_what_was_taken_is_ranked_above_the_rest(loss: str | None, tmp_path: Path) -> None:
    learn = collab_learner(taken(), 4, loss=loss, path=tmp_path)
    target = learn.dls.target
    assert isinstance(target, PreferenceTarget) and target.contrast == (loss or "softmax")
    row = learn.fit_one_cycle(8).rows[-1]
    assert row["auc"] > 0.8
    assert learn.ranking(5)["ndcg"].value > 0.4
    assert 0 <= learn.predict({"user": 0, "film": 0}).decoded <= 1
    bundle = load_learner(learn.export(), device="cpu")
    assert bundle.recommend(2, 3) == learn.recommend(2, 3)  # type: ignore[attr-defined]


def test_ratings_may_be_taken_for_what_was_taken() -> None:
    learn = collab_learner(load(), 4, loss="pairwise", negatives=7)
    assert isinstance(learn.dls.target, PreferenceTarget)
    assert learn.model.negatives == 7 and learn.dls.valid.target == learn.dls.target


def test_als_trains_in_sweeps_and_notes_what_it_did(tmp_path: Path) -> None:
    learn = collab_learner(taken(), 4, path=tmp_path)
    found = learn.fit_als(5, reg=0.01)
    assert found["ndcg"].value > 0.4 and learn.model.seen.in_order
    facts = load_learner(learn.export(), device="cpu").facts
    assert facts["als"]["n_iter"] == 5
    assert facts["metrics"]["ndcg@10"]["value"] == found["ndcg"].value
    frame = ratings()[["user", "film"]]
    alone = CollabDataLoaders.from_df(
        frame, implicit=True, device="cpu", splitter=lambda rows: Split.without_valid(range(50))
    )
    with pytest.raises(NoValidationSetError):
        collab_learner(alone, 4).fit_als()


def test_what_als_left_is_forgotten_by_training_and_not_by_the_range_test(tmp_path: Path) -> None:
    learn = collab_learner(taken(), 4, path=tmp_path)
    learn.fit_als(3)
    learn.lr_find(num_it=15, stop_div=False, show_plot=False)
    assert len(learn.dls.train) < 15, "or it would end before an epoch does"
    assert learn.model.seen.implicit is not None and "als" in learn.bundle().facts
    learn.fit(1, 1e-3)
    assert learn.model.seen.implicit is None
    facts = learn.bundle().facts
    assert "als" not in facts and "auc" in facts["metrics"] and "ndcg@10" not in facts["metrics"]
    assert learn.recommend(ratings=[1, 3], k=2).why == "ratings"


def test_als_is_not_for_ratings() -> None:
    with pytest.raises(ConfigError, match=r"loaders of what was taken.*loss='softmax'"):
        collab_learner(load(), 4).fit_als()
    assert collab_learner(load(), 4, loss="softmax").fit_als(2)["ndcg"].value > 0


def test_batches_that_make_svdpp_slow_are_noticed(caplog: pytest.LogCaptureFixture) -> None:
    frame = pd.concat([ratings().assign(user=lambda f, n=n: f.user + 40 * n) for n in range(20)])
    dls = CollabDataLoaders.from_df(frame, device="cpu", bs=16)
    collab_learner(dls, 4, arch="svd++")
    assert "with bs=16 an epoch has 804 steps. Make the loaders with bs=256" in caplog.text


def test_ratings_that_do_not_differ_train(tmp_path: Path) -> None:
    frame = ratings().assign(rating=4.0)
    dls = CollabDataLoaders.from_df(frame, device="cpu", bs=64)
    learn = collab_learner(dls, 4, arch="svd++", path=tmp_path)
    assert learn.fit_one_cycle(3).rows[-1]["rmse"] < 0.1
    assert "rmse" in str(learn.report())


# ---- verbs


def test_it_recommends_what_a_user_likes_and_did_not_have(trained: CollabLearner) -> None:
    found = trained.recommend(3, 4)
    had = set(ratings().query("user == 3").film)
    chosen = [int(str(item).removeprefix("Film ")) for item in found.items]
    assert all(film % 2 == 1 for film in chosen)
    train = {trained.dls.codec.items[i] for i in trained.model.seen.of_user(4)[0].tolist()}
    assert train <= had and not train & set(chosen)
    new = trained.recommend(ratings={"Film 2": 5, "Film 5": 1}, k=3)
    assert all(int(str(item).removeprefix("Film ")) % 2 == 0 for item in new.items)
    items, scores = trained.recommend_all(2)
    assert items.shape == scores.shape == (41, 2)


def test_it_says_why_and_what_is_alike(trained: CollabLearner) -> None:
    alike = [int(str(item).removeprefix("Film ")) % 2 for item in trained.similar_items(4, 5).items]
    assert alike == [0] * 5
    why = trained.explain_recommendation(3, "Film 7")
    assert why.score == pytest.approx(why.base + sum(why.contributions) + why.rest, abs=1e-4)
    assert why.score == pytest.approx(trained.predict({"user": 3, "film": 7}).decoded, abs=1e-4)


def test_it_is_compared_with_simpler_ways(trained: CollabLearner) -> None:
    found = trained.comparison()
    assert found is not None
    assert {row.names[1] for row in found.rows} == {"mean", "mean and biases", "item neighbours"}
    low, high = trained.model.seen.values.aminmax()
    for rival in trained.baselines():
        assert low <= rival.out.min() and rival.out.max() <= high, "as far as ratings go"
    ranked = collab_learner(taken(), 4).rankings(5)
    assert "popularity" in [row[0] for row in ranked.rows]


def test_users_and_items_that_training_did_not_see_are_measured_apart(tmp_path: Path) -> None:
    frame = ratings()
    held = np.flatnonzero((frame.user == 3) | (frame.film == 4) | (frame.index % 9 == 0))
    dls = CollabDataLoaders.from_df(
        frame, splitter=IndexSplitter(held.tolist()), device="cpu", bs=32
    )
    learn = collab_learner(dls, 5, y_range=(0.5, 5.5), path=tmp_path)
    rmse = learn.fit_one_cycle(4, 2e-2).rows[-1]["rmse"]
    found = learn.by_warmth()
    assert found.figure == "rmse" and found["all"].value == pytest.approx(rmse, rel=1e-5)
    parts = [g.n for name, g in found.groups.items() if name != "all"]
    assert sum(parts) == found["all"].n == len(held) and min(parts[:3]) > 0
    assert found["known user and item"].value < found["new user"].value
    assert "new user" in repr(found) and "<table" in found._repr_html_()
    learn.loss_func = nn.L1Loss()
    assert learn.by_warmth()["all"].value == pytest.approx(rmse, rel=1e-5)
    cold = learn.predict({"user": 3, "film": 29}).decoded
    assert 1 < cold < 5


def test_pictures_of_items_are_drawn(trained: CollabLearner, tmp_path: Path) -> None:
    bias = trained.plot_item_bias(3, min_count=5)
    assert "Film 29" in [label.get_text() for label in bias.axes[0].get_yticklabels()]
    factors = trained.plot_item_factors(20, 10, figsize=(8, 6))
    assert factors.save(tmp_path / "f.png").stat().st_size > 5000
    assert 0 < len(factors.axes[0].texts) <= 10
    with pytest.raises(ConfigError, match="two items or more with so many ratings"):
        trained.plot_item_bias(min_count=10**6)
    deep = collab_learner(load(), use_nn=True)
    with pytest.raises(ConfigError, match=r"a vector and a bias.*EmbeddingNN"):
        deep.plot_item_bias()


def test_the_model_knows_names(trained: CollabLearner) -> None:
    model = trained.model
    assert model.bias([29]) > model.bias([0])
    assert "u_weight (Embedding)" in trained.summary()


def test_training_repeats_bit_for_bit(tmp_path: Path) -> None:
    def losses() -> list[float]:
        learn = collab_learner(taken(), 4, path=tmp_path)
        return learn.fit_one_cycle(2).losses

    assert losses() == losses()
