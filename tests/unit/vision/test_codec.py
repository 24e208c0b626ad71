"""The image codec: bytes in, floats out, and back to something to look at."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from redstart.config import from_config
from redstart.errors import ConfigError, DataError
from redstart.rng import generator
from redstart.vision.codec import ImageBlock, ImageCodec, PILImage, PILImageBW
from redstart.vision.resize import RandomResizedCrop, Resize
from redstart.vision.warp import Spatial, Warp

TABLE = {"image": ImageCodec, "resize": Resize, "random_resized_crop": RandomResizedCrop}
STATS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_what_is_encoded_is_what_is_seen(path: Path) -> None:
    codec = ImageCodec()
    (x,) = codec.encode(codec.load(path))
    assert (x.shape, x.dtype) == ((3, 60, 80), torch.uint8)
    assert x.is_contiguous()
    with Image.open(path) as img:
        assert (codec.view((x,)).pixels == np.asarray(img)).all()
    assert (codec.view((x.float() / 255,)).pixels == codec.view((x,)).pixels).all()


def test_grey(path: Path) -> None:
    codec = ImageBlock(PILImageBW).with_item_tfms(Resize(16))
    (x,) = codec.encode(codec.load(path))
    assert x.shape == (1, 16, 16)
    assert codec.view((x,)).pixels.shape == (16, 16)
    assert codec.nbytes(codec.load(path)) == 80 * 60


def test_prepare_normalises_bytes_and_floats_alike(path: Path) -> None:
    codec = ImageCodec(mean=STATS[0], std=STATS[1])
    x = torch.stack([codec.encode(codec.load(path))[0]] * 2)
    want = (x.double() / 255 - torch.tensor(STATS[0]).view(3, 1, 1)) / torch.tensor(STATS[1]).view(
        3, 1, 1
    )
    floats = x.float() / 255
    kept = floats.clone()
    for given in (x, floats):
        (out,) = codec.prepare((given,))
        assert out.dtype == torch.float32
        torch.testing.assert_close(out.double(), want, atol=1e-5, rtol=1e-5)
    assert torch.equal(floats, kept), "the batch itself is left as it was"
    (plain,) = ImageCodec().prepare((x,))
    torch.testing.assert_close(plain, floats)
    last = x.contiguous(memory_format=torch.channels_last)
    assert codec.prepare((last,))[0].is_contiguous(memory_format=torch.channels_last)


def test_prepare_brings_a_batch_to_the_size_of_training() -> None:
    ramp = torch.arange(40).repeat(2, 3, 20, 1).byte()
    codec = ImageCodec(size=(10, 10))
    (out,) = codec.prepare((ramp,))
    assert out.shape == (2, 3, 10, 10)
    centre = (out[0, 0, 5] * 255).round()
    assert centre[0] == pytest.approx(10.5, abs=1)
    assert centre[-1] == pytest.approx(28.5, abs=1)
    small = torch.zeros(2, 3, 10, 10)
    assert codec.prepare((small,))[0].shape == (2, 3, 10, 10)


def test_training_draws_only_with_a_random_transform(path: Path) -> None:
    still = ImageCodec(tfms=(Resize(16),))
    drawn = ImageCodec(tfms=(RandomResizedCrop(16, min_scale=0.2),))
    raw = still.load(path)
    assert (still.random, drawn.random) == (False, True)
    assert torch.equal(still.encode_train(raw, generator(1))[0], still.encode(raw)[0])
    first, again, other = (drawn.encode_train(raw, generator(s))[0] for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(drawn.encode(raw)[0], still.encode(raw)[0])


def test_jpegs_are_decoded_no_larger_than_needed(tmp_path: Path) -> None:
    Image.new("RGB", (800, 600), (10, 200, 30)).save(tmp_path / "a.jpg")
    codec = ImageCodec(tfms=(Resize(64),))
    raw = codec.load(tmp_path / "a.jpg")
    assert raw.size == (100, 75)
    assert codec.nbytes(raw) == 100 * 75 * 4
    assert codec.encode(raw)[0].shape == (3, 64, 64)
    with pytest.raises(DataError, match=r"b\.jpg', but there is no such file"):
        codec.load(tmp_path / "b.jpg")


def test_configuration_survives_json() -> None:
    codec = ImageCodec(
        tfms=(Resize((460, 400), "pad"), RandomResizedCrop(224)),
        size=(128, 128),
        mean=STATS[0],
        std=STATS[1],
    )
    back = from_config(json.loads(json.dumps(codec.to_config())), TABLE)
    assert back == codec
    assert hash(back) == hash(codec)
    assert back.encoding_id == codec.encoding_id


def test_encoding_id_follows_the_pixels_alone() -> None:
    plain = ImageCodec(tfms=(Resize(8),))
    assert plain.encoding_id == ImageCodec((Resize(8),), 3, (4, 4), *STATS).encoding_id
    assert plain.encoding_id != ImageCodec(tfms=(Resize(9),)).encoding_id
    assert plain.encoding_id != ImageCodec(tfms=(Resize(8),), channels=1).encoding_id


def test_blocks_and_pictures(path: Path) -> None:
    assert ImageBlock() == ImageBlock(PILImage) == ImageBlock(cls=PILImage) == ImageCodec()
    assert ImageBlock(cls=PILImageBW).channels == 1
    assert PILImage.create(path).mode == "RGB"
    assert PILImageBW.create(path).mode == "L"
    with pytest.raises(ConfigError, match="PILImageBW"):
        ImageBlock(int)


def test_it_is_spatial() -> None:
    codec = ImageCodec()
    assert isinstance(codec, Spatial)
    (x,) = codec.warp((torch.zeros(2, 3, 8, 8, dtype=torch.uint8),), Warp.identity(2, (4, 6)))
    assert (x.shape, x.dtype) == ((2, 3, 4, 6), torch.float32)


def test_functions_cannot_travel_in_a_bundle() -> None:
    with pytest.raises(ConfigError, match=r"saved model can repeat.*get_x.*batch_tfms"):
        ImageCodec().with_item_tfms([lambda img: img])


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"channels": 4}, "channels=4"),
        ({"mean": (0.5,), "std": (0.5,)}, "each of 3 channels"),
        ({"mean": (0.5, 0.5, 0.5)}, "std=None"),
        ({"mean": (0.5,) * 3, "std": (0.5, 0.5, 0.0)}, "positive std"),
        ({"size": (0, 4)}, r"size=\(0, 4\)"),
    ],
)
def test_wrong_fields_are_refused(fields: dict[str, object], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        ImageCodec(**fields)  # type: ignore[arg-type]
