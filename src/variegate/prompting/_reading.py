"""Reading: what a model wrote where a list of answers was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from variegate.prompting._loose_json import Bare, Cut, Pairs, Value, loose_json
from variegate.prompting._probabilities import Wording, read_probabilities

__all__ = ["ReadAnswer", "Reading", "read_answers", "read_choice", "read_lines", "read_objects"]

TEXT_KEYS = ("text", "answer", "response", "content", "output", "item", "name", "value", "idea",
             "candidate", "completion", "result")  # fmt: skip
CHANCE_KEYS = ("probability", "prob", "p", "likelihood", "confidence", "percentage", "percent",
               "perplexity", "nll", "chance", "weight", "score")  # fmt: skip
REASON_KEYS = ("reasoning", "thoughts", "thinking", "rationale", "explanation")

_BULLET = re.compile(
    r"^[ \t]{0,8}(?:[*_#> ]{0,6}(?:answer|response|option|item|idea|alternative)?[ \t]*#?"
    r"\(?\d{1,3}[.):\]](?![\d%])|[-*•–+](?=\s))[*_]*[ \t]*",
    re.IGNORECASE,
)
_CHANCE = (
    r"(?:probability|prob|likelihood|confidence|chance|percentage|perplexity|nll|p)\.?"
    r"[*_ \t]*(?:of|is|[:=≈~]){1,2}[*_ \t]*(?P<said#>[^\n()\[\]]{1,40})"
)
_NUMBER = r"[~≈<>]?[-−]?(?:\d{1,4}(?:[.,]\d{1,12})?|[.,]\d{1,12})(?:e-\d{1,3})?"
_SHARE = rf"{_NUMBER}[ \t]*(?:%|percent)?|\d{{1,6}}[ \t]*(?:/|in|out of)[ \t]*\d{{1,6}}"
_TAIL = re.compile(
    r"[ \t]*(?:[-–—|,;:]+[ \t]*)?(?:"
    r"[(\[][ \t*_]*" + _CHANCE.replace("#", "1") + r"[)\]]"
    r"|[*_]*\b" + _CHANCE.replace("#", "2") +
    rf"|[(\[][ \t]*(?P<said3>{_SHARE})[ \t]*[)\]]"
    rf"|(?<=[-–—|:])[ \t]*(?P<said4>{_SHARE})"
    rf"|[ \t](?P<said5>{_NUMBER}[ \t]*(?:%|percent))"
    r")[ \t.*_]*$",
    re.IGNORECASE,
)  # fmt: skip
_OPEN_TAG = re.compile(r"<(response|answer|candidate|item)\b([^<>]{0,200})>", re.IGNORECASE)
_FENCE = re.compile(r"```[a-zA-Z]{0,10}")
_LONG = 200_000  # characters; what comes after is not read, and said to be


@dataclass(frozen=True, kw_only=True)
class ReadAnswer:
    """One answer as it was read.

    Args:
        text: the answer.
        probability: in [0, 1]; None where none was said or none could be read.
        said: what stood where the probability was asked for.
        cut: whether the reply ended in the middle of it.
    """

    text: str
    probability: float | None = None
    said: str | None = None
    cut: bool = False


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What could be read of a reply, and what could not.

    Args:
        answers: in the order they stand there.
        unread: pieces that were to be an answer or a probability and are none.
        reasoning: what the reply said before it listed, where asked for.
        form: ``"json"``, ``"tags"``, ``"list"``, or ``"none"`` where nothing was found.
    """

    answers: tuple[ReadAnswer, ...]
    unread: tuple[str, ...] = ()
    reasoning: str | None = None
    form: str = "none"


def read_answers(text: str, *, wording: Wording = "explicit", cut: bool = False) -> Reading:
    """Read a list of answers, with or without probabilities, out of a reply.

    Tried in this order: JSON however broken, tags such as ``<response>``, a numbered or bulleted
    list. Nothing is evaluated, no text is invented, and time is linear in the length. An object
    with two texts is two answers. A probability that cannot be read leaves its answer without
    one and is listed as unread.

    Args:
        text: what the model wrote.
        wording: how the probabilities were asked for, see `read_probabilities`.
        cut: the reply stopped at its token limit, so a number at its very end may lack digits.

    Returns:
        A `Reading`; without answers where none was found, then all of the text is unread.

    Example:
        >>> found = read_answers('Sure! [{"text": "kiwi", "probability": "30%"}, {"text": "fig"')
        >>> [(a.text, a.probability) for a in found.answers], found.form
        ([('kiwi', 0.3), ('fig', None)], 'json')
        >>> read_answers("1. kiwi (probability: 1 in 5)").answers[0].probability
        0.2
        >>> read_answers("I would rather not.").unread
        ('I would rather not.',)
    """
    late = (text[_LONG:],) if len(text) > _LONG else ()
    text = text[:_LONG]
    for form, reader in (("json", _from_json), ("tags", _from_tags), ("list", _from_list)):
        found, unread, reasoning = reader(text)
        if not found:
            continue
        whole = [said for _, said, _ in found]
        if cut and whole[-1] is not None and text.rstrip().endswith(whole[-1]):
            whole[-1] = None
        chances = read_probabilities(whole, wording=wording)
        answers = tuple(
            ReadAnswer(text=answer, probability=p, said=said, cut=ends)
            for (answer, said, ends), p in zip(found, chances, strict=True)
        )
        doubtful = tuple(a.said for a in answers if a.said and a.probability is None)
        return Reading(
            answers=answers, unread=(*unread, *doubtful, *late), reasoning=reasoning, form=form
        )
    return Reading(answers=(), unread=(text, *late) if text.strip() else late)


