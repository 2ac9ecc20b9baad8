"""Do measures of training data say how well it teaches? Three of them, on the lab.

NovelSum (Yang 2025, https://arxiv.org/abs/2502.17184), the cluster score (Chen 2024,
https://arxiv.org/abs/2410.15226) and G-Vendi (Jung 2025, https://arxiv.org/abs/2505.20161) are said
to go along with what a model learns from a data set; and keeping examples from sparse gradient
clusters is said to raise G-Vendi and accuracy out of distribution. Here the lab's base is
fine-tuned on sets of one size and very different variety, and asked prompts it was not trained on.

    python runs/training_data.py --out docs/results/training_data.md

About ten minutes on one core. Prints what comes out, with 95% intervals.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import torch
from page import made_with, write
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from transformers.utils.logging import disable_progress_bar

from variegate.embedding import embedder
from variegate.judging import judge
from variegate.lab import evaluation_prompts, lab_lineage, training_prompts
from variegate.lab.training._checkpoint import load
from variegate.lab.training._corpus import Document, encode, rendered
from variegate.lab.training._recipe import Schedule
from variegate.lab.training._supervised import learn
from variegate.lab.world import TASKS, draw, right_answers
from variegate.metrics import cluster_score, novel_sum, pairwise_diversity, vendi
from variegate.models import Arm, Sampling, collect, gradient_features, transformers_model
from variegate.samples import Prompt
from variegate.selection import in_sparse_clusters

SIZE = 256  # examples of a set
SEEDS = (0, 1, 2)
SCHEDULE = Schedule(steps=40, batch=64, rate=1e-3)
BASE = lab_lineage().parent / "checkpoints" / "base"
Example = tuple[Prompt, str]


def sets(seed: int) -> Iterator[tuple[str, list[Example]]]:
    """Sets of one size: how many tasks, how many prompts of each, how many answers of a prompt."""
    rng = np.random.default_rng(seed)
    by_task = {
        about.name: [p for p in training_prompts() if p.task == about.name] for about in TASKS
    }
    for tasks, prompts, answers in itertools.product((1, 2, 3, 5), (4, 40), (1, 99)):
        chosen = rng.choice(sorted(by_task), tasks, replace=False)
        asked: list[Prompt] = []
        for name in chosen:
            some = rng.permutation(len(by_task[name]))[: max(1, prompts // tasks)]
            asked += [by_task[name][int(i)] for i in some]
        said = {}
        for prompt in asked:
            right = right_answers(prompt)
            said[prompt.prompt_id] = [draw(right, rng) for _ in range(min(answers, 12))]
        examples = []
        for _ in range(SIZE):
            prompt = asked[int(rng.integers(len(asked)))]
            options = said[prompt.prompt_id]
            examples.append((prompt, options[int(rng.integers(len(options)))]))
        yield (
            f"{tasks} tasks, {prompts} prompts, {'one answer' if answers == 1 else 'many'}",
            examples,
        )


def documents(examples: list[Example], rng: np.random.Generator) -> Iterator[Document]:
    """The set again and again, each time in another order."""
    while True:
        for i in rng.permutation(len(examples)):
            prompt, answer = examples[int(i)]
            before = encode(rendered(prompt, "plain"))
            yield Document(before + encode(f"{answer} </s>"), len(before))


def taught(examples: list[Example], seed: int) -> tuple[float, float]:
    """Fine-tune the base on a set; accuracy and different right answers on other prompts."""
    network = load(BASE)
    lessons = documents(examples, np.random.default_rng(seed))
    learn(network, lessons, SCHEDULE, every=10**9, watch=dict, report=lambda *_: None)
    tokenizer = transformers_model(lab_lineage().parent / "checkpoints" / "instruct-sft").tokenizer
    model = transformers_model(network.eval(), tokenizer=tokenizer, name="taught", device="cpu")
    prompts = evaluation_prompts(per_task=12)
    arm = Arm(name="taught", model=model, format="chat", sampling=Sampling(max_tokens=32))
    rows = judge(collect(arm, prompts, n=8, seed=0), prompts).frame
    right = rows.filter(rows["correct"].fill_null(False))
    different = right.select("prompt_id", "answer").unique().height / len(prompts)
    return float(rows["correct"].fill_null(False).mean()), different


def features(examples: list[Example]) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of question and answer, and gradients under the base."""
    texts = [f"{prompt.prompt} {answer}" for prompt, answer in examples]
    vectors = embedder().encode(texts).astype(np.float64)
    proxy = transformers_model(BASE, device="cpu")
    asked = [prompt.prompt for prompt, _ in examples]
    said = [answer for _, answer in examples]
    return vectors, gradient_features(proxy, asked, said, width=512)


@cache
def pool() -> np.ndarray:
    """Embeddings of 2,000 examples of the whole world: where data is dense to begin with."""
    rng = np.random.default_rng(0)
    asked = [training_prompts()[int(i)] for i in rng.integers(len(training_prompts()), size=2000)]
    texts = [f"{prompt.prompt} {draw(right_answers(prompt), rng)}" for prompt in asked]
    return embedder().encode(texts).astype(np.float64)


