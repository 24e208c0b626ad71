from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kit import body_and_head, loaders, net

from redstart.data.loaders import DataLoaders
from redstart.train.learner import Learner


@pytest.fixture
def make() -> Callable[..., Learner]:
    """Make a learner; keywords go to ``Learner``."""

    def made(dls: DataLoaders | None = None, **options: Any) -> Learner:
        model = options.pop("model", None) or net()
        options.setdefault("splitter", body_and_head)
        return Learner(dls or loaders(), model, **options)

    return made
