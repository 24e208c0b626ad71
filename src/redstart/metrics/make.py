"""From what users write after ``metrics=`` to a ``Metric``."""

from __future__ import annotations

import difflib
import functools
import math
import re
from collections.abc import Callable
from typing import Any, final

import torch

from redstart.errors import ConfigError, problem
from redstart.metrics import counts, functions, mean, rows
from redstart.metrics.determination import R2
from redstart.metrics.metric import Interval, Metric

__all__ = ["ObjectMetric", "as_metric", "by_name", "known_names"]

_AVERAGED: dict[str, Callable[[counts.Average], Metric]] = {
    "f1": counts.F1Score,
    "precision": counts.Precision,
    "recall": counts.Recall,
}
_AVERAGES: tuple[counts.Average, ...] = ("binary", "macro", "micro", "weighted")

_BY_NAME: dict[str, Callable[[], Metric]] = {
    "accuracy": mean.accuracy_metric,
    "accuracy_multi": mean.accuracy_multi_metric,
    "balanced_accuracy": counts.BalancedAccuracy,
    "cohen_kappa": counts.CohenKappa,
    "error_rate": mean.error_rate_metric,
    "mae": mean.mae_metric,
    "matthews_corrcoef": counts.MatthewsCorrCoef,
    "mse": mean.mse_metric,
    "r2": R2,
    "rmse": mean.rmse_metric,
    "roc_auc": rows.RocAuc,
    "top_k_accuracy": mean.top_k_metric,
    **{name: functools.partial(make, "auto") for name, make in _AVERAGED.items()},
    **{
        f"{name}_{average}": functools.partial(make, average)
        for name, make in _AVERAGED.items()
        for average in _AVERAGES
    },
}

_BY_FUNCTION: dict[Callable[..., Any], Callable[..., Metric]] = {
    functions.accuracy: mean.accuracy_metric,
    functions.accuracy_multi: mean.accuracy_multi_metric,
    functions.error_rate: mean.error_rate_metric,
    functions.mae: mean.mae_metric,
    functions.mse: mean.mse_metric,
    functions.r2: R2,
    functions.rmse: mean.rmse_metric,
    functions.top_k_accuracy: mean.top_k_metric,
}

_TOP = re.compile(r"top_([1-9]\d*)_accuracy")
_SMALLER = re.compile("loss|error|mse|mae|perplexity", re.IGNORECASE)


def known_names() -> tuple[str, ...]:
    """Return the names that ``by_name`` takes, sorted; also ``top_1_accuracy`` and so on."""
    return tuple(sorted(_BY_NAME))


def by_name(name: str) -> Metric:
    """Return a new metric by its name, such as ``error_rate`` or ``top_3_accuracy``.

    Args:
        name: One of ``known_names()``, or ``top_<k>_accuracy``.

    Raises:
        ConfigError: If there is no such metric.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]()
    if top := _TOP.fullmatch(name):
        return mean.top_k_metric(int(top[1]))
    close = difflib.get_close_matches(name, known_names(), n=1)
    guess = f"Did you mean {close[0]!r}? " if close else ""
    raise ConfigError(
        problem(
            "Expected the name of a metric",
            f"metric={name!r}",
            f"{guess}Known names: {', '.join(known_names())}.",
        )
    )


def as_metric(thing: Any) -> Metric:
    """Make a metric of anything that ``metrics=`` takes.

    * a ``Metric``: itself;
    * a name: ``by_name``;
    * a function of this package, or a ``partial`` of one: its streaming metric;
    * another function ``f(out, *y)`` that returns a number: called once with all rows,
      which are kept on the CPU. Smaller is taken to be better if its name has ``loss``,
      ``error``, ``mse``, ``rmse``, ``mae`` or ``perplexity`` in it;
    * an object with ``update``, ``compute`` and ``reset``, as torchmetrics has them:
      without an interval;
    * a class of any of these: built without arguments.

    Raises:
        ConfigError: If it is none of these.
    """
    if isinstance(thing, str):
        return by_name(thing)
    if isinstance(thing, type):
        return as_metric(_built(thing))
    if isinstance(thing, Metric):
        return thing
    if all(callable(getattr(thing, verb, None)) for verb in ("update", "compute", "reset")):
        return ObjectMetric(thing)
    if callable(thing):
        return _from_function(thing)
    raise ConfigError(
        problem(
            "Expected a metric: a name, a function f(out, y), or an object with"
            " `update`, `compute` and `reset`",
            f"metric={thing!r}",
            f"For example metrics='error_rate'. Known names: {', '.join(known_names())}.",
        )
    )


@final
class ObjectMetric:
    """An object with ``update(out, *y)``, ``compute()`` and ``reset()``; has no interval.

    Args:
        thing: The object. A ``torch.nn.Module``, as torchmetrics' are, follows the batches
            to their device. Its ``higher_is_better`` is heeded where it has one.
    """

    def __init__(self, thing: Any) -> None:
        self.name: str = type(thing).__name__
        higher = getattr(thing, "higher_is_better", None)
        self.larger_is_better = _larger(self.name) if higher is None else bool(higher)
        self._thing = thing
        self._device: torch.device | None = None
        self._seen = False

    def reset(self) -> None:
        """Forget every row."""
        self._thing.reset()
        self._seen = False

    def update(self, out: Any, *y: Any) -> None:
        """Add the rows of one batch."""
        device = getattr(out, "device", None)
        if isinstance(self._thing, torch.nn.Module) and device not in (None, self._device):
            self._thing.to(device)
            self._device = device
        self._thing.update(out, *y)
        self._seen = True

    def compute(self) -> float:
        """Return the figure over all rows; not a number if there are none.

        Raises:
            ConfigError: If the object did not return one number.
        """
        if not self._seen:
            return math.nan
        result = self._thing.compute()
        try:
            return float(result)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ConfigError(
                problem(
                    f"Expected {self.name}.compute() to return one number",
                    f"result={type(result).__name__}",
                    "Ask it for an average, or wrap it in an object that does.",
                )
            ) from error

    def interval(self) -> Interval | None:
        """Return ``None``: what the object has kept cannot be known."""
        return None


def _built(kind: type) -> Any:
    try:
        return kind()
    except TypeError as error:
        raise ConfigError(
            problem(
                "Expected a metric class that can be built without arguments",
                f"metric={kind.__name__} ({error})",
                f"Pass an object: metrics={kind.__name__}(...).",
            )
        ) from error


def _from_function(function: Callable[..., Any]) -> Metric:
    inner: Callable[..., Any] = function
    keywords: dict[str, Any] = {}
    bare = True
    if isinstance(function, functools.partial):
        inner, keywords, bare = function.func, function.keywords, not function.args
    try:
        ours = _BY_FUNCTION.get(inner) if bare else None
    except TypeError:  # a callable object that cannot be hashed is none of ours
        ours = None
    if ours is not None:
        return _with_keywords(ours, inner, keywords)
    name = getattr(inner, "__name__", type(inner).__name__)
    return rows.WholeSetMetric(name, function, larger_is_better=_larger(name))


def _with_keywords(
    make: Callable[..., Metric], function: Callable[..., Any], keywords: dict[str, Any]
) -> Metric:
    try:
        return make(**keywords)
    except TypeError as error:
        raise ConfigError(
            problem(
                f"Expected only keywords that {function.__name__!r} takes",
                f"keywords={keywords!r}",
                "See its documentation.",
            )
        ) from error


def _larger(name: str) -> bool:
    return _SMALLER.search(name) is None
