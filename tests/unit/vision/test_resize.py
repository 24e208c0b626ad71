"""Every method on every shape: the right part, the right place, the right size."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from redstart.config import from_config
from redstart.errors import ConfigError
from redstart.rng import generator
from redstart.vision.resize import PadMode, RandomResizedCrop, Resize, ResizeMethod

TABLE = {"resize": Resize, "random_resized_crop": RandomResizedCrop}


def stripes(width: int, height: int) -> Image.Image:
    """Black, then white in the middle third, then black, along the longer side."""
    pixels = np.zeros((height, width), dtype=np.uint8)
    if width >= height:
        pixels[:, width // 3 : 2 * width // 3] = 255
    else:
        pixels[height // 3 : 2 * height // 3] = 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize("size", [(300, 100), (100, 300)])
def test_crop_keeps_the_middle(size: tuple[int, int]) -> None:
    out = Resize(50).apply(stripes(*size))
    assert out.size == (50, 50)
    assert np.asarray(out)[3:-3, 3:-3].min() == 255


def test_squish_keeps_everything() -> None:
    out = np.asarray(Resize(90, "squish").apply(stripes(300, 100)))
    assert out.shape == (90, 90)
    assert out[:, :28].max() == 0
    assert out[:, 32:58].min() == 255


@pytest.mark.parametrize("mode", list(PadMode))
def test_pad_shows_everything_in_proportion(mode: PadMode) -> None:
    out = np.asarray(Resize(90, method=ResizeMethod.Pad, pad_mode=mode).apply(stripes(300, 100)))
    assert out.shape == (90, 90)
    assert out[30:60, 32:58].min() == 255
    assert out[30:60, :28].max() == 0
    outside = out[:29, 32:58]
    assert outside.max() == 0 if mode == "zeros" else outside.min() == 255


def test_reflection_mirrors_at_the_edge() -> None:
    ramp = Image.fromarray(np.arange(90, dtype=np.uint8)[:, None].repeat(30, 1))
    out = np.asarray(Resize((90, 60), "pad", pad_mode="reflection").apply(ramp.rotate(0)))
    assert (out == out[:, :1]).all(), "sideways, a picture of rows stays one"
    tall = np.asarray(Resize((150, 30), "pad", pad_mode="reflection").apply(ramp))[:, 0]
    assert tall[30] == 0
    assert tall[:30].tolist() == list(range(30, 0, -1))


def test_size_is_height_then_width() -> None:
    assert Resize((20, 50)).apply(stripes(300, 100)).size == (50, 20)
    assert RandomResizedCrop((20, 50)).apply_train(stripes(300, 100), generator(0)).size == (50, 20)


@settings(deadline=None, max_examples=50)
@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    h=st.integers(1, 64),
    w=st.integers(1, 64),
    method=st.sampled_from(["crop", "pad", "squish", "random"]),
    pad=st.sampled_from(list(PadMode)),
)
def test_any_picture_comes_out_at_the_size_asked(
    width: int, height: int, h: int, w: int, method: str, pad: PadMode
) -> None:
    img = Image.new("RGB", (width, height), (9, 9, 9))
    tfm = RandomResizedCrop((h, w)) if method == "random" else Resize((h, w), method, pad)
    least = tfm.decode_size((width, height))
    assert 1 <= least[0] <= width
    assert 1 <= least[1] <= height
    for out in (tfm.apply(img), tfm.apply_train(img, generator(1))):
        assert out.size == (w, h)
    left, top, right, bottom = tfm.drawn_frame(img.size, generator(2)).box
    assert 0 <= left < right <= width + 1e-9
    assert 0 <= top < bottom <= height + 1e-9


def test_one_resampling_is_close_to_the_best_that_pillow_has() -> None:
    noise = np.random.default_rng(0).normal(size=(60, 80, 3)).cumsum(0).cumsum(1)
    noise = ((noise - noise.min()) / np.ptp(noise) * 255).astype(np.uint8)
    img = Image.fromarray(noise).resize((1600, 1200), Image.Resampling.BICUBIC)
    frame = Resize(224).frame(img.size)
    best = img.resize((224, 224), Image.Resampling.LANCZOS, box=frame.box)
    got = Resize(224).apply(img)
    assert np.abs(np.asarray(got, dtype=int) - np.asarray(best, dtype=int)).mean() < 1


def test_decode_size_is_enough_and_no_more() -> None:
    assert Resize(224).decode_size((4000, 3000)) == (299, 224)
    assert Resize(224, "pad").decode_size((4000, 3000)) == (224, 168)
    assert Resize(224, "squish").decode_size((4000, 3000)) == (224, 224)
    assert Resize(224).decode_size((100, 100)) == (100, 100)
    tfm = RandomResizedCrop(64, min_scale=0.25)
    least = tfm.decode_size((4000, 3000))
    for seed in range(50):
        left, top, right, bottom = tfm.drawn_frame((4000, 3000), generator(seed)).box
        assert (right - left) * least[0] / 4000 >= 63.9
        assert (bottom - top) * least[1] / 3000 >= 63.9


def test_random_crops_are_draws_of_the_generator_alone() -> None:
    tfm = RandomResizedCrop(32, min_scale=0.3)
    boxes = [tfm.drawn_frame((400, 300), generator(7, row)).box for row in range(200)]
    assert boxes == [tfm.drawn_frame((400, 300), generator(7, row)).box for row in range(200)]
    assert len(set(boxes)) == 200
    areas = np.array([(b[2] - b[0]) * (b[3] - b[1]) / 120_000 for b in boxes])
    ratios = np.array([(b[2] - b[0]) / (b[3] - b[1]) for b in boxes])
    assert areas.min() >= 0.3 - 1e-9
    assert areas.max() > 0.8
    assert ratios.min() >= 3 / 4 - 1e-9
    assert ratios.max() <= 4 / 3 + 1e-9
    centres = np.array([((b[0] + b[2]) / 800, (b[1] + b[3]) / 600) for b in boxes])
    assert (np.abs(centres.mean(0) - 0.5) < 0.05).all()


def test_validation_takes_the_centre() -> None:
    assert RandomResizedCrop(32).frame((400, 300)) == Resize(32).frame((400, 300))
    assert RandomResizedCrop(32).random
    assert not Resize(32).random


def test_a_part_too_wide_for_the_picture_falls_back_to_the_centre() -> None:
    tfm = RandomResizedCrop(32, min_scale=1.0)
    assert tfm.drawn_frame((400, 100), generator(0)) == tfm.frame((400, 100))


@pytest.mark.parametrize(
    "tfm",
    [
        Resize(224),
        Resize((3, 5), ResizeMethod.Squish),
        Resize(9, "pad", PadMode.Border),
        RandomResizedCrop((4, 6), min_scale=0.5, ratio=(1.0, 2.0)),
    ],
)
def test_configurations_survive_json(tfm: Resize | RandomResizedCrop) -> None:
    back = from_config(json.loads(json.dumps(tfm.to_config())), TABLE)
    assert back == tfm
    assert repr(back) == repr(tfm)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Resize(0), "size=0"),
        (lambda: Resize((5, -2)), r"size=\(5, -2\)"),
        (lambda: Resize(8, "stretch"), "'crop', 'pad', 'squish'.*stretch"),
        (lambda: Resize(8, "pad", "mirror"), "'zeros', 'border', 'reflection'.*mirror"),
        (lambda: RandomResizedCrop(8, min_scale=0.0), "min_scale=0.0"),
        (lambda: RandomResizedCrop(8, ratio=(2.0, 1.0)), r"ratio=\(2.0, 1.0\)"),
    ],
)
def test_wrong_values_are_refused(make: object, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        make()  # type: ignore[operator]


def test_global_randomness_is_not_touched() -> None:
    before = torch.random.get_rng_state()
    RandomResizedCrop(8).apply_train(stripes(30, 30), generator(0))
    assert torch.equal(before, torch.random.get_rng_state())
