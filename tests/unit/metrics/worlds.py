"""Made-up data whose true figures are known: for seeing how often an interval holds them.

The "true" figure of a metric is the one on very many rows of the same kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from redstart.metrics.cluster import cluster_interval, measured
from redstart.metrics.counts import ConfusionMetric
from redstart.metrics.interval import effective_size
from redstart.metrics.make import as_metric
from redstart.metrics.metric import Interval
from redstart.metrics.paired import paired_difference
from redstart.rng import generator

MANY = 1_000_000


@dataclass(frozen=True)
class World:
    """Where rows come from.

    Attributes:
        kind: ``classes``, ``labels`` or ``numbers``.
        shares: How frequent the classes are.
        signal: How far the model sees the true class above the others; of numbers, the share
            of their variance that it explains.
        noise: ``normal``, ``laplace`` or ``skewed``: of errors of numbers.
        tied: Share of the variance of the noise that rows of a group have in common.
        size: Rows of a group; 1 is no groups. Negative: half the groups have three times as many.
        fixed: Whether classes have exactly their shares of the rows (a stratified sample).
        gap: How much worse the second model is.
    """

    kind: str = "classes"
    shares: tuple[float, ...] = (0.5, 0.5)
    signal: float = 2.0
    noise: str = "normal"
    tied: float = 0.0
    size: int = 1
    fixed: bool = False
    gap: float = 0.1

    def groups(self, n: int) -> Tensor:
        """Group numbers ``(n,)``."""
        if self.size > 0:
            return torch.arange(n) // self.size
        step = torch.tensor([-self.size, -3 * self.size]).repeat(n)[:n]
        return torch.arange(len(step)).repeat_interleave(step)[:n]

    def draw(self, times: int, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs of two models ``(times, n, C)`` and targets ``(times, n, ...)``."""
        groups = self.groups(n)
        count = int(groups.max()) + 1

        def noise(width: int) -> Tensor:
            own = _noise(self.noise, (times, n, width), rng)
            if not self.tied:
                return own
            common = _noise(self.noise, (times, count, width), rng)[:, groups]
            return self.tied**0.5 * common + (1 - self.tied) ** 0.5 * own

        if self.kind == "numbers":
            seen = self.signal**0.5 * noise(1)
            error, extra = noise(1), noise(1)
            y = seen + (1 - self.signal) ** 0.5 * error
            return seen, seen + (1 - self.signal) ** 0.5 * self.gap**0.5 * extra, y
        classes = len(self.shares)
        if self.kind == "labels":
            y = (torch.rand(times, n, classes, generator=rng) < torch.tensor(self.shares)).float()
            marks = 2 * y - 1
        else:
            y = self._classes(times, n, rng)
            marks = torch.nn.functional.one_hot(y, classes).float()
        shared = noise(classes)
        a = self.signal * marks + 0.8 * shared + 0.6 * noise(classes)
        b = (self.signal - self.gap) * marks + 0.8 * shared + 0.6 * noise(classes)
        return a, b, y

    def _classes(self, times: int, n: int, rng: torch.Generator) -> Tensor:
        shares = torch.tensor(self.shares, dtype=torch.float64)
        if not self.fixed:
            return torch.multinomial(shares, times * n, replacement=True, generator=rng).view(
                times, n
            )
        ends = (shares.cumsum(0) / shares.sum() * n).round().long()
        return torch.searchsorted(ends, torch.arange(n), right=True).expand(times, n)


