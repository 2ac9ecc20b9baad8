"""Keeping secrets out of what is written down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

__all__ = ["redact"]

_REDACTED = "[redacted]"
_SECRET_NAME = re.compile(
    r"(^|[_\-. ])(api[_-]?key|key|secret|token|password|passwd|credentials?|authorization|cookie)$",
    re.IGNORECASE,
)
_SECRET_TEXT = [
    # user:password@ in a URL; the scheme stays readable
    (re.compile(r"(?<=://)[^/\s@]+@"), f"{_REDACTED}@"),
    # ?api_key=… and &token=…
    (
        re.compile(r"(?i)([?&][\w-]*(?:key|token|secret|password|signature|sig)=)[^&\s#]+"),
        rf"\1{_REDACTED}",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {_REDACTED}"),
    # keys by the prefixes their issuers give them
    (re.compile(r"\b(sk|pk|rk)-[\w-]{16,}|\bhf_\w{16,}|\bgh[a-z]_\w{16,}"), _REDACTED),
    (re.compile(r"\bgithub_pat_\w{16,}|\bAKIA[0-9A-Z]{16}\b|\bAIza[\w-]{30,}"), _REDACTED),
    (re.compile(r"\bxox[a-z]-[\w-]{10,}|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*"), _REDACTED),
]


def redact(value: Any, *, secrets: tuple[str, ...] = ()) -> Any:
    """Replace credentials by "[redacted]": in URLs, under telling names, and known keys verbatim.

    Args:
        value: text, or settings nested in mappings, lists and dataclasses.
        secrets: keys in use, removed wherever they stand (a server may echo one in an error).

    Returns:
        a copy of the same shape; dataclasses become dictionaries.

    Example:
        >>> redact({"url": "https://me:pw@host/v1?api_key=abc", "api_key": "abc", "max_tokens": 9})
        {'url': 'https://[redacted]@host/v1?api_key=[redacted]', 'api_key': '[redacted]',
         'max_tokens': 9}
    """
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {
            redact(key, secrets=secrets): _REDACTED
            if isinstance(key, str) and _SECRET_NAME.search(key) and isinstance(item, str)
            else redact(item, secrets=secrets)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return type(value)(redact(item, secrets=secrets) for item in value)
    if not isinstance(value, str):
        return value
    for secret in filter(None, secrets):
        value = value.replace(secret, _REDACTED)
    for pattern, replacement in _SECRET_TEXT:
        value = pattern.sub(replacement, value)
    return value
