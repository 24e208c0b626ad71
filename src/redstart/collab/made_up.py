"""Ratings that are made up, with tastes that a recommender can find."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

__all__ = ["write_ratings"]

_KINDS = ("Space", "Love", "Crime", "Comic", "Ghost", "Horse")
_NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hal")


def write_ratings(file: str | Path, n_users: int = 800, n_items: int = 240) -> Path:
    """Write a table of user, film and rating: each user likes some kinds of film more.

    Every user rates a fifth of the films, mostly such as he likes. The same file comes out
    every time.

    Args:
        file: Its folder is made if needed.
        n_users: How many users.
        n_items: How many films, of six kinds.

    Returns:
        The file.
    """
    file = Path(file)
    rng = np.random.default_rng(7)
    users = [f"{_NAMES[i % len(_NAMES)]} {i // len(_NAMES) + 1}" for i in range(n_users)]
    kinds = np.arange(n_items) % len(_KINDS)
    films = [f"{_KINDS[kind]} film {i // len(_KINDS) + 1}" for i, kind in enumerate(kinds)]
    quality = rng.normal(0, 0.5, n_items)
    taste = rng.normal(0, 0.9, (n_users, len(_KINDS)))
    kindness = rng.normal(0, 0.3, n_users)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(["user", "film", "rating"])
        for row, user in enumerate(users):
            liking = 3.4 + kindness[row] + quality + taste[row, kinds]
            chance = np.exp(1.2 * liking)
            seen = rng.choice(n_items, n_items // 5, replace=False, p=chance / chance.sum())
            noisy = liking[seen] + rng.normal(0, 0.5, len(seen))
            for film, rating in zip(seen, np.clip(np.rint(noisy), 1, 5), strict=True):
                table.writerow([user, films[film], int(rating)])
    return file
