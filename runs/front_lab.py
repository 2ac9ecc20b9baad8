"""Every way of sampling that runs in the lab, on one front a task, at equal tokens and tuning.

The lab's instruct-rl, which has lost most of what its base could say, is asked through every
decoding rule, every sampler of sequences, every two-context decoder with the base at its side, by
openings, and with choosing afterwards; each method may be tried with four settings. One front a
task and seed: accuracy across, the chance that two outputs give different answers (Gini–Simpson)
upwards, tokens read and written held equal.

    python runs/front_lab.py --run runs/front-lab --out docs/results/front_lab.md

About half an hour on one core; a run that was killed goes on. Prints what comes out.
"""

from __future__ import annotations

import argparse
import datetime
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from page import made_with, write
from transformers.utils.logging import disable_progress_bar

from variegate.decoding import rule, suppression
from variegate.decoding.sequences import (
    Baco,
    Chance,
    Context,
    HandOff,
    Nudge,
    arithmetic,
    blend,
    diverse_beam,
    lookahead_tree,
    stochastic_beam,
    together,
)
from variegate.fronts import Arms, Front, front
from variegate.lab import evaluation_prompts, lab_lineage
from variegate.models import Arm, Sampling, collect, transformers_model
from variegate.samples import Prompt, RunDirectory, Samples

TASKS = ("arithmetic", "routes", "lists", "stories", "opinions")
STAGE, DRAWS, LENGTH = "instruct-rl", 12, 32
FORMAT = "chat"


def sampled() -> Iterator[dict[str, Any]]:
    """Methods that are settings of a draw, of choosing or of asking: two by two."""
    hot = [1.0, 1.5]
    yield {"name": "temperature", "sampling": {"temperature": [0.7, 1.0, 1.3, 1.6]}}
    for name, values in {"top_k": [5, 20], "top_p": [0.9, 0.97], "min_p": [0.02, 0.1]}.items():
        yield {"name": name, "sampling": {"temperature": hot, name: values}}
    rules = {
        "typical": {"tau": [0.7, 0.95]},
        "epsilon": {"epsilon": [0.003, 0.02]},
        "eta": {"epsilon": [0.003, 0.02]},
        "top_h": {"alpha": [0.5, 0.9]},
    }
    for name, parameters in rules.items():
        yield {
            "name": name,
            "sampling": {"temperature": hot},
            "rules": ({"name": name, **parameters},),
        }
    yield {
        "name": "entropy temperature",
        "sampling": {"temperature": 1.0},
        "rules": (
            {"name": "entropy_temperature", "temperature": hot, "theta": 0.2, "base": [0.8, 1.25]},
        ),
    }
    hotter = {"sampling": {"temperature": [1.0, 1.3, 1.6, 2.0]}}
    for name in ("dpp", "mmr", "facility-location", "k-medoids", "random"):
        yield {"name": f"choose {name}", **hotter, "choosing": {"name": name, "k": 4}}


OPENINGS = {
    "arithmetic": ["", "20", "3", "18"],
    "routes": ["", ""],
    "lists": ["", ""],
    "stories": ["", "one day", "one night", "long ago"],
    "opinions": ["", ""],
}


