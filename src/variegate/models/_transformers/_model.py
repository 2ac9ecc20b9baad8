"""transformers_model: a checkpoint that can speak."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from variegate.errors import CheckpointError, UsageError
from variegate.models._protocol import Completion, Format, Request, Sampling, Turn
from variegate.models._stepping import Drawn, Stops, independent
from variegate.models._tiers import EVERY_TIER
from variegate.models._transformers._loading import load, revision_of_files, revision_of_weights
from variegate.models._transformers._prefixes import TorchPrefixes
from variegate.models._transformers._rendering import Renderer
from variegate.models._transformers._scoring import score_tokens
from variegate.models._weights import checkpoint_files
from variegate.samples import Finish

__all__ = ["TransformersModel", "transformers_model"]

# Bytes a batch may take for keys, values and probabilities. Fixed and not read off the machine's
# free memory: the same run must make the same batches when it goes on later.
BUDGET = {"cpu": 2**30, "cuda": 16 * 2**30}
ROWS = {"cpu": 1024, "cuda": 8192}


def transformers_model(
    source: str | Path | Any,
    *,
    name: str | None = None,
    tokenizer: Any = None,
    gguf_file: str | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    dtype: str = "float32",
    reasoning: tuple[str, str] = ("<think>", "</think>"),
) -> TransformersModel:
    """Open a checkpoint in Hugging Face format, or take a model that is already in memory.

    Nothing is downloaded, no code of the checkpoint is run, and only safetensors (or one GGUF
    file) are read, after a look at their headers.

    Args:
        source: a folder, or a causal language model of transformers.
        name: what the model is called; the folder's name by default.
        tokenizer: needed with a model in memory, otherwise read from the folder.
        gguf_file: the name of a GGUF file in the folder, to load in place of safetensors.
        batch_size: rows at a time; by default as many as fit in a fixed budget of memory.
        device: "cpu", "cuda", ...; a GPU where there is one by default.
        dtype: "float32" (default), "bfloat16" or "float16".
        reasoning: the tags around reasoning.

    Raises:
        CheckpointError: weights that cannot or must not be loaded.
        MissingExtra: torch and transformers, or gguf, are not installed.
        UsageError: a model in memory without a tokenizer; a name for no dtype.

    Example:
        >>> from variegate.models import transformers_model
        >>> transformers_model("no/such/folder")
        Traceback (most recent call last):
        ...
        variegate.errors.CheckpointError: Expected a folder with a checkpoint at no/such/folder...
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    kind = getattr(torch, dtype, None)
    if not isinstance(kind, torch.dtype):
        raise UsageError(f"Expected a dtype such as 'float32' or 'bfloat16', got {dtype!r}.")
    if isinstance(source, str | Path):
        folder = Path(source)
        files = checkpoint_files(folder, gguf_file=gguf_file)
        model, own_tokenizer = load(folder, gguf_file=gguf_file, dtype=kind, device=device)
        tokenizer = tokenizer or own_tokenizer
        revision = revision_of_files(folder, files)
        name = name or folder.resolve().name
    else:
        if tokenizer is None:
            raise UsageError("Expected a tokenizer with a model in memory, got none.")
        model, revision = source.to(device), revision_of_weights(source)
        name = name or type(source).__name__
    if dtype != "float32":
        revision = f"{revision}-{dtype}"
    return TransformersModel(
        name=name,
        revision=revision,
        model=model.eval(),
        tokenizer=tokenizer,
        batch_size=batch_size,
        reasoning=reasoning,
    )


