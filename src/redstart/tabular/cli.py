"""What ``redstart train|show|check|lr-find tabular`` do, and the demo.

Each verb is a function whose parameters are its options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from redstart.console import (
    Corrected,
    Delimiter,
    Device,
    Encoding,
    Out,
    Strict,
    TestPct,
    WithReport,
    echo,
    given,
    print_check,
    print_rate,
    run_folder,
    say,
)
from redstart.tabular.loaders import loaders

if TYPE_CHECKING:
    from redstart.data.loaders import DataLoaders
    from redstart.tabular.learner import TabularLearner

__all__ = ["COMMANDS", "check", "demo", "lr_find", "show", "train"]

Table = Annotated[Path, typer.Argument(help="A CSV file with a header line, or a Parquet file.")]
Target = Annotated[
    list[str], typer.Option(help="Column to predict; again for several labels or numbers.")
]
Category = Annotated[
    list[str] | None,
    typer.Option(help="Column of categories; those that are not named are taken by type."),
]
Number = Annotated[list[str] | None, typer.Option(help="Column of numbers; likewise.")]
Date = Annotated[list[str] | None, typer.Option(help="Column of dates; likewise.")]
Ignore = Annotated[list[str] | None, typer.Option(help="Column to leave out.")]
Weight = Annotated[str | None, typer.Option(help="Column: how much a row counts in training.")]
ValidPct = Annotated[
    float | None, typer.Option(min=0, max=1, help="Share of the rows to hold out; 0.2.")
]
ValidCol = Annotated[str | None, typer.Option(help="Column that says which rows to hold out.")]
TimeCol = Annotated[str | None, typer.Option(help="Column of times: the latest are held out.")]
Group = Annotated[
    str | None,
    typer.Option(help="Column: rows that share a value are held out together. No input."),
]
LogTarget = Annotated[bool, typer.Option(help="Learn the logarithm of the number to predict.")]
Arch = Annotated[str, typer.Option(help="tabm, an ensemble of small networks, or mlp.")]
BatchSize = Annotated[
    int | None, typer.Option("--bs", min=1, help="Rows in a batch; by their number if left out.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of split, order, weights and dropout.")]

_WRITTEN: Final = {
    "batch.png": "training rows as the model saw them",
    "results.png": "held-out rows with truth and prediction",
    "top_losses.png": "the worst mistakes",
    "confusion.png": "which class was taken for which",
    "importance.png": "how much each column matters",
}


def train(  # noqa: PLR0913 - a parameter is an option
    table: Table,
    target: Target,
    category: Category = None,
    number: Number = None,
    date: Date = None,
    ignore: Ignore = None,
    weight: Weight = None,
    log_target: LogTarget = False,
    y_range: Annotated[
        tuple[float, float] | None, typer.Option(help="Least and greatest number to predict.")
    ] = None,
    arch: Arch = "tabm",
    layers: Annotated[
        list[int] | None, typer.Option(min=1, help="Width of a hidden layer; again for more.")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes over the rows: 10, of numbers 20; more of few rows."),
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Largest learning rate.")] = None,
    bs: BatchSize = None,
    valid_pct: ValidPct = None,
    valid_col: ValidCol = None,
    time_col: TimeCol = None,
    group: Group = None,
    test_pct: TestPct = 0.0,
    strict: Strict = False,
    balanced: Annotated[bool, typer.Option(help="Let rare classes count as much.")] = False,
    metrics: Annotated[
        list[str] | None, typer.Option(help="Such as accuracy or roc_auc; may be given again.")
    ] = None,
    baseline: Annotated[bool, typer.Option(help="Train boosted trees beside the model.")] = True,
    corrections: Corrected = None,
    report: WithReport = True,
    out: Out = None,
    overwrite: Annotated[bool, typer.Option(help="Write over an earlier run in --out.")] = False,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    seed: Seed = 42,
    device: Device = None,
) -> None:
    """Train a model of a table; write it, pictures and figures to a folder."""
    from redstart.tabular import tabular_learner

    dls = loaders(
        table,
        target,
        columns=(category, number, date, ignore),
        split=(valid_pct, valid_col, time_col, group),
        test_pct=test_pct,
        reading=(delimiter, encoding),
        corrections=corrections,
        weight_name=weight,
        log_target=log_target or None,
        bs=bs,
        seed=seed,
        device=device,
    )
    run = run_folder(out, overwrite=overwrite)
    learn = tabular_learner(
        dls,
        layers or None,
        y_range=y_range,
        arch=arch,
        metrics=metrics,
        path=run,
        folder=run,
        **given(
            lr=lr,
            class_weights="balanced" if balanced else None,
            rivals=None if baseline else (),
        ),
    )
    learn.check(strict=strict).show_batch().save(run / "batch.png")
    learn.fit_one_cycle(epochs or _epochs(dls))
    written = _draw(learn, run)
    learn.export("model.redstart")
    say(learn, run, written, "held-out rows", report=report)


def show(  # noqa: PLR0913 - a parameter is an option
    table: Table,
    target: Target,
    out: Annotated[Path, typer.Option(help="Picture to write.")] = Path("batch.png"),
    rows: Annotated[int, typer.Option(min=1, help="Rows to draw at most.")] = 9,
    category: Category = None,
    number: Number = None,
    date: Date = None,
    ignore: Ignore = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    seed: Seed = 42,
) -> None:
    """Say what each column is taken for, and draw training rows as the model sees them."""
    dls = loaders(
        table,
        target,
        columns=(category, number, date, ignore),
        reading=(delimiter, encoding),
        seed=seed,
    )
    print(dls)
    for name, listed in _columns(dls).items():
        print(f"{name:<12}{', '.join(listed) or 'none'}")
    if dls.vocab:
        print(f"{'labels':<12}{', '.join(map(str, dls.vocab))}")
    print("wrote", dls.show_batch(rows).save(out))


def check(  # noqa: PLR0913 - a parameter is an option
    table: Table,
    target: Target,
    category: Category = None,
    number: Number = None,
    date: Date = None,
    ignore: Ignore = None,
    valid_pct: ValidPct = None,
    valid_col: ValidCol = None,
    time_col: TimeCol = None,
    group: Group = None,
    strict: Strict = False,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    seed: Seed = 42,
) -> None:
    """Read the table as training would, and look for leaks, give-aways and odd labels."""
    dls = loaders(
        table,
        target,
        columns=(category, number, date, ignore),
        split=(valid_pct, valid_col, time_col, group),
        reading=(delimiter, encoding),
        seed=seed,
    )
    for name, listed in _columns(dls).items():
        print(f"{name:<12}{', '.join(listed) or 'none'}")
    print_check(dls, strict=strict)


def lr_find(  # noqa: PLR0913 - a parameter is an option
    table: Table,
    target: Target,
    out: Annotated[Path, typer.Option(help="Picture of the curve.")] = Path("lr_find.png"),
    category: Category = None,
    number: Number = None,
    date: Date = None,
    ignore: Ignore = None,
    arch: Arch = "tabm",
    bs: BatchSize = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    seed: Seed = 42,
    device: Device = None,
) -> None:
    """Suggest a learning rate, from a few batches at rising rates."""
    from redstart.tabular import tabular_learner

    dls = loaders(
        table,
        target,
        columns=(category, number, date, ignore),
        reading=(delimiter, encoding),
        bs=bs,
        seed=seed,
        device=device,
    )
    print_rate(tabular_learner(dls, arch=arch), out)


def demo(out: Path) -> None:
    """Write a table of scikit-learn's, then do what a user does with one of their own.

    569 tumours, 30 measurements each, benign or malignant (Street, Wolberg and Mangasarian,
    "Nuclear feature extraction for breast tumor diagnosis", 1993).

    Args:
        out: Folder to write to.
    """
    from sklearn.datasets import load_breast_cancer

    from redstart.tabular import load_learner

    out.mkdir(parents=True, exist_ok=True)
    file, new, run = out / "tumours.csv", out / "new.csv", out / "tumours"
    frame = load_breast_cancer(as_frame=True).frame
    frame["target"] = frame["target"].map({0: "malignant", 1: "benign"})
    frame.iloc[:-5].to_csv(file, index=False)
    frame.iloc[-5:].drop(columns="target").to_csv(new, index=False)
    echo(f"check tabular {file} --target target")
    check(file, ["target"])
    echo(f"show tabular {file} --target target --out {out / 'tumours.png'}")
    show(file, ["target"], out=out / "tumours.png")
    metrics = ["accuracy", "roc_auc"]
    echo(
        f"train tabular {file} --target target --metrics accuracy --metrics roc_auc "
        f"--out {run} --overwrite"
    )
    train(file, ["target"], metrics=metrics, out=run, overwrite=True)
    echo(f"predict {run / 'model.redstart'} {new}")
    for row, found in enumerate(load_learner(run / "model.redstart").get_preds(new)):
        print(f"{row}  {found.decoded:<9}  {found.probs.max():.4f}")


COMMANDS: Final[Mapping[str, Callable[..., None]]] = {
    "train": train,
    "show": show,
    "check": check,
    "lr-find": lr_find,
}
"""By verb; the entry point of the group ``redstart.cli`` names this."""


def _epochs(dls: DataLoaders) -> int:
    """Passes that do for tables of thousands of rows; of fewer, a thousand batches or so."""
    from redstart.targets.regression import RegressionTarget

    usual = 20 if isinstance(dls.target, RegressionTarget) else 10
    return max(usual, min(100, 1000 // len(dls.train)))


def _columns(dls: DataLoaders) -> dict[str, list[str]]:
    codec: Any = dls.codec
    return {"categories": list(codec.cat_names), "numbers": list(codec.cont_names)}


def _draw(learn: TabularLearner, run: Path) -> dict[str, str]:
    """Draw what can be drawn for the target; returns what is in each file."""
    from redstart.tabular import ClassificationInterpretation, Interpretation
    from redstart.targets.category import CategoryTarget

    learn.recorder.plot_loss().save(run / "loss.png")
    learn.show_results().save(run / "results.png")
    if isinstance(learn.dls.target, CategoryTarget):
        found = ClassificationInterpretation.from_learner(learn)
        found.plot_confusion_matrix().save(run / "confusion.png")
        found.plot_top_losses(9).save(run / "top_losses.png")
    else:
        Interpretation.from_learner(learn).plot_top_losses(9).save(run / "top_losses.png")
    learn.permutation_importance().plot().save(run / "importance.png")
    return {name: about for name, about in _WRITTEN.items() if (run / name).exists()}
