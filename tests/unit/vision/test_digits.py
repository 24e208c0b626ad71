from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from redstart.vision.digits import write_digits


def digest(folder: Path) -> str:
    found = hashlib.sha256()
    for file in sorted(folder.rglob("*.png")):
        found.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return found.hexdigest()


def test_all_digits_as_files_by_label() -> None:
    from sklearn.datasets import load_digits

    folder = write_digits("digits")
    assert sorted(p.name for p in folder.iterdir()) == list("0123456789")
    files = sorted(folder.rglob("*.png"), key=lambda p: p.name)
    assert len(files) == 1797
    data = load_digits()
    assert [int(f.parent.name) for f in files] == data.target.tolist()
    pixels = np.asarray(Image.open(files[10]))
    assert pixels.dtype == np.uint8
    assert np.array_equal(np.rint(pixels * (16 / 255)), data.images[10])


def test_the_same_files_every_time() -> None:
    assert digest(write_digits("once")) == digest(write_digits("twice"))
