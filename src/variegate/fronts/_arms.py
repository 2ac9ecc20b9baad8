"""Arms: the methods that are held against each other, each with the settings it is tried with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any, Literal, LiteralString

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from variegate.errors import UsageError
from variegate.models import Format, Sampling
from variegate.samples import did_you_mean, read_described, redact

__all__ = ["Arms", "Method", "Setting"]

_STRICT = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
_LAB = "lab"

Named = tuple[str, Mapping[str, Any]]
"""A rule, a way of asking or of choosing: its name and its parameters."""


class Setting(BaseModel):
    """One point of a method's grid: what makes one arm."""

    model_config = _STRICT

    method: str
    arm: str
    label: str  # what differs from the method's other settings
    sampling: Mapping[str, Any] = {}
    rules: tuple[Named, ...] = ()
    sampler: Named | None = None
    together: Named | None = None
    asking: Named | None = None
    choosing: Named | None = None

    def draw(self) -> Sampling:
        """Return the settings of a draw, without the rules.

        Raises:
            UsageError: a setting outside its range.
        """
        given = dict(self.sampling)
        if "stop" in given:
            given["stop"] = tuple(given["stop"])
        return Sampling(**given)


class Method(BaseModel):
    """A way of getting outputs, with the settings it is to be tried with.

    A list stands for several settings: ``temperature = [0.7, 1.0]`` is two arms, and every
    combination of lists is one. A parameter that is itself a list is written in another list.

    Args:
        name: how it is called everywhere; one per method.
        model: a folder in Hugging Face format, ``lab:STAGE`` for a checkpoint that ships with
            the package, ``URL#NAME`` for a model behind an endpoint (its key from
            OPENAI_API_KEY), or anything that keeps the `Model` protocol.
        samples: saved outputs instead of a model: a file that `read` understands, or Samples.
            Every arm in it is a setting.
        gguf_file: the file inside the folder, where the weights are GGUF.
        format: how the model is asked; by default ``chat`` where it has a template, else ``raw``.
        sampling: settings of the draw, over those of the `Arms`.
        rules: decoding rules after the truncation: names, or tables with a name and parameters.
        together: how a second context writes along: ``hand_off``, ``nudge``, ``baco`` or
            ``chance``, where the context `beside` is the first, or a blend of distributions
            (``mixture``, ``contrast``, ``kl_temperature``, ``uscd``), where it is the second.
        beside: the model of that second context, as `model`; the same one when left out.
        beside_format: how that is asked; by default as the arm, and raw where it cannot be.
        beside_prompt: what it reads instead, with {prompt} where the prompt goes.
        sampler: draws that know of each other: ``arithmetic``, ``stochastic_beam``,
            ``diverse_beam`` or ``lookahead_tree``.
        asking: a way of asking for a set: a name, or a table with a name and parameters.
        choosing: how few are chosen of many: likewise.
        samples_per_prompt: draws per prompt, where this method needs others than the rest.
    """

    model_config = _STRICT

    name: str = Field(min_length=1)
    model: Any = None
    samples: Any = None
    gguf_file: str | None = None
    format: Format | None = None
    sampling: dict[str, Any] = {}
    rules: tuple[Any, ...] = ()
    together: Any = None
    beside: Any = None
    beside_format: Format | None = None
    beside_prompt: str | None = None
    sampler: Any = None
    asking: Any = None
    choosing: Any = None
    samples_per_prompt: int | None = Field(default=None, ge=1)

    @field_validator("model", "samples", "beside")
    @classmethod
    def _resolve(cls, value: Any, info: ValidationInfo) -> Any:
        return _resolved(value, info)

    @field_validator("sampling")
    @classmethod
    def _known_sampling(cls, value: dict[str, Any]) -> dict[str, Any]:
        return _checked_sampling(value)

    @field_validator("rules", "together", "sampler", "asking", "choosing")
    @classmethod
    def _named(cls, value: Any) -> Any:
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, dict) and not isinstance(one.get("name"), str):
                raise _told("expected a table with a 'name', found {found}", found=str(one))
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Method:
        if self.model is not None and self.samples is not None:
            raise _told("expected either 'model' or 'samples', found both")
        made = [
            n
            for n in ("sampling", "rules", "together", "sampler", "asking", "choosing")
            if getattr(self, n)
        ]
        if self.samples is not None and made:
            raise _told(
                "saved outputs cannot be drawn again: leave out {names}", names=", ".join(made)
            )
        return self

    def settings(self, defaults: Mapping[str, Any]) -> tuple[Setting, ...]:
        """Every combination of what was given as a list, the first values first.

        Args:
            defaults: settings of the draw where the method says nothing.
        """
        axes: list[tuple[str, list[Any]]] = []
        for key, given in {**defaults, **self.sampling}.items():
            axes.append((f"sampling.{key}", _swept(given, key)))
        for place, one in [
            *((f"rules.{i}", rule) for i, rule in enumerate(self.rules)),
            ("together", self.together),
            ("sampler", self.sampler),
            ("asking", self.asking),
            ("choosing", self.choosing),
        ]:
            if isinstance(one, Mapping):
                axes += [(f"{place}.{key}", _swept(v, key)) for key, v in one.items()]
            elif one is not None:
                axes.append((f"{place}.name", [one]))
        varied = [place for place, values in axes if len(values) > 1]
        found = []
        for values in product(*(values for _, values in axes)):
            at = dict(zip((place for place, _ in axes), values, strict=True))
            label = ", ".join(f"{_short(p, varied)} {_plain(at[p])}" for p in varied)
            found.append(
                Setting(
                    method=self.name,
                    arm=f"{self.name} ({label})" if label else self.name,
                    label=label,
                    sampling={p.partition(".")[2]: v for p, v in at.items() if _of(p, "sampling")},
                    rules=tuple(
                        rule
                        for i in range(len(self.rules))
                        if (rule := _taken(at, f"rules.{i}")) is not None
                    ),
                    together=_taken(at, "together"),
                    sampler=_taken(at, "sampler"),
                    asking=_taken(at, "asking"),
                    choosing=_taken(at, "choosing"),
                )
            )
        return tuple(found)


