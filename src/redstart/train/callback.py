"""The callback base class and the list that runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from redstart.errors import ConfigError, problem
from redstart.train.events import Event
from redstart.train.run import Run

__all__ = ["Callback", "Callbacks", "as_callbacks"]

_NAMES = frozenset(e.value for e in Event)


class Callback:
    """Override the methods named after the events you need; see ``events``.

    State arrives as ``run``: read it, or replace ``run.batch``, ``run.out``, ``run.loss``.

    Attributes:
        order: Callbacks run from low to high; redstart's own are between -50 and 50.
        on_inputs: Whether it changes inputs; then it sits out while a head trains on
            features of the frozen body.
    """

    order: ClassVar[int] = 0
    on_inputs: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        """Refuse a method that looks like an event but is not one."""
        for name in vars(cls):
            if name.startswith(("before_", "after_")) and name not in _NAMES:
                raise ConfigError(
                    problem(
                        f"Expected every event method of {cls.__name__} to name an event",
                        f"method={name!r}",
                        f"Events: {', '.join(sorted(_NAMES))}.",
                    )
                )

    def before_fit(self, run: Run) -> None:
        """Once, before the first epoch."""

    def before_epoch(self, run: Run) -> None:
        """At the start of each epoch."""

    def before_train(self, run: Run) -> None:
        """Before the training batches of an epoch; the model is in training mode."""

    def before_batch(self, run: Run) -> None:
        """With ``run.batch`` set."""

    def after_pred(self, run: Run) -> None:
        """With ``run.out`` set."""

    def after_loss(self, run: Run) -> None:
        """With ``run.loss`` set."""

    def before_step(self, run: Run) -> None:
        """After backward, before the optimizer. Training only."""

    def after_batch(self, run: Run) -> None:
        """At the end of each batch, cancelled or not."""

    def after_train(self, run: Run) -> None:
        """After the training batches of an epoch."""

    def before_validate(self, run: Run) -> None:
        """Before the validation batches of an epoch."""

    def after_validate(self, run: Run) -> None:
        """After the validation batches of an epoch."""

    def after_epoch(self, run: Run) -> None:
        """At the end of each epoch."""

    def after_fit(self, run: Run) -> None:
        """Once, at the very end, cancelled or not."""


class Callbacks:
    """Callbacks in order; an event costs nothing where nobody overrides it."""

    def __init__(self, callbacks: Iterable[Callback]) -> None:
        """Sort the callbacks and look up who overrides what."""
        self.callbacks = tuple(sorted(callbacks, key=lambda cb: cb.order))
        self._handlers: dict[Event, list[Callable[[Run], None]]] = {
            event: [
                getattr(cb, event.value)
                for cb in self.callbacks
                if getattr(type(cb), event.value) is not getattr(Callback, event.value)
            ]
            for event in Event
        }

    def handlers(self, event: Event) -> list[Callable[[Run], None]]:
        """What runs on ``event``, in order."""
        return self._handlers[event]

    def __call__(self, event: Event, run: Run) -> None:
        """Run every handler of ``event``."""
        for handler in self._handlers[event]:
            handler(run)


def as_callbacks(given: Any) -> list[Callback]:
    """Take one callback, a callback class, or a list of either.

    Raises:
        ConfigError: If something else is among them.
    """
    if given is None:
        return []
    listed = list(given) if isinstance(given, list | tuple) else [given]
    made = [cb() if isinstance(cb, type) else cb for cb in listed]
    for cb in made:
        if not isinstance(cb, Callback):
            raise ConfigError(
                problem(
                    "Expected callbacks: objects or subclasses of `redstart.train.Callback`",
                    f"a {type(cb).__name__}",
                    "Derive your class from Callback.",
                )
            )
    return made
