"""Rules inside vLLM: a logits processor for each of its two interfaces.

Written to the interfaces of vLLM 0.32 and later. Its current model runner loads classes of
``vllm.v1.worker.gpu.sample.logits_processor``, where a row of logits belongs to a slot and rows
move every step; the runner before it (``VLLM_USE_V2_MODEL_RUNNER=0``) loads classes of
``vllm.v1.sample.logits_processor``, where a ledger tells which request moved where.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from variegate.decoding._rule import TokenRule, apply, rule
from variegate.errors import UsageError, VariegateError

__all__ = ["processor_class", "vllm_arguments"]

_KEY = "variegate_rules"


def vllm_arguments(rules: Iterable[TokenRule]) -> dict[str, str]:
    """Rules as a request's own arguments, for the processors that vLLM was started with.

    Start it with ``--logits-processors variegate.decoding.adapters:VllmProcessor`` (or
    ``:VllmProcessorV1`` for the runner before the current one). Then pass these as
    ``SamplingParams(extra_args=...)``, or over HTTP as ``extra_body={"vllm_xargs": ...}``.

    vLLM runs processors before its own temperature, top_p and top_k: leave those at 1, 1 and -1
    and give the temperature as the first rule.

    Args:
        rules: from `rule`, of one context each.

    Returns:
        One entry of JSON, which a request over HTTP can carry.

    Raises:
        UsageError: a rule of several contexts, which one engine cannot run.

    Example:
        >>> from variegate.decoding import rule
        >>> vllm_arguments([rule("min_p", min_p=0.05)])
        {'variegate_rules': '[{"name": "min_p", "min_p": 0.05}]'}
    """
    chosen = tuple(rules)
    _check_contexts(chosen)
    return {_KEY: json.dumps([{"name": one.name, **one.parameters} for one in chosen])}


def processor_class(name: str) -> type:
    """The class for one of vLLM's interfaces; vLLM is loaded here and nowhere else."""
    if name == "VllmProcessor":
        from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor

        return type(name, (_Slots, LogitsProcessor), {"__module__": __name__})
    from vllm.v1.sample.logits_processor import LogitsProcessor

    return type(name, (_Ledger, LogitsProcessor), {"__module__": __name__})


class _Requests:
    """What both interfaces share: which request asked for which rules."""

    wanted: dict[int, tuple[TokenRule, ...]]

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        try:
            _rules_of(sampling_params)
        except VariegateError as error:
            # vLLM refuses the request, and not the engine, on a ValueError.
            raise ValueError(str(error)) from error

    def _apply(self, logits: Any, slots: Iterable[int]) -> Any:
        """Apply each request's rules to its rows, in place; requests that agree go together."""
        rows_by_rules: dict[tuple[TokenRule, ...], list[int]] = {}
        for row, slot in enumerate(slots):
            if rules := self.wanted.get(int(slot)):
                rows_by_rules.setdefault(rules, []).append(row)
        for rules, rows in rows_by_rules.items():
            everything = len(rows) == logits.shape[0]
            part = logits if everything else logits[rows]
            out = apply(part.double().log_softmax(-1), rules).to(logits.dtype)
            if everything:
                logits.copy_(out)
            else:
                logits[rows] = out
        return logits


class _Slots(_Requests):
    """The current interface: a row of logits belongs to a slot, and rows move every step."""

    def __init__(self, vllm_config: Any, req_states: Any) -> None:  # noqa: ARG002
        self.wanted = {}

    def add_request(self, req_idx: int, sampling_params: Any) -> bool:
        # A slot may still hold what an earlier request asked for.
        self.wanted.pop(req_idx, None)
        rules = _rules_of(sampling_params)
        if rules:
            self.wanted[req_idx] = rules
        return bool(rules)

    def apply(self, logits: Any, ctx: Any) -> Any:
        slots = ctx.idx_mapping_np
        if not any(int(slot) in self.wanted for slot in slots):
            return logits
        if len(slots) != logits.shape[0]:
            # With drafted tokens a request has several rows; only the device knows which.
            slots = ctx.expanded_idx_mapping.tolist()
        return self._apply(logits, slots)


class _Ledger(_Requests):
    """The interface before: rows are places in a batch, and a ledger tells who moved."""

    def __init__(self, vllm_config: Any, device: Any, is_pin_memory: bool) -> None:  # noqa: ARG002
        self.wanted = {}

    def is_argmax_invariant(self) -> bool:
        return False

    def update_state(self, batch_update: Any) -> None:
        if batch_update is None:
            return
        for place in batch_update.removed:
            self.wanted.pop(place, None)
        for place, params, *_ in batch_update.added:
            self.wanted.pop(place, None)
            if rules := _rules_of(params):
                self.wanted[place] = rules
        for source, target, direction in batch_update.moved:
            moved, replaced = self.wanted.pop(source, None), self.wanted.pop(target, None)
            if moved is not None:
                self.wanted[target] = moved
            if replaced is not None and direction.name == "SWAP":
                self.wanted[source] = replaced

    def apply(self, logits: Any) -> Any:
        return self._apply(logits, range(logits.shape[0])) if self.wanted else logits


def _rules_of(sampling_params: Any) -> tuple[TokenRule, ...]:
    asked = (getattr(sampling_params, "extra_args", None) or {}).get(_KEY)
    if not asked:
        return ()
    try:
        described = json.loads(asked) if isinstance(asked, str) else asked
    except (ValueError, RecursionError) as error:
        raise UsageError(f"Expected JSON in {_KEY}, got {asked[:80]!r}.") from error
    if not isinstance(described, list) or not all(
        isinstance(one, Mapping) and isinstance(one.get("name"), str) for one in described
    ):
        raise UsageError(f"Expected {_KEY} as a list of objects with a name.")
    found = tuple(rule(**{str(key): value for key, value in one.items()}) for one in described)
    _check_contexts(found)
    return found


def _check_contexts(rules: Iterable[TokenRule]) -> None:
    for one in rules:
        if one.entry.contexts != 1:
            raise UsageError(
                f"Rule {one.name!r} combines several contexts, which one engine cannot run.",
                hint="Run it with checkpoints.",
            )
