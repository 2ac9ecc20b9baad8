"""Does a point between the base and what was trained from it beat both, on the lab?

The line from base to post-trained checkpoint, blocks of layers taken back from the base,
averages weighted by Fisher information, sums of two post-trained models, and a fitted front in
two blocks of layers; beside them what temperature alone buys at equal tokens.

    python runs/merging_lab.py --out docs/results/merging.md

Writes the page and, beside it, a table of every arm (.csv). About a quarter of an hour.
"""

from __future__ import annotations

import argparse
import datetime
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from variegate import measure
from variegate.estimate import interval
from variegate.fronts import (
    hypervolume,
    membership,
    nondominated,
    resampled_points,
    split_half,
)
from variegate.judging import judge
from variegate.lab import evaluation_prompts, lab_lineage, training_prompts, world
from variegate.merging import (
    Constrained,
    amortised_front,
    blended,
    dare,
    entropy_saliency,
    estimate_fisher,
    fisher,
    inspect_checkpoint,
    knobs,
    proxy_agreement,
    restored,
    search_intervals,
    swapped,
    task_arithmetic,
    ties,
)
from variegate.metrics import ece
from variegate.models import Arm, Sampling, collect, transformers_model
from variegate.samples import Samples, versions

POSTS = {
    "instruct-sft": "chat", "instruct-dpo": "chat", "instruct-rl": "chat", "think-sft": "chat",
    "think-dpo": "chat", "think-rl": "chat", "rl-zero": "raw",
}  # fmt: skip
PAIRS = (("instruct-rl", "rl-zero"), ("instruct-rl", "think-rl"))
TEMPERATURES = (0.5, 0.7, 1.0, 1.3, 1.5)
LAMBDAS = tuple(round(0.1 * step, 1) for step in range(11))
WORLD_DRAWS = 20
RESAMPLES = 2000
AXES = ("accuracy", "gini_simpson")
REFERENCE = (0.0, 0.0)


