"""`variegate merge sweep`: points between checkpoints, evaluated without writing one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from variegate.cli._output import Json, Progress, Quiet, print_json, print_table, rows_of, say

if TYPE_CHECKING:
    import polars as pl

    from variegate.samples import Samples

__all__ = ["sweep"]

QUALITY, VARIETY = "accuracy", "gini_simpson"


def sweep(
    base: Path,
    *posts: Path,
    prompts: Annotated[Path, Parameter(help="With verifier and target of each.")],
    by: Annotated[
        Literal["model", "block", "module"], Parameter(help="What has a coefficient of its own.")
    ] = "model",
    blocks: Annotated[int, Parameter(help="Stretches of layers, with --by block.")] = 2,
    steps: Annotated[int, Parameter(help="Values of every coefficient, 0 and 1 included.")] = 11,
    budget: Annotated[
        int | None,
        Parameter(help="Evaluations, if a fitted front is wanted in place of the whole grid."),
    ] = None,
    n: Annotated[int, Parameter(name=["-n", "--n"], help="Answers to every prompt.")] = 16,
    variety: Annotated[str, Parameter(help="The metric beside accuracy.")] = VARIETY,
    format: Annotated[
        Literal["raw", "chat", "empty-reasoning"] | None,
        Parameter(help="How every point is asked; chat where the first POST knows it."),
    ] = None,
    max_tokens: Annotated[int, Parameter(help="Tokens of an answer at the most.")] = 256,
    seed: Annotated[int, Parameter(help="Another seed, other answers.")] = 0,
    out: Annotated[
        Path | None, Parameter(help="Run directory; runs/sweep-POST when left out.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Evaluate points between a base and what was trained from it, in one model in memory.

    0 is BASE, 1 a POST; several POSTs add up. No checkpoint is written: the
    weights are swapped in place, and the answers land in the run directory
    (the same command again goes on). Rows of special tokens that BASE was not
    trained on come from the first POST.

    --json prints schema_version, command, rows (arm, task, metric, value, low,
    high, n_prompts, n_samples, note), points (arm, one column a coefficient,
    the two metrics, on_front, ece and ece_debiased: the gap between the
    probability of an answer and the share that is right), knee, surrogates,
    volumes, outputs.

        variegate merge sweep checkpoints/base checkpoints/rl --prompts p.jsonl
    """
    from variegate.errors import UsageError
    from variegate.fronts import knee
    from variegate.samples import RunDirectory, read_prompts, safe_name

    if not posts:
        raise UsageError("Expected a base and at least one model trained from it.")
    _higher_is_more_varied(variety)
    asked = read_prompts(prompts)
    settings: dict[str, Any] = {
        "base": str(base), "posts": [str(post) for post in posts], "prompts": str(prompts),
        "by": by, "blocks": blocks, "steps": steps, "budget": budget, "n": n, "variety": variety,
        "format": format, "max_tokens": max_tokens, "seed": seed,
    }  # fmt: skip
    folder = out if out is not None else Path("runs") / safe_name(f"sweep-{posts[0].name}")
    with (
        RunDirectory.open(folder, settings=settings, kind="merge sweep") as run,
        Progress(quiet=quiet) as progress,
    ):
        said, points, fitted = _evaluated(base, posts, asked, settings, run, progress)
        frame, table = _measured(said, points, variety, seed)
        run.write_frame("sweep.csv", table)
    best = knee(table.select(QUALITY, variety).to_numpy())
    if json:
        print_json(
            "merge sweep", rows=rows_of(frame), points=table.to_dicts(),
            knee=None if best is None else table["arm"][best], **fitted,
            outputs=str(folder),
        )  # fmt: skip
        return 0
    print_table(
        [*table.columns],
        [[f"{v:.3g}" if isinstance(v, float) else str(v) for v in row] for row in table.rows()],
    )
    if best is not None:
        say(f"the front bends at {table['arm'][best]}")
    for metric, fit in fitted.get("surrogates", {}).items():
        say(f"quadratic of {metric}: R² {fit['r2']:.2f}, leaving one out {fit['loo_r2']:.2f}")
    if "volumes" in fitted:
        told = fitted["volumes"]
        say(f"hypervolume predicted {told['predicted']:.3f}, measured {told['measured']:.3f}")
    return 0


