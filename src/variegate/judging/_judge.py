"""Judge: run each prompt's own verifier over a table of samples."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import polars as pl

from variegate.errors import DataError, UsageError
from variegate.judging._registry import verifier
from variegate.judging._verdict import Verdict, Verifier
from variegate.samples import Prompt, Samples

__all__ = ["judge"]

_log = logging.getLogger("variegate")
_COLUMNS = {"correct": pl.Boolean, "answer": pl.String, "quality": pl.Float64}
# What did not come from the model is not judged.
_NO_OUTPUT = ("error",)


def judge(samples: Samples, prompts: Iterable[Prompt], *, overwrite: bool = False) -> Samples:
    """Fill in what is right, the canonical answer, and the quality.

    Args:
        samples: the outputs.
        prompts: with the verifier and the target of each; prompts without a verifier and
            outputs of other prompts are left as they are.
        overwrite: replace what the source already says; by default only nulls are filled.

    Returns:
        The samples with `correct`, `answer` and `quality`. Where a verifier raises or returns
        something else than a `Verdict`, the output stays unscored; how many is logged, and
        `measure` counts them.

    Raises:
        UnknownName: a prompt asks for a verifier that nobody registered.
        DataError: two prompts with one prompt_id and other verifiers or targets.

    Example:
        >>> asked = Prompt(prompt="2 + 5?", prompt_id="sum", verifier="numeric", target=7)
        >>> said = Samples.from_rows(
        ...     {"prompt_id": "sum", "text": text} for text in ["It is 7.", "8", "seven"]
        ... )
        >>> judge(said, [asked]).frame["correct"].to_list()
        [True, False, False]
    """
    by_id = _by_id(prompts)
    verifiers = {p.verifier: _found(p.verifier) for p in by_id.values() if p.verifier}
    frame = samples.frame
    columns: dict[str, list[Any]] = {name: frame[name].to_list() for name in _COLUMNS}
    failures: dict[str, list[Exception]] = {}
    rows = zip(
        frame["prompt_id"].to_list(),
        frame["text"].to_list(),
        frame["finish"].to_list(),
        strict=True,
    )
    for row, (prompt_id, text, finish) in enumerate(rows):
        prompt = by_id.get(prompt_id)
        if prompt is None or prompt.verifier is None or finish in _NO_OUTPUT:
            continue
        try:
            verdict = _verdict(verifiers[prompt.verifier](text or "", prompt.target))
        except Exception as error:
            failures.setdefault(prompt.verifier, []).append(error)
            continue
        for name, values in columns.items():
            if overwrite or values[row] is None:
                values[row] = getattr(verdict, name)
    for name, errors in failures.items():
        _log.warning(
            "The verifier %r failed on %d outputs, which stay unscored; the first: %r",
            name,
            len(errors),
            errors[0],
            exc_info=errors[0],
        )
    judged = frame.with_columns(
        pl.Series(name, columns[name], dtype=dtype) for name, dtype in _COLUMNS.items()
    )
    return replace(samples, frame=judged)


def _by_id(prompts: Iterable[Prompt]) -> dict[str, Prompt]:
    by_id: dict[str, Prompt] = {}
    for prompt in prompts:
        known = by_id.setdefault(prompt.prompt_id, prompt)
        if (known.verifier, known.target) != (prompt.verifier, prompt.target):
            raise DataError(
                f"The prompt {prompt.prompt_id!r} stands there twice, with other verifiers or "
                "targets.",
                hint="Give each prompt its own prompt_id.",
            )
    return by_id


def _found(name: str) -> Verifier:
    """Find a verifier; one that is registered but broken fails on use, output by output."""
    try:
        return verifier(name)
    except UsageError as error:
        if error.__cause__ is None:
            raise
        broken = error

        def refuse(_text: str, _target: Any) -> Verdict:
            raise broken

        return refuse


def _verdict(value: Any) -> Verdict:
    if not isinstance(value, Verdict):
        raise TypeError(f"Expected a Verdict, got {type(value).__name__}.")
    return value
