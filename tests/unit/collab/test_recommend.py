from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from redstart.collab import recommend
from redstart.collab.als import fit_als
from redstart.collab.codec import CollabCodec
from redstart.collab.interactions import Interactions
from redstart.collab.model import EmbeddingDotBias
from redstart.collab.ranking import rank
from redstart.collab.recommend import Recommender
from redstart.errors import ConfigError, DataError
from redstart.rng import generator

FILMS = ("#na#", "Alien", "Aliens", "Amadeus", "Babe", "Big", "Casino", "Clue", "Dave", "Unseen")
PEOPLE = ("#na#", "ann", "bob", "cid", "dan", "eve", "new")
CODEC = CollabCodec("person", "film", PEOPLE, FILMS)


def seen_of(*, stars: bool) -> Interactions:
    """Everyone but `new` had three or four films; no one had `Unseen`."""
    had = {1: (1, 2, 5), 2: (2, 1, 3), 3: (3, 4, 6, 7), 4: (4, 3, 8), 5: (6, 7, 8)}
    pairs = torch.tensor([(user, item) for user, items in had.items() for item in items])
    values = None
    if stars:
        values = torch.randint(1, 6, (len(pairs),), generator=generator(0)).float()
    times = torch.arange(len(pairs))
    return Interactions.of(pairs[:, 0], pairs[:, 1], values, 7, 10, times=times)


def rating_model(y_range: tuple[float, float] | None = (0.5, 5.5)) -> EmbeddingDotBias:
    model = EmbeddingDotBias(3, 7, 10, y_range)
    model.seen = seen_of(stars=True)
    with torch.no_grad():
        for number, part in enumerate(model.parameters()):
            part.copy_(torch.randn(part.shape, generator=generator(number)))
    return model.eval()


def als_model() -> EmbeddingDotBias:
    model = EmbeddingDotBias(3, 7, 10)
    model.seen = seen_of(stars=False)
    fit_als(model, model.seen)
    return model.eval()


def ratings_of(model: EmbeddingDotBias) -> Recommender:
    return Recommender(model, CODEC)


