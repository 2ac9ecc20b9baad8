"""CachedModel: what a model once said, kept by the identity of the draw."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from variegate.errors import RunConflict, RunError, RunUnwritable
from variegate.models._protocol import Completion, Format, Model, Request, Sampling, Turn
from variegate.models._tiers import Tier

__all__ = ["CachedModel"]

VERSION = 1
AT_ONCE = 500  # keys looked up in one question; SQLite takes 999 on old builds
BUSY = 60.0  # seconds to wait while another process writes
_FILE = "draws.sqlite"
_TUPLES = ("token_ids", "token_logprobs", "token_entropies")


class CachedModel:
    """A model with a memory: a draw that was made once is never made again.

    The key of a draw is its identity (model, revision, rendered prompt, every setting, index,
    seed), so n draws of one prompt are n entries, and the second time the same n come back. It
    stands in front of any model, and any method over it resumes: ways of asking, judges, arms.
    Batches are committed as they come, whole or not at all. Two processes may share one cache:
    of two answers to one draw the first that was written counts for both. Failed draws are not
    kept; refused and filtered ones are, because asking until it answers would change what is
    measured.

    Args:
        model: what speaks where nothing is kept yet.
        path: a file, or a folder in which ``draws.sqlite`` is made.

    Raises:
        RunUnwritable: nothing can be written there; found out before anything is asked.
        RunConflict: a cache of another version.
        RunError: a file that is no cache, or a damaged one.

    Example:
        >>> import tempfile
        >>> from variegate.models import Arm, CachedModel, Sampling, UniformModel, say
        >>> model = UniformModel(branching=50, length=5)
        >>> cached = CachedModel(model, tempfile.mkdtemp())
        >>> first = say(cached, ["Hi"] * 30, sampling=Sampling())
        >>> again = say(cached, ["Hi"] * 30, sampling=Sampling())
        >>> first == again, len({c.text for c in again}), model.draws
        (True, 30, 30)
    """

    def __init__(self, model: Model, path: str | Path) -> None:
        self.model = model
        self.name, self.revision = model.name, model.revision
        path = Path(path)
        self.path = path / _FILE if path.is_dir() or not path.suffix else path
        self.hits = self.misses = 0
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self.path, str(error.strerror or error)) from error
        with closing(self._open()) as held, _words_for(self.path), held:
            held.execute("BEGIN IMMEDIATE")  # a read-only or full disk says so here
            (version,) = held.execute("PRAGMA user_version").fetchone()
            if version not in (0, VERSION):
                raise RunConflict(
                    f"{self.path} is a cache of version {version}, expected {VERSION}.",
                    hint="Use the variegate that made it, or choose another file.",
                )
            held.execute(
                "CREATE TABLE IF NOT EXISTS draws (key TEXT PRIMARY KEY, said TEXT NOT NULL) "
                "WITHOUT ROWID"
            )
            held.execute(f"PRAGMA user_version = {VERSION}")

    @property
    def tiers(self) -> frozenset[Tier]:
        """Those of the model."""
        return self.model.tiers

    def formats(self) -> tuple[Format, ...]:
        """Those of the model."""
        return self.model.formats()

    def render(self, prompt: str | Sequence[Turn], *, format: Format) -> str:
        """Return the prompt as the model reads it."""
        return self.model.render(prompt, format=format)

    def sample(
        self, requests: Sequence[Request], *, sampling: Sampling
    ) -> Iterator[list[Completion]]:
        """Yield what is kept, then what the model says to the rest, which is kept from then on."""
        missing: list[Request] = []
        for start in range(0, len(requests), AT_ONCE):
            part = requests[start : start + AT_ONCE]
            kept = self._kept([request.key for request in part])
            self.hits += len(kept)
            missing += [request for request in part if request.key not in kept]
            if kept:
                yield list(kept.values())
        self.misses += len(missing)
        wanted = {request.key for request in missing}
        if missing:
            for batch in self.model.sample(missing, sampling=sampling):
                yield self._keep([c for c in batch if c.key in wanted])

    def score(
        self, rendered: str, continuations: Sequence[str], *, sampling: Sampling
    ) -> npt.NDArray[np.float64]:
        """Score with the model; scores are not kept."""
        return self.model.score(rendered, continuations, sampling=sampling)

    def __len__(self) -> int:
        with closing(self._open()) as held, _words_for(self.path):
            return int(held.execute("SELECT COUNT(*) FROM draws").fetchone()[0])

    def __repr__(self) -> str:
        return f"CachedModel({self.model!r}, {str(self.path)!r})"

    def _open(self) -> sqlite3.Connection:
        # One connection a use: it may be used from any thread, and none outlives a fork.
        with _words_for(self.path):
            return sqlite3.connect(self.path, timeout=BUSY, isolation_level=None)

    def _kept(self, keys: Sequence[str]) -> dict[str, Completion]:
        marks = ",".join("?" * len(keys))
        with closing(self._open()) as held, _words_for(self.path):
            rows = held.execute(
                f"SELECT key, said FROM draws WHERE key IN ({marks})",  # noqa: S608
                list(keys),
            ).fetchall()
        return {key: self._read(key, said) for key, said in rows}

    def _keep(self, batch: list[Completion]) -> list[Completion]:
        """Write a batch; returns it as it now stands, another process's answers included."""
        good = [c for c in batch if c.finish != "error"]
        if good:
            with closing(self._open()) as held, _words_for(self.path), held:
                held.execute("BEGIN IMMEDIATE")
                held.executemany(
                    "INSERT OR IGNORE INTO draws VALUES (?, ?)",
                    [(c.key, json.dumps(asdict(c))) for c in good],
                )
        kept: dict[str, Completion] = {}
        for start in range(0, len(good), AT_ONCE):
            kept |= self._kept([c.key for c in good[start : start + AT_ONCE]])
        return [kept.get(c.key, c) for c in batch]

    def _read(self, key: str, said: str) -> Completion:
        try:
            fields: dict[str, Any] = json.loads(said)
            fields |= {
                name: tuple(fields[name]) for name in _TUPLES if fields.get(name) is not None
            }
            found = Completion(**fields)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise RunError(
                f"{self.path}: the draw {key[:16]} is damaged: {type(error).__name__}.",
                hint="Remove the file; its draws are then made again.",
            ) from error
        if found.key != key:
            raise RunError(f"{self.path}: the draw {key[:16]} holds another one.")
        return found


class _words_for:  # noqa: N801
    """Say what SQLite cannot do in the words of the package."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, sqlite3.Error):
            return
        if isinstance(error, sqlite3.OperationalError):
            raise _unwritable(self.path, str(error)) from error
        raise RunError(
            f"{self.path} is no cache, or it is damaged: {error}.",
            hint="Remove the file; its draws are then made again.",
        ) from error


def _unwritable(path: Path, why: str) -> RunUnwritable:
    return RunUnwritable(
        f"Cannot keep draws in {path}: {why}.",
        hint="Free some space or make the folder writable, then run the same command again.",
    )
