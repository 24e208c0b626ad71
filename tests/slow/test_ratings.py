"""Real ratings: what the recommenders must reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from redstart.collab import (
    CollabDataLoaders,
    IndexSplitter,
    LastOutSplitter,
    collab_learner,
    load_learner,
)

NAMES = ["user", "movie", "rating", "time"]


def read(shared: Path, name: str) -> Any:
    return pd.read_csv(shared / "data/ml-100k" / name, sep="\t", names=NAMES)


@pytest.mark.slow
def test_ratings_of_the_first_fold(shared: Path, tmp_path: Path) -> None:
    base, test = (read(shared, f"u1.{part}") for part in ("base", "test"))
    frame = pd.concat([base, test], ignore_index=True)
    valid = range(len(base), len(frame))
    dls = CollabDataLoaders.from_df(frame, bs=2048, splitter=IndexSplitter(valid), device="cpu")
    learn = collab_learner(dls, arch="svd++", path=tmp_path)
    assert learn.fit_one_cycle(20).rows[-1]["rmse"] < 0.9
    bundle: Any = load_learner(learn.export("films.redstart"), device="cpu")
    assert bundle.recommend(1, 5).items == learn.recommend(1, 5).items
    new = {50: 5, 181: 5, 172: 5}
    assert bundle.recommend(ratings=new, k=5).items == learn.recommend(ratings=new, k=5).items


@pytest.mark.slow
def test_what_everybody_watched_last(shared: Path, tmp_path: Path) -> None:
    dls = CollabDataLoaders.from_df(
        read(shared, "u.data"),
        implicit=True,
        timestamp_name="time",
        splitter=LastOutSplitter("user", "time"),
        device="cpu",
    )
    learn = collab_learner(dls, n_factors=64, path=tmp_path)
    assert learn.fit_als()["ndcg"].value > 0.1
    assert all(difference.interval[0] > 0 for difference in learn.rankings().differences)
