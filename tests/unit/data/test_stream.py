from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from redstart.data.batch import Batch
from redstart.data.loader import Loads
from redstart.data.stream import StreamLoader, TensorCodec, TensorTarget
from redstart.errors import ConfigError, DataError


def batches(*sizes: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(torch.full((n, 2), float(n)), torch.arange(n)) for n in sizes]


def test_rows_are_counted_in_the_order_they_come_in() -> None:
    loader = StreamLoader(batches(3, 2, 4))
    assert isinstance(loader, Loads)
    assert [b.index.tolist() for b in loader] == [[0, 1, 2], [3, 4], [5, 6, 7, 8]]
    assert (len(loader), loader.n_rows) == (3, 9)
    assert [len(b) for b in loader.batches(epoch=4)] == [3, 2, 4], "gone through anew"


def test_skipped_batches_still_count() -> None:
    (last,) = StreamLoader(batches(3, 2, 4)).batches(epoch=0, skip=2)
    assert last.index.tolist() == [5, 6, 7, 8]


@pytest.mark.parametrize("together", [tuple, list])
def test_pairs_may_hold_one_tensor_or_several_and_need_no_target(together: Any) -> None:
    x, y = torch.zeros(2, 3), torch.zeros(2)
    (one,) = StreamLoader([together((x, y))])
    assert (len(one.x), one.y is not None and len(one.y)) == (1, 1)
    (several,) = StreamLoader([((x, x), (y, y, y))])
    assert (len(several.x), several.y is not None and len(several.y)) == (2, 3)
    (alone,) = StreamLoader([together((x,))])
    assert alone.y is None
    (arrays,) = StreamLoader([(np.zeros((2, 3)), np.zeros(2))])
    assert isinstance(arrays.x[0], torch.Tensor)
    (made,) = StreamLoader([Batch(torch.tensor([7, 8]), (x,), (y,))])
    assert made.index.tolist() == [0, 1]


def test_a_torch_loader_is_taken_as_it_is() -> None:
    rows = TensorDataset(torch.zeros(5, 2), torch.zeros(5))
    loader = StreamLoader(DataLoader(rows, 2, generator=torch.Generator()))
    assert [len(b) for b in loader] == [2, 2, 1]


@pytest.mark.parametrize("pair", [torch.zeros(2), {"x": 1}, (), (1, 2, 3), "xy"])
def test_what_is_no_pair_is_refused(pair: Any) -> None:
    with pytest.raises(DataError, match=rf"of the form `\(x, y\)`.*a {type(pair).__name__}"):
        list(StreamLoader([pair]))


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter(())


@pytest.mark.parametrize("source", [iter([]), (p for p in ()), DataLoader(Endless())])
def test_batches_that_are_used_up_or_cannot_be_counted_are_refused(source: Any) -> None:
    with pytest.raises(ConfigError, match=rf"gone through again.*a {type(source).__name__}"):
        StreamLoader(source)


def test_tensors_are_their_own_code_and_target() -> None:
    codec, target, loader = TensorCodec(), TensorTarget(), StreamLoader([])
    assert (loader.codec, loader.target) == (codec, target)
    assert codec.load([1, 2]).tolist() == [1, 2]
    assert codec.view((torch.ones(2, 2),)).values.tolist() == [1, 1, 1, 1]  # type: ignore[attr-defined]
    assert target.fit([]) is target
    assert target.encode(torch.ones(1))[0].tolist() == [1]
    assert target.activate([1, 2]).tolist() == [1, 2]
    row = target.decode(torch.tensor([[1.0, 2.0]]))[0]
    assert row.decoded.tolist() == row.probs.tolist() == [1, 2]
    assert target.mark((torch.tensor([1.0, 2.5]),)).text == "1, 2.5"
    assert target.mark((torch.arange(6.0),)).text == "0, 1, 2, 3, ..."


def test_what_only_the_user_knows_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="Pass `n_out` to the model yourself"):
        _ = TensorTarget().n_out
    with pytest.raises(ConfigError, match=r"loss_func=None.*Pass one: `Learner\("):
        TensorTarget().loss(torch.zeros(1), (torch.zeros(1),))
