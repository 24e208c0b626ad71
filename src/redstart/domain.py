"""What the core must know about one application domain, and how to find it by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from torch import nn

from redstart.config import JSON
from redstart.data.dataset import Source
from redstart.data.loaders import DataLoaders
from redstart.errors import ConfigError, problem
from redstart.rng import forked

__all__ = ["Domain", "ModelRecipe", "domain_names", "find_domain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecipe:
    """Enough to build a model again.

    Attributes:
        domain: Name of the domain whose builder it is.
        builder: Name of the builder in that domain.
        arguments: What the builder is called with; JSON values.
    """

    domain: str
    builder: str
    arguments: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """One application domain. Its folder exports one of these, and nothing else is needed.

    Attributes:
        name: As the entry point names it.
        kinds: Every class that a bundle of this domain may name: codecs, targets, transforms.
        builders: From JSON arguments to a model with random weights.
        example: Makes a tiny synthetic data set in a folder and returns loaders of it with
            a recipe; it trains in seconds.
        bundle: The class of its bundles, where these can do more than predict.
        reload: Makes the loaders again that the command line made, of what a bundle says of
            them (``facts["data"]``); without, a bundle is tested on data that is named.
        labelled: Reads labelled rows for a bundle: of the facts about its data, and a path.
    """

    name: str
    kinds: Mapping[str, type[Any]]
    builders: Mapping[str, Callable[..., nn.Module]]
    example: Callable[[Path], tuple[DataLoaders, ModelRecipe]]
    bundle: type[Any] | None = None
    reload: Callable[[Mapping[str, JSON]], DataLoaders] | None = None
    labelled: Callable[[Mapping[str, JSON], Path], Source] | None = None

    def build(self, recipe: ModelRecipe, *, seed: int = 0) -> nn.Module:
        """Build the model a recipe describes, initialised from ``seed`` alone.

        Raises:
            ConfigError: If this domain has no such builder.
        """
        if recipe.builder not in self.builders:
            raise ConfigError(
                problem(
                    f"Expected a builder of the {self.name!r} domain",
                    f"builder={recipe.builder!r}",
                    f"Known builders: {', '.join(sorted(self.builders))}.",
                )
            )
        with forked(seed):
            return self.builders[recipe.builder](**recipe.arguments)


def domain_names() -> list[str]:
    """Names of the installed domains, ours and other packages'."""
    return sorted(e.name for e in entry_points(group="redstart.domains"))


def find_domain(name: str) -> Domain:
    """Import one domain by its entry-point name.

    Raises:
        ConfigError: If no installed package provides it.
    """
    for entry in entry_points(group="redstart.domains"):
        if entry.name == name:
            domain: Domain = entry.load()
            return domain
    raise ConfigError(
        problem(
            "Expected an installed domain",
            f"name={name!r}",
            f"Installed: {', '.join(domain_names())}.",
        )
    )
