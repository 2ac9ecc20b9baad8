"""Sampling rules: what each adds to plain sampling of one token for 16 rows of 50,000 logits.

Plain is what the backends do: log-softmax in float64, then the inverse of the distribution
function, the token's log-probability and the entropy.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.clock import Row, seconds
from variegate.decoding import apply, rule, suppression

BATCH, VOCABULARY, TURNS = 16, 50_000, 15


def rows() -> Iterator[Row]:
    import torch

    from variegate.models import Sampling
    from variegate.models._stepping import invert
    from variegate.models._transformers._truncate import log_distribution

    rng = np.random.default_rng(0)
    counts = {int(token): 1 + place for place, token in enumerate(rng.integers(0, 50_000, 100))}
    chosen = [
        rule("temperature", temperature=0.7),
        rule("entropy_temperature"),
        rule("top_k", top_k=50),
        rule("top_p", top_p=0.9),
        rule("min_p", min_p=0.05),
        rule("typical", tau=0.9),
        rule("epsilon", epsilon=6e-4),
        rule("eta", epsilon=1e-3),
        rule("top_h", alpha=0.4),
        rule("top_h", alpha=0.4, compat="transformers"),
        rule("suppress", bias=suppression(counts)),
    ]
    # About 1.5 nats, as of a trained model at temperature 1, and about 6, as of a hot one.
    for shape, scale in (("1.5 nats", 2.2), ("6 nats", 1.2)):
        ranks = rng.permuted(np.tile(np.arange(1, VOCABULARY + 1), (BATCH, 1)), axis=1)
        logits = (-scale * np.log(ranks) + 0.3 * rng.standard_normal(ranks.shape)).astype("f4")
        u, tensor = rng.random(BATCH), torch.tensor(logits)
        steps: dict[str, Callable[[Any], Any]] = {
            "numpy": lambda rules, z=logits, u=u: invert(apply(_log_softmax(z), rules), u),
            "torch": lambda rules, z=tensor, u=u: invert(
                log_distribution(z, Sampling(rules=rules)), u
            ),
        }
        for kind, step in steps.items():
            for one in chosen:
                yield _cost(f"{kind}, {shape}: {one.name}", step, one)


def _cost(name: str, step: Callable[[Any], Any], one: Any) -> Row:
    ours, plain = [], []
    step(()), step((one,))
    for _ in range(TURNS):
        plain.append(seconds(lambda: step(())))
        ours.append(seconds(lambda: step((one,))))
    with_rule, without = min(ours), min(plain)
    return Row(
        race=name,
        peer="plain sampling",
        ours_s=statistics.median(ours),
        peer_s=statistics.median(plain),
        note=f"{with_rule / without - 1:+.0%} by the fastest of {TURNS}",
    )


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    lp = logits.astype(np.float64)
    lp -= lp.max(axis=-1, keepdims=True)
    lp -= np.log(np.exp(lp).sum(axis=-1, keepdims=True))
    return lp
