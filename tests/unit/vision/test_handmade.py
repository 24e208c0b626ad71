"""Features made by hand: the same for the same picture, and about what they say they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from redstart.vision.codec import ImageCodec
from redstart.vision.handmade import handmade


def picture(seed: int = 0, size: int = 96, channels: int = 3) -> Tensor:
    """Smooth blobs, as photos have them."""
    rng = np.random.default_rng(seed)
    rough = torch.from_numpy(rng.random((1, channels, 6, 6), dtype=np.float32))
    smooth = torch.nn.functional.interpolate(rough, size, mode="bicubic").clamp(0, 1)
    return (smooth[0] * 255).byte()


def stripes(*, upright: bool) -> Tensor:
    line = (torch.arange(128) // 8 % 2 * 255).byte()
    x = line.expand(128, 128) if upright else line[:, None].expand(128, 128)
    return x.expand(3, 128, 128)


def distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(8, 8), (28, 28), (200, 130), (300, 500)])
def test_any_size_gives_as_many_numbers(channels: int, shape: tuple[int, int]) -> None:
    x = torch.full((channels, *shape), 90, dtype=torch.uint8)
    found = handmade(x)
    assert found.shape == ({1: 1122, 3: 1242}[channels],)
    assert found.dtype == torch.float32
    assert found.isfinite().all()


def test_bytes_and_floats_are_the_same_picture() -> None:
    x = picture()
    torch.testing.assert_close(handmade(x), handmade(x.float() / 255), atol=1e-4, rtol=1e-4)


def test_the_picture_is_left_as_it_was() -> None:
    x = picture()
    before = x.clone()
    handmade(x)
    assert torch.equal(x, before)


def test_the_same_picture_at_another_size_is_nearer_than_another_picture() -> None:
    one = handmade(picture(0, 128))
    assert distance(one, handmade(picture(0, 192))) < 0.5 * distance(one, handmade(picture(1, 128)))


def test_directions_of_edges_are_told_apart() -> None:
    up, down = handmade(stripes(upright=True)), handmade(stripes(upright=False))
    edges = slice(72 + 96, 72 + 96 + 576)
    a, b = up[edges].view(64, 9).sum(0), down[edges].view(64, 9).sum(0)
    assert (int(a.argmax()), int(b.argmax())) == (0, 4)
    assert float(torch.cosine_similarity(a, b, dim=0)) < 0.2


def test_colours_are_told_apart_where_brightness_is_not() -> None:
    red, blue = torch.zeros(3, 64, 64), torch.zeros(3, 64, 64)
    red[0], blue[2] = 0.299, 0.784  # as bright as each other
    hues = slice(0, 72)
    assert float(handmade(red)[hues] @ handmade(blue)[hues]) == 0
    assert distance(handmade(red)[168:], handmade(blue)[168:]) < 0.1


def test_a_texture_is_the_same_whatever_the_light() -> None:
    x = picture(3).float() / 255 * 0.5 + 0.1
    patterns = slice(-6 * 59, None)
    one, brighter = handmade(x)[patterns], handmade(x + 0.2)[patterns]
    assert distance(one, brighter) < 0.2  # bytes are rounded
    noise = torch.from_numpy(np.random.default_rng(0).random((3, 96, 96), dtype=np.float32))
    assert distance(one, handmade(noise)[patterns]) > 1


def test_the_codec_hands_them_over() -> None:
    x = picture()
    assert torch.equal(ImageCodec().handmade((x,)), handmade(x))
