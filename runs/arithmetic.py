"""Arithmetic sampling against independent draws: how well does a set know the mean quality?

On the lab, where a verifier says what is right, sets of N outputs of one prompt are drawn many
times, on a lattice and independently, and the variance of the set's mean is compared:

    python runs/arithmetic.py --out docs/results/arithmetic.md

The script prints and writes what it sees; it has no expectation to meet. About eight minutes.
"""

from __future__ import annotations

import argparse
import datetime
import time
from pathlib import Path

import numpy as np
import torch
from page import keep, made_with

from variegate import lab
from variegate.decoding.sequences import arithmetic
from variegate.lab import evaluation_prompts, lab_lineage
from variegate.lab.world import TASKS
from variegate.models import Arm, Sampling, TransformersModel, collect, transformers_model
from variegate.samples import Prompt

SIZES = (8, 16, 32)
CHECKPOINTS = {"base": "raw", "instruct-sft": "chat"}
SPACINGS = {"lattice 1/n": "1/n", "lattice 1/(n+1)": "1/(n+1)"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=6, help="of every task")
    parser.add_argument("--sets", type=int, default=12, help="of every prompt and seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    prompts = evaluation_prompts(per_task=arguments.prompts)
    began = time.monotonic()
    lines = [
        "| checkpoint | N | draws | variance of the mean, × N | ratio to independent, 95 % | "
        "each seed | distinct of N |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, format in CHECKPOINTS.items():
        model = transformers_model(lab_lineage().parent / "checkpoints" / name, device="cpu")
        format = format if format in model.formats() else "raw"
        for n in SIZES:
            found = {"independent": drawn(model, None, prompts, n, format, arguments)}
            for method, spacing in SPACINGS.items():
                found[method] = drawn(model, spacing, prompts, n, format, arguments)
            for method, (variance, distinct) in found.items():
                lines.append(row(name, n, method, variance, distinct, found["independent"][0]))
                print(lines[-1], flush=True)
    head = [
        "# Arithmetic sampling against independent draws, on the lab",
        "",
        f"Made {datetime.datetime.now(datetime.UTC):%Y-%m-%d} by `python runs/arithmetic.py "
        f"--prompts {arguments.prompts} --sets {arguments.sets} --seeds {arguments.seeds}`, seeds "
        f"from 0, one thread, {(time.monotonic() - began) / 60:.0f} minutes; {made_with()}.",
        "",
        f"{len(prompts)} prompts of {len(TASKS)} tasks; quality is 1 for a right answer and 0 for "
        f"a wrong one, at temperature 1. For every prompt {arguments.sets} sets a seed; the "
        "variance of a set's mean is taken over the sets of a prompt and averaged over prompts. "
        "Times N it is that of one draw where draws are independent. The ratio is of averages, its "
        "interval a bootstrap over prompts with the seeds pooled. Distinct counts different texts.",
        "",
    ]
    if arguments.out:
        keep([*head, *lines], arguments.out)


def drawn(
    model: TransformersModel,
    spacing: str | None,
    prompts: tuple[Prompt, ...],
    n: int,
    format: str,
    arguments: argparse.Namespace,
) -> tuple[np.ndarray, float]:
    """Variance of a set's mean quality, (seeds, prompts), and distinct texts in a set."""
    speaker = model if spacing is None else arithmetic(model, n=n, spacing=spacing)
    sampling = Sampling(temperature=1.0, max_tokens=32)
    arm = Arm(name="arm", model=speaker, format=format, sampling=sampling)
    variance, distinct = [], []
    verdicts: dict[tuple[str, str], float] = {}
    for seed in range(arguments.seeds):
        frame = collect(arm, prompts, n=n * arguments.sets, seed=seed).frame
        texts = np.array(frame["text"].to_list(), dtype=object).reshape(len(prompts), -1, n)
        quality = np.empty(texts.shape)
        for place, prompt in enumerate(prompts):
            verify = getattr(lab, f"verify_{prompt.task}")
            for spot in np.ndindex(texts.shape[1:]):
                key = (prompt.prompt_id, texts[place][spot])
                if key not in verdicts:
                    verdicts[key] = float(verify(key[1], prompt.target).correct)
                quality[place][spot] = verdicts[key]
            distinct += [len(set(one)) for one in texts[place]]
        variance.append(quality.mean(-1).var(axis=-1, ddof=1))
    return np.array(variance), float(np.mean(distinct))


def row(
    name: str, n: int, method: str, variance: np.ndarray, distinct: float, plain: np.ndarray
) -> str:
    rng = np.random.default_rng(0)
    ours, theirs = variance.mean(0), plain.mean(0)
    resampled = rng.integers(len(ours), size=(4000, len(ours)))
    low, high = np.quantile(ours[resampled].mean(-1) / theirs[resampled].mean(-1), [0.025, 0.975])
    seeds = ", ".join(f"{a / b:.2f}" for a, b in zip(variance.mean(1), plain.mean(1), strict=True))
    ratio = f"{ours.mean() / theirs.mean():.2f} [{low:.2f}, {high:.2f}]"
    if variance is plain:
        ratio = seeds = ""
    return (
        f"| {name} | {n} | {method} | {n * ours.mean():.3f} | {ratio} | {seeds} | {distinct:.1f} |"
    )


if __name__ == "__main__":
    main()
