"""Free text without answers: counting wordings is not counting answers, and that is said."""

from __future__ import annotations

from variegate import measure
from variegate.samples import Samples


def told(rows) -> list[str]:
    found = measure(Samples.from_rows(rows), metrics=["gini_simpson"])
    return [c.text for c in found.cautions if c.kind == "wordings"]


def rows(*, answer=None, same=False):
    return [
        {
            "arm": "a",
            "prompt": f"Tell me about day {p}.",
            "text": "it was the same day again" if same else f"it was day {i} of week {p} then",
            "answer": answer,
        }
        for p in range(12)
        for i in range(4)
    ]


def test_free_text_without_answers_is_told_and_answers_or_copies_are_not() -> None:
    (said,) = told(rows())
    assert "48 of 48 outputs of a are worded like no other" in said
    assert told(rows(answer="sunny")) == []
    assert told(rows(same=True)) == []
    assert told([{**row, "text": row["text"].split()[3]} for row in rows()]) == []
