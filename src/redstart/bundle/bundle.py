"""Write, read and use a bundle. Nothing here imports the training code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from redstart.bundle import format as file_format
from redstart.bundle.sure import sureness_of
from redstart.config import JSON, from_config
from redstart.data.codec import Codec
from redstart.data.dataset import collate_inputs
from redstart.data.device import as_device
from redstart.data.frame import Row
from redstart.data.target import Prediction, Target
from redstart.domain import ModelRecipe, find_domain
from redstart.errors import BundleError, problem
from redstart.show.card import Card

__all__ = ["Bundle", "load_learner", "versions"]


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A trained model with all it takes to use it: preprocessing, labels, weights.

    Attributes:
        codec: Reads inputs as in training, item transforms and normalisation included.
        target: Decodes outputs.
        recipe: How to build the model; ``None`` for a module of the user's own.
        model: In evaluation mode.
        facts: What is known of it: metrics with intervals, versions, hashes, when and how
            it was trained, each opening of the test set. JSON values.
    """

    codec: Codec[Any]
    target: Target[Any, Any]
    recipe: ModelRecipe | None
    model: nn.Module
    facts: Mapping[str, JSON] = field(default_factory=dict)

    @property
    def vocab(self) -> tuple[Any, ...]:
        """Names of the classes, in the order of ``probs``."""
        return self.target.vocabulary()

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next((p.device for p in self.model.parameters()), torch.device("cpu"))

    def save(self, path: str | Path) -> Path:
        """Write the bundle as one file of JSON and safetensors.

        Raises:
            BundleError: If it cannot be written.
        """
        head = {
            "recipe": None if self.recipe is None else asdict(self.recipe),
            "codec": self.codec.to_config(),
            "target": self.target.to_config(),
            "facts": {**self.facts, "versions": versions()},
        }
        return file_format.write(Path(path), head, _own_tensors(self.model))

    def predict(
        self, item: Any, *, abstain: float | None = None, coverage: float | None = None
    ) -> Prediction[Any]:
        """Predict one item; unpacks as ``name, index, probs``.

        Args:
            item: What the codec reads: a path, an image, a row.
            abstain: As for ``get_preds``.
            coverage: As for ``get_preds``.

        Raises:
            DataError: If the item cannot be read.
            ConfigError: As for ``get_preds``.
            BundleError: As for ``get_preds``.
        """
        return self.get_preds([item], abstain=abstain, coverage=coverage)[0]

    def get_preds(
        self,
        items: Any,
        *,
        bs: int = 64,
        abstain: float | None = None,
        coverage: float | None = None,
    ) -> list[Prediction[Any]]:
        """Predict several items, in order.

        What ``abstain`` and ``coverage`` promise rests on the validation rows: it holds for
        items like them, and a little less where they were used to choose among models.

        Args:
            items: What the codec reads: a list of paths or pictures, a frame.
            bs: Items per batch.
            abstain: Share of the answers given that may be wrong, in (0, 1), with 95%
                confidence. An answer that is not sure enough for that is ``None``; the
                prediction says why, and which labels are likely.
            coverage: Share of items, in (0, 1), whose ``prediction.set`` of labels, or
                ``prediction.interval`` of numbers, holds the truth.

        Raises:
            DataError: If an item cannot be read; names it.
            ConfigError: If the validation rows cannot promise what is asked for.
            BundleError: If the bundle knows no validation rows.
        """
        asked = {"abstain": abstain, "coverage": coverage}
        sure = any(v is not None for v in asked.values()) and sureness_of(self.facts)
        if sure:  # what cannot be promised is said before anything is predicted
            sure.applied(self.target, [], **asked)
        found: list[Prediction[Any]] = []
        for _, preds in self._predicted(self.codec.listed(items), bs):
            found.extend(sure.applied(self.target, preds, **asked) if sure else preds)
        return found

    def cards(self, items: Any, *, bs: int = 64) -> list[Card]:
        """Predict items and make a card of each, for a figure or a page."""
        cards: list[Card] = []
        listed = self.codec.listed(items)
        for encoded, preds in self._predicted(listed, bs):
            for x, pred in zip(encoded, preds, strict=True):
                cards.append(
                    Card(
                        index=len(cards),
                        item=_name(listed, 0, len(cards)),
                        view=self.codec.view(x),
                        pred=self.target.mark(pred.encoded),
                    )
                )
        return cards

    def _predicted(
        self, items: Sequence[Any], bs: int
    ) -> Iterator[tuple[list[tuple[Tensor, ...]], list[Prediction[Any]]]]:
        codec, device = self.codec, self.device
        table = codec.encode_table(items)
        for start in range(0, len(items), bs):
            if table is not None:
                stacked = tuple(t[start : start + bs] for t in table)
                encoded = list(zip(*stacked, strict=True))
            else:
                encoded = [codec.encode(codec.load(item)) for item in items[start : start + bs]]
                stacked = collate_inputs(codec, encoded, partial(_name, items, start))
            x = codec.prepare(tuple(t.to(device) for t in stacked))
            with torch.inference_mode():
                yield encoded, self.target.predict(self.model(*x))

    def __repr__(self) -> str:
        arch: Any = "own model"
        if self.recipe is not None:
            arch = self.recipe.arguments.get("arch") or self.recipe.builder
        metrics = self.facts.get("metrics", {})
        said = "".join(f"; {name} {m['value']:.4f}" for name, m in metrics.items())
        classes = f"{len(self.vocab)} classes" if self.vocab else f"{self.target.n_out} outputs"
        return f"Bundle({arch}; {self.codec.kind} -> {self.target.kind}, {classes}{said})"


