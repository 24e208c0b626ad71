"""The command line on tables."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from redstart.cli import main as cli
from redstart.tabular import load_learner

Run = Callable[..., tuple[int, str, str]]
QUICK = ["--epochs", "1", "--layers", "8", "--no-baseline", "--device", "cpu"]
N = 120


def people() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    age, job = rng.uniform(20, 60, N).round(1), rng.choice(["cook", "clerk", "pilot"], N)
    hired = pd.Timestamp("2011-01-03") + pd.to_timedelta(rng.integers(0, 900, N), unit="D")
    return pd.DataFrame(
        {
            "age": age,
            "job": job,
            "hired": hired.strftime("%m/%d/%Y"),
            "team": rng.integers(0, 12, N) * 7,
            "counts": rng.uniform(0.5, 2, N).round(2),
            "held": np.arange(N) % 4 == 0,
            "rich": np.where((job == "pilot") | (age > 45), "yes", "no"),
            "wage": (1000 * (job == "pilot") + 50 * age).round(1),
            "owns_car": (age > 40) * 1,
            "owns_boat": (job == "pilot") * 1,
        }
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("table") / "people.csv"
    people().to_csv(file, index=False)
    return file


@pytest.fixture(scope="module")
def model(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "run"
    narrow = [word for name in ("hired", "team", "counts", "held") for word in ("--ignore", name)]
    others = [word for name in ("wage", "owns_car", "owns_boat") for word in ("--ignore", name)]
    args = ["train", "tabular", str(table), "--target", "rich", *narrow, *others, *QUICK]
    with pytest.raises(SystemExit) as end:
        cli.main([*args, "--out", str(out)])
    assert not end.value.code
    return out / "model.redstart"


def columns(out: str) -> dict[str, list[str]]:
    """What ``check`` and ``show`` say of columns."""
    rows = [line.split(maxsplit=1) for line in out.splitlines()]
    return {r[0]: r[1].split(", ") for r in rows if r and r[0] in ("categories", "numbers")}


# ---- check and show


def test_check_says_what_each_column_is_and_how_many_rows_there_are(run: Run, table: Path) -> None:
    code, out, err = run("check", "tabular", table, "--target", "rich")
    assert (code, err) == (0, "")
    found = columns(out)
    assert {"age", "counts", "wage", "hiredElapsed"} <= set(found["numbers"])
    assert {"job", "team", "held", "hiredMonth"} <= set(found["categories"])
    assert "train 96, valid 24" in out and "120 rows read, 0 unreadable." in out


def test_columns_that_are_named_are_taken_so_and_the_others_by_type(run: Run, table: Path) -> None:
    code, out, _ = run(
        *("check", "tabular", table, "--target", "rich", "--number", "team"),
        *("--category", "hired", "--ignore", "wage", "--ignore", "held"),
    )
    found = columns(out)
    assert code == 0
    assert {"team", "age", "counts"} <= set(found["numbers"])
    assert found["categories"] == ["hired", "job", "owns_car", "owns_boat"]
    assert "wage" not in out and "held" not in found["categories"]


def test_what_is_left_out_is_said_with_the_way_to_take_it(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "t.csv"
    people().assign(name=[f"person {i}" for i in range(N)]).to_csv(file, index=False)
    with caplog.at_level(logging.WARNING, "redstart"):
        assert run("check", "tabular", file, "--target", "rich")[0] == 0
    assert "Left out: name (nearly every row has a text of its own)" in caplog.text
    assert "--category, --number or --date" in caplog.text


def test_show_draws_rows_and_names_the_labels(run: Run, table: Path) -> None:
    code, out, _ = run("show", "tabular", table, "--target", "rich", "--rows", 2)
    assert code == 0
    assert "labels      no, yes" in out and "wrote batch.png" in out
    assert Path("batch.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--valid-col", "held"], "train 90, valid 30"),
        (["--valid-pct", "0.5"], "train 60, valid 60"),
        (["--time-col", "counts", "--valid-pct", "0.1"], "train 108, valid 12"),
        (["--time-col", "hired", "--valid-pct", "0.1"], "train 108, valid 12"),
        (["--group", "team"], "train 96, valid 24"),
    ],
)
def test_rows_are_held_out_as_asked(run: Run, table: Path, options: list[str], parts: str) -> None:
    code, out, _ = run("check", "tabular", table, "--target", "rich", *options)
    assert code == 0
    assert parts in out
    assert not {"held", "team"} & {*options} & {*columns(out)["categories"]}, "it is no input"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--group", "team", "--time-col", "counts"], "Got: --time-col, --group. Leave all but"),
        (["--valid-col", "held", "--valid-pct", "0.1"], "Got: --valid-col, --valid-pct. Leave"),
        (["--target", "rihc"], "Expected a column 'rihc'. Got: columns: age, job, hired"),
        (["--ignore", "jbo"], "Expected a column 'jbo'."),
        (["--category", "jbo"], "Did you mean 'job'?"),
        (["--valid-col", "age"], "Expected true (valid) or false (train)"),
        (["--time-col", "job"], "or an ISO 8601 text such as '2024-05-31' as time in column 'job'"),
        (["--valid-pct", "0"], "valid_pct"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    run: Run, table: Path, options: list[str], said: str
) -> None:
    target = [] if "--target" in options else ["--target", "rich"]
    code, out, err = run("check", "tabular", table, *target, *options)
    assert (code, out) == (2, "")
    assert said in err and err.startswith("redstart: ") and err.count("\n") == 1


def test_a_missing_value_to_predict_is_named_with_its_row(run: Run, tmp_path: Path) -> None:
    df = people()
    df.loc[3, "wage"] = np.nan
    df.to_csv(tmp_path / "t.csv", index=False)
    code, _, err = run("train", "tabular", tmp_path / "t.csv", "--target", "wage")
    assert code == 2
    assert "every row of column 'wage'. Got: missing in 1 rows: 3. Leave these rows out" in err
    assert not Path("runs").exists(), "nothing is written before the table is read"


def test_a_domain_is_asked_for_where_none_is_named(run: Run, table: Path) -> None:
    code, _, err = run("train", table, "--target", "rich")
    assert code == 2
    assert f"Write for example `redstart train tabular {table}`." in err


# ---- train


def test_training_leaves_model_pictures_and_curves(model: Path) -> None:
    pictures = ["batch", "confusion", "importance", "loss", "results", "top_losses"]
    for name in pictures:
        assert (model.parent / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
    assert {"events.jsonl", "settings.json"} <= {p.name for p in model.parent.iterdir()}


def test_training_compares_with_trees(run: Run, table: Path) -> None:
    options = ["--epochs", "1", "--layers", "8", "--metrics", "accuracy", "--metrics", "roc_auc"]
    code, out, _ = run(
        *("train", "tabular", table, "--target", "rich", "--number", "age", "--out", "run"),
        *(*options, "--balanced", "--weight", "counts"),
    )
    assert code == 0
    assert "accuracy 0." in out and "on 24 held-out rows" in out
    page = Path("run/report.html").read_text()
    assert "LightGBM" in page and "validation rows (95% intervals)" in page
    assert Path("run/model.redstart").exists()


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (["--target", "wage", "--log-target"], "number"),
        (["--target", "wage", "--y-range", "500", "4500", "--arch", "mlp"], "number"),
        (["--target", "wage", "--target", "age"], "numbers"),
        (["--target", "owns_car", "--target", "owns_boat", "--bs", "16"], "labels"),
    ],
)
def test_every_kind_of_target_trains_and_predicts(
    run: Run, table: Path, options: list[str], kind: str
) -> None:
    few = ["--ignore", "hired", "--ignore", "team", "--ignore", "rich"]
    code, out, _ = run("train", "tabular", table, *options, *few, *QUICK, "--out", "run")
    assert code == 0
    assert ("accuracy_multi 0." if kind == "labels" else "rmse ") in out
    assert "confusion.png" not in out and Path("run/importance.png").exists()
    code, out, err = run("predict", "run/model.redstart", table, "--json")
    assert (code, err) == (0, "")
    rows = json.loads(out)
    first = rows[0]["prediction"]
    assert len(rows) == N
    if kind == "labels":
        assert set(rows[0]["probabilities"]) == {"owns_car", "owns_boat"}
        assert set(first) <= {"owns_car", "owns_boat"}
    elif kind == "numbers":
        assert len(first) == 2
    else:
        assert 0 < first < 10_000 and "probabilities" not in rows[0]
    assert run("predict", "run/model.redstart", table)[0] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--device", "tpu"], "Expected a device that works here. Got: device='tpu'"),
        (["--arch", "forest"], "Expected `arch` to be 'tabm', 'mlp' or a module"),
        (["--y-range", "0", "1"], "for numbers to estimate. Got: y_range=(0.0, 1.0)"),
        (["--metrics", "acuracy"], "Expected the name of a metric. Got: metric='acuracy'"),
        (["--weight", "job"], "Expected numbers in column 'job'. Got: "),
        (["--number", "job"], "A column that is all names goes into `cat_names`"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    run: Run, table: Path, options: list[str], said: str
) -> None:
    code, out, err = run("train", "tabular", table, "--target", "rich", *options)
    assert (code, out) == (2, "")
    assert said in err and "Traceback" not in err


def test_logarithms_of_names_are_refused(run: Run, table: Path) -> None:
    code, _, err = run("train", "tabular", table, "--target", "rich", "--log-target")
    assert code == 2
    assert "Expected numbers to estimate with `log_target`" in err


def test_lr_find_suggests_a_rate(run: Run, table: Path) -> None:
    code, out, _ = run("lr-find", "tabular", table, "--target", "rich", "--bs", 32)
    assert code == 0
    assert out.startswith("suggested learning rate: ")
    assert Path("lr_find.png").read_bytes()[:4] == b"\x89PNG"


def test_info_names_the_model_and_the_columns_it_needs(run: Run, model: Path) -> None:
    code, out, _ = run("info", model)
    assert code == 0
    assert "model       tabm, " in out
    assert "columns     job, age\n" in out
    assert "classes     2: no, yes" in out


# ---- predict


def test_prediction_of_tables_in_every_form(run: Run, model: Path, table: Path) -> None:
    expected = load_learner(model).get_preds(table)
    code, out, err = run("predict", model, table)
    assert (code, err) == (0, "")
    for row, (line, pred) in enumerate(zip(out.splitlines(), expected, strict=True)):
        assert line.split() == [str(row), pred.decoded, f"{pred.probs.max():.4f}"]

    people().drop(columns="rich").to_parquet("new.parquet")
    code, said, _ = run("predict", model, "new.parquet", "--csv")
    rows = list(csv.DictReader(io.StringIO(said)))
    assert code == 0
    assert list(rows[0]) == ["row", "prediction", "probability", "error"]
    assert [r["prediction"] for r in rows] == [p.decoded for p in expected]

    code, said, _ = run("predict", model, "new.parquet", table, "--json")
    both: list[dict[str, Any]] = json.loads(said)
    assert code == 0
    assert [both[0]["row"], both[N]["row"]] == ["new.parquet:0", f"{table}:0"]
    assert both[0]["probabilities"].keys() == {"no", "yes"}


def test_a_bad_row_says_so_and_the_others_are_predicted(run: Run, model: Path) -> None:
    df = people()[["age", "job"]].astype({"age": object})
    df.loc[57, "age"], df.loc[58, "age"] = "old", "inf"
    df.loc[59, "job"], df.loc[60, "age"] = "never seen", None
    df.to_csv("new.csv", index=False)
    code, out, err = run("predict", model, "new.csv", "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, err) == (1, "")
    assert [int(r["row"]) for r in rows if r["error"]] == [57, 58]
    assert rows[57]["error"].startswith("Expected numbers in column 'age'. Got: 'old'. Correct")
    assert "finite numbers in column 'age'. Got: inf. Write NaN" in rows[58]["error"]
    assert all(bool(r["prediction"]) != bool(r["error"]) for r in rows)
    good = run("predict", model, "new.csv")[1].splitlines()
    assert good[57].startswith("57   unreadable: Expected numbers in column 'age'")


def test_tables_are_read_as_they_are_written(run: Run, model: Path, table: Path) -> None:
    people().to_csv("new.csv", index=False, sep="^", encoding="utf-16-le")
    reading = ["--delimiter", "^", "--encoding", "utf-16-le"]
    assert run("predict", model, "new.csv", *reading)[:2] == run("predict", model, table)[:2]
    code, out, err = run("predict", model, "new.csv")
    assert (code, out) == (2, "") and 'pass encoding="utf-16-le"' in err


def test_a_column_that_is_not_there_is_named_once(run: Run, model: Path) -> None:
    people()[["age"]].assign(jobs="cook").to_csv("new.csv", index=False)
    code, out, err = run("predict", model, "new.csv")
    assert (code, out) == (2, "")
    assert "1 not there: job. Got: columns: age, jobs. Did you mean 'jobs'?" in err
    assert err.count("\n") == 1


@pytest.mark.slow
def test_the_demo_goes_from_a_table_to_predictions(run: Run) -> None:
    code, out, _ = run("demo", "--kind", "tabular", "--out", "demo")
    assert code == 0
    commands = [line for line in out.splitlines() if line.startswith("$ redstart ")]
    assert [c.split()[2] for c in commands] == ["check", "show", "train", "predict"]
    assert "accuracy 0.9" in out and "LightGBM" in Path("demo/tumours/report.html").read_text()
    assert len(out.split("$ redstart predict")[1].splitlines()) == 6
