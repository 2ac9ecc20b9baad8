"""Asking: what every way of asking for a set shares, and how many prompts are asked at once."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

import numpy as np
import polars as pl

from variegate.errors import DataError, UsageError
from variegate.models import Arm, Sampling, Tier, require, say
from variegate.prompting._calls import Answer, Call, Reply, Talk
from variegate.samples import SCHEMA, Prompt, RunDirectory, Samples, sample_ids, settings_hash

__all__ = ["Asking"]

WINDOW = 32  # prompts talked about at once: enough to fill a batch, few enough to lose
_log = logging.getLogger("variegate.prompting")


class Asking(ABC):
    """A way of asking a model for a set of answers.

    Ways of asking are frozen dataclasses whose fields are their settings; `collect` does the work
    and `talk` says how: a generator that yields calls, is sent their replies and returns answers.
    So the calls of many prompts go to the model together, whatever the way of asking does.
    """

    name: ClassVar[str]
    tier: ClassVar[Tier]  # what it needs of a model; see `variegate.models.TIERS`

    def settings(self) -> dict[str, Any]:
        """Everything that makes its answers what they are, for `run.json`."""
        own = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]
        return {"asking": self.name, **own}

    @abstractmethod
    def talk(self, prompt: str, *, n: int, rng: np.random.Generator) -> Talk:
        """Ask about one prompt: yield calls, be sent replies, return at most n answers."""
        ...

    def collect(
        self,
        arm: Arm,
        prompts: Iterable[Prompt],
        *,
        n: int,
        seed: int = 0,
        run: RunDirectory | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Samples:
        """Ask an arm for n answers to every prompt, one row each.

        There are always n rows a prompt. What could not be had is a row with `finish="error"`
        whose `reasoning` keeps what the model wrote instead; refusals and empty replies keep
        their own finish. The column `cost` adds up, over the rows of a prompt, to all tokens read
        and written for it: calls that serve several rows are shared among them.

        With `run`, the rows of a prompt are kept once all are there; a prompt of which a call was
        lost is not kept, so that a later call asks for it again. Calls have the identities of
        `models.say`: a cache in front of the model makes them once.

        Args:
            arm: what is asked, and how.
            prompts: what is asked about.
            n: answers for every prompt.
            seed: another seed, other answers.
            run: where to keep them; None for memory only.
            progress: called with the rows that are there and the rows wanted.

        Returns:
            `len(prompts) * n` rows, in the order of the prompts.

        Raises:
            UsageError: n < 1, or the model lacks what this way of asking needs.
            DataError: two prompts with one name, or one prompt twice.
            Refused: the model said no for good. What came before is kept in the run.
        """
        if n < 1:
            raise UsageError(f"Expected n >= 1 answers a prompt, got {n}.")
        require(arm.model, self.tier, self.name)
        jobs = self._jobs(arm, list(prompts), n=n, seed=seed)
        kept = run.samples().frame if run is not None else pl.DataFrame(schema=SCHEMA)
        frames = {
            job.prompt.prompt_id: job.claimed(arm, kept)
            for job in jobs
            if run is not None and set(job.ids) <= set(kept["sample_id"])
        }
        tell = progress or (lambda _done, _wanted: None)
        tell(len(frames) * n, len(jobs) * n)
        waiting = deque(job for job in jobs if job.prompt.prompt_id not in frames)
        talking: list[_Job] = []
        while waiting or talking:
            while waiting and len(talking) < WINDOW:
                talking.append(waiting.popleft())
                talking[-1].begin(self, n=n)
            _answer(arm, [job for job in talking if job.answers is None], seed=seed)
            for job in [job for job in talking if job.answers is not None]:
                talking.remove(job)
                samples = Samples.from_rows(job.rows(arm, n=n, seed=seed), source=arm.name)
                frames[job.prompt.prompt_id] = samples.frame
                if run is not None and not any(reply.lost for reply in job.replies):
                    run.append(samples)
                tell(len(frames) * n, len(jobs) * n)
        frame = pl.concat([frames[job.prompt.prompt_id] for job in jobs] or [kept.clear()])
        self._report(frame)
        return Samples.from_frame(frame, source=arm.name)

    def _jobs(self, arm: Arm, prompts: Sequence[Prompt], *, n: int, seed: int) -> list[_Job]:
        asked = {"sampling": arm.sampling.settings(), "n": n, **self.settings()}
        seen: set[str] = set()
        jobs = []
        for prompt in prompts:
            if {prompt.prompt_id, prompt.prompt} & seen:
                raise DataError(
                    f"The prompt {prompt.prompt_id!r} (task {prompt.task!r}) stands there twice.",
                    hint="Ask each prompt once and raise n instead.",
                )
            seen |= {prompt.prompt_id, prompt.prompt}
            ids = sample_ids(
                model=arm.model.name,
                revision=arm.model.revision,
                rendered=arm.model.render(prompt.prompt, format=arm.format),
                sampling=asked,
                n=n,
                seed=seed,
            )
            jobs.append(_Job(prompt=prompt, ids=ids))
        return jobs

    def _report(self, frame: pl.DataFrame) -> None:
        lost = frame.filter(pl.col("finish") == "error")
        if lost.height:
            first = next((text for text in lost["reasoning"] if text), "nothing came back")
            _log.warning(
                "%s: %d of %d answers could not be had; the first: %.200r",
                self.name, lost.height, frame.height, first,
            )  # fmt: skip


@dataclass(kw_only=True, eq=False)
class _Job:
    """One prompt under way."""

    prompt: Prompt
    ids: list[str]
    talk: Talk | None = None
    calls: Sequence[Call] = ()
    answers: Sequence[Answer] | None = None
    replies: list[Reply] = field(default_factory=list)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)

    def begin(self, asking: Asking, *, n: int) -> None:
        rng = np.random.default_rng(int(self.ids[0], 16))
        self.talk = asking.talk(self.prompt.prompt, n=n, rng=rng)
        self.go_on(None)

    def go_on(self, replies: list[Reply] | None) -> None:
        """Hand over replies and take the next calls, or the answers."""
        assert self.talk is not None
        try:
            if replies is None:
                self.calls = next(self.talk)
            else:
                self.replies += replies
                self.calls = self.talk.send(replies)
        except StopIteration as stop:
            self.answers = stop.value

    def rows(self, arm: Arm, *, n: int, seed: int) -> list[dict[str, Any]]:
        assert self.answers is not None
        answers = [*self.answers, *(Answer() for _ in range(n))][:n]
        uses = Counter(reply for answer in answers for reply in set(answer.replies))
        common = sum(reply.cost for reply in self.replies if reply not in uses) / n
        return [
            {
                "arm": arm.name,
                "task": self.prompt.task,
                "prompt_id": self.prompt.prompt_id,
                "prompt": self.prompt.prompt,
                "sample": number,
                "text": _sound(answer.text),
                "reasoning": _sound(answer.reasoning),
                "finish": answer.finish if answer.text or answer.finish != "stop" else "empty",
                "iid": answer.iid,
                "cost": common + sum(r.cost / uses[r] for r in set(answer.replies)),
                "seed": seed,
                "sample_id": self.ids[number],
                **_tokens(answer.whole),
                **{name: _sound(value) for name, value in answer.columns.items()},
            }
            for number, answer in enumerate(answers)
        ]

    def claimed(self, arm: Arm, kept: pl.DataFrame) -> pl.DataFrame:
        """The rows a run has, under the names they have in this call."""
        order = pl.DataFrame({"sample_id": self.ids}, schema={"sample_id": pl.String()})
        found = order.join(kept, on="sample_id", how="left", maintain_order="left")
        names = {"arm": arm.name, "task": self.prompt.task, "prompt_id": self.prompt.prompt_id}
        return found.with_columns(
            pl.lit(value).alias(name) for name, value in names.items()
        ).select(list(SCHEMA))


def _answer(arm: Arm, jobs: Sequence[_Job], *, seed: int) -> None:
    """Say the pending calls of all jobs, those of equal settings together, and go on.

    Equal calls of one job are counted through, so they are different draws; equal calls of two
    prompts (a plan that does not depend on the prompt) are one draw.
    """
    wanted: dict[tuple[str, str, int], Call] = {}
    samplings: dict[str, Sampling] = {}
    places: list[list[tuple[str, str, int]]] = []
    for job in jobs:
        keys = []
        for call in job.calls:
            sampling = _sampling(arm.sampling, call)
            under = settings_hash(sampling.settings())
            samplings[under] = sampling
            rendered = arm.model.render(call.turns, format=arm.format)
            key = (under, rendered, job.asked[under, rendered])
            job.asked[under, rendered] += 1
            wanted.setdefault(key, call)
            keys.append(key)
        places.append(keys)
    said: dict[tuple[str, str, int], Reply] = {}
    for under, sampling in samplings.items():
        keys = [key for key in wanted if key[0] == under]
        completions = say(
            arm.model,
            [wanted[key].turns for key in keys],
            sampling=sampling,
            format=arm.format,
            seed=seed,
            indices=[index for _, _, index in keys],
        )
        said |= {key: Reply(completion=c) for key, c in zip(keys, completions, strict=True)}
    for job, keys in zip(jobs, places, strict=True):
        job.go_on([said[key] for key in keys])


def _sampling(own: Sampling, call: Call) -> Sampling:
    changes: dict[str, Any] = {}
    if call.temperature is not None and own.temperature is not None:
        changes["temperature"] = call.temperature
    if call.max_tokens is not None:
        changes["max_tokens"] = call.max_tokens
    if call.stop is not None:
        changes["stop"] = call.stop
    return replace(own, **changes) if changes else own


def _tokens(reply: Reply | None) -> dict[str, Any]:
    if reply is None:
        return {}
    c = reply.completion
    return {
        "call": c.key,
        "logprob": None if c.token_logprobs is None else sum(c.token_logprobs),
        "token_ids": list(c.token_ids),
        "token_logprobs": c.token_logprobs,
        "token_entropies": c.token_entropies,
        "prompt_tokens": c.prompt_tokens,
        "completion_tokens": c.completion_tokens,
        "weight": c.weight,
    }


def _sound(value: Any) -> Any:
    """Text that any file can hold: half a character, which a model may write, becomes a mark."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    """A setting as JSON can hold it: functions and objects by name and revision."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if callable(settings := getattr(value, "settings", None)):
        return _plain(settings())
    named = (getattr(value, key, None) for key in ("__qualname__", "name"))
    name = next((str(found) for found in named if found), type(value).__name__)
    revision = getattr(value, "revision", None)
    return name if revision is None else f"{name}@{revision}"
