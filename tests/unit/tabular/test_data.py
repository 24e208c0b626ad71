from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from redstart.data.split import ColSplitter, RandomSplitter, TimeSplitter
from redstart.errors import ConfigError, DataError
from redstart.tabular.codec import TabularCodec
from redstart.tabular.data import TabularDataLoaders
from redstart.tabular.domain import DOMAIN
from redstart.tabular.procs import Categorify, FillMissing
from redstart.targets.category import CategoryTarget
from redstart.targets.multicategory import MultiCategoryTarget
from redstart.targets.regression import RegressionTarget

N = 40


def table(n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "job": rng.choice(["clerk", "smith"], n),
            "age": np.where(rng.random(n) < 0.2, np.nan, rng.uniform(20, 60, n)),
            "since": pd.date_range("2011-01-01", periods=n).strftime("%Y-%m-%d"),
            "w": rng.uniform(1, 3, n),
            "held": np.arange(n) % 4 == 0,
            "salary": np.where(rng.random(n) < 0.5, "high", "low"),
            "pay": rng.uniform(1000, 3000, n),
        }
    )


def load(**options: Any) -> Any:
    frame = options.pop("frame", None)
    given = {"cat_names": ["job"], "cont_names": ["age"], "y_names": "salary", "device": "cpu"}
    return TabularDataLoaders.from_df(table() if frame is None else frame, **{**given, **options})


def test_loaders_of_a_frame() -> None:
    dls = load(bs=8)
    assert isinstance(dls.codec, TabularCodec) and isinstance(dls.target, CategoryTarget)
    assert dls.sizes() == {"train": 32, "valid": 8} and dls.vocab == ("high", "low")
    assert list(dls.classes["job"]) == ["#na#", "clerk", "smith"]
    batch = dls.one_batch()
    x_cat, x_cont, y = batch
    assert x_cat.shape == (8, 2) and x_cont.shape == (8, 1) and y.shape == (8,)
    for seen, wanted in zip(batch.x, dls.codec.encode_table(table()), strict=True):
        assert torch.equal(seen, wanted[batch.index])
    labels = table().salary.iloc[batch.index.tolist()]
    assert [dls.vocab[int(code)] for code in y] == labels.tolist()
    assert len(dls.show_batch(max_n=3).axes) == 3


def test_all_columns_but_the_target_are_taken_if_none_is_named() -> None:
    dls = load(frame=table().drop(columns=["w", "held"]), cat_names=None, cont_names=None)
    assert {"job", "age_na", "sinceMonth"} <= set(dls.codec.cat_names)
    assert {"age", "pay", "sinceElapsed"} <= set(dls.codec.cont_names)
    assert "salary" not in dls.codec.inputs and len(dls.codec.inputs) == 4


def test_only_training_rows_teach_and_the_frame_is_not_changed() -> None:
    frame = table()
    before = frame.copy()
    valid = [0, 1, 2, 3]
    dls = load(frame=frame, valid_idx=valid)
    pd.testing.assert_frame_equal(frame, before)
    frame.loc[valid, ["job", "age"]] = ["pilot", 1e6]
    assert load(frame=frame, valid_idx=valid).codec == dls.codec
    assert dls.parts()["valid"] == tuple(valid)
    known = table().age[4:]
    assert dls.codec.numbers[0].fill == known.median()
    assert dls.codec.numbers[0].mean == pytest.approx(known.fillna(known.median()).mean())


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
def test_files_are_read_as_the_frame(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"table.{kind}"
    frame = table()
    frame.to_parquet(file) if kind == "parquet" else frame.to_csv(file, index=False)
    names = {"cat_names": ["job"], "cont_names": ["age"], "y_names": "salary"}
    dls = TabularDataLoaders.from_csv(file, path=tmp_path, device="cpu", **names)
    assert dls.path == tmp_path
    wanted = load()
    assert dls.codec == wanted.codec and dls.target == wanted.target
    semicolons = tmp_path / "other.csv"
    frame.to_csv(semicolons, index=False, sep=";")
    again = TabularDataLoaders.from_csv(semicolons, delimiter=";", device="cpu", **names)
    assert again.codec == wanted.codec


@pytest.mark.parametrize("make", [pl.from_pandas, lambda df: pl.from_pandas(df).to_arrow()])
def test_frames_of_every_make_are_loaded_alike(make: Any) -> None:
    one, other = load(), load(frame=make(table()))
    assert one.codec == other.codec and one.parts() == other.parts()
    for a, b in zip(one.train, other.train, strict=True):
        assert all(torch.equal(s, t) for s, t in zip(a, b, strict=True))


# ---- targets


def test_numbers_are_estimated_and_their_logarithm_on_request() -> None:
    dls = load(y_names="pay", log_target=True)
    assert isinstance(dls.target, RegressionTarget) and dls.target.log
    assert dls.one_batch().y[0].shape[1] == 1


def test_several_columns_of_zeros_and_ones_are_labels() -> None:
    frame = table().assign(rich=lambda df: df.pay > 2000)
    dls = load(frame=frame, y_names=["held", "rich"])
    assert isinstance(dls.target, MultiCategoryTarget) and dls.vocab == ("held", "rich")
    batch = dls.one_batch()
    wanted = frame[["held", "rich"]].iloc[batch.index.tolist()].to_numpy(dtype=np.float32)
    np.testing.assert_array_equal(batch.y[0], wanted)


def test_new_rows_need_no_target() -> None:
    dls = load()
    new = dls.test_dl(table().drop(columns="salary"))
    for row in range(N):
        assert all(
            torch.equal(a, b[row])
            for a, b in zip(new.dataset.x(row), dls.codec.encode_table(table()), strict=True)
        )
    with pytest.raises(DataError, match="Expected at least one item"):
        dls.test_dl(table()[:0])


def test_a_target_must_be_named_and_be_there() -> None:
    with pytest.raises(ConfigError, match=r"column to predict\. Got: y_names=None\. Pass"):
        load(y_names=None)
    with pytest.raises(DataError, match=r"a column 'salry'.*Did you mean 'salary'\?"):
        load(y_names="salry")


# ---- splits


def test_rows_are_split_in_many_ways() -> None:
    frame = table()
    held = tuple(range(0, N, 4))
    assert load(valid_idx=list(held)).parts()["valid"] == held
    assert load(valid_col="held").parts()["valid"] == held
    assert load(splitter=ColSplitter("held")).parts()["valid"] == held
    assert load(splitter=TimeSplitter("since")).parts()["valid"] == tuple(range(32, 40))
    assert load(splitter=lambda df: (range(30), range(30, len(df)))).sizes()["valid"] == 10
    found = load(valid_pct=0.25, seed=3).parts()
    wanted = RandomSplitter(0.25, seed=3)(frame)
    assert (found["train"], found["valid"]) == (wanted.train, wanted.valid)
    parts = load(valid_pct=0.2, test_pct=0.2, stratify=True)
    assert parts.sizes() == {"train": 24, "valid": 8, "test": 8}
    share = (frame.salary == "high").mean()
    for rows in parts.parts().values():
        assert abs((frame.salary.iloc[list(rows)] == "high").mean() - share) < 0.1


def test_two_ways_to_split_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"one way to split\. Got: valid_idx, valid_col\. Leave"):
        load(valid_idx=[1], valid_col="held")
    with pytest.raises(ConfigError, match="Got: splitter, valid_pct, stratify"):
        load(splitter=ColSplitter("held"), valid_pct=0.2, stratify=True)
    with pytest.raises(ConfigError, match=r"one target with `stratify`\. Got: 2"):
        load(y_names=["pay", "w"], stratify=True)


