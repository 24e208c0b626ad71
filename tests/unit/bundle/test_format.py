from __future__ import annotations

import hashlib
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from redstart.bundle import format as file_format
from redstart.bundle.format import FORMAT, read, write
from redstart.errors import BundleError

HEAD: dict[str, Any] = {
    "recipe": None,
    "codec": {"kind": "c"},
    "target": {"kind": "t"},
    "facts": {},
}
TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor([1, 2], dtype=torch.int64)}


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rezip(path: Path, parts: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def signed(head: dict[str, Any]) -> bytes:
    """The head with a hash that is right, as a forger would make it."""
    body = {k: v for k, v in head.items() if k != "sha256"}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return json.dumps({**body, "sha256": digest}).encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "m.redstart", HEAD, TENSORS)


def test_what_is_written_is_read(path: Path) -> None:
    head, tensors = read(path)
    assert {k: head[k] for k in HEAD} == HEAD and head["format"] == FORMAT
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[k], TENSORS[k]) for k in TENSORS)
    assert all(tensors[k].dtype == TENSORS[k].dtype for k in TENSORS)
    assert [p.name for p in path.parent.glob(".*")] == [], "no scratch file is left"


def test_tensors_that_train_or_are_turned_are_written_as_they_look(tmp_path: Path) -> None:
    turned = nn.Parameter(torch.arange(6.0).view(2, 3).t())
    _, back = read(write(tmp_path / "m", HEAD, {"w": turned}))
    assert torch.equal(back["w"], turned)


def test_facts_come_back_as_json_has_them(tmp_path: Path) -> None:
    facts = {"counts": {10: 1, 9: 2}, "pair": (1, 2.5), "none": None, "third": 1 / 3}
    head, _ = read(write(tmp_path / "m", {**HEAD, "facts": facts}, TENSORS))
    assert head["facts"] == {**facts, "counts": {"10": 1, "9": 2}, "pair": [1, 2.5]}


def test_facts_that_json_cannot_hold_are_refused_before_anything_is_written(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(BundleError, match=r"can hold as JSON.*Tensor is not JSON serializable"):
        write(path, {**HEAD, "facts": {"x": torch.zeros(1)}}, TENSORS)
    assert path.read_bytes() == before


# ---- what changed


@pytest.mark.parametrize("name", ["bundle.json", "weights.safetensors"])
def test_one_changed_byte_is_noticed(path: Path, name: str) -> None:
    data = bytearray(path.read_bytes())
    part = members(path)[name]
    place = data.index(part) + len(part) - 5
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match=r"as it was written.*SHA-256.*take the original again"):
        read(path)


def test_weights_changed_and_zipped_again_are_noticed(path: Path) -> None:
    parts = members(path)
    weights = bytearray(parts["weights.safetensors"])
    weights[-1] ^= 1
    rezip(path, {**parts, "weights.safetensors": bytes(weights)})
    with pytest.raises(BundleError, match="SHA-256"):
        read(path)


@pytest.mark.parametrize(
    "change", [{"facts": {"metrics": 1}}, {"target": {"kind": "x"}}, {"extra": 1}]
)
def test_a_changed_head_zipped_again_is_noticed(path: Path, change: dict[str, Any]) -> None:
    parts = members(path)
    head = {**json.loads(parts["bundle.json"]), **change}
    rezip(path, {**parts, "bundle.json": json.dumps(head).encode()})
    with pytest.raises(BundleError, match="SHA-256"):
        read(path)


def test_a_file_cut_short_is_no_bundle(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BundleError, match="another kind of file, or a damaged one"):
        read(path)


def test_a_newer_format_asks_for_an_upgrade(path: Path) -> None:
    parts = members(path)
    head = {**json.loads(parts["bundle.json"]), "format": FORMAT + 1}
    rezip(path, {**parts, "bundle.json": signed(head)})
    with pytest.raises(BundleError, match=rf"format {FORMAT + 1}\. A newer redstart.*pip install"):
        read(path)


def test_a_head_that_lacks_something_is_refused(path: Path) -> None:
    parts = members(path)
    head = {
        k: v for k, v in json.loads(parts["bundle.json"]).items() if k not in ("codec", "facts")
    }
    rezip(path, {**parts, "bundle.json": signed(head)})
    with pytest.raises(BundleError, match=r"a bundle\.json without codec, facts"):
        read(path)


