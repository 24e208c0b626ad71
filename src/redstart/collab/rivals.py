"""What a model of ratings has to beat, and what its report tells besides."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from redstart.collab.baseline import RatingBiases, RatingNeighbours
from redstart.evaluate.baseline import Baseline
from redstart.evaluate.feedback import recommendation_feedback
from redstart.metrics.paired import measured
from redstart.report.record import Notice, Section, Table, Text
from redstart.train.measure import metrics_of
from redstart.train.predict import Predictions

__all__ = ["biases", "neighbours", "recommendations_chapter"]

_USERS = 500  # whose recommendations are looked at
_K = 10


def biases(learn: Any) -> Baseline:
    """The mean, and how far each user and each item is from it.

    Args:
        learn: A ``CollabLearner`` of ratings.
    """
    return _made(learn, RatingBiases, "mean and biases", "mean, user and item biases")


def neighbours(learn: Any) -> Baseline:
    """How the user rated similar items.

    Args:
        learn: A ``CollabLearner`` of ratings.
    """
    said = "biases, corrected by how the user rated similar items"
    return _made(learn, RatingNeighbours, "item neighbours", said)


def recommendations_chapter(learn: Any, found: Predictions) -> Section:
    """How the catalogue is ranked, and what would come of showing only that.

    Args:
        learn: A ``CollabLearner``.
        found: Its predictions of the validation rows.
    """
    seen = learn.model.seen
    rng = np.random.default_rng(learn.dls.seed)
    names = learn.dls.codec.users[1:]
    some = rng.permutation(len(names))[:_USERS].tolist()
    lists, _ = learn.recommend_all(_K, [names[place] for place in some])
    # The first position stands for items that training did not see, and fills short lists.
    said = recommendation_feedback(lists - 1, seen.popularity().cpu().numpy()[1:])
    compared = learn.rankings(_K)
    return Section(
        "What it recommends",
        Text(f"{compared.note}; 95% intervals are over users."),
        Table(compared.headers, compared.rows),
        Text("\n\n".join(map(str, compared.differences))),
        *(Notice("serious", str(d)) for d in compared.differences if d.clear and d.value < 0),
        Notice(said.severity, said.said, said.mend),
    )


def _made(learn: Any, kind: Any, name: str, said: str) -> Baseline:
    began = time.perf_counter()
    seen = learn.model.seen
    data = learn.dls.valid.dataset
    x, y = data.encoded()[0].cpu().numpy(), data.labels[0].cpu()
    ends = float(seen.values.min()), float(seen.values.max())
    guess = kind(seen).predict(x[:, 0], x[:, 1]).clip(*ends)
    out = torch.from_numpy(guess).float()[:, None]
    metrics = {}
    for metric in metrics_of(learn.dls.target, learn.metrics):
        value = measured(metric, out, y)
        metrics[metric.name] = (value, metric.interval())
    n = learn.dls.train.n_rows
    return Baseline(
        name=name, said=said, out=out, metrics=metrics, seconds=_since(began), n_train=n
    )


def _since(began: float) -> float:
    return time.perf_counter() - began
