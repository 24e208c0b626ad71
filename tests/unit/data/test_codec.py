from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from data_kit import Numbers

from redstart.data.codec import file_identity
from redstart.data.stream import TensorCodec
from redstart.errors import ConfigError
from redstart.rng import generator


def test_the_identity_of_a_file_changes_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    first = file_identity(file)
    assert first == file_identity(str(file)) and str(file) in str(first)
    os.utime(file, ns=(0, 12345))
    touched = file_identity(file)
    file.write_text("three")
    os.utime(file, ns=(0, 12345))
    assert len({first, touched, file_identity(file)}) == 3


def test_the_identity_of_a_file_does_not_depend_on_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("one")
    monkeypatch.chdir(tmp_path)
    assert file_identity("a") == file_identity(tmp_path / "a")


def test_what_is_no_file_has_no_identity(tmp_path: Path) -> None:
    assert file_identity(7) is None
    assert file_identity(tmp_path / "gone") is None
    assert TensorCodec().identity(torch.zeros(2)) is None


def test_what_a_codec_is_left_to_do_by_default() -> None:
    codec = TensorCodec()
    assert codec.fit(iter(())) is codec
    assert not codec.random and codec.nbytes(torch.zeros(1)) is None
    assert codec.encode_table([1]) is None
    row = codec.encode_train(torch.ones(2), generator(0))
    assert torch.equal(codec.collate([row, row])[0], torch.ones(2, 2))
    assert codec.prepare(row) is row
    assert json.loads(codec.encoding_id) == {"kind": "tensor"}
    assert codec.with_item_tfms([]) is codec


def test_item_transforms_that_a_codec_has_no_use_for_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"no item transforms for 'numbers'.*item_tfms=\['x'\]"):
        Numbers().with_item_tfms(["x"])
