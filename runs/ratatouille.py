"""Are weights recycled from other tasks a better start for an average than one start, on the lab?

DiWA (Rame 2022, https://arxiv.org/abs/2205.09739) fine-tunes one start several times and averages
the runs; Ratatouille (Rame 2023, https://arxiv.org/abs/2212.10445) starts each run from weights
fine-tuned on another task. Both claim more out of domain, for errors that differ. Here the lab's
base is fine-tuned on one half of a task's questions and asked the other half.

    python runs/ratatouille.py --checkpoints FOLDER FOLDER FOLDER --out docs/results/ratatouille.md

About a quarter of an hour on one core with three trainings of the lab.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from page import table, write
from tuning import (
    Weights,
    asked_for,
    base_of,
    documents,
    examples_of,
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
from variegate.lab.training._recipe import Schedule
from variegate.lab.training._speaking import token_logprobs
from variegate.lab.training._supervised import learn
from variegate.lab.world import MEMBERS, right_answers
from variegate.merging import diwa, ratatouille, ratio_error, soup_error, swapped, uniform_soup
from variegate.samples import Prompt

RUNS = 4  # as many as there are auxiliary tasks for a target
RATES = (5e-4, 1e-3, 2e-3)  # a run draws one, with its order of the data
# Updates on an auxiliary task, and what the rates of the runs are multiplied by.
SETTINGS = {"the lab's own": (100, 1.0), "gentler": (25, 0.25)}
OWN, GENTLER = SETTINGS
STEPS, BATCH, EXAMPLES = 40, 32, 256
DRAWS = 12
TASKS = ("arithmetic", "routes", "lists", "stories", "opinions")
# Stories have 960 right answers a prompt: too many to score, so they are an auxiliary only.
INSIDE: dict[str, Callable[[Any], bool]] = {
    "arithmetic": lambda total: total <= 20,
    "routes": lambda trip: trip[0] in ("alba", "brin", "cove", "dell", "eden"),
    "lists": lambda kind: kind in tuple(MEMBERS)[:6],
    "opinions": lambda question: question[0] in ("farmer", "teacher", "sailor"),
}
COVARIANCE = {"task": "arithmetic", "repetitions": 4, "runs": 3, "examples": 48}


class Speakers:
    """Models that speak as one: the mean of their next-word probabilities, sharpened or not."""

    def __init__(self, models: Sequence[Any], *, greedy: bool = False) -> None:
        self.models, self.sharp = models, 1e5 if greedy else 1.0

    def __call__(self, *, input_ids: Any, past_key_values: Any = None, use_cache: bool) -> Any:
        caches = past_key_values or [None] * len(self.models)
        outs = [
            model(input_ids=input_ids, past_key_values=cache, use_cache=use_cache)
            for model, cache in zip(self.models, caches, strict=True)
        ]
        logits = torch.stack([out.logits.log_softmax(-1) for out in outs]).logsumexp(0)
        held = [out.past_key_values for out in outs]
        return SimpleNamespace(logits=self.sharp * logits, past_key_values=held)


def tuned(
    network: Any, start: Weights, examples: Sequence[Any], schedule: Schedule, *, seed: int
) -> dict[str, torch.Tensor]:
    """Fine-tune from given weights on raw prompts; return the weights."""
    learner = model_of(network, start).train()
    lessons = documents(examples, np.random.default_rng(seed))
    learn(learner, lessons, schedule, every=10**9, watch=dict, report=lambda *_: None)
    return weights_of(learner)


def run_of(network: Any, examples: Sequence[Any], kept: list[Any], share: float = 1.0) -> Any:
    """The fine-tuning that `diwa` and `ratatouille` call; what it returns is kept beside."""

    def fine_tune(start: Weights, /, *, seed: int) -> dict[str, torch.Tensor]:
        rate = share * float(np.random.default_rng([seed, 1]).choice(RATES))
        schedule = Schedule(steps=STEPS, batch=BATCH, rate=rate)
        kept.append(tuned(network, start, examples, schedule, seed=seed))
        return kept[-1]

    return fine_tune


@torch.no_grad()
def right_shares(model: Any, prompts: Sequence[Prompt]) -> np.ndarray:
    """Exact probability of a right answer at temperature 1, for each prompt."""
    rows, owner = [], []
    for place, prompt in enumerate(prompts):
        before = encode(prompt.prompt)
        for answer in right_answers(prompt):
            rows.append(Document(before + encode(f"{answer} </s>"), len(before)))
            owner.append(place)
    found = np.zeros(len(prompts))
    for first in range(0, len(rows), 512):
        said = token_logprobs(model, rows[first : first + 512])[0].sum(1).exp().numpy()
        np.add.at(found, owner[first : first + 512], said)
    return found


def scored(
    models: Sequence[Any], asked: Mapping[str, Sequence[Prompt]], *, say: bool = True
) -> dict[str, Any]:
    """What is measured of one model, or of several that speak as one; with `say` also draws."""
    one, greedy = Speakers(models), Speakers(models, greedy=True)
    found: dict[str, Any] = {where: right_shares(one, prompts) for where, prompts in asked.items()}
    for where in ("in", "out"):
        found[f"{where} greedy"] = spoken(greedy, asked[where], each=1).wrong.ravel()
        if say:
            said = spoken(one, asked[where], each=DRAWS)
            found |= {f"{where} drawn": said.wrong.ravel(), f"{where} variety": said.variety}
    return found


def asked_of(target: str) -> tuple[list[Prompt], dict[str, list[Prompt]]]:
    """Prompts to train on, and those to ask: inside, outside, and of the other tasks."""
    inside = INSIDE[target]
    mine = [p for p in training_prompts() if p.task == target]
    held = [p for p in evaluation_prompts() if p.task == target]
    return [p for p in mine if inside(p.target)], {
        "in": [p for p in held if inside(p.target)],
        "out": [p for p in [*held, *mine] if not inside(p.target)],
        "else": [p for p in evaluation_prompts(per_task=12) if p.task in set(INSIDE) - {target}],
    }


def compared(
    network: Any, auxiliaries: Mapping[str, Weights], target: str, share: float
) -> dict[str, Any]:
    """All arms on one target: arm -> what was measured; lists of that for members."""
    base = weights_of(network)
    train_on, asked = asked_of(target)
    rng = np.random.default_rng([TASKS.index(target), 7])
    examples = examples_of(train_on, EXAMPLES, rng)
    others = [auxiliaries[name] for name in TASKS if name != target]
    fused = uniform_soup(others)
    found: dict[str, Any] = {"base": scored([model_of(network, base)], asked)}
    for name, merge in {
        "DiWA": lambda tune: diwa(base, tune, runs=RUNS),
        "fused start": lambda tune: diwa(fused, tune, runs=RUNS),
        "Ratatouille": lambda tune: ratatouille(others, tune),
    }.items():
        runs: list[Any] = []
        merged = merge(run_of(network, examples, runs, share))
        found[f"{name}, merged"] = scored([model_of(network, merged)], asked)
        if name == "fused start":
            continue
        members = [model_of(network, one) for one in runs]
        found[f"{name}, one run"] = [scored([one], asked) for one in members]
        found[f"{name}, ensemble"] = scored(members, asked, say=False)
    return found


def covariances(network: Any) -> dict[str, Any]:
    """Error of runs on one small sample, and of runs that each draw their own."""
    base = weights_of(network)
    train_on, asked = asked_of(COVARIANCE["task"])
    found: dict[str, Any] = {}
    for kind in ("one sample", "own samples"):
        predictions, merged = [], []
        for repetition in range(COVARIANCE["repetitions"]):
            runs = []
            for run in range(COVARIANCE["runs"]):
                sample = [repetition, 11] if kind == "one sample" else [repetition, 12, run]
                examples = examples_of(
                    train_on, COVARIANCE["examples"], np.random.default_rng(sample)
                )
                kept: list[Any] = []
                run_of(network, examples, kept)(base, seed=100 * repetition + run)
                runs += kept
            shares = []
            for weights in [*runs, uniform_soup(runs)]:
                with swapped(network, weights):
                    shares.append(right_shares(network.eval(), asked["out"]))
            predictions.append(shares[:-1])
            merged.append(shares[-1])
        parts = soup_error(predictions, np.ones(len(asked["out"])))
        soup = float(((1 - np.array(merged)) ** 2).mean())
        ensemble = float(((1 - np.mean(predictions, axis=1)) ** 2).mean())
        found[kind] = {"parts": parts, "soup": soup, "ensemble": ensemble}
    return found


def family(folder: Path, setting: str) -> dict[str, Any]:
    """Everything on one training of the lab."""
    steps, share = SETTINGS[setting]
    schedule = Schedule(steps=steps, batch=BATCH, rate=1e-3)
    network = load(base_of(folder))
    base, auxiliaries = weights_of(network), {}
    for place, name in enumerate(TASKS):
        prompts = [p for p in training_prompts() if p.task == name]
        examples = examples_of(prompts, 1000, np.random.default_rng([place, 5]))
        auxiliaries[name] = tuned(network, base, examples, schedule, seed=place)
    found: dict[str, Any] = {}
    for target in INSIDE:
        found[target] = compared(network, auxiliaries, target, share)
        levels = {
            arm: round(float(np.mean([one["out"] for one in many(value)])), 3)
            for arm, value in found[target].items()
        }
        print(f"{folder}, {setting}: {target}: {levels}", flush=True)
    return found | ({"covariance": covariances(network)} if setting == OWN else {})


def many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def table_of(found: Sequence[Mapping[str, Any]], arm: str, what: str) -> np.ndarray:
    """(trainings, prompts of all targets) of an arm; members are averaged."""
    return np.array([
        np.concatenate([np.mean([one[what] for one in many(f[t][arm])], axis=0) for t in INSIDE])
        for f in found
    ])  # fmt: skip


def ratio(found: Mapping[str, Any], arm: str, what: str) -> float:
    """Mean ratio error over pairs of members, errors of all targets together."""
    wrong = [np.concatenate([found[t][arm][run][what] for t in INSIDE]) for run in range(RUNS)]
    return float(np.mean([ratio_error(a, b) for a, b in itertools.combinations(wrong, 2)]))


def difference(found: Sequence[Mapping[str, Any]], a: str, b: str, what: str) -> str:
    """a − b, the mean of the trainings, over prompts within targets."""
    if any(what not in many(found[0]["lists"][arm])[0] for arm in (a, b)):
        return "–"
    one, other = (table_of(found, arm, what).mean(0) for arm in (a, b))
    strata = np.concatenate([[t] * len(asked_of(t)[1][what.split()[0]]) for t in INSIDE])
    sign = -1 if "greedy" in what else 1  # errors are kept, right answers are told
    return told(paired(sign * one, sign * other, strata=strata, resamples=2000), "+")


def macro(found: Mapping[str, Any], arm: str, what: str, targets: Sequence[str]) -> float:
    """Mean over prompts, members and targets; NaN where it was not measured."""
    values = [np.mean([one.get(what, np.nan) for one in many(found[t][arm])]) for t in targets]
    return float(1 - np.mean(values) if "greedy" in what else np.mean(values))


MEASURED = {
    "in": "right inside", "out": "right outside", "in greedy": "likeliest right inside",
    "out greedy": "likeliest right outside", "else": "right on other tasks",
    "in variety": "variety inside", "out variety": "variety outside",
}  # fmt: skip
CONTRASTS = (
    ("Ratatouille, merged", "DiWA, merged"),
    ("fused start, merged", "DiWA, merged"),
    ("Ratatouille, merged", "fused start, merged"),
    ("Ratatouille, one run", "DiWA, one run"),
    ("DiWA, merged", "DiWA, one run"),
    ("Ratatouille, merged", "Ratatouille, one run"),
    ("DiWA, merged", "DiWA, ensemble"),
    ("Ratatouille, merged", "Ratatouille, ensemble"),
)


def tables(found: Sequence[Mapping[str, Any]]) -> list[str]:
    targets = list(INSIDE)
    rows = []
    for arm in found[0][targets[0]]:
        levels = [np.mean([macro(f, arm, what, targets) for f in found]) for what in MEASURED]
        rows.append([arm, *("–" if np.isnan(v) else f"{v:.3f}" for v in levels)])
    lines = ["## Levels", "", *table(["arm", *MEASURED.values()], rows)]
    lines += [
        "## Do errors differ more?",
        "",
        "Ratio error of two members: inputs that one gets wrong over inputs that both get wrong, "
        f"mean over pairs, one figure a training. Likeliest answers, and {DRAWS} draws; a dash "
        "where a pair shares no error.",
        "",
    ]
    rows = []
    for name in ("DiWA", "Ratatouille"):
        kinds = ("out greedy", "out drawn", "in drawn")
        each = [[ratio(f, f"{name}, one run", kind) for f in found] for kind in kinds]
        cells = [[f"{one:.2f}" if np.isfinite(one) else "–" for one in some] for some in each]
        rows.append([name, *(", ".join(some) for some in cells)])
    lines += table(["members of", "outside, likeliest", "outside, drawn", "inside, drawn"], rows)
    return lines


def contrasts(found: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = []
    for a, b in CONTRASTS:
        each = [macro(f, a, "out", list(INSIDE)) - macro(f, b, "out", list(INSIDE)) for f in found]
        gaps = [difference(found, a, b, w) for w in ("out", "out greedy", "in", "out variety")]
        rows.append([f"{a} − {b}", *gaps, ", ".join(f"{one:+.3f}" for one in each)])
    lines = table(["", "outside", "outside, likeliest", "inside", "variety outside",
                   "outside, each training"], rows)  # fmt: skip
    rows = []
    for t in INSIDE:
        levels = {
            arm: [macro(f, arm, "out", [t]) for f in found]
            for arm in ("base", "DiWA, merged", "fused start, merged", "Ratatouille, merged")
        }
        gaps = np.subtract(levels["Ratatouille, merged"], levels["DiWA, merged"])
        cells = [", ".join(f"{one:.3f}" for one in each) for each in levels.values()]
        rows.append([t, *cells, ", ".join(f"{one:+.3f}" for one in gaps)])
    lines += ["Merged, outside, by target (one figure a training):", ""]
    return lines + table(
        ["target", "base", "DiWA", "fused start", "Ratatouille", "Ratatouille − DiWA"], rows
    )


def covariance_lines(found: Sequence[Mapping[str, Any]]) -> list[str]:
    about = COVARIANCE
    rows = []
    for place, one in enumerate(found):
        for kind, value in one.items():
            p = value["parts"]
            rows.append([str(place), kind, f"{p.bias:.4f}", f"{1e3 * p.variance:.2f}",
                         f"{1e3 * p.covariance:.2f}", f"{p.covariance / p.variance:.2f}",
                         f"{value['ensemble']:.4f}", f"{value['soup']:.4f}"])  # fmt: skip
    return [
        "## Why averages help",
        "",
        f"`soup_error` of the probability of a right answer outside ({about['task']}), "
        f"{about['repetitions']} repetitions of {about['runs']} runs from the base on "
        f"{about['examples']} examples: all runs of a repetition on one sample, or each on its "
        "own. Variance and covariance in thousandths; the last columns are squared errors of the "
        "mean of the outputs and of the averaged weights.",
        "",
        *table(["training", "runs on", "bias²", "variance", "covariance", "covariance/variance",
                "ensemble", "soup"], rows),
    ]  # fmt: skip


def main() -> None:
    settings = asked_for(__doc__)
    started = time.monotonic()
    found, gentler = ([family(f, s) for f in settings.checkpoints] for s in SETTINGS)
    sizes = {t: {w: len(p) for w, p in asked_of(t)[1].items()} for t in INSIDE}
    lines = [
        "# Averages of runs: one start, or starts from other tasks",
        "",
        made_by("ratatouille.py", len(found), time.monotonic() - started),
        "",
        f"Targets: {', '.join(INSIDE)}. A target is learned from {EXAMPLES} right answers to one "
        "half of its questions (totals to 20, trips from five of the ten places, six of twelve "
        "kinds, three of six groups) and asked on held-out questions of that half (inside, "
        f"{', '.join(str(s['in']) for s in sizes.values())} prompts) and on the other half "
        f"(outside, {', '.join(str(s['out']) for s in sizes.values())}). {RUNS} runs an arm, "
        f"{STEPS} updates of {BATCH}, the rate one of {', '.join(map(str, RATES))}, drawn with "
        "the order of the data from the seed of the run; run i has the same seed in every arm. "
        f"Auxiliaries: the base after {SETTINGS[OWN][0]} updates of {BATCH} on each of "
        "the other four tasks. The fused start is the average of the four auxiliaries, tuned as "
        "DiWA tunes the base: the same auxiliary training, one start. Shares of right answers at "
        f"temperature 1 are exact, variety (gini_simpson) is from {DRAWS} draws a prompt; the "
        "ensemble averages next-word probabilities. All figures are means over targets. The "
        "auxiliaries have seen the other tasks, DiWA has not: that column is no fair contest.",
        "",
        *tables(found),
        "## Is Ratatouille below DiWA?",
        "",
        "Differences in the share of right answers, 95% intervals over prompts (bootstrap within "
        "targets) of the mean over trainings; and the first for each training.",
        "",
        *contrasts(found),
        "## The same, gentler",
        "",
        f"Auxiliaries of {SETTINGS[GENTLER][0]} updates, and {SETTINGS[GENTLER][1]:g} times the "
        "rates in the runs on the target. Added when the figures above were known.",
        "",
        *(line.replace("## ", "### ") for line in tables(gentler)[2:]),
        *contrasts(gentler),
        *covariance_lines([f["covariance"] for f in found]),
    ]
    write(lines, settings.out)


if __name__ == "__main__":
    main()
