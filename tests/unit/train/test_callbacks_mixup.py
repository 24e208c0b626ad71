from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from callback_runs import fit, linear, make_run, pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from redstart.errors import ConfigError, DataError
from redstart.rng import forked, generator
from redstart.train.callback import Callback
from redstart.train.callbacks.mixup import (
    CutMix,
    Mix,
    MixUp,
    cut_rows,
    draw_mix,
    mix_rows,
    mixed_loss,
)
from redstart.train.run import Run


def draws(*shape: int) -> Tensor:
    return torch.randn(shape, generator=generator(0))


class Seen(Callback):
    """Inputs and losses as the model and the optimizer get them."""

    order = 20

    def __init__(self) -> None:
        self.x: list[Tensor] = []
        self.valid: list[Tensor] = []
        self.losses: list[float] = []
        self.outs: list[Tensor] = []

    def after_loss(self, run: Run) -> None:
        if not run.training:
            self.valid.append(run.batch.x[0])
            return
        self.x.append(run.batch.x[0].clone())
        self.outs.append(run.out.detach().clone())
        self.losses.append(float(run.loss.detach()))


def test_mixed_rows_and_loss_equal_the_sum_written_out() -> None:
    mix = Mix(torch.tensor([2, 0, 1]), torch.tensor([0.9, 0.5, 1.0]))
    x = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    mixed, other = mix_rows((x, x[:, :1, None] * 2), mix)
    expected = torch.tensor([[1.2, 12.0], [1.5, 15.0], [3.0, 30.0]])
    torch.testing.assert_close(mixed, expected)
    torch.testing.assert_close(other, expected[:, :1, None] * 2)
    out, y = draws(3, 4), torch.tensor([0, 3, 1])
    logs = out.log_softmax(1)
    by_hand = (
        -(
            (0.9 * logs[0, 0] + 0.1 * logs[0, 1])
            + (0.5 * logs[1, 3] + 0.5 * logs[1, 0])
            + (1.0 * logs[2, 1])
        )
        / 3
    )
    torch.testing.assert_close(mixed_loss(F.cross_entropy, out, (y,), mix), by_hand)


def test_a_loss_per_pixel_becomes_one_per_row() -> None:
    out, y = draws(2, 3, 4, 4), torch.arange(32).view(2, 4, 4) % 3
    same = Mix(torch.tensor([0, 1]), torch.tensor([0.7, 0.6]))
    torch.testing.assert_close(
        mixed_loss(F.cross_entropy, out, (y,), same), F.cross_entropy(out, y)
    )


def test_mixup_trains_on_the_mixture_and_validates_on_the_rows() -> None:
    data = pairs(8, 4)
    seen = Seen()
    run = make_run(linear(), data)
    fit(run, MixUp(0.4), seen)
    for step, (x, y) in enumerate(data):
        mix = draw_mix(4, 0.4, generator(0, 0, step, 0x6D6978))
        share = mix.share[:, None]
        torch.testing.assert_close(seen.x[step], share * x + (1 - share) * x[mix.partner])
        out = seen.outs[step]
        losses = share * (out - y) ** 2 + (1 - share) * (out - y[mix.partner]) ** 2
        assert seen.losses[step] == pytest.approx(float(losses.mean()), rel=1e-5)
        assert torch.equal(seen.valid[step], x)


def test_draws_depend_on_the_batch_alone() -> None:
    runs = []
    for seed in (0, 5):
        seen = Seen()
        with forked(seed):
            fit(make_run(linear(), pairs(8, 4), n_epoch=2), MixUp(), seen)
        runs.append(seen.x)
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))
    assert not torch.equal(runs[0][0], runs[0][2])  # another epoch, another mixture


def test_mixing_draws_nothing_from_the_global_generator() -> None:
    before = torch.random.get_rng_state()
    rng = generator(0)
    cut_rows((torch.randn(2, 1, 4, 4, generator=rng),), draw_mix(2, 1.0, rng), rng)
    assert torch.equal(torch.random.get_rng_state(), before)


