"""How long until something happens: imports, ``redstart --help``, the first batch.

Whole processes, in turn. A child that only starts Python is measured too and taken off
where an import alone is meant. Files are read once before, so the disk cache is warm.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from bench import Benchmark, Target, alternate, median, options, quartiles, ratio, rounds

TORCH_SECONDS = 2.7
"""What ``import torch`` takes on the machine that the limits were written for."""

OURS = """
import sys
from redstart.vision import vision_learner
from redstart.vision import ImageDataLoaders, Resize
dls = ImageDataLoaders.from_folder(sys.argv[1], valid_pct=0.2, seed=42, item_tfms=Resize(32))
"""
OURS_BATCH = OURS + "dls.one_batch()\n"
OURS_LEARNER = (
    OURS
    + """learn = vision_learner(dls, "resnet10t", pretrained=False)
learn.dls.one_batch()
"""
)
FASTAI_BATCH = """
import sys
from fastai.vision.all import ImageDataLoaders, Resize, vision_learner
dls = ImageDataLoaders.from_folder(sys.argv[1], valid_pct=0.2, seed=42, item_tfms=Resize(32))
dls.one_batch()
"""


def main() -> None:
    args = options(__doc__)
    report = Benchmark("imports", args)
    with tempfile.TemporaryDirectory() as folder:
        digits = str(Path(folder) / "digits")
        # Written by a child, so that this process does not hold PyTorch in memory.
        run(
            "import sys; from redstart.vision.digits import write_digits as w; w(sys.argv[1])",
            digits,
        )
        tasks: dict[str, Callable[[], None]] = {
            "python": partial(run, "pass"),
            "import redstart": partial(run, "import redstart"),
            "redstart --help": help_text,
            "import torch": partial(run, "import torch"),
            "import torch, torchvision, timm": partial(run, "import torch, torchvision, timm"),
            "vision_learner to first batch": partial(run, OURS_BATCH, digits),
            "the same, the learner made too": partial(run, OURS_LEARNER, digits),
        }
        if not args.no_peers and find_spec("fastai"):
            tasks["fastai to first batch"] = partial(run, FASTAI_BATCH, digits)
        for task in tasks.values():
            task()
        seconds = alternate(tasks, rounds(args, 11, 2))
    heavy = seconds["import torch, torchvision, timm"]
    for name, values in seconds.items():
        report.rows.append(
            {
                "process": name,
                "s": median(values),
                "quartiles": [round(q, 3) for q in quartiles(values)],
                "without python": median(
                    [a - b for a, b in zip(values, seconds["python"], strict=True)]
                ),
                "of torch+torchvision+timm": median(ratio(values, heavy)),
            }
        )
    torch_s = median(seconds["import torch"])
    report.notes.append(
        f"`import torch` takes {torch_s:.2f} s here; the limits in seconds are for a machine "
        f"where it takes {TORCH_SECONDS} s and are compared after scaling to that."
    )
    scale = TORCH_SECONDS / torch_s
    net = median(
        [a - b for a, b in zip(seconds["import redstart"], seconds["python"], strict=True)]
    )
    first = median(ratio(seconds["vision_learner to first batch"], heavy))
    whole = median(ratio(seconds["the same, the learner made too"], heavy))
    report.targets += [
        Target("import redstart, scaled", net * scale, 0.1, unit=" s"),
        Target(
            "redstart --help, scaled", median(seconds["redstart --help"]) * scale, 0.4, unit=" s"
        ),
        Target("to the first batch, against the bare imports", first, 1.3, unit="x"),
        Target("to the first batch with a learner, against the bare imports", whole, 1.3, unit="x"),
    ]
    report.finish()


def run(code: str, *argv: str) -> None:
    command([sys.executable, "-c", code, *argv])


def help_text() -> None:
    """The command that is installed beside this Python."""
    command([str(Path(sys.executable).parent / "redstart"), "--help"])


def command(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{words[0]} failed:\n{done.stderr[-3000:]}")


if __name__ == "__main__":
    main()
