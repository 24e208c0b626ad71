"""Laws of warps: they compose, they have inverses, points follow pixels."""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from redstart.vision.warp import Warp

few = settings(deadline=None, max_examples=50)
unit = st.floats(0, 1, width=32)


tilt = st.floats(-0.125, 0.125, width=32)
draws = st.tuples(
    st.booleans(),
    st.booleans(),
    st.floats(-40, 40, width=32),
    st.floats(0.75, 1.5, width=32),
    unit,
    unit,
    tilt,
    tilt,
)
Draws = tuple[bool, bool, float, float, float, float, float, float]


def made(numbers: Draws, height: int = 48, width: int = 64) -> Warp:
    """Flip, rotate, zoom and tilt."""
    x, y, degrees, factor, left, top, side, down = (torch.tensor([n]) for n in numbers)
    warp = Warp.identity(1, (height, width)).flip(x, y).rotate(degrees)
    return warp.zoom(factor, left, top).tilt(side, down)


def points(n: int = 7) -> torch.Tensor:
    return torch.rand(1, n, 2, generator=torch.Generator().manual_seed(3)) * 1.2 - 0.6


@few
@given(draws, draws, draws)
def test_composition_is_doing_one_after_the_other(u: Draws, v: Draws, w: Draws) -> None:
    a, b, c = made(u), made(v), made(w)
    there = points()
    step_by_step = b.apply_points(a.apply_points(there))
    torch.testing.assert_close(a.then(b).apply_points(there), step_by_step, atol=1e-3, rtol=1e-3)
    left, right = a.then(b).then(c), a.then(b.then(c))
    torch.testing.assert_close(left.theta, right.theta, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(a.then(b).theta, a.theta @ b.theta)


@few
@given(draws)
def test_there_and_back_again(numbers: Draws) -> None:
    warp = made(numbers)
    back = warp.then(warp.inverse((30, 40)))
    assert back.size == (30, 40)
    scaled = back.theta / back.theta[:, 2:, 2:]
    torch.testing.assert_close(scaled, torch.eye(3)[None], atol=1e-4, rtol=0)


@few
@given(draws, st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_points_follow_pixels(numbers: Draws, x: float, y: float) -> None:
    warp = made(numbers)
    height, width = 48, 64
    xs = (torch.arange(width) * 2 + 1) / width - 1
    ys = (torch.arange(height) * 2 + 1) / height - 1
    distance = ((xs - x) * width / 2) ** 2 + ((ys[:, None] - y) * height / 2) ** 2
    dot = torch.exp(-distance / 8)[None, None]
    (moved,) = warp.apply_points(torch.tensor([[[x, y]]]))[0]
    if moved.abs().max() > 0.7:  # its light would be cut off by the edge
        return
    seen = replace(warp, pad_mode="zeros").apply_image(dot)[0, 0]
    seen = seen / seen.sum()
    centre = torch.stack([(seen.sum(0) * xs).sum(), (seen.sum(1) * ys).sum()])
    pixels = (centre - moved) * torch.tensor([width / 2, height / 2])
    assert pixels.abs().max() < 0.75


@few
@given(draws)
def test_masks_follow_pictures(numbers: Draws) -> None:
    warp = made(numbers)
    mask = torch.zeros(1, 48, 64, dtype=torch.int64)
    mask[:, 10:30, 20:50] = 1
    soft = warp.apply_image(mask[:, None].float())[:, 0]
    sure = (soft < 0.01) | (soft > 0.99)
    assert torch.equal(warp.apply_mask(mask)[sure], soft[sure].round().long())
