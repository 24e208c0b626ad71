"""The reliability diagram: its text fits, and it says which bins are off."""

from __future__ import annotations

import numpy as np
import pytest

from redstart.errors import ConfigError
from redstart.show.drawing import BLUE, ORANGE, Drawing
from redstart.show.reliability import ReliabilityBin, plot_reliability


def a_bin(said: float, right: float, half: float = 0.05, n: int = 100) -> ReliabilityBin:
    return ReliabilityBin(
        low=max(said - 0.02, 0),
        high=min(said + 0.02, 1),
        n=n,
        said=said,
        right=right,
        interval=(max(right - half, 0), min(right + half, 1)),
    )


def inside(drawing: Drawing) -> bool:
    """Whether everything that is written lies inside the picture."""
    drawing._repr_png_()
    box, (width, height) = drawing.figure.get_tightbbox(), drawing.figure.get_size_inches()
    return bool(box.x0 > -0.02 and box.x1 < width + 0.02 and box.y0 > -0.02 and box.y1 < height)


def heights(drawing: Drawing) -> list[float]:
    return [bar.get_height() for bar in drawing.axes[1].patches]


def test_bins_that_are_off_have_another_colour() -> None:
    good, bad = a_bin(0.6, 0.62), a_bin(0.9, 0.7)
    assert (good.off, bad.off) == (False, True)
    drawing = plot_reliability([good, bad], note="calibration error 0.1\noverconfident")
    dots = [line for line in drawing.axes[0].lines if line.get_marker() == "o"]
    assert [dot.get_color() for dot in dots] == [BLUE, ORANGE]
    assert inside(drawing)


@pytest.mark.parametrize(
    "bins",
    [
        [a_bin(1.0, 1.0)],
        [a_bin(0.0, 0.0), a_bin(1.0, 1.0)],
        [a_bin(0.7, 0.0, 0.8, n=1)],
        [a_bin(x, x) for x in np.linspace(0.3, 1, 15).tolist()],
    ],
)
def test_the_spread_of_confidence_is_shares_that_sum_to_one(bins: list[ReliabilityBin]) -> None:
    drawing = plot_reliability(bins, note="$x $y " * 40, answers="labels")
    assert sum(heights(drawing)) == pytest.approx(1)
    assert f"{sum(b.n for b in bins):,} labels" in drawing.axes[1].get_xlabel()
    assert inside(drawing)


def test_answers_that_are_all_certain_are_one_bar_at_the_right_end() -> None:
    certain = ReliabilityBin(low=1, high=1, n=1000, said=1, right=0.97, interval=(0.96, 0.98))
    drawing = plot_reliability([certain])
    assert np.flatnonzero(heights(drawing)).tolist() == [19]
    assert certain.off


def test_no_bin_is_refused() -> None:
    with pytest.raises(ConfigError, match="Expected a bin to draw"):
        plot_reliability([])
