from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from redstart.collab import ranking
from redstart.collab.figures import Difference, mean_figure, text_table
from redstart.collab.interactions import Interactions
from redstart.collab.ranking import Ranking, paired_ranking, rank
from redstart.errors import ConfigError, DataError
from redstart.rng import generator

FIGURES = ("ndcg", "recall", "precision", "map", "mrr")


@dataclass
class Fixed:
    """Scores that are written down."""

    seen: Interactions
    scores: Tensor

    def score_users(self, users: Tensor) -> Tensor:
        return self.scores[users]


def made(pairs: list[tuple[int, int]], n_users: int, n_items: int) -> Interactions:
    both = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
    return Interactions.of(both[:, 0], both[:, 1], None, n_users, n_items)


def naive(scorer: Fixed, test: Interactions, k: int) -> dict[str, list[float]]:
    """The definitions, one user at a time, for scores that all differ."""
    found: dict[str, list[float]] = {name: [] for name in FIGURES}
    popular = scorer.seen.popularity()
    for user in range(1, scorer.seen.n_users):
        had = set(scorer.seen.of_user(user)[0].tolist())
        held = set(test.of_user(user)[0].tolist()) - had
        if not held:
            continue
        scores = scorer.scores[user]
        # Items no one had come after all others.
        order = sorted(
            set(range(1, scorer.seen.n_items)) - had,
            key=lambda i: (int(popular[i]) == 0, -float(scores[i])),
        )
        hits = [item in held for item in order]
        best = sum(1 / math.log2(place + 2) for place in range(min(k, len(held))))
        gain = sum(1 / math.log2(place + 2) for place in range(min(k, len(hits))) if hits[place])
        precisions = [
            sum(hits[: place + 1]) / (place + 1)
            for place in range(min(k, len(hits)))
            if hits[place]
        ]
        found["ndcg"].append(gain / best)
        found["recall"].append(sum(hits[:k]) / len(held))
        found["precision"].append(sum(hits[:k]) / k)
        found["map"].append(sum(precisions) / min(k, len(held)))
        found["mrr"].append(1 / (hits.index(True) + 1))
    return found


def random_case(seed: int, n_users: int = 9, n_items: int = 12) -> tuple[Fixed, Interactions]:
    rng = generator(seed)
    chance = torch.rand(n_users, n_items, generator=rng)
    chance[0], chance[:, 0] = 1, 1
    seen = torch.nonzero(chance < 0.35)
    # All items but the unknown one are in training, so that none is tied with another.
    seen = torch.cat([seen, torch.tensor([[1, item] for item in range(1, n_items)])])
    held = torch.nonzero((chance > 0.3) & (chance < 0.6))
    scores = torch.rand(n_users, n_items, generator=rng)
    to_pairs = [[tuple(pair) for pair in rows.tolist()] for rows in (seen, held)]
    return (
        Fixed(made(to_pairs[0], n_users, n_items), scores),
        made([*to_pairs[1], (2, 3)], n_users, n_items),
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 14))
def test_figures_are_those_of_their_definitions(seed: int, k: int) -> None:
    scorer, test = random_case(seed)
    expected = naive(scorer, test, k)
    if not expected["ndcg"]:
        return
    found = rank(scorer, test, k)
    for name in FIGURES:
        assert found.figures[name].tolist() == pytest.approx(expected[name]), name
        assert found[name].value == pytest.approx(np.mean(expected[name]))
        assert ((found.figures[name] >= 0) & (found.figures[name] <= 1 + 1e-12)).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_numbering_items_otherwise_changes_nothing(seed: int) -> None:
    scorer, test = random_case(seed)
    scorer.scores = (scorer.scores * 4).round()  # with ties
    n = scorer.seen.n_items
    other = torch.cat([torch.tensor([0]), 1 + torch.randperm(n - 1, generator=generator(seed))])

    def renumbered(rows: Interactions) -> Interactions:
        return Interactions.of(rows.users(), other[rows.items.long()], None, rows.n_users, n)

    scores = torch.empty_like(scorer.scores)
    scores[:, other] = scorer.scores
    try:
        one = rank(scorer, test, 4)
    except DataError:
        return
    two = rank(Fixed(renumbered(scorer.seen), scores), renumbered(test), 4)
    for name in FIGURES:
        assert one.figures[name].tolist() == pytest.approx(two.figures[name].tolist())


