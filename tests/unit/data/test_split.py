from __future__ import annotations

import hashlib
from collections import Counter, namedtuple
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from redstart.data.frame import rows_of
from redstart.data.items import parent_label
from redstart.data.split import (
    ColSplitter,
    FuncSplitter,
    GrandparentSplitter,
    GroupSplitter,
    IndexSplitter,
    RandomSplitter,
    Split,
    TimeSplitter,
    as_split,
)
from redstart.data.table import Table
from redstart.errors import ConfigError, DataError


def photos(**counts: int) -> list[Path]:
    return [Path(f"data/{label}/{i}.jpg") for label, n in counts.items() for i in range(n)]


# ---- Split


def test_a_split_reads_any_integers_and_unpacks() -> None:
    split = as_split((range(2), np.array([2, 3]), torch.tensor([4])), 5)
    assert (split.train, split.valid, split.test) == ((0, 1), (2, 3), (4,))
    assert all(type(row) is int for row in (*split.train, *split.valid, *split.test))
    train, valid, test = split
    assert (train, valid, test) == ((0, 1), (2, 3), (4,))
    train, valid = Split((0,), (1,))
    assert (train, valid) == ((0,), (1,))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (((), (1,)), r"at least one row in train\. Got: train=0 rows, valid=1 rows"),
        (((1,), ()), r"at least one row in valid.*without_valid"),
        (((0, 1), (1, 2)), r"every row once.*two places: 1\b"),
        (((0, 1), (2,), (0,)), r"every row once.*two places: 0\b"),
        (((0, 0), (2,)), r"every row once"),
        (((0, -1), (2,)), r"integers from 0, as train.*-1"),
        (((0,), (1.5,)), r"integers from 0, as valid.*1\.5"),
        (((0,), 1), r"as valid.*valid=1"),
        (((0,), "1"), r"as valid"),
        (((True, False), (3,)), r"flatnonzero"),
        (((0,), np.array([True, False])), r"flatnonzero"),
        (((0,), np.array([[1, 2], [3, 4]])), r"as valid"),
    ],
)
def test_an_impossible_split_says_why(parts: tuple[object, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Split(*parts)  # type: ignore[arg-type]


def test_no_validation_only_by_its_own_name() -> None:
    split = Split.without_valid(range(3), test=[5])
    assert (split.train, split.valid, split.test) == ((0, 1, 2), (), (5,))
    assert split.without_rows([0]) == Split.without_valid([1, 2], [5])
    with pytest.raises(DataError, match="row in train"):
        Split.without_valid(())


def test_without_rows_keeps_the_numbers_of_the_others() -> None:
    split = Split((4, 0, 2), (1, 3), (5, 6))
    assert split.without_rows([0, 3, 6, 99]) == Split((4, 2), (1,), (5,))
    with pytest.raises(DataError, match="row in valid"):
        split.without_rows([1, 3])


def test_digest_names_the_parts_not_their_order() -> None:
    one = Split((0, 1), (2,), (3,))
    assert one.digest() == Split((1, 0), (2,), (3,)).digest()
    others = [Split((0, 1), (3,), (2,)), Split((0, 1), (2, 3)), Split((0,), (1, 2), (3,))]
    assert len({split.digest() for split in [one, *others]}) == 4
    # Spelt out, so that a change of format shows: digests travel in bundles.
    text = b'{"train": [0, 10], "valid": [2], "test": []}'
    assert Split((10, 0), (2,)).digest() == hashlib.sha256(text).hexdigest()


def test_as_split_takes_pairs_and_triples_of_any_sequences() -> None:
    assert as_split(([0, 1], range(2, 4)), 4) == Split((0, 1), (2, 3))
    assert as_split([np.array([0]), torch.tensor([1]), (2,)], 3) == Split((0,), (1,), (2,))
    split = Split((0,), (1,))
    assert as_split(split, 2) is split


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, r"\(train, valid, test\)\. Got: result=NoneType"),
        (([0],), "result=tuple"),
        (iter([([0], [1])]), "Expected a splitter to return"),
        (([0, 1], [5]), r"below 5, the number of items\. Got: rows=5"),
        (Split((0,), (1,), (9,)), "rows=9"),
        (([0], []), "without_valid"),
    ],
)
def test_as_split_refuses_what_does_not_fit(result: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        as_split(result, 5)


# ---- RandomSplitter


def test_random_is_seeded_sized_and_leaves_global_generators_alone() -> None:
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # type: ignore[union-attr]
    split = RandomSplitter(0.2, 42)(range(50))
    assert np.array_equal(before[0], np.random.get_state()[1])  # type: ignore[arg-type]
    assert torch.equal(before[1], torch.get_rng_state())
    assert (len(split.train), len(split.valid), len(split.test)) == (40, 10, 0)
    assert split == RandomSplitter(seed=None)(range(50))
    assert split != RandomSplitter(seed=7)(range(50))
    assert list(split.valid) != sorted(split.valid)
    assert len(RandomSplitter(0.29)(range(100)).valid) == 29


def test_random_takes_a_table() -> None:
    frame = pd.DataFrame({"a": range(10), "kind": ["x"] * 5 + ["y"] * 5})
    assert len(RandomSplitter(seed=42)(frame).valid) == 2  # type: ignore[arg-type]
    split = RandomSplitter(stratify="kind")(frame)
    assert sorted(row // 5 for row in split.valid) == [0, 1]


def test_every_label_is_trained_validated_and_tested_where_it_can_be() -> None:
    items = photos(cat=100, dog=10, emu=3, fox=2, gnu=1)
    split = RandomSplitter(0.2, test_pct=0.1, stratify=parent_label)(items)
    counts = [Counter(parent_label(items[row]) for row in part) for part in split]
    assert counts[0] == {"cat": 70, "dog": 7, "emu": 1, "fox": 1, "gnu": 1}
    assert counts[1] == {"cat": 20, "dog": 2, "emu": 1, "fox": 1}
    assert counts[2] == {"cat": 10, "dog": 1, "emu": 1}


def test_many_small_labels_still_add_up_to_the_fraction() -> None:
    items = [f"{label}" for label in range(100) for _ in range(7)]  # 1.4 each
    split = RandomSplitter(0.2, stratify=str)(items)
    assert len(split.valid) == 140
    assert set(Counter(items[row] for row in split.valid).values()) == {1, 2}


def test_the_label_furthest_below_its_fraction_gets_the_odd_row() -> None:
    items = photos(cat=6, dog=9)  # 1.2 and 1.8, 3 in all
    split = RandomSplitter(0.2, stratify=parent_label)(items)
    assert Counter(parent_label(items[row]) for row in split.valid) == {"cat": 1, "dog": 2}


@pytest.mark.parametrize(("valid_pct", "test_pct"), [(0.7, 0.2), (0.5, 0.4), (0.2, 0.7)])
def test_three_rows_fill_three_parts(valid_pct: float, test_pct: float) -> None:
    split = RandomSplitter(valid_pct, test_pct=test_pct)(range(3))
    assert [len(part) for part in split] == [1, 1, 1]


def test_missing_labels_are_one_label() -> None:
    items = ["a"] * 5 + [None, float("nan"), None, float("nan"), None]  # type: ignore[list-item]
    split = RandomSplitter(0.2, stratify=lambda item: item)(items)
    assert sorted(row // 5 for row in split.valid) == [0, 1]


@pytest.mark.parametrize(
    ("valid_pct", "test_pct"), [(0, 0), (1, 0), (20, 0), (-0.1, 0), (0.5, 0.5), (0.2, -0.1)]
)
def test_fractions_out_of_range(valid_pct: float, test_pct: float) -> None:
    message = rf"valid_pct={valid_pct}, test_pct={test_pct}\. .*0\.2 for 20%"
    for make in (
        lambda: RandomSplitter(valid_pct, test_pct=test_pct),
        lambda: GroupSplitter(str, valid_pct, test_pct=test_pct),
        lambda: TimeSplitter(str, valid_pct, test_pct=test_pct),
    ):
        with pytest.raises(ConfigError, match=message):
            make()


def test_random_refuses_what_cannot_be_split() -> None:
    with pytest.raises(ConfigError, match=r"stratify=True.*stratify=parent_label"):
        RandomSplitter(stratify=True)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"at least 2 rows to split\. Got: 1 rows"):
        RandomSplitter()([1])
    with pytest.raises(DataError, match="at least 2 rows"):
        RandomSplitter()([])
    with pytest.raises(DataError, match="at least 3 rows"):
        RandomSplitter(test_pct=0.1)([1, 2])
    with pytest.raises(DataError, match=r"2 rows of one label.*3 rows, 3 labels"):
        RandomSplitter(stratify=str)(["a", "b", "c"])
    with pytest.raises(DataError, match=r"per item from `stratify`.*\['a'\] in row 0"):
        RandomSplitter(stratify=lambda item: [item])(["a", "b"])


# ---- by folder, index, function, column


def tree(**counts: int) -> list[str]:
    return [f"d/{part}/cat/{i}.jpg" for part, n in counts.items() for i in range(n)]


def test_grandparent_reads_the_folder_above_the_label() -> None:
    assert GrandparentSplitter()(tree(train=2, valid=1)) == Split((0, 1), (2,))
    assert GrandparentSplitter("a", "b", "c")(tree(c=1, b=1, a=2)) == Split((2, 3), (1,), (0,))
    paths = [Path(name) for name in tree(train=1, other=1, val=1, test=1)]
    assert GrandparentSplitter(valid_name="val")(paths) == Split((0,), (2,), (3,))


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (tree(train=3, val=2), r"'train' \(3\), 'val' \(2\)\. Write .*\(valid_name='val'\)"),
        (tree(train=3, dev=2, test=1), r"Write GrandparentSplitter\(valid_name='dev'\)"),
        (tree(train=3, val=1, dev=1), r"\(train_name=\.\.\., valid_name=\.\.\.\) with two"),
        (tree(training=3, testing=1), r"\(train_name=\.\.\., valid_name=\.\.\.\) with two"),
        (tree(train=3, test=1), r"'test' \(1\)\. Split at random with RandomSplitter"),
        (["1.jpg"], "Split at random"),
        ([], "none, there are no files"),
    ],
)
def test_grandparent_lists_the_folders_it_saw(items: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        GrandparentSplitter()(items)


def test_index() -> None:
    assert IndexSplitter(np.array([1, 3]), [0])("abcde") == Split((2, 4), (1, 3), (0,))
    with pytest.raises(DataError, match=r"below 3.*rows=3"):
        IndexSplitter([3])("abc")
    with pytest.raises(DataError, match="as valid"):
        IndexSplitter([-1])
    with pytest.raises(DataError, match="every row once"):
        IndexSplitter([1], [1])("abc")


def test_func_takes_truths_and_names() -> None:
    assert FuncSplitter(lambda n: n % 2 == 0)(range(4)) == Split((1, 3), (0, 2))
    assert FuncSplitter(lambda n: np.bool_(n > 1))(range(3)) == Split((0, 1), (2,))
    names = ["test", "train", "valid", "train"]
    assert FuncSplitter(str)(names) == Split((1, 3), (2,), (0,))
    with pytest.raises(DataError, match=r"Got: 'val', None in rows 1, 2\."):
        FuncSplitter(lambda item: item)(["train", "val", None])
    with pytest.raises(DataError, match="row in valid"):
        FuncSplitter(lambda _: False)([1, 2])


def test_col_reads_tables_and_rows_of_any_kind() -> None:
    expected = Split((0, 2), (1,))
    Item = namedtuple("Item", ["name", "is_valid"])
    dicts = [{"name": "a", "is_valid": value} for value in (0, 1, 0.0)]
    frame = pd.DataFrame(dicts)
    for items in (frame, rows_of(frame), dicts, [Item(**row) for row in dicts]):
        assert ColSplitter()(items) == expected
    assert ColSplitter()([row for _, row in frame.iterrows()]) == expected
    assert ColSplitter(1)(frame) == expected
    part = pd.DataFrame({"part": ["train", "valid", "train", "test"]})
    assert ColSplitter("part")(part) == Split((0, 2), (1,), (3,))


def test_col_names_what_is_wrong() -> None:
    frame = pd.DataFrame({"name": ["a", "b", "c"], "fold": [0, 1, 2], "gap": [0, 1, np.nan]})
    with pytest.raises(DataError, match=r"column 'is_valid'\. Got: columns=name, fold, gap"):
        ColSplitter()(frame)
    with pytest.raises(DataError, match=r"Got: 2 in rows 2\."):
        ColSplitter("fold")(frame)
    with pytest.raises(DataError, match=r"Got: nan in rows 2\."):
        ColSplitter("gap")(frame)


# ---- GroupSplitter


def test_groups_stay_whole_and_reach_the_fraction() -> None:
    frame = pd.DataFrame({"person": [f"p{i // 4}" for i in range(100)]})
    split = GroupSplitter("person", 0.2, 1, test_pct=0.12)(frame)
    assert [len(part) for part in split] == [68, 20, 12]
    people = [{row // 4 for row in part} for part in split]
    assert sum(map(len, people)) == len(set.union(*people)) == 25
    other = GroupSplitter("person", 0.2, 2, test_pct=0.12)(frame)
    assert split.valid != other.valid


def test_the_nearest_sum_of_groups_is_found() -> None:
    items = ["a"] * 6 + ["b"] * 5 + ["c"] * 5  # taking groups as they come would give 6
    for seed in range(6):
        split = GroupSplitter(str, 0.625, seed)(items)
        assert {items[row] for row in split.valid} == {"b", "c"}


def test_a_huge_group_leaves_one_for_each_part() -> None:
    items = ["a"] * 98 + ["b", "c"]
    for seed in range(6):
        split = GroupSplitter(str, 0.01, seed, test_pct=0.9)(items)
        assert [bool(part) for part in split] == [True] * 3
    items = ["a"] * 50 + ["b"] * 50 + ["c"]  # 0.97 is nearest to "a" and "b" together
    split = GroupSplitter(str, 0.01, test_pct=0.97)(items)
    assert sorted(len(part) for part in split) == [1, 50, 50]
    assert len(GroupSplitter(str, 0.5)(["a"] * 9 + ["b"]).valid) in (1, 9)


def test_many_groups_are_quick_enough_to_be_exact() -> None:
    items = [number // 3 for number in range(60_000)]
    split = GroupSplitter(lambda item: item, 0.2)(items)
    assert abs(len(split.valid) - 12_000) <= 60


def test_group_errors() -> None:
    with pytest.raises(DataError, match=r"at least 2 groups.*1 groups in 3 rows"):
        GroupSplitter(str)("aaa")
    with pytest.raises(DataError, match="at least 3 groups"):
        GroupSplitter(str, test_pct=0.2)("aab")
    with pytest.raises(DataError, match=r"from `group`\. Got: None in row 1.*: 1, 3"):
        GroupSplitter(lambda item: item)(["a", None, "b", float("nan")])  # type: ignore[list-item]
    with pytest.raises(DataError, match=r"column 'who'"):
        GroupSplitter("who")([{"name": "a"}])


# ---- TimeSplitter


def test_later_rows_validate_and_the_latest_test() -> None:
    items = [3, 1, 2, 9, 8, 0, 7, 5, 6, 4]
    split = TimeSplitter(lambda item: item, 0.2, test_pct=0.1)(items)
    assert [[items[row] for row in part] for part in split] == [[*range(7)], [7, 8], [9]]


def test_equal_times_stay_together() -> None:
    items = [2010, 2010, 2011, 2011, 2011, 2011, 2012]
    split = TimeSplitter(lambda item: item, 0.4)(items)
    assert split == Split((0, 1, 2, 3, 4, 5), (6,))  # 2.8 wanted: 1 is nearer than 5
    three = TimeSplitter(lambda item: item, 0.1, test_pct=0.8)(items)
    assert [len(part) for part in three] == [2, 4, 1]


@pytest.mark.parametrize(
    "times",
    [
        ["2024-01-01", "2024-01-02T10:00", "2024-02-01"],
        ["9", " 10", "11.5"],
        [date(2023, 12, 31), datetime(2024, 1, 1), datetime(2024, 1, 1, 0, 0, 1)],
        [datetime(2024, 1, 1, tzinfo=UTC), "2024-01-01T02:00+01:00", "2024-01-01T02:00Z"],
        list(np.array(["2024-01-01", "2024-01-02", "2025"], dtype="datetime64[ns]")),
        [pd.Timestamp(f"2024-01-01 00:00:00{end}") for end in ("", ".123456789", ".2")],
        list(np.array([1, 2, 3])),
    ],
)
def test_times_of_every_kind(times: list[object]) -> None:
    split = TimeSplitter(lambda item: item, 0.3)([times[2], times[0], times[1]])
    assert split == Split((1, 2), (0,))


def test_a_column_of_times() -> None:
    frame = pd.DataFrame({"when": pd.to_datetime(["2024-03-01", "2024-01-01", "2024-02-01"])})
    for table in (
        frame,
        Table(frame),
        frame.astype(str),
        frame.when.dt.day_of_year.to_frame("when"),
    ):
        assert TimeSplitter("when", 0.3)(table) == Split((1, 2), (0,))
    with pytest.raises(DataError, match=r"column 'wen'.*Did you mean 'when'"):
        TimeSplitter("wen")(frame)
    with pytest.raises(DataError, match=r"as time in column 'when'\. Got: .*NaT.* in row 1"):
        TimeSplitter("when")(frame.shift(-2))


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["2024-01-01", "24 October 2011", "x"], r"'24 October 2011' in row 1; all .*: 1, 2\. "),
        ([1, None, 2], "None in row 1"),
        ([1, float("nan"), 2], "nan in row 1"),
        ([1, float("inf"), 2], "inf in row 1"),
        ([pd.Timestamp("2024"), pd.NaT], "NaT in row 1"),
        ([np.datetime64("NaT"), np.datetime64("2024")], "NaT'?.* in row 0"),
        ([pd.NA, 1], "NA.* in row 0"),
        ([1, []], r"\[\] in row 1"),
        ([1, "2024-01-01"], "a date with no time zone in row 1, number in row 0"),
        (["2024-01-01", "2024-01-01T00:00Z"], "a date with a time zone in row 1"),
        ([5, 5, 5], r"at least 2 different times\. Got: 1 in 3 rows"),
        ([], "Got: 0 in 0 rows"),
    ],
)
def test_times_that_cannot_be_ordered(times: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        TimeSplitter(lambda item: item)(times)


def test_three_parts_need_three_times() -> None:
    with pytest.raises(DataError, match="at least 3 different times"):
        TimeSplitter(lambda item: item, test_pct=0.2)([1, 2, 2])
