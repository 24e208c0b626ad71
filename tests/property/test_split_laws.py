"""What every splitter promises, whatever the rows."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from redstart.data.apportion import nearest_sum
from redstart.data.split import (
    FuncSplitter,
    GroupSplitter,
    IndexSplitter,
    RandomSplitter,
    Split,
    Splitter,
    TimeSplitter,
    as_split,
)

law = settings(deadline=None, max_examples=50)
seeds = st.integers(0, 2**32)
labels = st.lists(st.sampled_from("abcdef"), min_size=6, max_size=80)
fractions = st.tuples(st.floats(0.01, 0.5), st.one_of(st.just(0.0), st.floats(0.01, 0.45)))


def same(item: object) -> object:
    return item


def check_partition(splitter: Splitter, items: list[object], test_pct: float) -> Split:
    split = splitter(items)
    assert sorted((*split.train, *split.valid, *split.test)) == list(range(len(items)))
    assert split.train
    assert split.valid
    assert bool(split.test) == bool(test_pct)
    assert split == splitter(items)
    assert as_split(split, len(items)) is split
    return split


@law
@given(st.integers(3, 300), fractions, seeds)
def test_random_partitions_within_one_row(n: int, pct: tuple[float, float], seed: int) -> None:
    splitter = RandomSplitter(pct[0], seed, test_pct=pct[1])
    split = check_partition(splitter, list(range(n)), pct[1])
    assert abs(len(split.valid) - n * pct[0]) <= 1
    assert abs(len(split.test) - n * pct[1]) <= 1 or n * (1 - sum(pct)) < 2


@law
@given(labels, fractions, seeds)
def test_stratified_keeps_every_label_and_its_fractions(
    items: list[object], pct: tuple[float, float], seed: int
) -> None:
    sizes = {label: items.count(label) for label in items}
    assume(max(sizes.values()) >= 3)
    splitter = RandomSplitter(pct[0], seed, test_pct=pct[1], stratify=str)
    split = check_partition(splitter, items, pct[1])
    for label, size in sizes.items():
        train, valid, test = (
            sum(items[row] == label for row in part)
            for part in (split.train, split.valid, split.test)
        )
        assert train >= 1
        assert valid >= 1 or size < 2
        assert test >= 1 or size < 3 or not pct[1]
        if math.floor(size * pct[0]) and (math.floor(size * pct[1]) or not pct[1]):
            assert abs(valid - size * pct[0]) <= 1
            assert abs(test - size * pct[1]) <= 1


@law
@given(labels, fractions, seeds)
def test_groups_never_straddle(items: list[object], pct: tuple[float, float], seed: int) -> None:
    assume(len(set(items)) >= 3)
    split = check_partition(GroupSplitter(same, pct[0], seed, test_pct=pct[1]), items, pct[1])
    groups = [{items[row] for row in part} for part in (split.train, split.valid, split.test)]
    assert sum(map(len, groups)) == len(set(items))


@law
@given(st.lists(st.integers(1, 30), min_size=2, max_size=8), st.floats(0.01, 0.99))
def test_no_choice_of_groups_is_nearer(sizes: list[int], fraction: float) -> None:
    target = max(1, round(fraction * sum(sizes)))
    chosen = nearest_sum(sizes, target, keep=1)
    best = min(
        abs(sum(some) - target) for n in range(1, len(sizes)) for some in combinations(sizes, n)
    )
    assert 0 < len(chosen) < len(sizes)
    assert abs(sum(sizes[place] for place in chosen) - target) == best


@law
@given(st.lists(st.integers(0, 40), min_size=3, max_size=80), fractions)
def test_time_goes_forward(items: list[object], pct: tuple[float, float]) -> None:
    assume(len(set(items)) >= 3)
    split = check_partition(TimeSplitter(same, pct[0], test_pct=pct[1]), items, pct[1])
    parts = [part for part in (split.train, split.valid, split.test) if part]
    for early, late in pairwise(parts):
        assert max(items[row] for row in early) < min(items[row] for row in late)  # type: ignore[type-var]


@law
@given(st.lists(st.sampled_from(["train", "valid", "test"]), max_size=40))
def test_functions_and_indices_do_as_told(parts: list[object]) -> None:
    parts = ["train", "valid", *parts]
    split = check_partition(FuncSplitter(same), parts, float("test" in parts))
    assert all(parts[row] == "valid" for row in split.valid)
    assert all(parts[row] == "test" for row in split.test)
    assert IndexSplitter(split.valid, split.test)(parts) == split


@law
@given(st.sets(st.integers(0, 60), min_size=3), st.sets(st.integers(0, 60)))
def test_dropping_rows_drops_only_them(rows: set[int], gone: set[int]) -> None:
    train, valid, *test = sorted(rows)
    gone -= {train, valid}
    split = Split((train,), (valid,), tuple(test)).without_rows(gone)
    assert {*split.train, *split.valid, *split.test} == rows - gone