def test_small_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer, test = random_case(1)
    whole = rank(scorer, test, 5)
    monkeypatch.setattr(ranking, "_BLOCK", 1)
    parts = rank(scorer, test, 5)
    for name in FIGURES:
        assert whole.figures[name].tolist() == parts.figures[name].tolist()
    assert whole.coverage.value == parts.coverage.value


def test_equal_scores_gain_nothing() -> None:
    # 21 candidates: the one asked for is in the middle of the list, not at its top.
    seen = made([(1, 1), *((2, item) for item in range(1, 23))], 3, 23)
    found = rank(Fixed(seen, torch.zeros(3, 23)), made([(1, 2)], 3, 23), 10)
    assert found["recall"].value == 0
    assert found["mrr"].value == pytest.approx(1 / 11)


def test_what_was_had_in_training_is_neither_ranked_nor_asked_for() -> None:
    seen = made([(1, 1), (1, 2), (2, 3), (2, 4)], 3, 5)
    scores = torch.tensor([[0.0] * 5, [0, 9, 8, 2, 1], [0, 1, 2, 9, 8]])
    found = rank(Fixed(seen, scores), made([(1, 3), (1, 1), (2, 3)], 3, 5), 2)
    assert found.users.tolist() == [1]
    assert found.n_held == 1
    assert found["ndcg"].value == 1


def test_new_users_and_new_items_are_told_apart() -> None:
    seen = made([(1, 1), (1, 2), (2, 1), (2, 3)], 4, 6)
    scores = torch.tensor([[0.0, 5, 4, 3, 2, 9]] * 4)
    test = made([(1, 3), (1, 5), (2, 2), (3, 1), (0, 2), (2, 0), (2, 0)], 4, 6)
    found = rank(Fixed(seen, scores), test, 2, name="mine")
    assert found.users.tolist() == [1, 2, 3]
    assert found.new.tolist() == [False, False, True]
    # Items 4 and 5 are no one's and item 0 is unknown, twice: they are missed.
    assert (found.n_held, found.n_new_items, found.n_unknown) == (6, 3, 1)
    assert found.figures["recall"].tolist() == pytest.approx([0.5, 1 / 3, 1.0])
    assert found.known["recall"].tolist() == [1.0, 1.0, 1.0]
    groups = found.groups()
    assert [n for n, _ in groups.values()] == [3, 2, 1, 3]
    assert groups["new users"][1]["recall"].value == 1
    text = repr(found)
    for said in (
        "mine: 6 held-out items of 3 users, ranked among all items",
        "new users",
        "3 held-out items were no one's in training: missed",
        "1 rows of users not in the vocabulary are left out",
        "NDCG@2",
        "coverage@2",
    ):
        assert said in text
    assert "<table" in found._repr_html_()


def test_coverage_is_the_share_of_the_catalogue_in_any_list() -> None:
    n = 40
    seen = made([(1, item) for item in range(1, 11)], n + 2, 11)
    scores = torch.zeros(n + 2, 11)
    scores[torch.arange(2, n + 2), torch.arange(n) % 5 + 1] = 1
    test = made([(user, 9) for user in range(2, n + 2)], n + 2, 11)
    found = rank(Fixed(seen, scores), test, 1)
    assert found["coverage"].value == pytest.approx(0.5)
    scores[2:, 1] = 2
    few = rank(Fixed(seen, scores), test, 1)
    assert few["coverage"].value == pytest.approx(0.1)
    assert few["coverage"].interval is None


