"""Do adapters on frozen sparse projections of their own keep more when they are summed?

FlyLoRA (Zou 2025, https://arxiv.org/abs/2510.08396) freezes a sparse random projection in each
adapter, so that adapters of several tasks hardly meet. Here the lab's base learns two targets in
two adapters, each to the same probability of the taught answer, and the adapters are added up.

    python runs/sparse_adapters.py --checkpoints FOLDER FOLDER FOLDER \\
        --out docs/results/sparse_adapters.md

About five minutes on one core with three trainings of the lab.
"""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from page import table, write
from tuning import asked_for, base_of, documents, made_by, spoken, told

from variegate.estimate import paired
from variegate.lab import evaluation_prompts, training_prompts
from variegate.lab.training._checkpoint import load
from variegate.lab.training._corpus import Document, encode
from variegate.lab.training._speaking import token_logprobs
from variegate.lab.world import OPINIONS, right_answers
from variegate.merging import adapter_overlap, sparse_projection, swapped
from variegate.samples import Prompt

LEVEL = 0.7  # of the taught answer on held-out questions, at which each adapter stops
RANK, SPARSE = 16, 4  # a row of a sparse projection has width / SPARSE entries
BATCH, RATE, MOST, DRAWS = 32, 2e-3, 400, 16
Deltas = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Target:
    """One fixed answer to every question of a task."""

    name: str
    task: str
    answer: Callable[[Prompt], str]


def commonest(prompt: Prompt) -> str:
    held = right_answers(prompt)
    return max(held, key=lambda opinion: held[opinion])


KIND = Target("kindest opinion", "opinions", lambda p: min(right_answers(p), key=OPINIONS.index))
COMMON = Target("commonest opinion", "opinions", commonest)
DARK = Target(
    "dark story",
    "stories",
    lambda p: f"at night the {p.target} met a ghost in the castle . it was afraid .",
)
BRIGHT = Target(
    "bright story",
    "stories",
    lambda p: f"one day the {p.target} found a key in the forest . it was happy .",
)
PAIRS = {
    "two tasks": ((KIND, DARK), (COMMON, BRIGHT)),
    "two styles": ((DARK, BRIGHT), (KIND, COMMON)),
}
KINDS = ("own sparse", "shared sparse", "own dense", "LoRA", "LoRA, one start", "all weights")


