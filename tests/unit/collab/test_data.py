from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from redstart.collab.codec import NEW, CollabCodec
from redstart.collab.data import CollabDataLoaders
from redstart.collab.preference import PreferenceTarget
from redstart.data.last_out import LastOutSplitter
from redstart.data.loaders import DataLoaders
from redstart.data.moments import moments_of
from redstart.data.split import IndexSplitter, TimeSplitter
from redstart.data.table import Table
from redstart.errors import ConfigError, DataError


def ratings(n_users: int = 12, n_items: int = 10) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    user, movie = (a.ravel() for a in np.meshgrid(np.arange(n_users), 100 + np.arange(n_items)))
    frame = pd.DataFrame({"user": user, "movie": movie, "rating": rng.integers(1, 6, user.size)})
    frame["time"] = rng.permutation(user.size)
    frame["title"] = "Film " + frame.movie.astype(str)
    return frame


def load(frame: Any = None, **options: Any) -> DataLoaders:
    return CollabDataLoaders.from_df(ratings() if frame is None else frame, device="cpu", **options)


def codec_of(dls: DataLoaders) -> CollabCodec:
    assert isinstance(dls.codec, CollabCodec)
    return dls.codec


def decoded(dls: DataLoaders) -> set[tuple[Any, Any, float]]:
    found = set()
    for loader in (dls.train, dls.valid):
        for batch in loader.batches(epoch=0):
            for (user, item), y in zip(batch.x[0].tolist(), batch.y[0][:, 0].tolist(), strict=True):
                found.add((codec_of(dls).users[user], codec_of(dls).items[item], y))
    return found


# ---- columns


def test_the_first_three_columns_are_user_item_and_rating() -> None:
    dls = load(bs=64)
    x, y = dls.one_batch()
    assert x.shape == (64, 2) and x.dtype == torch.int64
    assert y.shape == (64, 1) and y.dtype == torch.float32
    assert list(dls.classes) == ["user", "movie"]
    assert list(dls.classes["movie"]) == [NEW, *range(100, 110)]
    assert decoded(dls) == set(ratings()[["user", "movie", "rating"]].itertuples(index=False))
    assert dls.sizes() == {"train": 96, "valid": 24}


def test_columns_can_be_named() -> None:
    dls = load(item_name="title")
    assert dls.classes["title"].o2i["Film 100"] == 1
    dls = load(user_name="movie", item_name="user", rating_name="time")
    assert list(dls.classes) == ["movie", "user"]
    with pytest.raises(DataError, match=r"column 'titel'.*Did you mean 'title'"):
        load(item_name="titel")
    with pytest.raises(ConfigError, match="different columns"):
        load(item_name="user")
    with pytest.raises(DataError, match="user, item and rating"):
        load(ratings()[["user", "movie"]])