def test_weights_that_are_none_are_refused(path: Path) -> None:
    parts = members(path)
    junk = b"no tensors here"
    head = {**json.loads(parts["bundle.json"]), "weights_sha256": hashlib.sha256(junk).hexdigest()}
    rezip(path, {"bundle.json": signed(head), "weights.safetensors": junk})
    with pytest.raises(BundleError, match="weights that do not read"):
        read(path)


# ---- what is no bundle


def text(path: Path) -> None:
    path.write_text("just words")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def folder(path: Path) -> None:
    path.mkdir()


def other_zip(path: Path) -> None:
    rezip(path, {"photo.jpg": b"x", "notes.txt": b"y"})


def half(path: Path) -> None:
    rezip(path, {"bundle.json": b"{}"})


def weights_alone(path: Path) -> None:
    save_file(TENSORS, path)


def empty_head(path: Path) -> None:
    rezip(path, {"bundle.json": b"", "weights.safetensors": b""})


def list_head(path: Path) -> None:
    rezip(path, {"bundle.json": b"[1]", "weights.safetensors": b""})


def bare_head(path: Path) -> None:
    rezip(path, {"bundle.json": b"{}", "weights.safetensors": b""})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (text, "another kind of file"),
        (empty, "another kind of file"),
        (folder, "is a folder"),
        (other_zip, r"a zip of photo\.jpg, notes\.txt"),
        (half, r"a zip of bundle\.json"),
        (weights_alone, "another kind of file"),
        (empty_head, r"a bundle\.json that does not read"),
        (list_head, r"a bundle\.json that does not read"),
        (bare_head, r"a bundle\.json that does not read"),
    ],
)
def test_what_is_no_bundle_is_said_to_be_none(
    tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    path = tmp_path / "m.redstart"
    make(path)
    with pytest.raises(BundleError, match=rf"Expected a redstart bundle.*m\.redstart.*{said}") as e:
        read(path)
    assert "learn.export" in str(e.value)


def test_a_file_that_is_missing_or_may_not_be_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BundleError, match=r"that exists. Got: path=\S+gone"):
        read(path.parent / "gone")

    def refuse(self: Path, *args: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BundleError, match=r"not readable \(Permission denied\)"):
        read(path)


FIRED: list[str] = []


class Trap:
    """Does something as soon as it is unpickled."""

    def __reduce__(self) -> Any:
        return FIRED.append, ("opened",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_never_opened_and_says_what_to_do(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "export.pkl"
    path.write_bytes(pickle.dumps(Trap(), protocol))
    refused(path)
    if protocol >= 2:
        refused(path.rename(tmp_path / "renamed.redstart"))


@pytest.mark.parametrize("new", [True, False])
def test_a_file_of_torch_save_is_never_opened_and_says_what_to_do(
    tmp_path: Path, new: bool
) -> None:
    path = tmp_path / "model.redstart"
    torch.save({"trap": Trap(), "w": torch.zeros(2)}, path, _use_new_zipfile_serialization=new)
    refused(path)


def refused(path: Path) -> None:
    with pytest.raises(BundleError, match=r"is a Python pickle, which can run any code") as caught:
        read(path)
    assert "safetensors.torch.save_file" in str(caught.value)
    assert "pretrained='weights.safetensors'" in str(caught.value)
    assert FIRED == []


# ---- where it cannot be written


def test_a_place_that_cannot_be_written_leaves_the_older_file_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()
    real = zipfile.ZipFile.writestr

    def full(self: zipfile.ZipFile, info: Any, data: Any) -> None:
        if "weights" in info.filename:
            raise OSError(28, "No space left on device")
        real(self, info, data)

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(BundleError, match=r"No space left on device. Choose another place"):
        write(path, HEAD, {"a": torch.zeros(3)})
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(path.parent.glob(".*.part")) == []


def test_a_folder_or_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(BundleError, match=r"Expected to write \S+folder. Got: Is a directory"):
        write(tmp_path / "folder", HEAD, TENSORS)
    (tmp_path / "file").write_text("x")
    with pytest.raises(BundleError, match=r"Got: (Not a directory|File exists)"):
        write(tmp_path / "file" / "m.redstart", HEAD, TENSORS)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "cwd") == ["file", "folder"]


def test_names_of_members_are_what_the_documents_say() -> None:
    assert (file_format.HEAD, file_format.WEIGHTS) == ("bundle.json", "weights.safetensors")
