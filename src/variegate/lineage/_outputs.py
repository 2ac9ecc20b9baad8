"""What every stage said: asked, or read from a file, then made comparable and judged."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from variegate.errors import DataError, NotComparable
from variegate.judging import judge
from variegate.lineage._exact import exact_of
from variegate.lineage._formats import formats_needed
from variegate.lineage._lineage import Lineage, Stage
from variegate.lineage._positions import answer_entropies
from variegate.lineage._result import StageInfo
from variegate.lineage._tables import stacked
from variegate.metrics import Caution
from variegate.models import Arm, Format, Model, collect
from variegate.samples import Prompt, RunDirectory, Samples, read

__all__ = ["Outputs", "Progress", "gather", "sources_of"]

Progress = Callable[[int, int, str], None]  # draws made, draws wanted, the arm that is asked

_KEY = ("task", "prompt_id")


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What was said by the stages and by their format arms, judged.

    Args:
        everything: every output, failed draws among them.
        samples: of these the comparable ones: the same prompts, the same n for all arms.
        stages: root first, each with the format it was asked in.
        arms: (stage, format) → the arm that holds it; a stage's own format is the stage itself.
        entropies: arm, task, prompt_id, entropies of the answer's tokens; stages only.
        exact: the table `exact` of `Trace`.
        models: stage → the model's name, revision and formats.
        cautions: what was left out to make the arms comparable.
    """

    everything: Samples
    samples: Samples
    stages: tuple[StageInfo, ...]
    arms: Mapping[tuple[str, str], str]
    entropies: pl.DataFrame
    exact: pl.DataFrame
    models: Mapping[str, Mapping[str, Any]]
    cautions: tuple[Caution, ...]


@dataclass
class _Said:
    """What one stage said, before the stages are held against each other."""

    stage: StageInfo
    frames: list[pl.DataFrame]
    arms: dict[tuple[str, str], str] = field(default_factory=dict)
    exact: list[pl.DataFrame] = field(default_factory=list)
    entropies: list[pl.DataFrame] = field(default_factory=list)
    model: dict[str, Any] = field(default_factory=dict)


def gather(
    lineage: Lineage,
    prompts: Sequence[Prompt],
    *,
    k: int,
    run: RunDirectory | None = None,
    progress: Progress | None = None,
) -> Outputs:
    """Ask every stage the same prompts, or read what was saved, and make the arms comparable.

    Only prompts that every stage answered are kept, and of every prompt as many outputs as the
    arm with the fewest has (a seeded draw of them); both are said in `cautions`. Draws that
    failed for good are left out first. `k` is that of the true values, where the lineage has any.

    Raises:
        NotComparable: the stages have no prompt in common.
        DataError: a file of saved outputs does not have the stage's arm, or one prompt_id stands
            for two prompts.
    """
    said = []
    for stage in lineage.order:
        if stage.samples is None:
            said.append(_ask(lineage, stage, prompts, k=k, run=run, progress=progress))
        else:
            said.append(_saved(lineage, stage, prompts))
    frames = pl.concat([part for one in said for part in one.frames])
    everything = judge(Samples.from_frame(frames, source=lineage.name), prompts)
    frame, failed = _without_failed(everything.frame)
    common, left_out = _common_prompts(frame, arms=everything.frame["arm"].unique().to_list())
    frame = frame.join(common, on=_KEY, how="semi", maintain_order="left")
    frame, uneven = _at_equal_n(frame, seed=lineage.seed)
    return Outputs(
        everything=everything,
        samples=Samples.from_frame(frame, source=lineage.name),
        stages=tuple(one.stage for one in said),
        arms={key: arm for one in said for key, arm in one.arms.items()},
        entropies=pl.concat([part for one in said for part in one.entropies]).join(
            common, on=_KEY, how="semi", maintain_order="left"
        ),
        exact=stacked("exact", [part for one in said for part in one.exact]),
        models={one.stage.name: one.model for one in said if one.model},
        cautions=(*failed, *left_out, *uneven),
    )


