"""Which columns a model needs, and what it makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from redstart.errors import ConfigError
from redstart.tabular.data import TabularDataLoaders
from redstart.tabular.groups import groups_of, with_values
from redstart.tabular.learner import TabularLearner, tabular_learner


class ByOneColumn(nn.Module):
    """Looks at the number called ``deciding`` and at nothing else."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place

    def forward(self, x_cat: Tensor, x_cont: Tensor) -> Tensor:
        score = 3 * x_cont[:, self.place]
        return torch.stack([-score, score], 1)


def frame(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    deciding = rng.uniform(0, 100, n).round()
    return pd.DataFrame(
        {
            "colour": rng.choice(["red", "green", "blue"], n, p=[0.6, 0.3, 0.1]),
            "other": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "deciding": np.where(rng.random(n) < 0.1, np.nan, deciding),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 500, n), "D"),
            "good": np.where(deciding > 50, "yes", "no"),
            "worth": deciding * 2,
        }
    )


def learner(y_names: str = "good", **options: Any) -> TabularLearner:
    dls = TabularDataLoaders.from_df(
        frame(),
        y_names=y_names,
        cat_names=["colour"],
        cont_names=["other", "deciding"],
        date_names=["day"],
        device="cpu",
        **options,
    )
    place = dls.codec.cont_names.index("deciding")  # type: ignore[attr-defined]
    model = ByOneColumn(place) if y_names == "good" else "mlp"
    return tabular_learner(dls, [8], arch=model, metrics="accuracy" if y_names == "good" else None)


@pytest.mark.parametrize("metric", [None, "accuracy", "roc_auc"])
def test_the_deciding_column_is_first_and_others_are_nothing(metric: Any) -> None:
    found = learner().permutation_importance(metric, n_repeats=3)
    assert found.rows[0].column == "deciding"
    assert len(found) == 4
    assert found["deciding"].matters
    assert found["deciding"].value > 0.05
    assert {found[name].value for name in ("colour", "other", "day")} == {0.0}
    assert not any(found[name].matters for name in ("colour", "other", "day"))


def test_a_trained_model_ranks_it_first_too() -> None:
    dls = TabularDataLoaders.from_df(frame(), y_names="worth", cont_names=["other", "deciding"])
    learn = tabular_learner(dls, [16])
    learn.fit_one_cycle(5)
    assert learn.permutation_importance(n_repeats=2).rows[0].column == "deciding"


def test_what_a_column_became_belongs_together() -> None:
    codec: Any = learner().dls.codec
    groups = {group.name: group for group in groups_of(codec)}
    assert list(groups) == ["colour", "other", "deciding", "day"]
    assert [codec.cat_names[i] for i in groups["other"].cats] == ["other_na"]
    assert [codec.cont_names[i] for i in groups["other"].conts] == ["other"]
    parts = {codec.cat_names[i] for i in groups["day"].cats}
    parts |= {codec.cont_names[i] for i in groups["day"].conts}
    assert parts == set(codec.dates[0].parts())
    everything = [i for group in groups.values() for i in group.cats]
    assert sorted(everything) == list(range(len(codec.cat_names)))


def test_the_same_shuffles_give_the_same_numbers() -> None:
    first, second = (learner().permutation_importance(n_repeats=1) for _ in range(2))
    assert [r.value for r in first] == [r.value for r in second]


def test_it_is_printed_and_drawn() -> None:
    found = learner().permutation_importance(n_repeats=1, max_rows=20)
    assert found.n_rows == 20
    assert "how much worse loss gets when a column is shuffled" in repr(found)
    assert "deciding" in found.html()
    assert found._repr_html_().startswith("<img")
    assert found.plot(2).axes[0].get_yticklabels()[0].get_text() == "deciding"


@pytest.mark.parametrize("wrong", [{"n_repeats": 0}, {"max_rows": 0}])
def test_no_shuffle_and_no_row_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))}=0"):
        learner().permutation_importance(**wrong)


def test_dependence_follows_the_model() -> None:
    found = learner().partial_dependence("deciding")
    grid = np.array(found.grids[0])
    assert (np.diff(grid) > 0).all()
    assert grid[0] < 5
    assert grid[-1] > 95
    assert all(float(v).is_integer() for v in grid)
    assert (np.diff(found.mean) > 0).all()
    assert found.mean[0] < 0.05
    assert found.mean[-1] > 0.95
    # Nothing else counts for this model, so all rows say the same.
    assert np.ptp(found.rows, axis=0).max() < 1e-6
    assert found.what == "probability of yes"
    assert "by deciding: " in repr(found)


def test_a_number_that_is_set_is_known() -> None:
    dls = learner().dls
    codec: Any = dls.codec
    x_cat, x_cont = with_values(dls.one_batch().x, codec, {"other": 1.5, "colour": 2.0})
    assert (x_cont[:, codec.cont_names.index("other")] == 1.5).all()
    assert (x_cat[:, codec.cat_names.index("other_na")] == 1).all()
    assert (x_cat[:, codec.cat_names.index("colour")] == 2).all()


def test_categories_come_in_the_order_of_their_frequency() -> None:
    found = learner().partial_dependence("colour", label="no")
    assert found.grids[0] == ("red", "green", "blue")
    assert found.axes[0].shares[0] > 0.5
    assert found.what == "probability of no"


def test_categories_that_are_numbers_come_in_their_own_order() -> None:
    months = learner().partial_dependence("dayMonth").grids[0]
    known = [int(month) for month in months if month != "#na#"]
    assert len(known) > 2
    assert known == sorted(known)
    assert "#na#" not in months[:-1]


def test_two_columns_make_a_field() -> None:
    found = learner("worth").partial_dependence("deciding", "colour")
    assert found.mean.shape == (len(found.grids[0]), 3)
    assert found.what == "prediction"
    assert len(found.plot().axes) == 2


@pytest.mark.parametrize("name", ["deciding", "colour", "dayMonth"])
def test_one_column_is_drawn(name: str) -> None:
    found = learner().partial_dependence(name, max_rows=30)
    assert found._repr_html_().startswith("<img")
    assert found.plot(lines=0).what == f"probability of yes by {name}"


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        (("decidng",), {}, "Did you mean 'deciding'"),
        ((), {}, "one column or two"),
        (("colour", "colour"), {}, "one column or two"),
        (("colour",), {"label": "maybe"}, r"label='maybe'.*no, yes"),
    ],
)
def test_wrong_names_are_refused(columns: Any, options: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        learner().partial_dependence(*columns, **options)
