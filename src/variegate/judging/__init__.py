"""Judging: is it right, and are these two the same.

A verifier is a plain function of an output and the prompt's target that returns a `Verdict`;
`verifier` finds one by name, the built-in ones and those that other packages register under the
entry points ``variegate.verifiers``. `judge` runs each prompt's own verifier over a table of
samples. `canonical`, `classes` and `answer_keys` say which outputs
are the same answer.

What a model wrote is never executed, and patterns are matched against a bounded piece of it.
"""

from variegate.judging._canonical import answer_keys, canonical, classes
from variegate.judging._judge import judge
from variegate.judging._normalise import normalise
from variegate.judging._registry import verifier, verifier_names
from variegate.judging._verdict import Verdict, Verifier

__all__ = [
    "Verdict",
    "Verifier",
    "judge",
    "verifier",
    "verifier_names",
    "normalise",
    "canonical",
    "classes",
    "answer_keys",
]
