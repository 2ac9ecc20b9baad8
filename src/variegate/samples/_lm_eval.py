"""Samples logs of lm-evaluation-harness: `samples_<task>_<time>.jsonl`, one row a document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from variegate.errors import DataError
from variegate.samples._tables import ALIASES, Table

__all__ = ["gather", "is_sample"]

_FILE = re.compile(r"samples_(?P<task>.+?)(_\d{4}-\d\d-\d\dT[\d.:-]+)?\.jsonl")


def is_sample(value: Any) -> bool:
    """Whether an object is a row of such a log."""
    return isinstance(value, Mapping) and {"doc_id", "doc", "arguments", "resps"} <= value.keys()


def gather(values: Iterable[tuple[str, Any]], file: str) -> Table:
    """Gather the outputs; the task comes from the file's name, the prompt from the document.

    A document stands once for every filter of the task, each time with the same outputs: the first
    one counts. Its metric tells whether an output is correct only where there is a single output,
    because with repeats it is about all of them together.

    Raises:
        DataError: rows without outputs, as tasks scored by log-likelihood have.
    """
    match = _FILE.fullmatch(file)
    task = match["task"] if match else None
    kept: dict[Any, Any] = {}  # document -> the filter it was first seen with
    rows: list[tuple[str, dict[str, Any]]] = []
    for place, value in values:
        if not is_sample(value):
            raise DataError(
                f"{place}: not a row of a samples log.", hint="Read other rows from another file."
            )
        if kept.setdefault(repr(value["doc_id"]), value.get("filter")) != value.get("filter"):
            continue
        texts = _texts(value["resps"], place)
        row: dict[str, Any] = {
            "task": task,
            "prompt_id": value["doc_id"],
            "prompt": _prompt(value, place),
        }
        if len(texts) == 1:
            row |= {"correct": _correct(value), "answer": _answer(value, texts[0])}
        rows += ((place, row | {"text": text}) for text in texts)
    return Table.gather(rows)


def _texts(responses: Any, place: str) -> list[str]:
    """Flatten the responses: one list a request, in it one text a repeat."""
    groups = responses if isinstance(responses, list) else [responses]
    texts = [text for group in groups for text in (group if isinstance(group, list) else [group])]
    if not all(isinstance(text, str) for text in texts):
        raise DataError(
            f"{place}: expected outputs under 'resps', found log-likelihoods.",
            hint="This task chooses among given answers; only generate_until tasks have outputs.",
        )
    return texts


def _prompt(value: Mapping[str, Any], place: str) -> str:
    """The document's own words where it has some, else what the model was sent."""
    doc = value["doc"] if isinstance(value["doc"], Mapping) else {}
    for name in ("prompt", *ALIASES["prompt"]):
        if isinstance(doc.get(name), str):
            return str(doc[name])
    arguments = value["arguments"]
    first = next(iter(arguments.values()), None) if isinstance(arguments, Mapping) else None
    if isinstance(first, Mapping) and isinstance(first.get("arg_0"), str):
        return str(first["arg_0"])
    raise DataError(
        f"{place}: expected the prompt in 'doc' or 'arguments'.",
        hint="The log is of a version that cannot be read; convert it to JSONL.",
    )


def _correct(value: Mapping[str, Any]) -> bool | None:
    metrics = value.get("metrics")
    score = value.get(str(metrics[0])) if isinstance(metrics, list) and metrics else None
    return bool(score) if isinstance(score, int | float) and score in (0, 1) else None


def _answer(value: Mapping[str, Any], text: str) -> str | None:
    filtered = value.get("filtered_resps")
    answer = filtered[0] if isinstance(filtered, list) and len(filtered) == 1 else None
    return answer if isinstance(answer, str) and answer != text else None
