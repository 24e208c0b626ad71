from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from table_kit import table_loaders

from redstart.data.vocab import Vocab


@given(st.lists(st.one_of(st.text(max_size=4), st.integers()), unique=True, max_size=20))
def test_names_and_positions_lead_to_each_other(names: list[Any]) -> None:
    vocab = Vocab(names)
    assert list(vocab) == names and len(vocab) == len(names)
    for position, name in enumerate(names):
        assert vocab[position] == name and vocab.o2i[name] == position
        assert name in vocab and vocab.index(name) == position
    assert vocab == names and vocab == tuple(names) and vocab == Vocab(names)
    assert hash(vocab) == hash(Vocab(names))


def test_several_positions_give_a_list_of_names() -> None:
    vocab = Vocab(["a", "b", "c"])
    assert vocab[1:] == vocab[[1, 2]] == vocab[(1, 2)] == ["b", "c"]
    assert vocab[np.array([1, 2])] == vocab[torch.tensor([1, 2])] == ["b", "c"]
    assert vocab[np.int64(2)] == vocab[torch.tensor(2)] == vocab[-1] == "c"


def test_what_is_not_there_is_an_error() -> None:
    vocab = Vocab(["a", "b"])
    assert "c" not in vocab
    with pytest.raises(IndexError):
        vocab[2]
    with pytest.raises(KeyError):
        vocab.o2i["c"]
    with pytest.raises(TypeError):
        vocab.o2i["c"] = 2  # type: ignore[index]
    assert vocab != "ab" and vocab != ["a"]


def test_a_long_vocabulary_prints_short() -> None:
    assert repr(Vocab(["a", 1])) == "Vocab('a', 1)"
    shown = repr(Vocab(range(1000)))
    assert shown == "Vocab(0, 1, 2, 3, 4, 5, 6, 7, ... (1000 in all))"


def test_a_codec_without_categories_has_no_vocabularies() -> None:
    assert table_loaders().classes == {}