def test_polars_and_pandas_give_the_same_loaders() -> None:
    a, b = load(), load(pl.from_pandas(ratings()))
    assert a.codec == b.codec and a.digests() == b.digests()
    assert decoded(a) == decoded(b)


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_files_are_told_apart_by_what_is_in_them(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"ratings.{ending}"
    if ending == "parquet":
        ratings().to_parquet(file)
    else:
        ratings().to_csv(file, index=False, sep="\t" if ending == "tsv" else ",")
    dls = CollabDataLoaders.from_csv(file, bs=8, device="cpu")
    assert dls.path == tmp_path and decoded(dls) == decoded(load())


def test_options_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean `splitter`"):
        load(spliter=1)


# ---- what is missing or odd


@pytest.mark.parametrize("column", ["user", "movie", "rating"])
def test_what_is_missing_is_named_with_its_row(column: str) -> None:
    frame = ratings()
    frame[column] = frame[column].astype(object)
    frame.loc[5, column] = None
    with pytest.raises(DataError, match=rf"{column}=.* in row 5\. "):
        load(frame)


def test_a_rating_that_is_no_number_is_refused() -> None:
    frame = ratings().astype({"rating": object})
    frame.loc[3, "rating"] = "good"
    with pytest.raises(DataError, match="rating='good' in row 3"):
        load(frame)
    frame.loc[3, "rating"] = "4"
    assert (3, 100, 4.0) in decoded(load(frame))


def test_of_two_ratings_of_a_pair_the_last_counts(caplog: pytest.LogCaptureFixture) -> None:
    again = ratings().head(2).assign(rating=9, time=-1)
    frame = pd.concat([ratings(), again])
    with caplog.at_level(logging.WARNING, "redstart"):
        last = decoded(load(frame))
    assert "2 rows repeat a pair of user and item: only the last rating" in caplog.text
    assert {t for t in last if t[2] == 9} == {(0, 100, 9.0), (1, 100, 9.0)}
    assert len(last) == 120
    by_time = decoded(load(frame, timestamp_name="time"))
    assert not [t for t in by_time if t[2] == 9]


def test_events_of_one_pair_are_added_up() -> None:
    frame = pd.concat([ratings(), ratings().head(3), ratings().head(1)])[["user", "movie"]]
    dls = load(frame, implicit=True)
    assert isinstance(dls.target, PreferenceTarget)
    counts = {(u, m): n for u, m, n in decoded(dls)}
    assert counts[0, 100] == 3 and counts[1, 100] == counts[2, 100] == 2 and counts[3, 100] == 1
    many = load(ratings(), implicit=True, rating_name="rating")
    assert decoded(many) == decoded(load())


def test_196_and_text_196_are_one_user() -> None:
    frame = pd.DataFrame(
        {"u": [1, "1", 2, 2.0, 3, 3], "i": list("aabbab"), "r": [1, 2, 3, 4, 5, 1]}
    )
    dls = load(frame, splitter=IndexSplitter([3]))
    assert list(dls.classes["u"]) == [NEW, 1, 2, 3]


def test_days_are_names_as_people_write_them() -> None:
    frame = ratings()
    frame["user"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame.user, "D")
    codec = codec_of(load(frame))
    assert codec.users[1] == "2024-01-01"
    assert codec.position("2024-01-03", is_item=False) == 3
    found = codec.encode_table(Table(frame.head(3)))[0][:, 0]
    assert found.tolist() == [1, 2, 3]


def test_a_list_is_no_name() -> None:
    frame = ratings().astype({"user": object})
    frame.at[4, "user"] = [1, 2]
    with pytest.raises(DataError, match=r"one value per cell in column 'user'.* in row 4"):
        load(frame)


def test_the_first_row_of_a_file_is_not_taken_for_names(tmp_path: Path) -> None:
    file = tmp_path / "u.data"
    ratings().iloc[3:].to_csv(file, sep="\t", header=False, index=False)
    with pytest.raises(DataError, match=r"first line.*Got: '3' as the name of column 1.*above"):
        CollabDataLoaders.from_csv(file)
    named: dict[str, Any] = {"user_name": "3", "item_name": "100", "rating_name": "5"}
    frame = ratings().rename(columns={"user": "3", "movie": "100", "rating": "5"})
    assert list(load(frame, **named).classes) == ["3", "100"]


def test_ratings_that_are_all_alike_are_noticed(caplog: pytest.LogCaptureFixture) -> None:
    load(ratings().assign(rating=4))
    assert "All training ratings are 4." in caplog.text and "implicit=True" in caplog.text


# ---- splits and what is new


def test_positions_are_those_of_training_rows_and_the_rest_is_0(
    caplog: pytest.LogCaptureFixture,
) -> None:
    frame = ratings()
    held = np.flatnonzero((frame.user == 3) | (frame.movie == 104))
    with caplog.at_level(logging.WARNING, "redstart"):
        dls = load(frame, splitter=IndexSplitter(held.tolist()))
    assert 3 not in dls.classes["user"] and 104 not in dls.classes["movie"]
    x = torch.cat([b.x[0] for b in dls.valid.batches(epoch=0)])
    assert (x == 0).sum(0).tolist() == [10, 12]
    assert "Of 21 validation rows, 10 have a user and 12 an item that no training" in caplog.text
    assert int(torch.cat([b.x[0] for b in dls.train.batches(epoch=0)]).min()) == 1


def test_rows_are_split_at_random_by_column_by_time_and_by_user() -> None:
    one, same, other = (load(seed=s).parts()["valid"] for s in (1, 1, 2))
    assert one == same != other
    assert load(test_pct=0.1).sizes() == {"train": 84, "valid": 24, "test": 12}
    frame = ratings().assign(held=lambda f: f.user % 4 == 0)
    assert load(frame, valid_col="held").sizes()["valid"] == 30
    late = load(splitter=TimeSplitter("time", 0.25)).parts()["valid"]
    assert ratings().time[list(late)].min() == 90
    last = load(splitter=LastOutSplitter("user", "time")).parts()["valid"]
    assert sorted(ratings().user[list(last)]) == list(range(12))
    with pytest.raises(ConfigError, match="`splitter` or `valid_col`"):
        load(splitter=IndexSplitter([1]), valid_col="held")


def test_times_are_numbers_that_sort() -> None:
    days = ["2024-01-02", "2024-01-01T12:00:00", "2023-05-05"]
    for column in (days, pd.to_datetime(days, format="ISO8601"), [3.5, 2.0, 1.0], ["30", "20", 1]):
        times = moments_of(Table(pd.DataFrame({"t": column})), "t")
        assert times.dtype.kind in "iuf" and np.argsort(times).tolist() == [2, 1, 0]
    with pytest.raises(DataError, match=r"in column 't'\. Got: 'soon' in row 1"):
        moments_of(Table(pd.DataFrame({"t": ["2024-01-02", "soon"]})), "t")


# ---- titles and pictures


@pytest.mark.parametrize("how", ["mapping", "table", "column"])
def test_items_may_have_titles(how: str) -> None:
    frame = ratings()
    pairs = frame[["movie", "title"]].drop_duplicates()
    options: dict[str, Any] = {
        "mapping": {"titles": dict(pairs.itertuples(index=False))},
        "table": {"titles": pairs},
        "column": {"title_name": "title"},
    }[how]
    codec = codec_of(load(frame, **options))
    assert codec.titles == ("", *(f"Film {i}" for i in range(100, 110)))
    assert codec.position("Film 103", is_item=True) == codec.position(103, is_item=True)


def test_titles_are_the_first_that_are_there(caplog: pytest.LogCaptureFixture) -> None:
    rows = [(100.0, None), (100.0, "One"), (100.0, "Uno"), ("101", "Two"), (None, "None"), (1, "X")]
    titles = pd.DataFrame(rows, columns=["movie", "title"])
    codec = codec_of(load(titles=titles))
    assert codec.titles[:4] == ("", "One", "Two", "")
    assert "8 of 10 items have no title, such as movie=102" in caplog.text
    assert codec_of(load(titles={100: float("nan"), 101: "Two"})).titles[1:3] == ("", "Two")


def test_a_batch_is_drawn_by_name() -> None:
    dls = load(title_name="title")
    drawn = dls.show_batch(max_n=4)
    text = " ".join(t.get_text() for ax in drawn.axes for t in ax.texts)
    assert len(drawn.axes) == 4 and "user" in text and "Film 10" in text


def test_new_rows_are_read_as_validation_rows() -> None:
    dls = load()
    batch = next(iter(dls.test_dl([{"user": "3", "movie": 101.0}, {"user": 99, "movie": 0}])))
    assert batch.y is None and batch.x[0].tolist() == [[4, 2], [0, 0]]


# ---- what was taken


def test_what_was_taken_needs_numbers_above_0() -> None:
    frame = ratings().assign(rating=lambda f: f.rating - 1)
    with pytest.raises(DataError, match="numbers above 0"):
        load(frame, implicit=True, rating_name="rating")
    with pytest.raises(ConfigError, match="way to compare"):
        PreferenceTarget("best")  # type: ignore[arg-type]


def test_comparisons_ask_for_order_and_leave_out_what_is_no_rival() -> None:
    y = (torch.ones(2, 1),)
    right = torch.tensor([[2.0, 0.0, -torch.inf], [1.0, 1.0, 0.0]])
    wrong = torch.tensor([[-2.0, 0.0, -torch.inf], [0.0, 1.0, 1.0]])
    for contrast in ("softmax", "pairwise"):
        target = PreferenceTarget(contrast)
        rows = target.loss(right, y, reduction="none")
        assert torch.isfinite(rows).all() and target.loss(right, y) == rows.mean()
        assert target.loss(right, y) < target.loss(wrong, y)
        weighed = (*y, torch.tensor([0.0, 1.0]))
        assert float(target.loss(right, weighed, reduction="none")[0]) == 0
        (metric,) = target.metrics()
        metric.update(right, *y)
        assert metric.compute() == pytest.approx((1 + 0.75) / 2)
        acts = target.activate(right)
        assert acts.shape == (2, 1) and float(acts[0]) == pytest.approx(torch.tensor(2.0).sigmoid())
    with pytest.raises(ConfigError, match=r"\(B, 1 \+ n\)"):
        target.loss(torch.ones(2), y)
