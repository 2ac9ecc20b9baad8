"""Samples: what was said.

One row per output, in a table of fixed columns (`SCHEMA`). It is the only thing that travels
between the rooms in bulk: models and readers make it, judges fill in what is right, metrics read
it. A run directory keeps it on disk so that a killed run loses at most the batch in flight.
"""

from variegate.samples._prompt import Prompt, prompt_hash
from variegate.samples._samples import Samples
from variegate.samples._schema import FINISHES, SCHEMA, SCHEMA_VERSION, Finish

__all__ = ["Samples", "Prompt", "SCHEMA", "SCHEMA_VERSION", "FINISHES", "Finish", "prompt_hash"]
