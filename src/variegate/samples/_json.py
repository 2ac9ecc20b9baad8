"""JSON, strictly: what a parser may silently mend or lose is an error with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import PurePath
from typing import Any

import orjson

from variegate.errors import DataError

__all__ = ["canonical_json", "parse_json", "parse_lines", "plain"]

_NUMBER_OF_NO_SIZE = re.compile(rb"(?<![\w\"])-?(NaN|Infinity)\b")
_EXACT = 2**53  # up to here a whole float and the integer are the same number


def parse_json(raw: bytes, place: str, *, nan: bool = False) -> Any:
    """Parse one JSON value.

    orjson already refuses NaN, lone surrogates, broken UTF-8, endless nesting and endless numbers.
    It keeps the last of two equal keys without a word, so a value whose own serialisation has
    fewer quotation marks than what was read is read again, slowly, to name the key.

    Args:
        raw: the bytes of the value.
        place: file and line, for messages.
        nan: accept the bare words NaN, Infinity and -Infinity, which some tools write.

    Raises:
        DataError: not one JSON value, or one that cannot be kept as it is.

    Example:
        >>> parse_json(b'{"a": 1, "a": 2}', "outputs.jsonl:7")
        Traceback (most recent call last):
        variegate.errors.DataError: outputs.jsonl:7: the key 'a' stands twice in one object.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if nan and _NUMBER_OF_NO_SIZE.search(raw):
            return _parse_slowly(raw, place)
        raise DataError(f"{place}: not valid JSON: {error}.", hint=_advice(raw, error)) from None
    # An escaped quotation mark in the text could make up for a lost one.
    if b"\\u0022" in raw or orjson.dumps(value).count(b'"') != raw.count(b'"'):
        _parse_slowly(raw, place)
    return value


def parse_lines(data: bytes, source: str) -> Iterator[tuple[int, Any]]:
    """Yield line number and value of every line that is not blank.

    Lines end with a newline and nothing else: U+2028, U+0085 and form feeds may stand raw inside a
    JSON string, and `str.splitlines` would break there.

    Raises:
        DataError: a line that is not one JSON value; a last line that was cut off says so.
    """
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for number, line in enumerate(lines, start=1):
        line = line.strip(b" \t\r")
        if not line:
            continue
        try:
            value = parse_json(line, f"{source}:{number}")
        except DataError as error:
            # A finished file ends with a newline, so text after the last one was cut short.
            if number == len(lines) and number > 1 and not line.endswith((b"}", b"]")):
                raise DataError(
                    f"{source}:{number}: the last line is cut off.",
                    hint="Remove it, or wait until whatever writes the file has finished.",
                ) from error
            raise
        yield number, value


def canonical_json(value: Any) -> bytes:
    """Serialise so that equal settings have equal bytes: sorted keys, no spaces, whole floats as
    integers, None apart from 0.

    Example:
        >>> canonical_json({"temperature": 1.0, "seed": None})
        b'{"seed":null,"temperature":1}'
    """  # noqa: D205
    return json.dumps(
        plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True
    ).encode()


def plain(value: Any) -> Any:
    """Reduce settings to what JSON can say; numbers of no size become words."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=repr)
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "item") and hasattr(value, "dtype") and not getattr(value, "shape", None):
        value = value.item()  # a numpy scalar
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
        return int(value) if value.is_integer() and abs(value) <= _EXACT else value
    if value is None or isinstance(value, str | bool | int):
        return value
    raise DataError(
        f"Expected a setting that JSON can hold, got {type(value).__name__}.",
        hint="Use text, numbers, booleans, None, lists and dictionaries.",
    )


def _parse_slowly(raw: bytes, place: str) -> Any:
    """Parse with the standard library, which is slower but can name a doubled key."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise DataError(
                f"{place}: the key {twice!r} stands twice in one object.",
                hint="Keep one of the two; which of them counts cannot be told.",
            )
        return value

    try:
        return json.loads(raw, object_pairs_hook=unique)
    except DataError:
        raise
    except (ValueError, RecursionError) as error:  # too many digits or too many brackets
        raise DataError(f"{place}: not valid JSON: {error}.", hint=_advice(raw, error)) from None


def _advice(raw: bytes, error: Exception) -> str:
    """Say what can be done about JSON that does not parse."""
    said = str(error)
    if _NUMBER_OF_NO_SIZE.search(raw):
        return 'JSON has no NaN: write null where unknown, or "NaN" in quotation marks.'
    if "surrogate" in said:
        return "The text is not valid Unicode; replace the lone surrogate where it was written."
    if "depth" in said or "recursion" in said:
        return "No output needs that much nesting; the file is damaged or hostile."
    if "infinity" in said or "digits" in said:
        return "A number has more digits than any number needs; write it as text."
    if raw.rstrip().endswith((b",}", b",]")):
        return "Remove the comma before the closing bracket."
    return "One JSON object a line, or one JSON array; nothing after it."
