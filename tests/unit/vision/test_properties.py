from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from redstart.errors import DataError
from redstart.vision.properties import PIXEL_PROPERTIES, pixel_properties, properties_of


def photo(path: Path, **exif: object) -> Path:
    img = Image.new("RGB", (40, 30), (200, 30, 30))
    data = img.getexif()
    if "make" in exif:
        data[0x010F], data[0x0110] = exif["make"], exif["model"]
    if "software" in exif:
        data[0x0131] = exif["software"]
    if "taken" in exif:
        data.get_ifd(0x8769)[0x9003] = exif["taken"]
    if "serial" in exif:
        data.get_ifd(0x8769)[0xA431] = exif["serial"]
    if "gps" in exif:
        data.get_ifd(0x8825).update(exif["gps"])  # type: ignore[arg-type]
    img.save(path, exif=data)
    return path


def test_a_header_says_size_and_format(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.new("L", (40, 30)).save(file)
    found = properties_of([file])
    assert found["width"].tolist() == [40] and found["height"].tolist() == [30]
    assert found["bytes"].tolist() == [file.stat().st_size]
    assert found["format"].tolist() == ["PNG"] and found["mode"].tolist() == ["L"]
    assert found["camera"].tolist() == [None]
    assert np.isnat(found["taken"]).all()


def test_exif_says_camera_time_and_place(tmp_path: Path) -> None:
    gps = {1: "N", 2: (48.0, 8.0, 15.0), 3: "W", 4: (11.0, 34.0, 30.0)}
    file = photo(
        tmp_path / "a.jpg",
        make="NIKON",
        model="D800",
        serial="77",
        software="Gimp",
        taken="2020:01:31 12:00:01",
        gps=gps,
    )
    found = properties_of([file])
    assert found["camera"].tolist() == ["NIKON D800 77"]
    assert found["software"].tolist() == ["Gimp"]
    assert found["place"].tolist() == ["48.14,-11.57"] or found["place"].tolist() == [
        "48.14,-11.58"
    ]
    assert str(found["taken"][0]) == "2020-01-31T12:00:01"


def test_a_maker_is_not_said_twice(tmp_path: Path) -> None:
    file = photo(tmp_path / "a.jpg", make="Canon", model="Canon EOS 80D")
    assert properties_of([file])["camera"].tolist() == ["Canon EOS 80D"]


@pytest.mark.parametrize("taken", ["0000:00:00 00:00:00", "2020:13:01 00:00:00", "soon", "    "])
def test_a_broken_clock_says_nothing(tmp_path: Path, taken: str) -> None:
    file = photo(tmp_path / "a.jpg", make="Canon", model="X", taken=taken)
    found = properties_of([file])
    assert np.isnat(found["taken"]).all()
    assert found["camera"].tolist() == ["Canon X"]


def test_what_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    text = tmp_path / "b.jpg"
    text.write_text("no picture")
    items = [
        tmp_path / "missing.jpg",
        text,
        tmp_path,
        np.zeros((3, 3)),
        Image.new("L", (2, 2)),
        None,
    ]
    found = properties_of(items, threads=2)
    assert all(len(values) == len(items) for values in found.values())
    assert np.isnan(found["width"]).all()
    assert found["bytes"][1] == 10
    assert np.isnan(found["bytes"][[0, 2, 3, 4, 5]]).all()


def test_no_files_have_no_properties() -> None:
    assert {len(values) for values in properties_of([]).values()} == {0}


def test_threads_keep_the_order(tmp_path: Path) -> None:
    files = []
    for k in range(40):
        files.append(tmp_path / f"{k}.png")
        Image.new("L", (k + 1, 2)).save(files[-1])
    assert properties_of(files, threads=4)["width"].tolist() == list(range(1, 41))


def test_files_of_every_odd_kind_raise_nothing(shared: Path) -> None:
    files = sorted(f for f in (shared / "data" / "trouble").rglob("*") if f.is_file())
    if not files:
        pytest.skip("no odd files")
    found = properties_of(files, threads=2)
    assert (~np.isnat(found["taken"])).sum() > 5
    assert (~np.isnan(found["width"])).sum() > 400


def plain(value: int, channels: int = 3) -> torch.Tensor:
    return torch.full((channels, 60, 80), value, dtype=torch.uint8)


def test_every_property_is_measured() -> None:
    assert tuple(pixel_properties(plain(7))) == PIXEL_PROPERTIES


@pytest.mark.parametrize("channels", [1, 3])
def test_a_plain_picture_is_all_border(channels: int) -> None:
    found = pixel_properties(plain(100, channels))
    assert found["brightness"] == pytest.approx(100, abs=1)
    assert found["contrast"] == found["sharpness"] == 0
    assert found["border"] == 1
    assert found["colourful"] == pytest.approx(0, abs=1)


def test_a_border_is_a_share_of_the_frame() -> None:
    x = plain(0)
    x[:, 15:45] = torch.tensor([255, 100] * 40, dtype=torch.uint8)
    assert pixel_properties(x)["border"] == pytest.approx(0.5, abs=0.05)


def test_colours_are_colourful() -> None:
    x = plain(0)
    x[0, :, :40], x[2, :, 40:] = 255, 255
    assert pixel_properties(x)["colourful"] > 100
    assert pixel_properties(x[:1])["colourful"] == 0


def test_a_blurred_picture_is_less_sharp() -> None:
    rng = np.random.default_rng(0)
    rough = torch.from_numpy(rng.integers(0, 256, (3, 300, 300), dtype=np.uint8))
    smooth = torch.nn.functional.avg_pool2d(rough.float(), 3, 1, 1).to(torch.uint8)
    assert pixel_properties(smooth)["sharpness"] < pixel_properties(rough)["sharpness"] / 10


def test_brightness_is_that_of_the_eye() -> None:
    x = plain(0)
    x[1] = 255
    green = pixel_properties(x)["brightness"]
    assert green == pytest.approx(0.587 * 255, abs=4)


@pytest.mark.parametrize(
    "x", [torch.zeros(3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.uint8), torch.zeros(3, 0, 4)]
)
def test_other_tensors_are_refused(x: torch.Tensor) -> None:
    with pytest.raises(DataError, match="Expected a picture of uint8 pixels"):
        pixel_properties(x)


@pytest.mark.parametrize("size", [(1, 1), (2, 500), (500, 2)])
def test_thin_pictures_are_measured(size: tuple[int, int]) -> None:
    assert np.isfinite(list(pixel_properties(torch.zeros(3, *size).to(torch.uint8)).values())).all()