def jointly(
    model: Any, base: Any, *, format: Any = FORMAT, draws: int = DRAWS
) -> Iterator[tuple[str, list[tuple[str, Any, Sampling]]]]:
    """Methods that put something in front of the model: draws that know of each other, contexts."""

    def at(temperature: float) -> Sampling:
        return Sampling(temperature=temperature, max_tokens=LENGTH)

    heats = (0.7, 1.0, 1.3, 1.6)
    yield "arithmetic sampling", [(f"T {t}", arithmetic(model, n=draws), at(t)) for t in heats]
    yield "stochastic beam", [(f"T {t}", stochastic_beam(model, n=draws), at(t)) for t in heats]
    yield (
        "diverse beam",
        [
            (f"strength {s}", diverse_beam(model, n=draws, strength=s), at(1.0))
            for s in (0.2, 0.5, 1.0, 2.0)
        ],
    )
    yield "lookahead tree", [
        (f"above {a}, T {t}", lookahead_tree(model, n=draws, branch_above=a, branch_within=0.5,
                                             look=(2, 3)), at(t))
        for a in (0.05, 0.2) for t in (1.0, 1.5)
    ]  # fmt: skip
    first, second = Context(model=base, format="raw"), Context(model=model, format=format)

    def routed(way: Any, *contexts: Any) -> Any:
        return together(*(contexts or (first, second)), rule=way)

    yield "hand-off", [(f"after {k}", routed(HandOff(after=k)), at(1.0)) for k in (1, 2, 3, 5)]
    yield "nudging", [(f"below {g}", routed(Nudge(below=g)), at(1.0)) for g in (0.2, 0.3, 0.5, 0.8)]
    yield (
        "BACo",
        [
            (f"{by} {g}", routed(Baco(by=by, threshold=g, content=None)), at(1.0))
            for by, g in (("p", 0.3), ("p", 0.6), ("h", 0.5), ("h", 1.5))
        ],
    )
    yield (
        "switching by chance",
        [(f"share {s}", routed(Chance(share=s)), at(1.0)) for s in (0.2, 0.4, 0.6, 0.8)],
    )
    yield (
        "mixture",
        [
            (f"base {w}", routed(blend("mixture", weights=(w, 1 - w))), at(1.0))
            for w in (0.2, 0.4, 0.6, 0.8)
        ],
    )
    yield "KL temperature", [
        (f"sigma {s}, T {t}", routed(blend("kl_temperature", sigma=s, temperature=t),
                                     second, first), at(1.0))
        for s in (0.3, 1.0) for t in (1.3, 1.8)
    ]  # fmt: skip
    yield "contrastive", [
        (f"beta {b}, T {t}", routed(blend("contrast", beta=b), second, first), at(t))
        for b in (0.2, 0.5) for t in (1.0, 1.5)
    ]  # fmt: skip
    blank = Context(model=model, prompt="", format=format)
    yield "USCD", [
        (f"theta {h}, T {t}", routed(blend("uscd", theta=h), second, blank), at(t))
        for h in (0.03, 0.05) for t in (1.0, 1.5)
    ]  # fmt: skip
    yield "STEER", [
        (f"gamma {g}, eta {e}", routed(blend("steer", gamma=g, eta=e), second, first, blank),
         at(1.0))
        for g in (0.0, 0.5) for e in (0.2, 0.5)
    ]  # fmt: skip


