"""What the scripts that fine-tune the lab's base share: examples, weights, draws and tables."""

from __future__ import annotations

import argparse
import copy
import datetime
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from page import made_with
from transformers.utils.logging import disable_progress_bar

from variegate.estimate import Estimate
from variegate.lab import lab_lineage
from variegate.lab.training._corpus import Document, encode
from variegate.lab.training._judge import answer_of, is_right
from variegate.lab.training._speaking import speak, token_logprobs
from variegate.lab.world import draw, right_answers, task
from variegate.samples import Prompt

Weights = Mapping[str, torch.Tensor]


def base_of(folder: Path) -> Path:
    """The base of a training of the lab, given the folder of its checkpoints or the one above."""
    return next(p for p in (folder / "base", folder / "checkpoints" / "base") if p.exists())


def documents(examples: Sequence[tuple[Prompt, str]], rng: np.random.Generator) -> Iterator[Any]:
    """The examples again and again, each time in another order."""
    while True:
        for i in rng.permutation(len(examples)):
            prompt, answer = examples[int(i)]
            before = encode(prompt.prompt)
            yield Document(before + encode(f"{answer} </s>"), len(before))


def examples_of(
    prompts: Sequence[Prompt], count: int, rng: np.random.Generator
) -> list[tuple[Prompt, str]]:
    """Right answers, as frequent as in the world."""
    asked = [prompts[int(i)] for i in rng.integers(len(prompts), size=count)]
    return [(prompt, draw(right_answers(prompt), rng)) for prompt in asked]


def weights_of(model: Any) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def model_of(network: Any, weights: Weights) -> Any:
    model = copy.deepcopy(network)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weights[name])
    return model.eval()


def drawn(model: Any, prompts: Sequence[Prompt], *, each: int, seed: int = 0) -> list[Document]:
    """Completions at temperature 1, each prompt's in a row."""
    generator = torch.Generator().manual_seed(seed)
    asked = [encode(p.prompt) for p in prompts for _ in range(each)]
    return speak(model, asked, max_tokens=32, generator=generator)


@torch.no_grad()
def likelihood(model: Any, said: Sequence[Document], each: int) -> np.ndarray:
    """Mean log-probability of given answers, by prompt."""
    parts = [token_logprobs(model, said[i : i + 512])[0].sum(1) for i in range(0, len(said), 512)]
    return torch.cat(parts).numpy().reshape(-1, each).mean(1)


class Spoken(NamedTuple):
    """Of some draws a prompt: which are wrong (P, each), and by prompt (P,) how they vary."""

    wrong: np.ndarray
    variety: np.ndarray  # the chance that two answers differ
    answers: np.ndarray  # how many different right ones


@torch.no_grad()
def spoken(model: Any, prompts: Sequence[Prompt], *, each: int, seed: int = 0) -> Spoken:
    said = drawn(model, prompts, each=each, seed=seed)
    wrong, by_prompt = np.zeros((len(prompts), each), bool), np.zeros((2, len(prompts)))
    for place, prompt in enumerate(prompts):
        mine = said[place * each : (place + 1) * each]
        wrong[place] = [not is_right(prompt, one) for one in mine]
        names = np.array([task(prompt.task).canonical(answer_of(one)) for one in mine])
        counts = np.unique(names, return_counts=True)[1]
        differ = 1 - (counts * (counts - 1)).sum() / max(each * (each - 1), 1)
        by_prompt[:, place] = differ, len(set(names[~wrong[place]]))
    return Spoken(wrong, *by_prompt)


def told(value: Estimate, sign: str = "") -> str:
    return f"{value.value:{sign}.3f} [{value.low:{sign}.3f}, {value.high:{sign}.3f}]"


def asked_for(about: str) -> argparse.Namespace:
    """Read what all of these scripts take: trainings of the lab, and where the page goes."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--checkpoints", type=Path, nargs="+", default=[lab_lineage().parent])
    parser.add_argument("--out", type=Path, default=None)
    settings = parser.parse_args()
    torch.set_num_threads(1)
    disable_progress_bar()
    return settings


def made_by(script: str, trainings: int, seconds: float) -> str:
    """When, by which command, from how many trainings, with which versions, in what time."""
    return (
        f"Made {datetime.datetime.now(datetime.UTC):%Y-%m-%d} by `python runs/{script} "
        f"--checkpoints …`, {trainings} trainings of the lab (seeds 0 to {trainings - 1}); "
        f"{made_with()}; {seconds:.0f} s."
    )
