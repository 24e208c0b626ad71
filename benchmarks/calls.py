"""How far it is from what a user calls to what it does, in our own Python frames and calls.

A frame or call is our own if its code lies in the library's package (for fastai: in
fastai, fastcore, fasttransform or plum). Resuming a generator counts as a call. Counts do
not depend on the machine. ``fit -> X`` counts frames from ``fit`` to the one that does X,
both included; calls per batch are the difference of two fits, divided by the batches
between them.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import Benchmark, Target, options, silent
from loop import Listed, batches, mlp

BUDGET = {
    "frames: fit -> codec.load": 8,
    "frames: fit -> model": 6,
    "frames: fit -> loss function": 6,
    "frames: show_results -> imshow": 4,
    "calls: one row of the data set": 15,
    "calls: one training batch": 60,
    "calls: show_results(max_n=2)": 400,
}
"""Section 5 of the architecture."""

IMAGES = "calls: one training batch of 16 cached images"


class Library:
    """Recognises the code of a library by where it lies."""

    def __init__(self, *names: str) -> None:
        from importlib.util import find_spec

        specs = [find_spec(name) for name in names]
        self.roots = tuple(str(Path(s.origin).parent) + "/" for s in specs if s and s.origin)

    def owns(self, code: Any) -> bool:
        return code.co_filename.startswith(self.roots)

    def stack(self, top: str) -> list[str]:
        """Our frames from the outermost called ``top`` to here."""
        frames, frame = [], sys._getframe(1)
        while frame is not None:
            if self.owns(frame.f_code):
                frames.append(_name(frame.f_code))
            frame = frame.f_back
        frames.reverse()
        starts = [i for i, name in enumerate(frames) if name.split(".")[-1] == top]
        return frames[starts[0] :] if starts else []

    def calls(self, task: Callable[[], Any]) -> Counter[str]:
        """Own calls, by name, that ``task`` makes in this thread."""
        found: Counter[str] = Counter()

        def seen(frame: Any, event: str, _: Any) -> None:
            if event == "call" and self.owns(frame.f_code):
                found[_name(frame.f_code)] += 1

        sys.setprofile(seen)
        try:
            task()
        finally:
            sys.setprofile(None)
        return found


def _name(code: Any) -> str:
    return f"{Path(code.co_filename).stem}.{code.co_qualname}"


@contextmanager
def spied(owner: Any, name: str, spy: Callable[[], None]) -> Iterator[None]:
    """Call ``spy`` before every call of ``owner.name``."""
    true = getattr(owner, name)

    def both(*args: Any, **kwargs: Any) -> Any:
        spy()
        return true(*args, **kwargs)

    setattr(owner, name, both)
    try:
        yield
    finally:
        setattr(owner, name, true)


class Deepest:
    """Keeps the longest stack it was shown, validation left out."""

    def __init__(self, library: Library, top: str) -> None:
        self.library, self.top = library, top
        self.frames: list[str] = []

    def __call__(self) -> None:
        frames = self.library.stack(self.top)
        if any("validate" in name for name in frames):
            return
        if len(frames) > len(self.frames):
            self.frames = frames


def tiny() -> Any:
    from torch import nn

    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 10))


def ours(folder: Path, place: Path) -> tuple[dict[str, int], dict[str, Any]]:
    import matplotlib.axes
    import torch.nn.functional as F

    from redstart.vision import ImageDataLoaders, Learner, Resize
    from redstart.vision.codec import ImageCodec

    def loaders(cache_bytes: int) -> Any:
        return ImageDataLoaders.from_folder(
            folder,
            valid_pct=0.2,
            seed=42,
            item_tfms=Resize(32),
            bs=16,
            num_workers=0,
            cache_bytes=cache_bytes,
        )

    def learner(cache_bytes: int) -> Any:
        learn = Learner(loaders(cache_bytes), tiny(), path=place, precision="float32")
        learn.check()
        return learn

    library, counts, detail = Library("redstart"), {}, {}
    learn = learner(0)
    paths = {
        "fit -> codec.load": (ImageCodec, "load", "fit"),
        "fit -> model": (learn.model[2], "forward", "fit"),
        "fit -> loss function": (F, "cross_entropy", "fit"),
    }
    for what, (owner, name, top) in paths.items():
        spy = Deepest(library, top)
        with spied(owner, name, spy):
            learn.fit(1)
        # The spy stands in for `load` itself, which counts.
        frames = spy.frames + (["codec.ImageCodec.load"] if name == "load" else [])
        counts[f"frames: {what}"], detail[f"frames: {what}"] = len(frames), frames
    spy = Deepest(library, "show_results")
    with spied(matplotlib.axes.Axes, "imshow", spy):
        learn.show_results(max_n=2)
    what = "frames: show_results -> imshow"
    counts[what], detail[what] = len(spy.frames), spy.frames
    data = learn.dls.train.dataset
    data.inputs([0], seed=0, epoch=0)
    row = library.calls(lambda: data.inputs([0], seed=0, epoch=0))
    batch = per_batch(library, lambda n: listed_learner(n, place).fit)
    learn = learner(1 << 30)
    images = per_batch(library, lambda n: more_passes(learn, n).fit, len(learn.dls.train))
    shown = library.calls(lambda: learn.show_results(max_n=2))
    for what, found in (
        ("calls: one row of the data set", row),
        ("calls: one training batch", batch),
        (IMAGES, images),
        ("calls: show_results(max_n=2)", shown),
    ):
        total = sum(found.values())
        counts[what], detail[what] = round(total), dict(found.most_common(25))
    return counts, detail


def listed_learner(n: int, place: Path) -> Any:
    """A learner over ``n`` batches that are there already."""
    import torch.nn.functional as F

    from redstart.data.loaders import DataLoaders
    from redstart.metrics.functions import accuracy
    from redstart.train.learner import Learner

    made = batches(n, 1)
    dls = DataLoaders(made, made[:1])
    return Learner(
        dls,
        mlp(),
        loss_func=F.cross_entropy,
        metrics=accuracy,
        path=place,
        precision="float32",
    )


def more_passes(learn: Any, n: int) -> Any:
    """The same learner with ``n`` passes over the rows in an epoch."""
    learn.dls = replace(learn.dls, train=learn.dls.train.replace(passes=n))
    return learn


def per_batch(
    library: Library, fit_of: Callable[[int], Callable[[int], Any]], times: int = 1
) -> Counter[str]:
    """Calls that one more training batch costs, by name.

    Args:
        library: Whose calls count.
        fit_of: Makes the ``fit`` of a learner whose epoch is so many units long.
        times: Training batches in a unit.
    """
    few, many = 4, 12
    with silent():
        counts = []
        for n in (few, few, many):  # the first is not used: what runs once has run then
            fit = fit_of(n)
            counts.append(library.calls(lambda fit=fit: fit(1)))
    steps = (many - few) * times
    found = {name: (count - counts[1][name]) / steps for name, count in counts[2].items()}
    return Counter({name: round(n, 2) for name, n in found.items() if n})


def theirs(folder: Path, place: Path) -> tuple[dict[str, int], dict[str, Any]]:
    """The same of fastai."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.axes
    from fastai.vision.all import ImageDataLoaders, Learner, Resize
    from PIL import Image
    from torch import nn

    dls = ImageDataLoaders.from_folder(
        folder, valid_pct=0.2, seed=42, item_tfms=Resize(32), bs=16, num_workers=0
    )
    loss = nn.CrossEntropyLoss()
    library = Library("fastai", "fastcore", "fasttransform", "plum")
    learn = Learner(dls, tiny(), loss_func=loss, path=place)
    counts, detail = {}, {}
    paths = {
        "fit -> codec.load": (Image, "open", "fit"),
        "fit -> model": (learn.model[2], "forward", "fit"),
        "fit -> loss function": (loss, "forward", "fit"),
    }
    for what, (owner, name, top) in paths.items():
        spy = Deepest(library, top)
        with silent(), spied(owner, name, spy):
            learn.fit(1)
        counts[f"frames: {what}"], detail[f"frames: {what}"] = len(spy.frames), spy.frames
    spy = Deepest(library, "show_results")
    with silent(), spied(matplotlib.axes.Axes, "imshow", spy):
        learn.show_results(max_n=2)
    what = "frames: show_results -> imshow"
    counts[what], detail[what] = len(spy.frames), spy.frames
    row = library.calls(lambda: dls.train_ds[0])
    batch = per_batch(library, lambda n: fastai_listed(n).fit)
    with silent():
        shown = library.calls(lambda: learn.show_results(max_n=2))
    for what, found in (
        ("calls: one row of the data set", row),
        ("calls: one training batch", batch),
        ("calls: show_results(max_n=2)", shown),
    ):
        counts[what], detail[what] = round(sum(found.values())), dict(found.most_common(10))
    return counts, detail


