"""Real tables: floors that the default learner must reach, and bundles that stay the same."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from redstart.tabular import TabularDataLoaders, load_learner, tabular_learner


@pytest.mark.slow
def test_census_incomes(shared: Path, tmp_path: Path) -> None:
    dls = TabularDataLoaders.from_csv(
        shared / "data/adult/adult.data", y_names="income", stratify=True, device="cpu"
    )
    learn = tabular_learner(dls, metrics=["accuracy", "roc_auc"], path=tmp_path)
    row = learn.fit_one_cycle(10).rows[-1]
    assert row["accuracy"] > 0.86
    assert row["roc_auc"] > 0.92
    trees = learn.baseline("hist").metrics
    assert abs(row["accuracy"] - trees["accuracy"][0]) < 0.01
    assert "validation rows" in str(learn.comparison())
    assert next(iter(learn.permutation_importance())).column == "capital_gain"
    bundle = load_learner(learn.export("census.redstart"), device="cpu")
    rows = list(dls.items[:20])
    for item, found in zip(rows, bundle.get_preds(rows), strict=True):
        assert found.probs.allclose(learn.predict(item).probs, atol=1e-5)


@pytest.mark.slow
def test_house_prices(shared: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(shared / "data/tables/housing/housing.csv")
    dls = TabularDataLoaders.from_df(
        frame, y_names="median_house_value", log_target=True, device="cpu"
    )
    learn = tabular_learner(dls, path=tmp_path)
    row = learn.fit_one_cycle(20).rows[-1]
    assert row["rmse"] < 50_000
    assert row["rmse"] < 1.08 * learn.baseline("hist").metrics["rmse"][0]
