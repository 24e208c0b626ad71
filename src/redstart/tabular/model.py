"""The course's model of a table: embeddings of categories and numbers into a small network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, TypedDict

import torch
from torch import Tensor, nn
from typing_extensions import Unpack

from redstart.errors import ConfigError, problem
from redstart.nn.layers import SigmoidRange
from redstart.tabular.embeddings import ColumnEmbeddings, embedding_width
from redstart.tabular.outputs import Scale, Units

__all__ = ["ACTIVATIONS", "ModelOptions", "TabularModel", "build_mlp", "tabular_config"]

ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "mish": nn.Mish,
    "relu": nn.ReLU,
    "selu": nn.SELU,
    "silu": nn.SiLU,
}
"""What ``act_cls`` may name."""


class ModelOptions(TypedDict, total=False):
    """Options of ``TabularModel``.

    Keys:
        use_bn: Batch norm in each hidden layer.
        bn_final: Batch norm after the last layer too.
        bn_cont: Batch norm on the numbers that come in.
        act_cls: A name of ``ACTIVATIONS``, a module, or a class of one.
        lin_first: Linear layer and activation before batch norm and dropout, or after.
        scale: Units of a target of numbers: outputs are brought into them.
    """

    use_bn: bool
    bn_final: bool
    bn_cont: bool
    act_cls: str | nn.Module | type[nn.Module]
    lin_first: bool
    scale: Scale | None


class TabularModel(nn.Module):
    """Embeddings of categories, and numbers in batch norm, into linear layers.

    The architecture of fastai's model of that name (Guo and Berkhahn, 2016,
    arXiv:1604.06737). Open to subclasses.

    Args:
        emb_szs: For each column of categories their number and the length of their vectors.
        n_cont: How many numbers come in.
        out_sz: How many come out.
        layers: Widths of the hidden layers.
        ps: Probability of dropout in each hidden layer, or one for all.
        embed_p: Probability of dropout on the embeddings.
        y_range: Outputs lie between these two.
        **options: See ``ModelOptions``.

    Raises:
        ConfigError: If the arguments do not fit each other.
    """

    def __init__(
        self,
        emb_szs: Sequence[tuple[int, int] | list[int]],
        n_cont: int,
        out_sz: int,
        layers: Sequence[int],
        ps: float | Sequence[float] | None = None,
        embed_p: float = 0.0,
        y_range: Sequence[float] | None = None,
        **options: Unpack[ModelOptions],
    ) -> None:
        super().__init__()
        sizes = [(n, width) for n, width in emb_szs]
        self.embeddings = ColumnEmbeddings(sizes) if sizes else None
        self.n_emb, self.n_cont = sum(width for _, width in sizes), n_cont
        self.emb_drop = nn.Dropout(embed_p)
        if self.n_emb + n_cont == 0:
            raise ConfigError(
                problem("Expected columns to learn from", "emb_szs=[], n_cont=0", "Name some.")
            )
        on_numbers = n_cont > 0 and options.get("bn_cont", True)
        self.bn_cont = nn.BatchNorm1d(n_cont) if on_numbers else None
        widths = [self.n_emb + n_cont, *layers, out_sz]
        stack = _layers(widths, _probabilities(ps, len(layers)), options)
        scale = options.get("scale")
        if y_range is not None:
            stack.append(SigmoidRange(*y_range))
        elif scale is not None:
            stack.append(Units(scale))
        self.layers = nn.Sequential(*stack)

    @property
    def embeds(self) -> list[Tensor]:
        """Vectors of the categories of each column, ``(n, width)``."""
        return [] if self.embeddings is None else self.embeddings.columns()

    def forward(self, x_cat: Tensor, x_cont: Tensor | None = None) -> Tensor:
        """Predict.

        Args:
            x_cat: Codes of the categories, ``(B, n_columns)`` int64.
            x_cont: Numbers, ``(B, n_cont)``.

        Returns:
            ``(B, out_sz)``.
        """
        parts = []
        if self.embeddings is not None:
            embedded = self.embeddings(x_cat)
            parts.append(self.emb_drop(embedded) if self.emb_drop.p else embedded)
        if self.n_cont and x_cont is not None:
            parts.append(x_cont if self.bn_cont is None else self.bn_cont(x_cont))
        out: Tensor = self.layers(torch.cat(parts, 1) if len(parts) > 1 else parts[0])
        return out


def build_mlp(
    *,
    n_out: int,
    n_cont: int,
    cardinalities: Sequence[int] = (),
    emb_szs: Sequence[tuple[int, int] | list[int]] | None = None,
    layers: Sequence[int] = (200, 100),
    **options: Any,
) -> TabularModel:
    """Build a ``TabularModel`` from JSON.

    Args:
        n_out: Outputs per row.
        n_cont: Columns of numbers.
        cardinalities: Number of categories of each column of categories.
        emb_szs: These with the length of their vectors; by ``embedding_width`` if left out.
        layers: Widths of the hidden layers.
        **options: As for ``TabularModel``.
    """
    sizes = emb_szs or [(n, embedding_width(n)) for n in cardinalities]
    return TabularModel(sizes, n_cont, n_out, layers, **options)


def tabular_config(**options: Any) -> dict[str, Any]:
    """Options of a model, for ``tabular_learner(config=...)``: a dictionary of them."""
    return options


def _layers(sizes: Sequence[int], ps: Sequence[float], options: ModelOptions) -> list[nn.Module]:
    found: list[nn.Module] = []
    use_bn, last = options.get("use_bn", True), len(sizes) - 2
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        final = i == last
        bn = use_bn and (not final or options.get("bn_final", False))
        first = options.get("lin_first", True)
        act = None if final else _activation(options.get("act_cls", "relu"))
        # Batch norm has a bias of its own.
        dense = [nn.Linear(n_in, n_out, bias=not bn), *([act] if act is not None else [])]
        norm: list[nn.Module] = [nn.BatchNorm1d(n_out if first else n_in)] if bn else []
        norm += [nn.Dropout(ps[i])] if not final and ps[i] else []
        found += [*dense, *norm] if first else [*norm, *dense]
    return found


def _probabilities(ps: float | Sequence[float] | None, n: int) -> list[float]:
    found = [float(ps or 0)] * n if isinstance(ps, int | float | None) else [float(p) for p in ps]
    if len(found) != n or not all(0 <= p < 1 for p in found):
        raise ConfigError(
            problem(
                f"Expected `ps` to be {n} probabilities, one per hidden layer, or one for all",
                f"ps={ps!r}",
                "Each is at least 0 and less than 1.",
            )
        )
    return found


def _activation(given: str | nn.Module | type[nn.Module]) -> nn.Module:
    if isinstance(given, nn.Module):
        return given
    if isinstance(given, type):
        return given()
    if given not in ACTIVATIONS:
        raise ConfigError(
            problem(
                "Expected the name of an activation, a module or its class",
                f"act_cls={given!r}",
                f"Known names: {', '.join(ACTIVATIONS)}.",
            )
        )
    kind = ACTIVATIONS[given]
    return kind(inplace=True) if kind is nn.ReLU else kind()
