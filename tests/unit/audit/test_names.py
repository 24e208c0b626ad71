from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redstart.audit.names import Names, Tie, column_says, moments_in_names, numbered, ties_in_names


def names_of(texts: list[str], labels: list[str | None] | None = None) -> Names:
    return Names.of([Path("data") / text for text in texts], Path("data"), labels or [])


def ties_of(texts: list[str], labels: list[str | None] | None = None) -> list[Tie]:
    def constant(values: object) -> bool:
        return len(set(values.tolist()) - {None}) < 2  # type: ignore[attr-defined]

    return ties_in_names(names_of(texts, labels), constant)


def groups_of(ties: list[Tie]) -> list[list[str | None]]:
    return [tie.groups.tolist() for tie in ties]


def test_a_person_is_the_name_without_the_final_number() -> None:
    ties = ties_of([f"{p}_{k:02d}.jpg" for p in ("Ada_Smith", "Al_Al-Hakim") for k in range(3)])
    assert ["Ada_Smith"] * 3 + ["Al_Al_Hakim"] * 3 in groups_of(ties)
    assert all(tie.told == "letters" for tie in ties)


def test_a_word_says_whom_files_are_of() -> None:
    tie = ties_of([f"patient{p:03d}_slice{k}.png" for p in range(3) for k in range(2)])[0]
    assert tie.groups.tolist() == ["patient000"] * 2 + ["patient001"] * 2 + ["patient002"] * 2
    assert tie.told == "word"


def test_a_session_is_one_of_its_subject() -> None:
    texts = [f"sub-{s}_session{k}_{i}.png" for s in "12" for k in "12" for i in "12"]
    found = [[groups.index(g) for g in groups] for groups in groups_of(ties_of(texts))]
    assert [0, 0, 2, 2, 4, 4, 6, 6] in found
    assert [0, 0, 0, 0, 4, 4, 4, 4] in found


def test_a_speaker_stands_beside_the_class() -> None:
    texts = [f"{d}_{s}_{i}.wav" for d in "01" for s in ("ann", "bob") for i in range(3)]
    ties = ties_of(texts, [t[0] for t in texts])
    assert [t.split("_")[1] for t in texts] in groups_of(ties)
    assert not any("0_ann" in groups for groups in groups_of(ties))


def test_the_class_is_no_tie() -> None:
    texts = [f"{c}_{i}.jpg" for c in ("great_pyrenees", "pug") for i in range(5)]
    labels: list[str | None] = [t.rsplit("_", 1)[0].replace("_", " ").title() for t in texts]
    assert not ties_of(texts, labels)


def test_a_class_without_a_label_is_cut_out_all_the_same() -> None:
    texts = [f"{c}_{i}.jpg" for c in ("cat", "dog") for i in range(5)]
    assert not ties_of(texts, ["cat"] * 5 + ["dog"] * 4 + [None])


def test_folders_are_ties_but_those_of_parts_are_not() -> None:
    ties = ties_of(
        [f"{p}/scene {s}/{i}.png" for p in ("train", "val2") for s in "ab" for i in "12"]
    )
    assert (["scene a"] * 2 + ["scene b"] * 2) * 2 in groups_of(ties)
    assert ties[0].code == "f.parts[-2]"


@pytest.mark.parametrize("tie", [0, 1])
def test_the_code_makes_the_groups(tie: int) -> None:
    texts = [f"{p}_{k}_{i}.png" for p in ("ann", "bob") for k in "xyz" for i in range(2)]
    found = [t for t in ties_of(texts) if t.code][tie]
    code = eval(f"lambda f: {found.code}", {"re": __import__("re")})
    made = [code(Path("data") / text) for text in texts]
    assert len(set(zip(made, found.groups.tolist(), strict=True))) == len(set(made))


def test_hashes_are_told_by_nothing() -> None:
    texts = [f"{k:06x}a1_{i}.jpg" for k in range(4) for i in range(3)]
    assert {tie.told for tie in ties_of(texts)} == {"nothing"}


def test_no_two_ties_are_the_same() -> None:
    found = groups_of(ties_of([f"a{k}_{i}.jpg" for k in range(4) for i in range(3)]))
    partitions = [tuple(groups.index(g) for g in groups) for groups in found]
    assert len(set(partitions)) == len(partitions)


@given(st.lists(st.text(st.characters(exclude_characters="/\0"), min_size=1), max_size=8))
def test_any_names_are_taken_apart(texts: list[str]) -> None:
    for tie in ties_of(texts):
        assert len(tie.groups) == len(texts)
    assert len(numbered(names_of(texts), lambda _: False)[1]) == len(texts)
    assert len(moments_in_names(names_of(texts))[0]) == len(texts)


def test_frames_are_numbered_within_their_film() -> None:
    series, numbers = numbered(
        names_of(["0001TP_006690.png", "0001TP_006720.png", "Seq05VD_f00030.png", "x.png"]),
        lambda _: False,
    )
    assert series[0] == series[1] != series[2]
    assert numbers[:3].tolist() == [6690, 6720, 30]
    assert np.isnan(numbers[3])


def test_the_tail_of_a_hash_is_no_number() -> None:
    numbers = numbered(names_of(["1095476100_3906d8afde.jpg", "13_7e5bb0b5.jpg"]), lambda _: False)
    assert np.isnan(numbers[1]).all()


def test_numbers_that_start_again_in_every_folder_are_of_the_folder() -> None:
    texts = [f"{c}/{i}.png" for c in "ab" for i in range(3)]
    series, _ = numbered(names_of(texts), lambda _: True)
    assert len(set(series)) == 2


@pytest.mark.parametrize(
    ("name", "moment"),
    [
        ("IMG_20200131_120001.jpg", "2020-01-31T12:00:01"),
        ("2020-01-31.png", "2020-01-31T00:00:00"),
        ("cam3 2020-01-31 12.00.01.jpg", "2020-01-31T12:00:01"),
        ("IMG_20201331_120001.jpg", "NaT"),
        ("20190631.png", "NaT"),
        ("ILSVRC2012_val_00000293.JPEG", "NaT"),
        ("120200131999.jpg", "NaT"),
    ],
)
def test_dates_in_names_are_read(name: str, moment: str) -> None:
    found, _ = moments_in_names(names_of([name]))
    assert str(found[0]) == moment


@pytest.mark.parametrize("text", ["IMG_20200131_120001.jpg", "a 2020-01-31.png"])
def test_the_code_reads_the_day(text: str) -> None:
    _, code = moments_in_names(names_of([text]))
    assert eval(f"lambda f: {code}", {"re": __import__("re")})(Path(text)) == "20200131"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("patient_id", "people"),
        ("PatientID", "people"),
        ("userid", "people"),
        ("Household", "people"),
        ("session", "scenes"),
        ("store_nr", "places"),
        ("brand_id", "places"),
        ("family_size", "quantity"),
        ("number_of_customers", "quantity"),
        ("zip", "quantity"),
        ("age_group", "quantity"),
        ("occupation", "nothing"),
        ("relationship", "nothing"),
        ("households", "nothing"),
        ("", "nothing"),
    ],
)
def test_names_of_columns_say_whom_they_tell_apart(name: str, says: str) -> None:
    assert column_says(name) == says
