"""The command line: one file a verb, and nothing heavy before a verb runs.

Data goes to stdout, progress and logs to stderr, so `variegate measure outputs.jsonl --json | jq`
works. Exit codes: 0 done; 1 something failed while running; 2 an argument, a setting or an input
that cannot be; 3 done, but more outputs failed than `--tolerance` allows; 4 a gate asked for with
`--fail-if` failed; 130 interrupted (what was finished is kept, the same command goes on).

The verbs are thin: each reads its input, calls one public function of the package and prints the
result. `main` is the only place where exceptions become words and numbers.
"""

from variegate.cli._app import app, main
from variegate.cli._gate import Gate
from variegate.cli._output import JSON_SCHEMA_VERSION, Progress

__all__ = ["main", "app", "Gate", "Progress", "JSON_SCHEMA_VERSION"]
