from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from redstart.rng import forked, generator


def drawn(rng: torch.Generator) -> list[float]:
    values: list[float] = torch.rand(8, generator=rng).tolist()
    return values


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4))
def test_the_same_path_draws_the_same(path: list[int]) -> None:
    assert drawn(generator(*path)) == drawn(generator(*path))


def test_every_place_in_a_run_draws_its_own() -> None:
    places = [
        *itertools.product(range(6), range(6), range(6)),
        *itertools.product(range(6), range(6)),
        *((seed,) for seed in range(6)),
    ]
    assert len({tuple(drawn(generator(*place))) for place in places}) == len(places)


def test_neighbouring_seeds_are_not_alike() -> None:
    many = torch.stack([torch.rand(1000, generator=generator(0, 0, row)) for row in range(20)])
    off = torch.corrcoef(many) - torch.eye(20)
    assert off.abs().max() < 0.15
    assert abs(float(many[:, 0].mean()) - 0.5) < 0.25, "nor do they begin alike"


def test_numbers_stay_the_same_between_versions() -> None:
    assert generator(42, 3, 7).initial_seed() == 1480356646460509543


def test_a_block_draws_repeatably_and_puts_the_state_back() -> None:
    before = torch.get_rng_state()
    with forked(1, 2):
        first = torch.rand(4)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    with forked(1, 2):
        assert torch.equal(torch.rand(4), first)
    with forked(1, 3):
        assert not torch.equal(torch.rand(4), first)


def test_the_state_is_put_back_after_an_error() -> None:
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), forked(1):
        torch.rand(2)
        _ = 1 / 0
    assert torch.equal(torch.get_rng_state(), before)


def test_a_cuda_that_has_not_started_is_not_seeded_for_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        pytest.skip("CUDA has started")
    asked: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", asked.append)
    monkeypatch.setattr(torch.cuda, "manual_seed", asked.append)
    with forked(1):
        torch.rand(1)
    assert asked == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_draws_repeatably_and_is_put_back() -> None:
    torch.zeros(1, device="cuda")
    before = torch.cuda.get_rng_state()
    with forked(1):
        first = torch.rand(4, device="cuda")
    assert torch.equal(torch.cuda.get_rng_state(), before)
    with forked(1):
        assert torch.equal(torch.rand(4, device="cuda"), first)
