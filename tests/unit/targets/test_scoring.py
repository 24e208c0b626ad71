from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from redstart.data.target import Target
from redstart.targets.category import CategoryBlock
from redstart.targets.multicategory import MultiCategoryBlock
from redstart.targets.regression import RegressionBlock
from redstart.targets.scoring import per_member, reduced


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.empty(shape).normal_(generator=torch.Generator().manual_seed(seed))


def category(b: int) -> tuple[Target[Any, Any], Tensor]:
    return CategoryBlock("abc"), torch.arange(b) % 3


def weighted_classes(b: int) -> tuple[Target[Any, Any], Tensor]:
    block = CategoryBlock("abc", class_weights=(1, 2, 0.5), label_smoothing=0.1)
    return block, torch.arange(b) % 3


def multicategory(b: int) -> tuple[Target[Any, Any], Tensor]:
    return MultiCategoryBlock(vocab="abc"), (drawn(b, 3, seed=1) > 0).float()


def regression(b: int) -> tuple[Target[Any, Any], Tensor]:
    y = drawn(b, 3, seed=1).abs()
    return RegressionBlock(log=True).fit([[1, 2, 3], [2, 4, 9]]), y


Case = Callable[[int], tuple[Target[Any, Any], Tensor]]
every_target = pytest.mark.parametrize(
    "case", [category, weighted_classes, multicategory, regression]
)


@every_target
@settings(deadline=None, max_examples=15)
@given(b=st.integers(1, 9), k=st.integers(1, 4), seed=st.integers(0, 99))
def test_the_loss_of_members_is_the_mean_of_each_ones(
    case: Case, b: int, k: int, seed: int
) -> None:
    target, y = case(b)
    out = drawn(b, k, 3, seed=seed)
    alone = torch.stack([target.loss(out[:, i], (y,), reduction="none") for i in range(k)])
    rows = target.loss(out, (y,), reduction="none")
    assert rows.shape == (b,)
    assert torch.allclose(rows, alone.mean(0), atol=1e-5)
    assert torch.allclose(target.loss(out, (y,)), alone.mean(), atol=1e-5)


@every_target
@pytest.mark.parametrize("shape", [(8, 3), (8, 2, 3)])
def test_weights_multiply_the_losses_of_their_rows(case: Case, shape: tuple[int, ...]) -> None:
    target, y = case(8)
    out, weights = drawn(*shape), torch.arange(8) / 4
    plain = target.loss(out, (y,), reduction="none")
    assert torch.allclose(target.loss(out, (y, weights), reduction="none"), plain * weights)
    assert torch.allclose(target.loss(out, (y, weights)), (plain * weights).mean())
    assert torch.allclose(target.loss(out, (y, torch.ones(8))), target.loss(out, (y,)))


@every_target
def test_a_row_of_weight_0_teaches_nothing(case: Case) -> None:
    target, y = case(4)
    out = drawn(4, 3).requires_grad_()
    target.loss(out, (y, torch.tensor([1.0, 0, 1, 0]))).backward()
    assert out.grad is not None
    assert out.grad[[1, 3]].abs().sum() == 0 and (out.grad[[0, 2]].abs().sum(1) > 0).all()


@every_target
def test_the_mean_of_the_rows_is_the_loss(case: Case) -> None:
    target, y = case(7)
    out = drawn(7, 3)
    assert torch.allclose(target.loss(out, (y,), reduction="none").mean(), target.loss(out, (y,)))


def test_every_member_meets_the_target_of_its_own_row() -> None:
    out = torch.tensor([[[1.0], [2.0]], [[10.0], [30.0]]])
    seen: list[list[float]] = []

    def losses(scores: Tensor, y: Tensor) -> Tensor:
        seen.append(y.tolist())
        return scores[:, 0] - y

    y = torch.tensor([1.0, 10.0])
    assert per_member(out, y, losses).tolist() == [0.5, 10]
    assert seen == [[1, 1, 10, 10]]
    assert per_member(out[:, 0], y, losses).tolist() == [0, 0]


def test_losses_are_averaged_over_rows_and_not_over_weights() -> None:
    losses, weights = torch.tensor([1.0, 3.0]), torch.tensor([1.0, 3.0])
    label = torch.zeros(2)
    assert float(reduced(losses, (label,), "mean")) == 2
    assert float(reduced(losses, (label, weights), "mean")) == 5
    assert reduced(losses, (label, weights), "none").tolist() == [1, 9]
