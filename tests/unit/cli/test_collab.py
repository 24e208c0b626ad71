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

from redstart.cli import main as cli
from redstart.collab import load_learner

Run = Callable[..., tuple[int, str, str]]
QUICK = ["--epochs", "1", "--factors", "3"]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process: exit code, output, errors."""

    def call(*args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main([str(arg) for arg in args])
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return call


def ratings() -> pd.DataFrame:
    """Sixteen people, twelve films; the odd like odd films."""
    rng = np.random.default_rng(0)
    user, film = (a.ravel() for a in np.meshgrid(np.arange(16), np.arange(12)))
    stars = np.where(user % 2 == film % 2, 4, 2) + rng.integers(0, 2, user.size)
    frame = pd.DataFrame({"user": user + 500, "film": film + 100, "stars": stars})
    frame["when"] = rng.permutation(len(frame))
    frame["title"] = "Film " + frame.film.astype(str)
    return frame.sample(frac=0.75, random_state=0)


@pytest.fixture(scope="module", autouse=True)
def _variables() -> None:
    """The command sets variables of its own process, once."""
    trained("domains")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ratings")
    frame = ratings()
    frame[["user", "film", "stars", "when"]].to_csv(folder / "stars.csv", index=False)
    titles = frame[["film", "title"]].drop_duplicates().sort_values("film")
    titles.to_csv(folder / "titles.csv", index=False, sep="|")
    frame[frame.stars > 3][["user", "film", "when"]].to_csv(folder / "taken.csv", index=False)
    pd.DataFrame({"film": [100, 101, 999], "user": ["500", "501", "nobody"], "more": 1}).to_csv(
        folder / "pairs.csv", index=False
    )
    return folder


def trained(*args: object) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([str(arg) for arg in args])
    assert not end.value.code


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("stars") / "run"
    titles = ["--titles", data / "titles.csv"]
    trained("train", "collab", data / "stars.csv", *titles, *QUICK, "--no-baseline", "--out", out)
    return out / "model.redstart"


@pytest.fixture(scope="module")
def taker(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("taken") / "run"
    options = ["--implicit", "--factors", 2, "--time", "when", "--no-baseline", "--out", out]
    trained("train", "collab", data / "taken.csv", *options)
    return out / "model.redstart"


# ---- train


def test_training_leaves_model_and_pictures_and_compares(run: Run, data: Path) -> None:
    options = ["--user", "user", "--item", "film", "--rating", "stars", "--time", "when"]
    code, out, err = run(
        "train", "collab", data / "stars.csv", *options, "--last-out", *QUICK, "--out", "run"
    )
    assert (code, err) == (0, "")
    written = {file.name for file in Path("run").iterdir()}
    listed = {word for line in out.splitlines() for word in line.split()[:1] if "." in word}
    wanted = {"batch.png", "results.png", "bias.png", "factors.png", "loss.png", "report.html"}
    assert written >= wanted and listed >= wanted
    for name in ("batch.png", "results.png", "bias.png", "factors.png"):
        assert Path("run", name).read_bytes()[:4] == b"\x89PNG"
    assert "rmse " in out and "(95% interval " in out and "on 16 held-out rows" in out
    page = Path("run/report.html").read_text()
    assert "mean and biases" in page and "item neighbours" in page
    bundle: Any = load_learner("run/model.redstart", device="cpu")
    assert bundle.model.y_range == (1.625, 5.375), "an eighth beyond what there is"
    last = ratings().sort_values("when").groupby("user").film.last()
    users, seen = bundle.codec, bundle.model.seen
    for user, film in last.items():
        had, _ = seen.of_user(users.position(user, is_item=False))
        assert film not in [users.items[place] for place in had.tolist()]


@pytest.mark.parametrize("arch", ["dot", "nn"])
def test_other_models_train(run: Run, data: Path, arch: str) -> None:
    options = ["--arch", arch, *QUICK, "--y-range", 0, 6, "--no-baseline", "--out", "run"]
    code, out, _ = run("train", "collab", data / "stars.csv", *options)
    assert code == 0
    assert ("factors.png" in out) == (arch == "dot") == Path("run/factors.png").exists()
    assert f"{arch} -> " not in run("info", "run/model.redstart")[1]


def test_what_was_taken_trains_by_als_and_by_comparing(run: Run, taker: Path, data: Path) -> None:
    bundle: Any = load_learner(taker, device="cpu")
    assert bundle.model.seen.implicit is not None and bundle.model.seen.in_order
    assert "ndcg@10" in run("info", taker)[1]
    code, out, _ = run("train", "collab", data / "taken.csv", "--implicit", "--out", "als")
    listed = {line.split()[0] for line in out.splitlines() if ".png" in line or ".json" in line}
    assert code == 0 and "ndcg@10 " in out
    assert listed == {"batch.png", "factors.png"} == {f.name for f in Path("als").glob("*.png")}
    options = ["--implicit", "--arch", "dot", *QUICK, "--out", "run"]
    code, out, _ = run("train", "collab", data / "taken.csv", *options)
    assert code == 0
    assert "auc" in out and "popularity" in out and "NDCG@10" in out
    assert "results.png" in out and "bias.png" not in out


def test_an_earlier_run_is_not_written_over(run: Run, data: Path, taker: Path) -> None:
    code, _, err = run("train", "collab", data / "taken.csv", "--implicit", "--out", taker.parent)
    assert code == 2
    assert "Expected a folder without an earlier run" in err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--arch", "als"], "Expected --implicit with `als`"),
        (["--arch", "als", "--implicit", "--lr", "0.1"], "Expected no --lr with `als`"),
        (["--implicit", "--y-range", "0", "5"], "Expected no `y_range`"),
        (["--arch", "tree"], "Expected a kind of model. Got: arch='tree'"),
        (["--item", "movie"], "Expected a column 'movie'"),
        (["--item", "titel"], "columns: user, film, stars, when"),
        (["--title", "film", "--item", "user"], "different columns"),
        (["--valid-pct", "0"], "`valid_pct` above 0"),
        (["--last-out", "--time", "wen"], "Did you mean 'when'"),
    ],
)
def test_what_does_not_go_together_is_said_in_one_line(
    run: Run, data: Path, options: list[str], words: str
) -> None:
    code, _, err = run("train", "collab", data / "stars.csv", *options)
    assert code == 2
    assert words in err and err.startswith("redstart: ") and len(err.splitlines()) == 1
    assert not Path("runs").exists() or not any(Path("runs").rglob("model.redstart"))


# ---- odd files


def written(frame: pd.DataFrame, **options: Any) -> Path:
    frame.to_csv("odd.csv", index=False, **options)
    return Path("odd.csv")


def test_a_file_without_a_line_of_names_is_not_taken_for_one_that_has(run: Run) -> None:
    frame = ratings()[["user", "film", "stars", "when"]]
    for options in ([], ["--implicit"]):
        code, _, err = run("check", "collab", written(frame, header=False, sep="\t"), *options)
        assert code == 2
        assert "Expected names of columns in the first line, such as user,item,rating" in err
        assert "which looks like data" in err
    unnamed = frame.set_axis(range(4), axis=1)
    assert run("check", "collab", written(unnamed))[0] == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.assign(user=1).drop_duplicates(["user", "film"]),
        lambda f: f.assign(film=1).drop_duplicates(["user", "film"]),
        lambda f: f.assign(stars=3),
        lambda f: f.head(2),
        lambda f: f.head(4),
        lambda f: pd.concat([f, f]),
        lambda f: f.assign(user=f.user + 0.5, film=f.film * 1.0),
    ],
    ids=["one user", "one item", "all equal", "two rows", "four rows", "twice", "floats"],
)
def test_odd_ratings_train(run: Run, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    file = written(change(ratings()[["user", "film", "stars"]]))
    code, out, err = run("train", "collab", file, *QUICK, "--factors", 1, "--out", "run")
    assert (code, "Traceback" in err) == (0, False), err
    assert "model.redstart" in out
    assert run("recommend", "run/model.redstart", "-k", 2)[0] == 0


def test_ratings_that_are_all_the_same_are_noticed(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    run("check", "collab", written(ratings()[["user", "film", "stars"]].assign(stars=1)))
    assert "All training ratings are 1. If rows only say that a user took" in caplog.text


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("stars", "good", "a number as rating in every row. Got: stars='good' in row 3."),
        ("stars", None, "a number as rating in every row. Got: stars=nan in row 3."),
        ("user", None, "a user and an item in every row. Got: user=nan in row 3."),
    ],
)
def test_a_wrong_cell_is_named_with_its_row(
    run: Run, column: str, value: str | None, words: str
) -> None:
    frame = ratings()[["user", "film", "stars"]].astype(object).reset_index(drop=True)
    frame.loc[3, column] = value
    code, _, err = run("train", "collab", written(frame))
    assert (code, len(err.splitlines())) == (2, 1)
    assert words in err


# ---- look before training


def test_check_says_what_is_there(run: Run, data: Path) -> None:
    code, out, _ = run("check", "collab", data / "stars.csv", "--time", "when", "--last-out")
    assert code == 0
    assert out.splitlines()[:3] == [
        "user        16",
        "film        12",
        "values      2 to 5, 3.5 in the mean",
    ]
    assert "144 rows read, 0 unreadable." in out


def test_show_draws_rows_with_titles(run: Run, data: Path) -> None:
    options = ["--titles", data / "titles.csv", "--title", "title", "--out", "rows.png"]
    code, out, _ = run("show", "collab", data / "stars.csv", "--rows", 4, *options)
    assert code == 0
    assert "film        12" in out and "wrote rows.png" in out
    assert Path("rows.png").read_bytes()[:4] == b"\x89PNG"


def test_titles_of_other_items_are_noticed(
    run: Run, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Path("other.csv").write_text("film,title\n1,One\n")
    run("show", "collab", data / "stars.csv", "--titles", "other.csv")
    assert "12 of 12 items have no title, such as film=100" in caplog.text


@pytest.mark.parametrize("options", [("stars.csv",), ("taken.csv", "--implicit")])
def test_lr_find_suggests_a_rate(run: Run, data: Path, options: tuple[str, ...]) -> None:
    file, *rest = options
    code, out, _ = run("lr-find", "collab", data / file, *rest, "--factors", 3, "--bs", 32)
    assert code == 0
    assert 1e-7 < float(out.splitlines()[0].removeprefix("suggested learning rate: ")) < 10
    assert Path("lr_find.png").exists()


# ---- predict


def test_pairs_are_predicted_whoever_they_are(run: Run, model: Path, data: Path) -> None:
    code, out, _ = run("predict", model, data / "pairs.csv", "--json")
    rows = json.loads(out)
    assert code == 0 and [row["row"] for row in rows] == ["0", "1", "2"]
    assert all(1.5 < row["prediction"] < 5.5 and row["error"] is None for row in rows)
    Path("no.csv").write_text("user,movie\n500,1\n")
    code, _, err = run("predict", model, "no.csv")
    assert code == 2
    assert "Expected a column 'film'" in err


# ---- recommend


def test_a_user_is_recommended_what_he_did_not_have(run: Run, model: Path) -> None:
    code, out, err = run("recommend", model, "--user", 503, "-k", 3, "--why")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("Recommendations (from the vector learnt")
    first, score = lines[1].split(maxsplit=1)[::-1]
    assert first.startswith("Film 1")
    assert f"{first}: score {score}, of which " in out, "the explanation is of the score shown"
    had = set(ratings().query("user == 503").title)
    everything = run("recommend", model, "--user", 503, "-k", 99, "--no-exclude-seen")[1]
    assert len(everything.splitlines()) == 13
    assert all(title in everything for title in had)


def test_a_new_user_is_recommended_by_what_he_rated(run: Run, model: Path) -> None:
    rated = ["--rated", "Film 101=5", "--rated", "103=5", "--rated", "Film 100=2"]
    code, out, _ = run("recommend", model, *rated, "-k", 2, "--json", "--why")
    said = json.loads(out)
    assert code == 0 and said["why"] == "ratings"
    assert [set(one) for one in said["items"]] == [{"item", "title", "score"}] * 2
    assert said["items"][0]["title"] == f"Film {said['items'][0]['item']}"
    explained = said["explanation"]
    assert explained["score"] == pytest.approx(said["items"][0]["score"], abs=1e-4)
    assert {one["item"] for one in explained["contributions"]} == {
        "Film 100",
        "Film 101",
        "Film 103",
    }
    code, out, _ = run("recommend", model, "-k", 2, "--why")
    assert code == 0 and "nothing is known of this user" in out and len(out.splitlines()) == 3


def test_all_users_are_a_table(run: Run, model: Path, taker: Path) -> None:
    code, out, _ = run("recommend", model, "--all", "-k", 2)
    header, *rows = csv.reader(io.StringIO(out))
    assert code == 0 and header == ["user", "rank", "item", "title", "score"]
    assert sorted({int(row[0]) for row in rows}) == list(range(500, 516))
    bundle: Any = load_learner(model, device="cpu")
    mine = [(row[3], float(row[4])) for row in rows if row[0] == "507"]
    for (title, score), (expected, exact) in zip(mine, bundle.recommend(507, 2), strict=True):
        assert title == expected and score == pytest.approx(exact, abs=1e-4)
    assert next(csv.reader(io.StringIO(run("recommend", taker, "--all")[1]))) == [
        "user",
        "rank",
        "item",
        "score",
    ]


def test_items_that_the_same_people_like_are_listed(run: Run, model: Path, taker: Path) -> None:
    code, out, _ = run("recommend", model, "--like", "Film 101", "-k", 3)
    assert code == 0 and "vectors point the same way" in out and "Film 101" not in out
    code, out, _ = run("recommend", taker, "--like", "101", "-k", 3, "--json")
    found = json.loads(out)
    assert code == 0 and found["why"] == "similar"
    assert all(one["item"] % 2 == 1 for one in found["items"])


def test_what_was_taken_needs_no_ratings(run: Run, taker: Path) -> None:
    code, out, _ = run("recommend", taker, "--rated", "101", "--rated", "103", "-k", 3)
    assert code == 0 and "from the ratings given" in out
    assert int(out.splitlines()[1].split()[1]) % 2 == 1


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--user", "5003"], "user='5003'. Did you mean '503'?"),
        (["--rated", "film 101=5"], "film='film 101'. Did you mean 'Film 101'?"),
        (["--rated", "Film 101"], "Expected a rating with each item"),
        (["--rated", "Film 101=good"], "Expected --rated 'ITEM=RATING' with a number"),
        (["--rated", "Film 101=nan"], "Expected ratings that are numbers"),
        (["--like", "Film 999"], "film='Film 999'"),
        (["--all", "--user", "503"], "Expected --all without --user"),
        (["--like", "Film 101", "--why"], "Expected --like without --why"),
    ],
)
def test_a_wrong_question_is_said_in_one_line(
    run: Run, model: Path, args: list[str], words: str
) -> None:
    code, out, err = run("recommend", model, *args)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert words in err


def test_a_model_of_something_else_does_not_recommend(run: Run, tmp_path: Path) -> None:
    table = pd.DataFrame({"x": np.arange(40) % 7, "kind": ["a", "b"] * 20})
    table.to_csv("table.csv", index=False)
    options = ["--target", "kind", "--arch", "mlp", "--epochs", 1, "--no-baseline", "--out", "t"]
    trained("train", "tabular", "table.csv", *options)
    code, _, err = run("recommend", "t/model.redstart", "--user", "a")
    assert code == 2
    assert "Expected a model that recommends. Got: t/model.redstart, which predicts category" in err
    code, _, err = run("recommend", "nope.redstart")
    assert code == 2 and "Expected a bundle that exists" in err