def _evaluated(
    base: Path,
    posts: Sequence[Path],
    asked: Sequence[Any],
    settings: dict[str, Any],
    run: Any,
    progress: Progress,
) -> tuple[Samples, dict[str, dict[str, float]], dict[str, Any]]:
    """Outputs of every point, its coefficients, and what was fitted."""
    import numpy as np

    from variegate import measure
    from variegate.errors import DataError
    from variegate.fronts import hypervolume
    from variegate.judging import judge
    from variegate.merging import (
        amortised_front,
        blended,
        grid,
        inspect_checkpoint,
        knobs,
    )
    from variegate.models import Arm, Sampling, collect, transformers_model
    from variegate.samples import Samples

    opened = [transformers_model(folder) for folder in posts]
    first, variety = opened[0], settings["variety"]
    weights = [dict(one.model.state_dict()) for one in (transformers_model(base), *opened)]
    new = inspect_checkpoint(posts[0]).special_tokens
    rows = sorted(set(new.values()) - set(inspect_checkpoint(base).special_tokens.values()))
    names = [f"{i}: {path.name}" for i, path in enumerate(posts)] if len(posts) > 1 else ["post"]
    turned = knobs(list(weights[0]), models=names, by=settings["by"], blocks=settings["blocks"])
    form: Any = settings["format"] or ("chat" if "chat" in first.formats() else "raw")
    live = transformers_model(posts[0]).model
    said: list[Samples] = []
    points: dict[str, dict[str, float]] = {}
    count = settings["budget"] or settings["steps"] ** len(turned.names)

    with blended(live, weights[0], weights[1:], knobs=turned, rows=rows) as turn:

        def evaluate(point: Any) -> list[float]:
            turn(point.tolist())
            name = " ".join(f"{value:.3g}" for value in point)
            while name in points:
                name += "'"
            model = transformers_model(live, tokenizer=first.tokenizer, name="merge")
            sampling = Sampling(max_tokens=settings["max_tokens"])
            arm = Arm(name=name, model=model, format=form, sampling=sampling)
            drawn = collect(arm, asked, n=settings["n"], seed=settings["seed"], run=run)
            said.append(judge(drawn, asked))
            points[name] = dict(zip(turned.names, point.tolist(), strict=True))
            progress(len(points), count, "points")
            frame = measure(said[-1], metrics=[QUALITY, variety], resamples=1).frame
            # The mean over tasks stands last where there is more than one.
            found = {
                m: float(frame.filter(frame["metric"] == m)["value"][-1])
                for m in (QUALITY, variety)
            }
            for metric, value in found.items():
                if np.isnan(value):
                    raise DataError(
                        f"Expected {metric} to be a number at every point, got NaN at {name}.",
                        hint="Prompts need a verifier and a target, variety two answers or more.",
                    )
            return list(found.values())

        if settings["budget"] is None:
            for point in grid(len(turned.names), steps=settings["steps"]):
                evaluate(point)
            return Samples.concat(said), points, {}
        found = amortised_front(
            evaluate,
            dimensions=len(turned.names),
            links=["logit", "logit" if variety == VARIETY else "log"],
            budget=settings["budget"],
            margin=0.5 / settings["n"],
            volume=lambda values: float(hypervolume(values, reference=np.zeros(2))),
            seed=settings["seed"],
        )
    fits = zip((QUALITY, variety), found.surrogates, strict=True)
    surrogates = {name: {"r2": fit.r2, "loo_r2": fit.loo_r2} for name, fit in fits}
    volumes = {"predicted": found.predicted_volume, "measured": found.measured_volume}
    return Samples.concat(said), points, {"surrogates": surrogates, "volumes": volumes}


def _measured(
    said: Samples, points: dict[str, dict[str, float]], variety: str, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Levels with intervals, and one row a point with its chance of being on the front."""
    import numpy as np
    import polars as pl

    from variegate import measure
    from variegate.fronts import membership, resampled_points

    found = measure(said, metrics=[QUALITY, variety], seed=seed)
    wide = found.per_prompt.pivot("metric", index=["task", "prompt_id", "arm"], values="value")
    blocks = [wide.filter(pl.col("arm") == arm).sort("task", "prompt_id") for arm in points]
    stacked = np.stack([one.select(QUALITY, variety).to_numpy() for one in blocks], axis=1)
    chance = membership(resampled_points(stacked, strata=blocks[0]["task"].to_numpy(), seed=seed))
    overall = found.frame.filter(pl.col("task") == found.frame["task"][-1])
    level = {(row["arm"], row["metric"]): row["value"] for row in overall.iter_rows(named=True)}
    calibration = {arm: _calibration(frame) for (arm,), frame in said.frame.group_by("arm")}
    table = pl.DataFrame(
        {
            "arm": arm,
            **point,
            QUALITY: level[arm, QUALITY],
            variety: level[arm, variety],
            "on_front": float(chance[place]),
            **calibration[arm],
        }
        for place, (arm, point) in enumerate(points.items())
    )
    return found.frame, table


def _calibration(said: pl.DataFrame) -> dict[str, float]:
    """Gap between the probability of an answer and the share that is right, as is and debiased."""
    import numpy as np
    import polars as pl

    from variegate.metrics import ece

    known = said.drop_nulls(["logprob", "correct"])
    stated = np.exp(np.minimum(known["logprob"].to_numpy(), 0.0))
    right = known["correct"].cast(pl.Float64).to_numpy()
    prompts = known["prompt_id"].to_numpy()
    # The value alone is told, so nothing has to be resampled.
    return {
        name: ece(stated, right, clusters=prompts, debiased=debiased, resamples=2).value
        for name, debiased in (("ece", False), ("ece_debiased", True))
    }


def _higher_is_more_varied(variety: str) -> None:
    from variegate.errors import UsageError
    from variegate.metrics import metric

    about = metric(variety)
    if about.role != "variety" or about.direction != "more" or about.level != "prompt":
        raise UsageError(
            f"Expected a metric of each prompt that grows with variety, got {variety!r}.",
            hint="variegate metrics lists them.",
        )
