"""What ``redstart train|show|check|lr-find vision`` do, and the demo.

Each verb is a function whose parameters are its options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from redstart.console import (
    Corrected,
    Device,
    Out,
    Strict,
    TestPct,
    WithReport,
    echo,
    figure,
    given,
    how_made,
    print_check,
    print_rate,
    run_folder,
    say,
)
from redstart.errors import DataError, problem

if TYPE_CHECKING:
    from redstart.data.loaders import DataLoaders
    from redstart.train.learner import Learner

__all__ = ["COMMANDS", "check", "demo", "lr_find", "reload", "show", "train"]

Folder = Annotated[
    Path, typer.Argument(help="Holds a folder of pictures per label; or train and valid folders.")
]
Arch = Annotated[str, typer.Option(help="Any timm or torchvision name.")]
Size = Annotated[int, typer.Option(min=1, help="Pixels of a side, as the model sees them.")]
BatchSize = Annotated[int, typer.Option("--bs", min=1, help="Pictures in a batch.")]
Seed = Annotated[
    int, typer.Option(min=0, help="Of split, order, augmentation, weights and dropout.")
]
TrainName = Annotated[str, typer.Option("--train", help="Name of the training folder.")]
ValidName = Annotated[str, typer.Option("--valid", help="Name of the validation folder.")]
ValidPct = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Share to hold out where there is no validation folder: 0.2."),
]
Pretrained = Annotated[bool, typer.Option(help="Start from weights trained on other pictures.")]
Weights = Annotated[Path | None, typer.Option(help="A file of them, instead of a download.")]
Augment = Annotated[bool, typer.Option(help="Turn, zoom, warp and light training pictures.")]
Flip = Annotated[bool, typer.Option(help="Mirror them as well.")]
Workers = Annotated[int | None, typer.Option(min=0, help="Threads that read pictures.")]

_DEMO_HELD_OUT = 360  # of 1,797, by hands that training did not see
_VALID_NAMES = ("valid", "val", "validation")


def train(  # noqa: PLR0913 - a parameter is an option
    folder: Folder,
    arch: Arch = "resnet18",
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of the whole model.")] = 3,
    freeze_epochs: Annotated[
        int, typer.Option(min=1, help="Epochs of the head before, where a body is pretrained.")
    ] = 1,
    lr: Annotated[float | None, typer.Option(help="Learning rate of `fine_tune`.")] = None,
    out: Out = None,
    overwrite: Annotated[bool, typer.Option(help="Write over an earlier run in --out.")] = False,
    size: Size = 224,
    bs: BatchSize = 64,
    train: TrainName = "train",
    valid: ValidName = "",
    valid_pct: ValidPct = None,
    test_pct: TestPct = 0.0,
    strict: Strict = False,
    pretrained: Pretrained = True,
    weights: Weights = None,
    augment: Augment = True,
    flip: Flip = True,
    metrics: Annotated[
        list[str] | None, typer.Option(help="Such as accuracy or f1; may be given again.")
    ] = None,
    corrections: Corrected = None,
    report: WithReport = True,
    precision: Annotated[str, typer.Option(help="auto, float32, bf16 or fp16.")] = "auto",
    seed: Seed = 42,
    workers: Workers = None,
    device: Device = None,
) -> None:
    """Train a recogniser of pictures; write model, pictures and curves to a folder."""
    from redstart.vision import vision_learner

    if weights is not None and not pretrained:
        raise typer.BadParameter("--weights and --no-pretrained exclude each other.")
    run = run_folder(out, overwrite=overwrite)
    dls = _loaders(
        folder,
        names=(train, valid),
        valid_pct=valid_pct,
        test_pct=test_pct,
        corrections=corrections,
        augmentation=(augment, flip),
        size=size,
        bs=bs,
        seed=seed,
        num_workers=workers,
        device=device,
    )
    learn = vision_learner(
        dls,
        arch,
        pretrained=weights or pretrained,
        metrics=metrics,
        precision=precision,
        path=run,
        folder=run,
    )
    learn.check(strict=strict).show_batch().save(run / "batch.png")
    before = freeze_epochs if pretrained else 0
    learn.fine_tune(epochs, **({} if lr is None else {"base_lr": lr}), freeze_epochs=before)
    _draw(learn, run)
    learn.export("model.redstart")
    say(learn, run, _WRITTEN, "held-out pictures", report=report)


def show(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="Picture to write.")] = Path("batch.png"),
    rows: Annotated[int, typer.Option(min=1, help="Pictures to draw at most.")] = 9,
    size: Size = 224,
    train: TrainName = "train",
    valid: ValidName = "",
    augment: Augment = True,
    seed: Seed = 42,
) -> None:
    """Draw training pictures with their labels, as the model sees them."""
    dls = _loaders(
        folder, names=(train, valid), augmentation=(augment, True), size=size, bs=rows, seed=seed
    )
    print(dls)
    print("labels:", ", ".join(map(str, dls.vocab)))
    print("wrote", dls.show_batch(rows).save(out))


def check(
    folder: Folder,
    size: Size = 224,
    train: TrainName = "train",
    valid: ValidName = "",
    valid_pct: ValidPct = None,
    strict: Strict = False,
    seed: Seed = 42,
    workers: Workers = None,
) -> None:
    """Read every picture, and look for leaks between the parts, give-aways and odd labels.

    If some cannot be read, the exit code is 1.
    """
    dls = _loaders(
        folder,
        names=(train, valid),
        valid_pct=valid_pct,
        augmentation=(False, False),
        size=size,
        seed=seed,
        num_workers=workers,
    )
    print_check(dls, strict=strict)


def lr_find(  # noqa: PLR0913 - a parameter is an option
    folder: Folder,
    arch: Arch = "resnet18",
    out: Annotated[Path, typer.Option(help="Picture of the curve.")] = Path("lr_find.png"),
    size: Size = 224,
    bs: BatchSize = 64,
    train: TrainName = "train",
    valid: ValidName = "",
    valid_pct: ValidPct = None,
    pretrained: Pretrained = True,
    weights: Weights = None,
    seed: Seed = 42,
    device: Device = None,
) -> None:
    """Suggest a learning rate, from a few batches at rising rates."""
    from redstart.vision import vision_learner

    dls = _loaders(
        folder,
        names=(train, valid),
        valid_pct=valid_pct,
        augmentation=(True, True),
        size=size,
        bs=bs,
        seed=seed,
        device=device,
    )
    learn = vision_learner(dls, arch, pretrained=pretrained and (weights or True))
    print_rate(learn, out)


def demo(out: Path) -> None:
    """Write the digits as pictures, then do what a user does with a folder of their own.

    Args:
        out: Folder to write to.
    """
    from redstart.vision import load_learner
    from redstart.vision.digits import write_digits

    # Held out at random, digits of one hand would be on both sides: the audit says so.
    folder, run = write_digits(out / "digits", held_out=_DEMO_HELD_OUT), out / "run"
    model = run / "model.redstart"
    echo(f"check vision {folder} --size 32")
    check(folder, size=32)
    echo(f"show vision {folder} --size 32 --no-augment --out {out / 'digits.png'}")
    show(folder, size=32, augment=False, out=out / "digits.png")
    echo(
        f"train vision {folder} --arch test_resnet --no-pretrained --size 32 --epochs 12 "
        f"--lr 0.005 --no-flip --out {run} --overwrite"
    )
    train(
        folder,
        arch="test_resnet",  # a ResNet of 0.4 million weights: enough for digits
        pretrained=False,
        size=32,
        epochs=12,
        lr=0.005,
        flip=False,
        out=run,
        overwrite=True,
    )
    files = [min((folder / "valid" / label).iterdir()) for label in "0123456789"]
    echo(f"predict {model} {files[0]} {files[1]} ...")
    bundle = load_learner(model)
    for file, found in zip(files, bundle.get_preds(files), strict=True):
        print(f"{file}  {found.decoded}  {found.probs.max():.4f}")
    said = bundle.facts["metrics"]["accuracy"]
    print(f"\npictures and run folder  {run}/\nexported model           {model}")
    rows = f"{bundle.facts['validation_rows']} held-out pictures"
    print(figure("accuracy", said["value"], said["interval"], rows))


def reload(data: Mapping[str, Any]) -> DataLoaders:
    """Make the loaders of an earlier command again, without augmentation.

    Args:
        data: What a bundle says of them.
    """
    options = {**data["options"], "names": tuple(data["options"]["names"])}
    options |= {"size": 32, "augmentation": (False, False)}
    return _loaders(Path(data["path"]), **options)


COMMANDS: Final[Mapping[str, Callable[..., None]]] = {
    "train": train,
    "show": show,
    "check": check,
    "lr-find": lr_find,
}
"""By verb; the entry point of the group ``redstart.cli`` names this."""


def _loaders(
    folder: Path,
    *,
    names: tuple[str, str],
    size: int,
    augmentation: tuple[bool, bool],
    valid_pct: float | None = None,
    test_pct: float = 0.0,
    **options: Any,
) -> DataLoaders:
    """Loaders of a folder: by its train and valid folders if it has them, else at random.

    Args:
        folder: Where the pictures are.
        names: Of the training and the validation folder; the second may be empty.
        size: Pixels of a side.
        augmentation: Whether to augment, and whether to mirror.
        valid_pct: Share held out; ``None`` to look for folders first.
        test_pct: Share sealed, where pictures are held out at random.
        **options: See ``ImageOptions``; those that are ``None`` are left out.
    """
    from redstart.vision import ImageDataLoaders, Resize, aug_transforms

    asked = {"names": names, "valid_pct": valid_pct, "test_pct": test_pct}
    asked |= given(seed=options.get("seed"), corrections=options.get("corrections"))
    train_name, valid_name = names
    options = given(**options)
    if valid_pct is None and not valid_name:
        if _has_parts(folder, train_name):
            valid_name = _valid_folder(folder, train_name)
        else:
            valid_pct = 0.2
    if valid_pct is not None:
        options |= {"valid_pct": valid_pct, "stratify": True, "test_pct": test_pct}
    elif test_pct:
        raise DataError(
            problem(
                "Expected pictures without a validation folder, for --test-pct",
                f"{folder / valid_name}",
                "Put test pictures into a folder `test` beside it, or hold out at random: "
                "--valid-pct 0.2.",
            )
        )
    augment, flip = augmentation
    made = ImageDataLoaders.from_folder(
        folder,
        train_name,
        valid_name,
        item_tfms=Resize(size),
        batch_tfms=aug_transforms(do_flip=flip) if augment else None,
        **options,
    )
    return how_made(made, folder, **asked)


def _has_parts(folder: Path, train_name: str) -> bool:
    """Whether labels lie below a training folder; one with pictures in it is a label."""
    inside = folder / train_name
    return inside.is_dir() and any(p.is_dir() for p in inside.iterdir())


def _valid_folder(folder: Path, train_name: str) -> str:
    """The usual names are looked for; holding out part of all folders would mix them."""
    for name in _VALID_NAMES:
        if (folder / name).is_dir():
            return name
    others = sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name != train_name)
    raise DataError(
        problem(
            f"Expected a validation folder beside {folder / train_name}",
            f"other folders: {', '.join(others) or 'none'}",
            f"Name it with --valid, or hold part of the training folder out: pass "
            f"{folder / train_name} as the folder.",
        )
    )


def _draw(learn: Learner, run: Path) -> None:
    from redstart.vision import ClassificationInterpretation

    learn.recorder.plot_loss().save(run / "loss.png")
    learn.show_results().save(run / "results.png")
    found = ClassificationInterpretation.from_learner(learn)
    found.plot_confusion_matrix().save(run / "confusion.png")
    found.plot_top_losses(9).save(run / "top_losses.png")


_WRITTEN: Final = {
    "batch.png": "training pictures as the model saw them",
    "results.png": "held-out pictures with truth and prediction",
    "top_losses.png": "the worst mistakes",
    "confusion.png": "which label was taken for which",
}
