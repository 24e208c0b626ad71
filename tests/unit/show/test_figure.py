from __future__ import annotations

import numpy as np
import pytest
from overlap import clashes, texts

from redstart.errors import ConfigError
from redstart.show.card import Card
from redstart.show.drawing import RIGHT, WRONG, Drawing
from redstart.show.figure import figure, percent
from redstart.show.view import Caption, ImageView, LineView, Number, RowView, TextView

LONG = "a very long label, $x_1$ in it, that nobody wanted and that has more than sixty characters"
SNAKE = "American_bullfrog_lithobates_catesbeianus_juvenile_specimen_with_suffix_0012"


def card(index: int = 0, size: tuple[int, int] = (24, 24), **more: object) -> Card:
    view = ImageView(np.full((*size, 3), 90, np.uint8))
    return Card(index=index, view=view, **more)  # type: ignore[arg-type]


def hard_cards(n: int) -> list[Card]:
    sizes = [(24, 24), (60, 10), (10, 60), (33, 24)]
    names = [LONG, "bee", SNAKE, "x" * 90]
    return [
        card(
            i,
            sizes[i % 4],
            item=f"/data/{'folder/' * 9}{i}_{'f' * 70}.jpg",
            truth=Caption(names[i % 4]),
            pred=Caption(names[i % 3]),
            loss=10.0**i if i < 9 else 0.1,
            confidence=0.5,
        )
        for i in range(n)
    ]


def words(drawing: Drawing) -> list[str]:
    return [text.get_text() for text in texts(drawing)]


@pytest.mark.parametrize("n", [1, 2, 4, 9, 64])
def test_nothing_overlaps(n: int) -> None:
    drawing = figure(hard_cards(n), title=LONG * 3)
    assert len(drawing.axes) == n
    assert clashes(drawing) == []
    boxes = [ax.get_window_extent() for ax in drawing.axes]
    for text, box in texts(drawing).items():
        assert not any(box.padded(-1).overlaps(other.padded(-1)) for other in boxes), text


def test_nothing_overlaps_in_a_size_that_was_asked_for() -> None:
    drawing = figure(hard_cards(6), ncols=2, figsize=(4, 3))
    assert drawing.size[0] == 400
    assert clashes(drawing) == []
    places = [ax.get_position(original=True) for ax in drawing.axes]
    assert all(place.height * drawing.size[1] >= 39 for place in places)


def test_height_that_is_not_needed_is_left_off() -> None:
    drawing = figure([card(i, truth=Caption("a")) for i in range(4)], nrows=1, figsize=(8, 20))
    assert drawing.size[0] == 800 and drawing.size[1] < 350


def test_right_and_wrong_differ_in_more_than_colour() -> None:
    found = texts(
        figure(
            [
                card(truth=Caption("bee"), pred=Caption("bee"), confidence=0.998, loss=0.0021),
                card(truth=Caption("ant"), pred=Caption("wasp"), item="photos/ants/17.jpg"),
            ]
        )
    )
    colours = {text.get_text(): text.get_color() for text in found}
    assert colours["✓ bee"] == RIGHT
    assert colours["✗ wasp"] == WRONG
    assert "is ant" in colours and "is bee" not in colours
    assert ">99% sure · loss 0.0021" in colours
    assert "17.jpg" in colours


def test_without_a_prediction_only_the_truth_is_said() -> None:
    assert words(figure([card(truth=Caption("bee"))])) == ["bee"]


def test_without_the_truth_nothing_is_right_or_wrong() -> None:
    assert words(figure([card(pred=Caption("bee"))])) == ["bee"]


def test_dollars_are_letters() -> None:
    drawing = figure([card(truth=Caption(r"$\frac$ and $100"))])
    assert drawing._repr_png_()


def test_texts_and_curves_stay_in_their_cells() -> None:
    views = [
        TextView("I saw this $film$ twice. " * 60),
        LineView(np.sin(np.arange(99.0)).astype("f")),
    ]
    drawing = figure([Card(index=i, view=v, truth=Caption("yes")) for i, v in enumerate(views)])
    assert clashes(drawing) == []
    shown = [box for text, box in texts(drawing).items() if "saw" in text.get_text()]
    place = drawing.axes[0].get_window_extent()
    assert shown[0].x1 <= place.x1 and shown[0].y0 >= place.y0


# ---- rows of tables


