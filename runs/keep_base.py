"""What of the base stays when it is tuned to one narrow answer, with and without a mask?

CoFiTune tunes only a range of modules, found by a search, and holds back gradients where the base
would be missed. Here the lab's base learns one fixed answer to half of the questions of a task, in
several ways, each stopped at the same probability of that answer on held-out questions; then the
other half is asked, where nothing was to change, and the other tasks.

    python runs/keep_base.py --checkpoints FOLDER FOLDER FOLDER --out docs/results/keep_base.md

About a quarter of an hour on a busy core with three trainings of the lab.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from page import table, write
from tuning import (
    Weights,
    asked_for,
    base_of,
    documents,
    drawn,
    examples_of,
    likelihood,
    made_by,
    model_of,
    spoken,
    told,
    weights_of,
)

from variegate.estimate import paired
from variegate.lab import evaluation_prompts, training_prompts
from variegate.lab.training._checkpoint import load
from variegate.lab.training._corpus import Document, encode
from variegate.lab.training._speaking import token_logprobs
from variegate.lab.world import OPINIONS, right_answers
from variegate.merging import (
    estimate_fisher,
    layer_of,
    linear,
    masked_gradients,
    module_of,
    module_range,
    swapped,
)
from variegate.samples import Prompt

LEVEL = 0.7  # of the taught answer on held-out questions, where every arm stops
FURTHER = 0.9  # how far the arm goes that is averaged back with the base
BATCH, MOST = 32, 300
RATE, SLOW, SGD = 5e-4, 1e-4, 0.03
FISHER, DRAWS, PER_TASK = 128, 16, 8
TAUGHT: dict[str, Callable[[Prompt], str]] = {
    "opinions": lambda p: min(right_answers(p), key=OPINIONS.index),  # the kindest that is held
    "stories": lambda p: f"at night the {p.target} met a ghost in the castle . it was afraid .",
}
INSIDE: dict[str, Callable[[Any], bool]] = {
    "opinions": lambda question: question[0] in ("farmer", "teacher", "sailor"),
    "stories": lambda hero: hero in ("fox", "bear", "mouse", "queen", "king", "pilot"),
}
Block = tuple[int, int, str]


@dataclass(frozen=True, kw_only=True)
class Way:
    """How to tune: which parameters, at what rate, held back by which mask and where."""

    rate: float = RATE
    sgd: bool = False
    block: Block | None = None
    mask: str | None = None  # which importance
    on: str = "updates"  # or "gradients"


WAYS = {
    "all parameters": Way(),
    "all, five times slower": Way(rate=SLOW),
    "mask on gradients": Way(mask="rank", on="gradients"),
    "mask on updates": Way(mask="rank"),
    "mask on updates, shuffled": Way(mask="shuffled"),
    "mask on updates, slower": Way(rate=SLOW, mask="rank"),
    "mask on updates, shuffled, slower": Way(rate=SLOW, mask="shuffled"),
    "mask on updates, Fisher / largest": Way(mask="largest"),
    "SGD": Way(sgd=True, rate=SGD),
    "SGD, mask on gradients": Way(sgd=True, rate=SGD, mask="rank", on="gradients"),
    "layers 0-3, no embeddings": Way(block=(0, 4, "all")),
    "range": Way(block=(-1, -1, "found")),
    "range, mask on updates": Way(block=(-1, -1, "found"), mask="rank"),
}
AVERAGED = "all parameters, averaged back"
BESIDE = (
    ("mask on updates", "mask on updates, shuffled"),
    ("mask on updates, slower", "all, five times slower"),
    ("mask on updates, slower", "mask on updates, shuffled, slower"),
    ("range, mask on updates", "range"),
    ("mask on updates, slower", AVERAGED),
)


def within(name: str, block: Block | None) -> bool:
    """Whether a parameter is tuned: of the block's layers, and its kind of module."""
    if block is None:
        return True
    first, end, modules = block
    layer = layer_of(name)
    return layer is not None and first <= layer < end and modules in ("all", module_of(name))


class Taught:
    """How likely the taught answers are, on some questions."""

    def __init__(self, target: str, prompts: Sequence[Prompt]) -> None:
        asked = [(encode(p.prompt), encode(f"{TAUGHT[target](p)} </s>")) for p in prompts]
        self.rows = [Document(a + b, len(a)) for a, b in asked]

    @torch.no_grad()
    def level(self, model: Any) -> float:
        return float(token_logprobs(model, self.rows)[0].sum(1).exp().mean())