def fastai_listed(n: int) -> Any:
    """fastai's learner over ``n`` batches that are there already."""
    import torch
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.metrics import accuracy

    made = batches(n, 1)
    dls = DataLoaders(Listed(made), Listed(made[:1]), device=torch.device("cpu"))
    return Learner(dls, mlp(), loss_func=torch.nn.functional.cross_entropy, metrics=accuracy)


def main() -> None:
    args = options(__doc__, lambda p: p.add_argument("--detail", action="store_true"))
    import torch

    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    from redstart.vision.digits import write_digits

    report = Benchmark("calls", args)
    with tempfile.TemporaryDirectory() as scratch:
        digits, place = write_digits(Path(scratch) / "digits"), Path(scratch) / "runs"
        if args.quick:
            thin_out(digits, keep=12)
        counts, detail = ours(digits, place)
        peer: dict[str, int] = {}
        if not args.no_peers:
            try:
                peer, _ = theirs(digits, place)
            except ImportError:
                report.skipped.append("fastai is not installed")
    for what in counts:
        budget = BUDGET.get(what)
        row = {"what": what, "redstart": counts[what], "budget": budget, "fastai": peer.get(what)}
        report.rows.append(row)
        if budget is not None:
            report.targets.append(Target(what, counts[what], budget))
        if args.detail:
            print(what, *_lines(detail[what]), sep="\n    ")
    report.notes.append("A training batch is what one more costs; its loader's calls are counted.")
    report.finish()


def _lines(detail: Any) -> list[str]:
    if isinstance(detail, dict):
        return [f"{count:8} {name}" for name, count in detail.items()]
    return list(detail)


def thin_out(folder: Path, keep: int) -> None:
    """Leave a few files per folder."""
    for label in folder.iterdir():
        for file in sorted(label.iterdir())[keep:]:
            file.unlink()


if __name__ == "__main__":
    main()
