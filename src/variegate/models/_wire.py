"""The words of the OpenAI-compatible protocol: requests to bodies, bodies to completions."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

import orjson

from variegate.errors import DataError, UsageError
from variegate.models._protocol import Sampling, Turn
from variegate.samples import Finish, split_reasoning

__all__ = [
    "PATHS",
    "Api",
    "Choice",
    "Prefill",
    "Tokens",
    "body_of",
    "parse_body",
    "read_choices",
    "read_usage",
    "render_turns",
    "rule_fields",
    "words_of_error",
]

Api = Literal["chat", "completions"]
"""Which of the two calls of the protocol is made."""

Prefill = Literal["no", "plain", "flag"]
"""How a server is told to go on with an answer that is begun."""

PATHS: dict[Api, str] = {"chat": "/chat/completions", "completions": "/completions"}

_FINISH: dict[str, Finish] = {
    "length": "length",
    "max_tokens": "length",
    "content_filter": "filter",
}
_MOST_TOP = 20  # alternatives a token that the protocol allows


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Log-probabilities along an answer: of what was chosen, and the largest at every token."""

    chosen: tuple[float, ...]
    top: tuple[tuple[float, ...], ...]  # empty where the server sent none


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of the answers of a reply."""

    text: str
    reasoning: str | None
    finish: Finish
    token_ids: tuple[int, ...]
    tokens: Tokens | None


def render_turns(turns: Sequence[Turn]) -> str:
    """Write a conversation down so that nothing of it is lost: the messages as JSON."""
    messages = [{"role": turn.role, "content": turn.text} for turn in turns]
    return json.dumps(messages, ensure_ascii=False, separators=(",", ":"))


def rule_fields(sampling: Sampling) -> dict[str, Any]:
    """Say rules in the fields of a request, where their entry names one.

    Raises:
        UsageError: a rule that no field expresses, or two settings for one field.
    """
    found: dict[str, Any] = {}
    for rule in sampling.rules:
        entry = getattr(rule, "entry", None)
        name = getattr(entry, "endpoint", None)
        if name is None:
            raise UsageError(
                f"An endpoint has no field for the rule {rule.name!r}; it needs tier E.",
                hint="Open the checkpoint with transformers_model, or run it in vLLM.",
            )
        if name in found or getattr(sampling, name, None) not in (None, 1.0):
            raise UsageError(f"Two settings for {name!r} of one request.")
        (value,) = rule.parameters.values()  # type: ignore[attr-defined]
        if name == "logit_bias":
            value = {str(token): bias for token, bias in value}
        found[name] = value
    return found


def body_of(
    *,
    api: Api,
    model: str,
    rendered: str,
    sampling: Sampling,
    n: int,
    seed: int | None,
    top: int | None,
    prefill: Prefill,
    limit: str,
    extra: Mapping[str, Any],
) -> dict[str, Any]:
    """Build the body of a request; what is None stands in it nowhere.

    Args:
        api: which call.
        model: its name on the server.
        rendered: the messages as JSON (chat) or the text (completions).
        sampling: the settings of the draw.
        n: answers asked for; left out at 1, which every server understands.
        seed: sent where it is one.
        top: alternatives a token; None for no log-probabilities.
        prefill: how an answer that is begun is marked.
        limit: the server's name for the token limit.
        extra: further fields, which win.
    """
    fields: dict[str, Any] = {
        "model": model,
        limit: sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "stop": list(sampling.stop) or None,
        "seed": seed,
        "n": n if n > 1 else None,
        **rule_fields(sampling),
    }
    if api == "chat":
        messages = json.loads(rendered)
        fields["messages"] = messages
        if top is not None:
            fields |= {"logprobs": True, "top_logprobs": min(top, _MOST_TOP)}
        if prefill == "flag" and messages and messages[-1]["role"] == "assistant":
            fields |= {"continue_final_message": True, "add_generation_prompt": False}
    else:
        fields["prompt"] = rendered
        fields["logprobs"] = None if top is None else min(top, _MOST_TOP)
    return {name: value for name, value in fields.items() if value is not None} | dict(extra)


def parse_body(raw: bytes) -> dict[str, Any]:
    """Parse the JSON object of a reply; lone surrogates become U+FFFD.

    Raises:
        DataError: half of one, or none.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        # A model may be cut off within a pair of surrogates; servers in Python then send one.
        if b"\\ud" not in raw.lower():
            raise DataError("The reply is no JSON, or half of one.") from None
        try:
            value = orjson.loads(json.dumps(_mended(json.loads(raw))))
        except (ValueError, RecursionError):
            raise DataError("The reply is no JSON, or half of one.") from None
    if not isinstance(value, dict):
        raise DataError(f"Expected a JSON object as reply, got {type(value).__name__}.")
    return value


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    return value


