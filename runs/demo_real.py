"""Sample, judge, measure and compare the arms of runs/demo_real.toml; see runs/demo_real.sh."""

from __future__ import annotations

import argparse
import itertools
import platform
import shlex
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl

import variegate as vg
from variegate.judging import judge
from variegate.models import Arm, Sampling, TransformersModel, collect, transformers_model
from variegate.report import render_measurement
from variegate.samples import RunDirectory, read_prompts, write_atomically

HERE = Path(__file__).parent
VERSIONS = ("variegate", "torch", "transformers", "gguf", "wordllama", "numpy", "polars")


def main() -> None:
    config = tomllib.loads((HERE / "demo_real.toml").read_text())
    options = arguments(config)
    started, clock = datetime.now(UTC), time.monotonic()
    prompts = read_prompts(HERE / config["prompts"])
    if options.prompts:
        # Some of every task, so that a small run goes through everything a full one does.
        prompts = tuple(p for p in prompts if int(p.prompt_id.split("-")[-1]) <= options.prompts)
    model = smollm2(config)
    arms = [
        Arm(
            name=f"{form} T={temperature}",
            model=model,
            format=form,
            sampling=Sampling(temperature=temperature, max_tokens=options.max_tokens),
        )
        for form, temperature in itertools.product(config["formats"], config["temperatures"])
    ]
    settings = {
        "arms": [arm.settings() for arm in arms],
        "prompts": [prompt.prompt_id for prompt in prompts],
        "n": options.samples,
        "seed": config["seed"],
    }
    with RunDirectory.open(options.out, settings=settings, kind="demo-real") as run:
        parts = [
            collect(
                arm,
                prompts,
                n=options.samples,
                seed=config["seed"],
                run=run,
                progress=lines(arm.name),
            )
            for arm in arms
        ]
        samples = judge(vg.Samples.from_frame(pl.concat([part.frame for part in parts])), prompts)
        say("measuring")
        measured = vg.measure(samples, metrics=config["metrics"], seed=config["seed"])
        differences = paired(samples, config, drop=())
        spoken = paired(samples, config, drop=("empty",))
        run.write_frame("scores.parquet", measured.frame)
        run.write_frame("differences.parquet", differences)
        run.write_text(
            "report.html",
            render_measurement(measured, samples, name="SmolLM2-135M-Instruct, raw and chat"),
        )
    about = {
        "date": started.date().isoformat(),
        "command": shlex.join(["sh", "runs/demo_real.sh", *sys.argv[1:]]),
        "seconds of this call": round(time.monotonic() - clock),
        "model": f"SmolLM2-135M-Instruct (Q4_1 weights of {config['package']} "
        f"{metadata.version(config['package'])}, computed in {config['dtype']}), "
        f"revision {model.revision}",
        "prompts": len(prompts),
        "outputs a prompt": options.samples,
        "tokens at the most": options.max_tokens,
        "seed": config["seed"],
        "embedder": str(measured.settings.get("embedder")),
        "versions": ", ".join(
            [f"Python {platform.python_version()}"]
            + [f"{name} {metadata.version(name)}" for name in VERSIONS]
        ),
    }
    results = options.results
    write_atomically(results / "demo-real.csv", measured.frame.write_csv())
    write_atomically(results / "demo-real-differences.csv", differences.write_csv())
    write_atomically(
        results / "demo-real.md", page(measured, differences, spoken, samples, config, about)
    )
    say(f"{results / 'demo-real.md'}\n{Path(options.out) / 'report.html'}")


def arguments(config: dict[str, Any]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, help="the first so many of every task")
    parser.add_argument("--samples", type=int, default=config["samples_per_prompt"])
    parser.add_argument("--max-tokens", type=int, default=config["max_tokens"])
    parser.add_argument("--out", type=Path, default=HERE / "demo-real")
    parser.add_argument("--results", type=Path, help="folder of the page and the tables")
    options = parser.parse_args()
    if options.results is None:
        # A try must not replace the published result.
        small = len(sys.argv) > 1
        options.results = options.out if small else HERE.parent / "docs" / "results"
    return options


def smollm2(config: dict[str, Any]) -> TransformersModel:
    """Open the GGUF file inside the package, which is never imported."""
    files = metadata.files(config["package"]) or []
    [path] = [Path(str(file.locate())) for file in files if file.suffix == ".gguf"]
    say(f"opening {path.name}")
    return transformers_model(
        path.parent,
        gguf_file=path.name,
        name="SmolLM2-135M-Instruct",
        dtype=config["dtype"],
        batch_size=config["batch_size"],
    )


