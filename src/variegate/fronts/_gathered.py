"""What every arm said: asked, or read from a file; who cannot run is told before any draw."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from variegate.embedding import Embedder
from variegate.errors import DataError, UnknownName, UsageError
from variegate.fronts._arms import Arms, Method, Setting
from variegate.judging import judge
from variegate.models import Arm, Model, collect, require
from variegate.samples import Prompt, RunDirectory, Samples, read, read_prompts, settings_hash

__all__ = [
    "Gathered",
    "Progress",
    "choose",
    "gather",
    "prompts_of",
    "refuse_mistakes",
    "without_silent",
]

Progress = Callable[[int, int, str], None]  # draws made, draws wanted, the arm that is asked

_CLOCK = "seconds.json"


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """What was said, and by whom.

    Args:
        samples: every output, judged, of all arms.
        settings: of the arms that spoke, in order.
        refused: method, arm, reason, for those that could not.
        models: method → the model's name, revision and tiers.
        seconds: arm → what its draws took; saved outputs have none.
    """

    samples: Samples
    settings: tuple[Setting, ...]
    refused: tuple[tuple[str, str, str], ...]
    models: Mapping[str, Mapping[str, Any]]
    seconds: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """A setting that can run: its arm, and the way of asking where it has one."""

    setting: Setting
    arm: Arm
    asking: Any | None
    n: int


@dataclass(frozen=True, kw_only=True)
class _Steps:
    """What a setting names, made."""

    rules: tuple[Any, ...]
    asking: Any
    choosing: Any


def choose(
    samples: Samples, settings: Sequence[Setting], *, embedder: Embedder, seed: int
) -> tuple[Samples, list[tuple[str, str, str]]]:
    """Let the arms that choose do so, from what the budget paid for.

    Returns:
        The outputs that are left, and method, arm, reason of the arms that could not choose.
    """
    frame, failed = samples.frame, []
    for setting in settings:
        way = _chooser(setting, seed)
        if way is None:
            continue
        own = frame.filter(pl.col("arm") == setting.arm)
        others = frame.filter(pl.col("arm") != setting.arm)
        try:
            chosen = way.apply(Samples.from_frame(own), embedder=embedder).frame
        except UsageError as error:
            failed.append((setting.method, setting.arm, str(error).rstrip(".")))
            chosen = own.clear()
        frame = pl.concat([others, chosen])
    return Samples.from_frame(frame, source=samples.source), failed


def gather(
    arms: Arms,
    prompts: Sequence[Prompt],
    *,
    run: RunDirectory | None = None,
    progress: Progress | None = None,
) -> Gathered:
    """Ask every arm that can be asked and read what was saved.

    Raises:
        DataError: a file is missing or holds nothing of use.
        UsageError: no arm can run.
    """
    ready, refused, models = _prepared(arms)
    frames, settings = [], []
    clock = _Clock(run)
    for one in ready:
        begun = time.monotonic()
        frames.append(_asked(one, prompts, seed=arms.seed, run=run, progress=progress))
        clock.add(one, time.monotonic() - begun)
        settings.append(one.setting)
    for method in arms.methods:
        if method.samples is not None:
            frame, saved = _saved(method, prompts)
            frames.append(frame)
            settings += saved
    if not frames:
        raise UsageError(
            "No arm can run: " + "; ".join(f"{arm}: {why}" for _, arm, why in refused[:3]) + "."
        )
    together = Samples.from_frame(
        pl.concat(frames).with_columns(pl.lit(None, dtype=pl.String).alias("sample_id")),
        source=arms.name,
    )
    order = {setting.arm: i for i, setting in enumerate(_in_order(arms, settings))}
    return Gathered(
        samples=judge(together, prompts),
        settings=tuple(sorted(settings, key=lambda setting: order[setting.arm])),
        refused=tuple(refused),
        models=models,
        seconds=clock.seconds,
    )


def without_silent(said: Gathered) -> tuple[Gathered, list[tuple[str, str, str]]]:
    """Leave out arms that answered half of the prompts or fewer: they would cost all others theirs.

    Returns:
        What is left, and method, arm, reason of those left out.
    """
    frame = said.samples.frame
    answered = frame.filter(pl.col("finish").fill_null("stop") != "error")
    every = frame.select("task", "prompt_id").n_unique()
    having = dict(
        answered.group_by("arm").agg(pl.struct("task", "prompt_id").n_unique()).iter_rows()
    )
    silent = [
        (s.method, s.arm, f"answered {having.get(s.arm, 0)} of {every} prompts")
        for s in said.settings
        if having.get(s.arm, 0) * 2 <= every
    ]
    gone = [arm for _, arm, _ in silent]
    left = tuple(setting for setting in said.settings if setting.arm not in gone)
    if not left or not gone:
        return said, []
    kept = Samples.from_frame(frame.filter(~pl.col("arm").is_in(gone)), source=said.samples.source)
    return replace(said, samples=kept, settings=left), silent


def prompts_of(arms: Arms) -> tuple[Prompt, ...]:
    """Return the prompts; none where only saved outputs are compared without a file.

    Raises:
        DataError: the file cannot be read.
    """
    if isinstance(arms.prompts, Path):
        return read_prompts(arms.prompts)
    return tuple(arms.prompts or ())


def refuse_mistakes(arms: Arms) -> None:
    """Find before anything is opened or written what is wrong with the arms themselves.

    Raises:
        DataError: a file that is not there.
        UnknownName: a rule, a way of asking or of choosing that nobody knows.
        UsageError: a parameter that cannot be.
    """
    for setting in arms.settings:
        _steps(setting, arms.seed)
    missing = []
    if isinstance(arms.prompts, Path) and not arms.prompts.is_file():
        missing.append(f"prompts: {arms.prompts}")
    for name in (method.name for method in arms.methods):
        method = arms.method(name)
        for kind in ("model", "samples", "beside"):
            path = getattr(method, kind)
            if isinstance(path, Path) and not path.exists():
                missing.append(f"{kind} of {name}: {path}")
    if missing:
        raise DataError(
            f"{len(missing)} of the files of {arms.name!r} are not there: {'; '.join(missing)}.",
            hint="Paths in an ARMS.toml are relative to the file.",
        )


def _prepared(
    arms: Arms,
) -> tuple[list[_Ready], list[tuple[str, str, str]], dict[str, dict[str, Any]]]:
    """Open the models and make every arm, before anything is drawn."""
    opened: dict[Any, Model] = {}
    ready: list[_Ready] = []
    refused: list[tuple[str, str, str]] = []
    models: dict[str, dict[str, Any]] = {}
    for name in (method.name for method in arms.methods):
        method = arms.method(name)
        if method.samples is not None:
            continue
        key = (method.model, method.gguf_file) if isinstance(method.model, Path) else id(method)
        if key not in opened:
            opened[key] = _opened(method)
        model = opened[key]
        beside = _beside(method, model, opened)
        models[name] = {
            "name": model.name,
            "revision": model.revision,
            "tiers": "".join(sorted(getattr(model, "tiers", ()))),
        }
        for setting in method.settings(arms.sampling):
            steps = _steps(setting, arms.seed)
            try:
                speaker = _speaker(setting, method, model, beside, arms)
                ready.append(_ready(setting, steps, method, speaker, arms))
            except UsageError as error:
                reason = f"{error} {error.hint or ''}".strip().rstrip(".")
                refused.append((name, setting.arm, reason))
    return ready, refused, models


def _opened(method: Method) -> Model:
    if not isinstance(method.model, Path):
        model: Model = method.model
        return model
    from variegate.models import transformers_model

    return transformers_model(method.model, name=method.model.name, gguf_file=method.gguf_file)


def _beside(method: Method, model: Model, opened: dict[Any, Model]) -> Model:
    """The model of a second context: opened once, the arm's own where none is named."""
    if method.beside is None:
        return model
    if not isinstance(method.beside, Path):
        other: Model = method.beside
        return other
    if (key := (method.beside, None)) not in opened:
        opened[key] = _opened(method.model_copy(update={"model": method.beside, "gguf_file": None}))
    return opened[key]


