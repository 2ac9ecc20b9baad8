"""A chat model that does what it is asked, in every form that a way of asking may ask for."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from variegate.prompting import Documents, Property, SimulatedChat, asking

FRUITS = ["apple", "kiwi", "fig", "plum", "pear", "lime", "date", "melon"]
TEXTS = ["Apples grow on trees.", "Kiwis come from China.", "Figs are sweet.", "Plums are blue."]


def oblige(heard: str, rng: np.random.Generator) -> str:
    """Answer by the form that is asked for; contents are drawn from eight fruits."""
    asked = heard.rsplit("user: ", 1)[-1]
    fruit = FRUITS[rng.integers(8)]
    picks = [FRUITS[i] for i in rng.permutation(8)]
    wanted = (
        int(m[-1]) if (m := re.findall(r"(?:Give|Name|Make|Derive from them) (\d+)", heard)) else 4
    )
    numbered = "\n".join(f"{i}. {pick} {i}" for i, pick in enumerate(picks[:wanted], start=1))
    if "yes-or-no properties" in asked:
        rows = [{"property": f"p{i}", "yes": f"It is p{i}.", "no": f"It is not p{i}."}
                for i in range(4)]  # fmt: skip
        return json.dumps(rows)
    if "forecaster" in asked:
        return "For A: so. For B: so.\nP(A) = 0.75"
    if '"view"' in asked:
        return json.dumps({"view": f"view of {fruit}", "query": f"where {fruit} grow"})
    if "yes or no." in asked:
        return "yes"
    if "JSON list of strings" in asked:
        return json.dumps([f"observation {pick}" for pick in picks[:3]])
    if "{i}. " in asked or "numbered list" in asked:
        return numbered
    if '"responses"' in heard and "Solve it" in heard:
        return json.dumps({"responses": picks})
    if '"responses"' in heard and '"text"' in heard:
        rows = [{"text": pick, "probability": 0.1} for pick in picks[:wanted]]
        return json.dumps({"responses": rows})
    if '"responses"' in heard:
        return json.dumps({"responses": picks[:wanted]})
    if "assistant: <think>" in heard:
        return fruit if "</think>" in heard else f"some thought</think>{fruit}"
    return fruit


PARAMS = {
    "by-approach": {},
    "openings": {"openings": ("I say", "Well,")},
    "view-by-view": {"retriever": Documents(TEXTS), "passages": 2},
    "long-tail": {
        "slots": {"fruit": "a fruit", "place": "a country"},
        "likelihood": lambda texts: [-float(len(text)) for text in texts],
    },
    "particles": {"max_steps": 3},
    "tree": {"max_steps": 3},
    "stratified": {},
}
PROMPT = "The {fruit} comes from {place}."


def make(name: str):
    return asking(name, **PARAMS.get(name, {}))


@pytest.fixture
def obliging() -> SimulatedChat:
    return SimulatedChat(oblige)


@pytest.fixture
def way():
    return make


@pytest.fixture
def halves() -> tuple[Property, ...]:
    return (
        Property(name="red", yes="It is red.", no="It is not red.", probability=0.8),
        Property(name="big", yes="It is big.", no="It is not big.", probability=0.5),
    )