def _noise(kind: str, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    """Of mean 0 and variance 1."""
    if kind == "normal":
        return torch.randn(shape, generator=rng)
    exponential = torch.empty(shape).exponential_(generator=rng)
    if kind == "skewed":
        return exponential - 1
    sign = torch.randint(0, 2, shape, generator=rng) * 2 - 1
    return sign * exponential / 2**0.5


@cache
def _truth(world: World) -> tuple[Tensor, Tensor, Tensor]:
    a, b, y = world.draw(1, MANY, generator(7))
    return a[0], b[0], y[0]


@cache
def truth(metric: Any, world: World) -> tuple[float, float]:
    """The true figures of the two models."""
    a, b, y = _truth(world)
    return measured(as_metric(metric), a, y), measured(as_metric(metric), b, y)


def samples(world: World, n: int, times: int, seed: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Sets of ``n`` rows: outputs of two models, and targets."""
    rng = generator(seed, n)
    block = max(1, min(times, 1_000_000 // n))
    for at in range(0, times, block):
        yield from zip(*world.draw(min(block, times - at), n, rng), strict=True)


def alone(metric: Any, world: World) -> Callable[[Tensor, Tensor, Tensor], Interval | None]:
    """The interval of one model's figure; by groups where the world has some."""
    made = as_metric(metric)

    def found(a: Tensor, b: Tensor, y: Tensor) -> Interval | None:
        if world.size != 1:
            return cluster_interval(made, a, y, groups=world.groups(len(y)))
        made.reset()
        made.update(a, y)
        return made.interval()

    return found


def paired(metric: Any, world: World) -> Callable[[Tensor, Tensor, Tensor], Interval | None]:
    """The interval of the difference of two models."""
    made = as_metric(metric)

    def found(a: Tensor, b: Tensor, y: Tensor) -> Interval | None:
        groups = None if world.size == 1 else world.groups(len(y))
        return paired_difference(made, a, b, y, groups=groups)[1]

    return found


def coverage(
    metric: Any, world: World, n: int, times: int = 2000, *, pair: bool = False, seed: int = 1
) -> tuple[float, float]:
    """How often the interval holds the true figure, and how often there is none.

    Args:
        metric: A name or function.
        world: Where rows come from.
        n: Rows in each set.
        times: Sets.
        pair: Whether the difference of the two models is looked at.
        seed: Of the draws.
    """
    first, second = truth(metric, world)
    true = first - second if pair else first
    made = as_metric(metric)
    if isinstance(made, ConfusionMetric) and world.size == 1 and not pair:
        return _of_counts(made, world, n, times, seed, true), 0.0
    interval = (paired if pair else alone)(metric, world)
    inside = missing = 0
    for a, b, y in samples(world, n, times, seed):
        ends = interval(a, b, y)
        if ends is None:
            missing += 1
        else:
            inside += ends[0] <= true <= ends[1]
    return inside / max(times - missing, 1), missing / times


def _of_counts(
    metric: ConfusionMetric, world: World, n: int, times: int, seed: int, true: float
) -> float:
    """The same arithmetic as ``count_interval``, for all sets at once."""
    classes = len(world.shares)
    cells = [y * classes + a.argmax(1) for a, _, y in samples(world, n, times, seed)]
    counts = torch.stack([torch.bincount(c, minlength=classes**2) for c in cells]).double()
    values, sizes = effective_size(
        counts.view(-1, classes, classes), metric.statistic, metric.bounds
    )
    low, high = metric.bounds
    # Wilson's interval holds the shares whose score is not too far off (Wilson, 1927).
    share, wanted = (values - low) / (high - low), (true - low) / (high - low)
    far = 1.959963984540054 * (wanted * (1 - wanted) / sizes).sqrt()
    defined = share.isfinite()
    return ((share - wanted).abs() <= far)[defined].double().mean().item()


def spread(out: Tensor, y: Tensor) -> Tensor:
    """A figure of the user's own: standard deviation of the errors."""
    return (out - y).std()


def median_error(out: Tensor, y: Tensor) -> Tensor:
    """Another, which is no smooth function of the rows."""
    return (out - y).abs().median()


def agreement(out: Tensor, y: Tensor) -> Tensor:
    """Another: Pearson's correlation."""
    return torch.corrcoef(torch.stack((out.flatten(), y.flatten())))[0, 1]
