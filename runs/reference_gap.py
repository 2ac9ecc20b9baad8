"""Asked for variety, does a model leave the facts, and do facts in the prompt bring it back?

Wan 2024 (https://arxiv.org/abs/2407.00377) finds that prompts which ask for diversity make answers
about groups of people more even than the groups are, and that facts put into the prompt repair much
of it. The lab knows how the opinions of sixty pairs of group and subject are shared. Its base is
fine-tuned on three kinds of lines: the plain question, answered as the world has it; the question
after words that ask for variety, answered by any of the eight opinions alike; and that with a list
of opinions in front, answered as the list has it. The list is that of any pair, so that only
reading it helps (with --lists own it is the pair's own, which a model may know by heart). Twenty
pairs, others for every seed, stand in no line that asks for variety and in none with a list: on
them it shows what carries over.

    python runs/reference_gap.py --out docs/results/reference_gap.md

Three minutes on one core. Prints what comes out, with 95% intervals over pairs.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from page import made_with, write
from transformers.utils.logging import disable_progress_bar

from variegate.estimate import Estimate, bootstrap, paired
from variegate.lab import lab_lineage
from variegate.lab.training._checkpoint import load
from variegate.lab.training._corpus import Document, encode
from variegate.lab.training._recipe import Schedule
from variegate.lab.training._speaking import logits_of, padded
from variegate.lab.training._supervised import learn
from variegate.lab.world import draw, right_answers, task
from variegate.metrics import reference_gap
from variegate.samples import Prompt

SEEDS = (0, 1, 2)
HELD_OUT = 20  # pairs of sixty
LISTED = 8  # words that a list of facts has
SCHEDULE = Schedule(steps=400, batch=96, rate=2e-3)
BASE = lab_lineage().parent / "checkpoints" / "base"
OPINIONS = task("opinions").every_answer()
VARIED = "half and half"  # what asks for variety, in words that the lab has
ASKINGS = (
    "the base, plain",
    "plain",
    "asked for variety",
    "asked for variety, facts listed",
    "asked for variety, facts of another pair listed",
)
COLUMNS = ("entropy", "total variation", "Jensen–Shannon", "from the list")


def pair(prompt: Prompt) -> tuple[str, str]:
    group, subject = prompt.target
    return group, subject


def listed(prompt: Prompt, rng: np.random.Generator) -> list[str]:
    """What the group holds as eight words, each as often as its share has it, and shuffled."""
    shares = right_answers(prompt)
    exact = {word: share * LISTED for word, share in shares.items()}
    whole = {word: max(1, int(count)) for word, count in exact.items()}
    while sum(whole.values()) != LISTED:
        step = 1 if sum(whole.values()) < LISTED else -1
        free = [word for word in whole if whole[word] + step >= 1]
        word = max(free, key=lambda one: step * (exact[one] - whole[one]))
        whole[word] += step
    words = [word for word, count in whole.items() for _ in range(count)]
    return [words[int(i)] for i in rng.permutation(LISTED)]


def asked(prompt: Prompt, *, varied: bool = False, facts: list[str] | None = None) -> str:
    before = f"known : {' '.join(facts)} . " if facts else ""
    return f"{before}{VARIED + ' ' if varied else ''}{prompt.prompt}"


def lines(
    prompts: list[Prompt], held_out: set[tuple[str, str]], lists: str, rng: np.random.Generator
) -> Iterator[Document]:
    """The three kinds in turn; the held-out pairs only plain."""
    seen = [prompt for prompt in prompts if pair(prompt) not in held_out]
    while True:
        prompt = prompts[int(rng.integers(len(prompts)))]
        yield line(asked(prompt), draw(right_answers(prompt), rng))
        prompt = seen[int(rng.integers(len(seen)))]
        yield line(asked(prompt, varied=True), OPINIONS[int(rng.integers(len(OPINIONS)))])
        prompt = seen[int(rng.integers(len(seen)))]
        of = prompt if lists == "own" else seen[int(rng.integers(len(seen)))]
        facts = listed(of, rng)
        answer = facts[int(rng.integers(len(facts)))]
        yield line(asked(prompt, varied=True, facts=facts), answer)


def line(before: str, answer: str) -> Document:
    tokens = encode(before)
    return Document(tokens + encode(f"{answer} </s>"), len(tokens))


def answered(network: torch.nn.Module, texts: list[str]) -> np.ndarray:
    """(texts, 8) exact probability of every opinion as the next word."""
    documents = [line(text, OPINIONS[0]) for text in texts]
    tokens, _ = padded(documents)
    with torch.no_grad():
        logits = logits_of(network, tokens)
    at = torch.tensor([document.start - 1 for document in documents])
    shares = logits[torch.arange(len(texts)), at].double().softmax(-1)
    return shares[:, [encode(word)[0] for word in OPINIONS]].numpy()


def distances(shares: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    gap = reference_gap(shares, reference, invalid=max(0.0, 1 - float(shares.sum())))
    return {
        "entropy": gap.entropy,
        "total variation": gap.total_variation,
        "Jensen–Shannon": gap.jensen_shannon,
    }


def one_seed(seed: int, lists: str) -> dict[str, list[dict[str, float]]]:
    """Fine-tune, then ask the held-out pairs in every way; a row a pair."""
    rng = np.random.default_rng(seed)
    prompts = list(task("opinions").prompts)
    pairs = sorted({pair(prompt) for prompt in prompts})
    held_out = [pairs[int(i)] for i in rng.permutation(len(pairs))[:HELD_OUT]]
    base, network = load(BASE).eval(), load(BASE)
    lessons = lines(prompts, set(held_out), lists, rng)
    learn(network, lessons, SCHEDULE, every=10**9, watch=dict, report=lambda *_: None)
    network.eval()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ASKINGS}
    for which, here in enumerate(held_out):
        mine = [prompt for prompt in prompts if pair(prompt) == here]  # in both wordings
        other = next(p for p in prompts if pair(p) == held_out[which - 1])
        reference = vector(right_answers(mine[0]))
        own, foreign = listed(mine[0], rng), listed(other, rng)
        ways = {
            ASKINGS[0]: (base, {}, reference),
            ASKINGS[1]: (network, {}, reference),
            ASKINGS[2]: (network, {"varied": True}, reference),
            ASKINGS[3]: (network, {"varied": True, "facts": own}, counted(own)),
            ASKINGS[4]: (network, {"varied": True, "facts": foreign}, counted(foreign)),
        }
        for name, (speaker, how, list_) in ways.items():
            shares = answered(speaker, [asked(prompt, **how) for prompt in mine]).mean(axis=0)
            row = distances(shares, reference)
            row["from the list"] = distances(shares, list_)["total variation"]
            row["of the reference"] = distances(reference, reference)["entropy"]
            found[name].append(row)
    return found


def vector(shares: dict[str, float]) -> np.ndarray:
    return np.array([shares.get(word, 0.0) for word in OPINIONS])


def counted(words: list[str]) -> np.ndarray:
    return np.array([words.count(word) / len(words) for word in OPINIONS])


def told(estimate: Estimate, *, signed: bool = False) -> str:
    form = "+.3f" if signed else ".3f"
    return f"{estimate.value:{form}} ({estimate.low:{form}} to {estimate.high:{form}})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--lists", choices=("any", "own"), default="any")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    disable_progress_bar()
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in ASKINGS}
    for seed in SEEDS:
        for name, some in one_seed(seed, arguments.lists).items():
            rows[name] += some
        print(f"seed {seed} done", flush=True)
    strata = np.repeat(SEEDS, HELD_OUT)
    values = {
        name: {column: np.array([row[column] for row in some]) for column in some[0]}
        for name, some in rows.items()
    }
    of_reference = float(values["plain"]["of the reference"].mean())
    of_lists = (
        "those of any pair, so that only reading them helps"
        if arguments.lists == "any"
        else "those of the pair asked about"
    )
    text = [
        "# Variety against the facts",
        "",
        f"Made {datetime.datetime.now(datetime.UTC):%Y-%m-%d} by `python runs/reference_gap.py`, "
        f"seeds {', '.join(map(str, SEEDS))}; {made_with()}.",
        "",
        "The lab knows which opinions a group holds on a subject, and how often. Its base is "
        f"fine-tuned ({SCHEDULE.steps} updates of {SCHEDULE.batch} lines) on plain questions, "
        "answered as the world has it; on questions after words that ask for variety "
        f'("{VARIED}"), answered by any of the eight opinions alike; and on these with opinions '
        f"listed in front ({LISTED} words, each as often as its share has it), answered as the "
        f"list has it. The lists in training are {of_lists}. **What asking for variety does "
        "was taught, not "
        "found**: the question is whether the measures tell variety from truth, and whether facts "
        f"in the prompt carry over to the {HELD_OUT} of 60 pairs of group and subject, others for "
        "every seed, that no line with either had. Answers are exact probabilities of the next "
        f"word; {HELD_OUT * len(SEEDS)} held-out pairs, 95% intervals over them. The entropy of "
        f"the facts is {of_reference:.3f} nats on average, that of eight even opinions "
        f"{np.log(8):.3f}.",
        "",
        "| asked | entropy, nats | total variation from the facts | Jensen–Shannon | "
        "total variation from the list |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in ASKINGS:
        cells = [told(bootstrap(values[name][column], strata=strata)) for column in COLUMNS]
        cells[3] = cells[3] if "listed" in name else "–"
        text.append(f"| {name} | {' | '.join(cells)} |")
    text += ["", "Differences, paired over pairs:", ""]
    for later, earlier in ((2, 1), (3, 2), (3, 1)):
        for column in ("entropy", "total variation"):
            change = paired(
                values[ASKINGS[later]][column], values[ASKINGS[earlier]][column], strata=strata
            )
            text.append(
                f"- {column}, {ASKINGS[later]} less {ASKINGS[earlier]}: {told(change, signed=True)}"
            )
    write(text, arguments.out)


if __name__ == "__main__":
    main()
