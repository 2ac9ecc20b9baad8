"""SimulatedChat: a chat model that answers by a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from variegate.errors import UsageError
from variegate.models import Completion, Format, Request, Sampling, Tier, Turn
from variegate.samples import Finish, split_reasoning

__all__ = ["SimulatedChat"]

Rule = Callable[[str, np.random.Generator], str | None]


class SimulatedChat:
    """A chat model that answers by a rule: for tests, and to see what a way of asking costs.

    A conversation reaches the rule as text, one turn a paragraph after "user:", "system:" or
    "assistant:"; a begun turn of the assistant ends it. Words are tokens.

    Args:
        rule: from what was heard and the draw's own generator to what is said; None for a draw
            that never comes back.
        logprob: from what was heard and what might be said to its log-probability in nats.
        name, revision: its identity.
        tiers: what it claims to give.

    Example:
        >>> from variegate.models import Sampling, say
        >>> echo = SimulatedChat(lambda heard, rng: heard.split()[-2])
        >>> say(echo, ["Name a red fruit"], sampling=Sampling())[0].text
        'fruit'
    """

    def __init__(
        self,
        rule: Rule,
        *,
        logprob: Callable[[str, str], float] | None = None,
        name: str = "simulated",
        revision: str = "0",
        tiers: frozenset[Tier] = frozenset("ABCD"),  # type: ignore[arg-type]
    ) -> None:
        self.rule, self.logprob = rule, logprob
        self.name, self.revision, self.tiers = name, revision, tiers
        self.tokens = 0  # read and written so far
        self.calls = 0

    def formats(self) -> tuple[Format, ...]:
        """Raw and chat."""
        return ("raw", "chat")

    def render(self, prompt: str | Sequence[Turn], *, format: Format) -> str:
        """Return what the rule hears."""
        if format == "raw":
            return prompt if isinstance(prompt, str) else "\n\n".join(turn.text for turn in prompt)
        turns = [Turn(role="user", text=prompt)] if isinstance(prompt, str) else list(prompt)
        begun = turns.pop().text if turns and turns[-1].role == "assistant" else ""
        lines = [f"{turn.role}: {turn.text}" for turn in turns]
        return "\n\n".join([*lines, f"assistant: {begun}"])

    def sample(
        self, requests: Sequence[Request], *, sampling: Sampling
    ) -> Iterator[list[Completion]]:
        """Yield one completion at a time."""
        for request in requests:
            text = self.rule(request.rendered, np.random.default_rng(request.seed))
            if text is not None:
                yield [self._completion(request, text, sampling)]

    def score(
        self, rendered: str, continuations: Sequence[str], *, sampling: Sampling
    ) -> npt.NDArray[np.float64]:
        """Return the log-probabilities that it was given.

        Raises:
            UsageError: it was given none.
        """
        del sampling
        if self.logprob is None:
            raise UsageError("This simulated model knows no probabilities.", hint="Pass logprob=.")
        return np.array([self.logprob(rendered, text) for text in continuations])

    def _completion(self, request: Request, text: str, sampling: Sampling) -> Completion:
        cut = min((i for stop in sampling.stop if (i := text.find(stop)) >= 0), default=len(text))
        whole = text[:cut]
        said = whole.split()
        finish: Finish = "stop" if said else "empty"
        if len(said) > sampling.max_tokens:
            finish, whole = "length", " ".join(said[: sampling.max_tokens])
        reasoning, answer = split_reasoning(whole)
        self.calls += 1
        read, written = len(request.rendered.split()), min(len(said), sampling.max_tokens)
        self.tokens += read + written
        return Completion(
            key=request.key,
            text=answer,
            reasoning=reasoning,
            finish=finish,
            token_ids=(),
            token_logprobs=None,
            token_entropies=None,
            prompt_tokens=read,
            completion_tokens=written,
        )
