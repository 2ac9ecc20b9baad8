"""What a model wrote reaches neither terminal nor file as anything but text."""

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from variegate.samples import clean_text, redact

PAYLOADS = [
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;http://evil.example\x07link\x1b]8;;\x07",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x9b31mC1",
    "\x00NUL",
    "over\rwritten",
    "\u202egpj.exe",
    "\u2066isolate\u2069",
    "tag\U000e0041",
    "back\x08space\x7f",
    "lone \ud800",
]
DANGEROUS = {"Cc", "Cs"}


@pytest.mark.fault(31)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_fault_31_nothing_that_a_terminal_obeys_is_left(payload):
    shown = clean_text(payload)
    assert len(shown) == len(payload)  # every dangerous character leaves a visible mark
    assert shown != payload
    assert shown.isprintable()


@pytest.mark.fault(31)
@given(st.text())
def test_fault_31_of_any_text_only_newlines_and_tabs_control_anything(text):
    shown = clean_text(text)
    left = {char for char in shown if unicodedata.category(char) in DANGEROUS}
    assert left <= {"\n", "\t"}
    assert not any(unicodedata.bidirectional(char) in BIDI for char in shown)
    assert clean_text(shown) == shown
    shown.encode()


BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@pytest.mark.fault(31)
def test_fault_31_markup_of_rich_is_text():
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, color_system="truecolor", width=200)
    console.print(Text(clean_text("[red]\x1b[2J[/red] [link=http://evil.example]x[/link]")))
    assert output.getvalue() == "[red]␛[2J[/red] [link=http://evil.example]x[/link]\n"


def test_ordinary_text_stays():
    text = "Füße\n\t你好 👩\u200d🔬 שלום\u00a0!"
    assert clean_text(text) == text


CANARY = "sk-canary-0123456789abcdef"


@pytest.mark.fault(33)
@pytest.mark.parametrize(
    "text",
    [
        f"https://user:{CANARY}@host/v1",
        f"https://{CANARY}@host/v1",
        f"https://host/v1?api_key={CANARY}&n=1",
        f"Authorization: Bearer {CANARY}",
        f"Incorrect API key provided: {CANARY}.",
    ],
)
def test_fault_33_a_key_in_text_is_redacted(text):
    assert CANARY not in redact(text)
    assert "[redacted]" in redact(text)


@pytest.mark.fault(33)
@pytest.mark.parametrize("name", ["api_key", "OPENAI_API_KEY", "token", "hf-token", "password"])
def test_fault_33_a_key_under_a_telling_name_is_redacted_at_any_depth(name):
    settings = {"endpoint": [{"name": "e", name: "plain words"}]}
    assert "plain words" not in str(redact(settings))


@pytest.mark.fault(33)
def test_fault_33_a_known_key_is_redacted_whatever_it_looks_like():
    assert redact({"error": "no such key: hunter2"}, secrets=("hunter2",)) == {
        "error": "no such key: [redacted]"
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"max_tokens": 5, "token_ids": [1], "tokenizer": "word", "key_points": "a"},
        {"url": "https://host:8000/v1?n=2", "mail": "me@host"},
        {"token": None, "n": (1, 2)},
    ],
)
def test_settings_that_are_no_secrets_stay(settings):
    assert redact(settings) == settings
