"""Numbers as piecewise-linear encodings: how far a number is through each bin of its column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from redstart.errors import ConfigError, problem

__all__ = ["PiecewiseLinearEmbeddings", "bins_of"]

_MOST_ROWS = 500_000  # rows of a column that its quantiles are taken from


def bins_of(columns: NDArray[np.floating[Any]], n_bins: int = 48) -> list[list[float]]:
    """Choose the edges of the bins of each column of numbers, from training rows.

    A value that fills a bin by itself is an edge, and the other bins have equally many of
    the other rows. Quantiles of all rows, as in the paper, leave few bins where one value is
    frequent: four in a column that is nine tenths zeros.

    Args:
        columns: ``(N, n)``, all finite.
        n_bins: How many bins a column has at most.

    Returns:
        Of each column its edges, two or more, rising.

    Raises:
        ConfigError: If ``n_bins`` is not positive.
    """
    if n_bins < 1:
        raise ConfigError(problem("Expected a positive `n_bins`", f"n_bins={n_bins}", "Try 48."))
    step = -(-len(columns) // _MOST_ROWS) or 1
    return [_edges(columns[::step, i], n_bins) for i in range(columns.shape[1])]


def _edges(column: NDArray[np.floating[Any]], n_bins: int) -> list[float]:
    values, counts = np.unique(column, return_counts=True)
    edges = values
    if len(values) > n_bins + 1:
        heavy = counts * n_bins >= len(column)
        left = n_bins - int(heavy.sum())
        edges = np.concatenate([values[heavy], values[[0, -1]]])
        rest = np.repeat(values[~heavy], counts[~heavy])
        if left > 0 and len(rest):
            # Rows themselves, not means of two: they are edges of the data.
            within = np.linspace(0, len(rest) - 1, left + 1).round().astype(np.intp)
            edges = np.concatenate([edges, rest[within]])
        edges = np.unique(edges)
    if len(edges) < 2:
        first = float(edges[0]) if len(edges) else 0.0
        return [first, first + 1.0]
    return [float(edge) for edge in edges]


@final
class PiecewiseLinearEmbeddings(nn.Module):
    """One vector per number: a linear map of its piecewise-linear encoding, and ReLU.

    From "On Embeddings for Numerical Features in Tabular Deep Learning" (Gorishniy et al.,
    2022, arXiv:2203.05556). A number has one component per bin of its column: 0 below the
    bin, 1 above it, in between how far through it the number is. Beyond the first and the
    last edge these two go on; other than in the paper no faster than in a bin of the mean
    width. Else, of a column that ends with 1 and 1.0001, 1.5 would be five thousand bins away.

    Args:
        bins: Edges of the bins of each column, rising.
        d_embedding: Length of the vectors.
    """

    slope: Tensor
    offset: Tensor
    low: Tensor
    high: Tensor
    first: Tensor
    last: Tensor
    before: Tensor
    after: Tensor

    def __init__(self, bins: Sequence[Sequence[float]], d_embedding: int) -> None:
        super().__init__()
        n, most = len(bins), max((len(edges) for edges in bins), default=2) - 1
        self.n_out = n * d_embedding
        slope, offset = torch.zeros(n, most), torch.zeros(n, most)
        low, high = torch.zeros(n, most), torch.ones(n, most)
        first, last = torch.zeros(n), torch.zeros(n)
        before, after = torch.ones(n), torch.ones(n)
        self.weight = nn.Parameter(torch.empty(n, most, d_embedding))
        self.bias = nn.Parameter(torch.empty(n, d_embedding))
        for i, edges in enumerate(bins):
            ends = torch.tensor(edges, dtype=torch.float64)
            widths, k = ends.diff(), len(edges) - 1
            slope[i, :k] = 1 / widths
            offset[i, :k] = -ends[:-1] / widths
            low[i, 0], high[i, k - 1] = -torch.inf, torch.inf
            first[i], last[i] = ends[0], ends[-1]
            before[i], after[i] = (widths[[0, -1]] / widths.mean()).clamp(max=1)
            bound = k**-0.5
            nn.init.uniform_(self.weight[i].detach(), -bound, bound)
            nn.init.uniform_(self.bias[i].detach(), -bound, bound)
        buffers = {"slope": slope, "offset": offset, "low": low, "high": high}
        buffers |= {"first": first, "last": last, "before": before, "after": after}
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)

    def encode(self, x_cont: Tensor) -> Tensor:
        """Encode numbers ``(B, n)``: ``(B, n, most bins)``, 0 where a column has fewer."""
        inside = torch.clamp(x_cont, self.first, self.last)
        beyond = x_cont - inside
        pace = torch.where(beyond > 0, self.after, self.before)
        x_cont = torch.addcmul(inside, beyond, pace)
        line = torch.addcmul(self.offset, self.slope, x_cont.unsqueeze(-1))
        return torch.clamp(line, self.low, self.high)

    def forward(self, x_cont: Tensor) -> Tensor:
        """Embed numbers ``(B, n)``: ``(B, n * d_embedding)``."""
        encoded = self.encode(x_cont).transpose(0, 1)
        found = torch.baddbmm(self.bias.unsqueeze(1), encoded, self.weight)
        return F.relu(found).transpose(0, 1).flatten(1)

    def extra_repr(self) -> str:
        """Show the sizes in ``print(model)``."""
        n, most, width = self.weight.shape
        return f"{n} columns, up to {most} bins, {width} wide"
