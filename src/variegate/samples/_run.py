"""The run directory: what a run was asked, and every output that it has finished."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl
from filelock import FileLock, Timeout
from ulid import ULID

from variegate.errors import DataError, RunConflict, RunError, RunLocked, RunUnwritable, UsageError
from variegate.samples._atomic import remove_leftovers, write_atomically
from variegate.samples._frames import load_frame
from variegate.samples._identity import settings_hash
from variegate.samples._json import parse_json, plain
from variegate.samples._redact import redact
from variegate.samples._samples import Samples
from variegate.samples._schema import OWN_COLUMNS, SCHEMA, SCHEMA_VERSION
from variegate.samples._write import write_frame

__all__ = ["RunDirectory", "read_parts", "read_run", "run_name", "safe_name"]

_RECORDED = ("variegate", "numpy", "polars", "torch", "transformers", "wordllama")
_RESERVED = ("run.json", "samples", "cache")
_NAME_LENGTH = 100  # with the suffixes added to it well below the 255 bytes of file systems
# Names that Windows keeps for devices, with any suffix.
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


class RunDirectory:
    """A directory that one process at a time works in, and that survives being killed.

    `run.json` holds the settings, their hash, versions and times. Outputs arrive batch by batch as
    `samples/part-00001.parquet` and so on; each part is there in full or not at all, and none is
    ever changed. Opening it again with the same settings continues; with others it is refused.

    Args are those of `open`, which is the way in.

    Example:
        >>> import tempfile
        >>> from variegate.samples import RunDirectory, Samples
        >>> folder = tempfile.mkdtemp()
        >>> with RunDirectory.open(folder, settings={"n": 2}, kind="collect") as run:
        ...     run.append(Samples.from_rows([{"prompt": "Name a fruit.", "text": "kiwi"}]))
        >>> with RunDirectory.open(folder, settings={"n": 2}, kind="collect") as run:
        ...     len(run.samples())
        1
        >>> RunDirectory.open(folder, settings={"n": 3}, kind="collect")
        Traceback (most recent call last):
        variegate.errors.RunConflict: ... was started with other settings: n was 2, now 3.
    """

    def __init__(self, path: Path, record: Mapping[str, Any], lock: FileLock) -> None:
        self.path = path
        self._record = record
        self._lock = lock

    @classmethod
    def open(
        cls, path: str | Path, *, settings: Mapping[str, Any], kind: str, wait: float = 0.0
    ) -> Self:
        """Open a run directory, new or to be continued, and lock it.

        Tests before any work that files can be written, and removes what a killed run left half
        written.

        Args:
            path: the directory; made if missing. A link to a directory is followed.
            settings: everything the results depend on; credentials in it are redacted.
            kind: what is run in it ("collect", "trace", ...).
            wait: seconds to wait while another process works in it.

        Raises:
            RunLocked: another process works in it.
            RunConflict: it was started with other settings, as another kind, or by another version.
            RunUnwritable: nothing can be written there.
        """
        settings = redact(plain(settings))
        root = _make(Path(path))
        # Whoever opened it may close it from another thread.
        lock = FileLock(root / ".lock", thread_local=False)
        try:
            lock.acquire(timeout=wait)
        except Timeout:
            raise RunLocked(
                f"Another process works in {path}.",
                hint="Wait until it has finished, or choose another directory.",
            ) from None
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            remove_leftovers(root)
            write_atomically(root / ".writable", b"yes").unlink()
            record = read_run(root) if (root / "run.json").exists() else None
            if record is None:
                _refuse_strangers(root)
                record = _new_record(settings, kind)
                write_atomically(root / "run.json", _pretty(record))
            else:
                _refuse_other(record, settings, kind, path)
                if record["schema_version"] != SCHEMA_VERSION:  # it gets parts of today's columns
                    record = {**record, "schema_version": SCHEMA_VERSION}
                    write_atomically(root / "run.json", _pretty(record))
            return cls(root, record, lock)
        except BaseException:
            lock.release()
            raise

    def append(self, samples: Samples) -> None:
        """Add finished outputs as a new part: in full or, when killed meanwhile, not at all.

        Raises:
            RunUnwritable: the part cannot be written; earlier parts are intact.
        """
        if not len(samples):
            return
        parts = list(_parts(self.path))
        number = 1 + max((int(part.stem.removeprefix("part-")) for part in parts), default=0)
        folder = self.path / "samples"
        if not folder.resolve().is_relative_to(self.path):
            raise _escape(folder)
        write_frame(folder / f"part-{number:05d}.parquet", samples.frame)

    def samples(self) -> Samples:
        """Return all finished outputs.

        Raises:
            DataError: a part is damaged, or two parts hold the same draw.
        """
        frame = read_parts(self.path)
        return Samples.from_frame(frame, source=str(self.path), detected="run directory")

    def sample_ids(self) -> set[str]:
        """Return the identities of the finished outputs."""
        columns = [_read_part(part).get_column("sample_id") for part in _parts(self.path)]
        return {name for column in columns for name in column.drop_nulls()}

    def write_frame(self, name: str, frame: pl.DataFrame) -> Path:
        """Write a table (.parquet, .jsonl or .csv by its suffix), in full or not at all."""
        return write_frame(self._inside(name), frame)

    def write_text(self, name: str, text: str) -> Path:
        """Write text, in full or not at all."""
        return write_atomically(self._inside(name), text)

    def write_json(self, name: str, value: Any) -> Path:
        """Write JSON; credentials are redacted, numbers of no size become words."""
        return write_atomically(self._inside(name), _pretty(redact(plain(value))))

    def cache(self, name: str) -> Path:
        """Return a folder for a cache addressed by content, made if missing."""
        folder = self.path / "cache" / safe_name(name)
        if not folder.resolve().is_relative_to(self.path):
            raise _escape(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(folder, error) from error
        return folder

    def read_settings(self) -> dict[str, Any]:
        """Return the settings the run was started with."""
        return dict(self._record["settings"])

    def close(self) -> None:
        """Unlock the directory; others may work in it from now on."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RunDirectory({str(self.path)!r}, kind={self._record['kind']!r})"

    def _inside(self, name: str) -> Path:
        if name in _RESERVED:
            raise UsageError(
                f"Expected a name other than {', '.join(_RESERVED)}, got {name!r}.",
                hint="The run directory keeps its own record under that name.",
            )
        path = self.path / safe_name(name)
        # A link in the directory may lead out of it.
        if not path.resolve().is_relative_to(self.path):
            raise _escape(path)
        return path