def read_lines(text: str) -> list[str]:
    r"""Read the items of a plain list; without any marks of a list, nothing.

    Example:
        >>> read_lines("Here they are:\n\n1. Count the edges.\n2) Sort them.\n\nGood luck!")
        ['Count the edges.', 'Sort them.']
    """
    return [answer.text for answer in read_answers(text).answers]


def read_objects(text: str) -> list[dict[str, str]]:
    """Read the objects of a JSON list, however broken, as texts by lower-case key.

    Values that are no text are left out, and so are objects without any.

    Example:
        >>> read_objects("[{'Name': 'size', yes: 'It is large.'}, {'name': 3}]")
        [{'name': 'size', 'yes': 'It is large.'}, {'name': '3'}]
    """
    found = []
    for value, _, _ in loose_json(text[:_LONG]):
        for pairs in _objects(value):
            flat = {k.strip().lower(): v.strip() for k, v in pairs.pairs if isinstance(v, str)}
            if flat := {k: v for k, v in flat.items() if k and v}:
                found.append(flat)
    return found


def read_choice(text: str, choices: Iterable[str]) -> str | None:
    """Read a verdict: one of the choices and nothing else, or None.

    Space, quotation marks, emphasis and a full stop around it are passed over. Two verdicts, a
    verdict inside a sentence or JSON, and a word that was not offered are no verdict.

    Example:
        >>> read_choice(" **Yes.** ", ["yes", "no"]), read_choice("Yes or no", ["yes", "no"])
        ('yes', None)
    """
    word = text.strip().strip("*_`\"'“”. \n\t!").casefold()
    return next((choice for choice in choices if choice.casefold() == word), None)


Found = list[tuple[str, str | None, bool]]


def _from_json(text: str) -> tuple[Found, list[str], str | None]:
    found: Found = []
    unread: list[str] = []
    reasons: list[str] = []
    # A fence is blanked out, not removed, so that places stay what they are.
    text = _FENCE.sub(lambda fence: " " * len(fence[0]), text)
    for value, start, end in loose_json(text):
        before = len(found)
        _gather(value, found, unread, reasons, top=True)
        if len(found) == before and isinstance(value, Pairs) and value.pairs:
            unread.append(text[start:end][:500])
    return found, unread, "\n".join(reasons) or None


def _gather(
    value: Value, found: Found, unread: list[str], reasons: list[str], *, top: bool
) -> None:
    """Collect the answers of a JSON value, whatever shape the model gave them."""
    if isinstance(value, list):
        _gather_array(value, found, unread, reasons, top=top)
        return
    if not isinstance(value, Pairs):
        return
    pairs = value.pairs
    keys = [key.strip().lower() for key, _ in pairs]
    reasons += [v for k, (_, v) in zip(keys, pairs, strict=True)
                if k in REASON_KEYS and isinstance(v, str)]  # fmt: skip
    nested = [v for _, v in pairs if not isinstance(v, str)]
    if any(k in TEXT_KEYS for k in keys) and any(
        k in TEXT_KEYS and isinstance(v, str) for k, (_, v) in zip(keys, pairs, strict=True)
    ):
        _gather_object(keys, [v for _, v in pairs], found, unread)
    elif (
        not nested
        and pairs
        and all(_is_chance(v) for _, v in pairs)
        and not set(keys) & set(CHANCE_KEYS)
    ):
        found += [(key, str(v), isinstance(v, Cut)) for key, (_, v) in zip(
            [key for key, _ in pairs], pairs, strict=True) if key.strip()]  # fmt: skip
    elif not nested and set(keys) & set(CHANCE_KEYS):
        unread.append(" ".join(f"{k}: {v}" for k, v in pairs)[:500])
    elif not nested:
        found += [(str(v), None, isinstance(v, Cut)) for k, (_, v) in zip(keys, pairs, strict=True)
                  if k not in REASON_KEYS and str(v).strip() and _numbered(k)]  # fmt: skip
    for inner in nested:
        _gather(inner, found, unread, reasons, top=False)


def _gather_array(
    items: list[Value], found: Found, unread: list[str], reasons: list[str], *, top: bool
) -> None:
    flat = all(isinstance(item, str) for item in items)
    if flat and len(items) == 2 and not top and _is_chance(items[1]) and not _is_chance(items[0]):
        found.append((str(items[0]), str(items[1]), False))
        return
    # "[1]" in prose is a reference, not a list of answers.
    if flat and top and all(isinstance(item, Bare) for item in items):
        return
    for item in items:
        if isinstance(item, str):
            if item.strip():
                found.append((item.strip(), None, isinstance(item, Cut)))
        else:
            _gather(item, found, unread, reasons, top=False)


