"""Does a stored change of weights keep a checkpoint's variety better where Fisher weights it?

FWSVD (Hsu 2022, https://arxiv.org/abs/2207.00112) factorises matrices where the model cares about
them. Here it stores what post-training changed in the lab's base, every matrix at one rank, beside
the plain singular value decomposition; both are added to the base again and asked.

    python runs/low_rank.py --out docs/results/low_rank.md

About a minute a training of the lab on one core; `--checkpoints` takes several.
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
from scipy.stats import spearmanr
from transformers.utils.logging import disable_progress_bar

from variegate import measure
from variegate.estimate import bootstrap, interval, resampled_means
from variegate.judging import judge
from variegate.lab import evaluation_prompts, lab_lineage, training_prompts
from variegate.merging import estimate_fisher, inspect_checkpoint, low_rank, swapped
from variegate.models import Arm, Sampling, collect, transformers_model
from variegate.samples import Samples

POSTS = {"instruct-rl": "chat", "rl-zero": "raw"}
RANKS = (1, 2, 4, 8, 16, 32)
AXES = ("accuracy", "gini_simpson")
TABLE = "model.embed_tokens.weight"
LABELS = 8  # drawn of every next token, for the Fisher information
OWN = 4  # answers of the checkpoint to a prompt on which the divergence is taken
Weights = Mapping[str, torch.Tensor]


def special_rows(folder: Path, name: str) -> list[int]:
    """Rows of tokens that only the post-trained model knows."""
    known = [set(inspect_checkpoint(folder / n).special_tokens.values()) for n in (name, "base")]
    return sorted(known[0] - known[1])


def drawn(model: Any, format: Any, prompts: Sequence[Any], n: int) -> Samples:
    arm = Arm(name=model.name, model=model, format=format, sampling=Sampling(max_tokens=32))
    return judge(collect(arm, prompts, n=n, seed=0), prompts)


def written(model: Any, format: Any, prompts: Sequence[Any], said: Samples, most: int) -> list[Any]:
    """Tokens of prompt and answer, where the answer starts, and the number of the prompt."""
    place = {one.prompt_id: number for number, one in enumerate(prompts)}
    texts = [model.encode(model.render(one.prompt, format=format)) for one in prompts]
    rows = said.frame.select("prompt_id", "sample", "token_ids").iter_rows()
    return [
        (torch.tensor([*texts[place[name]], *ids]), len(texts[place[name]]), place[name])
        for name, sample, ids in rows
        if sample < most
    ]


def importance(model: Any, format: Any, count: int) -> tuple[dict[str, torch.Tensor], float]:
    """Fisher information of its own answers to prompts of the training half.

    With the rank correlation of the rows' importances between two halves of the examples, the
    median over matrices.
    """
    rng, prompts = np.random.default_rng(3), training_prompts()
    chosen = [prompts[int(i)] for i in rng.choice(len(prompts), count, replace=False)]
    examples = written(model, format, chosen, drawn(model, format, chosen, 1), 1)

    def answers(network: torch.nn.Module, example: Any) -> torch.Tensor:
        ids, start, _ = example
        return network(input_ids=ids[None, :-1]).logits[0, start - 1 :]  # type: ignore[no-any-return]

    one, other = (
        estimate_fisher(model.model, examples[half::2], logits=answers, draws=LABELS, seed=half)
        for half in (0, 1)
    )
    same = [
        spearmanr(one[n].sum(1).numpy(), other[n].sum(1).numpy()).statistic
        for n in one
        if one[n].ndim == 2
    ]
    return {n: (one[n] + other[n]) / 2 for n in one}, float(np.median(same))


def stored(
    old: Weights, new: Weights, rows: Sequence[int], rank: int, fisher: Weights | None
) -> tuple[dict[str, torch.Tensor], float, float]:
    """The base with the change of every matrix at this rank; share of numbers; norm kept.

    Vectors and the rows of special tokens, of which the base knows nothing, are kept whole; rank 0
    is nothing but these.
    """
    restored, numbers, kept = {}, [0, 0], []
    for name, after in new.items():
        delta = after - old[name]
        if delta.ndim != 2:
            restored[name] = after
            continue
        if name == TABLE:
            delta[rows] = 0
        numbers[0] += rank * sum(delta.shape)
        numbers[1] += delta.numel()
        if rank:
            found = low_rank(delta, rank=rank, fisher=fisher[name] if fisher else None)
            delta, share = found.matrix(), found.kept
        else:
            delta, share = torch.zeros_like(delta), 0.0
        restored[name] = old[name] + delta
        if name == TABLE:
            restored[name][rows] = after[rows]
        kept.append(share)
    return restored, numbers[0] / numbers[1], float(np.mean(kept))


@torch.no_grad()
def next_tokens(network: Any, texts: Sequence[Any]) -> torch.Tensor:
    """Log-probabilities (N, T, V) of the next tokens; past the end of a text they mean nothing."""
    ids = torch.nn.utils.rnn.pad_sequence([one[0][:-1] for one in texts], batch_first=True)
    parts = [network(input_ids=some, use_cache=False).logits for some in ids.split(64)]
    return torch.cat(parts).log_softmax(-1)


def divergence(full: torch.Tensor, other: torch.Tensor, texts: Sequence[Any]) -> np.ndarray:
    """Mean KL(full ‖ other) in nats over the tokens of the answers to each prompt, (P,)."""
    each = (full.exp() * (full - other)).sum(-1).double().numpy()
    total, count = np.zeros((2, 1 + max(one[2] for one in texts)))
    for row, (ids, start, prompt) in enumerate(texts):
        total[prompt] += each[row, start - 1 : len(ids) - 1].sum()
        count[prompt] += len(ids) - start
    return total / count


def around(name: str, folder: Path, prompts: Sequence[Any], settings: Any) -> dict[str, Any]:
    """Every arm of one checkpoint of one training: (P, 3) accuracy, variety and divergence."""
    format: Any = POSTS[name]
    base, post = (transformers_model(folder / one) for one in ("base", name))
    live = transformers_model(folder / name).model
    old, new = ({n: p.detach() for n, p in one.model.named_parameters()} for one in (base, post))
    rows, order = special_rows(folder, name), [one.prompt_id for one in prompts]
    fisher, same = importance(post, format, settings.fisher)
    values, about = {}, {}

    def add(label: str, model: Any, form: Any, kl: np.ndarray) -> Samples:
        said = drawn(model, form, prompts, settings.samples)
        wide = measure(said, metrics=list(AXES), resamples=2).per_prompt
        wide = wide.pivot("metric", index="prompt_id", values="value")
        known = dict(zip(wide["prompt_id"], wide.select(AXES).to_numpy(), strict=True))
        values[label] = np.column_stack([np.array([known[one] for one in order]), kl])
        return said

    add("base", base, "raw", np.full(len(prompts), np.nan))
    said = add("post", post, format, np.zeros(len(prompts)))
    texts = written(post, format, prompts, said, OWN)
    full = next_tokens(post.model, texts)
    for rank in (0, *settings.ranks):
        for kind, weighted in (("plain", None), ("fisher", fisher)):
            if not rank and weighted:
                continue
            weights, share, kept = stored(old, new, rows, rank, weighted)
            with swapped(live, weights):
                model = transformers_model(live, tokenizer=post.tokenizer, name="restored")
                label = f"{rank} {kind}" if rank else "0"
                add(label, model, format, divergence(full, next_tokens(live, texts), texts))
            about[label] = (share, kept)
    spread = [
        float(np.divide(*np.quantile(one.sum(1).sqrt().numpy(), [0.9, 0.1])))
        for one in fisher.values()
        if one.ndim == 2
    ]
    return {"values": values, "about": about, "same": same, "spread": float(np.median(spread))}


def macro(values: np.ndarray, tasks: np.ndarray) -> float:
    return float(np.mean([values[tasks == task].mean() for task in np.unique(tasks)]))


def shown(values: Sequence[float], sign: str, digits: int) -> str:
    each = ", ".join(f"{v:{sign}.{digits}f}" for v in values)
    return f" ({each})" if len(values) > 1 else ""


def cell(values: np.ndarray, tasks: np.ndarray, sign: str = "", digits: int = 3) -> str:
    """(R, P) as a mean with its interval over prompts, and the mean of every training."""
    if np.isnan(values).all():
        return ""
    found = bootstrap(values.mean(axis=0), strata=tasks)
    ends = f"{found.low:{sign}.{digits}f}, {found.high:{sign}.{digits}f}"
    each = shown([macro(row, tasks) for row in values], sign, digits)
    return f"{found.value:{sign}.{digits}f} [{ends}]{each}"


def nearer(post: np.ndarray, plain: np.ndarray, fisher: np.ndarray, tasks: np.ndarray) -> str:
    """How much nearer to the checkpoint's mean the Fisher-weighted one is; all (R, P)."""
    table = np.concatenate([post, plain, fisher]).T

    def gain(means: np.ndarray) -> np.ndarray:
        full, one, other = means.reshape(len(means), 3, len(post)).swapaxes(0, 1)
        return np.asarray(abs(one - full) - abs(other - full))

    centre = gain(np.array([[macro(column, tasks) for column in table.T]]))[0]
    low, high = interval(gain(resampled_means(table, strata=tasks)).mean(axis=1))
    return f"{centre.mean():+.3f} [{low:+.3f}, {high:+.3f}]{shown(centre.tolist(), '+', 3)}"


