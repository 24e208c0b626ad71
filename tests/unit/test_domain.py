from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from redstart.domain import Domain, ModelRecipe, domain_names, find_domain
from redstart.errors import ConfigError


def example(folder: Path) -> Any:
    raise NotImplementedError


DOMAIN = Domain(
    name="toys",
    kinds={},
    builders={"linear": lambda n: nn.Linear(n, 2)},
    example=example,
)


def test_the_installed_domains_are_found_by_name() -> None:
    assert "vision" in domain_names() and domain_names() == sorted(domain_names())
    for name in domain_names():
        domain = find_domain(name)
        assert domain.name == name
        assert all(cls.kind == kind for kind, cls in domain.kinds.items())


def test_a_domain_that_is_not_installed_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"name='smell'\. Installed: .*vision"):
        find_domain("smell")


def test_a_model_is_built_from_its_recipe_and_its_seed_alone() -> None:
    recipe = ModelRecipe(domain="toys", builder="linear", arguments={"n": 3})
    before = torch.get_rng_state()
    first, again, other = (DOMAIN.build(recipe, seed=s).state_dict() for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first["weight"], again["weight"])
    assert not torch.equal(first["weight"], other["weight"])


def test_an_unknown_builder_is_an_error() -> None:
    with pytest.raises(
        ConfigError, match=r"of the 'toys' domain.*builder='conv'.*builders: linear"
    ):
        DOMAIN.build(ModelRecipe(domain="toys", builder="conv"))