def _gather_object(keys: list[str], values: list[Value], found: Found, unread: list[str]) -> None:
    """Answers of one object: a second text starts a second answer."""
    own = next(k for k in TEXT_KEYS if k in keys and isinstance(values[keys.index(k)], str))
    current: list[Any] | None = None
    early: str | None = None  # a probability that stood before its text
    for key, value in zip(keys, values, strict=True):
        if key == own and isinstance(value, str):
            if current is not None:
                found.append((current[0], current[1], current[2]))
            current = [value.strip(), early, isinstance(value, Cut)]
            early = None
        elif key in CHANCE_KEYS and isinstance(value, str):
            if current is None:
                early = str(value)
            elif current[1] is None:
                current[1] = str(value)
            else:
                unread.append(str(value))
    if current is not None:
        found.append((current[0], current[1], current[2]))
    blank = [item for item in found if not item[0]]
    if blank:
        unread += ["an answer without text"] * len(blank)
        found[:] = [item for item in found if item[0]]


def _is_chance(value: Value) -> bool:
    return isinstance(value, str) and bool(
        re.fullmatch(rf"\s*{_NUMBER}\s*(?:%|percent)?\s*|\s*\d+\s*(?:/|in|out of)\s*\d+\s*", value)
    )


def _numbered(key: str) -> bool:
    return not key or bool(re.fullmatch(r"[a-z]{0,12}[ _-]?\d{1,3}", key))


def _objects(value: Value) -> Iterable[Pairs]:
    if isinstance(value, Pairs):
        if any(isinstance(v, str) for _, v in value.pairs):
            yield value
        for _, inner in value.pairs:
            yield from _objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)


def _from_tags(text: str) -> tuple[Found, list[str], str | None]:
    found: Found = []
    unread: list[str] = []
    openings = list(_OPEN_TAG.finditer(text))
    if openings and openings[0][1].lower() != "response":
        kind = openings[0][1].lower()
    else:
        kind = "response"
    openings = [o for o in openings if o[1].lower() == kind]
    for place, opening in enumerate(openings):
        end = openings[place + 1].start() if place + 1 < len(openings) else len(text)
        block = text[opening.end() : end]
        close = block.lower().find(f"</{kind}")
        cut = close < 0 and place + 1 == len(openings)
        block = block if close < 0 else block[:close]
        said = _inside(block, "probability")
        inner = _inside(block, "text")
        if inner is None:
            inner = block[:at] if (at := block.lower().find("<probability")) >= 0 else block
        if said is None and (named := re.search(r"prob\w{0,12}\s*=\s*[\"']?([^\"'\s]{1,30})",
                                                 opening[2], re.IGNORECASE)):  # fmt: skip
            said = named[1]
        if inner.strip():
            found.append((inner.strip(), said, cut))
        elif block.strip():
            unread.append(block.strip()[:500])
    reasoning = _inside(text, "reasoning")
    return found, unread, reasoning


def _inside(block: str, tag: str) -> str | None:
    """What stands in a tag; to the next tag where it is never closed."""
    low = block.lower()
    if (start := low.find(f"<{tag}>")) < 0:
        return None
    start += len(tag) + 2
    ends = [i for i in (low.find(f"</{tag}", start), low.find("<probability", start)) if i >= 0]
    return block[start : min(ends, default=len(block))].strip()


def _from_list(text: str) -> tuple[Found, list[str], str | None]:
    items: list[list[str]] = []
    preamble: list[str] = []
    blank = False
    for line in text.split("\n"):
        bullet = _BULLET.match(line)
        if bullet and bullet.end() < len(line):
            items.append([line[bullet.end() :].rstrip()])
        elif not items:
            preamble.append(line)
        elif not line.strip():
            blank = True
            continue
        elif not blank or line[:1] in " \t":
            items[-1].append(line.strip())
        else:  # prose after the list
            break
        blank = False
    found: Found = []
    for lines in items:
        answer, said = _split_tail(lines)
        if answer:
            found.append((answer, said, False))
    return found, [], "\n".join(preamble).strip() or None


def _split_tail(lines: list[str]) -> tuple[str, str | None]:
    """Part an item from the probability at its end."""
    last = lines[-1][-300:]
    match = _TAIL.search(last)
    if match is None:
        return _bare("\n".join(lines)), None
    said = next(v for k, v in match.groupdict().items() if v is not None)
    kept = lines[-1][: len(lines[-1]) - len(last) + match.start()]
    return _bare("\n".join([*lines[:-1], kept])), said.strip().strip("*_")


def _bare(text: str) -> str:
    text = text.strip()
    for mark in ("**", "__", "*", "_", '"', "“"):
        close = "”" if mark == "“" else mark
        inner = text[len(mark) : -len(close)]
        if text.startswith(mark) and text.endswith(close) and inner and mark not in inner:
            text = inner.strip()
    return text.strip(" \t\n")
