"""``redstart predict --abstain --coverage``, in text, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from redstart.bundle.bundle import Bundle, load_learner
from redstart.tabular import TabularDataLoaders, tabular_learner
from redstart.train.calibrate import sure_bundle

Run = Callable[..., tuple[int, str, str]]


def rows(n: int, seed: int) -> pd.DataFrame:
    """A number that mostly tells the label, and a price around it."""
    rng = np.random.default_rng(seed)
    size = rng.normal(0, 2, n)
    label = np.where(rng.random(n) < 1 / (1 + np.exp(-3 * size)), "big; old", "small")
    return pd.DataFrame({"size": size, "label": label, "price": 10 * size + rng.normal(0, 5, n)})


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One of labels, one of numbers, and one of labels that knows no validation rows."""
    folder = tmp_path_factory.mktemp("models")
    frame, found = rows(1500, seed=0), {}
    for name, target in (("labels", "label"), ("numbers", "price")):
        dls = TabularDataLoaders.from_df(
            frame, cat_names=[], cont_names=["size"], y_names=target, device="cpu", valid_pct=0.4
        )
        learn = tabular_learner(dls, layers=[8], path=folder, arch="mlp")
        with learn.no_bar():
            learn.fit(2, 0.02)
        bundle = sure_bundle(learn)
        found[name] = bundle.save(folder / f"{name}.redstart")
        if name == "labels":
            bare = Bundle(bundle.codec, bundle.target, bundle.recipe, bundle.model)
            found["bare"] = bare.save(folder / "bare.redstart")
    return found


@pytest.fixture
def table() -> Path:
    rows(60, seed=1).to_csv("new.csv", index=False)
    return Path("new.csv")


def test_a_model_abstains_in_text(run: Run, models: dict[str, Path], table: Path) -> None:
    code, out, err = run("predict", models["labels"], table, "--abstain", 0.05)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    unsure = [line for line in lines if "(not sure)" in line]
    assert 0 < len(unsure) < 60 == len(lines)
    several = [line for line in lines if "one of: " in line]
    # One label alone would be the answer that is not given.
    assert several and all(line in unsure and ", " in line for line in several)
    assert len({line.index("one of") for line in several}) == 1


def test_sets_and_silence_in_json(run: Run, models: dict[str, Path], table: Path) -> None:
    asked = ("--abstain", 0.05, "--coverage", 0.9, "--json")
    code, out, _ = run("predict", models["labels"], table, *asked)
    assert code == 0
    expected = load_learner(models["labels"], device="cpu").get_preds(
        pd.read_csv(table), abstain=0.05, coverage=0.9
    )
    for row, pred in zip(json.loads(out), expected, strict=True):
        assert row["prediction"] == pred.decoded and tuple(row["set"]) == pred.set
        assert (row["abstained"] or "") == pred.abstained
        assert (row["probability"] is None) == bool(pred.abstained)
        assert row["error"] is None and row["interval"] is None


def read(out: str) -> list[dict[str, Any]]:
    return list(csv.DictReader(io.StringIO(out)))


def test_sets_in_csv(run: Run, models: dict[str, Path], table: Path) -> None:
    code, out, _ = run("predict", models["labels"], table, "--coverage", 0.99, "--csv")
    found = read(out)
    assert code == 0 and len(found) == 60
    assert set(found[0]) == {
        *("row", "prediction", "probability", "abstained", "set", "low", "high", "error")
    }
    assert {row["abstained"] for row in found} == {"no"}
    assert {"big; old; small", "small"} & {row["set"] for row in found}


def test_intervals_of_numbers(run: Run, models: dict[str, Path], table: Path) -> None:
    code, out, _ = run("predict", models["numbers"], table, "--coverage", 0.9, "--csv")
    found, truth = read(out), pd.read_csv(table)["price"]
    assert code == 0
    held = [float(r["low"]) <= t <= float(r["high"]) for r, t in zip(found, truth, strict=True)]
    assert 0.75 <= np.mean(held) <= 1
    code, out, _ = run("predict", models["numbers"], table, "--coverage", 0.9)
    assert all(" to " in line for line in out.splitlines())
    code, out, _ = run("predict", models["numbers"], table, "--coverage", 0.9, "--json")
    first = json.loads(out)[0]
    assert first["interval"][0] < first["prediction"] < first["interval"][1]


def test_without_being_asked_nothing_is_added(
    run: Run, models: dict[str, Path], table: Path
) -> None:
    out = run("predict", models["labels"], table, "--csv")[1]
    assert out.splitlines()[0] == "row,prediction,probability,error"
    out = run("predict", models["labels"], table, "--json")[1]
    assert "abstained" not in json.loads(out)[0]


def test_what_cannot_be_promised_is_the_users_error(
    run: Run, models: dict[str, Path], table: Path
) -> None:
    code, _, err = run("predict", models["labels"], table, "--coverage", 0.9999)
    assert code == 2 and "Expected a coverage above 0 that 600 validation rows can promise" in err
    code, _, err = run("predict", models["labels"], table, "--abstain", 0.0001)
    assert code == 2 and "Expected an error that 600 validation rows can promise" in err
    code, _, err = run("predict", models["numbers"], table, "--abstain", 0.05)
    assert code == 2 and "coverage=0.9" in err
    code, _, err = run("predict", models["bare"], table, "--abstain", 0.05)
    assert code == 2 and "knows from validation rows how sure it may be" in err
