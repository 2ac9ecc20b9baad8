"""Write docs/laws.md: which law holds for which metric, and why not where it does not.

`python docs/laws.py` from anywhere. The tests hold every line of it on random sets of outputs:
a law that is said to hold does, and one that is said not to is broken by one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from variegate.metrics import Metric, metric, metric_names

PAGE = Path(__file__).resolve().parent / "laws.md"


@dataclass(frozen=True, kw_only=True)
class Law:
    """A sentence about every metric, with those that break it.

    Args:
        name: heads its column.
        sentence: what it says; a set is a prompt's outputs, or for a metric of a whole set the
            outputs of a task.
        broken_by: reason → metrics that break it for that reason.
        of_variety: whether it says something of more or less variety, which a metric without a
            direction does not answer.
    """

    name: str
    sentence: str
    broken_by: Mapping[str, tuple[str, ...]]
    of_variety: bool = False

    def asks(self, entry: Metric) -> bool:
        """Whether the law says something about this metric."""
        return not self.of_variety or entry.direction != "neither"

    def holds(self, name: str) -> bool:
        """Whether the metric keeps the law."""
        return not any(name in names for names in self.broken_by.values())

    def reason(self, name: str) -> str:
        """Why it does not."""
        return next(reason for reason, names in self.broken_by.items() if name in names)


LAWS: tuple[Law, ...] = (
    Law(
        name="order",
        sentence="Another order of a prompt's outputs leaves the value as it is.",
        broken_by={
            "It compresses one output after the other, and finds what repeats only nearby.": (
                "compression_ratio",
            ),
            "It takes the first outputs of all prompts as a set, then the second; another order "
            "makes other sets. Its expectation is the same.": ("vendi_across", "ead_across"),
        },
    ),
    Law(
        name="names",
        sentence="Other names of the prompts, in another alphabetical order, leave it.",
        broken_by={},
    ),
    Law(
        name="company",
        sentence="What is measured beside it, other prompts and other arms, leaves it.",
        broken_by={
            "It cuts the outputs of a prompt to one length in all arms measured together.": (
                "vendi_length_controlled",
                "pairwise_length_controlled",
                "ead_length_controlled",
            ),
            "Its largest value is that of all answers that any arm gave to the prompt.": (
                "attribute_entropy",
            ),
        },
    ),
    Law(
        name="doubling",
        sentence="The whole set taken twice leaves it (at the same k).",
        broken_by={
            "It estimates the distribution that the outputs were drawn from, not their own: twice "
            "as many with no new one say that there is less still unseen.": (
                "pairwise",
                "pairwise_length_controlled",
                "gini_simpson",
                "distinct_at_k",
                "unique_correct_at_k",
                "pass_at_k",
                "utility_at_k",
                "answer_entropy",
                "rke",
                "sample_coverage",
            ),
            "It counts what is different over all there is, and the second half brings nothing "
            "different.": (
                "ead",
                "ead_length_controlled",
                "distinct_2",
                "ngram_diversity",
                "cluster_score",
            ),
            "It looks for each output, or parts of it, among the others, and finds its twin.": (
                "self_bleu",
                "self_repetition",
                "homogenisation",
                "edit_diversity",
                "compression_ratio",
            ),
            "A determinant of cosines: it grows with n, or drops where two outputs are equal.": (
                "log_determinant",
                "log_determinant_distance",
                "population_volume",
            ),
            "It averages at most 8 sets of one output a prompt, or as many as the prompt with the "
            "fewest outputs has: doubling pairs up other outputs.": ("vendi_across", "ead_across"),
        },
    ),
    Law(
        name="copy",
        sentence="A copy of one output of every prompt, added to it, does not raise the variety.",
        of_variety=True,
        broken_by={
            "A copy of a rare output evens out how often each is said, and evenness is variety.": (
                "vendi",
                "vendi_length_controlled",
                "vendi_2",
                "vendi_inf",
                "vendi_truncated",
                "dcscore",
                "rke",
                "pairwise",
                "pairwise_length_controlled",
                "gini_simpson",
                "distinct_at_k",
                "unique_correct_at_k",
                "answer_entropy",
                "answer_entropy_plugin",
                "default_share",
                "vendi_conditional",
                "leinster_cobbold",
                "attribute_entropy",
            ),
            "It is a mean over outputs, pairs of them or tokens: a copy of one unlike the rest, or "
            "various in itself, lifts the mean.": (
                "branching_factor",
                "token_entropy",
                "branching_factor_surprise",
                "surprise",
                "mtld",
                "hdd",
                "mattr",
                "maas",
                "self_bleu",
                "self_repetition",
                "homogenisation",
                "edit_diversity",
            ),
            "The copy moves the length to which the outputs are cut.": ("ead_length_controlled",),
            "The copy weighs what its prompt says, and so how far the prompts are apart; or it is "
            "pooled with other outputs than its original.": (
                "pairwise_across",
                "vendi_across",
                "ead_across",
            ),
            "It grows with every output, a copy too.": ("log_determinant",),
            "The cost of a copy has an end, ln 50 to ln 100 at the ridge of 0.01; where nearly all "
            "outputs are equal, the mean is above it.": ("log_determinant_distance",),
            "The bytes that say where a short copy repeats can outweigh those it adds.": (
                "compression_ratio",
            ),
        },
    ),
    Law(
        name="bounds",
        sentence="The value lies within the bounds that its entry states, where it states one.",
        broken_by={},
    ),
    Law(
        name="equal",
        sentence="Outputs that are all the same give the entry's end of least variety.",
        of_variety=True,
        broken_by={
            "The end is for one word repeated without end; one text repeated still holds its own "
            "n-grams.": (
                "ead",
                "ead_length_controlled",
                "ead_across",
                "distinct_2",
                "ngram_diversity",
            ),
            "It has no such end: it grows the longer the repetition.": (
                "compression_ratio",
                "self_repetition",
            ),
            "It reads each output, or each token, by itself; what the others say is nothing to "
            "it.": (
                "branching_factor",
                "token_entropy",
                "branching_factor_surprise",
                "surprise",
                "mtld",
                "hdd",
                "mattr",
                "maas",
            ),
            "Its end is that none is right; the same right answer throughout is 1.": (
                "unique_correct_at_k",
            ),
            "Its end moves with n: ln(1 + n), 1/n, and a distance that grows towards ln 100.": (
                "log_determinant",
                "cluster_score",
                "log_determinant_distance",
            ),
            "Outputs of fewer than four words hold no four-word sequence to share, and BLEU-4 puts "
            "little in its place.": ("self_bleu",),
        },
    ),
)


def page() -> str:
    """The page as text."""
    names = metric_names()
    lines = [
        "# Laws",
        "",
        "What a metric does when the outputs change in a way whose meaning is plain. A law that is",
        "broken is seldom a fault: it says what the number counts, and what not to compare. The",
        "tests hold every line of this page on random sets of outputs: a law said to hold does on",
        "all of them, and one said not to is broken by at least one.",
        "",
        *(f"- **{law.name}**: {_lowered(law.sentence)}" for law in LAWS),
        "",
        "✓ holds, – is broken (why: below), blank: the metric has no direction of variety.",
        "",
        f"| metric | {' | '.join(law.name for law in LAWS)} |",
        f"|---|{':-:|' * len(LAWS)}",
    ]
    for name in names:
        marks = [_mark(law, name) for law in LAWS]
        lines.append(f"| `{name}` | {' | '.join(marks)} |")
    for law in LAWS:
        lines += ["", f"## {law.name.capitalize()}", "", law.sentence, ""]
        lines += [
            f"- {', '.join(f'`{name}`' for name in names if name in broken)}: {_lowered(reason)}"
            for reason, broken in law.broken_by.items()
        ] or ["No metric breaks it."]
    return "\n".join([*lines, ""])


def _mark(law: Law, name: str) -> str:
    if not law.asks(metric(name)):
        return " "
    return "✓" if law.holds(name) else "–"


def _lowered(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
