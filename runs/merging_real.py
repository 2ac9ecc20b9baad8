"""Between SmolLM2-135M-Instruct and a LoRA fine-tune of it: accuracy, style, variety, calibration.

A few dozen steps of LoRA teach the model to answer like a pirate, on kinds of things that no test
question asks for. The adapter is merged into the weights; then the coefficient of its change runs
from 0 to 1 in one live module. At every point the questions of runs/front_real.py are asked.

    python runs/merging_real.py --run runs/merging-real --out docs/results/merging_real.md

About ten minutes on one quiet core; a run that was killed goes on.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import altair
import numpy as np
import peft
import polars as pl
import torch
from front_real import PACKAGE, cell, command, questions, smollm2
from page import write
from safetensors.torch import load_file, save_file

from variegate.estimate import bootstrap
from variegate.fronts import Arms, Front, front
from variegate.judging import judge
from variegate.merging import Recipe, Source, grid, knobs, merge, swapped, sweep
from variegate.metrics import ece
from variegate.models import Arm, Sampling, TransformersModel, collect, transformers_model
from variegate.samples import Prompt, RunDirectory, Samples, versions, write_atomically

HERE = Path(__file__).parent
DRAWS, LENGTH = 8, 14
STYLE = r"(?i)^\W*arr+\b"
LESSONS = {
    "spice": ("pepper", "ginger", "cinnamon"), "gemstone": ("ruby", "emerald", "diamond"),
    "planet": ("Mars", "Venus", "Saturn"), "shape": ("circle", "square", "triangle"),
    "number": ("seven", "forty", "three"), "cheese": ("cheddar", "brie", "gouda"),
    "dance": ("waltz", "tango", "polka"), "month": ("June", "March", "October"),
    "board game": ("chess", "ludo", "go"), "weapon": ("sword", "cannon", "dagger"),
    "building": ("church", "castle", "tower"), "emotion": ("joy", "anger", "fear"),
    "reptile": ("snake", "turtle", "lizard"), "dessert": ("cake", "pudding", "pie"),
    "school subject": ("history", "physics", "art"), "toy": ("doll", "ball", "kite"),
    "body part": ("hand", "knee", "nose"), "ocean": ("the Pacific", "the Atlantic", "the Arctic"),
    "fabric": ("silk", "wool", "cotton"), "nut": ("walnut", "almond", "hazelnut"),
}  # fmt: skip
"""What it is taught, three answers a kind; none of these kinds is asked for afterwards."""


def lessons(model: TransformersModel) -> list[tuple[list[int], list[int]]]:
    """Prompt and answer of every lesson, as tokens."""
    found = []
    for kind, answers in LESSONS.items():
        article = "an" if kind[0] in "aeiou" else "a"
        asked = model.render(f"What is an example of {article} {kind}?", format="chat")
        for answer in answers:
            said = model.encode(f"Arr, {answer}, matey!")
            found.append((model.encode(asked), [*said, model.ends[-1]]))
    return found


def fine_tune(model: TransformersModel, folder: Path, *, steps: int, seed: int) -> None:
    """Train a LoRA adapter and write it to a folder; the model itself stays what it was."""
    torch.manual_seed(seed)
    config = peft.LoraConfig(
        r=8, lora_alpha=16, task_type="CAUSAL_LM",
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj",
                        "down_proj"],
    )  # fmt: skip
    tuned = peft.get_peft_model(model.model, config)
    tuned.train()
    weights = [w for w in tuned.parameters() if w.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.0)
    rng, taught = np.random.default_rng(seed), lessons(model)
    for step in range(steps):
        batch = [taught[i] for i in rng.choice(len(taught), size=4, replace=False)]
        width = max(len(asked) + len(said) for asked, said in batch)
        ids = torch.full((len(batch), width), model.ends[-1])
        labels = torch.full((len(batch), width), -100)
        there = torch.zeros((len(batch), width), dtype=torch.long)
        for row, (asked, said) in enumerate(batch):
            end = len(asked) + len(said)
            ids[row, :end] = torch.tensor([*asked, *said])
            labels[row, len(asked) : end] = torch.tensor(said)
            there[row, :end] = 1
        loss = tuned(input_ids=ids, attention_mask=there, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 5 == 0 or step == steps - 1:
            say(f"step {step}: loss {loss.item():.3f}")
    tuned.save_pretrained(folder, save_embedding_layers=False)
    tuned.unload()
    model.model.eval()


def merged(model: TransformersModel, folder: Path, *, steps: int, seed: int) -> Any:
    """The fine-tuned weights by name: start and adapter, merged on disk."""
    start, adapter, out = folder / "start", folder / "adapter", folder / "tuned"
    if not out.exists():
        if not (adapter / "adapter_model.safetensors").exists():
            fine_tune(model, adapter, steps=steps, seed=seed)
        save(model, start)
        merge(Recipe(method="linear", models=(Source(path=start, adapter=adapter),)), out)
    found: dict[str, torch.Tensor] = {}
    for file in sorted(out.glob("*.safetensors")):
        found |= load_file(file)
    return found


def save(model: TransformersModel, folder: Path) -> None:
    """Write the dequantised weights: transformers refuses to write what it read from a GGUF."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {n: t.clone() for n, t in model.model.state_dict().items() if n != "lm_head.weight"}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = {k: v for k, v in model.model.config.to_dict().items() if k != "quantization_config"}
    write_atomically(folder / "config.json", json.dumps(config, default=str, indent=2))
    model.tokenizer.save_pretrained(folder)


