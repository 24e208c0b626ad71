from pathlib import Path
from typing import Any

import numpy as np
import pytest

from redstart.audit.dates import dates_of, stamps_of
from redstart.audit.evidence import Evidence, Truth
from redstart.audit.times import times

N = 1500
DAY = np.random.default_rng(0).integers(0, 700, N)


def dated(
    columns: dict[str, Any], *, drift: float = 3.0, parts: dict[str, Any] | None = None, **more: Any
) -> Evidence:
    rng = np.random.default_rng(1)
    wave = rng.normal(size=700).cumsum() * drift
    x = rng.normal(size=N)
    target = x + wave[DAY] + 0.3 * rng.normal(size=N)
    order = rng.permutation(N)
    kept: dict[str, Any] = {
        "n_rows": N,
        "parts": parts or {"train": np.sort(order[400:]), "valid": np.sort(order[:400])},
        "truth": Truth("numbers", target[:, None], ("y",)),
        "columns": {"x": x, **columns},
        "chosen": "random",
        **more,
    }
    return Evidence(**kept)


MOMENTS = np.datetime64("2019-01-01") + DAY
TEXTS = MOMENTS.astype(str).astype(object)
AMERICAN = np.array([f"{t[5:7]}/{t[8:]}/{t[:4]}" for t in TEXTS], dtype=object)


@pytest.mark.parametrize("values", [MOMENTS, TEXTS, AMERICAN], ids=["dates", "iso", "american"])
def test_the_future_in_training_is_serious(values: Any) -> None:
    (found,) = times(dated({"sold": values}))
    assert (found.check, found.severity) == ("times", "serious")
    assert found.evidence["low"] > 1  # type: ignore[operator]
    assert 'TimeSplitter("sold")' in found.mend
    assert ("to_datetime" in found.mend) == (values is AMERICAN)
    assert DAY[list(found.rows)].tolist() == sorted(DAY[list(found.rows)])


def test_dates_that_change_nothing_are_noted() -> None:
    (found,) = times(dated({"sold": MOMENTS}, drift=0.0))
    assert found.severity == "note"
    assert "No harm" in found.said


def test_classes_are_judged_too() -> None:
    rng = np.random.default_rng(4)
    often = np.repeat(rng.random(35) < 0.5, 20)[DAY] ^ (rng.random(N) < 0.05)
    truth = Truth("category", often.astype(np.int64), ("no", "yes"))
    (found,) = times(dated({"sold": MOMENTS}, truth=truth))
    assert found.severity == "serious"


def test_a_split_by_time_is_silent() -> None:
    late = DAY > 560
    parts = {"train": np.flatnonzero(~late), "valid": np.flatnonzero(late)}
    assert not times(dated({"sold": MOMENTS}, parts=parts, chosen="given"))
    assert not times(dated({"sold": MOMENTS}, chosen="time"))


@pytest.mark.parametrize(
    "columns",
    [
        {"birth_date": MOMENTS},
        {"month": np.array(["may", "jun"] * (N // 2), dtype=object)},
        {"sold": np.array(["01/02/2011"] * N, dtype=object)},
        {"seconds": DAY},
        {"sold": np.full(N, np.datetime64("NaT"), dtype="datetime64[s]")},
    ],
)
def test_what_is_no_time_of_a_row_is_silent(columns: dict[str, Any]) -> None:
    assert not times(dated(columns))


def test_seconds_since_1970_are_times() -> None:
    (found,) = times(dated({"timestamp": DAY * 86400 + 1_500_000_000}))
    assert found.severity == "serious"


def test_ratings_are_at_most_a_warning() -> None:
    rng = np.random.default_rng(0)
    user, item = np.divmod(rng.permutation(100 * 60)[:N], 60)
    (found,) = times(dated({"sold": MOMENTS, "user": user, "item": item}))
    assert found.severity == "warning"


def test_few_rows_are_not_measured() -> None:
    parts = {"train": np.arange(300, N), "valid": np.arange(100)}
    (found,) = times(dated({"sold": MOMENTS}, parts=parts))
    assert found.severity == "note"
    assert "few rows" in found.said


def test_dates_in_file_names_count() -> None:
    files = [Path(f"d/cam_{t.replace('-', '')}.jpg") for t in TEXTS]
    evidence = dated({}, files=files, root=Path("d"))
    (found,) = times(evidence)
    assert found.severity == "serious"
    assert "TimeSplitter(lambda f: re.search" in found.mend


def test_when_photos_were_taken_counts() -> None:
    (found,) = times(dated({}, properties={"taken": MOMENTS.astype("datetime64[s]")}))
    assert found.severity == "serious"


def test_the_date_that_matters_most_is_the_one_reported() -> None:
    idle = np.datetime64("2019-01-01") + np.random.default_rng(9).permutation(DAY)
    (found,) = times(dated({"a_date": idle, "sold": MOMENTS}))
    assert "'sold'" in found.said


def test_the_same_data_say_the_same() -> None:
    assert times(dated({"sold": MOMENTS})) == times(dated({"sold": MOMENTS}))


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (["2011-11-30", None], "2011-11-30T00:00:00"),
        (["2011-11-30 17:05", "2011-12-01"], "2011-11-30T17:05:00"),
        (["30.11.2011", "1.2.2011"], "2011-11-30T00:00:00"),
        (["11/30/2011 17:05", "01/02/2011"], "2011-11-30T17:05:00"),
        (["2011-11-30T17:05:00Z"], "2011-11-30T17:05:00"),
    ],
)
def test_texts_are_read_as_dates(texts: list[str | None], first: str) -> None:
    found = dates_of(np.array(texts, dtype=object))
    assert found is not None
    assert str(found[0]) == first
    assert np.isnat(found[-1]) == (texts[-1] is None)


@pytest.mark.parametrize(
    "texts",
    [["01/02/2011"], ["30/11/2011", "11/30/2011"], ["2011-11-31"], ["2011-01-01", "soon"], [None]],
)
def test_texts_that_are_no_dates_are_left_alone(texts: list[str | None]) -> None:
    assert dates_of(np.array(texts, dtype=object)) is None


def test_seconds_and_thousandths_are_told_apart() -> None:
    seconds = np.array([1_500_000_000, 1_600_000_000])
    for values in (seconds, seconds * 1000):
        found = stamps_of(values)
        assert found is not None
        assert str(found[0]) == "2017-07-14T02:40:00"
    assert stamps_of(np.array([3, 4])) is None
