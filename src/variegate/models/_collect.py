"""collect: ask an arm n times for every prompt, and keep what comes back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from variegate.errors import DataError, ModelError, UsageError
from variegate.models._arm import Arm
from variegate.models._protocol import Completion, Request
from variegate.samples import SCHEMA, Prompt, RunDirectory, Samples, sample_ids

__all__ = ["ROUNDS", "collect", "seed_of"]

ROUNDS = 3  # times a draw is asked for before it is marked failed


@dataclass(frozen=True, kw_only=True)
class _Draw:
    """One draw that is wanted: the request, and the columns known before it is made."""

    request: Request
    prompt: Prompt

    def row(self, arm: Arm, completion: Completion | None) -> dict[str, object]:
        row: dict[str, object] = {
            "arm": arm.name,
            "task": self.prompt.task,
            "prompt_id": self.prompt.prompt_id,
            "prompt": self.prompt.prompt,
            "sample": self.request.index,
            "text": "",
            "finish": "error",
            "iid": True,
            "seed": self.request.seed,
            "sample_id": self.request.key,
        }
        if completion is None:
            return row
        logprobs = completion.token_logprobs
        return row | {
            "text": completion.text,
            "reasoning": completion.reasoning,
            "finish": completion.finish,
            "logprob": None if logprobs is None else sum(logprobs),
            "token_ids": completion.token_ids,
            "token_logprobs": logprobs,
            "token_entropies": completion.token_entropies,
            "prompt_tokens": completion.prompt_tokens,
            "completion_tokens": completion.completion_tokens,
            "iid": completion.iid,
            "weight": completion.weight,
            "cost": completion.cost,
        }


def collect(
    arm: Arm,
    prompts: Iterable[Prompt],
    *,
    n: int,
    seed: int = 0,
    run: RunDirectory | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Samples:
    """Ask an arm n times for every prompt and return one row a draw.

    Every draw has an identity made of model, revision, rendered prompt, every setting, index and
    seed; its randomness comes from that identity alone. So n draws of one prompt are n draws, and
    the same call again gives the same ones. With `run`, every batch is kept as it comes, and what
    the run has is not made again: a run that was killed goes on where it stopped.

    Draws that do not come back, or fail in a way that may pass, are asked for again; after three
    rounds they are returned as rows with `finish="error"` and empty text, so that they are
    counted. The run does not keep those: a later call asks for exactly them again.

    Args:
        arm: what is asked, and how.
        prompts: what is asked for.
        n: draws for every prompt.
        seed: another seed, other draws.
        run: where to keep them; None for memory only.
        progress: called with the draws that are there and the draws wanted.

    Returns:
        `len(prompts) * n` rows, in the order of the prompts and the index of the draw.

    Raises:
        UsageError: n < 1.
        DataError: two prompts with one name, or two that are the same once rendered (their draws
            would be the same draws).
        Refused: the model said no for good. What came before is kept in the run.

    Example:
        >>> from variegate.models import Arm, UniformModel, collect
        >>> from variegate.samples import Prompt
        >>> arm = Arm(name="base", model=UniformModel(branching=10, length=9))
        >>> samples = collect(arm, [Prompt(prompt="Say something.")], n=30)
        >>> samples.frame["text"].n_unique()
        30
    """
    if n < 1:
        raise UsageError(f"Expected n >= 1 draws a prompt, got {n}.")
    draws = _draws(arm, list(prompts), n=n, seed=seed)
    had = _had(run, arm, draws)
    there = set(had["sample_id"])
    missing = [draw for key, draw in draws.items() if key not in there]
    frames = [had]
    tell = progress or (lambda _done, _wanted: None)
    tell(len(draws) - len(missing), len(draws))

    for _ in range(ROUNDS):
        before = len(missing)
        requests = [draw.request for draw in missing]
        came: set[str] = set()
        try:
            for batch in arm.model.sample(requests, sampling=arm.sampling) if requests else ():
                fresh = _fresh(batch, draws, came)
                came |= fresh.keys()
                if fresh:
                    frames.append(_frame(arm, [draws[key] for key in fresh], fresh))
                    if run is not None:
                        run.append(Samples.from_frame(frames[-1]))
                tell(len(draws) - before + len(came), len(draws))
        except ModelError as error:
            if not error.retryable:
                raise
        missing = [draw for draw in missing if draw.request.key not in came]
    frames.append(_frame(arm, missing, {}))
    order = pl.DataFrame({"sample_id": list(draws)}, schema={"sample_id": pl.String()})
    frame = order.join(pl.concat(frames), on="sample_id", how="left", maintain_order="left")
    return Samples.from_frame(frame.select(list(SCHEMA)), source=arm.name)


def _draws(arm: Arm, prompts: Sequence[Prompt], *, n: int, seed: int) -> dict[str, _Draw]:
    """Name every draw that is wanted, in the order of the prompts and the index."""
    draws: dict[str, _Draw] = {}
    named: dict[str, Prompt] = {}
    asked: dict[str, Prompt] = {}
    for prompt in prompts:
        rendered = arm.model.render(prompt.prompt, format=arm.format)
        for twin in (named.get(prompt.prompt_id), asked.get(rendered)):
            if twin is not None:
                raise DataError(
                    f"Prompts {twin.prompt_id!r} and {prompt.prompt_id!r} "
                    f"(tasks {twin.task!r} and {prompt.task!r}) have one name or one wording.",
                    hint="Ask each prompt once and raise n instead.",
                )
        named[prompt.prompt_id] = asked[rendered] = prompt
        names = sample_ids(
            model=arm.model.name,
            revision=arm.model.revision,
            rendered=rendered,
            sampling=arm.sampling.settings(),
            n=n,
            seed=seed,
        )
        group = seed_of(names[0])
        for index, key in enumerate(names):
            request = Request(
                key=key, rendered=rendered, index=index, seed=seed_of(key), group=group
            )
            draws[key] = _Draw(request=request, prompt=prompt)
    return draws


def seed_of(key: str) -> int:
    """63 bits from the identity of a draw: what a signed column of 64 bits can hold."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1


def _had(run: RunDirectory | None, arm: Arm, draws: dict[str, _Draw]) -> pl.DataFrame:
    """Return what the run has of the draws wanted.

    Two arms that ask the same model the same thing in the same way share their draws, so the
    row found may carry another arm's name: what is known beforehand is written afresh.
    """
    known = _frame(arm, list(draws.values()), {})
    if run is None:
        return known.clear()
    found = run.samples().frame
    beforehand = ("arm", "task", "prompt_id", "prompt", "sample", "seed", "sample_id")
    return (
        known.select(beforehand)
        .join(found.drop(beforehand[:-1]), on="sample_id", how="inner", maintain_order="left")
        .select(list(SCHEMA))
    )


def _fresh(
    batch: Sequence[Completion], draws: dict[str, _Draw], came: set[str]
) -> dict[str, Completion]:
    """Return what was asked for and is not there yet, whatever else a server sent along."""
    return {c.key: c for c in batch if c.key in draws and c.key not in came}


def _frame(arm: Arm, draws: Sequence[_Draw], by_key: dict[str, Completion]) -> pl.DataFrame:
    rows = [draw.row(arm, by_key.get(draw.request.key)) for draw in draws]
    return pl.DataFrame(rows, schema=SCHEMA)
