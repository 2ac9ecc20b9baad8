"""Does a point between the base and what was trained from it beat both, on the lab?

Around every post-trained checkpoint of every training given: the line to the base, blocks of layers
taken back, averages weighted by Fisher information, the change trimmed (TIES) or thinned (DARE), a
fitted front in two blocks of layers; and, held against them at equal tokens and equal tuning, what
sampling alone reaches. Then sums of two post-trained checkpoints.

    variegate lab train --out lab-1 --seed 1; variegate lab train --out lab-2 --seed 2
    python runs/merging_lab.py --checkpoints lab-0 lab-1 lab-2 --out docs/results/merging.md

Without --checkpoints: the training that ships with the package. Three trainings take about half an
hour of one core; --only divides the work over processes, and a run that was killed
goes on. Writes the page and, beside it, a table of every arm (.csv).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from front_lab import jointly, sampled, suppressed
from merging_lab_page import page
from transformers.utils.logging import disable_progress_bar

from variegate import measure
from variegate.fronts import Arms, Front, front, hypervolume
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
from variegate.samples import Prompt, RunDirectory, Samples

POSTS = {
    "instruct-sft": "chat", "instruct-dpo": "chat", "instruct-rl": "chat", "think-sft": "chat",
    "think-dpo": "chat", "think-rl": "chat", "rl-zero": "raw",
}  # fmt: skip
PAIRS = (("instruct-rl", "rl-zero"), ("instruct-rl", "think-rl"))
TEMPERATURES = (1.0, 0.7, 1.3, 1.6)
SHARES = (0.4, 0.2, 0.6, 0.8)
AXES = ("accuracy", "gini_simpson")
LENGTH, TUNING_DRAWS, WORLD_DRAWS, TRIES = 32, 6, 20, 4


@dataclass
class Drawn:
    """Outputs of every arm around one checkpoint, kept in a run directory."""

    prompts: Sequence[Prompt]
    run: RunDirectory
    draws: int
    seed: int
    frames: dict[str, list[pl.DataFrame]] = field(default_factory=dict)

    def add(self, method: str, label: str, model: Any, format: Any, heat: float = 1.0) -> str:
        """Draw an arm; return its name."""
        name = f"{method} ({label})"
        sampling = Sampling(temperature=heat, max_tokens=LENGTH)
        arm = Arm(name=name, model=model, format=format, sampling=sampling)
        found = collect(arm, self.prompts, n=self.draws, seed=self.seed, run=self.run).frame
        self.frames.setdefault(method, []).append(found)
        return name

    def methods(self) -> Iterator[dict[str, Any]]:
        for name, frames in self.frames.items():
            both = pl.concat(frames).with_columns(sample_id=None)
            yield {"name": name, "samples": Samples.from_frame(both)}

    def judged(self) -> Samples:
        frames = [frame for several in self.frames.values() for frame in several]
        return judge(Samples.from_frame(pl.concat(frames)), self.prompts)


@dataclass
class Models:
    """Two ends in memory, and a third to put merges into."""

    folder: Path
    post: str
    beside: str = "base"

    def __post_init__(self) -> None:
        self.format: Any = POSTS[self.post]
        self.base = transformers_model(self.folder / "base", device="cpu")
        self.model = transformers_model(self.folder / self.post, device="cpu")
        self.live = transformers_model(self.folder / self.post, device="cpu").model
        self.old, self.new = (
            {n: p.detach() for n, p in one.model.named_parameters()}
            for one in (self.base, self.model)
        )
        known = [
            set(inspect_checkpoint(self.folder / n).special_tokens.values())
            for n in (self.post, "base")
        ]
        self.rows = sorted(known[0] - known[1])  # tokens that only the post-trained model knows

    def named(self, name: str) -> Any:
        """The live weights as a model with a name, which is part of a draw's identity."""
        return transformers_model(
            self.live, tokenizer=self.model.tokenizer, name=f"{self.post} {name}", device="cpu"
        )

    @contextmanager
    def holding(self, weights: Mapping[str, torch.Tensor], name: str) -> Iterator[Any]:
        """The model with merged weights; rows of special tokens are those of the post's."""
        table = "model.embed_tokens.weight"
        mixed = dict(weights)
        mixed[table] = mixed[table].clone()
        mixed[table][self.rows] = self.new[table][self.rows]
        with swapped(self.live, mixed):
            yield self.named(name)


