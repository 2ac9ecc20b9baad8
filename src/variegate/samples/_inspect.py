"""Logs of inspect: one JSON document (.json), or a zip archive with one a sample (.eval)."""

from __future__ import annotations

import io
import lzma
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from variegate.errors import DataError
from variegate.samples._completing import FINISH_WORDS
from variegate.samples._json import parse_json
from variegate.samples._tables import Table, prompt_words

__all__ = ["gather", "is_log", "may_be_log", "read_eval"]

_LARGEST = 4 * 2**30  # bytes that an archive may unfold to
_FINISH = {word: finish for finish, words in FINISH_WORDS.items() for word in words}
_SCORES = {"C": True, "I": False, "N": False}  # "P", partly correct, is neither


def may_be_log(start: bytes) -> bool:
    """Whether a JSON document may be such a log; those may hold a bare NaN."""
    return b'"eval"' in start[:4096]


def is_log(value: Any) -> bool:
    """Whether a JSON document is such a log."""
    return isinstance(value, Mapping) and isinstance(value.get("eval"), Mapping)


def gather(log: Mapping[str, Any], name: str) -> Table:
    """Gather the outputs of a log that is one document.

    Raises:
        DataError: a log of the header only, or samples that are not as inspect writes them.
    """
    samples = log.get("samples")
    if not isinstance(samples, list) or not samples:
        raise DataError(
            f"{name}: a log of inspect without samples.",
            hint="It was read or written header-only; use the full log.",
        )
    return _gather(log, ((f"{name}: sample {n}", sample) for n, sample in enumerate(samples, 1)))


def read_eval(data: bytes, name: str) -> Table:
    """Gather the outputs of a log that is an archive, finished or not.

    Raises:
        DataError: not such an archive, a damaged one, or one that unfolds to more than 4 GiB.
    """
    zipfile, ZstdError = _zipfile()
    damage = (
        *(zipfile.BadZipFile, zlib.error, ZstdError),
        *(RuntimeError, ValueError, EOFError, OSError, struct.error, lzma.LZMAError),
    )
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        names = archive.namelist()
        if sum(entry.file_size for entry in archive.infolist()) > _LARGEST:
            raise DataError(f"{name}: unfolds to more than 4 GiB.", hint="Split the log.")
        # A run that was killed has no header yet, only the journal's.
        header = next(
            (file for file in ("header.json", "_journal/start.json") if file in names), ""
        )
        files = [file for file in names if file.startswith("samples/") and file.endswith(".json")]
        if not header or not files:
            raise DataError(
                f"{name}: a zip archive, but not a log of inspect with samples.",
                hint="Unpack it and read the files.",
            )
        parsed = {
            file: parse_json(archive.read(file), f"{name}: {file}", nan=True)
            for file in (header, *files)
        }
    except DataError:
        raise
    except NotImplementedError:
        raise DataError(
            f"{name}: packed with Zstandard, which this Python cannot unpack.",
            hint="pip install backports.zstd, or: inspect log convert --to json",
        ) from None
    except damage as error:
        raise DataError(f"{name}: a damaged archive: {error}.", hint="Copy it again.") from None
    if not is_log(parsed[header]):
        raise DataError(f"{name}: no log of inspect.", hint="Unpack it and read the files.")
    return _gather(parsed[header], ((f"{name}: {file}", parsed[file]) for file in files))


def _zipfile() -> tuple[Any, type[Exception]]:
    """Return the zip reader that knows Zstandard where there is one, and its error.

    Python has it from 3.14 on; earlier ones have it from a package.
    """
    import zipfile

    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdError

        return zipfile, ZstdError
    try:
        from backports import zstd
        from backports.zstd import zipfile as zstd_zipfile
    except ImportError:
        return zipfile, zipfile.BadZipFile
    return zstd_zipfile, zstd.ZstdError


def _gather(log: Mapping[str, Any], samples: Iterator[tuple[str, Any]]) -> Table:
    about = log["eval"]
    config = about.get("model_generate_config")
    shared = {
        "arm": about.get("model"),
        "task": about.get("task"),
        "seed": config.get("seed") if isinstance(config, Mapping) else None,
    }
    return Table.gather((place, shared | _row(sample, place)) for place, sample in samples)


def _row(sample: Any, place: str) -> dict[str, Any]:
    if not isinstance(sample, Mapping) or not isinstance(sample.get("output"), Mapping):
        raise DataError(
            f"{place}: expected a sample with 'output'.", hint="The log is damaged or too old."
        )
    output = sample["output"]
    choice = _first(output.get("choices"))
    text, reasoning = _content(choice.get("message"), sample)
    failed = sample.get("error") is not None
    usage = output.get("usage") if isinstance(output.get("usage"), Mapping) else {}
    epoch = sample.get("epoch")
    return {
        "prompt_id": sample.get("id"),
        "prompt": _resolve(prompt_words(sample.get("input"), place), sample),
        "sample": epoch - 1 if isinstance(epoch, int) else None,
        "text": text,
        "reasoning": reasoning,
        "finish": "error" if failed else _FINISH.get(str(choice.get("stop_reason"))),
        "prompt_tokens": usage.get("input_tokens"),
        "completion_tokens": usage.get("output_tokens"),
        **_score(sample.get("scores")),
    }


def _content(message: Any, sample: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the answer and the reasoning of a message, whose content may come in parts."""
    content = message.get("content") if isinstance(message, Mapping) else None
    if not isinstance(content, list):
        return _resolve(content if isinstance(content, str) else "", sample) or "", None
    parts = [part for part in content if isinstance(part, Mapping)]
    text = "".join(
        _resolve(str(part.get("text", "")), sample) or ""
        for part in parts
        if part.get("type") == "text"
    )
    thoughts = [part.get("reasoning") for part in parts if part.get("type") == "reasoning"]
    return text, "".join(str(thought) for thought in thoughts) if thoughts else None


def _resolve(text: str | None, sample: Mapping[str, Any]) -> str | None:
    """Put long content back that the log keeps once, under its hash."""
    attachments = sample.get("attachments")
    if text and text.startswith("attachment://") and isinstance(attachments, Mapping):
        kept = attachments.get(text.removeprefix("attachment://"))
        return kept if isinstance(kept, str) else text
    return text


def _score(scores: Any) -> dict[str, Any]:
    """Read the first scorer: right or wrong where it says so, another number as quality."""
    score = next(iter(scores.values()), None) if isinstance(scores, Mapping) else None
    if not isinstance(score, Mapping):
        return {}
    value, answer = score.get("value"), score.get("answer")
    row: dict[str, Any] = {"answer": answer if isinstance(answer, str) and answer else None}
    if isinstance(value, str):
        row["correct"] = _SCORES.get(value)
    elif isinstance(value, int | float) and value in (0, 1):
        row["correct"] = bool(value)
    elif isinstance(value, float):
        row["quality"] = value
    return row


def _first(choices: Any) -> Mapping[str, Any]:
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, Mapping) else {}
