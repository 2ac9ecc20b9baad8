"""Does alignment shrink the horizon, and do its first words shrink that of the base?

Yang 2025 (https://arxiv.org/abs/2506.17871) finds that alignment lowers the branching factor by an
order of magnitude, and that a base model which is given the first words of an aligned one goes on
as narrowly. Here both on the lab: branching factors at equal positions, and the base going on
after k words of its own, of the instruct line, or of the think line's answers.

    python runs/horizon.py --out docs/results/horizon.md

About two minutes on one core. Prints what comes out, with 95% intervals.
"""

from __future__ import annotations

import argparse
import datetime
import math
from pathlib import Path

import numpy as np
import torch
from page import made_with, write
from transformers.utils.logging import disable_progress_bar

from variegate.estimate import bootstrap, paired
from variegate.lab import evaluation_prompts, lab_lineage
from variegate.models import Arm, Sampling, collect, say, transformers_model
from variegate.samples import Prompt

DRAWS, PROMPTS, SEED = 16, 12, 0
TASKS = ("arithmetic", "routes", "stories")  # answers of several words
SAMPLING = Sampling(max_tokens=32)


def opened(stage: str):  # type: ignore[no-untyped-def]
    return transformers_model(lab_lineage().parent / "checkpoints" / stage, device="cpu")


def horizon(entropies: list[list[float]], *, after: int) -> float:
    """exp of the mean entropy from position `after` on, NaN where nothing is that long."""
    steps = [h for row in entropies for h in row[after:]]
    return math.exp(sum(steps) / len(steps)) if steps else math.nan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    disable_progress_bar()
    prompts = [p for p in evaluation_prompts(per_task=PROMPTS) if p.task in TASKS]
    base = opened("base")
    answers: dict[str, dict[str, list[str]]] = {}
    lines = _head()
    lines += [
        "## Branching factor of the whole answer",
        "",
        "| stage | " + " | ".join(TASKS) + " |",
        "| --- |" + " --- |" * len(TASKS),
    ]
    for stage in ("base", "instruct-sft", "instruct-dpo", "instruct-rl", "rl-zero"):
        format = "raw" if stage in ("base", "rl-zero") else "chat"
        arm = Arm(name=stage, model=opened(stage), format=format, sampling=SAMPLING)
        frame = collect(arm, prompts, n=DRAWS, seed=SEED).frame
        answers[stage] = {
            p.prompt_id: frame.filter(prompt_id=p.prompt_id)["text"].to_list() for p in prompts
        }
        cells = []
        for task in TASKS:
            values = [
                horizon(frame.filter(prompt_id=p.prompt_id)["token_entropies"].to_list(), after=0)
                for p in prompts
                if p.task == task
            ]
            cells.append(str(bootstrap(np.array(values), seed=SEED)))
        lines.append(f"| {stage} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "## The base, going on after k words",
        "",
        "Branching factor of what the base itself writes after the words, at the same positions. "
        "The last column is the paired difference over prompts, instruct-rl minus its own.",
        "",
        "| task | k | its own words | words of instruct-rl | difference |",
        "| --- | --- | --- | --- | --- |",
    ]
    for task in TASKS:
        for k in (1, 2):
            own, lent = (
                np.array([_going_on(base, p, answers[s][p.prompt_id], k=k) for p in prompts
                          if p.task == task])
                for s in ("base", "instruct-rl")
            )  # fmt: skip
            cells = [str(bootstrap(v, seed=SEED)) for v in (own, lent)]
            lines.append(
                f"| {task} | {k} | {cells[0]} | {cells[1]} | {paired(lent, own, seed=SEED)} |"
            )
    write(lines, arguments.out)


def _going_on(base, prompt: Prompt, said: list[str], *, k: int) -> float:  # type: ignore[no-untyped-def]
    begun = [" ".join(text.split()[:k]) for text in said if len(text.split()) > k]
    if not begun:
        return math.nan
    asked = [f"{prompt.prompt} {words}" for words in begun]
    drawn = say(base, asked, sampling=SAMPLING, format="raw", seed=SEED)
    return horizon([list(c.token_entropies or ()) for c in drawn], after=0)


def _head() -> list[str]:
    return [
        "# Does alignment shrink the horizon?",
        "",
        f"Made {datetime.datetime.now(datetime.UTC):%Y-%m-%d} by `python runs/horizon.py`, seed "
        f"{SEED}; {made_with()}.",
        "",
        f"{PROMPTS} prompts of each of three tasks whose answers have several words, {DRAWS} "
        "draws at temperature 1; the mean over prompts of exp(mean next-token entropy), with 95% "
        "intervals over prompts.",
        "",
    ]


if __name__ == "__main__":
    main()