def sources_of(lineage: Lineage, prompts: Sequence[Prompt]) -> dict[str, Any]:
    """Everything that makes the outputs what they are, with content hashes, for `run.json`."""
    return {
        "lineage": lineage.name,
        "prompts": _digest(repr(list(prompts))),
        "samples_per_prompt": lineage.samples_per_prompt,
        "seed": lineage.seed,
        "sampling": lineage.sampling.settings(),
        "stages": [
            {
                "name": stage.name,
                "parent": stage.parent,
                "format": stage.format,
                "source": _source(stage.model if stage.samples is None else stage.samples),
            }
            for stage in lineage.order
        ],
    }


def _ask(
    lineage: Lineage,
    stage: Stage,
    prompts: Sequence[Prompt],
    *,
    k: int,
    run: RunDirectory | None,
    progress: Progress | None,
) -> _Said:
    model = _opened(stage)
    offered = model.formats()
    own = stage.format or ("chat" if stage.parent and "chat" in offered else "raw")
    wanted: list[Format] = [own]
    if lineage.formats and stage.parent is not None:
        wanted += formats_needed(own, offered)
    said = _Said(stage=_info(lineage, stage, own), frames=[])
    for format in wanted:
        name = stage.name if format == own else f"{stage.name} ({format})"
        arm = Arm(name=name, model=model, format=format, sampling=lineage.sampling)
        samples = collect(
            arm,
            prompts,
            n=lineage.samples_per_prompt,
            seed=lineage.seed,
            run=run,
            progress=None if progress is None else _named(progress, name),
        )
        # Two arms that read the same words share their draws; in a run they carry the first name.
        frame = samples.frame.with_columns(pl.lit(name).alias("arm"))
        said.frames.append(frame)
        said.arms[stage.name, format] = name
        if format == own:
            said.entropies.append(answer_entropies(frame, getattr(model, "tokenizer", None)))
    if lineage.exact:
        exact = exact_of(
            lineage.exact,
            model,
            prompts,
            stage=stage.name,
            format=own,
            sampling=lineage.sampling,
            n=lineage.samples_per_prompt,
            k=k,
        )
        said.exact.append(exact)
    said.model = {"name": model.name, "revision": model.revision, "formats": list(offered)}
    return said


def _saved(lineage: Lineage, stage: Stage, prompts: Sequence[Prompt]) -> _Said:
    samples = stage.samples if isinstance(stage.samples, Samples) else read(stage.samples)
    arms = samples.frame["arm"].unique().sort().to_list()
    frame = samples.frame
    if stage.name in arms:
        frame = frame.filter(pl.col("arm") == stage.name)
    elif len(arms) > 1:
        raise DataError(
            f"Expected the outputs of {stage.name!r} in {samples.source}, "
            f"found the arms {', '.join(map(repr, arms))}.",
            hint="Name the stage like its arm.",
        )
    frame = frame.with_columns(pl.lit(stage.name).alias("arm"))
    if prompts:
        # Saved outputs often carry no task: the prompts know it.
        known = pl.DataFrame(
            {"prompt_id": [p.prompt_id for p in prompts], "_task": [p.task for p in prompts]}
        ).unique("prompt_id", keep="none")
        task = (
            pl.when(pl.col("task") == "default")
            .then(pl.coalesce("_task", "task"))
            .otherwise(pl.col("task"))
        )
        frame = (
            frame.join(known, on="prompt_id", how="left", maintain_order="left")
            .with_columns(task.alias("task"))
            .drop("_task")
        )
    return _Said(
        stage=_info(lineage, stage, stage.format or "saved"),
        frames=[frame],
        entropies=[answer_entropies(frame)],
    )


def _opened(stage: Stage) -> Model:
    if not isinstance(stage.model, Path):
        model: Model = stage.model
        return model
    from variegate.models import transformers_model

    return transformers_model(stage.model, name=stage.name, gguf_file=stage.gguf_file)


