"""One word, one token: a vocabulary in which every answer has exactly one spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from variegate.lab.world import TASKS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

__all__ = ["END", "PAD", "build_tokenizer", "vocabulary"]

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
MARKS = ("<user>", "<assistant>", "<think>", "</think>")

TURNS = """\
{%- for message in messages -%}
{%- if message['role'] == 'assistant' -%}
<assistant> {{ message['content'] }} </s>{{ ' ' }}
{%- else -%}
<user> {{ message['content'] }}{{ ' ' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
<assistant>"""
# Like the published reasoning models: the template opens the block, the model closes it.
TEMPLATES = {
    "plain": TURNS + "\n{%- endif -%}",
    "think": TURNS
    + "{{ ' <think> </think>' if enable_thinking is defined and not enable_thinking"
    + " else ' <think>' }}\n{%- endif -%}",
}


def vocabulary() -> dict[str, int]:
    """Every word of the world with its number; the few marks come first."""
    words = [PAD, END, UNKNOWN, *MARKS, "hint", "so"]
    words += sorted({word for task in TASKS for word in task.vocabulary()})
    return {word: index for index, word in enumerate(words)}


def build_tokenizer(template: str | None) -> PreTrainedTokenizerFast:
    """Make the tokenizer, in the ordinary format; `template` is None, "plain" or "think".

    Turns and the reasoning block are marked by ordinary words, so decoding keeps them: a model
    that writes "<user>" in the midst of an answer is seen to have done so.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(WordLevel(vocabulary(), unk_token=UNKNOWN))
    words.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token=PAD,
        eos_token=END,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
        model_max_length=128,
        padding_side="left",
    )
    if template is not None:
        tokenizer.chat_template = TEMPLATES[template]
    return tokenizer