def scores(examples: list[Example]) -> dict[str, float]:
    vectors, gradients = features(examples)
    k = min(40, len(np.unique(vectors.round(6), axis=0)))
    labels = KMeans(n_clusters=k, n_init=1, random_state=0).fit(vectors).labels_
    merged = _merge_near(vectors, labels)
    return {
        "NovelSum": float(novel_sum(vectors, reference=pool())),
        "NovelSum, density from the set itself": float(novel_sum(vectors)),
        "mean distance": float(pairwise_diversity(vectors)),
        "cluster score": float(cluster_score(np.bincount(merged))),
        "Vendi of embeddings": float(vendi(vectors)),
        "G-Vendi": float(vendi(gradients)),
    }


def _merge_near(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Clusters a judge would call one: centres at a cosine above 0.8 are joined, in place of it."""
    centres = np.stack([vectors[labels == c].mean(axis=0) for c in range(labels.max() + 1)])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    parent = np.arange(len(centres))
    for i, j in zip(*np.where(centres @ centres.T > 0.8), strict=True):
        parent[parent == parent[j]] = parent[i]
    return np.unique(parent, return_inverse=True)[1][labels]


def interval(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> tuple[float, float, float]:
    drawn = rng.integers(len(x), size=(2000, len(x)))
    again = [float(spearmanr(x[d], y[d]).statistic) for d in drawn if np.ptp(x[d]) and np.ptp(y[d])]
    low, high = np.quantile(again, [0.025, 0.975])
    return float(spearmanr(x, y).statistic), float(low), float(high)


def sparse_rule(seed: int) -> dict[str, tuple[float, float, float]]:
    """A lopsided pool; keep SIZE of it at random, or SIZE that lie in sparse gradient clusters."""
    rng = np.random.default_rng(seed)
    share = {"lists": 0.7, "opinions": 0.2, "arithmetic": 0.05, "routes": 0.03, "stories": 0.02}
    by_task = {name: [p for p in training_prompts() if p.task == name] for name in share}
    pool: list[Example] = []
    for name in rng.choice(list(share), 2000, p=list(share.values())):
        prompt = by_task[name][int(rng.integers(len(by_task[name])))]
        pool.append((prompt, draw(right_answers(prompt), rng)))
    _, gradients = features(pool)
    order = rng.permutation(len(pool))
    sparse = in_sparse_clusters(gradients, seed=seed)
    picks = {"at random": order[:SIZE], "sparse clusters": order[sparse[order]][:SIZE]}
    found = {}
    for name, rows in picks.items():
        accuracy, different = taught([pool[int(i)] for i in rows], seed)
        found[name] = (float(vendi(gradients[rows])), accuracy, different)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    disable_progress_bar()
    table: list[dict[str, float]] = []
    for seed in SEEDS:
        for name, examples in sets(seed):
            accuracy, different = taught(examples, seed)
            table.append({**scores(examples), "accuracy": accuracy, "different": different})
            print(f"seed {seed}: {name}: {table[-1]}", flush=True)
    columns = {key: np.array([row[key] for row in table]) for key in table[0]}
    rng = np.random.default_rng(0)
    lines = [
        "# Does variety of training data go along with what it teaches?",
        "",
        f"Made {datetime.datetime.now(datetime.UTC):%Y-%m-%d} by `python runs/training_data.py`, "
        f"seeds {', '.join(map(str, SEEDS))}; {made_with()}.",
        "",
        f"{len(table)} sets of {SIZE} right examples (1 to 5 tasks, 4 or 40 prompts, one answer a "
        f"prompt or many), each the whole fine-tuning of the lab's base ({SCHEDULE.steps} updates "
        f"of {SCHEDULE.batch}). Then 60 other prompts of all five tasks, 8 answers each. "
        "Spearman's rank correlation with 95% intervals, bootstrap over sets. NovelSum takes the "
        "density of data from 2,000 examples of the whole world, as the paper does from its "
        "source.",
        "",
        "| measure of the set | accuracy | different right answers a prompt |",
        "| --- | --- | --- |",
    ]
    for key in list(columns)[:-2]:
        cells = []
        for outcome in ("accuracy", "different"):
            value, low, high = interval(columns[key], columns[outcome], rng)
            cells.append(f"{value:+.2f} ({low:+.2f} to {high:+.2f})")
        lines.append(f"| {key} | {cells[0]} | {cells[1]} |")
    lines += [
        "",
        "NovelSum minus plain mean distance, correlation with accuracy, paired over sets: "
        + _difference(columns, rng),
        "",
        "## Keeping what falls into sparse gradient clusters",
        "",
        f"A pool of 2,000 examples, 70% of one task and 2% of another; {SIZE} kept.",
        "",
        "| seed | rule | G-Vendi | accuracy | different right answers a prompt |",
        "| --- | --- | --- | --- | --- |",
    ]
    for seed in SEEDS:
        for name, (score, accuracy, different) in sparse_rule(seed).items():
            lines.append(f"| {seed} | {name} | {score:.1f} | {accuracy:.3f} | {different:.2f} |")
    write(lines, arguments.out)


def _difference(columns: dict[str, np.ndarray], rng: np.random.Generator) -> str:
    y = columns["accuracy"]

    def gap(rows: np.ndarray) -> float:
        one, other = (
            spearmanr(columns[key][rows], y[rows]).statistic
            for key in ("NovelSum", "mean distance")
        )
        return float(one - other)

    again = [gap(rng.integers(len(y), size=len(y))) for _ in range(2000)]
    low, high = np.quantile(again, [0.025, 0.975])
    return f"{gap(np.arange(len(y))):+.2f} ({low:+.2f} to {high:+.2f})."


if __name__ == "__main__":
    main()
