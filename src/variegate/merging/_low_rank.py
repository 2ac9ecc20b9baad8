"""Task vectors of low rank: kept where the Fisher information says it matters; apart by chance."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from variegate.errors import UsageError

__all__ = ["LowRank", "adapter_overlap", "low_rank", "sparse_projection"]


@dataclass(frozen=True, kw_only=True)
class LowRank:
    """A matrix as a product of two thin ones.

    Args:
        left: (rows, rank).
        right: (rank, columns).
        kept: share of the (weighted) squared norm that the product keeps, in [0, 1].
    """

    left: torch.Tensor
    right: torch.Tensor
    kept: float

    def matrix(self) -> torch.Tensor:
        """Return the product."""
        return self.left @ self.right


def low_rank(delta: torch.Tensor, *, rank: int, fisher: torch.Tensor | None = None) -> LowRank:
    """Factorise a change of weights, nearest where the model cares about it.

    With row importances d_i = √(Σ_j F_ij), the product minimises ‖diag(d) (Δ − L R)‖: the
    singular value decomposition of diag(d) Δ, its left factor divided by d again.

    Args:
        delta: a matrix (rows, columns), such as the difference of two checkpoints.
        rank: of the product.
        fisher: the diagonal Fisher information in the shape of delta; None weights all rows
            equally.

    Returns:
        The factors in float32. A constant Fisher gives the plain decomposition, full rank gives
        delta.

    Raises:
        UsageError: no matrix, a rank that it does not have, Fisher of another shape.

    Example:
        >>> import torch
        >>> delta = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
        >>> round(low_rank(delta, rank=1).kept, 3)
        0.8
        >>> low_rank(delta, rank=1, fisher=torch.tensor([[1.0, 0], [9, 9]])).matrix()
        tensor([[0., 0.],
                [0., 1.]])

    Reference:
        `Hsu 2022 <https://arxiv.org/abs/2207.00112>`_.
    """
    if delta.ndim != 2 or not 1 <= rank <= min(delta.shape):
        raise UsageError(f"Expected a matrix and a rank it has, got {tuple(delta.shape)}, {rank}.")
    # Dividing by an importance of 1e-6 would blow up what float32 rounds off.
    matrix = delta.detach().double()
    rows = torch.ones(matrix.shape[0], dtype=torch.float64, device=matrix.device)
    if fisher is not None:
        if fisher.shape != delta.shape or not bool((fisher >= 0).all()):
            raise UsageError(f"Expected Fisher of at least 0 in shape {tuple(delta.shape)}.")
        rows = fisher.detach().double().sum(1).sqrt()
        # A row nobody cares about would be lost even at full rank.
        rows = rows.clamp_(min=max(float(rows.max()) * 1e-6, torch.finfo(torch.float32).tiny))
    u, s, v = torch.linalg.svd(rows[:, None] * matrix, full_matrices=False)
    norm = float(s.square().sum())
    return LowRank(
        left=(u[:, :rank] * s[:rank] / rows[:, None]).float(),
        right=v[:rank].float(),
        kept=float(s[:rank].square().sum()) / norm if norm else 1.0,
    )


def sparse_projection(rank: int, width: int, *, nonzero: int, seed: int) -> torch.Tensor:
    """Draw a frozen sparse random matrix A, so that adapters B A of several tasks hardly meet.

    Every row has `nonzero` normal entries in random places, scaled so that E‖A x‖² = ‖x‖².
    Training only B keeps each adapter in the rows of its own A.

    Args:
        rank: rows.
        width: columns, the width of the layer's input.
        nonzero: entries of a row that are not 0.
        seed: of the draw; one per task.

    Returns:
        The matrix (rank, width) in float32.

    Raises:
        UsageError: more entries than columns.

    Example:
        >>> a = sparse_projection(4, 64, nonzero=8, seed=0)
        >>> tuple(a.shape), int((a != 0).sum())
        ((4, 64), 32)

    Reference:
        `Zou 2025 <https://arxiv.org/abs/2510.08396>`_.
    """
    if not (1 <= nonzero <= width and rank >= 1):
        raise UsageError(f"Expected 1 to {width} entries in each of 1 or more rows, got {nonzero}.")
    generator = torch.Generator().manual_seed(seed)
    places = torch.rand(rank, width, generator=generator).topk(nonzero).indices
    values = torch.randn(rank, nonzero, generator=generator) * (width / (rank * nonzero)) ** 0.5
    return torch.zeros(rank, width).scatter_(1, places, values)


def adapter_overlap(a: torch.Tensor, b: torch.Tensor) -> float:
    """How much two changes of the same layer read the same inputs.

    ‖A Bᵀ‖ / (‖A‖ ‖B‖), Frobenius, of changes or of their projections (rows are directions of the
    input).

    Args:
        a: a matrix (r, width).
        b: another (s, width).

    Returns:
        From 0 (no input reaches both) to 1 (both of rank one along one direction).

    Raises:
        UsageError: another width, or a matrix of zeros.

    Example:
        >>> import torch
        >>> adapter_overlap(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
        0.0

    Reference:
        `Zou 2025 <https://arxiv.org/abs/2510.08396>`_.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise UsageError(f"Expected one width, got {tuple(a.shape)} and {tuple(b.shape)}.")
    size = float(a.float().norm() * b.float().norm())
    if size == 0:
        raise UsageError("Expected changes, got a matrix of zeros.")
    return float((a.float() @ b.float().T).norm()) / size