def _speaker(setting: Setting, method: Method, model: Model, beside: Model, arms: Arms) -> Model:
    """Put a second context beside a model, and a sampler of sets in front.

    Raises:
        UsageError: the model is not of the tier that takes.
    """
    speaker: Any = model
    if setting.together:
        from variegate.decoding import sequences

        require(model, "F", f"{setting.together[0]!r} beside another context")
        name, given = setting.together
        own = sequences.Context(model=speaker)
        other = sequences.Context(
            model=beside,  # type: ignore[arg-type]
            format=method.beside_format,
            prompt=method.beside_prompt,
        )
        way = sequences.way_together(name, **given)
        routed = isinstance(way, sequences.Router)
        contexts = (other, own) if routed else (own, other)
        speaker = sequences.together(*contexts, rule=way)
    if setting.sampler:
        from variegate.decoding import sequences

        name, given = setting.sampler
        require(speaker, "E", f"The sampler {name!r}")
        n = method.samples_per_prompt or arms.samples_per_prompt
        speaker = sequences.sampler(name, speaker, **{"n": n, **given})
    return speaker  # type: ignore[no-any-return]


def _steps(setting: Setting, seed: int) -> _Steps:
    """Make what a setting names; a name or a parameter that cannot be is a mistake of the file.

    Raises:
        UnknownName: a rule, a way of asking or of choosing that nobody knows.
        UsageError: a parameter that cannot be.
    """
    rules: tuple[Any, ...] = ()
    asking: Any = None
    if setting.rules:
        from variegate.decoding import rule

        rules = tuple(rule(name, **given) for name, given in setting.rules)
    if setting.together or setting.sampler:
        from variegate.decoding import sequences

        if setting.together:
            sequences.way_together(setting.together[0], **setting.together[1])
        if setting.sampler and setting.sampler[0] not in sequences.SAMPLERS:
            raise UnknownName("sampler", setting.sampler[0], sequences.SAMPLERS)
    if setting.asking:
        from variegate.prompting import asking as asking_by_name

        asking = asking_by_name(setting.asking[0], **setting.asking[1])
    return _Steps(rules=rules, asking=asking, choosing=_chooser(setting, seed))


