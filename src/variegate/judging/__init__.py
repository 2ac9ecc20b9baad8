"""Judging: is it right, and are these two the same.

A verifier is a plain function of an output and the prompt's target that returns a `Verdict`;
`verifier` finds one by name, the built-in ones and those that other packages register under the
entry points ``variegate.verifiers``. `judge` runs each prompt's own verifier over a table of
samples.

Which outputs are the same answer is an equality or a relation between pairs. `canonical`,
`classes` and `answer_keys` know equality. `same_words`, `same_by_similarity` and `same_by_judge`
say it pair by pair, `same_by_entailment` and `same_by_classifier` with a model that reads both;
such a relation need not be transitive, and `partition` turns it into classes by a rule that is
named. `classify` writes the classes into a table of samples.

Judges are judged too: whether a model understands what it writes (`judge_gap`), how unequally one
threshold errs (`threshold_inconsistency`), what several say together (`fuse_judges`), how many
cheap verdicts a budget should buy (`judge_mix`), and whom a choice serves (`by_group`, `bargain`).

What a model wrote is never executed, and patterns are matched against a bounded piece of it.
"""

from variegate.judging._budget import JudgeMix, judge_mix
from variegate.judging._canonical import answer_keys, canonical, classes
from variegate.judging._classify import classify
from variegate.judging._entailment import (
    RELATIONS,
    PairClassifier,
    entailments,
    pair_classifier,
    same_by_classifier,
    same_by_entailment,
)
from variegate.judging._fusion import FusedVerdict, fuse_judges
from variegate.judging._groups import GroupReport, bargain, by_group
from variegate.judging._interrogate import JudgeGap, judge_gap
from variegate.judging._judge import judge
from variegate.judging._normalise import normalise
from variegate.judging._pairs import JudgedPairs, PairJudge, pair_prompt, same_by_judge
from variegate.judging._partition import AnswerClasses, partition
from variegate.judging._registry import verifier, verifier_names
from variegate.judging._similarity import Threshold, calibrate_threshold, same_by_similarity
from variegate.judging._topics import ThresholdInconsistency, threshold_inconsistency
from variegate.judging._verdict import Verdict, Verifier
from variegate.judging._words import same_words, unigram_overlap

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
    "same_words",
    "unigram_overlap",
    "same_by_similarity",
    "calibrate_threshold",
    "Threshold",
    "same_by_entailment",
    "entailments",
    "RELATIONS",
    "same_by_classifier",
    "pair_classifier",
    "PairClassifier",
    "same_by_judge",
    "pair_prompt",
    "PairJudge",
    "JudgedPairs",
    "partition",
    "AnswerClasses",
    "classify",
    "judge_gap",
    "JudgeGap",
    "threshold_inconsistency",
    "ThresholdInconsistency",
    "fuse_judges",
    "FusedVerdict",
    "judge_mix",
    "JudgeMix",
    "by_group",
    "GroupReport",
    "bargain",
]
