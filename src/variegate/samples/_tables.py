"""Rows as other people name them: aliases, lists of completions, chat messages as prompts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from variegate.errors import DataError
from variegate.samples._clean import clean_text
from variegate.samples._reasoning import split_reasoning
from variegate.samples._schema import OWN_COLUMNS, SCHEMA

__all__ = ["ALIASES", "COMPLETIONS", "Table", "prompt_words"]

# Column of the schema <- other names it goes by; the first that is there counts.
ALIASES: dict[str, tuple[str, ...]] = {
    "text": ("completion", "output", "response", "generation", "generated_text", "model_output"),
    "prompt": ("question", "instruction", "input", "query", "problem", "messages"),
    "prompt_id": ("id", "uid", "question_id", "doc_id"),
    "arm": ("model", "model_name", "checkpoint", "stage"),
    "task": ("dataset", "category"),
    "sample": ("sample_index", "sample_idx", "epoch"),
    "reasoning": ("reasoning_content", "thinking", "thought"),
    "finish": ("finish_reason", "stop_reason"),
    "correct": ("is_correct", "passed"),
    "quality": ("score", "reward", "rating"),
    "answer": ("extracted_answer", "parsed_answer", "prediction"),
    "logprob": ("cumulative_logprob", "sum_logprob"),
}
"""Other names that a column may have in a file; the first that is there counts, and is said."""

# Names under which all outputs of one prompt stand in one list.
COMPLETIONS = ("completions", "outputs", "responses", "generations", "texts")


@dataclass
class Table:
    """Rows of the schema, gathered from rows of any likely shape.

    Args:
        own: the source was written by variegate; texts are then taken as they are.
    """

    own: bool = False
    rows: list[dict[str, Any]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    listed_in: str | None = None  # the key under which lists of completions stood
    renamed: dict[str, str] = field(default_factory=dict)
    ignored: dict[str, None] = field(default_factory=dict)  # an ordered set
    _known: dict[tuple[str, ...], dict[str, str]] = field(default_factory=dict)

    @classmethod
    def gather(cls, values: Iterable[tuple[str, Any]]) -> Table:
        """Gather rows from pairs of a place in words and the object that stands there.

        Raises:
            DataError: something that is not an object, or holds no output.
        """
        table = cls()
        for number, (place, value) in enumerate(values):
            if not isinstance(value, Mapping):
                raise DataError(
                    f"{place}: expected an object with the output under 'text', "
                    f"got {type(value).__name__}.",
                    hint='One JSON object a row: {"prompt": "...", "text": "..."}.',
                )
            if number == 0:
                table.own = value.keys() >= OWN_COLUMNS
            table._add(place, value)
        table._drop_row_ids()
        return table

    def describe(self, container: str) -> str:
        """Say in words what was found."""
        if self.own:
            return f"{container} written by variegate"
        shape = (
            f"one row a prompt with a list in {self.listed_in!r}"
            if self.listed_in
            else ("one row an output")
        )
        notes = [f"{found!r} read as {name!r}" for found, name in self.renamed.items()]
        ignored = [key for key in self.ignored if key != self.listed_in]
        if ignored:
            notes.append("left aside: " + ", ".join(map(repr, ignored)))
        return clean_text("; ".join([f"{container}, {shape}", *notes]))

    def _add(self, place: str, value: Mapping[str, Any]) -> None:
        if self.own:
            self.rows.append(dict(value))
            self.places.append(place)
            return
        row = self._rename(value)
        listed = next((key for key in COMPLETIONS if isinstance(value.get(key), list)), None)
        if listed is None:
            self._finish(place, row)
            return
        self.listed_in = listed
        outputs = value[listed]
        if not outputs:
            # Asked, and nothing came back: the prompt must not vanish from the count.
            about = {name: item for name, item in row.items() if item != []}
            self._finish(place, about | {"finish": "error"})
        for index, output in enumerate(outputs):
            where = f"{place} ({listed}[{index}])"
            if isinstance(output, str) or output is None:
                output = {"text": output}
            if not isinstance(output, Mapping):
                raise DataError(
                    f"{where}: expected text or an object with 'text', "
                    f"got {type(output).__name__}.",
                    hint="Each item of the list is one output.",
                )
            # A list as long as the completions ("correct": [true, false]) has one value for each.
            own = {
                name: item[index] if _one_each(name, item, outputs) else item
                for name, item in row.items()
            }
            self._finish(where, own | self._rename(output))

    def _rename(self, value: Mapping[str, Any]) -> dict[str, Any]:
        keys = tuple(value)
        if keys not in self._known:
            self._known[keys] = _columns_of(keys)
            found = self._known[keys]
            self.renamed |= {key: name for name, key in found.items() if key != name}
            self.ignored |= dict.fromkeys(str(key) for key in keys if key not in found.values())
        return {name: value[key] for name, key in self._known[keys].items()}

    def _finish(self, place: str, row: dict[str, Any]) -> None:
        if "text" not in row and row.get("finish") is None:
            raise DataError(
                f"{place}: expected the output under 'text', found no such key.",
                hint=f"Also understood: {', '.join(ALIASES['text'])}; lists under "
                f"{', '.join(COMPLETIONS)}.",
            )
        if "prompt" in row:
            row["prompt"] = prompt_words(row["prompt"], place)
        if row.get("reasoning") is None and isinstance(row.get("text"), str):
            row["reasoning"], row["text"] = split_reasoning(row["text"])
        self.rows.append(row)
        self.places.append(place)

    def _drop_row_ids(self) -> None:
        """Drop an `id` that names rows and not prompts: one prompt would be torn apart."""
        if self.renamed.get("id") != "prompt_id":
            return
        names: dict[Any, Any] = {}
        for row in self.rows:
            prompt, name = row.get("prompt"), row.get("prompt_id")
            if prompt is not None and names.setdefault(prompt, name) != name:
                break
        else:
            return
        for row in self.rows:
            row.pop("prompt_id", None)
        del self.renamed["id"]
        self.ignored["id"] = None


def _columns_of(keys: tuple[str, ...]) -> dict[str, str]:
    """Say for each column of the schema under which of the keys it stands."""
    names = {name: (name, *ALIASES.get(name, ())) for name in SCHEMA}
    found = {
        name: next((key for key in candidates if key in keys), None)
        for name, candidates in names.items()
    }
    return {name: key for name, key in found.items() if key is not None}


def prompt_words(value: Any, place: str) -> str | None:
    """Reduce a prompt to words: text as it is, one message to its content, a chat to its turns.

    Raises:
        DataError: neither text nor a list of messages.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list) and value and all(isinstance(turn, Mapping) for turn in value):
        turns = [(str(turn.get("role", "user")), _content(turn.get("content"))) for turn in value]
        if len(turns) == 1:
            return turns[0][1]
        return "\n\n".join(f"{role}: {content}" for role, content in turns)
    raise DataError(
        f"{place}: expected the prompt to be text or a list of messages, "
        f"got {type(value).__name__}.",
        hint='A message is {"role": "user", "content": "..."}.',
    )


def _content(content: Any) -> str:
    """The words of one message, whose content may come in parts."""
    if isinstance(content, list):
        parts = (part.get("text", "") if isinstance(part, Mapping) else part for part in content)
        return "".join(str(part) for part in parts)
    return "" if content is None else str(content)


def _one_each(name: str, value: Any, outputs: list[Any]) -> bool:
    if not isinstance(value, list) or len(value) != len(outputs) or name == "prompt":
        return False
    return not isinstance(SCHEMA[name], pl.List) or isinstance(value[0] if value else None, list)
