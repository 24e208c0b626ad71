"""Rows of tables that are other rows again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from redstart.audit.evidence import Pairs
from redstart.audit.table_rows import TableLikeness

N = 2000
TRAIN, VALID = np.arange(1600), np.arange(1600, N)
COPIES = np.arange(1600, 1640)

Table = tuple[NDArray[np.int64], NDArray[np.float32]]


def rich(seed: int, n: int = N) -> Table:
    """Rows that are never equal by chance."""
    rng = np.random.default_rng(seed)
    numbers = np.stack([rng.normal(size=n), np.exp(rng.normal(size=n)), rng.random(n)], 1)
    return rng.integers(1, 6, (n, 4)), numbers.astype(np.float32)


def coarse(seed: int, n: int = N) -> Table:
    """Rows that often are, and whose columns depend on each other."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(1, 5, n)
    codes = np.stack([kind, (kind + (rng.random(n) < 0.2)), rng.integers(1, 3, n)], 1)
    ages = np.round(2 * rng.normal(size=n) + kind)
    return codes, ages[:, None].astype(np.float32)


def pairs(table: Table, left: NDArray[np.int64] = TRAIN, right: NDArray[np.int64] = VALID) -> Pairs:
    like = TableLikeness()
    return like.pairs(like.prints(tuple(map(torch.tensor, table))), left, right)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [rich, coarse])
def test_clean_rows_are_not_paired(make: object, seed: int) -> None:
    assert callable(make)
    assert len(pairs(make(seed))) <= 1


def test_equal_rows_are_paired_with_the_row_they_equal() -> None:
    codes, numbers = rich(0)
    source = np.random.default_rng(1).choice(TRAIN, 40, replace=False)
    codes[COPIES], numbers[COPIES] = codes[source], numbers[source]
    found = pairs((codes, numbers))
    assert dict(zip(found.right.tolist(), found.left.tolist(), strict=True)) == dict(
        zip(COPIES.tolist(), source.tolist(), strict=True)
    )
    assert found.exact.all() and (found.likeness == 1).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("how", ["a column", "moved"])
def test_changed_copies_are_paired_and_are_not_called_equal(how: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes, numbers = rich(seed)
    source = rng.choice(TRAIN, 40, replace=False)
    codes[COPIES], numbers[COPIES] = codes[source], numbers[source]
    if how == "moved":
        moved = 0.001 * numbers.std(0) * rng.normal(size=(40, 3))
        numbers[COPIES] += moved.astype(np.float32)
    else:
        for row, column in zip(COPIES, rng.integers(0, 7, 40), strict=True):
            if column < 4:
                codes[row, column] = codes[row, column] % 5 + 1
            else:
                numbers[row, column - 4] += 1
    found = pairs((codes, numbers))
    right = dict(zip(found.right.tolist(), found.left.tolist(), strict=True))
    hits = sum(right.get(int(c)) == s for c, s in zip(COPIES, source, strict=True))
    assert hits >= 38 and not found.exact.any() and len(found) <= 41
    assert ((found.likeness > 0.8) & (found.likeness < 1)).all()


def test_more_equal_rows_than_chance_gives_are_told_by_what_is_telling() -> None:
    rng = np.random.default_rng(2)
    codes, numbers = coarse(2)
    weight = rng.normal(size=(N, 1)).round(2).astype(np.float32)  # 1 in 200 rows agrees
    codes = np.concatenate([codes, rng.integers(1, 9, (N, 3))], 1)
    numbers = np.concatenate([numbers, weight], 1)
    source = rng.choice(TRAIN, 40, replace=False)
    codes[COPIES], numbers[COPIES] = codes[source], numbers[source]
    found = pairs((codes, numbers))
    assert set(COPIES.tolist()) <= set(found.right[found.exact].tolist())


def test_rows_of_one_part_are_paired_once_and_not_with_themselves() -> None:
    codes, numbers = rich(3)
    for a, b in ((5, 9), (700, 3), (20, 21)):
        codes[a], numbers[a] = codes[b], numbers[b]
    found = pairs((codes, numbers), TRAIN, TRAIN)
    listed = {tuple(sorted(p)) for p in zip(found.left.tolist(), found.right.tolist(), strict=True)}
    assert listed == {(5, 9), (3, 700), (20, 21)} and len(found) == 3


def test_users_and_items_should_meet_once() -> None:
    rng = np.random.default_rng(4)
    cells = rng.choice(60 * 50, N, replace=False)
    ratings = np.stack([cells // 50 + 1, cells % 50 + 1], 1)
    ratings[1601] = ratings[7]
    ratings[1602:1604] = ratings[1604, 0], 0  # an item that is not known
    ratings[9] = ratings[1602]
    like = TableLikeness()
    found = like.pairs(like.prints((torch.tensor(ratings),)), TRAIN, VALID)
    assert (found.left.tolist(), found.right.tolist()) == ([7], [1601]) and found.exact.all()


def test_zeros_are_equal_whatever_their_sign() -> None:
    codes, numbers = rich(5)
    numbers[0], numbers[1700] = 0.0, -0.0
    codes[1700] = codes[0]
    assert pairs((codes, numbers)).right.tolist() == [1700]


def test_prints_are_the_same_row_by_row() -> None:
    like, table = TableLikeness(), tuple(map(torch.tensor, rich(6, 50)))
    whole = like.prints(table)
    rows = [like.prints(tuple(t[i : i + 1] for t in table)) for i in range(50)]
    for place, array in enumerate(whole):
        assert np.array_equal(array, np.concatenate([row[place] for row in rows]))


@pytest.mark.parametrize("n", [0, 1, 5])
@pytest.mark.parametrize("columns", [(0, 0), (1, 0), (0, 1), (2, 3)])
def test_few_rows_and_columns_do_no_harm(n: int, columns: tuple[int, int]) -> None:
    x: tuple[Tensor, ...] = (
        torch.zeros(n, columns[0], dtype=torch.int64),
        torch.full((n, columns[1]), float("nan")),
    )
    like = TableLikeness()
    prints = like.prints(x)
    left, right = np.arange(n // 2), np.arange(n // 2, n)
    assert len(like.pairs(prints, left, right)) <= n
    assert len(like.pairs(prints, right, right)) <= n