def read_choices(
    body: Mapping[str, Any], *, api: Api, top: int | None, reasoning: tuple[str, str]
) -> list[Choice]:
    """Read the answers of a reply in their order, whatever their number.

    Raises:
        DataError: something that is no answer among them.
    """
    choices = body.get("choices")
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise DataError("Expected a list of choices in the reply.")
    ordered = sorted(
        enumerate(choices),
        key=lambda pair: pair[1]["index"] if type(pair[1].get("index")) is int else pair[0],
    )
    return [_choice(choice, api=api, top=top, marks=reasoning) for _, choice in ordered]


def _choice(
    choice: Mapping[str, Any], *, api: Api, top: int | None, marks: tuple[str, str]
) -> Choice:
    thought: str | None = None
    refused = False
    if api == "chat":
        message = choice.get("message")
        if not isinstance(message, dict):
            raise DataError("Expected a message in a choice of the reply.")
        refusal = _text(message.get("refusal"))
        refused = bool(refusal)
        text = refusal or _text(message.get("content"))
        thought = _text(message.get("reasoning_content")) or _text(message.get("reasoning")) or None
    else:
        text = _text(choice.get("text"))
    if thought is None:
        thought, text = split_reasoning(text, open=marks[0], close=marks[1])
    text = text.strip()
    reason = choice.get("finish_reason")
    finish = _FINISH.get(reason, "stop") if isinstance(reason, str) else "stop"
    if refused:
        finish = "filter"
    if finish == "stop" and not text:
        finish = "empty"
    ids = choice.get("token_ids")
    whole = isinstance(ids, list) and all(type(i) is int and 0 <= i < 2**31 for i in ids)
    return Choice(
        text=text,
        reasoning=thought,
        finish=finish,
        token_ids=tuple(ids) if whole and ids else (),
        tokens=None if top is None else _tokens(choice.get("logprobs"), api=api, top=top),
    )


def _text(content: Any) -> str:
    """The text of a content: a string, or a list of parts of which some are text."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "".join(part for part in parts if isinstance(part, str))
    raise DataError(f"Expected text in the reply, got {type(content).__name__}.")


def _tokens(found: Any, *, api: Api, top: int) -> Tokens | None:
    """Log-probabilities of a choice; None where there are none that can be used."""
    if not isinstance(found, dict):
        return None
    if api == "chat":
        entries = found.get("content")
        if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
            return None
        chosen = [entry.get("logprob") for entry in entries]
        others = [
            [one.get("logprob") for one in entry.get("top_logprobs") or () if isinstance(one, dict)]
            for entry in entries
        ]
    else:
        chosen = found.get("token_logprobs") or []
        others = [
            list(one.values()) if isinstance(one, dict) else []
            for one in found.get("top_logprobs") or ()
        ]
    if not chosen or not all(_is_logprob(value) for value in chosen):
        return None
    # Some servers add the chosen token to the list: only the largest are the largest.
    largest = tuple(
        tuple(sorted((float(v) for v in values if _is_logprob(v)), reverse=True)[:top])
        for values in others
    )
    whole = len(largest) == len(chosen) and all(largest)
    return Tokens(
        chosen=tuple(min(float(v), 0.0) for v in chosen if v is not None),
        top=largest if whole else (),
    )


def _is_logprob(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and math.isfinite(value) and value <= 1e-3


def read_usage(body: Mapping[str, Any]) -> tuple[int, int] | None:
    """Tokens read and written, as the server counts them; None where it does not say."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return None
    read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(read) is not int or type(written) is not int or read < 0 or written < 0:
        return None
    return (read, written) if max(read, written) < 2**31 else None


def words_of_error(raw: bytes) -> tuple[str, str]:
    """What a server says went wrong: its code, and its words in one line, not yet redacted."""
    try:
        body = parse_body(raw)
        error = body.get("error") or body.get("detail") or body.get("message")
    except DataError:
        error = raw[:2000].decode("utf-8", "replace")
    if isinstance(error, dict):
        code = error.get("code") or error.get("type") or ""
        words = error.get("message") or ""
        param = error.get("param")
        tail = f" ({param})" if isinstance(param, str) and param not in str(words) else ""
        return str(code)[:80], " ".join(str(words).split()) + tail
    return "", " ".join(str(error or "").split())
