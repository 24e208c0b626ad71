from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from kit import loaders, net
from PIL import Image
from torch import nn

from redstart.data.block import DataBlock
from redstart.data.loaders import DataLoaders
from redstart.data.split import IndexSplitter
from redstart.data.stream import TensorCodec
from redstart.errors import ConfigError, DataError, NoValidationSetError
from redstart.rng import forked
from redstart.tabular import TabularDataLoaders
from redstart.targets.multicategory import MultiCategoryBlock
from redstart.targets.regression import RegressionBlock
from redstart.train.learner import Learner
from redstart.train.slicing import collect_with_vectors, feedback, rates, slices
from redstart.vision import ImageDataLoaders

Make = Callable[..., Learner]


class Column(nn.Module):
    """Predicts 'yes' where the first number is above 0."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x_cat: torch.Tensor, x_cont: torch.Tensor) -> torch.Tensor:
        score = 4 * self.scale * x_cont[:, 0]
        return torch.stack([-score, score], dim=1)


def people(n: int = 600) -> Any:
    """'y' is whether x is above 0, but for the women of the west, of whom it says nothing."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": rng.normal(0, 1, n),
            "sex": rng.choice(["f", "m"], n),
            "region": rng.choice(["north", "south", "west"], n),
        }
    )
    coin = rng.random(n) < 0.5
    odd = (frame.region == "west") & (frame.sex == "f")
    frame["y"] = np.where(np.where(odd, coin, frame.x > 0), "yes", "no")
    return frame


def table_learner(**options: Any) -> Learner:
    dls = TabularDataLoaders.from_df(
        people(), y_names="y", valid_idx=range(300, 600), device="cpu", **options
    )
    return Learner(dls, Column())


def test_weak_rows_of_a_table_are_found_by_its_columns() -> None:
    learn = table_learner()
    found = slices(learn)
    assert found.figure == "accuracy" and found.share and found.n_rows == 300
    weak = found.weak[0]
    assert weak.words == "sex = f and region = west"
    frame = people()
    rows = found.rows_of(weak)
    assert min(rows) >= 300
    assert set(frame.sex[rows]) == {"f"} and set(frame.region[rows]) == {"west"}
    cards = found.cards(weak, 2)
    assert [card.index for card in cards] == rows[:2]
    assert cards[0].correct is False
    columns = {name for s in found.slices for name in s.columns}
    assert {"class", "x", "sex", "region"} <= columns
    assert "y" not in columns, "the target is no input"


def test_columns_the_model_never_saw_can_be_given() -> None:
    learn = table_learner(cont_names=["x"], cat_names=["sex"])
    frame = people()
    secret = np.where((frame.region == "west") & (frame.sex == "f"), "odd", "even")
    for by in ({"secret": secret}, pd.DataFrame({"secret": secret})):
        found = slices(learn, by, pairs=False)
        assert "secret = odd" in {w for s in found.weak for w in (s.words, *s.also)}
    short = slices(learn, {"secret": secret[300:]}, pairs=False)
    assert [s.words for s in short.slices] == [s.words for s in found.slices]


def test_columns_can_be_named_to_look_at_these_alone() -> None:
    learn = table_learner()
    found = slices(learn, ["sex", "class"])
    assert {name for s in found.slices for name in s.columns} == {"sex", "class"}
    assert {name for s in slices(learn, "sex").slices for name in s.columns} == {"sex"}


def test_a_name_that_is_no_column_is_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'sex'"):
        slices(table_learner(), ["sexx"])


def test_a_column_of_other_rows_is_refused() -> None:
    with pytest.raises(DataError, match="one value for each of 600 items, or of the 300"):
        slices(table_learner(), {"a": [1, 2, 3]})


def test_rows_without_labels_or_no_rows_are_refused(make: Make) -> None:
    learn = make()
    with pytest.raises(DataError, match="rows with labels"):
        slices(learn, dl=learn.dls.test_dl([torch.zeros(4)] * 3))
    from kit import without_valid

    with pytest.raises(NoValidationSetError):
        slices(Learner(without_valid(), net()))


def test_sealed_rows_stay_sealed() -> None:
    learn = Learner(loaders(120, test=20), net())
    with pytest.raises(ConfigError, match="test rows are sealed"):
        slices(learn, dl=learn.dls.sealed)


def test_rows_that_look_alike_to_the_model_are_groups(make: Make) -> None:
    learn = make(dls=loaders(400))
    _, vectors = collect_with_vectors(learn)
    assert vectors is not None and vectors.shape == (100, 8)
    assert not learn.model[1][1]._forward_pre_hooks
    found = slices(learn)
    groups = [s for s in found.slices if s.columns == ("look-alikes",)]
    assert groups
    assert all(s.words.startswith("look-alikes = group ") and "% " in s.words for s in groups)


def test_a_model_without_a_linear_layer_has_no_groups() -> None:
    assert collect_with_vectors(table_learner())[1] is None