def reached(
    network: Any, base: Weights, want: Callable[[Any], float], level: float, *, towards: Weights
) -> dict[str, torch.Tensor]:
    """The point between two sets of weights at which the taught answers have the level."""
    low, high = 0.0, 1.0
    for _ in range(7):
        middle = (low + high) / 2
        with swapped(network, linear([base, towards], weights=[1 - middle, middle])):
            low, high = (middle, high) if want(network) < level else (low, middle)
    return linear([base, towards], weights=[1 - high, high])


def tuned(
    network: Any,
    way: Way,
    lessons: Any,
    want: Callable[[Any], float],
    *,
    level: float = LEVEL,
    importance: Mapping[str, torch.Tensor] | None = None,
    most: int = MOST,
) -> tuple[dict[str, torch.Tensor], int]:
    """Tune until the taught answers have the level, on the point between two checks."""
    model = model_of(network, weights_of(network))
    tuning = {n: p for n, p in model.named_parameters() if within(n, way.block)}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in tuning)
    adam = torch.optim.AdamW(tuning.values(), lr=way.rate, betas=(0.9, 0.98), weight_decay=0.0)
    sgd = torch.optim.SGD(tuning.values(), lr=way.rate, momentum=0.9)
    step_along, before = sgd if way.sgd else adam, weights_of(model)
    mine = {n: importance[n] for n in tuning} if importance is not None else None
    for step in range(1, most + 1):
        batch = list(itertools.islice(lessons, BATCH))
        logprobs, counted = token_logprobs(model, batch)
        (-logprobs.sum() / counted.sum()).backward()
        torch.nn.utils.clip_grad_norm_(tuning.values(), 1.0)
        if mine is not None and way.on == "gradients":
            held = masked_gradients({n: p.grad for n, p in tuning.items()}, mine)
            for name, parameter in tuning.items():
                parameter.grad = held[name]
        old = {n: p.detach().clone() for n, p in tuning.items()}
        step_along.step()
        step_along.zero_grad(set_to_none=True)
        if mine is not None and way.on == "updates":
            held = masked_gradients({n: p.detach() - old[n] for n, p in tuning.items()}, mine)
            for name, parameter in tuning.items():
                parameter.data.copy_(old[name] + held[name])
        if want(model) >= level:
            return reached(network, before, want, level, towards=weights_of(model)), step
        before = weights_of(model)
    return weights_of(model), -1


def importances(network: Any, prompts: Sequence[Prompt]) -> dict[str, dict[str, torch.Tensor]]:
    """How much the base cares about each entry on what it should keep, on three scales."""
    rng = np.random.default_rng(2)
    texts = [
        torch.tensor([*encode(p.prompt), *encode(f"{answer} </s>")])
        for p, answer in examples_of(prompts, FISHER, rng)
    ]
    fisher = estimate_fisher(network, texts)
    largest = max(float(one.max()) for one in fisher.values())
    rank = {n: one.flatten().argsort().argsort().reshape(one.shape) for n, one in fisher.items()}
    rank = {n: one / max(one.numel() - 1, 1) for n, one in rank.items()}
    generator = torch.Generator().manual_seed(0)
    shuffled = {
        n: one.flatten()[torch.randperm(one.numel(), generator=generator)].reshape(one.shape)
        for n, one in rank.items()
    }
    return {
        "rank": rank,
        "shuffled": shuffled,
        "largest": {n: one / largest for n, one in fisher.items()},
    }


def measured(
    model: Any, prompts: Sequence[Prompt], of_base: Sequence[Document]
) -> dict[str, np.ndarray]:
    """By prompt: right, variety, different right answers, and likelihood of the base's answers."""
    said = spoken(model, prompts, each=DRAWS, seed=1)
    return {
        "right": 1 - said.wrong.mean(1), "variety": said.variety, "right answers": said.answers,
        "likelihood": likelihood(model, of_base, DRAWS),
    }  # fmt: skip


