from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.tree import DecisionTreeRegressor

from redstart.data.split import RandomSplitter
from redstart.errors import ConfigError, DataError, NoValidationSetError
from redstart.tabular.dates import add_datepart
from redstart.tabular.frames import TabularPandas
from redstart.tabular.procs import Categorify, FillMissing, Normalize
from redstart.tabular.roles import cont_cat_split
from redstart.targets.category import CategoryBlock
from redstart.targets.regression import RegressionTarget
from redstart.train.learner import Learner

PROCS = [Categorify, FillMissing]
SIZES = ["Large", "Medium", "Small"]
SPLITS = (range(30), range(30, 40))


def sales(n: int = 40) -> pd.DataFrame:
    """Like the auction sales of the course."""
    rng = np.random.default_rng(0)
    size = pd.Series(rng.choice(SIZES, n), index=np.arange(n) + 100).astype("category")
    return pd.DataFrame(
        {
            "SalePrice": rng.uniform(9, 11, n),
            "YearMade": rng.integers(1990, 2010, n),
            "Hours": np.where(rng.random(n) < 0.3, np.nan, rng.uniform(0, 9000, n)),
            "ProductSize": size.cat.set_categories(SIZES, ordered=True),
            "state": rng.choice(["Ohio", "Texas", "Utah"], n),
            "saledate": pd.date_range("2011-01-30", periods=n).strftime("%m/%d/%Y 0:00"),
        },
        index=np.arange(n) + 100,
    )


def chapter9() -> tuple[pd.DataFrame, TabularPandas]:
    df = add_datepart(sales(), "saledate")
    cond = df.saleMonth < 3
    splits = (list(np.where(cond)[0]), list(np.where(~cond)[0]))
    cont, cat = cont_cat_split(df, 1, dep_var="SalePrice")
    return df, TabularPandas(df, PROCS, cat, cont, y_names="SalePrice", splits=splits)


def test_the_courses_chapter_runs() -> None:
    df, to = chapter9()
    assert (len(to.train), len(to.valid)) == (30, 10)
    assert list(to.classes["ProductSize"]) == ["#na#", *SIZES]
    assert to.items.head(3)[["state", "ProductSize"]].map(lambda v: v in (1, 2, 3)).all().all()
    xs, y = to.train.xs, to.train.y
    assert list(xs.index) == list(y.index) == list(df.index[:30]) and y.name == "SalePrice"
    assert list(xs) == [*to.cat_names, *to.cont_names] and "Hours_na" in to.cat_names
    tree = DecisionTreeRegressor(max_leaf_nodes=4, random_state=0).fit(xs, y)
    assert tree.predict(to.valid.xs).shape == (10,)
    xs.loc[xs["YearMade"] < 2000, "YearMade"] = 1950
    assert to.train.xs.YearMade.min() >= 1990, "what came out is a copy"
    np.testing.assert_array_equal(y, df.SalePrice[:30])


def test_the_courses_network_chapter_runs(tmp_path: Any) -> None:
    df, _ = chapter9()
    cont, cat = cont_cat_split(df, max_card=9000, dep_var="SalePrice")
    assert "saleElapsed" in cont
    to = TabularPandas(
        df, [*PROCS, Normalize], cat, cont, "SalePrice", None, (range(30), range(30, 40))
    )
    dls = to.dataloaders(8, path=tmp_path)
    assert dls.train.bs == 8 and dls.path == tmp_path
    assert isinstance(dls.target, RegressionTarget)
    (x_cat, x_cont, y) = dls.one_batch()
    assert x_cat.shape == (8, len(to.cat_names)) and x_cont.shape == (8, len(to.cont_names))
    assert y.shape == (8, 1)
    assert to.train.y.min() > 9


def test_codes_and_numbers_of_the_frame_are_those_of_the_loaders() -> None:
    df, _ = chapter9()
    cont, cat = cont_cat_split(df, 1, dep_var="SalePrice")
    to = TabularPandas(df, None, cat, cont, "SalePrice", splits=SPLITS)
    x_cat, x_cont = to.codec.encode_table(to.table)
    np.testing.assert_array_equal(to.items[to.cat_names], x_cat)
    np.testing.assert_allclose(to.items[to.cont_names], x_cont, atol=1e-5)


def test_numbers_stay_in_their_units_and_types_without_normalize() -> None:
    _, to = chapter9()
    xs = to.train.xs
    assert xs.YearMade.dtype == np.int64 and xs.Hours.dtype == np.float64
    assert xs.ProductSize.dtype == np.int8
    known = sales().Hours[:30]
    np.testing.assert_array_equal(xs.Hours, known.fillna(known.median()))


def test_rows_keep_the_order_of_the_split() -> None:
    df = sales()
    to = TabularPandas(df, PROCS, ["state"], ["YearMade"], "SalePrice", splits=([5, 2], [9, 0]))
    assert list(to.train.xs.index) == [105, 102]
    assert list(to.valid.y.index) == [109, 100]
    assert list(to.items.index) == [105, 102, 109, 100]
    assert to.train.xs.YearMade.tolist() == df.YearMade.iloc[[5, 2]].tolist()