class Network(nn.Module):
    """A model that has no vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = seen_of(stars=True)

    def score_users(self, users: Tensor) -> Tensor:
        return users[:, None] + torch.arange(10.0) / 10

    def squash(self, scores: Tensor) -> Tensor:
        return scores


def test_a_user_gets_the_items_he_would_rate_highest() -> None:
    model = rating_model()
    found = Recommender(model, CODEC).recommend("ann", 3)
    pairs = torch.tensor([[1, item] for item in range(10)])
    rated = dict(zip(FILMS, model(pairs).flatten().tolist(), strict=True))
    had = {"#na#", "Unseen", "Alien", "Aliens", "Big"}
    best = sorted((name for name in FILMS if name not in had), key=rated.__getitem__, reverse=True)
    assert list(found.items) == best[:3]
    assert list(found.scores) == pytest.approx([rated[name] for name in best[:3]], abs=1e-5)
    assert found.why == "trained"
    assert [FILMS[place] for place in found.positions] == best[:3]


def test_recommendations_are_pairs() -> None:
    found = ratings_of(rating_model()).recommend("ann", 2)
    (first, score), second = found
    assert (first, score) == found[0] == (found.items[0], found.scores[0])
    assert found[1:] == [second]
    assert len(found) == 2
    assert repr(found).startswith("Recommendations (from the vector learnt for this user")
    assert f"{score:8.3f}  {first}" in repr(found)
    assert "<table" in found._repr_html_()
    assert str(first) in found._repr_html_()


def test_fewer_come_back_where_there_are_not_as_many() -> None:
    found = ratings_of(rating_model()).recommend("ann", 50)
    assert len(found) == 5
    everything = ratings_of(rating_model()).recommend("ann", 50, exclude_seen=False)
    assert set(everything.items) == set(FILMS[1:9])


@pytest.mark.parametrize("new", [None, "new"])
def test_a_user_of_whom_nothing_is_known_gets_what_is_popular(new: str | None) -> None:
    recommender = ratings_of(rating_model())
    found = recommender.recommend(new, 3)
    assert found.why == "popularity"
    assert list(found.scores) == [3.0, 2.0, 2.0]
    assert "nothing is known" in repr(found)
    assert recommender.recommend(ratings={}).why == "popularity"


def test_a_new_user_is_folded_in_without_training() -> None:
    model = als_model()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    found = ratings_of(model).recommend(ratings=["Babe", "Clue"], k=3)
    assert found.why == "ratings"
    assert found.items[0] in ("Amadeus", "Casino", "Dave")
    assert not {"Babe", "Clue"} & set(found.items)
    assert all(torch.equal(before[name], t) for name, t in model.state_dict().items())
    stranger = ratings_of(model).recommend("zoe", ratings=["Babe", "Clue"], k=3)
    assert stranger == found


def test_the_history_of_a_known_user_given_anew_gives_his_own_scores() -> None:
    recommender = ratings_of(als_model())
    again = recommender.recommend(ratings=["Alien", "Aliens", "Big"])
    trained = recommender.recommend("ann")
    assert again.items == trained.items
    assert again.scores == pytest.approx(trained.scores, abs=1e-5)


def test_new_ratings_add_to_what_a_known_user_had() -> None:
    recommender = ratings_of(rating_model())
    found = recommender.recommend("ann", 50, ratings={"Clue": 1, "Alien": 2})
    assert found.why == "ratings"
    assert not {"Alien", "Aliens", "Big", "Clue"} & set(found.items)
    rows, _ = recommender._rows("ann", {"Clue": 1, "Alien": 2})
    assert rows.items.tolist() == [2, 5, 7, 1]
    assert rows.values[2:].tolist() == [1.0, 2.0]


def test_names_that_are_not_known_are_named_with_the_nearest() -> None:
    recommender = ratings_of(rating_model())
    with pytest.raises(DataError, match=r"person='anne'. Did you mean 'ann'"):
        recommender.recommend("anne")
    with pytest.raises(DataError, match=r"film='Alein'. Did you mean 'Alien'"):
        recommender.recommend(ratings={"Alein": 5})
    with pytest.raises(DataError, match=r"Did you mean 'Amadeus'"):
        recommender.similar_items("Amadeuss")
    with pytest.raises(DataError, match=r"film='#na#'"):
        recommender.explain_recommendation("ann", "#na#")
    with pytest.raises(DataError, match=r"person='zoe'"):
        recommender.recommend_all(3, ["ann", "zoe"])


def test_impossible_wishes_are_refused() -> None:
    recommender = ratings_of(rating_model())
    with pytest.raises(ConfigError, match=r"`k` of 1 or more. Got: k=0"):
        recommender.recommend("ann", 0)
    with pytest.raises(DataError, match=r"a rating with each item.*ratings=\{'Star Wars"):
        recommender.recommend(ratings=["Alien"])
    with pytest.raises(DataError, match=r"ratings that are numbers. Got: Alien='good'"):
        ratings_of(rating_model()).recommend(ratings={"Alien": "good"})
    with pytest.raises(DataError, match=r"ratings that are numbers. Got: Alien=nan"):
        recommender.recommend(ratings={"Alien": float("nan")})


@pytest.mark.parametrize("block", [1, 1 << 22])
def test_all_users_at_once_get_what_each_gets(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recommend, "_BLOCK", block)
    recommender = ratings_of(rating_model())
    items, scores = recommender.recommend_all(7)
    assert items.shape == scores.shape == (7, 7)
    for user in range(1, 6):
        one = recommender.recommend(PEOPLE[user], 7)
        n = len(one)
        assert tuple(items[user, :n]) == one.positions
        assert scores[user, :n].tolist() == pytest.approx(list(one.scores), abs=1e-5)
        assert (items[user, n:] == 0).all()
        assert np.isneginf(scores[user, n:]).all()
    some, _ = recommender.recommend_all(2, ["eve", "ann"], exclude_seen=False)
    assert tuple(some[1]) == recommender.recommend("ann", 2, exclude_seen=False).positions
    wide, _ = recommender.recommend_all(40, ["ann"])
    assert wide.shape == (1, 40)


def test_scores_of_users_without_ratings_are_popularity() -> None:
    recommender = ratings_of(rating_model())
    scores = recommender.score_users(torch.tensor([6, 1]))
    assert scores[0].tolist() == recommender.seen.popularity().tolist()
    assert not torch.equal(scores[0], scores[1])


def test_similar_items_are_those_with_the_largest_cosine() -> None:
    model = rating_model()
    found = ratings_of(model).similar_items("Alien", 20)
    vectors = model.item_vectors()
    cosine = torch.cosine_similarity(vectors, vectors[1:2])
    assert found.why == "similar"
    assert set(found.items) == set(FILMS[2:9])
    expected = [float(cosine[FILMS.index(name)]) for name in found.items]
    assert list(found.scores) == pytest.approx(expected, abs=1e-5)
    assert list(found.scores) == sorted(found.scores, reverse=True)


def test_an_item_no_one_had_is_like_no_other() -> None:
    with pytest.raises(DataError, match=r"item that someone had in training. Got: item='Unseen'"):
        ratings_of(rating_model()).similar_items("Unseen")


@pytest.mark.parametrize("make", [rating_model, als_model])
def test_an_explanation_adds_up_to_the_score(make: Any) -> None:
    model = make()
    recommender = ratings_of(model)
    found = recommender.explain_recommendation("cid", "Dave")
    assert set(found.items) == {"Amadeus", "Babe", "Casino", "Clue"}
    assert list(found.contributions) == sorted(found.contributions, reverse=True)
    fold, rows = recommender.fold_in, recommender.seen.take(torch.tensor([3]))
    solved = float(model.squash(fold.scores(rows))[0, 8])
    assert solved == pytest.approx(found.base + sum(found.contributions), abs=1e-4)
    assert found.score == pytest.approx(solved + found.rest, abs=1e-4)
    assert found.score == pytest.approx(dict(recommender.recommend("cid", 9))["Dave"], abs=1e-5)
    assert next(iter(found)) == found[0] == (found.items[0], found.contributions[0])
    assert repr(found).startswith("Dave: score ")
    assert found.method in repr(found)
    assert "<table" in found._repr_html_()


def test_the_explanation_of_an_als_user_is_of_the_score_he_got() -> None:
    recommender = ratings_of(als_model())
    best = recommender.recommend("bob", 1)
    found = recommender.explain_recommendation("bob", best.items[0])
    assert found.score == pytest.approx(best.scores[0], abs=1e-5)
    assert found.base == 0
    assert "Hu, Koren & Volinsky" in found.method


def test_a_new_user_is_explained_by_the_ratings_given() -> None:
    found = ratings_of(rating_model()).explain_recommendation(None, "Big", ratings={"Alien": 5})
    assert found.items == ("Alien",)
    shown = dict(ratings_of(rating_model()).recommend(ratings={"Alien": 5}))
    assert found.rest == 0 and found.score == pytest.approx(shown["Big"], abs=1e-5)
    assert found.score == pytest.approx(found.base + sum(found.contributions), abs=1e-5)
    flat = ratings_of(rating_model()).explain_recommendation(None, "Big", ratings={"Alien": 3.3})
    assert flat.score == pytest.approx(flat.base + sum(flat.contributions), abs=1e-5)
    with pytest.raises(DataError, match=r"a user with ratings to explain by.*user='new'"):
        ratings_of(rating_model()).explain_recommendation("new", "Big")


def test_ratings_of_another_scale_are_noticed(caplog: pytest.LogCaptureFixture) -> None:
    ratings_of(rating_model()).recommend(ratings={"Alien": 4, "Babe": 50})
    assert "The rating of 'Babe' is 50, while those in training range from 1 to 5" in caplog.text
    assert "Alien" not in caplog.text


def test_long_explanations_are_cut_in_print_only() -> None:
    films = tuple(f"film {n}" for n in range(15))
    codec = CollabCodec("person", "film", ("#na#", "ann", "bob"), ("#na#", *films))
    model = EmbeddingDotBias(2, 3, 16)
    had = torch.arange(1, 15)
    items = torch.cat([had, torch.tensor([1, 15])])
    model.seen = Interactions.of(
        (items * 0 + 1).index_fill(0, torch.tensor([14, 15]), 2), items, None, 3, 16
    )
    fit_als(model, model.seen)
    found = Recommender(model, codec).explain_recommendation("ann", "film 14")
    assert len(found) == 14
    assert "4 more" in repr(found)
    assert "4 more" in found._repr_html_()


def test_a_model_that_compares_items_takes_new_users_by_what_they_took() -> None:
    model = EmbeddingDotBias(3, 7, 10, negatives=4)
    model.seen = seen_of(stars=False)
    with torch.no_grad():
        model.u_weight.weight.copy_(torch.randn(7, 3, generator=generator(1)))
        model.i_weight.weight.copy_(torch.randn(10, 3, generator=generator(2)))
    recommender = Recommender(model.eval(), CODEC)
    found = recommender.recommend(ratings=["Alien", "Big"], k=50, exclude_seen=False)
    assert found.why == "ratings"
    assert {"Alien", "Big"} & set(found.items[:4])
    explained = recommender.explain_recommendation(None, "Dave", ratings=["Alien", "Big"])
    assert explained.score == pytest.approx(dict(found)["Dave"], abs=1e-3)


def test_a_model_without_vectors_recommends_but_does_not_explain() -> None:
    recommender = Recommender(Network(), CODEC)
    assert recommender.recommend("ann", 1).items == ("Dave",)
    for call in (
        lambda: recommender.similar_items("Alien"),
        lambda: recommender.recommend(ratings={"Alien": 5}),
        lambda: recommender.explain_recommendation("ann", "Dave"),
    ):
        with pytest.raises(ConfigError, match=r"model with a vector for each.*model=Network"):
            call()


def test_a_recommender_can_be_ranked() -> None:
    model = als_model()
    test = Interactions.of(torch.tensor([1, 2]), torch.tensor([3, 5]), None, 7, 10)
    found = rank(Recommender(model, CODEC), test, 2)
    assert found.name == "Recommender"
    assert found["recall"].value > 0.4


def test_a_recommender_opened_again_recommends_the_same() -> None:
    model = als_model()
    again = EmbeddingDotBias(3, 7, 10, n_seen=model.seen.n_seen)
    again.load_state_dict(model.state_dict())
    one, other = ratings_of(model), ratings_of(again.eval())
    assert one.recommend("bob") == other.recommend("bob")
    assert one.recommend(ratings=["Dave"]) == other.recommend(ratings=["Dave"])
