"""`variegate sample`: many answers to every prompt, from a checkpoint or an endpoint."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from variegate.cli._gate import Tolerance, exit_code
from variegate.cli._output import Json, Progress, Quiet, print_json, print_table, say
from variegate.errors import DataError, UsageError

if TYPE_CHECKING:
    from variegate.models import Arm, EndpointModel, Model, Sampling
    from variegate.samples import Prompt, Samples

__all__ = ["sample"]

Number = Annotated[float | None, Parameter(show_default=False)]


def sample(
    prompts: Path,
    *,
    model: Annotated[str, Parameter(help="A folder with a checkpoint; with --endpoint a name.")],
    n: Annotated[int, Parameter(name=["-n", "--n"], help="Answers to every prompt.")] = 16,
    endpoint: Annotated[
        str | None, Parameter(help="Base URL of an OpenAI-compatible server, e.g. https://host/v1.")
    ] = None,
    asking: Annotated[
        str, Parameter(help="Way of asking: NAME or NAME:param=value,param=value.")
    ] = "direct",
    rule: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="Decoding rule NAME:param=value; may be repeated, in order."),
    ] = (),
    temperature: Annotated[
        str, Parameter(help="A number, or 'default' for whatever the provider takes.")
    ] = "1.0",
    top_p: Number = None,
    max_tokens: Annotated[int, Parameter(help="Tokens of an answer at the most.")] = 256,
    format: Annotated[
        Literal["raw", "chat", "empty-reasoning"] | None,
        Parameter(help="How prompts reach the model; chat where it knows it."),
    ] = None,
    seed: Annotated[int, Parameter(help="Another seed, other answers.")] = 0,
    out: Annotated[
        Path | None, Parameter(help="Run directory; runs/sample-MODEL when left out.")
    ] = None,
    api: Annotated[
        Literal["chat", "completions"], Parameter(help="Which call of the endpoint.")
    ] = "chat",
    key_env: Annotated[
        str, Parameter(help="Environment variable that holds the key of the endpoint.")
    ] = "OPENAI_API_KEY",
    in_flight: Annotated[int, Parameter(help="Requests to the endpoint at once.")] = 16,
    per_request: Annotated[int, Parameter(help="Answers asked for in one request.")] = 1,
    top_logprobs: Annotated[
        int | None, Parameter(help="Log-probabilities with so many alternatives, 0 to 20.")
    ] = None,
    price: Annotated[
        str | None, Parameter(help="READ/WRITTEN, of a million tokens each, e.g. 0.15/0.60.")
    ] = None,
    find_out: Annotated[
        bool, Parameter(name="--discover", help="Ask the endpoint what it offers: 4 tokens.")
    ] = False,
    dry_run: Annotated[
        bool, Parameter(name="--dry-run", help="Say what can run and why not, and stop.")
    ] = False,
    tolerance: Tolerance = 0.0,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Ask a model for many answers to every prompt.

    PROMPTS is a file with one prompt a row. What the model gives access to,
    and which ways of asking and rules can run on it, is said before the first
    paid request. Answers land in the run directory as they come; the same
    command again goes on where it stopped, a larger -n adds to what is there.

    --json prints schema_version, command, model, tiers, can, cannot, outputs
    (path), answers (asked, got, by finish), short (prompts with fewer than
    asked), tokens, usage, cautions.

        variegate sample prompts.jsonl --model checkpoints/sft -n 16
        variegate sample prompts.jsonl --model NAME --endpoint https://host/v1
    """
    from variegate.models import Arm, require
    from variegate.prompting import asking as way_of_asking
    from variegate.samples import RunDirectory, read_prompts, safe_name

    tell: Callable[[str], None] = (lambda _text: None) if quiet or json else say
    asked = read_prompts(prompts)
    sampling = _sampling(temperature, top_p, max_tokens, rule)
    name, params = _named(asking)
    way = way_of_asking(name, **params)
    speaks: Model
    cautions: list[str] = []
    if endpoint is None:
        speaks = _checkpoint(model)
        server = None
    else:
        server = _endpoint(
            endpoint, model, api=api, key_env=key_env, in_flight=in_flight,
            per_request=per_request, top_logprobs=top_logprobs, prices=_prices(price),
        )  # fmt: skip
        server, cautions = _offered(server, pay=find_out)
        speaks = server
    can, cannot = _possible(speaks)
    tell(f"{speaks.name} gives {', '.join(sorted(speaks.tiers))}; can run: {', '.join(can)}")
    for why in dict.fromkeys(cannot.values()):
        tell(f"{why}; cannot run: {', '.join(what for what in cannot if cannot[what] == why)}")
    for line in cautions:
        tell(f"careful: {line}")
    require(speaks, way.tier, way.name)
    _check_rules(speaks, sampling)
    form = format or ("chat" if "chat" in speaks.formats() else "raw")
    arm = Arm(name=f"{model} {way.name}", model=speaks, format=form, sampling=sampling)
    folder = out if out is not None else Path("runs") / safe_name(f"sample-{model}")
    if dry_run:
        if json:
            print_json(
                "sample", model=speaks.name, tiers=sorted(speaks.tiers), can=can, cannot=cannot,
                cautions=cautions,
            )  # fmt: skip
        return 0
    settings = {**arm.settings(), **way.settings(), "seed": seed}
    if server is not None:
        settings["server"] = server.address.authority
    with (
        RunDirectory.open(folder, settings=settings, kind="sample") as run,
        Progress(quiet=quiet) as progress,
    ):
        try:
            samples = _draw(arm, way, asked, n=n, seed=seed, run=run, progress=progress)
        finally:
            if server is not None:
                tell(_spent(server))
        samples = _judged(samples, asked)
        outputs = run.write_frame("outputs.parquet", samples.frame)
    later = []
    if server is not None:
        later = [*server.cautions(sampling), *_all_alike(samples, sampling)]
        cautions += later
    frame = samples.frame
    finishes = dict(sorted(frame["finish"].value_counts().iter_rows()))
    short = _short(samples, n)
    failed = int(finishes.get("error", 0))
    tokens = {
        "read": int(frame["prompt_tokens"].sum() or 0),
        "written": int(frame["completion_tokens"].sum() or 0),
    }
    if json:
        print_json(
            "sample",
            model=speaks.name, tiers=sorted(speaks.tiers), can=can, cannot=cannot,
            outputs=str(outputs),
            answers={"asked": len(asked) * n, "got": frame.height - failed, "finish": finishes},
            short=short, tokens=tokens,
            usage=asdict(server.usage()) if server is not None else None,
            cautions=cautions,
        )  # fmt: skip
    else:
        rows: list[list[object]] = [[finish, count] for finish, count in finishes.items()]
        print_table(["answers", len(frame)], rows)  # type: ignore[list-item]
        for line in later if not quiet else ():
            say(f"careful: {line}")
        tell(f"next: variegate measure {outputs}")
    return exit_code((), gates=(), failed=failed, total=frame.height, tolerance=tolerance)


