"""Known warps on known pictures."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from redstart.errors import DataError
from redstart.vision.warp import Warp

YES, NO = torch.tensor([True]), torch.tensor([False])


def picture(height: int = 24, width: int = 36) -> torch.Tensor:
    x = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    return F.avg_pool2d(x, 5, 1, 2)


def test_identity_changes_nothing() -> None:
    x = picture()
    torch.testing.assert_close(Warp.identity(1, (24, 36)).apply_image(x), x, atol=1e-5, rtol=0)


def test_bytes_come_out_as_fractions() -> None:
    x = (picture() * 255).byte()
    out = Warp.identity(1, (24, 36)).apply_image(x)
    torch.testing.assert_close(out, x.float() / 255, atol=1e-5, rtol=0)


def test_flips_and_transposition_are_exact() -> None:
    x = picture(24, 24)
    start = Warp.identity(1, (24, 24))
    for warp, want in (
        (start.flip(YES), x.flip(-1)),
        (start.flip(NO, YES), x.flip(-2)),
        (start.transpose(YES), x.mT),
        (start.transpose(NO), x),
    ):
        torch.testing.assert_close(warp.apply_image(x), want, atol=1e-5, rtol=0)


def test_rotation_is_counter_clockwise_and_does_not_shear() -> None:
    x = picture(24, 24)
    turned = Warp.identity(1, (24, 24)).rotate(torch.tensor([90.0])).apply_image(x)
    torch.testing.assert_close(turned, torch.rot90(x, 1, (-2, -1)), atol=1e-4, rtol=0)
    # On a wide picture, a square stays a square: its corners keep their distance in pixels.
    square = torch.tensor([[[-0.25, -0.5], [0.25, -0.5], [0.25, 0.5], [-0.25, 0.5]]])
    moved = Warp.identity(1, (100, 200)).rotate(torch.tensor([30.0])).apply_points(square)
    pixels = moved * torch.tensor([100.0, 50.0])
    sides = (pixels - pixels.roll(1, 1)).norm(dim=-1)
    torch.testing.assert_close(sides, torch.full((1, 4), 50.0))


def test_zoom_and_crop_show_the_part_that_was_asked_for() -> None:
    x = picture(24, 36)
    start = Warp.identity(1, (12, 18))
    half, zero, one = torch.tensor([0.5]), torch.zeros(1), torch.ones(1)
    corner = start.crop(half, half, zero, one).apply_image(x)
    torch.testing.assert_close(corner, x[..., 12:, :18], atol=1e-5, rtol=0)
    middle = start.zoom(torch.tensor([2.0])).apply_image(x)
    torch.testing.assert_close(middle, x[..., 6:18, 9:27], atol=1e-5, rtol=0)


def test_tilt_enlarges_the_near_edge_and_keeps_the_centre() -> None:
    warp = Warp.identity(1, (10, 10)).tilt(torch.tensor([0.2]), torch.tensor([0.0]))
    points = torch.tensor([[[0.0, 0.0], [0.8, 0.5], [-0.8, 0.5]]])
    centre, near, far = warp.apply_points(points)[0]
    assert centre.tolist() == [0, 0]
    assert near[1] > 0.5 > far[1]


def test_each_row_has_its_own_warp() -> None:
    x = picture(24, 24).repeat(2, 1, 1, 1)
    out = Warp.identity(2, (24, 24)).flip(torch.tensor([True, False])).apply_image(x)
    torch.testing.assert_close(out[0], x[0].flip(-1), atol=1e-5, rtol=0)
    torch.testing.assert_close(out[1], x[1], atol=1e-5, rtol=0)


def test_shrinking_does_not_make_patterns() -> None:
    checks = (torch.arange(128)[:, None] + torch.arange(128)).remainder(2).mul(255).byte()
    out = (
        Warp.identity(1, (16, 16))
        .rotate(torch.tensor([5.0]))
        .apply_image(checks.expand(1, 3, 128, 128))
    )
    assert out.sub(0.5).abs().max() < 0.02


def test_rows_that_shrink_differently_are_filtered_differently() -> None:
    x = picture(64, 64).repeat(9, 1, 1, 1)
    factor = torch.tensor([1.0, 8.0, 1.0, 1.0, 8.0, 2.0, 1.0, 8.0, 4.0])
    together = Warp.identity(9, (16, 16)).zoom(factor).apply_image(x)
    for row in range(9):
        alone = Warp.identity(1, (16, 16)).zoom(factor[row : row + 1]).apply_image(x[:1])
        torch.testing.assert_close(together[row], alone[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("pad_mode", "want"), [("zeros", 0.0), ("border", 0.9), ("reflection", 0.5)]
)
def test_what_lies_outside(pad_mode: str, want: float) -> None:
    x = torch.full((1, 1, 10, 10), 0.5)
    x[..., 0, :] = 0.9
    out = Warp(torch.diag(torch.tensor([1.0, 2.0, 1.0]))[None], (20, 10), pad_mode=pad_mode)
    assert out.apply_image(x)[0, 0, 2, 5] == pytest.approx(want, abs=1e-3)


def test_masks_keep_their_classes() -> None:
    mask = torch.randint(0, 5, (1, 20, 20), generator=torch.Generator().manual_seed(0))
    mask[mask == 3] = 250
    start = Warp.identity(1, (20, 20))
    assert torch.equal(start.flip(YES).apply_mask(mask), mask.flip(-1))
    turned = start.rotate(torch.tensor([45.0]))
    assert set(turned.apply_mask(mask).unique().tolist()) <= {0, 1, 2, 4, 250}
    filled = turned.apply_mask(mask, fill=255)
    assert filled.dtype == mask.dtype
    assert (filled[0, 0, 0], filled[0, 10, 10] == 255) == (255, False)


def test_rows_must_match() -> None:
    with pytest.raises(DataError, match=r"2 rows to warp.*\(1, 3, 24, 36\)"):
        Warp.identity(2, (4, 4)).apply_image(picture())
