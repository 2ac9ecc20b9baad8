"""Do the two warning lights of likelihood over-optimisation come on before the win rate turns?

Shi 2024 (https://arxiv.org/abs/2410.11677) watches, on held-out chosen answers, the entropy and
the mass of the k likeliest tokens. A long DPO run on the lab's instruct line, three strengths:

    python runs/overoptimisation.py --steps 400 --out docs/results/overoptimisation.md

The script prints and writes what it sees; it has no expectation to meet. About ten minutes.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
from pathlib import Path

import numpy as np
import torch
from page import keep, made_with

from variegate.lab import lab_lineage
from variegate.lab.training import RECIPES, Schedule
from variegate.lab.training._checkpoint import load
from variegate.lab.training._preference import prefer
from variegate.lab.training._stages import _prompts

STRENGTHS = ((0.2, 1e-4), (0.1, 1e-4), (0.05, 3e-4))  # beta, rate; the first is the recipe
WINDOW = 5  # points a running slope is taken over


def turning_point(values: np.ndarray, *, rises: bool = True) -> int | None:
    """Index of the highest (or lowest) smoothed point, or None if it is the last one."""
    kernel = np.ones(3) / 3
    smooth = np.convolve(np.pad(values, 1, mode="edge"), kernel, mode="valid")
    best = int(np.argmax(smooth if rises else -smooth))
    return None if best == len(values) - 1 else best


def alarm(values: np.ndarray) -> int | None:
    """First index at which the running slope, positive or flat until then, has turned down."""
    for end in range(WINDOW, len(values) + 1):
        slope = np.polyfit(np.arange(WINDOW), values[end - WINDOW : end], 1)[0]
        if slope < 0:
            return end - 1
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--points", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    recipe = RECIPES["full"]
    parent = lab_lineage().parent / "checkpoints" / "instruct-sft"
    train_on, monitored = _prompts(recipe)
    lines = [
        "# Likelihood over-optimisation on the lab",
        "",
        f"Made {datetime.datetime.now(datetime.UTC):%Y-%m-%d} by `python runs/overoptimisation.py "
        f"--steps {arguments.steps} --points {arguments.points} --seeds {arguments.seeds}`, seeds "
        f"from 0, one thread; {made_with()}.",
        "",
        "| beta | rate | seed | win rate first, best, last | at step | entropy first, last "
        "| turns down at | mass first, last | turns down at |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    curves = []
    for seed, (beta, rate) in itertools.product(range(arguments.seeds), STRENGTHS):
        curve: list[dict[str, float]] = []
        prefer(
            load(parent),
            load(parent).eval(),
            train_on,
            monitored,
            Schedule(steps=arguments.steps, batch=64, rate=rate),
            template="plain",
            beta=beta,
            drawn=recipe.drawn,
            every=max(1, arguments.steps // arguments.points),
            rng=np.random.default_rng(seed),
            generator=torch.Generator().manual_seed(seed),
            report=lambda step, row, curve=curve: curve.append({"step": step, **row}),
        )
        lines.append(_row(beta, rate, seed, curve))
        curves.append((beta, rate, seed, curve))
        print(lines[-1], flush=True)
        if arguments.out:
            keep([*lines, "", *_figures(curves)], arguments.out)


def _row(beta: float, rate: float, seed: int, curve: list[dict[str, float]]) -> str:
    steps = [row["step"] for row in curve]
    wins, entropy, mass = (
        np.array([row[name] for row in curve]) for name in ("win_rate", "top_entropy", "top_mass")
    )

    def step(index: int | None) -> str:
        return "never" if index is None else str(steps[index])

    best = turning_point(wins)
    return (
        f"| {beta} | {rate:g} | {seed} | {wins[0]:.3f}, {wins.max():.3f}, {wins[-1]:.3f} "
        f"| {step(best)} | {entropy[0]:.3f}, {entropy[-1]:.3f} | {step(alarm(entropy))} "
        f"| {mass[0]:.4f}, {mass[-1]:.4f} | {step(alarm(mass))} |"
    )


def _figures(curves: list[tuple[float, float, int, list[dict[str, float]]]]) -> list[str]:
    lines = []
    for beta, rate, seed, curve in curves:
        if seed:
            continue
        lines += [f"beta {beta}, rate {rate:g}, seed {seed}:", ""]
        lines += ["| step | win rate | accuracy | chosen log-prob | entropy | mass |"]
        lines += ["| --- | --- | --- | --- | --- | --- |"]
        lines += [
            f"| {row['step']} | {row['win_rate']:.3f} | {row['accuracy']:.3f} "
            f"| {row['chosen_logprob']:.2f} | {row['top_entropy']:.3f} | {row['top_mass']:.4f} |"
            for row in curve[:: max(1, len(curve) // 20)]
        ]
        lines += [""]
    return lines


if __name__ == "__main__":
    main()
