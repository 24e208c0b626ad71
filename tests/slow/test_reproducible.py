"""One seed, one result: in one process and in two."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from redstart.domain import domain_names

CODE = """
import sys, torch
from pathlib import Path
from redstart.domain import find_domain
from redstart.train.learner import Learner
from redstart.train.weights import digest
torch.set_num_threads(2)
domain = find_domain(sys.argv[1])
dls, recipe = domain.example(Path(sys.argv[2]) / "data")
learn = Learner(dls, domain.build(recipe, seed=dls.seed), recipe=recipe, path=sys.argv[2])
print(learn.fit_one_cycle(3).losses, digest(learn.model))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", domain_names())
def test_two_processes_agree_whatever_their_hash_seed(name: str, tmp_path: Path) -> None:
    found = set()
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        out = subprocess.run(
            [sys.executable, "-c", CODE, name, str(folder)],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": "", "HOME": str(tmp_path)},
        )
        found.add(out.stdout)
    assert len(found) == 1
