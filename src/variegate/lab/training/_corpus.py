"""What is learned from: raw pages of the world, teachers' traces, and good answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from variegate.lab.training._vocabulary import vocabulary
from variegate.lab.world import TASKS, draw, right_answers, say, task
from variegate.samples import Prompt

__all__ = [
    "Document",
    "Lesson",
    "encode",
    "instruct_lessons",
    "page_lessons",
    "rendered",
    "think_lessons",
]

HINTS = 0.15  # share of pages on which somebody explains how to find an answer
# Share of the pages of each task: what is harder to learn is written about more.
PAGES = {"arithmetic": 0.3, "routes": 0.3, "lists": 0.08, "stories": 0.2, "opinions": 0.12}


@dataclass(frozen=True)
class Document:
    """Tokens, and where the part to be learned starts."""

    tokens: tuple[int, ...]
    start: int


Lesson = Iterator[Document]


def encode(text: str) -> tuple[int, ...]:
    """Turn words into numbers, as the tokenizer does."""
    words = vocabulary_of_all()
    return tuple(words[word] for word in text.split())


_WORDS: dict[str, int] = {}


def vocabulary_of_all() -> dict[str, int]:
    """The vocabulary, built once."""
    if not _WORDS:
        _WORDS.update(vocabulary())
    return _WORDS


def rendered(prompt: Prompt, template: str | None) -> str:
    """Return the prompt as a stage reads it: raw, in turns, or in turns with the block open."""
    if template is None:
        return prompt.prompt
    return f"<user> {prompt.prompt} <assistant>" + (" <think>" if template == "think" else "")


def _document(before: str, after: str) -> Document:
    asked = encode(before)
    return Document(asked + encode(f"{after} </s>"), len(asked))


def page_lessons(rng: np.random.Generator) -> Lesson:
    """Pages of the world: any question, answered as people do, a part of them wrongly.

    Some pages are hints, and say so in their first word: there the language of reasoning is
    learned, without a trace of the format that later stages put it in.
    """
    shares = np.array([PAGES[about.name] for about in TASKS])
    while True:
        about = TASKS[int(rng.choice(len(TASKS), p=shares))]
        prompt = about.prompts[int(rng.integers(len(about.prompts)))]
        if rng.random() < HINTS:
            shown = about.demonstrate(prompt.target, int(rng.integers(2)), rng)
            document = _document(f"hint {prompt.prompt}", f"{shown.reasoning} so {shown.answer}")
        else:
            document = _document(prompt.prompt, say(prompt, rng))
        yield Document(document.tokens, 1)  # a page is learned whole, the question too


def think_lessons(prompts: Sequence[Prompt], rng: np.random.Generator) -> Lesson:
    """Traces of two teachers, each with its favourite way: narrow, and all right."""
    while True:
        prompt = prompts[int(rng.integers(len(prompts)))]
        shown = task(prompt.task).demonstrate(prompt.target, int(rng.integers(2)), rng)
        yield _document(rendered(prompt, "think"), f"{shown.reasoning} </think> {shown.answer}")


def instruct_lessons(prompts: Sequence[Prompt], rng: np.random.Generator) -> Lesson:
    """Right answers as frequent as in the world, without reasoning: broad, and all right."""
    while True:
        prompt = prompts[int(rng.integers(len(prompts)))]
        yield _document(rendered(prompt, "plain"), draw(right_answers(prompt), rng))
