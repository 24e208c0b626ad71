"""TabM: an ensemble of small networks that share most of their weights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypedDict, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import Unpack

from redstart.errors import ConfigError, problem
from redstart.nn.layers import SigmoidRange
from redstart.tabular.embeddings import ColumnEmbeddings, embedding_width
from redstart.tabular.outputs import Mix, Scale, Units, mixed
from redstart.tabular.piecewise import PiecewiseLinearEmbeddings

__all__ = ["TabM", "TabMOptions", "build_tabm", "category_widths"]

ONE_HOT = 64
"""Categories up to which a column has one weight per category and neuron."""
WIDEST = 16
"""Longest vectors of the categories of other columns."""


class TabMOptions(TypedDict, total=False):
    """Options of ``TabM``.

    Keys:
        k: Members of the ensemble.
        d_embedding: Length of the vectors that numbers become.
        dropout: Probability of dropout after each hidden layer.
        mix: How the outputs of the members become one; see ``mixed``.
        y_range: Outputs lie between these two.
        scale: Units of a target of numbers: outputs are brought into them.
        emb_szs: For each column of categories their number and the length of their vectors;
            0 for one weight per category and neuron.
    """

    k: int
    d_embedding: int
    dropout: float
    mix: Mix
    y_range: Sequence[float] | None
    scale: Scale | None
    emb_szs: Sequence[tuple[int, int] | list[int]]


@final
class TabM(nn.Module):
    """``k`` networks trained side by side on shared weights; their answers are averaged.

    From "TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling"
    (Gorishniy et al., 2024, arXiv:2410.24210), with piecewise-linear embeddings of numbers.
    Each layer is a BatchEnsemble (Wen et al., 2020): one weight for all members, scaled at
    its inputs (``r``) and outputs (``s``) by each. Other than in the paper the first layer
    is not scaled at its inputs but, at random, at its outputs: it is multiplied once for
    all members, which makes a step about a third as long, and is no worse.

    Args:
        cardinalities: Number of categories of each column of categories.
        bins: Edges of the bins of each column of numbers.
        n_out: Outputs per row.
        layers: Widths of the hidden layers.
        **options: See ``TabMOptions``.

    Raises:
        ConfigError: If there is no column, layer or member.
    """

    def __init__(
        self,
        cardinalities: Sequence[int],
        bins: Sequence[Sequence[float]],
        n_out: int,
        layers: Sequence[int],
        **options: Unpack[TabMOptions],
    ) -> None:
        super().__init__()
        self.k = options.get("k", 8)
        if not layers or self.k < 1 or not (len(cardinalities) or len(bins)):
            raise ConfigError(
                problem(
                    "Expected columns, hidden layers and members",
                    f"{len(cardinalities) + len(bins)} columns, layers={list(layers)}, k={self.k}",
                    "Leave `layers` and `k` out for the usual ones.",
                )
            )
        self.mix: Mix = options.get("mix", "mean")
        self.p = options.get("dropout", 0.0)
        emb_szs = options.get("emb_szs") or [(n, 0) for n in cardinalities]
        self.first = _FirstLayer(emb_szs, bins, options.get("d_embedding", 16), (layers[0], self.k))
        self.hidden = nn.ModuleList(
            _BatchEnsemble(width, following, self.k) for width, following in pairwise(layers)
        )
        self.heads = _Heads(layers[-1], n_out, self.k)
        y_range, scale = options.get("y_range"), options.get("scale")
        self.range = None if y_range is None else SigmoidRange(*y_range)
        self.units = None if scale is None or y_range is not None else Units(scale)

    def forward(self, x_cat: Tensor, x_cont: Tensor) -> Tensor:
        """Predict.

        Args:
            x_cat: Codes of the categories, ``(B, n_cat)`` int64.
            x_cont: Numbers, ``(B, n_cont)``.

        Returns:
            ``(B, k, n_out)`` while training, one answer per member; else ``(B, n_out)``.
        """
        x = self._drop(F.relu(self.first(x_cat, x_cont)))
        for layer in self.hidden:
            x = self._drop(F.relu(layer(x)))
        out: Tensor = self.heads(x).transpose(0, 1)
        if self.range is not None:
            out = self.range(out)
        if not self.training:
            # Numbers are averaged as the loss compares them: before `Units` takes `expm1`.
            out = mixed(out, self.mix)
        return out if self.units is None else self.units(out)

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training) if self.p else x


def build_tabm(**arguments: Any) -> TabM:
    """Build a ``TabM`` from its arguments as JSON."""
    return TabM(**arguments)


def category_widths(cardinalities: Sequence[int]) -> list[tuple[int, int]]:
    """Sizes of the vectors of categories: none (0) where there are few categories."""
    return [(n, 0 if n <= ONE_HOT else min(WIDEST, embedding_width(n))) for n in cardinalities]


@final
class _FirstLayer(nn.Module):
    """From columns to the first hidden layer: ``(k, B, width)``."""

    starts: Tensor
    few: Tensor
    many: Tensor

    def __init__(
        self,
        emb_szs: Sequence[tuple[int, int] | list[int]],
        bins: Sequence[Sequence[float]],
        d_embedding: int,
        shape: tuple[int, int],
    ) -> None:
        super().__init__()
        width, k = shape
        few = [i for i, (_, size) in enumerate(emb_szs) if not size]
        many = [i for i, (_, size) in enumerate(emb_szs) if size]
        sizes = torch.tensor([emb_szs[i][0] for i in few], dtype=torch.int64)
        self.register_buffer("few", torch.tensor(few, dtype=torch.int64), persistent=False)
        self.register_buffer("many", torch.tensor(many, dtype=torch.int64), persistent=False)
        self.register_buffer("starts", sizes.cumsum(0) - sizes, persistent=False)
        self.plain = len(few) == len(emb_szs)
        self.numbers = PiecewiseLinearEmbeddings(bins, d_embedding) if bins else None
        vectors = [(emb_szs[i][0], emb_szs[i][1]) for i in many]
        self.categories = ColumnEmbeddings(vectors, std=1.0) if many else None
        parts = (self.numbers, self.categories)
        dense = sum(part.n_out for part in parts if part is not None)
        bound = (dense + int(sizes.sum())) ** -0.5
        self.weight = _drawn(dense, width, bound)
        # What multiplying one-hot vectors by a weight gives, without the vectors.
        self.table = _drawn(int(sizes.sum()), width, bound)
        if self.table is not None:
            with torch.no_grad():
                self.table[self.starts] = 0.0  # training rows need not have the code of missing
        self.s = nn.Parameter(torch.randn(k, width))
        self.bias = nn.Parameter(torch.empty(1, width).uniform_(-bound, bound).repeat(k, 1))

    def no_weight_decay(self) -> set[str]:
        """Scales are not drawn to 0."""
        return {"s"}

    def forward(self, x_cat: Tensor, x_cont: Tensor) -> Tensor:
        terms = self._terms(x_cat, x_cont)
        shared = terms[0] if len(terms) == 1 else terms[0] + terms[1]
        return torch.addcmul(self.bias.unsqueeze(1), shared, self.s.unsqueeze(1))

    def extra_repr(self) -> str:
        """Show the sizes in ``print(model)``."""
        n, (k, width) = 0 if self.table is None else len(self.table), self.s.shape
        return f"{len(self.starts)} columns of {n} categories, width={width}, k={k}"

    def _terms(self, x_cat: Tensor, x_cont: Tensor) -> list[Tensor]:
        """What all members share, ``(B, width)``; the sum of these."""
        parts: list[Tensor] = [] if self.numbers is None else [self.numbers(x_cont)]
        if self.categories is not None:
            parts.append(self.categories(x_cat.index_select(1, self.many)))
        terms = [] if self.weight is None else [torch.cat(parts, 1) @ self.weight]
        if self.table is not None:
            codes = x_cat if self.plain else x_cat.index_select(1, self.few)
            terms.append(F.embedding_bag(codes + self.starts, self.table, mode="sum"))
        return terms


@final
class _BatchEnsemble(nn.Module):
    """A linear layer for each member, all scaled versions of one: ``(k, B, n)``."""

    def __init__(self, n_in: int, n_out: int, k: int) -> None:
        super().__init__()
        bound = n_in**-0.5
        self.weight = nn.Parameter(torch.empty(n_in, n_out).uniform_(-bound, bound))
        self.r = nn.Parameter(torch.ones(k, n_in))
        self.s = nn.Parameter(torch.ones(k, n_out))
        self.bias = nn.Parameter(torch.empty(1, n_out).uniform_(-bound, bound).repeat(k, 1))

    def no_weight_decay(self) -> set[str]:
        """Scales are not drawn to 0."""
        return {"r", "s"}

    def extra_repr(self) -> str:
        """Show the sizes in ``print(model)``."""
        n_in, n_out = self.weight.shape
        return f"{n_in}, {n_out}, k={len(self.r)}"

    def forward(self, x: Tensor) -> Tensor:
        # Scaling the weight is cheaper than scaling what goes in and comes out: there are
        # more rows than neurons.
        weight = self.weight * self.r.unsqueeze(2) * self.s.unsqueeze(1)
        return torch.baddbmm(self.bias.unsqueeze(1), x, weight)


@final
class _Heads(nn.Module):
    """A last layer of its own for each member."""

    def __init__(self, n_in: int, n_out: int, k: int) -> None:
        super().__init__()
        bound = n_in**-0.5
        self.weight = nn.Parameter(torch.empty(k, n_in, n_out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(k, n_out).uniform_(-bound, bound))

    def extra_repr(self) -> str:
        """Show the sizes in ``print(model)``."""
        k, n_in, n_out = self.weight.shape
        return f"{n_in}, {n_out}, k={k}"

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias.unsqueeze(1), x, self.weight)


def _drawn(n_in: int, n_out: int, bound: float) -> nn.Parameter | None:
    """A weight; none where nothing comes in, which would be a parameter without a gradient."""
    return nn.Parameter(torch.empty(n_in, n_out).uniform_(-bound, bound)) if n_in else None
