"""Forward hooks that go away by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Self, final

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

__all__ = ["Hook", "hook_output", "hook_outputs", "uncompiled", "watched"]

Keep = Callable[[nn.Module, Any], Any]
Saw = Callable[[str, nn.Module, Any], None]


@final
class Hook:
    """Keeps what one layer put out last; use it in a ``with`` block.

    Attributes:
        stored: What ``keep`` returned at the last forward pass; ``None`` before the first.
    """

    def __init__(self, module: nn.Module, keep: Keep | None = None) -> None:
        """Start listening.

        Args:
            module: The layer.
            keep: ``(module, output) -> what to store``; the detached output if left out.
        """
        self.stored: Any = None
        self._keep = keep or (lambda _, out: _detached(out))
        self._handle: RemovableHandle = module.register_forward_hook(self._store)

    def remove(self) -> None:
        """Stop listening; ``stored`` stays."""
        self._handle.remove()

    def _store(self, module: nn.Module, args: Any, out: Any) -> None:
        self.stored = self._keep(module, out)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()


def hook_output(module: nn.Module) -> Hook:
    """Keep the output of one layer.

    ``with hook_output(model[0]) as hook: model(x)`` leaves it in ``hook.stored``.
    """
    return Hook(module)


@contextmanager
def hook_outputs(
    modules: Iterable[nn.Module], keep: Keep | None = None
) -> Iterator[tuple[Hook, ...]]:
    """Keep the output of several layers while the block runs.

    Args:
        modules: The layers.
        keep: As for ``Hook``: to store statistics instead of the tensors themselves.

    Yields:
        One hook per layer, in the order given.
    """
    with ExitStack() as stack:
        yield tuple(stack.enter_context(Hook(module, keep)) for module in modules)


@contextmanager
def watched(
    model: nn.Module, *, before: Saw | None = None, after: Saw | None = None
) -> Iterator[None]:
    """Call a function around every layer's forward while the block runs.

    Args:
        model: All its layers, itself included (under the name ``""``), are watched.
        before: ``(name, module, positional inputs)``, when a layer begins.
        after: ``(name, module, output)``, when a layer is done.
    """
    handles: list[RemovableHandle] = []

    def watch(name: str, module: nn.Module) -> None:
        if before is not None:
            handles.append(module.register_forward_pre_hook(lambda m, args: before(name, m, args)))
        if after is not None:
            handles.append(module.register_forward_hook(lambda m, _, out: after(name, m, out)))

    try:
        for name, module in model.named_modules():
            watch(name, module)
        yield
    finally:
        for handle in handles:
            handle.remove()


def uncompiled(model: nn.Module) -> nn.Module:
    """The module inside a compiled one: hooks on its layers fire and its names are plain."""
    inner = getattr(model, "_orig_mod", model)
    return inner if isinstance(inner, nn.Module) else model


def _detached(out: Any) -> Any:
    if isinstance(out, Tensor):
        return out.detach()
    if isinstance(out, dict):
        return {key: _detached(value) for key, value in out.items()}
    if isinstance(out, tuple | list):
        return tuple(_detached(value) for value in out)
    return out
