"""The columns of Samples: the one table that travels between packages."""

from __future__ import annotations

from typing import Literal, get_args

import polars as pl

__all__ = ["FINISHES", "OWN_COLUMNS", "SCHEMA", "SCHEMA_VERSION", "Finish"]

SCHEMA_VERSION = 2
"""Of the columns and of what a run directory holds; a change that breaks a reader raises it.

Version 2 added the columns of designed sets; what version 1 wrote is read with nulls there.
"""

Finish = Literal["stop", "length", "filter", "empty", "error"]
"""How an output ended: by itself, at the token limit, refused, without text, or not at all."""

FINISHES: tuple[str, ...] = get_args(Finish)
"""The words of `Finish`, in order."""

SCHEMA: dict[str, pl.DataType] = {
    "arm": pl.String(),  # the way of producing: a checkpoint, a sampler, a merge
    "task": pl.String(),
    "prompt_id": pl.String(),  # content hash of the prompt where the source gave none
    "prompt": pl.String(),
    "sample": pl.Int32(),  # 0 .. n-1 within (arm, task, prompt_id)
    "text": pl.String(),  # the answer, reasoning removed
    "reasoning": pl.String(),
    "finish": pl.String(),  # one of FINISHES
    "iid": pl.Boolean(),  # an independent draw, or part of a designed set
    "call": pl.String(),  # the request it came from, where one request brings several outputs
    "stratum": pl.String(),  # the part of the answer space it was asked for
    "role": pl.String(),  # who was asked to speak
    "plan": pl.String(),  # the approach it was asked to take
    "said_probability": pl.Float64(),  # what the model said its probability was
    "weight": pl.Float64(),  # makes weighted sums over a designed set unbiased
    "correct": pl.Boolean(),
    "quality": pl.Float64(),
    "answer": pl.String(),  # canonical answer or equivalence class
    "logprob": pl.Float64(),  # nats, whole answer
    "token_ids": pl.List(pl.Int32()),
    "token_logprobs": pl.List(pl.Float64()),  # nats, under the distribution sampled from
    "token_entropies": pl.List(pl.Float64()),  # nats, of the distribution sampled from
    "prompt_tokens": pl.Int32(),
    "completion_tokens": pl.Int32(),
    "cost": pl.Float64(),  # tokens read and written to get it, its share of planning included
    "seed": pl.Int64(),
    "sample_id": pl.String(),  # identity: model, revision, rendered prompt, settings, index
}
"""The columns of samples and their types; absent is null, a column is never left out."""

OWN_COLUMNS = SCHEMA.keys() - {
    "call", "stratum", "role", "plan", "said_probability", "weight", "cost",
}  # fmt: skip
"""What every version wrote: a table with all of these is one of our own."""