def arms_of(network: Any, target: str) -> dict[str, Any]:
    """All ways on one target: name -> what the other questions keep."""
    inside = INSIDE[target]
    mine = [p for p in training_prompts() if p.task == target]
    outside = [p for p in mine if not inside(p.target)]
    mine = [p for p in mine if inside(p.target)]
    train_on, watched = mine[6:], mine[:6]
    held = [p for p in evaluation_prompts() if p.task == target]
    asked = [p for p in held if not inside(p.target)] + outside[1::2]
    asked += [p for p in evaluation_prompts(per_task=PER_TASK) if p.task != target]
    held = [p for p in held if inside(p.target)]
    others = [p for p in training_prompts() if p.task != target] + outside[::2] * 4
    known = importances(network, others)
    examples = [(p, TAUGHT[target](p)) for p in train_on]

    def lessons() -> Any:
        return documents(examples, np.random.default_rng(4))

    near = [others[int(i)] for i in np.random.default_rng(6).choice(len(others), 48, replace=False)]
    near_said = drawn(network, near, each=4)
    near_base = likelihood(network, near_said, 4)

    def evaluate(first: int, end: int, modules: str) -> float:
        """Minus the KL from the base elsewhere, at the level; all on training prompts."""
        way = Way(block=(first, end, modules))
        weights, steps = tuned(network, way, lessons(), Taught(target, watched).level, most=150)
        with swapped(network, weights):
            moved = float((near_base - likelihood(network, near_said, 4)).mean())
            level = Taught(target, watched).level(network)
        return -moved if steps > 0 else -100 + level

    found, want = module_range(evaluate, layers=4), Taught(target, held).level
    block = (found.first, found.end, found.modules)
    of_base = drawn(network, asked, each=DRAWS)
    results: dict[str, Any] = {"found": found, "base": measured(network, asked, of_base)}
    results["base"] |= {"steps": 0, "level": want(network)}
    for name, way in WAYS.items():
        if way.block == (-1, -1, "found"):
            way = Way(block=block, mask=way.mask)
        weights, steps = tuned(network, way, lessons(), want, importance=known.get(way.mask or ""))
        with swapped(network, weights):
            results[name] = measured(network, asked, of_base)
            results[name] |= {"steps": steps, "level": want(network)}
    far, steps = tuned(network, Way(), lessons(), want, level=FURTHER)
    weights = reached(network, weights_of(network), want, LEVEL, towards=far)
    with swapped(network, weights):
        results[AVERAGED] = measured(network, asked, of_base)
        results[AVERAGED] |= {"steps": steps, "level": want(network)}
    for name, one in results.items():
        if name != "found":
            one["KL"] = results["base"]["likelihood"] - one["likelihood"]
    results["tasks"] = np.array([p.task for p in asked])
    return results


def family(folder: Path) -> dict[str, Any]:
    network = load(base_of(folder)).eval()
    found = {}
    for target in TAUGHT:
        found[target] = arms_of(network, target)
        near = found[target]["tasks"] == target
        short = {
            name: (one["steps"], *(round(float(one[w][near].mean()), 3) for w in FAR))
            for name, one in found[target].items() if name not in ("found", "tasks")
        }  # fmt: skip
        block = found[target]["found"]
        print(f"{folder}: {target}: {block.first}-{block.end} {block.modules}: {short}", flush=True)
    return found


FAR = ("KL", "right", "variety")
COLUMNS = [(True, w) for w in (*FAR, "right answers")] + [(False, w) for w in FAR]


def values(found: Sequence[Mapping[str, Any]], arm: str, what: str, *, near: bool) -> np.ndarray:
    """(trainings, prompts of both targets): of the target's task, or of the others."""
    return np.array([
        np.concatenate([f[t][arm][what][(f[t]["tasks"] == t) == near] for t in TAUGHT])
        for f in found
    ])  # fmt: skip


def means(found: Sequence[Mapping[str, Any]], arm: str, what: str, *, near: bool) -> np.ndarray:
    """(trainings,): over prompts within tasks, then over tasks and targets."""
    labels, table = strata_of(found, near=near), values(found, arm, what, near=near)
    return np.mean([table[:, labels == one].mean(1) for one in np.unique(labels)], axis=0)


def strata_of(found: Sequence[Mapping[str, Any]], *, near: bool) -> np.ndarray:
    tasks = {t: found[0][t]["tasks"] for t in TAUGHT}
    return np.array([f"{t} {k}" for t in TAUGHT for k in tasks[t] if (k == t) == near])