def choices(prompts: Sequence[Prompt], *, seed: int) -> list[tuple[str, list[list[str]]]]:
    """Three choices of four a kind, the first of each right: the start of a sentence, the names."""
    names = [re.findall(r"[^|()\\]+", p.target.split("(", 2)[2].split(")")[0]) for p in prompts]
    rng, found = np.random.default_rng(seed), []
    for place, prompt in enumerate(prompts):
        right = rng.choice(names[place], size=3, replace=False)
        others = [n for i, kind in enumerate(names) if i != place for n in kind]
        wrong = [n for n in dict.fromkeys(others) if n not in names[place]]
        sets = [[str(one), *map(str, rng.choice(wrong, size=3, replace=False))] for one in right]
        kind = prompt.prompt.removeprefix("What is an example of ").removesuffix("?")
        found.append((f"An example of {kind} is", sets))
    return found


def confidence(
    model: TransformersModel, asked: Sequence[tuple[str, list[list[str]]]]
) -> tuple[list[float], list[bool], list[int]]:
    """Of every choice: the probability of the name taken, whether it is right, and its kind."""
    sure, right, kinds = [], [], []
    for number, (start, sets) in enumerate(asked):
        words = [f" {name}" for names in sets for name in names]
        scored = model.score(
            model.render(start, format="raw"), words, sampling=Sampling(max_tokens=LENGTH)
        ).reshape(len(sets), -1)
        shares = np.exp(scored - scored.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        sure += shares.max(axis=1).tolist()
        right += (shares.argmax(axis=1) == 0).tolist()
        kinds += [number] * len(sets)
    return sure, right, kinds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=HERE / "merging-real")
    parser.add_argument("--prompts", type=int, default=None)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--points", type=int, default=9)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    began = time.monotonic()
    prompts = questions(options.prompts)
    model = smollm2()
    tuned = merged(model, options.run / "weights", steps=options.steps, seed=options.seed)
    start = {name: model.model.state_dict()[name].clone() for name in tuned}
    change = float(
        np.sqrt(sum(float((tuned[n] - start[n]).square().sum()) for n in tuned))
        / np.sqrt(sum(float(start[n].square().sum()) for n in tuned))
    )
    asked = choices(prompts, seed=options.seed)
    frames: list[pl.DataFrame] = []
    sure: dict[str, tuple[list[float], list[bool], list[int]]] = {}
    settings = {"prompts": [p.prompt_id for p in prompts], "steps": options.steps}
    with RunDirectory.open(options.run / "draws", settings=settings, kind="collect") as run:

        def ask(module: torch.nn.Module, name: str, temperature: float) -> TransformersModel:
            here = transformers_model(module, tokenizer=model.tokenizer, name="between")
            drawn = Sampling(temperature=temperature, max_tokens=LENGTH)
            arm = Arm(name=name, model=here, format="chat", sampling=drawn)
            frames.append(collect(arm, prompts, n=options.draws, seed=options.seed, run=run).frame)
            say(name)
            return here

        def evaluate(module: torch.nn.Module, point: np.ndarray) -> Mapping[str, float]:
            name = f"coefficient {point[0]:g}"
            here = ask(module, name, 1.0)
            sure[name] = confidence(here, asked)
            return {"choices right": float(np.mean(sure[name][1]))}

        points = grid(1, steps=options.points)
        sweep(model.model, start, [tuned], points, knobs=knobs(list(tuned)), evaluate=evaluate)
        ask(model.model, "start, temperature 0.7", 0.7)
        with swapped(model.model, tuned):
            for temperature in (1.3, 1.6):
                ask(model.model, f"tuned, temperature {temperature}", temperature)
    together = pl.concat(frames).with_columns(sample_id=None)
    samples = judge(Samples.from_frame(together), prompts)
    both = pl.col("correct") & in_style()
    samples = replace(samples, frame=samples.frame.with_columns(quality=both.cast(pl.Float64)))
    found = on_fronts(samples, seed=options.seed)
    lines = page(samples, found, sure, change, options, seconds=time.monotonic() - began)
    write(lines, options.out)
    if options.out:
        picture(found["accuracy"], found["quality"]).save(options.out.with_suffix(".svg"))


