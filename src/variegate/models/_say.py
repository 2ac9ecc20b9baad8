"""say: one draw of each of many conversations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from variegate.errors import ModelError, UsageError
from variegate.models._collect import ROUNDS, seed_of
from variegate.models._protocol import Completion, Format, Model, Request, Sampling, Turn
from variegate.samples import sample_id

__all__ = ["say"]


def say(
    model: Model,
    conversations: Sequence[str | Sequence[Turn]],
    *,
    sampling: Sampling,
    format: Format | None = None,
    seed: int = 0,
    indices: Sequence[int] | None = None,
) -> list[Completion]:
    """Return what a model says to each conversation, one draw each, in their order.

    For methods that ask more than once: plan, ask for alternatives, judge. Draws have the same
    identities as those of `collect`, so a cache in front of the model makes such a method resume.
    A draw that does not come in three rounds is a completion with `finish="error"` and no text.

    Args:
        model: what is asked.
        conversations: a prompt or the turns so far, each; a last turn of the assistant is
            continued.
        sampling: the settings of the draws.
        format: how it is asked; chat where the model knows it, else raw.
        seed: another seed, other draws.
        indices: which draw of its conversation each is; by default equal conversations are
            counted through, so asking twice gives two draws.

    Returns:
        One completion a conversation.

    Raises:
        UsageError: as many indices as conversations are expected, all different for equal ones.
        Refused: the model said no for good.

    Example:
        >>> from variegate.models import Sampling, UniformModel, say
        >>> model = UniformModel(branching=5, length=2)
        >>> [len(c.text.split()) for c in say(model, ["Hi", "Hi"], sampling=Sampling())]
        [2, 2]
    """
    if format is None:
        format = "chat" if "chat" in model.formats() else "raw"
    seen: Counter[str] = Counter()
    requests: list[Request] = []
    settings = sampling.settings()
    if indices is not None and len(indices) != len(conversations):
        raise UsageError(
            f"Expected {len(conversations)} indices, one a conversation, got {len(indices)}."
        )
    for place, conversation in enumerate(conversations):
        rendered = model.render(conversation, format=format)
        index = seen[rendered] if indices is None else indices[place]
        seen[rendered] += 1
        asked = {"model": model.name, "revision": model.revision, "rendered": rendered}
        key, first = (sample_id(**asked, sampling=settings, index=i, seed=seed) for i in (index, 0))
        requests.append(
            Request(
                key=key, rendered=rendered, index=index, seed=seed_of(key), group=seed_of(first)
            )
        )
    by_key = {request.key: request for request in requests}
    if len(by_key) < len(requests):
        raise UsageError("Expected different indices for equal conversations, got one twice.")
    done: dict[str, Completion] = {}
    for _ in range(ROUNDS):
        missing = [request for key, request in by_key.items() if key not in done]
        if not missing:
            break
        try:
            for batch in model.sample(missing, sampling=sampling):
                done |= {c.key: c for c in batch if c.key in by_key and c.key not in done}
        except ModelError as error:
            if not error.retryable:
                raise
    return [done.get(request.key) or _lost(request.key) for request in requests]


def _lost(key: str) -> Completion:
    return Completion(
        key=key,
        text="",
        reasoning=None,
        finish="error",
        token_ids=(),
        token_logprobs=None,
        token_entropies=None,
        prompt_tokens=0,
        completion_tokens=0,
    )