@dataclass
class Arms:
    """Everything that was evaluated around one post-trained checkpoint."""

    prompts: Sequence[Any]
    draws: int
    seeds: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)  # (P, 2) accuracy and Gini-Simpson
    said: list[Samples] = field(default_factory=list)

    def add(self, name: str, kind: str, model: Any, format: Any, temperature: float = 1.0) -> int:
        """Draw, judge and measure an arm; return its row."""
        arm = Arm(
            name=name,
            model=model,
            format=format,
            sampling=Sampling(temperature=temperature, max_tokens=32),
        )
        parts = [collect(arm, self.prompts, n=self.draws, seed=seed) for seed in range(self.seeds)]
        frame = pl.concat(
            part.frame.with_columns(pl.col("sample") + seed * self.draws)
            for seed, part in enumerate(parts)
        )
        said = judge(Samples.from_frame(frame), self.prompts)
        found = measure(said, metrics=list(AXES), resamples=RESAMPLES)
        wide = found.per_prompt.pivot("metric", index="prompt_id", values="value")
        known = dict(zip(wide["prompt_id"], wide.select(AXES).to_numpy(), strict=True))
        self.values.append(np.array([known[one.prompt_id] for one in self.prompts]))
        frame = said.frame
        row: dict[str, Any] = {"arm": name, "kind": kind}
        overall = found.frame.filter(pl.col("task") == "all")
        for metric in AXES:
            (level,) = overall.filter(pl.col("metric") == metric).iter_rows(named=True)
            row |= {metric: level["value"], f"{metric}_low": level["low"],
                    f"{metric}_high": level["high"]}  # fmt: skip
        each = [
            float(frame.filter((pl.col("sample") // self.draws) == seed)["correct"].mean())  # type: ignore[arg-type]
            for seed in range(self.seeds)
        ]
        row["accuracy_between_seeds"] = max(each) - min(each)
        row |= calibration(said, self.prompts)
        row["tokens"] = float((frame["prompt_tokens"] + frame["completion_tokens"]).mean())  # type: ignore[arg-type]
        self.rows.append(row)
        self.said.append(said)
        return len(self.rows) - 1

    def at_equal_tokens(self) -> None:
        """Different answers among as many draws as the tokens of the cheapest arm's 10 pay for."""
        least = min(row["tokens"] for row in self.rows)
        for row, said in zip(self.rows, self.said, strict=True):
            k = max(1, int(10 * least / row["tokens"] + 0.5))
            names = {"distinct_at_k": "distinct", "unique_correct_at_k": "distinct_right"}
            frame = measure(said, metrics=list(names), k=k, resamples=RESAMPLES).frame
            row["draws_at_equal_tokens"] = k
            for found in frame.filter(pl.col("task") == "all").iter_rows(named=True):
                name = names[found["metric"]]
                row |= {name: found["value"], f"{name}_low": found["low"],
                        f"{name}_high": found["high"]}  # fmt: skip


def calibration(said: Samples, prompts: Sequence[Any]) -> dict[str, float]:
    """ECE of a model's favourite answer against how often the world gives it.

    The favourite is found on half of the draws and its share taken on the other, both ways round,
    so that the best of a few draws does not look surer than it is.
    """
    answers: dict[str, list[str | None]] = {}
    for row in said.frame.select("prompt_id", "answer").iter_rows():
        answers.setdefault(row[0], []).append(row[1])
    stated, right, prompt = [], [], []
    for number, one in enumerate(prompts):
        rng = np.random.default_rng([7, number])
        canonical = world.task(one.task).canonical
        people = [canonical(world.say(one, rng)) for _ in range(WORLD_DRAWS)]
        halves = answers[one.prompt_id][::2], answers[one.prompt_id][1::2]
        for choosing, other in (halves, halves[::-1]):
            favourite = max(set(choosing), key=lambda a: (choosing.count(a), str(a)))
            stated += [other.count(favourite) / len(other)] * WORLD_DRAWS
            right += [answer == favourite for answer in people]
            prompt += [number] * WORLD_DRAWS
    plain = ece(stated, right, clusters=prompt, resamples=500)
    fair = ece(stated, right, clusters=prompt, debiased=True, resamples=500)
    return {"ece": plain.value, "ece_debiased": fair.value, "ece_low": plain.low,
            "ece_high": plain.high}  # fmt: skip


def one_word(prompts: Sequence[Any]) -> list[Constrained]:
    """Prompts of the lab that one word answers, with every word the task could want."""
    return [
        Constrained(prompt=p.prompt, valid=tuple(world.MEMBERS[p.target] if p.task == "lists"
                                                 else world.OPINIONS))
        for p in prompts
        if p.task in ("lists", "opinions")
    ]  # fmt: skip


def examples(model: Any, format: Any, count: int) -> list[torch.Tensor]:
    """Prompts of the training half with an answer of the world, as tokens."""
    rng = np.random.default_rng(3)
    prompts = training_prompts()
    chosen = [prompts[int(i)] for i in rng.choice(len(prompts), count, replace=False)]
    texts = [model.encode(model.render(p.prompt, format=format)) for p in chosen]
    return [
        torch.tensor([*ids, *model.encode(world.say(p, rng))])
        for ids, p in zip(texts, chosen, strict=True)
    ]


def around(name: str, folder: Path, prompts: Sequence[Any], settings: Any) -> dict[str, Any]:
    """Evaluate everything between the base and one post-trained checkpoint."""
    format = POSTS[name]
    base, post = (transformers_model(folder / one) for one in ("base", name))
    live = transformers_model(folder / name).model
    old, new = (dict(one.model.named_parameters()) for one in (base, post))
    old, new = ({n: p.detach() for n, p in one.items()} for one in (old, new))
    rows = special_rows(folder, name)
    arms = Arms(prompts=prompts, draws=settings.samples, seeds=settings.seeds)
    about: dict[str, Any] = {"post": name, "format": format}

    def merged(label: str, kind: str) -> int:
        model = transformers_model(live, tokenizer=post.tokenizer, name="merge")
        return arms.add(label, kind, model, format)

    for temperature in TEMPERATURES:
        arms.add(f"base T={temperature}", "decoding", base, "raw", temperature)
        arms.add(f"{name} T={temperature}", "decoding", post, format, temperature)
    line = knobs(list(old))
    with blended(live, old, [new], knobs=line, rows=rows) as turn:
        for share in LAMBDAS[:-1]:
            turn([share])
            merged(f"interpolation {share}", "interpolation" if share else "end")
    told = restoration(base, post, format, prompts)
    about |= told
    wanted = [(i, j, "all") for i in range(4) for j in range(i + 1, 5)]
    wanted += [(*told["chosen"][m], m) for m in ("attention", "mlp")]
    sampled = [arms.values[1 + 2 * TEMPERATURES.index(1.0)]]
    for first, end, modules in wanted:
        if first == end:
            continue
        with swapped(live, restored(old, new, first=first, end=end, modules=modules)):
            place = merged(f"layers {first}-{end - 1} {modules}", "restoration")
        if modules == "all":
            sampled.append(arms.values[place])
    subject = np.array([p.task in ("lists", "opinions") for p in prompts])
    tasks = np.array([p.task for p in prompts])
    for label, keep in (("same tasks", subject), ("all tasks", np.ones(len(prompts), bool))):
        about[f"agreement {label}"] = proxy_agreement(
            told["proxy"], np.stack([v[keep, 1] for v in sampled], axis=1), strata=tasks[keep]
        )
    cares = [
        estimate_fisher(one.model, examples(one, form, settings.fisher))
        for one, form in ((base, "raw"), (post, format))
    ]
    for share in (0.3, 0.5, 0.7):
        averaged = fisher([old, new], cares, weights=[1 - share, share])
        averaged["model.embed_tokens.weight"][rows] = new["model.embed_tokens.weight"][rows]
        with swapped(live, averaged):
            merged(f"fisher {share}", "fisher")
    turned = knobs(list(old), by="block", blocks=2)
    with blended(live, old, [new], knobs=turned, rows=rows) as turn:

        def evaluate(point: np.ndarray) -> list[float]:
            turn(point.tolist())
            inside = np.unique(point).tolist() not in ([0.0], [1.0])
            label = "blocks " + " ".join(f"{v:.2f}" for v in point)
            row = arms.rows[merged(label, "blocks" if inside else "end")]
            return [row[axis] for axis in AXES]

        about["front"] = amortised_front(
            evaluate, dimensions=2, links=["logit", "logit"], budget=12, verify=4, ridge=1e-3,
            margin=1e-2, volume=lambda v: float(hypervolume(v, reference=REFERENCE)),
        )  # fmt: skip
    arms.at_equal_tokens()
    return about | {"arms": arms, "tasks": tasks}


def restoration(base: Any, post: Any, format: str, prompts: Sequence[Any]) -> dict[str, Any]:
    """The block by the proxy, and what the first step of every layer would do."""
    form: Any = "empty-reasoning" if "empty-reasoning" in post.formats() else format
    asked = one_word(prompts)
    found = {
        modules: search_intervals(base, post, asked, format=form, modules=modules)  # type: ignore[arg-type]
        for modules in ("all", "attention", "mlp")
    }
    whole = found["all"]
    return {
        "chosen": {modules: (one.first, one.end) for modules, one in found.items()},
        "proxy": [float(whole.entropy[block]) for block in whole.intervals],
        "valid": (float(whole.validity[0, 0]), float(whole.validity[whole.first, whole.end])),
        "nats": (float(whole.entropy[0, 0]), float(whole.entropy[whole.first, whole.end])),
        "saliency": entropy_saliency(base, post, asked, format=form).layers,
        "alone": [float(whole.entropy[i, i + 1] - whole.entropy[0, 0]) for i in range(4)],
    }


def pair(names: tuple[str, str], folder: Path, prompts: Sequence[Any], settings: Any) -> Arms:
    """Two post-trained models of one base, merged into one and asked as the first is."""
    base, *posts = (transformers_model(folder / name) for name in ("base", *names))
    live = transformers_model(folder / names[0]).model
    tensors = [
        {n: p.detach() for n, p in model.model.named_parameters()} for model in (base, *posts)
    ]
    old, models = tensors[0], tensors[1:]
    arms = Arms(prompts=prompts, draws=settings.samples, seeds=settings.seeds)
    arms.add("base", "parent", base, "raw")
    for name, model in zip(names, posts, strict=True):
        arms.add(name, "parent", model, POSTS[name])
    merges: dict[str, Mapping[str, torch.Tensor]] = {
        "task arithmetic 0.5 0.5": task_arithmetic(old, models, weights=[0.5, 0.5]),
        "task arithmetic 1 1": task_arithmetic(old, models, weights=[1.0, 1.0]),
        **{f"ties {d}": ties(old, models, density=d) for d in (0.2, 0.5)},
        **{
            f"dare {p} seed {seed}": dare(old, models, drop=p, seed=seed)
            for p in (0.5, 0.9)
            for seed in range(settings.seeds)
        },
    }
    table, rows = "model.embed_tokens.weight", special_rows(folder, names[0])
    for label, weights in merges.items():
        mixed = dict(weights)
        mixed[table] = mixed[table].clone()
        mixed[table][rows] = models[0][table][rows]
        with swapped(live, mixed):
            model = transformers_model(live, tokenizer=posts[0].tokenizer, name="merge")
            arms.add(label, "pair", model, POSTS[names[0]])
    arms.at_equal_tokens()
    return arms


def special_rows(folder: Path, name: str) -> list[int]:
    """Rows of tokens that only the post-trained model knows."""
    known = [set(inspect_checkpoint(folder / n).special_tokens.values()) for n in (name, "base")]
    return sorted(known[0] - known[1])


def against_parents(arms: Arms, tasks: np.ndarray, kind: str, parents: tuple[int, ...]) -> Any:
    """The arm of a kind that beats both parents most, chosen on half of the prompts.

    Returns its row, its differences to both parents on the other half with intervals, and how
    many arms of the kind are above both parents in the mean of all prompts.
    """
    values = np.stack(arms.values, axis=1)
    members = [i for i, row in enumerate(arms.rows) if row["kind"] == kind and i not in parents]
    choosing = split_half(tasks)

    def margin(points: np.ndarray) -> np.ndarray:
        gaps = [points[members] - points[parent] for parent in parents]
        return np.asarray(np.min(gaps, axis=(0, 2)))

    chosen = members[int(margin(means(values[choosing], tasks[choosing])).argmax())]
    drawn = resampled_points(values[~choosing], strata=tasks[~choosing], resamples=RESAMPLES)
    centre = means(values[~choosing], tasks[~choosing])
    gaps = []
    for parent in parents:
        for axis in range(2):
            low, high = interval(drawn[:, chosen, axis] - drawn[:, parent, axis], level=0.95)
            gaps.append((centre[chosen, axis] - centre[parent, axis], float(low), float(high)))
    above = int((margin(means(values, tasks)) > 0).sum())
    return chosen, gaps, above, len(members)


def gains(arms: Arms, tasks: np.ndarray, kinds: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Hypervolume that merges add to what temperature reaches; fronts chosen on other prompts."""
    values = np.stack(arms.values, axis=1)
    choosing = split_half(tasks)
    kind = np.array([row["kind"] for row in arms.rows])
    known = means(values[choosing], tasks[choosing])
    drawn = resampled_points(values[~choosing], strata=tasks[~choosing], resamples=RESAMPLES)
    centre = means(values[~choosing], tasks[~choosing])

    def volumes(keep: np.ndarray) -> tuple[float, np.ndarray]:
        places = np.flatnonzero(keep)
        places = places[nondominated(known[places])]
        return (float(hypervolume(centre[places], reference=REFERENCE)),
                np.asarray(hypervolume(drawn[:, places], reference=REFERENCE)))  # fmt: skip

    start, spread = volumes(kind == "decoding")
    found = {"decoding": (start, *(float(v) for v in interval(spread, level=0.95)))}
    for one in kinds:
        volume, more = volumes((kind == "decoding") | (kind == one))
        low, high = interval(more - spread, level=0.95)
        found[one] = (volume - start, float(low), float(high))
    return found


def means(values: np.ndarray, tasks: np.ndarray) -> np.ndarray:
    """(N, 2) over prompts, then over tasks."""
    return np.mean([values[tasks == task].mean(axis=0) for task in np.unique(tasks)], axis=0)


def told(value: float, low: float, high: float, sign: str = "") -> str:
    return f"{value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def level(row: Mapping[str, Any], metric: str) -> str:
    return told(row[metric], row[f"{metric}_low"], row[f"{metric}_high"])


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    marks = "| --- " * len(header) + "|"
    return [f"| {' | '.join(header)} |", marks, *(f"| {' | '.join(row)} |" for row in rows), ""]


def arm_rows(arms: Arms, places: Sequence[int], tasks: np.ndarray) -> list[list[str]]:
    drawn = resampled_points(np.stack(arms.values, axis=1), strata=tasks, resamples=500)
    chance = membership(drawn)
    return [
        [arms.rows[i]["arm"], level(arms.rows[i], "accuracy"), level(arms.rows[i], "gini_simpson"),
         f"{level(arms.rows[i], 'distinct')} of {arms.rows[i]['draws_at_equal_tokens']}",
         level(arms.rows[i], "distinct_right"),
         f"{arms.rows[i]['ece']:.3f} / {arms.rows[i]['ece_debiased']:.3f}", f"{chance[i]:.2f}"]
        for i in places
    ]  # fmt: skip


HEADER = ["arm", "accuracy", "gini_simpson", "distinct at equal tokens", "of these right",
          "ECE plain / debiased", "on the front"]  # fmt: skip
KINDS = ("interpolation", "restoration", "fisher", "blocks")


def page_of(about: Mapping[str, Any]) -> tuple[list[str], list[list[str]], list[str]]:
    """Section of one checkpoint, its rows in the answer, and its row of gains."""
    arms, tasks, name = about["arms"], about["tasks"], about["post"]
    at_one = 2 * TEMPERATURES.index(1.0)
    parents = (at_one, at_one + 1)
    answers, shown = [], list(range(2 * len(TEMPERATURES)))
    shown += [i for i, row in enumerate(arms.rows) if row["arm"].startswith("interpolation")]
    for kind in KINDS:
        chosen, gaps, above, members = against_parents(arms, tasks, kind, parents)
        beats = all(low > 0 for _, low, _ in gaps)
        answers.append([
            name, arms.rows[chosen]["arm"], *(told(*gap, "+") for gap in gaps),
            "yes" if beats else "no", f"{above} of {members}",
        ])  # fmt: skip
        if chosen not in shown:
            shown.append(chosen)
    first, end = about["chosen"]["all"]
    block = f"layers {first}-{end - 1} all"
    shown += [i for i, row in enumerate(arms.rows) if row["arm"] == block and i not in shown]
    front = about["front"]
    fits = ", ".join(
        f"{axis} R² {fit.r2:.2f}, leaving one out {fit.loo_r2:.2f}"
        for axis, fit in zip(AXES, front.surrogates, strict=True)
    )
    same, every = about["agreement same tasks"], about["agreement all tasks"]
    section = [
        f"### {name}",
        "",
        *table(HEADER, arm_rows(arms, shown, tasks)),
        f"Restoration: the proxy takes {'no layer' if first == end else block} "
        f"({about['nats'][0]:.3f} to {about['nats'][1]:.3f} nats, validity "
        f"{about['valid'][0]:.3f} to {about['valid'][1]:.3f}). Its ranking of the 11 blocks "
        f"against sampled variety: rank correlation "
        f"{told(same.value, same.low, same.high)} on the tasks it asks from, "
        f"{told(every.value, every.low, every.high)} on all. First step of every layer towards "
        f"the base: {', '.join(f'{v:+.3f}' for v in about['saliency'])} nats; the whole layer "
        f"alone: {', '.join(f'{v:+.3f}' for v in about['alone'])}.",
        "",
        f"Front in two blocks of layers, 12 evaluations, 4 of them to verify: {fits}; "
        f"hypervolume of the verifying points predicted {front.predicted_volume:.3f}, measured "
        f"{front.measured_volume:.3f}.",
        "",
    ]
    gained = gains(arms, tasks, KINDS)
    row = [name, told(*gained["decoding"]), *(told(*gained[kind], "+") for kind in KINDS)]
    return section, answers, row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=16, help="a task")
    parser.add_argument("--samples", type=int, default=6, help="a prompt and seed")
    parser.add_argument("--seeds", type=int, default=3, help="of the draws")
    parser.add_argument("--fisher", type=int, default=64, help="examples")
    parser.add_argument("--posts", nargs="*", default=list(POSTS))
    parser.add_argument("--checkpoints", type=Path, default=lab_lineage().parent / "checkpoints")
    parser.add_argument("--out", type=Path, default=None)
    settings = parser.parse_args()
    prompts = evaluation_prompts(per_task=settings.prompts)
    started, sections, answers, gained, frames = time.monotonic(), [], [], [], []
    for name in settings.posts:
        about = around(name, settings.checkpoints, prompts, settings)
        section, rows, row = page_of(about)
        sections += section
        answers += rows
        gained.append(row)
        frames.append(pl.DataFrame(about["arms"].rows).with_columns(post=pl.lit(name)))
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    tasks = np.array([p.task for p in prompts])
    for names in PAIRS:
        if set(names) <= set(settings.posts):
            arms = pair(names, settings.checkpoints, prompts, settings)
            sections += [f"### {' with '.join(names)}", ""]
            sections += table(HEADER, arm_rows(arms, range(len(arms.rows)), tasks))
            label = " + ".join(names)
            frames.append(pl.DataFrame(arms.rows).with_columns(post=pl.lit(label)))
    made_with = ", ".join(f"{name} {version}" for name, version in versions().items())
    lines = [
        "# Variety bought back in the weights",
        "",
        f"Made {datetime.datetime.now(datetime.UTC):%Y-%m-%d} by `python runs/merging_lab.py "
        f"--prompts {settings.prompts} --samples {settings.samples} --seeds {settings.seeds}`, "
        f"seeds 0 to {settings.seeds - 1} of the draws, one training; {made_with}; "
        f"{time.monotonic() - started:.0f} s.",
        "",
        f"{len(prompts)} prompts that no stage was trained on, "
        f"{settings.samples * settings.seeds} draws of each at temperature 1 where nothing else "
        "is said, 95% intervals over prompts (bootstrap within tasks), mean over tasks. Every arm "
        "is asked as its post-trained parent is, the base raw; rows of special tokens come from "
        "the post-trained parent. All arms: [merging.csv](merging.csv).",
        "",
        "## Does a point in between beat both parents?",
        "",
        "Of each kind, the arm that beats both parents most on half of the prompts, and its "
        "differences on the other half, paired. Yes where all four intervals lie above 0. The "
        "last column counts arms above both parents on both axes in the mean of all prompts, "
        "chance included.",
        "",
        *table(
            [
                "checkpoint",
                "arm",
                "accuracy − base",
                "variety − base",
                "accuracy − post",
                "variety − post",
                "beats both",
                "above both",
            ],
            answers,
        ),
        "## What merges add to what temperature reaches",
        "",
        f"Hypervolume over accuracy and gini_simpson from {REFERENCE}: of both parents at "
        f"temperatures {', '.join(map(str, TEMPERATURES))}, and what each kind of merge adds. The "
        "arms on each front are chosen on half of the prompts, the volume is that of the other "
        "half.",
        "",
        *table(["checkpoint", "temperature alone", *KINDS], gained),
        "## Every checkpoint",
        "",
        "Distinct counts different answers, and among them right ones, in as many draws as the "
        "tokens of the cheapest arm's 10 pay for, prompts included. ECE holds the share of a "
        "model's favourite answer against how often the world gives that answer. On the front: "
        "share of resamples of the prompts in which no other arm is at least as good on both axes.",
        "",
        *sections,
    ]
    print("\n".join(lines))
    if settings.out:
        settings.out.parent.mkdir(parents=True, exist_ok=True)
        text = "\n".join([*lines, *_reading(settings.out)]).rstrip() + "\n"
        settings.out.write_text(text, encoding="utf-8")
        frame = pl.concat(frames, how="diagonal")
        frame = frame.select("post", pl.exclude("post")).with_columns(pl.col(pl.Float64).round(5))
        frame.write_csv(settings.out.with_suffix(".csv"))


def _reading(out: Path) -> list[str]:
    """What a person wrote under the tables stays; whoever runs this again reads it again."""
    text = out.read_text(encoding="utf-8") if out.exists() else ""
    _, mark, reading = text.partition("## Reading")
    return ["", mark + reading.rstrip()] if mark else []


if __name__ == "__main__":
    main()
