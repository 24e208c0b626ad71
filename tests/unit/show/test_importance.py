"""Pictures of what columns do: their text fits and says what is meant."""

from __future__ import annotations

import numpy as np
import pytest

from redstart.errors import ConfigError
from redstart.show.dependence import Axis, plot_dependence, plot_dependence_of_two
from redstart.show.drawing import Drawing
from redstart.show.importance import plot_importance


def inside(drawing: Drawing) -> bool:
    """Whether everything that is written lies inside the picture."""
    drawing._repr_png_()
    box, (width, height) = drawing.figure.get_tightbbox(), drawing.figure.get_size_inches()
    return bool(box.x0 > -0.02 and box.x1 < width + 0.02 and box.y0 > -0.02 and box.y1 < height)


def test_bars_that_may_be_nothing_are_grey() -> None:
    drawing = plot_importance(
        [("a" * 60, 2.0, (1.0, 3.0)), ("$b", 0.1, (-0.1, 0.3)), ("c", 0, None)]
    )
    first, second, third = drawing.axes[0].patches
    assert first.get_facecolor() != second.get_facecolor() == third.get_facecolor()
    assert inside(drawing)


def test_only_the_first_are_drawn_and_that_is_said() -> None:
    drawing = plot_importance([(str(i), 9.0 - i, None) for i in range(9)], most=4)
    assert len(drawing.axes[0].patches) == 4
    assert any("first 4 of 9 columns" in t.get_text() for t in drawing.figure.texts)


def test_no_column_is_refused() -> None:
    with pytest.raises(ConfigError, match="Expected a column to draw"):
        plot_importance([])


@pytest.mark.parametrize("scale", [1.0, 400_000.0])
def test_a_number_is_a_line_with_rows_in_grey(scale: float) -> None:
    mean = np.linspace(0, scale, 5)
    drawing = plot_dependence(Axis("age", (1.0, 2.0, 3.0, 4.0, 9.0)), mean, mean[None] * 2, "price")
    assert len(drawing.axes[0].lines) == 3
    assert inside(drawing)


def test_categories_are_dots_with_their_shares() -> None:
    axis = Axis("job", ("a long name of a job, longer than the room", "$y"), (0.998, 0.002))
    drawing = plot_dependence(axis, np.array([0.1, 0.9]), np.zeros((0, 2)), "probability")
    labels = [t.get_text() for t in drawing.axes[0].get_yticklabels()]
    assert labels[1] == "$y  <1%"
    assert inside(drawing)


@pytest.mark.parametrize("names", [("1", "2", "3"), ("a long name", "another long one", "z")])
def test_two_columns_are_a_field(names: tuple[str, ...]) -> None:
    axes = (Axis("up", (1.0, 2.0)), Axis("across", names, (0.5, 0.3, 0.2)))
    drawing = plot_dependence_of_two(axes, np.arange(6.0).reshape(2, 3) * 5000, "price")
    assert drawing.axes[0].images[0].get_array().shape == (2, 3)
    assert inside(drawing)
