"""Vendi: one large set, and many small ones."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.clock import TURNS, Row, difference, package, race, seconds
from variegate.metrics import vendi


def rows() -> Iterator[Row]:
    peer: Any = package("vendi_score.vendi")
    rng = np.random.default_rng(0)
    large = rng.standard_normal((10_000, 384)).astype(np.float32)
    double = large.astype(np.float64)
    yield race(
        "Vendi, 10,000 × 384",
        lambda: vendi(double),
        lambda: peer.score_dual(double),
        peer_name="vendi-score score_dual",
        agree=difference,
    )
    result = race(
        "Vendi, 10,000 × 384, float32",
        lambda: vendi(large),
        lambda: peer.score_dual(large),
        peer_name="vendi-score score_dual, which stays in float32",
        agree=difference,
    )
    yield result
    yield race(
        "Vendi, 10,000 × 384, float32",
        lambda: vendi(large),
        lambda: limit(large),
        peer_name="the limit: XᵀX in float32, eigenvalues in float64",
    )
    yield Row(
        race="share of the machine's matrix-product rate",
        peer="XᵀX in float32",
        ours_s=result.ours_s,
        peer_s=None,
        note=_share(large, result.ours_s),
    )
    middle = large[:2000].astype(np.float64)  # in float32 the peer is off by 4e-3
    yield race(
        "Vendi, 2,000 × 384",
        lambda: vendi(middle),
        lambda: peer.score_X(middle),
        peer_name="vendi-score score_X",
        agree=difference,
    )
    yield race(
        "Vendi order 2, 10,000 × 384",
        lambda: vendi(large, q=2),
        lambda: peer.score_dual(large, q=2),
        peer_name="vendi-score score_dual",
        agree=difference,
    )
    prompts = rng.standard_normal((500, 16, 384)).astype(np.float32)
    yield race(
        "Vendi of 500 prompts × 16 × 384",
        lambda: vendi(prompts),
        lambda: [peer.score_X(one) for one in prompts],
        peer_name="vendi-score, loop",
        agree=difference,
    )
    many = rng.standard_normal((100_000, 384), dtype=np.float32)
    yield race(
        "Vendi, 100,000 × 384, float32",
        lambda: vendi(many),
        lambda: limit(many),
        peer_name="the limit: XᵀX in float32, eigenvalues in float64",
    )


def limit(features: np.ndarray) -> np.ndarray:
    """What no way through the second moment can do without."""
    return np.linalg.eigvalsh((features.T @ features).astype(np.float64))


def _share(features: np.ndarray, ours: float) -> str:
    n, d = features.shape
    # XᵀX is symmetric and numpy computes one half of it: n d² operations.
    product = statistics.median(seconds(lambda: features.T @ features) for _ in range(TURNS))
    rate = n * d * d / product / 1e9
    return (
        f"{product / ours:.0%}: the product alone takes {product * 1e3:.0f} ms, {rate:.0f} GFLOP/s"
    )