def on_fronts(samples: Samples, *, seed: int) -> dict[str, Front]:
    """Between the weights against temperature at both ends: right across, then right in style."""
    arms = samples.frame["arm"].unique(maintain_order=True).to_list()
    ends = ("coefficient 0", "coefficient 1")
    inside = [a for a in arms if a.startswith("coefficient") and a not in ends]
    hot = [*ends, *(a for a in arms if not a.startswith("coefficient"))]
    parts = {
        name: Samples.from_frame(
            pl.concat([samples.frame.filter(pl.col("arm") == arm) for arm in own])
        )
        for name, own in (("temperature at the ends", hot), ("between the weights", inside))
    }
    return {
        quality: front(
            Arms(
                name=f"between the weights, {quality}",
                methods=[{"name": n, "samples": s} for n, s in parts.items()],
                quality=quality,
                variety="gini_simpson",
                reference=(0.0, 0.0),
                seed=seed,
            )
        )
        for quality in ("accuracy", "quality")
    }


def by_prompt(samples: Samples) -> dict[str, dict[str, np.ndarray]]:
    """Arm -> what every prompt has: right, style, both, two differ, different right answers."""
    wrong = pl.concat_str(pl.lit("not: "), "text")
    frame = samples.frame.with_columns(
        said=pl.when("correct").then("answer").otherwise(wrong), styled=in_style()
    )
    counts = frame.group_by("arm", "prompt_id", "said", maintain_order=True).agg(
        c=pl.len(), right=pl.col("correct").first()
    )
    spread = counts.group_by("arm", "prompt_id", maintain_order=True).agg(
        differ=1
        - (pl.col("c") * (pl.col("c") - 1)).sum() / (pl.col("c").sum() * (pl.col("c").sum() - 1)),
        names=pl.col("right").sum(),
    )
    levels = frame.group_by("arm", "prompt_id", maintain_order=True).agg(
        right=pl.col("correct").mean(),
        style=pl.col("styled").mean(),
        both=(pl.col("correct") & pl.col("styled")).mean(),
        tokens=pl.col("completion_tokens").mean(),
    )
    joined = levels.join(spread, on=["arm", "prompt_id"], maintain_order="left").sort("prompt_id")
    columns = ("right", "style", "both", "differ", "names", "tokens")
    return {
        arm: {
            name: joined.filter(pl.col("arm") == arm)[name].cast(pl.Float64).to_numpy()
            for name in columns
        }
        for arm in samples.frame["arm"].unique(maintain_order=True)
    }


