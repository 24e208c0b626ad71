"""What picture files say of themselves, and what can be measured of pixels in no time.

Both are for people and for the audit: a property that alone predicts the target is a
give-away, photos that one camera took within seconds are one scene, and a model may be weak
on dark pictures. The names mean the same wherever they are shown:

=============== ============================================================================
``bytes``       Size of the file.
``width``       Of the picture as it lies in the file, in pixels; ``height`` likewise.
``format``      ``JPEG``, ``PNG`` and so on, by content, not by the name's ending.
``mode``        ``RGB``, ``L`` (grey), ``P`` (palette), ``CMYK`` and so on, as Pillow has it.
``camera``      Maker, model and serial number, from EXIF.
``taken``       When the picture was taken (EXIF ``DateTimeOriginal``), by the camera's clock.
``place``       Where it was taken, rounded to a hundredth of a degree: about a kilometre.
``software``    What wrote the file, from EXIF.
``brightness``  Mean grey level, in 0..255.
``contrast``    Standard deviation of the grey level, in 0..127.5.
``colourful``   Colourfulness M of Hasler and Suesstrunk (2003); 0 for grey, about 100 for
                very colourful pictures.
``sharpness``   Variance of the Laplacian (Pech-Pacheco et al., 2000); low if blurred.
``border``      Share of the frame that is a plain border: whole rows and columns of one
                colour, from the edges inwards; in [0, 1].
=============== ============================================================================
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from redstart.errors import DataError, problem
from redstart.vision.quiet import quiet_pillow

__all__ = ["PIXEL_PROPERTIES", "pixel_properties", "properties_of"]

PIXEL_PROPERTIES: Final = ("brightness", "contrast", "colourful", "sharpness", "border")
"""What ``pixel_properties`` measures."""

_NUMBERS: Final = ("bytes", "width", "height")
_TEXTS: Final = ("format", "mode", "camera", "place", "software")
_MAKE, _MODEL, _SOFTWARE, _EXIF, _GPS = 0x010F, 0x0110, 0x0131, 0x8769, 0x8825
_TAKEN, _SERIAL = 0x9003, 0xA431
_STAMP: Final = re.compile(r"\s*(\d{4})[:/-](\d\d)[:/-](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_PLAIN: Final = 12  # grey levels by which a border of one colour may differ: JPEG noise
_ENOUGH: Final = 128  # pixels a side that tell brightness and colours


def properties_of(files: Sequence[Any], threads: int = 1) -> dict[str, NDArray[Any]]:
    """Read the headers of picture files; no pixel is decoded, and nothing is ever raised.

    Args:
        files: Paths. Anything else (arrays, PIL images) has no header: all is unknown.
        threads: That read at once.

    Returns:
        By name, see above: numbers ``(N,)`` float64, NaN where not known; texts ``(N,)``
        object, ``None`` where not known; ``taken`` ``(N,)`` datetime64[s], NaT where not
        known.
    """
    if threads > 1 and len(files) > 1:
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(_header, files, chunksize=16))
    else:
        found = [_header(file) for file in files]
    columns: dict[str, NDArray[Any]] = {
        name: np.array([header.get(name, np.nan) for header in found], dtype=np.float64)
        for name in _NUMBERS
    }
    for name in _TEXTS:
        texts = np.empty(len(found), dtype=object)
        texts[:] = [header.get(name) for header in found]
        columns[name] = texts
    never = np.datetime64("NaT", "s")
    columns["taken"] = np.array([h.get("taken", never) for h in found], dtype="datetime64[s]")
    return columns


def pixel_properties(x: Tensor) -> dict[str, float]:
    """Measure a picture: ``PIXEL_PROPERTIES``, see above.

    Args:
        x: uint8 ``(C, H, W)``, one channel or three. Of large pictures some rows and columns
            are looked at, and the middle for sharpness.

    Raises:
        DataError: If ``x`` is something else.
    """
    if x.ndim != 3 or x.shape[0] not in (1, 3) or str(x.dtype) != "torch.uint8" or not x.numel():
        raise DataError(
            problem(
                "Expected a picture of uint8 pixels, (1, H, W) or (3, H, W)",
                f"{x.dtype} of shape {tuple(x.shape)}",
                "Measure before normalising, one picture at a time.",
            )
        )
    whole = x.numpy()
    height, width = whole.shape[1:]
    step = -(-max(height, width) // _ENOUGH)
    pixels = whole[:, ::step, ::step].astype(np.int16)
    grey = _grey(pixels).astype(np.float32)
    top, left = max(0, (height - _ENOUGH) // 2), max(0, (width - _ENOUGH) // 2)
    middle = whole[:, top : top + _ENOUGH, left : left + _ENOUGH].astype(np.int16)
    return {
        "brightness": float(grey.mean()),
        "contrast": float(grey.std()),
        "colourful": _colourful(pixels) if len(pixels) == 3 else 0.0,
        "sharpness": _sharpness(_grey(middle)),
        "border": _border(pixels),
    }


def _grey(pixels: NDArray[np.int16]) -> NDArray[np.int16]:
    if len(pixels) == 1:
        single: NDArray[np.int16] = pixels[0]
        return single
    red, green, blue = pixels
    grey: NDArray[np.int16] = (red * 19 + green * 37 + blue * 8) >> 6  # Rec. 601, in 1/64
    return grey


def _colourful(pixels: NDArray[np.int16]) -> float:
    red, green, blue = pixels.astype(np.float32)
    first, second = red - green, (red + green) / 2 - blue
    spread = np.hypot(first.std(), second.std())
    return float(spread + 0.3 * np.hypot(first.mean(), second.mean()))


def _sharpness(grey: NDArray[np.int16]) -> float:
    if min(grey.shape) < 3:
        return 0.0
    across = grey[1:-1, :-2] + grey[1:-1, 2:]
    down = grey[:-2, 1:-1] + grey[2:, 1:-1]
    return float((across + down - 4 * grey[1:-1, 1:-1]).astype(np.float32).var())


def _border(pixels: NDArray[np.int16]) -> float:
    height, width = pixels.shape[1:]
    top, bottom = _plain_ends(pixels, 2)
    if top == height:
        return 1.0
    left, right = _plain_ends(pixels[:, top : height - bottom], 1)
    inside = (height - top - bottom) * (width - left - right)
    return float(1 - inside / (height * width))


def _plain_ends(pixels: NDArray[np.int16], axis: int) -> tuple[int, int]:
    """How many lines at the start and at the end are of the one colour that they begin with."""
    lines = pixels if axis == 2 else pixels.swapaxes(1, 2)  # (C, lines, along)
    n = lines.shape[1]
    ends = []
    for order in (slice(None), slice(None, None, -1)):
        turned = lines[:, order]
        colour = turned[:, 0, 0]
        count = 0
        for start in range(0, n, 16):  # most pictures have no border: look no further
            part = np.abs(turned[:, start : start + 16] - colour[:, None, None])
            plain = (part <= _PLAIN).all(axis=(0, 2))
            if not plain.all():
                count += int(plain.argmin())
                break
            count += len(plain)
        ends.append(count)
    return ends[0], ends[1]


def _header(item: Any) -> dict[str, Any]:
    """What is known of one file; empty where that is nothing."""
    if not isinstance(item, str | os.PathLike):
        return {}
    found: dict[str, Any] = {}
    try:
        info = os.stat(item)
        if not stat.S_ISREG(info.st_mode):  # reading a pipe could wait for ever
            return {}
        found["bytes"] = float(info.st_size)
        Image.init()  # before threads: see `vision.decode`
        with quiet_pillow(), Image.open(item) as img:
            found |= {"width": float(img.width), "height": float(img.height)}
            found |= {"format": img.format, "mode": img.mode}
            found |= _exif(img)
    except Exception:  # plugins raise whatever broken bytes make them raise
        return found
    return found


def _exif(img: Image.Image) -> dict[str, Any]:
    # PNG and others read the whole file when asked; most cameras write JPEG, TIFF or WebP.
    if img.format not in ("JPEG", "MPO", "TIFF", "WEBP") and "exif" not in img.info:
        return {}
    if img.format in ("JPEG", "MPO", "WEBP") and "exif" not in img.info:
        return {}
    exif = img.getexif()
    if not exif:
        return {}
    detail: Mapping[int, Any] = exif.get_ifd(_EXIF)
    make, model = _text(exif.get(_MAKE)), _text(exif.get(_MODEL))
    if make and model and model.lower().startswith(make.lower()):
        make = None  # "Canon" and "Canon EOS 5D"
    found: dict[str, Any] = {}
    if camera := " ".join(filter(None, (make, model, _text(detail.get(_SERIAL))))):
        found["camera"] = camera
    if software := _text(exif.get(_SOFTWARE)):
        found["software"] = software
    if (taken := _moment(detail.get(_TAKEN))) is not None:
        found["taken"] = taken
    if place := _place(exif.get_ifd(_GPS)):
        found["place"] = place
    return found


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    text = str(value).replace("\0", " ").strip() if isinstance(value, str) else ""
    return text or None


def _moment(value: Any) -> np.datetime64 | None:
    found = _STAMP.match(_text(value) or "")
    if found is None or found[1] == "0000":
        return None
    year, month, day, hour, minute, second = found.groups()
    try:
        return np.datetime64(f"{year}-{month}-{day}T{hour}:{minute}:{second}", "s")
    except ValueError:  # month 13: a camera without a clock
        return None


def _place(gps: Mapping[int, Any]) -> str | None:
    try:
        north = _degrees(gps[2], gps[1] in ("S", b"S"))
        east = _degrees(gps[4], gps[3] in ("W", b"W"))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return f"{north:.2f},{east:.2f}" if np.isfinite([north, east]).all() else None


def _degrees(value: Sequence[Any], negative: bool) -> float:
    degrees, minutes, seconds = (float(part) for part in value)
    size = degrees + minutes / 60 + seconds / 3600
    return -size if negative else size
