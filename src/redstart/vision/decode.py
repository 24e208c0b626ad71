"""Pictures as users have them, to 8-bit grey or RGB."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from redstart.errors import ConfigError, DataError, problem
from redstart.vision.pixels import from_array, to_channels
from redstart.vision.quiet import quiet_pillow

__all__ = ["MAX_PIXELS", "SizeHint", "open_image"]

MAX_PIXELS = 178_956_970
"""Larger pictures are refused before they are decoded: half a gigabyte as RGB."""

SizeHint = tuple[int, int] | Callable[[tuple[int, int]], tuple[int, int] | None]
"""The least ``(width, height)`` to decode to, or a function from the whole size to it."""

# Formats that Pillow names but that are no pictures: PostScript is a program, and Pillow
# would start Ghostscript to run it; the others hand over to software that is not there.
_REFUSED = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"}

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112

# What is commonly found under the name of a picture, by how it begins.
_STRANGERS = (
    (b"<!doctype", "a web page"),
    (b"<html", "a web page"),
    (b"<svg", "an SVG drawing, which has no pixels"),
    (b"<?xml", "an XML file"),
    (b"%pdf", "a PDF document"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file it stands for"),
    (b"pk\x03\x04", "a ZIP archive"),
    (b"{", "a text or JSON file"),
)


def open_image(item: Any, size_hint: SizeHint | None = None, channels: int = 3) -> Image.Image:
    """Read one picture, whole, turned the way its camera was held.

    Of several pages or frames the first is read. What is transparent is laid on white;
    16-bit pixels are scaled to 8. Safe to call from threads; gives no warnings.

    Args:
        item: A path, the bytes of a file, an open binary file, a PIL image, an array
            ``(H, W[, C])`` or a tensor ``(C, H, W)``.
        size_hint: Lets a JPEG file be decoded at 1/2, 1/4 or 1/8 of its size, which is
            several times faster, as long as neither side falls below this. It is said for
            the picture as it is looked at, not as it lies in the file.
        channels: 1 for grey, 3 for RGB.

    Returns:
        A loaded picture of mode ``L`` or ``RGB``. May be ``item`` itself.

    Raises:
        DataError: If ``item`` cannot be read to its end as a picture of at most
            ``MAX_PIXELS`` pixels; names it, and the reason.
        ConfigError: If ``channels`` is another number.
    """
    if channels not in (1, 3):
        raise ConfigError(
            problem("Expected 1 or 3 channels", f"channels={channels!r}", "Use 1 for grey.")
        )
    if isinstance(item, np.ndarray | Tensor):
        return to_channels(from_array(item), channels)
    try:
        with quiet_pillow():
            if isinstance(item, Image.Image):
                return _finish(item, channels)
            with _file(item) as file, _recognised(file) as img:
                return _decode(img, size_hint, channels)
    except DataError:
        raise
    except Exception as error:  # plugins raise whatever broken bytes make them raise
        raise _unreadable(item, _reason(error)) from error


def _decode(img: Image.Image, size_hint: SizeHint | None, channels: int) -> Image.Image:
    if img.format in _REFUSED:
        raise _Refused(f"{img.format} files hold no pixels that can be read")
    if img.width * img.height > MAX_PIXELS:
        raise Image.DecompressionBombError
    if size_hint is not None and img.format in ("JPEG", "MPO"):
        turned = _orientation(img) >= 5
        size = img.size[::-1] if turned else img.size
        least = size_hint(size) if callable(size_hint) else size_hint
        if least is not None:
            img.draft(None, least[::-1] if turned else least)
    out = _finish(img, channels)
    out.info = {}  # the orientation in there is used up; the rest only takes memory
    return out


def _finish(img: Image.Image, channels: int) -> Image.Image:
    img.load()
    out = to_channels(img, channels)
    turn = _TURNS.get(_orientation(img))
    if turn is not None:
        out = out.transpose(turn)
        out.info = {}
    return out


def _orientation(img: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none that can be understood."""
    try:
        value = img.getexif().get(_ORIENTATION, 1)
    except Exception:  # a broken note about the picture does not break the picture
        return 1
    return value if isinstance(value, int) else 1


class _Refused(Exception):  # noqa: N818 - never leaves this module
    """A reason, in plain words, found by ourselves."""


@contextmanager
def _file(item: Any) -> Iterator[Any]:
    if isinstance(item, str | os.PathLike):
        info = os.stat(item)
        if stat.S_ISDIR(info.st_mode):
            raise IsADirectoryError
        if not stat.S_ISREG(info.st_mode):  # reading a pipe could wait for ever
            raise _Refused("it is not a regular file")
        if not info.st_size:
            raise _Refused("the file is empty")
        with open(item, "rb") as file:
            yield file
    elif isinstance(item, bytes | bytearray | memoryview):
        if not len(item):
            raise _Refused("it is empty")
        yield io.BytesIO(item)
    elif hasattr(item, "read"):
        yield item
    else:
        raise DataError(
            problem(
                "Expected a path, bytes, an open file, a PIL image, an array or a tensor",
                f"item of type {type(item).__name__}",
                "Return one of these from `get_x`.",
            )
        )


def _recognised(file: Any) -> Image.Image:
    # Image.open registers formats as it goes, and a thread can miss what another has
    # just registered: a good file is then "not an image". So register all of them first.
    Image.preinit()
    Image.init()
    try:
        return Image.open(file)
    except UnidentifiedImageError as error:
        file.seek(0)
        head = file.read(512).lstrip(b"\xef\xbb\xbf \r\n\t").lower()
        what: str | None
        if head[4:8] == b"ftyp":
            what = "a HEIC photo or a video, which Pillow cannot read by itself"
        else:
            what = next((text for start, text in _STRANGERS if head.startswith(start)), None)
        if what is None:
            raise
        raise _Refused(f"it is {what}") from error


def _reason(error: Exception) -> str:
    """Say in plain words why a file could not be read."""
    text = str(error)
    known: tuple[tuple[type[Exception], str], ...] = (
        (FileNotFoundError, "there is no such file"),
        (PermissionError, "reading it is not permitted"),
        (IsADirectoryError, "it is a folder"),
        (UnidentifiedImageError, "it is not a picture, or is damaged at its very start"),
        (
            Image.DecompressionBombError,
            f"it has more than {MAX_PIXELS:,} pixels, or claims to; scale it down or cut it up",
        ),
        (MemoryError, "it needs more memory than there is"),
        (EOFError, "it is cut off: the file ends before the picture does"),
        (_Refused, text),
    )
    for kind, reason in known:
        if isinstance(error, kind):
            return reason
    if "truncated" in text.lower():
        return f"it is cut off: the file ends before the picture does ({text})"
    return f"it is damaged ({type(error).__name__}: {text or 'no details'})"


def _unreadable(item: Any, reason: str) -> DataError:
    if isinstance(item, str | os.PathLike):
        name = os.fspath(item)
    elif isinstance(item, bytes | bytearray | memoryview):
        name = f"{len(item)} bytes"
    else:
        name = str(getattr(item, "name", "") or type(item).__name__)
    return DataError(
        problem(
            "Expected a picture that can be read to its end",
            f"item={name!r}, but {reason}",
            "Replace the file or leave it out.",
        )
    )