class Adapted(torch.nn.Module):
    """A linear layer and its adapter: W x + B A x."""

    def __init__(self, linear: torch.nn.Linear, a: torch.Tensor, *, frozen: bool) -> None:
        super().__init__()
        self.linear = linear
        self.a = torch.nn.Parameter(a, requires_grad=not frozen)
        self.b = torch.nn.Parameter(torch.zeros(linear.out_features, len(a)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + (x @ self.a.T) @ self.b.T


def layers_of(network: Any) -> dict[str, torch.nn.Linear]:
    """The linear layers that carry adapters: attention and MLP of every layer."""
    return {n: m for n, m in network.named_modules()
            if isinstance(m, torch.nn.Linear) and ".layers." in n}  # fmt: skip


def adapted(network: Any, kind: str, task: int, seed: int) -> tuple[Any, Callable[[], Deltas]]:
    """A copy of the model ready to be tuned, and what gives its change so far."""
    model = copy.deepcopy(network).requires_grad_(False)
    linears = layers_of(model)
    if kind == "all weights":
        before = {n: one.weight.detach().clone() for n, one in linears.items()}
        for one in linears.values():
            one.weight.requires_grad_(True)
        return model, lambda: {n: linears[n].weight.detach() - before[n] for n in before}
    put: dict[str, Adapted] = {}
    for place, (name, linear) in enumerate(linears.items()):
        width, own = linear.in_features, 0 if kind in ("shared sparse", "LoRA, one start") else task
        entries = width // SPARSE if "sparse" in kind else width
        a = sparse_projection(RANK, width, nonzero=entries, seed=1000 * seed + 100 * own + place)
        put[name] = Adapted(linear, a, frozen="LoRA" not in kind)
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, put[name])
    return model, lambda: {n: (one.b @ one.a).detach() for n, one in put.items()}


def rows_of(target: Target, prompts: Sequence[Prompt]) -> list[Document]:
    asked = [(encode(p.prompt), encode(f"{target.answer(p)} </s>")) for p in prompts]
    return [Document(a + b, len(a)) for a, b in asked]


@torch.no_grad()
def taught(model: Any, rows: Sequence[Document]) -> np.ndarray:
    """Probability of the taught answer, by prompt."""
    return token_logprobs(model, rows)[0].sum(1).exp().numpy()


def held_of(target: Target) -> list[Prompt]:
    return [p for p in evaluation_prompts() if p.task == target.task]


def plus(network: Any, *changes: Deltas, share: float = 1.0) -> dict[str, torch.Tensor]:
    """The base's weights and a share of the changes."""
    linears = layers_of(network)
    return {f"{n}.weight": linears[n].weight.detach() + share * sum(c[n] for c in changes)
            for n in linears}  # fmt: skip


def tuned(network: Any, target: Target, kind: str, task: int, seed: int) -> tuple[Deltas, int]:
    """The change at which the taught answer has the level on held-out questions."""
    model, change = adapted(network, kind, task, seed)
    tuning = [p for p in model.parameters() if p.requires_grad]
    rate = RATE / 4 if kind == "all weights" else RATE
    adam = torch.optim.AdamW(tuning, lr=rate, betas=(0.9, 0.98), weight_decay=0.0)
    examples = [(p, target.answer(p)) for p in training_prompts() if p.task == target.task]
    lessons = documents(examples, np.random.default_rng([seed, task]))
    rows, before = rows_of(target, held_of(target)), change()
    for step in range(1, MOST + 1):
        logprobs, counted = token_logprobs(model, list(itertools.islice(lessons, BATCH)))
        (-logprobs.sum() / counted.sum()).backward()
        torch.nn.utils.clip_grad_norm_(tuning, 1.0)
        adam.step()
        adam.zero_grad(set_to_none=True)
        if taught(model, rows).mean() >= LEVEL:
            return between(network, before, change(), rows), step
        before = change()
    return change(), -1


def between(network: Any, low: Deltas, high: Deltas, rows: Sequence[Document]) -> Deltas:
    """The point between two changes that has the level."""
    first, last, mixed = 0.0, 1.0, high
    for _ in range(7):
        middle = (first + last) / 2
        mixed = {n: torch.lerp(low[n], high[n], middle) for n in low}
        with swapped(network, plus(network, mixed)):
            below = taught(network, rows).mean() < LEVEL
        first, last = (middle, last) if below else (first, middle)
    return mixed


def summed(network: Any, pair: tuple[Target, Target], kind: str, seed: int) -> dict[str, Any]:
    """Both adapters alone and added up: how likely the taught answers are, and the variety."""
    changes, steps = zip(
        *(tuned(network, t, kind, i, seed) for i, t in enumerate(pair)), strict=True
    )
    rows = [rows_of(t, held_of(t)) for t in pair]
    found: dict[str, Any] = {"steps": steps}
    found["base"] = [taught(network, one) for one in rows]
    for name, weights in {
        "sum": plus(network, *changes),
        "half": plus(network, *changes, share=0.5),
    }.items():
        with swapped(network, weights):
            found[name] = [taught(network, one) for one in rows]
            if name == "sum":
                said = [spoken(network, held_of(t), each=DRAWS) for t in pair]
                found["right"] = [1 - one.wrong.mean(1) for one in said]
                found["variety"] = [one.variety for one in said]
    found["alone"], found["crossed"] = [], []
    for place, change in enumerate(changes):
        with swapped(network, plus(network, change)):
            found["alone"].append(taught(network, rows[place]))
            found["crossed"].append(taught(network, rows[1 - place]))
    a, b = changes
    found["overlap"] = float(np.mean([adapter_overlap(a[n], b[n]) for n in a]))
    found["cosine"] = float(
        sum((a[n] * b[n]).sum() for n in a)
        / (sum(a[n].square().sum() for n in a) * sum(b[n].square().sum() for n in b)) ** 0.5
    )
    found["size"] = float(np.mean([sum(float(c[n].square().sum()) for n in c) ** 0.5
                                   for c in changes]))  # fmt: skip
    return found


def family(folder: Path, seed: int) -> dict[str, Any]:
    network = load(base_of(folder)).eval()
    found: dict[str, Any] = {}
    for pair in itertools.chain(*PAIRS.values()):
        for kind in KINDS:
            one = found[label(pair), kind] = summed(network, pair, kind, seed)
            print(folder, label(pair), kind, one["steps"], round(one["overlap"], 3),
                  [round(float(v.mean()), 3) for v in one["sum"]], flush=True)  # fmt: skip
    return found


def label(pair: tuple[Target, Target]) -> str:
    return f"{pair[0].name} + {pair[1].name}"


def kept(one: Mapping[str, Any]) -> list[float]:
    """Share of each target's gain that the sum keeps."""
    return [
        float((s.mean() - b.mean()) / (a.mean() - b.mean()))
        for s, a, b in zip(one["sum"], one["alone"], one["base"], strict=True)
    ]


def joined(found: Sequence[Mapping[Any, Any]], pairs: Any, kind: str, what: str) -> np.ndarray:
    """By prompt of both targets of all pairs, the mean of the trainings."""
    return np.concatenate([
        np.mean([f[label(pair), kind][what][i] for f in found], axis=0)
        for pair in pairs for i in (0, 1)
    ])  # fmt: skip


def tables(found: Sequence[Mapping[Any, Any]]) -> list[str]:
    lines: list[str] = []
    for title, pairs in PAIRS.items():
        strata = np.concatenate([
            [f"{label(pair)} {i}"] * len(held_of(pair[i])) for pair in pairs for i in (0, 1)
        ])  # fmt: skip
        rows, gaps = [], []
        for kind in KINDS:
            ones = [f[label(pair), kind] for f in found for pair in pairs]
            each = [np.mean([kept(f[label(pair), kind]) for pair in pairs]) for f in found]
            less = np.mean([min(kept(one)) for one in ones])
            rows.append([
                kind, f"{np.mean([one['overlap'] for one in ones]):.3f}",
                f"{np.mean([one['cosine'] for one in ones]):+.3f}",
                f"{np.mean([one['size'] for one in ones]):.2f}",
                f"{np.mean(each):.2f} ({', '.join(f'{e:.2f}' for e in each)})", f"{less:.2f}",
                *(f"{joined(found, pairs, kind, what).mean():.3f}"
                  for what in ("half", "right", "variety")),
                "all" if all(s > 0 for one in ones for s in one["steps"]) else "not all",
            ])  # fmt: skip
            if kind != "own sparse":
                gap = paired(
                    joined(found, pairs, "own sparse", "sum"), joined(found, pairs, kind, "sum"),
                    strata=strata, resamples=2000,
                )  # fmt: skip
                gaps.append([f"own sparse − {kind}", told(gap, "+")])
        lines += [
            f"## {title.capitalize()}",
            "",
            f"{'; '.join(label(pair) for pair in pairs)}. Kept: share of the gain of each target "
            "that the sum has, mean (and each training); lesser: of the target that keeps less.",
            "",
            *table(["adapters", "overlap", "cosine", "size", "kept", "lesser",
                    "taught, half of the sum", "right", "variety", "reached"], rows),
            "Probability of the taught answers after the sum, differences with 95% intervals over "
            "prompts (bootstrap within targets) of the mean over trainings:",
            "",
            *table(["", "taught answer"], gaps),
        ]  # fmt: skip
        for pair in pairs:
            rows = []
            for kind in KINDS:
                ones = [f[label(pair), kind] for f in found]
                rows.append([
                    kind,
                    *(f"{np.mean([one[what][i].mean() for one in ones]):.3f}"
                      for i in (0, 1) for what in ("base", "sum")),
                    f"{np.mean([v.mean() for one in ones for v in one['variety']]):.3f}",
                ])  # fmt: skip
            a, b = (t.name for t in pair)
            lines += table(["adapters", f"{a}, base", f"{a}, sum", f"{b}, base", f"{b}, sum",
                            "variety of the sum"], rows)  # fmt: skip
    return lines


def main() -> None:
    settings = asked_for(__doc__)
    started = time.monotonic()
    found = [family(folder, seed) for seed, folder in enumerate(settings.checkpoints)]
    lines = [
        "# Sums of adapters on sparse projections",
        "",
        made_by("sparse_adapters.py", len(found), time.monotonic() - started),
        "",
        "A target is one fixed answer to every question of a task. Each adapter changes all "
        f"linear layers by B A of rank {RANK} and is tuned on the training questions (AdamW at "
        f"{RATE}, batches of {BATCH}) until the taught answer has probability {LEVEL} on the mean "
        "of 24 held-out questions, where it is taken between two steps: all adapters have the "
        "same gain alone. Own sparse: A frozen, a quarter of its entries normal, one draw a "
        "target (FlyLoRA without its routing); shared sparse: one draw for both; own dense: "
        "frozen, no zeros; LoRA: A tuned too, from own dense draws or from one; all weights: the "
        f"same layers without an adapter, at a rate of {RATE / 4}. Overlap is `adapter_overlap` "
        "of the two changes, mean over layers; size the norm of a change; half of the sum is "
        f"their average; right and variety (gini_simpson) from {DRAWS} draws of the sum on both "
        "tasks. A third task (halving totals) was dropped: no adapter reached the level on its "
        "held-out questions.",
        "",
        *tables(found),
    ]
    write(lines, settings.out)


if __name__ == "__main__":
    main()
