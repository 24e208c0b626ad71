"""Any kind of picture opens right or fails with a reason; no warning, no crash."""

from __future__ import annotations

import io
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from redstart.errors import ConfigError, DataError
from redstart.vision.decode import open_image


def photo(width: int = 48, height: int = 32) -> Image.Image:
    """Red to the right, green downwards, so that every turn shows."""
    x = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    y = np.linspace(0, 255, height)[:, None].repeat(width, 1)
    return Image.fromarray(np.stack([x, y, np.full_like(x, 40)], -1).astype(np.uint8))


def written(img: Image.Image, fmt: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    img.save(buffer, fmt, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def difference(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(np.asarray(a, dtype=float) - np.asarray(b, dtype=float)).mean())


FILES = {
    "jpeg": written(photo(), "JPEG", quality=95),
    "png": written(photo(), "PNG"),
    "webp": written(photo(), "WEBP", quality=95),
    "tiff": written(photo(), "TIFF"),
    "tiff-lzw": written(photo(), "TIFF", compression="tiff_lzw"),
    "gif": written(photo().quantize(256), "GIF"),
    "bmp": written(photo(), "BMP"),
    "ppm": written(photo(), "PPM"),
    "tga": written(photo(), "TGA"),
    "jpeg2000": written(photo(), "JPEG2000"),
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_picture_that_was_written(name: str) -> None:
    img = open_image(FILES[name])
    assert img.mode == "RGB"
    assert img.size == (48, 32)
    assert difference(img, photo()) < 6


@pytest.mark.parametrize("name", [n for n in FILES if n not in ("gif", "webp")])
def test_a_file_cut_in_half_is_an_error_and_not_half_a_picture(name: str) -> None:
    data = FILES[name]
    with pytest.raises(DataError, match=rf"{len(data) // 2} bytes'?, but it is"):
        open_image(data[: len(data) // 2])


@settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(sorted(FILES)),
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
)
def test_broken_bytes_give_a_picture_or_a_data_error(
    name: str, cut: float, flips: list[tuple[float, int]]
) -> None:
    data = bytearray(FILES[name])
    for where, value in flips:
        data[int(where * (len(data) - 1))] = value
    try:
        img = open_image(bytes(data[: max(1, int(cut * len(data)))]), (16, 16))
    except DataError as error:
        assert "bytes" in str(error)
    else:
        img.load()
        assert img.mode == "RGB"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("hint", [None, (12, 8)])
def test_exif_rotation_is_obeyed(orientation: int, hint: tuple[int, int] | None) -> None:
    # As a camera writes it: the pixels as they lie, and how to turn them.
    undo = {2: 0, 3: 1, 4: 3, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = photo(96, 64)
    if orientation > 1:
        stored = stored.transpose(list(Image.Transpose)[undo_index(undo[orientation])])
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = written(stored, "JPEG", quality=95, exif=exif)
    img = open_image(data, hint)
    want = photo(96, 64).resize(img.size)
    assert img.width > img.height
    assert difference(img, want) < 6
    assert img.size == ((12, 8) if hint else (96, 64))
    assert difference(open_image(img), img) == 0, "turned once, not again"
    assert img.info == {}
    with Image.open(io.BytesIO(data)) as opened:
        again = open_image(open_image(opened))
    assert again.size == (96, 64)
    assert difference(again, photo(96, 64)) < 6


def undo_index(method: int) -> int:
    """Position in ``Image.Transpose`` of the inverse of an EXIF orientation."""
    names = {
        0: "FLIP_LEFT_RIGHT",
        1: "ROTATE_180",
        2: "ROTATE_90",
        3: "FLIP_TOP_BOTTOM",
        4: "ROTATE_270",
        5: "TRANSPOSE",
        6: "TRANSVERSE",
    }
    return [m.name for m in Image.Transpose].index(names[method])


def test_broken_exif_does_not_break_the_picture() -> None:
    exif = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff\x01\x12\x00\x09\xff\xff\xff\xff"
    assert open_image(written(photo(), "JPEG", exif=exif)).size == (48, 32)


def test_png_keeps_its_orientation_behind_the_pixels() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = photo().transpose(Image.Transpose.ROTATE_90)
    assert difference(open_image(written(turned, "PNG", exif=exif)), photo()) == 0


def test_draft_never_falls_below_the_hint() -> None:
    data = written(photo(640, 480), "JPEG")
    assert open_image(data, (160, 120)).size == (160, 120)
    assert open_image(data, (161, 120)).size == (320, 240)
    assert open_image(data, lambda size: (size[0] // 8, 1)).size == (80, 60)
    assert open_image(data, lambda size: None).size == (640, 480)


def test_transparent_pixels_are_white() -> None:
    rgba = photo().convert("RGBA")
    rgba.putalpha(
        Image.fromarray(np.arange(48, dtype=np.uint8).repeat(32).reshape(48, 32).T // 24 * 255)
    )
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 200, 0, 0])
    keyed = Image.new("RGB", (4, 4), (1, 2, 3))
    img = open_image(written(rgba, "PNG"))
    assert img.getpixel((0, 0)) == (255, 255, 255)
    assert img.getpixel((47, 31)) == photo().getpixel((47, 31))
    for data in (
        written(palette, "PNG", transparency=1),
        written(palette, "PNG", transparency=b"\xff\x00"),
        written(keyed, "PNG", transparency=(1, 2, 3)),
        written(Image.new("LA", (4, 4), (7, 0)), "PNG"),
        written(palette, "GIF", transparency=1),
    ):
        assert open_image(data).getpixel((1, 1)) == (255, 255, 255)
        assert open_image(data, channels=1).getpixel((1, 1)) == 255
    half = Image.new("RGBA", (2, 2), (0, 0, 0, 128))
    assert open_image(half).getpixel((0, 0)) == (127, 127, 127)


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).reshape(16, 16).astype(np.uint16)
    want = np.arange(256).reshape(16, 16)
    for data in (
        written(Image.fromarray(ramp), "PNG"),
        written(Image.fromarray(ramp), "TIFF"),
        written(Image.fromarray(ramp.astype(np.int32)), "TIFF"),
        written(Image.fromarray(ramp.astype(np.float32)), "TIFF"),
        written(Image.fromarray(ramp.astype(np.float32) / 65535), "TIFF"),
        written(Image.fromarray(ramp.astype(np.float32) * 9 - 1e4), "TIFF"),
    ):
        got = np.asarray(open_image(data, channels=1), dtype=int)
        assert np.abs(got - want).max() <= 1


def test_values_that_are_not_finite_become_black() -> None:
    values = np.array([[np.nan, 1.0], [np.inf, 0.5]], dtype=np.float32)
    assert np.asarray(open_image(Image.fromarray(values), channels=1)).tolist() == [
        [0, 255],
        [0, 128],
    ]


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV", "RGBX", "LAB"])
def test_other_modes_show_the_same_picture(mode: str) -> None:
    if mode == "LAB":
        from PIL import ImageCms

        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        img = ImageCms.profileToProfile(photo(), srgb, lab, outputMode="LAB")
    else:
        img = photo().convert(mode)
    assert img is not None
    got = open_image(img)
    assert got.mode == "RGB"
    grey = mode in ("1", "L")
    want = photo().convert("L").convert("RGB") if grey else photo()
    assert difference(got, want) < {"1": 120, "P": 20}.get(mode, 12)
    assert open_image(img, channels=1).mode == "L"


def test_arrays_and_tensors_are_pictures(tmp_path: Path) -> None:
    pixels = np.asarray(photo())
    tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
    path = tmp_path / "a.png"
    path.write_bytes(FILES["png"])
    with path.open("rb") as file:
        for item in (
            pixels,
            tensor,
            tensor.float() / 255,
            pixels.astype(np.uint16) * 257,
            pixels.astype(int),
            path,
            str(path),
            file,
            io.BytesIO(FILES["png"]),
            bytearray(FILES["png"]),
            photo(),
        ):
            assert difference(open_image(item), photo()) == 0, type(item)
    assert open_image(pixels[..., 0]).size == (48, 32)
    assert open_image(tensor[:1], channels=1).mode == "L"
    assert open_image(np.ones((2, 2), dtype=bool), channels=1).getpixel((0, 0)) == 255


@pytest.mark.parametrize(
    ("item", "match"),
    [
        (torch.zeros(5, 8, 8), r"tensor \(C, H, W\).*\(5, 8, 8\)"),
        (np.zeros((0, 4, 3)), r"shape \(0, 4, 3\)"),
        (torch.randn(3, 8, 8), "Undo the normalisation"),
        (np.array([["a", "b"]]), "numbers as pixels"),
        (object(), "path, bytes, an open file.*object"),
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"\x00\x00\x00\x18ftypheic", "HEIC"),
        (b"plain text", "not a picture"),
        (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n1 1 rlineto\n",
            "EPS files",
        ),
    ],
)
def test_what_is_no_picture_is_named(item: object, match: str) -> None:
    with pytest.raises(DataError, match=match):
        open_image(item)


def test_files_that_cannot_be_read_are_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
    for name, reason in (
        ("empty.jpg", "the file is empty"),
        ("folder.jpg", "it is a folder"),
        ("missing.jpg", "there is no such file"),
        ("pipe.jpg", "not a regular file" if hasattr(os, "mkfifo") else "no such file"),
    ):
        with pytest.raises(DataError, match=rf"{name}', but .*{reason}"):
            open_image(tmp_path / name)


def test_a_file_without_permission_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def deny(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("redstart.vision.decode.os.stat", deny)
    with pytest.raises(DataError, match="reading it is not permitted"):
        open_image(tmp_path / "a.jpg")


def test_a_picture_too_large_is_refused_before_it_is_decoded() -> None:
    header = bytearray(written(Image.new("L", (1, 1)), "BMP"))
    header[18:26] = (20_000).to_bytes(4, "little") + (20_000).to_bytes(4, "little")
    with pytest.raises(DataError, match="more than 178,956,970 pixels"):
        open_image(bytes(header))


def test_the_limit_is_ours_and_pillow_warns_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(photo(), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 48 * 32 - 1)
    open_image(data)  # Pillow warns from here on; warnings are errors in this run
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    monkeypatch.setattr("redstart.vision.decode.MAX_PIXELS", 48 * 32 - 1)
    with pytest.raises(DataError, match="pixels, or claims to"):
        open_image(data)


def test_only_one_or_three_channels() -> None:
    with pytest.raises(ConfigError, match="channels=4"):
        open_image(FILES["png"], channels=4)


def test_threads_get_no_warnings_and_leave_the_filters_as_they_were() -> None:
    stripped = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff\x01\x12\x00\x09\xff\xff\xff\xff"
    warns = written(photo(), "JPEG", exif=stripped)
    with pytest.warns(UserWarning), warnings.catch_warnings():
        warnings.simplefilter("always")
        Image.open(io.BytesIO(warns)).getexif()
    mine = ("ignore", None, UserWarning, None, 0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("error")
        before = list(warnings.filters)
        with ThreadPoolExecutor(8) as pool:
            sizes = set(pool.map(lambda _: open_image(warns).size, range(200)))
        assert list(warnings.filters) == before
    assert sizes == {(48, 32)}
    assert mine not in warnings.filters


@pytest.mark.slow
def test_the_trouble_makers(shared: Path) -> None:
    read = 0
    folders = [shared / "data" / "trouble" / name for name in ("pillow", "exif")]
    for path in sorted(p for folder in folders for p in folder.rglob("*")):
        try:
            read += open_image(path, (64, 64)).size[0] > 0
        except DataError as error:
            assert path.name in str(error)
    assert read > 700
