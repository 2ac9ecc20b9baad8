"""Splitting what a model thought from what it answered."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["SplitText", "split_reasoning"]


class SplitText(NamedTuple):
    """What a model thought, and what it answered."""

    reasoning: str | None  # None where there was no reasoning block at all
    answer: str


def split_reasoning(text: str, *, open: str = "<think>", close: str = "</think>") -> SplitText:
    """Split a reasoning block from the answer; the first `close` ends it.

    A text with only the closing mark began inside the block (the template wrote the opening one).
    A text with only the opening mark never came to an answer: the answer is empty.

    Args:
        text: what the model wrote.
        open: the mark that opens the block.
        close: the mark that closes it.

    Returns:
        reasoning and answer without surrounding space; a text without marks is the answer as it is.

    Example:
        >>> split_reasoning("<think>2 and 3 make 5</think> 5")
        SplitText(reasoning='2 and 3 make 5', answer='5')
        >>> split_reasoning("2 and 3 make 5</think> 5").answer
        '5'
        >>> split_reasoning("<think>2 and 3 ma")
        SplitText(reasoning='2 and 3 ma', answer='')
        >>> split_reasoning(" 5 ")
        SplitText(reasoning=None, answer=' 5 ')
    """
    thought, closed, answer = text.partition(close)
    before, opened, inside = thought.partition(open)
    if closed:
        if opened:
            return SplitText(inside.strip(), (before.strip() + answer).strip())
        return SplitText(thought.strip(), answer.strip())
    if opened and not before.strip():
        return SplitText(inside.strip(), "")
    return SplitText(None, text)
