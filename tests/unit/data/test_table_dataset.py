from __future__ import annotations

import pytest
import torch
from table_kit import data_of, table_loaders

from redstart.data.table_dataset import narrow


@pytest.mark.parametrize(
    ("largest", "dtype"),
    [(3, torch.int16), (2**15 - 1, torch.int16), (2**15, torch.int32), (2**31, torch.int64)],
)
def test_codes_are_stored_in_the_narrowest_type_that_holds_them(
    largest: int, dtype: torch.dtype
) -> None:
    codes = torch.tensor([[0, largest], [-1, 2]])
    assert narrow(codes).dtype == dtype
    assert torch.equal(narrow(codes).long(), codes)


def test_what_is_no_int64_stays_as_it_is() -> None:
    for column in (torch.rand(2, 3), torch.zeros(2, dtype=torch.bool), torch.zeros(0).long()):
        assert narrow(column) is column


def test_batches_have_int64_whatever_is_stored() -> None:
    dls = table_loaders()
    data = data_of(dls.train)
    stored = tuple(t.to(torch.int16) for t in data.columns)
    from dataclasses import replace

    narrower = replace(data, columns=stored)
    where = torch.arange(len(data))
    for a, b in zip(data.at(where).x, narrower.at(where).x, strict=True):
        assert a.dtype == b.dtype or b.dtype == torch.int64
    assert narrower.x(0)[0].dtype == narrower.encoded()[0].dtype == torch.int64
