"""The command that opens the sealed rows."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from redstart.cli import main as cli

Run = Callable[..., tuple[int, str, str]]
QUICK = ["--epochs", "1", "--layers", "8", "--no-baseline", "--device", "cpu"]


def people(n: int = 150, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age = rng.uniform(20, 60, n).round(1)
    return pd.DataFrame(
        {
            "age": age,
            "job": rng.choice(["cook", "clerk"], n),
            "rich": np.where(age + rng.normal(0, 9, n) > 40, "yes", "no"),
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    people().to_csv(tmp_path / "people.csv", index=False)
    return tmp_path


def train(folder: Path, *more: str, name: str = "run") -> Path:
    args = ["train", "tabular", str(folder / "people.csv"), "--target", "rich", *QUICK]
    with pytest.raises(SystemExit) as end:
        cli.main([*args, "--out", str(folder / name), *more])
    assert not end.value.code
    return folder / name / "model.redstart"


def facts(model: Path) -> dict[str, Any]:
    with zipfile.ZipFile(model) as archive:
        found: dict[str, Any] = json.loads(archive.read("bundle.json"))["facts"]
    return found


def test_the_sealed_rows_are_opened_and_each_opening_is_written_into_the_bundle(
    folder: Path, run: Run
) -> None:
    model = train(folder, "--test-pct", "0.2")
    weights = zipfile.ZipFile(model).read("weights.safetensors")
    assert facts(model)["test_rows"]["rows"] == 30 and facts(model)["test_openings"] == []
    code, out, _ = run("test", model)
    assert code == 0 and "accuracy" in out and "on 30 test rows" in out
    assert "first opening" in out
    (entry,) = facts(model)["test_openings"]
    assert entry["rows"] == 30 and entry["test_sha256"] == facts(model)["test_rows"]["sha256"]
    assert zipfile.ZipFile(model).read("weights.safetensors") == weights
    _, out, _ = run("test", model)
    assert "Opening 2" in out and "optimistic" not in out
    assert len(facts(model)["test_openings"]) == 2


def test_another_model_on_the_same_rows_is_told_that_its_figure_is_optimistic(
    folder: Path, run: Run
) -> None:
    run("test", train(folder, "--test-pct", "0.2"))
    other = train(folder, "--test-pct", "0.2", "--epochs", "2", name="other")
    _, out, _ = run("test", other)
    assert "optimistic" in out
    first, second = facts(other)["test_openings"]
    assert first["weights_sha256"] != second["weights_sha256"]


def test_rows_that_changed_since_are_not_the_rows_that_were_sealed(folder: Path, run: Run) -> None:
    model = train(folder, "--test-pct", "0.2")
    people(seed=1).to_csv(folder / "people.csv", index=False)
    code, _, err = run("test", model)
    assert code == 2 and "Expected the 30 test rows that were sealed" in err
    assert facts(model)["test_openings"] == []


def test_rows_that_are_named_are_measured_too(folder: Path, run: Run) -> None:
    model = train(folder)
    code, _, err = run("test", model)
    assert code == 2 and "says of none" in err and "--test-pct" in err
    people(40, seed=2).to_csv(folder / "new.csv", index=False)
    code, out, _ = run("test", model, folder / "new.csv")
    assert code == 0 and "on 40 test rows" in out


def test_pictures_are_tested_by_folder_and_by_share(tmp_path: Path, run: Run) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for label, low in (("dark", 0), ("light", 128)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(20):
            pixels = rng.integers(low, low + 127, (16, 16, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / label / f"{i}.png")
    args = "--arch test_resnet --no-pretrained --size 16 --epochs 1 --device cpu --workers 0"
    out = tmp_path / "run"
    code, _, err = run(
        "train", "vision", tmp_path / "data", *args.split(), "--test-pct", "0.2", "--out", out
    )
    assert code == 0, err
    code, said, err = run("test", out / "model.redstart", "--device", "cpu")
    assert code == 0 and "on 8 test rows" in said, err
    code, said, err = run("test", out / "model.redstart", tmp_path / "data", "--device", "cpu")
    assert code == 0 and "on 40 test rows" in said, err
    assert "32 of these 40 rows are ones that the model learnt from" in said


def test_figures_are_those_that_the_model_was_trained_by(folder: Path, run: Run) -> None:
    model = train(folder, "--test-pct", "0.2", "--metrics", "roc_auc", "--metrics", "f1")
    _, out, _ = run("test", model)
    assert "roc_auc" in out and "f1" in out and "not measured here" not in out
    (entry,) = facts(model)["test_openings"]
    assert set(entry["metrics"]) == {"roc_auc", "f1"}
