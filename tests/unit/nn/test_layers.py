from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from redstart.nn.layers import AdaptiveConcatPool2d, LinBnDrop, SigmoidRange


@settings(deadline=None, max_examples=30)
@given(st.floats(-50, 50), st.floats(-5, 5), st.floats(0.1, 10))
def test_sigmoid_range_stays_inside_and_keeps_the_order(x: float, low: float, width: float) -> None:
    layer = SigmoidRange(low, low + width)
    a, b, middle = layer(torch.tensor([x, x + 1.0, 0.0], dtype=torch.float64))
    assert low <= a <= b <= low + width
    torch.testing.assert_close(float(middle), low + width / 2)


def test_sigmoid_range_shows_its_interval() -> None:
    assert repr(SigmoidRange(0, 5.5)) == "SigmoidRange(0, 5.5)"


def test_concat_pool_gives_maxima_then_averages() -> None:
    x = torch.arange(12.0).reshape(1, 2, 2, 3)
    out = AdaptiveConcatPool2d()(x)
    assert out.flatten().tolist() == [5.0, 11.0, 2.5, 8.5]
    assert AdaptiveConcatPool2d(2)(x).shape == (1, 4, 2, 2)


def test_lin_bn_drop_order_and_what_is_left_out() -> None:
    full = LinBnDrop(4, 3, p=0.5, act=nn.ReLU())
    assert [type(m).__name__ for m in full] == ["BatchNorm1d", "Dropout", "Linear", "ReLU"]
    assert [type(m).__name__ for m in LinBnDrop(4, 3, bn=False)] == ["Linear"]
    assert full(torch.zeros(2, 4)).shape == (2, 3)