def test_columns_that_split_or_weigh_are_no_inputs() -> None:
    dls = load(cat_names=None, cont_names=None, valid_col="held", weight_name="w")
    assert not {"held", "w"} & set(dls.codec.inputs)
    with pytest.raises(ConfigError, match="'held' is no input"):
        load(cat_names=["held"], valid_col="held")


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(DataError, match=r"two rows or more\. Got: 1 rows"):
        load(frame=table()[:1])


# ---- weights


def test_weights_have_mean_1_over_training_rows_and_count_there_alone() -> None:
    dls = load(weight_name="w", valid_col="held")
    weights = torch.cat([batch.y[1] for batch in dls.train])
    assert weights.mean() == pytest.approx(1, abs=1e-6)
    batch = dls.one_batch()
    w = table().w.iloc[batch.index.tolist()].to_numpy()
    np.testing.assert_allclose(batch.y[1] / batch.y[1][0], w / w[0], rtol=1e-5)
    assert len(next(iter(dls.valid)).y) == 1


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_a_weight_that_is_not_positive_is_refused(value: float) -> None:
    frame = table()
    frame.loc[5, "w"] = value
    with pytest.raises(DataError, match=r"weights in column 'w'\. Got: .* in row 5; 1 such"):
        load(frame=frame, weight_name="w")


# ---- options


def test_procs_are_obeyed() -> None:
    dls = load(procs=[Categorify, FillMissing("constant", add_col=False, fill_vals=-1)])
    assert dls.codec.cat_names == ("job",)
    (age,) = dls.codec.numbers
    assert (age.fill, age.mean, age.std) == (-1, 0, 1)
    with pytest.raises(DataError, match=r"every row of column 'age'\. Got: missing in row"):
        load(procs=[Categorify])


def test_an_option_that_would_be_ignored_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Got: batch_size\..*There are: bs"):
        load(batch_size=8)


def test_dates_are_named_or_found() -> None:
    american = table().assign(since=lambda df: pd.to_datetime(df.since).dt.strftime("%m/%d/%Y"))
    dls = load(frame=american, date_names="since")
    assert dls.codec.dates[0].day_first is False
    assert load(date_names=["since"]).codec.dates[0].day_first is None
    wanted = load(date_names=["since"])
    for a, b in zip(dls.train, wanted.train, strict=True):
        assert all(torch.equal(s, t) for s, t in zip(a, b, strict=True))


def test_the_domain_names_all_that_a_bundle_may_hold() -> None:
    assert {"table", "category_column", "number_column", "date_column"} <= set(DOMAIN.kinds)
    assert {"category", "multicategory", "regression"} <= set(DOMAIN.kinds)
    assert set(DOMAIN.builders) == {"mlp", "tabm"}


def test_real_tables_are_read_without_help(shared: Path, caplog: pytest.LogCaptureFixture) -> None:
    adult = TabularDataLoaders.from_csv(shared / "data/adult/adult.data", y_names="income")
    assert len(adult.codec.cat_names) == 9 and adult.codec.n_cont == 5
    assert adult.vocab == ("<=50K", ">50K")
    file = shared / "data/tables/titanic/train.csv"
    titanic = TabularDataLoaders.from_csv(file, y_names="Survived")
    assert "PassengerId (it counts the rows)" in caplog.text and "Name (nearly" in caplog.text
    assert isinstance(titanic.target, CategoryTarget) and "Age_na" in titanic.codec.cat_names
    file = shared / "data/tables/housing/housing.csv"
    housing = TabularDataLoaders.from_csv(file, y_names="median_house_value")
    assert isinstance(housing.target, RegressionTarget)
    assert "total_bedrooms_na" in housing.codec.cat_names