def pairs(config: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What is compared with what: (question, arm, arm)."""
    for temperature in config["temperatures"]:
        raw, chat = (f"{form} T={temperature}" for form in ("raw", "chat"))
        yield "template", raw, chat
    for form in config["formats"]:
        for low, high in itertools.pairwise(config["temperatures"]):
            yield "temperature", f"{form} T={low}", f"{form} T={high}"


def paired(samples: vg.Samples, config: dict[str, Any], *, drop: Sequence[str]) -> pl.DataFrame:
    """Paired differences, prompt by prompt, of every pair of arms."""
    frames = []
    for question, a, b in pairs(config):
        sides = (
            replace(samples, frame=samples.frame.filter(pl.col("arm") == arm)) for arm in (a, b)
        )
        compared = vg.compare(*sides, metrics=config["metrics"], seed=config["seed"], drop=drop)
        frames.append(compared.differences.select(pl.lit(question).alias("question"), pl.all()))
    return pl.concat(frames)


def page(
    measured: vg.Measurement,
    differences: pl.DataFrame,
    spoken: pl.DataFrame,
    samples: vg.Samples,
    config: dict[str, Any],
    about: dict[str, Any],
) -> str:
    """The result as a page: what was asked, what came out with intervals, what made it."""
    metrics = [name for name in config["metrics"] if name in set(measured.frame["metric"])]
    truncated = (samples.frame["finish"] == "length").mean()
    return "\n".join(
        [
            "# SmolLM2-135M-Instruct: the chat template and the temperature",
            "",
            "One small real model, asked raw and through its chat template, at three temperatures. "
            "Variety is measured within the outputs to one prompt; intervals (95%) resample "
            "prompts, and differences are paired prompt by prompt.",
            "",
            "## What it shows",
            "",
            "Paired differences, mean over tasks; those whose interval excludes 0 in bold.",
            "",
            *(
                sentence(differences, question, metric)
                for question in ("template", "temperature")
                for metric in config["headline"]
            ),
            "",
            "Many raw outputs are empty: asked without its template, this model often ends at "
            "once. With the empty outputs left out, on the prompts where both arms then have two:",
            "",
            *(
                sentence(spoken, "template", metric)
                for metric in config["headline"]
                if metric != "accuracy"  # an empty output is a wrong one
            ),
            "",
            "How the outputs end:",
            "",
            *endings(samples.frame),
            "",
            "## Levels",
            "",
            *table(whole(measured.frame), metrics, "arm"),
            "",
            "## Paired differences",
            "",
            *table(whole(differences), metrics, "arm"),
            "",
            "## Read with care",
            "",
            f"- {truncated:.0%} of the outputs were cut at {about['tokens at the most']} tokens.",
            *(f"- {caution.text}" for caution in measured.cautions),
            "- Accuracy and unique_correct_at_k cover the task `verifiable` alone.",
            "",
            "## How it was made",
            "",
            *(f"- {name}: {value}" for name, value in about.items()),
            "",
            "Tables: [levels](demo-real.csv), [differences](demo-real-differences.csv), by task.",
            "",
        ]
    )


def endings(frame: pl.DataFrame) -> list[str]:
    """A Markdown table: of every arm, the outputs that ended by themselves, were cut, are empty."""
    kinds = ("stop", "length", "empty")
    counts = frame.group_by("arm", maintain_order=True).agg(
        [(pl.col("finish") == kind).sum().alias(kind) for kind in kinds]
    )
    rows = [["arm", "ended", "cut", "empty"], ["---"] * 4]
    rows += [[str(cell) for cell in row] for row in counts.iter_rows()]
    return ["| " + " | ".join(row) + " |" for row in rows]


def whole(frame: pl.DataFrame) -> pl.DataFrame:
    """The mean over tasks; a metric of one task alone stands for itself."""
    return frame.filter((pl.col("task") == "all") & pl.col("value").is_finite())


def sentence(differences: pl.DataFrame, question: str, metric: str) -> str:
    """One line a question and metric: every pair of arms with its difference."""
    rows = whole(differences).filter(
        (pl.col("question") == question) & (pl.col("metric") == metric)
    )
    told = []
    for row in rows.iter_rows(named=True):
        b, a = row["arm"].split(" - ")
        sure = row["low"] > 0 or row["high"] < 0
        told.append(f"{a} → {b} {f'**{cell(row)}**' if sure else cell(row)}")
    return f"- {question}, {metric}: " + "; ".join(told or ["could not be estimated"]) + "."


def cell(row: dict[str, Any]) -> str:
    value, low, high = (f"{row[name]:.3g}" for name in ("value", "low", "high"))
    return value if low == "nan" else f"{value} [{low}, {high}]"


def table(frame: pl.DataFrame, metrics: list[str], by: str) -> list[str]:
    """A Markdown table, metrics down and arms across."""
    arms = frame[by].unique(maintain_order=True).to_list()
    cells = {(row["metric"], row[by]): cell(row) for row in frame.iter_rows(named=True)}
    rows = [["metric", *arms], ["---"] * (len(arms) + 1)]
    rows += [[name, *(cells.get((name, arm), "") for arm in arms)] for name in metrics]
    return ["| " + " | ".join(row) + " |" for row in rows]


def lines(arm: str) -> Any:
    """Progress as plain lines, with the time that is left."""
    started, first = time.monotonic(), []

    def tell(done: int, wanted: int) -> None:
        first.append(done)
        made, seconds = done - first[0], time.monotonic() - started
        left = f", {seconds / made * (wanted - done):.0f} s left" if made else ""
        say(f"{arm}: {done} of {wanted}{left}")

    return tell


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
