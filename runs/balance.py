"""Does an over-confident end spoil the average of two checkpoints, and does balancing mend it?

BANG (Lin 2024, https://arxiv.org/abs/2309.17230) says that an end that is too sure of itself
dominates a plain average of weights (WiSE-FT) and that ends of equal confidence average better,
seen in inputs that both ends get wrong and the average right. Here: the lab's base and what was
trained from it, as they are and made louder on purpose. The claim is about inputs unlike those of
the training, so every prompt is asked behind random words too.

    python runs/balance.py --out docs/results/balance.md

About three minutes a training of the lab on one core; `--checkpoints` takes several.
"""

from __future__ import annotations

import argparse
import datetime
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from page import made_with, table, write
from transformers.utils.logging import disable_progress_bar

from variegate import measure
from variegate.estimate import bootstrap, bounded
from variegate.judging import judge
from variegate.lab import evaluation_prompts, lab_lineage, training_prompts, world
from variegate.merging import (
    balance_temperature,
    balanced,
    false_false_true,
    inspect_checkpoint,
    linear,
    swapped,
)
from variegate.metrics import ece
from variegate.models import Arm, Sampling, collect, transformers_model
from variegate.samples import Prompt

POSTS = {"instruct-rl": "chat", "think-rl": "chat", "rl-zero": "raw"}
# Behind four words the shipped base gets half of the training-half prompts wrong: room for both.
WORDS, TIMES = 4, 3
TABLE, NORM = "model.embed_tokens.weight", ["model.norm.weight"]
AXES = ("accuracy", "gini_simpson")
WRITES = ("embed_tokens.weight", "o_proj.weight", "down_proj.weight")
Weights = Mapping[str, torch.Tensor]


def special_rows(folder: Path, name: str) -> list[int]:
    """Rows of tokens that only the post-trained model knows."""
    known = [set(inspect_checkpoint(folder / n).special_tokens.values()) for n in (name, "base")]
    return sorted(known[0] - known[1])


def stream(weights: Weights) -> list[str]:
    """What writes into the residual stream: with a tied head the logits are linear in all of it.

    The norms before every block undo the scale, so the blocks compute what they did before.
    """
    return [name for name in weights if name.endswith(WRITES)]


def louder(weights: Weights, names: Sequence[str], factor: float) -> dict[str, torch.Tensor]:
    """The same model with every logit times the factor."""
    return {n: v * factor if n in names else v for n, v in weights.items()}


