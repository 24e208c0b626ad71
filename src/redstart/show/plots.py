"""Curves from plain numbers: losses, metrics, rates. The door to every plot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from redstart.errors import ConfigError, problem
from redstart.show.confusion import plot_confusion_matrix
from redstart.show.drawing import BLUE, ORANGE, Drawing, heading, new_figure, style
from redstart.show.lettering import one_line, shorten, text_width
from redstart.show.per_class import ClassScores, plot_per_class

__all__ = ["ClassScores", "plot_confusion_matrix", "plot_losses", "plot_lr_find"]
__all__ += ["plot_metrics", "plot_per_class", "plot_schedule"]

_PANEL: Final = (4.2, 2.8)  # inches, of one panel of several
_MARKERS: Final = "osD^vP"
_COLORS: Final = (ORANGE, "#009e73", "#cc79a7", "#e69f00", "#56b4e9")

Values = npt.NDArray[np.float64]
Numbers = Sequence[float] | npt.NDArray[np.generic]


def plot_losses(
    steps: Numbers,
    train: Numbers,
    valid_steps: Numbers = (),
    valid: Numbers = (),
    *,
    smooth: float = 0.9,
    figsize: tuple[float, float] | None = None,
    title: str | None = "Loss",
) -> Drawing:
    """Draw the training loss of each step and the validation loss of each epoch.

    The height is set by all validation losses and 99% of the training losses: a first
    step far above the rest does not flatten the curve.

    Args:
        steps: Steps at which ``train`` was measured, increasing.
        train: Training losses; those not finite leave a gap.
        valid_steps: Steps at which the epochs ended.
        valid: Validation losses.
        smooth: Weight of the past in the exponential mean, in [0, 1); 0 draws only the
            losses themselves.
        figsize: Width and height in inches.
        title: The heading.

    Returns:
        The drawing.

    Raises:
        ConfigError: If lengths differ, there is nothing to draw, or ``smooth`` is out of range.
    """
    xs, ys = _pairs("steps", steps, "train", train)
    at, held = _pairs("valid_steps", valid_steps, "valid", valid)
    if not 0 <= smooth < 1:
        raise ConfigError(
            problem("Expected `smooth` in [0, 1)", f"smooth={smooth}", "0.9 is usual.")
        )
    if not len(ys) and not len(held):
        raise ConfigError(
            problem("Expected losses to draw", "train=[], valid=[]", "Train first, with `fit`.")
        )
    with style():
        fig, ax = _single(figsize or (6.4, 4.0), title)
        if smooth and len(ys) > 2:
            ax.plot(xs, ys, color=BLUE, alpha=0.25, linewidth=0.8)
            ax.plot(xs, _smoothed(ys, smooth), color=BLUE, label="train, smoothed")
        elif len(ys):
            ax.plot(xs, ys, color=BLUE, label="train", marker="." if len(ys) < 3 else "")
        if len(held):
            lowest = f", lowest {np.nanmin(held):.4g}" if np.isfinite(held).any() else ""
            ax.plot(at, held, color=ORANGE, marker="o", ms=5, label=f"valid{lowest}")
        _limit(ax, ys, held)
        ax.set(xlabel="step", ylabel="loss")
        _whole_numbers(ax)
        ax.legend(loc="upper center", ncols=2, bbox_to_anchor=(0.5, -0.14))
        _frame(fig, ax, below=0.84, title=title)
    return Drawing(fig, "losses")


def plot_metrics(
    rows: Sequence[Mapping[str, float]],
    *,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Drawing:
    """Draw each metric over the epochs, in a panel of its own.

    Args:
        rows: One mapping per epoch, from name to value; where a row holds ``"epoch"``, that
            is its place, else its position counted from 0. A name may be missing in some.
        figsize: Width and height in inches.
        title: A heading over the panels.

    Returns:
        The drawing, one ``Axes`` per name.

    Raises:
        ConfigError: If there is no row or no metric.
    """
    names = list(dict.fromkeys(name for row in rows for name in row if name != "epoch"))
    if not names:
        raise ConfigError(
            problem("Expected metrics to draw", f"rows={list(rows)!r}", "Train first, with `fit`.")
        )
    epochs = [float(row.get("epoch", i)) for i, row in enumerate(rows)]
    with style():
        fig, axes = _panels(len(names), figsize, title)
        for ax, name in zip(axes, names, strict=True):
            ys = np.array([row.get(name, math.nan) for row in rows], dtype=np.float64)
            known = ys[np.isfinite(ys)]
            last = f"  {known[-1]:.4g}" if len(known) else ""
            ax.plot(epochs, ys, color=BLUE, marker="o", ms=4)
            _panel_title(ax, name, last)
            ax.set_xlabel("epoch")
            _whole_numbers(ax)
    return Drawing(fig, f"{len(names)} metrics" if len(names) > 1 else "1 metric")


def plot_lr_find(
    lrs: Numbers,
    losses: Numbers,
    suggestions: Mapping[str, float] | None = None,
    *,
    figsize: tuple[float, float] | None = None,
    title: str | None = "Learning rate finder",
) -> Drawing:
    """Draw the loss over the learning rate, and where to pick one.

    What follows the lowest loss is cut where the loss has climbed half the way it fell
    above its start, or is no longer finite: there training diverged.

    Args:
        lrs: Learning rates tried, positive and increasing.
        losses: Loss at each.
        suggestions: Learning rate by the name of the rule that suggests it.
        figsize: Width and height in inches.
        title: The heading.

    Returns:
        The drawing.

    Raises:
        ConfigError: If lengths differ, or no rate is positive with a finite loss.
    """
    xs, ys = _pairs("lrs", lrs, "losses", losses)
    if not (np.isfinite(ys) & (xs > 0)).any():
        raise ConfigError(
            problem(
                "Expected a finite loss at a positive learning rate",
                f"losses={ys[:3].tolist()}",
                "Start the search at a lower learning rate.",
            )
        )
    keep = slice(0, _end(ys))
    with style():
        fig, ax = _single(figsize or (6.4, 4.0), title)
        ax.plot(xs[keep], ys[keep], color=BLUE)
        ax.set_xscale("log")
        _suggest(ax, xs, ys, suggestions or {}, room=(fig.get_figwidth() - 0.5) * 72 / 3)
        ax.set(xlabel="learning rate (log scale)", ylabel="loss")
        if suggestions:
            ax.legend(
                loc="upper center", ncols=min(3, len(suggestions)), bbox_to_anchor=(0.5, -0.14)
            )
            below = 0.62 + 0.22 * math.ceil(len(suggestions) / 3)
            _frame(fig, ax, below=below, title=title)
    return Drawing(fig, "learning rate finder")


def _suggest(
    ax: Any, xs: Values, ys: Values, suggestions: Mapping[str, float], *, room: float
) -> None:
    sane = np.isfinite(ys)
    for i, (name, rate) in enumerate(suggestions.items()):
        height = float(np.interp(rate, xs[sane], ys[sane]))
        color, marker = _COLORS[i % len(_COLORS)], _MARKERS[i % len(_MARKERS)]
        value = f"  {rate:.2g}"
        words = shorten(one_line(name), room - text_width(value, 9) - 48, 9) + value
        words = words.replace("$", r"\$")  # a legend reads mathematics between dollars
        ax.axvline(rate, color=color, linewidth=1, linestyle="--", zorder=1)
        ax.plot([rate], [height], marker=marker, color=color, linestyle="none", ms=8, label=words)


def plot_schedule(
    values: Mapping[str, Numbers],
    *,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Drawing:
    """Draw hyper-parameters over the steps of training, each in a panel of its own.

    Args:
        values: By name (``lr``, ``momentum``), one value per step.
        figsize: Width and height in inches.
        title: A heading over the panels.

    Returns:
        The drawing, one ``Axes`` per name.

    Raises:
        ConfigError: If there is none.
    """
    if not values:
        raise ConfigError(
            problem("Expected hyper-parameters to draw", "values={}", "Train first, with `fit`.")
        )
    with style():
        fig, axes = _panels(len(values), figsize, title)
        for ax, (name, series) in zip(axes, values.items(), strict=True):
            ax.plot(np.asarray(series, dtype=np.float64), color=BLUE)
            _panel_title(ax, name, "")
            ax.set_xlabel("step")
            _whole_numbers(ax)
    return Drawing(fig, f"schedule of {', '.join(values)}")


def _pairs(x_name: str, xs: Numbers, y_name: str, ys: Numbers) -> tuple[Values, Values]:
    if len(xs) != len(ys):
        raise ConfigError(
            problem(
                f"Expected as many `{x_name}` as `{y_name}`",
                f"len({x_name})={len(xs)}, len({y_name})={len(ys)}",
                "Give one of each per point.",
            )
        )
    values = np.asarray(ys, dtype=np.float64)
    return np.asarray(xs, dtype=np.float64), np.where(np.isfinite(values), values, np.nan)


def _smoothed(values: Values, weight: float) -> Values:
    """Take the exponential mean, unbiased at the start as in Adam (Kingma and Ba, 2015)."""
    out, mean, seen = np.empty_like(values), 0.0, 0.0
    for i, value in enumerate(values):
        if not math.isnan(value):
            mean = weight * mean + (1 - weight) * value
            seen = weight * seen + (1 - weight)
        out[i] = mean / seen if seen and not math.isnan(value) else math.nan
    return out


def _limit(ax: Any, train: Values, valid: Values) -> None:
    known, held = train[np.isfinite(train)], valid[np.isfinite(valid)]
    if len(known) < 20:
        return
    tops = [float(np.quantile(known, 0.99)), *held]
    low, high = min(float(known.min()), *tops), max(tops)
    pad = 0.06 * (high - low) or 0.1
    ax.set_ylim(low - pad, high + pad)


def _end(losses: Values) -> int:
    """Return where the curve is cut: behind the first point after the lowest that is too high."""
    finite = np.flatnonzero(np.isfinite(losses))
    lowest = int(np.nanargmin(losses))
    start = float(np.median(losses[finite[: max(1, len(finite) // 10)]]))
    limit = start + 0.5 * max(start - float(losses[lowest]), 1e-12)
    for i in range(lowest + 1, len(losses)):
        if math.isnan(losses[i]) or losses[i] > limit:
            return i + 1
    return len(losses)


def _single(size: tuple[float, float], title: str | None) -> tuple[Any, Any]:
    fig = new_figure(*size)
    ax = fig.add_axes((0, 0, 1, 1))
    _frame(fig, ax, below=0.6, title=title)
    if title:
        ax.set_title(shorten(one_line(title), (size[0] - 1) * 72, 11, bold=True), parse_math=False)
    return fig, ax


def _frame(fig: Any, ax: Any, *, below: float, title: str | None) -> None:
    """Place a lone ``Axes``: room for its numbers and names, in inches."""
    width, height = fig.get_size_inches()
    left, right, above = 0.75, 0.2, 0.4 if title else 0.15
    across, down = max(width - left - right, 0.5), max(height - below - above, 0.5)
    ax.set_position((left / width, below / height, across / width, down / height))


def _panels(
    n: int, figsize: tuple[float, float] | None, title: str | None
) -> tuple[Any, list[Any]]:
    cols = min(n, 3)
    rows = math.ceil(n / cols)
    above = 0.4 if title else 0.0
    width, height = figsize or (_PANEL[0] * cols, _PANEL[1] * rows + above)
    fig = new_figure(width, height)
    across, down = width / cols, (height - above) / rows
    axes = []
    for i in range(n):
        x, y = (i % cols) * across + 0.7, height - above - (i // cols + 1) * down + 0.55
        box = (max(across - 0.85, 0.4) / width, max(down - 0.95, 0.3) / height)
        axes.append(fig.add_axes((x / width, y / height, *box)))
    if title:
        heading(fig, title, "")
    return fig, axes


def _panel_title(ax: Any, name: str, value: str) -> None:
    box, points = ax.get_window_extent(), 72 / ax.get_figure().dpi
    room = box.width * points - text_width(value, 11, bold=True)
    text = shorten(one_line(name), room, 11, bold=True) + value
    ax.set_title(text, parse_math=False)


def _whole_numbers(ax: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
