"""The family of eight: what each checkpoint starts from, and how it is made."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from variegate.errors import RunConflict, UnknownName, UsageError
from variegate.lab._lineage import write_lineage
from variegate.lab.training._checkpoint import load, new_model, save
from variegate.lab.training._corpus import instruct_lessons, page_lessons, think_lessons
from variegate.lab.training._judge import accuracy, draws
from variegate.lab.training._preference import prefer
from variegate.lab.training._recipe import RECIPES, Recipe, Schedule
from variegate.lab.training._reinforcement import reinforce
from variegate.lab.training._supervised import Report, learn
from variegate.lab.world import TASKS, training_prompts
from variegate.samples import Prompt

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM

__all__ = ["STAGES", "Progress", "Stage", "train"]

# (stage, step, steps, what was measured at this step)
Progress = Callable[[str, int, int, dict[str, Any]], None]

# So small a model gains little from a second core, and sums in another order round differently:
# the number of threads is part of the recipe.
THREADS = 1


@dataclass(frozen=True)
class Stage:
    """One checkpoint of the family."""

    name: str
    parent: str | None
    kind: Literal["base", "sft", "dpo", "rl"]
    branch: Literal["base", "think", "instruct", "rl-zero"]
    template: str | None  # None reads raw prompts


STAGES = (
    Stage("base", None, "base", "base", None),
    Stage("think-sft", "base", "sft", "think", "think"),
    Stage("think-dpo", "think-sft", "dpo", "think", "think"),
    Stage("think-rl", "think-dpo", "rl", "think", "think"),
    Stage("instruct-sft", "base", "sft", "instruct", "plain"),
    Stage("instruct-dpo", "instruct-sft", "dpo", "instruct", "plain"),
    Stage("instruct-rl", "instruct-dpo", "rl", "instruct", "plain"),
    Stage("rl-zero", "base", "rl", "rl-zero", None),
)


def train(
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    scale: Literal["full", "toy"] = "full",
    stages: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Train the eight checkpoints of the lab and write the lineage that traces them.

    A finished stage is never trained again, so a killed run goes on with the stage it was in.
    The same seed gives the same weights on the same machine and versions (one thread).

    Args:
        out: folder to write to: ``LINEAGE.toml``, ``prompts.jsonl``, ``checkpoints/<stage>/``.
        seed: everything random comes from it.
        scale: "full" is what ships with the package, "toy" runs the same code in seconds.
        stages: names of the stages to make; a stage's parent must be there or be made. All of
            them when left out.
        progress: called at every point of a training curve.

    Returns:
        The path of the lineage, ready for `variegate.trace`.

    Raises:
        UsageError: an unknown scale or stage, or a stage without its parent.
        RunConflict: the folder holds checkpoints of another seed, scale or recipe.
    """
    if scale not in RECIPES:
        raise UnknownName("scale", scale, RECIPES)
    names = [stage.name for stage in STAGES]
    wanted = set(names if stages is None else stages)
    for name in sorted(wanted - set(names)):
        raise UnknownName("stage", name, names)
    root = Path(out)
    for stage in STAGES:
        if stage.name not in wanted:
            continue
        folder = root / "checkpoints" / stage.name
        settings = {"seed": seed, "scale": scale, **_settings(stage, RECIPES[scale])}
        if _finished(folder, settings):
            continue
        parent = None if stage.parent is None else root / "checkpoints" / stage.parent
        if parent is not None and not (parent / "training.json").exists():
            raise UsageError(
                f"Stage {stage.name} starts from {stage.parent}, which is not in {root}.",
                hint=f"Train {stage.parent} first, or leave out `stages` to train all eight.",
            )
        with _torch_set_up():
            _make(stage, parent, folder, settings, RECIPES[scale], progress)
    return write_lineage(root, STAGES)


def _finished(folder: Path, settings: dict[str, Any]) -> bool:
    record = folder / "training.json"
    if not record.exists():
        return False
    made = json.loads(record.read_text(encoding="utf-8"))
    for key, value in settings.items():
        if made.get(key) != value:
            raise RunConflict(
                f"{folder} was trained with {key} {made.get(key)!r:.60}, not {value!r:.60}.",
                hint="Choose another folder, or remove this one.",
            )
    return True


@contextmanager
def _torch_set_up() -> Iterator[None]:
    import torch
    from transformers.utils import logging

    threads, bars = torch.get_num_threads(), logging.is_progress_bar_enabled()
    torch.set_num_threads(THREADS)
    logging.disable_progress_bar()
    try:
        # Building a model draws from torch's own stream before the seeded weights replace it.
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)
        if bars:
            logging.enable_progress_bar()