def _info(lineage: Lineage, stage: Stage, format: str) -> StageInfo:
    return StageInfo(
        name=stage.name,
        parent=stage.parent,
        branch=lineage.branch_of(stage),
        kind=stage.kind or ("base" if stage.parent is None else "stage"),
        format=format,
    )


def _named(progress: Progress, name: str) -> Callable[[int, int], None]:
    return lambda done, wanted: progress(done, wanted, name)


def _without_failed(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[Caution]]:
    failed = frame.filter(pl.col("finish").fill_null("stop") == "error")
    cautions = [
        Caution(
            kind="failed",
            where=arm,
            count=count,
            total=frame.filter(pl.col("arm") == arm).height,
            text="Draws that never came back; the prompt has fewer outputs.",
        )
        for arm, count in failed.group_by("arm").len().sort("arm").iter_rows()
    ]
    return frame.filter(pl.col("finish").fill_null("stop") != "error"), cautions


def _common_prompts(
    frame: pl.DataFrame, *, arms: Sequence[str]
) -> tuple[pl.DataFrame, list[Caution]]:
    """Find the prompts that every arm answered: task and prompt_id."""
    answered = frame.select("arm", *_KEY).unique()
    counted = answered.group_by(_KEY).len().sort(_KEY)
    common = counted.filter(pl.col("len") == len(arms)).select(_KEY)
    if common.is_empty():
        sizes = dict(answered.group_by("arm").len().iter_rows())
        raise NotComparable(
            f"Expected prompts that all of {len(arms)} arms answered, found none "
            f"(prompts by arm: {', '.join(f'{arm} {sizes.get(arm, 0)}' for arm in sorted(arms))}).",
            hint="Give the same prompt_id to the same prompt in every file.",
        )
    left_out = counted.height - common.height
    if not left_out:
        return common, []
    text = (
        f"Not every stage answered every prompt; the {common.height} prompts that all have are "
        "compared."
    )
    return common, [
        Caution(kind="prompts", where="all stages", count=left_out, total=counted.height, text=text)
    ]


def _at_equal_n(frame: pl.DataFrame, *, seed: int) -> tuple[pl.DataFrame, list[Caution]]:
    """Keep of every prompt as many outputs as its shortest arm has."""
    sizes = frame.group_by("arm", *_KEY).len()
    common = sizes.group_by(_KEY).agg(pl.col("len").min().alias("_n"))
    if sizes["len"].n_unique() == 1:
        return frame, []
    lots = pl.Series("_lot", np.random.default_rng(seed).permutation(frame.height))
    ranked = frame.join(common, on=_KEY, how="left", maintain_order="left").with_columns(lots)
    rank = pl.col("_lot").rank("ordinal").over("arm", *_KEY)
    kept = ranked.filter(rank <= pl.col("_n")).drop("_lot", "_n")
    dropped = frame.height - kept.height
    numbers = common["_n"].to_numpy()
    low, high = int(numbers.min()), int(numbers.max())
    n = f"{low}" if low == high else f"{low} to {high}"
    text = f"Arms brought unequal numbers of outputs; a seeded draw brings every prompt to {n}."
    if not dropped:
        text = f"Prompts have unequal numbers of outputs, {n}; every arm has the same."
    return kept, [
        Caution(kind="unequal-n", where="all stages", count=dropped, total=frame.height, text=text)
    ]


def _source(source: Any) -> str:
    """Name a source by what it holds, so that other weights under the same path are noticed."""
    if isinstance(source, Samples):
        rows = source.frame.select("arm", *_KEY, "sample", "text").rows()
        return _digest(repr(rows))
    if not isinstance(source, Path):
        return f"{source.name}@{source.revision}"
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            with file.open("rb") as handle:
                digest.update(file.name.encode())
                digest.update(hashlib.file_digest(handle, "sha256").digest())
    return f"{source.name}@{digest.hexdigest()[:16]}"


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]
