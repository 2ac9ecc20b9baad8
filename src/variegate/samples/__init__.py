"""Samples: what was said.

One row per output, in a table of fixed columns (`SCHEMA`). It is the only thing that travels
between the rooms in bulk: models and readers make it, judges fill in what is right, metrics read
it. `read` finds out what it was given and says so; `write` is exact in Parquet and JSONL.

A `RunDirectory` keeps samples on disk so that a killed run loses at most the batch in flight, and
`sample_id` names every draw, so that n requests are n draws whatever is cached.

What a model wrote is hostile: it reaches a terminal only through `clean_text`, and settings reach
a file only through `redact`.
"""

from variegate.samples._atomic import write_atomically
from variegate.samples._clean import clean_text
from variegate.samples._described import did_you_mean, read_described
from variegate.samples._identity import sample_id, sample_ids, settings_hash
from variegate.samples._prompt import Prompt, prompt_hash, read_prompts
from variegate.samples._read import read
from variegate.samples._reasoning import SplitText, split_reasoning
from variegate.samples._redact import redact
from variegate.samples._run import RunDirectory, read_run, run_name, safe_name, versions
from variegate.samples._samples import Samples
from variegate.samples._schema import FINISHES, SCHEMA, SCHEMA_VERSION, Finish
from variegate.samples._tables import ALIASES
from variegate.samples._write import write, write_frame

__all__ = [
    # the table
    "Samples",
    "SCHEMA",
    "SCHEMA_VERSION",
    "FINISHES",
    "Finish",
    # reading and writing it
    "read",
    "write",
    "ALIASES",
    # what was asked
    "Prompt",
    "prompt_hash",
    "read_prompts",
    # what people write about a run
    "read_described",
    "did_you_mean",
    # where a run keeps it
    "RunDirectory",
    "read_run",
    "run_name",
    "sample_id",
    "sample_ids",
    "settings_hash",
    "safe_name",
    "versions",
    "write_atomically",
    "write_frame",
    # text from elsewhere
    "split_reasoning",
    "SplitText",
    "clean_text",
    "redact",
]