def test_plain_batches_are_cut_by_class_and_what_is_given() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(80, 4), torch.arange(80) % 2
    batches = list(zip(x.split(16), y.split(16), strict=True))
    with forked(0):
        model = nn.Linear(4, 2)
    learn = Learner(DataLoaders(batches, batches), model, loss_func=nn.functional.cross_entropy)
    found = slices(learn, {"half": np.repeat(["a", "b"], 40)})
    assert {"half"} <= {name for s in found.slices for name in s.columns}
    assert found.figure == "loss" and found.worse == "high"
    assert found.cards(found.slices[0]) == []


def of_target(target: Any, labels: list[Any], n_out: int) -> Learner:
    rng = np.random.default_rng(0)
    rows = [(torch.tensor(rng.normal(size=4), dtype=torch.float32), y) for y in labels]
    block = DataBlock(
        blocks=(TensorCodec(), target),
        get_x=itemgetter(0),
        get_y=itemgetter(1),
        splitter=IndexSplitter(range(20, len(rows))),
    )
    dls = block.dataloaders(rows, bs=32, device="cpu", num_workers=0)
    with forked(1):
        return Learner(dls, nn.Linear(4, n_out))


def test_numbers_are_cut_by_their_size_and_scored_by_their_error() -> None:
    learn = of_target(RegressionBlock(), [float(i) for i in range(140)], 1)
    found = slices(learn)
    assert found.figure == "absolute error"
    # An untrained model says about 0: the largest values are the furthest from it.
    assert found.weak[0].columns == ("true value",)
    assert "or more" in found.weak[0].words
    assert found.overall == pytest.approx(79.5, abs=3)


def test_several_labels_are_cut_by_each_of_them() -> None:
    labels = [["a"] if i % 3 else ["a", "b"] for i in range(140)]
    found = slices(of_target(MultiCategoryBlock(), labels, 2))
    assert found.figure == "loss"
    assert {"label b = yes", "label b = no"} <= {s.words for s in found.slices}


def test_pictures_are_cut_by_what_they_look_like(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(140):
        dark = i % 4 == 0
        pixels = rng.integers(0, 60 if dark else 255, (8, 8, 3)).astype(np.uint8)
        folder = tmp_path / ("train" if i < 60 else "valid") / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    dls = ImageDataLoaders.from_folder(tmp_path, bs=16, device="cpu", num_workers=0)
    with forked(0):
        learn = Learner(dls, nn.Sequential(nn.Flatten(), nn.Linear(192, 2)))
    found = slices(learn)
    dark = next(s for s in found.slices if s.words.startswith("brightness below"))
    rows = [int(Path(dls.items[row]).stem) for row in found.rows_of(dark)]
    assert sum(i % 4 == 0 for i in rows) >= 0.9 * len(rows)
    assert {"contrast", "sharpness"} <= {name for s in found.slices for name in s.columns}


# --- groups


def test_rates_are_of_the_rows_the_model_selects() -> None:
    learn = table_learner()
    found = rates(learn, "sex", "yes")
    valid = people()[300:]
    women = valid[valid.sex == "f"]
    group = next(g for g in found.groups if g.group == "f")
    assert group.n == len(women)
    assert group.rates["base rate"].value == pytest.approx((women.y == "yes").mean())
    assert group.rates["accuracy"].value < 0.9
    assert "calibration gap" in group.rates
    assert "sex = f" in str(found)


def test_groups_can_be_given_and_rows_selected_by_probability() -> None:
    learn = table_learner()
    every = rates(learn, np.array(["a", "b"] * 300), "yes", threshold=0.0)
    assert every.by == "group"
    assert {g.rates["selection rate"].value for g in every.groups} == {1.0}
    series = pd.Series(["a", "b"] * 300, name="half")
    assert rates(learn, series, "yes").by == "half"


def test_what_the_model_would_select_is_held_against_the_data() -> None:
    learn = table_learner()
    found = feedback(learn, "region", "yes")
    assert found.figures["rows"] == 300
    assert "calls 'yes'" in found.said


def test_several_labels_select_by_one() -> None:
    labels = [["a"] if i % 3 else ["a", "b"] for i in range(140)]
    learn = of_target(MultiCategoryBlock(), labels, 2)
    found = rates(learn, ["x", "y"] * 70, "b")
    assert sum(g.n for g in found.groups) == 120
    base = sum(g.n * g.rates["base rate"].value for g in found.groups) / 120
    assert base == pytest.approx(1 / 3, abs=0.01)


def test_a_class_or_column_that_is_not_there_is_refused() -> None:
    learn = table_learner()
    with pytest.raises(ConfigError, match="the class that selects"):
        rates(learn, "sex", "maybe")
    with pytest.raises(ConfigError, match="the name of a column"):
        rates(learn, "age", "yes")
    with pytest.raises(ConfigError, match="a model of classes"):
        rates(of_target(RegressionBlock(), [float(i) for i in range(40)], 1), "a", "b")