def suppressed(
    model: Any,
    prompts: Sequence[Prompt],
    *,
    seed: int,
    run: RunDirectory,
    format: Any = FORMAT,
    draws: int = DRAWS,
) -> Iterator[pl.DataFrame]:
    """Half of the draws as they come, the other half with what they said often said less."""
    for strength in (1.0, 2.5, 5.0, 7.5):
        name = f"logit suppression (strength {strength})"
        plain = Sampling(max_tokens=LENGTH)
        arm = Arm(name="first half", model=model, format=format, sampling=plain)
        early = collect(arm, prompts, n=draws // 2, seed=seed, run=run).frame
        counts = Counter(t for ids in early["token_ids"].to_list() for t in ids)
        for end in model.ends:
            counts.pop(end, None)
        bias = suppression(dict(counts), strength=strength)
        pairs = tuple(sorted((int(t), float(b)) for t, b in bias.items()))
        later = Sampling(max_tokens=LENGTH, rules=(rule("suppress", bias=pairs),))
        arm = Arm(name=name, model=model, format=format, sampling=later)
        late = collect(arm, prompts, n=draws // 2, seed=seed, run=run).frame
        late = late.with_columns(pl.col("sample") + draws // 2)
        both = pl.concat([early, late])
        yield both.with_columns(arm=pl.lit(name), iid=pl.lit(False), sample_id=None)


def one_front(task: str, seed: int, folder: Path) -> Front:
    prompts = [p for p in evaluation_prompts() if p.task == task]
    stages = lab_lineage().parent / "checkpoints"
    model, base = (transformers_model(stages / s, device="cpu") for s in (STAGE, "base"))
    methods: list[dict[str, Any]] = [{**m, "model": model} for m in sampled()]
    methods.append(
        {
            "name": "openings",
            "model": model,
            "sampling": {"temperature": [0.7, 1.0, 1.3, 1.6]},
            "asking": {"name": "openings", "openings": [OPENINGS[task]]},
        }
    )
    with RunDirectory.open(
        folder / "draws", settings={"task": task, "seed": seed, "draws": DRAWS}, kind="collect"
    ) as run:
        for name, settings in jointly(model, base):
            frames = []
            for label, speaker, sampling in settings:
                own = speaker.formats()
                arm = Arm(
                    name=f"{name} ({label})",
                    model=speaker,
                    format=FORMAT if FORMAT in own else own[0],
                    sampling=sampling,
                )
                frames.append(collect(arm, prompts, n=DRAWS, seed=seed, run=run).frame)
            together_ = pl.concat(frames).with_columns(sample_id=None)
            methods.append({"name": name, "samples": Samples.from_frame(together_)})
        frames = list(suppressed(model, prompts, seed=seed, run=run))
        methods.append(
            {"name": "logit suppression", "samples": Samples.from_frame(pl.concat(frames))}
        )
    arms = Arms(
        name=f"lab {task}, seed {seed}",
        methods=methods,
        baseline="temperature",
        prompts=tuple(prompts),
        format=FORMAT,
        sampling={"max_tokens": LENGTH},
        samples_per_prompt=DRAWS,
        quality="accuracy",
        variety="gini_simpson",
        tries=4,
        reference=(0.0, 0.0),
        seed=seed,
    )
    return front(arms, out=folder / "front")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/front-lab"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    disable_progress_bar()
    found: dict[str, list[Front]] = {}
    for task in arguments.tasks:
        found[task] = []
        for seed in range(arguments.seeds):
            one = one_front(task, seed, arguments.run / f"{task}-{seed}")
            found[task].append(one)
            print(one, flush=True)
    lines = page(found, arguments)
    write(lines, arguments.out)


def page(found: dict[str, list[Front]], arguments: argparse.Namespace) -> list[str]:
    lines = [
        "# Every way of sampling in the lab, at equal tokens and equal tuning",
        "",
        f"Made {datetime.datetime.now(datetime.UTC):%Y-%m-%d} by `python runs/front_lab.py`, "
        f"seeds 0 to {arguments.seeds - 1}; {made_with()}.",
        "",
        f"{STAGE}, {FORMAT}, up to {DRAWS} outputs of at most {LENGTH} tokens to each of 24 "
        "prompts a task, as many as the tokens of the cheapest arm pay for. Four settings a "
        "method; the one used is chosen on one half of the prompts and reported on the other. "
        "Across: accuracy; upwards: chance that two outputs give different answers.",
        "",
        "How many of the seeds say so: **dominates** plain temperature (at least as good on both "
        "axes and better on one, in 95% of the resamples), lies **beyond** its front, is **open**, "
        "is **covered** or **dominated** by it. Then the mean over seeds of the chosen setting's "
        "accuracy and variety, and of the gain in hypervolume over plain temperature, with the "
        "lowest and highest end of the seeds' 95% intervals.",
    ]
    for task, fronts in found.items():
        tables = [one.methods for one in fronts]
        names = tables[0]["method"].to_list()
        lines += [
            "",
            f"## {task}",
            "",
            "| method | verdicts | accuracy | variety | gain in hypervolume |",
            "| --- | --- | --- | --- | --- |",
        ]
        for name in names:
            rows = [t.filter(method=name).to_dicts() for t in tables]
            if not all(rows):
                lines.append(f"| {name} | could not be compared | | | |")
                continue
            flat = [row[0] for row in rows]
            said = Counter(str(row["verdict"]) for row in flat)
            verdicts = ", ".join(f"{verdict} {count}" for verdict, count in said.most_common())
            gain = [row["gain"] for row in flat]
            if any(g is None for g in gain):
                cell = ""
            else:
                ends = (min(row["gain_low"] for row in flat), max(row["gain_high"] for row in flat))
                cell = f"{np.mean(gain):+.3f} ({ends[0]:+.3f} to {ends[1]:+.3f})"
            quality, variety = (
                np.mean([row[key] for row in flat]) for key in ("quality", "variety")
            )
            lines.append(f"| {name} | {verdicts} | {quality:.3f} | {variety:.3f} | {cell} |")
        refused = {(r["method"], r["reason"]) for one in fronts for r in one.refused.to_dicts()}
        lines += [f"\nNot compared: {m}: {reason}." for m, reason in sorted(refused)]
    return lines


if __name__ == "__main__":
    main()