def around(folder: Path, training: int, post: str, settings: argparse.Namespace) -> None:
    """Everything between the base and one post-trained checkpoint, written to its own folder."""
    place = settings.run / f"{training}-{post}"
    if (place / "about.json").exists():
        return
    prompts, models = evaluation_prompts(per_task=settings.prompts), Models(folder, post)
    told = {"training": training, "post": post, "draws": settings.draws, "form": 1}
    with RunDirectory.open(place / "draws", settings=told, kind="collect") as run:
        # The cheapest arm sets the budget: it must pay for two outputs of the dearest, which reads
        # and writes the reasoning three times over.
        many = settings.draws * (2 if post.startswith("think") else 1)
        drawn = Drawn(prompts=prompts, run=run, draws=many, seed=training)
        for heat in TEMPERATURES:
            drawn.add("temperature", f"T {heat}", models.model, models.format, heat)
            drawn.add("base temperature", f"T {heat}", models.base, "raw", heat)
        about = merges(models, drawn, settings.fisher)
        methods = list(drawn.methods())
        ways = jointly(models.model, models.base, format=models.format, draws=settings.draws)
        for name, settings_ in ways:
            frames = []
            for label, speaker, sampling in settings_:
                own = speaker.formats()
                form = models.format if models.format in own else own[0]
                arm = Arm(name=f"{name} ({label})", model=speaker, format=form, sampling=sampling)
                found = collect(arm, prompts, n=settings.draws, seed=training, run=run).frame
                frames.append(found.with_columns(sample_id=None))
            methods.append({"name": name, "samples": Samples.from_frame(pl.concat(frames))})
        less = suppressed(models.model, prompts, seed=training, run=run, format=models.format,
                          draws=settings.draws)  # fmt: skip
        methods.append(
            {"name": "logit suppression", "samples": Samples.from_frame(pl.concat(less))}
        )
    methods += [{**m, "model": models.model} for m in sampled() if m["name"] != "temperature"]
    name = f"{post}, training {training}"
    found = on_one_front(name, methods, models, drawn, settings.draws, place)
    said = drawn.judged()
    about |= agreement(about, said, prompts)
    about["ece"] = {arm: calibration(part, prompts) for arm, part in by_arm(said)}
    write(place, found, about | {"training": training, "post": post})


def on_one_front(
    name: str, methods: list[dict[str, Any]], models: Models, drawn: Drawn, draws: int,
    place: Path,
) -> Front:  # fmt: skip
    arms = Arms(
        name=name,
        methods=methods,  # type: ignore[arg-type]
        baseline="temperature",
        prompts=tuple(drawn.prompts),
        format=models.format,
        sampling={"max_tokens": LENGTH},
        samples_per_prompt=draws,
        quality=AXES[0],
        variety=AXES[1],
        tries=TRIES,
        reference=(0.0, 0.0),
        seed=drawn.seed,
    )
    return front(arms, out=place / "front")