def run_name(kind: str) -> str:
    """Name a new run: its kind and a ULID, so that names sort by time whatever the time zone.

    Example:
        >>> run_name("trace")  # doctest: +SKIP
        'trace-01KAKB3T5J6Q8Z7V0W2X4Y6A8C'
    """
    return f"{safe_name(kind)}-{ULID()}"


def safe_name(name: str) -> str:
    """Make a file name of any text: a name that is safe as it is stays, others get a hash.

    Example:
        >>> safe_name("scores.parquet"), safe_name("../../etc/passwd")
        ('scores.parquet', 'etc-passwd-3754d6cb')
    """
    slug = re.sub(r"[^A-Za-z0-9._=+-]+", "-", name).strip("-. ")
    if slug == name and len(name) <= _NAME_LENGTH and not _DEVICE.match(name) and slug:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    slug = re.sub(r"\.{2,}", "", slug).strip("-. ")[: _NAME_LENGTH - 20]
    return f"{slug or 'unnamed'}-{digest}" if not _DEVICE.match(slug) else f"x-{slug}-{digest}"


def read_run(path: str | Path) -> dict[str, Any]:
    """Read the record of a run: kind, id, times, settings and their hash, versions.

    Raises:
        RunConflict: a record of a newer version, or one that is damaged.

    Example:
        >>> import tempfile
        >>> from variegate.samples import RunDirectory
        >>> path = tempfile.mkdtemp()
        >>> with RunDirectory.open(path, settings={"n": 16}, kind="trace"):
        ...     pass
        >>> read_run(path)["settings"]
        {'n': 16}
    """
    file = Path(path) / "run.json"
    try:
        record = parse_json(file.read_bytes(), str(file))
    except OSError as error:
        raise RunError(
            f"Cannot read {file}: {error.strerror}.", hint="Is it a run directory?"
        ) from None
    except DataError as error:
        raise RunConflict(str(error), hint="Restore run.json or use another directory.") from None
    version = record.get("schema_version") if isinstance(record, dict) else None
    if not isinstance(version, int) or not isinstance(record.get("settings"), dict):
        raise RunConflict(f"{file} is not the record of a run.", hint="Use another directory.")
    if not 1 <= version <= SCHEMA_VERSION:
        age = "newer" if version > SCHEMA_VERSION else "older"
        raise RunConflict(
            f"{path} was written by {age} software: schema version was {version}, "
            f"now {SCHEMA_VERSION}.",
            hint="Read it with the version named in its run.json, or use another directory.",
        )
    return dict(record)