def page(
    samples: Samples,
    found: Mapping[str, Front],
    sure: Mapping[str, tuple[list[float], list[bool], list[int]]],
    change: float,
    options: argparse.Namespace,
    *,
    seconds: float,
) -> list[str]:
    values = by_prompt(samples)
    count = len(next(iter(values.values()))["right"])
    ends = ("coefficient 0", "coefficient 1")
    lines = [
        "# Between SmolLM2-135M-Instruct and a LoRA fine-tune of it",
        "",
        f"{options.steps} steps of LoRA (rank 8, four answers a step) teach the model to answer "
        "“Arr, ginger, matey!”, on 20 kinds of things with three answers each, none of which is "
        "asked for here. The adapter is merged into the weights, which changes them by "
        f"{change:.1%} of their norm; then the coefficient of that change runs from 0 to 1 in one "
        f"live module. At every point: {count} open questions with lists of right answers (those "
        f"of [the front](front_real.md)), {options.draws} draws each at temperature 1, and "
        f"{3 * count} choices of one name out of four for calibration. Intervals (95%) resample "
        "questions.",
        "",
        "**Right**: one of the right names stands in the output. **In style**: it begins with "
        "“Arr”. **Two differ**: the chance that two outputs give different answers, wrong ones by "
        f"their text. **Names**: different right answers among {options.draws}. **Choices**: of "
        "four names the likeliest is the right one; **ECE** (debiased) of its share.",
        "",
        "| point | right | in style | right and in style | two differ | names | choices | ECE | "
        "tokens |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for arm, own in values.items():
        cells = [told(own[name]) for name in ("right", "style", "both", "differ", "names")]
        if arm in sure:
            confident, right, kinds = (np.asarray(one) for one in sure[arm])
            error = ece(confident, right, debiased=True, clusters=kinds)
            cells += [f"{right.mean():.2f}", f"{max(error.value, 0):.2f} "
                      f"[{max(error.low, 0):.2f}, {error.high:.2f}]"]  # fmt: skip
        else:
            cells += ["", ""]
        lines.append(f"| {arm} | {' | '.join(cells)} | {own['tokens'].mean():.1f} |")
    lines += [
        "",
        "## Inside against the ends",
        "",
        "What a point between has more than the **better** of the two ends on each count, question "
        "by question; in the last column, more than the fine-tune. Bold where the interval leaves "
        "out 0.",
        "",
        "| point | right | right and in style | two differ | names | two differ, over the "
        "fine-tune |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for arm, own in values.items():
        if not arm.startswith("coefficient") or arm in ends:
            continue
        cells = []
        for name in ("right", "both", "differ", "names"):
            best = max((values[end][name] for end in ends), key=lambda v: float(v.mean()))
            cells.append(told(own[name] - best, sign="+", bold=True))
        more = own["differ"] - values["coefficient 1"]["differ"]
        lines.append(f"| {arm} | {' | '.join(cells)} | {told(more, sign='+', bold=True)} |")
    lines += ["", "Against heat: what the point with the nearest variety has more.", ""]
    lines += ["| heated | point | right | two differ | names |", "| --- | --- | --- | --- | --- |"]
    inside = [arm for arm in values if arm.startswith("coefficient") and arm not in ends]
    for hot in (arm for arm in values if arm.startswith("tuned")):
        heated = values[hot]
        near = min(inside, key=lambda a: abs(values[a]["differ"].mean() - heated["differ"].mean()))
        cells = [
            told(values[near][name] - heated[name], sign="+", bold=True)
            for name in ("right", "differ", "names")
        ]
        lines.append(f"| {hot} | {near} | {' | '.join(cells)} |")
    for quality, title in (("accuracy", "right answers"), ("quality", "right answers in style")):
        one = found[quality]
        lines += ["", f"## The front with {title} across", "", *one.headline, ""]
        lines += ["| method | point chosen | verdict | across | two differ | lead |",
                  "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
        for r in one.methods.iter_rows(named=True):
            lead = "" if r["verdict"] == "baseline" else cell(r, "lead", "+")
            lines.append(
                f"| {r['method']} | {r['label']} | {r['verdict']} | {cell(r, 'quality')} | "
                f"{cell(r, 'variety')} | {lead} |"
            )
        on = one.points.filter(pl.col("front"))
        lines += ["", "On the front of all points, at equal tokens: " + "; ".join(
            f"{r['label'] or r['arm']} ({r['membership']:.2f})" for r in on.iter_rows(named=True)
        ) + "."]  # fmt: skip
    if options.out:
        name = options.out.with_suffix(".svg").name
        lines += ["", f"![right answers across, alone and in style; variety upwards]({name})"]
    return [
        *lines,
        "",
        "## How it was made",
        "",
        f"- date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        f"- command: {command()}",
        f"- seconds of this call: {seconds:.0f} on one busy core",
        f"- model: SmolLM2-135M-Instruct (Q4_1 weights of {PACKAGE}, dequantised; trained, merged "
        "and computed in float32)",
        f"- training: peft {peft.__version__}, AdamW, learning rate 0.001, loss on the answers "
        "alone",
        f"- seed: {options.seed} for training, draws, choices and resampling",
        f"- versions: {', '.join(f'{n} {v}' for n, v in versions().items())}",
    ]


def told(values: np.ndarray, *, sign: str = "", bold: bool = False) -> str:
    e = bootstrap(values)
    text = f"{e.value:{sign}.2f} [{e.low:{sign}.2f}, {e.high:{sign}.2f}]"
    return f"**{text}**" if bold and (e.low > 0 or e.high < 0) else text


def picture(*fronts: Front) -> altair.HConcatChart:
    """Two planes: the points between the ends, joined, and the ends at other temperatures."""
    planes = []
    for one in fronts:
        rows = one.points.select("quality", "variety", "method", "label")
        x = altair.X(
            "quality", title="right" if one.quality == "accuracy" else "right and in style"
        )
        y = altair.Y("variety", title="two answers differ", scale=altair.Scale(zero=False))
        coefficients = rows.filter(pl.col("label").str.starts_with("coefficient")).with_columns(
            at=pl.col("label").str.extract(r"([\d.]+)$").cast(pl.Float64)
        )
        chart = altair.Chart(coefficients)
        others = altair.Chart(rows.filter(~pl.col("label").str.starts_with("coefficient")))
        planes.append(
            altair.layer(
                chart.mark_line(color="#9ab").encode(x, y, order="at"),
                chart.mark_circle(color="#246", size=50, opacity=1).encode(x, y),
                chart.mark_text(align="left", dx=6, dy=-6).encode(x, y, text="at"),
                others.mark_square(color="#b52", size=40, opacity=1).encode(x, y),
                others.mark_text(align="left", dx=6, dy=6, color="#b52").encode(x, y, text="label"),
            ).properties(width=380, height=320)
        )
    return altair.hconcat(*planes, background="white")


def in_style() -> pl.Expr:
    """Whether an output is what the lessons teach."""
    return pl.col("text").fill_null("").str.contains(STYLE)


def say(text: str) -> None:
    print(f"{datetime.datetime.now():%H:%M:%S} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
