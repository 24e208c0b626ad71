"""Copies of pictures are recognised however they were changed; other pictures are not."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from redstart.audit.align import aligned_likeness
from redstart.audit.evidence import Pairs, Prints
from redstart.audit.pictures import PictureLikeness

LIKENESS = PictureLikeness()


def scenes(n: int, seed: int = 0, size: int = 96) -> list[Image.Image]:
    """Colourful blots of all sizes, as strong as they are large: the spectrum of photos."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        total = torch.zeros(1, 3, size, size)
        for cells in (3, 6, 12, 24, 48):
            blots = torch.from_numpy(rng.normal(size=(1, 3, cells, cells)).astype(np.float32))
            blots += 2 * blots.mean(1, keepdim=True)
            total += F.interpolate(blots, (size, size), mode="bicubic") / cells
        total = (total - total.min()) / (total.max() - total.min()) * 255
        found.append(Image.fromarray(total[0].permute(1, 2, 0).byte().numpy()))
    return found


def encoded(img: Image.Image) -> tuple[torch.Tensor]:
    return (torch.from_numpy(np.array(img)).permute(2, 0, 1).contiguous(),)


def prints_of(pictures: list[Image.Image], size: int = 96) -> Prints:
    rows = [
        LIKENESS.prints((encoded(p.convert("RGB").resize((size, size)))[0][None],))
        for p in pictures
    ]
    return tuple(np.concatenate(columns) for columns in zip(*rows, strict=True))


def jpeg(img: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    img.save(data, "JPEG", quality=quality)
    return Image.open(io.BytesIO(data.getvalue()))


def cut(img: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    w, h = img.size
    return img.crop(
        (round(w * left), round(h * top), round(w * (1 - right)), round(h * (1 - bottom)))
    )


CHANGES = {
    "jpeg": lambda img: jpeg(img, 30),
    "resized": lambda img: img.resize((40, 50)),
    "cut by 5% in all": lambda img: cut(img, 0.025, 0.025, 0.025, 0.025),
    "cut by 5% each side": lambda img: cut(img, 0.05, 0.05, 0.05, 0.05),
    "cut by 5% on the left": lambda img: cut(img, 0.05, 0, 0, 0),
    "mirrored": ImageOps.mirror,
    "lighter": lambda img: ImageEnhance.Brightness(img).enhance(1.15),
    "more contrast": lambda img: ImageEnhance.Contrast(img).enhance(1.2),
    "blurred": lambda img: img.filter(ImageFilter.GaussianBlur(1)),
    "grey": lambda img: img.convert("L"),
    "all at once": lambda img: jpeg(
        ImageOps.mirror(cut(ImageEnhance.Brightness(img).enhance(1.1), 0.05, 0, 0.03, 0.04)), 60
    ),
}


def listed(pairs: Pairs) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in zip(pairs.left, pairs.right, strict=True)]


@pytest.fixture(scope="module")
def clean() -> list[Image.Image]:
    return scenes(120)


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found_and_nothing_else(clean, change):
    copies = [CHANGES[change](img) for img in clean[:20]]
    found = LIKENESS.pairs(prints_of(clean + copies), np.arange(80), np.arange(80, 140))
    assert {(i, 120 + i) for i in range(20)} >= set(listed(found))
    assert len(found) >= 19
    assert (found.likeness >= 0.5).all() and not found.exact.any()


def test_equal_pixels_are_exact_and_come_first(clean):
    made = prints_of([*clean[:60], clean[3], jpeg(clean[5], 50), clean[3]])
    found = LIKENESS.pairs(made, np.arange(60), np.arange(60, 63))
    assert listed(found) == [(3, 60), (3, 62), (5, 61)]
    assert found.exact.tolist() == [True, True, False]
    assert found.likeness[0] == 1


def test_every_row_that_equals_a_near_copy_is_listed(clean):
    copy = jpeg(clean[5], 50)
    made = prints_of([*clean[:60], copy, copy])
    found = LIKENESS.pairs(made, np.arange(60), np.arange(60, 62))
    assert sorted(listed(found)) == [(5, 60), (5, 61)]


def test_copies_inside_one_part_are_listed_once(clean):
    made = prints_of([*clean[:60], clean[3], ImageOps.mirror(clean[9]), clean[3]])
    rows = np.arange(63)
    found = LIKENESS.pairs(made, rows, rows)
    assert listed(found) == [(3, 60), (3, 62), (9, 61)]


def test_nearly_uniform_pictures_are_only_paired_when_equal():
    """A lens darkens all corners alike; that makes no copies of dark frames."""
    rng = np.random.default_rng(0)
    x = np.linspace(-1, 1, 96)
    corners = 12 - 4 * (x**2 + x[:, None] ** 2)[..., None].repeat(3, 2)
    dark = [corners + rng.normal(size=(96, 96, 3)) * 0.3 for _ in range(4)]
    frames = [Image.fromarray(d.clip(0, 255).astype(np.uint8)) for d in dark]
    made = prints_of([*frames, Image.new("RGB", (96, 96)), Image.new("RGB", (96, 96))])
    rows = np.arange(6)
    assert listed(LIKENESS.pairs(made, rows, rows)) == [(4, 5)]


def test_pictures_that_are_all_alike_are_no_copies_of_each_other():
    """As handwritten digits are: the same few strokes, a little elsewhere."""
    rng = np.random.default_rng(0)
    base = np.zeros((8, 8))
    base[1:7, 3:5] = 200
    drawn = [np.clip(base + rng.normal(size=(8, 8)).cumsum(0) * 12, 0, 255) for _ in range(400)]
    pictures = [Image.fromarray(d.astype(np.uint8)) for d in drawn]
    found = LIKENESS.pairs(prints_of(pictures, 8), np.arange(300), np.arange(300, 400))
    assert (found.likeness >= 0.5).sum() == 0


def test_digits_have_no_copies():
    from sklearn.datasets import load_digits

    pixels = np.rint(load_digits().images * (255 / 16)).astype(np.uint8)
    made = LIKENESS.prints((torch.from_numpy(pixels)[:, None],))
    rows = np.random.default_rng(0).permutation(len(pixels))
    found = LIKENESS.pairs(made, rows[359:], rows[:359])
    assert (found.likeness >= 0.5).sum() == 0
    assert len(set(found.right.tolist())) < 30


@pytest.mark.parametrize("shape", [(3, 96, 96), (1, 28, 28), (3, 50, 33), (1, 1, 1), (3, 8, 300)])
def test_prints_are_of_one_shape_and_do_not_depend_on_the_batch(shape):
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.integers(0, 256, (5, *shape), dtype=np.uint8))
    together = LIKENESS.prints((x,))
    alone = [LIKENESS.prints((row[None],)) for row in x]
    for whole, single in zip(together, zip(*alone, strict=True), strict=True):
        assert np.array_equal(whole, np.concatenate(single))
    assert [(p.shape[1:], p.dtype.name) for p in together] == [
        ((16,), "uint8"),
        ((32, 32), "uint8"),
        ((), "float32"),
    ]


