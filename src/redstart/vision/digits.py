"""Real pictures that need no network: the 1,797 handwritten digits in scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np

__all__ = ["write_digits"]


def write_digits(folder: str | Path, *, held_out: int = 0) -> Path:
    """Write the digits as PNG files in one folder per digit, ``3/0010.png`` for row 10.

    One person wrote many that follow each other. Split at random, nearly every held-out
    digit has one by the same hand beside it in training; the last rows are by other hands.

    They are 8 x 8 pixels, grey, 200 of them or fewer per digit (Alpaydin and Kaynak,
    "Optical Recognition of Handwritten Digits", UCI, 1998; the test half of it). The same
    files come out every time.

    Args:
        folder: Made if needed. Files in it that have these names are written again.
        held_out: So many of the last go to ``valid/``, and the others to ``train/``; all lie
            in ``folder`` itself if 0.

    Returns:
        The folder.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    folder = Path(folder)
    found = load_digits()
    for row, (pixels, label) in enumerate(zip(found.images, found.target, strict=True)):
        part = "" if not held_out else "train" if row < len(found.target) - held_out else "valid"
        place = folder / part / str(label)
        place.mkdir(parents=True, exist_ok=True)
        grey = np.rint(pixels * (255 / 16)).astype(np.uint8)  # from 0..16
        Image.fromarray(grey).save(place / f"{row:04d}.png")
    return folder
