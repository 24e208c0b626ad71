from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from redstart import __version__
from redstart.cli import main as cli
from redstart.vision import load_learner
from redstart.vision.digits import write_digits

SMALL = ["--arch", "test_resnet", "--no-pretrained", "--size", "16"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen pictures of each of two labels, one name with everything CSV quotes."""
    digits = write_digits(tmp_path_factory.mktemp("digits"))
    folder = tmp_path_factory.mktemp("birds")
    for label in ("1", "6"):
        (folder / label).mkdir()
        for file in sorted((digits / label).iterdir())[:16]:
            shutil.copy(file, folder / label / file.name)
    return folder


@pytest.fixture(scope="module")
def model(birds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "run"
    options = ["--epochs", "2", "--bs", "8", "--no-flip", "--metrics", "error_rate"]
    args = ["train", "vision", str(birds), *SMALL, *options, "--out", str(out)]
    with pytest.raises(SystemExit) as end:
        cli.main(args)
    assert not end.value.code
    return out / "model.redstart"


def test_training_leaves_model_pictures_and_curves(model: Path) -> None:
    written = {p.name for p in model.parent.iterdir()}
    assert written >= {
        "batch.png",
        "confusion.png",
        "events.jsonl",
        "loss.png",
        "loss.svg",
        "model.redstart",
        "results.png",
        "settings.json",
        "top_losses.png",
    }
    for name in ("batch.png", "confusion.png", "results.png", "top_losses.png", "loss.png"):
        assert (model.parent / name).read_bytes()[:4] == b"\x89PNG"
    events = (model.parent / "events.jsonl").read_text().splitlines()
    # Nothing is pretrained, so nothing is frozen: two epochs were asked for, two were made.
    assert sum(json.loads(line)["event"] == "epoch" for line in events) == 2


def test_training_says_where_and_how_good(run: Run, birds: Path) -> None:
    options = [*SMALL, "--epochs", "1", "--out", "birds-run"]
    code, out, _ = run("train", "vision", birds, *options)
    assert code == 0
    assert "birds-run/" in out
    assert "model.redstart" in out
    assert "accuracy 0." in out
    assert "(95% interval 0." in out
    assert "on 6 held-out pictures" in out

    code, _, err = run("train", "vision", birds, *options)
    assert code == 2
    assert "Expected a folder without an earlier run. Got: --out birds-run." in err

    code, _, _ = run("train", "vision", birds, *options, "--overwrite")
    assert code == 0
    epochs = Path("birds-run/events.jsonl").read_text().count('"event": "epoch"')
    assert epochs == 1, "the earlier run's events are gone"


def test_prediction_in_aligned_text(run: Run, model: Path, birds: Path) -> None:
    files = sorted((birds / "1").iterdir())[:2]
    code, out, err = run("predict", model, *files)
    assert (code, err) == (0, "")
    expected = load_learner(model).get_preds(files)
    for line, file, pred in zip(out.splitlines(), files, expected, strict=True):
        assert line.split() == [str(file), pred.decoded, f"{pred.probs.max():.4f}"]


def test_prediction_of_a_folder_in_json(run: Run, model: Path, birds: Path) -> None:
    code, out, _ = run("predict", model, birds, "--json")
    assert code == 0
    rows = json.loads(out)
    assert [row["file"] for row in rows] == [str(f) for f in sorted(birds.rglob("*.png"))]
    for row in rows:
        assert set(row["probabilities"]) == {"1", "6"}
        assert sum(row["probabilities"].values()) == pytest.approx(1)
        assert row["probability"] == max(row["probabilities"].values())
        assert row["error"] is None


def test_prediction_in_csv_with_names_that_need_quotes(run: Run, model: Path, birds: Path) -> None:
    odd = Path('odd, "quoted"\tname — ü.png')
    shutil.copy(next((birds / "6").iterdir()), odd)
    code, out, _ = run("predict", model, odd, "--csv")
    assert code == 0
    header, row = csv.reader(io.StringIO(out))
    assert header == ["file", "prediction", "probability", "error"]
    assert row[0] == str(odd)
    assert row[1] in {"1", "6"}
    assert 0.5 <= float(row[2]) <= 1
    assert row[3] == ""


def test_a_file_that_cannot_be_read_does_not_stop_the_others(
    run: Run, model: Path, birds: Path
) -> None:
    good = sorted((birds / "1").iterdir())[:2]
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    files = [good[0], "broken.png", "missing.png", good[1]]
    code, out, _ = run("predict", model, *files, "--json")
    rows = json.loads(out)
    assert code == 1
    assert [row["file"] for row in rows] == [str(f) for f in files]
    assert [row["prediction"] is None for row in rows] == [False, True, True, False]
    assert "broken.png" in rows[1]["error"]
    assert "missing.png" in rows[2]["error"]
    code, out, _ = run("predict", model, *files)
    assert code == 1
    assert out.splitlines()[1].split()[:2] == ["broken.png", "unreadable:"]


def test_an_empty_folder_and_no_bundle_are_the_users_errors(run: Run, model: Path) -> None:
    Path("empty").mkdir()
    code, _, err = run("predict", model, "empty")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "Expected pictures in the folder. Got: 0 in empty." in err
    code, _, err = run("predict", "nope.redstart", "x.png")
    assert code == 2
    assert err.startswith("redstart: Expected a bundle that exists. Got: path=nope.redstart.")


def test_json_and_csv_exclude_each_other(run: Run, model: Path) -> None:
    code, _, err = run("predict", model, "x.png", "--json", "--csv")
    assert code == 2
    assert "exclude each other" in err


def test_info_tells_what_a_model_is(run: Run, model: Path) -> None:
    code, out, _ = run("info", model)
    assert code == 0
    assert "test_resnet" in out
    assert "2: 1, 6" in out
    assert "error_rate" in out
    assert "on 6 held-out rows" in out
    code, out, _ = run("info", model, "--json")
    assert json.loads(out)["target"]["vocab"] == ["1", "6"]


def test_check_lists_what_cannot_be_read(run: Run, birds: Path) -> None:
    code, out, _ = run("check", "vision", birds, "--size", 16)
    assert code == 0
    assert "32 rows read, 0 unreadable." in out
    folder = Path(shutil.copytree(birds, "copy"))
    (folder / "1" / "cut.png").write_bytes(next((birds / "1").iterdir()).read_bytes()[:60])
    code, out, _ = run("check", "vision", folder, "--size", 16)
    assert code == 1
    assert "33 rows read, 1 unreadable." in out
    assert "cut.png: " in out
    assert (folder / "1" / "cut.png").exists()


def test_the_domain_may_be_left_out_where_there_is_one(run: Run, model: Path) -> None:
    code, out, err = run("recommend", model)
    assert (code, out) == (2, "")
    assert "Expected a model that recommends" in err


def test_the_domain_is_asked_for_where_there_are_several(run: Run, birds: Path) -> None:
    code, out, err = run("check", birds, "--size", 16)
    assert (code, out) == (2, "")
    assert "Expected a kind of data after `check`: collab, tabular, vision" in err
    assert f"redstart check vision {birds}" in err
    assert "redstart train tabular sales.csv" in run("train", "sales.csv")[2]


def test_show_writes_a_picture(run: Run, birds: Path) -> None:
    code, out, _ = run("show", "vision", birds, "--size", 16, "--out", "pictures/batch.png")
    assert code == 0
    assert "labels: 1, 6" in out
    assert Path("pictures/batch.png").read_bytes()[:4] == b"\x89PNG"


def test_lr_find_suggests_a_rate_and_draws_it(run: Run, birds: Path) -> None:
    options = [*SMALL, "--bs", "8", "--out", "rates.png"]
    code, out, _ = run("lr-find", "vision", birds, *options)
    assert code == 0
    rate = float(out.splitlines()[0].removeprefix("suggested learning rate: "))
    assert 1e-7 < rate < 10
    assert Path("rates.png").exists()


def parts(birds: Path, *names: str) -> Path:
    for name in names:
        shutil.copytree(birds, Path("parts") / name)
    return Path("parts")


@pytest.mark.parametrize("name", ["valid", "val", "validation"])
def test_folders_of_the_usual_names_are_the_split(run: Run, birds: Path, name: str) -> None:
    code, out, _ = run("check", "vision", parts(birds, "train", name), "--size", 16)
    assert code == 0
    assert "train 32, valid 32" in out


def test_a_validation_folder_of_another_name_is_asked_for(run: Run, birds: Path) -> None:
    folder = parts(birds, "train", "dev")
    code, _, err = run("check", "vision", folder, "--size", 16)
    assert code == 2
    assert "Expected a validation folder beside parts/train. Got: other folders: dev." in err
    code, out, _ = run("check", "vision", folder, "--valid", "dev", "--size", 16)
    assert code == 0
    assert "train 32, valid 32" in out


def test_a_label_may_be_named_train(run: Run, birds: Path) -> None:
    folder = Path("vehicles")
    shutil.copytree(birds / "1", folder / "train")
    shutil.copytree(birds / "6", folder / "car")
    code, out, _ = run("show", "vision", folder, "--size", 16)
    assert code == 0
    assert "labels: car, train" in out


def test_weights_and_no_pretrained_exclude_each_other(run: Run, birds: Path) -> None:
    code, _, err = run("train", "vision", birds, "--no-pretrained", "--weights", "w.safetensors")
    assert code == 2
    assert "exclude each other" in err


def test_a_place_that_cannot_be_written_to_is_the_users_error(run: Run, birds: Path) -> None:
    Path("file").write_text("")
    code, _, err = run("train", "vision", birds, "--out", "file/run")
    assert code == 2
    assert "Expected a folder that can be written to. Got: --out file/run:" in err


@pytest.mark.parametrize(
    "args", [["nope"], ["check"], ["train", "vision"], ["check", "vision", ".", "--size", "x"]]
)
def test_wrong_usage_leaves_with_2(run: Run, args: list[str]) -> None:
    code, _, _ = run(*args)
    assert code == 2


def test_version_and_domains(run: Run) -> None:
    assert run("--version")[:2] == (0, f"{__version__}\n")
    code, out, _ = run("domains")
    assert code == 0
    assert "vision" in out.split()


def test_a_mistake_of_ours_shows_its_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> dict[str, object]:
        def train() -> None:
            raise ZeroDivisionError("ours")

        return {"train": {"vision": train}}

    monkeypatch.setattr(cli, "domain_verbs", broken)
    with pytest.raises(ZeroDivisionError, match="ours"):
        cli.main(["train", "vision"])


def test_an_interrupt_is_quiet(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> dict[str, object]:
        def train() -> None:
            raise KeyboardInterrupt

        return {"train": {"vision": train}}

    monkeypatch.setattr(cli, "domain_verbs", interrupted)
    assert run("train", "vision") == (130, "", "")


def test_the_program_and_the_module_are_the_same() -> None:
    for command in ([sys.executable, "-m", "redstart"], [Path(sys.executable).parent / "redstart"]):
        done = subprocess.run(
            [*command, "check", "vision", "nowhere"],
            capture_output=True,
            text=True,
            env={**os.environ},
        )
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.startswith("redstart: Expected a folder. Got: path='nowhere'")
        assert "\x1b" not in done.stderr
