"""Do a few different agents do what many clones do?

Yang 2026 (https://arxiv.org/abs/2602.03794) finds that the accuracy of a vote follows the effective
number of channels K*, and that two different agents match sixteen clones. Here agents are the
lab's checkpoints, and a vote is the most frequent answer among N draws, shared out evenly.

    python runs/agents.py --out docs/results/agents.md

About two minutes on one core. Prints what comes out, with 95% intervals.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
from pathlib import Path

import numpy as np
import polars as pl
import torch
from page import made_with, write
from transformers.utils.logging import disable_progress_bar

from variegate.choosing import majority
from variegate.embedding import embedder
from variegate.estimate import bootstrap, paired
from variegate.judging import judge
from variegate.lab import evaluation_prompts, lab_lineage
from variegate.metrics import effective_channels
from variegate.models import Arm, Sampling, collect, transformers_model

AGENTS = {"instruct-sft": "chat", "instruct-dpo": "chat", "instruct-rl": "chat"}
AGENTS |= {"think-sft": "chat", "think-dpo": "chat", "think-rl": "chat", "rl-zero": "raw"}
VOTES = (1, 2, 4, 8, 16)
PROMPTS, SEED, ROUNDS = 20, 0, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    disable_progress_bar()
    # Stories have 960 right answers each: no two votes agree, so they cannot be voted on.
    prompts = [p for p in evaluation_prompts(per_task=PROMPTS) if p.task != "stories"]
    said: dict[str, pl.DataFrame] = {}
    for stage, format in AGENTS.items():
        model = transformers_model(lab_lineage().parent / "checkpoints" / stage, device="cpu")
        arm = Arm(name=stage, model=model, format=format, sampling=Sampling(max_tokens=32))
        said[stage] = judge(collect(arm, prompts, n=16, seed=SEED), prompts).frame
    names = [p.prompt_id for p in prompts]
    tasks = [p.task for p in prompts]
    votes = {a: {n: _accuracy([said[a]], names, n) for n in VOTES} for a in AGENTS}
    best = max(AGENTS, key=lambda a: votes[a][16].mean())
    pairs = {
        pair: {n: _accuracy([said[a] for a in pair], names, n) for n in VOTES if n > 1}
        for pair in itertools.combinations(AGENTS, 2)
    }
    first = max(pairs, key=lambda pair: pairs[pair][2].mean())
    lines = [
        "# Do a few different agents do what many clones do?",
        "",
        f"Made {datetime.datetime.now(datetime.UTC):%Y-%m-%d} by `python runs/agents.py`, seed "
        f"{SEED}; {made_with()}.",
        "",
        f"{len(prompts)} prompts of four tasks. Share of votes that give a right answer, mean over "
        f"{ROUNDS} lots of draws a prompt, with 95% intervals over prompts (within tasks). K* is "
        "the effective number of channels of 16 draws, by the default embedder.",
        "",
        "| agents | K* of 16 draws | " + " | ".join(f"vote of {n}" for n in VOTES) + " |",
        "| --- | --- |" + " --- |" * len(VOTES),
    ]
    for agent in AGENTS:
        cells = [str(bootstrap(votes[agent][n], strata=tasks, seed=SEED)) for n in VOTES]
        lines.append(f"| {agent} | {_channels([said[agent]], names):.2f} | {' | '.join(cells)} |")
    for pair, by_n in sorted(pairs.items(), key=lambda item: -item[1][2].mean())[:5]:
        cells = [str(bootstrap(by_n[n], strata=tasks, seed=SEED)) for n in VOTES if n > 1]
        lines.append(
            f"| {' + '.join(pair)} | {_channels([said[a] for a in pair], names):.2f} | | "
            f"{' | '.join(cells)} |"
        )
    gap = paired(pairs[first][2], votes[best][16], strata=tasks, seed=SEED)
    four = paired(pairs[first][4], votes[best][16], strata=tasks, seed=SEED)
    lines += [
        "",
        f"The pair that votes best with two draws ({' + '.join(first)}, chosen on these prompts, "
        f"so flattered) against sixteen clones of the best single agent ({best}), paired over "
        f"prompts: {gap} with two draws, {four} with four.",
    ]
    write(lines, arguments.out)


def _accuracy(frames: list[pl.DataFrame], names: list[str], n: int) -> np.ndarray:
    """For every prompt the share of votes that are right, over lots of n draws in all."""
    found = []
    for name in names:
        rows = [f.filter(prompt_id=name).select("answer", "correct").rows() for f in frames]
        rng = np.random.default_rng([SEED, n])
        right = []
        for _ in range(ROUNDS if n < 16 or len(frames) > 1 else 1):
            lot = [
                own[int(i)] for own in rows for i in rng.permutation(len(own))[: n // len(frames)]
            ]
            answers = [answer for answer, _ in lot]
            if all(answer is None for answer in answers):
                right.append(False)
                continue
            right.append(bool(lot[majority(answers)][1]))
        found.append(np.mean(right))
    return np.array(found)


def _channels(frames: list[pl.DataFrame], names: list[str]) -> float:
    each = 16 // len(frames)
    texts = [
        [t for f in frames for t in f.filter(prompt_id=name)["text"].to_list()[:each]]
        for name in names
    ]
    encode = embedder().encode
    return float(np.mean([effective_channels(encode(lot).astype(np.float64)) for lot in texts]))


if __name__ == "__main__":
    main()
