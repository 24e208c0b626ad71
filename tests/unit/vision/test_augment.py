"""Batch augmentation: each row its own draw, masks in step, lighting within its limits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch

from redstart.config import from_config
from redstart.data.batch import Batch, Encoded
from redstart.data.codec import Codec
from redstart.data.target import Target
from redstart.data.transform import BatchSpec, bind_all
from redstart.errors import ConfigError
from redstart.rng import generator
from redstart.targets.category import CategoryTarget
from redstart.vision.augment import Augment, Normalize, aug_transforms, imagenet_stats
from redstart.vision.codec import ImageCodec
from redstart.vision.resize import PadMode
from redstart.vision.warp import Warp

PLAIN: dict[str, Any] = {
    "do_flip": False,
    "max_rotate": 0.0,
    "max_zoom": 1.0,
    "max_lighting": 0.0,
    "max_warp": 0.0,
}


@dataclass(frozen=True)
class MaskLike(Target[Any, Any]):
    """As much of a mask target as a warp needs."""

    kind: ClassVar[str] = "mask-like"
    n_out = 2

    def warp(self, encoded: Encoded, warp: Warp) -> Encoded:
        return (warp.apply_mask(encoded[0]),)

    def fit(self, train: Any, rest: Any = ()) -> MaskLike:
        raise NotImplementedError

    encode = loss = activate = decode = mark = fit


@dataclass(frozen=True)
class Words(Codec[str]):
    """An input that is no picture."""

    kind: ClassVar[str] = "words"

    def load(self, item: Any) -> str:
        raise NotImplementedError

    encode = view = load


LABEL = CategoryTarget()


def batch(n: int = 8, height: int = 32, width: int = 32, y: torch.Tensor | None = None) -> Batch:
    x = torch.randint(0, 256, (1, 3, height, width), generator=generator(0), dtype=torch.uint8)
    return Batch(torch.arange(n), (x.repeat(n, 1, 1, 1),), None if y is None else (y,))


def run(specs: list[Any], data: Batch, seed: int = 0, target: Any = None) -> Batch:
    _, tfms = bind_all(specs, ImageCodec(), target or LABEL)
    rng = generator(seed)
    for tfm in tfms:
        data = tfm(data, rng)
    return data


def test_every_row_is_drawn_for_itself_from_the_generator() -> None:
    out, again, other = (run(aug_transforms(), batch(), s).x[0] for s in (0, 0, 1))
    assert (out.shape, out.dtype) == ((8, 3, 32, 32), torch.float32)
    assert out.min() >= 0
    assert out.max() <= 1
    assert torch.equal(out, again)
    assert not torch.equal(out, other)
    assert len({row.sum().item() for row in out}) == 8


def test_nothing_switched_on_is_the_picture_itself() -> None:
    data = batch()
    out = run(aug_transforms(**PLAIN), data).x[0]
    torch.testing.assert_close(out, data.x[0].float() / 255, atol=1e-5, rtol=0)


def test_a_batch_is_left_as_it_was() -> None:
    data = batch()
    kept = data.x[0].clone()
    run(aug_transforms(), data)
    assert torch.equal(data.x[0], kept)


def test_half_of_the_rows_are_mirrored() -> None:
    data = batch(400, 8, 8)
    out = run(aug_transforms(**{**PLAIN, "do_flip": True}), data).x[0]
    x = data.x[0][0].float() / 255
    same = (out - x).abs().flatten(1).amax(1) < 1e-4
    mirrored = (out - x.flip(-1)).abs().flatten(1).amax(1) < 1e-4
    assert (same | mirrored).all()
    assert 160 < mirrored.sum() < 240


def test_flip_vert_gives_all_eight() -> None:
    out = run(aug_transforms(**{**PLAIN, "do_flip": True, "flip_vert": True}), batch(200, 8, 8)).x[
        0
    ]
    assert len({tuple((row * 255).round().flatten().tolist()) for row in out}) == 8
    wide = run(aug_transforms(**{**PLAIN, "do_flip": True, "flip_vert": True}), batch(200, 8, 12))
    assert len({tuple((r * 255).round().flatten().tolist()) for r in wide.x[0]}) == 4


def test_masks_move_along_and_labels_stay() -> None:
    mask = torch.zeros(8, 32, 32, dtype=torch.int64)
    mask[:, 8:20, 4:16] = 1
    data = batch(y=mask)
    data = replace(data, x=((mask[:, None] * 255).byte().repeat(1, 3, 1, 1),))
    spec = aug_transforms(max_lighting=0.0, max_rotate=30.0)
    out = run(spec, data, target=MaskLike())
    assert out.y is not None
    soft = out.x[0][:, 0]
    sure = (soft < 0.01) | (soft > 0.99)
    assert torch.equal(out.y[0][sure], soft[sure].round().long())
    labels = torch.arange(8)
    kept = run(spec, batch(y=labels)).y
    assert kept is not None
    assert torch.equal(kept[0], labels)


def test_lighting_stays_within_its_limits() -> None:
    grey = Batch(torch.arange(500), (torch.full((500, 3, 4, 4), 0.5),), None)
    spec = aug_transforms(**{**PLAIN, "max_lighting": 0.4})
    level = run(spec, grey).x[0].flatten(1)
    assert torch.allclose(level.amin(1), level.amax(1), atol=1e-6), "one change for a whole row"
    level = level[:, 0]
    assert level.min() >= 0.3 - 1e-6
    assert level.max() <= 0.7 + 1e-6
    assert level.max() - level.min() > 0.35
    assert 75 < (level - 0.5).abs().lt(1e-6).sum() < 175, "a quarter is left alone"
    pair = torch.full((500, 3, 4, 4), 0.4)
    pair[..., 0] = 0.6
    out = run(spec, Batch(grey.index, (pair,), None)).x[0]
    contrast = (out[:, 0, 0, 0] - out[:, 0, 0, 1]) / 0.2
    assert contrast.min() >= 0.6 - 1e-4
    assert contrast.max() <= 1 / 0.6 + 1e-4
    assert contrast.max() > 1.4


def test_size_reaches_training_batches_and_the_codec() -> None:
    codec, (tfm,) = bind_all(aug_transforms(size=16, min_scale=0.5), ImageCodec(), LABEL)
    assert codec.size == (16, 16)  # type: ignore[attr-defined]
    data = batch(4, 40, 60)
    assert tfm(data, generator(0)).x[0].shape == (4, 3, 16, 16)
    assert codec.prepare(data.x)[0].shape == (4, 3, 16, 16), "validation sees the same size"


def test_without_cutting_a_smaller_size_is_the_centre_in_proportion() -> None:
    still = Augment(size=16, do_flip=False, max_rotate=0.0, zoom=(1.0, 1.0), max_warp=0.0)
    warp = still.draw(1, (32, 64), generator(0))
    torch.testing.assert_close(warp.theta[0].diag(), torch.tensor([0.5, 1.0, 1.0]))


@pytest.mark.parametrize("shape", [(40, 40), (40, 60), (60, 40)])
def test_random_parts_lie_inside_and_keep_their_shape(shape: tuple[int, int]) -> None:
    spec = Augment(
        size=(16, 24), min_scale=0.3, do_flip=False, max_rotate=0.0, zoom=(1.0, 1.0), max_warp=0.0
    )
    theta = spec.draw(300, shape, generator(0)).theta
    width, height = theta[:, 0, 0], theta[:, 1, 1]
    assert (width + theta[:, 0, 2].abs()).max() <= 1 + 1e-5
    assert (height + theta[:, 1, 2].abs()).max() <= 1 + 1e-5
    ratio = (width * shape[1]) / (height * shape[0]) / (24 / 16)
    assert ratio.min() >= 3 / 4 - 1e-4
    assert ratio.max() <= 4 / 3 + 1e-4
    fit = shape[0] * 24 / (shape[1] * 16)
    area = width * height / min(fit, 1 / fit)
    assert 0.3 - 1e-4 <= area.min() < 0.35
    assert 0.95 < area.max() <= 1 + 1e-4


def test_normalize_goes_to_the_codec() -> None:
    specs = [*aug_transforms(), Normalize.from_stats(*imagenet_stats)]
    codec, tfms = bind_all(specs, ImageCodec(), LABEL)
    assert len(tfms) == 1
    assert (codec.mean, codec.std) == imagenet_stats  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="each of 1 channels"):
        bind_all(specs, ImageCodec(channels=1), LABEL)


@pytest.mark.parametrize("spec", [aug_transforms()[0], Normalize.from_stats(*imagenet_stats)])
def test_only_pictures(spec: Any) -> None:
    assert isinstance(spec, BatchSpec)
    with pytest.raises(ConfigError, match="inputs of kind 'words'"):
        spec.bind(Words(), LABEL)


def test_mult_extra_and_config() -> None:
    extra = Normalize.from_stats(*imagenet_stats)
    spec, last = aug_transforms(mult=2.0, xtra_tfms=[extra], size=128, pad_mode=PadMode.Zeros)
    assert last is extra
    assert isinstance(spec, Augment)
    assert (spec.max_rotate, spec.max_lighting, spec.max_warp) == (20, 0.4, 0.4)
    assert from_config(spec.to_config(), {"augment": Augment}) == spec


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_rotate": -1.0},
        {"min_zoom": 0.0},
        {"min_zoom": 2.0},
        {"max_lighting": 1.0},
        {"max_warp": 0.5},
        {"p_affine": 2.0},
        {"p_lighting": -1.0},
        {"min_scale": 0.0},
        {"mode": "cubic"},
        {"pad_mode": "x"},
    ],
)
def test_wrong_values_are_refused(wrong: dict[str, Any]) -> None:
    name = next(iter(wrong)).replace("min_zoom", "zoom")
    with pytest.raises(ConfigError, match=f"Expected `{name}`"):
        aug_transforms(**wrong)


def test_global_randomness_is_not_touched() -> None:
    before = torch.random.get_rng_state()
    run(aug_transforms(), batch())
    assert torch.equal(before, torch.random.get_rng_state())
