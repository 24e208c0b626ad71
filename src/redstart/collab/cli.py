"""What ``redstart train|show|check|lr-find|recommend collab`` do, and the demo.

Each verb is a function whose parameters are its options.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from redstart.console import echo, given, print_check, run_folder, say
from redstart.errors import ConfigError, problem

if TYPE_CHECKING:
    from redstart.collab.bundle import CollabBundle
    from redstart.collab.learner import CollabLearner
    from redstart.data.loaders import DataLoaders

__all__ = ["COMMANDS", "check", "demo", "lr_find", "recommend", "show", "train"]

File = Annotated[Path, typer.Argument(help="CSV or Parquet: a row is a user, an item, a rating.")]
User = Annotated[str | None, typer.Option(help="Column of users; the first if left out.")]
Item = Annotated[str | None, typer.Option(help="Column of items; the second if left out.")]
Rating = Annotated[str | None, typer.Option(help="Column of ratings; the third if left out.")]
Time = Annotated[str | None, typer.Option(help="Column of times.")]
Titles = Annotated[
    Path | None, typer.Option(help="Table of items and what people call them, for --title.")
]
Title = Annotated[str | None, typer.Option(help="Column of titles, in --titles or in the file.")]
Implicit = Annotated[
    bool, typer.Option(help="Rows say that a user took an item, not how he liked it.")
]
ValidPct = Annotated[float, typer.Option(min=0, max=1, help="Share of the rows to hold out.")]
LastOut = Annotated[
    bool, typer.Option(help="Hold out the last row of every user instead; by --time if given.")
]
Delimiter = Annotated[str | None, typer.Option(help="Between columns; found out if left out.")]
Encoding = Annotated[str | None, typer.Option(help="Of a CSV file; UTF-8 if left out.")]
Seed = Annotated[int, typer.Option(help="Of split, order and weights.")]
Out = Annotated[Path | None, typer.Option(help="Folder to write to; runs/TIME if left out.")]
Device = Annotated[str | None, typer.Option(help="Such as cpu or cuda; the best if left out.")]
BatchSize = Annotated[int | None, typer.Option("--bs", min=1, help="Rows in a batch.")]
Factors = Annotated[int, typer.Option(min=1, help="Numbers in the vector of a user or an item.")]

_WRITTEN: Final = {
    "batch.png": "training rows",
    "results.png": "held-out ratings with truth and prediction",
    "bias.png": "items liked most and least, whatever the taste",
    "factors.png": "items by taste: near means alike",
}


def train(  # noqa: PLR0913 - a parameter is an option
    ratings: File,
    user: User = None,
    item: Item = None,
    rating: Rating = None,
    time: Time = None,
    titles: Titles = None,
    title: Title = None,
    implicit: Implicit = False,
    arch: Annotated[
        str | None,
        typer.Option(help="svd++, dot or nn; als for --implicit. The first or als if left out."),
    ] = None,
    factors: Factors = 50,
    y_range: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Ratings lie between these; a little beyond those seen if left out."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the rows: 20 of svd++, else 5.")
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Largest learning rate.")] = None,
    wd: Annotated[float | None, typer.Option(min=0, help="Weight decay.")] = None,
    bs: BatchSize = None,
    valid_pct: ValidPct = 0.2,
    last_out: LastOut = False,
    baseline: Annotated[bool, typer.Option(help="Compare with simple ways to do it.")] = True,
    out: Out = None,
    overwrite: Annotated[bool, typer.Option(help="Write over an earlier run in --out.")] = False,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    seed: Seed = 42,
    device: Device = None,
) -> None:
    """Train a recommender; write it, pictures and figures to a folder."""
    from redstart.collab import collab_learner

    arch = arch or ("als" if implicit else "svd++")
    if arch == "als" and not implicit:
        raise ConfigError(
            problem("Expected --implicit with `als`", "--arch als", "Use svd++ for ratings.")
        )
    dls = _loaders(
        ratings,
        columns=(user, item, rating, time),
        named=(titles, title),
        split=(valid_pct, last_out),
        reading=(delimiter, encoding),
        implicit=implicit,
        bs=bs,
        whole=arch == "svd++",
        seed=seed,
        device=device,
    )
    run = run_folder(out, overwrite=overwrite)
    learn = collab_learner(
        dls,
        factors,
        arch="dot" if arch == "als" else arch,
        y_range=None if implicit else y_range or _range(dls),
        path=run,
        folder=run,
    )
    learn.check().show_batch().save(run / "batch.png")
    if arch == "als":
        print(learn.fit_als(epochs or 10))
    else:
        learn.fit_one_cycle(epochs or (20 if arch == "svd++" else 5), lr, **given(wd=wd))
        learn.recorder.plot_loss().save(run / "loss.png")
        learn.show_results().save(run / "results.png")
    if hasattr(learn.model, "item_vectors"):
        _draw(learn, run, implicit=implicit)
    learn.export("model.redstart")
    written = {name: about for name, about in _WRITTEN.items() if (run / name).exists()}
    say(learn, run, written, "held-out rows")
    if baseline:
        print(f"\n{learn.report()}")


def show(  # noqa: PLR0913 - a parameter is an option
    ratings: File,
    out: Annotated[Path, typer.Option(help="Picture to write.")] = Path("batch.png"),
    rows: Annotated[int, typer.Option(min=1, help="Rows to draw at most.")] = 9,
    user: User = None,
    item: Item = None,
    rating: Rating = None,
    titles: Titles = None,
    title: Title = None,
    implicit: Implicit = False,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    seed: Seed = 42,
) -> None:
    """Draw training rows, with the titles of the items."""
    dls = _loaders(
        ratings,
        columns=(user, item, rating, None),
        named=(titles, title),
        reading=(delimiter, encoding),
        implicit=implicit,
        seed=seed,
    )
    print(dls)
    for name, names in dls.classes.items():
        print(f"{name:<12}{len(names) - 1:,}")
    print("wrote", dls.show_batch(rows).save(out))


def check(  # noqa: PLR0913 - a parameter is an option
    ratings: File,
    user: User = None,
    item: Item = None,
    rating: Rating = None,
    time: Time = None,
    implicit: Implicit = False,
    valid_pct: ValidPct = 0.2,
    last_out: LastOut = False,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    seed: Seed = 42,
) -> None:
    """Read the ratings as training would, and say what is wrong with them."""
    dls = _loaders(
        ratings,
        columns=(user, item, rating, time),
        split=(valid_pct, last_out),
        reading=(delimiter, encoding),
        implicit=implicit,
        seed=seed,
    )
    for name, names in dls.classes.items():
        print(f"{name:<12}{len(names) - 1:,}")
    print_check(dls)


def lr_find(  # noqa: PLR0913 - a parameter is an option
    ratings: File,
    out: Annotated[Path, typer.Option(help="Picture of the curve.")] = Path("lr_find.png"),
    user: User = None,
    item: Item = None,
    rating: Rating = None,
    implicit: Implicit = False,
    arch: Annotated[str, typer.Option(help="svd++, dot or nn.")] = "svd++",
    factors: Factors = 50,
    bs: BatchSize = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    seed: Seed = 42,
    device: Device = None,
) -> None:
    """Suggest a learning rate, from a few batches at rising rates."""
    from redstart.collab import collab_learner, valley

    dls = _loaders(
        ratings,
        columns=(user, item, rating, None),
        reading=(delimiter, encoding),
        implicit=implicit,
        bs=bs,
        whole=arch == "svd++",
        seed=seed,
        device=device,
    )
    learn = collab_learner(dls, factors, arch=arch, y_range=None if implicit else _range(dls))
    found = learn.lr_find(show_plot=False, suggest_funcs=(valley,))
    print(f"suggested learning rate: {found.valley:.2g}")
    print("wrote", found.plot().save(out))


def recommend(
    bundle: Annotated[Path, typer.Argument(help="What `redstart train collab` wrote.")],
    user: Annotated[str | None, typer.Option(help="One user; what is popular if left out.")] = None,
    rated: Annotated[
        list[str] | None,
        typer.Option(help="Of a new user: 'ITEM=RATING', or ITEM if implicit; again for more."),
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="All users: a table as CSV.")] = False,
    k: Annotated[int, typer.Option("-k", min=1, help="How many items.")] = 10,
    exclude_seen: Annotated[bool, typer.Option(help="Leave out what the user had.")] = True,
    why: Annotated[
        bool, typer.Option(help="Say which of the user's items carry the first.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> None:
    """Recommend items: to a user, to a new one by what he rated, or to all."""
    from redstart.collab import load_learner

    opened: Any = load_learner(bundle, device="cpu")
    if not hasattr(opened, "recommend"):
        raise ConfigError(
            problem(
                "Expected a model that recommends",
                f"{bundle}, which predicts {opened.target.kind} from {opened.codec.kind}",
                "Use `redstart predict`.",
            )
        )
    if everybody:
        table = csv.writer(sys.stdout, lineterminator="\n")
        table.writerow(["user", "rank", "item", "score"])
        table.writerows(_for_all(opened, k, exclude_seen=exclude_seen))
        return
    ratings = _rated(rated or [])
    found = opened.recommend(user, k, exclude_seen=exclude_seen, ratings=ratings)
    if as_json:
        pairs = [{"item": one, "score": score} for one, score in found]
        print(json.dumps({"why": found.why, "items": pairs}, indent=1, default=str))
        return
    print(found)
    if why and found.items and found.why != "popularity":
        print()
        print(opened.explain_recommendation(user, found.items[0], ratings=ratings))


def demo(out: Path) -> None:
    """Make up ratings with known tastes, then do what a user does with their own.

    Args:
        out: Folder to write to.
    """
    from redstart.collab.made_up import write_ratings

    file = write_ratings(out / "ratings.csv")
    run = out / "films"
    model = run / "model.redstart"
    echo(f"check collab {file}")
    check(file)
    echo(f"train collab {file} --factors 8 --out {run} --overwrite")
    train(file, factors=8, out=run, overwrite=True)
    echo(f"recommend {model} --user 'Ada 7' -k 5 --why")
    recommend(model, user="Ada 7", k=5, why=True)
    liked = ["Space film 3=5", "Space film 11=5", "Love film 2=1"]
    said = " ".join(f"--rated '{one}'" for one in liked)
    echo(f"recommend {model} {said} -k 5")
    recommend(model, rated=liked, k=5)


COMMANDS: Final[Mapping[str, Callable[..., None]]] = {
    "train": train,
    "show": show,
    "check": check,
    "lr-find": lr_find,
    "recommend": recommend,
}
"""By verb; the entry point of the group ``redstart.cli`` names this."""


def _loaders(
    ratings: Path,
    *,
    columns: tuple[str | None, str | None, str | None, str | None],
    named: tuple[Path | None, str | None] = (None, None),
    split: tuple[float, bool] = (0.2, False),
    reading: tuple[str | None, str | None],
    whole: bool = False,
    **options: Any,
) -> DataLoaders:
    """Loaders of a file.

    Args:
        ratings: The file.
        columns: Of users, items, ratings and times.
        named: A file of titles, and the column of them.
        split: Share to hold out, or whether to hold out the last of each user.
        reading: Delimiter and encoding.
        whole: Whether each step of the model goes over all ratings.
        **options: See ``CollabOptions``; those that are ``None`` are left out.
    """
    from redstart.collab import CollabDataLoaders, LastOutSplitter
    from redstart.collab.build import batch_size
    from redstart.data.table import read_table

    frame = read_table(ratings, *reading)
    user, item, rating, time = columns
    file, title = named
    valid_pct, last_out = split
    if whole and options.get("bs") is None:
        options["bs"] = batch_size(len(frame))
    if last_out:
        options["splitter"] = LastOutSplitter(user or str(frame.columns[0]), time)
    return CollabDataLoaders.from_df(
        frame,
        valid_pct,
        user_name=user,
        item_name=item,
        rating_name=rating,
        **given(
            timestamp_name=time,
            titles=None if file is None else read_table(file, *reading),
            title_name=title,
            **options,
        ),
    )


def _range(dls: DataLoaders) -> tuple[float, float]:
    """An eighth beyond the ratings of the training rows: 0.5 to 5.5 for stars from 1 to 5."""
    labels = dls.train.dataset.labels[0]
    low, high = float(labels.min()), float(labels.max())
    beyond = (high - low) / 8 or 0.5
    return low - beyond, high + beyond


def _draw(learn: CollabLearner, run: Path, *, implicit: bool) -> None:
    counts: Any = learn.model.seen.popularity()  # type: ignore[union-attr, operator]
    least = min(20, int(counts.sort().values[-2]))
    if not implicit:
        learn.plot_item_bias(min_count=least).save(run / "bias.png")
    learn.plot_item_factors().save(run / "factors.png")


def _rated(said: list[str]) -> Any:
    """Ratings as given: a mapping if all have one, a list if none has."""
    pairs = [one.rpartition("=") for one in said]
    if not any(equals for _, equals, _ in pairs):
        return said or None
    found = {}
    for one, (item, _, value) in zip(said, pairs, strict=True):
        try:
            found[item] = float(value)
        except ValueError as error:
            raise ConfigError(
                problem(
                    "Expected --rated 'ITEM=RATING' with a number",
                    f"--rated {one!r}",
                    "Write for example --rated 'Star Wars (1977)=5'.",
                )
            ) from error
    return found


def _for_all(bundle: CollabBundle, k: int, *, exclude_seen: bool) -> Iterator[list[Any]]:
    codec: Any = bundle.codec
    items, scores = bundle.recommend_all(k, exclude_seen=exclude_seen)
    users = list(codec.classes[codec.user_name])
    for place in range(1, len(users)):
        for number, (one, score) in enumerate(zip(items[place], scores[place], strict=True), 1):
            if one:
                yield [users[place], number, codec.label(int(one)), f"{score:.4f}"]