def test_the_interval_of_coverage_is_about_its_value() -> None:
    rng = generator(0)
    lists = torch.randint(1, 201, (60, 5), generator=rng)
    figure = ranking._coverage(lists, 201)
    assert figure.interval is not None
    assert figure.interval[0] < figure.value < figure.interval[1]
    assert figure.interval[1] - figure.interval[0] < 0.2


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_scores_that_are_no_numbers_are_refused(bad: float) -> None:
    scorer, test = random_case(0)
    scorer.scores[2, 3] = bad
    with pytest.raises(DataError, match=r"scores that are numbers.*from Fixed"):
        rank(scorer, test)


def test_what_cannot_be_ranked_is_refused() -> None:
    scorer, test = random_case(0)
    with pytest.raises(DataError, match=r"held-out items that users did not have.*LastOutSplitter"):
        rank(scorer, made([], 9, 12))
    with pytest.raises(DataError, match=r"held-out items"):
        rank(scorer, scorer.seen)
    with pytest.raises(ConfigError, match=r"`k` of 1 or more. Got: k=0"):
        rank(scorer, test, 0)
    with pytest.raises(ConfigError, match=r"vocabulary of the training ones.*\(9, 13\)"):
        rank(scorer, made([(1, 1)], 9, 13))


def ranked(values: list[float], name: str = "a", users: int | None = None) -> Ranking:
    array = np.array(values)
    figures = dict.fromkeys(FIGURES, array)
    who = np.arange(len(values) if users is None else users)
    none = np.zeros(len(values), dtype=np.bool_)
    return Ranking(name, 10, who, figures, figures, none, mean_figure(array), len(values), 0, 0)


def test_a_comparison_is_paired_and_put_into_words() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(200) * 0.5
    better, same = base + 0.1 + 0.02 * rng.standard_normal(200), base[::-1].copy()
    one, two = ranked(better.tolist(), "mine"), ranked(base.tolist(), "popularity")
    found = paired_ranking(one, two)
    assert found.clear
    assert found.value == pytest.approx(float((better - base).mean()))
    assert str(found).startswith("The NDCG@10 of mine is 0.0982 ")
    assert "higher than that of popularity (95% interval +0." in str(found)
    assert str(found).endswith("200 users): more than chance.")
    back = paired_ranking(two, one, "recall")
    assert back.value == pytest.approx(-found.value)
    assert back.clear
    assert "recall@10 of popularity is 0.0982 " in back.sentence
    assert "lower than that of mine" in back.sentence
    chance = paired_ranking(ranked(same.tolist()), two)
    assert not chance.clear
    assert chance.sentence.endswith("this may be chance.")


def test_two_of_one_user_have_no_interval() -> None:
    found = paired_ranking(ranked([0.5]), ranked([0.25]))
    assert (found.value, found.interval, found.clear) == (0.25, None, False)
    assert "too few" in found.sentence


def test_rankings_of_other_users_are_not_compared() -> None:
    with pytest.raises(ConfigError, match=r"same users and lists.*2 users and k=10, 3 and k=10"):
        paired_ranking(ranked([0.1, 0.2]), ranked([0.1, 0.2], users=3))
    with pytest.raises(ConfigError, match=r"Expected one of ndcg, recall.*figure='auc'"):
        paired_ranking(ranked([0.1]), ranked([0.1]), "auc")


def test_a_mean_of_shares_stays_in_its_range() -> None:
    figure = mean_figure(np.array([0.0] * 30))
    assert figure.value == 0
    assert figure.interval is not None
    assert figure.interval[0] == 0 < figure.interval[1] < 0.2
    assert str(mean_figure(np.array([0.5]))) == "0.5000"
    assert math.isnan(mean_figure(np.zeros(0)).value)


def test_tables_align_their_columns() -> None:
    lines = list(text_table(["", "n"], [["long name", "1"], ["b", "100"]]))
    assert lines == ["             n", "long name    1", "b          100"]


def test_a_difference_below_zero_is_lower() -> None:
    found = Difference.of("RMSE", ("a", "b"), -0.25, (-0.5, -0.1), "9 ratings")
    assert found.sentence == (
        "The RMSE of a is 0.2500 lower than that of b "
        "(95% interval -0.5000 to -0.1000, 9 ratings): more than chance."
    )