def _chooser(setting: Setting, seed: int) -> Any:
    if not setting.choosing:
        return None
    from variegate.choosing import chooser

    name, given = setting.choosing
    return chooser(name, **{"seed": seed, **given})


def _ready(setting: Setting, steps: _Steps, method: Method, model: Model, arms: Arms) -> _Ready:
    """Hold a setting against what its model gives.

    Raises:
        UsageError: the model lacks a format or a tier.
    """
    for rule in steps.rules:
        if rule.entry.contexts != 1:
            raise UsageError(
                f"The rule {rule.name!r} combines several contexts.",
                hint="Name it under 'together', with the second context under 'beside'.",
            )
        # A rule runs on the whole distribution, also one that an endpoint knows by a parameter.
        require(model, "E", f"The rule {rule.name!r}")
    if steps.asking is not None:
        require(model, steps.asking.tier, f"Asking by {steps.asking.name!r}")
    own = method.format or ("chat" if "chat" in model.formats() else "raw")
    drawn = setting.draw()
    return _Ready(
        setting=setting,
        arm=Arm(
            name=setting.arm,
            model=model,
            format=own,
            sampling=replace(drawn, rules=steps.rules) if steps.rules else drawn,
        ),
        asking=steps.asking,
        n=method.samples_per_prompt or arms.samples_per_prompt,
    )


def _asked(
    one: _Ready,
    prompts: Sequence[Prompt],
    *,
    seed: int,
    run: RunDirectory | None,
    progress: Progress | None,
) -> pl.DataFrame:
    name = one.setting.arm
    settings: dict[str, Any] = {
        "n": one.n,
        "seed": seed,
        "run": run,
        "progress": None if progress is None else _named(progress, name),
    }
    asked = (
        collect(one.arm, prompts, **settings)
        if one.asking is None
        else one.asking.collect(one.arm, prompts, **settings)
    )
    # Arms that ask the same share their draws; in a run they carry the first name.
    return asked.frame.with_columns(pl.lit(name).alias("arm"))


def _named(progress: Progress, name: str) -> Callable[[int, int], None]:
    return lambda done, wanted: progress(done, wanted, name)


def _saved(method: Method, prompts: Sequence[Prompt]) -> tuple[pl.DataFrame, list[Setting]]:
    """Read saved outputs: every arm in them is a setting."""
    samples = method.samples if isinstance(method.samples, Samples) else read(method.samples)
    frame = samples.frame
    named = frame["arm"].unique(maintain_order=True).to_list()
    labels = {arm: "" if len(named) == 1 else str(arm) for arm in named}
    arms = {a: f"{method.name} ({label})" if label else method.name for a, label in labels.items()}
    frame = frame.with_columns(pl.col("arm").replace_strict(arms, return_dtype=pl.String))
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
    found = [Setting(method=method.name, arm=arms[a], label=labels[a]) for a in named]
    return frame, found


def _in_order(arms: Arms, settings: Sequence[Setting]) -> list[Setting]:
    place = {method.name: i for i, method in enumerate(arms.methods)}
    return sorted(settings, key=lambda setting: place[setting.method])


class _Clock:
    """Seconds an arm took, over all the times a run was continued."""

    def __init__(self, run: RunDirectory | None) -> None:
        self._run = run
        self._all: dict[str, float] = {}  # by what was asked, not by what it is called
        self.seconds: dict[str, float] = {}
        path = None if run is None else run.path / _CLOCK
        if path is not None and path.is_file():
            try:
                self._all = {str(k): float(v) for k, v in json.loads(path.read_text()).items()}
            except (ValueError, AttributeError) as error:
                raise DataError(f"{path}: not a table of seconds.", hint="Remove it.") from error

    def add(self, one: _Ready, seconds: float) -> None:
        asking = None if one.asking is None else one.asking.settings()
        key = settings_hash({**one.arm.settings(), "n": one.n, "asking": asking})
        self._all[key] = round(self._all.get(key, 0.0) + seconds, 3)
        self.seconds[one.setting.arm] = self._all[key]
        if self._run is not None:
            self._run.write_json(_CLOCK, self._all)