def _make(
    stage: Stage,
    parent: Path | None,
    folder: Path,
    settings: dict[str, Any],
    recipe: Recipe,
    progress: Progress | None,
) -> None:
    import torch

    started = time.monotonic()
    stream = np.random.SeedSequence([settings["seed"], STAGES.index(stage)])
    rng = np.random.default_rng(stream)
    generator = torch.Generator().manual_seed(int(stream.generate_state(1)[0]))
    model = new_model(recipe.size, seed=settings["seed"]) if parent is None else load(parent)
    curve: list[dict[str, Any]] = []
    steps = _schedule(stage, recipe).steps

    def report(step: int, measured: dict[str, Any]) -> None:
        rounded = {k: None if v is None else round(float(v), 5) for k, v in measured.items()}
        curve.append({"step": step, **rounded})
        if progress is not None:
            progress(stage.name, step, steps, rounded)

    train_on, monitored = _prompts(recipe)
    _run(stage, model, parent, recipe, train_on, monitored, rng, generator, report)
    final = draws(model, monitored, template=stage.template, each=8, generator=generator)
    record = {
        **settings,
        "stage": stage.name,
        "parent": stage.parent,
        "accuracy": round(accuracy(monitored, final), 4),
        "torch": torch.__version__,
        "threads": THREADS,
        "seconds": round(time.monotonic() - started, 1),
        "curve": curve,
    }
    _write(model, stage, folder, record)


def _settings(stage: Stage, recipe: Recipe) -> dict[str, Any]:
    """Return the part of a recipe that a stage depends on."""
    own: dict[str, Any] = {"size": dataclasses.asdict(recipe.size)}
    own["schedule"] = dataclasses.asdict(_schedule(stage, recipe))
    if stage.kind != "base":
        own |= {"monitored": recipe.monitored, "trained": recipe.trained}
    if stage.kind == "dpo":
        own |= {"beta": recipe.beta, "drawn": recipe.drawn}
    if stage.kind == "rl":
        own["group"] = recipe.group
    return own


def _schedule(stage: Stage, recipe: Recipe) -> Schedule:
    if stage.kind == "sft":
        return recipe.think if stage.branch == "think" else recipe.instruct
    by_kind = {"base": recipe.pretraining, "dpo": recipe.preference, "rl": recipe.reinforcement}
    return recipe.zero if stage.branch == "rl-zero" else by_kind[stage.kind]


def _prompts(recipe: Recipe) -> tuple[list[Prompt], list[Prompt]]:
    """Split the training prompts into those trained on and those only watched."""
    train_on: list[Prompt] = []
    monitored: list[Prompt] = []
    for about in TASKS:
        mine = [prompt for prompt in training_prompts() if prompt.task == about.name]
        monitored += mine[: recipe.monitored]
        train_on += mine[recipe.monitored :][: recipe.trained]
    return train_on, monitored


def _run(
    stage: Stage,
    model: LlamaForCausalLM,
    parent: Path | None,
    recipe: Recipe,
    train_on: list[Prompt],
    monitored: list[Prompt],
    rng: np.random.Generator,
    generator: torch.Generator,
    report: Report,
) -> None:
    import torch

    schedule = _schedule(stage, recipe)
    every = max(1, schedule.steps // recipe.points)
    if stage.kind in ("base", "sft"):
        lessons = {
            "base": lambda: page_lessons(rng),
            "think": lambda: think_lessons(train_on, rng),
            "instruct": lambda: instruct_lessons(train_on, rng),
        }[stage.branch]()
        # Watching has a stream of its own: how often one looks must not change what is learned.
        watching = torch.Generator().manual_seed(generator.initial_seed() + 1)

        def watch() -> dict[str, float]:
            own = draws(model, monitored, template=stage.template, each=8, generator=watching)
            return {"accuracy": accuracy(monitored, own)}

        learn(model, lessons, schedule, every=every, watch=watch, report=report)
    elif stage.kind == "dpo":
        assert parent is not None
        assert stage.template is not None
        prefer(
            model, load(parent).eval(), train_on, monitored, schedule,
            template=stage.template, beta=recipe.beta, drawn=recipe.drawn, every=every,
            rng=rng, generator=generator, report=report,
        )  # fmt: skip
    else:
        reinforce(
            model, train_on, monitored, schedule,
            template=stage.template, group=recipe.group, every=every,
            rng=rng, generator=generator, report=report,
        )  # fmt: skip


def _write(model: LlamaForCausalLM, stage: Stage, folder: Path, record: dict[str, Any]) -> None:
    """Write the checkpoint beside its place and put it there in one move."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    save(model, unfinished, template=stage.template)
    text = json.dumps(record, indent=1)
    (unfinished / "training.json").write_text(text + "\n", encoding="utf-8")
    for path in unfinished.iterdir():
        with path.open("rb") as written:
            os.fsync(written.fileno())
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(unfinished, folder)
