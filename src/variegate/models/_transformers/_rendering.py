"""From a prompt to what the model reads, and from what it wrote to answer and reasoning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from variegate.errors import UsageError
from variegate.models._protocol import Format, Turn
from variegate.samples import split_reasoning

__all__ = ["Renderer"]


class Renderer:
    """The words around a prompt, for one tokenizer.

    A rendered prompt carries every special token as text, the one for the beginning of a
    sequence too where the tokenizer adds one, and is encoded without adding any.
    """

    def __init__(self, tokenizer: Any, reasoning: tuple[str, str]) -> None:
        self.tokenizer = tokenizer
        self.opening, self.closing = reasoning
        bos = tokenizer.bos_token
        added = bos and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
        self.bos = bos if added else ""
        tags = {
            i
            for tag in reasoning
            if (i := tokenizer.convert_tokens_to_ids(tag)) != tokenizer.unk_token_id
        }
        self.hidden = frozenset(tokenizer.all_special_ids) - tags
        self._formats = self._find_formats()

    def formats(self) -> tuple[Format, ...]:
        """Raw always; chat with a template; empty reasoning where the template thinks."""
        return self._formats

    def _find_formats(self) -> tuple[Format, ...]:
        if not self.tokenizer.chat_template:
            return ("raw",)
        if self._empty_reasoning([Turn(role="user", text="a")]) is None:
            return ("raw", "chat")
        return ("raw", "chat", "empty-reasoning")

    def render(self, prompt: str | Sequence[Turn], *, format: Format) -> str:
        """Return the prompt as the model reads it; a last turn of the assistant is continued."""
        if format not in self.formats():
            raise UsageError(
                f"This model cannot be asked in the format {format!r}; "
                f"it knows {', '.join(self.formats())}."
            )
        turns = [Turn(role="user", text=prompt)] if isinstance(prompt, str) else list(prompt)
        if format == "raw":
            return self.bos + "\n\n".join(turn.text for turn in turns)
        begun = ""
        if turns and turns[-1].role == "assistant":
            begun = turns.pop().text
        if format == "chat":
            return self._chat(turns) + begun
        rendered = self._empty_reasoning(turns)
        assert rendered is not None
        return rendered + begun

    def _chat(self, turns: Sequence[Turn], **options: Any) -> str:
        chat = self._templated(turns, **options)
        if turns and turns[0].role == "system" and (not chat or turns[0].text.strip() not in chat):
            # A template without that role drops or refuses it: the user says it instead.
            system, first, *rest = turns
            merged = Turn(role="user", text=f"{system.text}\n\n{first.text}")
            return self._templated([merged, *rest], **options) or ""
        return chat or ""

    def _templated(self, turns: Sequence[Turn], **options: Any) -> str | None:
        """The turns in the template's words; None where it refuses the role of the system."""
        try:
            return str(
                self.tokenizer.apply_chat_template(
                    [{"role": turn.role, "content": turn.text} for turn in turns],
                    add_generation_prompt=True,
                    tokenize=False,
                    **options,
                )
            )
        except TemplateError:
            if turns[0].role != "system" or len(turns) < 2:
                raise
            return None

    def _empty_reasoning(self, turns: Sequence[Turn]) -> str | None:
        """The chat prompt with a reasoning block already closed; None where there is no such block.

        Three kinds of template think: one that opens the block for the model, one that closes it
        itself when thinking is switched off, and one that only knows the tag (it strips the block
        from earlier turns); the model then opens the block by itself.
        """
        chat = self._chat(turns)
        if chat.rstrip().endswith(self.opening):
            return f"{chat.rstrip()}\n\n{self.closing}\n\n"
        off = self._chat(turns, enable_thinking=False)
        if off != chat and off.rstrip().endswith(self.closing):
            return off
        if self.opening in str(self.tokenizer.chat_template):
            return f"{chat}{self.opening}\n\n{self.closing}\n\n"
        return None

    def encode(self, text: str) -> list[int]:
        """Token ids of a rendered prompt, or of a continuation of one."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def read(
        self, ids: list[int], *, rendered: str, stop: tuple[str, ...]
    ) -> tuple[str, str | None]:
        """Split what was written into the answer and the reasoning (None where there is none).

        Special tokens go, stop strings and what follows them go, and the ends are stripped. A
        block that was opened and never closed is all reasoning: the answer is empty.
        """
        kept = [token for token in ids if token not in self.hidden]
        text = str(self.tokenizer.decode(kept, skip_special_tokens=False))
        if rendered.rstrip().endswith(self.opening):
            text = self.opening + text
        reasoning, answer = split_reasoning(text, open=self.opening, close=self.closing)
        cut = min((at for word in stop if (at := answer.find(word)) >= 0), default=len(answer))
        return answer[:cut].strip(), reasoning