@settings(deadline=None, max_examples=50)
@given(
    n=st.integers(1, 6),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    seed=st.integers(0, 1000),
)
def test_cut_boxes_leave_the_share_they_say(n: int, height: int, width: int, seed: int) -> None:
    rng = generator(seed)
    x = torch.arange(float(n))[:, None, None, None].expand(n, 2, height, width)
    mix = draw_mix(n, 1.0, rng)
    (cut,), left = cut_rows((x,), mix, rng)
    for row in range(n):
        partner = int(mix.partner[row])
        own = (cut[row] == row).float().mean()
        if partner != row:
            assert float(left.share[row]) == pytest.approx(float(own), abs=1e-6)
            at = (cut[row, 0] == partner).nonzero()
            if len(at):  # a box: all of its bounding rectangle
                low, high = at.min(0).values, at.max(0).values
                assert len(at) == int((high - low + 1).prod())


def test_boxes_have_the_area_drawn_where_they_fit() -> None:
    mix = Mix(torch.arange(2000).flip(0), torch.full((2000,), 0.75))
    x = torch.zeros(2000, 1, 32, 32)
    _, left = cut_rows((x,), mix, generator(1))
    assert float(left.share.min()) == pytest.approx(0.75)
    assert 0.75 < float(left.share.mean()) < 0.9  # some cross the edge


def test_shares_follow_the_beta_distribution_folded() -> None:
    share = draw_mix(20_000, 0.4, generator(3)).share
    assert float(share.min()) >= 0.5
    # E[max(b, 1 - b)] = 1/2 + E|b - 1/2|, and E[(b - 1/2)^2] = 1 / (4 (2 alpha + 1))
    assert float(((share - 0.5) ** 2).mean()) == pytest.approx(1 / (4 * 1.8), rel=0.02)


def test_cutmix_pastes_and_weighs() -> None:
    data = [(draws(4, 1, 8, 8), draws(4, 1))]
    model = nn.Sequential(nn.Flatten(), linear(64))
    seen = Seen()
    fit(make_run(model, data), CutMix(), seen)
    x = data[0][0]
    pasted = (seen.x[0] != x).flatten(1).float().mean(1)
    assert (pasted > 0).any()
    assert (pasted <= 0.5).all()


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5)])
def test_cutmix_needs_pictures(shape: tuple[int, ...]) -> None:
    data = [(draws(*shape), draws(4, 1))]
    with pytest.raises(DataError, match=r"pictures .* shapes=\(4, 3"):
        fit(make_run(linear(), data), CutMix())


def test_whole_numbers_do_not_mix() -> None:
    data = [(torch.zeros(4, 3, dtype=torch.int64), draws(4, 1))]
    with pytest.raises(DataError, match=r"x\[0\]\.dtype=torch\.int64"):
        fit(make_run(linear(), data), MixUp())


def test_a_loss_without_reduction_is_refused_before_training() -> None:
    def loss(out: Any, y: Any) -> Any:
        raise AssertionError("not called")

    with pytest.raises(ConfigError, match="loss_func=loss"):
        fit(make_run(linear(), pairs(4, 4), loss_func=loss), MixUp())


def test_a_loss_that_averages_anyway_is_refused() -> None:
    def loss(out: Any, y: Any, reduction: str = "mean") -> Any:
        return F.mse_loss(out, y)

    with pytest.raises(ConfigError, match=r"shape=\(\) for 4 rows"):
        fit(make_run(linear(), pairs(4, 4), loss_func=loss), MixUp())


@pytest.mark.parametrize("kind", [MixUp, CutMix])
def test_alpha_is_positive(kind: type[MixUp]) -> None:
    with pytest.raises(ConfigError, match=r"alpha=0\.0"):
        kind(0.0)