def read_parts(path: Path) -> pl.DataFrame:
    """Read the outputs of a run directory without locking it.

    Raises:
        DataError: a part is damaged.
        RunConflict: the directory was written by another version.
    """
    read_run(path)
    frames = [_read_part(part) for part in _parts(path)]
    return pl.concat(frames) if frames else pl.DataFrame(schema=SCHEMA)


def _read_part(part: Path) -> pl.DataFrame:
    hint = "Remove this part; the same command then makes its outputs again."
    frame = load_frame(lambda: pl.read_parquet(part), str(part), hint=hint)
    if OWN_COLUMNS <= set(frame.columns) <= SCHEMA.keys():  # of this version or an older one
        frame = frame.select(
            pl.col(name) if name in frame.columns else pl.lit(None, dtype=dtype).alias(name)
            for name, dtype in SCHEMA.items()
        )
    if frame.schema != SCHEMA:
        raise DataError(f"{part}: its columns are not those of samples.", hint="Remove this file.")
    return frame


def _parts(path: Path) -> Iterator[Path]:
    found = (path / "samples").glob("part-*.parquet")
    return iter(sorted(part for part in found if part.stem.removeprefix("part-").isdigit()))


def _make(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
        return path.resolve()
    except OSError as error:
        raise _unwritable(path, error) from error


def _new_record(settings: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "id": str(ULID()),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings_hash": settings_hash(settings),
        "settings": settings,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """The versions that every record of a run carries: Python's and those of what it computes with.

    Returns:
        Version by name; a package that is not installed has none.

    Example:
        >>> "polars" in versions()
        True
    """
    found = {"python": platform.python_version()}
    for name in _RECORDED:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _refuse_strangers(root: Path) -> None:
    """Refuse to start in a directory that already holds outputs of nobody knows what."""
    if any(_parts(root)):
        raise RunConflict(
            f"{root} holds outputs but no run.json that says what they are.",
            hint="Restore run.json, or use another directory.",
        )


def _refuse_other(
    record: Mapping[str, Any], settings: Mapping[str, Any], kind: str, path: str | Path
) -> None:
    was: dict[str, Any] = {"kind": record.get("kind"), **_flat(record["settings"])}
    now: dict[str, Any] = {"kind": kind, **_flat(settings)}
    changes = [
        f"{name} was {_shown(was, name)}, now {_shown(now, name)}"
        for name in dict.fromkeys([*was, *now])
        if _shown(was, name) != _shown(now, name)
    ]
    if changes:
        raise RunConflict(
            f"{path} was started with other settings: {'; '.join(changes)}.",
            hint="Use another directory, or go back to the old settings to continue.",
        )


def _flat(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings to dotted names."""
    items = settings.items() if isinstance(settings, Mapping) else enumerate(settings)
    flat: dict[str, Any] = {}
    for key, value in items:
        name = f"{prefix}{key}"
        nested = isinstance(value, Mapping | list) and value
        flat |= _flat(value, f"{name}.") if nested else {name: value}
    return flat


def _shown(settings: Mapping[str, Any], name: str) -> str:
    return json.dumps(settings[name]) if name in settings else "absent"


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _unwritable(path: str | Path, error: OSError) -> RunUnwritable:
    return RunUnwritable(
        f"Cannot write in {path}: {error.strerror or error}.",
        hint="Make the directory writable, free some space, or choose another one.",
    )


def _escape(path: Path) -> RunConflict:
    return RunConflict(
        f"{path} leads out of the run directory.", hint="Remove the link and run again."
    )
