"""The one choke point between a model's words and a terminal."""

from __future__ import annotations

__all__ = ["clean_text"]

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_PICTURES = 0x2400  # U+2400 to U+2421 show the control characters U+0000 to U+0020

# Directional marks, embeddings, overrides and isolates: they reorder what the reader sees.
_BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
# Tag characters: invisible text that a reading agent would obey.
_TAGS = range(0xE0000, 0xE0080)

_SHOWN: dict[int, str] = {code: chr(_PICTURES + code) for code in range(0x20)}
_SHOWN |= {0x7F: "\N{SYMBOL FOR DELETE}"}
_SHOWN |= dict.fromkeys((*range(0x80, 0xA0), *_BIDI, *_TAGS, *range(0xD800, 0xE000)), _REPLACEMENT)
_SHOWN |= dict.fromkeys((0x2028, 0x2029), "\N{SYMBOL FOR NEWLINE}")
_SHOWN.pop(ord("\n"))
_SHOWN.pop(ord("\t"))


def clean_text(text: str) -> str:
    r"""Make text that a model wrote safe to print on a terminal.

    Control characters (and with them every escape sequence) become their visible pictures, marks
    that reorder text and invisible tags become U+FFFD; newlines and tabs stay. Nothing is dropped,
    so a reader sees that something was there. Printing through rich also needs a `rich.text.Text`
    or `rich.markup.escape`: square brackets are ordinary text here.

    Example:
        >>> clean_text("\x1b[31mred\x1b[0m \u202egnp.exe\x00")
        '␛[31mred␛[0m �gnp.exe␀'
    """
    return text.replace("\r\n", "\n").translate(_SHOWN)
