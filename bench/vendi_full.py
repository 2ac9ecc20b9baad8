"""Vendi against the peer's usual route, through the n × n kernel: minutes, so a race of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.clock import Row, difference, package, race
from variegate.metrics import vendi


def rows() -> Iterator[Row]:
    peer: Any = package("vendi_score.vendi")
    features = np.random.default_rng(0).standard_normal((10_000, 384))
    yield race(
        "Vendi, 10,000 × 384",
        lambda: vendi(features),
        lambda: peer.score_X(features),
        peer_name="vendi-score score_X",
        agree=difference,
        once=True,
    )