def merges(models: Models, drawn: Drawn, examples_: int) -> dict[str, Any]:
    """Draw from every merge of the base and the post-trained checkpoint."""
    old, new, rows, form = models.old, models.new, models.rows, models.format
    with blended(models.live, old, [new], knobs=knobs(list(old)), rows=rows) as turn:
        for share in SHARES:
            turn([share])
            drawn.add("interpolation", f"{share}", models.named(f"line {share}"), form)
        for share, heat in product(SHARES[::2], TEMPERATURES[1:3]):
            turn([share])
            model, label = models.named(f"line {share}"), f"{share}, T {heat}"
            drawn.add("interpolation and temperature", label, model, form, heat)
    about = restoration(models)
    wanted = {f"proxy's {m}": (*block, m) for m, block in about["chosen"].items()}
    layer = int(np.argmax(about["saliency"]))
    wanted["most salient layer"] = (layer, layer + 1, "all")
    every = {f"layers {i} to {j - 1}": (i, j, "all") for i in range(4) for j in range(i + 1, 5)}
    for method, blocks in (("restoration", wanted), ("blocks of layers", every)):
        for label, (first, end, modules) in blocks.items():
            back = restored(old, new, first=first, end=end, modules=modules)  # type: ignore[arg-type]
            with models.holding(back, f"layers {first} {end} {modules}") as model:
                drawn.add(method, label, model, form)
    cares = [
        estimate_fisher(one.model, examples(one, how, examples_))
        for one, how in ((models.base, "raw"), (models.model, form))
    ]
    made = {
        "fisher": {f"{s}": fisher([old, new], cares, weights=[1 - s, s]) for s in SHARES},
        "ties": {f"density {d}": ties(old, [new], density=d) for d in (0.2, 0.1, 0.4, 0.7)},
        "dare": {f"drop {p}": dare(old, [new], drop=p, seed=drawn.seed)
                 for p in (0.5, 0.3, 0.7, 0.9)},
    }  # fmt: skip
    for method, several in made.items():
        for label, weights in several.items():
            with models.holding(weights, f"{method} {label}") as model:
                drawn.add(method, label, model, form)
    return about | fitted(models, drawn)


def fitted(models: Models, drawn: Drawn) -> dict[str, Any]:
    """A front in two blocks of layers, searched on training prompts; its points are then drawn."""
    rng, known = np.random.default_rng(5), training_prompts()
    tuning = [known[int(i)] for i in rng.permutation(len(known))[: len(drawn.prompts)]]
    turned = knobs(list(models.old), by="block", blocks=2)
    with blended(models.live, models.old, [models.new], knobs=turned, rows=models.rows) as turn:

        def evaluate(point: np.ndarray) -> list[float]:
            turn(point.tolist())
            label = "blocks " + " ".join(f"{v:.5f}" for v in point)
            arm = Arm(name=label, model=models.named(label), format=models.format,
                      sampling=Sampling(max_tokens=LENGTH))  # fmt: skip
            said = collect(arm, tuning, n=TUNING_DRAWS, seed=drawn.seed, run=drawn.run)
            found = measure(judge(said, tuning), metrics=list(AXES), resamples=2).frame
            values = dict(found.filter(task="all").select("metric", "value").iter_rows())
            return [values[axis] for axis in AXES]

        found = amortised_front(
            evaluate, dimensions=2, links=["logit", "logit"], budget=12, verify=4, ridge=1e-3,
            margin=1e-2, volume=lambda v: float(hypervolume(v, reference=(0.0, 0.0))),
        )  # fmt: skip
        inside = [
            p for p in found.points[found.front] if np.unique(p).tolist() not in ([0.0], [1.0])
        ]
        inside = inside or [found.points[int(np.argmax(found.values.min(axis=1)))]]
        spread = np.linspace(0, len(inside) - 1, min(TRIES, len(inside))).round().astype(int)
        # Two points that round alike are one.
        chosen = {" ".join(f"{v:.2f}" for v in inside[i]): inside[i] for i in spread}
        for label, point in chosen.items():
            turn(point.tolist())
            drawn.add("fitted blocks", label, models.named(f"fitted {label}"), models.format)
    fits = {
        axis: (float(fit.r2), float(fit.loo_r2))
        for axis, fit in zip(AXES, found.surrogates, strict=True)
    }
    return {"fits": fits, "volumes": (found.predicted_volume, found.measured_volume)}


