"""Run the benchmarks, all or those named, each in a process of its own.

    python benchmarks/run.py                 all, as published
    python benchmarks/run.py loop calls      two of them
    python benchmarks/run.py --quick         all, short: to see that they run

Other options (``--rounds``, ``--threads``, ``--no-peers``, ``--shared``) go to each script.
"""

from __future__ import annotations

import json
import subprocess
import sys

from bench import HERE, RESULTS

NAMES = (
    "calls",
    "imports",
    "loop",
    "predict",
    "decode",
    "ants_bees",
    "tabular_speed",
    "tabular_accuracy",
    "collab_speed",
    "collab_accuracy",
    "leaks",
    "ties",
    "giveaways",
    "coverage",
    "calibration",
    "slices",
    "baselines",
    "label_noise",
    "evaluation_cost",
)


def main() -> int:
    given = sys.argv[1:]
    if {"-h", "--help"} & set(given):
        print(__doc__)
        print("Benchmarks:", ", ".join(NAMES))
        return 0
    wanted = [name for name in NAMES if name in given] or list(NAMES)
    rest = [word for word in given if word not in NAMES]
    broken = []
    for name in wanted:
        done = subprocess.run([sys.executable, str(HERE / f"{name}.py"), *rest], check=False)
        broken += [name] if done.returncode else []
    folder = RESULTS / "quick" if "--quick" in rest else RESULTS
    print("\nAll in all")
    missed = 0
    for name in wanted:
        if name in broken:
            print(f"  {name}: failed")
            continue
        facts = json.loads((folder / f"{name}.json").read_text())
        for target in facts["targets"]:
            said = {True: "met", False: "MISSED", None: "not judged"}[target["met"]]
            missed += target["met"] is False
            value = "" if target["value"] is None else f"{target['value']:.4g}{target['unit']}"
            bound = f"{'>=' if target['at_least'] else '<='} {target['limit']:g}{target['unit']}"
            print(f"  {said:12}  {name:9}  {target['what']}: {value} ({bound})")
    print(f"  {missed} missed, {len(broken)} scripts failed")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
