from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from redstart.bundle.bundle import Bundle, load_learner, versions
from redstart.domain import ModelRecipe, find_domain
from redstart.errors import BundleError, DataError
from redstart.rng import forked
from redstart.show.view import Caption, ImageView
from redstart.targets.category import CategoryTarget
from redstart.vision.codec import ImageCodec
from redstart.vision.resize import Resize

RECIPE = ModelRecipe(
    domain="vision",
    builder="classifier",
    arguments={"arch": "resnet10t", "n_out": 3, "n_in": 3},
)
CODEC = ImageCodec((Resize(32),), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
TARGET = CategoryTarget(("ant", "bee", 7), label_smoothing=0.1, class_weights=(1.0, 2.0, 0.5))


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    model = find_domain("vision").build(RECIPE, seed=3)
    with forked(5):  # batch norm with statistics of its own
        model(torch.empty(8, 3, 32, 32).normal_())
    return Bundle(CODEC, TARGET, RECIPE, model.eval(), {"metrics": {"accuracy": {"value": 0.9}}})


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    found = []
    for k in range(5):
        pixels = rng.integers(0, 255, (20 + 9 * k, 40, 3)).astype(np.uint8)
        found.append(tmp_path / f"{k}.png")
        Image.fromarray(pixels).save(found[-1])
    return found


class Own(nn.Module):
    """A module of a user's, with tied weights and weights that share memory."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(3 * 32 * 32, 3, bias=False)
        self.two = nn.Linear(3 * 32 * 32, 3, bias=False)
        self.two.weight = self.one.weight
        whole = torch.zeros(5)
        self.register_buffer("left", whole[:3])
        self.register_buffer("right", whole[2:])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.one(x.flatten(1)) + self.left - self.right
        return out


@forked(0)
def own() -> Own:
    model = Own().eval()
    model.right += 2.0  # type: ignore[operator]
    return model


# ---- there and back


def test_a_bundle_predicts_the_same_bits_after_the_round_trip(
    bundle: Bundle, files: list[Path], tmp_path: Path
) -> None:
    path = bundle.save(tmp_path / "sub" / "m.redstart")
    back = load_learner(path, device="cpu")
    assert (back.codec, back.target, back.recipe) == (CODEC, TARGET, RECIPE)
    assert back.vocab == ("ant", "bee", 7) and back.device == torch.device("cpu")
    assert not back.model.training
    assert back.facts == {**bundle.facts, "versions": versions()}
    for one, other in zip(bundle.get_preds(files), back.get_preds(files), strict=True):
        assert one.decoded == other.decoded
        assert torch.equal(one.probs, other.probs)
    name, index, probs = back.predict(files[0])
    assert name == back.vocab[int(index)] and probs.argmax() == index
    assert torch.isclose(probs.sum(), torch.tensor(1.0))


PREDICT = """
import json, sys
from pathlib import Path
from redstart.bundle.bundle import load_learner
bundle = load_learner(sys.argv[1], device="cpu")
preds = bundle.get_preds([Path(f) for f in sys.argv[2:]])
print(json.dumps({
    "probs": [p.probs.tolist() for p in preds],
    "names": [p.decoded for p in preds],
    "loaded": [n for n in ("redstart.train", "fastai", "sklearn", "matplotlib", "pandas")
               if n in sys.modules],
}))
"""


def test_another_process_predicts_the_same_bits_without_any_training_code(
    bundle: Bundle, files: list[Path], tmp_path: Path
) -> None:
    path = bundle.save(tmp_path / "m.redstart")
    moved = tmp_path / "elsewhere" / "renamed.bin"
    moved.parent.mkdir()
    shutil.move(path, moved)
    run = subprocess.run(
        [sys.executable, "-c", PREDICT, str(moved), *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
        cwd=moved.parent,
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    here = bundle.get_preds(files)
    assert said["probs"] == [p.probs.tolist() for p in here]
    assert said["names"] == [p.decoded for p in here]
    assert said["loaded"] == []


def test_the_file_is_a_zip_of_two_members_and_no_pickle(bundle: Bundle, tmp_path: Path) -> None:
    path = bundle.save(tmp_path / "m.redstart")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["bundle.json", "weights.safetensors"]
        head = json.loads(archive.read("bundle.json"))
        weights = archive.read("weights.safetensors")
    assert set(head) == {
        *("codec", "facts", "format", "recipe", "sha256", "target", "weights_sha256")
    }
    data = path.read_bytes()
    assert not any(mark in data for mark in (b"ctorch", b"collections\n", b"__reduce__", b".pkl"))
    size = int.from_bytes(weights[:8], "little")
    names = set(json.loads(weights[8 : 8 + size])) - {"__metadata__"}
    assert names == set(bundle.model.state_dict())


def test_equal_bundles_are_equal_files(bundle: Bundle, tmp_path: Path) -> None:
    first = bundle.save(tmp_path / "a" / "m.redstart").read_bytes()
    assert bundle.save(tmp_path / "b" / "other.redstart").read_bytes() == first
    again = load_learner(tmp_path / "a" / "m.redstart", device="cpu")
    assert again.save(tmp_path / "c.redstart").read_bytes() == first
    dated = Bundle(CODEC, TARGET, RECIPE, bundle.model, {**bundle.facts, "created": "now"})
    assert dated.save(tmp_path / "d.redstart").read_bytes() != first


# ---- predicting


def test_predictions_do_not_depend_on_the_batch_size(bundle: Bundle, files: list[Path]) -> None:
    whole = bundle.get_preds(files)
    for bs in (1, 2, 5):
        for one, other in zip(bundle.get_preds(files, bs=bs), whole, strict=True):
            assert torch.allclose(one.probs, other.probs, atol=1e-5)
    assert bundle.get_preds([]) == []
    assert len(bundle.get_preds(iter(files), bs=2)) == 5


def test_a_single_path_is_one_item_and_not_its_letters(bundle: Bundle, files: list[Path]) -> None:
    assert len(bundle.get_preds(files[0])) == len(bundle.get_preds(str(files[0]))) == 1


def test_cards_show_what_the_model_saw_and_said(bundle: Bundle, files: list[Path]) -> None:
    cards = bundle.cards(iter(files), bs=2)
    assert [card.item for card in cards] == [str(file) for file in files]
    assert [card.index for card in cards] == [0, 1, 2, 3, 4]
    for card, pred in zip(cards, bundle.get_preds(files), strict=True):
        assert card.pred == Caption(str(pred.decoded)) and card.truth is None
        assert isinstance(card.view, ImageView) and card.view.pixels.shape == (32, 32, 3)


def test_an_item_that_cannot_be_read_is_named(bundle: Bundle, files: list[Path]) -> None:
    files[3].write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"3\.png"):
        bundle.get_preds(files)


def test_items_of_two_sizes_are_named_where_there_is_no_resize(
    bundle: Bundle, files: list[Path]
) -> None:
    bare = Bundle(ImageCodec(), TARGET, RECIPE, bundle.model)
    shapes = r"2\.png is \(3, 38, 40\), \S+3\.png is \(3, 47, 40\)"
    with pytest.raises(DataError, match=shapes):
        bare.get_preds(files[2:])
    assert len(bare.get_preds(files, bs=1)) == 5


def test_a_bundle_prints_in_one_line(bundle: Bundle) -> None:
    assert repr(bundle) == "Bundle(resnet10t; image -> category, 3 classes; accuracy 0.9000)"
    assert repr(Bundle(CODEC, TARGET, None, own())) == (
        "Bundle(own model; image -> category, 3 classes)"
    )


def test_versions_name_what_predictions_depend_on() -> None:
    assert torch.__version__.startswith(versions()["torch"])
    assert {"torch", "timm", "pillow", "numpy"} <= set(versions())


# ---- a module of the user's own


def test_a_module_of_ones_own_has_to_be_passed(files: list[Path], tmp_path: Path) -> None:
    model = own()
    path = Bundle(CODEC, TARGET, None, model).save(tmp_path / "own.redstart")
    with pytest.raises(BundleError, match=r"own\.redstart. Pass it: .*model=MyModel\(\)"):
        load_learner(path)
    fresh = Own()
    back = load_learner(path, model=fresh, device="cpu")
    assert back.recipe is None and back.model is fresh and not fresh.training
    assert torch.equal(fresh.right, model.right) and torch.equal(fresh.left, model.left)
    a, b = Bundle(CODEC, TARGET, None, model).predict(files[0]), back.predict(files[0])
    assert torch.equal(a.probs, b.probs)


def test_another_module_than_the_one_exported_is_refused(tmp_path: Path) -> None:
    path = Bundle(CODEC, TARGET, None, own()).save(tmp_path / "own.redstart")
    with pytest.raises(BundleError, match=r"Missing key.*Pass the very module that was exported"):
        load_learner(path, model=nn.Linear(2, 2))


# ---- what cannot be rebuilt


def saved(path: Path, **changes: Any) -> Path:
    """A bundle whose hashes are right and whose head is not."""
    from redstart.bundle import format as file_format

    head = {
        "recipe": {"domain": "vision", "builder": "classifier", "arguments": {}},
        "codec": CODEC.to_config(),
        "target": TARGET.to_config(),
        "facts": {"versions": {"redstart": "9.9"}},
        **changes,
    }
    return file_format.write(path, head, {"a": torch.zeros(1)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": {"domain": "smell", "builder": "b"}}, "installed domain.*'smell'.*Installed:"),
        ({"recipe": {"domain": "vision", "builder": "b"}}, "Known builders: classifier"),
        ({"recipe": {"domain": "vision"}}, "TypeError.*builder"),
        ({"recipe": {"nonsense": 1}}, "TypeError.*nonsense"),
        (
            {"recipe": {"domain": "vision", "builder": "classifier", "arguments": {"arch": "no"}}},
            "Error: ",
        ),
    ],
)
def test_a_model_that_cannot_be_built_says_why_and_what_wrote_it(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = saved(tmp_path / "m.redstart", **changes)
    with pytest.raises(BundleError, match=rf"rebuild the model.*{message}.*with redstart 9\.9"):
        load_learner(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codec": {"kind": "os.system"}}, "Expected a known kind. Got: kind='os.system'"),
        ({"codec": {"kind": "image", "channels": 7}}, "1 or 3 channels"),
        ({"codec": {"kind": "image", "depth": 7}}, "only fields of 'image'.*depth"),
        ({"target": {"kind": "category", "label_smoothing": "x"}}, "TypeError"),
        ({"target": 5}, "TypeError"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    model = nn.Module()
    model.register_buffer("a", torch.ones(1))
    path = saved(tmp_path / "m.redstart", recipe=None, **changes)
    with pytest.raises(BundleError, match=message):
        load_learner(path, model=model)