class Arms(BaseModel):
    """Methods to be held against each other at equal cost, and how.

    Read it from a TOML file with `Arms.read`; paths in the file are relative to the file. It can
    also be written in Python, where `model` and `samples` may be objects; there a mistake is a
    ``pydantic.ValidationError``.

    Args:
        name: of the comparison.
        methods: what is compared.
        baseline: the method the others are held against; the first when left out.
        prompts: a file of prompts, ``lab`` for those of the lab, or a tuple of `Prompt`; may be
            left out when every method brings saved outputs.
        model: where a method names none; likewise `gguf_file` and `format`.
        gguf_file: see `model`.
        format: see `model`.
        sampling: settings of the draw for all methods; a method's own come over them.
        samples_per_prompt: draws per prompt and arm, before the budget cuts them.
        cost: what is held equal: ``tokens`` (read and written), ``calls`` or ``seconds``.
        budget: of that, for every prompt; by default what the cheapest arm took for it.
        tries: settings every method may be tried with; by default as many as the method with
            the fewest has.
        quality: metric across; accuracy where there are verdicts, else quality.
        variety: metric upwards.
        metrics: what is measured besides.
        reference: the point (quality, variety) that hypervolumes are measured from; the lower
            ends of the two metrics when left out.
        seed: of the sampling, the halves, the lots and the resampling.
        embedder: name of the embedder.

    Example:
        >>> from variegate.fronts import Arms
        >>> from variegate.models import UniformModel
        >>> arms = Arms(
        ...     model=UniformModel(branching=4, length=3),
        ...     prompts=(),
        ...     methods=[{"name": "plain", "sampling": {"temperature": [0.7, 1.0]}}],
        ... )
        >>> [setting.arm for setting in arms.settings]
        ['plain (temperature 0.7)', 'plain (temperature 1)']
    """

    model_config = _STRICT

    name: str = "front"
    methods: tuple[Method, ...] = Field(min_length=1)
    baseline: str = ""
    prompts: Any = None
    model: Any = None
    gguf_file: str | None = None
    format: Format | None = None
    sampling: dict[str, Any] = {}
    samples_per_prompt: int = Field(default=16, ge=1)
    cost: Literal["tokens", "calls", "seconds"] = "tokens"
    budget: float | None = Field(default=None, gt=0)
    tries: int | None = Field(default=None, ge=1)
    quality: str | None = None
    variety: str = "pairwise"
    metrics: tuple[str, ...] = ()
    reference: tuple[float, float] | None = None
    seed: int = Field(default=0, ge=0)
    embedder: str | None = None

    @field_validator("model", "prompts")
    @classmethod
    def _resolve(cls, value: Any, info: ValidationInfo) -> Any:
        return tuple(value) if isinstance(value, list) else _resolved(value, info)

    @field_validator("sampling")
    @classmethod
    def _known_sampling(cls, value: dict[str, Any]) -> dict[str, Any]:
        return _checked_sampling(value)

    @model_validator(mode="after")
    def _fits_together(self) -> Arms:
        names = [method.name for method in self.methods]
        for index, method in enumerate(self.methods):
            if method.name in names[:index]:
                raise _told(
                    "two methods are named {name}",
                    name=repr(method.name),
                    keys=("methods", index, "name"),
                )
            if method.samples is None and method.model is None and self.model is None:
                raise _told(
                    "expected 'model' or 'samples', found neither", keys=("methods", index, "name")
                )
        if self.baseline and self.baseline not in names:
            words = f"no method is named {self.baseline!r}" + did_you_mean(self.baseline, names)
            raise _told("{words}", words=words.rstrip("?"), keys=("baseline",))
        if self.prompts is None and any(method.samples is None for method in self.methods):
            raise _told("expected 'prompts', since a method has a model to ask")
        arms = [setting.arm for setting in self.settings]
        for setting in self.settings:
            try:
                setting.draw()
            except UsageError as error:
                index = names.index(setting.method)
                raise _told(
                    "{words}", words=str(error).rstrip("."), keys=("methods", index, "sampling")
                ) from None
        twice = next((arm for i, arm in enumerate(arms) if arm in arms[:i]), None)
        if twice:
            raise _told("two arms are named {name}", name=repr(twice), keys=("methods",))
        return self

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Every setting of every method that is asked, in the order of the file."""
        return tuple(
            setting
            for method in self.methods
            if method.samples is None
            for setting in method.settings(self.sampling)
        )

    @property
    def baseline_method(self) -> str:
        """The name of the method the others are held against."""
        return self.baseline or self.methods[0].name

    def method(self, name: str) -> Method:
        """Return the method of this name, with the model and the format it inherits."""
        found = next(method for method in self.methods if method.name == name)
        if found.samples is not None or found.model is not None:
            return found
        inherited = {"model": self.model, "gguf_file": self.gguf_file}
        return found.model_copy(update={**inherited, "format": found.format or self.format})

    @classmethod
    def read(cls, path: str | Path) -> Arms:
        """Read arms from a TOML file.

        Raises:
            DataError: the file is not there, is not TOML, or does not describe arms; the message
                names the line and the key.
        """
        return read_described(path, cls, example="ARMS.toml")


def _resolved(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, str | Path):
        return value
    # A path, not an import: the lab stands on a higher floor.
    lab = Path(str(files("variegate"))) / _LAB
    if value == _LAB:
        return lab / "prompts.jsonl"
    if str(value).startswith(f"{_LAB}:"):
        stages = lab / "checkpoints"
        name = str(value).partition(":")[2]
        known = sorted(path.name for path in stages.iterdir() if path.is_dir())
        if name not in known:
            words = f"the lab has no stage {name!r}" + did_you_mean(name, known)
            raise _told("{words}", words=words.rstrip("?"))
        return stages / name
    if str(value).startswith(("http://", "https://")):
        return _endpoint(str(value))
    folder = (info.context or {}).get("folder", Path())
    return Path(folder) / Path(value).expanduser()


def _endpoint(address: str) -> Any:
    url, mark, name = address.partition("#")
    if not (mark and name):
        raise _told(
            "expected the endpoint and the name of its model as URL#NAME, found {found}",
            found=repr(redact(address)),
        )
    from variegate.models import endpoint_model

    return endpoint_model(url, name)


def _checked_sampling(value: dict[str, Any]) -> dict[str, Any]:
    known = [field.name for field in fields(Sampling) if field.name != "rules"]
    for key in value:
        if key not in known:
            words = "unknown key" + did_you_mean(key, known)
            raise _told("{words}", words=words.rstrip("?"), within=(key,))
    return value


def _told(template: LiteralString, **context: Any) -> PydanticCustomError:
    return PydanticCustomError("described", template, context)


def _swept(given: Any, key: str) -> list[Any]:
    """Return the values a parameter is tried with."""
    if key == "stop" and isinstance(given, list | tuple):
        # The stops of one draw are a list already.
        return list(given) if any(isinstance(one, list | tuple) for one in given) else [given]
    if isinstance(given, list | tuple):
        if not given:
            raise _told("expected a value or a list of values for {key}", key=repr(key))
        return list(given)
    return [given]


def _of(place: str, kind: str) -> bool:
    return place.startswith(f"{kind}.")


def _taken(at: Mapping[str, Any], kind: str) -> Named | None:
    given = {place.removeprefix(f"{kind}."): v for place, v in at.items() if _of(place, kind)}
    return (str(given.pop("name")), given) if given else None


def _short(place: str, varied: list[str]) -> str:
    """Name a parameter by its last word where that is enough."""
    last = place.rpartition(".")[2]
    alone = sum(other.rpartition(".")[2] == last for other in varied) == 1
    return last if alone else place.replace("sampling.", "")


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