class TransformersModel:
    """A checkpoint that can speak; see `transformers_model`.

    Every draw takes its randomness from its own seed through a counter-based generator and picks
    tokens by inverting the distribution function in float64, so the same request gives the same
    text whatever stands beside it. What remains is rounding: a matrix product over another number
    of rows may differ in the last bits (about 1e-6 in a logit in float32), and a draw that falls
    into such a gap goes the other way. Batches of 16, 100, 512 and 1920 rows gave the same 85,218
    tokens; the chance of a difference is about 1e-6 a token, more in bfloat16. Requests are cut
    into batches in one fixed order, so a run that goes on later repeats the same batches.
    """

    def __init__(
        self,
        *,
        name: str,
        revision: str,
        model: Any,
        tokenizer: Any,
        batch_size: int | None = None,
        reasoning: tuple[str, str] = ("<think>", "</think>"),
    ) -> None:
        self.name = name
        self.revision = revision
        self.tiers = EVERY_TIER
        self.model = model
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self._renderer = Renderer(tokenizer, reasoning)

    def __repr__(self) -> str:
        return f"TransformersModel({self.name!r}, revision={self.revision!r})"

    def formats(self) -> tuple[Format, ...]:
        """Raw always; chat with a template; empty reasoning where the template thinks."""
        return self._renderer.formats()

    def render(self, prompt: str | Sequence[Turn], *, format: Format) -> str:
        """Return the prompt as the model reads it, special tokens included."""
        return self._renderer.render(prompt, format=format)

    def sample(
        self, requests: Sequence[Request], *, sampling: Sampling
    ) -> Iterator[list[Completion]]:
        """Yield completions batch by batch, prompts of one length together.

        Raises:
            CheckpointError: the model computes NaN.
        """
        return independent(self, requests, sampling=sampling)

    def start(self, rendered: Sequence[str]) -> TorchPrefixes:
        """Read prompts, once each, to go on token by token: one row a prompt."""
        return TorchPrefixes(self.model, [self._encode(text) for text in rendered])

    def vocabulary(self) -> Mapping[str, int]:
        """Every token with its id."""
        vocabulary: dict[str, int] = self.tokenizer.get_vocab()
        return vocabulary

    def width(self, rendered: str) -> int:
        """Tokens of a prompt."""
        return len(self._encode(rendered))

    def fitting(self, width: int, *, sampling: Sampling) -> int:
        """How many rows fit in memory side by side, of prompts of this width."""
        return self._rows(width + sampling.max_tokens)

    def encode(self, text: str) -> list[int]:
        """Token ids of a continuation, nothing added."""
        return self._renderer.encode(text)

    def score(
        self,
        rendered: str,
        continuations: Sequence[str] | Sequence[Sequence[int]],
        *,
        sampling: Sampling,
    ) -> npt.NDArray[np.float64]:
        """Return the log-probability (nats) of each continuation and of stopping after it.

        Under the distribution sampled from: over every continuation a model can write within
        `max_tokens` the probabilities sum to 1. One as long as `max_tokens` is cut there, so
        stopping is not added to it.

        Args:
            rendered: the prompt as the model reads it.
            continuations: texts, or token ids without the end of the sequence (a text stands for
                its usual tokens; one that can be written in other tokens has more probability).
            sampling: the settings of the draws.

        Returns:
            Shape (len(continuations),), at most 0; -inf for what truncation rules out.
        """
        sampling = self.resolved(sampling)
        tokens = [self.encode(c) if isinstance(c, str) else list(c) for c in continuations]
        prompt = self._encode(rendered)
        width = max(map(len, tokens), default=0)
        vocabulary = self.model.config.get_text_config().vocab_size
        # Scoring holds the probabilities of all positions at once, three times in float64.
        rows = max(
            1,
            min(self._rows(len(prompt) + width), BUDGET["cpu"] // (24 * vocabulary * (width + 1))),
        )
        return score_tokens(
            self.model, prompt, tokens, sampling=sampling, ends=self.ends, rows=rows
        )

    @property
    def ends(self) -> list[int]:
        """Token ids that end a sequence: of the generation settings, or of the tokenizer."""
        ids = getattr(self.model.generation_config, "eos_token_id", None)
        if ids is None:
            ids = self.tokenizer.eos_token_id
        return sorted({ids} if isinstance(ids, int) else set(ids or ()))

    def resolved(self, sampling: Sampling) -> Sampling:
        """Put in the provider's default where the temperature was left open: it is a draw."""
        if sampling.temperature is not None:
            return sampling
        settings = self.model.generation_config
        own = settings.temperature if settings.do_sample else None
        return Sampling(**{**vars(sampling), "temperature": own or 1.0})

    def _encode(self, rendered: str) -> list[int]:
        ids = self._renderer.encode(rendered)
        if ids:
            return ids
        for start in (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id):
            if start is not None:
                return [start]
        raise UsageError("Expected a prompt of at least one token, got an empty one.")

    def _rows(self, width: int) -> int:
        if self.batch_size is not None:
            return self.batch_size
        config = self.model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        held = 2 * config.num_hidden_layers * heads * size * width * self.model.dtype.itemsize
        kind = "cuda" if self.model.device.type == "cuda" else "cpu"
        # Twice the cache while it is reordered, and five vocabularies in float64 while drawing.
        each = 2 * held + 40 * config.vocab_size
        return int(max(1, min(ROWS[kind], BUDGET[kind] // each)))

    def stops(self, words: tuple[str, ...]) -> Stops | None:
        """Whether tokens hold one of these words; None for no words."""
        if not words:
            return None
        # A stop string ends within the last token, so its length in tokens bounds the look back.
        back = max(len(word.encode()) for word in words) + 8

        def stops(ids: list[int]) -> bool:
            text = self.tokenizer.decode(ids[-back:], skip_special_tokens=False)
            return any(word in text for word in words)

        return stops

    def completed(
        self, request: Request, drawn: Drawn, *, sampling: Sampling, **about: Any
    ) -> Completion:
        """What a row wrote as the answer to a request.

        Raises:
            CheckpointError: the model computed NaN.
        """
        if any(map(np.isnan, drawn.entropies)):
            raise CheckpointError(f"Model {self.name!r} computes NaN: its weights are broken.")
        written = drawn.ids[:-1] if drawn.ids[-1] in self.ends else drawn.ids
        text, reasoning = self._renderer.read(
            written, rendered=request.rendered, stop=sampling.stop
        )
        finish: Finish = "length" if not drawn.stopped else "stop" if text else "empty"
        return Completion(
            key=request.key,
            text=text,
            reasoning=reasoning,
            finish=finish,
            token_ids=tuple(drawn.ids),
            token_logprobs=tuple(drawn.logprobs),
            token_entropies=tuple(drawn.entropies),
            prompt_tokens=drawn.read,
            completion_tokens=len(drawn.ids),
            **about,
        )
