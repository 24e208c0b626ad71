from __future__ import annotations

import torch
from torch import Tensor, nn

from redstart.rng import forked
from redstart.train.callbacks.hooks import Hook, hook_output, hook_outputs, uncompiled, watched


@forked(0)
def small() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 2)))


def test_a_hook_keeps_the_output_and_goes_away() -> None:
    model, x = small(), torch.ones(5, 3)
    with hook_output(model[0]) as hook:
        assert hook.stored is None
        model(x)
    assert torch.equal(hook.stored, model[0](x))
    assert not hook.stored.requires_grad
    model(x + 1)
    assert torch.equal(hook.stored, model[0](x))
    assert not model[0]._forward_hooks


def test_hooks_of_several_layers_keep_what_they_are_told() -> None:
    model, x = small(), torch.ones(5, 3)
    with hook_outputs([model[0], model[1]], lambda _, out: float(out.detach().mean())) as hooks:
        model(x)
    assert hooks[1].stored == float(model[1](model[0](x)).detach().mean())
    assert hooks[1].stored >= 0


def test_outputs_of_any_structure_are_detached() -> None:
    class Several(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.ones(1))

        def forward(self, x: Tensor) -> object:
            return {"a": x * self.w, "b": [x * self.w, "word"]}

    model = Several()
    hook = Hook(model)
    model(torch.ones(2))
    hook.remove()
    assert not hook.stored["a"].requires_grad
    assert not hook.stored["b"][0].requires_grad
    assert hook.stored["b"][1] == "word"


def test_every_layer_is_watched_in_order_and_no_longer() -> None:
    model, order = small(), []
    with watched(
        model,
        before=lambda name, _, args: order.append(f"+{name}:{len(args)}"),
        after=lambda name, _, out: order.append(f"-{name}:{tuple(out.shape)}"),
    ):
        model(torch.ones(5, 3))
    assert order[:3] == ["+:1", "+0:1", "-0:(5, 4)"]
    assert order[-3:] == ["-2.0:(5, 2)", "-2:(5, 2)", "-:(5, 2)"]
    order.clear()
    model(torch.ones(5, 3))
    assert order == []


def test_a_module_that_is_not_compiled_is_itself() -> None:
    model = small()
    assert uncompiled(model) is model
    wrapped = nn.Module()
    wrapped._orig_mod = model
    assert uncompiled(wrapped) is model