def test_floats_are_recognised_as_bytes_are(clean):
    x = encoded(clean[0])[0][None]
    bytes_, floats = LIKENESS.prints((x,)), LIKENESS.prints((x.float() / 255,))
    assert np.abs(bytes_[1].astype(int) - floats[1]).max() <= 3
    assert not np.array_equal(bytes_[0], floats[0])


def test_pictures_of_other_shapes_with_the_same_bytes_are_not_equal():
    a = LIKENESS.prints((torch.zeros(1, 1, 4, 8, dtype=torch.uint8),))
    b = LIKENESS.prints((torch.zeros(1, 1, 8, 4, dtype=torch.uint8),))
    assert not np.array_equal(a[0], b[0])


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_few_pictures_are_compared_too(clean, n):
    made = prints_of([*clean[: n + 1], jpeg(clean[0], 60)])
    left, right = np.arange(n), np.arange(n, n + 2)
    assert listed(LIKENESS.pairs(made, left, right)) == ([(0, n + 1)] if n else [])


def test_alignment_finds_shift_scale_and_mirror(clean):
    whole = prints_of(clean[:10])[1]
    part = prints_of([cut(img, 0.05, 0.02, 0.0, 0.05) for img in clean[:10]])[1]
    own = np.arange(10)
    assert aligned_likeness(whole, part, (own, own)).min() > 0.95
    assert aligned_likeness(whole, part[:, :, ::-1].copy(), (own, own), mirrored=True).min() > 0.95
    assert aligned_likeness(whole, part, (own, np.roll(own, 1))).max() < 0.7


@pytest.mark.slow
def test_copies_among_real_photos_are_found(shared):
    files = sorted((shared / "data" / "hymenoptera" / "train").rglob("*.jpg"))
    photos = [Image.open(file).convert("RGB") for file in files]
    for name, change in CHANGES.items():
        copies = [change(img) for img in photos[:40]]
        n = len(photos)
        made = prints_of(photos + copies, 128)
        held = np.concatenate([np.arange(200, n), np.arange(n, n + 40)])
        found = listed(LIKENESS.pairs(made, np.arange(200), held))
        right = {(i, n + i) for i in range(40)}
        assert len(right & set(found)) >= 38, name
        assert not set(found) - right, name
