from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from redstart.show.lettering import one_line, shorten, text_width, wrap

words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=120)


@settings(deadline=None, max_examples=40)
@given(words, st.floats(20, 300), st.integers(1, 4))
def test_no_line_is_wider_than_asked_and_none_too_many(text: str, width: float, lines: int) -> None:
    found = wrap(text, width, 9, lines=lines)
    assert len(found) <= lines
    assert all(text_width(line, 9) <= width for line in found if len(line) > 1)


@settings(deadline=None, max_examples=40)
@given(words)
def test_with_room_enough_every_letter_is_kept(text: str) -> None:
    kept = "".join(wrap(text, 60, 9, lines=1000))
    assert kept.replace(" ", "") == one_line(text).replace(" ", "")


def test_the_middle_goes_and_what_tells_names_apart_stays() -> None:
    one = shorten("photograph of a specimen, number 1", 90, 9)
    other = shorten("photograph of a specimen, number 2", 90, 9)
    assert one != other
    assert one.startswith("photo") and "…" in one and one.endswith("1")
    assert shorten("short", 90, 9) == "short"
    assert shorten("photograph of a specimen", 60, 9, tail=0.0).endswith("…")


def test_lines_break_after_underscores_before_letters_are_lost() -> None:
    width = text_width("American_bullfrog_", 9)
    assert wrap("American_bullfrog_tadpole", width, 9, lines=2) == ["American_bullfrog_", "tadpole"]


def test_control_characters_and_line_breaks_are_not_drawn() -> None:
    assert one_line("a\n b\t\x00c\u200b") == "a b c"