def test_rows_are_shown_with_their_names_and_units() -> None:
    df = sales()
    to = TabularPandas(df, None, ["state"], ["Hours"], "SalePrice", splits=SPLITS)
    shown = to.show(3)
    assert list(shown) == ["state", "Hours_na", "Hours", "SalePrice"] and len(shown) == 3
    assert shown.state.tolist() == df.state[:3].tolist()
    np.testing.assert_allclose(shown.Hours, df.Hours[:3].fillna(df.Hours[:30].median()))
    np.testing.assert_allclose(shown.SalePrice.astype(float), df.SalePrice[:3])
    assert "40 rows, 2 categories, 1 numbers -> SalePrice" in repr(to)


def test_the_courses_titanic_call_runs() -> None:
    df = sales().assign(Survived=[0, 1] * 20, Alone=[True, False] * 20)
    splits = RandomSplitter(seed=42)(df)
    to = TabularPandas(
        df,
        splits=splits,
        procs=[Categorify, FillMissing, Normalize],
        cat_names=["state", "ProductSize"],
        cont_names=["Hours", "Alone"],
        y_names="Survived",
        y_block=CategoryBlock(),
    )
    dls = to.dataloaders(path=".")
    assert dls.vocab == to.vocab == (0, 1)
    assert dls.classes["state"] == to.classes["state"]
    assert to.train.y.tolist() == df.Survived.iloc[list(splits.train)].tolist()
    assert len(dls.test_dl(df.drop(columns="Survived")).dataset) == 40


def test_labels_that_are_text_are_codes_in_y() -> None:
    to = TabularPandas(sales(), PROCS, [], ["Hours"], "state", splits=SPLITS)
    assert [to.vocab[code] for code in to.valid.y] == sales().state[30:].tolist()


def test_a_new_frame_is_seen_by_what_was_learnt() -> None:
    df = sales()
    to = TabularPandas(df, None, ["state"], ["Hours"], "SalePrice", splits=SPLITS)
    new = to.new(df[30:].drop(columns="SalePrice"))
    pd.testing.assert_frame_equal(new.xs, to.valid.xs)
    pd.testing.assert_frame_equal(new.items, new.xs)
    assert list(new.show(2)) == ["state", "Hours_na", "Hours"]
    assert to.new(df[30:]).y.tolist() == to.valid.y.tolist()
    with pytest.raises(ConfigError, match=r"a column to predict\. .*a frame that has it"):
        _ = new.y


def test_without_a_split_trees_may_learn_but_no_network(tmp_path: Any) -> None:
    to = TabularPandas(sales(), PROCS, ["state"], ["YearMade"], y_names="SalePrice")
    assert len(to.train) == 40 and len(to.valid) == 0
    assert to.valid.xs.shape == (0, 2)
    from torch import nn

    learn = Learner(to.dataloaders(path=tmp_path), nn.Linear(2, 1), path=tmp_path)
    with pytest.raises(NoValidationSetError, match="Expected a validation set"):
        learn.fit(1)


def test_without_a_target_there_are_inputs_and_no_loaders() -> None:
    to = TabularPandas(sales(), PROCS, ["state"], ["YearMade"])
    assert to.xs.shape == to.items.shape == (40, 2) and to.vocab == ()
    with pytest.raises(ConfigError, match=r"a column to predict\. Got: y_names=\[\]\. Pass"):
        to.dataloaders()


def test_gaps_are_left_to_trees_but_not_to_networks() -> None:
    to = TabularPandas(
        sales(), [Categorify], [], ["Hours"], "SalePrice", splits=([*range(30)], [31])
    )
    assert to.train.xs.Hours.isna().any()
    with pytest.raises(DataError, match=r"every row of column 'Hours'.*Add FillMissing"):
        to.dataloaders()


def test_several_targets_are_columns_of_ys() -> None:
    to = TabularPandas(sales(), PROCS, ["state"], [], ["SalePrice", "YearMade"])
    assert list(to.ys) == ["SalePrice", "YearMade"] and to.y.name == "SalePrice"
    assert to.show(2).YearMade.tolist() == sales().YearMade[:2].tolist()


def test_frames_of_other_makes_come_out_as_pandas() -> None:
    df = sales()
    one = TabularPandas(df, y_names="SalePrice", date_names=[])
    other = TabularPandas(pl.from_pandas(df), y_names="SalePrice")
    assert "saleElapsed" in other.xs
    pd.testing.assert_frame_equal(one.xs.reset_index(drop=True), other.xs)


def test_what_is_predicted_is_no_input() -> None:
    with pytest.raises(ConfigError, match=r"none that is to be predicted\. Got: 'state' is no"):
        TabularPandas(sales(), PROCS, ["state"], [], "state")