def shifted(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Every prompt several times, each behind other random words of the world's questions."""
    rng = np.random.default_rng(5)
    words = sorted({word for one in training_prompts() for word in one.prompt.split()})
    return [
        Prompt(prompt=" ".join([*rng.choice(words, WORDS), one.prompt]), task=one.task,
               verifier=one.verifier, target=one.target)
        for one in prompts
        for _ in range(TIMES)
    ]  # fmt: skip


class Pages:
    """What the world says to prompts of the training half, as tokens, and where answers start."""

    def __init__(self, count: int) -> None:
        rng = np.random.default_rng(11)
        prompts = training_prompts()
        chosen = [prompts[int(i)] for i in rng.choice(len(prompts), count, replace=False)]
        self.said = [(one, world.say(one, rng)) for one in chosen]

    @torch.no_grad()
    def read(self, model: Any, format: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Logits (N, V) at every token of the answers, what the world says, and the prompt."""
        logits, truth, prompt = [], [], []
        for number, (one, answer) in enumerate(self.said):
            before = model.encode(model.render(one.prompt, format=format))
            after = [*model.encode(answer), model.ends[0]]
            ids = torch.tensor([before + after])
            found = model.model(input_ids=ids[:, :-1], use_cache=False).logits[0]
            logits.append(found[len(before) - 1 :].double().numpy())
            truth += after
            prompt += [number] * len(after)
        return np.concatenate(logits), np.array(truth), np.array(prompt)


def sureness(read: tuple[np.ndarray, np.ndarray, np.ndarray]) -> dict[str, Any]:
    """Mean largest probability of the next token, and how it keeps to what the world says."""
    logits, truth, prompt = read
    scaled = np.exp(logits - logits.max(-1, keepdims=True))
    stated = 1 / scaled.sum(-1)
    right = logits.argmax(-1) == truth
    gap = ece(stated, right, clusters=prompt, debiased=True, resamples=500)
    return {"confidence": float(stated.mean()), "hits": float(right.mean()), "ece": gap}


def said(model: Any, format: Any, prompts: Sequence[Any], n: int, temperature: float) -> Any:
    sampling = Sampling(temperature=temperature, max_tokens=32)
    arm = Arm(name=model.name, model=model, format=format, sampling=sampling)
    return judge(collect(arm, prompts, n=n, seed=0), prompts)


def greedy(model: Any, format: Any, prompts: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Greedy answers (P,) and whether they are right."""
    rows = {row["prompt_id"]: row for row in said(model, format, prompts, 1, 0.0).frame.to_dicts()}
    wanted = [rows[one.prompt_id] for one in prompts]
    return (np.array([str(row["answer"]) for row in wanted]),
            np.array([bool(row["correct"]) for row in wanted]))  # fmt: skip


def asked(model: Any, format: Any, prompts: Sequence[Any], n: int, temperature: float) -> Any:
    """Greedy answers to the prompts, and behind words; accuracy and variety of draws (P, 2)."""
    drawn = said(model, format, prompts, n, temperature)
    wide = measure(drawn, metrics=list(AXES), resamples=2).per_prompt
    wide = wide.pivot("metric", index="prompt_id", values="value")
    known = dict(zip(wide["prompt_id"], wide.select(AXES).to_numpy(), strict=True))
    return {
        "clean": greedy(model, format, prompts),
        "shifted": greedy(model, format, shifted(prompts)),
        "draws": np.array([known[one.prompt_id] for one in prompts]),
    }


def around(name: str, folder: Path, prompts: Sequence[Any], settings: Any) -> dict[str, Any]:
    """Every arm around the base and one post-trained checkpoint of one training."""
    format: Any = POSTS[name]
    base, post = (transformers_model(folder / one) for one in ("base", name))
    # The world's pages hold no reasoning, so a model that reasons reads them with its block closed.
    reads: Any = "empty-reasoning" if "empty-reasoning" in post.formats() else format
    live = transformers_model(folder / name).model
    old, new = ({n: p.detach() for n, p in one.model.named_parameters()} for one in (base, post))
    rows, pages, found = special_rows(folder, name), Pages(settings.pages), {}
    # Lent to the base before any merge, so that these rows keep the scale of all others.
    old[TABLE] = old[TABLE].clone()
    old[TABLE][rows] = new[TABLE][rows]

    def add(label: str, model: Any, form: Any, read: Any, temperature: float = 1.0) -> None:
        answers = asked(model, form, prompts, settings.samples, temperature)
        found[label] = answers | sureness((read[0] / temperature, *read[1:]))

    def merged(label: str, weights: Weights, like: Any = None) -> Any:
        """Ask a merge; with `like`, at the temperature that gives it those logits' confidence."""
        with swapped(live, weights):
            model = transformers_model(live, tokenizer=post.tokenizer, name="merge")
            read = pages.read(model, reads)
            heat = 1.0 if like is None else balance_temperature(read[0], like)
            add(label, model, format, read, heat)
        return read[0]

    calm, sure = pages.read(base, "raw"), pages.read(post, reads)
    add("base", base, "raw", calm)
    add("post", post, format, sure)
    heat = balance_temperature(sure[0], calm[0])
    plain = linear([old, new], weights=[0.5, 0.5])
    as_is = merged("plain", plain)
    norm = balanced(old, new, t=0.5, temperature=heat, head=NORM)
    like = merged("balanced, norm", norm)
    merged("plain, heated to that", plain, like)
    mended = balanced(old, new, t=0.5, temperature=heat, head=stream(new))
    merged("balanced, stream", mended)
    gaps = []
    for factor in settings.factors:
        loud, broad = (louder(new, names, factor) for names in (NORM, stream(new)))
        with swapped(live, broad):
            model = transformers_model(live, tokenizer=post.tokenizer, name="loud")
            add(f"post × {factor}", model, format, read := pages.read(model, reads))
            told = balance_temperature(read[0], calm[0])
        again = balanced(old, loud, t=0.5, temperature=told, head=NORM)
        whole = balanced(old, broad, t=0.5, temperature=told, head=stream(new))
        gaps += [apart(again, norm), apart(whole, mended)]
        for label, one in (("norm", loud), ("stream", broad)):
            mixed = linear([old, one], weights=[0.5, 0.5])
            merged(f"plain, {label} × {factor}", mixed)
            if factor == settings.factors[-1]:
                merged(f"plain, {label} × {factor}, heated to plain", mixed, as_is)
        wrong = balanced(old, broad, t=0.5, temperature=told, head=NORM)
        merged(f"stream × {factor}, balanced in the norm", wrong)
    return {"arms": found, "temperature": heat, "gap": max(gaps)}


def apart(a: Weights, b: Weights) -> float:
    return max(float((a[n] - b[n]).abs().max() / b[n].abs().max()) for n in a)


def columns(arms: Mapping[str, Any], label: str) -> dict[str, np.ndarray]:
    """What is told of an arm, one number a prompt; behind words the mean of several times."""
    values = dict(zip(AXES, arms[label]["draws"].T, strict=True))
    for where, times in (("clean", 1), ("shifted", TIMES)):
        ends = [arms[end][where] for end in ("base", "post")]
        answers, right = arms[label][where]
        flags = {
            "right": right,
            "as base": answers == ends[0][0],
            "as post": answers == ends[1][0],
            "gained": ~ends[0][1] & ~ends[1][1] & right,
            "lost": ends[0][1] & ends[1][1] & ~right,
        }
        for name, flag in flags.items():
            values[f"{where} {name}"] = flag.reshape(-1, times).mean(axis=1)
    return values


def cell(values: np.ndarray, tasks: np.ndarray, sign: str = "") -> str:
    """(R, P) as a mean with its interval over prompts, and the mean of every training."""
    shown = spread(bootstrap(values.mean(axis=0), strata=tasks), sign)
    each = [np.mean([row[tasks == task].mean() for task in np.unique(tasks)]) for row in values]
    return f"{shown} ({', '.join(f'{v:{sign}.3f}' for v in each)})" if len(values) > 1 else shown


def spread(found: Any, sign: str = "") -> str:
    return f"{found.value:{sign}.3f} [{found.low:{sign}.3f}, {found.high:{sign}.3f}]"


def numbers(values: Sequence[float]) -> str:
    each = ", ".join(f"{v:.3f}" for v in values)
    return f"{np.mean(values):.3f} ({each})" if len(values) > 1 else each


def counted(arms: Sequence[Mapping[str, Any]], label: str, where: str, *, wrong: bool) -> str:
    """Questions that both ends get wrong and the merge right (or the other way round), each."""
    each = []
    for one in arms:
        flags = [one[name][where][1] == wrong for name in ("base", "post", label)]
        each.append(false_false_true(*flags))
    return ", ".join(f"{one.count} of {one.both_wrong}" for one in each)


def comparisons(factor: int) -> list[tuple[str, str]]:
    norm, stream = (f"plain, {where} × {factor}" for where in ("norm", "stream"))
    as_is = [(one, "plain") for one in ("balanced, norm", "balanced, stream")]
    as_is += [("plain", "base"), ("plain", "post"), ("balanced, norm", "plain, heated to that")]
    loud = [
        (f"{one}{heat}", "plain") for one in (norm, stream) for heat in ("", ", heated to plain")
    ]
    loud.append((f"stream × {factor}, balanced in the norm", "plain"))
    return [*as_is, *loud, ("balanced, norm", norm), ("balanced, stream", stream)]


def section(name: str, found: Sequence[Mapping[str, Any]], tasks: np.ndarray, settings: Any) -> Any:
    """Of one post-trained checkpoint in every training: its row of sureness, and its tables."""
    arms = [one["arms"] for one in found]
    ends = [
        name,
        *(numbers([one[end][key] for one in arms]) for key in ("confidence", "hits")
          for end in ("base", "post")),
        *(", ".join(spread(one[end]["ece"]) for one in arms) for end in ("base", "post")),
        numbers([one["temperature"] for one in found]),
        f"{max(one['gap'] for one in found):.0e}",
    ]  # fmt: skip
    values = {}
    for label in arms[0]:
        known = [columns(one, label) for one in arms]
        values[label] = {key: np.stack([one[key] for one in known]) for key in known[0]}
    clean, behind, told = [], [], set()
    for label, known in values.items():
        clean.append([
            label, numbers([one[label]["confidence"] for one in arms]),
            cell(known["clean right"], tasks), *(cell(known[axis], tasks) for axis in AXES),
            " / ".join(f"{known[f'clean as {end}'].mean():.2f}" for end in ("base", "post")),
            counted(arms, label, "clean", wrong=True),
        ])  # fmt: skip
        answers = tuple(tuple(one[label]["shifted"][0]) for one in arms)
        if answers in told:
            continue
        told.add(answers)
        shares = [bounded(known[f"shifted {one}"].mean(axis=0)) for one in ("gained", "lost")]
        behind.append([
            label, cell(known["shifted right"], tasks),
            " / ".join(f"{known[f'shifted as {end}'].mean():.2f}" for end in ("base", "post")),
            *("" if label in ("base", "post") else
              f"{counted(arms, label, 'shifted', wrong=wrong)}: {spread(share)}"
              for wrong, share in zip((True, False), shares, strict=True)),
        ])  # fmt: skip
    axes = ("clean right", *AXES, *(f"shifted {one}" for one in ("right", "gained", "as post")))
    gaps = [
        [
            f"({one}) − ({other})",
            *(cell(values[one][key] - values[other][key], tasks, "+") for key in axes),
        ]
        for one, other in comparisons(settings.factors[-1])
    ]
    lines = [f"## {name}", "", *table(CLEAN, clean), "Behind random words, greedy:", ""]
    return ends, [*lines, *table(BEHIND, behind), "Paired over prompts:", "", *table(GAPS, gaps)]


ENDS = ["checkpoint", "confidence base", "confidence post", "hits base", "hits post", "ECE base",
        "ECE post", "temperature that balances", "loud apart"]  # fmt: skip
CLEAN = ["arm", "confidence", "greedy accuracy", "accuracy", "gini_simpson",
         "greedy as base / as post", "both wrong, merged right"]  # fmt: skip
BEHIND = ["arm", "accuracy", "as base / as post", "both wrong, merged right",
          "both right, merged wrong"]  # fmt: skip
GAPS = ["difference", "greedy accuracy", "accuracy", "gini_simpson", "accuracy behind words",
        "both wrong, merged right behind words", "as post behind words"]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=24, help="a task")
    parser.add_argument("--samples", type=int, default=10, help="a prompt")
    parser.add_argument("--pages", type=int, default=96, help="of the training half")
    parser.add_argument("--factors", type=int, nargs="*", default=[2, 4, 8])
    parser.add_argument("--posts", nargs="*", default=list(POSTS))
    shipped = [lab_lineage().parent / "checkpoints"]
    parser.add_argument("--checkpoints", type=Path, nargs="*", default=shipped)
    parser.add_argument("--out", type=Path, default=None)
    settings = parser.parse_args()
    torch.set_num_threads(1)
    disable_progress_bar()
    prompts = evaluation_prompts(per_task=settings.prompts)
    tasks = np.array([one.task for one in prompts])
    started, sections, rows = time.monotonic(), [], []
    for name in settings.posts:
        found = [around(name, folder, prompts, settings) for folder in settings.checkpoints]
        row, lines = section(name, found, tasks, settings)
        rows.append(row)
        sections += lines
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    trainings = len(settings.checkpoints)
    lines = [
        "# Averages with an over-confident end",
        "",
        f"Made {datetime.datetime.now(datetime.UTC):%Y-%m-%d} by `python runs/balance.py`, "
        f"{trainings} training{'s' if trainings > 1 else ''} of the lab (seed 0 ships, the others "
        "are made by `variegate lab train --seed N` and named by `--checkpoints`), draws with seed "
        f"0; {made_with()}; {time.monotonic() - started:.0f} s.",
        "",
        f"{len(prompts)} prompts that no stage after the base was trained on; one greedy answer "
        f"and {settings.samples} draws at temperature 1 of each. Mean over tasks with a 95% "
        "interval over prompts (the mean over trainings; they are held fixed), and in brackets "
        "each training. Every merge is half base, half post-trained checkpoint, asked as the "
        "latter is; the base takes from it the rows of special tokens, which it does not know.",
        "",
        f"Behind words: each prompt {TIMES} times, each time behind {WORDS} other random words of "
        "the world's questions, one greedy answer. The count was chosen on prompts of the training "
        "half. Arms whose answers are those of one above are left out.",
        "",
        f"Confidence is the mean largest probability of the next token, on {settings.pages} "
        "answers of the world to prompts of the training half; on the same text are the "
        "temperatures found that balance. “Norm × 4” multiplies the weights of the final norm, "
        "“stream × 4” all that writes into the residual stream (embedding, o_proj, down_proj). "
        "Both multiply every logit by 4 and leave greedy answers as they are. `balanced` divides "
        "the one or the other by the temperature. “Heated” is sampled at the temperature that "
        "gives it the confidence of the other.",
        "",
        "## How sure the ends are",
        "",
        "Hits: the likeliest next token is what the world says. ECE is debiased, intervals over "
        "prompts, one training after the other. The last column: how far the balanced averages of "
        "the loud ends are from those of the ends as they are, as a share of a tensor's largest "
        "weight; they are one model, and asked once.",
        "",
        *table(ENDS, rows),
        "Counts, training by training: of the questions on which both ends' greedy answers are "
        "wrong (right), those on which the merge's is right (wrong); behind the colon their share "
        "of all questions.",
        "",
        *sections,
    ]
    write(lines, settings.out)


if __name__ == "__main__":
    main()
