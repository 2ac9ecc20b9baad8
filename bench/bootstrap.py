"""Bootstrap over prompts: one draw for all metrics against one a metric."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.clock import Row, race
from variegate.estimate import bootstrap


def rows() -> Iterator[Row]:
    from scipy import stats

    values = np.random.default_rng(0).standard_normal((1000, 20))

    def peer() -> list[object]:
        return [
            stats.bootstrap(
                (column,), np.mean, n_resamples=2000, method="percentile", rng=0
            ).confidence_interval
            for column in values.T
        ]

    yield race(
        "bootstrap, 2,000 × 1,000 prompts × 20 metrics",
        lambda: bootstrap(values, resamples=2000),
        peer,
        peer_name="scipy.stats.bootstrap, loop",
        agree=_ends,
    )


def _ends(ours: list[object], theirs: list[object]) -> str:
    gap = max(
        max(abs(a.low - b.low), abs(a.high - b.high))  # type: ignore[attr-defined]
        for a, b in zip(ours, theirs, strict=True)
    )
    return f"ends differ by at most {gap:.1e} (other draws)"
