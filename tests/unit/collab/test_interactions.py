from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from redstart.collab.interactions import Implicit, Interactions
from redstart.errors import ConfigError, DataError


def some() -> Interactions:
    users = torch.tensor([2, 1, 2, 2, 1])
    items = torch.tensor([3, 1, 1, 2, 3])
    values = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0])
    times = torch.tensor([30, 5, 10, 20, 1])
    return Interactions.of(users, items, values, 4, 5, times=times)


def pairs(rows: Interactions) -> list[list[tuple[int, float]]]:
    return [
        list(zip(*(t.tolist() for t in rows.of_user(user)), strict=True))
        for user in range(rows.n_users)
    ]


def test_each_users_are_in_order_of_time() -> None:
    seen = some()
    assert pairs(seen) == [[], [(3, 1.0), (1, 4.0)], [(1, 3.0), (2, 2.0), (3, 5.0)], []]
    assert seen.in_order
    assert seen.counts().tolist() == [0, 2, 3, 0]
    assert seen.popularity().tolist() == [0, 2, 1, 2, 0]
    assert seen.later().tolist() == [1, 0, 2, 1, 0]
    assert seen.users().tolist() == [1, 1, 2, 2, 2]


def test_without_times_rows_keep_their_order_and_values_are_one() -> None:
    seen = Interactions.of(torch.tensor([1, 0, 1]), torch.tensor([2, 1, 0]), None, 2, 3)
    assert pairs(seen) == [[(1, 1.0)], [(2, 1.0), (0, 1.0)]]
    assert not seen.in_order


def test_equal_times_keep_the_order_of_the_rows() -> None:
    users, times = torch.tensor([1, 1, 1, 1]), torch.tensor([2, 1, 2, 1])
    seen = Interactions.of(users, torch.tensor([0, 1, 2, 3]), None, 2, 4, times=times)
    assert seen.items.tolist() == [1, 3, 0, 2]


def test_there_may_be_none() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    seen = Interactions.of(none, none, None, 3, 4)
    assert (seen.n_seen, seen.counts().tolist()) == (0, [0, 0, 0])
    assert seen.popularity().tolist() == [0, 0, 0, 0]
    assert seen.take(torch.tensor([1, 2])).n_seen == 0


@pytest.mark.parametrize(
    ("users", "items", "values", "times", "message"),
    [
        ([0, 1], [0], [1.0, 1.0], None, r"as many users, items.*\[2, 1, 2\].*same rows"),
        ([0, 1], [0, 1], [1.0, 1.0], [1], r"lengths=\[2, 2, 2, 1\]"),
        ([0, 4], [0, 1], [1.0, 1.0], None, r"users from 0 to 3. Got: users\[1\]=4.*vocabulary"),
        ([0, 1], [-1, 1], [1.0, 1.0], None, r"items from 0 to 4. Got: items\[0\]=-1"),
        ([0, 1], [0, 1], [1.0, math.nan], None, r"values that are numbers.*Drop"),
        ([0, 1], [0, 1], [1.0, 1.0], [1.0, math.inf], r"times that are numbers"),
    ],
)
def test_what_does_not_fit_is_refused(
    users: list[int], items: list[int], values: list[float], times: list[float] | None, message: str
) -> None:
    when = None if times is None else torch.tensor(times)
    with pytest.raises(DataError, match=message):
        Interactions.of(
            torch.tensor(users), torch.tensor(items), torch.tensor(values), 4, 5, times=when
        )


def test_all_of_it_is_in_the_state_dict() -> None:
    seen = some()
    seen.solve_by(Implicit(0.5, 0.01, half_life=3.0, floor=0.1, by_value=True))
    again = Interactions(4, 5, seen.n_seen)
    assert again.implicit is None
    again.load_state_dict(load(save(seen.state_dict())))
    assert pairs(again) == pairs(seen)
    assert again.in_order
    assert again.implicit == Implicit(0.5, 0.01, 1.0, 3.0, 0.1, True)
    again.solve_by(None)
    assert again.implicit is None
    assert "5 interactions, 4 users, 5 items" in repr(seen)


def test_users_can_be_taken_in_any_order_and_twice() -> None:
    seen = some()
    every = pairs(seen)
    assert pairs(seen.take(torch.tensor([2, 0, 1, 2]))) == [every[u] for u in (2, 0, 1, 2)]
    assert seen.take(torch.tensor([1])).in_order


def test_some_interactions_can_be_kept() -> None:
    seen = some()
    kept = seen.keep(seen.values > 2)
    assert pairs(kept) == [[], [(1, 4.0)], [(1, 3.0), (3, 5.0)], []]


def test_items_can_be_the_rows() -> None:
    turned = some().by_item()
    assert (turned.n_users, turned.n_items) == (5, 4)
    assert pairs(turned) == [[], [(1, 4.0), (2, 3.0)], [(2, 2.0)], [(1, 1.0), (2, 5.0)], []]


def test_what_was_seen_is_hidden_in_place() -> None:
    seen = some().take(torch.tensor([1, 2]))
    scores = torch.zeros(2, 5)
    assert seen.hide(scores, -1.0) is scores
    assert scores.tolist() == [[0, -1, 0, -1, 0], [0, -1, -1, -1, 0]]


def test_a_sparse_matrix_sums_repeats_and_leaves_the_interactions_alone() -> None:
    users, items = torch.tensor([0, 0, 0]), torch.tensor([2, 1, 2])
    seen = Interactions.of(users, items, None, 1, 3)
    assert seen.sparse().toarray().tolist() == [[0, 1, 2]]
    weights = torch.tensor([1.0, 2.0, 4.0])
    assert seen.sparse(weights).toarray().tolist() == [[0, 2, 5]]
    assert seen.items.tolist() == [2, 1, 2]
    assert weights.tolist() == [1, 2, 4]


def test_the_last_interactions_weigh_most_where_the_order_is_known() -> None:
    how = Implicit(0.5, 0.01, half_life=1.0, floor=0.2)
    weight = how.weights(some())
    assert weight.tolist() == pytest.approx([0.6, 1.0, 0.4, 0.6, 1.0])
    assert Implicit(0.5, 0.01).weights(some()).tolist() == [1.0] * 5
    loose = Interactions.of(torch.tensor([0, 0]), torch.tensor([0, 1]), None, 1, 2)
    assert how.weights(loose).tolist() == [1.0, 1.0]
    by_value = Implicit(0.5, 0.01, by_value=True)
    assert by_value.weights(some()).tolist() == some().values.tolist()


@pytest.mark.parametrize(
    "wrong", [{"alpha": 0.0}, {"reg": -1.0}, {"nu": 2.0}, {"half_life": 0.0}, {"floor": 1.5}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"`alpha`, `reg` and `half_life` above 0.*Leave out"):
        Implicit(**{"alpha": 1.0, "reg": 1.0, **wrong})


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7)), min_size=1), st.randoms())
def test_the_order_of_rows_does_not_matter_where_times_differ(
    rows: list[tuple[int, int]], shuffler: object
) -> None:
    timed = [(user, item, time) for time, (user, item) in enumerate(rows)]
    shuffled = list(timed)
    shuffler.shuffle(shuffled)  # type: ignore[attr-defined]

    def made(of: list[tuple[int, int, int]]) -> Interactions:
        users, items, times = torch.tensor(of).T
        return Interactions.of(users, items, None, 6, 8, times=times)

    one, other = made(timed), made(shuffled)
    assert torch.equal(one.items, other.items)
    assert torch.equal(one.ptr, other.ptr)