def restoration(models: Models) -> dict[str, Any]:
    """The block by the proxy, and what the first step of every layer would do."""
    formats = models.model.formats()
    form: Any = "empty-reasoning" if "empty-reasoning" in formats else models.format
    asked = [
        Constrained(
            prompt=p.prompt,
            valid=tuple(world.MEMBERS[p.target] if p.task == "lists" else world.OPINIONS),
        )
        for p in training_prompts()
        if p.task in ("lists", "opinions")
    ][::3]
    found = {
        modules: search_intervals(models.base, models.model, asked, format=form, modules=modules)  # type: ignore[arg-type]
        for modules in ("all", "attention", "mlp")
    }
    whole = found["all"]
    blocks = {m: (one.first, one.end) for m, one in found.items() if one.end > one.first}
    return {
        "chosen": blocks,
        "proxy": [float(whole.entropy[block]) for block in whole.intervals],
        "intervals": [list(block) for block in whole.intervals],
        "valid": (float(whole.validity[0, 0]), float(whole.validity[whole.first, whole.end])),
        "nats": (float(whole.entropy[0, 0]), float(whole.entropy[whole.first, whole.end])),
        "saliency": entropy_saliency(models.base, models.model, asked, format=form).layers.tolist(),
        "alone": [float(whole.entropy[i, i + 1] - whole.entropy[0, 0]) for i in range(4)],
    }


def agreement(about: Mapping[str, Any], said: Samples, prompts: Sequence[Prompt]) -> dict[str, Any]:
    """Does the proxy rank the blocks as sampled variety does?"""
    names = {(0, 0): "temperature (T 1.0)"} | {
        (i, j): f"blocks of layers (layers {i} to {j - 1})"
        for i in range(4) for j in range(i + 1, 5)
    }  # fmt: skip
    known = measure(said, metrics=[AXES[1]], resamples=2).per_prompt
    wanted = [names[(i, j)] for i, j in about["intervals"]]
    values = np.stack([column(known.filter(arm=name), prompts) for name in wanted], axis=1)
    tasks = np.array([p.task for p in prompts])
    told = {}
    for label, keep in (
        ("same tasks", np.isin(tasks, ("lists", "opinions"))), ("all tasks", tasks != "")
    ):  # fmt: skip
        one = proxy_agreement(about["proxy"], values[keep], strata=tasks[keep])
        told[f"agreement {label}"] = (one.value, one.low, one.high)
    return told


def column(table: pl.DataFrame, prompts: Sequence[Prompt]) -> np.ndarray:
    known = dict(table.select("prompt_id", "value").iter_rows())
    return np.array([known[p.prompt_id] for p in prompts], dtype=float)


def examples(model: Any, format: Any, count: int) -> list[torch.Tensor]:
    """Prompts of the training half with an answer of the world, as tokens."""
    rng, prompts = np.random.default_rng(3), training_prompts()
    chosen = [prompts[int(i)] for i in rng.choice(len(prompts), count, replace=False)]
    texts = [model.encode(model.render(p.prompt, format=format)) for p in chosen]
    return [
        torch.tensor([*ids, *model.encode(world.say(p, rng))])
        for ids, p in zip(texts, chosen, strict=True)
    ]


def calibration(said: pl.DataFrame, prompts: Sequence[Prompt]) -> tuple[float, float]:
    """ECE, plain and debiased, of a model's favourite answer against the world's frequencies.

    The favourite is found on half of the draws and its share taken on the other, both ways round,
    so that the best of a few draws does not look surer than it is.
    """
    answers: dict[str, list[str | None]] = {}
    for row in said.select("prompt_id", "answer").iter_rows():
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
    plain, fair = (
        ece(stated, right, clusters=prompt, debiased=debiased, resamples=2).value
        for debiased in (False, True)
    )
    return float(plain), float(fair)


def by_arm(said: Samples) -> Iterator[tuple[str, pl.DataFrame]]:
    for (arm,), part in said.frame.group_by("arm", maintain_order=True):
        yield str(arm), part