def _checkpoint(folder: str) -> Model:
    from variegate.models import transformers_model

    return transformers_model(folder)


def _endpoint(url: str, name: str, **options: Any) -> EndpointModel:
    from variegate.models import endpoint_model

    return endpoint_model(url, name, **options)


def _offered(server: EndpointModel, *, pay: bool) -> tuple[EndpointModel, list[str]]:
    """Check URL and key for nothing, and find out more where that was asked for."""
    from variegate.models import discover

    offer = discover(server, pay=pay)
    if pay:
        # Log-probabilities that were asked for and do not come stay asked for, and null.
        server.tiers = offer.tiers
        server.takes_n = offer.takes_n
    return server, list(offer.notes)


def _draw(
    arm: Arm,
    way: Any,
    prompts: tuple[Prompt, ...],
    *,
    n: int,
    seed: int,
    run: Any,
    progress: Progress,
) -> Samples:
    from variegate.models import CachedModel, collect

    def tell(done: int, wanted: int) -> None:
        progress(done, wanted, arm.name)

    if way.name == "direct":
        return collect(arm, prompts, n=n, seed=seed, run=run, progress=tell)
    # A way of asking keeps a prompt when it is done with it; its calls are kept as they come.
    cached = replace(arm, model=CachedModel(arm.model, run.cache("draws")))
    samples: Samples = way.collect(cached, prompts, n=n, seed=seed, run=run, progress=tell)
    return samples


def _judged(samples: Samples, prompts: tuple[Prompt, ...]) -> Samples:
    if not any(prompt.verifier for prompt in prompts):
        return samples
    from variegate.judging import judge

    return judge(samples, prompts)


