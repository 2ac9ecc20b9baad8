"""vllm_model: vLLM in this process, without a server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from variegate.errors import CheckpointError, MissingExtra, UsageError
from variegate.models._protocol import Completion, Format, Request, Sampling, Turn
from variegate.models._tiers import Tier
from variegate.models._weights import checkpoint_files
from variegate.samples import Finish

__all__ = ["VllmModel", "vllm_model"]

BATCH = 256  # requests handed over at once: many enough to keep the engine busy
_RULES = "variegate_rules"  # the name under which variegate.decoding's processors look


def vllm_model(
    path: str | Path,
    *,
    name: str | None = None,
    rules: Any = None,
    reasoning: tuple[str, str] = ("<think>", "</think>"),
    **options: Any,
) -> VllmModel:
    """Open a checkpoint in vLLM, offline, in this process.

    Only safetensors are read and no code of the checkpoint is run. Log-probabilities are asked
    for as they are after temperature, truncation and rules: those of the distribution sampled
    from.

    Args:
        path: a folder in Hugging Face format.
        name: what the model is called; the folder's name by default.
        rules: the logits processor that runs rules, a class or its "module:name", such as
            ``"variegate.decoding.adapters:VllmProcessor"``; without it, rules are refused.
        reasoning: the tags around reasoning.
        options: further arguments of ``vllm.LLM``, such as ``max_model_len``.

    Raises:
        MissingExtra: vLLM is not installed.
        CheckpointError: weights that cannot or must not be loaded.
        UsageError: an option that would run foreign code or read pickles.

    Example:
        >>> from variegate.models import vllm_model
        >>> vllm_model("no/such/folder")
        Traceback (most recent call last):
        variegate.errors.CheckpointError: Expected a folder with a checkpoint at no/such/folder...
    """
    fixed = {"model", "trust_remote_code", "load_format", "logprobs_mode", "logits_processors"}
    if taken := sorted(fixed & set(options)):
        raise UsageError(
            f"vLLM's {taken[0]!r} is not free to be chosen here.",
            hint="Rules have an argument of their own; only safetensors are read.",
        )
    folder = Path(path)
    files = checkpoint_files(folder)
    try:
        import vllm
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "vllm":
            raise
        raise MissingExtra("Speaking through vLLM", "vllm") from error
    from variegate.models._transformers._loading import revision_of_files
    from variegate.models._transformers._rendering import Renderer

    try:
        engine = vllm.LLM(
            model=str(folder),
            trust_remote_code=False,
            load_format="safetensors",
            logprobs_mode="processed_logprobs",
            **({"logits_processors": [rules]} if rules is not None else {}),
            **options,
        )
    except (ValueError, RuntimeError, OSError) as error:
        raise CheckpointError(
            f"vLLM cannot open the checkpoint in {folder}: {type(error).__name__}: "
            f"{str(error)[:300]}"
        ) from error
    return VllmModel(
        name=name or folder.resolve().name,
        revision=revision_of_files(folder, files),
        engine=engine,
        renderer=Renderer(engine.get_tokenizer(), reasoning),
        params=vllm.SamplingParams,
        takes_rules=rules is not None,
    )


class VllmModel:
    """A checkpoint in vLLM; `vllm_model` opens it."""

    def __init__(
        self,
        *,
        name: str,
        revision: str,
        engine: Any,
        renderer: Any,
        params: Any,
        takes_rules: bool,
    ) -> None:
        self.name, self.revision = name, f"{revision}-vllm"
        self._engine, self._renderer, self._params = engine, renderer, params
        self._takes_rules = takes_rules

    @property
    def tiers(self) -> frozenset[Tier]:
        """A to D; E too where rules can run inside it."""
        return frozenset("ABCDE" if self._takes_rules else "ABCD")  # type: ignore[arg-type]

    def formats(self) -> tuple[Format, ...]:
        """Raw always; chat with a template; empty reasoning where the template thinks."""
        formats: tuple[Format, ...] = self._renderer.formats()
        return formats

    def render(self, prompt: str | Sequence[Turn], *, format: Format) -> str:
        """Return the prompt as the model reads it; a last turn of the assistant is continued."""
        return str(self._renderer.render(prompt, format=format))

    def sample(
        self, requests: Sequence[Request], *, sampling: Sampling
    ) -> Iterator[list[Completion]]:
        """Yield completions, a batch at a time; the draws of one prompt share its prefill."""
        settings = self._settings(sampling)
        for start in range(0, len(requests), BATCH):
            batch = requests[start : start + BATCH]
            said = self._engine.generate(
                [{"prompt_token_ids": self._renderer.encode(r.rendered)} for r in batch],
                [self._params(seed=r.seed, **settings) for r in batch],
                use_tqdm=False,
            )
            yield [
                self._completion(request, one, sampling)
                for request, one in zip(batch, said, strict=True)
            ]

    def score(
        self, rendered: str, continuations: Sequence[str], *, sampling: Sampling
    ) -> npt.NDArray[np.float64]:
        """Refuse: the engine scores prompts before temperature and truncation only."""
        del rendered, continuations, sampling
        raise UsageError(
            "vLLM cannot score texts under the distribution sampled from.",
            hint="Open the checkpoint with transformers_model.",
        )

    def _settings(self, sampling: Sampling) -> dict[str, Any]:
        """Arguments of vLLM's SamplingParams but the seed.

        vLLM runs processors before its own temperature and truncation. With rules, all of them
        therefore go to the processor as rules, in the order that `Sampling` promises.
        """
        given = {
            name: value
            for name in ("temperature", "top_k", "top_p", "min_p")
            if (value := getattr(sampling, name)) is not None
        }
        common: dict[str, Any] = {
            "n": 1,
            "max_tokens": sampling.max_tokens,
            "stop": list(sampling.stop) or None,
            "logprobs": 0,
            "skip_special_tokens": False,
        }
        if not sampling.rules:
            return common | given
        if not self._takes_rules:
            raise UsageError(
                f"The rule {sampling.rules[0].name!r} needs a logits processor in vLLM.",
                hint="Open it with rules='variegate.decoding.adapters:VllmProcessor'.",
            )
        # Greedy is not a rule of its own: it stays with the engine.
        greedy = given.get("temperature") == 0
        first = [] if greedy else [{"name": name, name: value} for name, value in given.items()]
        rules = [{"name": rule.name, **rule.parameters} for rule in sampling.rules]  # type: ignore[attr-defined]
        return common | {
            "temperature": 0.0 if greedy else 1.0,
            "top_p": 1.0,
            "top_k": -1,
            "extra_args": {_RULES: json.dumps(first + rules)},
        }

    def _completion(self, request: Request, said: Any, sampling: Sampling) -> Completion:
        out = said.outputs[0]
        ids = [int(token) for token in out.token_ids]
        text, reasoning = self._renderer.read(ids, rendered=request.rendered, stop=sampling.stop)
        finish: Finish = "length" if out.finish_reason == "length" else "stop"
        if finish == "stop" and not text:
            finish = "empty"
        steps = out.logprobs
        logprobs = (
            tuple(min(0.0, float(step[i].logprob)) for step, i in zip(steps, ids, strict=True))
            if steps is not None and len(steps) == len(ids)
            else None
        )
        return Completion(
            key=request.key,
            text=text,
            reasoning=reasoning,
            finish=finish,
            token_ids=tuple(ids),
            token_logprobs=logprobs,
            token_entropies=None,
            prompt_tokens=len(said.prompt_token_ids or ()),
            completion_tokens=len(ids),
        )