def load_learner(
    path: str | Path, *, device: str | torch.device | None = None, model: nn.Module | None = None
) -> Bundle:
    """Open a bundle: ready to predict, with no data, training code or pickle.

    Args:
        path: The file that ``learn.export`` wrote.
        device: Where to put the model; the best there is if left out.
        model: The module itself, if it was the user's own and not built by name.

    Raises:
        BundleError: If the file is no bundle, was changed, or its model cannot be built.
        ConfigError: If the device does not work.
    """
    path, where = Path(path), as_device(device)
    head, tensors = file_format.read(path)
    if head["recipe"] is None and model is None:
        raise BundleError(
            problem(
                "Expected the module that this bundle was exported from, which was the user's own",
                f"model=None for {path}",
                "Pass it: `load_learner(path, model=MyModel())`.",
            )
        )
    try:
        recipe = None if head["recipe"] is None else ModelRecipe(**head["recipe"])
        domain = find_domain(recipe.domain if recipe else head["facts"].get("domain", "vision"))
        built = model if recipe is None or model is not None else domain.build(recipe)
        assert built is not None  # noqa: S101 - one of the two is there
        built.load_state_dict(tensors)
        codec = from_config(head["codec"], domain.kinds)
        target = from_config(head["target"], domain.kinds)
    except (RuntimeError, TypeError, ValueError, LookupError, AttributeError, ImportError) as error:
        wrote = ", ".join(f"{k} {v}" for k, v in head["facts"].get("versions", {}).items())
        own = "Pass the very module that was exported. " if model is not None else ""
        raise BundleError(
            problem(
                f"Expected to rebuild the model of {path}",
                f"{type(error).__name__}: {' '.join(str(error).split()):.300}",
                f"{own}It was written with {wrote}.",
            )
        ) from error
    built.to(where).eval()
    opened: Bundle = (domain.bundle or Bundle)(codec, target, recipe, built, head["facts"])
    return opened


def versions() -> dict[str, str]:
    """Versions of what a prediction depends on, as far as installed."""
    return dict(_versions())


@cache
def _versions() -> Mapping[str, str]:
    found = {}
    for name in ("redstart", "torch", "torchvision", "timm", "pillow", "numpy", "pandas"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _name(items: Sequence[Any], start: int, position: int) -> str:
    item = items[start + position]
    return f"row {start + position}" if isinstance(item, Row) else str(item)


def _own_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The state dict with shared memory copied, since safetensors wants each on its own."""
    seen: set[int] = set()
    tensors = {}
    for name, tensor in model.state_dict().items():
        pointer = tensor.untyped_storage().data_ptr()
        tensors[name] = tensor.clone() if pointer in seen else tensor
        seen.add(pointer)
    return tensors
