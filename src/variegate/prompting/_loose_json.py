"""JSON as models write it: read what is meant, linear in the length, nothing evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Bare", "Cut", "Pairs", "Value", "loose_json"]

_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_BRACKET = re.compile(r"[{\[]")
_BARE = re.compile(r"[^\s,:{}\[\]][^,:{}\[\]\n]*")
_OPENS_NEXT = re.compile(r"""\s*(?:["'“‘{\[\]}]|-?\d|$|[A-Za-z_]{1,40}\s*:)""")
_DEPTH = 40  # no answer needs more


class Bare(str):
    """A word without quotation marks: a number, true, null, 35%."""

    __slots__ = ()


class Cut(str):
    """A string whose end never came."""

    __slots__ = ()


class Pairs(NamedTuple):
    """An object, its pairs in order; a key may stand there twice."""

    pairs: list[tuple[str, Value]]


Value = str | Pairs | list["Value"]


def loose_json(text: str) -> Iterator[tuple[Value, int, int]]:
    """Yield every object and array in a text, outermost first, with where it starts and ends.

    Read are fences and prose around it, single and curly quotes, keys without quotes, quotes
    inside strings, comments, missing and trailing commas, missing and surplus brackets, a text
    that ends half-way. A bracket that opens nothing readable is passed over.
    """
    reader = _Reader(text)
    at = 0
    while found := _BRACKET.search(text, at):
        start = found.start()
        try:
            value, at = reader.value(start, depth=0)
        except _TooDeepError as error:
            at = error.at
            continue
        yield value, start, at


class _TooDeepError(Exception):
    def __init__(self, at: int) -> None:
        self.at = at


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        # (quote, is a key) of which no proper end is left: looked for once, so time is linear.
        self.hopeless: set[tuple[str, bool]] = set()
        self.last_comment = text.rfind("*/") - 1  # a comment that starts later never ends

    def value(self, at: int, *, depth: int) -> tuple[Value, int]:
        if depth > _DEPTH:
            raise _TooDeepError(self._past_brackets(at))
        first = self.text[at]
        if first == "{":
            return self.object(at + 1, depth=depth)
        if first == "[":
            return self.array(at + 1, depth=depth)
        if first in _QUOTES:
            return self.string(at, key=False)
        return self.bare(at)

    def object(self, at: int, *, depth: int) -> tuple[Pairs, int]:
        pairs: list[tuple[str, Value]] = []
        while (at := self.skip(at, ",")) < len(self.text):
            here = self.text[at]
            if here == "}":
                return Pairs(pairs), at + 1
            if here == "]":  # the brace was forgotten; the bracket is the array's
                return Pairs(pairs), at
            if here in "{[:":  # a value without a key
                if here == ":":
                    at += 1
                    continue
                value, at = self.value(at, depth=depth + 1)
                pairs.append(("", value))
                continue
            key, at = self.string(at, key=True) if here in _QUOTES else self.bare(at)
            after = self.skip(at)
            if after >= len(self.text):  # a key of which nothing followed
                break
            if self.text[after] != ":":
                pairs.append(("", key))
                continue
            at = self.skip(after + 1)
            if at >= len(self.text):
                pairs.append((str(key), Cut("")))
                break
            if self.text[at] in ",}]":
                pairs.append((str(key), Bare("")))
                continue
            value, at = self.value(at, depth=depth + 1)
            pairs.append((str(key), value))
        return Pairs(pairs), len(self.text)

    def array(self, at: int, *, depth: int) -> tuple[list[Value], int]:
        items: list[Value] = []
        while (at := self.skip(at, ",")) < len(self.text):
            here = self.text[at]
            if here == "]":
                return items, at + 1
            if here == "}":  # surplus, or the bracket was forgotten
                return items, at if depth else at + 1
            if here == ":":
                at += 1
                continue
            value, at = self.value(at, depth=depth + 1)
            items.append(value)
        return items, len(self.text)

    def string(self, at: int, *, key: bool) -> tuple[str, int]:
        quote = self.text[at]
        ends = {_QUOTES[quote], quote}
        begin, end = at + 1, -1
        if (quote, key) not in self.hopeless:
            end = self._end(begin, ends, key=key)
            if end < 0:
                self.hopeless.add((quote, key))
        if end < 0:
            end = min((i for e in ends if (i := self.text.find(e, begin)) >= 0), default=-1)
        if end < 0:
            return Cut(_unescaped(self.text[begin:])), len(self.text)
        return _unescaped(self.text[begin:end]), end + 1

    def bare(self, at: int) -> tuple[str, int]:
        match = _BARE.match(self.text, at)
        if match is None:
            return Bare(""), at + 1
        return Bare(match[0].strip()), match.end()

    def skip(self, at: int, more: str = "") -> int:
        """Pass over space, comments and the characters of `more`."""
        text = self.text
        while at < len(text):
            if text[at].isspace() or text[at] in more:
                at += 1
            elif text.startswith("//", at):
                end = text.find("\n", at)
                at = len(text) if end < 0 else end
            elif at < self.last_comment and text.startswith("/*", at):
                at = text.find("*/", at + 2) + 2
            else:
                break
        return at

    def _end(self, at: int, ends: set[str], *, key: bool) -> int:
        """Where a string closes: at a quotation mark that is followed by what follows a string."""
        text = self.text
        while at < len(text):
            here = text[at]
            if here == "\\":
                at += 2
                continue
            if here in ends and self._closes(at + 1, key=key):
                return at
            at += 1
        return -1

    def _closes(self, at: int, *, key: bool) -> bool:
        text, after = self.text, at
        while after < len(text) and text[after].isspace():
            after += 1
        if after >= len(text):
            return True
        here = text[after]
        if here == ":":
            return key
        if here in "}]":
            return True
        if here == ",":
            return _OPENS_NEXT.match(text, after + 1) is not None
        # A missing comma: the next string starts on another line.
        return here in "\"'“‘{" and "\n" in text[at:after]

    def _past_brackets(self, at: int) -> int:
        while at < len(self.text) and self.text[at] in "[{ \t\r\n,":
            at += 1
        return at


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text

    def one(match: re.Match[str]) -> str:
        if match[1]:
            code = int(match[1], 16)
            return chr(code)
        return _ESCAPES.get(match[2], match[2])

    plain = re.sub(r"\\(?:u([0-9a-fA-F]{4})|(.))", one, text, flags=re.DOTALL)
    # Two escapes may be the halves of one character; a half alone is none.
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