def ratio(plain: np.ndarray, fisher: np.ndarray, tasks: np.ndarray) -> str:
    """Divergence left by the Fisher-weighted one, as a share of that left by the plain one."""
    table = np.concatenate([plain, fisher]).T

    def share(means: np.ndarray) -> np.ndarray:
        one, other = means.reshape(len(means), 2, len(plain)).swapaxes(0, 1)
        return np.asarray(np.exp(np.log(other / one).mean(axis=1)))

    each = [macro(b, tasks) / macro(a, tasks) for a, b in zip(plain, fisher, strict=True)]
    low, high = interval(share(resampled_means(table, strata=tasks)))
    return f"{np.exp(np.log(each).mean()):.2f} [{low:.2f}, {high:.2f}]{shown(each, '', 2)}"


LEVELS = ["rank", "numbers stored", "norm kept", "KL, nats a token", *AXES]
GAPS = ["rank", "KL, fisher as a share of plain", "KL, fisher − plain", "accuracy nearer to post",
        "variety nearer to post", "accuracy, fisher − plain",
        "variety, fisher − plain"]  # fmt: skip


def section(name: str, found: Sequence[Mapping[str, Any]], tasks: np.ndarray) -> list[str]:
    """Tables of one checkpoint in every training."""
    known = {
        label: np.stack([one["values"][label] for one in found]) for label in found[0]["values"]
    }
    levels, gaps = [], []
    for label, values in known.items():
        about = found[0]["about"].get(label)
        kept = [one["about"][label][1] for one in found] if about else []
        levels.append([
            label, f"{about[0]:.2f}" if about else "", f"{np.mean(kept):.2f}" if about else "",
            cell(values[:, :, 2], tasks, digits=4),
            *(cell(values[:, :, axis], tasks) for axis in (0, 1)),
        ])  # fmt: skip
        rank, _, kind = label.partition(" ")
        if kind != "fisher":
            continue
        post, plain = known["post"], known[f"{rank} plain"]
        gaps.append([
            rank, ratio(plain[:, :, 2], values[:, :, 2], tasks),
            cell(values[:, :, 2] - plain[:, :, 2], tasks, "+", 4),
            *(nearer(post[:, :, axis], plain[:, :, axis], values[:, :, axis], tasks)
              for axis in (0, 1)),
            *(cell(values[:, :, axis] - plain[:, :, axis], tasks, "+") for axis in (0, 1)),
        ])  # fmt: skip
    told = [", ".join(f"{one[key]:.2f}" for one in found) for key in ("spread", "same")]
    return [
        f"## {name}",
        "",
        *table(LEVELS, levels),
        "Fisher against plain at equal rank, paired over prompts:",
        "",
        *table(GAPS, gaps),
        f"Importance of a matrix's rows: the 90th percentile over the 10th is {told[0]} (median "
        f"over matrices, each training); rank correlation between two halves of the examples "
        f"{told[1]}.",
        "",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=24, help="a task")
    parser.add_argument("--samples", type=int, default=16, help="a prompt")
    parser.add_argument("--fisher", type=int, default=264, help="prompts of the training half; all")
    parser.add_argument("--ranks", type=int, nargs="*", default=list(RANKS))
    parser.add_argument("--posts", nargs="*", default=list(POSTS))
    shipped = [lab_lineage().parent / "checkpoints"]
    parser.add_argument("--checkpoints", type=Path, nargs="*", default=shipped)
    parser.add_argument("--out", type=Path, default=None)
    settings = parser.parse_args()
    torch.set_num_threads(1)
    disable_progress_bar()
    prompts = evaluation_prompts(per_task=settings.prompts)
    tasks = np.array([one.task for one in prompts])
    started, sections = time.monotonic(), []
    for name in settings.posts:
        found = [around(name, folder, prompts, settings) for folder in settings.checkpoints]
        sections += section(name, found, tasks)
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    trainings = len(settings.checkpoints)
    lines = [
        "# A change of weights stored at low rank",
        "",
        f"Made {datetime.datetime.now(datetime.UTC):%Y-%m-%d} by `python runs/low_rank.py`, "
        f"{trainings} training{'s' if trainings > 1 else ''} of the lab (seed 0 ships, the others "
        "are made by `variegate lab train --seed N` and named by `--checkpoints`), draws with seed "
        f"0; {made_with()}; {time.monotonic() - started:.0f} s.",
        "",
        f"{len(prompts)} prompts that no stage after the base was trained on, {settings.samples} "
        "draws of each at temperature 1. Mean over tasks with a 95% interval over prompts (of the "
        "mean over trainings, which are held fixed), and in brackets each training.",
        "",
        "The change from the base, every matrix at one rank, by the plain singular value "
        "decomposition and by the one that Fisher information weights, restored and asked as the "
        "checkpoint is. Fisher information of the post-trained checkpoint: its own answers to "
        f"{settings.fisher} prompts of the training half, {LABELS} labels drawn from the model at "
        "every token. Norms and the rows of special tokens, which the base does not know, are "
        "kept whole; rank 0 is nothing but these. Numbers stored: of the two factors, as a share "
        "of the matrices. Norm kept: of the change, in the norm that is minimised, mean over "
        f"matrices. KL from the checkpoint's next token to the restored one's, on {OWN} of the "
        "checkpoint's own answers to every prompt. Nearer to post: by how much the mean lies "
        "nearer to the checkpoint's with Fisher weights than without, so positive favours Fisher.",
        "",
        *sections,
    ]
    write(lines, settings.out)


if __name__ == "__main__":
    main()
