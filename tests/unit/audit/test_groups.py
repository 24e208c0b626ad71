from pathlib import Path
from typing import Any

import numpy as np
import pytest

from redstart.audit.evidence import Evidence, Truth
from redstart.audit.groups import crossed, groups


def at_random(n: int, seed: int = 0) -> dict[str, Any]:
    order = np.random.default_rng(seed).permutation(n)
    return {"train": np.sort(order[n // 5 :]), "valid": np.sort(order[: n // 5])}


def files(texts: list[str], props: dict[str, Any], **more: Any) -> Evidence:
    """Evidence of pictures in folders named after their class."""
    labels = [text.split("/")[0] for text in texts]
    names, codes = np.unique(labels, return_inverse=True)
    kept: dict[str, Any] = {
        "n_rows": len(texts),
        "parts": at_random(len(texts)),
        "truth": Truth("category", codes.astype(np.int64), tuple(str(n) for n in names)),
        "files": [Path("d") / text for text in texts],
        "root": Path("d"),
        "properties": props,
        **more,
    }
    return Evidence(**kept)


def table(columns: dict[str, Any], target: Any, **more: Any) -> Evidence:
    kept: dict[str, Any] = {
        "n_rows": len(target),
        "parts": at_random(len(target)),
        "truth": Truth("category", np.asarray(target, dtype=np.int64), ("no", "yes")),
        "columns": columns,
        **more,
    }
    return Evidence(**kept)


def looks(group: Any, noise: float = 0.3, seed: int = 0) -> dict[str, Any]:
    """Brightness and contrast of pictures: one of each group, and noise."""
    rng = np.random.default_rng(seed)
    group = np.asarray(group)
    return {
        name: rng.normal(size=group.max() + 1)[group] + noise * rng.normal(size=len(group))
        for name in ("brightness", "contrast", "sharpness")
    }


PERSON = np.repeat(np.arange(40), 5)
CLASSES = [("ants", "bees")[p % 2] for p in PERSON]


def people(code: str = "{c}/p{p:02d}x_{i}.jpg") -> list[str]:
    rows = zip(CLASSES, PERSON, np.tile(np.arange(5), 40), strict=True)
    return [code.format(c=c, p=p, i=i) for c, p, i in rows]


def test_pictures_of_one_person_in_two_parts_are_serious() -> None:
    evidence = files(people(), looks(PERSON))
    (found,) = groups(evidence)
    assert (found.check, found.severity) == ("groups", "serious")
    assert found.groups is not None
    assert len(set(zip(found.groups[1], PERSON, strict=True))) == 40
    assert 'dls.resplit("groups")' in found.mend
    assert all(PERSON[a] == PERSON[b] for a, b in found.pairs)
    part = evidence.part_of()
    assert all(part[a] == 0 and part[b] == 1 for a, b in found.pairs)
    assert set(found.rows) <= set(evidence.parts["valid"].tolist())


def test_what_pictures_look_like_tells_too() -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 200, (40, 12, 12))[PERSON] + rng.integers(0, 50, (200, 12, 12))
    digests = rng.integers(0, 256, (200, 16)).astype(np.uint8)
    (found,) = groups(files(people(), {}, prints=(digests, small.astype(np.uint8))))
    assert found.severity == "serious"
    assert "how they look" in found.said


def test_what_is_mended_is_silent() -> None:
    held = PERSON < 8
    parts = {"train": np.flatnonzero(~held), "valid": np.flatnonzero(held)}
    assert not groups(files(people(), looks(PERSON), parts=parts, chosen="group"))


def test_parts_of_names_that_mean_nothing_are_silent() -> None:
    dealt = np.random.default_rng(1).permutation(200)
    assert not groups(files(people(), looks(PERSON[dealt])))


@pytest.mark.parametrize(
    "code", ["{c}/n01440764_{p}{i}.JPEG", "{c}/{c}_{p}{i}.jpg", "{c}/{p:02d}{i}.png"]
)
def test_numbers_of_collected_photos_are_silent(code: str) -> None:
    assert not groups(files(people(code), looks(np.random.default_rng(1).permutation(200))))


def test_people_with_one_first_name_stay_apart() -> None:
    first = "ABCDEFGHIJKLMNOPQRST"
    texts = [f"{c}/{first[p // 2]}nna_{('Smith', 'Jones')[p % 2]}_{i}.jpg" for c, p, i in _rows()]
    (found,) = groups(files(texts, looks(PERSON)))
    assert found.groups is not None
    assert len(set(found.groups[1])) == 40


def test_films_of_one_person_are_joined() -> None:
    person = PERSON // 4  # four films of each
    rng = np.random.default_rng(3)
    props = {
        name: rng.normal(size=10)[person]
        + 0.4 * rng.normal(size=40)[PERSON]
        + 0.1 * rng.random(200)
        for name in ("brightness", "contrast", "sharpness")
    }
    texts = [f"all/anna{'abcdefghij'[p // 4]}_film{p % 4}_{i}.jpg" for _, p, i in _rows()]
    evidence = files(texts, props, truth=Truth("other", np.zeros(0)))
    (found,) = groups(evidence)
    assert found.groups is not None
    assert len(set(found.groups[1])) == 10


def _rows() -> list[tuple[str, int, int]]:
    return [(c, int(p), k % 5) for k, (c, p) in enumerate(zip(CLASSES, PERSON, strict=True))]


def test_a_word_alone_is_a_warning() -> None:
    (found,) = groups(files(people("{c}/patient{p:02d}_{i}.jpg"), {}))
    assert found.severity == "warning"


def test_few_tied_rows_are_no_more_than_a_warning() -> None:
    held = PERSON < 8
    held[0] = False  # one picture of one of them
    held[5:40] = True
    parts = {"train": np.flatnonzero(~held), "valid": np.flatnonzero(held)}
    texts = [t.replace("p00x", "p39x") if k == 1 else t for k, t in enumerate(people())]
    (found,) = groups(files(texts, looks(PERSON), parts=parts))
    assert found.severity == "serious"  # four of 39
    lone = np.array([k in (0, *range(5, 40)) for k in range(200)])
    parts = {"train": np.flatnonzero(~lone), "valid": np.flatnonzero(lone)}
    (found,) = groups(files(people(), looks(PERSON), parts=parts))
    assert found.severity == "warning"


def test_labels_of_test_rows_are_not_looked_at() -> None:
    texts = people("all/{c}_p{p:02d}x_{i}.jpg")
    order = np.random.default_rng(0).permutation(200)
    parts = {"train": order[80:], "valid": order[40:80], "test": order[:40]}
    codes = np.array([c == "bees" for c in CLASSES], dtype=np.int64)
    found = []
    for sealed in (codes[parts["test"]], 1 - codes[parts["test"]]):
        values = codes.copy()
        values[parts["test"]] = sealed
        truth = Truth("category", values, ("ants", "bees"))
        found.append(groups(files(texts, looks(PERSON), truth=truth, parts=parts)))
    assert found[0] == found[1]
    assert found[0][0].severity == "serious"


# Frames and bursts


def film(texts: list[str], seed: int = 0) -> Evidence:
    steps = np.random.default_rng(seed).normal(size=(3, len(texts))).cumsum(axis=1)
    props = dict(zip(("brightness", "contrast", "sharpness"), steps, strict=True))
    return files(texts, props, truth=Truth("other", np.zeros(0)))


def test_frames_beside_each_other_are_serious() -> None:
    evidence = film([f"0001TP_{k * 30:06d}.png" for k in range(200)])
    (found,) = groups(evidence)
    assert (found.check, found.severity) == ("frames", "serious")
    assert all(abs(a - b) == 1 for a, b in found.pairs)
    assert found.groups is not None
    assert 10 <= len(set(found.groups[1])) <= 40


def test_stretches_keep_frames_apart() -> None:
    evidence = film([f"0001TP_{k * 30:06d}.png" for k in range(200)])
    (found,) = groups(evidence)
    assert found.groups is not None
    held = np.isin(found.groups[1], sorted(set(found.groups[1]))[::5])
    parts = {"train": np.flatnonzero(~held), "valid": np.flatnonzero(held)}
    kept = Evidence(
        n_rows=200,
        parts=parts,
        truth=evidence.truth,
        files=evidence.files,
        root=evidence.root,
        properties=evidence.properties,
    )
    left = [f for f in groups(kept) if f.check == "frames"]
    assert not left or len(left[0].rows) < len(found.rows) / 2


def test_numbers_in_no_order_are_silent() -> None:
    order = np.random.default_rng(2).permutation(200)
    assert not groups(film([f"img_{k:04d}.png" for k in order]))


def test_photos_of_one_burst_are_serious() -> None:
    start = np.random.default_rng(0).integers(0, 10**8, 40)[PERSON]
    taken = (start + np.tile(np.arange(5), 40) * 2 + 10**9).astype("datetime64[s]")
    camera = np.full(200, "Canon", dtype=object)
    evidence = files(people("{c}/x.jpg"), {"taken": taken, "camera": camera})
    (found,) = [f for f in groups(evidence) if f.check == "bursts"]
    assert found.severity == "serious"
    assert found.groups is not None
    assert len(set(zip(found.groups[1], PERSON, strict=True))) == 40


def test_times_in_names_make_bursts_too() -> None:
    rng = np.random.default_rng(0)
    texts = []
    for c, p, i in _rows():
        moment = np.datetime64("2020-01-01T08:00:00") + np.timedelta64(3600 * p + 3 * i, "s")
        texts.append(f"{c}/IMG_{str(moment).translate(str.maketrans('T', '_', '-:'))}.jpg")
    evidence = files(texts, {"brightness": rng.normal(size=200)})
    assert "bursts" in {f.check for f in groups(evidence)}


def test_two_cameras_make_no_burst() -> None:
    taken = np.repeat(np.arange(100) * 3600 + 10**9, 2).astype("datetime64[s]")
    camera = np.tile(np.array(["Canon", "Nikon"], dtype=object), 100)
    texts = [f"ants/{k}.jpg" for k in range(200)]
    assert not groups(files(texts, {"taken": taken, "camera": camera}))


def test_a_clock_that_was_never_set_makes_no_burst() -> None:
    taken = np.full(200, np.datetime64("2000-01-01T00:00:00"), dtype="datetime64[s]")
    assert not groups(files(people("{c}/x.jpg"), {"taken": taken}))


# Tables


def patients(name: str, values: Any | None = None) -> Evidence:
    rng = np.random.default_rng(5)
    who = np.repeat(np.arange(120), 4)
    number = rng.permutation(10**5)[:120][who] if values is None else values
    age = rng.integers(20, 90, 120)[who]
    dose = rng.normal(size=480)
    ill = (rng.random(120) < 0.5)[who] ^ (rng.random(480) < 0.1)
    return table({name: number, "age": age, "dose": dose, "sex": who % 2}, ill)


@pytest.mark.parametrize("name", ["patient_id", "Household", "session"])
def test_rows_of_one_person_in_two_parts_are_serious(name: str) -> None:
    (found,) = groups(patients(name))
    assert (found.check, found.severity) == ("groups", "serious")
    assert found.groups is not None
    assert found.groups[0] == name
    assert f'GroupSplitter("{name}")' in found.mend


def test_a_place_is_a_warning() -> None:
    (found,) = groups(patients("store"))
    assert found.severity == "warning"


def test_a_number_of_no_name_is_known_by_what_never_changes() -> None:
    (found,) = groups(patients("k"))
    assert found.severity == "warning"
    assert found.evidence["constant_columns"] == ["age", "sex"]


def test_a_measure_is_no_group() -> None:
    assert not groups(patients("household_size"))
    assert not groups(patients("k", np.random.default_rng(0).integers(0, 120, 480)))
    assert not groups(patients("patient_id", np.random.default_rng(0).normal(size=480)))


def test_whole_numbers_with_missing_ones_are_groups() -> None:
    who = np.repeat(np.arange(120.0), 4)
    who[::50] = np.nan
    (found,) = groups(patients("patient_id", who))
    assert found.groups is not None
    assert found.groups[1][0] is None
    assert found.groups[1][1] == "0"


def test_dates_are_no_groups() -> None:
    days = np.datetime64("2020-01-01") + np.repeat(np.arange(120), 4)
    assert not groups(patients("visit", days.astype(str).astype(object)))


def test_users_and_items_are_only_noted() -> None:
    rng = np.random.default_rng(0)
    user, item = np.divmod(np.sort(rng.permutation(100 * 60)[:3000]), 60)
    liked = rng.normal(size=100)[user] + rng.normal(size=60)[item] > 0
    evidence = table({"user": user, "item": item, "x": rng.normal(size=3000)}, liked)
    assert crossed(evidence)
    assert {f.severity for f in groups(evidence)} <= {"note"}


def test_without_validation_rows_there_is_nothing_to_say() -> None:
    evidence = table({"patient": np.repeat(np.arange(10), 2)}, np.zeros(20))
    whole = Evidence(
        n_rows=20, parts={"train": np.arange(20)}, truth=evidence.truth, columns=evidence.columns
    )
    assert groups(whole) == []


# Real data


def test_faces_are_tied_by_person(shared: Path) -> None:
    folder = shared / "data" / "face_keypoints"
    found = sorted(folder.rglob("*.jpg"))
    if not found:
        pytest.skip(f"no faces in {folder}")
    evidence = Evidence(
        n_rows=len(found),
        parts=at_random(len(found)),
        truth=Truth("other", np.zeros(0)),
        files=found,
        root=folder,
        properties={"bytes": np.array([float(f.stat().st_size) for f in found])},
    )
    tie = groups(evidence)[0]
    assert tie.groups is not None
    people = [f.stem.rsplit("_", 1)[0].replace("-", "_") for f in found]
    assert len(set(zip(people, tie.groups[1], strict=True))) == len(set(people))


@pytest.mark.parametrize("name", ["hymenoptera", "imagenette224"])
def test_photos_that_were_collected_are_clean(shared: Path, name: str) -> None:
    folder = shared / "data" / name
    found = sorted(f for f in folder.rglob("*.*") if f.suffix.lower() in (".jpg", ".jpeg"))
    if not found:
        pytest.skip(f"no photos in {folder}")
    labels, codes = np.unique([f.parent.name for f in found], return_inverse=True)
    evidence = Evidence(
        n_rows=len(found),
        parts=at_random(len(found)),
        truth=Truth("category", codes.astype(np.int64), tuple(str(n) for n in labels)),
        files=found,
        root=folder,
        properties={"bytes": np.array([float(f.stat().st_size) for f in found])},
    )
    assert groups(evidence) == []


def test_folders_of_labels_of_which_some_were_corrected_are_still_labels(tmp_path: Path) -> None:
    from redstart.audit.giveaways import giveaways

    rng = np.random.default_rng(0)
    classes = np.arange(200) % 4
    files = tuple(tmp_path / f"class{c}" / f"{rng.integers(1 << 40):x}.jpg" for c in classes)
    truth = np.where(rng.random(200) < 0.05, (classes + 1) % 4, classes)
    evidence = Evidence(
        n_rows=200,
        parts={"train": np.arange(0, 160), "valid": np.arange(160, 200)},
        truth=Truth("category", truth, tuple(f"class{c}" for c in range(4))),
        files=files,
        root=tmp_path,
        chosen="random",
    )
    assert groups(evidence) == [] == giveaways(evidence)