def row_view(n: int) -> RowView:
    hard = (("capital_" * 9, "2,174"), ("country", LONG), (LONG, SNAKE), ("a", "line\nbreak $x$"))
    return RowView((*hard, *((f"column {i}", f"{i}") for i in range(60)))[:n])


def lines_of(drawing: Drawing) -> list[list[str]]:
    """Texts of every ``Axes``, line by line from the top, name before value."""
    return [
        [t.get_text() for t in sorted(ax.texts, key=lambda t: (-t.get_position()[1], t.get_ha()))]
        for ax in drawing.axes
    ]


@pytest.mark.parametrize("figsize", [None, (5, 3), (12, 3)])
def test_rows_of_a_table_do_not_overlap(figsize: tuple[float, float] | None) -> None:
    cards = [
        Card(index=n, view=row_view(n), item=f"row {n}", truth=Number("1,234"), pred=Number("9"))
        for n in (0, 1, 4, 14, 60)
    ]
    drawing = figure(cards, figsize=figsize, title="Rows")
    assert clashes(drawing) == []
    for ax in drawing.axes:
        place = ax.get_window_extent()
        for text, box in texts(drawing).items():
            if text in ax.texts:
                assert place.padded(1.5).contains(box.x0, box.y0)
                assert place.padded(1.5).contains(box.x1, box.y1)


def test_a_row_of_few_columns_is_shown_whole_and_of_many_it_says_how_many_more() -> None:
    few, many = lines_of(figure([Card(index=n, view=row_view(n)) for n in (14, 60)]))
    assert len(few) == 28 and few[8:10] == ["column 0", "0"] and few[-1] == "9"
    assert few[7] == "line break $x$", "one line, and dollars are letters"
    assert len(many) % 2 == 1, "the last line has no value"
    shown = len(many) // 2
    assert many[-1] == f"and {60 - shown} more columns" and 14 < shown < 30


def test_a_long_name_takes_the_room_that_its_value_leaves_and_the_reverse() -> None:
    name, short, country, long, *both = lines_of(figure([Card(index=0, view=row_view(3))]))[0]
    assert (short, country) == ("2,174", "country"), "what is short stays"
    assert all("…" in text for text in (name, long, *both))
    assert len(name) > 30 and len(long) > 30
    assert all(len(text) > 15 for text in both), "half of the line each"


def test_a_figure_of_rows_is_as_high_as_they_need() -> None:
    low, high = (figure([Card(index=0, view=row_view(n))]).size[1] for n in (5, 14))
    assert low < high < figure([Card(index=0, view=row_view(60))]).size[1] < 600
    assert RowView(()).height == 0 and row_view(4).height == 2 * row_view(2).height


def test_numbers_are_neither_right_nor_wrong() -> None:
    near = Card(index=0, view=row_view(2), truth=Number("3"), pred=Number("3.1"))
    same = Card(index=1, view=row_view(2), truth=Number("3"), pred=Number("3"))
    assert near.correct is None and same.correct is None
    drawing = figure([near, same])
    colours = {text.get_text(): text.get_color() for text in drawing.figure.texts}
    assert {"3.1", "is 3", "3"} <= set(colours)
    assert RIGHT not in colours.values() and WRONG not in colours.values()
    assert words(figure([Card(index=0, view=RowView(()), truth=Number("7"))])) == ["7"]


@pytest.mark.parametrize(
    "n, given, shape",
    [(9, {}, "3x3"), (3, {}, "1x3"), (5, {"ncols": 2}, "3x2"), (5, {"nrows": 1}, "1x5"),
     (9, {"nrows": 2, "ncols": 2}, "2x2"), (1, {"ncols": 3}, "1x1")],
)  # fmt: skip
def test_grids(n: int, given: dict[str, int], shape: str) -> None:
    assert repr(figure([card(i) for i in range(n)], **given)).startswith(f"Drawing({shape} card")  # type: ignore[arg-type]


def test_grids_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="at least one card"):
        figure([])
    with pytest.raises(ConfigError, match=r"`ncols` of 1 or more.*ncols=0"):
        figure([card()], ncols=0)
    with pytest.raises(ConfigError, match=r"at most 100 cards.*len\(cards\)=101"):
        figure([card()] * 101)


@pytest.mark.parametrize(
    "share, text", [(0, "0%"), (0.004, "<1%"), (0.42, "42%"), (0.9951, ">99%"), (1, "100%")]
)
def test_percent_rounds_nothing_away(share: float, text: str) -> None:
    assert percent(share) == text
