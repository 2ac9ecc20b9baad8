"""Does post-training lower variety within a prompt more than variety across prompts?

Kirk 2023 (https://arxiv.org/abs/2310.06452) found so for RLHF. Here the same two levels on the
lab's checkpoints: many answers to one prompt, and one answer to each of many prompts.

    python runs/across_input.py --out docs/results/across_input.md

Prints what comes out, with 95% intervals. About two minutes.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

import polars as pl
from page import made_with, write

from variegate import measure
from variegate.lab import evaluation_prompts, lab_lineage
from variegate.models import Arm, Sampling, collect, transformers_model
from variegate.samples import Samples

STAGES = {"base": "raw", "instruct-sft": "chat", "instruct-dpo": "chat", "instruct-rl": "chat"}
STAGES |= {"think-sft": "chat", "think-dpo": "chat", "think-rl": "chat", "rl-zero": "raw"}
SEED = 0
METRICS = ["pairwise", "pairwise_across", "ead", "ead_across"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=24, help="a task")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    prompts = evaluation_prompts(per_task=arguments.prompts)
    said = []
    for stage, format in STAGES.items():
        model = transformers_model(lab_lineage().parent / "checkpoints" / stage)
        arm = Arm(name=stage, model=model, format=format, sampling=Sampling(max_tokens=32))
        said.append(collect(arm, prompts, n=arguments.samples, seed=SEED))
    frame = measure(Samples.concat(said), metrics=METRICS, seed=SEED).frame
    frame = frame.filter(pl.col("task") == "all")
    rows = {(row["arm"], row["metric"]): row for row in frame.iter_rows(named=True)}
    lines = [
        "# Variety within prompts and across them",
        "",
        f"Made {datetime.datetime.now(datetime.UTC):%Y-%m-%d} by `python runs/across_input.py "
        f"--prompts {arguments.prompts} --samples {arguments.samples}`, seed {SEED}; "
        f"{made_with()}.",
        "",
        "Level, 95% interval over prompts (bootstrap; jackknife for the levels across prompts), "
        "and what is left of the level of the base; mean over the five tasks.",
        "",
        "| stage | " + " | ".join(METRICS) + " |",
        "| --- |" + " --- |" * len(METRICS),
    ]
    for stage in STAGES:
        cells = []
        for metric in METRICS:
            row, base = rows.get((stage, metric)), rows.get(("base", metric))
            if row is None or base is None:
                cells.append("not measured")
                continue
            kept = row["value"] / base["value"]
            cells.append(f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f}), {kept:.0%}")
        lines.append(f"| {stage} | " + " | ".join(cells) + " |")
    write(lines, arguments.out)


if __name__ == "__main__":
    main()
