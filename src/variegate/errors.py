"""The exception tree.

Everything a user can cause derives from `VariegateError`, so one clause catches it all::

    try:
        variegate.measure(variegate.read("outputs.jsonl"))
    except variegate.errors.VariegateError as error:
        print(error, error.hint)

    VariegateError
    ├── UsageError             an argument or a setting that cannot be (also a ValueError)
    │   └── UnknownName        a name that is not in its registry; suggests the nearest
    ├── DataError              what was read is not what it should be (also a ValueError)
    │   └── NotComparable      two sides that may not be compared as they stand
    ├── CheckpointError        weights that cannot or must not be loaded
    ├── MissingExtra           an optional dependency that is not installed (also an ImportError)
    ├── RunError               a run directory that cannot be used
    │   ├── RunLocked          another process works in it
    │   ├── RunConflict        it was started with other settings or another version
    │   └── RunUnwritable      nothing can be written there
    └── ModelError             a model or an endpoint failed
        └── Refused            for good: wrong key, unknown model, quota used up

The command line prints the message and the hint on one line each and exits with `exit_code`;
it never shows a traceback for one of these.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "CheckpointError",
    "DataError",
    "MissingExtra",
    "ModelError",
    "NotComparable",
    "Refused",
    "RunConflict",
    "RunError",
    "RunLocked",
    "RunUnwritable",
    "UnknownName",
    "UsageError",
    "VariegateError",
]


class VariegateError(Exception):
    """Root of the tree: says what was expected, what came, and in `hint` what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(VariegateError, ValueError):
    """An argument or a setting that cannot be."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that is not in its registry; the hint carries the nearest known names."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(str(name), known, n=3)  # files hold what they like
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(known)}."
        super().__init__(f"Unknown {kind} {name!r}.", hint=hint)


class DataError(VariegateError, ValueError):
    """What was read is not what it should be; names the file and the line where there is one."""

    exit_code = 2


class NotComparable(DataError):
    """Two sides that may not be compared as they stand (other prompts, other n)."""


class CheckpointError(VariegateError):
    """Weights that cannot or must not be loaded."""

    exit_code = 2


class MissingExtra(VariegateError, ImportError):
    """An optional dependency that is not installed; the hint is the pip command."""

    exit_code = 2

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs packages that are not installed.",
            hint=f"pip install 'variegate[{extra}]'",
        )


class RunError(VariegateError):
    """A run directory that cannot be used."""

    exit_code = 2


class RunLocked(RunError):
    """Another process works in the run directory."""


class RunConflict(RunError):
    """The run directory was started with other settings or by another version."""


class RunUnwritable(RunError):
    """Nothing can be written to the run directory (read-only, full)."""

    exit_code = 1


class ModelError(VariegateError):
    """A model or an endpoint failed; `retryable` says whether asking again can help."""

    retryable = True


class Refused(ModelError):
    """A model or an endpoint said no for good (wrong key, unknown model, quota used up)."""

    exit_code = 2
    retryable = False
