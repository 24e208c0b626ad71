"""What the audit, the intervals and the report cost beside the training that they are about.

The demo (1,797 digits, a small network from random weights, 12 epochs) and 244 photos of ants
and bees (``fine_tune(3)`` of a pretrained network at 224 pixels), everything at its defaults, in
fresh processes of one library. Training is ``learn.fine_tune`` less what belongs to the audit;
reading the files is training's (it decodes them either way). A batch has been drawn before, as
`redstart train` does; packages that only the evaluation imports are imported within its time.
Baselines are counted apart: they are models that train.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import Benchmark, Target, options, rounds, shared

WEIGHTS = "mobilenetv2_100.timm.in1k.safetensors"


def one(kind: str, data: str, weights: str, quick: str) -> dict[str, float]:
    """Train once and take the time of each part; runs in a process of its own."""
    import logging

    from redstart.data import auditing
    from redstart.train import fitting
    from redstart.vision import ImageDataLoaders, Resize, aug_transforms, vision_learner

    logging.disable(logging.WARNING)
    spent = {"audit": 0.0}
    plain = auditing.audit_rows

    def timed(*args: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return plain(*args, **options)
        finally:
            spent["audit"] += time.perf_counter() - start

    fitting.audit_rows = timed
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["REDSTART_HOME"] = scratch
        if kind == "demo":
            dls = ImageDataLoaders.from_folder(
                data, item_tfms=Resize(32), batch_tfms=aug_transforms(do_flip=False)
            )
            learn = vision_learner(dls, "test_resnet", pretrained=False, path=scratch)
            epochs, rate = (1 if quick else 12), {"base_lr": 0.005, "freeze_epochs": 0}
        else:
            dls = ImageDataLoaders.from_folder(data, valid="val", item_tfms=Resize(224))
            learn = vision_learner(dls, "mobilenetv2_100", pretrained=weights, path=scratch)
            epochs, rate = (1 if quick else 3), {}
        dls.show_batch()  # as `redstart train` does before; so matplotlib is imported
        start = time.perf_counter()
        learn.fine_tune(epochs, **rate)
        spent["training"] = time.perf_counter() - start - spent["audit"]
        start = time.perf_counter()
        learn.validate()
        spent["one pass over validation rows, with intervals"] = time.perf_counter() - start
        start = time.perf_counter()
        learn.baselines()
        spent["baselines"] = time.perf_counter() - start
        start = time.perf_counter()
        learn.report().save(scratch)
        spent["report"] = time.perf_counter() - start
    return spent


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] == "--one":
        print(json.dumps(one(*sys.argv[2:])))
        return
    args = options(__doc__)
    report = Benchmark("evaluation_cost", args)
    with tempfile.TemporaryDirectory() as folder:
        from redstart.vision.digits import write_digits

        kinds = {"demo": (str(write_digits(Path(folder) / "digits", held_out=360)), "")}
        base = shared(args)
        photos = None if base is None else base / "data" / "hymenoptera"
        if photos is not None and photos.is_dir():
            kinds["photos"] = (str(photos), str(base / "weights" / WEIGHTS))
        else:
            report.skipped.append("no photos of ants and bees: see `--shared`")
        for kind, (data, weights) in kinds.items():
            runs = []
            for _ in range(rounds(args, 3, 1)):
                quick = "quick" if args.quick else ""
                command = [sys.executable, __file__, "--one", kind, data, weights, quick]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                runs.append(json.loads(done.stdout.splitlines()[-1]))
            middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
            shares = [(run["audit"] + run["report"]) / run["training"] for run in runs]
            row = {"what": kind, **middle, "audit + report": statistics.median(shares)}
            report.rows.append(row)
            what = f"{kind}: audit, intervals and report beside training"
            report.targets.append(Target(what, statistics.median(shares), 0.15))
    report.notes.append(
        "Medians over fresh processes, in seconds; the share is the median of the runs' shares. "
        "The report predicts the validation rows and up to 1,000 training rows; intervals are in "
        "it, and in training itself."
    )
    report.finish()


if __name__ == "__main__":
    main()