def gap(found: Sequence[Any], arms: tuple[str, str], what: str, *, near: bool) -> str:
    """The first arm less the second, over prompts, of the mean of the trainings."""
    strata = strata_of(found, near=near)
    one, other = (values(found, arm, what, near=near).mean(0) for arm in arms)
    return told(paired(one, other, strata=strata, resamples=2000), "+")


def tables(found: Sequence[Mapping[str, Any]]) -> list[str]:
    arms, rows = ["base", *WAYS, AVERAGED], []
    for arm in arms:
        steps = [str(f[t][arm]["steps"]) for t in TAUGHT for f in found]
        level = np.mean([f[t][arm]["level"] for t in TAUGHT for f in found])
        kept = [f"{means(found, arm, w, near=near).mean():.3f}" for near, w in COLUMNS]
        rows.append([arm, f"{level:.3f}", ", ".join(steps), *kept])
    header = [f"{'other half' if near else 'other tasks'}: {w}" for near, w in COLUMNS]
    header[3] = "other half: different right answers"
    lines = ["## What stays", "", *table(["tuning", "taught answer", "steps", *header], rows)]
    rows = []
    pairs = [(arm, "all parameters") for arm in arms if arm not in ("base", "all parameters")]
    for pair in [*pairs, *BESIDE]:
        each = np.subtract(*(means(found, arm, "KL", near=True) for arm in pair))
        gaps = [gap(found, pair, w, near=near) for near, w in COLUMNS[:6]]
        rows.append([" − ".join(pair), *gaps, ", ".join(f"{e:+.3f}" for e in each)])
    lines += [
        "## Differences",
        "",
        "95% intervals over prompts (bootstrap within targets and tasks) of the mean over "
        "trainings; then the first for each training. A negative KL means that more is kept.",
        "",
        *table(["tuning", *header[:6], "other half: KL, each training"], rows),
    ]
    rows = []
    for t in TAUGHT:
        for place, f in enumerate(found):
            one = f[t]["found"]
            scores = (one.score, one.evaluated[0, 4, "all"], min(one.evaluated.values()))
            told_of = [f"{-v:.3f}" if v > -50 else "not reached" for v in scores]
            block = f"layers {one.first}-{one.end - 1} {one.modules}"
            rows.append([t, str(place), block, *told_of, str(len(one.evaluated))])
    lines += [
        "## The range",
        "",
        "Found by `module_range` for the least KL on 48 training questions of the other half and "
        "the other tasks, at the same level on six questions that are watched.",
        "",
        *table(["target", "training", "range", "KL", "KL of all layers", "KL of the worst",
                "ranges tried"], rows),
    ]  # fmt: skip
    return lines


def main() -> None:
    settings = asked_for(__doc__)
    started = time.monotonic()
    found = [family(folder) for folder in settings.checkpoints]
    lines = [
        "# Tuning that keeps the base",
        "",
        made_by("keep_base.py", len(found), time.monotonic() - started),
        "",
        "Two targets, one fixed answer a question: the kindest opinion that a group holds, for "
        "three of six groups, and one dark story, for six of twelve heroes. The base is tuned on "
        f"training questions of that half (batches of {BATCH}) until the answer has probability "
        f"{LEVEL} on the mean of held-out questions; the last weights are taken between two "
        "steps, so that all arms have the same gain. Then it is asked the other half of the task, "
        f"and {PER_TASK} held-out questions of each of the other four tasks, {DRAWS} draws each at "
        "temperature 1. KL is from the base to the tuned model, in nats an answer, on the base's "
        f"own draws. Importance: Fisher information of the base on {FISHER} answers to the other "
        "half (questions that are not asked here) and the other tasks, as its rank within the "
        "tensor (0 to 1), the same shuffled, or divided by the largest entry of all. AdamW "
        f"without weight decay at {RATE}, or SGD with momentum at {SGD}. The arm that is averaged "
        f"back was tuned to {FURTHER} and taken back towards the base on the straight line. A "
        "first version asked only the other tasks, and stopped there after one target: next to "
        "nothing was lost (KL 0.01), so the other half of the task was added; the shuffled mask at "
        f"the lower rate came last. Steps of -1: the level was not reached in {MOST}.",
        "",
        *tables(found),
    ]
    write(lines, settings.out)


if __name__ == "__main__":
    main()
