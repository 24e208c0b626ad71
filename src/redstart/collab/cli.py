"""What ``redstart train|show|check|lr-find|recommend collab`` do, and the demo.

Each verb is a function whose parameters are its options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from redstart.collab.recommend_cli import recommend
from redstart.console import (
    Delimiter,
    Device,
    Encoding,
    Out,
    Strict,
    TestPct,
    WithReport,
    echo,
    given,
    how_made,
    print_check,
    print_rate,
    run_folder,
    say,
)
from redstart.errors import ConfigError, problem

if TYPE_CHECKING:
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
Seed = Annotated[int, typer.Option(min=0, help="Of split, order and weights.")]
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
        int | None,
        typer.Option(min=1, help="Passes over the rows: als 10, svd++ and --implicit 20, else 5."),
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Largest learning rate.")] = None,
    wd: Annotated[float | None, typer.Option(min=0, help="Weight decay.")] = None,
    bs: BatchSize = None,
    valid_pct: ValidPct = 0.2,
    last_out: LastOut = False,
    test_pct: TestPct = 0.0,
    strict: Strict = False,
    baseline: Annotated[bool, typer.Option(help="Compare with simple ways to do it.")] = True,
    report: WithReport = True,
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
    if arch == "als":
        _check_als(**{"--lr": lr, "--wd": wd, "--bs": bs}, implicit=implicit)
    dls = _loaders(
        ratings,
        columns=(user, item, rating, time),
        named=(titles, title),
        split=(valid_pct, last_out),
        test_pct=test_pct,
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
        y_range=y_range if implicit else y_range or _range(dls),
        path=run,
        folder=run,
        **given(rivals=None if baseline else (), chapters=None if baseline else ()),
    )
    learn.check(strict=strict).show_batch().save(run / "batch.png")
    if arch == "als":
        print(learn.fit_als(epochs or 10))
    else:
        learn.fit_one_cycle(
            epochs or (20 if implicit or arch == "svd++" else 5), lr, **given(wd=wd)
        )
        learn.recorder.plot_loss().save(run / "loss.png")
        learn.show_results().save(run / "results.png")
    learn.export("model.redstart")
    _draw(learn, run, implicit=implicit)
    written = {name: about for name, about in _WRITTEN.items() if (run / name).exists()}
    say(learn, run, written, "held-out rows", report=report)
    if baseline and implicit:
        print(f"\n{learn.rankings()}")


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
    strict: Strict = False,
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
    labels = dls.train.dataset.labels[0]
    low, high, mean = (float(v) for v in (*labels.aminmax(), labels.mean()))
    print(f"{'values':<12}{low:g} to {high:g}, {mean:.4g} in the mean")
    print_check(dls, strict=strict)


def lr_find(  # noqa: PLR0913 - a parameter is an option
    ratings: File,
    out: Annotated[Path, typer.Option(help="Picture of the curve.")] = Path("lr_find.png"),
    user: User = None,
    item: Item = None,
    rating: Rating = None,
    implicit: Implicit = False,
    arch: Annotated[
        str | None,
        typer.Option(help="svd++, dot or nn. The first if left out, dot if --implicit."),
    ] = None,
    factors: Factors = 50,
    bs: BatchSize = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    seed: Seed = 42,
    device: Device = None,
) -> None:
    """Suggest a learning rate, from a few batches at rising rates."""
    from redstart.collab import collab_learner

    arch = arch or ("dot" if implicit else "svd++")
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
    print_rate(learn, out)


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


_LISTS = ("columns", "split", "reading")


def reload(data: Mapping[str, Any]) -> DataLoaders:
    """Make the loaders of an earlier command again.

    Args:
        data: What a bundle says of them.
    """
    options = dict(data["options"])
    lists: dict[str, Any] = {n: tuple(options.pop(n)) for n in _LISTS}
    return _loaders(Path(data["path"]), **lists, **options)


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
    test_pct: float = 0.0,
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
        test_pct: Share to seal.
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
    asked = {"columns": columns, "split": split, "test_pct": test_pct, "reading": reading}
    asked |= given(implicit=options.get("implicit"), seed=options.get("seed"))
    if last_out:
        if test_pct:
            raise ConfigError(
                problem(
                    "Expected --test-pct or --last-out",
                    "both",
                    "In Python, LastOutSplitter(..., test_n=1) seals the last row of each user.",
                )
            )
        options["splitter"] = LastOutSplitter(user or str(frame.columns[0]), time)
    elif test_pct:
        options["test_pct"] = test_pct
    made = CollabDataLoaders.from_df(
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
    return how_made(made, ratings, **asked)


def _range(dls: DataLoaders) -> tuple[float, float]:
    """An eighth beyond the ratings of the training rows: 0.5 to 5.5 for stars from 1 to 5."""
    labels = dls.train.dataset.labels[0]
    low, high = float(labels.min()), float(labels.max())
    beyond = (high - low) / 8 or 0.5
    return low - beyond, high + beyond


def _check_als(*, implicit: bool, **gradient: Any) -> None:
    if not implicit:
        raise ConfigError(
            problem("Expected --implicit with `als`", "--arch als", "Use svd++ for ratings.")
        )
    if wrong := given(**gradient):
        raise ConfigError(
            problem(
                f"Expected no {next(iter(wrong))} with `als`, which follows no gradient",
                "--arch als",
                "Leave it out, or use --arch dot.",
            )
        )


def _draw(learn: CollabLearner, run: Path, *, implicit: bool) -> None:
    """Draw what there is enough of: items with vectors, two or more, of two numbers or more."""
    model: Any = learn.model
    if not hasattr(model, "item_vectors"):
        return
    counts = model.seen.popularity().sort().values
    if len(counts) < 2 or not int(counts[-2]):
        return
    if not implicit:
        learn.plot_item_bias(min_count=min(20, int(counts[-2]))).save(run / "bias.png")
    if model.item_vectors().shape[1] > 1:
        learn.plot_item_factors().save(run / "factors.png")