def pair(folder: Path, training: int, names: tuple[str, str], settings: Any) -> None:
    """Two post-trained models of one base, merged into one and asked as the first is."""
    place = settings.run / f"{training}-{'+'.join(names)}"
    if (place / "about.json").exists():
        return
    prompts, models = evaluation_prompts(per_task=settings.prompts), Models(folder, names[0])
    other = transformers_model(folder / names[1], device="cpu")
    two = [models.new, {n: p.detach() for n, p in other.model.named_parameters()}]
    made = {
        "task arithmetic": {f"{w}": task_arithmetic(models.old, two, weights=[w, w])
                            for w in (0.5, 0.3, 0.7, 1.0)},
        "ties": {f"density {d}": ties(models.old, two, density=d) for d in (0.2, 0.1, 0.5, 0.8)},
        "dare": {f"drop {p}": dare(models.old, two, drop=p, weights=[0.5, 0.5],
                                   seed=training) for p in (0.5, 0.3, 0.7, 0.9)},
    }  # fmt: skip
    told = {"training": training, "pair": list(names), "draws": settings.draws}
    with RunDirectory.open(place / "draws", settings=told, kind="collect") as run:
        drawn = Drawn(prompts=prompts, run=run, draws=settings.draws, seed=training)
        for heat in TEMPERATURES:
            drawn.add("temperature", f"T {heat}", models.model, models.format, heat)
            drawn.add(f"{names[1]} temperature", f"T {heat}", other, POSTS[names[1]], heat)
        for method, several in made.items():
            for label, weights in several.items():
                with models.holding(weights, f"with {names[1]} {method} {label}") as model:
                    drawn.add(method, label, model, models.format)
    name = f"{' + '.join(names)}, training {training}"
    found = on_one_front(name, list(drawn.methods()), models, drawn, settings.draws, place)
    about: dict[str, Any] = {"training": training, "post": " + ".join(names)}
    about["ece"] = {arm: calibration(part, prompts) for arm, part in by_arm(drawn.judged())}
    write(place, found, about)


def write(place: Path, found: Front, about: dict[str, Any]) -> None:
    found.methods.write_parquet(place / "methods.parquet")
    found.points.write_parquet(place / "points.parquet")
    found.per_prompt.write_parquet(place / "per_prompt.parquet")
    bought = found.samples.frame.filter(pl.col("correct")).group_by("arm", "prompt_id").agg(
        pl.col("answer").n_unique().alias("right")
    )  # fmt: skip
    bought.write_parquet(place / "bought.parquet")
    about["budget"] = found.settings["budget"]
    about["refused"] = found.refused.to_dicts()
    (place / "about.json").write_text(json.dumps(about, default=str))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shipped = lab_lineage().parent / "checkpoints"
    parser.add_argument("--checkpoints", type=Path, nargs="*", default=[shipped])
    parser.add_argument("--only", type=int, nargs="*", help="trainings, by place; no page then")
    parser.add_argument("--prompts", type=int, default=14, help="a task")
    parser.add_argument("--draws", type=int, default=10, help="a prompt")
    parser.add_argument("--fisher", type=int, default=64, help="examples")
    parser.add_argument("--posts", nargs="*", default=list(POSTS))
    parser.add_argument("--run", type=Path, default=Path("runs/merging-lab"))
    parser.add_argument("--out", type=Path, default=None)
    settings = parser.parse_args()
    torch.set_num_threads(1)
    disable_progress_bar()
    begun = time.monotonic()
    chosen = range(len(settings.checkpoints)) if settings.only is None else settings.only
    for post in settings.posts:
        for training in chosen:
            around(settings.checkpoints[training], training, post, settings)
            print(f"{post}, training {training}: {time.monotonic() - begun:.0f} s", flush=True)
    for names in PAIRS:
        if set(names) <= set(settings.posts):
            for training in chosen:
                pair(settings.checkpoints[training], training, names, settings)
                print(f"{names}: {time.monotonic() - begun:.0f} s", flush=True)
    if settings.only is None:
        page(settings)


if __name__ == "__main__":
    main()
