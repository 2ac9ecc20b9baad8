"""Sampling rules for 16 rows of 50,000 logits: what each adds to a token, and against a peer.

Plain sampling is what the backends do: log-softmax in float64, the inverse of the distribution
function, the token's log-probability and the entropy. A whole token is that and one step of a
model of 135 million parameters (the shape of SmolLM2, random weights) for the 16 rows.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.clock import Row, race, seconds
from variegate.decoding import apply, rule, suppression

BATCH, VOCABULARY, TURNS = 16, 50_000, 9
COUNTS = {37 * place: 1 + place for place in range(100)}
CHOSEN = [
    rule("temperature", temperature=0.7),
    rule("entropy_temperature"),
    rule("top_k", top_k=50),
    rule("top_p", top_p=0.9),
    rule("min_p", min_p=0.05),
    rule("typical", tau=0.9),
    rule("epsilon", epsilon=6e-4),
    rule("eta", epsilon=1e-3),
    rule("top_h", alpha=0.4),
    rule("suppress", bias=suppression(COUNTS)),
]
WARPERS = {
    "temperature": ("TemperatureLogitsWarper", 0.7),
    "top_k": ("TopKLogitsWarper", 50),
    "top_p": ("TopPLogitsWarper", 0.9),
    "min_p": ("MinPLogitsWarper", 0.05),
    "typical": ("TypicalLogitsWarper", 0.9),
    "epsilon": ("EpsilonLogitsWarper", 6e-4),
    "eta": ("EtaLogitsWarper", 1e-3),
    "top_h": ("TopHLogitsWarper", 0.4),
}
# About 1.5 nats, as of a trained model at temperature 1, and about 6, as of a hot one.
SHAPES = {"1.5 nats": 2.2, "6 nats": 1.2}


def rows() -> Iterator[Row]:
    import torch
    from transformers.generation import logits_process

    from variegate.models import Sampling
    from variegate.models._stepping import invert
    from variegate.models._transformers._truncate import log_distribution

    rng = np.random.default_rng(0)
    model_s = _model_step()
    yield Row(race="a step of a model, 135M, 16 rows", peer="-", ours_s=model_s, peer_s=None)
    for shape, scale in SHAPES.items():
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
            for one in CHOSEN:
                yield _cost(f"{kind}, {shape}: plain + {one.name}", step, one, model_s)
        lp = tensor.double().log_softmax(-1)
        for one in CHOSEN:
            if one.name in WARPERS:
                warper, argument = WARPERS[one.name]
                peer = getattr(logits_process, warper)(argument)
                yield race(
                    f"torch, {shape}: {one.name} alone",
                    lambda one=one, lp=lp: one(lp),
                    lambda peer=peer, z=tensor: peer(None, z),
                    peer_name=f"transformers {warper}, float32, not renormalised",
                )


def _cost(name: str, step: Callable[[Any], Any], one: Any, model_s: float) -> Row:
    ours, plain = [], []
    step(()), step((one,))
    for _ in range(TURNS):
        plain.append(seconds(lambda: step(())))
        ours.append(seconds(lambda: step((one,))))
    with_rule, without = statistics.median(ours), statistics.median(plain)
    more = with_rule - without
    note = f"{more / without:+.0%}, of a whole token {more / (model_s + without):+.1%}"
    return Row(race=name, peer="plain sampling", ours_s=with_rule, peer_s=without, note=note)


def _model_step() -> float:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=49_152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
        num_attention_heads=9, num_key_value_heads=3, tie_word_embeddings=True,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    token = torch.ones((BATCH, 1), dtype=torch.long)
    with torch.inference_mode():
        cache = model(token.expand(-1, 64)).past_key_values
        return statistics.median(
            seconds(lambda: model(token, past_key_values=cache)) for _ in range(5)
        )


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    lp = logits.astype(np.float64)
    lp -= lp.max(axis=-1, keepdims=True)
    lp -= np.log(np.exp(lp).sum(axis=-1, keepdims=True))
    return lp
