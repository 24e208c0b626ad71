from __future__ import annotations

import pytest

from redstart.errors import ConfigError
from redstart.show.slices import SliceBar, plot_slices

BARS = [
    SliceBar("brightness below 0.2", 41, 0.71, (0.55, 0.83), 0.78, True),
    SliceBar("$x^2 <b>" * 20, 1200, 0.9, None, 0.91, False),
]


def test_each_slice_is_a_row_with_its_count_and_value() -> None:
    drawing = plot_slices(BARS, 0.93, figure="accuracy", note="2 of 9", share=True)
    ax = drawing.axes[0]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names[0] == "brightness below 0.2  (41)"
    assert names[1].endswith("(1,200)") and "…" in names[1]
    assert [t.get_text() for t in ax.texts] == ["0.71", "0.90"]
    low, high = ax.get_xlim()
    assert low < 0.55 and high > 0.93


def test_it_saves_itself(tmp_path: object) -> None:
    assert "accuracy of 2 slices" in repr(plot_slices(BARS, 0.93, figure="accuracy"))
    assert "<img" in plot_slices(BARS, 0.93, figsize=(5, 3)).html()


def test_no_slice_is_refused() -> None:
    with pytest.raises(ConfigError, match="a slice to draw"):
        plot_slices([], 0.5)