def _possible(model: Model) -> tuple[list[str], dict[str, str]]:
    """What can run on a model, and what cannot with the reason."""
    from variegate.decoding import rules
    from variegate.models import TIERS
    from variegate.prompting import asking_tiers

    endpoint = not {"E", "F"} & model.tiers
    needs: dict[str, str] = {f"asking {way}": tier for way, tier in asking_tiers().items()}
    for entry in rules():
        # A rule with a field of its own needs the knobs, any other the whole distribution.
        needs[f"rule {entry.name}"] = "C" if endpoint and entry.endpoint else max(entry.tier, "E")
        if entry.contexts != 1:
            needs[f"rule {entry.name}"] = "F"
    can = [what for what, tier in needs.items() if tier in model.tiers]
    cannot = {
        what: f"needs {tier}: {TIERS[tier]}"  # type: ignore[index]
        for what, tier in needs.items()
        if tier not in model.tiers
    }
    return can, cannot


def _check_rules(model: Model, sampling: Sampling) -> None:
    """Refuse rules that cannot run here, before anything is asked."""
    from variegate.models import require

    for one in sampling.rules:
        entry = one.entry  # type: ignore[attr-defined]
        if entry.contexts != 1:
            raise UsageError(
                f"The rule {one.name!r} combines several contexts; one arm has one.",
                hint="variegate.decoding has the decoder of two contexts.",
            )
        require(model, "E" if entry.endpoint is None or "E" in model.tiers else "C", one.name)


def _sampling(
    temperature: str, top_p: float | None, max_tokens: int, rules: tuple[str, ...]
) -> Sampling:
    from variegate.decoding import rule
    from variegate.models import Sampling

    try:
        value = None if temperature == "default" else float(temperature)
    except ValueError:
        raise UsageError(
            f"Expected a number or 'default' as temperature, got {temperature!r}."
        ) from None
    made = [_named(text) for text in rules]
    return Sampling(
        temperature=value,
        top_p=top_p,
        max_tokens=max_tokens,
        rules=tuple(rule(name, **params) for name, params in made),
    )


def _named(text: str) -> tuple[str, dict[str, Any]]:
    """Read ``NAME:param=value,param=value``; values are numbers, true, false, none or words."""
    name, _, rest = text.partition(":")
    params: dict[str, Any] = {}
    for pair in filter(None, (part.strip() for part in rest.split(","))):
        key, equals, value = pair.partition("=")
        if not equals or not key.strip().isidentifier() or key.strip() in params:
            raise UsageError(
                f"Expected NAME:param=value,param=value, got {text!r}.",
                hint="For example min_p:min_p=0.05, or verbalized:per_call=5.",
            )
        params[key.strip()] = _value(value.strip())
    return name.strip(), params


def _value(word: str) -> Any:
    known = {"true": True, "false": False, "none": None}
    if word.lower() in known:
        return known[word.lower()]
    if re.fullmatch(r"[-+]?\d{1,18}", word):
        return int(word)
    try:
        return float(word)
    except ValueError:
        return word


def _prices(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        read, written = (float(part) for part in text.split("/"))
    except ValueError:
        raise UsageError(f"Expected a price like 0.15/0.60, got {text!r}.") from None
    if not (0 <= read < float("inf") and 0 <= written < float("inf")):
        raise DataError(f"Expected prices of at least 0, got {text!r}.")
    return read, written


def _spent(server: EndpointModel) -> str:
    usage = server.usage()
    words = (
        f"{usage.requests} requests ({usage.again} of them again), {usage.prompt_tokens} tokens "
        f"read, {usage.completion_tokens} written"
    )
    if usage.price is not None:
        words += f", {usage.price:.4g} in the currency of the prices"
    if usage.entropy is not None:
        low, high = usage.entropy
        words += f"; entropy of a token between {low:.3f} and {high:.3f} nats"
    return words


def _all_alike(samples: Samples, sampling: Sampling) -> list[str]:
    """Say where a server does not seem to draw: some are greedy whatever the temperature."""
    import polars as pl

    counts = (
        samples.frame.filter(pl.col("finish") == "stop")
        .group_by("task", "prompt_id")
        .agg(pl.col("text").n_unique().alias("texts"), pl.len())
        .filter(pl.col("len") >= 4)
    )
    if sampling.temperature == 0 or counts.is_empty() or (counts["texts"] > 1).any():
        return []
    return [
        f"All answers to each of {counts.height} prompts are the same, word for word: the server "
        "may not draw at all. transformers serve draws only where the checkpoint's own "
        "generation config says do_sample."
    ]


def _short(samples: Samples, n: int) -> list[dict[str, Any]]:
    """Prompts of which fewer answers came than were asked for."""
    import polars as pl

    got = samples.frame.group_by("task", "prompt_id", maintain_order=True).agg(
        (pl.col("finish") != "error").sum().alias("got")
    )
    return [{**row, "asked": n} for row in got.filter(pl.col("got") < n).iter_rows(named=True)]
